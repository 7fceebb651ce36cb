"""Data preparation: which rows are trained on, their token ids, the order in which they come, and batches of them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from socsci210.dataset_folder import DatasetFolder
from socsci210.prompts import PromptEncoder, common_length
from socsci210.row_texts import COLUMNS, RowTexts, row_scales, row_texts
from socsci210.splits import MIXED, strict_studies

from .config import TrainError

_UNIT: Final = {"unseen_conditions": "condition_num", "unseen_outcomes": "task_num", "unseen_participants": "participant"}
_KEY: Final = ["study_id", "sample_id"]
Index = npt.NDArray[np.int64]


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
        first = first.filter(pc.is_in(_keys(first), value_set=_keys(other)))
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


def _keys(rows: pa.Table) -> pa.ChunkedArray:
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

    @property
    def head(self) -> Index:
        """What each row's prompt begins with: index of its stimulus or of its persona, as the template has it."""
        return self.texts.stimulus if self.encoder.template.head_part == "stimulus" else self.texts.persona

    def _prompt(self, person: int, stimulus: int) -> list[int]:
        return self.encoder.prompt(self.texts.personas[person], self.texts.stimuli[stimulus])

    @cached_property
    def _counts(self) -> dict[tuple[int, tuple[int, ...]], Counter[int]]:
        """How often each token followed a beginning of an answer, among all training rows with one stimulus."""
        counts: dict[tuple[int, tuple[int, ...]], Counter[int]] = defaultdict(Counter)
        for row, stimulus in enumerate(self.texts.stimulus.tolist()):
            answer = self.answer(row)
            for step, token in enumerate(answer):
                counts[stimulus, answer[:step]][token] += 1
        return counts

    def targets(self, row: int, smoothing: float) -> list[dict[int, float]]:
        """Per token of the answer, the tokens to predict and their shares: the row's own answer, and for a share of `smoothing` the
        answers of everybody in training who read the same stimulus, given what is answered so far."""
        answer = self.answer(row)
        if not smoothing:
            return [{token: 1.0} for token in answer]
        found = []
        for step, token in enumerate(answer):
            counts = self._counts[int(self.texts.stimulus[row]), answer[:step]]
            shares = {other: smoothing * n / counts.total() for other, n in counts.items()}
            shares[token] += 1 - smoothing
            found.append(shares)
        return found

    def prompt(self, row: int) -> list[int]:
        """Ids of everything before the answer."""
        return self._prompt(int(self.texts.persona[row]), int(self.texts.stimulus[row]))

    def answer(self, row: int) -> tuple[int, ...]:
        """Ids of the answer and the end of turn."""
        return self.encoder.answer(int(self.response[row]))


