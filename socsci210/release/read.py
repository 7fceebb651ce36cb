"""Reads the shards of a release study by study, in bounded memory, whatever the order of the rows and the shards.

Only the columns that a dataset keeps are read, as codes into the distinct texts; `prompt` is never read, `reasoning` only when asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..dataset_folder import disk_errors
from ..demographics import INTEGER_FIELDS
from ..entry import load_table, save_tables
from ..errors import DatasetError
from ..schema import DEMOGRAPHIC
from .source import Source

Numbers = npt.NDArray[np.signedinteger[Any]]

NUMBERS: Final = ("sample_id", "participant", "response", "condition_num", "task_num")
FIELDS: Final = tuple(field.name for field in DEMOGRAPHIC)
_KEPT: Final = (*NUMBERS, "demographic", "stimuli", "study_id")
_CODED: Final = ("stimuli", "study_id")
_CODED_FIELDS: Final = tuple(f"demographic.{name}" for name in FIELDS if name not in INTEGER_FIELDS)
_CODES: Final = pa.dictionary(pa.int32(), pa.string())
_BATCH: Final = 1 << 17  # rows that are taken apart together
_HELD: Final = 256 << 20  # bytes of studies that are not complete yet; beyond, they go to disk


@dataclass(frozen=True)
class Part:
    """Some rows of one study, in the order of the release.

    Args:
        rows: NUMBERS, `stimuli` as codes, and `persona`: the place of the row's persona in `people`.
        people: FIELDS; a new entry wherever the person or one of the fields changes from one row to the next.
        rationales: `sample_id` and `reasoning`, where asked for.
    """

    rows: pa.Table
    people: pa.Table
    rationales: pa.Table | None
    on_disk: bool = False

    @property
    def tables(self) -> dict[str, pa.Table]:
        """Its tables by name."""
        named = {"rows": self.rows, "people": self.people, "rationales": self.rationales}
        return {name: table for name, table in named.items() if table is not None}


def rows_per_study(source: Source) -> dict[str, int]:
    """Study -> rows, over all shards; only the column of study ids is read.

    Raises:
        DatasetError: a shard does not read, or a row has no study.
    """
    found: dict[str, int] = {}
    for shard in source.shards:
        for group, table in _row_groups(shard, ["study_id"]):
            codes = _codes(_full(table, "study_id", f"{shard}, row group {group}"))
            counts = np.bincount(codes.indices.to_numpy(), minlength=len(codes.dictionary))
            for study, n in zip(codes.dictionary.to_pylist(), counts.tolist(), strict=True):
                if n:
                    found[study] = found.get(study, 0) + n
    return found


def read_studies(source: Source, rows: dict[str, int], scratch: Path, *, with_reasoning: bool = False) -> Iterator[tuple[str, list[Part]]]:
    """Every study with its rows, as soon as all of them were read.

    Args:
        source: the release.
        rows: study -> how many rows it has (`rows_per_study`).
        scratch: folder for the rows of studies that are not complete, once these take much memory.
        with_reasoning: read the rationales too.

    Raises:
        DatasetError: a shard does not read, a value is missing where none may be, or the disk is full.
    """
    holding = _Holding(scratch)
    for batch in _batches(source, with_reasoning):
        for study, part in _by_study(batch):
            parts = holding.add(study, part)
            if sum(part.rows.num_rows for part in parts) == rows[study]:
                yield study, holding.release(study)
        holding.spill()


class _Holding:
    """The parts of studies that are not complete yet."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._parts: dict[str, list[Part]] = {}
        self._bytes = 0  # in memory
        self._files = 0

    def add(self, study: str, part: Part) -> list[Part]:
        self._bytes += _size(part)
        self._parts.setdefault(study, []).append(part)
        return self._parts[study]

    def release(self, study: str) -> list[Part]:
        parts = self._parts.pop(study)
        self._bytes -= sum(map(_size, parts))
        return parts

    def spill(self) -> None:
        """Write everything to disk if it takes too much memory, and map it from there."""
        if self._bytes <= _HELD:
            return
        with disk_errors(self._scratch):
            for study, parts in self._parts.items():
                self._parts[study] = [self._written(part) for part in parts]
        self._bytes = sum(_size(part) for parts in self._parts.values() for part in parts)

    def _written(self, part: Part) -> Part:
        if part.on_disk:
            return part
        folder = self._scratch / str(self._files)
        self._files += 1
        save_tables(folder, part.tables)
        mapped = {name: load_table(folder, name) for name in part.tables}
        return Part(mapped["rows"], mapped["people"], mapped.get("rationales"), on_disk=True)


def _size(part: Part) -> int:
    """Bytes in memory."""
    return 0 if part.on_disk else sum(table.nbytes for table in part.tables.values())


# --- row groups ----------------------------------------------------------------------------------------------------------------------


def _batches(source: Source, with_reasoning: bool) -> Iterator[pa.Table]:
    """All rows in the order of the shards, flat, in tables of about _BATCH rows."""
    pending: list[pa.Table] = []
    for shard in source.shards:
        for group, table in _row_groups(shard, [*_KEPT, *(["reasoning"] if with_reasoning else [])]):
            pending.append(_flat(table, shard, group))
            if sum(part.num_rows for part in pending) >= _BATCH:
                yield _joined(pending)
                pending = []
    if pending:
        yield _joined(pending)


