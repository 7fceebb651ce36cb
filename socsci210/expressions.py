"""SQL expressions of study files: checked against an allow-list on the parsed tree, then evaluated in a locked database.

One expression is one scalar over the columns of one row. DuckDB parses it (`json_serialize_sql`), every node of the tree must be of a
kind named in `sql_rules`, and every column must exist. What passes is evaluated in a database without files, network, extensions, Python
variables or settings to change, under limits on memory and time. Callers run it in an isolated child (`child.run_child`), whose limits
stand behind these.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from . import sql_rules as rules
from .errors import ExpressionError, ReadError
from .readers.typing_rules import standard

_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "1GB",
    "temp_directory": "",  # nothing is spilled to disk
    "threads": "1",  # rows come back in their order
}
_TABLE: Final = "deposit"
_SHOWN: Final = 200
"""Characters of an expression in messages."""
_parser_lock: Final = threading.Lock()
_FIX_TYPES: Final = "compare codes with numbers and text with text in single quotes; TRY_CAST gives null where a value does not convert"
_CONVERTED_TO: Final = re.compile(
    r" (?:to|type) (BOOL|U?INT\d+|HUGEINT|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\))(?: when casting|\n|$)|invalid (date|timestamp) field"
)
_OVERFLOW: Final = re.compile(r"Out of Range Error: (Overflow in [a-z]+ of (?:INT\d+|numeric value))")
_BAD_PATTERN: Final = re.compile(r"Invalid Input Error: ([a-z][^:]*):")  # a reason of RE2; the pattern itself may stand in a column
_FIX_COLUMN: Final = 'write the name as the deposit does; put odd names in double quotes ("Q 1"), text in single quotes'


def check(sql: str, *, columns: Collection[str]) -> frozenset[str]:
    """The columns that an expression reads.

    Args:
        sql: one scalar expression in DuckDB's SQL.
        columns: names of the deposit's columns; letter case counts.

    Raises:
        ExpressionError: it is not one allowed expression; the message names the rule it breaks.
    """
    return _checked(sql, columns, f"expression {_shortened(sql)}")


def evaluate(table: pa.Table, expressions: Mapping[str, str], *, places: Mapping[str, str] | None = None, seconds: float = 20) -> pa.Table:
    """Evaluate expressions on every row.

    Args:
        table: columns of codes.
        expressions: name of the result -> SQL.
        places: name of the result -> where the expression stands, for messages; the name itself where it is not given.
        seconds: limit for all of them together.

    Returns:
        One column per expression, rows in the order of `table`: bool, int64, double, string, date32 or timestamp. Empty text is null, and a
        numeric column that is whole throughout is int64, as the readers return them.

    Raises:
        ExpressionError: an expression breaks a rule, fails on a value, gives no number where it computes one, or takes too long.
    """
    results: dict[str, pa.ChunkedArray | pa.Array] = {}
    with _database() as database, _deadline(database, seconds) as overdue:
        for name, sql in expressions.items():
            where = f"{(places or {}).get(name, name)}, expression {_shortened(sql)}"
            read = sorted(_checked(sql, table.column_names, where))
            _refuse_ambiguous(read, where)
            database.register(_TABLE, table.select(read or table.column_names[:1]))
            try:
                values = database.sql(f"SELECT ({sql}\n) AS value FROM {_TABLE}").to_arrow_table().column("value")
            except duckdb.Error as error:
                raise _too_slow(where, seconds) if overdue.is_set() else _failed(error, where) from None
            finally:
                database.unregister(_TABLE)
            if overdue.is_set():  # the limit passed between two interruptible steps
                raise _too_slow(where, seconds)
            results[name] = _finished(values, table.num_rows, where)
    return pa.table(results)


@contextmanager
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that can reach nothing and whose settings are locked."""
    with duckdb.connect(":memory:", config=_CONFIG) as connection:
        connection.execute("SET lock_configuration=true")
        yield connection


