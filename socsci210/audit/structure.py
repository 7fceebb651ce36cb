"""Rules about the structure of a study: outcomes used again, conditions without texts of their own, people in several conditions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from .cells import grouped, members, repeats
from .records import Finding, Ints, Mask, StudyRows

OWN_TEXTS: Final = 0.5  # more distinct texts than this share of the rows: the text is made for each row, as in conjoints
_NONE: Final = -np.inf  # stands for no bounds: NaN is not equal to itself
MOST_NAMED: Final = 6  # conditions or values that a detail names


def reused_task(rows: StudyRows) -> Mask:
    """Rows whose (participant, condition, task) occurs more than once."""
    return repeats(grouped(rows.participant, rows.condition, rows.task)[0])


def study_findings(rows: StudyRows) -> Iterator[Finding]:
    """`one_condition`, `sparse_conditions`, `within_subject`, `fewer_texts` and `scales_differ`."""
    n = len(rows)
    conditions = np.unique(rows.condition)
    if len(conditions) == 1:
        detail = f"all rows are of condition {conditions[0]}"
        yield Finding("one_condition", rows.study_id, None, None, n, n, detail, "")
    if (conditions != np.arange(len(conditions))).any():
        detail = f"{len(conditions)} conditions, numbered {_listed(conditions)}"
        yield Finding("sparse_conditions", rows.study_id, None, None, n, n, detail, "")
    yield from _within(rows)
    yield from _fewer_texts(rows)
    yield from _scales_differ(rows)


def _within(rows: StudyRows) -> Iterator[Finding]:
    seen, _ = grouped(rows.participant, rows.condition)
    first = np.unique(seen, return_index=True)[1]
    people, n_conditions = np.unique(rows.participant[first], return_counts=True)
    if several := int((n_conditions > 1).sum()):
        detail = f"{several:,} of {len(people):,} people, in up to {n_conditions.max()} conditions"
        touched = int(np.isin(rows.participant, people[n_conditions > 1]).sum())
        yield Finding("within_subject", rows.study_id, None, None, touched, len(rows), detail, "")


def _fewer_texts(rows: StudyRows) -> Iterator[Finding]:
    """Conditions that show the same set of texts in every outcome they share, and share one."""
    shown: dict[int, dict[int, frozenset[int]]] = {}
    for places in members(grouped(rows.condition, rows.task)[0]):
        texts = frozenset(np.unique(rows.text[places]).tolist())
        shown.setdefault(int(rows.condition[places[0]]), {})[int(rows.task[places[0]])] = texts
    kinds: list[list[int]] = []
    for condition in sorted(shown):
        alike = next((kind for kind in kinds if _same(shown[kind[0]], shown[condition])), None)
        if alike is None:
            kinds.append([condition])
        else:
            alike.append(condition)
    if len(kinds) < len(shown):
        alike = [condition for kind in kinds if len(kind) > 1 for condition in kind]
        which = "; ".join(_listed(np.array(kind)) for kind in kinds if len(kind) > 1)
        detail = f"{len(shown)} conditions show {len(kinds)} different sets of texts; alike are {which}"
        yield Finding("fewer_texts", rows.study_id, None, None, int(np.isin(rows.condition, alike).sum()), len(rows), detail, "")


def _same(one: dict[int, frozenset[int]], other: dict[int, frozenset[int]]) -> bool:
    shared = one.keys() & other.keys()
    return bool(shared) and all(one[task] == other[task] for task in shared)


def _scales_differ(rows: StudyRows) -> Iterator[Finding]:
    """Outcomes whose conditions state different ranges; or different labels, where texts are shared enough to compare labels."""
    stated, words = _ranges(rows)
    for places in members(rows.task):
        cells = list(members(rows.condition[places]))
        if len(cells) < 2:
            continue
        ranges = {tuple(words[code] for code in np.unique(stated[places[cell]]).tolist()) for cell in cells}
        shared = len(np.unique(rows.text[places])) <= OWN_TEXTS * len(places)
        labels = {_labels(rows, places[cell]) for cell in cells} if shared else set()
        if len(ranges) > 1 or len(labels) > 1:
            task = int(rows.task[places[0]])
            what = f"{len(ranges)} ranges: {_shown(ranges)}" if len(ranges) > 1 else f"{len(labels)} sets of labels"
            example = "" if len(ranges) > 1 else _shown(labels)
            yield Finding("scales_differ", rows.study_id, None, task, len(places), len(places), what, example)


def _ranges(rows: StudyRows) -> tuple[Ints, list[str]]:
    """The range of each row as a number, and each range in words, in ascending order."""
    bounds = [np.nan_to_num(bound, nan=_NONE) for bound in (rows.low, rows.high, rows.step)]
    code, n = grouped(*bounds)
    first = np.empty(n, np.int64)
    first[code] = np.arange(len(code))
    pairs = zip(bounds[0][first].tolist(), bounds[1][first].tolist(), strict=True)
    return code, ["none" if low == _NONE else f"{low:.0f} to {high:.0f}" for low, high in pairs]


def _labels(rows: StudyRows, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[str, ...]:
    found = (rows.scales[code].labels for code in np.unique(rows.text[places]))
    return tuple(sorted({", ".join(f"{value} {label}" for value, label in sorted(labels.items())) for labels in found}))


def _shown(kinds: set[tuple[str, ...]]) -> str:
    return " | ".join(" and ".join(kind) for kind in sorted(kinds))[:160]


def _listed(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
    named = ", ".join(str(number) for number in numbers[:MOST_NAMED])
    return f"{named}, ... {numbers[-1]}" if len(numbers) > MOST_NAMED else named
