"""Token ids of training rows: every distinct persona, stimulus and answer is tokenised once, and kept in a few bytes a token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from socsci210.dataset_folder import DatasetFolder
from socsci210.prompts import PromptEncoder
from socsci210.row_texts import RowTexts, row_texts

from .config import TrainError
from .objectives import Index, Objective

TooLong = Literal["refuse", "truncate_stimulus", "leave_out"]
Ids = npt.NDArray[np.int32]
_FULL: Final = "prompts and answers in full, never cut"


class RowTokens:
    """Prompts and answers of rows as ids: what objectives make their examples of.

    Args:
        rows: training rows.
        folder: their dataset.
        encoder: makes ids.
        room: with it, prompts longer than this lose words at the front of their stimulus until they fit; nothing else is ever cut.

    Attributes:
        texts: distinct personas, stimuli and scales, and an index into each per row.
        response: (rows,) answers.
        prompt_lengths: (rows,) tokens.
        shortened: rows whose stimulus was cut.

    Raises:
        TrainError: a prompt does not fit even without its stimulus.
    """

    def __init__(self, rows: pa.Table, folder: DatasetFolder, encoder: PromptEncoder, *, room: int | None = None) -> None:
        self.rows, self.encoder = rows, encoder
        self.texts: RowTexts = row_texts(rows, folder)
        self.response: Index = rows.column("response").to_numpy().astype(np.int64)
        self._stimulus_first = encoder.template.head_part == "stimulus"
        heads, tails = (self.texts.stimuli, self.texts.personas) if self._stimulus_first else (self.texts.personas, self.texts.stimuli)
        first, last = encoder.parts(heads, tails)
        self._heads = [np.array(ids, dtype=np.int32) for ids in first]
        self._tails = [None if ids is None else np.array(ids, dtype=np.int32) for ids in last]
        self._whole: dict[tuple[int, int], Ids] = {}  # prompts that are not a head and a tail
        self.prompt_lengths: Index = self._lengths()
        self.shortened = 0
        if room is not None:
            over = self.prompt_lengths > room
            self.shortened = int(over.sum())
            for person, stimulus, same in self._pairs(over):
                self.prompt_lengths[same] = self._shorten(person, stimulus, room)

    @property
    def head(self) -> Index:
        """(rows,) what each row's prompt begins with: index of its stimulus or of its persona, as the template has it."""
        return self.texts.stimulus if self._stimulus_first else self.texts.persona

    def prompt(self, row: int) -> Ids:
        """Ids of everything before the answer."""
        return self._prompt(int(self.texts.persona[row]), int(self.texts.stimulus[row]))

    def answer(self, row: int) -> tuple[int, ...]:
        """Ids of the answer and the end of turn."""
        return self.encoder.answer(int(self.response[row]))

    def where(self, row: int) -> str:
        """The row's key, for an error."""
        return f"study {self.rows.column('study_id')[row]}, sample_id {self.rows.column('sample_id')[row]}"

    def _lengths(self) -> Index:
        """(rows,) tokens of each prompt, without putting together those that are a head and a tail."""
        head, tail = self.texts.persona, self.texts.stimulus
        if self._stimulus_first:
            head, tail = tail, head
        last = np.array([-1 if ids is None else len(ids) for ids in self._tails], dtype=np.int64)[tail]
        lengths = last if not self._heads else last + np.array([len(ids) for ids in self._heads], dtype=np.int64)[head]
        for person, stimulus, same in self._pairs(last < 0):
            lengths[same] = len(self._prompt(person, stimulus))
        return lengths

    def _pairs(self, chosen: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int, Index]]:
        """The distinct (persona, stimulus) of some rows, each with its rows."""
        rows = np.flatnonzero(chosen)
        key = self.texts.persona[rows] * len(self.texts.stimuli) + self.texts.stimulus[rows]
        order = np.argsort(key, kind="stable")
        for same in np.split(rows[order], np.flatnonzero(np.diff(key[order])) + 1) if len(rows) else []:
            yield int(self.texts.persona[same[0]]), int(self.texts.stimulus[same[0]]), same

    def _prompt(self, person: int, stimulus: int) -> Ids:
        head, tail = (stimulus, person) if self._stimulus_first else (person, stimulus)
        last = self._tails[tail]
        if last is not None and (person, stimulus) not in self._whole:
            return np.concatenate([self._heads[head], last])
        if (person, stimulus) not in self._whole:
            ids = self.encoder.prompt(self.texts.personas[person], self.texts.stimuli[stimulus])
            self._whole[person, stimulus] = np.array(ids, dtype=np.int32)
        return self._whole[person, stimulus]

    def _shorten(self, person: int, stimulus: int, room: int) -> int:
        """Cut words at the front of a stimulus until its prompt fits, as few as possible. Returns the prompt's length."""
        persona, words = self.texts.personas[person], self.texts.stimuli[stimulus].split(" ")
        low, high = 1, len(words)  # words cut: `high` is cut at most, `low` at least
        while low <= high:
            middle = (low + high) // 2
            ids = self.encoder.prompt(persona, " ".join(words[middle:]))
            low, high = (middle + 1, high) if len(ids) > room else (low, middle - 1)
        ids = self.encoder.prompt(persona, " ".join(words[low:]))
        if low >= len(words) or len(ids) > room:
            row = int(np.flatnonzero((self.texts.persona == person) & (self.texts.stimulus == stimulus))[0])
            raise TrainError(
                f"a prompt of {len(ids)} tokens without its stimulus",
                where=self.where(row),
                expected=f"at most {room} with it",
                fix="use a model with a longer context",
            )
        self._whole[person, stimulus] = np.array(ids, dtype=np.int32)
        return len(ids)


@dataclass(frozen=True)
class Fitting:
    """The examples that are trained on, and how many were left out because they are longer than the context."""

    examples: Index
    left_out: int


def fitting(objective: Objective, context: int, too_long: TooLong) -> Fitting:
    """The examples of an objective that can be trained on.

    Raises:
        TrainError: an example has nothing to train on; or is longer than the context, and `too_long` does not leave such examples out;
            or none is left.
    """
    over, empty = objective.lengths > context, objective.trained < 1
    if empty.any():
        fix = "use a tokenizer that gives every answer at least one token"
        raise _refused(objective, empty, "no token to train on", fix)
    if over.any() and too_long != "leave_out":
        others = "leave_out" if too_long == "truncate_stimulus" else "truncate_stimulus or leave_out"
        fix = f"use a model with a longer context, or set too_long to {others}"
        raise _refused(objective, over, f"longer than the model's context of {context} tokens", fix)
    if over.all():
        raise TrainError(f"all {len(over)} examples are longer than the context of {context} tokens", fix="use a model with a longer one")
    return Fitting(np.flatnonzero(~over), int(over.sum()))


def _refused(objective: Objective, bad: npt.NDArray[np.bool_], found: str, fix: str) -> TrainError:
    where = objective.where(int(np.flatnonzero(bad)[0]))
    return TrainError(f"{int(bad.sum())} rows: {found}", where=where, expected=_FULL, fix=fix)
