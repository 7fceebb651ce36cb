"""What the reading of a deposit refuses: ids of people in any output, filters that are no comparison, SQL that fails on a row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from socsci210.errors import ExpressionError, GateError, SocSciError, StudyFileError
from socsci210.extract import extract

from .toys import BASE, ROWS, read_here, toy

Changes = Mapping[str, Any]
OUTCOME: dict[str, Any] = {key: value for key, value in BASE["outcomes"][0].items() if key != "column"}
NUMBERED = [row | {"ID": 7001 + number, "q1": 1 + number % 5} for number, row in enumerate(ROWS)]
NAMED = [row | {"ID": f"p700{number}"} for number, row in enumerate(ROWS)]
TEXT = [{"text": "See {who}."}]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)


def failure(folder: Path, changes: Changes, rows: list[dict[str, Any]]) -> SocSciError:
    with pytest.raises(SocSciError) as caught:
        toy(folder, changes, rows).check()
    return caught.value


@pytest.mark.parametrize(
    ("place", "changes"),
    [
        ("outcomes.support", {"outcomes": [OUTCOME | {"sql": "ID"}]}),
        ("outcomes.support", {"outcomes": [OUTCOME | {"sql": "ID + 0 * q1"}]}),
        ("outcomes.support", {"outcomes.0.column": "ID"}),
        ("outcomes.support", {"outcomes.0.items": [{"id": "a", "column": "q1"}, {"id": "b", "column": "ID"}]}),
        ("outcomes.support", {"outcomes.0.column": "{name}", "outcomes.0.items": [{"id": "a", "bind": {"name": "ID"}}]}),
        ("outcomes.support", {"outcomes": [OUTCOME | {"sql": "{name} + 1", "items": [{"id": "a", "bind": {"name": "ID"}}]}]}),
        ("outcomes.support", {"outcomes.0.variants": [{"conditions": ["treated"], "sql": "abs(ID)"}, {}]}),
        ("fills.who", {"fills": {"who": {"column": "ID", "values": {7001: {"text": "you"}}}}, "conditions.1.text": TEXT}),
        ("fills.who", {"fills": {"who": {"sql": "ID % 2", "values": {1: {"text": "you"}}}}, "conditions.1.text": TEXT}),
        (
            "outcomes.support.attributes.age",
            {"outcomes.0.attributes": [{"name": "age", "profile": "a", "column": "ID", "title": {"text": "Age"}}]},
        ),
        (
            "outcomes.support.attributes.age",
            {"outcomes.0.attributes": [{"name": "age", "profile": "a", "column": "q2", "position": "ID", "title": {"text": "Age"}}]},
        ),
        (
            "demographics.household_size",
            {"demographics.fields": {"household_size": {"columns": ["id"]}}},
        ),  # names are compared without case
        ("data.weight", {"data.weight": "ID"}),
    ],
)
def test_no_output_reads_the_id_column(tmp_path: Path, place: str, changes: Changes) -> None:
    rows = [{key: value for key, value in row.items() if key != "id"} | {"q2": 1} for row in NUMBERED]
    error = failure(tmp_path, {"data.participant": "ID", **changes}, rows)
    assert type(error) is StudyFileError
    assert str(error).startswith(f"toy: {place}: it reads ID, the column that identifies people"), error
    assert "Fix: use another column" in str(error)
    assert "700" not in str(error)


def test_filters_may_read_the_id_column(tmp_path: Path) -> None:
    changes = {"data.participant": "ID", "data.keep": [{"sql": "ID != 7002", "reason": "test", "why": "test"}], "stated.0.value": 3}
    made = toy(tmp_path, {**changes, "conditions.1.where": "arm = 1 AND ID > 0", "outcomes.0.asked": "ID > 1"}, NUMBERED).made()
    assert made.deposit.n_people == 3


@pytest.mark.parametrize(
    ("place", "changes"),
    [
        ("conditions.treated.where", {"conditions.1.where": "lower(ID)"}),
        ("outcomes.support.asked", {"outcomes.0.asked": "lower(ID)"}),
        ("data.keep[0]", {"data.keep": [{"sql": "lower(ID)", "reason": "x", "why": "x"}]}),
    ],
)
def test_a_filter_that_is_no_comparison_is_named(tmp_path: Path, place: str, changes: Changes) -> None:
    error = failure(tmp_path, {"data.participant": "ID", **changes}, NAMED)
    assert type(error) is StudyFileError
    assert str(error).startswith(f"toy: {place}: a string is neither true nor false"), error
    assert "Expected: a comparison, or a column of 0 and 1" in str(error) and "p700" not in str(error)


def test_sql_that_fails_on_a_row_names_the_study_and_the_key(tmp_path: Path) -> None:
    error = failure(tmp_path, {"conditions.1.where": "cast(id AS INTEGER) = 1"}, ROWS)
    assert type(error) is ExpressionError
    assert error.where == "toy: conditions.treated.where, expression cast(id AS INTEGER) = 1"
    assert error.found == "a value does not convert to INT32"
    assert "p1" not in str(error)


def test_braces_around_a_number_are_a_repetition(tmp_path: Path) -> None:
    changes = {"data.keep": [{"sql": "regexp_matches(id, '^p[0-9]{1}$')", "reason": "x", "why": "x"}]}
    where = {"conditions.1.where": "arm = 1 AND regexp_matches(id, '^p[0-9]{1}$')"}
    assert toy(tmp_path, {**changes, **where}).made().deposit.n_people == 4


@pytest.mark.parametrize("twin", ["p2 ", " p2", "\u00a0p2\t"])
def test_ids_that_differ_in_outer_space_are_one_person(tmp_path: Path, twin: str) -> None:
    rows = [*ROWS, {"id": twin, "arm": 0, "q1": 1}]
    error = failure(tmp_path, {}, rows)
    assert type(error) is GateError
    assert "[participants] 1 participant id stands in more than one row: rows 2, 5 of the data" in str(error)
    found = toy(tmp_path, {"data.duplicates": "keep_first"}, rows)
    deposit = extract(found.registry.get("toy").load(), found.deposits / "toy")
    assert np.array_equal(deposit.row_numbers(), [1, 2, 3, 4]) and deposit.dropped == {"duplicate_participant": 1}


def test_white_space_is_no_id(tmp_path: Path) -> None:
    error = failure(tmp_path, {}, [*ROWS, {"id": "  ", "arm": 0, "q1": 1}])
    assert "[participants] no participant id in row 5 of the data" in str(error)


def test_codes_that_are_no_answer_name_the_first_row(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [*ROWS, {"id": "p5", "arm": 0, "q1": 9}, {"id": "p6", "arm": 1, "q1": 9}]
    keep = [{"sql": "id != 'p1'", "reason": "x", "why": "x"}]  # rows are those of the file, not of the people kept
    error = failure(tmp_path, {"data.keep": keep}, rows)
    assert "column q1: [on_scale] response 9 is off the scale, 2 times, first in row 5 of the data" in str(error)
    error = failure(tmp_path, {"data.keep": keep, "outcomes.0.recode": {1: 1, 3: 3, 4: 4, 9: 1}, "outcomes.0.why_recode": "test"}, rows)
    assert "column q1: [codes] code 5 has no mapping, 1 time, first in row 2 of the data" in str(error)
    people = [row | {"size": 99 if number == 3 else 2} for number, row in enumerate(ROWS)]
    error = failure(tmp_path, {"data.keep": keep, "demographics.fields": {"household_size": {"columns": ["size"]}}}, people)
    assert "column size: field household_size: code 99, in 1 row, first in row 4 of the data, has no mapping" in str(error)


def test_an_answer_too_large_for_a_whole_number_is_off_an_unbounded_scale(tmp_path: Path) -> None:
    scale = {"outcomes.0.scale": {"kind": "numeric", "direction": "up", "unit": "dollars"}}
    error = failure(tmp_path, scale, [*ROWS, {"id": "p5", "arm": 0, "q1": 1e300}])
    assert "[on_scale] response" in str(error) and "off the scale, 1 time, first in row 5 of the data" in str(error)
