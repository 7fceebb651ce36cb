"""The exam of a draft: a key against itself is perfect, and a key with planted mistakes loses exactly these."""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import socsci210.exam
from socsci210.checksums import file_sha256
from socsci210.errors import StudyFileError
from socsci210.exam import ScoreCard, evaluate
from socsci210.registry import Registry

from .toys import many, run_here, toy

Raw = dict[str, Any]
SIMULATED = (
    "sim_water_meters",
    "sim_heat_pumps",
    "sim_phone_repair",
    "sim_town_budget",
    "sim_bike_share",
    "sim_tap_water",
    "sim_late_school",
)
REAL = ("holbrook120", "kallaBR42", "ryanS14", "schuldt301", "singer251", "tannenbaum2017_1", "tannenbaum2017_2")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socsci210.exam, "run_child", run_here)


def raw_of(study: str) -> Raw:
    raw: Raw = yaml.safe_load(Registry().study_file(study).read_text(encoding="utf-8"))
    return raw


def draft(folder: Path, study: str, spoil: Callable[[Raw], None]) -> Path:
    raw = raw_of(study)
    spoil(raw)
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def graded(folder: Path, study: str, spoil: Callable[[Raw], None], deposits: Path) -> ScoreCard:
    return evaluate(draft(folder, study, spoil), Registry().study_file(study), deposits=deposits)


@pytest.mark.parametrize("study", SIMULATED)
def test_a_key_against_itself_is_perfect(study: str, simulated_deposits: Path, here: None) -> None:
    key = Registry().study_file(study)
    card = evaluate(key, key, deposits=simulated_deposits)
    assert card.perfect and card.overall == 1.0 and len(card.lines) >= 8, card


@pytest.mark.parametrize("study", REAL)
def test_a_real_key_against_itself_is_perfect(study: str, deposits_dir: Path, here: None) -> None:
    key = Registry().study_file(study)
    card = evaluate(key, key, deposits=deposits_dir)
    assert card.perfect and card.overall == 1.0, card


def test_mistakes_in_a_real_study_cost_their_own_parts(tmp_path: Path, deposits_dir: Path, here: None) -> None:
    def spoil(raw: Raw) -> None:
        raw["demographics"]["fields"] = {"party_id": None}
        raw["outcomes"].pop()
        first, second = raw["conditions"][0], raw["conditions"][6]  # the same wording and order, with and without affirmation
        first["where"], second["where"] = second["where"], first["where"]

    card = graded(tmp_path, "schuldt301", spoil, deposits_dir)
    lines = {line.part: line for line in card.lines}
    assert {part for part, line in lines.items() if line.score < 1} == {"arms", "demographics", "outcomes", "text"}
    assert lines["demographics"].faults == ("party_id is left out",)
    assert len(lines["outcomes"].faults) == 7 and "relevance/pollution is missing" in lines["outcomes"].faults
    assert all(fault.startswith(("affirmed_gw_forward", "control_gw_forward")) for fault in lines["text"].faults)


# --- planted mistakes ------------------------------------------------------------------------------------------------------------------


def exchanged_arms(raw: Raw) -> None:
    first, second = raw["conditions"][1], raw["conditions"][2]
    first["where"], second["where"] = second["where"], first["where"]


def merged_arms(raw: Raw) -> None:
    raw["conditions"][1]["where"] = "TREAT in (2, 3)"
    del raw["conditions"][2]
    for outcome in raw["outcomes"]:
        for variant in outcome.get("variants", ()):
            variant["conditions"] = [name for name in variant["conditions"] if name != "mandatory_loss"]


def turned_round(raw: Raw) -> None:
    raw["outcomes"][3] |= {"recode": {code: 8 - code for code in range(1, 8)}, "why_recode": "test"}
    raw["outcomes"][3]["scale"]["direction"] = "down"


def without_people(raw: Raw) -> None:
    raw["data"]["keep"] = [{"sql": "Q4 > 0", "reason": "test", "why": "test", "reads_outcome": "test"}]


