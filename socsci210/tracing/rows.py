"""Which rows get a trace: those that training takes, and none that is held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ..dataset_folder import DatasetFolder
from ..predict.selection import codes, lowest_hashes, person_hash
from ..train.rows import on_scale, training_rows
from .options import TraceError

CELL = ("study_id", "condition_num", "task_num", "item_num")


def rows_to_trace(
    folder: DatasetFolder, configs: Sequence[str], split: str, *, limit: int | None, per_cell: int | None, seed: int
) -> tuple[pa.Table, dict[str, int]]:
    """Training rows, and how many are not traced, by reason.

    They are the rows that `train_on: <configs>`, `strict: true` trains on: on the train side of every config, in no study that is held out
    as a whole in unseen_studies nor in kin of one, checked against the published assignments, with an answer on its scale.

    Raises:
        TraceError: another split than train, config `all` (which holds nothing out), or nothing is left.
        TrainError: a unit of the rows is assigned to another side.
    """
    if split != "train":
        raise TraceError(
            f"--split {split}", expected="train: a trace is written from the answer, so a row that has one can be no test of a model",
            fix="trace the train side; validation and test are predicted without traces",
        )  # fmt: skip
    if "all" in configs or not configs:
        raise TraceError(
            "config 'all' holds no row out", where=str(folder.path), expected="a split configuration, whose train side is traced",
            fix="--config unseen_studies, for example; give it more than once for rows that are training rows in all of them",
        )  # fmt: skip
    train = training_rows(folder, configs)
    rows = training_rows(folder, configs, strict=True)
    left_out: Counter[str] = Counter({"of a study held out in unseen_studies, or of its kin": train.num_rows - rows.num_rows})
    rows, left_out["answer off its scale"] = on_scale(rows, folder)
    if per_cell is not None:
        chosen = lowest_hashes(rows, codes(rows, CELL), per_cell, seed)
        left_out[f"beyond {per_cell} rows of a cell"] = int((~chosen).sum())
        rows = rows.filter(pa.array(chosen))
    if limit is not None and limit < rows.num_rows:
        left_out[f"beyond {limit} rows"] = rows.num_rows - limit
        order = np.lexsort((rows.column("sample_id").to_numpy(), person_hash(rows, seed)))
        rows = rows.take(pa.array(np.sort(order[:limit])))
    return rows, {reason: n for reason, n in left_out.items() if n}
