"""Every gate fires on a planted defect, with its place and a fix, and stays quiet on a decoy that only looks like one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyreadstat
import pytest

from socsci210.build.gates import GATES
from socsci210.checksums import file_sha256
from socsci210.errors import GateError
from socsci210.patterns import polarity

from .test_gates_design import TESTED_HERE
from .toys import ROWS, SCALE, Toy, many, read_here, toy

Changes = Mapping[str, Any]
QUESTION, LABELS, TEXT = "outcomes.0.question", "outcomes.0.scale.labels", "conditions.1.text"


def said(words: str) -> list[dict[str, str]]:
    return [{"text": words}]


def ends(low: str, high: str, direction: str) -> Changes:
    return {"outcomes.0.scale": SCALE | {"direction": direction, "labels": {1: {"text": low}, 5: {"text": high}}}}


def binary(**changes: Any) -> dict[str, Any]:
    return {"kind": "binary", "min": 1, "max": 2, "direction": "down", "labels": {1: {"text": "Yes"}, 2: {"text": "No"}}} | changes


def unbounded(values: list[int]) -> tuple[Changes, list[dict[str, Any]]]:
    rows = [{"id": i, "arm": i % 2, "q1": value} for i, value in enumerate(values)]
    return {"outcomes.0.scale": {"kind": "numeric", "direction": "up", "unit": "dollars"}}, rows


def filled(values: Mapping[int, str]) -> tuple[Changes, list[dict[str, Any]]]:
    """A fill with one text per code, each shown to somebody."""
    changes = {
        "fills": {"name": {"column": "code", "values": {code: {"text": text} for code, text in values.items()}}},
        QUESTION: said("Would you hire {name}?"),
    }
    return changes, many(2 * len(values), code=[code for code in values for _ in range(2)])


SAME = {"conditions.1.text": []}
DEFECTS = [
    # gate, place, part of the message, changes, rows
    ("arms", "conditions.third", "nobody is in this condition", {"conditions": [
        {"id": "control", "label": "No text", "where": "arm = 0"},
        {"id": "treated", "label": "A text", "where": "arm = 1", "text": said("Trees cool streets.")},
        {"id": "third", "label": "Nobody", "where": "arm = 9", "text": said("Never read.")},
    ]}, ROWS),
    ("arms", "conditions.treated", "no outcome was asked in this condition", {
        "outcomes.0.variants": [{"conditions": ["control"]}],
    }, ROWS),
    ("arms", "conditions.treated", "nobody answered in this condition", {}, [
        row | {"q1": row["q1"] if row["arm"] == 0 else ""} for row in ROWS
    ]),
    ("outcomes", "outcomes.second, item only", "nobody in condition treated answered it", {
        "outcomes": [
            {"id": "support", "label": "Support", "column": "q1", "question": said("Do you support trees?"), "scale": SCALE},
            {"id": "second", "label": "Second", "column": "q2", "question": said("Do you like them?"), "scale": SCALE},
        ]
    }, [row | {"q2": row["q1"] if row["arm"] == 0 else ""} for row in ROWS]),
    ("stated", "stated", "the n of the study is 4", {"stated.0.value": 5}, ROWS),
    ("stated", "stated", "the n of condition treated is 2", {
        "stated": [{"what": "n", "value": 3, "condition": "treated", "printed_in": "Table 1"}],
    }, ROWS),
    ("stated", "stated", "the mean of outcome support of condition treated is 3", {
        "stated": [{"what": "mean", "value": 3.2, "tolerance": 0.1, "outcome": "support", "condition": "treated", "printed_in": "Table 1"}],
    }, ROWS),
    ("stated", "stated", "the share of condition treated is 0.5", {
        "stated": [{"what": "share", "value": 0.25, "condition": "treated", "printed_in": "Table 1"}],
    }, ROWS),
    ("weights", "data.weight, column w", "3 people have no weight, or one that is below 0 or infinite, first in row 2 of the data", {
        "data.weight": "w"
    }, [row | {"w": w} for row, w in zip(ROWS, (1, "", -0.5, "inf"), strict=True)]),
    ("weights", "data.weight, column w", "1 person has no weight, or one that is below 0 or infinite, first in row 4 of the data", {
        "data.weight": "w"
    }, [row | {"w": w} for row, w in zip(ROWS, (1, 0, 2.5, "inf"), strict=True)]),
    ("kinds", "outcome support in condition control", "value 2 of a binary scale without a label", {
        "outcomes.0.scale": binary(labels={1: {"text": "Yes"}}),
    }, many(4, q1=[1, 2])),
    ("kinds", "outcome support in condition control", "an ordinal scale of 2 values", {
        "outcomes.0.scale": binary(kind="ordinal"),
    }, many(4, q1=[1, 2])),
    ("kinds", "outcome support in condition control", "an ordinal scale of 1001 values", {"outcomes.0.scale.max": 1001, LABELS: {}}, ROWS),
    ("directions", "outcomes.support.scale", "1 is 'Strongly disagree', 5 is 'Strongly agree', direction: down",
     ends("Strongly disagree", "Strongly agree", "down"), ROWS),
    ("directions", "outcomes.support.scale", "direction: up", ends("Very likely", "Very unlikely", "up"), ROWS),
    ("directions", "outcomes.support.scale", "direction: up", {"outcomes.0.scale": binary(direction="up")}, many(4, q1=[1, 2])),
    ("missing_codes", "outcome support in condition control", "2 people answered 999, apart from all other answers (10 to 30)",
     *unbounded([10, 20, 30, 20, 999, 10, 999, 20])),
    ("missing_codes", "outcome support in condition treated", "2 people answered -9", *unbounded([10, 20, 30, -9, 20, -9])),
    ("same_text", "conditions.treated", "its stimuli equal those of condition control", SAME, ROWS),
    ("same_text", "conditions.treated.same_text_as", "declares the text of condition control, but its stimuli differ", {
        "conditions.1.same_text_as": "control", "conditions.1.why_same_text": "test",
    }, ROWS),
    ("residue", "texts of conditions and outcomes", "an unfilled blank", {TEXT: said("Trees cool BLANK streets.")}, ROWS),
    ("residue", "texts of conditions and outcomes", "an empty value written out", {TEXT: said("Trees cool nan streets.")}, ROWS),
    ("residue", "texts of conditions and outcomes", "an empty value written out", {TEXT: said("The mayor is: None")}, ROWS),
    ("residue", "texts of conditions and outcomes", "mojibake", {TEXT: said("Trees donâ€™t warm streets.")}, ROWS),
    ("residue", "scale labels", "mojibake", {LABELS: {1: {"text": "TrÃ¨s peu"}, 5: {"text": "Fully"}}}, ROWS),
    ("residue", "texts of conditions and outcomes", "a programming note", {TEXT: said("Trees [INSERT NOUN] cool streets.")}, ROWS),
    ("residue", "fills.name", "an empty value written out", *filled({1: "Ann", 2: "nan"})),
    ("truncation", "condition treated", "text ends in an ellipsis: 'Trees cool str...'", {TEXT: said("Trees cool str...")}, ROWS),
    ("truncation", "outcome support", "text ends in an ellipsis", {QUESTION: said("Do you support the pla…")}, ROWS),
    ("identifiers", "fills.name", "an e-mail address in 1 text", *filled({1: "Ann", 2: "bob@example.org"})),
    ("identifiers", "fills.name", "a telephone number in 1 text", *filled({1: "Ann", 2: "call 555-010-1234"})),
    ("identifiers", "scale labels", "an IP address in 1 text", {LABELS: {1: {"text": "192.168.17.4"}, 5: {"text": "Fully"}}}, ROWS),
    ("identifiers", "fills.name", "101 different texts", *filled({code: f"person {code}" for code in range(101)})),
]  # fmt: skip
DECOYS = [
    # gate that must stay quiet, changes, rows
    ("arms", {"conditions.1.where": "arm IN (1, 2)"}, ROWS),
    ("outcomes", {
        "outcomes": [
            {"id": "support", "label": "Support", "column": "q1", "question": said("Do you support trees?"), "scale": SCALE},
            {"id": "second", "label": "Second", "column": "q2", "asked": "arm = 0", "question": said("Do you like them?"), "scale": SCALE},
        ]
    }, [row | {"q2": row["q1"] if row["arm"] == 0 else ""} for row in ROWS]),
    ("stated", {"stated": [{"what": "mean", "value": 3.2, "tolerance": 0.2, "outcome": "support", "printed_in": "Table 1"}]}, [
        *ROWS, {"id": "p5", "arm": 1, "q1": 3},
    ]),
    ("weights", {"data.weight": "w"}, [row | {"w": w} for row, w in zip(ROWS, (0, 1, 0.5, 2), strict=True)]),
    ("kinds", {"outcomes.0.scale": {"kind": "numeric", "min": 0, "max": 1000, "direction": "up"}}, ROWS),
    ("directions", ends("Strongly agree", "Strongly disagree", "down"), ROWS),
    ("directions", ends("Strongly support", "Strongly oppose", "up") | {"outcomes.0.id": "opposition"}, ROWS),
    ("directions", ends("Extremely cold", "Extremely warm", "down"), ROWS),
    ("directions", ends("Not at all likely", "Not very likely", "down"), ROWS),
    ("missing_codes", *unbounded([10, 20, 990, 20, 999, 10, 999, 980])),  # 999 among answers of its size
    ("missing_codes", *unbounded([-30, 20, -9, -15, -9, 10, 20, -9])),  # people who may answer below 0
    ("missing_codes", *unbounded([10, 20, 30, 999])),  # one person who is rich
    ("missing_codes", {"outcomes.0.scale": {"kind": "numeric", "min": 0, "max": 1000, "direction": "up"}}, many(8, q1=[10, 10, 999, 999])),
    ("same_text", SAME | {"conditions.1.same_text_as": "control", "conditions.1.why_same_text": "Only the order differs."}, ROWS),
    ("same_text", SAME | {  # the question differs instead
        "outcomes.0.variants": [{"conditions": ["control"]}, {"conditions": ["treated"], "question": said("Do you support bushes?")}],
    }, ROWS),
    ("same_text", SAME | {  # the same template, but a fill differs with the arm
        "fills": {"party": {"column": "arm", "values": {0: {"text": "left"}, 1: {"text": "right"}}}},
        QUESTION: said("Did the {party} plant trees?"),
    }, ROWS),
    ("residue", {TEXT: said("None of the trees were felled; blank walls and a banana remain. R&D & more.")}, ROWS),
    ("residue", {LABELS: {1: {"text": "None"}, 5: {"text": "São Paulo, Málaga, naïve, Besançon"}}}, ROWS),
    ("truncation", {TEXT: said("Trees... cool streets.")}, ROWS),
    ("truncation", {TEXT: said("Trees cool str..."), "text_status": "truncated"}, ROWS),
    ("identifiers", {TEXT: said("In 2016-2020 version 1.2.3 cost $1,234.5678 at 12:30, or call 800-555-0100 @home.")}, ROWS),
    ("identifiers", *filled({code: f"person {code}" for code in range(100)})),
]  # fmt: skip


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)


@pytest.mark.parametrize(
    ("gate", "place", "part", "changes", "rows"), DEFECTS, ids=[f"{gate}: {part[:40]}" for gate, _, part, *_ in DEFECTS]
)
def test_a_gate_fires_on_its_defect(tmp_path: Path, gate: str, place: str, part: str, changes: Changes, rows: list[dict[str, Any]]) -> None:
    with pytest.raises(GateError) as caught:
        toy(tmp_path, changes, rows).check()
    message = str(caught.value)
    assert caught.value.gate == gate, message
    assert f"[{gate}] " in message and place in message and part in message, message
    assert caught.value.expected and caught.value.fix


@pytest.mark.parametrize(("gate", "changes", "rows"), DECOYS, ids=[f"{gate} {number}" for number, (gate, *_) in enumerate(DECOYS)])
def test_a_gate_is_quiet_on_a_decoy(tmp_path: Path, gate: str, changes: Changes, rows: list[dict[str, Any]]) -> None:
    made = toy(tmp_path, changes, rows).made()
    function = next(function for function in GATES if function.__name__ == {"stated": "stated_numbers"}.get(gate, gate))
    assert [str(error) for error in function(made)] == []


def test_every_gate_is_tested() -> None:
    tested = {{"stated": "stated_numbers"}.get(gate, gate) for gate, *_ in DEFECTS}
    elsewhere = {"demographics", *TESTED_HERE}  # the crosswalks refuse the same values before; the gate is tested below
    assert tested | elsewhere == {function.__name__ for function in GATES}


def labelled(folder: Path, changes: Changes | None = None) -> Toy:
    """The toy with its data as .sav, in which the label of code 5 says that it is no answer."""
    made = toy(folder, {"files.data.file": "data.csv"} | dict(changes or {}))
    data = pd.read_csv(made.data)
    path = made.data.with_suffix(".sav")
    pyreadstat.write_sav(data, str(path), variable_value_labels={"q1": {1: "Not at all", 5: "Refused"}})
    study = folder / "studies" / "toy" / "study.yaml"
    old = made.registry.get("toy").load().files["data"].sha256
    study.write_text(study.read_text().replace("file: data.csv", "file: data.sav").replace(old, file_sha256(path)))
    return made


def test_a_code_that_its_file_calls_refused_is_no_answer(tmp_path: Path) -> None:
    no_label = {"outcomes.0.scale.labels": {1: {"text": "Not at all"}}}
    with pytest.raises(GateError, match=r"column q1: \[missing_codes\] code 5, which the data file labels 'Refused', is left as an answer"):
        labelled(tmp_path, no_label).check()
    labelled(tmp_path, no_label | {"outcomes.0.missing": {5: "refused"}}).check()
    labelled(tmp_path).check()  # the study file says what 5 means


def test_a_persona_out_of_the_vocabulary(tmp_path: Path) -> None:
    made = toy(tmp_path).made()
    people = made.tables["participants"]
    wrong = people.column("demographic").combine_chunks().to_pylist()
    wrong[0]["gender"], wrong[1]["age"] = "male", 199
    tables = dict(made.tables) | {
        "participants": people.set_column(2, people.schema.field(2), pa.array(wrong, people.schema.field(2).type))
    }
    gate = next(gate for gate in GATES if gate.__name__ == "demographics")
    found = [str(error) for error in gate(type(made)(made.study, made.deposit, made.rows, tables))]
    assert ["1 person has age 199" in found[0], "1 person has gender 'male'" in found[1], len(found)] == [True, True, 2]


def test_all_faults_are_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(GateError) as caught:
        toy(tmp_path, {"stated.0.value": 7, TEXT: said("Trees BLANK..."), QUESTION: said("Do you donâ€™t?")}).check()
    assert caught.value.gate == "stated" and "3 more faults:" in str(caught.value)
    for part in ("[residue] an unfilled blank", "[residue] mojibake", "[truncation]"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Strongly agree", 1), ("Strongly disagree", -1), ("Neither", 0), ("Very unlikely", -1), ("Definitely did not occur", -1),
        ("Definitely occurred", 1), ("Definitely has not been happening", -1), ("Yes, I voted", 1), ("No, I did not vote", -1),
        ("Not at all", -1), ("Should not", -1), ("Should", 1), ("Blue", 0), ("Extremely unfavorable", -1), ("Extremely favourable", 1),
    ],
)  # fmt: skip
def test_polarity_of_labels(label: str, expected: int) -> None:
    assert polarity(label) == expected


def test_people_who_answered_are_all_that_the_same_text_gate_looks_at(tmp_path: Path) -> None:
    """Answers are random numbers here: equal text is found whatever people answered."""
    answers = np.random.default_rng(0).integers(1, 6, 30).tolist()
    with pytest.raises(GateError, match="same_text"):
        toy(tmp_path, SAME, many(30, q1=answers)).check()
