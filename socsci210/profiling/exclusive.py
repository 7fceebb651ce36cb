"""Questions that only some people were asked: who was asked what tells the arm, where no column does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from .columns import Mask, Seen
from .names import words

_LEAST: Final = 0.015  # share of people that a group must hold
_MOST: Final = 0.98
_SAME: Final = 0.97  # overlap (Jaccard) above which two columns were asked of one group
_TWICE: Final = 0.01  # share of a group that may have been asked in another as well
_MOST_GROUPS: Final = 60


@dataclass(frozen=True, eq=False)
class Group:
    """People who were asked the same questions."""

    mask: Mask
    columns: tuple[str, ...]

    @cached_property
    def n(self) -> int:
        """People in it."""
        return int(self.mask.sum())


@dataclass(frozen=True)
class Partition:
    """Groups that share nobody."""

    groups: tuple[Group, ...]
    covered: float
    """Share of all people who are in one of them."""


def groups(columns: Sequence[Seen]) -> list[Group]:
    """Columns that were asked of some people alone, gathered by whom; in the order of the file."""
    found: list[tuple[Mask, list[str]]] = []
    for column in columns:
        share = column.asked.mean() if column.rows else 0
        if not _LEAST <= share <= _MOST:
            continue
        for mask, names in found:
            union = int((mask | column.asked).sum())
            if union and (mask & column.asked).sum() >= _SAME * union:
                names.append(column.name)
                mask |= column.asked
                break
        else:
            if len(found) < _MOST_GROUPS:
                found.append((column.asked.copy(), [column.name]))
    return [Group(mask, tuple(names)) for mask, names in found]


def partitions(found: Sequence[Group], least: float = 0.9) -> list[Partition]:
    """Sets of groups that share nobody and hold at least the share `least` of all people, the fullest first.

    Groups whose questions have alike names are tried first: Q1_1 belongs to Q1_2 before it belongs to any other question.
    """
    best: dict[frozenset[tuple[str, ...]], Partition] = {}
    for start in found:
        near = sorted(found, key=lambda group: (-_likeness(start, group), group.columns))
        taken, chosen = start.mask.copy(), [start]
        for group in near:
            if group is not start and (group.mask & taken).sum() <= _TWICE * group.n:
                chosen.append(group)
                taken |= group.mask
        covered = float(taken.mean())
        if len(chosen) > 1 and covered >= least:
            chosen.sort(key=lambda group: found.index(group))
            best.setdefault(frozenset(group.columns for group in chosen), Partition(tuple(chosen), covered))
    return sorted(best.values(), key=lambda one: (-one.covered, len(one.groups)))


def decided_by(column: Seen, found: Sequence[Group]) -> list[Group]:
    """The groups to which all people of a level belong, or none of them: the column decides who was asked."""
    if not 2 <= len(column.answers) <= _MOST_GROUPS:
        return []
    size = np.array([column.count(code) for code in column.codes])
    known = column.index >= 0
    decided = []
    for group in found:
        if column.name in group.columns:
            continue
        inside = np.bincount(column.index[known & group.mask], minlength=len(column.codes))
        share = inside[size > 0] / size[size > 0]
        pure = bool(((share >= 0.98) | (share <= 0.02)).all())
        outside = group.n - int(inside.sum())
        if pure and (share >= 0.98).any() and outside <= 0.02 * group.n:
            decided.append(group)
    return decided


def _likeness(one: Group, other: Group) -> int:
    """How many leading words of their first columns' names are the same."""
    shared: dict[int, int] = defaultdict(int)
    for name in one.columns[:8]:
        for place, second in enumerate(other.columns[:8]):
            pairs = zip(words(name), words(second), strict=False)
            shared[place] = max(shared[place], sum(a == b for a, b in pairs))
    return max(shared.values(), default=0)
