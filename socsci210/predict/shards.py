"""Append-only shards: a prediction run that is killed at any moment resumes with the rows it still owes.

`<out>.parts/` holds `run.json` (what is being predicted) and one parquet file per shard; a shard appears whole or not at all. The final
file is written beside them and renamed into place, and only then do the shards go. So a file called `<out>` is always complete.

Which rows a shard holds follows from the run alone, not from what was done before or by whom. So a resumed file, and one that several
processes made together, equal the one of a single uninterrupted process.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DatasetError
from ..replacing import write_text, write_whole

METADATA_KEY: Final = b"socsci210"
PREDICTIONS: Final = pa.schema(
    [
        ("study_id", pa.string()),
        ("sample_id", pa.int64()),
        ("support", pa.list_(pa.int64())),
        ("probabilities", pa.list_(pa.float64())),
        ("answer_mass", pa.float64()),
    ]
)
DRAWN: Final = pa.schema([("prediction", pa.int64()), ("method", pa.string()), ("parsed", pa.bool_()), ("raw", pa.list_(pa.string()))])
"""More columns of a file with answers that were drawn. `method` is exact, draws or rationales; `raw` the texts drawn; `parsed` whether
any of them, or any rationale, came to an answer (where none did, support and probabilities are null); `prediction` the first draw that is
an answer."""
ARM_KEY: Final = ("study_id", "participant", "condition_num", "task_num", "item_num")
SHOWN_TO: Final = "shown_to"
"""One more column of the key where arms are questions of a conjoint: the participant who saw the profiles in question, -1 elsewhere."""
Predictor = Callable[[npt.NDArray[np.int64]], pa.Table]
Progress = Callable[[int, int], None]
CLOSING: Final = "usage"
"""Metadata key of what is known only when a run is over (tokens, cost, rows without an answer); runs that differ in it alone are the same
run."""


def predictions_schema(keys: pa.Schema, *, drawn: bool = False) -> pa.Schema:
    """Columns of a predictions file whose rows have these keys."""
    found = [PREDICTIONS.field(name) for name in ("support", "probabilities", "answer_mass")]
    key = [(field.name, pa.string() if field.name == "study_id" else pa.int64()) for field in keys]
    return pa.schema([*key, *found, *(DRAWN if drawn else ())])


@dataclass(frozen=True)
class Processes:
    """The processes that make one file together, as one of them sees it.

    Attributes:
        rank, count: this one, and how many there are.
        wait: returns when all of them have called it.
    """

    rank: int = 0
    count: int = 1
    wait: Callable[[], None] = lambda: None


ALONE: Final = Processes()


def run_sharded(
    keys: pa.Table,
    predict_rows: Predictor,
    *,
    out: Path,
    metadata: dict[str, Any],
    shard_rows: int,
    progress: Progress | None = None,
    schema: pa.Schema = PREDICTIONS,
    closing: Callable[[pa.Table], dict[str, Any]] | None = None,
    order: npt.NDArray[np.int64] | None = None,
    processes: Processes = ALONE,
) -> Path:
    """Predict all rows of `keys` shard by shard, then write `out`.

    Args:
        keys: the key of every row wanted, each once: (study_id, sample_id), or other columns that together name a row.
        predict_rows: gives the predictions (columns `schema`) of the rows at some indices of `keys`, in that order.
        out: the final file.
        metadata: what is being predicted; a run resumes only under equal metadata.
        shard_rows: rows per shard: what a kill may cost.
        progress: called with (rows done, rows wanted), in the first process.
        schema: columns of the file.
        closing: from the whole table, what the metadata tells under `CLOSING`.
        order: the order in which rows are predicted, where it matters for speed; the file keeps the order of `keys`.
        processes: who else works on this file. Each takes every `count`-th shard; the first one writes the file.

    Raises:
        DatasetError: `out` or its shards belong to another run, or a row appears twice.
    """
    there = out.exists()
    processes.wait()  # nobody may finish the file before all have looked
    if there:
        return _already_there(out, metadata)
    parts = parts_folder(out)
    wanted = _key_list(keys)
    if len(set(wanted)) != len(wanted):
        raise DatasetError(
            "a row appears twice", where=str(out), expected=f"({', '.join(keys.column_names)}) once each", fix="build the dataset again"
        )
    if processes.rank == 0:
        _open_parts(parts, metadata | {"shard_rows": shard_rows})
    processes.wait()
    order = np.arange(len(wanted)) if order is None else order
    shards = {start // shard_rows: order[start : start + shard_rows] for start in range(0, len(wanted), shard_rows)}
    for number, indices in shards.items():
        path = parts / f"part-{number:06d}.parquet"
        if number % processes.count != processes.rank or path.exists():
            continue
        _write_atomic(predict_rows(indices).cast(schema), path)
        if progress and processes.rank == 0:
            progress(sum(len(some) for n, some in shards.items() if (parts / f"part-{n:06d}.parquet").exists()), len(wanted))
    processes.wait()
    if processes.rank == 0:
        _finish(parts, wanted, out, metadata, schema, closing, keys.column_names)
    processes.wait()
    return out


def parts_folder(out: Path) -> Path:
    """Where the shards of an unfinished file lie."""
    return out.with_name(out.name + ".parts")


def read_metadata(path: Path) -> dict[str, Any]:
    """What a predictions file says of itself.

    Raises:
        DatasetError: it is not a predictions file of this package.
    """
    try:
        stored = (pq.read_schema(path).metadata or {}).get(METADATA_KEY)
    except FileNotFoundError as error:
        cut_off = parts_folder(path).is_dir()
        raise DatasetError(
            "not finished: a run was cut off" if cut_off else "no such file", where=str(path),
            expected="a file that socsci210 predict wrote",
            fix="run the same socsci210 predict again: it does what is missing" if cut_off else "check the name",
        ) from error  # fmt: skip
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"not a readable parquet file ({error})", where=str(path), fix="run socsci210 predict again") from error
    if stored is None:
        raise DatasetError("no socsci210 metadata", where=str(path), expected="a file that socsci210 predict wrote", fix="check the name")
    return dict(json.loads(stored))


def _already_there(out: Path, metadata: dict[str, Any]) -> Path:
    try:
        there = read_metadata(out)
    except DatasetError as error:
        raise DatasetError(
            f"predictions would replace another {'folder' if out.is_dir() else 'file'}", where=str(out),
            expected="a new file, or the predictions of this very run", fix="name another file with --out",
        ) from error  # fmt: skip
    found = {key: value for key, value in there.items() if key != CLOSING}
    if found != _final(metadata):
        differs = sorted(key for key in {*found, *metadata} if found.get(key) != _final(metadata).get(key))
        raise DatasetError(
            f"predictions of another run (other {', '.join(differs)})", where=str(out), fix="choose another --out, or delete this file"
        )
    return out


def _final(metadata: dict[str, Any]) -> dict[str, Any]:
    return {**metadata, "complete": True}


def _open_parts(parts: Path, metadata: dict[str, Any]) -> None:
    parts.mkdir(parents=True, exist_ok=True)
    note = parts / "run.json"
    text = json.dumps(metadata, sort_keys=True, indent=1)
    if not note.exists():
        write_text(note, text)
    elif (found := json.loads(note.read_text(encoding="utf-8"))) != json.loads(text):
        differs = sorted(key for key in {*found, *metadata} if found.get(key) != metadata.get(key))
        raise DatasetError(
            f"shards of another run (other {', '.join(differs)})", where=str(parts), fix="choose another --out, or delete these shards"
        )
    for stale in parts.glob("*.tmp"):
        stale.unlink()


def _key_list(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _finish(
    parts: Path,
    wanted: list[tuple[Any, ...]],
    out: Path,
    metadata: dict[str, Any],
    schema: pa.Schema,
    closing: Callable[[pa.Table], dict[str, Any]] | None,
    key: list[str],
) -> None:
    files = sorted(parts.glob("part-*.parquet"))
    table = pa.concat_tables([schema.empty_table(), *(pq.read_table(path, schema=schema) for path in files)])
    place = {key: row for row, key in enumerate(_key_list(table.select(key)))}
    if len(place) != table.num_rows or set(place) != set(wanted):
        raise DatasetError(
            f"{table.num_rows} rows for {len(wanted)} wanted ones", where=str(parts), fix="delete these shards and predict again"
        )
    table = table.take(pa.array([place[key] for key in wanted], pa.int64())).combine_chunks()  # the bytes tell nothing of the shards
    final = _final(metadata) | ({CLOSING: closing(table)} if closing else {})
    table = table.replace_schema_metadata({METADATA_KEY: json.dumps(final, sort_keys=True).encode()})
    _write_atomic(table, out)
    shutil.rmtree(parts)


def _write_atomic(table: pa.Table, path: Path) -> None:
    write_whole(path, lambda draft: pq.write_table(table, draft, compression="zstd"))
