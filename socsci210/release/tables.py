"""The small tables of one released study, filled from its rows, the scales that its stimuli state, and the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .. import catalogue
from ..audit.cells import grouped
from ..audit.records import StudyRows
from ..metrics.socsci210.distances import expected_distance
from ..scales import ParsedScale
from ..schema import ATTRIBUTES, CELLS, CONDITIONS, MAX_ENUMERATED, OUTCOMES, PARTICIPANTS, STUDIES

Ints = npt.NDArray[np.int64]

_UNKNOWN: Final = "unknown"
_RIGHTS: Final = "the release states no licence for its rows; those of the study's own deposit hold"


def make_tables(rows: StudyRows) -> dict[str, pa.Table]:
    """Every small table of one study but the assignments, which need all studies."""
    return {
        "studies": _studies(rows),
        "conditions": _conditions(rows),
        "outcomes": _outcomes(rows),
        "participants": _participants(rows),
        "cells": _cells(rows),
        "attributes": ATTRIBUTES.empty_table(),
    }


# --- the study -----------------------------------------------------------------------------------------------------------------------


def _studies(rows: StudyRows) -> pa.Table:
    known = next((entry for entry in catalogue.studies() if entry.study_id == rows.study_id), None)
    authors = [] if known is None else list(known.authors)
    title = _UNKNOWN if known is None else known.title
    year = "no date" if known is None else str(known.year)
    record = {
        "study_id": rows.study_id,
        "title": title,
        "authors": authors,
        "citation": f"{', '.join(authors) or 'Authors unknown'} ({year}). {title}{'' if title[-1] in '.?!' else '.'}",
        "source_url": f"https://osf.io/{rows.study_id}/" if known is None else known.osf_url,
        "licence": _UNKNOWN,
        "field_start": str(known.field_start_year) if known is not None and known.field_start_year else _UNKNOWN,
        "field_end": _UNKNOWN,
        "population": _UNKNOWN,
        "panel": _UNKNOWN,
        "topic": _UNKNOWN if known is None else known.topic,
        "redistribute": _UNKNOWN,
        "redistribute_why": _RIGHTS,
        "same_as": [],
        "family": rows.study_id,
        "simulated": False,
        "text_status": "full",
        "design": _design(rows),
        "n_participants": rows.people.num_rows,
        "n_conditions": len(np.unique(rows.condition)),
        "n_outcomes": len(np.unique(rows.task)),
        "n_rows": len(rows),
        "dropped": [],
        "files": [],
        "study_file_sha256": None,
    }
    return pa.Table.from_pylist([record], schema=STUDIES)


def _design(rows: StudyRows) -> str:
    """As the rows look: conjoint where most rows have a text of their own, within where somebody stands in two conditions."""
    if 2 * len(rows.texts) > len(rows):
        return "conjoint"
    pairs = np.unique(rows.participant << 32 | rows.condition)
    return "within" if len(pairs) > rows.people.num_rows else "between"


def _conditions(rows: StudyRows) -> pa.Table:
    numbers, answered = np.unique(rows.condition, return_counts=True)
    people, _ = np.unique(np.unique(rows.condition << 32 | rows.participant) >> 32, return_counts=True)[::-1]
    n = len(numbers)
    columns = {
        "study_id": pa.repeat(rows.study_id, n),
        "condition_num": pa.array(numbers),
        "condition_id": pa.array([f"c{number}" for number in numbers]),
        "label": pa.array([f"Condition {number}" for number in numbers]),
        "control": pa.nulls(n, pa.bool_()),  # the release does not say
        "factors": pa.array([[]] * n, CONDITIONS.field("factors").type),
        "n_participants": pa.array(people),
        "n_responses": pa.array(answered),
        "n_missing": pa.nulls(n, pa.int64()),  # the release holds answers only
        "missing": pa.array([[]] * n, CONDITIONS.field("missing").type),
        "text": pa.nulls(n, pa.string()),
    }
    return pa.table(columns, schema=CONDITIONS)


def _participants(rows: StudyRows) -> pa.Table:
    number = rows.people.column("participant").to_numpy()
    n = len(number)
    person = np.searchsorted(number, rows.participant)
    pairs = np.unique(person << 32 | rows.condition)
    ends = np.concatenate([[0], np.cumsum(np.bincount(pairs >> 32, minlength=n))])
    columns = {
        "study_id": pa.repeat(rows.study_id, n),
        "participant": rows.people.column("participant"),
        "demographic": rows.people.column("demographic"),
        "condition_nums": pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(pairs & 0xFFFFFFFF)),
        "weight": pa.nulls(n, pa.float64()),
        "n_responses": pa.array(np.bincount(person, minlength=n)),
    }
    return pa.table(columns, schema=PARTICIPANTS)


# --- outcomes ------------------------------------------------------------------------------------------------------------------------


def _outcomes(rows: StudyRows) -> pa.Table:
    """One row per (task, condition, item). Where its stimuli state several scales, the one of most rows stands here.

    The scale of every single row is in the row table; the audit names the cells in which scales differ.
    """
    kinds, kind_of_text = _kinds(rows.scales)
    group, n = grouped(rows.task, rows.condition, rows.item)
    some = _one_of_each(group, n)
    differs = np.bincount(group, rows.text != rows.text[some][group], minlength=n) > 0
    kind = _commonest(group, kind_of_text[rows.text], n)
    task = rows.task[some]
    schema = pa.schema([OUTCOMES.field(name) for name in _OF_SCALE])
    of_kind = pa.Table.from_pylist([_scale_record(scale) for scale in kinds], schema=schema)
    columns = {
        "study_id": pa.repeat(rows.study_id, n),
        "task_num": pa.array(task),
        "outcome_id": pa.array([f"t{number}" for number in task]),
        "condition_num": pa.array(rows.condition[some]),
        "item_num": pa.array(rows.item[some]),
        "item_id": pa.array([f"i{number}" for number in rows.item[some]]),
        "question": pa.array(rows.texts, pa.string()).take(pa.array(rows.text[some], mask=differs)),
        **{name: of_kind.column(name).take(pa.array(kind)) for name in _OF_SCALE},
        "n_responses": pa.array(np.bincount(group, minlength=n)),
    }
    return pa.table({name: columns[name] for name in OUTCOMES.names}, schema=OUTCOMES)


_OF_SCALE: Final = ("kind", "scale_min", "scale_max", "scale_step", "options", "direction", "unit", "scale_source", "scale_reason")


def _kinds(scales: tuple[ParsedScale, ...]) -> tuple[list[ParsedScale], Ints]:
    """The scales that differ in anything but their places in the text, and which of them each text states."""
    found: dict[tuple[Any, ...], int] = {}
    kinds: list[ParsedScale] = []
    codes = np.empty(len(scales), np.int64)
    for place, scale in enumerate(scales):
        key = (scale.min, scale.max, scale.step, scale.kind, scale.unit, scale.direction, scale.reason, *scale.labels.items())
        codes[place] = found.setdefault(key, len(kinds))
        if codes[place] == len(kinds):
            kinds.append(scale)
    return kinds, codes


def _one_of_each(group: Ints, n: int) -> Ints:
    """The place of some row of each group."""
    place = np.empty(n, np.int64)
    place[group] = np.arange(len(group))
    return place


def _commonest(group: Ints, value: Ints, n: int) -> Ints:
    """The value that most rows of each group have; of several the lowest, which is the one that appears first in the study."""
    pair, n_pairs = grouped(group, value)
    some = _one_of_each(pair, n_pairs)
    order = np.lexsort((value[some], -np.bincount(pair), group[some]))
    first = np.searchsorted(group[some][order], np.arange(n))
    return value[some][order][first]


def _scale_record(scale: ParsedScale) -> dict[str, Any]:
    return {
        "kind": scale.kind,
        "scale_min": scale.min,
        "scale_max": scale.max,
        "scale_step": scale.step,
        "options": [{"value": value, "label": label} for value, label in sorted(scale.labels.items())],
        "direction": scale.direction,
        "unit": scale.unit,
        "scale_source": "none" if scale.min is None else "stated",
        "scale_reason": scale.reason,
    }


# --- cells ---------------------------------------------------------------------------------------------------------------------------


class _Counts(NamedTuple):
    """The answers of one cell on one scale, which is empty where no bounds are stated."""

    condition: int
    task: int
    scale: range
    support: Ints
    counts: Ints


def _cells(rows: StudyRows) -> pa.Table:
    """The human answer distribution of every cell, as released, with its noise floor.

    `support` holds the values of the scale and, where answers lie off it, those too. `n`, `counts` and `mean` are over all answers; the
    noise floor is over the answers on the scale, for as many people, and null where there are none.
    """
    counted = list(_counted(rows))
    floors = _floors(counted)
    records = [
        {
            "study_id": rows.study_id,
            "condition_num": cell.condition,
            "task_num": cell.task,
            "scale_min": cell.scale[0] if cell.scale else None,
            "scale_max": cell.scale[-1] if cell.scale else None,
            "n": int(cell.counts.sum()),
            "support": cell.support,
            "counts": cell.counts,
            "mean": float((cell.support * cell.counts).sum() / cell.counts.sum()),
            "noise_floor": None if np.isnan(floor) else float(floor),
        }
        for cell, floor in zip(counted, floors.tolist(), strict=True)
    ]
    return pa.Table.from_pylist(records, schema=CELLS)


def _counted(rows: StudyRows) -> Iterator[_Counts]:
    """Every cell with its answers, ordered by condition, outcome and scale."""
    low, high = (np.nan_to_num(bound, nan=0).astype(np.int64) for bound in (rows.low, rows.high))
    high[np.isnan(rows.low)] = -1  # no bounds: an empty range
    keys = (rows.condition, rows.task, low, high, rows.step.astype(np.int64), rows.response)
    answer, n = grouped(*keys)
    some = _one_of_each(answer, n)
    values, times = np.stack([key[some] for key in keys]), np.bincount(answer)
    cell_at = np.concatenate([[0], np.flatnonzero(np.any(np.diff(values[:-1], axis=1) != 0, axis=0)) + 1])
    for start, end in zip(cell_at, [*cell_at[1:], values.shape[1]], strict=True):
        condition, task, bottom, top, by, _ = values[:, start].tolist()
        scale = range(bottom, top + 1, by)
        yield _Counts(condition, task, scale, *_on_support(values[-1, start:end], times[start:end], scale))


def _on_support(seen: Ints, times: Ints, scale: range) -> tuple[Ints, Ints]:
    """Every value of a scale that is not too long, and every value seen, with how often it was given."""
    if not 0 < len(scale) <= MAX_ENUMERATED:
        return seen, times
    support = np.union1d(np.array(scale), seen)
    counts = np.zeros(len(support), np.int64)
    counts[np.searchsorted(support, seen)] = times
    return support, counts


def _floors(cells: list[_Counts]) -> npt.NDArray[np.float64]:
    """The noise floor of each cell over its answers on the scale, nan where there is none."""
    number, position, mass, n = [], [], [], np.zeros(len(cells), np.int64)
    for place, cell in enumerate(cells):
        if not cell.scale:
            continue
        low, high = cell.scale[0], cell.scale[-1]
        on = (cell.support >= low) & (cell.support <= high) & ((cell.support - low) % cell.scale.step == 0)
        number.append(np.full(int(on.sum()), place))
        position.append((cell.support[on] - low) / (high - low))
        mass.append(cell.counts[on])
        n[place] = cell.counts[on].sum()
    code = np.concatenate([np.empty(0, np.int64), *number])
    return expected_distance(code, np.concatenate([np.empty(0), *position]), np.concatenate([np.empty(0, np.int64), *mass]), n, len(cells))
