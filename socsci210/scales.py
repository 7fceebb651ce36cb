"""The answer scale that a stimulus states, read from its answer-format sentence (`Only return ...`).

The sentence is the authority: ranges in the question are never taken for the scale. Where the sentence names a range and no label, labels that
the question gives to both ends of that same range are used (`labels_from` says which). The text is foreign data: patterns work on a stretch of
bounded length, and results are cached on the sentence, because few sentences serve many stimuli.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import zip_longest
from typing import Final, Literal, NamedTuple

from .schema import LARGEST, Scale

REASONS: Final[dict[str, str]] = {
    "no_format_sentence": "the stimulus has no sentence that says how to answer",
    "unbounded": "the sentence asks for a whole number and names no range",
    "not_integer": "the sentence asks for words or for fractions, not for whole numbers",
    "contradictory": "the stimulus states two ranges, or labels for values outside its range",
    "one_value": "the sentence allows one single answer",
    "too_large": "a bound lies beyond the whole numbers that every type holds exactly",
}
LONGEST_RATING: Final = 10  # max - min of an unlabelled range that still reads as a rating; longer ones are quantities
_SENTENCE: Final = 3_000  # characters; what stands further behind is not how to answer
_QUESTION: Final = 1_200  # characters before the sentence in which the question may label the scale
_LOOK_BACK: Final = 40  # characters before a number that may link it to the label before it


@dataclass(frozen=True)
class ParsedScale:
    """What a stimulus says about its answers. Where no range is stated `min` and `max` are None and `reason` is a key of REASONS.

    `labels` holds the words as written, without the quotes around them and the punctuation that closes the clause; `spans` their places in the
    text given. `sentence` is the place of the answer-format sentence with the label clauses behind it.
    """

    min: int | None = None
    max: int | None = None
    step: int = 1
    labels: Mapping[int, str] = field(default_factory=dict)
    spans: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    kind: Literal["binary", "ordinal", "numeric"] | None = None
    unit: str | None = None
    direction: Literal["up", "down", "unknown"] = "unknown"
    reason: str | None = None
    sentence: tuple[int, int] | None = None
    labels_from: Literal["sentence", "question"] | None = None

    @property
    def values(self) -> range:
        """All stated answers in ascending order; empty where no range is stated."""
        return range(0) if self.min is None or self.max is None else range(self.min, self.max + 1, self.step)

    def scale(self) -> Scale | None:
        """The scale in the terms of the dataset's schema; None where the stimulus asks for no whole number or contradicts itself."""
        if self.kind is None:
            return None
        return Scale(
            min=self.min, max=self.max, step=self.step, labels=dict(self.labels), kind=self.kind, unit=self.unit, direction=self.direction
        )


def parse_scale(stimulus_text: str) -> ParsedScale:
    """The scale stated by the answer-format sentence of a stimulus, or the reason why there is none.

    Of several such sentences the last that states a range counts; the others must not contradict it.
    """
    starts = _openings(stimulus_text)
    if not starts:
        return ParsedScale(reason="no_format_sentence")
    ends = [*starts[1:], len(stimulus_text)]
    found = [(start, _read(stimulus_text[start : min(end, start + _SENTENCE)])) for start, end in zip(starts, ends, strict=True)]
    stated = [(start, scale) for start, scale in found if scale.min is not None]
    if len({(scale.min, scale.max, scale.step) for _, scale in stated}) > 1:
        place = _moved(found[-1][1], found[-1][0]).sentence
        return ParsedScale(reason="contradictory", sentence=place)
    start, scale = stated[-1] if stated else found[-1]
    scale = _moved(scale, start)
    return scale if scale.labels or scale.min is None else _labelled_by_question(stimulus_text, scale)


# --- where the sentence is -----------------------------------------------------------------------------------------------------------

