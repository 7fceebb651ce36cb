"""Read prediction files and refuse whatever cannot be scored: nothing is dropped, repaired or filled in silently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from ..errors import DatasetError
from ..metrics.socsci210.cells import Answers, Floats, Ints
from ..predict.shards import read_metadata
from ..schema import MAX_ENUMERATED

TOLERANCE: Final = 1e-6  # of a sum of probabilities
_SHOWN: Final = 3
_AGAIN: Final = "run socsci210 predict again"
# Files that agree on these are shards of one run and are scored together.
_SAME_RUN: Final = ("config", "split", "engine", "model", "revision", "template", "template_hash", "seed", "per_cell")


class Metadata(BaseModel):
    """What a prediction file says of itself; keys that scoring does not need are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    config: str
    split: str
    engine: str
    dataset_fingerprint: str
    rows_expected: int
    complete: bool
    model: str | None = None
    revision: str | None = None
    template: str | None = None
    template_hash: str | None = None
    seed: int | None = None
    per_cell: int | None = Field(default=None, validation_alias=AliasChoices("per_cell", "limit_cell"))
    training: dict[str, Any] | None = None


@dataclass(frozen=True)
class PredictionFiles:
    """The files of one run, unread: what they say of themselves and where they lie."""

    metadata: Metadata
    paths: tuple[Path, ...]

    @property
    def where(self) -> str:
        """For messages."""
        return ", ".join(map(str, self.paths[:_SHOWN])) + (f" and {len(self.paths) - _SHOWN} more" if len(self.paths) > _SHOWN else "")


@dataclass(frozen=True)
class Scale:
    """The scale of each row of a split; nan bounds where it has none. All arrays have shape (rows,)."""

    low: Floats
    high: Floats
    step: Floats

    @property
    def size(self) -> Ints:
        """Number of allowed answers; 0 without bounds."""
        span = np.where(np.isfinite(self.low), (self.high - self.low) / self.step + 1, 0.0)
        return np.asarray(np.rint(span), np.int64)


@dataclass(frozen=True)
class Predictions:
    """Checked predictions of one run.

    Attributes:
        row: index of each predicted row in the split's rows, ascending.
        answers: their distributions or points, values ascending.
        kind: whether they are distributions or draws.
        mass: probability on allowed answers before normalising; None where the file has none.
        unparsed: index of the rows whose draw could not be read as an answer (they are not in `row`).
    """

    files: PredictionFiles
    row: Ints
    answers: Answers
    kind: Literal["distributions", "draws"]
    mass: Floats | None
    unparsed: Ints


def group_files(paths: Sequence[Path], fingerprint: str) -> list[PredictionFiles]:
    """Files by the run they belong to, in the order given.

    Raises:
        DatasetError: none given, one given twice, one that is unfinished or was made for another dataset.
    """
    if not paths:
        raise DatasetError("no prediction file given", fix="name at least one predictions.parquet")
    if len({Path(path).resolve() for path in paths}) != len(paths):
        raise DatasetError("a prediction file is given twice", where=", ".join(map(str, paths)), fix="name each file once")
    groups: dict[tuple[str, ...], list[tuple[Path, Metadata]]] = {}
    for path in map(Path, paths):
        metadata = _metadata(path)
        if metadata.dataset_fingerprint != fingerprint:
            raise DatasetError(
                f"predictions for the dataset with fingerprint {metadata.dataset_fingerprint}",
                where=str(path), expected=fingerprint, fix="name the dataset that was predicted, or predict this one",
            )  # fmt: skip
        if not metadata.complete:
            raise DatasetError(
                "an unfinished run (metadata `complete` is not true)",
                where=str(path), expected="a finished file", fix=f"{_AGAIN}: it resumes",
            )  # fmt: skip
        groups.setdefault(tuple(repr(getattr(metadata, key)) for key in _SAME_RUN), []).append((path, metadata))
    return [_one_run(files) for files in groups.values()]


