"""Rows that were asked the same thing: one cell (study, condition, outcome), one text and one scale.

A cell with several items holds several texts; answers are compared, counted and contrasted within one text only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socsci210.row_texts import RowTexts

Index = npt.NDArray[np.int64]
UNKNOWN: Final = "\x01"  # stands for a field of a persona that is not known


@dataclass(frozen=True)
class Grouping:
    """Rows in groups that are numbered from 0.

    Attributes:
        of: (rows,) number of each row's group.
        first: (groups,) a row of each group: its first one.
    """

    of: Index
    first: Index

    @property
    def sizes(self) -> Index:
        """(groups,) rows of each group."""
        return np.bincount(self.of, minlength=len(self.first)).astype(np.int64)


def grouped(*columns: Index) -> Grouping:
    """Rows that agree in all columns."""
    _, first, of = np.unique(np.stack(columns), axis=1, return_index=True, return_inverse=True)
    return Grouping(of.reshape(-1).astype(np.int64), first.astype(np.int64))


def cells(rows: pa.Table, texts: RowTexts) -> Grouping:
    """Rows of one study, condition, outcome, text and scale."""
    study = _codes(rows.column("study_id"))
    condition, outcome = (rows.column(name).to_numpy().astype(np.int64) for name in ("condition_num", "task_num"))
    return grouped(study, condition, outcome, texts.stimulus, texts.scale)


def persona_fields(rows: pa.Table, fields: tuple[str, ...]) -> tuple[Index, list[dict[str, Any]]]:
    """Rows by what their people have in some fields of the persona: (rows,) codes, and the values of each code (None: not known)."""
    people = rows.column("demographic").combine_chunks()
    people = pa.concat_arrays(people.chunks) if isinstance(people, pa.ChunkedArray) else people
    columns = [_codes(pc.fill_null(people.field(name).cast(pa.string()), UNKNOWN)) for name in fields]
    found = grouped(*columns) if columns else Grouping(np.zeros(len(people), np.int64), np.zeros(min(1, len(people)), np.int64))
    values = [{name: people[int(row)].as_py()[name] for name in fields} for row in found.first]
    return found.of, values


def answer_counts(groups: Index, response: Index, number: int) -> tuple[Index, Index, Index]:
    """How often each answer was given in each of `number` groups.

    Returns:
        (starts, answers, counts): the answers of group g, ascending, stand at starts[g]:starts[g + 1].
    """
    pairs, counts = np.unique(np.stack([groups, response]), axis=1, return_counts=True)
    starts = np.searchsorted(pairs[0], np.arange(number + 1))
    return starts.astype(np.int64), pairs[1], counts.astype(np.int64)


def _codes(column: Any) -> Index:
    encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(encoded, pa.ChunkedArray):
        encoded = pa.concat_arrays(encoded.chunks)
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
