"""SQL of study files: what is allowed gives the right values, everything else is refused with the rule it breaks."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socsci210 import expressions
from socsci210.errors import ExpressionError, StudyFileError
from socsci210.expressions import check, evaluate

COLUMNS = ["XTESS117", "PPAGE", "q1", "Q 1", "s"]
TABLE = pa.table(
    {
        "XTESS117": [1, 2, 3, -1, None],
        "PPAGE": [18.5, 40.0, 65.0, 30.0, None],
        "q1": [1, 5, -2, None, 3],
        "Q 1": [1, 1, 2, 2, None],
        "s": ["a", "b c", None, "Été", "7"],
    }
)

ALLOWED = [
    ("XTESS117 = 1", {"XTESS117"}, [True, False, False, False, None]),
    ("XTESS117 in (1, 3) and PPAGE < 50", {"XTESS117", "PPAGE"}, [True, False, False, False, None]),
    ('"Q 1" = 2', {"Q 1"}, [False, False, True, True, None]),
    ("q1 is not null and q1 not in (-1, -2)", {"q1"}, [True, True, False, False, True]),
    ("case when q1 between 1 and 3 then 'low' when q1 > 3 then 'high' end", {"q1"}, ["low", "high", None, None, "low"]),
    ("coalesce(q1, 0) + 1", {"q1"}, [2, 6, -1, 1, 4]),
    ("6 - q1", {"q1"}, [5, 1, 8, None, 3]),
    ("nullif(q1, -2)", {"q1"}, [1, 5, None, None, 3]),
    ("q1 / 2", {"q1"}, [0.5, 2.5, -1.0, None, 1.5]),
    ("q1 * 1.5", {"q1"}, [1.5, 7.5, -3.0, None, 4.5]),
    ("XTESS117 is distinct from q1", {"XTESS117", "q1"}, [False, True, True, True, True]),
    ("if(q1 = 1, 'x', 'y')", {"q1"}, ["x", "y", "y", "y", "y"]),
    ("lower(s) || '!'", {"s"}, ["a!", "b c!", None, "été!", "7!"]),
    ("try_cast(s as integer)", {"s"}, [None, None, None, None, 7]),
    ("regexp_matches(s, '^[a-z]')", {"s"}, [True, True, None, False, False]),
    ("s like '%c'", {"s"}, [False, True, None, False, False]),
    ("regexp_extract(s, '(z)', 1)", {"s"}, [None] * 5),
    ("replace(s, 'a', 'bb')", {"s"}, ["bb", "b c", None, "Été", "7"]),
    ("true", set(), [True] * 5),
    ("'sim' -- a comment", set(), ["sim"] * 5),
    ("greatest(q1, XTESS117)", {"q1", "XTESS117"}, [1, 5, 3, -1, 3]),
    ("date_diff('day', date '2020-01-01', date '2020-01-31')", set(), [30] * 5),
]


@pytest.mark.parametrize(("sql", "columns", "values"), ALLOWED, ids=[case[0] for case in ALLOWED])
def test_allowed(sql: str, columns: set[str], values: list[Any]) -> None:
    assert check(sql, columns=COLUMNS) == columns
    assert evaluate(TABLE, {"x": sql}).column("x").to_pylist() == values


REFUSED = {
    # rows other than this one, and other tables
    "(select max(q1) from deposit)": "subquery",
    "exists (select 1)": "subquery",
    "q1 in (select 1)": "subquery",
    "q1 = any([1, 2])": "subquery",
    "lag(q1) over ()": "window function",
    "row_number() over (order by q1)": "window function",
    "sum(q1)": "sum\\(\\) is not allowed",
    "count(*)": "not allowed",
    "max(q1) filter (where true)": "max\\(\\) is not allowed",
    "abs(distinct q1)": "aggregate",
    "list(q1)": "not allowed",
    "grouping(q1)": "GROUPING_FUNCTION",
    "rowid": "no column 'rowid'",
    # files, databases, settings, the machine
    "read_text('/etc/passwd')": "reads something other than the row",
    "read_csv('x.csv')": "reads something other than the row",
    "glob('*')": "reads something other than the row",
    "getenv('HOME')": "reads something other than the row",
    "current_setting('memory_limit')": "reads something other than the row",
    "FROM read_csv('x.csv')": "subquery",
    "1) FROM read_csv('x.csv') WHERE (true": "more than one expression",
    "1); ATTACH 'x.db'; SELECT (1": "more than one expression",
    "1); COPY (SELECT 1) TO 'x.csv'; SELECT (1": "more than one expression",
    "1); DROP TABLE deposit; SELECT (1": "more than one expression",
    "SELECT 1; DROP TABLE deposit": "parse",
    "ATTACH 'x.db'": "casts to ATTACH",
    "COPY deposit TO 'x.csv'": "parse",
    "1) UNION SELECT (2": "more than one expression",
    "1) LIMIT (1": "more than one expression",
    "1) ORDER BY (1": "more than one expression",
    "1), (2": "more than one expression",
    "q1, s": "row\\(\\) is not allowed",
    # not deterministic
    "random()": "not deterministic",
    "uuid()": "not deterministic",
    "now()": "not deterministic",
    "current_timestamp": "not deterministic",
    "current_date": "not deterministic",
    "CURRENT_DATE": "not deterministic",
    "today()": "not deterministic",
    "nextval('serial')": "not deterministic",
    "age(date '2020-01-01')": "not deterministic",
    "date '2020-01-01' at time zone 'Europe/Paris'": "timezone\\(\\) is not allowed",
    # no scalar of this row, or a way to make much out of little
    "*": "star",
    "columns('.*')": "star",
    "?": "parameter",
    "$1": "parameter",
    "$name": "parameter",
    "#1": "positional",
    "deposit.q1": "no column 'deposit.q1'",
    "range(1000000000)": "range\\(\\) is not allowed",
    "generate_series(1, 1000000000)": "not allowed",
    "repeat(s, 1000000000)": "repeat\\(\\) is not allowed",
    "lpad(s, 1000000000, 'x')": "lpad\\(\\) is not allowed",
    "unnest([1, 2])": "unnest\\(\\) is not allowed",
    "[x for x in range(10)]": "not allowed",
    "list_transform([1], x -> x)": "not allowed",
    "list_reduce([1, 2], lambda x, y: x + y)": "not allowed",
    "[1, 2]": "not allowed",
    "{'a': 1}": "not allowed",
    "s[1]": "ARRAY_EXTRACT",
    "'x'::json": "casts to json",
    "q1::struct(a integer)": "casts to STRUCT",
    "x'00ff'": "literal of kind",
    "s collate nocase": "collation",
    "main.abs(q1)": "not allowed",
    "system.main.abs(q1)": "not allowed",
    "replace(s, 'a', s)": "computed text",
    "replace(replace(s, 'a', '" + "a" * 100 + "'), 'a', '" + "a" * 100 + "')": "times longer",
    # not an expression
    "": "empty",
    "  ": "empty",
    "((((": "parse",
    "q1 /*": "parse",
    "q1 = 1 as x": "parse",
    "(" * 5000 + "1" + ")" * 5000: "parse",
    "1" + " + 1" * 8000: "longer than",
    "not " * 4000 + "true": "parse",
    "s = '\ud800'": "cannot encode",
}


@pytest.mark.parametrize(("sql", "rule"), REFUSED.items(), ids=[sql[:40] or "empty" for sql in REFUSED])
def test_refused(sql: str, rule: str) -> None:
    with pytest.raises(ExpressionError, match=rule) as caught:
        check(sql, columns=COLUMNS)
    assert caught.value.where.startswith("expression")
    assert caught.value.fix
    assert len(str(caught.value)) < 2000
    with pytest.raises(ExpressionError, match=rule):
        evaluate(TABLE, {"x": sql})


def test_a_missing_column_gets_a_suggestion() -> None:
    with pytest.raises(ExpressionError, match="there is no column 'PPAGEE'; did you mean PPAGE"):
        check("PPAGEE > 3", columns=COLUMNS)
    with pytest.raises(ExpressionError, match=r"there is no column 'ppage'; did you mean PPAGE\?"):
        check("ppage > 3", columns=COLUMNS)
    with pytest.raises(ExpressionError, match="there is no column 'a'") as caught:
        check('s = "a"', columns=COLUMNS)
    assert "text in single quotes" in caught.value.fix


def test_errors_are_errors_of_the_study_file() -> None:
    assert issubclass(ExpressionError, StudyFileError)


def test_python_variables_cannot_be_read() -> None:
    secret = pa.table({"q1": [1]})
    with expressions._database() as database, pytest.raises(Exception, match="secret does not exist"):
        database.sql("SELECT * FROM secret").to_arrow_table()
    assert secret.num_rows == 1


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM glob('{file}')",
        "ATTACH '{file}.db'",
        "COPY (SELECT 1) TO '{file}.csv'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET memory_limit = '100GB'",
    ],
)
def test_the_database_refuses_even_what_would_get_past_the_allow_list(statement: str, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("a\n1\n")
    with expressions._database() as database, pytest.raises(Exception, match=r"disabled|locked|Permission|not be changed|Cannot"):
        database.execute(statement.format(file=file)).fetchall()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x"]


def test_a_query_that_never_ends_is_interrupted() -> None:
    with expressions._database() as database, pytest.raises(Exception, match=r"INTERRUPT|Interrupted"):
        begun = time.perf_counter()
        with expressions._deadline(database, 0.2):
            database.sql("SELECT sum(a.range * b.range % 7) FROM range(10000000) a, range(10000000) b").to_arrow_table()
    assert time.perf_counter() - begun < 3


def test_the_time_limit_covers_all_expressions() -> None:
    table = pa.table({"s": ["some words that somebody wrote"] * 200_000})
    slow = "regexp_replace(regexp_replace(s, '[a-z]', 'abcdefg', 'g'), '[a-z]', 'abcdefg', 'g')"
    begun = time.perf_counter()
    with pytest.raises(ExpressionError, match=r"not finished within 0\.3 s") as caught:
        evaluate(table, {f"x{i}": f"length({slow}) + {i}" for i in range(50)}, seconds=0.3)
    assert time.perf_counter() - begun < 5
    assert ", expression length(" in caught.value.where


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("q1 = 'yes'", "a value does not convert to INT64$"),
        ("cast(s as integer)", "a value does not convert to INT32$"),
        ("cast(s as date)", "a value does not convert to date$"),
        ("s and q1 = 1", "a value does not convert to BOOL$"),
        ("cast(q1 * 1000 as decimal(3, 1))", r"a value does not convert to DECIMAL\(3,1\)$"),
        ("q1 + s", r"No function matches the given name and argument types '\+\(BIGINT, VARCHAR\)'\.$"),
        ("q1 % 0", "a division by zero$"),
        ("q1 / 0", "it gives inf in 4 rows, first in row 1"),
        ("(q1 - q1) / (q1 - q1)", "it gives nan in 4 rows, first in row 1"),
        ("9223372036854775807 + q1", "Overflow in addition of INT64$"),
        ("regexp_matches(s, '(')", r"a pattern that cannot be used: missing \)$"),
        ("regexp_matches('x', '[' || s)", r"a pattern that cannot be used: missing \]$"),
        ("date_part(s, make_date(2020, 1, 1))", "a value does not convert$"),
    ],
)
def test_a_value_that_cannot_be_computed(sql: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(TABLE, {"sql:1": sql, "other": "q1"}, places={"sql:1": "small: conditions.treated.where"})
    assert re.search(message, caught.value.found), caught.value.found
    assert caught.value.where == f"small: conditions.treated.where, expression {sql}"
    assert caught.value.fix
    for hidden in ("b c", "Été", "TRY(", "SET "):  # cells, and advice that a study file cannot follow
        assert hidden not in str(caught.value)


def test_a_long_expression_is_cut_in_messages() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(TABLE, {"place": f"q1 + cast(s as integer) + {' + '.join(['q1'] * 500)}"})
    assert caught.value.where.startswith("place, expression q1 + cast(s as integer) + q1") and len(str(caught.value)) < 600


def test_letter_case_alone_does_not_tell_columns_apart_in_sql() -> None:
    table = pa.table({"q1": [1], "Q1": [2], "z": [3]})
    assert evaluate(table, {"a": "q1 + z", "b": "Q1 + z"}).to_pydict() == {"a": [4], "b": [5]}
    with pytest.raises(ExpressionError, match="'Q1' and 'q1' differ by letter case only"):
        evaluate(table, {"a": "q1 + Q1"})


def test_types_of_results() -> None:
    table = pa.table({"d": pa.array([dt.date(2020, 2, 1), None]), "n": [1.0, 2.0], "t": ["x", ""]})
    got = evaluate(table, {"year": "year(d)", "date": "d", "whole": "n", "half": "n / 4", "text": "t", "nothing": "null", "flag": "n > 1"})
    assert [str(kind) for kind in got.schema.types] == ["int64", "date32[day]", "int64", "double", "string", "string", "bool"]
    assert got.column("date").to_pylist() == [dt.date(2020, 2, 1), None]
    assert got.column("text").to_pylist() == ["x", None]
    with pytest.raises(ExpressionError, match="values of type"):
        evaluate(table, {"x": "date_trunc('day', d) - date_trunc('month', d)"})


def test_odd_names_and_an_empty_table() -> None:
    table = pa.table({'say "hi"': [1], "select": [2], "Grüße": [3]})
    assert evaluate(table, {"x": '"say ""hi""" + "select" + "Grüße"'}).to_pydict() == {"x": [6]}
    assert evaluate(table.slice(0, 0), {"x": '"select" + 1'}).num_rows == 0
    assert evaluate(table, {}).num_columns == 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40)), min_size=1, max_size=500))
