"""Documents of a deposit as numbered blocks, so that study files can quote their wording by pointer.

Ids never depend on what the text says: body elements of a .docx, and lines of a .txt, are numbered from 0, empty ones included.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ..errors import ReadError
from .archives import Content, read_content
from .delimited import read_headers
from .encodings import decoded
from .sniff import DOCUMENT_FORMATS
from .types import Block, Document

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_SKIPPED: Final = frozenset({f"{_W}del", f"{_W}moveFrom", f"{_W}pPr", f"{_W}rPr", _FALLBACK})
"""Deleted words, formatting, and the second copy of a text box that is kept for old programs."""
_MARKS: Final = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}


def read_document(path: Path, *, sha256: str | None = None) -> Document:
    """Read a document.

    Args:
        path: .docx; .txt (a block per line); .csv or .tsv (a block per column: the cell of the second header row, its id the column's
            name); each also as .gz.
        sha256: expected hash of the whole file.

    Raises:
        ReadError: the file is missing, damaged, empty, unsafe, or not what its hash or extension says.
    """
    content = read_content(path, sha256=sha256, extensions=DOCUMENT_FORMATS)
    readers = {"docx": _docx_blocks, "txt": _line_blocks}
    blocks = tuple(readers.get(content.extension, _header_blocks)(content))
    if not any(block.text.strip() for block in blocks):
        raise ReadError("the document holds no text", where=content.where, fix="fetch it again, or name the document with the wording")
    return Document(path, content.sha256, blocks)


def describe(document: Document) -> list[tuple[str, str, str]]:
    """Id, kind and text of every block that has text: what `socsci210 blocks FILE` prints."""
    return [(block.id, block.kind, block.text) for block in document.blocks if block.text.strip()]


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


def _docx_blocks(content: Content) -> Iterator[Block]:
    import docx  # here, because most commands read no document
    from docx.opc.part import XmlPart

    try:
        document = docx.Document(io.BytesIO(content.data))
        body = document.element.body
        parts = [(str(part.partname), part.element) for part in document.part.package.iter_parts() if isinstance(part, XmlPart)]
    except Exception as error:  # the parser raises errors of many kinds on damaged files
        raise ReadError(f"the Word document is damaged ({error})", where=content.where, fix="fetch it again") from None
    for name, root in parts:
        if root.getroottree().docinfo.doctype:  # its entities stand for text that the parser leaves out
            raise ReadError(
                f"part {name} carries a document type declaration (DOCTYPE)",
                where=content.where,
                expected="a document as a word processor saves it, without DOCTYPE",
                fix="open it in a word processor and save it anew as .docx, or fetch it from its source again",
            )
    for number, element in enumerate(_elements(body)):
        if element.tag == f"{_W}p":
            yield Block(str(number), _text(element), "paragraph")
        else:
            yield from _table_blocks(str(number), element)


def _elements(body: Any) -> Iterator[Any]:
    """Paragraphs and tables in order, also those inside content controls and custom mark-up."""
    for child in body:
        if child.tag in (f"{_W}p", f"{_W}tbl"):
            yield child
        elif child.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}customXml", f"{_W}ins", f"{_W}moveTo"):
            yield from _elements(child)


def _table_blocks(number: str, table: Any) -> Iterator[Block]:
    for r, row in enumerate(table.iterchildren(f"{_W}tr")):
        cells = [_cell_text(cell) for cell in _cells(row)]
        yield Block(f"{number}.{r}", "\t".join(cells), "row")
        for c, text in enumerate(cells):
            yield Block(f"{number}.{r}.{c}", text, "cell")


def _cells(row: Any) -> Iterator[Any]:
    """The cells as stored: one that spans several columns counts once."""
    for child in row:
        if child.tag == f"{_W}tc":
            yield child
        elif child.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}customXml"):
            yield from _cells(child)


def _cell_text(cell: Any) -> str:
    parts = []
    for element in _elements(cell):
        if element.tag == f"{_W}p":
            parts.append(_text(element))
        else:
            parts += ["\t".join(_cell_text(inner) for inner in _cells(row)) for row in element.iterchildren(f"{_W}tr")]
    return "\n".join(parts)


def _text(element: Any) -> str:
    """The words of a paragraph as a reader sees them, in fields, links, smart tags, insertions and text boxes too."""
    return "".join(_pieces(element)).strip("\n")


def _pieces(element: Any) -> Iterator[str]:
    for child in element:
        if child.tag == f"{_W}t":
            yield child.text or ""
        elif child.tag in _MARKS:
            yield _MARKS[child.tag]
        elif child.tag == f"{_W}p":  # of a text box anchored in this paragraph
            yield "\n" + "".join(_pieces(child)) + "\n"
        elif child.tag not in _SKIPPED:
            yield from _pieces(child)
