"""Columns of one pattern with the same codes: batteries of items, and the same question asked of several groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from .columns import Seen
from .names import Family, families
from .records import Repeated

_OVERLAP: Final = 0.01


def repeated(columns: Sequence[Seen]) -> tuple[Repeated, ...]:
    """Every block of two or more, in the order of the file."""
    by_name = {column.name: column for column in columns}
    found = []
    for family in families(by_name):
        for part in _parts(family, by_name):
            members = [by_name[name] for name in part]
            labels = list(dict.fromkeys(column.label for column in members))
            label = labels[0] if len(labels) == 1 else _shared_end([text or "" for text in labels])
            pattern = family.pattern if len(part) == len(family.members) else f"{part[0]} ... {part[-1]}"
            found.append(Repeated(pattern=pattern, columns=tuple(part), exclusive=_exclusive(members), label=label or None))
    return tuple(found)


def _parts(family: Family, columns: Mapping[str, Seen]) -> list[list[str]]:
    """The columns of a family grouped by the codes and labels of their answers."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for name in family.members.values():
        column = columns[name]
        if column.answers:
            key = tuple(column.column.value_labels.values()) or (column.kind, _span(column))
            groups.setdefault(key, []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def _span(column: Seen) -> tuple[object, ...]:
    return (min(column.numbers), max(column.numbers)) if column.numbers else column.answers[:20]


def _exclusive(members: Sequence[Seen]) -> bool:
    """Whether hardly anybody was asked two of them, though all together were asked most people."""
    times = np.sum([column.asked for column in members], axis=0)
    return bool((times > 1).mean() <= _OVERLAP and (times > 0).mean() > 2 / 3)


def _shared_end(labels: Sequence[str]) -> str:
    """The words that all labels end with: the stem of a battery whose items stand in front of it."""
    cut = [label.split() for label in labels]
    shared: list[str] = []
    for words in zip(*(reversed(parts) for parts in cut), strict=False):
        if len(set(words)) > 1:
            break
        shared.insert(0, words[0])
    return " ".join(shared) if len(shared) > 2 else ""
