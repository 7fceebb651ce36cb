"""Which rows are trained on: the train side of the configs, checked against the published assignments, with answers on their scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from socsci210.dataset_folder import DatasetFolder
from socsci210.row_texts import COLUMNS, row_scales
from socsci210.splits import MIXED, strict_studies

from .config import TrainError

_UNIT: Final = {"unseen_conditions": "condition_num", "unseen_outcomes": "task_num", "unseen_participants": "participant"}
_KEY: Final = ["study_id", "sample_id"]


def training_rows(folder: DatasetFolder, train_on: Sequence[str], fraction: int | None = None, *, strict: bool = False) -> pa.Table:
    """Rows on the train side of every named config, checked against the published assignments.

    Args:
        folder: the dataset.
        train_on: split configs, or `all`.
        fraction: only rows of this percentage of the training people of unseen_participants.
        strict: no rows of studies that are held out as a whole in unseen_studies, nor of their kin (`splits.strict`).

    Raises:
        TrainError: there are none, or one of them is assigned to another side.
    """
    first, *others = [folder.rows(config, "train", COLUMNS if place == 0 else _KEY) for place, config in enumerate(train_on)]
    for other in others:
        first = first.filter(pc.is_in(row_keys(first), value_set=row_keys(other)))
    if fraction is not None:
        first = _of_fraction(first, folder.table("assignments"), fraction)
    if strict:
        held_out = pa.array(sorted(strict_studies(folder.table("assignments"))), pa.string())
        first = first.filter(pc.invert(pc.is_in(first.column("study_id").cast(pa.string()), value_set=held_out)))
    if not first.num_rows:
        raise TrainError(f"no row is on the train side of {', '.join(train_on)}", where=str(folder.path), fix="train on fewer configs")
    assert_no_held_out(first, folder.table("assignments"), train_on)
    return first


def _of_fraction(rows: pa.Table, assignments: pa.Table, fraction: int) -> pa.Table:
    """The rows whose person is within a training fraction."""
    chosen = assignments.filter((pc.field("config") == "unseen_participants") & (pc.field("train_fraction") <= fraction))
    people = _joined(chosen.column("study_id"), chosen.column("unit"))
    return rows.filter(pc.is_in(_joined(rows.column("study_id"), rows.column("participant")), value_set=people))


def on_scale(rows: pa.Table, folder: DatasetFolder) -> tuple[pa.Table, int]:
    """The rows that can be trained on, and how many are left out because their answer is no value of their stated scale.

    Such an answer belongs to another text or is a code; learning it would put probability where no answer is allowed.

    Raises:
        TrainError: every answer is off its scale.
    """
    scales, index = row_scales(rows, folder)
    values, which = np.unique(np.stack([index, rows.column("response").to_numpy()]), axis=1, return_inverse=True)
    inside = np.array([not scales[scale].values or answer in scales[scale].values for scale, answer in values.T.tolist()], dtype=bool)
    kept = rows.filter(pa.array(inside[which.reshape(-1)]))
    if not kept.num_rows:
        raise TrainError(
            f"all {rows.num_rows} answers are off their stated scale", expected="answers on their scale", fix="train on another dataset"
        )
    return kept, rows.num_rows - kept.num_rows


def row_keys(rows: pa.Table) -> pa.ChunkedArray:
    """`study/sample` of each row: numbers restart in every study."""
    return _joined(rows.column("study_id"), rows.column("sample_id"))


def _joined(study: pa.ChunkedArray, number: pa.ChunkedArray) -> pa.ChunkedArray:
    """`study/number`: numbers restart in every study."""
    return pc.binary_join_element_wise(study.cast(pa.string()), number.cast(pa.string()), "/")


def assert_no_held_out(rows: pa.Table, assignments: pa.Table, train_on: Sequence[str]) -> dict[str, int]:
    """Number of trained (study, unit) pairs per config, each of which must be assigned to `train`, or mixed: published on both sides.

    Raises:
        TrainError: a unit of the rows is held out, or not assigned at all.
    """
    checked = {}
    for config in train_on:
        if config == "all":
            continue
        table = assignments.filter(pc.equal(assignments.column("config"), config))
        units = table.column("unit").to_pylist()
        side = dict(zip(zip(table.column("study_id").to_pylist(), units, strict=True), table.column("split").to_pylist(), strict=True))
        names = ["study_id", _UNIT[config]] if config in _UNIT else ["study_id"]
        used = rows.select(names)
        used = used.set_column(0, "study_id", used.column("study_id").cast(pa.string())).group_by(names).aggregate([]).to_pydict()
        pairs = [*zip(used["study_id"], used[names[1]] if len(names) > 1 else [None] * len(used["study_id"]), strict=True)]
        if wrong := [pair for pair in pairs if side.get(pair) not in ("train", MIXED)]:
            study, unit = wrong[0]
            raise TrainError(
                f"{len(wrong)} units of {config} would be trained on that are not on its train side",
                where=f"study {study}" + (f", {_UNIT[config]} {unit}" if config in _UNIT else ""),
                expected="train",
                fix="build the dataset again: its partitions do not follow its assignments",
            )
        checked[config] = len(pairs)
    return checked
