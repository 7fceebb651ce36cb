"""Which counts of people a page may show, so that no group of 1 to 9 people is counted, nor found by taking the others from the total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..profiling.records import FEW

HIDDEN: Final = f"<{FEW}"
ALL_BUT: Final = f"all but {HIDDEN}"


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
