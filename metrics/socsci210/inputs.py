"""The columns of the evaluate module as arrays, checked. numpy only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .cells import Answers, Floats, Ints
from .groups import FIELDS, group_of
from .parity import Attribute


class Inputs(NamedTuple):
    """Rows with a prediction, as arrays of shape (rows,), and how many had none."""

    answers: Answers
    response: Floats
    study: Ints
    low: Floats
    high: Floats
    step: Floats
    kept: Ints
    points: bool
    unparsed: int


def read_inputs(
    predictions: Sequence[Any],
    references: Sequence[int],
    study_id: Sequence[str],
    scale_min: Sequence[int | None],
    scale_max: Sequence[int | None],
) -> Inputs:
    """Check and convert. A point that is None was not parsed: its row is dropped and counted.

    Raises:
        ValueError: no rows, probabilities that are not a distribution, or that do not fit their scale. The message names the first row.
    """
    if not len(predictions):
        raise ValueError("no predictions: give at least one row")
    low, high = _numbers(scale_min), _numbers(scale_max)
    _, study = np.unique(np.asarray(study_id), return_inverse=True)
    points = not any(isinstance(one, (list, tuple, np.ndarray)) for one in predictions[:1])
    if points:
        value = _numbers(predictions)
        kept = np.flatnonzero(np.isfinite(value))
        if not len(kept):
            raise ValueError(f"none of {len(value)} predictions is a number")
        answers = Answers(np.arange(len(kept) + 1), value[kept], np.ones(len(kept)))
        step = np.ones(len(kept))
    else:
        kept = np.arange(len(predictions))
        answers, step = _distributions(predictions, low, high)
    return Inputs(
        answers=answers,
        response=np.asarray(references, np.float64)[kept],
        study=study.reshape(-1).astype(np.int64)[kept],
        low=low[kept],
        high=high[kept],
        step=step,
        kept=kept,
        points=points,
        unparsed=len(predictions) - len(kept),
    )


def read_attributes(demographic: Sequence[str]) -> list[Attribute]:
    """The group of every row by every demographic field. Each row is a JSON object; fields it lacks are unknown.

    Raises:
        ValueError: a row has a field that is none of the 16.
    """
    distinct, row = np.unique(np.asarray(demographic, dtype=object), return_inverse=True)
    persons = [json.loads(text) for text in distinct]
    for text, person in zip(distinct, persons, strict=True):
        if unknown := sorted(set(person) - set(FIELDS)):
            raise ValueError(f"unknown demographic field {', '.join(unknown)} in {text}; the fields are {', '.join(FIELDS)}")
    found = []
    for name in FIELDS:
        groups = [group_of(name, person.get(name)) for person in persons]
        labels = tuple(sorted({group for group in groups if group is not None}))
        place = np.array([-1 if group is None else labels.index(group) for group in groups], np.int64)
        found.append(Attribute(name, place[row.reshape(-1)], labels))
    return found


def _numbers(values: Sequence[Any]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _distributions(predictions: Sequence[Any], low: Floats, high: Floats) -> tuple[Answers, Floats]:
    """Probabilities of the equally spaced answers from the lower to the upper end of each row's scale."""
    rows = [np.asarray(row, np.float64) for row in predictions]
    sizes = np.array([len(row) for row in rows], np.int64)
    _refuse(~(np.isfinite(low) & np.isfinite(high)), "gives probabilities but has no scale: give a point prediction")
    _refuse(sizes < 2, "gives fewer than two probabilities: give one for every answer of the scale")
    step = (high - low) / np.maximum(sizes - 1, 1)
    _refuse((step < 1) | (step != np.rint(step)), "gives a number of probabilities that does not fit its scale")
    probability = np.concatenate(rows)
    row = np.repeat(np.arange(len(rows)), sizes)
    bad = np.bincount(row, weights=~(np.isfinite(probability) & (probability >= 0)), minlength=len(rows)) > 0
    _refuse(bad, "gives a probability that is nan, infinite or negative")
    total = np.bincount(row, weights=probability, minlength=len(rows))
    _refuse(np.abs(total - 1) > 1e-6, "gives probabilities that do not sum to 1")
    start = np.concatenate([[0], np.cumsum(sizes)])
    place = np.arange(len(row)) - start[:-1][row]
    return Answers(start, low[row] + place * step[row], probability / total[row]), step


def _refuse(bad: NDArray[np.bool_], what: str) -> None:
    if bad.any():
        raise ValueError(f"{int(bad.sum())} of {len(bad)} rows are wrong; row {int(np.argmax(bad))} {what}")
