"""Counts of few people are not told."""

from __future__ import annotations

from .records import FEW


def few(n: int) -> int | None:
    """A count, or None for 1 to 9 people."""
    return n if n == 0 or n >= FEW else None
