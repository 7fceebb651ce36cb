"""How the source itself dealt people to arms: every value of the columns that conditions read, counted before any filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..readers import RawTable
from ..study_file import Code, StudyFile
from .plan import Use, items_of, where_of

_MOST_VALUES: Final = 64  # of one column: above that it is a measure, not an arm
_MOST_GROUPS: Final = 1024
STAYS: Final = -1
DOUBLE: Final = -2  # left out because the same person stands in the data twice


@dataclass(frozen=True)
class Group:
    """People of the data file with the same values in all columns of an assignment.

    Args:
        values: one per column; None for a blank.
        n, kept: people in the data file, and in the study.
        condition: place of the condition they belong to; None for none.
        dropped: people left out by filters that do not read these columns (duplicates are in no count).
    """

    values: tuple[Code | None, ...]
    n: int
    kept: int
    condition: int | None
    dropped: int


@dataclass(frozen=True)
class Assignment:
    """Columns that tell the arm, and all groups of people that they make.

    Args:
        columns: read by any condition.
        own: for every condition, the places in `columns` of those that it reads.
        groups: ascending by values.
    """

    columns: tuple[str, ...]
    own: tuple[tuple[int, ...], ...]
    groups: tuple[Group, ...]


def assignments(
    study: StudyFile, raw: RawTable, values: pa.Table, left: npt.NDArray[np.int64], reads: Mapping[Use, frozenset[str]]
) -> list[dict[str, Any]]:
    """Every assignment of a study, as JSON; none where conditions read answers, or columns of too many values.

    Args:
        study: the study file.
        raw: its data file.
        values: what its expressions give.
        left: for every row, the number of the filter that left it out, or STAYS, or DOUBLE.
        reads: the columns that each use reads.
    """
    answers = frozenset().union(*(columns for use, columns in reads.items() if use.role == "answer"))
    by_sql = {use.sql: columns for use, columns in reads.items() if use.sql is not None}
    filters = {use.where: columns for use, columns in reads.items() if use.where.startswith("data.keep[")}
    found = []
    for wheres in dict.fromkeys(where_of(study, item) for outcome in study.outcomes for item in items_of(outcome)):
        columns = sorted(frozenset().union(*(by_sql[where] for where in wheres)))
        if not columns or answers & set(columns):
            continue
        silent = [n for n in range(len(study.data.keep)) if not filters.get(f"data.keep[{n}]", frozenset()) & set(columns)]
        groups = _groups(raw, values, wheres, columns, left, silent)
        if groups is not None:
            own = [[columns.index(name) for name in sorted(by_sql[where])] for where in wheres]
            found.append({"columns": columns, "own": own, "groups": groups})
    return found


def _groups(
    raw: RawTable, values: pa.Table, wheres: Sequence[str], columns: Sequence[str], left: npt.NDArray[np.int64], silent: Sequence[int]
) -> list[list[Any]] | None:
    """[values, n, kept, condition, dropped by filters that do not speak of these columns], by group."""
    key = np.zeros(len(left), np.int64)
    for name in columns:
        encoded = raw.data.column(name).combine_chunks().dictionary_encode()
        if len(encoded.dictionary) > _MOST_VALUES:
            return None
        code = pc.fill_null(encoded.indices, len(encoded.dictionary)).to_numpy(zero_copy_only=False).astype(np.int64)
        key = key * (len(encoded.dictionary) + 1) + code
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    if len(first) > _MOST_GROUPS:
        return None
    masks = [pc.fill_null(values.column(f"sql:{where}").cast(pa.bool_()), False).to_numpy() for where in wheres]
    place = np.where(np.any(masks, axis=0), np.argmax(masks, axis=0), -1)[first]
    counted = left != DOUBLE
    n, kept, dropped = (
        np.bincount(group, weights=chosen, minlength=len(first)).astype(int)
        for chosen in (counted, left == STAYS, np.isin(left, np.array(silent, np.int64)))
    )
    rows = raw.data.select(list(columns)).take(pa.array(first))
    stored = list(zip(*(_codes(rows.column(name)) for name in columns), strict=True))
    found = [[list(stored[g]), int(n[g]), int(kept[g]), int(place[g]), int(dropped[g])] for g in range(len(first))]
    return sorted(found, key=lambda one: [(value is None, str(type(value)), value) for value in one[0]])


def _codes(column: pa.ChunkedArray) -> list[Any]:
    """Stored values as JSON can hold them, whole numbers as integers."""
    return [
        int(value)
        if isinstance(value, bool) or (isinstance(value, float) and value.is_integer())
        else value
        if value is None or isinstance(value, int | float | str)
        else str(value)
        for value in column.to_pylist()
    ]


def from_json(found: Mapping[str, Any]) -> Assignment:
    """An assignment again."""
    groups = tuple(
        Group(tuple(values), n, kept, None if condition < 0 else condition, dropped)
        for values, n, kept, condition, dropped in found["groups"]
    )
    return Assignment(tuple(found["columns"]), tuple(tuple(places) for places in found["own"]), groups)
