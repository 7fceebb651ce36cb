"""The format of study.yaml: what it accepts, and what it says when something is wrong."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from socsci210.errors import StudyFileError
from socsci210.new_study import new_study
from socsci210.registry import load_study_file, loaders_folder
from socsci210.study_schema import schema_text
from socsci210.study_yaml import key_path, read_yaml

from .study_files import SMALL, load, small, write

FILL = {"column": "o", "values": "value_labels"}
UNFOLDING = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in pairwise("abcdefghi")
)
ITEMS = [{"id": "one", "bind": {"pair": 1}}, {"id": "two", "bind": {"pair": 2}}]


def message(folder: Path, **changes: Any) -> str:
    with pytest.raises(StudyFileError) as error:
        load(folder, **changes)
    return str(error.value)


def test_values_are_read(tmp_path: Path) -> None:
    study = load(tmp_path)
    assert study.id == "small"
    assert study.provenance.field_start == "2020"
    assert study.conditions[1].text[0].blocks == (3,)
    assert study.outcomes[0].scale is not None and study.outcomes[0].scale.max == 5
    assert [quote.label or quote.doc for quote in study.quotes()] == ["paper", "q1"]


def test_a_variant_completes_the_outcome(tmp_path: Path) -> None:
    variants = [{"conditions": ["treated"], "column": "q1_b", "question": [{"label": "q1_b"}]}, {"conditions": ["control"]}]
    outcome = load(tmp_path, outcomes__0__variants=variants).outcomes[0]
    treated, control = outcome.asked_as("treated"), outcome.asked_as("control")
    assert treated is not None and control is not None
    assert (treated.column, treated.question[0].label if treated.question else None) == ("q1_b", "q1_b")
    assert (control.column, control.scale) == ("q1", outcome.scale)
    assert outcome.asked_as("nobody") is None


def test_a_variant_with_sql_replaces_the_column(tmp_path: Path) -> None:
    outcome = load(tmp_path, outcomes__0__variants=[{"conditions": ["treated"], "sql": "q1 + 1"}, {}]).outcomes[0]
    treated = outcome.asked_as("treated")
    assert treated is not None and (treated.column, treated.sql) == (None, "q1 + 1")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"outcomes__0__colum": "x"}, ["line 56: outcomes[0].colum: unknown key 'colum'", "Fix: Did you mean 'column'?"]),
        ({"data__wieght": "w"}, ["data.wieght: unknown key 'wieght'", "Did you mean 'weight'?"]),
        ({"demographics__fields": {"age": {"colums": ["a"]}}}, ["demographics.fields.age.colums", "Did you mean 'columns'?"]),
        ({"design": "betwen"}, ["design: found 'betwen'", "'between', 'within' or 'conjoint'", "Did you mean 'between'?"]),
        ({"outcomes__0__scale__kind": "ordinel"}, ["outcomes[0].scale.kind: found 'ordinel'", "Did you mean 'ordinal'?"]),
        ({"id": "../evil"}, ["id: found '../evil'", "letters, digits and underscores"]),
        ({"files__data__file": "../../etc/passwd"}, ["files.data.file: file name '../../etc/passwd' leaves the deposit"]),
        ({"files__data__file": "/etc/passwd"}, ["files.data.file: file name '/etc/passwd' leaves the deposit"]),
        ({"files__data__file": "C:\\x.csv"}, ["leaves the deposit", "with / and without .."]),
        ({"files__data__sha256": "abc"}, ["files.data.sha256: found 'abc'"]),
        ({"files__data__sha256": "generated"}, ["files.data.sha256: sha256: generated is for simulated studies only"]),
        ({"format": 2}, ["line 1: format: format 2", "Expected: format 1"]),
        ({"data__missing": {"q1": {True: "refused"}}}, ["data.missing.q1.True", "YAML reads yes, no, on and off as true and false"]),
        ({"data__file": "dta"}, ["data.file: no file 'dta'", "one of data, paper"]),
        ({"conditions__1__id": "control"}, ["conditions[1].id: id 'control' is given twice"]),
        (
            {"conditions__1__same_text_as": "contrl", "conditions__1__why_same_text": "x"},
            ["conditions[1].same_text_as: no condition 'contrl'", "Did you mean 'control'?"],
        ),
        ({"conditions__1__text": [{"doc": "papr", "blocks": [1]}]}, ["names document 'papr'", "Did you mean 'paper'?"]),
        ({"conditions__1__text": [{"text": "Own words."}]}, ["own words in a study file: 'Own words.'", "mark the study own_deposit"]),
        ({"conditions__1__text": [{"doc": "paper", "blocks": [12.10]}]}, ["found 12.1", "YAML reads 12.10 as the number 12.1"]),
        ({"conditions__1__text": [{"label": "a", "header": "b"}]}, ["conditions[1].text[0]: a piece of text has exactly one source"]),
        ({"conditions__1__text": [{"label": "a", "drop": ["(?=x)"]}]}, ["conditions[1].text[0]: pattern '(?=x)' is no RE2 pattern"]),
        ({"conditions__1__text": [{"doc": "paper", "blocks": [1, 2], "join": " but "}]}, ["text[0]: join ' but ' brings in words"]),
        ({"outcomes__0__column": None}, ["outcomes[0]: outcome 'support' has no column in condition 'control'", "either column or sql"]),
        ({"outcomes__0__question": []}, ["outcomes[0]: outcome 'support' has no question in condition 'control'"]),
        ({"outcomes__0__recode": {1: 2}}, ["outcomes[0]: outcome support: recode needs why_recode"]),
        ({"outcomes__0__variants": [{"conditions": ["treatd"]}]}, ["outcomes[0].variants[0].conditions", "Did you mean 'treated'?"]),
        (
            {"outcomes__0__variants": [{"conditions": ["treated"]}, {"conditions": ["treated"], "column": "b"}]},
            ["outcomes[0].variants[1].conditions: condition 'treated' is in two variants"],
        ),
        (
            {"outcomes__0__scale__max": 99999999999999999999999},
            ["outcomes[0].scale.max: found 99999999999999999999999", "Expected: Input should be less than or equal to 9007199254740992"],
        ),
        ({"outcomes__0__scale__step": -(10**20)}, ["outcomes[0].scale.step", "greater than or equal to -9007199254740992"]),
        ({"outcomes__0__scale__labels": {10**20: {"label": "q1"}}}, ["outcomes[0].scale.labels", "less than or equal to"]),
        (
            {"outcomes__0__recode": {1: 10**20}, "outcomes__0__why_recode": "x"},
            ["outcomes[0].recode[1]: found 100000000000000000000", "less than or equal to 9007199254740992", "Fix: correct the value"],
        ),
        (
            {"outcomes__0__variants": [{"recode": {1: -(10**20)}}], "outcomes__0__why_recode": "x"},
            ["variants[0].recode[1]", "greater than or equal to"],
        ),
        ({"stated__0__value": float("nan")}, ["stated[0].value: found nan", "a finite number", "Fix: correct the value"]),
        ({"stated__0__value": float("inf")}, ["stated[0].value: found inf", "a finite number"]),
        ({"stated__0__tolerance": float("inf")}, ["stated[0].tolerance: found inf", "a finite number"]),
        ({"stated__0__tolerance": -0.5}, ["stated[0].tolerance: found -0.5", "greater than or equal to 0", "Fix: correct the value"]),
        (
            {"conditions__1__text": [{"label": "a", "replace": {"x": "-" * 201}}]},
            ["conditions[1].text[0]: a replacement of 201 characters; at most 200"],
        ),
        ({"conditions__1__text": [{"label": "a", "extract": "\\QAlpha"}]}, ["conditions[1].text[0]: pattern '\\\\QAlpha' is no RE2"]),
        ({"outcomes__0__items": [{"id": "a", "bind": {"3": "x"}}]}, ["items[0].bind", "found '3'", "text of the form ^[a-z]"]),
        ({"outcomes__0__items": [{"id": "a", "bind": {"x": "-" * 201}}]}, ["items[0].bind.x", "at most 200 characters"]),
        ({"fills": {"3d": FILL}}, ["fills", "found '3d'", "text of the form ^[a-z]"]),
        ({"outcomes__0__scale__max": 1}, ["outcomes[0].scale: min 1, max 1, step 1 do not make a scale"]),
        ({"outcomes__0__scale__kind": "binary"}, ["outcomes[0].scale: a binary scale has two values, 1..5 has 5"]),
        ({"outcomes__0__scale__labels": {7: {"label": "q1"}}}, ["outcomes[0].scale: labels of values that are not on the scale 1..5: [7]"]),
        (
            {"outcomes__0__recode": {1: 5, 2: 9}, "outcomes__0__why_recode": "reversed"},
            ["outcomes[0].recode: recode leads to 9, which is off the scale", "values from 1 to 5"],
        ),
        (
            {"outcomes__0__recode": {1: 5}, "outcomes__0__why_recode": "reversed", "outcomes__0__missing": {1: "refused"}},
            ["outcomes[0].missing: code 1 is both recoded and missing"],
        ),
        ({"outcomes__0__items": ITEMS, "fills": {"pair": FILL}}, ["fills.pair: fill 'pair' is also a bind of outcome 'support'"]),
        (
            {"fills": {"name": {"by": "condition", "values": {"treatd": {"label": "q1"}}}}},
            ["fills.name.values.treatd: no condition 'treatd'", "Did you mean 'treated'?"],
        ),
        ({"stated__0__outcome": "suport"}, ["stated[0].outcome: no outcome 'suport'", "Did you mean 'support'?"]),
        ({"stated__0__what": "mean"}, ["stated[0]: a mean without its outcome", "add `outcome: ID`"]),
        ({"stated": []}, ["stated: found []", "at least 1 number", "nothing_stated"]),
        ({"nothing_stated": "nowhere"}, ["stated: found numbers, and a reason why there is none"]),
        ({"outcomes__0__column": "q{pair}"}, ["outcomes[0]: {pair} in 'q{pair}' is not bound", "(no items)", "bind 'pair' in the items"]),
        (
            {"outcomes__0__items": ITEMS, "conditions__0__where": "arm{pare} = 0"},
            ["conditions[0].where: {pare} in 'arm{pare} = 0' is not bound by outcome 'support': one, two"],
        ),
        (
            {"conditions__1__text": [{"doc": "paper", "blocks": [1], "replace": {"x": "{ofice}"}}], "fills": {"office": FILL}},
            ["{ofice} in '{ofice}' is no fill", "Did you mean 'office'?"],
        ),
        ({"fills": {"office": {"column": "o{x}", "values": "value_labels"}}}, ["fills.office: no bind 'x'"]),
        ({"fills": {"office": {"column": "o", "values": 3}}}, ["fills.office.values: found 3"]),
        ({"demographics__fields": {"gendr": None}}, ["demographics.fields.gendr: no demographic field 'gendr'", "Did you mean 'gender'?"]),
        (
            {"demographics__fields": {"gender": {"columns": ["g"], "values": {1: "male"}}}},
            ["demographics.fields.gender.values[1]: found 'male'", "'Male', 'Female', or null", "Did you mean 'Male' or 'Female'?"],
        ),
        ({"demographics__fields": {"age": {"columns": ["g"], "values": {1: "old"}}}}, ["found 'old'", "a whole number in quotes, or null"]),
    ],
)  # fmt: skip
def test_messages_name_the_place_and_the_fix(tmp_path: Path, changes: dict[str, Any], expected: list[str]) -> None:
    said = message(tmp_path, **changes)
    assert said.startswith(str(tmp_path / "study.yaml")), said
    for part in [*expected, "Fix: "]:
        assert part in said, said


def test_all_problems_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    said = message(tmp_path, design="x", data__fil="y", outcomes__0__label=3)
    assert "2 more in this file" in said
    assert said.index("design: found") < said.index("data.fil: unknown key") < said.index("outcomes[0].label: found 3")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    study = small()
    del study["provenance"]["licence"]
    with pytest.raises(StudyFileError, match=r"line 4: provenance: key 'licence' is missing"):
        load_study_file(write(tmp_path, study))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("format: 1\nid: a\nformat: 1\n", "lines 1 and 3: key 'format' is given twice"),
        ("format: 1\nfiles:\n  a: {file: x, file: y}\n", "lines 3 and 3: key 'file' is given twice"),
        ("format: 1\nmissing: {1: a, 1.0: b}\n", "key 1.0 is given twice"),
        ("format: 1\n  id: [\n", "line 2, column"),
        ("- a\n- b\n", "no keys at its top level"),
        ("", "no keys at its top level"),
        ("format: !!python/object/apply:os.system ['true']\n", "line 1, column 9: not valid YAML"),
        ("format: 2020-13-45\n", "not valid YAML"),
        ("a: &a [*a]\n", "an alias refers to itself"),
        (UNFOLDING, "unfolds into more than 200,000 values"),
        ("a: " + "[" * 1_000_000, "nested more than 40 deep"),  # would crash the C parser
    ],
)
def test_yaml_that_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(StudyFileError) as error:
        load_study_file(write(tmp_path, text))
    assert expected in str(error.value)
    assert "Fix: " in str(error.value)


def test_control_characters_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text('format: 1\ntitle: "a\\0b"\n', encoding="utf-8")
    with pytest.raises(StudyFileError, match=r"control character '.x00' in a value"):
        load_study_file(path)


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"format: 1\ntitle: caf\xe9\n")
    with pytest.raises(StudyFileError, match=r"study\.yaml, line 2: byte 0xe9 is not UTF-8"):
        load_study_file(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match=r"study\.yaml: cannot be read \(No such file"):
        load_study_file(tmp_path / "study.yaml")


def test_a_huge_file_is_not_parsed(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match="larger than"):
        load_study_file(write(tmp_path, "a: 1\n" * 1_000_000))


def test_lines_of_keys(tmp_path: Path) -> None:
    document = read_yaml(write(tmp_path, "a: 1\nb:\n  - c: 2\n    d: {1: x}\n"))
    assert document.lines[("b", 0, "d", 1)] == 4
    assert document.where(("b", 0, "nothing")).endswith("study.yaml, line 3: b[0].nothing")
    assert key_path(("b", 0, "d")) == "b[0].d"


def test_the_template_is_valid() -> None:
    study = load_study_file(loaders_folder() / "_template" / "study.yaml")
    assert study.id == "template"
    assert len(study.outcomes) == 2


def test_new_study_copies_the_template(tmp_path: Path) -> None:
    path = new_study("my_study", tmp_path / "studies")
    assert path == tmp_path / "studies" / "my_study" / "study.yaml"
    assert load_study_file(path).id == "my_study"
    assert path.read_text(encoding="utf-8").startswith(f"# yaml-language-server: $schema={loaders_folder().as_posix()}/study.schema.json\n")
    assert [p.name for p in (tmp_path / "studies").iterdir()] == ["my_study"]


@pytest.mark.parametrize("study_id", ["../evil", "a/b", "", ".hidden", "x", "a" * 41, "with space", "naïve", "id\n", "_template"])
def test_new_study_refuses_what_is_no_id(tmp_path: Path, study_id: str) -> None:
    with pytest.raises(StudyFileError, match="is no study id"):
        new_study(study_id, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_new_study_overwrites_nothing(tmp_path: Path) -> None:
    write(tmp_path / "mine", "kept")
    with pytest.raises(StudyFileError, match="exists already"):
        new_study("mine", tmp_path)
    assert (tmp_path / "mine" / "study.yaml").read_text(encoding="utf-8") == "kept"


def test_the_committed_json_schema_is_current() -> None:
    committed = (loaders_folder() / "study.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), "renew it: python -m socsci210.study_schema > loaders/study.schema.json"


def test_the_json_schema_explains_keys() -> None:
    assert '"description": "Column that identifies a person' in schema_text()
    assert SMALL["format"] == 1


DRAFTED: dict[str, Any] = {
    "model": "a-model",
    "transcript": "0" * 64,
    "evidence": [{"claim": "outcomes.support.scale", "variable": "q1"}, {"claim": "conditions.treated", "doc": "paper", "blocks": [3]}],
    "questions": ["Was the second wave fielded?"],
}
REVIEWED: dict[str, Any] = {"reviewer": "R. Eader", "date": "2026-01-02", "decision": "accepted", "note": "read it", "content": "1" * 64}


def test_a_draft_says_where_it_was_read_and_who_decided(tmp_path: Path) -> None:
    study = load(tmp_path, drafted=DRAFTED, reviewed=[REVIEWED])
    assert study.drafted is not None and study.drafted.evidence[1].blocks == (3,)
    assert study.reviewed[0].date == "2026-01-02"
    by_hand = load(tmp_path)
    assert by_hand.drafted is None and by_hand.reviewed == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"drafted": {**DRAFTED, "evidence": []}}, ["drafted.evidence", "at least 1 item"]),
        ({"drafted": {**DRAFTED, "evidence": [{"claim": "outcomes"}]}}, ["drafted.evidence[0]: a claim names one place where it was read"]),
        ({"drafted": {**DRAFTED, "evidence": [{"claim": "outcomes", "doc": "paper"}]}}, ["evidence[0]: doc and blocks go together"]),
        (
            {"drafted": {**DRAFTED, "evidence": [{"claim": "outcomes", "doc": "papr", "blocks": [1]}]}},
            ["evidence[0].doc: no file 'papr'", "Did you mean 'paper'?"],
        ),
        ({"reviewed": [{**REVIEWED, "decision": "perhaps"}]}, ["reviewed[0].decision: found 'perhaps'", "'accepted' or 'refused'"]),
        ({"reviewed": [{**REVIEWED, "date": 2026}]}, ["reviewed[0].date"]),
        ({"reviewed": [{**REVIEWED, "content": "abc"}]}, ["reviewed[0].content"]),
    ],
)
def test_drafts_and_decisions_are_checked(tmp_path: Path, changes: dict[str, Any], expected: list[str]) -> None:
    said = message(tmp_path, **changes)
    assert not [part for part in expected if part not in said], said
