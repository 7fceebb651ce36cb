"""Distinct texts and scales of many rows: what prompts are made of, each rendered once.

Used by training and prediction, so that both read a row the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .dataset_folder import DatasetFolder
from .demographics import FIELDS
from .prompts import persona
from .schema import MAX_ENUMERATED

Index = npt.NDArray[np.int64]
COLUMNS: Final = (
    "study_id", "sample_id", "participant", "demographic", "stimuli", "response",
    "condition_num", "task_num", "item_num", "scale_min", "scale_max",
)  # fmt: skip
_OUTCOME: Final = ["study_id", "task_num", "condition_num", "item_num"]


class ScaleKey(NamedTuple):
    """Bounds and step of a scale; None where it is unbounded."""

    min: int | None
    max: int | None
    step: int

    @property
    def values(self) -> range:
        """Allowed answers, ascending; empty for an unbounded scale."""
        return range(0) if self.min is None or self.max is None else range(self.min, self.max + 1, self.step)

    @property
    def not_enumerated(self) -> str | None:
        """Why the answers of this scale are not enumerated, or None if they are."""
        if not self.values:
            return "scale without bounds"
        return f"more than {MAX_ENUMERATED} possible answers" if len(self.values) > MAX_ENUMERATED else None


@dataclass(frozen=True)
class RowTexts:
    """Distinct personas, stimuli and scales, with one index into each per row."""

    personas: Sequence[str]
    persona: Index
    stimuli: Sequence[str]
    stimulus: Index
    scales: Sequence[ScaleKey]
    scale: Index


def row_texts(rows: pa.Table, dataset: DatasetFolder) -> RowTexts:
    """Personas, stimuli and scales of rows (columns: `COLUMNS`). The step of a scale comes from the table of outcomes."""
    personas, persona_index = _personas(rows)
    stimuli = _dictionary(rows.column("stimuli"))
    scales, scale_index = row_scales(rows, dataset)
    return RowTexts(
        personas, persona_index, stimuli.dictionary.to_pylist(), stimuli.indices.to_numpy().astype(np.int64), scales, scale_index
    )


def distinct_texts(rows: pa.Table) -> tuple[list[str], list[str]]:
    """Distinct personas and distinct stimuli of rows, each in order of appearance."""
    return _personas(rows)[0], _dictionary(rows.column("stimuli")).dictionary.to_pylist()


def _dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.combine_chunks().dictionary_encode()


def _personas(rows: pa.Table) -> tuple[list[str], Index]:
    demographic = rows.column("demographic").combine_chunks()
    if isinstance(demographic, pa.ChunkedArray):
        demographic = pa.concat_arrays(demographic.chunks) if demographic.num_chunks else pa.array([], demographic.type)
    fields = [pc.fill_null(demographic.field(name).cast(pa.string()), "\x01") for name in FIELDS]
    keys = pc.binary_join_element_wise(*fields, "\x00").dictionary_encode()
    index = keys.indices.to_numpy().astype(np.int64)
    _, first = np.unique(index, return_index=True)
    return [persona(person) for person in demographic.take(pa.array(first)).to_pylist()], index


def row_steps(rows: pa.Table, dataset: DatasetFolder) -> Index:
    """The step of each row's scale, from the table of outcomes. `rows` has the columns that name its item."""
    stepped = dataset.table("outcomes", [*_OUTCOME, "scale_step"])
    stepped = stepped.filter(pc.greater(pc.fill_null(stepped.column("scale_step"), 1), 1))
    step = np.ones(rows.num_rows, dtype=np.int64)
    if stepped.num_rows:
        keys = rows.select(_OUTCOME).append_column("row", pa.array(np.arange(len(step))))
        keys = keys.set_column(0, "study_id", keys.column("study_id").cast(pa.string()))
        found = keys.join(stepped, _OUTCOME, join_type="inner")
        step[found.column("row").to_numpy()] = found.column("scale_step").to_numpy()
    return step


def row_scales(rows: pa.Table, dataset: DatasetFolder) -> tuple[list[ScaleKey], Index]:
    """Distinct scales of rows, and which one each row has."""
    step = row_steps(rows, dataset)
    none = np.iinfo(np.int64).min
    bottom, top = (pc.fill_null(rows.column(name), none).to_numpy() for name in ("scale_min", "scale_max"))
    distinct, index = np.unique(np.stack([bottom, top, step], axis=1), axis=0, return_inverse=True)
    scales = [ScaleKey(None if low == none else low, None if high == none else high, by) for low, high, by in distinct.tolist()]
    return scales, index.reshape(-1).astype(np.int64)
