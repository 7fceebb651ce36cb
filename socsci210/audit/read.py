"""The rows of a dataset folder as the audit takes them: one study at a time."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..dataset_folder import DatasetFolder
from ..scales import parse_scale
from .records import Floats, Ints, StudyRows

_NUMBERS: Final = ("sample_id", "participant", "condition_num", "task_num", "item_num", "response", "scale_min", "scale_max")
_COLUMNS: Final = (*_NUMBERS, "stimuli", "flags")
_STEP_KEY: Final = ("condition_num", "task_num", "item_num")
PERSONA_DIFFERS: Final = "persona_differs"


class StudyReader:
    """Reads single studies of a dataset folder; the small tables that it needs are read once.

    Raises:
        DatasetError: there is no dataset, or one of its tables does not read.
    """

    def __init__(self, folder: DatasetFolder) -> None:
        self._folder = folder
        self._people = _by_study(folder.table("participants", ["study_id", "participant", "demographic"]))
        outcomes = folder.table("outcomes", ["study_id", *_STEP_KEY, "scale_step"])
        self._steps = _by_study(outcomes.filter(pc.greater(outcomes.column("scale_step"), 1)))
        self._no_people = folder.table("participants", ["participant", "demographic"]).slice(0, 0)

    @property
    def studies(self) -> tuple[str, ...]:
        """The studies that have rows, in order of their ids."""
        return self._folder.studies

    def read(self, study: str) -> tuple[StudyRows, int]:
        """The rows of a study by ascending sample_id, and how many of them carry the flag `persona_differs`, which only an import can set.

        Raises:
            DatasetError: a file does not read.
        """
        table = self._folder.rows(columns=_COLUMNS, studies=[study]).sort_by("sample_id")
        numbers = {name: _numbers(table.column(name)) for name in _NUMBERS[:6]}
        low, high = (_floats(table.column(name)) for name in _NUMBERS[6:])
        stimuli = table.column("stimuli").unify_dictionaries().combine_chunks()
        used, text = np.unique(stimuli.indices.to_numpy(), return_inverse=True)
        texts = tuple(stimuli.dictionary.take(pa.array(used)).to_pylist())
        rows = StudyRows(
            study_id=study,
            sample_id=numbers["sample_id"],
            participant=numbers["participant"],
            condition=numbers["condition_num"],
            task=numbers["task_num"],
            item=numbers["item_num"],
            response=numbers["response"],
            text=text.reshape(-1).astype(np.int32),
            texts=texts,
            scales=tuple(map(parse_scale, texts)),
            low=low,
            high=high,
            step=self._step(study, numbers, low),
            people=self._people.get(study, self._no_people),
        )
        flags = pc.list_flatten(table.column("flags"))
        return rows, pc.sum(pc.equal(flags, PERSONA_DIFFERS)).as_py() or 0

    def _step(self, study: str, numbers: dict[str, Ints], low: Floats) -> Floats:
        """1, or the step that the outcomes table has for the row's cell and item; NaN without bounds."""
        step = np.where(np.isnan(low), np.nan, 1.0)
        if study in self._steps:
            for *key, by in zip(*(column.to_pylist() for column in self._steps[study].columns), strict=True):
                same = np.logical_and.reduce([numbers[name] == value for name, value in zip(_STEP_KEY, key, strict=True)])
                step[same] = by
        return step


def _by_study(table: pa.Table) -> dict[str, pa.Table]:
    """The rows of each study, without the column study_id."""
    encoded = pc.dictionary_encode(table.column("study_id")).combine_chunks()
    codes = encoded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    arranged = table.drop_columns(["study_id"]).take(pa.array(order))
    bounds = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
    return {
        name: arranged.slice(start, stop - start)
        for name, start, stop in zip(encoded.dictionary.to_pylist(), bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    }


def _numbers(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.to_numpy(), np.int64)


def _floats(column: pa.ChunkedArray) -> Floats:
    """Whole numbers with NaN for null."""
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), np.float64)
