"""The tables in one data file: members of an archive, sheets of a workbook, and whether a row below the header holds question text.

Runs in the isolated child.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import pyarrow as pa

from ..errors import ReadError
from ..readers import RawTable, read_data
from ..readers.archives import read_content
from ..readers.sniff import DATA_FORMATS, DELIMITED, WORKBOOKS

_MOST_PARTS: Final = 40


@dataclass(frozen=True)
class Part:
    """One table of a data file, and what was done to read it."""

    raw: RawTable
    member: str | None
    sheet: str | None
    second_header: bool
    notes: tuple[str, ...]


def parts(path: Path) -> tuple[list[Part], list[str]]:
    """The tables of a data file, and what could not be read, in words.

    Raises:
        ReadError: the file holds one table, and that cannot be read.
    """
    members: list[str | None] = list(_members(path)) if path.suffix.lower() == ".zip" else [None]
    found: list[Part] = []
    faults: list[str] = []
    for member in members[:_MOST_PARTS]:
        for sheet in _sheets(path, member):
            try:
                found.append(_part(path, member, sheet))
            except ReadError as error:
                if len(members) == 1 and sheet is None:
                    raise
                faults.append(f"{member or sheet}: {error.found}")
    return found, faults


def _members(path: Path) -> list[str]:
    """Data files in an archive; `read_data` checks each of them."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(info.filename for info in archive.infolist() if not info.is_dir())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ReadError(f"the zip archive is damaged ({error})", where=str(path), fix="fetch it again") from None
    plain = [name for name in names if not name.startswith("__MACOSX/") and not PurePosixPath(name).name.startswith(".")]
    found = [name for name in plain if _extension(name) in DATA_FORMATS]
    if not found:
        raise ReadError(f"no data file in it: {', '.join(plain[:12]) or 'nothing'}", where=str(path), fix="unpack it and look at its files")
    return found


def _extension(name: str) -> str:
    return PurePosixPath(name).suffix.lower().removeprefix(".")


def _sheets(path: Path, member: str | None) -> list[str | None]:
    """The sheets of a workbook with several; one None for everything else."""
    inner = member or path.name.removesuffix(".gz")
    if _extension(inner) not in WORKBOOKS:
        return [None]
    from python_calamine import CalamineError, CalamineWorkbook

    content = read_content(path, sha256=None, extensions=WORKBOOKS, member=_exactly(member))
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(content.data)) as book:
            names = list(book.sheet_names)
    except (CalamineError, OSError, ValueError) as error:
        raise ReadError(f"the workbook cannot be read ({error})", where=content.where, fix="fetch it again") from None
    return [*names] if len(names) > 1 else [None]


def _exactly(member: str | None) -> str | None:
    """A glob that fits one name only."""
    return None if member is None else "".join(f"[{letter}]" if letter in "*?[" else letter for letter in member)


def _part(path: Path, member: str | None, sheet: str | None) -> Part:
    plain = read_data(path, member=_exactly(member), sheet=sheet)
    part = Part(plain, member, sheet, False, ())
    if plain.format not in (*DELIMITED, *WORKBOOKS) or plain.data.num_rows < 2:
        return part
    try:
        below = read_data(path, member=_exactly(member), sheet=sheet, second_header=True)
    except ReadError:
        return part
    changed = [n for n in plain.columns if pa.types.is_string(plain.data.schema.field(n).type) and not _texts(below, n)]
    skipped = plain.data.num_rows - below.data.num_rows > 1
    if len(changed) < max(2, 0.1 * len(plain.columns)) and not skipped:
        return part
    note = "the row below the header holds question text: set data.second_header: true, and quote it with `header`"
    more = "a third header row, of ids for importing, is passed over then" if skipped else None
    return Part(below, member, sheet, True, tuple(filter(None, (note, more))))


def _texts(raw: RawTable, name: str) -> bool:
    """Whether a column holds text; one of blanks does not."""
    column = raw.data.column(name)
    return bool(pa.types.is_string(column.type)) and column.null_count < len(column)
