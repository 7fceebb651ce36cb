"""Read the predictions of a run and refuse whatever cannot be scored: nothing is dropped, repaired or filled in silently.

Files are read in batches straight into the arrays that scoring needs, so that memory stays at the size of those arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import DatasetError
from ..metrics.socsci210.cells import Answers, Floats, Ints
from ..predict.selection import codes
from ..schema import MAX_ENUMERATED
from .files import AGAIN, SHOWN, PredictionFiles
from .split import Scale

TOLERANCE: Final = 1e-6  # of a sum of probabilities
BATCH: Final = 1 << 16  # rows read at a time
_READ: Final = (
    "study_id", "sample_id", "participant", "condition_num", "task_num", "item_num", "shown_to",
    "support", "probabilities", "prediction", "answer_mass", "parsed",
)  # fmt: skip
_KINDS: Final = {
    "study_id": "texts", "support": "lists of numbers", "probabilities": "lists of numbers", "prediction": "numbers",
    "answer_mass": "numbers", "parsed": "yes or no",
    **dict.fromkeys(("sample_id", "participant", "condition_num", "task_num", "item_num", "shown_to"), "whole numbers"),
}  # fmt: skip
"""What a column must hold: a number that is cut off or read from a text would name another row, or another answer."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Predictions:
    """Checked predictions of one run.

    Attributes:
        row: index of each predicted row in the split's rows, ascending.
        answers: their distributions or points, values ascending.
        kind: whether they are distributions or draws.
        mass: probability on allowed answers before normalising; None where the file has none.
        unparsed: index of the rows of whose draws none could be read as an answer (they are not in `row`).
    """

    files: PredictionFiles
    row: Ints
    answers: Answers
    kind: Literal["distributions", "draws"]
    mass: Floats | None
    unparsed: Ints

    @property
    def per_person(self) -> int | None:
        """Draws behind each answer, whether given one by one or as shares; None for distributions that were read whole."""
        return 1 if self.kind == "draws" else self.files.metadata.draws_per_row


def read_predictions(run: PredictionFiles, rows: pa.Table, scale: Scale) -> Predictions:
    """Match the predictions of a run to the rows of its split, and check them.

    Args:
        run: the files.
        rows: every row of the split: columns study_id, sample_id, condition_num, task_num and item_num.
        scale: of every row.

    Raises:
        DatasetError: columns of the wrong type; rows that are duplicated, unknown or missing, or cells with fewer people than the run
            says; distributions that are not one, or not over the scale; infinite points.
    """
    every, rows = rows, rows.select(["study_id", "sample_id"])
    place = _match(run, read_columns(run, ("study_id", "sample_id")), rows)
    if run.metadata.per_cell is None:
        _check_missing(run, place, rows, scale)
    else:
        _check_some(run, place, every, scale, run.metadata.per_cell)
    names = shared_columns(run)
    at = Where(run, rows, place)
    order = np.argsort(place, kind="stable")
    if has(run, names, "probabilities"):
        silent = unread(run, names, len(place))
        answers = read_distributions(run, names, at, scale.take(place), silent)
        mass = read_mass(run, names, at, ~silent)
        place, mass, told = place[order], None if mass is None else mass[order], np.diff(answers.start) > 0
        if not told.any():
            raise nothing_parsed(run, len(told))
        answers = answers._replace(start=answers.start[np.append(told, True)])
        return Predictions(run, place[told], answers, "distributions", None if mass is None else mass[told], place[~told])
    if not has(run, names, "prediction"):
        if unread(run, names, len(place)).all():
            raise nothing_parsed(run, len(place))
        raise DatasetError("neither `probabilities` nor `prediction`", where=run.where, expected="one of them", fix=AGAIN)
    point = read_columns(run, ("prediction",)).column(0).to_numpy().astype(np.float64)
    at.refuse(np.isinf(point), "are infinite", "a number, or null where no answer could be read")
    mass = read_mass(run, names, at, np.isfinite(point))
    place, point, mass = place[order], point[order], None if mass is None else mass[order]
    parsed = np.isfinite(point)
    if not parsed.any():
        raise nothing_parsed(run, len(parsed))
    answers = Answers(np.arange(int(parsed.sum()) + 1), point[parsed], np.ones(int(parsed.sum())))
    return Predictions(run, place[parsed], answers, "draws", None if mass is None else mass[parsed], place[~parsed])


def unread(run: PredictionFiles, names: list[str], n: int) -> Mask:
    """Predictions that say of themselves that none of their draws is an answer, in the order of the files."""
    if "parsed" not in names:
        return np.zeros(n, np.bool_)
    silent: Mask = ~pc.fill_null(read_columns(run, ("parsed",)).column(0), True).to_numpy()
    return silent


