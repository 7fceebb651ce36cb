"""One entry for every data format."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from ..errors import ReadError
from .archives import read_content
from .delimited import read_delimited
from .sheets import read_parquet, read_workbook
from .sniff import DATA_FORMATS, DELIMITED, WORKBOOKS
from .statistical import FORMATS as STATISTICAL
from .statistical import read_statistical
from .types import Column, RawTable


def read_data(
    path: Path,
    *,
    sha256: str | None = None,
    member: str | None = None,
    sheet: str | None = None,
    encoding: str | None = None,
    second_header: bool = False,
) -> RawTable:
    """Read a data file of a deposit: codes as stored, and beside them what the file says about them.

    Args:
        path: .sav .zsav .por .dta .sas7bdat .xpt .csv .tsv .tab .xlsx .xls .parquet, each also as .gz or in a .zip.
        sha256: expected hash of the whole file.
        member: glob that fits one file of a zip archive.
        sheet: sheet of a workbook; may be left out where there is one.
        encoding: of a text format, or of a file of SPSS, Stata or SAS that names the wrong one.
        second_header: the second row of a text file or workbook holds question text; a third of ids for importing is passed over.

    Raises:
        ReadError: the file is missing, damaged, empty, unsafe, or not what its hash or extension says.
    """
    content = read_content(path, sha256=sha256, extensions=DATA_FORMATS, member=member, encoding=encoding)
    extension, where = content.extension, content.where
    _refuse_misplaced(extension, where, sheet=sheet, second_header=second_header)
    columns: dict[str, Column] | None = None
    texts: dict[str, str] = {}
    used: str | None = None
    table: pa.Table
    if extension in STATISTICAL:
        table, columns, used = read_statistical(content.data, extension, where, encoding=encoding)
    elif extension in WORKBOOKS:
        table, texts = read_workbook(content.data, where, sheet=sheet, second_header=second_header)
    elif extension == "parquet":
        table = read_parquet(content.data, where)
    else:
        table, texts, used = read_delimited(content.data, extension, where, encoding=encoding, second_header=second_header)
    if columns is None:
        columns = {name: Column(name, None, {}, (), ()) for name in table.column_names}
    return RawTable(path, content.sha256, extension, used, table, columns, texts)


def _refuse_misplaced(extension: str, where: str, *, sheet: str | None, second_header: bool) -> None:
    """An option that the format cannot heed is an error: ignoring it would hide a mistake."""
    if sheet is not None and extension not in WORKBOOKS:
        raise ReadError(f"sheet {sheet!r} was asked of a .{extension} file", where=where, fix="leave sheet out: only workbooks have sheets")
    if second_header and extension not in (*DELIMITED, *WORKBOOKS):
        raise ReadError(f"a .{extension} file has no header rows", where=where, fix="set second_header: false")
