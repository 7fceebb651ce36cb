"""Web pages: paragraphs and tables as a browser would break them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

from .archives import Content
from .document_parts import Numbering, damage_told
from .encodings import decoded
from .types import Block

_BREAKS: Final = frozenset({
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "legend", "li", "main",
    "nav", "ol", "optgroup", "option", "p", "pre", "section", "select", "summary", "table", "tbody", "td", "textarea", "tfoot", "th",
    "thead", "title", "tr", "ul",
})  # fmt: skip
"""Elements that stand on lines of their own."""
_UNSEEN: Final = frozenset({"script", "style"})
_SPACE: Final = re.compile(r"[ \t\n\r\f]+")  # the spaces that HTML folds; a non-breaking one stays
_CHARSET: Final = re.compile(rb"<meta[^<>]{0,200}charset\s{0,5}=\s{0,5}[\"']?\s{0,5}([\w.:-]{1,40})", re.IGNORECASE)


def html_blocks(content: Content) -> Iterator[Block]:
    """Every piece of text between two line breaks of the layout.

    Raises:
        ReadError
    """
    text, _ = decoded(content.data, _declared(content.data), content.where)
    page = _Page()
    with damage_told("web page", content.where):
        page.feed(text)
        page.close()
    return iter(page.out.blocks)


def _declared(data: bytes) -> str | None:
    """The encoding that the page names, unless its bytes are Unicode whatever it says."""
    found = _CHARSET.search(data[:4096])
    if found is None or data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return None
    try:
        name = codecs.lookup(found[1].decode("ascii")).name
        data.decode("utf-8")
    except LookupError:
        return None
    except UnicodeDecodeError:
        return None if name in ("utf-8", "ascii", "iso8859-1") else name  # browsers read the last two as Windows-1252
    return None


@dataclass
class _Table:
    layout: bool = False
    """Holds another table, so its cells are parts of the page, not of a table."""
    cells: list[list[str]] = field(default_factory=list)
    """Of the row that is open: the lines of each cell."""


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out = Numbering()
        self._words: list[str] = []
        self._tables: list[_Table] = []
        self._unseen = 0
        self._kept = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BREAKS:
            self._end_line()
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "table":
            if self._tables:
                self._give_up_row(self._tables[-1])
            else:
                self.out.end_table()
            self._tables.append(_Table())
        elif tag == "tr":
            self._end_row()
        elif tag in ("td", "th") and self._tables:
            self._tables[-1].cells.append([])
        elif tag == "pre":
            self._kept += 1
        elif tag == "br":
            self._words.append("\n")
        elif tag == "img":
            self._words.append(f" {_SPACE.sub(' ', dict(attrs).get('alt') or '')} ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _BREAKS:
            self._end_line()
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag == "tr":
            self._end_row()
        elif tag == "pre":
            self._kept = max(0, self._kept - 1)
        elif tag == "table" and self._tables:
            self._end_row()
            self._tables.pop()
            self.out.end_table()

    def handle_data(self, data: str) -> None:
        if self._unseen:
            return
        if not self._kept:
            self._words.append(_SPACE.sub(" ", data))
            return
        first, *rest = data.replace("\r\n", "\n").split("\n")
        self._words.append(first)
        for line in rest:
            self._end_line()
            self._words.append(line)

    def close(self) -> None:
        super().close()
        self._end_line()
        self._end_row()

    def _end_line(self) -> None:
        text = "".join(self._words)
        if not self._kept:
            text = re.sub(r" ?\n ?", "\n", re.sub(" {2,}", " ", text))
        text = text.strip(" \t\n\r\f")
        self._words.clear()
        table = self._tables[-1] if self._tables else None
        if not text:
            return
        if table is not None and not table.layout and table.cells:
            table.cells[-1].append(text)
        else:
            self.out.paragraph(text)

    def _end_row(self) -> None:
        if not self._tables:
            return
        table = self._tables[-1]
        if table.cells and not table.layout:
            self.out.row(["\n".join(lines) for lines in table.cells])
        table.cells = []

    def _give_up_row(self, table: _Table) -> None:
        """What the open row of a table held turns out to be parts of the page."""
        table.layout = True
        for lines in table.cells:
            for line in lines:
                self.out.paragraph(line)
        table.cells = []
        self.out.end_table()