def _joined(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _row_groups(shard: Path, columns: list[str]) -> Iterator[tuple[int, pa.Table]]:
    """The row groups of a shard. One at a time: only so are the fields of `demographic` read as codes."""
    try:
        with pq.ParquetFile(shard, read_dictionary=[*_CODED, *_CODED_FIELDS]) as file:
            for group in range(file.num_row_groups):
                yield group, _row_group(file, shard, group, columns)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(
            f"it does not read to its end ({error})",
            where=str(shard),
            expected="a complete shard",
            fix="delete the file and download it again",
        ) from error


def _row_group(file: pq.ParquetFile, shard: Path, group: int, columns: list[str]) -> pa.Table:
    try:
        return file.read_row_group(group, columns=columns)
    except pa.ArrowNotImplementedError:  # a field whose codes do not fit in one piece
        with pq.ParquetFile(shard) as plain:
            return plain.read_row_group(group, columns=columns)


def _flat(table: pa.Table, shard: Path, group: int) -> pa.Table:
    """A row group with one column per demographic field and codes for what repeats."""
    where = f"{shard}, row group {group}"
    columns = {name: _full(table, name, where) for name in NUMBERS}
    columns |= {name: _codes(_full(table, name, where)) for name in _CODED}
    demographic = _one(table.column("demographic"))
    fields = dict(zip((field.name for field in demographic.type), demographic.flatten(), strict=True))
    for field in DEMOGRAPHIC:
        columns[field.name] = fields[field.name].cast(field.type) if field.name in INTEGER_FIELDS else _codes(fields[field.name])
    if "reasoning" in table.column_names:
        columns["reasoning"] = _one(table.column("reasoning")).cast(pa.string())
    return pa.table(columns)


def _full(table: pa.Table, name: str, where: str) -> pa.Array:
    """A column in which no value may be missing."""
    found = _one(table.column(name))
    if found.null_count:
        first = int(np.flatnonzero(found.is_null().to_numpy(zero_copy_only=False))[0])
        raise DatasetError(
            f"{found.null_count:,} rows without {name}, the first is row {first} of the group",
            where=where,
            expected="a value in every row",
            fix="delete the file and download it again",
        )
    return found


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.unify_dictionaries().combine_chunks()


def _codes(texts: pa.Array) -> pa.DictionaryArray:
    """Texts in whatever form as 32-bit codes into distinct strings."""
    if pa.types.is_null(texts.type):
        texts = texts.cast(pa.string())
    coded = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
    return coded if coded.type == _CODES else coded.cast(_CODES)


# --- taking a batch apart ------------------------------------------------------------------------------------------------------------


def _by_study(batch: pa.Table) -> Iterator[tuple[str, Part]]:
    """The rows of each study of a batch; within a study they keep their order."""
    codes = indices(batch, "study_id")
    if (np.diff(codes) < 0).any():
        order = np.argsort(codes, kind="stable")
        batch, codes = batch.take(pa.array(order)).combine_chunks(), codes[order]
    names = _one(batch.column("study_id")).dictionary
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    new = _new_person(batch, codes)
    persona = np.cumsum(new) - 1
    heads = np.flatnonzero(new)
    people = batch.select(FIELDS).take(pa.array(heads)).combine_chunks()
    text, texts = indices(batch, "stimuli"), _one(batch.column("stimuli")).dictionary
    for start, end in zip(starts, [*starts[1:], len(codes)], strict=True):
        rows = {name: batch.column(name).slice(start, end - start) for name in NUMBERS}
        rows["stimuli"] = compact(text[start:end], texts)
        first, last = persona[start], persona[end - 1] + 1
        rows["persona"] = pa.array((persona[start:end] - first).astype(np.int32))
        rationales = batch.select(["sample_id", "reasoning"]).slice(start, end - start) if "reasoning" in batch.column_names else None
        yield names[int(codes[start])].as_py(), Part(pa.table(rows), people.slice(first, last - first), rationales)


def _new_person(batch: pa.Table, study: Numbers) -> npt.NDArray[np.bool_]:
    """Where study, participant or a demographic field is another than in the row before."""
    new = np.ones(len(study), np.bool_)
    if not len(study):
        return new
    differs = np.diff(study) != 0
    for name in ("participant", *FIELDS):
        differs |= np.diff(indices(batch, name)) != 0
    new[1:] = differs
    return new


def indices(table: pa.Table, name: str) -> Numbers:
    """A column as numbers: codes where it holds codes; a number that does not occur where it has no value."""
    column = _one(table.column(name))
    numbers = column.indices if pa.types.is_dictionary(column.type) else column
    found: Numbers = pc.fill_null(numbers, -1).to_numpy(zero_copy_only=False)
    return found


def compact(code: Numbers, texts: pa.Array) -> pa.DictionaryArray:
    """Codes into distinct texts, with a dictionary that holds no others, in the order of first appearance."""
    dense, used = pd.factorize(code)
    return pa.DictionaryArray.from_arrays(pa.array(dense.astype(np.int32)), texts.take(pa.array(used)))
