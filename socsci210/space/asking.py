"""What a visitor filled in, read and checked: people, texts, question and scale. Every refusal says what to change on the page."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from ..demographics import FIELDS, INTEGER_FIELDS, VOCABULARY
from ..errors import SocSciError
from ..schema import MAX_ENUMERATED, Scale
from ..stimuli import stimulus

MAX_PEOPLE: Final = 200  # of one file: many visitors share one machine
MAX_TEXTS: Final = 4
MAX_CHARACTERS: Final = 20_000  # of one text; the model's context is a narrower limit, checked when it is asked
MAX_FILE: Final = 200_000  # characters of a file of people
WHOLE: Final[Mapping[str, tuple[int, int]]] = {"age": (18, 120), "household_size": (1, 30)}

Person = Mapping[str, str | int]

_RANGE: Final = re.compile(r"\s*(-?\d{1,9})\s*(?:-|–|—|to|\.\.)\s*(-?\d{1,9})(?:\s+by\s+(\d{1,9}))?\s*", re.IGNORECASE)
_LABEL: Final = re.compile(r"\s*(-?\d{1,9})\s*[=:]\s*(.*\S)\s*")
_NEXT_LABEL: Final = re.compile(r"[,;]\s*(?=-?\d{1,9}\s*[=:])")
_SCALE_HELP: Final = "a range such as `1 to 7`, or labels such as `1 = Never` and `5 = Always`, one on each line"


class FormError(SocSciError):
    """Something on the form that cannot be asked as it stands. `where` names the field as the page does."""


@dataclass(frozen=True)
class Condition:
    """One of the texts to compare. An empty text: these people read nothing before the question."""

    name: str
    text: str


@dataclass(frozen=True)
class Asked:
    """Everything to ask: every person answers the question after every text."""

    people: Sequence[Person]
    conditions: Sequence[Condition]
    question: str
    scale: Scale

    @property
    def stimuli(self) -> list[str]:
        """What the model reads for each condition, worded as in the training data."""
        return [stimulus("read", condition.text, self.question, self.scale) for condition in self.conditions]


def read_person(values: Mapping[str, object], where: str = "The person") -> Person:
    """The fields of one person that are filled in, as the prompts take them.

    Raises:
        FormError: none is filled in, or one has a value that it cannot have.
    """
    found = {field: _value(field, text, where) for field in FIELDS if (text := str(values.get(field) or "").strip())}
    if not found:
        raise FormError("nothing is known about this person", where=where, fix="fill in at least one field, such as the age")
    return found


def _value(field: str, text: str, where: str) -> str | int:
    if field in INTEGER_FIELDS:
        low, high = WHOLE[field]
        number = int(float(text)) if re.fullmatch(r"\d{1,3}(?:\.0+)?", text) else -1
        if not low <= number <= high:
            raise FormError(f"{field} is {_short(text)}", where=where, expected=f"a whole number from {low} to {high}", fix="correct it")
        return number
    known = VOCABULARY[field] or ()
    for value in known:
        if value.casefold() == text.casefold():
            return value
    near = get_close_matches(text, known, n=1, cutoff=0.6)
    raise FormError(
        f"{field} is {_short(text)}", where=where, expected=f"one of: {'; '.join(known)}",
        fix=f"write {near[0]!r}" if near else "use one of these words, or leave it empty",
    )  # fmt: skip


def read_people(text: str) -> list[Person]:
    """The people of a CSV file: one on each line under a line of column names, which are those of the 16 fields.

    Columns are parted by commas, semicolons or tabs; an empty cell is a field that is not known.

    Raises:
        FormError: no people, too many, an unknown or repeated column, a line of another length, a value that a field cannot have.
    """
    where = "People (CSV)"
    if len(text) > MAX_FILE:
        raise FormError(f"the file has {len(text):,} characters", where=where, expected=f"at most {MAX_FILE:,}", fix="ask fewer people")
    text = text.removeprefix("\ufeff").strip(" \r\n")
    if not text:
        raise FormError("there are no people", where=where, fix="load a CSV file or paste one, or describe one person instead")
    first = text.split("\n", 1)[0]
    try:
        lines = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count), strict=True)
        columns = _columns(next(lines), where)
        rows = [(lines.line_num, row) for row in lines if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise FormError(
            f"this is not a CSV file ({error})", where=where, fix="save it as CSV, with quotes around cells with commas"
        ) from None
    if not rows:
        raise FormError("there are column names but no people", where=where, fix="write one person on each line below them")
    if len(rows) > MAX_PEOPLE:
        raise FormError(f"there are {len(rows)} people", where=where, expected=f"at most {MAX_PEOPLE}", fix="ask fewer people at a time")
    people = []
    for number, row in rows:
        if len(row) != len(columns):
            raise FormError(
                f"{len(row)} cells", where=f"{where}, line {number}", expected=f"{len(columns)}, as many as there are column names",
                fix="put quotes around cells that hold the separator",
            )  # fmt: skip
        people.append(read_person(dict(zip(columns, row, strict=True)), f"{where}, line {number}"))
    return people


def _columns(names: Sequence[str], where: str) -> list[str]:
    found = [re.sub(r"\W+", "_", name.strip().casefold()).strip("_") for name in names]
    for name, column in zip(names, found, strict=True):
        if column not in FIELDS:
            near = get_close_matches(column, FIELDS, n=1, cutoff=0.75)
            raise FormError(
                f"unknown column {_short(name)}", where=where, expected=f"some of {', '.join(FIELDS)}",
                fix=f"rename it to {near[0]}" if near else "remove this column: nothing but these fields is read",
            )  # fmt: skip
        if found.count(column) > 1:
            raise FormError(f"column {column} is there more than once", where=where, fix="keep one of them")
    return found


def read_scale(text: str) -> Scale:
    """The answers: a range (`1 to 7`, `0 to 100 by 10`), labelled values (`1 = Never`), or a range and labels of some of its values.

    Labels alone stand for every whole number from the lowest to the highest of them.

    Raises:
        FormError: neither, or a scale with too few or too many answers.
    """
    where = "Answers"
    parts = [part for line in text.splitlines() for part in _NEXT_LABEL.split(line) if part.strip()]
    ranges: list[tuple[int, int, int]] = []
    labels: dict[int, str] = {}
    for part in parts:
        if label := _LABEL.fullmatch(part):
            if int(label[1]) in labels:
                raise FormError(f"two labels for {label[1]}", where=where, fix="keep one of them")
            labels[int(label[1])] = label[2]
        elif bounds := _RANGE.fullmatch(part):
            ranges.append((int(bounds[1]), int(bounds[2]), int(bounds[3] or 1)))
        else:
            raise FormError(f"cannot read {_short(part)}", where=where, expected=_SCALE_HELP, fix="write the answers in this form")
    if len(ranges) > 1 or not parts:
        raise FormError(
            "more than one range" if ranges else "there are no answers", where=where, expected=_SCALE_HELP, fix="give one scale"
        )
    low, high, step = ranges[0] if ranges else (min(labels), max(labels), 1)
    return _scale(low, high, step, labels, where)


def _scale(low: int, high: int, step: int, labels: dict[int, str], where: str) -> Scale:
    if step < 1 or high <= low or (high - low) % step:
        steps = f" by {step}" if step != 1 else ""
        raise FormError(
            f"{low} to {high}{steps} is not a scale", where=where, expected="two answers or more, from the lowest to the highest",
            fix="put the lowest answer first, and a step that leads to the highest",
        )  # fmt: skip
    values = range(low, high + 1, step)
    if len(values) > MAX_ENUMERATED:
        raise FormError(
            f"{len(values)} answers", where=where, expected=f"at most {MAX_ENUMERATED}", fix="use a coarser scale, such as `0 to 100 by 10`"
        )
    if off := [value for value in labels if value not in values]:
        raise FormError(f"{off[0]} has a label but is not on the scale", where=where, expected=f"{low} to {high}", fix="correct either")
    kind = "binary" if len(values) == 2 else "ordinal" if labels or len(values) <= 11 else "numeric"
    return Scale.model_validate({"min": low, "max": high, "step": step, "labels": labels, "kind": kind, "direction": "unknown"})


def read_conditions(named: Sequence[tuple[str, str]]) -> list[Condition]:
    """The texts to compare, with names. The first may be empty: these people read nothing but the question.

    Raises:
        FormError: a later text is empty, two are alike, two names are alike, or one is too long.
    """
    found = [Condition(_line(name) or f"Text {at}", _line(text)) for at, (name, text) in enumerate(named, 1)]
    for at, condition in enumerate(found):
        where = f"Text {at + 1}"
        _not_too_long(condition.text, where)
        _not_too_long(condition.name, f"{where}, name", 60)
        if at and not condition.text:
            raise FormError("the text is empty", where=where, fix="write it, or compare fewer texts (only the first may be empty)")
        for before, other in enumerate(found[:at], 1):
            if other.text == condition.text:
                raise FormError(f"the same words as text {before}", where=where, fix="change one of them: there is nothing to compare")
            if other.name.casefold() == condition.name.casefold():
                raise FormError(f"the same name as text {before}", where=where, fix="give each text a name of its own")
    return found


def read_question(text: str) -> str:
    """The question.

    Raises:
        FormError: there is none, or it is too long.
    """
    question = _line(text)
    if not question:
        raise FormError("there is no question", where="Question", fix="write what is asked, such as: How warm do you find the mayor?")
    return _not_too_long(question, "Question")


def _not_too_long(text: str, where: str, most: int = MAX_CHARACTERS) -> str:
    if len(text) > most:
        raise FormError(f"{len(text):,} characters", where=where, expected=f"at most {most:,}", fix="shorten it")
    return text


def _line(text: str | None) -> str:
    """Text as the training data have it: one line, single spaces."""
    return " ".join((text or "").split())


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
