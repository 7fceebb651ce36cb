"""What the split rules need to know of a study: names, people, and which stimulus stands where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ..errors import DatasetError
from .sides import NONE, PUBLISHED, TEST, TRAIN, Sides

IntArray = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Units:
    """One study, as the split rules see it. The four arrays have one entry per row, in any order.

    Args:
        study_id: the study.
        family: studies of one family move together.
        participants: number of every person of the study, with or without responses.
        condition: condition_num of each row.
        task: task_num of each row.
        participant: participant of each row.
        text: identity of each row's stimulus, equal for equal text ACROSS studies: `text_keys`, or codes of one shared dictionary.
        truncated: the source cuts its wording, so the study stays out of every config that holds out text.
        same_as: ids of studies that this one declares itself to be the same as.
        official: None for a study with no published row sides. A mapping, empty or not, marks a study of the release: config
            (unseen_conditions, unseen_outcomes) -> TRAIN, TEST or NONE per row, as published; NONE is a row in neither list. A study of
            the release stands outside the configs that have no entry, because the published setting did not use it there.

    Raises:
        DatasetError: the arrays differ in length, or hold a negative number other than in `text`, or `official` holds something else.
    """

    study_id: str
    family: str
    participants: IntArray
    condition: IntArray
    task: IntArray
    participant: IntArray
    text: IntArray
    truncated: bool = False
    same_as: tuple[str, ...] = ()
    official: Mapping[str, Sides] | None = None

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in ("condition", "task", "participant", "text")}
        if len(set(lengths.values())) != 1:
            raise DatasetError(f"arrays of different lengths: {lengths}", where=self.study_id, expected="one entry per row in each")
        for name in ("participants", "condition", "task", "participant"):
            values = getattr(self, name)
            if len(values) and values.min() < 0:
                raise DatasetError(f"{name} {values.min()}", where=self.study_id, expected="numbers from 0")
        for config, sides in (self.official or {}).items():
            self._check_official(config, sides)

    def _check_official(self, config: str, sides: Sides) -> None:
        where = f"{self.study_id}, official sides of {config}"
        if config not in PUBLISHED:
            raise DatasetError("the release publishes no row sides of it", where=where, expected=" or ".join(PUBLISHED))
        if len(sides) != self.n_rows:
            raise DatasetError(f"{len(sides)} sides for {self.n_rows} rows", where=where, expected="one entry per row")
        if not np.isin(sides, (TRAIN, TEST, NONE)).all():
            raise DatasetError(f"codes {np.unique(sides).tolist()}", where=where, expected=f"{TRAIN} (train), {TEST} (test) or {NONE}")

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.text)

    @property
    def released(self) -> bool:
        """Whether the study comes with the release, so that its published sides hold."""
        return self.official is not None


def text_keys(stimuli: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A 64-bit identity of each text (strings or dictionary of strings, no nulls), equal for equal text in every call.

    Only distinct texts are hashed. Among 3 million distinct texts two collide with a chance of 2.4e-7.
    """
    chunks = stimuli.chunks if isinstance(stimuli, pa.ChunkedArray) else [stimuli]
    keys = [_chunk_keys(chunk) for chunk in chunks]
    return np.concatenate(keys) if keys else np.empty(0, np.int64)


def _chunk_keys(chunk: pa.Array) -> npt.NDArray[np.int64]:
    encoded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
    if encoded.null_count:
        raise DatasetError(f"{encoded.null_count} rows without a stimulus", where="column stimuli", expected="text in every row")
    words = encoded.dictionary.to_numpy(zero_copy_only=False).astype(object)
    hashed = pd.util.hash_array(words, categorize=False).view(np.int64)
    keys: npt.NDArray[np.int64] = hashed[encoded.indices.to_numpy(zero_copy_only=False)]
    return keys


def units_of(rows: pa.Table, studies: pa.Table, participants: pa.Table) -> list[Units]:
    """The units of finished tables, in the order of `studies`; rows keep their order within a study.

    Args:
        rows: at least study_id, condition_num, task_num, participant and stimuli of schema.ROWS, in any order.
        studies: at least study_id, family, same_as and text_status of schema.STUDIES.
        participants: at least study_id and participant of schema.PARTICIPANTS.
    """
    of_row = _by_study(rows["study_id"])
    of_person = _by_study(participants["study_id"])
    text = text_keys(rows["stimuli"])
    columns = {name: rows[name].to_numpy() for name in ("condition_num", "task_num", "participant")}
    people = participants["participant"].to_numpy()
    none = np.empty(0, np.int64)
    found = []
    for study in studies.select(["study_id", "family", "same_as", "text_status"]).to_pylist():
        index = of_row.get(study["study_id"], none)
        found.append(
            Units(
                study_id=study["study_id"],
                family=study["family"],
                participants=people[of_person.get(study["study_id"], none)],
                condition=columns["condition_num"][index],
                task=columns["task_num"][index],
                participant=columns["participant"][index],
                text=text[index],
                truncated=study["text_status"] == "truncated",
                same_as=tuple(study["same_as"] or ()),
            )
        )
    return found


def _by_study(ids: pa.ChunkedArray) -> dict[str, npt.NDArray[np.int64]]:
    """study_id -> indices of its rows, ascending."""
    encoded = pa.chunked_array(ids).combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
    return {name: order[starts[i] : starts[i + 1]] for i, name in enumerate(encoded.dictionary.to_pylist())}
