"""Gates on what texts say: a question for every column, nothing of the results or of the researchers' own talk, nothing left out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import numpy as np

from ..extract import column_of, fills_of, items_of
from ..study_file import Outcome
from ..texts import names_in
from .findings import Finding, excusable, finding
from .made import Made

# What only somebody writes who knows the design or the results. Findings about other people may be part of a stimulus, so each pattern asks
# for words of this very experiment.
_LEAKS: Final = {
    r"\bwe (?:hypothesi[sz]ed?|predict(?:ed)?|expect(?:ed)?) that (?:participants|respondents|subjects|people in)\b": "a hypothesis",
    r"\b(?:our|the|main|first|second|alternative|null) hypothes[ie]s\b|(?-i:\bH\d[a-z]?:)": "a hypothesis",
    r"\b(?:participants|respondents|subjects) (?:in|assigned to) (?:the|this) \w+ (?:condition|treatment)s?\b": "the design",
    r"\b(?:treatment|control|experimental) conditions?\b|\bexperimental manipulations?\b|\bmanipulation check\b": "the design",
    r"\b(?:dependent|independent|outcome) variables?\b|\bbetween[- ]subjects?\b|\bwithin[- ]subjects?\b": "the design",
    r"\brandomly assigned\b.{0,60}\b(?:condition|version|arm)\b": "the design",
    r"\bp\s*[<=>]\s*0?\.\d+|\bCohen['’]s d\b|(?-i:\b(?:SD|SE|M)\s*=\s*-?\d)|\b95 ?% (?:CI|confidence)": "a statistic",
    r"\bsignificant(?:ly)?\b.{0,40}\b(?:between|across|than (?:in|those in|participants))\b.{0,30}\b(?:condition|arm)s?\b": "a result",
    r"\bdebrief(?:ing|ed)?\b|\bthe (?:true|real|actual) purpose of (?:this|the) (?:study|survey|experiment)\b": "a debriefing",
}
_HEADING: Final = re.compile(
    r"(?:^|\[|\()\s*(?:(?:experimental |treatment |control )?(?:condition|group|arm)|vignette|version|cell)\s*(?:no\.?|#)?\s*"
    r"(?:\d{1,2}|[a-z]|v\d+)\s*[:.)\]–—-]",
    re.IGNORECASE,
)
_MEAN: Final = re.compile(r"(?i)\b(?:mean|average) (?:\w+ )?(?:rating|score|answer|response)s?\b\D{0,40}?(-?\d+\.\d+)")
_PERCENT: Final = re.compile(
    r"(\d{1,2}(?:\.\d+)?) ?(?:%|percent|per cent) of (?:participants|respondents|those surveyed|people in this (?:study|survey))"
)
_ELISION: Final = re.compile(r"\[\s*(?:\.{3}|…)\s*\]|\(\s*(?:\.{3}|…)\s*\)|\.{3} ?\.{3}")
_DOTS: Final = re.compile(r"(?<=\w) (?:\.{3}|…) (?=\w)")  # in a treatment; a question may leave a gap for its answer
_BLACKED: Final = re.compile(r"\[[^\]]*\b(?:redacted|removed|omitted|anonymi[sz]ed|withheld|masked)\b[^\]]*\]", re.IGNORECASE)


@excusable
def question_varies(made: Made) -> Iterator[Finding]:
    """Two columns are two questions: what people of a condition read for the one is not word for word what they read for the other."""
    study, rows = made.study, made.rows
    by_text: dict[tuple[object, ...], list[tuple[int, int, str]]] = defaultdict(list)
    for (condition, task, number), asked in rows.cells.items():
        outcome = study.outcomes[task]
        column = column_of(asked.variant, items_of(outcome)[number])
        if column is None or _differs_by_row(made, outcome, asked.blanks):
            continue
        fills = tuple(sorted((name, tuple(sorted(texts))) for name, texts in rows.fill_texts.get((condition, task, number), {}).items()))
        by_text[condition, asked.template(), fills].append((task, number, column))
    told = set()
    for key, places in by_text.items():
        first, *others = places
        for other in others:
            if other[2] == first[2] or (first, other) in told or not _another_question(made, first, other):
                continue
            told.add((first, other))
            names = [_place(study.outcomes[task], number) for task, number, _ in (first, other)]
            yield finding(
                "question_varies",
                f"columns {first[2]} and {other[2]} have the same text ({names[0]}, {names[1]})",
                where=made.where(f"outcome {names[1]} in condition {study.conditions[int(str(key[0]))].id}"),
                expected="the question that belongs to each column",
                fix="quote what differs (a label, a row of a grid); if people were asked the same twice, declare it under exceptions",
                outcomes=[study.outcomes[task].id for task, *_ in (first, other)],
            )


def _differs_by_row(made: Made, outcome: Outcome, blanks: tuple[str, ...]) -> bool:
    """Whether the text shows a profile of a conjoint, or a fill whose column depends on the item."""
    for name in blanks:
        fill = made.study.fills.get(name)
        if fill is None or name not in fills_of(made.study, outcome) or names_in(f"{fill.column or ''} {fill.sql or ''}"):
            return True
    return False


def _another_question(made: Made, first: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    """Whether the source says that two columns are two questions; two outcomes are, unless the source gives them one label."""
    texts = [_words_of(made, column) for *_, column in (first, other)]
    if all(texts):
        return texts[0] != texts[1]
    return first[0] != other[0]


def _words_of(made: Made, column: str) -> tuple[str, ...]:
    """What the source calls a column, without its name and numbers."""
    text = made.deposit.header_texts.get(column) or made.deposit.columns[column].label or ""
    return tuple(re.findall(r"[^\W\d_]+", text.replace(column, " ").casefold()))


def _place(outcome: Outcome, number: int) -> str:
    return f"{outcome.id}, item {outcome.items[number].id}" if outcome.items else outcome.id


@excusable
def leakage(made: Made) -> Iterator[Finding]:
    """No text speaks of the design or the results: hypotheses, arms by number or name, statistics, debriefing, what people answered."""
    seen: set[str] = set()
    for (condition, task, _), asked in made.rows.cells.items():
        arm, outcome = made.study.conditions[condition], made.study.outcomes[task]
        for text in (asked.text, asked.context, asked.question):
            if not text or text in seen:
                continue
            seen.add(text)
            said = [(what, match[0]) for pattern, what in _LEAKS.items() if (match := re.search(pattern, text, re.IGNORECASE))]
            if match := _HEADING.search(text):
                said.append(("the number of an arm", match[0].strip()))
            if _same(text, arm.label) or _same(text, arm.id):
                said.append(("nothing but the arm's own name", text))
            said += [("a result", part) for part in _results(made, text)]
            for what, part in said[:2]:
                yield finding(
                    "leakage",
                    f"it speaks of {what}: {part[:80]!r}",
                    where=made.where(f"outcome {outcome.id} in condition {arm.id}"),
                    expected="what people met, and nothing of the researchers' own notes or results",
                    fix="drop it from the quotation; if people did read it, declare it under exceptions",
                    conditions=[arm.id],
                    outcomes=[outcome.id],
                )


def _same(text: str, name: str) -> bool:
    words = re.findall(r"[^\W_]+", text.casefold())
    return bool(words) and words == re.findall(r"[^\W_]+", name.casefold())


def _results(made: Made, text: str) -> Iterator[str]:
    """Numbers of a text that are what the people of this study answered."""
    for pattern, found in ((_MEAN, _means), (_PERCENT, _shares)):
        for match in pattern.finditer(text):
            digits = len(match[1].partition(".")[2])
            if any(round(value, digits) == round(float(match[1]), digits) for value in found(made)):
                yield match[0]


def _means(made: Made) -> Iterator[float]:
    rows = made.rows
    for task in range(len(made.study.outcomes)):
        of_task = rows.task == task
        for place in (None, *range(len(made.study.conditions))):
            chosen = of_task if place is None else of_task & (rows.condition == place)
            if chosen.any():
                yield float(rows.response[chosen].mean())


def _shares(made: Made) -> Iterator[float]:
    rows = made.rows
    for task in range(len(made.study.outcomes)):
        of_task = rows.task == task
        for place in (None, *range(len(made.study.conditions))):
            chosen = of_task if place is None else of_task & (rows.condition == place)
            if chosen.any():
                yield from (100 * np.unique(rows.response[chosen], return_counts=True)[1] / chosen.sum()).tolist()


@excusable
def elision(made: Made) -> Iterator[Finding]:
    """No words were taken out of the middle of a text: no [...], no [name redacted]; unless the study declares its texts truncated."""
    if made.study.text_status == "truncated":
        return
    seen: set[str] = set()
    for (condition, task, _), asked in made.rows.cells.items():
        for text in (asked.text, asked.context, asked.question):
            if text in seen:
                continue
            seen.add(text)
            if match := _ELISION.search(text) or _BLACKED.search(text) or (text == asked.text and _DOTS.search(text)):
                start = max(0, match.start() - 30)
                yield finding(
                    "elision",
                    f"words are left out of the text: {text[start : match.end() + 30]!r}",
                    where=made.where(f"outcome {made.study.outcomes[task].id} in condition {made.study.conditions[condition].id}"),
                    expected="whole text",
                    fix="quote the whole text, or a fill for the blank; if people saw it so, declare it under exceptions",
                    conditions=[made.study.conditions[condition].id],
                    outcomes=[made.study.outcomes[task].id],
                )