_USUAL: Final = re.compile(r"\bonly return\b", re.IGNORECASE)
_UNUSUAL: Final = re.compile(
    r"\b(?:return only|only (?:respond|reply|answer|enter|give|provide)(?: with)?|(?:respond|reply|answer)(?: with)? only|"
    r"(?:respond|reply|answer) with(?= (?:an?|one) (?:single )?(?:integer|number|whole number)\b))",
    re.IGNORECASE,
)


def _openings(text: str) -> list[int]:
    last = text.rfind("Only return")
    if last >= 0 and text.find("nly return") == last + 1:  # nearly always: exactly one
        return [last]
    return [m.start() for m in _USUAL.finditer(text)] or [m.start() for m in _UNUSUAL.finditer(text)][-1:]


def _moved(scale: ParsedScale, by: int) -> ParsedScale:
    """The scale of a sentence, its places counted from the start of the stimulus. Its dictionaries are new: cached ones stay as they are."""
    spans = {value: (start + by, end + by) for value, (start, end) in scale.spans.items()}
    place = None if scale.sentence is None else (scale.sentence[0] + by, scale.sentence[1] + by)
    return ParsedScale(
        scale.min, scale.max, scale.step, dict(scale.labels), spans, scale.kind, scale.unit, scale.direction, scale.reason, place,
        scale.labels_from,
    )  # fmt: skip


# --- numbers and the words that tie labels to them -----------------------------------------------------------------------------------

_PLAIN: Final = str.maketrans(
    {
        **dict.fromkeys("“”„‟″", '"'),
        **dict.fromkeys("‘’‚‛′`", "'"),
        **dict.fromkeys("‐‑‒–—−", "-"),
        **dict.fromkeys("\0\n\r\t\xa0\u2009\u202f", " "),
    }
)
_WORDS: Final = {word: number for number, word in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())}
_TIMES: Final = {"k": 1_000, "thousand": 1_000, "million": 1_000_000}
_WORD: Final = rf"\b(?:{'|'.join(_WORDS)})\b"
_DIGITS: Final = r"(?:(?:\bminus |\bnegative |[-+])?\$?(?:[1-9]\d{0,2}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:\s?%|\spercent\b)?(?:\s?(?:k|thousand|million)\b)?)"
_NUMBER: Final = rf"(?:{_DIGITS}|{_WORD})"
_IS: Final = (
    r"(?:means?|meaning|is|being|indicat(?:es|ing)|represent(?:s|ing)|correspond(?:s|ing)? (?:to|with)|stands? for|denot(?:es|ing)|"
    r"signif(?:ies|ying)|refers? to|equals?|labell?ed(?: as)?)\b"
)
_MARK: Final = re.compile(
    rf"(?<![\w.$%-])['\"]?(?P<number>{_NUMBER})['\"]?(?:\s*(?:(?P<is>=+|{_IS})|(?P<colon>:)|(?P<for>(?:for|as)\b)|(?P<if>(?:if|when)\b)|"
    rf"(?P<to>to\b)(?=\s+[a-z])(?!\s+(?:{_WORD}|infinity\b))|(?P<dash>-)(?=\s*[^\d\s-])|"
    rf"(?P<open>[(\[])(?!\s*['\"]?{_NUMBER}['\"]?\s*(?:=|{_IS})))|(?P<bare>)(?=\s['\"]\w))\s*",
    re.IGNORECASE,
)
_LINK: Final = re.compile(
    r"[\s,;:]*(?P<join>\x00|\b(?:and|or|but)\b,?\s*)?(?P<lead>\b(?:where|with|in which|while|whereas|then|up to|through|to|from|between)\b,?\s*)?"
    r"(?:\b(?:the|an?|return|enter|select|only|number|integer|value|option|either)\b\s*){0,4}[(\[]?\s*\Z",
    re.IGNORECASE,
)
_CLAUSE: Final = re.compile(
    r"[\x00\s.,;:\"')\]]*(?:(?:[(\[]|\b(?:where|with|in which|here|note(?: that)?|options|labels)\b)[\s,:]*){0,3}", re.IGNORECASE
)
_ENOUGH: Final = re.compile(
    r"(?:[,;.:-]\s*|(?<=[\"')\w])\s+|\s\()(?:and |with |but |do )?(?:nothing else|no other (?:text|words?|output|characters?)|nothing more|"
    r"without (?:any )?(?:other|additional|further|extra) \w+|no (?:additional|further|extra) \w+)\b",
    re.IGNORECASE,
)
_SENTENCE_END: Final = re.compile(r"[.!?](?=[\"')\]]*(?:\s+[\"'(\[]*[A-Z]|\s+\(|\s*\Z|\s*\x00))|\x00")
_ABBREVIATION: Final = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|vs|etc|No|Jr|Sr|e\.g|i\.e|approx)|\b[A-Za-z](?:\.[A-Za-z])+|\b[A-HJ-Z])\Z")
_REMARK: Final = re.compile(
    r",\s+(?:with|where) (?:higher|lower|larger|smaller|greater|other|intermediate|the|values|numbers)\b", re.IGNORECASE
)
_QUESTION_END: Final = re.compile(r"[,;.?!\"]|\s(?:how|what|which|and then)\b", re.IGNORECASE)
_CLOSERS: Final = re.compile(r"[\s,;:.)\]\"'\x00]*")


