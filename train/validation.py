"""Evaluation during training: exact answers of the model as it stands, scored against people as `socsci210 score` scores them.

The rows are a part of the validation side, chosen by a hash, the same in every evaluation and every run. Test rows are never read: that
none of the chosen rows is one, nor one that is trained on, is checked by their keys before training begins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socsci210.contamination import contamination
from socsci210.dataset_folder import DatasetFolder
from socsci210.language_model import base_training
from socsci210.metrics.socsci210.cells import Answers
from socsci210.predict.exact import ExactAnswers, normalise
from socsci210.predict.selection import Selection, select_rows
from socsci210.prompts import PromptEncoder
from socsci210.row_texts import row_texts
from socsci210.score.quick import quick_score
from socsci210.score.split import Split, read_split

from .config import TrainError
from .rows import row_keys
from .settings import TrainConfig, ValidationConfig

_KEY: Final = ["study_id", "sample_id"]
_CELL: Final = ("study_id", "condition_num", "task_num", "item_num")
Index = npt.NDArray[np.int64]


class Evaluation(NamedTuple):
    """One look at the validation rows; W, chance and answer mass as `socsci210 score` defines them."""

    step: int
    W: float
    chance: float
    answer_mass: float


def best_of(found: Sequence[Evaluation], min_gain: float = 0.0) -> int | None:
    """Index of the best evaluation: the last one that was better than all before it by more than `min_gain`; None without any."""
    best: int | None = None
    for at, one in enumerate(found):
        if best is None or found[best].W - min_gain > one.W:
            best = at
    return best


def is_over(found: Sequence[Evaluation], config: ValidationConfig) -> bool:
    """Whether training stops here: the last `patience` evaluations brought nothing better."""
    best = best_of(found, config.min_gain)
    return config.patience is not None and best is not None and len(found) - 1 - best >= config.patience


class Validation:
    """The validation rows of a run, ready to be predicted and scored.

    `seen_before` of them were in the training of the model that the run starts from, as far as its record tells.

    Args:
        folder: the dataset.
        config: the run's settings, with `validation` given.
        trained: columns study_id and sample_id of the rows that are trained on.
        encoder: makes the ids of prompts and answers.
        accelerator: its processes share the rows.

    Raises:
        TrainError: there is no row to validate on, or one of them is a test row or is trained on.
        DatasetError: the dataset has no such validation side.
    """

    def __init__(self, folder: DatasetFolder, config: TrainConfig, trained: pa.Table, encoder: PromptEncoder, accelerator: Any) -> None:
        settings = config.validation
        assert settings is not None
        self.name = settings.config or next(name for name in config.train_on if name != "all")
        tests = [folder.rows(name, "test", _KEY) for name in config.train_on if name != "all"]
        self.split = _without(read_split(folder, self.name, "validation"), tests)
        chosen = select_rows(folder, self.name, "validation", per_cell=settings.per_cell, seed=0, draw=False)
        rows = _some_cells(_without_rows(chosen, tests), settings.rows)
        where = f"{folder.path}, config {self.name}, validation"
        if not rows.num_rows:
            raise TrainError("no row to validate on", where=where, fix="choose another validation.config, or train without validation")
        for side, others in (("on the test side", tests), ("trained on", [trained])):
            if n := sum(pc.sum(pc.is_in(row_keys(self.split.rows), value_set=row_keys(other))).as_py() or 0 for other in others):
                raise TrainError(f"{n} validation rows are {side}", where=where, fix="build the dataset again")
        self.rows, self.encoder, self.accelerator = rows, encoder, accelerator
        self.texts = row_texts(rows, folder)
        self.place: Index = pc.index_in(row_keys(rows), value_set=row_keys(self.split.rows)).to_numpy().astype(np.int64)
        self.exact: ExactAnswers | None = None
        # W flatters a model on rows that it has met, and so does that of a model that starts from it
        start = contamination(rows, folder, config.model, base_training(config.model), allow_overlap=True)
        self.seen_before: int = start.overlap_rows

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def evaluate(self, model: Any, step: int) -> Evaluation:
        """Predict and score the rows. Every process must call it.

        Args:
            model: as `accelerator.prepare` gave it.
            step: noted in the result.
        """
        was_training = model.training
        model.eval()
        try:
            logs = self._logs(self.accelerator.unwrap_model(model))
        finally:
            model.train(was_training)
        probabilities, masses = zip(*(normalise(log[None]) for log in logs), strict=True)
        values = [self.texts.scales[scale].values for scale in self.texts.scale.tolist()]
        starts = np.concatenate([[0], np.cumsum([len(some) for some in values])]).astype(np.int64)
        answers = Answers(starts, np.concatenate(values).astype(np.float64), np.concatenate([some[0] for some in probabilities]))
        found = quick_score(self.split, self.place, answers, np.concatenate(masses))
        return Evaluation(step, found.W, found.chance, found.answer_mass)

    def _logs(self, model: Any) -> list[npt.NDArray[np.float64]]:
        """Log-probabilities of the answers of every row; processes that hold the whole model share the rows."""
        from accelerate.utils import gather_object

        if self.exact is None:
            self.exact = ExactAnswers(model, self.encoder)
        alone = self.accelerator.num_processes == 1 or is_sharded(self.accelerator)  # shards: all must take part in every forward pass
        every, rank = (1, 0) if alone else (self.accelerator.num_processes, self.accelerator.process_index)
        mine = list(range(rank, len(self), every))
        texts = self.texts
        prompts = [self.encoder.prompt(texts.personas[texts.persona[row]], texts.stimuli[texts.stimulus[row]]) for row in mine]
        answers = {scale: self.encoder.answers(texts.scales[scale].values) for scale in np.unique(texts.scale).tolist()}
        logs = self.exact.ask(prompts, [answers[int(texts.scale[row])] for row in mine])
        if alone:
            return logs
        shared = dict(gather_object(list(zip(mine, logs, strict=True))))
        return [shared[row] for row in range(len(self))]


def is_sharded(accelerator: Any) -> bool:
    """Whether each process holds a part of the weights."""
    from accelerate.utils import DistributedType

    return accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED)


def _kept(rows: pa.Table, tests: Sequence[pa.Table]) -> npt.NDArray[np.bool_]:
    """Rows that are on no test side: with several configs, one's validation rows may be another one's test rows."""
    keys = row_keys(rows)
    out = np.ones(rows.num_rows, dtype=bool)
    for test in tests:
        out &= ~pc.is_in(keys, value_set=row_keys(test)).to_numpy()
    return out


def _without(split: Split, tests: Sequence[pa.Table]) -> Split:
    return split.take(np.flatnonzero(_kept(split.rows, tests)))


def _without_rows(chosen: Selection, tests: Sequence[pa.Table]) -> pa.Table:
    return chosen.rows.filter(pa.array(_kept(chosen.rows, tests)))


def _some_cells(rows: pa.Table, limit: int) -> pa.Table:
    """Whole cells in the order of a hash, as long as they stay within the limit; at least one, cut where it alone is larger."""
    cells = rows.select(list(_CELL))
    cells = cells.set_column(0, "study_id", cells.column("study_id").cast(pa.string()))
    names = ["\0".join(map(str, cell.values())) for cell in cells.to_pylist()]
    ranked = sorted(range(len(names)), key=lambda row: (hashlib.sha256(names[row].encode()).digest(), row))
    taken, start = 0, 0
    while start < len(ranked):
        end = start + 1
        while end < len(ranked) and names[ranked[end]] == names[ranked[start]]:
            end += 1
        if end > limit and taken:
            break
        taken, start = min(end, limit), end
    return rows.take(pa.array(sorted(ranked[:taken]), pa.int64()))
