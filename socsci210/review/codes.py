"""Stored codes and what becomes of them: arms of the source, answers, missing codes, demographics. Counts of few people are not told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..build.codes import ANSWERED, FAULT, REASONS, MissingCodes, answers, coded, whole
from ..build.wording import Asked
from ..crosswalks import demographic_columns
from ..errors import SocSciError
from ..extract import column_of
from ..readers import Column
from ..small_counts import ALL_BUT, Count, part, told
from ..study_file import Code, Item, Outcome
from ..texts import bound
from .collect import Sheet

MOST: Final = 40  # codes that are listed one by one
_Line = tuple[Any, str, str, int]  # code, what becomes of it, which kind that is, how many people
_LONG: Final = 40  # characters of a code that is text


@dataclass(frozen=True)
class CodeLine:
    """One stored code: its label in the data file, what becomes of it, how many people hold it, and their share (None: not told)."""

    code: str
    label: str | None
    becomes: str
    kind: str
    n: Count
    share: float | None


@dataclass(frozen=True)
class CodeTable:
    """The codes of one column or expression; `more` codes that are whole numbers kept as they are stand in no line."""

    source: str
    label: str | None
    lines: tuple[CodeLine, ...]
    more: str | None = None
    fault: str | None = None


def code_table(sheet: Sheet, outcome: Outcome, item: Item, asked: Asked, places: Sequence[int]) -> CodeTable:
    """Every code of the answers to one item, among the people of some conditions."""
    assert sheet.deposit is not None
    study, column = sheet.study, column_of(asked.variant, item)
    sql = bound(asked.variant.sql or "", item.bind)
    source = f"column {column}" if column is not None else f"sql {sql}"
    stored = sheet.deposit.codes(column) if column is not None else sheet.deposit.values(sql)
    about = sheet.deposit.columns.get(column or "")
    missing = MissingCodes.of(study, column, sheet.deposit.columns, outcome.missing)
    found, meaning = coded(stored), answers(stored, asked.scale, asked.variant.recode, missing, study.id)
    among: npt.NDArray[np.bool_] = np.ones(len(found.index), np.bool_)
    if sheet.rows is not None:
        among = np.asarray(sheet.rows.assigned[:, list(places)].any(axis=1))
    lines: list[_Line] = []
    for place, code in [*enumerate(found.codes), (-1, None)]:
        here = among & (found.index == place)
        if not here.any():
            continue
        first = int(np.flatnonzero(here)[0])
        kind = int(meaning.kind[first])
        if kind == ANSWERED:
            value = int(meaning.value[first])
            label = asked.scale.labels.get(value)
            becomes, sort = f"{value}{f' – {label}' if label else ''}", "answer"
        elif kind == FAULT:
            becomes, sort = "neither an answer nor missing", "fault"
        else:
            becomes, sort = f"no answer: {REASONS[kind - 1].replace('_', ' ')}", "missing"
        lines.append((code, becomes, sort, int(here.sum())))
    return _table(source, about, lines)


def field_tables(sheet: Sheet) -> list[tuple[str, CodeTable]]:
    """Every demographic field with its column, and what becomes of each code."""
    if sheet.deposit is None:
        return []
    found = []
    for field, plan in demographic_columns(sheet.study, sheet.deposit.columns).items():
        stored = coded(sheet.deposit.codes(plan.column.name))
        counts = np.bincount(stored.index + 1, minlength=len(stored.codes) + 1)
        lines: list[_Line] = [(None, "unknown", "missing", int(counts[0]))] if counts[0] else []
        for place, code in enumerate(stored.codes):
            try:
                value = plan.value(code)
                becomes, sort = ("unknown", "missing") if value is None else (str(value), "answer")
            except KeyError:
                becomes, sort = "neither mapped nor missing", "fault"
            lines.append((code, becomes, sort, int(counts[place + 1])))
        found.append((field, _table(f"column {plan.column.name}", plan.column, lines)))
    return found


def _table(source: str, about: Column | None, lines: list[_Line]) -> CodeTable:
    """Lines in the order of their codes; of very many, only those that are no plain answers."""
    lines.sort(key=lambda line: (line[0] is None, isinstance(line[0], str), line[0] if line[0] is not None else 0))
    counts, total = told([n for *_, n in lines]), sum(n for *_, n in lines)
    labels = {whole(code): label for code, label in about.value_labels.items()} if about is not None else {}
    more = None
    shown = list(zip(lines, counts, strict=True))
    if len(lines) > MOST:
        plain = [line for line in lines if line[2] == "answer" and not labels.get(line[0])]
        numbers = len(plain) > 1 and all(isinstance(line[0], int | float) for line in plain)
        span = f" between {_quantile(plain, 0.05)} and {_quantile(plain, 0.95)} for nine people in ten" if numbers else ""
        more = f"{len(plain)} further codes of {sum(line[3] for line in plain):,} people{span}"
        shown = [pair for pair in shown if pair[0] not in plain][:MOST]
    made = tuple(
        CodeLine(_code(code, n.n, labels), labels.get(code), becomes, kind, n, None if n.n is None else n.n / total)
        for (code, becomes, kind, _), n in shown
    )
    return CodeTable(source, about.label if about is not None else None, made, more)


def _quantile(lines: Iterable[_Line], q: float) -> str:
    ordered = sorted(lines, key=lambda line: line[0])
    ends = np.cumsum([line[3] for line in ordered])
    return str(ordered[int(np.searchsorted(ends, q * ends[-1]))][0])


def _code(code: Code | None, n: int | None, labels: dict[Code, str]) -> str:
    """A code for the page. Text that few people share, and long text, may be somebody's own words."""
    if code is None:
        return "blank"
    if isinstance(code, str) and code not in labels and (n is None or len(code) > _LONG):
        return f"(text of {len(code)} characters)"
    return str(code)


