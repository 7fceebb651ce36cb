"""Crosswalks: values of all 16 fields, missing codes, unmapped codes, and the panels of the real deposits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from socsci210.crosswalks import crosswalk, demographic_columns, map_field
from socsci210.demographics import FIELDS, INTEGER_FIELDS, VOCABULARY
from socsci210.errors import StudyFileError
from socsci210.readers import Column, read_data
from socsci210.readers.types import Code
from socsci210.registry import loaders_folder
from socsci210.study_file import StudyFile

from .study_files import load

PANELS = ("amerispeak", "knowledgepanel", "qualtrics", "simulated", "yougov")


def column(name: str, labels: dict[Code, str] | None = None, missing: tuple[Code, ...] = ()) -> Column:
    return Column(name, None, labels or {}, missing, ())


def mapped(study: StudyFile, field: str, codes: list[Any], source: Column) -> list[Any]:
    plan = demographic_columns(study, {source.name: source})[field]
    result = map_field(plan, pa.array(codes), "data.csv")
    assert result.type == (pa.int64() if field in INTEGER_FIELDS else pa.string())
    return result.to_pylist()  # type: ignore[no-any-return]


def study_with(folder: Path, crosswalk: str | None = None, *, missing: dict[str, Any] | None = None, **fields: Any) -> StudyFile:
    demographics: dict[str, Any] = {"fields": fields} | ({"crosswalk": crosswalk} if crosswalk else {})
    return load(folder, demographics=demographics, data={"file": "data", "participant": "id", "missing": missing or {}})


# --- the files ----------------------------------------------------------------------------------------------------------------------


def test_the_built_in_crosswalks_load() -> None:
    assert sorted(path.stem for path in (loaders_folder() / "crosswalks").glob("*.yaml")) == list(PANELS)
    for name in PANELS:
        assert set(crosswalk(name)) <= set(FIELDS), name


def test_the_simulated_crosswalk_has_every_value_of_every_field_in_order() -> None:
    fields = crosswalk("simulated")
    assert tuple(fields) == FIELDS
    for name, words in VOCABULARY.items():
        codes = {code: value for code, value in fields[name].values.items() if value is not None}
        assert codes == dict(enumerate(words or (), start=1)), name


def test_the_political_scales_run_in_opposite_directions(tmp_path: Path) -> None:
    seven = [1, 4, 7]
    knowledge = column("XPARTY7", {1: "Strong Republican", 4: "Undecided/Independent/Other", 7: "Strong Democrat"})
    expected = ["Strong Republican", "Don't Lean/Independent/None", "Strong Democrat"]
    assert mapped(study_with(tmp_path, "knowledgepanel"), "party_id", seven, knowledge) == expected
    assert mapped(study_with(tmp_path, "amerispeak"), "party_id", seven, column("PartyID7")) == expected[::-1]


def test_codes_that_changed_between_waves_are_read_by_label(tmp_path: Path) -> None:
    study = study_with(tmp_path, "knowledgepanel")
    old = column("PPMARIT", {1: "Married", 2: "Single (never married)", 4: "Widowed", 99: "Missing"})
    new = column("PPMARIT", {1: "Married", 2: "Widowed", 4: "Separated"})
    assert mapped(study, "marital_status", [1, 2, 4, 99, None], old) == ["Married", "Never married", "Widowed", None, None]
    assert mapped(study, "marital_status", [1, 2, 4], new) == ["Married", "Widowed", "Separated"]
    with pytest.raises(StudyFileError, match="code 2, in 1 row, first in row 1 of the data, has no mapping"):
        mapped(study, "marital_status", [2], column("PPMARIT"))  # no label: the wave cannot be known


def test_amerispeak_states_are_abbreviations(tmp_path: Path) -> None:
    study = study_with(tmp_path, "amerispeak")
    assert mapped(study, "location", ["DC", "wy", "-1", None], column("STATE")) == ["District of Columbia", "Wyoming", None, None]
    assert mapped(study, "income", [1, 18, 77, 98, 99], column("INCOME")) == ["<5K", "200K+", None, None, None]


def test_a_year_of_birth_becomes_an_age(tmp_path: Path) -> None:
    study = study_with(tmp_path, "yougov")  # fieldwork began in 2020
    assert mapped(study, "age", [1990, 1955, 9999], column("birthyr")) == [30, 65, None]
    assert mapped(study, "location", [1, 11, 56], column("inputstate")) == ["Alabama", "District of Columbia", "Wyoming"]
    unknown = load(tmp_path, demographics={"crosswalk": "yougov"}, provenance__field_start="unknown")
    with pytest.raises(StudyFileError, match=r"provenance.field_start: age is a year of birth(.|\n)*Fix: give the year"):
        demographic_columns(unknown, {"birthyr": column("birthyr")})


# --- plans --------------------------------------------------------------------------------------------------------------------------


def test_plans_follow_the_vocabulary_and_leave_out_what_the_data_lack(tmp_path: Path) -> None:
    columns = {name: column(name) for name in ("HHSIZE", "AGE", "GENDER", "other")}
    assert list(demographic_columns(study_with(tmp_path, "amerispeak"), columns)) == ["age", "gender", "household_size"]


def test_names_of_columns_are_compared_exactly_then_without_case(tmp_path: Path) -> None:
    study = study_with(tmp_path, "knowledgepanel")
    assert demographic_columns(study, {"ppage": column("ppage")})["age"].column.name == "ppage"
    both = {"ppage": column("ppage"), "PPAGE": column("PPAGE")}
    assert demographic_columns(study, both)["age"].column.name == "PPAGE"
    assert demographic_columns(study, {"ppage": column("ppage"), "Ppage": column("Ppage")}) == {}  # neither is meant


def test_a_study_replaces_and_removes_fields(tmp_path: Path) -> None:
    study = study_with(tmp_path, "amerispeak", gender={"columns": ["sex"], "labels": {"F": "Female", "M": "Male"}}, age=None)
    columns = {name: column(name) for name in ("AGE", "GENDER", "sex", "METRO")}
    plans = demographic_columns(study, columns)
    assert {field: plan.column.name for field, plan in plans.items()} == {"gender": "sex", "metro_status": "METRO"}
    assert map_field(plans["gender"], pa.array(["f", " M ", None]), "data.csv").to_pylist() == ["Female", "Male", None]


def test_a_study_s_own_field_must_find_its_column(tmp_path: Path) -> None:
    study = study_with(tmp_path, gender={"columns": ["gendr"]})
    with pytest.raises(StudyFileError) as error:
        demographic_columns(study, {"gender": column("gender")})
    assert "demographics.fields.gender.columns: no column 'gendr'" in str(error.value)
    assert "Did you mean 'gender'?" in str(error.value)


def test_an_unknown_crosswalk_suggests_a_near_one(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match=r"no crosswalk 'yougove'(.|\n)*Did you mean 'yougov'\?"):
        demographic_columns(study_with(tmp_path, "yougove"), {})


# --- codes --------------------------------------------------------------------------------------------------------------------------


def test_a_code_without_a_mapping_is_an_error_that_counts(tmp_path: Path) -> None:
    study = study_with(tmp_path, "amerispeak")
    with pytest.raises(StudyFileError) as error:
        mapped(study, "gender", [1, 2, 3, 3, 3], column("GENDER", {3: "Nonbinary"}))
    said = str(error.value)
    where, found = "data.csv, column GENDER: field gender", "code 3 ('Nonbinary'), in 3 rows, first in row 3 of the data, has no mapping"
    assert said.startswith(f"{where}: {found}")
    assert "Expected: one of Male, Female" in said
    assert "Fix: add it under demographics.fields.gender.values, with null if it stands for no answer" in said


@pytest.mark.parametrize("code", [267, -5, 34.5, 121, float("inf"), "n/a"])
def test_an_age_that_is_none_is_an_error(tmp_path: Path, code: Any) -> None:
    with pytest.raises(StudyFileError, match=r"field age: code .*, in 1 row, first in row 1 .*(.|\n)*a whole number from 0 to 120"):
        mapped(study_with(tmp_path, "qualtrics"), "age", [code], column("age_1"))


def test_integer_fields_keep_numbers_and_map_top_codes(tmp_path: Path) -> None:
    study = study_with(tmp_path, household_size={"columns": ["size"], "labels": {"10 or more": "10"}, "values": {99: None, 6: "6"}})
    source = column("size", {11: "10 or more"})
    assert mapped(study, "household_size", [1.0, 6.0, 11.0, 99.0, None], source) == [1, 6, 10, None, None]


def test_missing_codes_of_the_file_and_of_the_study(tmp_path: Path) -> None:
    study = study_with(
        tmp_path, missing={"sex": {7: "refused"}, "*": {-1: "refused", 98: "skipped"}}, gender={"columns": ["sex"], "values": {1: "Male"}},
        age={"columns": ["AGE"]},
    )  # fmt: skip
    columns = {"sex": column("sex", missing=(8,)), "AGE": column("AGE")}
    plans = demographic_columns(study, columns)
    assert map_field(plans["gender"], pa.array([1, 7, 8, -1, 98]), "f").to_pylist() == ["Male", None, None, None, None]
    # 98 is an age, whatever it means in other columns; -1 is not
    assert map_field(plans["age"], pa.array([98, -1]), "f").to_pylist() == [98, None]


def test_a_label_counts_before_a_code_and_may_be_a_beginning(tmp_path: Path) -> None:
    labels = {"Work...": "Retired", "Work part...": "Disabled", "work": "Self-employed"}
    study = study_with(tmp_path, employment={"columns": ["w"], "labels": labels, "values": {1: "Looking for work", 9: None}})
    source = column("w", {1: "Working  FULL time", 2: "Work part time", 3: "WORK"})
    assert mapped(study, "employment", [1, 2, 3, 9], source) == ["Retired", "Disabled", "Self-employed", None]


def test_chunks_and_empty_columns(tmp_path: Path) -> None:
    plan = demographic_columns(study_with(tmp_path, "amerispeak"), {"GENDER": column("GENDER")})["gender"]
    chunks = pa.chunked_array([[1, 2], [None, 98], [2]])
    assert map_field(plan, chunks, "f").to_pylist() == ["Male", "Female", None, None, "Female"]
    assert map_field(plan, pa.array([], pa.int64()), "f").to_pylist() == []
    assert map_field(plan, pa.nulls(2), "f").to_pylist() == [None, None]
    assert map_field(plan, pa.chunked_array([], pa.int64()), "f").to_pylist() == []


# --- real deposits ------------------------------------------------------------------------------------------------------------------

REAL: dict[str, tuple[str, int, dict[str, tuple[str | None, int]]]] = {  # panel, number of fields, counts of one value
    "schuldt301/data.sav": (
        "knowledgepanel",
        15,
        {"party_id": ("Strong Republican", 344), "ideology": (None, 2), "education": ("Bachelor's degree", 406)},
    ),
    "singer251/singer.sav": (
        "knowledgepanel",
        15,
        {"party_id": ("Don't Lean/Independent/None", 58), "ideology": (None, 11), "gender": ("Male", 784)},
    ),
    "kallaBR42/teele.sav": (
        "knowledgepanel",
        15,
        {"party_id": ("Strong Democrat", 388), "ideology": ("Somewhat Liberal", 212), "metro_status": ("Metro Area", 1806)},
    ),
    "holbrook120/data.sav": (
        "knowledgepanel",
        12,
        {"marital_status": ("Never married", 1199), "housing_type": ("A mobile home or trailer", 461), "income": (None, 234)},
    ),
    "ryanS14/rawdata_tess.csv": (
        "amerispeak",
        16,
        {"party_id": ("Strong Democrat", 273), "ideology": ("Moderate", 1016), "location": ("California", 251)},
    ),
}


@pytest.mark.parametrize("file", REAL)
def test_real_deposits_map_without_a_gap(deposits_dir: Path, tmp_path: Path, file: str) -> None:
    panel, fields, counts = REAL[file]
    table = read_data(deposits_dir / file)
    plans = demographic_columns(study_with(tmp_path, panel), table.columns)
    assert len(plans) == fields
    values = {field: map_field(plan, table.data[plan.column.name], file) for field, plan in plans.items()}
    assert {field: (value, Counter(values[field].to_pylist())[value]) for field, (value, _) in counts.items()} == counts
    for field, mapped_values in values.items():
        words = VOCABULARY[field]
        assert words is None or set(mapped_values.to_pylist()) <= {*words, None}
