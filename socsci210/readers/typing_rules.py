"""The one set of column types that every reader returns: int64, double, string, date32 and timestamp, with blanks as null.

A column whose numbers are all whole is int64 in every format, so that the same study reads the same from .sav and from csv.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import ReadError

_EXACT: Final = 2.0**53
"""Whole numbers up to here are exact as double."""


def standard(values: pa.ChunkedArray | pa.Array, name: str, where: str) -> pa.ChunkedArray | pa.Array:
    """One column in the standard types. NaN, empty strings and white space become null.

    Raises:
        ReadError: the column holds lists, structs or bytes.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        return standard(values.cast(kind.value_type), name, where)
    if pa.types.is_null(kind):
        return values.cast(pa.string())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _blank_to_null(values.cast(pa.string()))
    if pa.types.is_boolean(kind) or pa.types.is_signed_integer(kind):
        return values.cast(pa.int64())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_unsigned_integer(kind):
        return whole_as_integer(values.cast(pa.float64()))
    if pa.types.is_date(kind):
        return values.cast(pa.date32())
    if pa.types.is_timestamp(kind):
        return values.cast(pa.timestamp("us"))
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return values.cast(pa.string()) if pa.types.is_time(kind) else values.cast(pa.int64())
    raise ReadError(
        f"column {name!r} has type {kind}",
        where=where,
        expected="numbers, text or dates, one value per row",
        fix="write the file again with such a column spread over several, or left out",
    )


def whole_as_integer(values: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Doubles with NaN as null; int64 if there are values and all of them are whole and exact."""
    numbers = values.to_numpy() if isinstance(values, pa.ChunkedArray) else values.to_numpy(zero_copy_only=False)
    nan = np.isnan(numbers)
    if nan.all():
        return pa.nulls(len(numbers), pa.float64())
    with np.errstate(invalid="ignore"):
        whole = nan | ((np.floor(numbers) == numbers) & (np.abs(numbers) <= _EXACT))
    if not whole.all():
        return pa.array(numbers, mask=nan)
    return pa.array(np.where(nan, 0, numbers).astype(np.int64), mask=nan)


def from_strings(values: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """A column of text cells: numbers if every cell that is not blank is one, else text as written.

    Numbers are decimal, with an optional exponent: words such as NaN, NA and inf are text. Whole numbers too long to be held exactly
    (account numbers, say) stay text as well.
    """
    if values.null_count == len(values):
        return values
    numbers = _numbers(values)
    if numbers is None:
        cells = _blank_to_null(values)
        numbers = _numbers(pc.utf8_trim_whitespace(cells))
        return cells if numbers is None else numbers
    return numbers


def _numbers(cells: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array | None:
    try:
        doubles = cells.cast(pa.float64())  # first, because the cast to int64 would take hexadecimal digits
    except pa.ArrowInvalid:
        return None
    if not pc.all(pc.is_finite(doubles)).as_py():
        return None
    try:
        return cells.cast(pa.int64())
    except pa.ArrowInvalid:
        pass
    large = cells.filter(pc.greater(pc.abs(doubles), _EXACT))
    digits_only = pc.match_substring_regex(large, r"^[+-]?\d+$")
    return None if pc.any(digits_only).as_py() else whole_as_integer(doubles)


def _blank_to_null(values: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(values)), 0)
    if not pc.any(blank).as_py():
        return values
    return pc.if_else(blank, pa.scalar(None, pa.string()), values)


def check_names(names: Sequence[str], where: str) -> list[str]:
    """Column names as stored; an unnamed column is called `column_N` by its place, counted from 1.

    Raises:
        ReadError: there is no column, or two columns have one name.
    """
    if not names:
        raise ReadError("the file has no columns", where=where, fix="fetch the deposit again, or name the file that holds the data")
    named = [name if name.strip() else f"column_{place}" for place, name in enumerate(names, start=1)]
    seen: dict[str, int] = {}
    for place, name in enumerate(named, start=1):
        if name in seen:
            raise ReadError(
                f"columns {seen[name]} and {place} are both named {name!r}",
                where=where,
                expected="every column name once",
                fix="rename one of them in a copy of the file, and name the copy in the study file",
            )
        seen[name] = place
    return named


def is_import_ids(cells: Iterable[Any]) -> bool:
    """Whether a row holds the ids by which Qualtrics imports its own exports: `{"ImportId":"QID1"}` in every cell."""
    filled = [str(cell) for cell in cells if cell not in (None, "")]
    return bool(filled) and all(cell.startswith('{"ImportId":') for cell in filled)


def refuse_empty(rows: int, where: str) -> None:
    """Refuse a table without rows."""
    if rows == 0:
        raise ReadError(
            "the file has columns but no rows", where=where, expected="at least one participant", fix="fetch the deposit again: it is empty"
        )


def code(value: Any) -> int | float | str:
    """A code as Python value: whole numbers are `int`."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int | float) else str(value)
