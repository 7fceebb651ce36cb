"""Comma- and tab-separated text, with an optional second header row (as Qualtrics writes)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.csv as pacsv

from ..errors import ReadError
from .encodings import decoded
from .typing_rules import check_names, from_strings, is_import_ids, refuse_empty

_BLOCK: Final = 1 << 30
"""Bytes parsed at a time; one row must fit. Of several blocks Arrow reserves one for every column: gigabytes of address space."""


@dataclass(frozen=True)
class Headers:
    """The rows above the data, and where the data starts."""

    names: list[str]
    second: dict[str, str]
    delimiter: str
    start: int
    """Offset of the first data row in the text, in characters."""
    lines: int
    """Physical lines above it."""


def read_delimited(
    data: bytes, extension: str, where: str, *, encoding: str | None, second_header: bool
) -> tuple[pa.Table, dict[str, str], str]:
    """The table, the cells of the second header row, and the encoding.

    Raises:
        ReadError: also for a row with too few or too many cells, naming its line.
    """
    text, encoding = decoded(data, encoding, where)
    if "\n" not in text:
        text = text.replace("\r", "\n")  # files of old Macs
    headers = read_headers(text, extension, where, second_header=second_header)
    body = text[headers.start :]
    if not body.strip():
        refuse_empty(0, where)
    _refuse_open_quote(body, headers, where)
    try:
        table = _parse(body.encode(), headers)
    except pa.ArrowInvalid as error:
        raise _ragged(body, headers, where) or ReadError(f"the rows cannot be parsed ({error})", where=where) from None
    refuse_empty(table.num_rows, where)
    columns = [from_strings(column) for column in table.columns]
    return pa.table(dict(zip(headers.names, columns, strict=True))), headers.second, encoding


def read_headers(text: str, extension: str, where: str, *, second_header: bool) -> Headers:
    """Column names and, if asked for, the row below them. A third header row of ids for importing, as Qualtrics writes, is passed over.

    Raises:
        ReadError
    """
    delimiter = _delimiter(text, extension)
    position = lines = 0

    def consumed() -> Iterator[str]:
        nonlocal position, lines
        while position < len(text):
            end = text.find("\n", position) + 1 or len(text)
            line, position, lines = text[position:end], end, lines + 1
            yield line

    reader = csv.reader(consumed(), delimiter=delimiter, strict=True)
    try:
        first = next((row for row in reader if row), [])
        second = next((row for row in reader if row), None) if second_header else []
    except csv.Error as error:
        raise ReadError(f"the header cannot be parsed ({error})", where=f"{where}, line {lines}", fix="check its quotation marks") from None
    names = check_names(first, where)
    below = position, lines
    if second and not is_import_ids(next(reader, [])):
        position, lines = below
    if second is None:
        raise ReadError("there is no second header row", where=where, fix="set second_header: false")
    if second and len(second) != len(names):
        raise ReadError(
            f"the second header row has {len(second)} cells, the first {len(names)}",
            where=f"{where}, line {lines}",
            expected="one cell of text for every column",
            fix="set second_header: false if this row is data",
        )
    return Headers(names, dict(zip(names, second, strict=False)), delimiter, position, lines)


def _delimiter(text: str, extension: str) -> str:
    """Tab in .tsv and .tab. In .csv the mark that stands most often between the names: some locales write others than the comma."""
    if extension != "csv":
        return "\t"
    first = re.sub(r'"[^"]*"', "", text[: text.find("\n") + 1 or len(text)])
    return max((",", ";", "\t"), key=first.count)


def _parse(body: bytes, headers: Headers) -> pa.Table:
    return pacsv.read_csv(
        pa.BufferReader(body),
        read_options=pacsv.ReadOptions(column_names=headers.names, block_size=min(max(len(body), 1), _BLOCK), use_threads=False),
        parse_options=pacsv.ParseOptions(
            delimiter=headers.delimiter,
            newlines_in_values=True,
            ignore_empty_lines=len(headers.names) > 1,  # in a file of one column a blank line is a blank answer
        ),
        convert_options=pacsv.ConvertOptions(
            column_types={name: pa.string() for name in headers.names},
            null_values=[""],
            strings_can_be_null=True,
            check_utf8=False,
        ),
    )


def _records(body: str, headers: Headers) -> Iterator[tuple[int, list[str]]]:
    """The rows with the physical line each starts on. Slow: only for naming a row in an error message."""
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=headers.delimiter, strict=True)
    start = 1
    for row in reader:
        yield headers.lines + start, row
        start = reader.line_num + 1


def _ragged(body: str, headers: Headers, where: str) -> ReadError | None:
    csv.field_size_limit(max(csv.field_size_limit(), len(body)))
    for line, row in _records(body, headers):
        if row and len(row) != len(headers.names):
            return ReadError(
                f"this row has {len(row)} cells, the header {len(headers.names)}",
                where=f"{where}, line {line}",
                expected="one cell per column in every row",
                fix="a separator inside a cell needs quotation marks around the cell; check also that the file is not cut short",
            )
    return None


def _refuse_open_quote(body: str, headers: Headers, where: str) -> None:
    """A quotation mark that is never closed would swallow the rows after it. Only an odd number of marks can hide one."""
    if body.count('"') % 2 == 0:
        return
    csv.field_size_limit(max(csv.field_size_limit(), len(body)))
    last = headers.lines
    try:
        for last, _ in _records(body, headers):  # noqa: B007 - the line is for the message
            pass
    except csv.Error as error:
        if not re.search("end of data", str(error)):
            return
        raise ReadError(
            "a quotation mark is opened and never closed",
            where=f"{where}, in the row after line {last}",
            expected="cells with quotation marks closed, and marks inside a cell doubled",
            fix="check that the file is not cut short",
        ) from None