def _metadata(path: Path) -> Metadata:
    try:
        return Metadata.model_validate(read_metadata(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{path}, metadata key {'.'.join(map(str, first['loc']))}"
        raise DatasetError(
            first["msg"], where=where, expected=f"what socsci210 predict writes: {', '.join(Metadata.model_fields)}", fix=_AGAIN
        ) from error


def _one_run(files: list[tuple[Path, Metadata]]) -> PredictionFiles:
    """Shards of one run hold as many rows as they promise, together or each for itself."""
    run = PredictionFiles(files[0][1], tuple(path for path, _ in files))
    found = [pq.read_metadata(path).num_rows for path, _ in files]
    promised = [metadata.rows_expected for _, metadata in files]
    together = len(set(promised)) == 1 and sum(found) == promised[0]
    if not together and found != promised:
        raise DatasetError(
            f"{sum(found)} rows, {max(promised) if len(set(promised)) == 1 else sum(promised)} promised by the metadata",
            where=run.where, expected="every row of the run", fix=f"add the missing shards, or {_AGAIN}",
        )  # fmt: skip
    return run


def read_predictions(run: PredictionFiles, rows: pa.Table, scale: Scale) -> Predictions:
    """Match the predictions of a run to the rows of its split, and check them.

    Args:
        run: the files.
        rows: columns study_id (dictionary) and sample_id of every row of the split.
        scale: of every row.

    Raises:
        DatasetError: rows that are duplicated, unknown or missing; distributions that are not one, or not over the scale.
    """
    table = _read(run)
    place = _match(run, table, rows)
    _check_missing(run, place, rows, scale)
    kind: Literal["distributions", "draws"] = "distributions" if _has(table, "probabilities") else "draws"
    if kind == "draws" and not _has(table, "prediction"):
        raise DatasetError("neither `probabilities` nor `prediction`", where=run.where, expected="one of them", fix=_AGAIN)
    order = np.argsort(place, kind="stable")
    table, place = table.take(pa.array(order)), place[order]
    at = _Where(run, rows, place)
    if kind == "distributions":
        answers, unparsed = _distributions(table, at, scale), place[:0]
    else:
        point = table.column("prediction").to_numpy().astype(np.float64)
        parsed = np.isfinite(point)
        place, unparsed = place[parsed], place[~parsed]
        if not len(place):
            raise DatasetError(f"none of {len(unparsed)} predictions could be read as an answer", where=run.where, fix=_AGAIN)
        answers = Answers(np.arange(len(place) + 1), point[parsed], np.ones(len(place)))
        table = table.filter(pa.array(parsed))
    return Predictions(run, place, answers, kind, _mass(table, at), unparsed)


@dataclass(frozen=True)
class _Where:
    """Names the first offenders among predicted rows."""

    run: PredictionFiles
    rows: pa.Table
    place: Ints

    def refuse(self, bad: NDArray[np.bool_], what: str, expected: str, fix: str = _AGAIN) -> None:
        """Raise, with counts and the first offenders, if any predicted row is bad."""
        if bad.any():
            shown = _named(self.rows, self.place[np.flatnonzero(bad)[:_SHOWN]])
            count = f"{int(bad.sum())} of {len(bad)} predictions"
            raise DatasetError(f"{count} {what}: {shown}", where=self.run.where, expected=expected, fix=fix)


def _read(run: PredictionFiles) -> pa.Table:
    wanted = ("study_id", "sample_id", "support", "probabilities", "prediction", "answer_mass")
    tables = []
    for path in run.paths:
        names = pq.read_schema(path).names
        if missing := [name for name in ("study_id", "sample_id") if name not in names]:
            raise DatasetError(f"no column {', '.join(missing)}", where=str(path), expected=", ".join(wanted), fix=_AGAIN)
        tables.append(pq.read_table(path, columns=[name for name in wanted if name in names]))
    if len({tuple(table.column_names) for table in tables}) > 1:
        raise DatasetError("shards with different columns", where=run.where, expected="the same columns in all", fix=_AGAIN)
    return pa.concat_tables(tables, promote_options="permissive").combine_chunks()


def _has(table: pa.Table, name: str) -> bool:
    return name in table.column_names and table.column(name).null_count < table.num_rows


def _match(run: PredictionFiles, table: pa.Table, rows: pa.Table) -> Ints:
    """Index into `rows` of each prediction."""
    studies = pc.unique(rows.column("study_id").cast(pa.string()))
    code = pc.fill_null(pc.index_in(table.column("study_id").cast(pa.string()), studies), -1).to_numpy().astype(np.int64)
    own = pc.index_in(rows.column("study_id").cast(pa.string()), studies).to_numpy().astype(np.int64)
    sample, own_sample = (t.column("sample_id").to_numpy().astype(np.int64) for t in (table, rows))
    span = int(max(sample.max(initial=0), own_sample.max(initial=0))) + 1
    key, own_key = code * span + sample, own * span + own_sample
    order = np.argsort(own_key, kind="stable")
    spot = np.minimum(np.searchsorted(own_key[order], key), max(len(order) - 1, 0))
    known = (code >= 0) & (sample >= 0) & (own_key[order][spot] == key)
    if not known.all():
        first = np.flatnonzero(~known)[:_SHOWN]
        raise DatasetError(
            f"{int((~known).sum())} of {len(known)} predictions are of rows that are not in the split: {_named(table, first)}",
            where=run.where, expected=f"rows of {run.metadata.config}/{run.metadata.split}", fix="predict this split of this dataset",
        )  # fmt: skip
    place: Ints = order[spot]
    n = np.bincount(place, minlength=rows.num_rows)
    if (n > 1).any():
        twice = np.flatnonzero(n > 1)
        raise DatasetError(
            f"{len(twice)} rows are predicted more than once: {_named(rows, twice[:_SHOWN])}",
            where=run.where, expected="one prediction for each row", fix="keep one prediction of each row, or name each shard once",
        )  # fmt: skip
    return place


def _check_missing(run: PredictionFiles, place: Ints, rows: pa.Table, scale: Scale) -> None:
    """Rows whose answers can be enumerated must be there, unless the run says that it took only some of each cell."""
    if run.metadata.per_cell is not None:
        return
    missing = np.ones(rows.num_rows, np.bool_)
    missing[place] = False
    missing &= (scale.size > 0) & (scale.size <= MAX_ENUMERATED)
    if missing.any():
        first = np.flatnonzero(missing)[:_SHOWN]
        raise DatasetError(
            f"{int(missing.sum())} of {rows.num_rows} rows of the split have no prediction: {_named(rows, first)}",
            where=run.where, expected="every row of the split", fix=f"add the missing shards, or {_AGAIN}",
        )  # fmt: skip


def _distributions(table: pa.Table, at: _Where, scale: Scale) -> Answers:
    for name in ("support", "probabilities"):
        if name not in table.column_names:
            raise DatasetError(f"no column `{name}`", where=at.run.where, expected="support and probabilities", fix=_AGAIN)
    lists = [table.column(name).combine_chunks() for name in ("support", "probabilities")]
    empty = [pc.fill_null(pc.list_value_length(column), 0).to_numpy() for column in lists]
    at.refuse(empty[0] == 0, "have no distribution", "a distribution for every row of the file")
    at.refuse(empty[0] != empty[1], "have a support and probabilities of different lengths", "one probability for each answer")
    sizes = empty[0].astype(np.int64)
    start = np.concatenate([[0], np.cumsum(sizes)])
    value, probability = (pc.fill_null(_flat(column).cast(pa.float64()), np.nan).to_numpy() for column in lists)
    row = np.repeat(np.arange(len(sizes)), sizes)
    bad = np.bincount(row, weights=~(np.isfinite(probability) & (probability >= 0)), minlength=len(sizes)) > 0
    at.refuse(bad, "have a probability that is nan, infinite or negative", "probabilities from 0 to 1")
    total = np.bincount(row, weights=probability, minlength=len(sizes))
    at.refuse(np.abs(total - 1) > TOLERANCE, "have probabilities that do not sum to 1", f"a sum of 1 within {TOLERANCE}")
    of_row = at.place[row]
    step = np.arange(len(row)) - start[:-1][row]
    with np.errstate(invalid="ignore"):
        off = value != scale.low[of_row] + step * scale.step[of_row]
    exact = (scale.size[at.place] > 0) & (scale.size[at.place] <= MAX_ENUMERATED)
    wrong = exact & ((sizes != scale.size[at.place]) | (np.bincount(row, weights=off, minlength=len(sizes)) > 0))
    at.refuse(wrong, "have a support that is not the scale", "every value of the scale, ascending", "predict with this dataset's scales")
    falls = np.zeros(len(row), np.bool_)
    falls[1:] = (value[1:] <= value[:-1]) & (row[1:] == row[:-1])
    at.refuse(np.bincount(row, weights=falls, minlength=len(sizes)) > 0, "have a support that does not ascend", "ascending values")
    return Answers(start, value, probability / total[row])


def _flat(column: pa.Array) -> pa.Array:
    return (pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column).flatten()


def _mass(table: pa.Table, at: _Where) -> Floats | None:
    if not _has(table, "answer_mass"):
        return None
    mass: Floats = table.column("answer_mass").to_numpy().astype(np.float64)
    at.refuse(~((mass >= 0) & (mass <= 1 + 1e-6)), "have an answer mass that is not between 0 and 1", "a probability")
    return mass


def _named(table: pa.Table, index: Ints) -> str:
    some = table.select(["study_id", "sample_id"]).take(pa.array(index))
    pairs = zip(some.column("study_id").to_pylist(), some.column("sample_id").to_pylist(), strict=True)
    return ", ".join(f"{study} sample_id {sample}" for study, sample in pairs)
