"""Leaving rows out of a loaded dataset, and taking the clean answers, the same way in memory and streaming."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Person = tuple[str, int]
"""(study_id, participant): numbers restart per study."""


def people_of(table: pa.Table) -> set[Person]:
    """Everyone with a row in a table that has study_id and participant."""
    distinct = table.select(["study_id", "participant"]).group_by(["study_id", "participant"]).aggregate([])
    return set(zip(distinct["study_id"].to_pylist(), distinct["participant"].to_pylist(), strict=True))


def with_clean_response(part: Any) -> Any:
    """The dataset with `response` taken from `response_clean` wherever that is not null; `Keep(clean=True)` leaves the other rows out."""
    if not hasattr(part, "select"):
        return part.with_format("arrow").map(_clean_response, batched=True, features=part.features).with_format(None)
    # One new column beside the mapped file: rewriting the rows would cost many times the loading.
    answers = _clean_response(part.data.table.select(["response", "response_clean"]))["response"].to_numpy()
    names = part.column_names
    return part.remove_columns("response").add_column("response", answers, feature=part.features["response"]).select_columns(names)


def _clean_response(table: pa.Table) -> pa.Table:
    place = table.column_names.index("response")
    return table.set_column(place, "response", pc.coalesce(table["response_clean"], table["response"]))


@dataclass(frozen=True)
class Keep:
    """Which rows stay; None keeps all. `clean`: those that have an answer in the clean view."""

    studies: Collection[str] | None = None
    without_studies: Collection[str] | None = None
    clean: bool = False
    people: Collection[Person] | None = None
    without_people: Collection[Person] | None = None

    @cached_property
    def _columns(self) -> list[str]:
        by_study = self.studies is not None or self.without_studies is not None
        by_person = self.people is not None or self.without_people is not None
        names = {"study_id": by_study or by_person, "participant": by_person, "response_clean": self.clean}
        return [name for name, needed in names.items() if needed]

    def apply(self, part: Any) -> Any:
        """The rows of a Dataset or IterableDataset that stay, in their order."""
        if not self._columns:
            return part
        if hasattr(part, "select"):
            columns = part.select_columns(self._columns).with_format("arrow")
            mask = [self.mask(batch) for batch in columns.iter(batch_size=1 << 18)]
            return part.select(np.flatnonzero(np.concatenate([np.empty(0, np.bool_), *mask])))
        return part.with_format("arrow").filter(self.mask, batched=True).with_format(None)

    def mask(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Which rows of a table stay."""
        stay = np.ones(len(table), np.bool_)
        if self.studies is not None:
            stay &= _among(table, self.studies)
        if self.without_studies is not None:
            stay &= ~_among(table, self.without_studies)
        if self.clean:
            stay &= pc.is_valid(table["response_clean"]).to_numpy()
        if self.people is not None:
            stay &= _people_among(table, self.people)
        if self.without_people is not None:
            stay &= ~_people_among(table, self.without_people)
        return stay


def _among(table: pa.Table, studies: Collection[str]) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = pc.is_in(table["study_id"], pa.array(sorted(studies), table.schema.field("study_id").type)).to_numpy()
    return found


def _people_among(table: pa.Table, people: Collection[Person]) -> npt.NDArray[np.bool_]:
    names = {study: i for i, study in enumerate(sorted({study for study, _ in people}))}
    wanted = np.fromiter((names[study] << 40 | person for study, person in people), np.int64, len(people))
    place = pc.fill_null(pc.index_in(table["study_id"], pa.array(list(names), table.schema.field("study_id").type)), -1).to_numpy()
    return np.isin(place.astype(np.int64) << 40 | table["participant"].to_numpy(), wanted)
