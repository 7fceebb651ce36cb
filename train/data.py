"""Data preparation: which rows are trained on, their token ids, the order in which they come, and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from socsci210.dataset_folder import DatasetFolder
from socsci210.prompts import PromptEncoder
from socsci210.row_texts import COLUMNS, RowTexts, row_texts

from .config import TrainError

IGNORED: Final = -100
_UNIT: Final = {"unseen_conditions": "condition_num", "unseen_outcomes": "task_num", "unseen_participants": "participant"}
_KEY: Final = ["study_id", "sample_id"]
Index = npt.NDArray[np.int64]


def training_rows(folder: DatasetFolder, train_on: Sequence[str]) -> pa.Table:
    """Rows on the train side of every named config, checked against the published assignments.

    Raises:
        TrainError: there are none, or one of them is assigned to another side.
    """
    first, *others = [folder.rows(config, "train", COLUMNS if place == 0 else _KEY) for place, config in enumerate(train_on)]
    for other in others:
        first = first.filter(pc.is_in(_keys(first), value_set=_keys(other)))
    if not first.num_rows:
        raise TrainError(f"no row is on the train side of {', '.join(train_on)}", where=str(folder.path), fix="train on fewer configs")
    assert_no_held_out(first, folder.table("assignments"), train_on)
    return first


def _keys(rows: pa.Table) -> pa.ChunkedArray:
    study = rows.column("study_id").cast(pa.string())
    return pc.binary_join_element_wise(study, rows.column("sample_id").cast(pa.string()), "/")


def assert_no_held_out(rows: pa.Table, assignments: pa.Table, train_on: Sequence[str]) -> dict[str, int]:
    """Number of trained (study, unit) pairs per config, each of which must be assigned to `train`.

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
        if wrong := [pair for pair in pairs if side.get(pair) != "train"]:
            study, unit = wrong[0]
            raise TrainError(
                f"{len(wrong)} units of {config} would be trained on that are not on its train side",
                where=f"study {study}" + (f", {_UNIT[config]} {unit}" if config in _UNIT else ""),
                expected="train",
                fix="build the dataset again: its partitions do not follow its assignments",
            )
        checked[config] = len(pairs)
    return checked


class Examples:
    """Token ids of training rows. Every distinct persona, stimulus and answer is tokenised once.

    Raises:
        TrainError: a row has no token to train on, or is longer than the model's context.
    """

    def __init__(self, rows: pa.Table, folder: DatasetFolder, encoder: PromptEncoder, *, context: int) -> None:
        self.texts: RowTexts = row_texts(rows, folder)
        self.encoder = encoder
        self.response: Index = rows.column("response").to_numpy().astype(np.int64)
        answer_lengths = {value: len(encoder.answer(int(value))) for value in np.unique(self.response).tolist()}
        answers = np.array([answer_lengths[value] for value in self.response.tolist()], dtype=np.int64)
        pairs, which = np.unique(np.stack([self.texts.persona, self.texts.stimulus], axis=1), axis=0, return_inverse=True)
        prompts = np.array([len(self._prompt(person, stimulus)) for person, stimulus in pairs.tolist()], dtype=np.int64)
        self.trained: Index = answers
        self.lengths: Index = prompts[which.reshape(-1)] + answers
        self._check(rows, context)

    def _check(self, rows: pa.Table, context: int) -> None:
        for bad, found, fix in (
            (self.trained < 1, "no token to train on", "use a tokenizer that gives every answer at least one token"),
            (self.lengths > context, f"longer than the model's context of {context} tokens", "use a model with a longer context"),
        ):
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                where = f"study {rows.column('study_id')[row]}, sample_id {rows.column('sample_id')[row]}"
                raise TrainError(f"{int(bad.sum())} rows: {found}", where=where, expected="prompts and answers in full, never cut", fix=fix)

    def __len__(self) -> int:
        return len(self.response)

    def _prompt(self, person: int, stimulus: int) -> list[int]:
        return self.encoder.prompt(self.texts.personas[person], self.texts.stimuli[stimulus])

    def prompt(self, row: int) -> list[int]:
        """Ids of everything before the answer."""
        return self._prompt(int(self.texts.persona[row]), int(self.texts.stimulus[row]))

    def answer(self, row: int) -> tuple[int, ...]:
        """Ids of the answer and the end of turn."""
        return self.encoder.answer(int(self.response[row]))


@dataclass(frozen=True)
class Batch:
    """Rows padded on the left, so that all answers end in the last column.

    Attributes:
        ids, mask, positions: (rows, length); the last token of each answer is not an input.
        targets: (rows, longest answer), the tokens that the last columns predict, `IGNORED` where there is none.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    positions: torch.Tensor
    targets: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return Batch(*(tensor.to(device) for tensor in (self.ids, self.mask, self.positions, self.targets)))


def collate(examples: Examples, rows: Sequence[int], pad: int) -> Batch:
    """A batch of some rows, padded to the longest of them."""
    answers = [examples.answer(row) for row in rows]
    inputs = [[*examples.prompt(row), *answer[:-1]] for row, answer in zip(rows, answers, strict=True)]
    length, longest = max(map(len, inputs)), max(map(len, answers))
    ids = np.full((len(rows), length), pad, dtype=np.int64)
    mask = np.zeros_like(ids)
    targets = np.full((len(rows), longest), IGNORED, dtype=np.int64)
    for row, (tokens, answer) in enumerate(zip(inputs, answers, strict=True)):
        ids[row, length - len(tokens) :] = tokens
        mask[row, length - len(tokens) :] = 1
        targets[row, longest - len(answer) :] = answer
    positions = np.maximum(mask.cumsum(axis=1) - 1, 0)
    return Batch(*(torch.from_numpy(array) for array in (ids, mask, positions, targets)))


class Order:
    """The order of micro-batches: rows shuffled by (seed, epoch), neighbours of like length put together, batches shuffled again.

    It is a function of seed and epoch alone, so a resumed run, or one with another number of processes, sees the same rows.
    """

    POOL: Final = 32  # batches among which rows are sorted by length

    def __init__(self, lengths: Index, batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed = lengths, batch_size, seed

    def epoch(self, epoch: int) -> list[Index]:
        """All micro-batches of an epoch; every row stands in exactly one."""
        random = np.random.default_rng((self.seed, epoch))
        shuffled = random.permutation(len(self.lengths))
        batches: list[Index] = []
        for start in range(0, len(shuffled), self.batch_size * self.POOL):
            pool = shuffled[start : start + self.batch_size * self.POOL]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            batches += [pool[i : i + self.batch_size] for i in range(0, len(pool), self.batch_size)]
        return [batches[i] for i in random.permutation(len(batches))]


def context_of(model: Any) -> int:
    """The longest input of a model, in tokens."""
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 2**31)