class _Mark(NamedTuple):
    """A number and where the words start that say what it stands for."""

    value: int | None  # None for a fraction
    family: str  # the group of _MARK that ties number and label
    link: str  # the words between the label before and the number
    before: int  # where the link starts: there the label before ends at the latest
    start: int  # of the label
    end: int | None  # of a label in quotes or brackets; of others it is found with their neighbours


def _value(number: str) -> int | None:
    """The whole number written; None for a fraction."""
    number = number.lower()
    if number in _WORDS:
        return _WORDS[number]
    whole, _, fraction = re.sub(r"[^\d.]", "", number).partition(".")
    if fraction.strip("0"):
        return None
    times = next((by for word, by in _TIMES.items() if number.endswith(word)), 1)
    size = int(whole) * times if len(whole) < 30 else LARGEST + 1
    return -size if number.startswith(("-", "minus", "negative")) else size


def _marks(plain: str, at: int, stop: int, *, free: bool) -> list[_Mark]:
    """The marks of one run of labels. A mark stands behind a comma, a conjunction, ...; `free` spares the first one that."""
    marks: list[_Mark] = []
    floor = at
    for found in _MARK.finditer(plain, at, stop):
        here, family = found.start(), str(found.lastgroup)
        if here < floor:
            continue  # inside a label in quotes or brackets
        link = _LINK.search(plain, max(floor, here - _LOOK_BACK), here)
        if link is None or not (link["join"] or link["lead"] or set(link[0]) & set(",;:([") or plain[link.start() - 1] in ".)\"'"):
            if marks or not free:
                continue
        before = link.start() if link else here
        ended = _sentence_end(plain, floor, here)
        if ended is not None and not _only_clause(plain, ended, here):
            break
        opens = link is not None and (link["lead"] is not None or "(" in link[0])
        if marks and family != marks[-1].family and not opens:
            continue
        start, end = found.end(), None
        if family == "open":
            end = _closing_bracket(plain, start, stop)
        elif plain[start : start + 1] in ("'", '"'):
            start, end = _quoted(plain, start, stop)
        mark = _Mark(_value(found["number"]), family, link[0] if link else "", before, start, end)
        floor = found.end() + 1 if end is None else end + 1
        if marks and marks[-1].value == mark.value and marks[-1].end is None:
            marks.pop()  # the number before was a word of the label before it
        marks.append(mark)
    return marks


def _only_clause(plain: str, at: int, here: int) -> bool:
    clause = _CLAUSE.match(plain, at + 1, here)
    return clause is not None and clause.end() == here


