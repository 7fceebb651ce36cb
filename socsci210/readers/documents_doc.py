"""Old Word documents (.doc of Word 97 to 2003, [MS-DOC]): their words, paragraphs and tables, without any program that opens them.

The text of such a file lies in pieces, in the order of a table of pieces. Which paragraphs are in tables and which words a tracked change
deleted stands on pages of 512 bytes, by the place of the text in the file.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..errors import ReadError
from .archives import Content
from .compound import CompoundFile
from .document_parts import Numbering, damage_told, locked
from .types import Block, BlockKind

_WORD97: Final = 193
_PAGE: Final = 512
_CLX, _CHARACTERS, _PARAGRAPHS = 0x01A2, 0x00FA, 0x0102  # where the header says where the tables are
_LENGTHS: Final = 0x4C
_STORIES: Final[tuple[BlockKind | None, ...]] = (
    "paragraph", "footnote", "header", None, "comment", "endnote", "textbox", "textbox"
)  # fmt: skip
"""What follows what in the text; the fourth is never used. Headers and footers are one story."""
_DELETED, _IN_TABLE, _ROW_END = 0x0800, 0x2416, 0x2417  # properties
_OPERANDS: Final = (1, 1, 2, 4, 2, 2, -1, 3)  # bytes, by the three highest bits of a property; -1: the first byte says
_TABS, _TABLE = 0xC615, 0xD608
_FIELD, _RESULT, _FIELD_END = "\x13", "\x14", "\x15"
_MARKS: Final = {"\x0b": "\n", "\x1e": "-", "\x09": "\t", "\xa0": "\xa0"}
_NO_WORDS: Final = frozenset(map(chr, (*range(1, 7), 8, *range(14, 19), *range(22, 30), 31)))
"""Pictures, reference marks of notes, drawings, optional hyphens."""
_PARAGRAPH, _CELL, _PAGE_END = "\r", "\x07", "\x0c"


def doc_blocks(content: Content) -> Iterator[Block]:
    """Blocks of the body, then of notes, comments, headers and text boxes.

    Raises:
        ReadError: damaged, encrypted, older than Word 97, or no Word document.
    """
    with damage_told("Word document", content.where):
        text = _Text(*_streams(content), content.where)
        start = 0
        counts = dict.fromkeys(filter(None, _STORIES), 0)
        blocks = list[Block]()
        for kind, length in zip(_STORIES, text.lengths, strict=True):
            if kind is not None and length:
                counts[kind] += 1
                blocks += _story(text, start, start + length, kind, "" if kind == "paragraph" else f"{kind}{counts[kind]}.")
            start += length
    yield from blocks


def _streams(content: Content) -> tuple[bytes, bytes]:
    """The streams with the text and with the tables."""
    file = CompoundFile(content.data, content.where)
    if "EncryptedPackage" in file.streams:
        raise locked("Office document", content.where)
    if "WordDocument" not in file.streams:
        raise ReadError(
            "this old Office file holds no Word document",
            where=content.where,
            expected="a document of Word 97 to 2003",
            fix="give it the extension of its format (.xls, .ppt), or name another file",
        )
    main = file.read("WordDocument")
    mark, version, flags = struct.unpack_from("<HH6xH", main)
    if flags & 0x0100:
        raise locked("Word document", content.where)
    if mark != 0xA5EC or version < _WORD97:
        raise ReadError(
            "this document was written by a Word older than Word 97",
            where=content.where,
            expected="a document of Word 97 or newer",
            fix="open it in a word processor and save it as .docx (soffice --headless --convert-to docx FILE)",
        )
    return main, file.read("1Table" if flags & 0x0200 else "0Table")


@dataclass(frozen=True)
class _Character:
    value: str
    place: int
    """Byte in the file."""
    width: int


class _Text:
    """The characters of all stories, with what the file says about their paragraphs."""

    def __init__(self, main: bytes, table: bytes, where: str) -> None:
        self._main = main
        self._where = where
        lengths = struct.unpack_from("<8I", main, _LENGTHS)
        self.lengths = lengths
        self._pieces = self._pieces_of(_part(main, table, _CLX, where), sum(lengths))
        self._ends, self._paragraphs = self._pages(_part(main, table, _PARAGRAPHS, where), 13)
        ends, characters = self._pages(_part(main, table, _CHARACTERS, where), 1)
        starts = [0, *ends[:-1]]
        self._gone = [
            (start, end)
            for start, end, properties in zip(starts, ends, characters, strict=True)
            if _DELETED in properties and properties[_DELETED] & 1
        ]
        self._ended = frozenset(self._ends)

    def characters(self, start: int, end: int) -> Iterator[_Character]:
        """Those from `start` to `end` of the whole text that no tracked change deleted."""
        gone_from = [low for low, _ in self._gone]
        for first, last, place, width in self._pieces:
            low, high = max(first, start), min(last, end)
            if low >= high:
                continue
            at = place + (low - first) * width
            raw = self._main[at : at + (high - low) * width]
            if len(raw) < (high - low) * width:
                raise ReadError("the Word document is damaged: its text is cut short", where=self._where, fix="fetch it again")
            words = raw.decode("cp1252" if width == 1 else "utf-16-le", "replace" if width == 1 else "surrogatepass")
            for value in words:
                i = bisect_right(gone_from, at) - 1
                if i < 0 or at >= self._gone[i][1]:
                    yield _Character(value, at, width)
                at += width if ord(value) < 0x10000 else 2 * width

    def has(self, character: _Character, flag: int) -> bool:
        """Whether the paragraph around a character carries a property."""
        i = bisect_right(self._ends, character.place)
        return i < len(self._paragraphs) and self._paragraphs[i].get(flag, 0) == 1

    def ends_paragraph(self, character: _Character) -> bool:
        return character.place + character.width in self._ended

    def _pieces_of(self, clx: bytes, length: int) -> list[tuple[int, int, int, int]]:
        """First and last character, place in the file, and bytes per character of each piece."""
        at = 0
        while clx[at] == 1:  # formatting that pieces share
            at += 3 + struct.unpack_from("<H", clx, at + 1)[0]
        if clx[at] != 2:
            raise ReadError("the Word document is damaged: no table of pieces", where=self._where, fix="fetch it again")
        size = struct.unpack_from("<I", clx, at + 1)[0]
        plc = clx[at + 5 : at + 5 + size]
        count = (len(plc) - 4) // 12
        borders = struct.unpack_from(f"<{count + 1}I", plc)
        pieces = []
        for i in range(count):
            stored = struct.unpack_from("<I", plc, 4 * (count + 1) + 8 * i + 2)[0]
            packed = stored & 0x40000000
            place = stored & 0x3FFFFFFF
            pieces.append((borders[i], borders[i + 1], place // 2 if packed else place, 1 if packed else 2))
        if list(borders) != sorted(borders) or borders[-1] < length:
            raise ReadError("the Word document is damaged: its pieces do not make its text", where=self._where, fix="fetch it again")
        return pieces

    def _pages(self, plc: bytes, entry: int) -> tuple[list[int], list[dict[int, int]]]:
        """End in the file of each run of equal formatting, and its properties. `entry`: bytes per run in the page's second list."""
        count = (len(plc) - 4) // 8
        runs = dict[int, dict[int, int]]()
        for number in struct.unpack_from(f"<{count}I", plc, 4 * (count + 1)) if count > 0 else ():
            page = self._main[(number & 0x3FFFFF) * _PAGE :][:_PAGE]
            many = page[_PAGE - 1]
            borders = struct.unpack_from(f"<{many + 1}I", page)
            for i in range(many):
                at = 2 * page[4 * (many + 1) + i * entry]
                runs[borders[i + 1]] = _properties(page, at, paragraphs=entry > 1) if at else {}
        ends = sorted(runs)
        return ends, [runs[end] for end in ends]