def renamed(raw: Raw) -> None:
    text = yaml.safe_dump(raw).replace("voluntary_gain", "second_arm").replace("trust_company", "fifth_question")
    raw.clear()
    raw.update(yaml.safe_load(text))


MISTAKES = [
    # spoil, part -> score (None: below 1), words of its faults
    (lambda raw: None, {}, {}),
    (renamed, {}, {}),
    (lambda raw: raw["outcomes"].pop(4), {"outcomes": 5 / 6}, {"outcomes": ["trust_company is missing"]}),
    (
        exchanged_arms,
        {"arms": 6 / 8, "text": None},
        {"arms": ["people of voluntary_gain meet what mandatory_loss met"], "text": ["voluntary_gain, ", "mandatory_loss, "]},
    ),
    (
        merged_arms,
        {"arms": 6.5 / 8},
        {"arms": ["voluntary_gain is voluntary_gain here with 150 people for 75, 50% in common", "mandatory_loss is missing"]},
    ),
    (
        turned_round,
        {"answers": None, "scales": None},
        {
            "answers": ["concern_data: ", "the scale is turned round"],
            "scales": ["concern_data: direction down, not up", "concern_data: labels "],
        },
    ),
    (
        lambda raw: raw["outcomes"][5]["scale"].update(max=120),
        {"scales": 1 - 8 / 192},
        {"scales": ["chance_leaks: bounds 0..120, not 0..100"]},
    ),
    (
        lambda raw: raw["outcomes"][4]["missing"].update({-8: "skipped"}),
        {"missing codes": 17.5 / 18},
        {
            "missing codes": ["trust_company: code -8 of Q5 is skipped, not refused"],
        },
    ),
    (lambda raw: raw["demographics"].update(fields={"age": None}), {"demographics": 5 / 6}, {"demographics": ["age is left out"]}),
    (lambda raw: raw["data"].pop("weight"), {"weights": 0}, {"weights": ["100% of people weigh otherwise"]}),
    (without_people, {"participants": None}, {"participants": ["people of the key are left out"]}),
    (
        lambda raw: raw["outcomes"][3].update(question=[{"text": "How worried are you about who would see the meter data?"}]),
        {"text": None},
        {"text": ["concern_data: 0.", "'worried' for 'concerned'"]},
    ),
]


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_a_planted_mistake_costs_its_own_part_alone(number: int, tmp_path: Path, simulated_deposits: Path, here: None) -> None:
    spoil, parts, words = MISTAKES[number]
    card = graded(tmp_path, "sim_water_meters", spoil, simulated_deposits)
    assert not card.failed
    lost = {line.part: line for line in card.lines if line.score < 1 or line.faults}
    assert set(lost) == set(parts), card
    for part, score in parts.items():
        assert lost[part].score == pytest.approx(score) if score is not None else lost[part].score < 1
        for wanted in words[part]:
            assert any(wanted in fault for fault in lost[part].faults), lost[part].faults
    assert card.overall < 1 or not parts


def test_several_mistakes_are_all_told(tmp_path: Path, simulated_deposits: Path, here: None) -> None:
    def spoil(raw: Raw) -> None:
        for place in (3, 5, 6, 8, 9):
            MISTAKES[place][0](raw)

    card = graded(tmp_path, "sim_water_meters", spoil, simulated_deposits)
    assert {line.part for line in card.lines if line.score < 1} == {"arms", "text", "answers", "scales", "demographics", "weights"}


def test_arms_that_differ_by_item_are_matched_by_answers(tmp_path: Path, simulated_deposits: Path, here: None) -> None:
    def spoil(raw: Raw) -> None:
        raw["conditions"].reverse()

    card = graded(tmp_path, "sim_phone_repair", spoil, simulated_deposits)
    assert card.perfect, card


