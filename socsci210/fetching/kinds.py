"""What a file is for, by its name: data, a document, an archive, or nothing that a study file needs."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final, Literal

from ..readers.sniff import DATA_FORMATS, DOCUMENT_FORMATS

Kind = Literal["data", "document", "archive", "page"]
PAGES: Final = frozenset({"html", "htm"})  # documents in a deposit; on the web, pages
DOCUMENTS: Final = frozenset(DOCUMENT_FORMATS) - PAGES - frozenset(DATA_FORMATS)
_CODE: Final = frozenset({"r", "rmd", "do", "sps", "sas", "py", "ipynb", "m", "jl", "qmd", "ado", "js", "sh"})
_PICTURES: Final = frozenset({"png", "jpg", "jpeg", "gif", "svg", "tif", "tiff", "bmp", "webp", "mp4", "mov", "mp3", "wav", "avi"})
_TELLING: Final = ("questionnaire", "codebook", "instrument")


def kind_of(path: str) -> Kind | None:
    """What a file is for; None where no reader of this package opens it.

    >>> kind_of("wave1/Data.SAV"), kind_of("data.csv.gz"), kind_of("analysis.do")
    ('data', 'data', None)
    """
    suffixes = [suffix.lower().removeprefix(".") for suffix in PurePosixPath(path).suffixes]
    last = suffixes[-1] if suffixes else ""
    if last == "gz":
        inner = suffixes[-2] if len(suffixes) > 1 else ""
        return "data" if inner in DATA_FORMATS else "document" if inner in DOCUMENTS else None
    if last in DATA_FORMATS:
        return "data"
    if last in DOCUMENTS:
        return "document"
    return "page" if last in PAGES else "archive" if last == "zip" else None


def why(path: str, kind: Kind) -> str:
    """In words, why a file is taken."""
    name = PurePosixPath(path).name
    if kind == "document" or kind == "page":
        telling = next((word for word in _TELLING if word in name.lower().replace("_", " ")), None)
        return f"document, by its name a {telling}" if telling in ("questionnaire", "codebook", "instrument") else "document"
    return "data file" if kind == "data" else "archive: its data and documents are taken out"


def why_not(path: str) -> str:
    """In words, why a file of no use is left out."""
    suffix = PurePosixPath(path).suffix.lower().removeprefix(".")
    if suffix in _CODE:
        return "program code: a study file needs none, and none is ever run"
    if suffix in _PICTURES:
        return "picture, sound or film"
    return f"no reader for .{suffix}" if suffix else "its name has no suffix, so there is no reader for it"


def is_litter(path: str) -> bool:
    """Whether a file is one that systems and programs leave behind."""
    parts = PurePosixPath(path).parts
    return any(part.startswith((".", "~$", "__MACOSX")) for part in parts) or (
        bool(parts) and parts[-1].lower() in ("thumbs.db", "desktop.ini")
    )
