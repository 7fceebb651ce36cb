"""The answer-format sentence itself: its range, its labels, its unit."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from ..schema import LARGEST
from .direction import direction
from .labels import CLAUSE, CLOSERS, DIGITS, MARK, NUMBER, WORD, Mark, ends_first, marks, places, plain_copy, sentence_end, whole
from .parsed import ParsedScale

LONGEST_RATING: Final = 10  # max - min of an unlabelled range that still reads as a rating; longer ones are quantities

OPENING: Final = re.compile(r"\bonly return\b", re.IGNORECASE)
UNUSUAL_OPENING: Final = re.compile(
    r"\b(?:return only|only (?:respond|reply|answer|enter|give|provide)(?: with)?|(?:respond|reply|answer)(?: with)? only|"
    r"(?:respond|reply|answer) with(?= (?:an?|one) (?:single )?(?:integer|number|whole number)\b))",
    re.IGNORECASE,
)

_Place = tuple[Mark, tuple[int, int]]
_STEP: Final = re.compile(rf"\b(?:(?:multiples?|steps|increments|intervals|units) of|divisible by)\s+(?P<step>{NUMBER})", re.IGNORECASE)
_FIRST: Final = re.compile(
    rf"(?<![\w.])(?P<a>{DIGITS})|\b(?:from|between)\s+(?P<b>{WORD})|\b(?:one of|either)\s+(?P<c>{NUMBER})", re.IGNORECASE
)
_TO: Final = r"\s*(?:\b(?:to|and|through|thru|up to|until)\b|--?|\.\.\.?)\s*"
_RANGE: Final = re.compile(rf"(?P<low>{NUMBER}){_TO}(?P<high>{NUMBER})(?!\w)", re.IGNORECASE)
_OTHER_RANGE: Final = re.compile(rf"\b(?:from|between|range of|scale of)\s+(?={NUMBER})", re.IGNORECASE)
_LIST: Final = re.compile(rf"{NUMBER}(?:\s*(?:,\s*(?:or\b|and\b)?|\bor\b|\band\b)\s*{NUMBER}(?!\w))+", re.IGNORECASE)
_ONE: Final = re.compile(NUMBER, re.IGNORECASE)
_IN_UNITS: Final = re.compile(
    r"\bin (?:whole )?(dollars|cents|euros|pounds|percent|seconds|minutes|hours|days|weeks|months|years)\b", re.IGNORECASE
)
_A_NUMBER: Final = re.compile(
    r"\b(?:integer|number|whole|amount|count|percent\w*|dollars?|digit|value|score|estimate|age|years?|how many)\b", re.IGNORECASE
)
_FRACTION: Final = re.compile(r"\b(?:decimals?|fraction|real number)\b", re.IGNORECASE)
_MULTIPLE: Final = re.compile(r"\b(?:multiples? of|divisible by)\b", re.IGNORECASE)
_NO_ANSWER: Final = re.compile(
    r"['\"]?(?:i )?(?:don't know|do not know|dk\b|not sure|unsure|refuse|skip|no answer|prefer not|decline|not applicable|n/a)",
    re.IGNORECASE,
)
_ENDS: Final = re.compile(r"\b(?:from|between)\b", re.IGNORECASE)
_UP_TO: Final = re.compile(r"\b(?:to|through)\b", re.IGNORECASE)
_OR: Final = re.compile(r"\bor\b", re.IGNORECASE)
_UNITS: Final = re.compile(
    r"\brepresent(?:s|ing)\s+(?P<unit>[^\x00]+?)(?=\x00|,\s*(?:where|with|from|between|in which|rounded)\b|"
    rf"\s(?:from|between)\s+{NUMBER}|[.;](?:[\s\"')]|\Z)|\Z)|"
    r"\bnumber of (?P<counted>[a-z]+(?:[ -][a-z]+)*?)(?=\s+(?:from|between|you|that|to)\b|[^a-z -]|\s*\Z)|"
    r"\b(?P<named>dollar|percent|percentage)s?\b",
    re.IGNORECASE,
)


class _Stated(NamedTuple):
    """A range as the sentence states it; a bound that is a fraction is None."""

    low: int | None
    high: int | None
    step: int
    written: str  # with the sign of its unit, if any


def _range(plain: str, head: int, stop: int) -> tuple[_Stated | None, int]:
    """The range that the first number opens (`from A to B`, `one of A, B, C`), and where the text goes on behind it."""
    by = _STEP.search(plain, head, stop)
    text = plain if by is None else plain[: by.start()] + " " * len(by[0]) + plain[by.end() :]
    first = _FIRST.search(text, head, stop)
    if first is None:
        return None, head
    at = first.start(str(first.lastgroup))
    if found := _RANGE.match(text, at, stop):
        step = (whole(by["step"]) or 1) if by else 1
        return _Stated(whole(found["low"]), whole(found["high"]), step, found[0]), found.end()
    listed = _LIST.match(text, at, stop)
    if listed is None:
        return None, head
    numbers = list(_ONE.finditer(listed[0]))
    if MARK.match(plain, at + numbers[-1].start()):
        return None, head  # `1, 2 for ...`: the last number opens a label
    values = [value for value in (whole(number[0]) for number in numbers) if value is not None]
    if len(values) < len(numbers):
        return _Stated(None, None, 1, listed[0]), listed.end()
    return _Stated(min(values), max(values), _gap(values), listed[0]), listed.end()


def _gap(values: list[int]) -> int:
    """The largest step that reaches every value from the lowest."""
    return math.gcd(*(value - min(values) for value in values)) or 1


def _other_range(plain: str, stated: _Stated, at: int, stop: int) -> bool:
    """Whether the sentence goes on to name a range that is not the one stated."""
    for found in _OTHER_RANGE.finditer(plain, at, stop):
        other = _RANGE.match(plain, found.end(), stop)
        if other and {whole(other["low"]), whole(other["high"])} != {stated.low, stated.high}:
            return True
    return False


def _from_marks(plain: str, head: int, run: list[Mark]) -> _Stated | None:
    """The range of a sentence that names no other: from the first number that has a label to the last."""
    if not run:
        return None
    values = [mark.value for mark in run if mark.value is not None]
    if len(values) < len(run):
        return _Stated(None, None, 1, "")
    if len(values) > 2 and values[-1] - values[-2] != values[1] - values[0] and _NO_ANSWER.match(plain, run[-1].start):
        values = values[:-1]  # a code for no answer stands apart from the options
    ends_only = _ENDS.search(plain, head, run[0].start) or any(_UP_TO.search(mark.link) for mark in run[1:])
    of_number = run[0].family in ("is", "colon") and _A_NUMBER.search(plain, head, run[0].before)
    return _Stated(min(values), max(values), 1 if ends_only or of_number else _gap(values), "")


@lru_cache(maxsize=16_384)
def read_sentence(tail: str) -> ParsedScale:
    """The scale of a text that starts with an answer-format sentence; places count from its start."""
    plain = plain_copy(tail)
    opening = OPENING.match(plain) or UNUSUAL_OPENING.match(plain)
    head = opening.end() if opening else 0
    stop = _next_stop(plain, head)
    stated, at = _range(plain, head, stop)
    run = marks(plain, at, stop, free=stated is None)
    if stated is None:
        run = run or ends_first(plain, head, stop)
        stated = _from_marks(plain, head, run)
    elif _other_range(plain, stated, at, run[0].before if run else _end_of(plain, at, stop)):
        return ParsedScale(reason="contradictory", sentence=(0, len(tail)))
    labelled = [*places(plain, run, stop), *_behind(plain, stop)]
    asked = plain[head : run[0].before if run else _end_of(plain, head, stop)]
    end = max([at, stop if stop < len(plain) else at, head + len(asked), *(end for _, (_, end) in labelled)])
    closed = CLOSERS.match(plain, end)
    sentence = (0, len(tail[: closed.end() if closed else end].rstrip()))
    unit = _unit(tail, asked, head, stated.written if stated else "")
    return replace(_scale_of(tail, stated, labelled, asked, unit), sentence=sentence)


def _next_stop(plain: str, at: int) -> int:
    stop = plain.find("\0", at)
    return len(plain) if stop < 0 else stop


def _end_of(plain: str, at: int, stop: int) -> int:
    end = sentence_end(plain, at, stop)
    return stop if end is None else end


def _behind(plain: str, stop: int) -> Iterator[_Place]:
    """Labels in a clause that follows the end of the sentence: `..., nothing else, where 1 means ...`."""
    clause = CLAUSE.match(plain, stop)
    if clause and stop < len(plain) and MARK.match(plain, clause.end()):
        next_stop = _next_stop(plain, clause.end())
        yield from places(plain, marks(plain, clause.end(), next_stop, free=True), next_stop)


def _scale_of(tail: str, stated: _Stated | None, labelled: list[_Place], asked: str, unit: str | None) -> ParsedScale:
    counts = _A_NUMBER.search(asked) is not None
    if stated is None:
        open_number = counts and not _FRACTION.search(asked)
        return ParsedScale(kind="numeric", unit=unit, reason="unbounded") if open_number else ParsedScale(reason="not_integer")
    if stated.low is None or stated.high is None:
        return ParsedScale(reason="not_integer")
    low, high, step = min(stated.low, stated.high), max(stated.low, stated.high), stated.step
    if max(-low, high) > LARGEST:
        return ParsedScale(reason="too_large")
    if step > 1 and _MULTIPLE.search(asked):
        low = -(-low // step) * step
    high -= (high - low) % step
    if high <= low:
        names_one = counts and stated.low == stated.high and not stated.written
        return ParsedScale(kind="numeric", unit=unit, reason="unbounded") if names_one else ParsedScale(reason="one_value")
    spans: dict[int, tuple[int, int]] = {}
    for mark, (start, end) in labelled:
        if mark.value is None or start >= end or tail[start:end].lower() == "inclusive":
            continue
        if mark.value in range(low, high + 1, step):
            spans.setdefault(mark.value, (start, end))
        elif mark.family == "is" and not _OR.search(mark.link):
            return ParsedScale(reason="contradictory")
    spans = dict(sorted(spans.items()))
    labels = {value: tail[start:end] for value, (start, end) in spans.items()}
    return ParsedScale(
        min=low,
        max=high,
        step=step,
        labels=labels,
        spans=spans,
        kind=_kind(low, high, step, quantity=sum((unit is not None, not labels, high - low > LONGEST_RATING)) > 1),
        unit=unit,
        direction=direction(labels, low, high),
        labels_from="sentence" if labels else None,
    )


def _kind(low: int, high: int, step: int, *, quantity: bool) -> Literal["binary", "ordinal", "numeric"]:
    if high - low == step:
        return "binary"
    return "numeric" if quantity else "ordinal"


def _unit(tail: str, asked: str, head: int, written: str) -> str | None:
    """What the number counts, as written; a sign of money or percent in the range says it too."""
    if found := _UNITS.search(asked):
        start, end = found.span(str(found.lastgroup))
        unit = tail[head + start : head + end].strip(" \"'“”‘’.")
        return {"dollar": "dollars", "percentage": "percent"}.get(unit.lower(), unit) if found["named"] else unit
    if found := _IN_UNITS.search(asked):
        return found[1]
    return "dollars" if "$" in written else "percent" if "%" in written or "percent" in written else None
