"""A quotation before and after its edits, in pieces: what was kept, dropped, put in, and left out by `extract`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from ..study_file import Quote
from ..texts import bound, check_pattern

Kind = Literal["kept", "dropped", "put_in", "left_out"]
_OPEN, _CLOSE = "\ue000", "\ue001"  # private characters, which no text of a deposit means anything by
_LIVE: Final = ("kept", "put_in")


@dataclass(frozen=True)
class Piece:
    """A stretch of text and what became of it."""

    kind: Kind
    text: str


def marked(source: str, quote: Quote, bind: Mapping[str, str | int]) -> tuple[Piece, ...]:
    """The edits of a quotation, shown on its source; a pattern that cannot be used marks nothing (the gates say why).

    The pieces that are kept or put in are, joined, the text that the build makes of it before it sets white space in order.
    """
    pieces = [Piece("kept", source.replace(_OPEN, "").replace(_CLOSE, ""))]
    if quote.extract is not None:
        spans = _group(_live(pieces), bound(quote.extract, bind))
        pieces = _cut(pieces, spans, "dropped", None)
        if spans:  # what was found stays, the rest goes
            flip: dict[Kind, Kind] = {"kept": "left_out", "dropped": "kept"}
            pieces = [Piece(flip[one.kind], one.text) for one in pieces]
    for pattern in quote.drop:
        pieces = _cut(pieces, _spans(_live(pieces), bound(pattern, bind)), "dropped", None)
    for pattern, value in quote.replace.items():
        pieces = _cut(pieces, _spans(_live(pieces), bound(pattern, bind)), "dropped", bound(value, bind))
    return tuple(one for one in pieces if one.text)


def _live(pieces: list[Piece]) -> str:
    return "".join(one.text for one in pieces if one.kind in _LIVE)


def _spans(text: str, pattern: str) -> list[tuple[int, int]]:
    """Where a pattern matches, as the build's own engine finds it."""
    try:
        check_pattern(pattern)
        wrapped = str(pc.replace_substring_regex(pa.scalar(text), pattern=f"({pattern})", replacement=rf"{_OPEN}\1{_CLOSE}").as_py())
    except (ValueError, pa.ArrowInvalid):
        return []
    return _read(wrapped)


def _group(text: str, pattern: str) -> list[tuple[int, int]]:
    """The first group of the first match, or the whole match of a pattern without groups."""
    for inner in (f"(?:{pattern})", f"({pattern})"):
        whole = rf"\A((?s:.*?)){inner}((?s:.*))\z"
        try:
            before = str(pc.replace_substring_regex(pa.scalar(text), pattern=whole, replacement=r"\1").as_py())
            found = str(pc.replace_substring_regex(pa.scalar(text), pattern=whole, replacement=r"\2").as_py())
            pc.replace_substring_regex(pa.scalar(text), pattern=whole, replacement=r"\3").as_py()
        except pa.ArrowInvalid:  # the pattern has no group: the next form gives it one
            continue
        if before == text:  # nothing matched, so nothing was replaced
            return []
        at = text.find(found, len(before))
        return [(at, at + len(found))] if at >= 0 else []
    return []


def _read(wrapped: str) -> list[tuple[int, int]]:
    spans, at, start = [], 0, 0
    for character in wrapped:
        if character == _OPEN:
            start = at
        elif character == _CLOSE:
            spans.append((start, at))
        else:
            at += 1
    return [span for span in spans if span[0] < span[1]]


def _cut(pieces: list[Piece], spans: list[tuple[int, int]], kind: Kind, value: str | None) -> list[Piece]:
    """The pieces with every span of their live text taken out, and `value` put in its place."""
    cut: list[Piece] = []
    at = 0  # place in the live text
    waiting = list(spans)
    for one in pieces:
        if one.kind not in _LIVE:
            cut.append(one)
            continue
        text = one.text
        while waiting and text and waiting[0][0] < at + len(text):
            start, end = waiting[0]
            before, inside = max(start - at, 0), min(end - at, len(text))
            cut += [Piece(one.kind, text[:before]), Piece(kind, text[before:inside])]
            at, text = at + inside, text[inside:]
            if at < end:
                break  # the span goes on in the next piece
            waiting.pop(0)
            if value:
                cut.append(Piece("put_in", value))
        cut.append(Piece(one.kind, text))
        at += len(text)
    return cut