def test_a_question_more_is_told(tmp_path: Path, simulated_deposits: Path, here: None) -> None:
    def spoil(raw: Raw) -> None:
        more = copy.deepcopy(raw["outcomes"][4])
        raw["outcomes"].append(more | {"id": "age", "column": "Q4", "question": [{"text": "How old are you?"}]})

    lines = {line.part: line for line in graded(tmp_path, "sim_water_meters", spoil, simulated_deposits).lines}
    assert lines["outcomes"].score == pytest.approx(6 / 7) and lines["outcomes"].faults == ("age is no question of the key",)


def test_a_draft_that_cannot_be_read_says_why(tmp_path: Path, simulated_deposits: Path, here: None) -> None:
    def spoil(raw: Raw) -> None:
        raw["outcomes"][4]["column"] = "Q99"

    card = graded(tmp_path, "sim_water_meters", spoil, simulated_deposits)
    assert "column 'Q99' is not in data.dta" in card.failed and card.overall == 0 and not card.perfect


def test_gates_that_refuse_a_draft_are_named(tmp_path: Path, simulated_deposits: Path, here: None) -> None:
    def spoil(raw: Raw) -> None:
        raw["conditions"][1]["text"][-1] = {"text": "This is the treatment condition."}

    card = graded(tmp_path, "sim_water_meters", spoil, simulated_deposits)
    assert any("[leakage]" in refused for refused in card.refused) and len(card.lines) == 9


def test_a_draft_that_is_no_study_file_has_a_card_too(
    tmp_path: Path, simulated_deposits: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    path, key = draft(tmp_path, "sim_water_meters", lambda raw: raw.pop("stated")), Registry().study_file("sim_water_meters")
    card = evaluate(path, key, deposits=simulated_deposits)
    assert "stated" in card.failed and card.overall == 0 and card.lines == () and card.key == "sim_water_meters"
    with pytest.raises(StudyFileError, match="no such file"):
        evaluate(tmp_path / "none.yaml", key, deposits=simulated_deposits)
    code, out, err = command("draft-eval", path, key, "--deposits", simulated_deposits)
    assert code == 1 and "it cannot be built" in out and "stated" in err
    code, out, _ = command("draft-eval", path, key, "--deposits", simulated_deposits, "--json")
    assert code == 1 and json.loads(out)["overall"] == 0


def test_people_of_another_data_file_are_found_by_their_ids(tmp_path: Path, here: None) -> None:
    """The draft reads a copy of the data in another order; with ids of its own, people can be told by their row alone."""
    rows = many(60, sex=[1, 2, 2])
    one = toy(tmp_path, {}, rows)
    for name, ids in (("turned", [row["id"] for row in rows]), ("strange", [f"x{n}" for n in range(60)])):
        with (one.deposits / "toy" / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(reversed([row | {"id": given} for row, given in zip(rows, ids, strict=True)]))
    key = one.registry.study_file("toy")
    cards = {}
    for name in ("turned", "strange"):
        raw = yaml.safe_load(key.read_text())
        raw["files"]["data"] = {"file": f"{name}.csv", "sha256": file_sha256(one.deposits / "toy" / f"{name}.csv")}
        path = tmp_path / name / "study.yaml"
        path.parent.mkdir()
        path.write_text(yaml.safe_dump(raw, sort_keys=False))
        cards[name] = evaluate(path, key, deposits=one.deposits)
    assert cards["turned"].perfect and "60 in both, matched by their id" in cards["turned"].lines[0].found
    lines = {line.part: line for line in cards["strange"].lines}
    assert "by their row alone" in lines["participants"].faults[0] and lines["answers"].score < 1


def test_the_command(tmp_path: Path, simulated_deposits: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    """In its isolated process, as people run it."""
    path, key = draft(tmp_path, "sim_water_meters", MISTAKES[8][0]), Registry().study_file("sim_water_meters")
    code, out, _ = command("draft-eval", path, key, "--deposits", simulated_deposits, "--json")
    found = json.loads(out)
    assert code == 0 and found["overall"] == pytest.approx(1 - (1 / 6) / 9) and not found["perfect"]
    code, out, err = command("draft-eval", path, key, "--deposits", simulated_deposits)
    assert code == 0 and "overall" in out and "demographics: age is left out" in err
