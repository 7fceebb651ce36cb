"""The gate on published numbers: what the source prints, the build must give, to the last digit printed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from ..errors import GateError
from ..study_declared import Stated
from .made import Made

_WIDEST: Final = 0.05  # of the range of possible values: a number that is off by more proves nothing
_ROUNDING: Final = 1e-9
Mask = npt.NDArray[np.bool_]


def stated_numbers(made: Made) -> Iterator[GateError]:
    """The build reproduces every number that the study's own source prints, within its rounding."""
    for number, stated in enumerate(made.study.stated):
        found = _reproduced(made, stated)
        part = _part(stated)
        if found is None or abs(found - stated.value) > stated.slack + _ROUNDING:
            yield GateError(
                "stated",
                f"the {stated.what} {part} is {'undefined' if found is None else format(found, '.6g')}",
                where=made.where("stated"),
                expected=f"{stated.value:g} within {stated.slack:g}, as printed in {stated.printed_in}",
                fix="find which filter, code or arm differs from the source",
            )
        elif stated.slack > _WIDEST * (width := _width(made, stated)) + _ROUNDING:
            yield GateError(
                "stated",
                f"the {stated.what} {part} may be off by {stated.slack:g}, so it proves nothing",
                where=made.where(f"stated[{number}].tolerance"),
                expected=f"at most {_WIDEST * width:g}",
                fix="leave tolerance out, so that the digits printed decide",
            )


def _part(stated: Stated) -> str:
    named = (("outcome", stated.outcome), ("condition", stated.condition))
    part = " ".join(f"of {kind} {name}" for kind, name in named if name) or "of the study"
    return part + (f" less condition {stated.than}" if stated.than else "")


def _width(made: Made, stated: Stated) -> float:
    if stated.what == "share":
        return 1.0
    if stated.what == "n" or stated.outcome is None:
        return abs(stated.value)
    task = [outcome.id for outcome in made.study.outcomes].index(stated.outcome)
    scales = [asked.scale for (_, number, _), asked in made.rows.cells.items() if number == task]
    bounds = [scale.max - scale.min for scale in scales if scale.max is not None and scale.min is not None]
    return float(max(bounds)) if bounds else max(abs(stated.value), 1.0) * 20  # without bounds nothing is too wide


def _reproduced(made: Made, stated: Stated) -> float | None:
    rows = made.rows
    place = _place(made, stated.condition)
    if stated.outcome is None:
        return _of_people(made, stated, place)
    answered = rows.task == [outcome.id for outcome in made.study.outcomes].index(stated.outcome)
    chosen = answered if place is None else answered & (rows.condition == place)
    if stated.what == "n":
        return float(chosen.sum())
    if stated.what == "share":
        return _mean(made, stated, chosen, np.isin(rows.response, stated.answers))
    mean = _mean(made, stated, chosen, rows.response)
    if stated.what == "mean":
        return mean
    other = _mean(made, stated, answered & (rows.condition == _place(made, stated.than)), rows.response)
    return None if mean is None or other is None else mean - other


def _place(made: Made, condition: str | None) -> int | None:
    return None if condition is None else [arm.id for arm in made.study.conditions].index(condition)


def _of_people(made: Made, stated: Stated, place: int | None) -> float:
    assigned = made.rows.assigned
    chosen = np.ones(len(assigned), np.bool_) if place is None else assigned[:, place]
    if stated.what == "n":
        return float(chosen.sum())
    weights = _weights(made, stated)
    return float(weights[chosen].sum() / weights.sum())


def _weights(made: Made, stated: Stated) -> npt.NDArray[np.float64]:
    """One per person; all 1 where the number is not weighted."""
    if not stated.weighted:
        return np.ones(made.deposit.n_people)
    return np.asarray(made.deposit.table.column("weight").to_numpy(zero_copy_only=False), np.float64)


def _mean(made: Made, stated: Stated, chosen: Mask, values: npt.NDArray[np.int64] | Mask) -> float | None:
    weights = _weights(made, stated)[made.rows.participant[chosen]]
    return float(np.average(values[chosen].astype(np.float64), weights=weights)) if weights.sum() > 0 else None
