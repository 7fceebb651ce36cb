"""Grouping rows: by cell, and by any other whole numbers, without a loop over rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from .records import Ints, Mask


def grouped(*keys: npt.NDArray[np.generic]) -> tuple[Ints, int]:
    """A group number for each row, and the number of groups: rows are together where all keys are equal. Numbers ascend with the keys."""
    number = np.zeros(len(keys[0]), np.int64)
    n = 1
    for key in keys:
        place, of_key = _ranked(key)
        number, n = _ranked(number * of_key + place)
    return number, n


def _ranked(values: npt.NDArray[np.generic]) -> tuple[Ints, int]:
    """The rank of each value among the distinct ones, and how many these are. Only they are sorted."""
    code, distinct = pd.factorize(values)
    rank = np.empty(len(distinct), np.int64)
    rank[np.argsort(distinct)] = np.arange(len(distinct))
    return rank[code], len(distinct)


def _sorted(group: Ints) -> Ints:
    """The stable order of group numbers. Small ones are sorted by radix, many times faster."""
    small = len(group) and int(group.min()) >= 0 and int(group.max()) < 1 << 16
    return np.argsort(group.astype(np.uint16) if small else group, kind="stable")


def members(group: Ints, among: Mask | None = None) -> Iterator[Ints]:
    """The places of the rows of each group, ascending, groups in ascending order; only of rows in `among`."""
    places = np.arange(len(group)) if among is None else np.flatnonzero(among)
    order = places[_sorted(group[places])]
    if len(order):
        cuts = np.flatnonzero(np.diff(group[order])) + 1
        yield from np.split(order, cuts)


def repeats(group: Ints) -> Mask:
    """True for rows whose group has more than one row."""
    return np.bincount(group)[group] > 1 if len(group) else np.zeros(0, np.bool_)


def occurrence(group: Ints) -> Ints:
    """How many earlier rows of the same group there are, for each row."""
    order = _sorted(group)
    arranged = group[order]
    first = np.flatnonzero(np.r_[True, arranged[1:] != arranged[:-1]]) if len(arranged) else np.zeros(0, np.int64)
    starts = np.repeat(first, np.diff(np.r_[first, len(arranged)]))
    counts = np.empty(len(group), np.int64)
    counts[order] = np.arange(len(group)) - starts
    return counts