# --- arms ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SourceArm:
    """People of the data file with the same values in the columns that conditions read, and where they went."""

    values: tuple[str, ...]
    labels: tuple[str, ...]
    condition: str | None
    n: str
    kept: str


def source_arms(sheet: Sheet) -> list[tuple[tuple[str, ...], list[SourceArm]]]:
    """Every group that the source's own columns make, before any filter: columns, then groups."""
    if sheet.deposit is None:
        return []
    found = []
    for assignment in sheet.deposit.assignment:
        everybody, kept = told([group.n for group in assignment.groups]), told([group.kept for group in assignment.groups])
        lines = []
        for group, n, left in zip(assignment.groups, everybody, kept, strict=True):
            pairs = zip(assignment.columns, group.values, strict=True)
            labels = [sheet.deposit.columns[name].value_labels.get(value, "") if value is not None else "" for name, value in pairs]
            condition = None if group.condition is None else sheet.study.conditions[group.condition].id
            values = tuple("blank" if value is None else str(value) for value in group.values)
            lines.append(SourceArm(values, tuple(labels), condition, str(n), part(left, group.n, group.kept)))
        found.append((assignment.columns, lines))
    return found


@dataclass(frozen=True)
class ArmLine:
    """One condition and one outcome: how many were asked and answered, and the mean, all in words."""

    condition: str
    asked: str
    answered: str
    mean: str


def arm_lines(sheet: Sheet, task: int) -> list[ArmLine]:
    """Who was asked an outcome and answered, condition by condition."""
    if sheet.rows is None:
        return []
    rows, lines = sheet.rows, []
    for place, condition in enumerate(sheet.study.conditions):
        if not any(cell[:2] == (place, task) for cell in rows.cells):
            continue
        here: npt.NDArray[np.bool_] = (rows.condition == place) & (rows.task == task)
        answered = int(here.sum())
        missing = sum(n for (arm, of, reason), n in rows.missing.items() if (arm, of) == (place, task) and reason != "not_asked")
        lines.append((condition.id, answered + missing, answered, float(rows.response[here].mean()) if answered else None))
    asked, given = told([line[1] for line in lines]), told([line[2] for line in lines])
    found = []
    for (name, everybody, answered, mean), a, n in zip(lines, asked, given, strict=True):
        words = part(n, everybody, answered)
        exact = n.exact and words != ALL_BUT  # an exact mean of a small scale tells how many answered
        found.append(ArmLine(name, str(a), words, "–" if mean is None or n.n is None else f"{mean:.2f}" if exact else f"about {mean:.1f}"))
    return found


def faulty(sheet: Sheet, outcome: Outcome, item: Item, asked: Asked, places: Sequence[int]) -> CodeTable:
    """`code_table`, or why there is none."""
    try:
        return code_table(sheet, outcome, item, asked, places)
    except SocSciError as error:
        return CodeTable("", None, (), fault=error.found)
