"""One study of the release, from the parts that the shards hold to everything the dataset keeps of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..audit.read import PERSONA_DIFFERS
from ..audit.records import Finding, StudyRows, StudySummary
from ..audit.study import assign_items, audit_study
from ..dataset_folder import disk_errors
from ..entry import CORE, RATIONALES, Entry, save_tables
from ..errors import DatasetError
from ..scales import parse_scale
from ..schema import DEMOGRAPHIC
from .mappings import Sides, row_sides
from .read import FIELDS, NUMBERS, Part, compact, indices
from .tables import make_tables

_HIGHEST: Final = 2**31 - 1  # ids are joined in pairs


@dataclass(frozen=True)
class Finished:
    """What is kept of one study.

    Args:
        entry: its tables, in the scratch folder.
        official: config -> published side of each row.
        counts: rows, people, conditions, tasks and cells.
        flagged: rule -> rows that carry its flag.
    """

    entry: Entry
    official: Mapping[str, npt.NDArray[np.uint8]]
    counts: Mapping[str, int]
    flagged: Mapping[str, int]
    findings: tuple[Finding, ...]
    summary: StudySummary


def finish_study(study: str, parts: Sequence[Part], published: Mapping[str, Sides], scratch: Path) -> Finished:
    """Sort, parse, audit and count the rows of one study, and keep its tables in the scratch folder.

    Args:
        study: its id.
        parts: all its rows, in any order.
        published: config -> the published sides of its rows.
        scratch: folder of the entries.

    Raises:
        DatasetError: a sample id twice, a number below 0, a published sample id without a row, or the disk is full.
    """
    rows = _sorted(study, parts)
    people = _People(rows, parts)
    official = {config: row_sides(sides, rows.numbers["sample_id"]) for config, sides in published.items()}
    audited = _audit_input(study, rows, people)
    found = audit_study(audited)
    flags = _with_flag(found.flags, PERSONA_DIFFERS, people.differs)
    tables = make_tables(audited)
    core = _core(rows, audited, flags, found.response_clean)
    if people.differs.any():
        core = core.append_column("persona", pa.array(people.of_row.astype(np.int32)))
        tables["personas"] = pa.table({"demographic": people.personas})
    folder = scratch / study
    with disk_errors(scratch):
        save_tables(folder, {CORE: core, **_rationales(parts, rows.order)})
    counts = {
        "rows": len(audited),
        "people": tables["participants"].num_rows,
        "conditions": tables["conditions"].num_rows,
        "tasks": len(np.unique(audited.task)),
        "cells": len(np.unique(audited.condition << 32 | audited.task)),
    }
    findings = (*found.findings, *_persona_findings(study, people.differs))
    return Finished(Entry(study, folder, tables), official, counts, _counted(flags), findings, found.summary)


# --- rows ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rows:
    """The rows of a study, ascending by sample_id; `order` says where in the parts each comes from."""

    numbers: Mapping[str, npt.NDArray[np.int64]]
    stimuli: pa.DictionaryArray
    order: npt.NDArray[np.int64]


def _sorted(study: str, parts: Sequence[Part]) -> _Rows:
    whole = pa.concat_tables([part.rows.select([*NUMBERS, "stimuli"]) for part in parts]).unify_dictionaries().combine_chunks()
    sample_id = whole.column("sample_id").to_numpy()
    order = np.argsort(sample_id, kind="stable")
    numbers = {name: whole.column(name).to_numpy()[order] for name in NUMBERS}
    _check_numbers(study, numbers)
    stimuli = whole.column("stimuli").chunk(0)
    return _Rows(numbers, compact(stimuli.indices.to_numpy()[order], stimuli.dictionary), order)


def _check_numbers(study: str, numbers: Mapping[str, npt.NDArray[np.int64]]) -> None:
    """Refuse what would make the ids ambiguous."""
    ids = numbers["sample_id"]
    if twice := np.unique(ids[1:][np.diff(ids) == 0]).tolist():
        raise DatasetError(
            f"{len(twice):,} sample ids stand in more than one row: {', '.join(map(str, twice[:5]))}{', ...' if len(twice) > 5 else ''}",
            where=f"data/, study {study}",
            expected="(study_id, sample_id) once: it is the key of a row",
            fix="look for a shard that is there twice, or download the release again",
        )
    for name in NUMBERS:
        low, high = int(numbers[name].min()), int(numbers[name].max())
        if name != "response" and not 0 <= low <= high <= _HIGHEST:
            found = low if low < 0 else high
            raise DatasetError(f"{name} {found}", where=f"data/, study {study}", expected=f"a number from 0 to {_HIGHEST}")


def _core(rows: _Rows, audited: StudyRows, flags: pa.ListArray, clean: pa.Array) -> pa.Table:
    """The row table of the entry."""
    bounded = ~np.isnan(audited.low)
    bounds = {
        name: pa.array(np.where(bounded, values, 0).astype(np.int64), mask=~bounded)
        for name, values in (("scale_min", audited.low), ("scale_max", audited.high))
    }
    return pa.table(
        {
            **{name: pa.array(rows.numbers[name]) for name in NUMBERS},
            "stimuli": rows.stimuli,
            "item_num": pa.array(audited.item, pa.int64()),
            **bounds,
            "flags": flags,
            "response_clean": clean,
        }
    )


def _rationales(parts: Sequence[Part], order: npt.NDArray[np.int64]) -> dict[str, pa.Table]:
    tables = [part.rationales for part in parts if part.rationales is not None]
    return {RATIONALES: pa.concat_tables(tables).take(pa.array(order))} if tables else {}


# --- people --------------------------------------------------------------------------------------------------------------------------


class _People:
    """Who answered. The first persona of a person, in the order of sample ids, is kept as that person's; rows with another keep their own.

    Attributes:
        number: participant numbers, ascending.
        personas: the personas of these people, then those that differ from their person's first.
        of_row: the place of each row's persona.
        differs: which rows have another persona than their person's first.
    """

    def __init__(self, rows: _Rows, parts: Sequence[Part]) -> None:
        table = pa.concat_tables([part.people for part in parts]).unify_dictionaries().combine_chunks()
        codes = np.stack([indices(table, name) for name in FIELDS], axis=1)
        starts = np.cumsum([0, *(part.people.num_rows for part in parts[:-1])])
        persona = [part.rows.column("persona").to_numpy() + start for part, start in zip(parts, starts, strict=True)]
        own = np.concatenate(persona)[rows.order]
        self.number, first, person = np.unique(rows.numbers["participant"], return_index=True, return_inverse=True)
        first_of_row = own[first][person]
        self.differs = np.zeros(len(own), np.bool_)
        moved = np.flatnonzero(own != first_of_row)
        self.differs[moved] = (codes[own[moved]] != codes[first_of_row[moved]]).any(axis=1)
        extra, place = np.unique(own[self.differs], return_inverse=True)
        self.of_row = person.copy()
        self.of_row[self.differs] = len(first) + place
        kept = table.take(pa.array(np.concatenate([own[first], extra])))
        fields = [pa.concat_arrays(kept.column(field.name).cast(field.type).chunks) for field in DEMOGRAPHIC]
        self.personas = pa.StructArray.from_arrays(fields, fields=list(DEMOGRAPHIC))

    def table(self) -> pa.Table:
        """`participant` and `demographic`, one row per person."""
        return pa.table({"participant": pa.array(self.number), "demographic": self.personas.slice(0, len(self.number))})


# --- audit ---------------------------------------------------------------------------------------------------------------------------


def _audit_input(study: str, rows: _Rows, people: _People) -> StudyRows:
    """The rows as the audit takes them, with the scale that each stimulus states."""
    texts = tuple(rows.stimuli.dictionary.to_pylist())
    scales = tuple(map(parse_scale, texts))
    text = rows.stimuli.indices.to_numpy()
    condition, task, participant = (rows.numbers[name] for name in ("condition_num", "task_num", "participant"))
    bounds = np.array([(np.nan, np.nan, 1) if scale.min is None else (scale.min, scale.max, scale.step) for scale in scales], np.float64)
    low, high, step = bounds.reshape(-1, 3)[text].T
    return StudyRows(
        study_id=study,
        sample_id=rows.numbers["sample_id"],
        participant=participant,
        condition=condition,
        task=task,
        item=assign_items(condition, task, participant, text),
        response=rows.numbers["response"],
        text=text,
        texts=texts,
        scales=scales,
        low=low,
        high=high,
        step=step,
        people=people.table(),
    )


def _persona_findings(study: str, differs: npt.NDArray[np.bool_]) -> tuple[Finding, ...]:
    n = int(differs.sum())
    if not n:
        return ()
    detail = "rows whose demographic is not the one of the person's first row"
    return (Finding(PERSONA_DIFFERS, study, None, None, n, len(differs), detail, ""),)


def _with_flag(flags: pa.Array, name: str, rows: npt.NDArray[np.bool_]) -> pa.Array:
    """The flags with one more name on some rows; names stay sorted."""
    if not rows.any():
        return flags
    lists = flags.to_pylist()
    for place in np.flatnonzero(rows):
        lists[place] = sorted({*lists[place], name})
    return pa.array(lists, flags.type)


def _counted(flags: pa.Array) -> dict[str, int]:
    """Flag -> rows."""
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(flags.flatten()).to_pylist()}
