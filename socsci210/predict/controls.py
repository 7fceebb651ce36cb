"""Control engines: predictions without a model, made of the human answers of other rows (statistics: reference points)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..dataset_folder import DatasetFolder
from ..row_texts import ScaleKey, row_scales

CONTROLS: Final = ("uniform", "train_lookup", "pooled_oracle")
Counts = dict[int, int]
Cell = tuple[str, int, int]  # study, condition, outcome
Distribution = npt.NDArray[np.float64]


class HumanCounts:
    """How often each answer was given, by cell, by outcome and by scale."""

    def __init__(self, rows: pa.Table) -> None:
        """Args: rows: columns study_id, condition_num, task_num, scale_min, scale_max, response."""
        keys = ["study_id", "condition_num", "task_num", "scale_min", "scale_max", "response"]
        table = rows.select(keys)
        table = table.set_column(0, "study_id", table.column("study_id").cast(pa.string()))
        table = table.group_by(keys).aggregate([([], "count_all")])
        self.cell: dict[tuple[object, ...], Counts] = defaultdict(lambda: defaultdict(int))
        self.outcome: dict[tuple[object, ...], Counts] = defaultdict(lambda: defaultdict(int))
        self.scale: dict[tuple[object, ...], Counts] = defaultdict(lambda: defaultdict(int))
        for study, condition, task, low, high, response, n in zip(
            *(table.column(k).to_pylist() for k in [*keys, "count_all"]), strict=True
        ):
            self.cell[study, condition, task, low, high][response] += n
            self.outcome[study, task, low, high][response] += n
            self.scale[low, high][response] += n


def uniform(scale: ScaleKey) -> Distribution:
    """Every answer of the scale equally likely."""
    return np.full(len(scale.values), 1 / len(scale.values))


def _first(scale: ScaleKey, candidates: Iterable[Counts]) -> Distribution:
    """The first candidate with any answer, as a distribution over the scale; uniform if there is none."""
    for counts in candidates:
        values = np.array([counts.get(value, 0) for value in scale.values], dtype=np.float64)
        if values.sum() > 0:
            return np.asarray(values / values.sum(), dtype=np.float64)
    return uniform(scale)


def train_lookup(train: HumanCounts, cell: Cell, scale: ScaleKey) -> Distribution:
    """Training answers to the same cell, else to the same outcome, else on the same scale."""
    study, condition, task = cell
    bounds = (scale.min, scale.max)
    return _first(
        scale,
        (
            train.cell.get((study, condition, task, *bounds), {}),
            train.outcome.get((study, task, *bounds), {}),
            train.scale.get(bounds, {}),
        ),
    )


def pooled_oracle(everyone: HumanCounts, cell: Cell, scale: ScaleKey) -> Distribution:
    """All human answers to the same outcome in the study's other conditions, else all on the same scale but those of this cell."""
    study, condition, task = cell
    bounds = (scale.min, scale.max)
    own = everyone.cell.get((study, condition, task, *bounds), {})
    pools = (everyone.outcome.get((study, task, *bounds), {}), everyone.scale.get(bounds, {}))
    return _first(scale, ({value: n - own.get(value, 0) for value, n in pool.items()} for pool in pools))


def control_predictor(
    engine: str, dataset: DatasetFolder, config: str, rows: pa.Table, keys: pa.Table
) -> Callable[[npt.NDArray[np.int64]], pa.Table]:
    """A function that gives the predictions of some rows, by index into `rows`, under their `keys`.

    train_lookup reads the train split of `config` only; pooled_oracle reads every row of the dataset.
    """
    columns = ["study_id", "condition_num", "task_num", "scale_min", "scale_max", "response"]
    distribution: Callable[[Cell, ScaleKey], Distribution]
    if engine == "uniform":
        distribution = lambda cell, scale: uniform(scale)  # noqa: E731
    elif engine == "train_lookup":
        train = HumanCounts(dataset.rows(config, "train", columns))
        distribution = lambda cell, scale: train_lookup(train, cell, scale)  # noqa: E731
    else:
        everyone = HumanCounts(dataset.rows("all", columns=columns))
        distribution = lambda cell, scale: pooled_oracle(everyone, cell, scale)  # noqa: E731
    scales, scale_index = row_scales(rows, dataset)
    cells, cell_index = _cells(rows, scale_index)
    supports = pa.array([list(scales[scale].values) for *_, scale in cells], pa.list_(pa.int64()))
    found = pa.array([distribution((study, c, t), scales[scale]) for study, c, t, scale in cells], pa.list_(pa.float64()))

    def predict_rows(indices: npt.NDArray[np.int64]) -> pa.Table:
        which = pa.array(cell_index[indices])
        found_here = {"support": supports.take(which), "probabilities": found.take(which), "answer_mass": pa.array(np.ones(len(indices)))}
        key = keys.take(pa.array(indices))
        return pa.table([*key.columns, *found_here.values()], [*key.column_names, *found_here])

    return predict_rows


def _cells(rows: pa.Table, scale_index: npt.NDArray[np.int64]) -> tuple[list[tuple[str, int, int, int]], npt.NDArray[np.int64]]:
    """Distinct (study, condition, outcome, scale) of rows, and which one each row has."""
    study = rows.column("study_id").combine_chunks()
    study = study if pa.types.is_dictionary(study.type) else study.dictionary_encode()
    if isinstance(study, pa.ChunkedArray):
        study = study.unify_dictionaries().combine_chunks()
    names = study.dictionary.to_pylist()
    keys = np.stack(
        [study.indices.to_numpy(), *(rows.column(name).to_numpy() for name in ("condition_num", "task_num")), scale_index], axis=1
    )
    distinct, index = np.unique(keys, axis=0, return_inverse=True)
    return [(names[s], int(c), int(t), int(scale)) for s, c, t, scale in distinct], index.reshape(-1).astype(np.int64)