@contextmanager
def _deadline(database: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[threading.Event]:
    """Interrupt the database again and again once the time is up: a single interrupt could fall between two queries."""
    overdue, finished = threading.Event(), threading.Event()

    def watch() -> None:
        pause = seconds
        while not finished.wait(pause):
            overdue.set()
            database.interrupt()
            pause = 0.05

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield overdue
    finally:
        finished.set()
        watcher.join()


def _too_slow(where: str, seconds: float) -> ExpressionError:
    return ExpressionError(
        f"not finished within {seconds:g} s, the limit for all expressions of a study",
        where=where,
        fix="simplify it, or prepare the value in the deposit",
    )


def _failed(error: duckdb.Error, where: str) -> ExpressionError:
    if isinstance(error, duckdb.OutOfMemoryException):
        return ExpressionError(
            f"it needs more than {_CONFIG['memory_limit']} of memory", where=where, fix="do not build long text out of short text"
        )
    found, fix = _in_own_words(error)
    return ExpressionError(found, where=where, expected="a value for every row", fix=fix)


def _in_own_words(error: duckdb.Error) -> tuple[str, str]:
    """What went wrong and the fix. DuckDB's own words may hold the value of a cell, and advise what study files may not do."""
    said = str(error)
    if isinstance(error, duckdb.BinderException):  # found before any row is read
        return _first_line(error).removesuffix(" You might need to add explicit type casts."), _FIX_TYPES
    if isinstance(error, duckdb.ConversionException):
        kind = _CONVERTED_TO.search(said)
        return f"a value does not convert to {kind[1] or kind[2]}" if kind else "a value does not convert", _FIX_TYPES
    if isinstance(error, duckdb.OutOfRangeException):
        overflow = _OVERFLOW.match(said)
        return overflow[1] if overflow else "a number is out of range", "calculate with smaller numbers, or cast to DOUBLE"
    if "Division by zero" in said:
        return "a division by zero", "write a % nullif(b, 0)"
    if pattern := _BAD_PATTERN.match(said):
        return f"a pattern that cannot be used: {pattern[1]}", "correct the pattern"
    return f"it fails ({type(error).__name__})", "simplify it"


def _first_line(error: Exception) -> str:
    return str(error).split("\n\nLINE 1:")[0].strip().splitlines()[0]


def _finished(values: pa.ChunkedArray, rows: int, where: str) -> pa.ChunkedArray | pa.Array:
    if len(values) != rows:
        raise ExpressionError(f"it gives {len(values)} values for {rows} rows", where=where, expected="one value per row")
    if pa.types.is_boolean(values.type):
        return values
    if pa.types.is_floating(values.type):
        numbers = values.to_numpy()
        absent = np.isnan(numbers) & ~values.is_null().to_numpy()
        bad = np.flatnonzero(absent | np.isinf(numbers))
        if len(bad):
            raise ExpressionError(
                f"it gives {numbers[bad[0]]} in {len(bad)} rows, first in row {bad[0] + 1}",
                where=where,
                expected="numbers or null",
                fix="a division by zero does this: write a / nullif(b, 0)",
            )
    try:
        return standard(values, "result", where)
    except ReadError:
        raise ExpressionError(
            f"it gives values of type {values.type}", where=where, expected="one number, text, date or truth value per row"
        ) from None


def _refuse_ambiguous(names: Collection[str], where: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if name.casefold() in seen:
            raise ExpressionError(
                f"columns {seen[name.casefold()]!r} and {name!r} differ by letter case only, which SQL ignores",
                where=where,
                fix="use them in separate expressions, or rename one in a copy of the deposit",
            )
        seen[name.casefold()] = name


def _shortened(sql: str) -> str:
    text = " ".join(sql.split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _checked(sql: str, columns: Collection[str], where: str) -> frozenset[str]:
    walk = _Walk(columns, where)
    walk.node(_parsed(sql, walk))
    return frozenset(walk.read)


def _tree(sql: str) -> dict[str, Any]:
    """What DuckDB makes of `SELECT (sql)`. Parentheses keep the text from ending the select list."""
    with _parser_lock:
        rows = _parser(os.getpid()).execute("SELECT json_serialize_sql(?::VARCHAR)", [f"SELECT ({sql}\n)"]).fetchall()
    answer: dict[str, Any] = json.loads(rows[0][0])
    return answer


@cache
def _parser(process: int) -> duckdb.DuckDBPyConnection:
    """The database that parses, one per process: opening one takes longer than parsing fifty expressions."""
    connection = duckdb.connect(":memory:", config=_CONFIG)
    connection.execute("SET lock_configuration=true")
    return connection


def _parsed(sql: str, walk: _Walk) -> dict[str, Any]:
    """The tree of the one expression in `sql`."""
    if not sql.strip():
        raise walk.refusal("it is empty")
    if len(sql) > rules.MAX_LENGTH:
        raise walk.refusal(f"it is longer than {rules.MAX_LENGTH:,} characters")
    try:
        answer = _tree(sql)
    except RecursionError:
        raise walk.refusal("it is nested too deeply") from None
    except duckdb.Error as error:
        raise walk.refusal(f"it does not parse: {_first_line(error)}") from None
    if answer["error"]:
        what = answer["error_message"]
        raise walk.refusal("it is more than one expression" if "Only SELECT" in what else f"it does not parse: {what}")
    statements = answer["statements"]
    expression = _only_expression(statements[0]["node"]) if len(statements) == 1 else None
    if expression is None:
        raise walk.refusal("it is more than one expression")
    return expression


def _only_expression(node: dict[str, Any]) -> dict[str, Any] | None:
    """The select list's one expression, if the statement holds nothing else: no table, condition, order, limit or named query."""
    if node["type"] != "SELECT_NODE":
        return None
    plain = {"type", "select_list", "from_table", "cte_map", "aggregate_handling"}
    more = [key for key, value in node.items() if value and key not in plain]
    bare = node["from_table"]["type"] == "EMPTY" and node["cte_map"] == {"map": []} and node["aggregate_handling"] == "STANDARD_HANDLING"
    expressions: list[dict[str, Any]] = node["select_list"]
    return expressions[0] if bare and not more and len(expressions) == 1 else None


class _Walk:
    """One walk over a parsed expression: collects the columns it reads, and refuses what is not allowed."""

    def __init__(self, columns: Collection[str], where: str) -> None:
        self.columns, self.where = columns, where
        self.read: set[str] = set()
        self.growth = 1

    def refusal(self, found: str, fix: str = "") -> ExpressionError:
        return ExpressionError(
            found,
            where=self.where,
            expected="one expression over the columns of one row: comparisons, arithmetic, CASE, CAST and the listed functions",
            fix=fix or "see the list of what is allowed in loaders/README.md",
        )

    def node(self, root: Any) -> None:
        """Check every node below `root`. A loop, not recursion: nesting may be deep. Keys without nodes hold nothing to check."""
        rest = [root]
        while rest:
            value = rest.pop()
            if isinstance(value, dict):
                if "class" in value:
                    self._one(value)
                rest.extend(part for key, part in value.items() if key != "literal")
            elif isinstance(value, list):
                rest.extend(value)

    def _one(self, node: dict[str, Any]) -> None:
        kind = node["class"]
        if kind not in rules.CLASSES:
            raise self.refusal(f"it holds {rules.REFUSED_CLASSES.get(kind, f'something of kind {kind}')}")
        if kind == "COLUMN_REF":
            self._column(node["column_names"])
        elif kind == "FUNCTION":
            self._function(node)
        elif kind == "OPERATOR" and node["type"] not in rules.OPERATORS:
            raise self.refusal(f"it holds the operation {node['type']}")
        elif kind == "TYPE" and (node["type_name"].casefold() not in rules.TYPES or node["schema"] or node["catalog"]):
            raise self.refusal(f"it casts to {node['type_name']}", "cast to INTEGER, DOUBLE, VARCHAR, BOOLEAN, DATE or TIMESTAMP")
        elif kind == "CONSTANT" and node["literal"]["kind"] not in rules.LITERALS:
            raise self.refusal(f"it holds a literal of kind {node['literal']['kind']}")

    def _column(self, names: list[str]) -> None:
        name = ".".join(names)
        if len(names) == 1 and name in self.columns:
            self.read.add(name)
            return
        if name.casefold() in rules.CLOCK_WORDS:
            raise self.refusal(f"{name} is not deterministic")
        folded = {column.casefold(): column for column in self.columns}
        exact = folded.get(name.casefold())
        near = [exact] if exact else [folded[match] for match in difflib.get_close_matches(name.casefold(), list(folded), n=3)]
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise self.refusal(f"there is no column {name!r}{hint}", _FIX_COLUMN)

    def _function(self, node: dict[str, Any]) -> None:
        name = str(node["function_name"]).casefold()
        if name in rules.NOT_DETERMINISTIC:
            raise self.refusal(f"{name}() is not deterministic")
        if name in rules.READS_OUTSIDE:
            raise self.refusal(f"{name}() reads something other than the row")
        if name not in rules.FUNCTIONS or node["schema"] or node["catalog"]:
            raise self.refusal(f"the function {name}() is not allowed", f"allowed are {rules.SHOWN_FUNCTIONS}")
        orders = (node.get("order_bys") or {}).get("orders")
        if node.get("filter") or orders or node.get("distinct") or node.get("export_state"):
            raise self.refusal(f"{name}() is called as an aggregate, which reads other rows")
        if any(argument.get("name") for argument in node["arguments"]):
            raise self.refusal(f"{name}() has a named argument")
        if name in rules.REPLACING and len(node["arguments"]) > 2:
            self._replacement(name, node["arguments"][2]["expression"])

    def _replacement(self, name: str, argument: dict[str, Any]) -> None:
        if argument["class"] != "CONSTANT":
            raise self.refusal(f"{name}() replaces by a computed text", "give the replacement as text in single quotes")
        self.growth *= len(argument["literal"]["text"]) + 1
        if self.growth > rules.MAX_GROWTH:
            raise self.refusal(f"its replacements could make text more than {rules.MAX_GROWTH:,} times longer", "use shorter replacements")
