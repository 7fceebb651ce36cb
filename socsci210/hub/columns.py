"""Columns that may not be published: those that tell who somebody is, and those that hold people's own words."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from .. import patterns
from ..schema import ROWS, TABLES
from .package import Kind
from .secrecy import secrets_in

TABULAR: Final = (".parquet", ".csv", ".tsv")
_REASONING: Final = ("study_id", "sample_id", "reasoning")
_WORDS: Final = frozenset({"stimuli", "question", "text", "reasoning"})
"""Columns of a dataset that hold what people were shown, or what a model wrote: a hotline in them names nobody."""
_ABOUT_STUDIES: Final = "studies"
"""The table that names authors and sources, as it should."""

_MANY_TEXTS: Final = 100  # distinct texts above which a column is no closed set
_OWN_SHARE: Final = 0.5  # of rows with a text of their own
_LONG: Final = 20  # characters of an average text that is a sentence


def column_faults(name: str, path: Path, kind: Kind, token: str = "") -> Iterator[str]:
    """What is wrong with the columns of a table.

    Args:
        name: its path in the repository.
        path: .parquet, .csv or .tsv file.
        kind: in a dataset, a parquet file has the columns of the project's schema and no others.
        token: of whoever pushes.
    """
    try:
        names, texts = _parquet(path) if path.suffix.lower() == ".parquet" else _delimited(path)
    except (OSError, ValueError, csv.Error, pa.ArrowException):
        yield "a table that cannot be read, so nobody can tell what is in it"
        return
    allowed = _allowed(name) if kind == "dataset" else None
    for column in names:
        if allowed is not None and column not in allowed:
            yield f"column {column!r} is not one of the schema"
        elif allowed is None and (why := _name_fault(column)):
            yield f"column {column!r} {why}"
    for column, distinct, rows in texts:
        yield from (f"column {column!r} holds {what}" for what in _secrets(path, distinct, token))
        if allowed is None or not name.startswith(f"{_ABOUT_STUDIES}/"):
            yield from _identifier_faults(column, distinct, shown=allowed is not None and column.split(".")[-1] in _WORDS)
        if allowed is None and _in_own_words(distinct, rows):
            yield f"column {column!r} holds {len(distinct)} different texts, as people's own words do"


def _allowed(name: str) -> frozenset[str] | None:
    """The columns that a parquet file of a dataset may have, by its folder; None for files that have no schema."""
    folder = name.split("/")[0]
    if folder == "reasoning":
        return frozenset(_REASONING)
    schema = ROWS if folder == "data" else TABLES.get(folder)
    return None if schema is None else frozenset(_paths(schema))


def _paths(fields: Any, before: str = "") -> Iterator[str]:
    """Names of columns, those inside structs and lists of structs as `column.field`."""
    for field in fields:
        path, kind = f"{before}{field.name}", field.type
        yield path
        while pa.types.is_list(kind) or pa.types.is_large_list(kind):
            kind = kind.value_type
        if pa.types.is_struct(kind):
            yield from _paths(kind, f"{path}.")


def _name_fault(column: str) -> str | None:
    last = patterns.snake(column.split(".")[-1])
    if patterns.PERSONAL.fullmatch(last):
        return "tells who somebody is"
    return "holds people's own words" if patterns.OPEN.fullmatch(last) else None


Texts = Iterator[tuple[str, pa.Array, int]]
"""Of each column that holds texts: its name, the distinct ones, and how many rows have one."""


def _parquet(path: Path) -> tuple[list[str], Texts]:
    schema = pq.read_schema(path)
    return list(_paths(schema)), _texts_of_parquet(path, schema)


def _texts_of_parquet(path: Path, schema: pa.Schema) -> Texts:
    """One column at a time, repeated texts once."""
    for field in schema:
        yield from _texts(field.name, pq.read_table(path, columns=[field.name], read_dictionary=[field.name]).column(0))


def _texts(name: str, values: pa.ChunkedArray) -> Texts:
    kind = values.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _texts(name, pc.list_flatten(values))
    elif pa.types.is_struct(kind):
        for at, field in enumerate(kind):
            yield from _texts(f"{name}.{field.name}", pc.struct_field(values, at))
    elif pa.types.is_dictionary(kind):
        texts = [chunk.dictionary for chunk in values.unify_dictionaries().chunks[:1]]  # after that, all chunks have the same
        yield from ((name, distinct, len(values) - values.null_count) for distinct in texts if _is_text(distinct.type))
    elif _is_text(kind):
        yield name, pc.unique(values.drop_null()), len(values) - values.null_count


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _delimited(path: Path) -> tuple[list[str], Texts]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline()
        file.seek(0)
        delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t|", key=head.count)
        names: Sequence[str] = next(csv.reader(file, delimiter=delimiter), [])
    kinds = {name: pa.string() for name in names}
    parsing, converting = pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True), pacsv.ConvertOptions(column_types=kinds)
    table = pacsv.read_csv(path, parse_options=parsing, convert_options=converting)
    return list(names), (text for name in table.column_names for text in _texts(name, table.column(name)))


def _secrets(path: Path, distinct: pa.Array, token: str) -> set[str]:
    """Secrets in the texts of a column, which a parquet file holds compressed; other files are read as they are."""
    return {what for what, _ in secrets_in("\n".join(distinct.to_pylist()).encode(), token)} if path.suffix.lower() == ".parquet" else set()


def _identifier_faults(column: str, distinct: pa.Array, *, shown: bool) -> Iterator[str]:
    """Direct identifiers in the texts of a column. `shown`: people were shown them."""
    for pattern, what in patterns.IDENTIFIERS.items():
        if what == patterns.TELEPHONE and shown:
            continue
        hits = pc.sum(pc.match_substring_regex(distinct, pattern)).as_py() or 0
        if hits:
            yield f"column {column!r} holds {what} in {hits} text{'s' if hits > 1 else ''}"


def _in_own_words(distinct: pa.Array, rows: int) -> bool:
    """Whether a column looks as if everybody had written a sentence into it."""
    many = len(distinct) > _MANY_TEXTS and len(distinct) >= _OWN_SHARE * rows
    return many and (pc.mean(pc.utf8_length(distinct)).as_py() or 0) >= _LONG
