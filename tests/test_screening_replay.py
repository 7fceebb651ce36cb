"""A study of a dataset as an experiment: its texts are the ones people met, blanks included, and it runs and compares end to end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from socsci210.dataset_folder import DatasetFolder
from socsci210.errors import DatasetError
from socsci210.screening.asked import Asked
from socsci210.screening.example import new_experiment
from socsci210.screening.experiment_file import Experiment, ExperimentError, read_experiment
from socsci210.screening.personas import read_personas
from socsci210.screening.real import Real
from socsci210.screening.replay import experiment_of
from socsci210.screening.variation import variants_for
from tests.screening_tools import save_tiny_model


def _rendered(experiment: Experiment, spec: str, people: int | None = None) -> dict[tuple[str, str], set[str]]:
    """The stimuli that an experiment gives, by arm and outcome."""
    asked = Asked(experiment, read_personas(spec, people=people), variants_for({}, wanted=["base"]), seed=0)
    keys, found = asked.keys(), dict[tuple[str, str], set[str]]()
    for arm, outcome, at in zip(
        keys.column("arm").to_pylist(), keys.column("outcome").to_pylist(), asked.texts.stimulus.tolist(), strict=True
    ):
        found.setdefault((arm, outcome), set()).add(asked.texts.stimuli[at])
    return found


def _met(folder: DatasetFolder, study: str) -> dict[tuple[str, str], set[str]]:
    """The stimuli of the dataset's rows, by names of condition and outcome."""
    own = pc.field("study_id") == study
    conditions = {row["condition_num"]: row["condition_id"] for row in folder.table("conditions").filter(own).to_pylist()}
    several = {row["task_num"] for row in folder.table("outcomes").filter(own).to_pylist() if row["item_num"] > 0}
    outcomes = {
        (row["task_num"], row["item_num"]): f"{row['outcome_id']}__{row['item_id']}" if row["task_num"] in several else row["outcome_id"]
        for row in folder.table("outcomes").filter(own).to_pylist()
    }
    found: dict[tuple[str, str], set[str]] = {}
    for row in folder.rows(columns=["condition_num", "task_num", "item_num", "stimuli"], studies=[study]).to_pylist():
        key = conditions[row["condition_num"]], outcomes[row["task_num"], row["item_num"]]
        found.setdefault(key, set()).add(row["stimuli"])
    return found


def test_every_simulated_study_but_its_conjoints_gives_the_stimuli_that_people_met(simulated_dataset: Path) -> None:
    folder = DatasetFolder(simulated_dataset)
    left_out = {}
    for study in folder.studies:
        try:
            experiment, notes = experiment_of(f"{simulated_dataset}:{study}")
        except ExperimentError as error:
            left_out[study] = str(error)
            continue
        if experiment.attributes:
            continue
        met = _met(folder, study)
        for key, texts in _rendered(experiment, f"{simulated_dataset}:{study}").items():
            assert texts <= met[key], (study, key)
        missing = {outcome for _, outcome in met} - {one.id for one in experiment.outcomes}
        assert all(any(name in note for note in notes) for name in missing), study  # nothing is left out without a word
    assert len(left_out) < 5, left_out


