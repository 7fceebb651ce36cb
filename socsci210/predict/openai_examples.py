"""Examples for k-shot prompts: training rows of the split configuration, chosen by hash, the same for all rows of an outcome."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..dataset_folder import DatasetFolder
from ..errors import DatasetError
from ..prompts import Template, persona
from ..row_texts import COLUMNS, row_scales

Words = npt.NDArray[np.uint64]
Turn = dict[str, str]
_POOL: Final = 1 << 14  # training rows, lowest in hash, among which examples are looked for


def hash_words(seed: Words | int, keys: Words) -> Words:
    """A well-mixed 64-bit word for each key (splitmix64): the same on every machine."""
    with np.errstate(over="ignore"):
        z = keys + np.asarray(seed, np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)), np.uint64)


def word(text: str) -> int:
    """64 bits of the sha256 of a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


class Examples:
    """The training rows that prompts of a run may show.

    An outcome gets the `shots` rows that are lowest in a hash of (seed, outcome, row), each of another study as far as there are enough
    studies. Only rows whose answer is on its scale are shown.

    Args:
        dataset, config: whose train split is read; no other row is.
        template: how a row becomes a user turn.
        shots: examples in every prompt.
        seed: of the choice.
        predicted: the keys of the rows to predict.

    Raises:
        DatasetError: `all` has no held-out rows, the rows are arms, a row to predict is a training row, or there are too few training rows.
    """

    def __init__(self, dataset: DatasetFolder, config: str, template: Template, *, shots: int, seed: int, predicted: pa.Table) -> None:
        where = f"{dataset.path}, config {config!r}"
        if config == "all":
            raise DatasetError("config 'all' holds no row out", where=where, expected="a split configuration", fix="leave --shots out")
        if "sample_id" not in predicted.column_names:
            raise DatasetError(
                "in arms people meet what they were not asked, training rows among them: an example may be a person's own answer",
                where=where, fix="leave --shots or --arms out",
            )  # fmt: skip
        keys = dataset.rows(config, "train", ["study_id", "sample_id"])
        self._template, self._shots, self._seed = template, shots, seed
        self._words = _row_words(keys, seed)
        if np.isin(_row_words(predicted, seed), self._words).any():
            raise DatasetError(
                "rows to predict are training rows: they could be their own examples",
                where=where, expected="split test or validation", fix="choose another --split, or leave --shots out",
            )  # fmt: skip
        pool = np.argsort(self._words, kind="stable")[:_POOL]
        self._rows = _on_scale(dataset.rows(config, "train", COLUMNS).take(pa.array(pool)), dataset)
        if self._rows.num_rows < shots:
            raise DatasetError(
                f"{self._rows.num_rows} training rows with an answer on a scale",
                where=where,
                expected=f"at least {shots}",
                fix="lower --shots",
            )
        self._words = _row_words(self._rows, seed)
        self._study = self._rows.column("study_id").to_pylist()
        self._turns: dict[tuple[str, int], tuple[list[Turn], list[tuple[str, int]]]] = {}

    def turns(self, study: str, task: int) -> list[Turn]:
        """The conversation that comes before a row of an outcome: user and assistant, once per example."""
        return self._of(study, task)[0]

    def rows_shown(self, study: str, task: int) -> list[tuple[str, int]]:
        """(study_id, sample_id) of the examples of an outcome."""
        return self._of(study, task)[1]

    def _of(self, study: str, task: int) -> tuple[list[Turn], list[tuple[str, int]]]:
        if (study, task) not in self._turns:
            order = np.argsort(hash_words(word(f"{self._seed}:{study}:{task}"), self._words), kind="stable")
            found = self._rows.take(pa.array(self._apart(order.tolist()))).to_pylist()
            turns = [turn for row in found for turn in self._example(row)]
            self._turns[study, task] = turns, [(row["study_id"], row["sample_id"]) for row in found]
        return self._turns[study, task]

    def _apart(self, order: list[int]) -> list[int]:
        """The first rows of distinct studies; more of the same ones where there are not enough studies."""
        first: dict[str, int] = {}
        for place in order:
            first.setdefault(self._study[place], place)
        chosen = list(first.values())[: self._shots]
        return [*chosen, *(place for place in order if place not in chosen)][: self._shots]

    def _example(self, row: dict[str, Any]) -> list[Turn]:
        user = self._template.join(persona(row["demographic"]), row["stimuli"])
        return [{"role": "user", "content": user}, {"role": "assistant", "content": str(row["response"])}]


def _row_words(rows: pa.Table, seed: int) -> Words:
    """A hash of (seed, study, sample) for each row."""
    study = rows.column("study_id").cast(pa.string()).combine_chunks().dictionary_encode()
    salts = np.array([word(f"{seed}:{name}") for name in study.dictionary.to_pylist()] or [0], np.uint64)
    sample = rows.column("sample_id").to_numpy().astype(np.uint64)
    return hash_words(salts[study.indices.to_numpy()], sample)


def _on_scale(rows: pa.Table, dataset: DatasetFolder) -> pa.Table:
    scales, index = row_scales(rows, dataset)
    answers = rows.column("response").to_pylist()
    return rows.filter(pa.array([answer in scales[which].values for answer, which in zip(answers, index, strict=True)], pa.bool_()))