def test_rows_keep_their_order(values: list[int | None]) -> None:
    got = evaluate(pa.table({"v": pa.array(values, pa.int64())}), {"x": "v + 1"}).column("x").to_pylist()
    assert got == [None if value is None else value + 1 for value in values]


def test_rows_keep_their_order_over_many_batches() -> None:
    values = list(range(300_000))
    got = evaluate(pa.table({"v": pa.chunked_array([values[:1000], values[1000:]])}), {"x": "v * 2"})
    assert got.column("x").to_pylist() == [2 * value for value in values]


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_text_does_anything_but_parse_or_be_refused(sql: str) -> None:
    with contextlib.suppress(ExpressionError):
        check(sql, columns=COLUMNS)


def test_many_expressions_are_quick() -> None:
    rows = 100_000
    table = pa.table({f"c{i}": np.arange(rows) % 7 for i in range(40)})
    sql = {f"x{i}": f"case when c{i % 40} in (1, 2) then 1 when c{(i + 1) % 40} > 4 then 2 end" for i in range(60)}
    times = []
    for _ in range(2):
        begun = time.perf_counter()
        got = evaluate(table, sql)
        times.append(time.perf_counter() - begun)
    assert got.column("x0").to_pylist()[:7] == [None, 1, 1, None, None, 2, 2]
    assert min(times) < 5  # about 0.4 s on an idle core


def test_checking_survives_a_fork() -> None:
    """The database that parses belongs to its process."""
    check("q1 = 1", columns=COLUMNS)
    assert expressions._parser(os.getpid()) is expressions._parser(os.getpid())
    assert expressions._parser(-1) is not expressions._parser(os.getpid())
