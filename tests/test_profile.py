"""Profiles of deposits: the small made-up deposits of this file, the simulated ones, and, where they are, real ones with their keys."""

from __future__ import annotations

import csv
import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from typer.testing import CliRunner

from socsci210.cli import app
from socsci210.errors import ReadError
from socsci210.profiling import Profile, profile_deposit, to_markdown
from socsci210.profiling.arms import _same
from socsci210.profiling.columns import Seen, seen
from socsci210.profiling.parts import parts
from socsci210.profiling.records import Table
from socsci210.profiling.table import profile_table
from socsci210.readers import Column
from socsci210.registry import Registry
from socsci210.study_file import StudyFile

REAL = [entry.id for entry in Registry().entries() if not entry.simulated]
SIMULATED = [entry.id for entry in Registry().entries() if entry.simulated]


def table_of(study: StudyFile, deposit: Path) -> Table:
    name = study.files[study.data.file].file
    return profile_table(parts(deposit / name)[0][0], name)


def filled(text: str, bind: dict[str, str | int]) -> str:
    for key, value in bind.items():
        text = text.replace(f"{{{key}}}", str(value))
    return text


def binds(study: StudyFile) -> list[dict[str, str | int]]:
    return [item.bind for outcome in study.outcomes for item in outcome.items] or [{}]


