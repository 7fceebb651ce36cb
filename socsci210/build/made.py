"""What the gates look at: a study, with everything that was made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from ..extract import Extract, items_of
from ..study_file import StudyFile
from .rows import Rows
from .wording import Asked


@dataclass(frozen=True)
class Made:
    """Everything that was made of one study."""

    study: StudyFile
    deposit: Extract
    rows: Rows
    tables: Mapping[str, pa.Table]

    def where(self, part: str) -> str:
        """A place in the study file, for messages."""
        return f"{self.study.id}: {part}"

    def questions(self) -> Iterator[tuple[str, Asked]]:
        """Every question, with its place."""
        for (condition, task, item), asked in self.rows.cells.items():
            outcome = self.study.outcomes[task]
            of_item = f", item {items_of(outcome)[item].id}" if outcome.items else ""
            yield self.where(f"outcome {outcome.id}{of_item} in condition {self.study.conditions[condition].id}"), asked
