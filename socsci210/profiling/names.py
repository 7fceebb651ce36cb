"""Names of columns cut into words, numbers and single letters, and the patterns that several columns share."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_PIECE: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^A-Za-z\d]+")
_SLOT: Final = re.compile(r"\d+|[A-Za-z]")
_WORD: Final = re.compile(r"[A-Za-z]{2,}")


def pieces(name: str) -> tuple[str, ...]:
    """The pieces of a name: `Pair1_CandidateA_A2` gives Pair, 1, _, Candidate, A, _, A, 2."""
    return tuple(_PIECE.findall(name))


@lru_cache(maxsize=1 << 16)
def words(name: str) -> tuple[str, ...]:
    """The words and numbers of a name in lower case."""
    return tuple(piece.casefold() for piece in pieces(name) if piece[0].isalnum())


@dataclass(frozen=True)
class Family:
    """Columns whose names differ only in slots (numbers and single letters).

    `slots` are the places of the slots that vary, `members` maps the values of these slots to a column.
    """

    shape: tuple[str, ...]
    slots: tuple[int, ...]
    members: dict[tuple[str, ...], str]

    def values(self, slot: int) -> tuple[str, ...]:
        """What stands in the slot numbered so, in the order of the columns."""
        return tuple(dict.fromkeys(key[slot] for key in self.members))

    @property
    def full(self) -> bool:
        """Whether every combination of the slots' values is there."""
        expected = 1
        for slot in range(len(self.slots)):
            expected *= len(self.values(slot))
        return expected == len(self.members)

    @property
    def pattern(self) -> str:
        """The names with what varies in braces: `Q1_{1..9}`."""
        shown = {place: _range(self.values(slot)) for slot, place in enumerate(self.slots)}
        return "".join(shown.get(place, piece) for place, piece in enumerate(self.shape))


def families(names: Iterable[str]) -> list[Family]:
    """Every set of two columns or more that differ in numbers or single letters alone, in the order of their first columns."""
    groups: dict[tuple[str, ...], list[tuple[tuple[str, ...], str]]] = defaultdict(list)
    for name in names:
        cut = pieces(name)
        groups[tuple(_mark(piece) for piece in cut)].append((cut, name))
    return [_family(members) for members in groups.values() if len(members) > 1]


def with_words(names: Iterable[str]) -> list[Family]:
    """Families whose last word may differ as well: `P1A_COST` and `P2B_WORK` are of one."""
    groups: dict[tuple[str, ...], list[tuple[tuple[str, ...], str]]] = defaultdict(list)
    for name in names:
        cut = pieces(name)
        if _WORD.fullmatch(cut[-1]) and any(_SLOT.fullmatch(piece) for piece in cut):
            groups[(*(_mark(piece) for piece in cut[:-1]), "word")].append((cut, name))
    return [_family(members) for members in groups.values() if len({cut[-1] for cut, _ in members}) > 1]


def _mark(piece: str) -> str:
    return "#" if piece.isdigit() else "@" if _SLOT.fullmatch(piece) else piece


def _family(members: list[tuple[tuple[str, ...], str]]) -> Family:
    shape = members[0][0]
    slots = tuple(place for place in range(len(shape)) if len({cut[place] for cut, _ in members}) > 1)
    return Family(shape, slots, {tuple(cut[place] for place in slots): name for cut, name in members})


def _range(values: tuple[str, ...]) -> str:
    if len(values) > 2 and all(value.isdigit() for value in values):
        numbers = sorted(int(value) for value in values)
        if numbers == list(range(numbers[0], numbers[-1] + 1)):
            return f"{{{numbers[0]}..{numbers[-1]}}}"
    return f"{{{','.join(values[:12])}{',...' if len(values) > 12 else ''}}}"
