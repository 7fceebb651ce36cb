"""Columns that are no question and no arm: who people are, their own words, weights, records of the interview, order of questions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .. import patterns
from .columns import Seen, number
from .names import words
from .records import Named, Role

_ID_NAME: Final = re.compile(
    r"(?i)(case|resp(ondent|onse)?|participant|subject|person|worker|panelist|user|record|mno|session)?_?(id|num(ber)?|no|serial|uuid|key)"
    r"|caseid|serial|v1|masterid|su_id|participant|subject|respondent|subj|pid|uid|token|(hh|sub|subj)_?id|id_?[a-z]"
)
_ID_LABEL: Final = re.compile(
    r"(?i)response ?id|case (id|identification).*|respondent (id|number).*|(participant|subject|panelist|worker) ?(id|number).*"
)
_WEIGHT: Final = re.compile(
    r"(?i)(.*_)?(weights?|wt|wgt|wts|pweight|weight_?\d*|designwt|finalwt|postwt|nationalweight|teamweight)(_.*)?|.*(weight|wgt|wt)\d*"
)
_WEIGHT_LABEL: Final = re.compile(r"(?i)\bweights?\b|\bweighting\b")
_INTERVIEW: Final = frozenset((
    "tm", "time", "timing", "timer", "times", "duration", "date", "dates", "start", "startdate", "startdt", "starttime", "started",
    "end", "enddate", "enddt", "endtime", "ended", "finish", "finished", "progress", "status", "device", "browser", "os", "resolution",
    "mode", "click", "clicks", "counter", "recorded", "recordeddate", "distributionchannel", "channel", "userlanguage", "language",
    "responseset", "interview", "submit", "latency", "rt", "elapsed", "seconds", "secs", "surv", "counter1", "counter2", "counter3",
    "datetime", "consent", "begin", "beg", "ipaddress",
))  # fmt: skip
_ALSO_TREATED: Final = frozenset(("mode", "channel", "language", "status", "start", "end", "time", "interview", "click", "device"))
"""Words of these that also name what a study varies."""
_INTERVIEW_LABEL: Final = re.compile(
    r"(?i)timing.*(click|submit|count)|(interview|survey) (start|finish|end|length|duration).*|duration( |$).*|start ?date|end ?date"
    r"|finished|response ?set|status|progress|recorded ?date|user ?language|distribution ?channel|.*time \(gmt\)"
    r"|.*_?(browser|operating system|resolution)"
)
_ORDER: Final = re.compile(
    r"(?i)(.*_)?((item|question|option|response|scale|block|q)?_?order|ord|\w*flip|position|pos|rotation|rotate|random(o|iz\w*)?|trial|seq(uence)?|do|rank_?order|rowposition)(_?\d*)(_.*)?"
)
_ORDER_LABEL: Final = re.compile(
    r"(?i)\border of\b|\brow position\b|\brandomi[sz]ed order\b|\bposition of\b|display order"
    r"|\b(option|item|question|answer|response|scale) (order|orientation)\b"
)
_PIPED: Final = re.compile(r"(?i)\b(text )?(inserted|piped)( for| into| text)?\b")
_MANY_TEXTS: Final = 12
_OWN: Final = 0.25  # distinct texts per answer, above which a column holds people's own words
_LONG: Final = 60
_MOST_ROWS: Final = 60  # per person, in files that hold a row per item
_SAMPLE: Final = 2000


def roles(columns: Sequence[Seen]) -> dict[str, tuple[Role, str]]:
    """The columns with such a role, and why."""
    return {column.name: found for column in columns if (found := _role(column)) is not None}


def named(columns: Sequence[Seen], given: dict[str, tuple[Role, str]], *wanted: Role) -> tuple[Named, ...]:
    """The columns with one of the roles, for the profile."""
    return tuple(Named(column=c.name, score=0.9, why=given[c.name][1]) for c in columns if c.name in given and given[c.name][0] in wanted)


def participants(columns: Sequence[Seen]) -> tuple[Named, ...]:
    """Columns that may identify people in the file: filled and different in every row; those named so first, then those named so in which
    some ids stand in several rows."""
    found = []
    for place, column in enumerate(columns):
        if column.kind in ("numbers", "date", "empty"):
            continue
        if column.blank or len(column.codes) != column.rows:
            found += _repeated_id(column)
            continue
        by_name = _is_id(column)
        score = (0.9 if by_name else 0.4) + (0.1 if place == 0 else 0.0)
        why = "different in every row" + (", and named like an identifier" if by_name else "") + (", first column" if place == 0 else "")
        found.append(Named(column=column.name, score=round(score, 2), why=why))
    return tuple(sorted(found, key=lambda one: -one.score))


def _repeated_id(column: Seen) -> list[Named]:
    """A column named like an identifier, in a file with several rows of some people, or with people who have none."""
    again = column.rows - column.blank - len(column.codes)
    if not _is_id(column) or not column.codes or again + column.blank > (1 - 1 / _MOST_ROWS) * column.rows:
        return []
    rows = f"{again} rows repeat an id" if again else ""
    told = " and ".join(filter(None, (rows, f"{column.blank} have none" if column.blank else "")))
    why = f"named like an identifier, but {told}: see data.duplicates, or the file has several rows per person"
    return [Named(column=column.name, score=0.6 if again + column.blank <= 0.1 * column.rows else 0.3, why=why)]


def weights(columns: Sequence[Seen]) -> tuple[Named, ...]:
    """Columns that hold weights of people, the likeliest first."""
    found = []
    for column in columns:
        by_name, by_label = _is_weight(column.name), _WEIGHT_LABEL.search(column.label or "") is not None
        if not (by_name or by_label) or column.kind != "numbers" or not column.numbers or min(column.numbers) < 0:
            continue
        counts = np.array([column.count(code) for code in column.answers])
        mean = float((np.array(column.numbers) * counts).sum() / counts.sum())
        near_one = 0.8 < mean < 1.25
        final = re.search(r"(?i)final|post", f"{column.name} {column.label or ''}") is not None
        score = 0.5 + 0.2 * by_name + 0.15 * near_one + 0.1 * final - 0.2 * ("design" in (column.label or column.name).casefold())
        why = f"{'named' if by_name else 'labelled'} a weight; its mean is {mean:.3g}"
        found.append(Named(column=column.name, score=round(min(1.0, score), 2), why=why))
    return tuple(sorted(found, key=lambda one: -one.score))


def is_piped(column: Seen) -> bool:
    """Whether a column records what was put into a text."""
    return _PIPED.search(column.label or "") is not None or bool({"insert", "inserted", "piped"} & set(words(column.name)))


def _role(column: Seen) -> tuple[Role, str] | None:
    if not column.answers:
        return "constant", "nobody has an answer"
    short = column.label if column.label is not None and len(column.label) <= 40 and len(column.label.split()) <= 3 else ""
    if _is_id(column) and len(column.codes) > 0.9 * (column.rows - column.blank) and column.kind != "numbers" and column.rows > 1:
        return "participant", "named like an identifier, and different for nearly everybody"
    if column.kind == "whole numbers" and column.answers == tuple(range(1, column.rows + 1)) and column.rows > _MOST_ROWS:
        return "participant", "numbers the rows"
    if patterns.PERSONAL.fullmatch(patterns.snake(column.name)) or (short and patterns.PERSONAL.fullmatch(patterns.snake(short))):
        return ("identifier", "its name says that it tells who somebody is") if _could_identify(column) else None
    if found := _identifies(column):
        return "identifier", found
    if found := _open(column):
        return "open text", found
    if (_is_weight(column.name) or _WEIGHT_LABEL.search(column.label or "")) and column.kind == "numbers":
        return "weight", "named or labelled a weight"
    if len(column.answers) == 1 and not column.blank:
        return "constant", "everybody has the same code"
    if found := _interview(column):
        return "about the interview", found
    if _ORDER_LABEL.search(column.label or "") or (_ORDER.fullmatch(patterns.snake(column.name)) and column.label in (None, column.name)):
        return "order", "named like the order of questions"
    if len(column.answers) == 1:
        return "shown or ticked", "one code or blank, as a box that was ticked or a text that was shown"
    return None


def _is_weight(name: str) -> bool:
    return _WEIGHT.fullmatch(name) is not None or _WEIGHT.fullmatch(patterns.snake(name)) is not None


def _is_id(column: Seen) -> bool:
    return _ID_NAME.fullmatch(column.name) is not None or _ID_LABEL.fullmatch(column.label or "") is not None


def _could_identify(column: Seen) -> bool:
    """Names such as `phone` also stand for a question about phones, with few answers."""
    return len(column.answers) > _MANY_TEXTS or len(column.answers) <= 1 or column.kind == "text"


def _identifies(column: Seen) -> str | None:
    if column.kind != "text":
        return None
    texts = pa.array([str(code) for code in column.answers[:_SAMPLE]], pa.string())
    for pattern, what in patterns.IDENTIFIERS.items():
        if pc.any(pc.match_substring_regex(texts, pattern)).as_py():
            return f"a text in it looks like {what}"
    return None


def _open(column: Seen) -> str | None:
    if column.kind != "text":
        return None
    distinct, n = len(column.answers), column.n_answered
    if patterns.OPEN.fullmatch(patterns.snake(column.name)) and distinct > 2:
        return "named like an open question"
    length = sum(len(str(code)) * column.count(code) for code in column.answers) / max(n, 1)
    if distinct > _MANY_TEXTS and distinct >= _OWN * n and not _dates(column):
        return f"{distinct} different texts of {n} people"
    return "long texts that differ between people" if length > _LONG and distinct > 0.1 * n and distinct > _MANY_TEXTS else None


def _dates(column: Seen) -> bool:
    sample = [str(code) for code in column.answers[:50]]
    return all(re.match(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", text) for text in sample)


def _evenly_drawn(column: Seen) -> bool:
    """Whether a column has few levels of about the same size and nobody without one, as chance assignment leaves and interviews do not."""
    return 2 <= len(column.answers) <= 6 and column.evenness >= 0.98 and column.blank <= 0.02 * column.rows


def _interview(column: Seen) -> str | None:
    if column.kind == "date" or (column.kind == "text" and _dates(column)):
        return "dates"
    label = column.label if column.label != column.name else None
    if label and _INTERVIEW_LABEL.fullmatch(label.split("|")[0].strip()):
        return "labelled as a record of the interview"
    named_so = _INTERVIEW & set(words(column.name))
    if named_so <= _ALSO_TREATED and _evenly_drawn(column):
        return None
    if named_so and (label is None or len(label.split()) <= 5):
        return "named like a record of the interview"
    days = [value for code in column.answers[:5] if (value := number(code)) is not None]
    if column.kind == "whole numbers" and days and all(19_000_101 <= value <= 21_001_231 for value in days):
        return "dates written as numbers"
    return None