def nothing_parsed(run: PredictionFiles, n: int) -> DatasetError:
    """The error of a run without a single readable answer."""
    return DatasetError(f"none of {n} predictions could be read as an answer", where=run.where, fix=AGAIN)


@dataclass(frozen=True)
class Where:
    """Names the first offenders among predicted rows: `place` is their row in `rows` (keys), in the order of the files."""

    run: PredictionFiles
    rows: pa.Table
    place: Ints

    def refuse(self, bad: Mask, what: str, expected: str, fix: str = AGAIN) -> None:
        """Raise if any row is bad; `bad` has shape (predicted rows,)."""
        if bad.any():
            first = np.sort(self.place[bad])[:SHOWN]
            raise DatasetError(
                f"{int(bad.sum())} of {len(bad)} predictions {what}: {named(self.rows, first)}",
                where=self.run.where, expected=expected, fix=fix,
            )  # fmt: skip


def shared_columns(run: PredictionFiles) -> list[str]:
    """Those columns of the files of a run that scoring reads.

    Raises:
        DatasetError: a file does not read, a column is of the wrong type, or its shards have different columns.
    """
    try:
        schemas = [pq.read_schema(path) for path in run.paths]
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"does not read ({error})", where=run.where, fix=AGAIN) from error
    for path, schema in zip(run.paths, schemas, strict=True):
        for column in schema:
            kind = _KINDS.get(column.name)
            if kind is not None and not _is(column.type, kind):
                raise DatasetError(
                    f"column `{column.name}` holds {column.type}", where=str(path), expected=kind, fix=f"write it as {kind}, or {AGAIN}"
                )
    found = [[name for name in schema.names if name in _READ] for schema in schemas]
    if any(set(names) != set(found[0]) for names in found):
        raise DatasetError("shards with different columns", where=run.where, expected="the same columns in all", fix=AGAIN)
    return list(found[0])


def _is(found: pa.DataType, kind: str) -> bool:
    """Whether a column's type is of a kind of `_KINDS`; a column without any value fits all."""
    listed = pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found)
    if kind == "lists of numbers":
        return pa.types.is_null(found) or (listed and _is(found.value_type, "numbers"))
    if kind == "texts":
        found = found.value_type if pa.types.is_dictionary(found) else found
        return bool(pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_null(found))
    if kind == "yes or no":
        return bool(pa.types.is_boolean(found) or pa.types.is_null(found))
    whole = pa.types.is_integer(found) or pa.types.is_null(found)
    return bool(whole or (kind == "numbers" and pa.types.is_floating(found)))


def read_columns(run: PredictionFiles, names: tuple[str, ...]) -> pa.Table:
    """Some columns of all files of a run, one after the other."""
    if missing := [name for name in names if name not in shared_columns(run)]:
        raise DatasetError(f"no column {', '.join(missing)}", where=run.where, expected="what socsci210 predict writes", fix=AGAIN)
    try:
        parts = [pq.read_table(path, columns=list(names)).replace_schema_metadata() for path in run.paths]
        return pa.concat_tables(parts, promote_options="permissive")
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"does not read ({error})", where=run.where, fix=AGAIN) from error


def has(run: PredictionFiles, names: list[str], name: str) -> bool:
    """Whether a column is there and holds anything. A list counts as nothing only where it is null."""
    if name not in names:
        return False
    return any(batch.column(0).null_count < len(batch) for batch in _batches(run, [name]) if len(batch))


def _batches(run: PredictionFiles, names: list[str]) -> Iterator[pa.RecordBatch]:
    for path in run.paths:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(BATCH, columns=names)


def _match(run: PredictionFiles, table: pa.Table, rows: pa.Table) -> Ints:
    """Index into `rows` of each prediction."""
    studies = pc.unique(rows.column("study_id").cast(pa.string()))
    code = pc.fill_null(pc.index_in(table.column("study_id").cast(pa.string()), studies), -1).to_numpy().astype(np.int64)
    own = pc.index_in(rows.column("study_id").cast(pa.string()), studies).to_numpy().astype(np.int64)
    sample, own_sample = (pc.fill_null(t.column("sample_id").cast(pa.int64()), -1).to_numpy() for t in (table, rows))
    span = int(max(sample.max(initial=0), own_sample.max(initial=0))) + 1
    place, known = match(code * span + sample, own * span + own_sample)
    known &= (code >= 0) & (sample >= 0)
    if not known.all():
        first = np.flatnonzero(~known)[:SHOWN]
        raise DatasetError(
            f"{int((~known).sum())} of {len(known)} predictions are of rows that are not in the split: {named(table, first)}",
            where=run.where, expected=f"rows of {run.metadata.config}/{run.metadata.split}", fix="predict this split of this dataset",
        )  # fmt: skip
    n = np.bincount(place, minlength=rows.num_rows)
    if (n > 1).any():
        twice = np.flatnonzero(n > 1)
        raise DatasetError(
            f"{len(twice)} rows are predicted more than once: {named(rows, twice[:SHOWN])}",
            where=run.where, expected="one prediction for each row", fix="keep one prediction of each row, or name each shard once",
        )  # fmt: skip
    return place


