"""Counts of few people: which may be told, and how, so that no group of 1 to 9 people is counted, nor found by taking others from a total.

Three readers need three answers. A profile stays with its owner: `few` alone. A model on a server sees whole variables one by one:
`hide_more` holds further counts back (cross-tables: `drafting.crosstab`). A page shows parts of a known total: `told` rounds the largest.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

Key = TypeVar("Key", bound=Hashable)

FEW: Final = 10
"""Counts of fewer people are not told."""
HIDDEN: Final = f"<{FEW}"
ALL_BUT: Final = f"all but {HIDDEN}"


def few(n: int) -> int | None:
    """A count, or None for 1 to 9 people."""
    return n if n == 0 or n >= FEW else None


def hide_more(found: Mapping[Key, int | None], total: int) -> dict[Key, int | None]:
    """Counts with more of them held back, the smallest first, until no hidden one can be told from their sum.

    Args:
        found: every part of a whole; None for those that must not be told.
        total: the whole.
    """
    kept = dict(found)
    while hidden := [code for code, n in kept.items() if n is None]:
        left = total - sum(n for n in kept.values() if n is not None)
        if len(hidden) > 1 and left - len(hidden) >= FEW:
            return kept
        shown = [(n, str(code), code) for code, n in kept.items() if n]
        if not shown:
            return kept
        kept[min(shown)[2]] = None
    return kept


@dataclass(frozen=True)
class Count:
    """A count as it may be told: exact, to the nearest 20, or not at all (None: there are some, but fewer than ten)."""

    n: int | None
    exact: bool = True

    def __str__(self) -> str:
        if self.n is None:
            return HIDDEN
        return f"{self.n:,}" if self.exact else f"about {self.n:,}"


def about(n: int) -> Count:
    """A count that with another one would give a small number away."""
    return Count(round(n / (2 * FEW)) * 2 * FEW, exact=False)


def told(counts: Sequence[int]) -> list[Count]:
    """Counts that add up to a total which is known.

    Where one small group is not told, or several that are fewer than ten people together, the largest group is told to the nearest 20
    only: else a subtraction would give the small one.
    """
    shown = [Count(None) if 0 < n < FEW else Count(n) for n in counts]
    hidden = [n for n in counts if 0 < n < FEW]
    if hidden and (len(hidden) == 1 or sum(hidden) < FEW) and max(counts) >= FEW:
        largest = max(range(len(counts)), key=lambda place: counts[place])
        shown[largest] = about(max(counts[largest], 2 * FEW))
    return shown


def part(count: Count, of: int, n: int) -> str:
    """A count of people out of `of` who are told, in words: `n` is how many they are."""
    return ALL_BUT if count.n is not None and 0 < of - n < FEW else str(count)
