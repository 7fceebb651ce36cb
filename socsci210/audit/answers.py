"""Rules about answers: off their scale, offset by condition, codes for no answer, and cells whose range cannot be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from ..patterns import SENTINEL
from .cells import grouped, members
from .records import Finding, Ints, Mask, StudyRows, values_seen

APART: Final = 3.0  # a code without a scale counts only if no answer lies within this factor of it
ENOUGH_OTHERS: Final = 20  # answers that must stand beside a code before its distance from them says anything
ENOUGH_SHIFTED: Final = 5  # answers off the stated scale before an offset by condition is taken as certain
FEWEST: Final = 14  # answers of a cell before its range is judged
DIXON: Final = 0.5  # share of the range that hangs on one answer; beyond the 99 % point of Dixon's Q for every n from 14 (Rorabacher 1991)


def bounded(rows: StudyRows) -> Mask:
    """Rows whose question states the smallest and the largest answer."""
    return ~np.isnan(rows.low)


def off_scale(rows: StudyRows) -> Mask:
    """Rows whose answer is not one of the stated values, whatever the reason."""
    has = bounded(rows)
    outside = np.zeros(len(rows), np.bool_)
    low, answer = rows.low[has], rows.response[has]
    outside[has] = (answer < low) | (answer > rows.high[has]) | ((answer - low) % rows.step[has] != 0)
    return outside


def conventional_codes(values: Ints) -> Mask:
    """True where a value is one that surveys use for no answer: -1, 77, 98, 999, ..."""
    distinct, place = np.unique(values, return_inverse=True)
    return np.array([SENTINEL.fullmatch(str(value)) is not None for value in distinct], np.bool_)[place.reshape(-1)]


def offsets(rows: StudyRows) -> Ints:
    """What to subtract from each answer because its condition's number was added to it; 0 where that is not certain.

    Certain: among the rows of one outcome and one stated scale of k consecutive values, every answer lies on the copy of the scale that is
    moved by k times (condition - first), where first is 0 or the lowest condition. Copies never overlap, so an answer fits one copy only.
    Conventional codes that fit no copy do not speak against it. At least two conditions and five answers off the scale are needed.
    """
    shift = np.zeros(len(rows), np.int64)
    outside = off_scale(rows)
    if not outside.any():
        return shift
    has = bounded(rows) & (np.nan_to_num(rows.step, nan=1.0) == 1)
    group, _ = grouped(rows.task, np.nan_to_num(rows.low), np.nan_to_num(rows.high))
    for places in members(group, has):
        if outside[places].sum() >= ENOUGH_SHIFTED:
            shift[places] = _offset_of(rows, places)
    return shift


def _offset_of(rows: StudyRows, places: Ints) -> Ints:
    condition, answer = rows.condition[places], rows.response[places]
    low, high = int(rows.low[places[0]]), int(rows.high[places[0]])
    options = high - low + 1
    for first in sorted({0, int(condition.min())}):
        moved = options * (condition - first)
        fits = (answer - moved >= low) & (answer - moved <= high)
        copies = np.unique(moved)
        in_some_copy = np.isin((answer - low) // options * options, copies)
        excused = conventional_codes(answer) & ~in_some_copy
        if (fits | excused).all() and len(np.unique(moved[fits])) > 1:
            return np.where(fits, moved, 0)
    return np.zeros(len(places), np.int64)


def missing_codes(rows: StudyRows, shifted: Mask) -> Mask:
    """Rows whose answer is a conventional code for no answer.

    On a stated scale: the code is off it. Without one, among the answers of the outcome without stated bounds: the code is negative where
    nobody gave another negative answer and at most three different ones occur; or it has three digits or more and none of the other
    answers lies within a factor of three of it. At least twenty other answers are needed.
    """
    found = off_scale(rows) & ~shifted & conventional_codes(rows.response)
    for places in members(rows.task, ~bounded(rows)):
        found[places] = _apart(rows.response[places])
    return found


def _apart(answers: Ints) -> Mask:
    codes = conventional_codes(answers) & ((answers < 0) | (answers > 99))
    others = np.sort(answers[~codes])
    result = np.zeros(len(answers), np.bool_)
    if len(others) < ENOUGH_OTHERS:
        return result
    negative = codes & (answers < 0)
    if others[0] >= 0 and len(np.unique(answers[negative])) <= 3:
        result |= negative
    for code in np.unique(answers[codes & (answers > 0)]):
        near = np.searchsorted(others, code * APART, "right") - np.searchsorted(others, code / APART, "left")
        if near == 0 and others[len(others) // 2] < code:
            result |= answers == code
    return result


def cell_findings(rows: StudyRows, missing: Mask) -> Iterator[Finding]:
    """`unbounded`, `outlier_range` and `constant_answer`, cell by cell."""
    cell, _ = grouped(rows.condition, rows.task)
    free = ~bounded(rows)
    for places in members(cell):
        where = (rows.study_id, int(rows.condition[places[0]]), int(rows.task[places[0]]))
        answers, of = rows.response[places], len(places)
        without = places[free[places]]
        if len(without):
            reasons = sorted({rows.scales[code].reason or "stated elsewhere" for code in np.unique(rows.text[without])})
            example = rows.texts[rows.text[without[0]]][-150:]
            yield Finding("unbounded", *where, len(without), of, ", ".join(reasons), example)
            kept = np.sort(rows.response[without[~missing[without]]])
            if (share := hanging(kept)) > DIXON:
                end = kept[-1] if kept[-1] - kept[-2] >= kept[1] - kept[0] else kept[0]
                detail = f"{share:.0%} of the range {kept[0]:,} to {kept[-1]:,} hangs on one answer, {end:,}"
                yield Finding("outlier_range", *where, 1, of, detail, values_seen(kept[-5:] if end == kept[-1] else kept[:5]))
        if of > 1 and (answers == answers[0]).all():
            yield Finding("constant_answer", *where, of, of, f"all {of:,} answers are {answers[0]}", str(answers[0]))


def hanging(answers: Ints) -> float:
    """The share of the range of ascending answers that one answer makes (Dixon's Q at either end); 0 for fewer than 14."""
    if len(answers) < FEWEST or answers[0] == answers[-1]:
        return 0.0
    return float(max(answers[-1] - answers[-2], answers[1] - answers[0]) / (answers[-1] - answers[0]))
