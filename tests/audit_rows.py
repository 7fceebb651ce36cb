"""Rows for tests of the audit: made up by hand, or those of a made release, read without an import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads

from socsci210.audit.study import StudyRows, assign_items
from socsci210.scales import parse_scale
from socsci210.schema import DEMOGRAPHIC


def study_rows(
    texts: Sequence[str],
    response: Sequence[int],
    *,
    condition: Sequence[int] | None = None,
    task: Sequence[int] | None = None,
    participant: Sequence[int] | None = None,
    personas: Sequence[Mapping[str, Any]] | None = None,
    study_id: str = "made1",
) -> StudyRows:
    """One study of n rows; without their own, rows are of condition 0, outcome 0 and one person each."""
    n = len(texts)
    people = np.arange(n) if participant is None else np.array(participant)
    distinct = sorted(set(people.tolist()))
    table = pa.table(
        {
            "participant": pa.array(distinct, pa.int64()),
            "demographic": pa.array(personas or [None] * len(distinct), DEMOGRAPHIC),
        }
    )
    numbers = {name: np.zeros(n, np.int64) if v is None else np.array(v, np.int64) for name, v in (("c", condition), ("t", task))}
    return of_columns(study_id, pa.array(texts).dictionary_encode(), np.array(response), numbers["c"], numbers["t"], people, table)


def of_columns(
    study: str, stimuli: pa.DictionaryArray, response: Any, condition: Any, task: Any, participant: Any, people: pa.Table
) -> StudyRows:
    """Rows from columns, with scales parsed and items assigned as an import does."""
    used, text = np.unique(stimuli.indices.to_numpy(), return_inverse=True)
    texts = tuple(stimuli.dictionary.take(pa.array(used)).to_pylist())
    scales = tuple(map(parse_scale, texts))
    low, high, step = (
        np.array([np.nan if scale.min is None else getattr(scale, name) for scale in scales], np.float64)[text]
        for name in ("min", "max", "step")
    )
    item = assign_items(condition, task, participant, text)
    code = text.astype(np.int32)
    return StudyRows(
        study, np.arange(len(response)), participant, condition, task, item, response, code, texts, scales, low, high, step, people
    )  # fmt: skip


def released_studies(folder: Path) -> Iterator[tuple[StudyRows, Any]]:
    """The studies of a folder in the upstream layout with their sample ids, ascending."""
    form = pads.ParquetFileFormat(dictionary_columns=["stimuli"])
    names = ["sample_id", "participant", "demographic", "stimuli", "response", "condition_num", "task_num", "study_id"]
    table = pads.dataset(str(folder / "data"), format=form).to_table(columns=names).unify_dictionaries()
    study_ids = np.array(table.column("study_id").to_pylist())
    for study in dict.fromkeys(study_ids.tolist()):
        own = table.take(np.flatnonzero(study_ids == study)).sort_by("sample_id").combine_chunks()
        participant = own.column("participant").to_numpy()
        first = np.unique(participant, return_index=True)[1]
        numbers = (own.column(name).to_numpy() for name in ("response", "condition_num", "task_num"))
        rows = of_columns(
            study, own.column("stimuli").chunk(0), *numbers, participant, own.select(["participant", "demographic"]).take(first)
        )
        yield rows, own.column("sample_id").to_numpy()
