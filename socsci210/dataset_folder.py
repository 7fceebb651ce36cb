"""A dataset folder: where its files lie, and how they are read back. `row_files.py` writes the files of the rows.

`data/<partition>/` holds the rows, `<table>/<table>.parquet` the small tables, `dataset.json` the fingerprint; a release imported
with its rationales has them in `reasoning/<partition>/`, for training rows only. A partition is named after the side on which its rows
stand in each of the four split configurations, so that every configuration is a glob over the same files and no row is stored twice.

Of a built dataset, every study has a file of its own in each partition, `<study>.parquet`: a study that is added or built again leaves the
files of the others as they are, so that a Hub that has them is sent no byte of them. The studies of a release never change, so they share
`rows.parquet`: some eighty files. One per study would be thousands, which costs seconds whenever `datasets` resolves them, a request each
on a Hub, and a footer each on disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from .checksums import file_sha256
from .errors import DatasetError
from .schema import ROWS, SPLIT_CONFIGS, SPLITS, TABLES

FORMAT: Final = 3
SIDES: Final = (*SPLITS, "none")
MANIFEST: Final = "dataset.json"
TOGETHER: Final = "rows.parquet"
"""The file of a partition that several studies share."""
ROW_GROUP: Final = 1 << 17
"""Rows of the largest row group."""
PARQUET: Final[dict[str, Any]] = {"compression": "zstd", "store_schema": False}
"""How every file is written: zstd, dictionaries for what repeats, no Arrow schema, nothing that changes between runs."""
STUDIES_KEY: Final = b"socsci210.studies"
"""In the metadata of a row file: the studies of each of its row groups, as JSON."""
_REBUILD: Final = "Build or import the dataset again: socsci210 build ... --out FOLDER"


def partition_name(sides: Mapping[str, str]) -> str:
    """`studies-train.conditions-test.outcomes-none.participants-train` for the side of each split configuration."""
    return ".".join(f"{_short(config)}-{sides[config]}" for config in SPLIT_CONFIGS)


def partition_sides(name: str) -> dict[str, str]:
    """The side of each split configuration, from the name of a partition.

    Raises:
        DatasetError: the name is not one of a partition.
    """
    sides = dict(part.rpartition("-")[::2] for part in name.split("."))
    if list(sides) != [_short(config) for config in SPLIT_CONFIGS] or not set(sides.values()) <= set(SIDES):
        raise DatasetError(f"{name!r} is not the name of a partition", where="data/", fix=_REBUILD)
    return {config: sides[_short(config)] for config in SPLIT_CONFIGS}


def split_glob(config: str, split: str) -> str:
    """The files of one split of one configuration, relative to the folder."""
    if config == "all":
        return "data/*/*.parquet"
    parts = [f"{_short(name)}-{split if name == config else '*'}" for name in SPLIT_CONFIGS]
    return f"data/{'.'.join(parts)}/*.parquet"


def reasoning_glob(config: str) -> str:
    """The rationales of the training rows of a split configuration, relative to the folder."""
    return "reasoning" + split_glob(config, "train").removeprefix("data")


def table_file(name: str) -> str:
    """Where a small table lies, relative to the folder."""
    return f"{name}/{name}.parquet"


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a small table of a dataset folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=ROW_GROUP, **PARQUET)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a failed write into a message for a person. What was half-written is in a folder that nobody reads."""
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"writing failed ({error.strerror or error})",
            where=str(folder),
            expected="enough free space and the right to write there",
            fix="free some space or choose another folder, and run the same command again",
        ) from error


def fingerprint(folder: Path) -> str:
    """sha256 over the sorted (relative path, sha256) of every parquet file: equal for equal data, whatever the machine or the time."""
    digest = hashlib.sha256()
    for relative in sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")):
        digest.update(f"{relative}\0{file_sha256(folder / relative)}\n".encode())
    return digest.hexdigest()


