"""The part of `extract` that runs in the isolated process: files and expressions in, codes out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from ..checksums import file_sha256
from ..crosswalks import demographic_columns
from ..dataset_folder import disk_errors
from ..errors import ExpressionError, GateError, ReadError, StudyFileError
from ..expressions import check, evaluate
from ..readers import Column, RawTable, read_data, read_document
from ..study_file import StudyFile
from ..study_yaml import did_you_mean
from .arms import DOUBLE, STAYS, assignments
from .deposit import TABLE, file_in
from .plan import Use, uses

Mask = npt.NDArray[np.bool_]
DUPLICATE = "duplicate_participant"
_SHOWN = 5  # row numbers named in a message


def read(payload: dict[str, Any]) -> dict[str, Any]:
    """Task of the child: writes `table.arrow` into the working folder and answers with everything else (see `Extract`)."""
    study = StudyFile.model_validate(yaml.load(payload["study"], Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    deposit, hashes = Path(payload["deposit"]), payload["hashes"]
    raw, documents, files = _read_files(study, deposit, hashes)
    wanted = uses(study)
    reads = _check_uses(study, wanted, raw)
    values = _evaluated(study, wanted, raw)
    left, dropped = _left(study, raw, values)
    kept = left == STAYS
    columns = dict.fromkeys(use.column for use in wanted if use.column is not None)
    columns |= dict.fromkeys(plan.column.name for plan in demographic_columns(study, raw.columns).values())
    _write(study, raw, list(columns), values, kept)
    return {
        "columns": [[name, _as_json(column)] for name, column in raw.columns.items()],
        "documents": documents,
        "header_texts": raw.header_texts,
        "files": files,
        "dropped": dropped,
        "assignment": assignments(study, raw, values, left, reads),
    }


def _read_files(study: StudyFile, deposit: Path, hashes: Mapping[str, str]) -> tuple[RawTable, dict[str, Any], list[Any]]:
    """The data file, the quoted documents as JSON, and name, size and hash of every file. Each hash is checked, read or not."""
    paths = {key: file_in(deposit, file.file, where=f"files.{key}") for key, file in study.files.items()}
    data = study.data
    raw = read_data(
        paths[data.file],
        sha256=hashes[data.file],
        member=data.member,
        sheet=data.sheet,
        encoding=data.encoding,
        second_header=data.second_header,
    )
    quoted = sorted({quote.doc for quote in study.quotes() if quote.doc is not None})
    documents = {key: read_document(paths[key], sha256=hashes[key]) for key in quoted}
    for key in sorted(set(paths) - {data.file, *quoted}):
        if (found := file_sha256(paths[key])) != hashes[key]:
            raise ReadError(
                f"its sha256 is {found}", where=str(paths[key]), expected=hashes[key], fix="use the file the study file was made for"
            )
    texts = {
        key: {"sha256": document.sha256, "blocks": [[block.id, block.text, block.kind] for block in document.blocks]}
        for key, document in documents.items()
    }
    return raw, texts, [[study.files[key].file, paths[key].stat().st_size, hashes[key]] for key in sorted(paths)]


# --- columns and expressions ---------------------------------------------------------------------------------------------------------


def _check_uses(study: StudyFile, wanted: list[Use], raw: RawTable) -> dict[Use, frozenset[str]]:
    """Every column is there, every expression is allowed, nothing that is written out reads the id of a person, and no condition, filter or
    fill reads an answer without saying so. Returns the columns that each use reads."""
    for where, name in (("data.participant", study.data.participant), ("data.weight", study.data.weight)):
        if name is not None:
            _must_have(raw, name, f"{study.id}: {where}")
    for name in study.data.missing:
        if name != "*":
            _must_have(raw, name, f"{study.id}: data.missing")
    reads = {use: _columns_read(study, use, raw) for use in wanted}
    for use, columns in reads.items():
        if use.role != "filter" and study.data.participant in columns:
            raise _identifies(study, use.where)
    if study.data.weight == study.data.participant:
        raise _identifies(study, "data.weight")
    answers = frozenset().union(*(columns for use, columns in reads.items() if use.role == "answer"))
    for use, columns in reads.items():
        if use.guarded and (read := sorted(columns & answers)):
            raise StudyFileError(
                f"it reads {', '.join(read)}, which holds answers",
                where=f"{study.id}: {use.where}",
                expected="conditions, filters and fills that do not depend on what people answered",
                fix="use another column, or say why under reads_outcome (asked_reads_outcome for `asked`)",
            )
    for field, plan in demographic_columns(study, raw.columns).items():
        if plan.column.name == study.data.participant:
            raise _identifies(study, f"demographics.{field}")
        if plan.column.name in answers:
            raise StudyFileError(
                f"column {plan.column.name} holds answers",
                where=f"{study.id}: demographics.{field}",
                expected="a persona that does not give the answer away",
                fix=f"set demographics.fields.{field} to null, or name another column",
            )
    return reads


def _identifies(study: StudyFile, where: str) -> StudyFileError:
    return StudyFileError(
        f"it reads {study.data.participant}, the column that identifies people",
        where=f"{study.id}: {where}",
        expected="an output without identifiers",
        fix="use another column, or correct data.participant",
    )


def _evaluated(study: StudyFile, wanted: list[Use], raw: RawTable) -> pa.Table:
    """The values of every expression, and the proof that those that decide who belongs where are true or false."""
    places: dict[str, str] = {}
    for use in wanted:
        if use.sql is not None:
            places.setdefault(use.sql, f"{study.id}: {use.where}")
    values = evaluate(raw.data, {f"sql:{sql}": sql for sql in places}, places={f"sql:{sql}": place for sql, place in places.items()})
    for use in wanted:
        if use.role == "filter" and use.sql is not None:
            _truth(values.column(f"sql:{use.sql}"), f"{study.id}: {use.where}")
    return values


def _columns_read(study: StudyFile, use: Use, raw: RawTable) -> frozenset[str]:
    where = f"{study.id}: {use.where}"
    if use.column is not None:
        _must_have(raw, use.column, where)
        return frozenset((use.column,))
    try:
        return check(use.sql or "", columns=raw.columns)
    except ExpressionError as error:
        place = f"{where}, {error.where}" if error.where else where
        raise ExpressionError(error.found, where=place, expected=error.expected, fix=error.fix) from None


def _must_have(raw: RawTable, name: str, where: str) -> None:
    if name not in raw.columns:
        raise StudyFileError(
            f"column {name!r} is not in {raw.path.name}",
            where=where,
            expected=f"one of its {len(raw.columns)} columns",
            fix=did_you_mean(name, raw.columns) or "correct the name (upper and lower case count)",
        )


# --- people --------------------------------------------------------------------------------------------------------------------------


def _left(study: StudyFile, raw: RawTable, values: pa.Table) -> tuple[npt.NDArray[np.int64], dict[str, int]]:
    """For every row the filter that left it out (the first that applies; STAYS, DOUBLE), and how many people left for which reason."""
    kept, dropped = _without_duplicates(study, raw)
    left = np.where(kept, STAYS, DOUBLE).astype(np.int64)
    for number, keep in enumerate(study.data.keep):
        column = raw.data.column(keep.column) if keep.column is not None else values.column(f"sql:{keep.sql}")
        gone = kept & ~_truth(column, f"{study.id}: data.keep[{number}]")
        dropped[keep.reason] = dropped.get(keep.reason, 0) + int(gone.sum())
        kept = kept & ~gone
        left[gone] = number
    if not kept.any():
        raise GateError(
            "no_people",
            f"the filters leave nobody of {len(kept)}: {dropped}",
            where=f"{study.id}: data.keep",
            expected="at least one person",
            fix="correct the filters",
        )
    return left, {reason: n for reason, n in dropped.items() if n}


def _truth(column: pa.ChunkedArray, where: str) -> Mask:
    try:
        return np.asarray(pc.fill_null(column.cast(pa.bool_()), False).to_numpy())
    except pa.ArrowException:
        raise StudyFileError(
            f"a {column.type} is neither true nor false",
            where=where,
            expected="a comparison, or a column of 0 and 1",
            fix="write it as sql, such as Q1 = 2",
        ) from None


def _without_duplicates(study: StudyFile, raw: RawTable) -> tuple[Mask, dict[str, int]]:
    """People whose id stands once; the others refused, left out or reduced to their first row. Ids are compared, never shown."""
    ids = _without_outer_space(raw.data.column(study.data.participant).combine_chunks())
    where = f"{raw.path}, column {study.data.participant}"
    if ids.null_count:
        rows = np.flatnonzero(ids.is_null().to_numpy(zero_copy_only=False)) + 1
        raise GateError(
            "participants",
            f"no participant id in {_rows(rows)}",
            where=where,
            expected="an id in every row",
            fix="name a column that is always filled as data.participant",
        )
    codes = ids.dictionary_encode().indices.to_numpy()
    times = np.bincount(codes)[codes]
    if not (times > 1).any():
        return np.ones(len(codes), np.bool_), {}
    _, first = np.unique(codes, return_index=True)
    again = times > 1
    ids_again = len(np.unique(codes[again]))
    if study.data.duplicates == "refuse":
        raise GateError(
            "participants",
            f"{ids_again} participant id{'s stand' if ids_again > 1 else ' stands'} in more than one row: "
            f"{_rows(np.flatnonzero(again) + 1)}",
            where=where,
            expected="one row per person",
            fix="say under data.duplicates whether to drop_all of their rows or keep_first, or name another column",
        )
    if study.data.duplicates == "keep_first":
        again[first] = False
    return ~again, {DUPLICATE: int(again.sum())}


def _without_outer_space(ids: pa.Array) -> pa.Array:
    """Text without the white space around it, so that `7 ` and `7` are one person; nothing but white space is no id."""
    if not pa.types.is_string(ids.type):
        return ids
    trimmed = pc.utf8_trim_whitespace(ids)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def _rows(numbers: npt.NDArray[np.integer[Any]]) -> str:
    shown = ", ".join(str(number) for number in numbers[:_SHOWN])
    return (
        f"row{'s' if len(numbers) > 1 else ''} {shown}{f' and {len(numbers) - _SHOWN} more' if len(numbers) > _SHOWN else ''} of the data"
    )


# --- what is sent back ---------------------------------------------------------------------------------------------------------------


def _write(study: StudyFile, raw: RawTable, columns: list[str], values: pa.Table, kept: Mask) -> None:
    table = {"row": pa.array(np.flatnonzero(kept) + 1, pa.int64())}
    mask = pa.array(kept)
    table["weight"] = _weights(study, raw).filter(mask)
    for name in columns:
        table[f"column:{name}"] = raw.data.column(name).filter(mask)
    for name in values.column_names:
        table[name] = values.column(name).filter(mask)
    whole = pa.table(table).combine_chunks()
    with disk_errors(Path.cwd()), pa.OSFile(TABLE, "wb") as sink, pa.ipc.new_file(sink, whole.schema) as writer:
        writer.write_table(whole)


def _weights(study: StudyFile, raw: RawTable) -> pa.ChunkedArray | pa.Array:
    if study.data.weight is None:
        return pa.nulls(raw.data.num_rows, pa.float64())
    try:
        return raw.data.column(study.data.weight).cast(pa.float64())
    except pa.ArrowException:
        raise StudyFileError(
            f"column {study.data.weight} holds text", where=f"{study.id}: data.weight", expected="numbers", fix="name the weight column"
        ) from None


def _as_json(column: Column) -> dict[str, Any]:
    return {
        "label": column.label,
        "value_labels": [[code, label] for code, label in column.value_labels.items()],
        "missing_values": list(column.missing_values),
        "missing_ranges": [list(pair) for pair in column.missing_ranges],
    }
