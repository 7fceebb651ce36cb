"""Gates on texts: nothing the same that should differ, nothing left over, nothing cut, nothing that names a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from .. import patterns
from ..errors import GateError
from ..texts import BLANK
from .made import Made

CLOSED_SET: Final = 100  # distinct texts of one fill above which it is no closed set
_WORDS: Final = "texts of conditions and outcomes"
_LISTS: Final = ("scale labels", "levels of attributes")


def same_text(made: Made) -> Iterator[GateError]:
    """No two conditions have the same text unless one declares it, and those that declare it do."""
    study, rows = made.study, made.rows
    texts: list[dict[tuple[int, int], object]] = [{} for _ in study.conditions]
    for cell, asked in rows.cells.items():
        condition, task, item = cell
        if cell in rows.fill_texts:  # somebody answered
            texts[condition][task, item] = (asked.template(), sorted(rows.fill_texts[cell].items()))
    ids = [condition.id for condition in study.conditions]
    first = {name: number for number, name in enumerate(ids)}

    declared = list(range(len(ids)))  # conditions of one number declare the same text
    for place, arm in enumerate(study.conditions):
        if arm.same_text_as is not None:
            joined = declared[first[arm.same_text_as]]
            declared = [declared[place] if number == joined else number for number in declared]
    for place, arm in enumerate(study.conditions):
        for other in range(place):
            if texts[place] and texts[place] == texts[other] and declared[place] != declared[other]:
                yield GateError(
                    "same_text",
                    f"its stimuli equal those of condition {ids[other]}",
                    where=made.where(f"conditions.{arm.id}"),
                    expected="text that differs, in the condition or in a question",
                    fix=f"quote what differs, or declare same_text_as: {ids[other]} and say why",
                )
        other_id = arm.same_text_as
        if other_id is not None and texts[place] != texts[first[other_id]]:
            yield GateError(
                "same_text",
                f"it declares the text of condition {other_id}, but its stimuli differ",
                where=made.where(f"conditions.{arm.id}.same_text_as"),
                expected="equal stimuli",
                fix="take same_text_as out, or correct the quotations",
            )


def residue(made: Made) -> Iterator[GateError]:
    """No text holds what programs leave behind: braces, None, nan, BLANK, markup, mojibake."""
    labels = {label.strip() for column in made.deposit.columns.values() for label in column.value_labels.values()}
    for where, texts in _texts(made):
        for pattern, what in patterns.RESIDUE.items():
            hits = texts.filter(pc.match_substring_regex(texts, pattern))
            # "None" is a fine label of 0: a whole label or level, or what the data file itself calls a code
            excused = what == patterns.EMPTY_VALUE
            bad = [text for text in hits.to_pylist() if not (excused and (where in _LISTS or text.strip() in labels))]
            if bad:
                yield GateError(
                    "residue",
                    f"{what} in {len(bad)} text{'s' if len(bad) > 1 else ''}, first in {patterns.excerpt(bad[0], pattern)!r}",
                    where=made.where(where),
                    expected="the words that people saw",
                    fix="declare a drop or replace for it, or give data.encoding",
                )


def truncation(made: Made) -> Iterator[GateError]:
    """Text that ends in an ellipsis is cut, unless the study says so."""
    if made.study.text_status == "truncated":
        return
    seen = set()
    for where, asked in made.questions():
        for part in (asked.text, asked.context, asked.question, *asked.scale.labels.values()):
            if patterns.ELLIPSIS.search(part) and part not in seen:
                seen.add(part)
                yield GateError(
                    "truncation",
                    f"text ends in an ellipsis: {part[-60:]!r}",
                    where=where,
                    expected="whole text",
                    fix="quote the whole text, drop the ellipsis if people saw it, or declare text_status: truncated",
                )


def identifiers(made: Made) -> Iterator[GateError]:
    """Nothing that names a person: not the id column, no address, no telephone number, no text that people wrote.

    The id column is refused by the reading already (`extract.read`), whatever reads it.
    """
    for name, texts in _of_fills(made).items():
        if len(texts) > CLOSED_SET:
            yield GateError(
                "identifiers",
                f"{len(texts)} different texts",
                where=made.where(f"fills.{name}"),
                expected=f"a closed set of at most {CLOSED_SET}, never people's own words",
                fix="quote a value for each code, or take the fill out",
            )
    for where, texts in _texts(made):
        for pattern, what in patterns.IDENTIFIERS.items():
            if what == patterns.TELEPHONE and where == _WORDS:
                continue  # a hotline that everybody was shown names nobody
            hits = texts.filter(pc.match_substring_regex(texts, pattern))
            if len(hits):
                yield GateError(
                    "identifiers",
                    f"{what} in {len(hits)} text{'s' if len(hits) > 1 else ''}",  # not shown: it may be somebody's
                    where=made.where(where),
                    expected="no direct identifier in any output",
                    fix="drop it from the quotation, or leave the column out",
                )


def _of_fills(made: Made) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for of_cell in made.rows.fill_texts.values():
        for name, texts in of_cell.items():
            found[name] = found.get(name, frozenset()) | texts
    return found


def _texts(made: Made) -> Iterator[tuple[str, pa.Array]]:
    """Every text of the output, with where it comes from. Each kind once, so that one fault is one message."""
    labels = {label for asked in made.rows.cells.values() for label in asked.scale.labels.values()}
    yield _LISTS[0], pa.array(sorted(labels), pa.string())
    for name, texts in sorted(_of_fills(made).items()):
        yield f"fills.{name}", pa.array(sorted(texts), pa.string())
    levels = {text for shown, _ in made.rows.shown.values() for seen in shown for text in seen.texts}
    yield _LISTS[1], pa.array(sorted(levels), pa.string())
    parts = {text for asked in made.rows.cells.values() for text in (asked.text, asked.context, asked.question)}
    blanked = {BLANK.sub("", text) for text in parts}
    yield _WORDS, pa.array(sorted(blanked), pa.string())