def _closing_bracket(plain: str, start: int, stop: int) -> int | None:
    depth = 1
    for at in range(start, stop):
        depth += (plain[at] in "([") - (plain[at] in ")]")
        if not depth:
            return at
    return None


def _quoted(plain: str, start: int, stop: int) -> tuple[int, int | None]:
    """Start and end of the label inside the quotes that open at `start`; without an end where no quote closes it."""
    quote, at = plain[start], start + 1
    while (at := plain.find(quote, at + 1, stop)) >= 0:
        inside_word = quote == "'" and plain[at - 1].isalnum() and plain[at + 1 : at + 2].isalnum()
        if not inside_word and _label_ends(plain, at + 1):
            return start + 1, at
    return start, None


def _label_ends(plain: str, at: int) -> bool:
    """Whether behind the quote at `at` - 1 stands another mark, a new sentence, or nothing."""
    closers = _CLOSERS.match(plain, at)
    end = closers.end() if closers else at
    behind = plain[at:end]
    if end == len(plain) or "\0" in behind or ("." in behind and plain[end].isupper()):
        return True
    following = _MARK.search(plain, end, end + _LOOK_BACK)
    if following is None:
        return plain[at - 2] in ".!?" and plain[end].isupper()
    link = _LINK.fullmatch(plain, at if behind.isspace() else end, following.start())
    return following.start() == end or link is not None


def _sentence_end(plain: str, at: int, stop: int) -> int | None:
    for found in _SENTENCE_END.finditer(plain, at, stop):
        if found[0] != "." or not _ABBREVIATION.search(plain, max(at, found.start() - 12), found.start()):
            return found.start()
    return None


# --- labels --------------------------------------------------------------------------------------------------------------------------


def _places(plain: str, marks: list[_Mark], stop: int, ends: re.Pattern[str] | None = None) -> Iterator[tuple[_Mark, tuple[int, int]]]:
    """Each mark with the place of its label; `ends` closes the last label where no sentence does."""
    stops = [mark.end for mark in marks if mark.end is not None]
    own_stop = len(stops) > 1 and all(plain[end - 1] == "." for end in stops)  # every option is a sentence: its stop is its own
    for mark, following in zip_longest(marks, marks[1:]):
        if mark.end is not None:
            last = following is None and not own_stop and plain[mark.end + 1 : mark.end + 2] not in (",", ";")
            yield mark, _trimmed(plain, mark.start, mark.end, stop_too=last)
            continue
        end = following.before if following else stop
        if following is None:
            cuts = [
                _sentence_end(plain, mark.start, stop),
                *(m.start() for p in (_REMARK, ends) if p and (m := p.search(plain, mark.start, stop))),
            ]
            end = min([end, *(cut for cut in cuts if cut is not None)])
        bracket = _closing_bracket(plain, mark.start, end)
        yield mark, _trimmed(plain, mark.start, end if bracket is None else bracket, stop_too=True)


def _trimmed(plain: str, start: int, end: int, *, stop_too: bool) -> tuple[int, int]:
    """The place without spaces, the quotes around it and the punctuation that closes the clause."""
    while start < end:
        last, words = plain[end - 1], plain[start:end]
        if plain[start] in " :,":
            start += 1
        elif last in " ,;:\0" or (last == "." and stop_too and not words.endswith("..") and not _ABBREVIATION.search(words[:-1])):
            end -= 1
        elif last in "\"'" and words[0] == last and len(words) > 1 and not re.search(rf"\w{last}[ ,]", words[:-1]):
            start, end = start + 1, end - 1
        elif (last == '"' and words.count('"') % 2) or (
            last == "'" and stop_too and not re.search(r"(?:^|\s)'", words) and words[-2:-1] in ".!?"
        ):
            end -= 1
        else:
            break
    return start, end


