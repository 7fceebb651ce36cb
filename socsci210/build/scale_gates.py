"""Gates on scales: what a value means agrees with the data file's labels, the questionnaire's list of answers, and the question."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Final

from ..extract import column_of, items_of
from ..readers import Document
from ..study_file import Code, Outcome
from .codes import whole
from .findings import Finding, excusable, finding
from .made import Made
from .wording import Asked

_AHEAD: Final = 30  # blocks below a question in which its answers may stand
_ENOUGH: Final = 200  # answers without a single one at either end
_LONGEST: Final = 11  # values: on longer scales the ends may well stay empty
_CODE_FIRST: Final = re.compile(r"[(\[]?(-?\d{1,3})[)\].:=\-–—\s]+(.*\D.*)", re.DOTALL)
_CODE_LAST: Final = re.compile(r"(.*?\D)[\s._…=:\-–—]*[(\[]?\b(-?\d{1,3})[)\].]?", re.DOTALL)
_AMOUNT: Final = re.compile(r"\d[\d,]*(?:\.\d+)?")
_PAIRS: Final = {  # what a question asks for, and words of a scale that answers it
    "support or oppose": r"support|oppos|favou?r|against",
    "agree or disagree": r"agree",
    "approve or disapprove": r"approv",
    "likely or unlikely": r"likely|probab|chance|certain",
    "willing or unwilling": r"willing",
    "satisfied or dissatisfied": r"satisf",
}
_ASKS: Final = {
    "support or oppose": r"(support|oppose|favou?r)\w* or (oppose|support|favou?r|against)",
    "agree or disagree": r"(dis)?agree or (dis)?agree",
    "approve or disapprove": r"(dis)?approve or (dis)?approve",
    "likely or unlikely": r"(un)?likely or (un)?likely",
    "willing or unwilling": r"(un)?willing or (un)?willing",
    "satisfied or dissatisfied": r"(dis)?satisfied or (dis)?satisfied",
}
_HOW: Final = re.compile(r"\b(?:how|to what extent|what (?:is|are) the)\b", re.IGNORECASE)
"""How likely are you to support or oppose ...: such a question names its answers itself."""


@excusable
def scale_direction(made: Made) -> Iterator[Finding]:
    """Values mean what the data file's labels say and the questionnaire's list of answers, and answer what the question asks."""
    seen: set[tuple[object, ...]] = set()
    for (condition, task, number), asked in made.rows.cells.items():
        outcome, labels = made.study.outcomes[task], asked.scale.labels
        column = column_of(asked.variant, items_of(outcome)[number])
        key = (task, column, asked.question, tuple(labels.items()), tuple((asked.variant.recode or {}).items()))
        if key in seen:
            continue
        seen.add(key)
        arm = made.study.conditions[condition].id
        where = made.where(f"outcome {outcome.id} in condition {arm}")
        stored = _stored(made, asked, column)
        confirmed = 0
        for value, label in labels.items():
            elsewhere = sorted(other for other, texts in stored.items() if other != value and _plain(label) in texts)
            if _plain(label) in stored.get(value, ()):
                confirmed += 1
            elif elsewhere:
                yield finding(
                    "scale_direction",
                    f"{value} is {label!r} here, but column {column} of the data file gives that label to {elsewhere[0]}",
                    where=where,
                    expected="the meaning that the data file's own labels give to a code",
                    fix="quote the labels of this column (value_labels), or correct scale.labels or recode",
                    conditions=[arm],
                    outcomes=[outcome.id],
                )
        if confirmed < 2 and (said := _by_questionnaire(made, asked)):
            yield finding(
                "scale_direction",
                said,
                where=where,
                expected="codes in the order of the questionnaire's list of answers",
                fix="correct scale.labels or recode; if the data are known to be coded otherwise, declare it under exceptions",
                conditions=[arm],
                outcomes=[outcome.id],
            )
        if said := _other_words(asked.question, labels):
            yield finding(
                "scale_direction",
                said,
                where=where,
                expected="labels that answer the question",
                fix="quote the labels of this question, or the question of these labels",
                conditions=[arm],
                outcomes=[outcome.id],
            )


def _stored(made: Made, asked: Asked, column: str | None) -> dict[int, set[str]]:
    """The labels that the data file gives to every value, after the recode."""
    found: dict[int, set[str]] = {}
    if column is not None:
        recode = None if asked.variant.recode is None else {whole(code): value for code, value in asked.variant.recode.items()}
        for code, label in made.deposit.columns[column].value_labels.items():
            value = whole(code) if recode is None else recode.get(whole(code))
            if isinstance(value, int):
                found.setdefault(value, set()).add(_plain(label))
    return found


def _plain(text: str) -> str:
    """Words alone, without a code before them."""
    coded = _CODE_FIRST.fullmatch(text.strip())
    return " ".join(re.findall(r"\w+", (coded[2] if coded else text).casefold()))


# --- the questionnaire ---------------------------------------------------------------------------------------------------------------


def _by_questionnaire(made: Made, asked: Asked) -> str | None:
    """What is wrong with the order of the answers listed below the question; None if nothing, or if they are not found."""
    wanted = {_plain(label): value for value, label in asked.scale.labels.items()}
    if len(wanted) < 2 or len(wanted) < len(asked.scale.labels) or "" in wanted:
        return None
    stored = {value: code for code, value in (asked.variant.recode or {}).items()}
    for quote in asked.variant.question or ():
        if quote.doc is None:
            continue
        listed = _listed(made.deposit.documents[quote.doc], str(quote.blocks[-1]), wanted)
        ranked = sorted((_rank(stored.get(value, value)), *listed[value], value) for value in listed)
        printed = [(code, value) for _, _, code, value in ranked if code is not None]
        codes, places = [code for code, _ in printed], [place for _, place, _, _ in ranked]
        if len(codes) > 1 and codes != sorted(codes):
            low, high = min(printed), max(printed)
            said = " and ".join(f"{code} for {asked.scale.labels[value]!r}" for code, value in (low, high))
            return f"the questionnaire prints {said}, which is not the order of the codes here"
        if len(codes) < 2 and len(ranked) == len(wanted) > 2 and places == sorted(places, reverse=True):
            return f"the questionnaire lists {asked.scale.labels[ranked[-1][-1]]!r} first, but it has the highest code here"
    return None


def _rank(code: Code) -> float:
    """Where a stored code stands among others; text that is no number stands nowhere."""
    try:
        return float(code)
    except ValueError:
        return math.inf


def _listed(document: Document, anchor: str, wanted: Mapping[str, int]) -> dict[int, tuple[int, int | None]]:
    """Value -> (place in the list of answers below a block, printed code), each found first."""
    found: dict[int, tuple[int, int | None]] = {}
    start = next((place for place, block in enumerate(document.blocks) if block.id == anchor), None)
    if start is None:
        return found
    for place, block in enumerate(document.blocks[start : start + _AHEAD]):
        for number, line in enumerate(re.split(r"[;\n\t]", block.text)):
            for text, code in _readings(line.strip()):
                value = wanted.get(text)
                if value is not None:
                    found.setdefault(value, (place * 1000 + number, code))
        if len(found) == len(wanted):
            break
    return found


def _readings(line: str) -> Iterator[tuple[str, int | None]]:
    """A line as an answer with its code before or after it, or without one."""
    if first := _CODE_FIRST.fullmatch(line):
        yield " ".join(re.findall(r"\w+", first[2].casefold())), int(first[1])
    if last := _CODE_LAST.fullmatch(line):
        text = last[1].rpartition(":")[2] or last[1]
        yield " ".join(re.findall(r"\w+", text.casefold())), int(last[2])
    yield _plain(line), None


def _other_words(question: str, labels: Mapping[int, str]) -> str | None:
    """A question that asks for one pair of answers, with labels of another."""
    if _HOW.search(question):
        return None
    asks = [pair for pair, pattern in _ASKS.items() if re.search(rf"\b{pattern}", question, re.IGNORECASE)]
    ends = " / ".join(labels[value] for value in (min(labels), max(labels))) if labels else ""
    speaks = [pair for pair, pattern in _PAIRS.items() if re.search(pattern, " ".join(labels.values()), re.IGNORECASE)]
    if asks and speaks and not set(asks) & set(speaks):
        return f"the question asks for {asks[0]}, but the labels are {ends!r}"
    return None


# --- answers -------------------------------------------------------------------------------------------------------------------------


@excusable
def scale_used(made: Made) -> Iterator[Finding]:
    """Somebody among hundreds uses an end of a scale; where nobody does, its codes may be shifted or taken together."""
    for task, outcome in enumerate(made.study.outcomes):
        scales = {(asked.scale.min, asked.scale.max) for (_, number, _), asked in made.rows.cells.items() if number == task}
        given = made.rows.response[made.rows.task == task]
        if len(scales) != 1 or len(given) < _ENOUGH:
            continue
        low, high = scales.pop()
        if low is not None and high is not None and 2 < high - low < _LONGEST and low < given.min() and given.max() < high:
            yield finding(
                "scale_used",
                f"none of {len(given):,} answers is {low} or {high}: they lie from {given.min()} to {given.max()}",
                where=made.where(f"outcome {outcome.id}"),
                expected="answers at an end of the scale that people saw",
                fix="correct the scale or recode; if people really left both ends out, declare it under exceptions",
                outcomes=[outcome.id],
            )


@excusable
def amounts(made: Made) -> Iterator[Finding]:
    """An amount that stands for a labelled band lies in that band."""
    for task, outcome in enumerate(made.study.outcomes):
        for column, code, value, label in _recoded_bands(made, task, outcome):
            numbers = [float(found.replace(",", "")) for found in _AMOUNT.findall(label)]
            if len(numbers) == 2 and not min(numbers) <= value <= max(numbers):
                yield finding(
                    "amounts",
                    f"code {code!r} of column {column}, {label!r}, is taken for {value}",
                    where=made.where(f"outcomes.{outcome.id}.recode"),
                    expected=f"an amount from {min(numbers):g} to {max(numbers):g}",
                    fix="map it into its band, or make the scale ordinal",
                    outcomes=[outcome.id],
                )


def _recoded_bands(made: Made, task: int, outcome: Outcome) -> Iterator[tuple[str, object, int, str]]:
    done = set()
    for (_, number, item), asked in made.rows.cells.items():
        column = column_of(asked.variant, items_of(outcome)[item]) if number == task else None
        if column is None or column in done or asked.scale.kind != "numeric" or asked.variant.recode is None:
            continue
        done.add(column)
        labels = {whole(code): label for code, label in made.deposit.columns[column].value_labels.items()}
        for code, value in asked.variant.recode.items():
            if whole(code) in labels:
                yield column, code, value, labels[whole(code)]
