"""Dense codes of values and of rows of values: what every grouped sum is made with. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Codes(NamedTuple):
    """Distinct rows in ascending order: `code` of each row, and for each distinct row its `first` occurrence and how often it occurs."""

    code: Ints
    first: Ints
    n: Ints

    @property
    def size(self) -> int:
        """Number of distinct rows."""
        return len(self.n)


def distinct(columns: Sequence[NDArray[Any]]) -> Codes:
    """The distinct rows of some columns of shape (rows,), ordered by the first column, then the second, and so on.

    >>> distinct([np.array([5, 5, 2]), np.array([1, 1, 9])]).code.tolist()
    [1, 1, 0]
    """
    combined = np.zeros(len(columns[0]), np.int64)
    size = 1
    for column in columns:
        rank, n = dense(column)
        if size * max(n, 1) >= 1 << 62:  # many wide columns: renumber before the product leaves 64 bits
            combined, size = dense(combined)
        combined = combined * n + rank
        size *= max(n, 1)
    code, n_codes = dense(combined)
    first = np.zeros(n_codes, np.int64)
    first[code[::-1]] = np.arange(len(code))[::-1]
    return Codes(code, first, np.bincount(code, minlength=n_codes).astype(np.int64))


def dense(column: NDArray[Any]) -> tuple[Ints, int]:
    """Rank of each value among the distinct ones, and how many there are. Whole numbers in a small range need no sorting."""
    if len(column) and np.issubdtype(column.dtype, np.integer) and int(column.max()) - int(column.min()) < 1 << 24:
        place = column - column.min()
        there = np.bincount(place) > 0
        return (np.cumsum(there) - 1)[place], int(there.sum())
    if len(column) and (column == column[0]).all():
        return np.zeros(len(column), np.int64), 1
    values, rank = np.unique(column, return_inverse=True)
    return rank.reshape(-1).astype(np.int64), len(values)


def total(code: Ints, value: Floats, size: int) -> Floats:
    """Sum of the values of each code, shape (size,)."""
    return np.bincount(code, weights=value, minlength=size).astype(np.float64)


def ratio(above: Floats, below: Floats) -> Floats:
    """`above / below`; nan where `below` is not positive."""
    out: Floats = np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)
    return out
