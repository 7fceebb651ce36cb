"""The columns of the evaluate module as arrays, checked. numpy only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .cells import Answers, Floats, Ints
from .groups import FIELDS, group_of
from .parity import Attribute

Kind = Literal["points", "draws", "probabilities"]


class Inputs(NamedTuple):
    """Rows with a prediction, as arrays of shape (rows,), and how many had none.

    Attributes:
        answers: points; draws with equal shares; or distributions.
        response: what the person answered, nan where nobody did (an arm that a person was not assigned to).
        study: code of the study, its name is `studies[study]`.
        low, high, step: stated scale, nan where there is none.
        kept: places of the rows among those given.
        kind: what the predictions are.
        per_person: draws in each row (1 for points).
        unparsed: rows without a prediction, left out.
    """

    answers: Answers
    response: Floats
    study: Ints
    studies: list[str]
    low: Floats
    high: Floats
    step: Floats
    kept: Ints
    kind: Kind
    per_person: int
    unparsed: int

    def take(self, column: Sequence[Any]) -> Ints:
        """Whole numbers of the rows kept."""
        return np.asarray(column, np.int64)[self.kept]


def read_inputs(
    predictions: Sequence[Any],
    references: Sequence[int | None],
    study_id: Sequence[str],
    scale_min: Sequence[int | None],
    scale_max: Sequence[int | None],
    *,
    draws: bool = False,
    unassigned: bool = False,
) -> Inputs:
    """Check and convert. A prediction that is None (or an empty list) was not parsed: its row is dropped and counted.

    Args:
        draws: lists hold draws, not probabilities.
        unassigned: rows may have no reference.

    Raises:
        ValueError: no rows, no reference, an infinite point, a scale with one end or with its ends in the wrong order, probabilities that
            are not a distribution, or that do not fit their scale, draws that are no numbers or not equally many. The message counts the
            rows and names the first.
    """
    if not len(predictions):
        raise ValueError("no predictions: give at least one row")
    given = np.array([one is not None and not (_is_list(one) and not len(one)) for one in predictions], np.bool_)
    points = not any(_is_list(one) for one in predictions)
    if points:
        numbers = _numbers(predictions)
        _refuse(np.isinf(numbers), np.arange(len(numbers)), "is predicted as infinite: give None where a row was not parsed")
        given = np.isfinite(numbers)
    kept = np.flatnonzero(given)
    if not len(kept):
        raise ValueError(f"none of {len(given)} predictions is a number")
    response = _numbers(references)
    if not unassigned:
        _refuse(np.isnan(response), np.arange(len(response)), "has no reference")
    low, high = _numbers(scale_min)[kept], _numbers(scale_max)[kept]
    _refuse(np.isfinite(low) != np.isfinite(high), kept, "has one end of a scale: give both, or None for both")
    _refuse(low >= high, kept, "has a scale whose lower end is not below its upper end")
    rows = [np.atleast_1d(np.asarray(predictions[int(i)], np.float64)) for i in kept]
    if points or draws:
        answers, step = _samples(rows, kept), np.ones(len(kept))
    else:
        answers, step = _distributions(rows, low, high, kept)
    names, study = np.unique(np.asarray(study_id), return_inverse=True)
    return Inputs(
        answers=answers,
        response=response[kept],
        study=study.reshape(-1).astype(np.int64)[kept],
        studies=[str(name) for name in names],
        low=low,
        high=high,
        step=step,
        kept=kept,
        kind="points" if points else "draws" if draws else "probabilities",
        per_person=int(answers.sizes[0]) if points or draws else 1,
        unparsed=len(given) - len(kept),
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


def read_levels(attributes: Sequence[str]) -> Ints:
    """Code of the level of each conjoint attribute in each row, shape (rows, attributes); -1 where the row does not show it.

    Each row is a JSON object of attribute names and levels. Codes follow the alphabet, so the first level is the baseline.
    """
    distinct, row = np.unique(np.asarray(attributes, dtype=object), return_inverse=True)
    shown = [json.loads(text) for text in distinct]
    names = sorted({name for one in shown for name in one})
    levels = {name: sorted({str(one[name]) for one in shown if one.get(name) is not None}) for name in names}
    codes = [[levels[name].index(str(one[name])) if one.get(name) is not None else -1 for name in names] for one in shown]
    return np.array(codes, np.int64).reshape(len(shown), len(names))[row.reshape(-1)]


def _numbers(values: Sequence[Any]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _is_list(one: Any) -> bool:
    return isinstance(one, (list, tuple, np.ndarray))


def _samples(rows: list[Floats], place: Ints) -> Answers:
    """Draws of each row in ascending order, each with the same share."""
    sizes = np.array([len(row) for row in rows], np.int64)
    _refuse(sizes != sizes[0], place, f"has another number of draws than the first row with draws, which has {sizes[0]}")
    value = np.sort(np.stack(rows), axis=1)
    _refuse(np.asarray((~np.isfinite(value)).any(axis=1)), place, "has a draw that is not a number: give None where a row was not parsed")
    return Answers(np.arange(len(rows) + 1) * sizes[0], value.reshape(-1), np.full(value.size, 1 / sizes[0]))


def _distributions(rows: list[Floats], low: Floats, high: Floats, place: Ints) -> tuple[Answers, Floats]:
    """Probabilities of the equally spaced answers from the lower to the upper end of each row's scale."""
    sizes = np.array([len(row) for row in rows], np.int64)
    _refuse(~(np.isfinite(low) & np.isfinite(high)), place, "gives probabilities but has no scale: give a point prediction")
    _refuse(sizes < 2, place, "gives fewer than two probabilities: give one for every answer of the scale")
    step = (high - low) / np.maximum(sizes - 1, 1)
    _refuse((step < 1) | (step != np.rint(step)), place, "gives a number of probabilities that does not fit its scale")
    probability = np.concatenate(rows)
    row = np.repeat(np.arange(len(rows)), sizes)
    bad = np.bincount(row, weights=~(np.isfinite(probability) & (probability >= 0)), minlength=len(rows)) > 0
    _refuse(bad, place, "gives a probability that is nan, infinite or negative")
    total = np.bincount(row, weights=probability, minlength=len(rows))
    _refuse(np.abs(total - 1) > 1e-6, place, "gives probabilities that do not sum to 1")
    start = np.concatenate([[0], np.cumsum(sizes)])
    entry = np.arange(len(row)) - start[:-1][row]
    return Answers(start, low[row] + entry * step[row], probability / total[row]), step


def _refuse(bad: NDArray[np.bool_], place: Ints, what: str) -> None:
    if bad.any():
        raise ValueError(f"{int(bad.sum())} of {len(bad)} rows are wrong; row {int(place[np.argmax(bad)])} {what}")
