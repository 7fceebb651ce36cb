"""The words of a study beside their source: every quotation with its edits marked, and what it reads like in the dataset."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ..build.wording import Asked, sources_of
from ..errors import SocSciError
from ..extract import items_of
from ..readers import Document
from ..study_file import Item, Outcome, Quote, StudyFile, Variant
from ..texts import BLANK, Sources, bound, describe, source_of
from .collect import Sheet
from .marks import Piece, marked

AROUND: Final = 2  # blocks shown before and after what is quoted
_WORD: Final = re.compile(r"\s+|[^\s]+")


@dataclass(frozen=True)
class Around:
    """A block near those quoted; `quoted` ones are named only, as their text stands in the quotation."""

    id: str
    text: str
    quoted: bool


@dataclass(frozen=True)
class Quoted:
    """One quotation: where it points, its source with the edits marked, and what stands around it in the document."""

    where: str
    kind: str
    pieces: tuple[Piece, ...]
    around: tuple[Around, ...]
    fault: str | None = None


@dataclass(frozen=True)
class Part:
    """One text of the dataset beside the quotations that it is made of. `reads` are words and blanks in turn; None: not made."""

    name: str
    quotes: tuple[Quoted, ...]
    reads: tuple[str, ...] | None
    compared: tuple[Piece, ...] = ()
    """The words beside those of the control arm: `put_in` stands here only, `dropped` there only."""


@dataclass(frozen=True)
class Wordings:
    """Makes the parts of one sheet."""

    sheet: Sheet

    @property
    def _study(self) -> StudyFile:
        return self.sheet.study

    def _sources(self) -> Sources | None:
        return None if self.sheet.deposit is None else sources_of(self._study, self.sheet.deposit)

    def of_condition(self, place: int) -> list[Part]:
        """What people of a condition met before the questions; several where its binds give several."""
        condition = self._study.conditions[place]
        found: dict[tuple[str | None, str], Part] = {}
        for task, outcome in enumerate(self._study.outcomes):
            for number, item in enumerate(items_of(outcome)):
                asked = (self.sheet.cells or {}).get((place, task, number))
                if self.sheet.cells is not None and asked is None:
                    continue
                text = None if asked is None else asked.text
                key = (text, "") if text is not None else (None, "not made")
                if key not in found:
                    name = f"as met before {outcome.id}, item {item.id}" if found else "text"
                    compared = self._compared(place, task, number, text)
                    found[key] = Part(name, self.quoted(condition.text, item), _reads(text), compared)
        return list(found.values())

    def _compared(self, place: int, task: int, number: int, text: str | None) -> tuple[Piece, ...]:
        controls = [n for n, one in enumerate(self._study.conditions) if one.control]
        control = (self.sheet.cells or {}).get(((controls or [0])[0], task, number))
        if text is None or control is None or place == (controls or [0])[0] or not control.text or not text:
            return ()
        return tuple(_difference(control.text, text))

    def of_question(self, variant: Variant, item: Item, asked: Asked | None) -> list[Part]:
        """Context, question and labels of one way of asking one item."""
        parts = []
        if variant.context:
            parts.append(Part("before the question", self.quoted(variant.context, item), _reads(None if asked is None else asked.context)))
        parts.append(Part("question", self.quoted(variant.question or (), item), _reads(None if asked is None else asked.question)))
        for value, quote in variant.scale.labels.items() if variant.scale else ():
            label = None if asked is None else asked.scale.labels.get(value)
            parts.append(Part(f"label of {value}", self.quoted((quote,), item), _reads(label)))
        return parts

    def of_fills(self) -> list[tuple[str, str, list[Part]]]:
        """Name, source and texts of every blank that is filled from a closed set."""
        first = items_of(self._study.outcomes[0])[0]
        found = []
        for name, fill in self._study.fills.items():
            source = (
                "the condition" if fill.by == "condition" else f"column {fill.column}" if fill.column is not None else f"sql {fill.sql}"
            )
            values = fill.values if isinstance(fill.values, dict) else {}
            parts = []
            for code, quote in values.items():
                quoted = self.quoted((quote,), first)
                live = " ".join("".join(one.text for one in quoted[0].pieces if one.kind in ("kept", "put_in")).split())
                parts.append(Part(str(code), quoted, _reads(None if quoted[0].fault else live)))
            found.append((name, source if values else f"{source}, with the labels of its codes", parts))
        return found

    def quoted(self, quotes: Sequence[Quote], item: Item) -> tuple[Quoted, ...]:
        """Quotations with their edits marked."""
        return tuple(self._quoted(quote, item) for quote in quotes)

    def _quoted(self, quote: Quote, item: Item) -> Quoted:
        sources, where = self._sources(), describe(quote, item.bind)
        kind = "own words" if quote.inline else "description" if quote.description is not None else "quoted"
        if sources is None:
            return Quoted(where, kind, (), (), "the deposit was not read")
        try:
            source = source_of(quote, sources, item.bind)
        except SocSciError as error:
            return Quoted(where, kind, (), (), error.found)
        around: tuple[Around, ...] = ()
        if quote.doc is not None:
            around = tuple(_around(sources.documents[quote.doc], [bound(str(block), item.bind) for block in quote.blocks]))
        return Quoted(where, kind, marked(source, quote, item.bind), around)


def ways(outcome: Outcome, conditions: Sequence[str]) -> list[tuple[Variant, list[int]]]:
    """The ways in which an outcome was asked, each with the places of its conditions."""
    groups: dict[str, tuple[Variant, list[int]]] = {}
    for place, condition in enumerate(conditions):
        variant = outcome.asked_as(condition)
        if variant is not None:
            groups.setdefault(repr(variant.model_dump(exclude={"conditions"})), (variant, []))[1].append(place)
    return list(groups.values())


def _reads(text: str | None) -> tuple[str, ...] | None:
    """Words and names of blanks in turn: the odd ones are blanks."""
    return None if text is None else tuple(BLANK.split(text))


def _around(document: Document, quoted: list[str]) -> Iterator[Around]:
    """The blocks from a little before the first that is quoted to a little after the last."""
    places = [place for place, block in enumerate(document.blocks) if block.id in quoted]
    if not places:
        return
    near = {near for place in places for near in range(place - AROUND, place + AROUND + 1)}
    for place, block in enumerate(document.blocks):
        if place in near and (block.text.strip() or block.id in quoted):
            yield Around(block.id, block.text, block.id in quoted)


def _difference(one: str, other: str) -> Iterator[Piece]:
    """`other` word by word beside `one`."""
    a, b = _WORD.findall(one), _WORD.findall(other)
    for tag, i, j, k, m in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            yield Piece("kept", "".join(b[k:m]))
        else:
            yield Piece("dropped", "".join(a[i:j]))
            yield Piece("put_in", "".join(b[k:m]))
