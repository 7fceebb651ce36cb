"""The documents of a deposit that no text of the study quotes: what they are called and how long they are, so that none is overlooked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..blocks import blocks_of
from ..errors import SocSciError
from ..readers.sniff import DATA_FORMATS, DOCUMENT_FORMATS
from ..study_file import StudyFile

_SUFFIXES: Final = frozenset(DOCUMENT_FORMATS) - frozenset(DATA_FORMATS)
_READ: Final = 20  # documents whose blocks are counted; each costs a process of its own
_LISTED: Final = 200
_SECONDS: Final = 60.0


@dataclass(frozen=True)
class OtherDocument:
    """One document that is not quoted.

    Args:
        name: its path in the deposit.
        named: whether the study file names it under `files`.
        blocks: how many it has; None where they were not counted.
        fault: why they could not be counted.
    """

    name: str
    named: bool
    blocks: int | None
    fault: str = ""


def other_documents(study: StudyFile, deposit: Path) -> list[OtherDocument]:
    """The documents of a deposit's folder that the study file does not quote, by name. Each is read in an isolated process."""
    quoted = {study.files[quote.doc].file for quote in study.quotes() if quote.doc is not None} | {study.files[study.data.file].file}
    named = {file.file for file in study.files.values()}
    names = [path.relative_to(deposit).as_posix() for path in sorted(deposit.rglob("*")) if path.is_file() and not path.is_symlink()]
    left = [name for name in names if Path(name).suffix.lower().removeprefix(".") in _SUFFIXES and name not in quoted]
    return [_counted(deposit, name, name in named, place) for place, name in enumerate(left[:_LISTED])]


def _counted(deposit: Path, name: str, named: bool, place: int) -> OtherDocument:
    if place >= _READ:
        return OtherDocument(name, named, None)
    try:
        return OtherDocument(name, named, len(blocks_of(deposit / name, seconds=_SECONDS)))
    except SocSciError as error:
        return OtherDocument(name, named, None, error.found)