def test_a_conjoint_is_found_again_and_its_levels_are_compared(
    simulated_dataset: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    """Attributes with their titles and levels, blanks where profiles stood, and from there to the effects of people."""
    spec = f"{simulated_dataset}:sim_town_budget"
    assert command("new-experiment", tmp_path / "experiment.yaml", "--from", spec)[0] == 0
    experiment = read_experiment(tmp_path / "experiment.yaml")
    assert [one.title for one in experiment.attributes] == ["Project", "Cost", "Done"]
    assert experiment.attributes[1].levels["free_of_charge"] == "free of charge"
    assert (experiment.profiles, experiment.tasks) == (2, 2)
    met = _met(DatasetFolder(simulated_dataset), "sim_town_budget")
    for (arm, outcome), texts in _rendered(experiment, spec, people=20).items():
        shape = re.compile(r"(Plan A|Plan B|plan): [^.]+\.")
        of_people = {text for (a, name), some in met.items() if (a, name.split("__")[0]) == (arm, outcome) for text in some}
        assert {shape.sub(r"\1.", text) for text in texts} == {shape.sub(r"\1.", text) for text in of_people}
    run, model = tmp_path / "run", save_tiny_model(tmp_path / "model")
    common = ("--model", model, "--personas", spec, "--people", 6, "--variants", "base", "--out", run)
    code, _, err = command("simulate", tmp_path / "experiment.yaml", *common)
    assert code == 0, err
    assert {one["outcome"] for one in pq.read_table(run / "amces.parquet").to_pylist()} == {
        "choose_plan",
        "support_plan_a",
        "support_plan_b",
    }
    code, _, err = command("simulate", run, "--compare", spec)
    assert code == 0, err
    found = json.loads((run / "comparison.json").read_text())
    levels = pq.read_table(run / "comparison_amces.parquet")
    assert found["n"] == 5 * 5 and found["levels"]["n"] == len(levels) > 90 and found["left_out"] == []


def test_what_is_no_study_is_refused(simulated_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no study 'sim_bus_lane'") as error:
        experiment_of(f"{simulated_dataset}:sim_bus_lane")
    assert "sim_bus_lanes" in error.value.fix
    with pytest.raises(ExperimentError, match="no such dataset"):
        new_experiment(tmp_path / "experiment.yaml", study="nowhere:sim_bus_lanes")
    assert not (tmp_path / "experiment.yaml").exists()


@pytest.fixture(scope="module")
def real_dataset(deposits_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from socsci210.build import build
    from socsci210.registry import Registry

    out = tmp_path_factory.mktemp("real") / "dataset"
    build(["schuldt301", "singer251"], deposits=deposits_dir, out=out, registry=Registry(), jobs=1, cache=out.parent / "cache")
    return out


@pytest.mark.parametrize(("study", "arms", "outcomes"), [("schuldt301", 8, 11), ("singer251", 2, 4)])
def test_real_studies_are_replayed_and_compared(
    study: str, arms: int, outcomes: int, real_dataset: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    """From their dataset to a comparison with what people did. Blanks that follow from gender do so again."""
    spec = f"{real_dataset}:{study}"
    code, out, err = command("new-experiment", tmp_path / "experiment.yaml", "--from", spec)
    assert code == 0, err
    experiment = read_experiment(tmp_path / "experiment.yaml")
    assert (len(experiment.arms), len(experiment.outcomes)) == (arms, outcomes)
    met = _met(DatasetFolder(real_dataset), study)
    for key, texts in _rendered(experiment, spec, people=150).items():
        assert texts <= met[key], key
    if study == "singer251":
        assert experiment.fills["who"].by == "gender" and len(set(experiment.fills["who"].values.values())) == 2
    model = save_tiny_model(tmp_path / "model")
    run = tmp_path / "run"
    code, out, err = command(
        "simulate", tmp_path / "experiment.yaml", "--model", model, "--personas", spec, "--people", 4, "--variants", "base", "--out", run
    )
    assert code == 0, err
    assert out.strip().endswith("page.html") and (run / "page.html").is_file()
    assert "Simulated answers are not people" in err and "no evidence" in err
    code, out, err = command("simulate", run, "--compare", spec)
    assert code == 0, err
    assert (run / "comparison.html").is_file() and f"effects of {study} against the real ones" in out
    real, ids = Real(DatasetFolder(real_dataset), study), {arm.id for arm in experiment.arms}
    compared = pq.read_table(run / "comparison.parquet").to_pylist()
    assert len(compared) == (arms - 1) * outcomes == json.loads((run / "comparison.json").read_text())["n"]
    assert {one["outcome"] for one in compared} == {name for name, question in real.questions.items() if not question.parts}
    if study == "schuldt301":
        assert ids == set(real.conditions) and "relevance__pollution" in {one["outcome"] for one in compared}
        one = next(row for row in compared if row["outcome"] == "relevance__pollution" and row["arm"] == "affirmed_gw_forward")
        rows, item = real.rows, real.questions["relevance__pollution"].item
        means = []
        for name in (one["arm"], one["against"]):
            own = (rows.task == real.questions["relevance"].task) & (rows.item == item) & (rows.condition == real.conditions[name])
            means.append(np.average(rows.value[own], weights=rows.mass[own]))
        assert one["human"] == pytest.approx(means[0] - means[1])
