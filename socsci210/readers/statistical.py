"""Files of SPSS, Stata and SAS, read with pyreadstat without the conversions that lose something.

Declared missing codes of SPSS stay codes. The lettered missing values of Stata and SAS (.a to .z) are no numbers in any unit a study file
could name, so they become null like the plain one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyreadstat

from ..errors import ReadError
from .portable import Missing, without_missing
from .types import Code, Column
from .typing_rules import check_names, code, refuse_empty, standard, whole_as_integer

FORMATS: Final = ("sav", "zsav", "por", "dta", "sas7bdat", "xpt")
_READERS: Final[dict[str, Callable[..., tuple[dict[str, list[Any]], Any]]]] = {
    "sav": pyreadstat.read_sav,
    "zsav": pyreadstat.read_sav,
    "por": pyreadstat.read_por,
    "dta": pyreadstat.read_dta,
    "sas7bdat": pyreadstat.read_sas7bdat,
    "xpt": pyreadstat.read_xport,
}
_CELLS_AT_ONCE: Final = 10_000_000
"""pyreadstat gives Python objects, about 32 bytes a cell; larger files are read in several passes."""
_ENDPOINTS: Final = (np.datetime64("0001-01-01"), np.datetime64("9999-12-31"))
# format name -> (day zero, units per day): values count from midnight of day zero
_SPSS_DATES: Final = dict.fromkeys(
    ("DATE", "ADATE", "EDATE", "JDATE", "SDATE", "DATETIME", "YMDHMS", "MOYR", "QYR", "WKYR"), ("1582-10-14", 86_400)
)
_STATA_DATES: Final = {
    **dict.fromkeys(("%td", "%d"), ("1960-01-01", 1)),
    **dict.fromkeys(("%tc", "%tC"), ("1960-01-01", 86_400_000)),
}
_SAS_DATES: Final = {
    **dict.fromkeys(
        ("DATE", "MMDDYY", "DDMMYY", "YYMMDD", "E8601DA", "B8601DA", "JULIAN", "MONYY", "WEEKDATE", "WORDDATE", "YYMMDDD", "YYMMDDS"),
        ("1960-01-01", 1),
    ),
    **dict.fromkeys(("DATETIME", "E8601DT", "B8601DT", "DATEAMPM", "MDYAMPM"), ("1960-01-01", 86_400)),
}


def read_statistical(data: bytes, extension: str, where: str, *, encoding: str | None) -> tuple[pa.Table, dict[str, Column], str | None]:
    """The table of codes, what the file says about its columns, and its encoding where it names one.

    Raises:
        ReadError: also for a file that is cut short.
    """
    options: dict[str, Any] = {"output_format": "dict", "disable_datetime_conversion": True}
    if extension in ("sav", "zsav"):
        options["user_missing"] = True
    if encoding is not None and extension != "por":
        options["encoding"] = encoding
    declared: Missing = {}
    if extension == "por":
        data, declared = without_missing(data, where)
    _, meta = _read(data, extension, where, {**options, "metadataonly": True})
    if None in meta.column_names:  # the parser gives it for a variable whose record holds no name
        place = meta.column_names.index(None) + 1
        raise ReadError(f"the file is damaged: column {place} has no name", where=where, fix="fetch it again and compare its sha256")
    names, promised = check_names(list(meta.column_names), where), meta.number_rows
    chunk = max(1, _CELLS_AT_ONCE // len(names))
    pieces: list[pa.Table] = []
    while not pieces or pieces[-1].num_rows == chunk:
        # row_limit 0 would mean no limit
        values, meta = _read(data, extension, where, {**options, "row_limit": chunk, "row_offset": len(pieces) * chunk})
        pieces.append(pa.table({name: _array(values[name], meta.readstat_variable_types[name]) for name in names}))
    table = pa.concat_tables(pieces)
    refuse_empty(table.num_rows, where)
    if promised is not None and promised not in (-1, table.num_rows):
        raise _damaged(f"its header promises {promised} rows, {table.num_rows} are there", where)
    declared = declared or meta.missing_ranges
    columns = {
        name: _column(name, meta, declared.get(name, []), numeric=not pa.types.is_string(table.schema.field(name).type)) for name in names
    }
    arrays = {name: _finished(table.column(name), columns[name], meta.original_variable_types.get(name), extension) for name in names}
    return pa.table(arrays), columns, meta.file_encoding or encoding


def _read(data: bytes, extension: str, where: str, options: dict[str, Any]) -> tuple[dict[str, list[Any]], Any]:
    try:
        return _READERS[extension](io.BytesIO(data), **options)
    except MemoryError:
        raise
    except Exception as error:  # the parser raises errors of many kinds on damaged files
        raise _damaged(str(error) or type(error).__name__, where) from None


def _damaged(what: str, where: str) -> ReadError:
    return ReadError(
        f"the file is damaged or cut short: {what}",
        where=where,
        expected="a complete file of its format",
        fix="fetch it again and compare its sha256; if the message is about text, set encoding: in the study file's data section",
    )


def _array(values: Sequence[Any], kind: str) -> pa.Array:
    return pa.array(values, pa.string() if kind == "string" else pa.float64())


def _column(name: str, meta: Any, missing: Sequence[dict[str, Any]], *, numeric: bool) -> Column:
    labels: dict[Code, str] = {
        code(key): str(label)
        for key, label in meta.variable_value_labels.get(name, {}).items()
        if not (numeric and isinstance(key, str))  # the label of a lettered missing value, which is null in the data
    }
    singles: list[Code] = []
    ranges: list[tuple[float, float]] = []
    for part in missing:
        low, high = part["lo"], part["hi"]
        if low == high or isinstance(low, str):
            singles += [code(low)] if low == high else [code(low), code(high)]
        else:
            ranges.append((float(low), float(high)))
    return Column(name, meta.column_names_to_labels.get(name) or None, labels, tuple(singles), tuple(ranges))


def _finished(values: pa.ChunkedArray, column: Column, kind: str | None, extension: str) -> pa.ChunkedArray | pa.Array:
    if pa.types.is_string(values.type):
        return standard(values, column.name, "")
    if kind and not column.value_labels and not column.missing_values and not column.missing_ranges:
        dates = _SPSS_DATES if extension in ("sav", "zsav", "por") else _STATA_DATES if extension == "dta" else _SAS_DATES
        unit = dates.get(kind[:3] if kind.startswith("%t") else re.sub(r"[\d.]+$", "", kind)) or dates.get(kind[:2])
        if unit is not None and (moments := _moments(values, *unit)) is not None:
            return moments
    return whole_as_integer(values)


def _moments(values: pa.ChunkedArray, day_zero: str, per_day: int) -> pa.Array | None:
    """Dates, or timestamps where a value has a time of day. None where a value is no date of the calendar: the column stays numeric."""
    numbers = values.to_numpy()
    missing = np.isnan(numbers)
    days = np.where(missing, 0, numbers) / per_day
    zero = np.datetime64(day_zero)
    first, last = ((end - zero).astype(int) for end in _ENDPOINTS)
    if missing.all() or not ((days >= first) & (days <= last)).all():
        return None
    if (days == np.floor(days)).all():
        return pa.array(zero + days.astype("timedelta64[D]"), pa.date32(), mask=missing)
    moments = zero.astype("datetime64[us]") + np.round(days * 86_400e6).astype("timedelta64[us]")
    return pa.array(moments, pa.timestamp("us"), mask=missing)