def arm_columns(study: StudyFile, names: set[str]) -> set[str]:
    wheres = [filled(condition.where, bind) for condition in study.conditions for bind in binds(study)]
    return {name for where in wheres for name in names if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", where)}


def answer_columns(study: StudyFile, names: set[str]) -> dict[str, set[int | float | str]]:
    """Column -> the codes that the study file calls missing there."""
    found: dict[str, set[int | float | str]] = {}
    for outcome in study.outcomes:
        for variant in (outcome, *outcome.variants):
            for item in outcome.items or (None,):
                for column in (variant.column, item.column if item else None):
                    name = filled(column, item.bind if item else {}) if column else ""
                    if name in names:
                        found.setdefault(name, set()).update(outcome.missing)
    return found


def check_against_key(study: StudyFile, deposit: Path) -> None:
    table = table_of(study, deposit)
    variables = {variable.name: variable for variable in table.variables}
    arms, answers = arm_columns(study, set(variables)), answer_columns(study, set(variables))
    held = [{*arm.columns, *arm.same_as, *(name for level in arm.levels for name in level.columns)} for arm in table.arms]
    assert any(arms <= columns for columns in held[:2]), f"arms {sorted(arms)}"
    listed = [outcome.column for outcome in table.outcomes]
    assert set(answers) <= set(listed[: len(answers) + 3])
    missing = {(name, one.code) for one in table.missing for name in one.columns}
    for name, codes in answers.items():
        occur = {value.code for value in variables[name].values}
        assert {(name, code) for code in codes & occur} <= missing
    for where, codes_here in study.data.missing.items():
        for code in codes_here:
            occurs = [name for name in variables if any(value.code == code for value in variables[name].values)]
            if where == "*" and occurs:
                assert any(name == one for name, other in missing for one in occurs if other == code)
    best = table.crosswalks[0].crosswalk if table.crosswalks and table.crosswalks[0].score >= 0.5 else None
    assert best == study.demographics.crosswalk
    assert table.participants[0].column == study.data.participant
    if study.data.weight is not None:
        assert table.weights[0].column == study.data.weight


@pytest.mark.parametrize("study_id", REAL)
def test_real_deposits_against_their_keys(study_id: str, deposits_dir: Path) -> None:
    entry = Registry().get(study_id)
    deposit = entry.deposit(deposits_dir)
    assert deposit is not None
    check_against_key(entry.load(), deposit)


@pytest.mark.parametrize("study_id", REAL)
def test_real_deposits_without_any_label(study_id: str, deposits_dir: Path) -> None:
    """As they would be in a csv file: names and codes alone tell arms, outcomes, participants and weights."""
    entry = Registry().get(study_id)
    study, deposit = entry.load(), entry.deposit(deposits_dir)
    assert deposit is not None
    name = study.files[study.data.file].file
    part = parts(deposit / name)[0][0]
    bare = replace(part.raw, columns={name: Column(name, None, {}, (), ()) for name in part.raw.columns}, header_texts={})
    table = profile_table(replace(part, raw=bare), name)
    names = {variable.name for variable in table.variables}
    held = [{*arm.columns, *arm.same_as, *(name for level in arm.levels for name in level.columns)} for arm in table.arms]
    assert any(arm_columns(study, names) <= columns for columns in held[:2])
    answers = set(answer_columns(study, names))
    assert answers <= {outcome.column for outcome in table.outcomes[: len(answers) + 10]}
    assert table.participants[0].column == study.data.participant
    assert study.data.weight is None or table.weights[0].column == study.data.weight


@pytest.mark.parametrize("study_id", SIMULATED)
def test_simulated_deposits_against_their_keys(study_id: str, simulated_deposits: Path) -> None:
    entry = Registry().get(study_id)
    check_against_key(entry.load(), simulated_deposits / study_id)


# --- a made-up deposit, profiled through the isolated children -----------------------------------------------------------------------


def rows() -> Iterator[dict[str, object]]:
    draw = random.Random(4)
    for person in range(400):
        arm = person % 4
        yield {
            "ResponseId": f"R_{draw.getrandbits(60):015x}",
            "age": 3 if person == 3 else draw.randint(18, 90),
            "gender": draw.choice([1, 2]),
            "treatment": ["placebo", "letter", "call", "visit"][arm],
            "task1_a_price": draw.choice([1, 2, 3]), "task1_b_price": draw.choice([1, 2, 3]),
            "task2_a_price": draw.choice([1, 2, 3]), "task2_b_price": draw.choice([1, 2, 3]),
            "task1_a_color": draw.choice([1, 2]), "task1_b_color": draw.choice([1, 2]),
            "task2_a_color": draw.choice([1, 2]), "task2_b_color": draw.choice([1, 2]),
            "trust": "NA" if person % 25 == 0 else draw.randint(1, 7),
            "likely": 99 if person % 20 == 0 else draw.randint(1, 5),
            "thoughts": "n/a" if person % 50 == 0 else f"my own words number {person} about things",
            "contact": f"person{person}@example.org" if person % 2 else "",
        }  # fmt: skip


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made_up") / "mail_study"
    folder.mkdir()
    people = list(rows())
    with (folder / "answers.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(people[0]))
        writer.writeheader()
        writer.writerows(people)
    (folder / "questionnaire.txt").write_text("Welcome.\n[trust] How much do you trust the mail?\nThank you.\n")
    (folder / "copy.csv").write_text((folder / "answers.csv").read_text())
    (folder / "analysis.R").write_text("stop('never run')\n")
    (folder / "broken.sav").write_bytes(b"$FL2 and nothing more")
    return folder


@lru_cache
def profile_of(folder: Path) -> Profile:
    return profile_deposit(folder)


def test_roles_of_a_made_up_deposit(made_up: Path) -> None:
    table = profile_of(made_up).tables[0]
    roles = {variable.name: variable.role for variable in table.variables}
    assert roles["ResponseId"] == "participant" and roles["contact"] == "identifier" and roles["thoughts"] == "open text"
    assert roles["age"] == roles["gender"] == "demographic"
    assert roles["treatment"] == "arm" and table.arms[0].columns == ("treatment",)
    assert [(level.code, level.n) for level in table.arms[0].levels] == [("call", 100), ("letter", 100), ("placebo", 100), ("visit", 100)]
    assert {outcome.column for outcome in table.outcomes} == {"trust", "likely"}
    assert {one.column for one in table.left_out} == {"ResponseId", "contact", "thoughts"}


def test_codes_that_nothing_declares(made_up: Path) -> None:
    table = profile_of(made_up).tables[0]
    found = {(one.code, one.columns) for one in table.missing}
    assert found == {("NA", ("trust",)), (99, ("likely",)), (3, ("age",))}
    trust = next(variable for variable in table.variables if variable.name == "trust")
    assert trust.codes_are_text and trust.kind == "whole numbers"
    scale = next(outcome.scale for outcome in table.outcomes if outcome.column == "likely")
    assert (scale.min, scale.max, scale.kind) == (1, 5, "ordinal")


def test_columns_that_group_people_alike() -> None:
    random = np.random.default_rng(0)

    def column(codes: Sequence[int | None]) -> Seen:
        return seen(Column("c", None, {}, (), ()), pa.array(codes, pa.int64()), None)

    def alike(one: Seen, other: Seen) -> bool:
        pairs = set(zip(one.index.tolist(), other.index.tolist(), strict=True))
        return len(one.codes) == len(other.codes) and len(pairs) == len(set(one.index.tolist())) == len(set(other.index.tolist()))

    verdicts = set()
    for _ in range(300):
        codes = random.choice([1, 2, 3, 9], 12).tolist()
        renamed = {1: 7, 2: 5, 3: None, 9: 4, 8: 8}
        other = [renamed[code] for code in codes]
        if random.random() < 0.5:
            other[int(random.integers(12))] = 7
        pair = column(codes), column(other)
        assert _same(*pair) == alike(*pair)
        verdicts.add((_same(*pair), len(pair[0].codes) == len(pair[1].codes)))
    assert verdicts >= {(True, True), (False, True), (False, False)}


def test_a_wide_and_long_file_of_many_different_values_takes_seconds(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    n = 20_000
    table = {f"arm{place}": random.integers(1, 3, n) for place in range(60)} | {f"time{place}": random.random(n) for place in range(40)}
    pacsv.write_csv(pa.table(table), tmp_path / "wide.csv")
    start = time.process_time()
    found = profile_table(parts(tmp_path / "wide.csv")[0][0], "wide.csv")
    assert (found.rows, found.columns) == (n, 100) and time.process_time() - start < 30


def test_a_conjoint_with_words_for_its_attributes(made_up: Path) -> None:
    (found,) = profile_of(made_up).tables[0].conjoints
    assert found.tasks == ("1", "2") and found.profiles == ("a", "b") and len(found.columns) == 8
    assert [(one.key, len(one.levels)) for one in found.attributes] == [("price", 3), ("color", 2)]


def test_files_twins_and_faults(made_up: Path) -> None:
    profile = profile_of(made_up)
    notes = {file.file: (file.role, file.note) for file in profile.files}
    assert notes["analysis.R"] == ("other", None) and notes["broken.sav"][0] == "data" and "damaged" in str(notes["broken.sav"][1])
    assert {table.file: table.twin_of for table in profile.tables} == {"answers.csv": None, "copy.csv": "answers.csv"}
    trust = next(variable for variable in profile.tables[0].variables if variable.name == "trust")
    assert trust.blocks == ("questionnaire.txt:1",)


def test_nobody_can_be_found_in_a_profile(made_up: Path) -> None:
    profile = profile_of(made_up)
    text, data = to_markdown(profile), profile.model_dump_json()
    for secret in ("my own words", "@example.org", "R_0"):
        assert secret not in text and secret not in data
    assert "<10" in text
    counts = [value.n for table in profile.tables for variable in table.variables for value in variable.values]
    assert not [n for n in counts if n is not None and 0 < n < 10]


def test_a_profile_is_the_same_every_time_and_reads_back(made_up: Path) -> None:
    first = profile_of(made_up)
    assert profile_deposit(made_up) == first
    assert Profile.model_validate_json(first.model_dump_json()) == first


def test_a_row_of_question_text_below_the_header_is_found(tmp_path: Path) -> None:
    lines = [f"R{n},{n % 2},{1 + n % 5},{20 + n % 60}" for n in range(200)]
    (tmp_path / "survey.csv").write_text("\n".join(["id,cond,Q1,age", "Response ID,cond,How likely are you?,Your age", *lines]) + "\n")
    (table,) = profile_deposit(tmp_path).tables
    assert table.second_header and table.rows == 200
    assert next(v.label for v in table.variables if v.name == "Q1") == "How likely are you?"


def test_the_command_writes_both_files(made_up: Path, tmp_path: Path) -> None:
    out, data = tmp_path / "profile.md", tmp_path / "profile.json"
    result = CliRunner().invoke(app, ["profile", str(made_up / "answers.csv"), "--out", str(out), "--json", str(data)])
    assert result.exit_code == 0, result.output
    assert out.read_text().startswith("# Deposit") and json.loads(data.read_text())["format"] == 1


def test_no_data_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing\n")
    with pytest.raises(ReadError, match="no data file that can be read"):
        profile_deposit(tmp_path)
    with pytest.raises(ReadError, match="no such folder"):
        profile_deposit(tmp_path / "nowhere")
