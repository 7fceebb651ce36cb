"""Documents of a deposit as numbered blocks, so that study files can quote their wording by pointer.

An id depends on the bytes of the file alone, never on the machine: every format is read by code that runs in this process, and no program
that happens to be installed (pdftotext, antiword, LibreOffice) takes part. Their versions cut text differently, and the isolated process in
which documents are read may start no program.

| format | ids |
|---|---|
| .docx, .doc, .rtf | `n`: paragraphs and tables of the body, from 0, empty ones included; `n.r` a row of a table, `n.r.c` a cell |
| .html | the same, of the pieces that hold text; a table that holds tables is layout, and its cells are paragraphs |
| .pdf | `pP.L`: line L of page P, both from 1 |
| .txt, .md | `n`: lines from 0 |
| .csv, .tsv, .tab | the name of a column: the cell of the second header row above it |

Notes, headers and footers stand after the body, under ids of their own (`footnote2.0`, `header1.0`), so that they never move the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from ..errors import ReadError
from .archives import Content, read_content
from .delimited import read_headers
from .documents_doc import doc_blocks
from .documents_docx import docx_blocks
from .documents_html import html_blocks
from .documents_pdf import pdf_blocks
from .documents_rtf import rtf_blocks
from .encodings import decoded
from .sniff import DOCUMENT_FORMATS
from .types import Block, Document

MAX_BLOCKS: Final = 500_000
MAX_CHARACTERS: Final = 50_000_000


def read_document(path: Path, *, sha256: str | None = None) -> Document:
    """Read a document.

    Args:
        path: a file of one of the formats above; each also as .gz, or alone in a .zip. A .doc may hold RTF or a .docx: Word opens both.
        sha256: expected hash of the whole file.

    Raises:
        ReadError: the file is missing, damaged, encrypted, empty, unsafe, or not what its hash or extension says.
    """
    content = read_content(path, sha256=sha256, extensions=DOCUMENT_FORMATS)
    blocks = tuple(_within_limits(_READERS[content.extension](content), content.where))
    if not any(block.text.strip() for block in blocks):
        raise _wordless(content)
    return Document(path, content.sha256, blocks)


def describe(document: Document) -> list[tuple[str, str, str]]:
    """Id, kind and text of every block that has text: what `socsci210 blocks FILE` prints."""
    return [(block.id, block.kind, block.text) for block in document.blocks if block.text.strip()]


def _wordless(content: Content) -> ReadError:
    if content.extension == "pdf":
        found, fix = "the document holds no text: its pages are pictures, as scanners make them", "run text recognition over it"
    else:
        found, fix = "the document holds no text", "fetch it again"
    return ReadError(found, where=content.where, fix=f"{fix}, or name the document with the wording")


def _within_limits(blocks: Iterable[Block], where: str) -> Iterator[Block]:
    characters = 0
    for number, block in enumerate(blocks, 1):
        characters += len(block.text)
        if number > MAX_BLOCKS or characters > MAX_CHARACTERS:
            raise ReadError(
                f"the document holds more than {number - 1:,} blocks or {MAX_CHARACTERS:,} characters",
                where=where,
                expected="a questionnaire or a codebook",
                fix="check that this is a document; cut out the pages that hold the wording",
            )
        if not block.text.isascii():  # half a pair of UTF-16, which no other program takes
            block = Block(block.id, block.text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), block.kind)
        yield block


def _line_blocks(content: Content) -> Iterator[Block]:
    text, _ = decoded(content.data, None, content.where)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    for number, line in enumerate(lines):
        yield Block(str(number), line, "line")


def _header_blocks(content: Content) -> Iterator[Block]:
    text, _ = decoded(content.data, None, content.where)
    if "\n" not in text:
        text = text.replace("\r", "\n")
    headers = read_headers(text, content.extension, content.where, second_header=True)
    for name, cell in headers.second.items():
        yield Block(name, cell, "cell")


_READERS: Final[dict[str, Callable[[Content], Iterable[Block]]]] = {
    "docx": docx_blocks,
    "doc": doc_blocks,
    "rtf": rtf_blocks,
    "pdf": pdf_blocks,
    "html": html_blocks,
    "htm": html_blocks,
    "txt": _line_blocks,
    "md": _line_blocks,
    "csv": _header_blocks,
    "tsv": _header_blocks,
    "tab": _header_blocks,
}
