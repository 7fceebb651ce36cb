"""The rows of one split as arrays: who answered what, on which scale, in which cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..dataset_folder import DatasetFolder
from ..metrics.socsci210.cells import Floats, Ints
from ..row_texts import row_scales
from .predictions import Scale

COLUMNS: Final = (
    "study_id", "sample_id", "participant", "demographic", "response",
    "condition_num", "task_num", "item_num", "scale_min", "scale_max", "weight",
)  # fmt: skip


@dataclass(frozen=True)
class Split:
    """Rows of a split, and arrays of shape (rows,) made of them. `study` is a code into `studies`."""

    rows: pa.Table
    studies: tuple[str, ...]
    study: Ints
    condition: Ints
    task: Ints
    response: Floats
    scale: Scale

    def take(self, index: Ints) -> Split:
        """Some of the rows, in the order of `index`."""
        scale = Scale(self.scale.low[index], self.scale.high[index], self.scale.step[index])
        arrays = (self.study[index], self.condition[index], self.task[index], self.response[index])
        return Split(self.rows.take(pa.array(index)), self.studies, *arrays, scale)

    @property
    def weight(self) -> Floats:
        """Weight of each row; nan where its study has none."""
        found: Floats = pc.fill_null(self.rows.column("weight"), np.nan).to_numpy().astype(np.float64)
        return found


def read_split(folder: DatasetFolder, config: str, split: str) -> Split:
    """All rows of one split of a dataset; config `all` has only one, whatever it is called.

    Raises:
        DatasetError: unknown config or split.
    """
    rows = folder.rows(config, None if config == "all" else split, COLUMNS)
    names = pc.unique(rows.column("study_id").cast(pa.string())).sort()
    study = pc.index_in(rows.column("study_id").cast(pa.string()), names).to_numpy().astype(np.int64)
    keys, index = row_scales(rows, folder)
    low, high = (np.array([np.nan if bound is None else bound for bound in bounds], np.float64) for bounds in
                 ([key.min for key in keys], [key.max for key in keys]))  # fmt: skip
    step = np.array([key.step for key in keys], np.float64)
    return Split(
        rows, tuple(names.to_pylist()), study, _whole(rows, "condition_num"), _whole(rows, "task_num"),
        rows.column("response").to_numpy().astype(np.float64), Scale(low[index], high[index], step[index]),
    )  # fmt: skip


def training_range(folder: DatasetFolder, config: str, split: Split, study: Ints, condition: Ints, task: Ints) -> tuple[Floats, Floats]:
    """The range of answers seen in OTHER cells of the same outcome on the training side, for sub-cells without a stated scale.

    Args:
        study, condition, task: of each sub-cell.

    Returns:
        Lower and upper end of each; nan where training saw fewer than two different answers, or for config `all`, which has no such side.
    """
    low, high = np.full(len(study), np.nan), np.full(len(study), np.nan)
    if config == "all" or not len(study):
        return low, high
    train = folder.rows(config, "train", ["study_id", "condition_num", "task_num", "scale_min", "response"])
    train = train.filter(pc.is_null(train.column("scale_min")))
    code = pc.fill_null(pc.index_in(train.column("study_id").cast(pa.string()), pa.array(split.studies)), -1).to_numpy()
    conditions, tasks = _whole(train, "condition_num"), _whole(train, "task_num")
    response = train.column("response").to_numpy().astype(np.float64)
    for i in range(len(study)):
        seen = response[(code == study[i]) & (tasks == task[i]) & (conditions != condition[i])]
        if len(seen) and seen.max() > seen.min():
            low[i], high[i] = seen.min(), seen.max()
    return low, high


def _whole(table: pa.Table, name: str) -> Ints:
    found: Ints = table.column(name).to_numpy().astype(np.int64)
    return found
