"""Columns that were crossed: factors of one design, or the arms of experiments in one survey."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np

from .assigned import levels, related
from .columns import Seen
from .names import words
from .records import Arm

Pair = tuple[Arm, Seen]
_CLEAR: Final = 0.5
_NEAR: Final = 0.1  # below the best candidate, where none is clear
_EVEN: Final = 0.97
_MOST_LEVELS: Final = 6
_MOST_FACTORS: Final = 8
_POOL: Final = 8
_LOOKED_AT: Final = 24
_SPARE: Final = 3  # with n = k (ln k + 3) people, one of k equally likely combinations is empty in one of twenty draws


def factors(found: Sequence[Pair]) -> list[Arm]:
    """The sets of columns that do not depend on each other and whose combinations all occur.

    Columns that are named alike need less evidence of their own; others must each be a likely arm, and then count as their mean. A column
    that holds the combinations of others says that these are factors.

    Args:
        found: candidates of one column each, the likeliest first.
    """
    found = found[:_LOOKED_AT]
    few_levels = [pair for pair in found if len(pair[0].levels) <= _MOST_LEVELS]
    best = max((arm.score for arm, _ in found), default=0.0)
    likely = [pair for pair in few_levels if pair[0].score >= min(_CLEAR, best - _NEAR)][:_POOL]
    sets = [(members, 0.0) for pair in found if (members := _combined(pair, few_levels))]
    sets += [(_crossed(members), 0.1) for members in _alike([pair for pair in few_levels if pair[1].evenness >= _EVEN])]
    sets.append((_crossed(likely), 0.0))
    result: list[Arm] = []
    for chosen, bonus in sets:
        names = {column.name for _, column in chosen}
        if len(chosen) > 1 and not any(names <= set(arm.columns) for arm in result):
            result.append(_candidate(chosen, bonus, [pair for pair in found if pair[1].name not in names]))
    return result


def _alike(found: Sequence[Pair]) -> list[list[Pair]]:
    """Candidates whose names share their first or their last word."""
    sets: dict[tuple[int, str], list[Pair]] = {}
    for pair in found:
        parts = [word for word in words(pair[1].name) if not word.isdigit()]
        for place in (0, -1) if len(parts) > 1 else ():
            sets.setdefault((place, parts[place]), []).append(pair)
    return [members[:_POOL] for members in sets.values() if len(members) > 1]


def _combined(cell: Pair, found: Sequence[Pair]) -> list[Pair]:
    """The candidates whose combinations a column holds, one level each; none where it holds something else."""
    chosen = _crossed([pair for pair in found if pair[1].evenness >= _EVEN and _within(cell[1], pair[1])])
    cells = np.prod([len(column.answers) for _, column in chosen])
    return chosen if len(chosen) > 1 and cells == len(cell[1].answers) else []


def _crossed(found: Sequence[Pair]) -> list[Pair]:
    """The candidates that cross with all better ones; one that holds the combinations of others gives way to them."""
    plain = [pair for pair in found if sum(_within(pair[1], other) for _, other in found) < 2]
    chosen: list[Pair] = []
    for pair in plain:
        columns = [column for _, column in (*chosen, pair)]
        if len(chosen) < _MOST_FACTORS and all(not related(pair[1], other) for _, other in chosen) and _full(columns):
            chosen.append(pair)
    return chosen


def _within(cell: Seen, factor: Seen) -> bool:
    """Whether each level of one column lies in one level of another that has fewer."""
    both = (cell.index >= 0) & (factor.index >= 0)
    if len(cell.answers) <= len(factor.answers) or not both.any():
        return False
    pairs = np.unique(np.stack([cell.index[both], factor.index[both]]), axis=1).shape[1]
    return bool(pairs == len(np.unique(cell.index[both])))


def _full(columns: Sequence[Seen]) -> bool:
    """Whether all combinations of the levels occur."""
    known = np.all([column.answered for column in columns], axis=0)
    expected = int(np.prod([len(column.answers) for column in columns]))
    if known.sum() < expected * (math.log(expected) + _SPARE):  # fewer leave some empty by chance: those of any two columns are not
        return len(columns) > 2 and all(_full(pair) for pair in combinations(columns, 2))
    return bool(np.unique(np.stack([column.index[known] for column in columns]), axis=1).shape[1] == expected)


def _candidate(chosen: Sequence[Pair], bonus: float, others: Sequence[Pair]) -> Arm:
    scores = [arm.score for arm, _ in chosen]
    cells = int(np.prod([len(column.answers) for _, column in chosen]))
    reasons = [f"crossed to {cells} combinations, and the columns do not depend on each other: factors of one design, or experiments"]
    score = max(scores) + bonus if bonus else sum(scores) / len(scores)
    if bonus:
        reasons.append("they are named alike")
    cell = next((pair for pair in others if all(_within(pair[1], column) for _, column in chosen)), None)
    if cell is not None:
        reasons.append(f"column {cell[1].name} holds their combinations")
        score = max(score, cell[0].score)
    return Arm(
        kind="factors",
        columns=tuple(column.name for _, column in chosen),
        same_as=tuple(name for arm, _ in chosen for name in arm.same_as),
        levels=tuple(level for _, column in chosen for level in levels(column)),
        score=round(min(1.0, score), 2),
        reasons=tuple(reasons),
    )
