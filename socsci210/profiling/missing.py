"""Codes that probably stand for no answer: declared, told by a label, or guessed from the number and from how it stands apart."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from ..patterns import NO_ANSWER, SENTINEL
from ..readers import Code
from .columns import Gap, Seen, is_blank_word, number
from .demographics import demographic
from .names import words
from .records import Missing

_CODED: Final = re.compile(r"^\W*[-−]?\d+\W+(?=\D)")  # labels that repeat their code: `(98) SKIPPED`, `99. Refused`
_REASONS: Final = (
    ("refused", re.compile(r"(?i)refus|prefer not|rather not|declin|no answer|no response|web blank")),
    ("dont_know", re.compile(r"(?i)know|unsure|\bd\.?k\b|not ascertained")),
    ("not_asked", re.compile(r"(?i)not asked|inapplicable|not applicable|valid skip|legitimate skip|\bn/?a\b")),
    ("skipped", re.compile(r"(?i)skip")),
)
_MORE_LABELS: Final = re.compile(
    r"(?i)\W*(prefer not to (say|answer|respond)|rather not say|declined?( to answer)?|(item )?non-?response"
    r"|don.?t know ?/ ?(refused|no answer)|refused ?/ ?(don.?t know|web blank)|no opinion ?/ ?refused|skipped on web|did not answer)\W*"
)
_AGE_LABEL: Final = re.compile(r"(?i)\bage\b|how old are you")
_AGE_NAME: Final = re.compile(
    r"(?i)(pp|x|resp(ondent)?|user|participant|subj(ect)?|s|d|r|q)?_?age_?(yrs?|years?|num(eric)?|exact|cont(inuous)?|\d)?"
)
_AGES: Final = (10, 110)
_FEW_SHARE: Final = 0.05
_MOST_ORDINARY: Final = 60
_FAR: Final = 5  # times the highest answer: 999 beside a thermometer from 0 to 100
_LISTS_CODES: Final = 300  # columns with more codes hold ids, times or amounts, where every number is ordinary
_NO_SCALE: Final = -9  # labelled codes down here are no end of a scale, in whatever language the label is
_COUNT: Final = re.compile(r"(?i)number of|how many|total|size|household|presence of")


def with_gaps(columns: Sequence[Seen]) -> list[Seen]:
    """The columns with their codes for no answer filled in."""
    told = [replace(column, gaps=_of(column)) for column in columns]
    known: Counter[Code] = Counter(
        code for column in told for code, gap in column.gaps.items() if isinstance(code, int) and column.count(code)
    )
    return [replace(column, gaps=column.gaps | _as_elsewhere(column, known)) for column in told]


def summary(columns: Sequence[Seen], own_words: Collection[str] = ()) -> tuple[Missing, ...]:
    """Every code that is no answer somewhere, the most common first.

    Args:
        columns: all columns.
        own_words: names of those that hold people's own words, among which `none` and `n/a` are words like others, and not for showing.
    """
    where: dict[Code, list[Seen]] = defaultdict(list)
    for column in columns:
        for code in column.gaps:
            if column.name not in own_words or not isinstance(code, str) or _told(column, code):
                where[code].append(column)
    found = [_missing(code, holders, columns) for code, holders in where.items()]
    return tuple(sorted(found, key=lambda one: (-len(one.columns), str(one.code))))


def _told(column: Seen, code: Code) -> bool:
    """Whether the file itself says something about a code."""
    return column.text_label(code) is not None or column.column.is_declared_missing(code)


def _missing(code: Code, holders: Sequence[Seen], columns: Sequence[Seen]) -> Missing:
    gaps = [column.gaps[code] for column in holders]
    said = Counter(gap.reason for gap in gaps if gap.reason != "unknown")
    reason = said.most_common(1)[0][0] if said else "unknown"
    best = max(gaps, key=lambda gap: gap.score)
    elsewhere = [column.name for column in columns if len(column.codes) <= _LISTS_CODES and code in column.answers]
    names = tuple(column.name for column in holders)
    return Missing.model_validate(
        {"code": code, "reason": reason, "columns": names, "elsewhere": tuple(elsewhere), "score": best.score, "why": best.basis}
    )


def _of(column: Seen) -> dict[Code, Gap]:
    """What the column itself says about its codes, and about labelled codes that nobody has."""
    gaps: dict[Code, Gap] = {}
    labels, declared = column.column.value_labels, column.column.missing_values
    declares = bool(declared or column.column.missing_ranges)
    telling = [code for code in column.codes if declares or isinstance(code, str) or code in labels]  # of other numbers nothing is told
    for code in dict.fromkeys([*telling, *labels, *declared]):
        label = column.text_label(code)
        plain = _CODED.sub("", label).strip() if label else ""
        if column.column.is_declared_missing(code):
            gaps[code] = Gap(_reason(plain) if plain else "unknown", "the file declares it missing", 1.0)
        elif plain and _no_answer(plain):
            gaps[code] = Gap(_reason(plain), f"its label is {label!r}", 0.95)
        elif is_blank_word(code) and not (column.kind == "text" and str(code).strip().casefold() == "none"):
            gaps[code] = Gap("unknown", "a word that programs write for a blank", 0.9)
        elif isinstance(code, str) and column.kind == "text" and len(column.codes) <= _MOST_ORDINARY and _no_answer(code.strip()):
            gaps[code] = Gap(_reason(code), f"the answer is the words {code!r}", 0.8)
    return gaps | _guessed(column, gaps)


def _no_answer(words: str) -> bool:
    return NO_ANSWER.fullmatch(words) is not None or _MORE_LABELS.fullmatch(words) is not None


def _reason(label: str) -> str:
    return next((reason for reason, pattern in _REASONS if pattern.search(label)), "missing")


def _guessed(column: Seen, known: dict[Code, Gap]) -> dict[Code, Gap]:
    if column.kind != "whole numbers":
        return {}
    numbers = {code: int(value) for code in column.codes if code not in known and (value := number(code)) is not None}
    if column.name and _is_age(column, numbers):
        low, high = _AGES
        return {c: Gap("unknown", "no age of somebody who takes part", 0.6) for c, n in numbers.items() if not low <= n <= high}
    codes = {c: n for c, n in numbers.items() if column.text_label(c) is None or n <= _NO_SCALE}
    ordinary = _ordinary(numbers.values())
    if not codes or not ordinary or len(ordinary) > 2 * _MOST_ORDINARY:
        return {}
    gaps = {c: Gap("unknown", why, score) for c, n in codes.items() for why, score in [_apart(n, ordinary)] if score}
    symmetric = {-n for n in ordinary if n > 0} == {n for n in numbers.values() if n < 0}  # a scale from -3 to 3
    if symmetric or sum(n < 0 for n in numbers.values()) > 4:
        gaps = {c: gap for c, gap in gaps.items() if numbers[c] > 0}
    return gaps or _single_digits(column, numbers, codes)


def _ordinary(numbers: Iterable[int]) -> list[int]:
    """The numbers that do not look like codes for no answer, ascending; of very many, some more than can be told apart from such codes."""
    found: set[int] = set()
    for n in numbers:
        if not SENTINEL.fullmatch(str(n)):
            found.add(n)
            if len(found) > 2 * _MOST_ORDINARY:
                break
    return sorted(found)


def _apart(code: int, ordinary: Sequence[int]) -> tuple[str, float]:
    """Why a number that looks like a code for no answer stands apart from the others, and how sure that is."""
    low, high = ordinary[0], ordinary[-1]
    if not SENTINEL.fullmatch(str(code)):
        return "", 0.0
    if code < 0 <= low:
        return f"negative, where the other codes run from {low} to {high}", 0.85
    if code > high and high <= 0.75 * code and (len(ordinary) <= _MOST_ORDINARY or high <= code / _FAR):
        return f"far above the other codes, which run from {low} to {high}", 0.85
    return "", 0.0


def _single_digits(column: Seen, numbers: dict[Code, int], codes: dict[Code, int]) -> dict[Code, Gap]:
    """8 and 9 behind a gap: 1 to 5, then 8 and 9."""
    rest = [n for n in numbers.values() if n not in (8, 9)]
    if not rest or min(rest) < 0 or max(rest) >= 7 or len(rest) < 2 or _COUNT.search(column.label or ""):
        return {}
    rare = {c for c, n in codes.items() if n in (8, 9) and column.count(c) <= 4 * _FEW_SHARE * column.rows}
    return {c: Gap("unknown", f"behind a gap: the other codes run from {min(rest)} to {max(rest)}", 0.6) for c in rare}


def _as_elsewhere(column: Seen, known: Counter[Code]) -> dict[Code, Gap]:
    """Codes that stand apart in other columns, though not in this one: -2 and -1 beside 1 and 2, rare 8 and 9 on a scale from 1 to 7."""
    if demographic(column) is not None:  # their codes are lists, in which 8 is one more
        return {}
    if column.kind != "whole numbers" or column.column.value_labels or len(column.codes) > _MOST_ORDINARY:
        return {}
    if column.gaps or not column.n_answered or _COUNT.search(column.label or ""):
        return {}
    negative = [c for c in column.codes if isinstance(c, int) and c < 0]
    if negative and len(column.codes) > 2 and 0 not in column.codes and all(known[c] for c in negative):  # not a scale from -2 to 2
        return {c: Gap("unknown", "negative, and no answer in other columns", 0.7) for c in negative}
    suspects = {c for c in column.codes if isinstance(c, int) and known[c] and c in (8, 9)}
    rest = [int(value) for c in column.codes if c not in suspects and (value := number(c)) is not None]
    if not suspects or len(rest) < 2 or max(rest) > 7:
        return {}
    rare = {c for c in suspects if column.count(c) <= _FEW_SHARE * column.rows}
    return {c: Gap("unknown", "rare, and no answer in other columns", 0.5) for c in rare}


def _is_age(column: Seen, numbers: dict[Code, int]) -> bool:
    """Whether a column holds ages in years."""
    told = _AGE_LABEL.search(column.label or "") is not None
    named = told or "age" in words(column.name) or _AGE_NAME.fullmatch(column.name) is not None
    return named and len(numbers) > 25 and 18 <= sorted(numbers.values())[len(numbers) // 2] <= 80
