"""A conjoint: what levels add comes out of the answers with its interval, and is held against people's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socsci210.dataset_folder import DatasetFolder, table_file, write_parquet
from socsci210.errors import DatasetError
from socsci210.metrics.socsci210.effects import Rows, amce
from socsci210.screening.analyse import Screening, analyse
from socsci210.screening.asked import Asked
from socsci210.screening.compare import compared
from socsci210.screening.conjoint import contrast
from socsci210.screening.experiment_file import Experiment, read_experiment
from socsci210.screening.page import write_comparison, write_page
from socsci210.screening.parts import answers_schema
from socsci210.screening.variation import variants_for
from tests.chromium import PROGRAM, Chromium
from tests.scored_dataset import row, write_dataset
from tests.screening_answers import MODEL, personas
from tests.screening_tools import content, save_tiny_model

WORTH = {"five": 0.0, "ten": 0.1, "twenty": -0.2, "shop": 0.0, "depot": -0.15}  # of a level, on the probability to be chosen
N, TASKS = 300, 4


def made(**more: Any) -> Experiment:
    data = content() | {
        "attributes": [
            {"name": "price", "title": "Deposit", "levels": {"five": "5 cents", "ten": "10 cents", "twenty": "20 cents"}},
            {"name": "place", "title": "Returned at", "levels": {"shop": "any shop", "depot": "a depot"}},
        ],
        "tasks": TASKS,
        "arms": [{"id": "plans", "label": "Plans", "text": "The state considers a deposit on bottles."}],
        "hypotheses": [],
        "outcomes": [
            {
                "id": "choice", "label": "Plan B is chosen", "context": "A: {profile_1}. B: {profile_2}.", "question": "Which plan?",
                "scale": {"min": 1, "max": 2, "labels": {1: "A", 2: "B"}, "direction": "up"},
            },
            {
                "id": "trust", "label": "Trust", "question": "How much do you trust the state?",
                "scale": {"min": 1, "max": 7, "labels": {1: "Not at all", 7: "Fully"}, "direction": "up"},
            },
        ],
    }  # fmt: skip
    return read_experiment(data | more)


def answered(experiment: Experiment, n: int, slant: dict[str, float] | None = None) -> tuple[pa.Table, pa.Table]:
    """Answers by `WORTH` (times `slant` in a variant), and the profiles."""
    ways = [way for way in variants_for({}) if way.name != "stimulus_first"]
    asked = Asked(experiment, personas(n), ways, seed=0)
    profiles = asked.profiles()
    shown = profiles.to_pylist()
    worth = np.array([WORTH[one["price"]] + WORTH[one["place"]] for one in shown]).reshape(n, TASKS, -1)
    keys, rows = asked.keys().to_pylist(), []
    own = np.random.default_rng(0).normal(0, 0.03, n)
    for key in keys:
        values = worth[key["persona"], key["task"]] * (slant or {}).get(key["variant"], 1.0)
        if key["outcome"] == "choice":
            second = 0.5 + (values[1] - values[0]) / 2 + own[key["persona"]] if len(values) > 1 else 0.5 + values[0] + own[key["persona"]]
            rows.append(key | {"support": [1, 2], "probabilities": [1 - second, second], "answer_mass": 1.0})
        else:
            rows.append(key | {"support": list(range(1, 8)), "probabilities": [1 / 7] * 7, "answer_mass": 1.0})
    table = pa.Table.from_pylist(rows, answers_schema(conjoint=True))
    about = {"model": MODEL, "revision": "r1", "engine": "transformers", "seed": 0, "made_up": True}
    return table.replace_schema_metadata({b"socsci210": json.dumps(about).encode()}), profiles


@pytest.fixture(scope="module")
def screening() -> Screening:
    experiment = made()
    answers, profiles = answered(experiment, N)
    return analyse(experiment, personas(N), answers, profiles=profiles)


def test_levels_add_what_they_are_worth(screening: Screening) -> None:
    rows = {(one["attribute"], one["level"]): one for one in screening.amces.to_pylist()}
    assert set(rows) == {("price", "ten"), ("price", "twenty"), ("place", "depot")}
    for (attribute, level), one in rows.items():
        assert one["against"] == {"price": "five", "place": "shop"}[attribute] and one["outcome"] == "choice"
        assert one["low"] < one["effect"] < one["high"] and one["effect"] == pytest.approx(WORTH[level] / 2, abs=0.035)
        assert one["robust"] and one["same_sign"] and one["base"] == pytest.approx(one["effect"])
        assert one["profiles"] == screening_profiles()[level]
    assert any("trust: it shows no profile" in note for note in screening.notes)


def screening_profiles() -> dict[str, int]:
    shown = answered(made(), N)[1].to_pylist()
    return {level: sum(level in (one["price"], one["place"]) for one in shown) for level in WORTH}


def test_a_level_whose_worth_turns_round_in_a_wording_is_not_robust() -> None:
    experiment = made()
    answers, profiles = answered(experiment, N, {"reversed": -0.5})
    found = analyse(experiment, personas(N), answers, profiles=profiles).amces.to_pylist()
    assert not any(one["robust"] or one["same_sign"] for one in found)


def test_in_one_wording_it_is_the_estimate_and_the_error_of_people() -> None:
    """The same as what scores work out for people, weights included."""
    rng = np.random.default_rng(1)
    value, level, weight = rng.normal(0.5, 0.2, (80, 1, 3, 2)), rng.integers(0, 3, (80, 3, 2)), rng.uniform(0.3, 3, 80)
    found = contrast(value, weight, level == 2, level == 0)
    person = np.repeat(np.arange(80), 6)
    zero = np.zeros(480, np.int64)
    rows = Rows(zero, zero, zero, zero, person, value.reshape(-1), weight[person])
    people = amce(rows, np.zeros(480), level.reshape(-1, 1))
    at = people.condition.tolist().index(2)
    assert found.value == pytest.approx(people.human[at]) and found.se == pytest.approx(people.human_se[at])


def test_intervals_of_levels_cover() -> None:
    """Personas differ in what a level is worth to them, wordings too; the profiles are drawn anew every time."""
    rng, hits = np.random.default_rng(2), 0
    for _ in range(400):
        level = rng.integers(0, 2, (100, 3, 2))
        worth = 0.2 + rng.normal(0, 0.1, (100, 1)) + rng.normal(0, 0.03, (1, 4)) + rng.normal(0, 0.02, (100, 4))
        value = rng.normal(0, 0.1, (100, 4, 1, 1)) + worth[:, :, None, None] * level[:, None] + rng.normal(0, 0.1, (100, 1, 3, 2))
        found = contrast(value, np.ones(100), level == 1, level == 0)
        hits += found.low <= 0.2 <= found.high
    assert 0.92 <= hits / 400 <= 0.98


def test_a_profile_may_be_rated_alone() -> None:
    outcome = made().outcome("choice").model_dump() | {"context": "{profile_1}.", "question": "Would you take it?"}
    experiment = made(profiles=1, outcomes=[outcome])
    answers, profiles = answered(experiment, N)
    rows = {one["level"]: one["effect"] for one in analyse(experiment, personas(N), answers, profiles=profiles).amces.to_pylist()}
    assert rows == pytest.approx({level: WORTH[level] for level in ("ten", "twenty", "depot")}, abs=0.02)


def test_profiles_must_be_those_of_the_run() -> None:
    experiment = made()
    answers, profiles = answered(experiment, 20)
    for wrong, said in ((None, "without its profiles"), (profiles.slice(8), "without its profiles"), (profiles[::-1], "another order")):
        with pytest.raises(DatasetError, match=said):
            analyse(experiment, personas(20), answers, profiles=wrong)


def real(folder: Path) -> Path:
    """People who choose by the same worth, on ids and words of the experiment; `twenty` was never shown."""
    rng, rows, shown = np.random.default_rng(0), [], []
    words = {"five": "5 cents", "ten": "10 Cents", "shop": "any shop", "depot": "a depot"}
    for person in range(600):
        for item in range(2):
            levels = [(str(rng.choice(["five", "ten"])), str(rng.choice(["shop", "depot"]))) for _ in range(2)]
            worth = [sum(WORTH[level] for level in one) for one in levels]
            second = rng.random() < 0.5 + (worth[1] - worth[0]) / 2
            rows.append(row("plans", 0, 1 + int(second), low=1, high=2, person=person, item=item, weight=1.0 + person % 2))
            for place, one in enumerate(levels):
                for attribute, level in zip(("price", "place"), one, strict=True):
                    shown.append({
                        "study_id": "plans", "participant": person, "task_num": 0, "item_num": item, "profile": "ab"[place],
                        "attribute": attribute, "level": words[level], "position": 0,
                    })  # fmt: skip
    write_dataset(folder, rows, about={"design": "conjoint"}, attributes=shown)
    for name, key, value in (("conditions", "condition_id", "plans"), ("outcomes", "outcome_id", "choice")):
        table = pq.read_table(folder / table_file(name))
        at = table.column_names.index(key)
        write_parquet(table.set_column(at, key, pa.array([value] * len(table))), folder / table_file(name))
    return folder


def test_levels_are_held_against_those_of_people(screening: Screening, tmp_path: Path) -> None:
    folder = DatasetFolder(real(tmp_path / "dataset"))
    found = compared(screening.experiment, screening.effects, folder, "plans", levels=screening.amces)
    rows = {one["level"]: one for one in found.levels.to_pylist()}
    assert set(rows) == {"ten", "depot"} and found.tally_levels.n == 2 and found.tally.n == 0
    assert rows["depot"]["human"] == pytest.approx(-0.075, abs=0.06) and rows["depot"]["same_sign"]
    assert "level twenty of price is only in the experiment, or its reference is" in found.left_out
    page = write_comparison(screening.experiment, found, tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert "Returned at: a depot" in page


@pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")
def test_the_page_shows_levels_and_fits_a_phone(screening: Screening, tmp_path: Path) -> None:
    page = write_page(screening, tmp_path / "page.html")
    assert "Reliability was measured for arms, not for levels" in page.read_text(encoding="utf-8")
    with Chromium(tmp_path / "profile") as browser:
        for width in (400, 1200):
            browser.open(page, width, 900)
            assert browser.run("document.documentElement.scrollWidth") <= width
            assert browser.complaints == []


def test_a_conjoint_from_a_file_to_tables_and_page(tmp_path: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    from socsci210.screening.run import experiment_yaml

    (tmp_path / "plans.yaml").write_text(experiment_yaml(made()))
    model = save_tiny_model(tmp_path / "model")
    run = ("simulate", tmp_path / "plans.yaml", "--model", model, "--personas", "sample:3", "--variants", "base", "--out", tmp_path / "run")
    code, _, err = command(*run)
    assert code == 0, err
    table = pq.read_table(tmp_path / "run" / "amces.parquet")
    assert set(table.column("against").to_pylist()) <= {"five", "shop"} and (tmp_path / "run" / "amces.csv").is_file()
