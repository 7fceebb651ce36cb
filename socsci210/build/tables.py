"""The small tables of one study, filled from its rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..crosswalks import demographic_columns, map_field
from ..demographics import INTEGER_FIELDS, VOCABULARY
from ..extract import Extract, items_of
from ..metrics.socsci210.distances import expected_distance
from ..schema import ATTRIBUTES, CELLS, CONDITIONS, DEMOGRAPHIC, MAX_ENUMERATED, OUTCOMES, PARTICIPANTS, STUDIES, Scale
from ..study_file import StudyFile
from .rows import Rows
from .wording import condition_text

Ints = npt.NDArray[np.int64]


def make_tables(study: StudyFile, study_file_sha256: str, deposit: Extract, rows: Rows) -> dict[str, pa.Table]:
    """Every small table of one study but the assignments, which need all studies."""
    return {
        "studies": _studies(study, study_file_sha256, deposit, rows),
        "conditions": _conditions(study, rows),
        "outcomes": _outcomes(study, rows),
        "participants": _participants(study, deposit, rows),
        "cells": _cells(study, rows),
        "attributes": _attributes(study, rows),
    }


def _table(records: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(records, schema=schema)


def _studies(study: StudyFile, study_file_sha256: str, deposit: Extract, rows: Rows) -> pa.Table:
    known = study.provenance
    record = known.model_dump(exclude={"rights"}) | {
        "study_id": study.id,
        "authors": list(known.authors),
        "same_as": list(known.same_as),
        "redistribute": known.rights.redistribute,
        "redistribute_why": known.rights.why,
        "simulated": study.simulated,
        "text_status": study.text_status,
        "design": study.design,
        "n_participants": deposit.n_people,
        "n_conditions": len(study.conditions),
        "n_outcomes": len(study.outcomes),
        "n_rows": len(rows),
        "dropped": [{"reason": reason, "n": n} for reason, n in sorted(deposit.dropped.items())],
        "files": [{"file": name, "bytes": size, "sha256": digest} for name, size, digest in deposit.files],
        "study_file_sha256": study_file_sha256,
    }
    return _table([record], STUDIES)


def _conditions(study: StudyFile, rows: Rows) -> pa.Table:
    answered = np.bincount(rows.condition, minlength=len(study.conditions))
    records = []
    for place, condition in enumerate(study.conditions):
        missing: list[dict[str, Any]] = [
            {"task_num": task, "reason": reason, "n": n} for (arm, task, reason), n in sorted(rows.missing.items()) if arm == place
        ]
        records.append(
            {
                "study_id": study.id,
                "condition_num": place,
                "condition_id": condition.id,
                "label": condition.label,
                "control": condition.control,
                "factors": [{"factor": factor, "level": level} for factor, level in condition.factors.items()],
                "n_participants": int(rows.assigned[:, place].sum()),
                "n_responses": int(answered[place]),
                "n_missing": sum(entry["n"] for entry in missing if entry["reason"] != "not_asked"),
                "missing": missing,
                "text": condition_text(rows.cells, place),
            }
        )
    return _table(records, CONDITIONS)


def _outcomes(study: StudyFile, rows: Rows) -> pa.Table:
    shape = tuple(np.max([[*cell] for cell in rows.cells], axis=0) + 1)
    answered = np.bincount(np.ravel_multi_index((rows.condition, rows.task, rows.item), shape), minlength=int(np.prod(shape))).reshape(
        shape
    )
    records = []
    for cell in sorted(rows.cells, key=lambda cell: (cell[1], cell[0], cell[2])):
        condition, task, item = cell
        asked, outcome = rows.cells[cell], study.outcomes[task]
        scale = asked.scale
        records.append(
            {
                "study_id": study.id,
                "task_num": task,
                "outcome_id": outcome.id,
                "condition_num": condition,
                "item_num": item,
                "item_id": items_of(outcome)[item].id,
                "question": asked.question,
                "kind": scale.kind,
                "scale_min": scale.min,
                "scale_max": scale.max,
                "scale_step": scale.step,
                "options": [{"value": value, "label": label} for value, label in sorted(scale.labels.items())],
                "direction": scale.direction,
                "unit": scale.unit,
                "scale_source": "study_file",
                "scale_reason": None,
                "n_responses": int(answered[cell]),
            }
        )
    return _table(records, OUTCOMES)


def _participants(study: StudyFile, deposit: Extract, rows: Rows) -> pa.Table:
    n = deposit.n_people
    _, condition = np.nonzero(rows.assigned)
    ends = np.concatenate([[0], np.cumsum(rows.assigned.sum(axis=1))])
    columns = {
        "study_id": pa.repeat(study.id, n),
        "participant": pa.array(np.arange(n)),
        "demographic": demographics(study, deposit),
        "condition_nums": pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(condition, pa.int64())),
        "weight": deposit.table.column("weight"),
        "n_responses": pa.array(np.bincount(rows.participant, minlength=n)),
    }
    return pa.table(columns, schema=PARTICIPANTS)


def demographics(study: StudyFile, deposit: Extract) -> pa.StructArray:
    """The persona of everybody, in the closed vocabularies; a field that the deposit does not have is null.

    Raises:
        StudyFileError: a code that is neither mapped nor missing.
    """
    plans = demographic_columns(study, deposit.columns)
    file = study.files[study.data.file].file
    fields = []
    for name in VOCABULARY:
        if name in plans:
            fields.append(map_field(plans[name], deposit.codes(plans[name].column.name), f"{study.id}: {file}", deposit.row_numbers()))
        else:
            fields.append(pa.nulls(deposit.n_people, pa.int64() if name in INTEGER_FIELDS else pa.string()))
    return pa.StructArray.from_arrays(fields, fields=list(DEMOGRAPHIC))


# --- answers counted -----------------------------------------------------------------------------------------------------------------


def _cells(study: StudyFile, rows: Rows) -> pa.Table:
    """The human answer distribution of every cell that has answers, with its noise floor."""
    counted = list(_counts(rows))
    sizes = [len(support) for *_, support, _ in counted]
    cell = np.repeat(np.arange(len(counted)), sizes)
    places = [_positions(support, scale) for _, _, scale, support, _ in counted]
    n = np.array([counts.sum() for *_, counts in counted], np.int64)
    floors = expected_distance(
        cell, np.concatenate([np.zeros(0), *places]), np.concatenate([np.zeros(0), *(counts for *_, counts in counted)]), n, len(counted)
    )
    records = [
        {
            "study_id": study.id,
            "condition_num": condition,
            "task_num": task,
            "scale_min": scale.min,
            "scale_max": scale.max,
            "n": int(counts.sum()),
            "support": support.tolist(),
            "counts": counts.tolist(),
            "mean": float((support * counts).sum() / counts.sum()),
            "noise_floor": float(floor) if scale.min is not None else None,
        }
        for (condition, task, scale, support, counts), floor in zip(counted, floors, strict=True)
    ]
    return _table(records, CELLS)


def _counts(rows: Rows) -> Iterator[tuple[int, int, Scale, Ints, Ints]]:
    """Condition, task, scale, support and counts of every cell that has answers."""
    groups: dict[tuple[int, int, int, int, int], list[int]] = {}
    scales: dict[tuple[int, int, int, int, int], Scale] = {}
    for (condition, task, item), asked in rows.cells.items():
        scale = asked.scale
        low, high = (0, -1) if scale.min is None or scale.max is None else (scale.min, scale.max)
        groups.setdefault((condition, task, low, high, scale.step), []).append(item)
        scales[condition, task, low, high, scale.step] = scale
    by_cell = _Index(rows)
    for key in sorted(groups):
        responses = np.concatenate([by_cell.responses(key[0], key[1], item) for item in groups[key]])
        if len(responses):
            yield key[0], key[1], scales[key], *_counted(responses, scales[key])


class _Index:
    """Finds the responses of one (condition, task, item) without going through all rows again."""

    def __init__(self, rows: Rows) -> None:
        self.shape = tuple(int(part.max(initial=0)) + 1 for part in (rows.condition, rows.task, rows.item))
        code = np.ravel_multi_index((rows.condition, rows.task, rows.item), self.shape)
        order = np.argsort(code.astype(np.int32), kind="stable")
        self.responses_in_order = rows.response[order]
        self.ends = np.concatenate([[0], np.cumsum(np.bincount(code, minlength=int(np.prod(self.shape))))])

    def responses(self, *cell: int) -> Ints:
        if any(part >= size for part, size in zip(cell, self.shape, strict=True)):
            return np.zeros(0, np.int64)
        code = int(np.ravel_multi_index(cell, self.shape))
        return self.responses_in_order[self.ends[code] : self.ends[code + 1]]


def _counted(responses: Ints, scale: Scale) -> tuple[Ints, Ints]:
    """Every value of the scale (or every value seen, on a long or unbounded one) and how often it was given."""
    support, counts = np.unique(responses, return_counts=True)
    if 0 < len(scale.values) <= MAX_ENUMERATED:
        values = np.array(scale.values)
        full = np.zeros(len(values), np.int64)
        full[np.searchsorted(values, support)] = counts
        support, counts = values, full
    return support.astype(np.int64), counts.astype(np.int64)


def _positions(support: Ints, scale: Scale) -> npt.NDArray[np.float64]:
    if scale.min is None or scale.max is None:
        return support.astype(np.float64)
    return (support - scale.min) / (scale.max - scale.min)


# --- conjoints -----------------------------------------------------------------------------------------------------------------------


def _attributes(study: StudyFile, rows: Rows) -> pa.Table:
    """What every profile showed to everybody who was asked."""
    parts = []
    for (task, item), (shown, asked) in sorted(rows.shown.items()):
        for seen in shown:
            people = np.flatnonzero(asked & (seen.code >= 0))
            place = None if seen.place is None else seen.place[people]
            n = len(people)
            columns = {
                "study_id": pa.repeat(study.id, n),
                "participant": pa.array(people),
                "task_num": pa.repeat(pa.scalar(task, pa.int64()), n),
                "item_num": pa.repeat(pa.scalar(item, pa.int64()), n),
                "profile": pa.repeat(seen.profile, n),
                "attribute": pa.repeat(seen.attribute, n),
                "level": pa.array(seen.texts, pa.string()).take(pa.array(seen.code[people])),
                "position": pa.nulls(n, pa.int64()) if place is None else pa.array(place, mask=place < 0),
            }
            parts.append(pa.table(columns, schema=ATTRIBUTES))
    return pa.concat_tables([ATTRIBUTES.empty_table(), *parts]).combine_chunks()
