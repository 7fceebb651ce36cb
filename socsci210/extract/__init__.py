"""Everything of one study that needs its deposit, read in one isolated process.

The parent sends the study file; the child checks every hash, reads the data file and the quoted documents, evaluates all expressions,
leaves out people the study file does not keep, and sends back codes. What the codes mean is worked out by `build`, which never opens a
deposit itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from ..child import run_child
from ..readers import Block, Column, Document
from ..study_file import StudyFile
from .arms import Assignment, Group, from_json
from .deposit import TABLE, deposit_folder, file_in, hashes
from .plan import column_of, fills_of, items_of, where_of

__all__ = [
    "Assignment",
    "Extract",
    "Group",
    "assembled",
    "column_of",
    "deposit_folder",
    "extract",
    "file_in",
    "fills_of",
    "hashes",
    "items_of",
    "request",
    "where_of",
]

_SECONDS = 300.0


@dataclass(frozen=True)
class Extract:
    """What a deposit holds of one study.

    Args:
        table: one row per person kept, in the order of the data file: `row` (place in the file, from 1), `weight` (null without one),
            `column:NAME` (codes as stored) and `sql:EXPRESSION` (values).
        columns: labels and declared missing values of every column of the data file.
        documents: the documents quoted, by their key in `files`.
        header_texts: cells of a second header row, by column.
        files: (name, bytes, sha256) of every file of the study.
        dropped: people left out, by reason.
        assignment: how the source dealt people to arms, before any filter.
    """

    table: pa.Table
    columns: dict[str, Column]
    documents: dict[str, Document]
    header_texts: dict[str, str]
    files: tuple[tuple[str, int, str], ...]
    dropped: dict[str, int]
    assignment: tuple[Assignment, ...] = ()

    @property
    def n_people(self) -> int:
        """People kept."""
        return int(self.table.num_rows)

    def codes(self, column: str) -> pa.Array:
        """The stored codes of a column, one per person."""
        return _whole(self.table.column(f"column:{column}"))

    def values(self, sql: str) -> pa.Array:
        """The values of an expression, one per person."""
        return _whole(self.table.column(f"sql:{sql}"))

    def mask(self, sql: str) -> npt.NDArray[np.bool_]:
        """Where an expression is true (null counts as false)."""
        return np.asarray(pc.fill_null(self.values(sql).cast(pa.bool_()), False).to_numpy(zero_copy_only=False))

    def row_numbers(self) -> npt.NDArray[np.int64]:
        """Place of every person in the data file, from 1 for the first row of data."""
        return np.asarray(self.table.column("row").to_numpy())


def extract(study: StudyFile, deposit: Path, *, scratch: Path | None = None) -> Extract:
    """Read one study's deposit in an isolated process.

    Args:
        study: the study file.
        deposit: the folder that holds its files.
        scratch: the folder for the table on its way between the processes; default the system's.

    Raises:
        ReadError: a file is missing, damaged, or not the one the study file names.
        StudyFileError: a column, block or expression of the study file does not fit the deposit.
        GateError: a person stands in the data file twice, or the filters leave nobody.
    """
    with TemporaryDirectory(dir=scratch, prefix="extract-") as folder:
        answer = run_child("socsci210.extract.read:read", request(study, deposit), out=Path(folder), seconds=_SECONDS)
        with pa.OSFile(f"{folder}/{TABLE}") as source:
            table = pa.ipc.open_file(source).read_all()
    return assembled(study, deposit, answer, table)


def request(study: StudyFile, deposit: Path) -> dict[str, Any]:
    """What `extract.read.read` is asked, in the isolated process.

    Raises:
        ReadError: a simulated deposit has no manifest, or one that lacks a file.
    """
    deposit = deposit.resolve()
    return {"study": _as_yaml(study), "deposit": str(deposit), "hashes": hashes(study, deposit)}


def assembled(study: StudyFile, deposit: Path, answer: Mapping[str, Any], table: pa.Table) -> Extract:
    """What `extract.read.read` answered, with the table that it wrote."""
    return Extract(
        table=table,
        columns={name: _column(name, found) for name, found in answer["columns"]},
        documents={key: _document(deposit / study.files[key].file, found) for key, found in answer["documents"].items()},
        header_texts=answer["header_texts"],
        files=tuple((name, size, digest) for name, size, digest in answer["files"]),
        dropped=answer["dropped"],
        assignment=tuple(from_json(found) for found in answer["assignment"]),
    )


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return (
        column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    )


def _as_yaml(study: StudyFile) -> str:
    """The study file as text. Not JSON, whose keys are always text: 1 and "1" are different codes."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the C one is some ten times faster
    text: str = yaml.dump(_plain(study.model_dump(exclude_unset=True)), Dumper=dumper, allow_unicode=True, sort_keys=False)
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(child) for key, child in value.items()}
    return [_plain(child) for child in value] if isinstance(value, list | tuple) else value


def _column(name: str, found: dict[str, Any]) -> Column:
    return Column(
        name=name,
        label=found["label"],
        value_labels=dict(found["value_labels"]),
        missing_values=tuple(found["missing_values"]),
        missing_ranges=tuple((low, high) for low, high in found["missing_ranges"]),
    )


def _document(path: Path, found: dict[str, Any]) -> Document:
    return Document(path=path, sha256=found["sha256"], blocks=tuple(Block(id=i, text=text, kind=kind) for i, text, kind in found["blocks"]))