@dataclass(frozen=True)
class Batch:
    """Token sequences, each of them one prompt and answer, or a shared beginning with several endings.

    Attributes:
        ids, positions: (sequences, length); the last token of each answer is not an input.
        mask: (sequences, length), 1 for tokens and 0 for padding; or (sequences, 1, length, length), additive, where endings share a
            beginning and may not see each other.
        keep: positions in a sequence at which answer tokens are predicted.
        targets, weights: (sequences, len(keep), options): tokens to predict there and their shares, which sum to 1, or to 0 where
            nothing is trained.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    positions: torch.Tensor
    keep: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        parts = (self.ids, self.mask, self.positions, self.keep, self.targets, self.weights)
        return Batch(*(tensor.to(device) for tensor in parts))


def collate(examples: Examples, groups: Sequence[Sequence[int] | Index], pad: int, smoothing: float = 0.0) -> Batch:
    """A batch of groups of rows. The rows of a group are read as one sequence: what their prompts begin with, then every ending.

    Beginnings and endings are padded on the left, each to the longest of its kind, so that answers end in the same places everywhere.
    `smoothing` is the share of the target that goes to what everybody with the same stimulus answered (`Examples.targets`).
    """
    prompts = [[examples.prompt(row) for row in group] for group in groups]
    answers = [[examples.answer(row) for row in group] for group in groups]
    alone = max(map(len, groups)) == 1  # then nothing is shared; else a single row is cut before its last token
    shared = [0 if alone else common_length(some) for some in prompts]
    ends = [
        [[*prompt[at:], *answer[:-1]] for prompt, answer in zip(some, their, strict=True)]
        for some, their, at in zip(prompts, answers, shared, strict=True)
    ]
    first, size = max(shared), max(map(len, groups))
    width = max(len(end) for some in ends for end in some)
    longest = max(len(answer) for their in answers for answer in their)
    ids = np.full((len(groups), first + size * width), pad, dtype=np.int64)
    positions, real = np.zeros_like(ids), np.zeros(ids.shape, dtype=bool)
    wanted = [[examples.targets(row, smoothing) for row in group] for group in groups]
    options = max(len(shares) for their in wanted for steps in their for shares in steps)
    targets = np.zeros((len(groups), size, longest, options), dtype=np.int64)
    weights = np.zeros(targets.shape, dtype=np.float32)

    def place(line: int, stop: int, tokens: list[int], position: int) -> None:
        at = slice(stop - len(tokens), stop)
        ids[line, at], real[line, at] = tokens, True
        positions[line, at] = position + np.arange(len(tokens))

    for line, (some, at) in enumerate(zip(ends, shared, strict=True)):
        place(line, first, prompts[line][0][:at], 0)
        for branch, end in enumerate(some):
            place(line, first + (branch + 1) * width, end, at)
            for step, shares in enumerate(wanted[line][branch], longest - len(wanted[line][branch])):
                targets[line, branch, step, : len(shares)] = list(shares)
                weights[line, branch, step, : len(shares)] = list(shares.values())
    mask = torch.from_numpy(real.astype(np.int64)) if size == 1 else _branches(real, first, width)
    keep = first + width * np.arange(1, size + 1)[:, None] - longest + np.arange(longest)
    flat = (len(groups), size * longest, options)
    arrays = (positions, keep.reshape(-1), targets.reshape(flat), weights.reshape(flat))
    return Batch(torch.from_numpy(ids), mask, *(torch.from_numpy(array) for array in arrays))


def _branches(real: npt.NDArray[np.bool_], first: int, width: int) -> torch.Tensor:
    """The additive mask of shared beginnings: a token sees what stands before it in the beginning and in its own ending."""
    place = np.arange(real.shape[1])
    branch = np.where(place < first, -1, (place - first) // width)
    sees = (place[None, :] <= place[:, None]) & ((branch[None, :] == -1) | (branch[None, :] == branch[:, None]))
    visible = torch.from_numpy(sees[None] & real[:, None, :])
    return torch.zeros(visible.shape).masked_fill_(~visible, torch.finfo(torch.float32).min)[:, None]


class Order:
    """The order of micro-batches: groups of rows, shuffled by (seed, epoch), neighbours of like length put together, shuffled again.

    It is a function of seed and epoch alone, so a resumed run, or one with another number of processes, sees the same rows.

    Args:
        lengths: tokens of every row.
        batch_size: rows of a micro-batch.
        seed: seed of all shuffling.
        head: what each row's prompt begins with, as an integer.
        share: at most so many rows with one head make a group.
    """

    POOL: Final = 32  # batches among which groups are sorted by length

    def __init__(self, lengths: Index, batch_size: int, seed: int, *, head: Index | None = None, share: int = 1) -> None:
        self.lengths, self.seed, self.share = lengths, seed, share
        self.head = np.arange(len(lengths)) if head is None else head
        self.groups_per_batch = batch_size // share

    def epoch(self, epoch: int) -> list[list[Index]]:
        """All micro-batches of an epoch, each a list of groups; every row stands in exactly one group."""
        random = np.random.default_rng((self.seed, epoch))
        groups = self._groups(random.permutation(len(self.lengths)))
        order = random.permutation(len(groups))
        length = np.array([self.lengths[group].max() for group in groups])
        batches: list[list[Index]] = []
        size = self.groups_per_batch
        for start in range(0, len(order), size * self.POOL):
            pool = order[start : start + size * self.POOL]
            pool = pool[np.argsort(length[pool], kind="stable")]
            batches += [[groups[i] for i in pool[at : at + size]] for at in range(0, len(pool), size)]
        return [batches[i] for i in random.permutation(len(batches))]

    def steps(self, per_step: int) -> int:
        """Steps of an epoch, at so many micro-batches per step."""
        groups = len(self._groups(np.arange(len(self.lengths))))
        return math.ceil(math.ceil(groups / self.groups_per_batch) / per_step)

    def _groups(self, rows: Index) -> list[Index]:
        """Rows cut into groups of one head, of nearly equal size, in the order given."""
        if self.share == 1:
            return list(rows[:, None])
        by_head = rows[np.argsort(self.head[rows], kind="stable")]
        starts = np.flatnonzero(np.diff(self.head[by_head], prepend=-1))
        return [part for some in np.split(by_head, starts[1:]) for part in np.array_split(some, -(-len(some) // self.share))]


def context_of(model: Any) -> int:
    """The longest input of a model, in tokens."""
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 2**31)