def match(key: Ints, among: Ints) -> tuple[Ints, Mask]:
    """Where each key stands in `among` (distinct keys), and whether it is there at all (else its place is any)."""
    if len(key) == len(among) and (key == among).all():
        return np.arange(len(key)), np.ones(len(key), np.bool_)
    order = np.argsort(among, kind="stable")
    spot = np.minimum(np.searchsorted(among, key, sorter=order), max(len(order) - 1, 0))
    place: Ints = order[spot] if len(order) else np.zeros(len(key), np.int64)
    known: Mask = among[place] == key if len(order) else np.zeros(len(key), np.bool_)
    return place, known


def _check_missing(run: PredictionFiles, place: Ints, rows: pa.Table, scale: Scale) -> None:
    """Rows whose answers can be enumerated must be there."""
    missing = np.ones(rows.num_rows, np.bool_)
    missing[place] = False
    missing &= (scale.size > 0) & (scale.size <= MAX_ENUMERATED)
    if missing.any():
        first = np.flatnonzero(missing)[:SHOWN]
        raise DatasetError(
            f"{int(missing.sum())} of {rows.num_rows} rows of the split have no prediction: {named(rows, first)}",
            where=run.where, expected="every row of the split", fix=f"add the missing shards, or {AGAIN}",
        )  # fmt: skip


def _check_some(run: PredictionFiles, place: Ints, rows: pa.Table, scale: Scale, per_cell: int) -> None:
    """Of every cell whose answers can be enumerated `per_cell` rows must be there, or all of a smaller one."""
    names = ("study_id", "condition_num", "task_num", "item_num")
    cell = codes(rows, names)
    n, found = np.bincount(cell), np.bincount(cell[place], minlength=int(cell.max(initial=-1)) + 1)
    countable = (scale.size > 0) & (scale.size <= MAX_ENUMERATED)
    wrong = (np.bincount(cell, weights=~countable) == 0) & (found != np.minimum(n, per_cell))
    if wrong.any():
        first = np.unique(cell, return_index=True)[1][wrong][:SHOWN]
        raise DatasetError(
            f"{int(wrong.sum())} of {len(n)} cells have another number of predictions: {named(rows.select(list(names)), first)}",
            where=run.where, expected=f"{per_cell} of every cell (--per-cell), or all of a smaller one",
            fix=f"add the missing shards, or {AGAIN}",
        )  # fmt: skip


@dataclass
class _Wrong:
    """What is wrong with which rows, gathered over all batches so that a message counts them all; checks in order of precedence."""

    n: int
    found: dict[tuple[str, str, str], Mask] = field(default_factory=dict)

    def note(self, rows: Ints, bad: Mask, what: str, expected: str, fix: str = AGAIN) -> None:
        if bad.any():
            self.found.setdefault((what, expected, fix), np.zeros(self.n, np.bool_))[rows[bad]] = True

    def raise_first(self, at: Where) -> None:
        for what, expected, fix in _CHECKS:
            if (what, expected, fix) in self.found:
                at.refuse(self.found[what, expected, fix], what, expected, fix)


_EMPTY: Final = ("have no distribution", "a distribution for every row of the file", AGAIN)
_LENGTHS: Final = ("have a support and probabilities of different lengths", "one probability for each answer", AGAIN)
_NEGATIVE: Final = ("have a probability that is nan, infinite or negative", "probabilities from 0 to 1", AGAIN)
_SUM: Final = ("have probabilities that do not sum to 1", f"a sum of 1 within {TOLERANCE}", AGAIN)
_SUPPORT: Final = (
    "have a support that is not the scale", "every value of the scale, ascending", "predict with this dataset's scales",
)  # fmt: skip
_FALLS: Final = ("have a support that does not ascend", "ascending values", AGAIN)
_CHECKS: Final = (_EMPTY, _LENGTHS, _NEGATIVE, _SUM, _SUPPORT, _FALLS)


