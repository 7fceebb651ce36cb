"""The rows of one split as arrays: who answered what, on which scale, in which cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..dataset_folder import DatasetFolder
from ..metrics.socsci210.cells import Floats, Ints
from ..row_texts import row_steps

COLUMNS: Final = (
    "study_id", "sample_id", "participant", "response", "condition_num", "task_num", "item_num", "scale_min", "scale_max", "weight",
)  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """The scale of each row of a split; nan bounds where it has none. All arrays have shape (rows,)."""

    low: Floats
    high: Floats
    step: Floats

    @property
    def size(self) -> Ints:
        """Number of allowed answers; 0 without bounds."""
        span = np.where(np.isfinite(self.low), (self.high - self.low) / self.step + 1, 0.0)
        return np.asarray(np.rint(span), np.int64)

    def take(self, index: Ints) -> Scale:
        """Some of the rows, in the order of `index`."""
        return Scale(self.low[index], self.high[index], self.step[index])


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
        arrays = (self.study[index], self.condition[index], self.task[index], self.response[index])
        return Split(self.rows.take(pa.array(index)), self.studies, *arrays, self.scale.take(index))

    @property
    def weight(self) -> Floats | None:
        """Weight of each row, nan where its study has none; None where no study has any."""
        column = self.rows.column("weight")
        if column.null_count == len(column):
            return None
        found: Floats = pc.fill_null(column, np.nan).to_numpy().astype(np.float64)
        return found

    @property
    def person(self) -> Ints:
        """Participant of each row, numbered per study."""
        return _whole(self.rows, "participant")

    @property
    def item(self) -> Ints:
        """Item of each row: which of several stimuli under its outcome."""
        return _whole(self.rows, "item_num")


def read_split(folder: DatasetFolder, config: str, split: str) -> Split:
    """All rows of one split of a dataset; config `all` has only one, whatever it is called.

    Raises:
        DatasetError: unknown config or split.
    """
    rows = folder.rows(config, None if config == "all" else split, COLUMNS)
    names, study = study_codes(rows)
    low, high = (pc.fill_null(rows.column(name).cast(pa.float64()), np.nan).to_numpy() for name in ("scale_min", "scale_max"))
    return Split(
        rows, names, study, _whole(rows, "condition_num"), _whole(rows, "task_num"), rows.column("response").to_numpy().astype(np.float64),
        Scale(low, high, row_steps(rows, folder).astype(np.float64)),
    )  # fmt: skip


def study_codes(rows: pa.Table, names: tuple[str, ...] | None = None) -> tuple[tuple[str, ...], Ints]:
    """The studies of some rows in order of their ids (or those given), and the code of each row's study; -1 where it is none of them."""
    column = rows.column("study_id").cast(pa.string())
    found = tuple(pc.unique(column).sort().to_pylist()) if names is None else names
    code: Ints = pc.fill_null(pc.index_in(column, pa.array(found, pa.string())), -1).to_numpy().astype(np.int64)
    return found, code


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
    _, code = study_codes(train, split.studies)
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
