"""A dataset made of a part of another: some of its studies, without some of their people, or with coarser demographics.

It is written by the dataset writer from the rows that stay, so tables, sides, overlaps and card are those of these rows alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..dataset_folder import DatasetFolder
from ..dataset_writer import write_dataset
from ..entry import CORE, Entry
from ..errors import HubError
from ..metrics.socsci210.distances import expected_distance
from ..schema import CELLS, MAX_ENUMERATED, TABLES
from .coarsen import coarsened


def write_subset(
    folder: DatasetFolder,
    studies: Sequence[str],
    without: Mapping[str, Sequence[int]],
    out: Path,
    *,
    coarse: bool,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Write a part of a dataset.

    Args:
        folder: the whole; it stays as it is.
        studies: those that stay.
        without: study -> participants who are left out because they are under 18.
        out: an empty folder.
        coarse: whether demographics are coarsened.
        about: further keys of dataset.json.

    Returns:
        What stands in dataset.json.
    """
    tables = {name: folder.table(name) for name in TABLES if name != "assignments"}
    entries = [_entry(folder, tables, study, without.get(study, ()), out, coarse) for study in sorted(studies)]
    left_out = folder.manifest["left_out"]
    return write_dataset(
        entries, out, left_out=left_out, package_version=version("socsci210"), jobs=1, step=lambda study: None, about=about
    )


def _entry(folder: DatasetFolder, tables: Mapping[str, pa.Table], study: str, without: Sequence[int], out: Path, coarse: bool) -> Entry:
    own = {name: table.filter(pc.equal(table.column("study_id"), study)) for name, table in tables.items()}
    rows = folder.rows(studies=[study]).sort_by("sample_id")
    if without:
        own, rows = _without(own, rows, without)
    if coarse:
        people = own["participants"]
        own["participants"] = people.set_column(people.column_names.index("demographic"), "demographic", coarsened(people["demographic"]))
    # The dictionary is made anew, in the order of the rows: its order would otherwise depend on the files that they were read from.
    texts = pa.concat_arrays(rows.column("stimuli").cast(pa.string()).chunks).dictionary_encode()
    rows = rows.set_column(rows.column_names.index("stimuli"), "stimuli", texts).drop_columns(["study_id", "demographic", "weight"])
    return Entry(study, out / "entries", {CORE: rows, **own})


# --- without some people -------------------------------------------------------------------------------------------------------------


def _without(own: dict[str, pa.Table], rows: pa.Table, people: Sequence[int]) -> tuple[dict[str, pa.Table], pa.Table]:
    """The tables and rows of a study without some of its people, everything counted anew."""

    def stay(table: pa.Table) -> pa.Table:
        return table.filter(pc.invert(pc.is_in(table.column("participant"), pa.array(people, pa.int64()))))

    rows, left = stay(rows), stay(own["participants"])
    study = own["studies"].to_pylist()[0]
    study |= {"n_participants": left.num_rows, "n_rows": rows.num_rows}
    study["dropped"] = [*study["dropped"], {"reason": "under_18", "n": len(people)}]
    return {
        "studies": pa.Table.from_pylist([study], TABLES["studies"]),
        "conditions": pa.Table.from_pylist(list(_conditions(own["conditions"], rows, left)), TABLES["conditions"]),
        "outcomes": pa.Table.from_pylist(list(_outcomes(own["outcomes"], rows)), TABLES["outcomes"]),
        "participants": left,
        "cells": _cells(own["cells"], own["outcomes"], rows),
        "attributes": stay(own["attributes"]),
    }, rows


def _conditions(table: pa.Table, rows: pa.Table, people: pa.Table) -> Iterator[dict[str, Any]]:
    """Unanswered questions were counted without noting whose they were, so their counts are not known of the people who stay."""
    answered, assigned = _times(rows, "condition_num"), _times(people, "condition_nums")
    for row in table.to_pylist():
        arm = (row["condition_num"],)
        yield row | {"n_participants": assigned.get(arm, 0), "n_responses": answered.get(arm, 0), "n_missing": None, "missing": []}


def _outcomes(table: pa.Table, rows: pa.Table) -> Iterator[dict[str, Any]]:
    keys = ("condition_num", "task_num", "item_num")
    answered = _times(rows, *keys)
    for row in table.to_pylist():
        yield row | {"n_responses": answered.get(tuple(row[key] for key in keys), 0)}


def _cells(table: pa.Table, outcomes: pa.Table, rows: pa.Table) -> pa.Table:
    """The answer distributions of those who stay. A cell without an answer is left out."""
    keys = ("condition_num", "task_num", "scale_min", "scale_max")
    steps: dict[tuple[Any, ...], set[int]] = {}
    for row in outcomes.to_pylist():
        steps.setdefault(tuple(row[key] for key in keys), set()).add(row["scale_step"])
    answers = _times(rows, *keys, "response")
    found = []
    for row in table.to_pylist():
        cell = tuple(row[key] for key in keys)
        low, high, (step, *more) = row["scale_min"], row["scale_max"], sorted(steps[cell])
        if more:  # their answers are told apart by nothing that a dataset holds of a cell
            raise HubError(
                f"condition {cell[0]} and outcome {cell[1]} have items whose scales differ in their steps alone", where=row["study_id"],
                expected="one step for the same bounds, where some people are left out", fix="build the dataset without this study",
            )  # fmt: skip
        counts = [answers.get((*cell, value), 0) for value in row["support"]]
        if low is None or (high - low) // step + 1 > MAX_ENUMERATED:  # such a cell has no value that nobody gave
            counts, row["support"] = [n for n in counts if n], [value for value, n in zip(row["support"], counts, strict=True) if n]
        if n := sum(counts):
            mean = sum(value * times for value, times in zip(row["support"], counts, strict=True)) / n
            found.append(row | {"n": n, "counts": counts, "mean": mean, "noise_floor": _floor(row["support"], counts, low, high)})
    return pa.Table.from_pylist(found, CELLS)


def _floor(support: list[int], counts: list[int], low: int | None, high: int | None) -> float | None:
    if low is None or high is None:
        return None
    place = (np.array(support) - low) / (high - low)
    return float(expected_distance(np.zeros(len(support), np.int64), place, counts, [sum(counts)], 1)[0])


def _times(table: pa.Table, *columns: str) -> dict[tuple[Any, ...], int]:
    """How often each combination of values stands in a table; lists count for each of their values."""
    chosen = table.select(columns)
    if pa.types.is_list(chosen.schema.field(0).type):
        chosen = pa.table({columns[0]: pc.list_flatten(chosen.column(0))})
    counted = chosen.group_by(list(columns)).aggregate([([], "count_all")]).to_pylist()
    return {tuple(row[name] for name in columns): row["count_all"] for row in counted}
