"""From the folder of a deposit to its profile: which files are what, each read in an isolated child of its own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ..checksums import file_sha256
from ..child import run_child
from ..errors import ReadError, SocSciError
from ..readers.sniff import DATA_FORMATS, DOCUMENT_FORMATS
from .documents import read_documents
from .records import FORMAT, DocumentProfile, File, Profile, Table

Say = Callable[[str], None]
_DOCUMENTS: Final = tuple(kind for kind in DOCUMENT_FORMATS if kind not in DATA_FORMATS)
_OURS: Final = ("MANIFEST.json", "deposit.json")  # written beside a deposit by this package
_UNREAD: Final = {
    **dict.fromkeys(("rds", "rdata", "rda"), "data of R, which is not read: write it in R with haven::write_sav, or as csv"),
    **dict.fromkeys(("ods", "xlsb", "numbers"), "a spreadsheet that is not read: save it as .xlsx"),
    **dict.fromkeys(("7z", "rar", "tar", "tgz"), "an archive that is not opened: unpack it, or pack it as .zip"),
    **dict.fromkeys(
        ("mdb", "accdb", "sqlite", "db", "feather", "jasp", "omv", "mat"), "data in a format that is not read: save it as csv or .sav"
    ),
}
"""Extensions that may hold a study's data and cannot be read, with what to do."""
_MOST_FILES: Final = 400
_SECONDS: Final = 300


def profile_deposit(deposit: Path, *, say: Say = lambda _: None) -> Profile:
    """Everything that a person or a model needs to write a study file.

    Args:
        deposit: a folder with data files and documents, or one data file.
        say: told which file is read.

    Raises:
        ReadError: there is no such folder, no data file in it, or none that can be read.
    """
    paths = dict(_files(deposit))
    root = deposit.name if deposit.is_dir() else deposit.resolve().parent.name
    kinds = {name: _role(name) for name in paths}
    tables: list[Table] = []
    faults = {name: note for name, role in kinds.items() if role == "other" and (note := _UNREAD.get(_extension(name)))}
    for name in (name for name, role in kinds.items() if role == "data"):
        say(f"reading {name}")
        try:
            found, notes = _tables(name, paths[name])
        except SocSciError as error:
            faults[name] = error.found
            continue
        tables += found
        if notes:
            faults[name] = "; ".join(notes)
    if not tables:
        told = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
        raise ReadError(
            f"no data file that can be read ({told or 'none is there'})",
            where=str(deposit),
            expected=f"a file that ends in {', '.join('.' + kind for kind in DATA_FORMATS)}, as it is or in a .zip",
            fix="name the folder that holds the data",
        )
    tables = _twins(tables)
    variables = list(dict.fromkeys(variable.name for table in tables for variable in table.variables))
    say("reading documents")
    documents, unread = read_documents({name: paths[name] for name, role in kinds.items() if role == "document"}, variables)
    faults |= unread
    files = tuple(
        File.model_validate(
            {"file": name, "bytes": path.stat().st_size, "sha256": file_sha256(path), "role": kinds[name], "note": faults.get(name)}
        )
        for name, path in paths.items()
    )
    named = tuple(_with_blocks(table, documents) for table in tables)
    return Profile(format=FORMAT, deposit=root or deposit.resolve().name, files=files, tables=named, documents=tuple(documents))


def _files(deposit: Path) -> Iterator[tuple[str, Path]]:
    """The files of a deposit in the order of their names; hidden ones and links are left alone."""
    if deposit.is_file():
        yield deposit.name, deposit
        return
    if not deposit.is_dir():
        raise ReadError("no such folder", where=str(deposit), fix="check the name, and that the deposit was fetched")
    found = [
        path
        for path in sorted(deposit.rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and not any(part.startswith((".", "~$", "__MACOSX")) for part in path.relative_to(deposit).parts)
    ]
    if len(found) > _MOST_FILES:
        raise ReadError(
            f"{len(found)} files",
            where=str(deposit),
            expected=f"the deposit of one study, of {_MOST_FILES} files at most",
            fix="name the folder of one study",
        )
    yield from ((path.relative_to(deposit).as_posix(), path) for path in found if path.name not in _OURS)


def _role(name: str) -> str:
    extension = _extension(name)
    if extension in DATA_FORMATS or extension == "zip":
        return "data"
    return "document" if extension in _DOCUMENTS else "other"


def _extension(name: str) -> str:
    return Path(name.lower().removesuffix(".gz")).suffix.removeprefix(".")


def _tables(name: str, path: Path) -> tuple[list[Table], list[str]]:
    with tempfile.TemporaryDirectory(prefix="socsci210-") as scratch:
        payload = {"path": str(path.resolve()), "file": name}
        answer = run_child("socsci210.profiling.table:examine", payload, out=Path(scratch), seconds=_SECONDS)
    return [Table.model_validate_json(json.dumps(table)) for table in answer["tables"]], list(answer["faults"])


def _twins(tables: Sequence[Table]) -> list[Table]:
    """Of tables with the same columns and rows the one that says most is told in full."""
    kept: list[Table] = []
    twins: dict[int, Table] = {}
    for place, table in sorted(enumerate(tables), key=lambda pair: (-_told(pair[1]), pair[0])):
        same = next((one for one in kept if one.rows == table.rows and _names(one) == _names(table)), None)
        if same is None:
            kept.append(table)
            twins[place] = table
        else:
            fewer = _told(same) - _told(table)
            note = f"the same columns and rows as {same.file}, which says more about them ({fewer} more labels and declared codes)"
            note = note if fewer else f"the same columns and rows as {same.file}, and as many labels"
            emptied = dict.fromkeys(_LISTS, ()) | {"twin_of": same.file, "notes": (note,)}
            twins[place] = table.model_copy(update=emptied)
    return [twins[place] for place in sorted(twins)]


_LISTS: Final = (
    "participants", "weights", "arms", "outcomes", "missing", "crosswalks", "demographics", "repeated", "conjoints", "left_out",
    "variables",
)  # fmt: skip


def _names(table: Table) -> frozenset[str]:
    return frozenset(variable.name.casefold() for variable in table.variables)


def _told(table: Table) -> int:
    """How much a file says about its columns: labels, and codes that it declares missing. SPSS keeps codes that Stata files lose."""
    labels = sum(variable.label is not None for variable in table.variables)
    values = [value for variable in table.variables for value in variable.values]
    return labels + sum(value.label is not None for value in values) + sum(value.missing is not None and value.n != 0 for value in values)


def _with_blocks(table: Table, documents: Iterable[DocumentProfile]) -> Table:
    """The table with the blocks that name its variables."""
    where: dict[str, list[str]] = {}
    for document in documents:
        for block in document.blocks:
            for name in block.variables:
                where.setdefault(name, []).append(f"{document.file}:{block.id}")
    variables = tuple(one.model_copy(update={"blocks": tuple(where.get(one.name, ()))}) for one in table.variables)
    return table.model_copy(update={"variables": variables})
