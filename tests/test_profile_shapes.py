"""Profiles of deposits in shapes that none of the real and the simulated ones have, each held against what is true of it."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from socsci210.profiling import profile_deposit
from socsci210.profiling.parts import parts
from socsci210.profiling.records import Arm, Table
from socsci210.profiling.table import profile_table
from tests.deposit_shapes import SHAPES, Shape, made


def told(arm: Arm) -> set[str]:
    """The columns that a candidate names."""
    return {*arm.columns, *arm.same_as, *(name for level in arm.levels for name in level.columns)}


def profiled(shape: Shape, folder: Path) -> Table:
    path = shape.write(folder)
    return profile_table(parts(path)[0][0], path.name)


@pytest.mark.parametrize("draw", range(3))
@pytest.mark.parametrize("name", SHAPES)
def test_the_truth_is_among_the_first_candidates(name: str, draw: int, tmp_path: Path) -> None:
    shape = made(name, draw)
    table = profiled(shape, tmp_path)
    assert any(shape.arms <= told(arm) and shape.kind in (None, arm.kind) for arm in table.arms[:2]), [
        (arm.kind, arm.columns, arm.score) for arm in table.arms
    ]
    listed = [outcome.column for outcome in table.outcomes]
    assert set(shape.outcomes) <= set(listed[: len(shape.outcomes) + 3]), listed
    found = {(column, one.code) for one in table.missing for column in one.columns}
    assert found == {(column, code) for column, codes in shape.missing.items() for code in codes}
    best = table.crosswalks[0].crosswalk if table.crosswalks and table.crosswalks[0].score >= 0.5 else None
    assert best == shape.crosswalk, [(fit.crosswalk, fit.score) for fit in table.crosswalks]
    assert table.participants[0].column == next(name for name in shape.columns if name.casefold() in IDS)


IDS = {"id", "respid", "responseid", "caseid", "case_id", "pid", "prolific_pid", "sub", "participant", "workerid", "uid"}


def test_the_levels_of_dummies_are_their_columns_and_the_rest(tmp_path: Path) -> None:
    table = profiled(made("dummies_without_control"), tmp_path)
    (arm,) = (arm for arm in table.arms if arm.kind == "dummies")
    assert [(level.columns, level.label) for level in arm.levels] == [
        (("treat_gain",), None),
        (("treat_loss",), None),
        ((), "in all of them"),
    ]
    assert sum(level.n or 0 for level in arm.levels) == table.rows
    roles = {variable.name: variable.role for variable in table.variables}
    assert roles["treat_gain"] == roles["treat_loss"] == "arm"


def test_flags_of_which_some_people_have_two_are_no_arms(tmp_path: Path) -> None:
    columns = dict(made("dummies_without_control").columns)
    columns["treat_loss"] = [int(place % 2 == 0) for place, _ in enumerate(columns["id"])]
    table = profiled(Shape(columns, frozenset(), ()), tmp_path)
    assert "dummies" not in [arm.kind for arm in table.arms]


def test_columns_that_depend_on_each_other_are_no_factors(tmp_path: Path) -> None:
    columns = dict(made("two_experiments").columns)
    columns["school_arm"] = [one if place % 3 else 1 for place, one in enumerate(columns["tax_arm"])]
    table = profiled(Shape(columns, frozenset(), ()), tmp_path)
    assert "factors" not in [arm.kind for arm in table.arms]


def test_the_cell_of_a_design_is_named_beside_its_factors(tmp_path: Path) -> None:
    table = profiled(made("factors_with_their_cell"), tmp_path)
    assert set(table.arms[0].columns) == {"source", "frame"} and "column condition holds their combinations" in table.arms[0].reasons
    assert table.arms[1].columns == ("condition",)


@pytest.mark.parametrize("extension", ["csv", "xlsx"])
def test_a_third_header_row_is_no_person(extension: str, tmp_path: Path) -> None:
    shape = made("three_header_rows")
    path = shape.write(tmp_path)
    if extension == "xlsx":
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        heads = [list(shape.columns), [shape.labels.get(name, name) for name in shape.columns], ['{"ImportId":"x"}' for _ in shape.columns]]
        for row in (*heads, *map(list, zip(*shape.columns.values(), strict=True))):
            sheet.append(row)
        path = path.with_suffix(".xlsx")
        book.save(path)
    table = profile_table(parts(path)[0][0], path.name)
    assert table.second_header and table.rows == len(shape.columns["Q1"]) and "third header row" in " ".join(table.notes)
    variables = {variable.name: variable for variable in table.variables}
    assert variables["Q1"].kind == "whole numbers" and variables["Q1"].label == "How much do you agree with the plan?"
    assert {"StartDate", "Status", "Progress", "UserLanguage", "T_Click Count"}.isdisjoint(one.column for one in table.outcomes)


def test_data_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    made("mostly_control").write(tmp_path)
    (tmp_path / "study.RData").write_bytes(b"RDX3\n")
    (tmp_path / "raw.7z").write_bytes(b"7z\xbc\xaf")
    (tmp_path / "clean.R").write_text("1\n")
    notes = {file.file: file.note for file in profile_deposit(tmp_path).files}
    assert "haven::write_sav" in str(notes["study.RData"]) and "unpack" in str(notes["raw.7z"]) and notes["clean.R"] is None
