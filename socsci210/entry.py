"""One finished study on its way into a dataset folder: its tables, kept as Arrow files in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa

from .errors import DatasetError
from .schema import TABLES

CORE: Final = "rows"
"""The row table of an entry: schema.ROWS without what can be looked up (persona and weight of a person, name of the study)."""
RATIONALES: Final = "rationales"
"""A further table of an entry, only where it was asked for: `sample_id` and `reasoning` of every row, in their order."""
ENTRY_TABLES: Final = (CORE, *(name for name in TABLES if name != "assignments"))


@dataclass(frozen=True)
class Entry:
    """One finished study: its id, and the folder of its tables (`ENTRY_TABLES`).

    Rows stand in the order in which they are to be written. Two of their columns are optional: `sample_id` (without it, the place of the
    row) and `persona`, the place of the row's persona in a further table `personas` (without it, the row has the demographic of its
    participant).
    """

    study: str
    folder: Path
    small: Mapping[str, pa.Table] = field(default_factory=dict)
    """Tables that are kept in memory instead."""

    def has(self, name: str) -> bool:
        """Whether it has a table, of those that an entry may lack."""
        return (self.folder / f"{name}.arrow").is_file()

    def table(self, name: str) -> pa.Table:
        """One of its tables; those of the folder are mapped from disk, not read into memory."""
        return self.small[name] if name in self.small else load_table(self.folder, name)


def save_tables(folder: Path, tables: Mapping[str, pa.Table]) -> None:
    """Write tables into a folder, one file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        with pa.OSFile(str(folder / f"{name}.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)


def load_table(folder: Path, name: str) -> pa.Table:
    """One table of a folder, mapped from disk, not read into memory.

    Raises:
        DatasetError: it is not there or damaged.
    """
    path = folder / f"{name}.arrow"
    try:
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_file(source).read_all()
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(
            f"what was kept of a study does not read ({error})",
            where=str(path),
            expected="a table as it was written",
            fix="run the same command again: a damaged entry is made again",
        ) from None