class DatasetFolder:
    """A complete dataset folder, for reading.

    Args:
        path: the folder.

    Raises:
        DatasetError: there is no dataset at `path`, or one of another format.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        manifest = self.path / MANIFEST
        if not manifest.is_file():
            there = f"no {MANIFEST} in it" if self.path.is_dir() else f"no such folder, so no {MANIFEST} in it"
            raise DatasetError(there, where=str(self.path), expected="a complete dataset folder", fix=f"correct the path. {_REBUILD}")
        try:
            self.manifest: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DatasetError(f"not valid JSON ({error})", where=str(manifest), fix=_REBUILD) from error
        if self.manifest.get("format") != FORMAT:
            found = f"format {self.manifest.get('format')!r}, of another version of socsci210"
            raise DatasetError(found, where=str(manifest), expected=f"format {FORMAT}", fix=_REBUILD)

    @property
    def fingerprint(self) -> str:
        """The fingerprint noted when the folder was written."""
        return str(self.manifest["fingerprint"])

    def check(self) -> None:
        """Compare the files with the noted fingerprint.

        Raises:
            DatasetError: a parquet file was changed, added or removed since.
        """
        found = fingerprint(self.path)
        if found != self.fingerprint:
            raise DatasetError(
                f"the parquet files have fingerprint {found}", where=str(self.path), expected=f"{self.fingerprint}, as noted", fix=_REBUILD
            )

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """One of the small tables, in the schema of `schema.TABLES`. A table without rows (attributes) has no file and reads as empty.

        Raises:
            DatasetError: no table has this name, or its file does not read.
        """
        if name not in TABLES:
            raise DatasetError(f"no table is called {name!r}", where=str(self.path), expected=f"one of {', '.join(TABLES)}")
        path = self.path / table_file(name)
        if not path.is_file() and name == "attributes":
            return TABLES[name].empty_table().select(columns or TABLES[name].names)
        try:
            table = pq.read_table(path, columns=None if columns is None else list(columns))
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"does not read ({error})", where=str(path), fix=_REBUILD) from error
        return table.cast(pa.schema([TABLES[name].field(column) for column in table.column_names]))

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        return tuple(sorted((self.path / "data").glob("*/*.parquet")))

    @cached_property
    def _studies_of_groups(self) -> dict[Path, list[list[str]]]:
        """Row file -> studies of each of its row groups."""
        return {path: _studies_of_groups(path) for path in self._files}

    @property
    def studies(self) -> tuple[str, ...]:
        """The studies that have rows, in order of their ids."""
        return tuple(sorted({name for groups in self._studies_of_groups.values() for names in groups for name in names}))

    def files(self, config: str = "all", split: str | None = None) -> list[Path]:
        """The row files of a split (of all three splits together, without `split`), in a fixed order.

        Raises:
            DatasetError: unknown config or split.
        """
        if config not in ("all", *SPLIT_CONFIGS):
            raise DatasetError(f"no config is called {config!r}", where=str(self.path), expected=f"all, {', '.join(SPLIT_CONFIGS)}")
        allowed = ("train",) if config == "all" else SPLITS
        if split is not None and split not in allowed:
            raise DatasetError(f"config {config!r} has no split {split!r}", where=str(self.path), expected=f"one of {', '.join(allowed)}")
        sides = allowed if split is None else (split,)
        return [path for path in self._files if config == "all" or partition_sides(path.parent.name)[config] in sides]

    def rows(
        self, config: str = "all", split: str | None = None, columns: Sequence[str] | None = None, studies: Iterable[str] | None = None
    ) -> pa.Table:
        """Rows of the row table (schema.ROWS; `stimuli` and `study_id` dictionary-encoded), ordered by partition, study and sample_id.

        Args:
            config: `all` or a split configuration.
            split: train, validation or test; without it, all rows that stand on any side.
            columns: the columns to read, default all.
            studies: ids of the studies to read, default all. Only the row groups that hold some of them are read.

        Raises:
            DatasetError: unknown config, split, study or column, or a file that does not read.
        """
        files = self.files(config, split)
        schema = pa.schema([_as_read(field) for field in ROWS])
        names = list(ROWS.names if columns is None else columns)
        if unknown := [name for name in names if name not in schema.names]:
            raise DatasetError(f"no column {', '.join(unknown)}", where=str(self.path), expected=f"some of {', '.join(ROWS.names)}")
        wanted = pa.schema([schema.field(name) for name in names])
        among = None if studies is None else set(studies)
        if among is not None and (missing := sorted(among - set(self.studies))):
            raise DatasetError(f"no rows of {', '.join(missing)}", where=str(self.path), expected="studies of config `studies`")
        form, local = pads.ParquetFileFormat(dictionary_columns=["stimuli", "study_id"]), LocalFileSystem()
        parts = [form.make_fragment(str(path), local, row_groups=groups) for path, groups in self._groups(files, among) if groups]
        keep = None if among is None else pads.field("study_id").isin(pa.array(sorted(among), pa.string()))
        try:
            return pads.FileSystemDataset(parts, schema, form, local).to_table(columns=names, filter=keep).cast(wanted)
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"the rows do not read ({error})", where=str(self.path), fix=_REBUILD) from error

    def _groups(self, files: Iterable[Path], among: set[str] | None) -> Iterator[tuple[Path, list[int]]]:
        """The row groups of each file that hold rows of some of the studies."""
        for path in files:
            of_groups = self._studies_of_groups[path]
            yield path, [place for place, names in enumerate(of_groups) if among is None or not among.isdisjoint(names)]


def _studies_of_groups(path: Path) -> list[list[str]]:
    try:
        found: list[list[str]] = json.loads((pq.read_metadata(path).metadata or {})[STUDIES_KEY])
    except (OSError, pa.ArrowException, KeyError) as error:
        raise DatasetError(f"does not read as a file of rows ({error})", where=str(path), fix=_REBUILD) from error
    return found


def _short(config: str) -> str:
    return config.removeprefix("unseen_")


def _as_read(field: pa.Field) -> pa.Field:
    return field.with_type(pa.dictionary(pa.int32(), pa.string())) if field.name in ("stimuli", "study_id") else field
