"""Writes what a dataset folder holds of every row: a folder per partition, in it a file per study or one of all studies."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from .dataset_folder import PARQUET, ROW_GROUP, STUDIES_KEY, TOGETHER

SMALL_GROUP: Final = 1 << 11
"""Studies with fewer rows in a partition share a row group of at least so many. A row group each would repeat its overhead thousands of
times; much larger ones would make reading one study read many others."""


class RowFiles:
    """The files of all partitions in a folder, complete at the end of the `with` block.

    Args:
        folder: `data` or `reasoning` of a dataset folder.
        together: whether the studies of a partition share one file, `<partition>/rows.parquet`. Otherwise each has its own,
            `<partition>/<study>.parquet`, whose bytes depend on nothing but its rows.
    """

    def __init__(self, folder: Path, *, together: bool) -> None:
        self._folder = folder
        self._together = together
        self._files: dict[str, _RowFile] = {}

    def add(self, partition: str, study: str, rows: pa.Table) -> None:
        """Add all rows that a study has in a partition.

        Studies come in the order of their ids, so that the bytes written depend on nothing else. Partitions may be filled by several
        threads at once, each by one.

        Args:
            partition: name of the partition.
            study: the study.
            rows: its rows by ascending sample_id, in the same columns and types in every call; strings may be dictionary-encoded.
        """
        if not self._together:
            own = _RowFile(self._folder / partition / f"{study}.parquet")
            own.add(study, rows)
            own.close()
            return
        if partition not in self._files:
            self._files[partition] = _RowFile(self._folder / partition / TOGETHER)
        self._files[partition].add(study, rows)

    def __enter__(self) -> RowFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with ExitStack() as stack:  # every file is closed, even where closing another one fails
            for file in self._files.values():
                stack.callback(file.abandon if kind else file.close)


class _RowFile:
    """One file as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[pa.Table] = []
        self._names: list[str] = []
        self._groups: list[list[str]] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, study: str, rows: pa.Table) -> None:
        # `datasets` reads whole files in batches of the size of the first row group, so that one may not be small.
        if self._groups and rows.num_rows >= SMALL_GROUP:
            self._flush()
        self._waiting.append(rows)
        self._names.append(study)
        if sum(table.num_rows for table in self._waiting) >= SMALL_GROUP:
            self._flush()
        else:  # a slice would keep the whole table of its study in memory until the file is written
            self._waiting[-1] = rows.take(pa.array(range(rows.num_rows)))

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting).combine_chunks()
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._path, table.schema, **PARQUET)
        self._writer.write_table(table, row_group_size=ROW_GROUP)
        self._groups += [self._names] * -(-table.num_rows // ROW_GROUP)
        self._waiting, self._names = [], []

    def close(self) -> None:
        """Write what waits, and the footer."""
        self._flush()
        if self._writer is not None:
            self._writer.add_key_value_metadata({STUDIES_KEY: json.dumps(self._groups)})
        self.abandon()

    def abandon(self) -> None:
        """Close the file as it is."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