def _labelled_by_question(text: str, scale: ParsedScale) -> ParsedScale:
    """The scale with the labels of the question, where that names both ends of the same range."""
    if scale.sentence is None or scale.min is None or scale.max is None:
        return scale
    stop = scale.sentence[0]
    at = max(0, stop - _QUESTION)
    first = re.compile(rf"(?<![\w.,$-])(?:{scale.min}|{scale.max})\s*(?:=|\(|means?\b|being\b|corresponds?\b|is\b)")
    if not first.search(text, at, stop):
        return scale
    plain = text[:stop].translate(_PLAIN)
    for found in reversed(list(first.finditer(plain, at, stop))):
        marks = [mark for mark in _marks(plain, found.start(), stop, free=True) if mark.family in ("is", "open")]
        labels = {m.value: place for m, place in _places(plain, marks, stop, _QUESTION_END) if m.value is not None}
        if {scale.min, scale.max} <= set(labels) <= set(scale.values) and all(end > start for start, end in labels.values()):
            spans = dict(sorted(labels.items()))
            words = {value: text[start:end] for value, (start, end) in spans.items()}
            direction = _direction(words, scale.min, scale.max)
            kind = "ordinal" if scale.kind == "numeric" and scale.unit is None else scale.kind
            return replace(scale, labels=words, spans=spans, labels_from="question", direction=direction, kind=kind)
    return scale


# --- the sentence --------------------------------------------------------------------------------------------------------------------

