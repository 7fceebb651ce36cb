"""Rich Text documents (.rtf): paragraphs, tables and notes. What no page shows (fonts, pictures, field codes, deleted words) is skipped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from ..errors import ReadError
from .archives import Content
from .document_parts import Numbering, damage_told
from .types import Block, BlockKind

_TOKEN: Final = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([\r\n]+)|([^\\{}\r\n]+)", re.DOTALL
)
_UNSEEN: Final = frozenset({
    "fonttbl", "colortbl", "stylesheet", "info", "pict", "sn", "sv", "shprslt", "xe", "tc", "txe", "nonesttables", "fldinst",
})  # fmt: skip
"""Groups without words of the page; most others of this kind carry a star."""
_STARRED_SEEN: Final = frozenset({"shpinst", "shptxt", "annotation", "nestcell", "nestrow"})
"""A star marks a group that old programs may leave out; these hold words nevertheless."""
_NOTES: Final[dict[str, BlockKind]] = {
    "footnote": "footnote",
    "annotation": "comment",
    **dict.fromkeys(("header", "headerl", "headerr", "headerf"), "header"),
    **dict.fromkeys(("footer", "footerl", "footerr", "footerf"), "footer"),
}
_SIGNS: Final = {
    "tab": "\t", "line": "\n", "page": "\n", "column": "\n", "nestcell": "\t", "nestrow": "\n", "emdash": "—", "endash": "–", "bullet": "•",
    "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "emspace": "\u2003", "enspace": "\u2002",
}  # fmt: skip
_SYMBOLS: Final = {b"~": "\u00a0", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}", b"\t": "\t"}
_CHARSETS: Final = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 134: "cp936", 136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255",
    178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip
_MAX_DEPTH: Final = 2000


def rtf_blocks(content: Content) -> Iterator[Block]:
    """Body, then notes, comments, headers and footers.

    Raises:
        ReadError
    """
    reader = _Reader(content.where)
    with damage_told("Rich Text document", content.where):
        reader.read(content.data)
    yield from reader.body.end()
    for note in reader.notes:
        yield from (Block(block.id, block.text, note.kind) for block in note.end() if block.text.strip())


class _Story:
    """The body, or one note."""

    def __init__(self, kind: BlockKind = "paragraph", prefix: str = "") -> None:
        self.kind = kind
        self._out = Numbering(prefix)
        self._words: list[str] = []
        self._cells: list[str] = []

    def add(self, text: str) -> None:
        self._words.append(text)

    def paragraph(self, *, in_table: bool) -> None:
        if in_table:
            self._words.append("\n")
        else:
            self._close_row()
            self._out.paragraph(self._taken().strip("\n"))

    def cell(self) -> None:
        self._cells.append(self._taken().strip("\n"))

    def row(self) -> None:
        self._close_row()

    def end(self) -> list[Block]:
        self._close_row()
        if self._words:
            self._out.paragraph(self._taken().strip("\n"))
        return self._out.blocks

    def _close_row(self) -> None:
        if self._cells:
            self._out.row(self._cells)
            self._cells = []

    def _taken(self) -> str:
        text = "".join(self._words).encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # \u writes pairs in two halves
        self._words = []
        return text


@dataclass(frozen=True)
class _State:
    """What a group inherits and its end undoes."""

    story: _Story
    seen: bool = True
    fonts: bool = False
    """In the table of fonts."""
    deleted: bool = False
    in_table: bool = False
    fallback: int = 1
    """Characters that stand after \\u for programs without Unicode."""
    codec: str = "cp1252"


class _Reader:
    def __init__(self, where: str) -> None:
        self.body = _Story()
        self.notes: list[_Story] = []
        self._where = where
        self._state = _State(self.body)
        self._stack: list[_State] = []
        self._codec = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._bytes = bytearray()  # an East Asian character is written as two
        self._star = False
        self._skip = 0

    def read(self, data: bytes) -> None:
        place = 0
        while found := _TOKEN.match(data, place):
            place = found.end()
            word, number, code, symbol, brace, _, words = found.groups()
            if code is not None:
                self._coded(int(code, 16))
                continue
            self._flush()
            if word is not None:
                value = None if number is None else int(number)
                self._control(word.decode("ascii"), value)
                if word == b"bin":
                    place += max(0, value or 0)
            elif symbol is not None:
                self._symbol(symbol)
            elif brace is not None:
                self._brace(opens=brace == b"{")
            elif words is not None:
                self._text(words)
        self._flush()
        if self._stack or place < len(data.rstrip(b"\\")):
            raise ReadError("the Rich Text document ends too early", where=self._where, fix="fetch it again: it is cut short")

    def _brace(self, *, opens: bool) -> None:
        self._skip = 0
        self._star = False
        if opens:
            if len(self._stack) >= _MAX_DEPTH:
                raise ReadError("the Rich Text document is nested too deeply", where=self._where, fix="open it and save it as .docx")
            self._stack.append(self._state)
        elif self._stack:
            self._state = self._stack.pop()

    def _control(self, word: str, number: int | None) -> None:
        star, self._star = self._star, False
        if self._skip and word not in ("u", "uc"):
            self._skip -= 1
            return
        if word in _UNSEEN or (star and word not in _STARRED_SEEN):
            self._state = replace(self._state, seen=False, fonts=word == "fonttbl")
        elif word in _NOTES and self._state.seen:
            kind = _NOTES[word]
            self.notes.append(_Story(kind, f"{kind}{sum(note.kind == kind for note in self.notes) + 1}."))
            self._state = replace(self._state, story=self.notes[-1], in_table=False)
        elif word == "u" and number is not None:
            self._add(chr(number % 65536))
            self._skip = self._state.fallback
        elif word == "par" or word == "sect":
            if self._state.seen:
                self._state.story.paragraph(in_table=self._state.in_table)
        elif word in ("cell", "row"):
            if self._state.seen:
                getattr(self._state.story, word)()
        elif word in _SIGNS:
            self._add(_SIGNS[word])
        else:
            self._property(word, number)

    def _property(self, word: str, number: int | None) -> None:
        if word == "uc":
            self._state = replace(self._state, fallback=min(max(0, number or 0), 100))
        elif word == "pard":
            self._state = replace(self._state, in_table=False)
        elif word == "intbl":
            self._state = replace(self._state, in_table=True)
        elif word == "deleted":
            self._state = replace(self._state, deleted=number != 0)
        elif word == "plain":
            self._state = replace(self._state, deleted=False, codec=self._codec)
        elif word == "ansicpg" and number is not None:
            self._codec = _known(f"cp{number}")
            self._state = replace(self._state, codec=self._codec)
        elif word == "mac":
            self._codec = "mac_roman"
            self._state = replace(self._state, codec=self._codec)
        elif word == "f" and number is not None:
            self._font = number
            self._state = replace(self._state, codec=self._fonts.get(number, self._codec))
        elif word == "fcharset" and self._state.fonts and number in _CHARSETS:
            self._fonts[self._font] = _CHARSETS[number]

    def _symbol(self, symbol: bytes) -> None:
        if symbol == b"*":
            self._star = True
        elif self._skip:
            self._skip -= 1
        elif symbol in b"\r\n":
            self._control("par", None)
        elif symbol in _SYMBOLS:
            self._add(_SYMBOLS[symbol])

    def _text(self, words: bytes) -> None:
        skipped = min(self._skip, len(words))
        self._skip -= skipped
        self._add(words[skipped:].decode(self._state.codec, "replace"))

    def _coded(self, byte: int) -> None:
        if self._skip:
            self._skip -= 1
        else:
            self._bytes.append(byte)

    def _flush(self) -> None:
        if self._bytes:
            self._add(self._bytes.decode(self._state.codec, "replace"))
            self._bytes.clear()

    def _add(self, text: str) -> None:
        if self._state.seen and not self._state.deleted:
            self._state.story.add(text)


def _known(codec: str) -> str:
    try:
        "".encode(codec)
    except LookupError:
        return "cp1252"
    return codec
