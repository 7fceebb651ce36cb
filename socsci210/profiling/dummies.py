"""Arms told by columns of 0 and 1: one per arm, nobody with a 1 in two of them, and often none for the control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ..readers import Column
from ..small_counts import few
from .assigned import CONTROL, Score, by_independence, by_numbers, is_strong
from .columns import Seen
from .exclusive import Group, Partition, partitions
from .names import families, words
from .records import Arm, Level

_LEAST: Final = 0.2  # share of people with a 1: the rest may all be control
_MOST: Final = 3
_FLAGS: Final = 60  # looked at: pairs of them are compared
_LONG: Final = 100


def dummies(columns: Sequence[Seen], known: Sequence[Seen]) -> list[tuple[Arm, Seen]]:
    """The likeliest sets of such columns, each with the one column that they stand for.

    Args:
        columns: those that may tell an arm.
        known: demographic columns, from which chance assignment is independent.
    """
    likely_first = sorted((column for column in columns if _is_flag(column)), key=lambda column: not is_strong(column.name))
    flags = {column.name: column for column in likely_first[:_FLAGS]}
    groups = [Group(column.among(column.answers[1:]), (name,)) for name, column in flags.items()]
    sets = [(one, [flags[group.columns[0]] for group in one.groups]) for one in partitions(groups, _LEAST)]
    found = [_candidate(one, members, known) for one, members in sets]
    return sorted(found, key=lambda pair: -pair[0].score)[:_MOST]


def _is_flag(column: Seen) -> bool:
    question = column.label is not None and ("?" in column.label or len(column.label) > _LONG)
    return list(column.numbers) == [0, 1] and not any(column.count(code) for code in column.gaps) and not question


def _candidate(partition: Partition, flags: Sequence[Seen], known: Sequence[Seen]) -> tuple[Arm, Seen]:
    names = tuple(flag.name for flag in flags)
    whole = _one_column(partition, flags)
    nobody = whole.count(len(flags))
    score = Score(0.25, [f"{len(flags)} columns of 0 and 1, and nobody has a 1 in two of them"])
    if any(is_strong(name) for name in names):
        score.add(0.25, "named like conditions")
    elif _alike(names):
        score.add(0.15, "named alike")
    texts = [text for flag in flags for text in (" ".join(words(flag.name)), flag.label or "")]
    if any(CONTROL.search(text) for text in texts):
        score.add(0.15, "one is worded like a control or a treatment")
    by_numbers(whole, score)
    by_independence(whole, known, score)
    if nobody:
        score.reasons.append("those with a 1 in none of them are an arm of their own, such as control")
    levels = [Level(code=None, label=None, columns=(flag.name,), n=few(whole.count(place))) for place, flag in enumerate(flags)]
    rest = [Level(code=0, label="in all of them", columns=(), n=few(nobody))] if nobody else []
    arm = Arm(kind="dummies", columns=names, same_as=(), levels=(*levels, *rest), score=score.final, reasons=tuple(score.reasons))
    return arm, whole


def _alike(names: Sequence[str]) -> bool:
    """Whether names share their first word, or differ in numbers and letters alone."""
    cut = [words(name) for name in names]
    shared = len({parts[0] for parts in cut}) == 1 and all(len(parts) > 1 for parts in cut)
    return shared or any(len(family.members) == len(names) for family in families(names))


def _one_column(partition: Partition, flags: Sequence[Seen]) -> Seen:
    """The column that the flags stand for: the place of each person's 1, the number of flags for people without one."""
    index = np.full(flags[0].rows, len(flags), np.int64)
    index[np.all([flag.index < 0 for flag in flags], axis=0)] = -1
    for place, group in reversed(list(enumerate(partition.groups))):
        index[group.mask] = place
    codes = tuple(range(len(flags) + bool((index == len(flags)).any())))
    return Seen(Column(", ".join(flag.name for flag in flags), None, {}, (), ()), None, "whole numbers", index, codes, False)
