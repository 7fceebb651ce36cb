"""Writes a `Deposit` in every format that a Python library can write, the same bytes every time.

Libraries stamp the time of writing into their files; each stamp is overwritten with a fixed one, at the place its format defines.
(.sas7bdat has no writer.)
"""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pyreadstat

from .designs import Format
from .layout import Deposit

Writer = Callable[[Deposit, Path, str], None]
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)
_XML_STAMP: Final = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(<)")


def write_data(deposit: Deposit, path: Path, kind: Format, encoding: str = "utf-8") -> None:
    """Write the data file at `path`; the second header row, where there is one, goes under the names of csv and tsv columns."""
    WRITERS[kind](deposit, path, encoding)


def _frame(table: pa.Table) -> pd.DataFrame:
    """Numbers as float where there are blanks (missing), else as integers."""
    return pd.DataFrame({name: _plain(table[name]) for name in table.column_names})


def _plain(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_integer(column.type) and column.null_count:
        return np.asarray(column.cast(pa.float64()).fill_null(float("nan")).to_numpy())
    return np.asarray(column.to_numpy())


def _sav(deposit: Deposit, path: Path, _: str) -> None:
    labels = {name: deposit.column_labels[name] for name in deposit.table.column_names}
    pyreadstat.write_sav(
        _frame(deposit.table),
        str(path),
        file_label="Simulated data",
        column_labels=labels,
        compress=path.name.endswith(".zsav"),
        variable_value_labels=dict(deposit.value_labels),
        missing_ranges=dict(deposit.missing) or None,
    )
    _stamp(path, 92, b"01 Jan 0000:00:00")  # creation date (9 bytes) and time (8) of the header


def _sav_gz(deposit: Deposit, path: Path, encoding: str) -> None:
    plain = path.with_suffix("")
    _sav(deposit, plain, encoding)
    _gzip(plain.read_bytes(), path)
    plain.unlink()


def _por(deposit: Deposit, path: Path, _: str) -> None:
    pyreadstat.write_por(_frame(deposit.table), str(path), file_label="Simulated data", column_labels=deposit.column_labels)
    content = path.read_bytes()
    width = content.index(b"\n") + 1  # lines of 80 characters: the stamp may run over the end of one
    flat = b"".join(content[at : at + width].rstrip(b"\r\n") for at in range(0, 8 * width, width))
    start = flat.index(b"A8/") + 1  # date and time come after the character table
    for at in range(start, start + len(b"8/200001016/000000")):
        place = at // 80 * width + at % 80
        content = content[:place] + b"8/200001016/000000"[at - start : at - start + 1] + content[place + 1 :]
    path.write_bytes(content)


def _dta(deposit: Deposit, path: Path, _: str) -> None:
    pyreadstat.write_dta(
        _frame(deposit.table),
        str(path),
        file_label="Simulated data",
        column_labels=deposit.column_labels,
        variable_value_labels=dict(deposit.value_labels),
        version=15,
    )
    content = path.read_bytes()
    path.write_bytes(re.sub(rb"(<timestamp>\x11).{17}", rb"\g<1>01 Jan 2000 00:00", content, count=1))


def _xpt(deposit: Deposit, path: Path, _: str) -> None:
    pyreadstat.write_xport(
        _frame(deposit.table),
        str(path),
        file_label="Simulated data",
        column_labels=deposit.column_labels,
        table_name="SIM",
        file_format_version=5,
    )
    head, tail = (content := path.read_bytes())[:800], content[800:]
    path.write_bytes(re.sub(rb"\d{2}[A-Z]{3}\d{2}:\d{2}:\d{2}:\d{2}", b"01JAN00:00:00:00", head) + tail)


def _text(deposit: Deposit, encoding: str, delimiter: str = ",") -> bytes:
    out = io.BytesIO()
    pacsv.write_csv(deposit.table, out, pacsv.WriteOptions(delimiter=delimiter, quoting_style="needed"))
    text = out.getvalue().decode()
    if deposit.header:
        names, rest = text.split("\n", 1)
        cells = delimiter.join(f'"{deposit.header[name]}"' for name in deposit.table.column_names)
        text = f"{names}\n{cells}\n{rest}"
    return text.encode(encoding)


def _csv(deposit: Deposit, path: Path, encoding: str) -> None:
    path.write_bytes(_text(deposit, encoding))


def _csv_gz(deposit: Deposit, path: Path, encoding: str) -> None:
    _gzip(_text(deposit, encoding), path)


def _tsv(deposit: Deposit, path: Path, encoding: str) -> None:
    path.write_bytes(_text(deposit, encoding, "\t"))


def _zip(deposit: Deposit, path: Path, encoding: str) -> None:
    members = {"README.txt": b"Simulated study. No person took part.\n", "export/responses.csv": _text(deposit, encoding)}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(_entry(name), content)


def _xlsx(deposit: Deposit, path: Path, _: str) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("responses")
    sheet.append(deposit.table.column_names)
    for row in zip(*(column.to_pylist() for column in deposit.table.columns), strict=True):
        sheet.append(row)
    book.save(path)
    settle_zip(path)


def _parquet(deposit: Deposit, path: Path, _: str) -> None:
    pq.write_table(deposit.table, path)


WRITERS: Final[dict[Format, Writer]] = {
    "sav": _sav,
    "zsav": _sav,
    "sav.gz": _sav_gz,
    "por": _por,
    "dta": _dta,
    "xpt": _xpt,
    "csv": _csv,
    "csv.gz": _csv_gz,
    "zip": _zip,
    "tsv": _tsv,
    "xlsx": _xlsx,
    "parquet": _parquet,
}


def _stamp(path: Path, offset: int, stamp: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(stamp)


def _gzip(content: bytes, path: Path) -> None:
    path.write_bytes(gzip.compress(content, compresslevel=6, mtime=0))


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _ZIP_TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def settle_zip(path: Path) -> None:
    """Rewrite a zip container (xlsx, docx) with fixed times, in the file system and in its own properties."""
    with zipfile.ZipFile(path) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            if name == "docProps/core.xml":
                content = _XML_STAMP.sub(rb"\g<1>2000-01-01T00:00:00Z\g<2>", content)
            archive.writestr(_entry(name), content)
