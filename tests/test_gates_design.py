"""The gates on arms, pairs of arms, labels, questions and words: each finds its fault, is quiet on a decoy, and takes an exception."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyreadstat
import pytest
import yaml
from pydantic import ValidationError

from socsci210.build.gates import GATES
from socsci210.checksums import file_sha256
from socsci210.drafting.checking import _doubts
from socsci210.errors import GateError
from socsci210.study_declared import Stated

from .toys import SCALE, Toy, read_here, toy

Changes = Mapping[str, Any]
Rows = list[dict[str, Any]]
QUESTION, LABELS, TEXT = "outcomes.0.question", "outcomes.0.scale.labels", "conditions.1.text"


def said(words: str) -> list[dict[str, str]]:
    return [{"text": words}]


def arms(*texts: str, factors: list[dict[str, str]] | None = None, names: list[str] | None = None) -> Changes:
    """One condition per text, `arm` 0, 1, 2 ..."""
    names = names or [f"arm_{'abcdefghi'[place]}x" for place in range(len(texts))]
    return {
        "conditions": [
            {"id": names[place], "label": f"Label of {names[place]}", "where": f"arm = {place}", "text": said(text) if text else []}
            | ({"factors": factors[place]} if factors else {})
            for place, text in enumerate(texts)
        ]
    }


def people(n_arms: int, each: int = 6, **columns: Any) -> Rows:
    return [
        {"id": f"p{arm}_{i}", "arm": arm, "q1": 1 + (i + arm) % 5} | {name: value(arm, i) for name, value in columns.items()}
        for arm in range(n_arms)
        for i in range(each)
    ]


def stated(n: int) -> dict[str, Any]:
    return {"stated": [{"what": "n", "value": n, "printed_in": "x"}]}


def two(first: Changes, second: Changes) -> Changes:
    base = {"label": "An outcome", "question": said("Do you support trees?"), "scale": SCALE}
    return {"outcomes": [{"id": "one", "column": "q1", **base, **first}, {"id": "two", "column": "q2", **base, **second}]}


SIX = [{"source": source, "frame": frame} for source in ("none", "experts", "makers") for frame in ("good", "bad")]
SOURCES = ("", "Experts of a university wrote this.", "Makers of stoves wrote this.")
FRAMES = ("Your family would enjoy warmer rooms.", "Nobody at home could avoid cold winters.")
CROSSED = [f"{source} {frame}".strip() for source in SOURCES for frame in FRAMES]


def crossed(*texts: str) -> Changes:
    return arms(*texts, factors=SIX, names=["ax", "bx", "cx", "dx", "ex", "fx"])


def swapped(texts: list[str], one: int, other: int) -> list[str]:
    texts = list(texts)
    texts[one], texts[other] = texts[other], texts[one]
    return texts


DEFECTS = [
    # gate, place, part of the message, changes, rows
    ("arm_counts", "conditions", "6 people have arm = 2, which is no condition", {"outcomes.0.asked": "arm < 2"}, people(3)),
    (
        "arm_counts",
        "data.keep",
        "filters leave out everybody with arm = 2 (6 people), and none speaks of the arm",
        {
            "data.keep": [{"sql": "wave = 1", "reason": "wave", "why": "test"}],
        },
        people(3, wave=lambda arm, _: 1 + (arm == 2)),
    ),
    (
        "arm_counts",
        "conditions.treated.where",
        "it takes 2 arms of the source together: arm = 1; arm = 2",
        {"conditions.1.where": "arm > 0"},
        people(3),
    ),
    (
        "arm_counts",
        "conditions.treated",
        "leave out 50% of its people, and 0% of the other conditions'",
        {
            "data.keep": [{"sql": "wave = 1", "reason": "wave", "why": "test"}],
        },
        people(2, 200, wave=lambda arm, i: 1 + (arm == 1 and i % 2)),
    ),
    (
        "arm_counts",
        "conditions.bush.where",
        "the data file calls its people 'Obama', and those of obama 'Bush'",
        {
            "conditions": [
                {"id": "bush", "label": "His sponsor is Bush", "where": "arm = 'Obama'", "text": said("Bush did it.")},
                {"id": "obama", "label": "His sponsor is Obama", "where": "arm = 'Bush'", "text": said("Obama did it.")},
            ],
        },
        [row | {"arm": ("Bush", "Obama")[row["arm"]]} for row in people(2)],
    ),
    (
        "asked_equally",
        "outcome support in condition treated",
        "50% of its questions stayed without an answer or a refusal, and 0%",
        {},
        [row | {"q1": "" if row["arm"] == 1 and i % 2 else row["q1"]} for i, row in enumerate(people(2, 150))],
    ),
    (
        "asked_equally",
        "outcome support in condition treated",
        "6 people of it have an answer in column q1, but no variant names it",
        two({"id": "support", "variants": [{"conditions": ["control"]}]}, {"question": said("Do you like them?")}),
        people(2, q2=lambda _, i: 1 + i % 5),
    ),
    (
        "minimal_pairs",
        "conditions.first",
        "differs from condition second in a code name alone: v1 against v2",
        arms("You saw stimulus v1.", "You saw stimulus v2.", names=["first", "second"]),
        people(2),
    ),
    (
        "minimal_pairs",
        "conditions.heatwave",
        "its name speaks of 'heatw'..., which only people of drought read of",
        arms("The drought lasted.", "The heatwave lasted.", names=["heatwave", "drought"]),
        people(2),
    ),
    (
        "minimal_pairs",
        "conditions.heatwave",
        "what its name speaks of stands in the text of condition flooding alone",
        arms("The drought lasted.", "A flooding lasted.", "The heatwave lasted.", names=["heatwave", "drought", "flooding"]),
        people(3),
    ),
    (
        "minimal_pairs",
        "conditions.ax.factors",
        "it has the factors of condition cx, but other text",
        arms(
            "Trees cool streets.",
            "",
            "Bushes cool gardens.",
            names=["ax", "bx", "cx"],
            factors=[{"text": "yes"}, {"text": "no"}, {"text": "yes"}],
        ),
        people(3),
    ),
    (
        "minimal_pairs",
        "conditions",
        "only the factor frame changes (bad to good), but the text changes by",
        crossed(*swapped(CROSSED, 2, 3)),
        people(6),
    ),
    ("minimal_pairs", "conditions", "unlike in all 2 other pairs", crossed(*swapped(CROSSED, 0, 3)), people(6)),
    (
        "minimal_pairs",
        "conditions",
        "unlike in all 2 other pairs",
        crossed(*CROSSED[:5], CROSSED[5] + " They also paid for rival seats abroad."),
        people(6),
    ),
    (
        "scale_direction",
        "outcome support in condition control",
        "the question asks for support or oppose, but the labels are 'Very unwilling / Very willing'",
        {
            QUESTION: said("Do you favor or oppose the tax?"),
            LABELS: {1: {"text": "Very unwilling"}, 5: {"text": "Very willing"}},
        },
        people(2),
    ),
    (
        "scale_used",
        "outcome support",
        "none of 240 answers is 1 or 5: they lie from 2 to 4",
        {},
        [row | {"q1": 2 + i % 3} for i, row in enumerate(people(2, 120))],
    ),
    (
        "question_varies",
        "outcome two in condition control",
        "columns q1 and q2 have the same text (one, two)",
        two({}, {}),
        people(2, q2=lambda _, i: 1 + i % 5),
    ),
    (
        "leakage",
        "outcome support in condition treated",
        "it speaks of the design: 'control condition'",
        {
            TEXT: said("Trees cool streets. In the control condition this was left out."),
        },
        people(2),
    ),
    (
        "leakage",
        "outcome support in condition treated",
        "it speaks of a hypothesis",
        {TEXT: said("Our hypothesis: trees cool streets.")},
        people(2),
    ),
    (
        "leakage",
        "outcome support in condition treated",
        "it speaks of a statistic: 'p < .05'",
        {TEXT: said("Trees cool streets (p < .05).")},
        people(2),
    ),
    (
        "leakage",
        "outcome support in condition treated",
        "the number of an arm: 'Condition 2:'",
        {TEXT: said("Condition 2: Trees cool streets.")},
        people(2),
    ),
    ("leakage", "outcome support in condition treated", "nothing but the arm's own name: 'A text.'", {TEXT: said("A text.")}, people(2)),
    (
        "leakage",
        "outcome support in condition treated",
        "it speaks of a debriefing",
        {TEXT: said("Debriefing: trees cool streets.")},
        people(2),
    ),
    (
        "leakage",
        "outcome support in condition treated",
        "it speaks of a result: 'average rating was 2.67'",
        {
            TEXT: said("Trees cool streets, and average rating was 2.67 last week."),
        },
        people(2),
    ),
    (
        "elision",
        "outcome support in condition treated",
        "words are left out of the text: 'Trees cool [...] streets.'",
        {
            TEXT: said("Trees cool [...] streets."),
        },
        people(2),
    ),
    (
        "elision",
        "outcome support in condition treated",
        "'Trees cool [city name redacted].'",
        {TEXT: said("Trees cool [city name redacted].")},
        people(2),
    ),
    (
        "exceptions",
        "exceptions[0]",
        "the gate leakage finds nothing here",
        {
            "exceptions": [{"gate": "leakage", "conditions": ["treated"], "why": "test"}],
        },
        people(2),
    ),
    (
        "stated",
        "stated[1].tolerance",
        "the mean of outcome support may be off by 3, so it proves nothing",
        {
            "stated": [
                {"what": "n", "value": 12, "printed_in": "x"},
                {"what": "mean", "value": 3, "tolerance": 3, "outcome": "support", "printed_in": "x"},
            ],
        },
        people(2),
    ),
    (
        "stated",
        "stated",
        "the difference of outcome support of condition treated less condition control is 0.166667",
        {
            "stated": [
                {"what": "difference", "value": 0.32, "outcome": "support", "condition": "treated", "than": "control", "printed_in": "x"}
            ],
        },
        people(2),
    ),
    (
        "stated",
        "stated",
        "the share of outcome support is 0.25",
        {
            "stated": [{"what": "share", "value": 0.26, "outcome": "support", "answers": [1], "printed_in": "x"}],
        },
        people(2),
    ),
]
DECOYS = [
    # changes, rows: a sound study
    ({"data.keep": [{"sql": "arm <> 2", "reason": "pilot", "why": "The third arm was a pilot."}]}, people(3)),
    ({"conditions.1.where": "arm > 0"}, [row | {"arm": row["arm"] % 2} for row in people(2)]),
    (
        {"conditions.0.where": "lower(trim(arm)) = 'plain'", "conditions.1.where": "arm = 'Trees'"},
        [row | {"arm": (("plain", "Plain ")[i % 2], "Trees")[row["arm"]]} for i, row in enumerate(people(2))],
    ),
    ({"data.keep": [{"sql": "wave = 1", "reason": "wave", "why": "test"}]}, people(2, 200, wave=lambda _, i: 1 + i % 2)),
    (
        {"outcomes.0.missing": {9: "refused"}},
        [  # a treatment that makes people refuse is no fault
            row | {"q1": 9 if row["arm"] == 1 and i % 2 else row["q1"]} for i, row in enumerate(people(2, 150))
        ],
    ),
    ({"outcomes.0.asked": "seen = 1"}, people(2, 150, seen=lambda arm, i: int(arm == 0 or i % 2 == 0))),
    (arms("Bush did it.", "Obama did it.", names=["bush", "obama"]), people(2)),  # one word is a treatment
    (arms("It costs $2 a month.", "It costs $6 a month.", names=["cheap", "dear"]), people(2)),
    (arms("We lose control of it.", "It grows.", names=["loss", "control"]), people(2)),
    (crossed(*CROSSED), people(6)),
    (
        arms(
            "Taxes rise, so lower spending.",
            "Taxes fall, so higher spending.",
            "Prices fall, so higher wages.",
            "Prices rise, so lower wages.",
            factors=[{"topic": t, "way": w} for t in ("tax", "price") for w in ("good", "bad")],
            names=["ax", "bx", "cx", "dx"],
        ),
        people(4),
    ),
    (
        {QUESTION: said("Do you favor or oppose the tax?"), LABELS: {1: {"text": "Strongly oppose"}, 5: {"text": "Strongly favor"}}},
        people(2),
    ),
    (
        {
            QUESTION: said("Do you agree or disagree: people should support or oppose it?"),
            LABELS: {1: {"text": "Disagree"}, 5: {"text": "Agree"}},
        },
        people(2),
    ),
    (two({}, {"question": said("Do you like them?")}), people(2, q2=lambda _, i: 1 + i % 5)),
    (
        {TEXT: said("Significantly more trees grow where the mean temperature is 2.67. Version control helps; so does a control group.")},
        people(2),
    ),
    ({QUESTION: said("How likely are you to support or oppose it?"), LABELS: {1: {"text": "Unlikely"}, 5: {"text": "Likely"}}}, people(2)),
    ({QUESTION: said("Trees are ... than bushes.")}, people(2)),
    ({TEXT: said("Treatment A: surgery. In group B you were randomly assigned to a partner.")}, people(2)),
    ({TEXT: said("Well... trees [in cities] cool streets.")}, people(2)),
    (
        {
            "stated": [
                {"what": "mean", "value": 2.75, "outcome": "support", "printed_in": "x"},
                {"what": "difference", "value": 0.2, "outcome": "support", "condition": "treated", "than": "control", "printed_in": "x"},
                {"what": "difference", "value": 0.167, "outcome": "support", "condition": "treated", "than": "control", "printed_in": "x"},
                {"what": "share", "value": 0.25, "decimals": 3, "outcome": "support", "answers": [1], "printed_in": "x"},
                {"what": "n", "value": 6, "outcome": "support", "condition": "treated", "printed_in": "x"},
                {"what": "share", "value": 0.5, "condition": "treated", "printed_in": "x"},
            ]
        },
        people(2),
    ),
    (
        {"data.weight": "w", "stated": [{"what": "share", "value": 0.75, "condition": "treated", "weighted": True, "printed_in": "x"}]},
        people(2, w=lambda arm, _: 1 + 2 * arm),
    ),
]
TESTED_HERE = {gate for gate, *_ in DEFECTS} - {"stated"} | {"amounts"}


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)


def faults(made: Toy) -> list[GateError]:
    found = made.made()
    return [error for gate in GATES for error in gate(found)]


@pytest.mark.parametrize(
    ("gate", "place", "part", "changes", "rows"), DEFECTS, ids=[f"{gate}: {part[:40]}" for gate, _, part, *_ in DEFECTS]
)
def test_a_gate_fires_on_its_defect(tmp_path: Path, gate: str, place: str, part: str, changes: Changes, rows: Rows) -> None:
    found = faults(toy(tmp_path, stated(_kept(changes, rows)) | dict(changes), rows))
    mine = [str(error) for error in found if error.gate == gate]
    assert any(f"{place}: [{gate}] " in message and part in message for message in mine), [str(error) for error in found]
    assert {error.gate for error in found} == {gate}
    assert all(error.expected and error.fix for error in found)


def _kept(changes: Changes, rows: Rows) -> int:
    return sum(row["wave"] == 1 for row in rows) if "data.keep" in changes else len(rows)


@pytest.mark.parametrize(("changes", "rows"), DECOYS, ids=[str(number) for number in range(len(DECOYS))])
def test_a_sound_study_passes(tmp_path: Path, changes: Changes, rows: Rows) -> None:
    kept = [row for row in rows if row.get("wave", 1) == 1 and row["arm"] != 2] if "data.keep" in changes else rows
    assert [str(error) for error in faults(toy(tmp_path, stated(len(kept)) | dict(changes), rows))] == []


@pytest.mark.parametrize(
    ("gate", "about"),
    [
        ("arm_counts", {"conditions": ["treated"]}),
        ("question_varies", {"outcomes": ["one", "two"]}),
        ("leakage", {"conditions": ["treated"], "outcomes": ["support"]}),
        ("minimal_pairs", {"conditions": ["first", "second"]}),
    ],
)
def test_a_fault_with_a_reason_passes(tmp_path: Path, gate: str, about: dict[str, list[str]]) -> None:
    changes, rows = _excusable(gate)
    assert {error.gate for error in faults(toy(tmp_path / "a", stated(len(rows)) | dict(changes), rows))} == {gate}
    excuse = {"exceptions": [{"gate": gate, "why": "It was so.", **about}]}
    assert [str(error) for error in faults(toy(tmp_path / "b", stated(len(rows)) | dict(changes) | excuse, rows))] == []
    other = {"exceptions": [{"gate": gate, "why": "It was so.", "conditions": ["control" if gate != "minimal_pairs" else "first"]}]}
    if "conditions" in about:
        assert {error.gate for error in faults(toy(tmp_path / "c", stated(len(rows)) | dict(changes) | other, rows))} == {
            gate,
            "exceptions",
        }


def _excusable(gate: str) -> tuple[Changes, Rows]:
    part = {"arm_counts": "it takes 2 arms", "question_varies": "columns q1", "leakage": "a debriefing", "minimal_pairs": "differs from"}[
        gate
    ]
    return next((changes, rows) for name, _, message, changes, rows in DEFECTS if name == gate and part in message)


def test_an_exception_of_a_draft_is_a_question_for_its_reviewer(tmp_path: Path) -> None:
    excuse = {"exceptions": [{"gate": "leakage", "why": "People did read it."}]}
    study = toy(tmp_path, excuse).registry.get("toy").load()
    assert list(_doubts(study)) == ["exceptions: may the gate leakage be left out here? People did read it."]


# --- labels of the data file and of the questionnaire ---------------------------------------------------------------------------------


def labelled(folder: Path, changes: Changes, labels: Mapping[int, str], rows: Rows | None = None) -> Toy:
    """A toy whose data file is .sav, with labels of q1."""
    rows = rows or people(2)
    made = toy(folder, stated(len(rows)) | dict(changes), rows)
    path = made.data.with_suffix(".sav")
    pyreadstat.write_sav(pd.read_csv(made.data), str(path), variable_value_labels={"q1": dict(labels)})
    study = folder / "studies" / "toy" / "study.yaml"
    raw = yaml.safe_load(study.read_text())
    raw["files"]["data"] = {"file": "data.sav", "sha256": file_sha256(path)}
    study.write_text(yaml.safe_dump(raw, sort_keys=False))
    return made


WARM = {1: "Very cold", 2: "Cold", 3: "Neither", 4: "Warm", 5: "Very warm"}


def quoted(order: list[int]) -> dict[int, dict[str, str]]:
    return {value: {"text": WARM[code]} for value, code in zip(range(1, 6), order, strict=True)}


@pytest.mark.parametrize(
    ("order", "recode", "fault"),
    [
        ([1, 2, 3, 4, 5], None, None),
        ([5, 4, 3, 2, 1], None, "1 is 'Very warm' here, but column q1 of the data file gives that label to 5"),
        ([1, 2, 3, 5, 4], None, "4 is 'Very warm' here"),
        ([5, 4, 3, 2, 1], {1: 5, 2: 4, 3: 3, 4: 2, 5: 1}, None),
        ([1, 2, 3, 4, 5], {1: 5, 2: 4, 3: 3, 4: 2, 5: 1}, "1 is 'Very cold' here, but column q1 of the data file gives that label to 5"),
    ],
)
def test_labels_of_values_are_those_of_the_data_file(tmp_path: Path, order: list[int], recode: Any, fault: str | None) -> None:
    changes: dict[str, Any] = {LABELS: quoted(order)}
    if recode:
        changes |= {"outcomes.0.recode": recode, "outcomes.0.why_recode": "test"}
    found = faults(labelled(tmp_path, changes, WARM))
    assert {error.gate for error in found} == ({"scale_direction"} if fault else set())
    assert fault is None or fault in str(found[0])


LIST_UP = [f"{code} {label}" for code, label in WARM.items()]
LIST_DOWN = [f"{6 - code} {WARM[code]}" for code in (5, 4, 3, 2, 1)]


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (LIST_UP, None),
        (LIST_UP[::-1], None),  # from warm to cold, but the codes are printed
        ([WARM[code] for code in range(1, 6)], None),
        ([WARM[code] for code in (5, 4, 3, 2, 1)], "the questionnaire lists 'Very warm' first, but it has the highest code here"),
        (LIST_DOWN, "the questionnaire prints 1 for 'Very warm' and 5 for 'Very cold', which is not the order of the codes here"),
        ([f"{WARM[code]} ..... {6 - code}" for code in (5, 4, 3, 2, 1)], "the questionnaire prints 1 for 'Very warm'"),
        (["; ".join(f"{WARM[code]} = {6 - code}" for code in (5, 4, 3, 2, 1))], "the questionnaire prints 1 for 'Very warm'"),
        ([f"{code + 10} {label}" for code, label in WARM.items()], None),  # numbered otherwise, in the same order
        (["Something else", "Very cold"], None),
    ],
)
def test_labels_of_values_are_in_the_order_of_the_questionnaire(tmp_path: Path, lines: list[str], fault: str | None) -> None:
    def study(folder: Path, document: Path) -> Toy:
        return toy(
            folder,
            stated(12)
            | {
                "files.paper": {"file": "paper.txt", "sha256": file_sha256(document)},
                LABELS: quoted([1, 2, 3, 4, 5]),
                QUESTION: [{"doc": "paper", "blocks": [1]}],
            },
            people(2),
        )

    document = tmp_path / "deposits" / "toy" / "paper.txt"
    document.parent.mkdir(parents=True)
    document.write_text("\n".join(["A survey", "How warm do you feel about trees?", *lines, "Next question"]) + "\n")
    found = faults(study(tmp_path, document))
    assert {error.gate for error in found} == ({"scale_direction"} if fault else set()), [str(error) for error in found]
    assert fault is None or fault in str(found[0])


def test_the_labels_of_the_data_file_outweigh_the_questionnaire(tmp_path: Path) -> None:
    deposit = tmp_path / "deposits" / "toy"
    deposit.mkdir(parents=True)
    (deposit / "paper.txt").write_text("\n".join(["How warm?", *LIST_DOWN]) + "\n")
    changes = {
        "files.paper": {"file": "paper.txt", "sha256": file_sha256(deposit / "paper.txt")},
        LABELS: quoted([1, 2, 3, 4, 5]),
        QUESTION: [{"doc": "paper", "blocks": [0]}],
    }
    assert [str(error) for error in faults(labelled(tmp_path, changes, WARM))] == []


def test_two_columns_with_two_labels_are_two_questions(tmp_path: Path) -> None:
    def study(folder: Path, first: str, second: str) -> list[str]:
        rows = people(2, q2=lambda _, i: 1 + i % 5)
        items = [{"id": "a", "bind": {"n": 1}}, {"id": "b", "bind": {"n": 2}}]
        made = toy(folder, stated(12) | {"outcomes.0.column": "q{n}", "outcomes.0.items": items}, rows)
        path = made.data.with_suffix(".sav")
        pyreadstat.write_sav(pd.read_csv(made.data), str(path), column_labels={"q1": first, "q2": second})
        file = folder / "studies" / "toy" / "study.yaml"
        raw = yaml.safe_load(file.read_text())
        raw["files"]["data"] = {"file": "data.sav", "sha256": file_sha256(path)}
        file.write_text(yaml.safe_dump(raw, sort_keys=False))
        return [str(error) for error in faults(made)]

    (found,) = study(tmp_path / "a", "q1: trees in parks", "q2: trees in streets")
    assert "[question_varies] columns q1 and q2 have the same text (support, item a, support, item b)" in found
    assert study(tmp_path / "b", "q1: trees", "q2: trees") == []  # asked twice
    assert study(tmp_path / "c", "", "") == []


def test_an_amount_lies_in_the_band_that_it_stands_for(tmp_path: Path) -> None:
    bands = {1: "$0-$500", 2: "$501-$1,000", 3: "$1,001 to $2,500", 4: "$2,501-$9,000", 5: "More than $9,000"}
    scale = {"kind": "numeric", "direction": "up", "unit": "dollars", "labels": {}}
    for value, faulty in ((1_750, False), (1, True)):
        recode = {1: 250, 2: 750, 3: value, 4: 5_750, 5: 9_000}
        changes = {"outcomes.0.scale": scale, "outcomes.0.recode": recode, "outcomes.0.why_recode": "The middle of each band."}
        found = [str(error) for error in faults(labelled(tmp_path / str(value), changes, bands))]
        assert (["code 3 of column q1, '$1,001 to $2,500', is taken for 1" in message for message in found] == [True]) == faulty, found


# --- stated numbers ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "slack"),
    [
        ({"what": "mean", "value": 3.2, "outcome": "a"}, 0.05),
        ({"what": "mean", "value": 3.2, "decimals": 2, "outcome": "a"}, 0.005),
        ({"what": "mean", "value": 62, "outcome": "a"}, 0.5),
        ({"what": "mean", "value": 60.0, "outcome": "a"}, 0.5),
        ({"what": "n", "value": 2041}, 0),
        ({"what": "share", "value": 0.333, "condition": "c"}, 0.0005),
        ({"what": "share", "value": 0.333, "condition": "c", "tolerance": 0.01}, 0.01),
    ],
)
def test_the_digits_printed_are_the_tolerance(given: dict[str, Any], slack: float) -> None:
    assert Stated(**given, printed_in="Table 1").slack == pytest.approx(slack)


@pytest.mark.parametrize(
    "given",
    [
        {"what": "difference", "value": 1, "outcome": "a", "condition": "c"},
        {"what": "mean", "value": 1, "outcome": "a", "than": "c"},
        {"what": "share", "value": 1, "outcome": "a"},
        {"what": "mean", "value": 1, "outcome": "a", "answers": [1]},
        {"what": "n", "value": 1, "weighted": True},
    ],
)
def test_a_number_without_its_parts_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Stated(**given, printed_in="Table 1")
