"""Word documents (.docx): body elements in order, then notes, comments, headers and footers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final

from ..errors import ReadError
from .archives import Content
from .document_parts import damage_told, natural, row_blocks
from .types import Block, BlockKind

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_SKIPPED: Final = frozenset({f"{_W}del", f"{_W}moveFrom", f"{_W}pPr", f"{_W}rPr", _FALLBACK})
"""Deleted words, formatting, and the second copy of a text box that is kept for old programs."""
_BESIDE: Final[tuple[BlockKind, ...]] = ("footnote", "endnote", "comment", "header", "footer")
_WORDS: Final = (f"{_W}t", "{http://schemas.openxmlformats.org/officeDocument/2006/math}t")
_MARKS: Final = {f"{_W}tab": "\t", f"{_W}ptab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}


def docx_blocks(content: Content) -> Iterator[Block]:
    """Blocks of the body, then those of the parts beside it.

    Raises:
        ReadError
    """
    import docx  # here, because most commands read no document
    from docx.opc.part import XmlPart

    with damage_told("Word document", content.where):
        document = docx.Document(io.BytesIO(content.data))
        body = document.element.body
        parts = [(str(part.partname), part.element) for part in document.part.package.iter_parts() if isinstance(part, XmlPart)]
        beside = sorted(_beside(document.part), key=lambda part: (_BESIDE.index(part[0]), natural(part[1])))
    for name, root in [*parts, *((name, root) for _, name, root in beside)]:
        if root.getroottree().docinfo.doctype:  # its entities stand for text that the parser leaves out
            raise ReadError(
                f"part {name} carries a document type declaration (DOCTYPE)",
                where=content.where,
                expected="a document as a word processor saves it, without DOCTYPE",
                fix="open it in a word processor and save it anew as .docx, or fetch it from its source again",
            )
    yield from _story("", body)
    counts: dict[BlockKind, int] = {}
    for kind, _, root in beside:
        for note in [root] if kind in ("header", "footer") else _notes(root, kind):
            counts[kind] = counts.get(kind, 0) + 1
            yield from _story(f"{kind}{counts[kind]}.", note, kind)


def _beside(part: Any) -> Iterator[tuple[BlockKind, str, Any]]:
    """Kind, name and root element of the parts that hold notes, comments, headers and footers."""
    from docx.oxml.parser import parse_xml

    for relation in part.rels.values():
        for kind in _BESIDE:
            if not relation.is_external and relation.reltype.rpartition("/")[2] in (kind, f"{kind}s"):
                target = relation.target_part
                yield kind, str(target.partname), target.element if hasattr(target, "element") else parse_xml(target.blob)


def _notes(root: Any, kind: BlockKind) -> Iterator[Any]:
    """The notes that people wrote, without the lines that separate notes from the page."""
    for note in root.iterchildren(f"{_W}{kind}"):
        if note.get(f"{_W}type", "normal") == "normal":
            yield note


def _story(prefix: str, parent: Any, kind: BlockKind = "paragraph") -> Iterator[Block]:
    """The body, or what stands beside it: there, only what holds text."""
    for number, element in enumerate(_elements(parent)):
        if element.tag == f"{_W}tbl":
            yield from _table_blocks(f"{prefix}{number}", element)
        elif (text := _text(element)) or not prefix:
            yield Block(f"{prefix}{number}", text, kind)


def _elements(body: Any) -> Iterator[Any]:
    """Paragraphs and tables in order, also those inside content controls and custom mark-up."""
    for child in body:
        if child.tag in (f"{_W}p", f"{_W}tbl"):
            yield child
        elif child.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}customXml", f"{_W}ins", f"{_W}moveTo"):
            yield from _elements(child)


def _table_blocks(number: str, table: Any) -> Iterator[Block]:
    for r, row in enumerate(_inside(table, "tr")):
        yield from row_blocks(f"{number}.{r}", [_cell_text(cell) for cell in _inside(row, "tc")])


def _inside(parent: Any, tag: str) -> Iterator[Any]:
    """The rows of a table or the cells of a row as stored: a cell that spans several columns counts once."""
    for child in parent:
        if child.tag == f"{_W}{tag}":
            yield child
        elif child.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}customXml"):
            yield from _inside(child, tag)


def _cell_text(cell: Any) -> str:
    parts = []
    for element in _elements(cell):
        if element.tag == f"{_W}p":
            parts.append(_text(element))
        else:
            parts += ["\t".join(_cell_text(inner) for inner in _inside(row, "tc")) for row in _inside(element, "tr")]
    return "\n".join(parts)


def _text(element: Any) -> str:
    """The words of a paragraph as a reader sees them, in fields, links, smart tags, insertions and text boxes too."""
    return "".join(_pieces(element)).strip("\n")


def _pieces(element: Any) -> Iterator[str]:
    for child in element:
        if child.tag in _WORDS:
            yield child.text or ""
        elif child.tag in _MARKS:
            yield _MARKS[child.tag]
        elif child.tag == f"{_W}p":  # of a text box anchored in this paragraph
            yield "\n" + "".join(_pieces(child)) + "\n"
        elif child.tag not in _SKIPPED:
            yield from _pieces(child)