_STEP: Final = re.compile(rf"\b(?:(?:multiples?|steps|increments|intervals|units) of|divisible by)\s+(?P<step>{_NUMBER})", re.IGNORECASE)
_FIRST: Final = re.compile(
    rf"(?<![\w.])(?P<a>{_DIGITS})|\b(?:from|between)\s+(?P<b>{_WORD})|\b(?:one of|either)\s+(?P<c>{_NUMBER})", re.IGNORECASE
)
_TO: Final = r"\s*(?:\b(?:to|and|through|thru|up to|until)\b|--?|\.\.\.?)\s*"
_RANGE: Final = re.compile(rf"(?P<low>{_NUMBER}){_TO}(?P<high>{_NUMBER})(?!\w)", re.IGNORECASE)
_OTHER_RANGE: Final = re.compile(rf"\b(?:from|between|range of|scale of)\s+(?={_NUMBER})", re.IGNORECASE)
_LIST: Final = re.compile(rf"{_NUMBER}(?:\s*(?:,\s*(?:or\b|and\b)?|\bor\b|\band\b)\s*{_NUMBER}(?!\w))+", re.IGNORECASE)
_ONE: Final = re.compile(_NUMBER, re.IGNORECASE)
_IN_UNITS: Final = re.compile(
    r"\bin (?:whole )?(dollars|cents|euros|pounds|percent|seconds|minutes|hours|days|weeks|months|years)\b", re.IGNORECASE
)
_A_NUMBER: Final = re.compile(
    r"\b(?:integer|number|whole|amount|count|percent\w*|dollars?|digit|value|score|estimate|age|years?|how many)\b", re.IGNORECASE
)
_FRACTION: Final = re.compile(r"\b(?:decimals?|fraction|real number)\b", re.IGNORECASE)
_UNITS: Final = re.compile(
    rf"\brepresent(?:s|ing)\s+(?P<unit>[^\x00]+?)(?=\s*(?:\x00|,\s*(?:where|with|from|between|in which|rounded)\b|\s(?:from|between)\s+{_NUMBER}|"
    r"[.;](?:[\s\"')]|\Z)|\Z))|\bnumber of (?P<counted>[a-z][a-z -]*?)(?=\s+(?:from|between|you|that|to)\b|[\s,.;:\"'()]*(?:[,.;:\"'(\x00]|\Z))|"
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
        step = (_value(by["step"]) or 1) if by else 1
        return _Stated(_value(found["low"]), _value(found["high"]), step, found[0]), found.end()
    listed = _LIST.match(text, at, stop)
    if listed is None:
        return None, head
    numbers = list(_ONE.finditer(listed[0]))
    if _MARK.match(plain, at + numbers[-1].start()):
        return None, head  # `1, 2 for ...`: the last number opens a label
    values = [value for value in (_value(number[0]) for number in numbers) if value is not None]
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
        if other and {_value(other["low"]), _value(other["high"])} != {stated.low, stated.high}:
            return True
    return False


def _from_marks(plain: str, head: int, marks: list[_Mark]) -> _Stated | None:
    """The range of a sentence that names no other: from the first number that has a label to the last."""
    values = [mark.value for mark in marks]
    if not values:
        return None
    whole = [value for value in values if value is not None]
    if len(whole) < len(values):
        return _Stated(None, None, 1, "")
    ends_only = re.search(r"\b(?:from|between)\b", plain[head : marks[0].start], re.IGNORECASE) or any(
        re.search(r"\b(?:to|through)\b", mark.link, re.IGNORECASE) for mark in marks[1:]
    )
    of_number = marks[0].family in ("is", "colon") and _A_NUMBER.search(plain, head, marks[0].before)
    return _Stated(min(whole), max(whole), 1 if ends_only or of_number else _gap(whole), "")


@lru_cache(maxsize=16_384)
def _read(tail: str) -> ParsedScale:
    """The scale of a text that starts with an answer-format sentence; places count from its start."""
    plain = _ENOUGH.sub(lambda found: "\0" * len(found[0]), tail.translate(_PLAIN))
    opening = _USUAL.match(plain) or _UNUSUAL.match(plain)
    head = opening.end() if opening else 0
    stop = _next_stop(plain, head)
    stated, at = _range(plain, head, stop)
    marks = _marks(plain, at, stop, free=stated is None)
    places = list(_places(plain, marks, stop))
    if stated is None:
        stated = _from_marks(plain, head, marks)
    elif _other_range(plain, stated, at, marks[0].before if marks else _sentence_end(plain, at, stop) or stop):
        return ParsedScale(reason="contradictory", sentence=(0, len(tail)))
    clause = _CLAUSE.match(plain, stop)
    if clause and stop < len(plain) and _MARK.match(plain, clause.end()):
        places += _places(plain, _marks(plain, clause.end(), _next_stop(plain, clause.end()), free=True), _next_stop(plain, clause.end()))
    asked = plain[head : marks[0].before if marks else min(stop, _sentence_end(plain, head, stop) or stop)]
    end = max([at, stop if "\0" in plain else at, head + len(asked), *(end for _, (_, end) in places)])
    closed = _CLOSERS.match(plain, end)
    sentence = (0, len(tail[: closed.end() if closed else end].rstrip()))
    return replace(_scale_of(tail, stated, places, asked, head), sentence=sentence)


def _next_stop(plain: str, at: int) -> int:
    stop = plain.find("\0", at)
    return len(plain) if stop < 0 else stop


def _scale_of(tail: str, stated: _Stated | None, places: list[tuple[_Mark, tuple[int, int]]], asked: str, head: int) -> ParsedScale:
    unit = _unit(tail, asked, head, stated.written if stated else "")
    if stated is None:
        if _FRACTION.search(asked) or not _A_NUMBER.search(asked):
            return ParsedScale(reason="not_integer")
        return ParsedScale(kind="numeric", unit=unit, reason="unbounded")
    if stated.low is None or stated.high is None:
        return ParsedScale(reason="not_integer")
    low, high, step = min(stated.low, stated.high), max(stated.low, stated.high), stated.step
    low, high = -(-low // step) * step if step > 1 and _STEP.search(asked) else low, high - (high - low) % step
    if max(-low, high) > LARGEST:
        return ParsedScale(reason="too_large")
    if high <= low:
        if len(places) == 1 and places[0][0].family in ("is", "colon") and _A_NUMBER.search(asked):
            return ParsedScale(kind="numeric", unit=unit, reason="unbounded")
        return ParsedScale(reason="one_value")
    spans: dict[int, tuple[int, int]] = {}
    for mark, (start, end) in places:
        if mark.value is None or start >= end or tail[start:end].lower() == "inclusive":
            continue
        if mark.value in range(low, high + 1, step):
            spans.setdefault(mark.value, (start, end))
        elif mark.family == "is" and not re.search(r"\bor\b", mark.link):
            return ParsedScale(reason="contradictory")
    spans = dict(sorted(spans.items()))
    labels = {value: tail[start:end] for value, (start, end) in spans.items()}
    kind: Literal["binary", "ordinal", "numeric"] = "ordinal"
    if high - low == step:
        kind = "binary"
    elif unit or (not labels and high - low > LONGEST_RATING):
        kind = "numeric"
    return ParsedScale(
        low, high, step, labels, spans, kind, unit, _direction(labels, low, high), labels_from="sentence" if labels else None
    )


def _unit(tail: str, asked: str, head: int, written: str) -> str | None:
    """What the number counts, as written; a sign of money or percent in the range says it too."""
    if found := _UNITS.search(asked):
        start, end = found.span(str(found.lastgroup))
        unit = tail[head + start : head + end].strip(" \"'“”‘’.")
        return {"dollar": "dollars", "percentage": "percent"}.get(unit.lower(), unit) if found["named"] else unit
    if found := _IN_UNITS.search(asked):
        return found[1]
    return "dollars" if "$" in written else "percent" if "%" in written or "percent" in written else None


# --- direction -----------------------------------------------------------------------------------------------------------------------

_LESS: Final = re.compile(
    r"\b(?:not?|none|never|nothing|neither|nobody|hardly|least|less|lower|lowest|little|low|few|fewer|few|rarely|seldom|false|"
    r"dis(?!tinct|cuss|play|trict|tance)[a-z]{4,}|un(?!der|til|ion|it|iv|less|iq)[a-z]{3,}|in(?:accurate|effective|sincere|competent|appropriate|"
    r"correct|adequate|efficient|frequently)|im(?:possible|probable|moral|proper)|ir(?:relevant|responsible)|dishonest|illegal|"
    r"oppos\w*|against|reject\w*|negative\w*|decreas\w*|worse|worst|bad|badly|poor|poorly|cold|weak\w*|small\w*|harmful|reduce\w*|wors\w*)\b",
    re.IGNORECASE,
)
_MORE: Final = re.compile(
    r"\b(?:yes|true|always|every|all|agree\w*|likely|support\w*|favou?r\w*|approv\w*|satisf\w*|very|extremely|completely|totally|entirely|"
    r"definitely|certainly|strongly|highly|most|more|higher|highest|high|much|lots?|many|great\w*|often|frequently|positive\w*|increas\w*|"
    r"better|best|good|excellent|warm|strong\w*|large\w*|benefi\w*|fair|confident|willing|accept\w*|important|trust\w*|improve\w*|for)\b",
    re.IGNORECASE,
)


def _direction(labels: Mapping[int, str], low: int, high: int) -> Literal["up", "down", "unknown"]:
    """`up` where the upper end is worded as more of it (agree, likely, very, yes) and the lower end as less (dis-, un-, not, oppose).

    A word of less outweighs words of more beside it (`strongly disagree`, `not very likely`). Other pairs of labels are unknown.
    """
    if low not in labels or high not in labels:
        return "unknown"
    lower, upper = (-1 if _LESS.search(label) else 1 if _MORE.search(label) else 0 for label in (labels[low], labels[high]))
    return "up" if (lower, upper) == (-1, 1) else "down" if (lower, upper) == (1, -1) else "unknown"
