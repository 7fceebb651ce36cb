"""Candidates for what tells the experimental condition, scored by what assignment by chance leaves behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from ..small_counts import few
from .assigned import MOST_LEVELS, Score, column_arm
from .columns import Seen
from .dummies import dummies
from .exclusive import Group, Partition, decided_by, groups, partitions
from .factors import factors
from .names import families
from .records import Arm, Level, Role
from .roles import is_piped

_SHOWN: Final = 16
_LISTED: Final = 0.2
_CONTRASTS: Final = 4
"""Numbers with fractions that may still be codes of arms, such as -0.5 and 0.5."""
_CLEAR: Final = 0.5
"""Score from which a candidate stands for itself, and what it explains is no candidate of its own."""


def arms(columns: Sequence[Seen], roles: Mapping[str, Role], known: Sequence[Seen]) -> tuple[Arm, ...]:
    """The candidates, the likeliest first.

    Args:
        columns: all columns of the data file.
        roles: of the columns that have one already. Identifiers, weights, attributes and the like are no candidates.
        known: demographic columns, from which chance assignment is independent.
    """
    possible = [c for c in columns if roles.get(c.name) in (None, "demographic", "order", "shown or ticked")]
    found = _shown(columns, roles)
    varied = [c for c in possible if 2 <= len(c.answers) <= MOST_LEVELS and (c.kind != "numbers" or len(c.answers) <= _CONTRASTS)]
    flags = [pair for pair in dummies([c for c in varied if roles.get(c.name) is None], known) if pair[0].score >= _LISTED]
    told = {name for arm, _ in flags if arm.score >= _CLEAR for name in arm.columns}
    single = [(column_arm(c, roles.get(c.name), found, known), c) for c in varied if c.name not in told]
    merged = _merged([*(pair for pair in single if pair[0].score >= _LISTED), *flags])
    places = {column.name: place for place, column in enumerate(columns)}
    plain = _several([(arm, c) for arm, c in merged if arm.kind == "column"], places)
    rounds = [set(arm.columns) for arm in plain if arm.kind == "columns"]
    crossed = factors([(arm, c) for arm, c in merged if arm.kind == "column" and roles.get(c.name) is None])
    candidates = [
        *(arm for arm in crossed if not any(set(arm.columns) <= names for names in rounds)),
        *plain,
        *(arm for arm, _ in merged if arm.kind == "dummies"),
        *_questions(found, [c for arm, c in merged if arm.score >= _CLEAR], roles),
    ]
    return tuple(sorted(candidates, key=lambda arm: -arm.score)[:_SHOWN])


def _shown(columns: Sequence[Seen], roles: Mapping[str, Role]) -> list[Group]:
    """Groups of people by what they were asked or shown; by timers and orders of display only where nothing else divides them."""
    plain = [c for c in columns if not is_piped(c)]
    found = groups([c for c in plain if roles.get(c.name) in (None, "shown or ticked")])
    if partitions(found):
        return found
    more = groups([c for c in plain if roles.get(c.name) in (None, "shown or ticked", "order", "about the interview")])
    return more if partitions(more) else found


def _merged(found: Sequence[tuple[Arm, Seen]]) -> list[tuple[Arm, Seen]]:
    """Candidates that group people alike become one, under the best of their names: a column's before those of dummies of it."""
    kept: list[tuple[Arm, Seen]] = []
    for arm, column in sorted(found, key=lambda pair: (pair[0].kind == "dummies", -pair[0].score)):
        for place, (other, seen) in enumerate(kept):
            if _same(column, seen):
                same = (*other.same_as, *arm.columns, *arm.same_as)
                kept[place] = (other.model_copy(update={"same_as": same, "score": max(other.score, arm.score)}), seen)
                break
        else:
            kept.append((arm, column))
    return sorted(kept, key=lambda pair: -pair[0].score)


def _same(one: Seen, other: Seen) -> bool:
    """Whether two columns group people alike, whatever their codes."""
    if len(one.codes) != len(other.codes) or not np.array_equal(one.sizes, other.sizes):
        return False
    # Of equally many groups of equal sizes, each meets one of the other's groups only if no pair is left over.
    return len(np.unique((one.index + 1) * (len(other.codes) + 1) + other.index + 1)) == len(one.sizes)


def _several(found: Sequence[tuple[Arm, Seen]], places: Mapping[str, int]) -> list[Arm]:
    """Columns with the same levels become one candidate: an arm per item or per round."""
    of_family = {name: number for number, family in enumerate(families(places)) for name in family.members.values()}
    sets: dict[object, list[Arm]] = {}
    for arm, column in found:
        levels = tuple(column.column.value_labels.values()) or column.answers
        worded = column.kind == "text" or bool(column.column.value_labels)
        key: object = levels if worded else (levels, of_family.get(column.name, column.name))
        sets.setdefault(key, []).append(arm)
    return [_together(members, places) for members in sets.values()]


def _together(members: Sequence[Arm], places: Mapping[str, int]) -> Arm:
    first = members[0]
    if len(members) == 1:
        return first
    reasons = (f"{len(members)} columns with the same levels: an arm per item or per round", *first.reasons)
    same = tuple(name for arm in members for name in arm.same_as)
    names = tuple(sorted((arm.columns[0] for arm in members), key=places.__getitem__))
    return first.model_copy(update={"kind": "columns", "columns": names, "same_as": same, "reasons": reasons})


def _questions(found: Sequence[Group], clear: Sequence[Seen], roles: Mapping[str, Role]) -> list[Arm]:
    """Exclusive groups of questions; where one of the columns `clear` tells the same, the column goes first."""
    result = []
    for partition in partitions(found)[: 2 if clear else 4]:
        score = Score(0.25, [f"{len(partition.groups)} groups of questions, and {partition.covered:.0%} of people were asked those of one"])
        named = _alike(partition)
        if named:
            score.add(0.25, f"the questions are named alike: {named}")
        if partition.covered >= 0.995:
            score.add(0.1, "nobody is left over")
        sizes = np.array([group.n for group in partition.groups])
        if sizes.min() >= 0.4 * sizes.mean():
            score.add(0.15, "no group is small")
        told = next((column.name for column in clear if len(decided_by(column, partition.groups)) == len(partition.groups)), None)
        if told is not None:
            score.add(-0.3, f"column {told} tells the same")
        elif not clear:
            score.add(0.15, "no column tells the arm")
        if any(roles.get(group.columns[0]) == "shown or ticked" for group in partition.groups):
            score.add(0.05, "some were shown, not asked")
        levels = tuple(Level(code=None, label=None, columns=group.columns, n=few(group.n)) for group in partition.groups)
        names = tuple(group.columns[0] for group in partition.groups)
        result.append(Arm(kind="questions", columns=names, same_as=(), levels=levels, score=score.final, reasons=tuple(score.reasons)))
    return result


def _alike(partition: Partition) -> str:
    """The first columns of all groups, where their names differ in numbers or letters alone; empty where they do not."""
    names = [column for group in partition.groups for column in group.columns]
    for family in families(names):
        members = set(family.members.values())
        firsts = [next((name for name in group.columns if name in members), None) for group in partition.groups]
        if all(firsts):
            return ", ".join(str(name) for name in firsts[:8])
    return ""
