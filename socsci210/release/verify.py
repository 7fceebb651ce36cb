"""Is this the release that everything was checked on? Hashes and counts against what is known, and shards that can be read at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from ..checksums import file_sha256
from ..demographics import INTEGER_FIELDS
from ..errors import DatasetError
from ..schema import DEMOGRAPHIC
from .source import PINNED, Source, check_pointer

COLUMNS: Final = pa.schema(
    [
        ("sample_id", pa.int64()),
        ("participant", pa.int64()),
        ("demographic", DEMOGRAPHIC),
        ("stimuli", pa.string()),
        ("response", pa.int64()),
        ("condition_num", pa.int64()),
        ("task_num", pa.int64()),
        ("prompt", pa.string()),
        ("reasoning", pa.string()),
        ("study_id", pa.string()),
    ]
)
"""The ten columns of the release. A shard may store a text as string, large_string or a dictionary of these, and may hold more columns."""

_THREADS: Final = 2
_REFETCH: Final = "delete the file and download it again"


@dataclass(frozen=True)
class Check:
    """One comparison with what is known. `unknown`: nothing is known to compare with."""

    what: str
    found: str
    expected: str
    verdict: Literal["equal", "different", "unknown"]


@cache
def known() -> dict[str, Any]:
    """What is known of the pinned revision: `files` (path -> sha256, where only its ends are known as `start...end`) and `counts`."""
    found: dict[str, Any] = json.loads((files("socsci210") / "data" / "release.json").read_text(encoding="utf-8"))
    return found


# --- hashes --------------------------------------------------------------------------------------------------------------------------


def hash_files(paths: Iterable[Path]) -> dict[str, str]:
    """The sha256 of files, by their path inside the release (`data/...`, `metadata/...`).

    Made to run beside other work: hashing leaves the interpreter free.
    """
    paths = list(paths)
    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(zip(map(_inside, paths), pool.map(file_sha256, paths), strict=True))


def check_files(source: Source, hashes: Mapping[str, str]) -> list[Check]:
    """Compare the hashes of all files of a release with the known ones; one check per file, in the order of `source.files`.

    Args:
        source: the release.
        hashes: as `hash_files(source.files)` returns them.

    Raises:
        DatasetError: a downloaded file is not what the Hub says it is (it was damaged on the way or on the disk).
    """
    return [_check_file(source, path, hashes[_inside(path)]) for path in source.files]


def _check_file(source: Source, path: Path, found: str) -> Check:
    name = _inside(path)
    stated = source.hub_sha256.get(name)
    if stated is not None and stated != found:
        raise DatasetError(
            f"its sha256 is {found}", where=str(path), expected=f"{stated}, as the Hub states", fix=f"delete {path.resolve()} and run again"
        )
    expected = known()["files"].get(name)
    if expected is None:
        return Check(name, found, stated or "", "unknown" if stated is None else "equal")
    return Check(name, found, expected, _verdict(_same_hash(found, expected), source.revision))


def _same_hash(found: str, expected: str) -> bool:
    start, dots, end = expected.partition("...")
    return found.startswith(start) and found.endswith(end) if dots else found == expected


def _verdict(same: bool, revision: str | None) -> Literal["equal", "different", "unknown"]:
    """What is known is known of the pinned revision: nothing can be held against another one."""
    if same:
        return "equal"
    return "different" if revision in (None, PINNED) else "unknown"


def _inside(path: Path) -> str:
    return "/".join(path.parts[-2:])


# --- counts --------------------------------------------------------------------------------------------------------------------------


def check_counts(found: Mapping[str, int], revision: str | None = None) -> list[Check]:
    """Compare counts with the known ones; one check per count given.

    Args:
        found: some of rows, studies, people, conditions, tasks, cells, unseen_rows, condition_mapping_studies, task_mapping_studies.
        revision: of the release (`Source.revision`).
    """
    expected = known()["counts"]
    return [
        Check(what, f"{count:,}", f"{expected[what]:,}", _verdict(count == expected[what], revision))
        if what in expected
        else Check(what, f"{count:,}", "", "unknown")
        for what, count in found.items()
    ]


# --- shards --------------------------------------------------------------------------------------------------------------------------


def check_shards(source: Source) -> pa.Schema:
    """Read the footer of every shard and compare its columns with those of the release.

    Returns:
        `COLUMNS`, followed by the columns that any shard holds beyond them, which nothing reads (see `check_columns`).

    Raises:
        DatasetError: a shard does not open (cut off, or only a pointer to it), lacks a column, or holds one in another type.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        schemas = list(pool.map(_shard_schema, source.shards))
    extra = {field.name: field for schema in schemas for field in schema if field.name not in COLUMNS.names}
    return pa.schema([*COLUMNS, *extra.values()])


def check_columns(schema: pa.Schema) -> Check:
    """Say which columns beyond the ten are there and ignored; `schema` as `check_shards` returns it."""
    extra = [name for name in schema.names if name not in COLUMNS.names]
    found = f"the ten columns and {', '.join(extra)}, ignored" if extra else "the ten columns"
    return Check("columns", found, "the ten columns", "different" if extra else "equal")


def _shard_schema(path: Path) -> pa.Schema:
    check_pointer(path)
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path) from error
    for column in COLUMNS:
        places = schema.get_all_field_indices(column.name)
        if len(places) != 1:
            found = f"no column {column.name}" if not places else f"{len(places)} columns {column.name}"
            raise DatasetError(found, where=str(path), expected=f"the ten columns {', '.join(COLUMNS.names)}", fix=_REFETCH)
        _check_type(path, column, schema.field(column.name).type)
    return schema


def _unreadable(path: Path) -> DatasetError:
    size = path.stat().st_size
    found = f"does not open as parquet: {size:,} bytes, cut off or damaged" if size else "an empty file"
    return DatasetError(found, where=str(path), expected="a complete shard", fix=_REFETCH)


def _check_type(path: Path, column: pa.Field, found: pa.DataType) -> None:
    if pa.types.is_struct(column.type):
        _check_struct(path, column, found)
    elif pa.types.is_string(column.type):
        if not _is_text(found):
            raise _wrong_type(path, column.name, found, "string (or large_string, or a dictionary of these)")
    elif found != column.type:
        raise _wrong_type(path, column.name, found, str(column.type))


def _check_struct(path: Path, column: pa.Field, found: pa.DataType) -> None:
    if not pa.types.is_struct(found):
        raise _wrong_type(path, column.name, found, f"a struct of {', '.join(field.name for field in column.type)}")
    for part in column.type:
        place = found.get_field_index(part.name)
        name = f"{column.name}.{part.name}"
        if place < 0:
            expected = f"the {column.type.num_fields} fields {', '.join(field.name for field in column.type)}"
            raise DatasetError(f"column {column.name} has no field {part.name}", where=str(path), expected=expected, fix=_REFETCH)
        kind = found.field(place).type
        if pa.types.is_null(kind):  # nobody in the shard has it
            continue
        if part.name in INTEGER_FIELDS:
            if not pa.types.is_signed_integer(kind):
                raise _wrong_type(path, name, kind, "a signed integer")
        elif not _is_text(kind):
            raise _wrong_type(path, name, kind, "string (or large_string, or a dictionary of these)")


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def _wrong_type(path: Path, name: str, found: pa.DataType, expected: str) -> DatasetError:
    fix = f"download the shard again, or cast the column {name} and write the shard anew"
    return DatasetError(f"column {name} is {found}", where=str(path), expected=expected, fix=fix)
