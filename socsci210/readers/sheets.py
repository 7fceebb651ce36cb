"""Excel workbooks and parquet files."""

from __future__ import annotations

import datetime as dt
import difflib
import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from python_calamine import CalamineError, CalamineWorkbook

from ..errors import ReadError
from .typing_rules import check_names, from_strings, is_import_ids, refuse_empty, standard


def read_parquet(data: bytes, where: str) -> pa.Table:
    """The table in the standard column types.

    Raises:
        ReadError
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        names = check_names(file.schema_arrow.names, where)
        table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise ReadError(f"the parquet file is damaged ({error})", where=where, fix="fetch it again") from None
    refuse_empty(table.num_rows, where)
    return pa.table({name: standard(column, name, where) for name, column in zip(names, table.columns, strict=True)})


def read_workbook(data: bytes, where: str, *, sheet: str | None, second_header: bool) -> tuple[pa.Table, dict[str, str]]:
    """One sheet of an .xlsx or .xls and the cells of its second header row; a third one of ids for importing is passed over.

    Formulas are read as the values stored with them; nothing is evaluated.

    Raises:
        ReadError
    """
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
            rows = book.get_sheet_by_name(_chosen(book.sheet_names, sheet, where)).to_python()
    except (CalamineError, OSError, ValueError) as error:
        raise ReadError(
            f"the workbook cannot be read ({error})", where=where, fix="fetch it again, or save it anew as .xlsx without a password"
        ) from None
    filled = [place for place, row in enumerate(rows) if any(cell != "" for cell in row)]
    header = [_text(cell) or "" for cell in rows[filled[0]]] if filled else []
    names = check_names(header, where)
    above = 2 if second_header else 1
    if second_header and len(filled) < above:
        raise ReadError("there is no second header row", where=where, fix="set second_header: false")
    second = {name: _text(cell) or "" for name, cell in zip(names, rows[filled[1]], strict=True)} if second_header else {}
    if second_header and len(filled) > above and is_import_ids(rows[filled[above]]):
        above += 1
    body = rows[filled[above - 1] + 1 : filled[-1] + 1]  # an empty row between others stays, so that rows count as in the sheet
    refuse_empty(len(body), where)
    return pa.table({name: _column(cells) for name, cells in zip(names, zip(*body, strict=True), strict=True)}), second


def _chosen(sheets: Sequence[str], wanted: str | None, where: str) -> str:
    if wanted is None and len(sheets) == 1:
        return sheets[0]
    if wanted in sheets:
        return str(wanted)
    near = difflib.get_close_matches(wanted or "", sheets, n=1)
    raise ReadError(
        f"there is no sheet {wanted!r}" if wanted is not None else f"the workbook has {len(sheets)} sheets and none was named",
        where=where,
        expected=f"one of {', '.join(sheets)}",
        fix=f"set sheet: {near[0]}" if near else "set sheet: in the study file's data section",
    )


def _column(cells: Sequence[Any]) -> pa.Array | pa.ChunkedArray:
    """Numbers stay numbers, dates dates; a column of mixed kinds is read as text, by the rule for text cells."""
    values = [None if cell == "" else cell for cell in cells]
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {int, float, bool}:
        return standard(pa.array([None if value is None else float(value) for value in values]), "", "")
    if kinds and kinds <= {dt.date, dt.datetime}:
        midnight = dt.time()
        return pa.array([dt.datetime.combine(v, midnight) if type(v) is dt.date else v for v in values], pa.timestamp("us"))
    return from_strings(pa.array([_text(value) for value in values], pa.string()))


def _text(cell: Any) -> str | None:
    if cell is None or cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