def read_distributions(run: PredictionFiles, names: list[str], at: Where, scale: Scale, silent: Mask | None = None) -> Answers:
    """The checked distributions, ordered by `at.place`.

    Args:
        names: columns of the files.
        at: where each prediction belongs; its order is that of the files.
        scale: of each prediction, in that order.
        silent: in that order, predictions that may have no distribution; theirs are empty. Default: none.
    """
    if "support" not in names:
        raise DatasetError("no column `support`", where=run.where, expected="support and probabilities", fix=AGAIN)
    n = len(at.place)
    wrong = _Wrong(n)
    parts: list[tuple[Ints, Floats, Floats]] = []
    done = 0
    for batch in _batches(run, ["support", "probabilities"]):
        rows = np.arange(done, done + len(batch))
        done += len(batch)
        parts.append(_checked(batch, rows, scale, wrong, None if silent is None else silent[rows]))
    wrong.raise_first(at)
    sizes = np.concatenate([part[0] for part in parts])
    order = np.argsort(at.place, kind="stable")
    start = np.concatenate([[0], np.cumsum(sizes[order])])
    target = np.empty(n, np.int64)
    target[order] = start[:-1]  # where the entries of each prediction go
    value, probability = np.empty(int(start[-1])), np.empty(int(start[-1]))
    first = 0
    for size, some_values, some in parts:
        goal = target[first : first + len(size)]
        first += len(size)
        entry = np.repeat(goal - np.cumsum(size) + size, size) + np.arange(len(some))
        value[entry], probability[entry] = some_values, some
    return Answers(start, value, probability)


def _checked(batch: pa.RecordBatch, rows: Ints, scale: Scale, wrong: _Wrong, silent: Mask | None) -> tuple[Ints, Floats, Floats]:
    """Sizes, values and probabilities of one batch; what is wrong is noted."""
    lists = [batch.column(i) for i in range(2)]
    lengths = [pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64) for column in lists]
    wrong.note(rows, (lengths[0] == 0) if silent is None else (lengths[0] == 0) & ~silent, *_EMPTY)
    wrong.note(rows, lengths[0] != lengths[1], *_LENGTHS)
    usable = (lengths[0] == lengths[1]) & (lengths[0] > 0)
    if not usable.all():
        lists, rows = [column.filter(pa.array(usable)) for column in lists], rows[usable]
    sizes = lengths[0][usable]
    value, probability = (pc.fill_null(column.flatten().cast(pa.float64()), np.nan).to_numpy() for column in lists)
    row, n = np.repeat(np.arange(len(sizes)), sizes), len(sizes)
    good = np.isfinite(probability) & (probability >= 0)
    if not good.all():
        wrong.note(rows, np.bincount(row, weights=~good, minlength=n) > 0, *_NEGATIVE)
    total = np.bincount(row, weights=probability, minlength=n)
    wrong.note(rows, np.abs(total - 1) > TOLERANCE, *_SUM)
    own = scale.take(rows)
    step = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    with np.errstate(invalid="ignore"):
        off = value != own.low[row] + step * own.step[row]
    exact = (own.size > 0) & (own.size <= MAX_ENUMERATED)
    strange = np.bincount(row, weights=off, minlength=n) > 0 if off.any() else np.zeros(n, np.bool_)
    wrong.note(rows, exact & ((sizes != own.size) | strange), *_SUPPORT)
    falls = np.zeros(len(row), np.bool_)
    falls[1:] = (value[1:] <= value[:-1]) & (row[1:] == row[:-1])
    if falls.any():
        wrong.note(rows, np.bincount(row, weights=falls, minlength=n) > 0, *_FALLS)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(usable, lengths[0], 0), value, probability / total[row]


def read_mass(run: PredictionFiles, names: list[str], at: Where, parsed: Mask) -> Floats | None:
    """Answer mass of each prediction in the order of the files, checked where it was parsed; None where there is none."""
    if not has(run, names, "answer_mass"):
        return None
    mass: Floats = read_columns(run, ("answer_mass",)).column(0).to_numpy().astype(np.float64)
    at.refuse(parsed & ~((mass >= 0) & (mass <= 1 + 1e-6)), "have an answer mass that is not between 0 and 1", "a probability")
    return mass


def named(table: pa.Table, index: Ints) -> str:
    """Some rows of a table of keys (study_id first) in words."""
    found = []
    for row in table.take(pa.array(index)).to_pylist():
        study, *rest = row.items()
        found.append(" ".join([str(study[1]), *(f"{name} {value}" for name, value in rest)]))
    return ", ".join(found)