def _part(main: bytes, table: bytes, header: int, where: str) -> bytes:
    """The part of the table stream to which a place in the header points."""
    start, size = struct.unpack_from("<2I", main, header)
    if start + size > len(table):
        raise ReadError("the Word document is damaged: a table leads out of the file", where=where, fix="fetch it again")
    return table[start : start + size]


def _properties(page: bytes, at: int, *, paragraphs: bool) -> dict[int, int]:
    """Property -> first byte of its value."""
    if not paragraphs:
        end, at = at + 1 + page[at], at + 1
    elif page[at]:
        end, at = at + 2 * page[at], at + 3  # the length counts itself; a style's number comes first
    else:
        end, at = at + 2 + 2 * page[at + 1], at + 4
    end = min(end, _PAGE)
    found = {}
    while at + 3 <= end:
        name = struct.unpack_from("<H", page, at)[0]
        at += 2
        size = _OPERANDS[name >> 13]
        if name == _TABLE:
            size = 1 + (struct.unpack_from("<H", page, at)[0] if at + 2 <= end else 0)
        elif size < 0:
            size = 1 + page[at]
            if name == _TABS and page[at] == 255:
                break  # its length follows from its parts; nothing that is looked for stands behind it
        else:
            found[name] = page[at]
        at += size
    return found


def _story(text: _Text, start: int, end: int, kind: BlockKind, prefix: str) -> list[Block]:
    out = Numbering(prefix)
    words, cells = list[str](), list[str]()
    fields = list[bool]()  # of each field that is open: whether its result has begun

    def taken() -> str:
        found = "".join(words).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        words.clear()
        return found

    def paragraph(value: str) -> None:
        if cells:  # a table that ends without a mark
            out.row(cells)
            cells.clear()
        out.paragraph(value.strip("\n"), kind)

    for character in text.characters(start, end):
        value = character.value
        if value == _FIELD:
            fields.append(False)
        elif value == _RESULT and fields:
            fields[-1] = True
        elif value == _FIELD_END and fields:
            fields.pop()
        elif not all(fields) and value not in (_PARAGRAPH, _CELL):
            continue  # the code of a field
        elif value == _CELL and text.has(character, _ROW_END):
            out.row(cells)
            cells.clear()
            words.clear()
        elif value == _CELL:
            cells.append(taken().strip("\n"))
        elif value == _PARAGRAPH or (value == _PAGE_END and text.ends_paragraph(character)):
            if text.has(character, _IN_TABLE):
                words.append("\n")
            else:
                paragraph(taken())
        elif value == _PAGE_END:
            words.append("\n")
        elif value not in _NO_WORDS:
            words.append(_MARKS.get(value, value))
    if words or cells:
        paragraph(taken())
    return out.blocks if kind == "paragraph" else [block for block in out.blocks if block.text.strip()]
