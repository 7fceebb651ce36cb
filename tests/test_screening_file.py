"""Experiment files: what is read of them, and that everything that cannot be run is refused with the fix."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from socsci210.screening.example import example_text, json_schema, new_experiment
from socsci210.screening.experiment_file import ExperimentError, read_experiment
from socsci210.screening.run import experiment_yaml
from tests.screening_tools import content

Change = Callable[[dict[str, Any]], Any]


def test_the_example_is_an_experiment_and_says_what_it_needs(tmp_path: Path) -> None:
    new_experiment(tmp_path / "experiment.yaml")
    found = read_experiment(tmp_path / "experiment.yaml")
    assert found.control.id == "control"
    assert [one.direction for one in found.hypotheses] == ["more", "less", "more"]
    assert found.against(found.hypotheses[2]).id == "makers"
    scale = found.outcome("sign").scale.scale
    assert (scale.kind, scale.direction, scale.labels) == ("binary", "down", {1: "Yes", 2: "No"})
    with pytest.raises(ExperimentError, match="exists already"):
        new_experiment(tmp_path / "experiment.yaml")


def test_an_experiment_written_out_reads_as_the_same(tmp_path: Path) -> None:
    found = read_experiment(yaml.safe_load(example_text()))
    (tmp_path / "again.yaml").write_text(experiment_yaml(found))
    assert read_experiment(tmp_path / "again.yaml").sha256 == found.sha256
    changed = yaml.safe_load(example_text())
    changed["arms"][1]["text"] += " Now."
    assert read_experiment(changed).sha256 != found.sha256


def test_comments_of_the_example_hold_once_they_are_taken_out() -> None:
    """What stands there as a comment is part of the format: fills, wordings and a conjoint."""
    data = yaml.safe_load(example_text())
    lines = example_text().split("# A conjoint:")[1].splitlines()[1:]
    parts = yaml.safe_load("\n".join(line.removeprefix("# ") for line in lines if not line.startswith("# Words")))
    data["outcomes"] += parts.pop("outcomes")
    data["arms"][1]["text"] += " Ask {who}."
    found = read_experiment({**data, **parts})
    assert (found.tasks, found.profiles, len(found.attributes)) == (3, 2, 2)
    assert found.fills["who"].by == "gender"


def test_the_schema_for_editors_knows_every_key_and_explains_it() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == {
        "format", "title", "topic", "arms", "outcomes", "hypotheses", "attributes", "profiles", "tasks", "subgroups", "fills", "marginals",
    }  # fmt: skip
    assert schema["additionalProperties"] is False
    assert "whichever way its scale runs" in schema["$defs"]["Hypothesis"]["properties"]["direction"]["description"]
    json.dumps(schema)


BAD: dict[str, tuple[Change, str, str]] = {
    "arms with identical text": (lambda d: d["arms"][1].update(text="tea is  SERVED at four."), "identical text", "nothing to compare"),
    "a scale without labels": (lambda d: d["outcomes"][0]["scale"].pop("labels"), "no label says what 1 and 7 mean", "kind: numeric"),
    "a scale with one label": (lambda d: d["outcomes"][0]["scale"]["labels"].pop(7), "what 7 means", "in the words that people see"),
    "a scale without direction": (lambda d: d["outcomes"][0]["scale"].pop("direction"), "no direction", "more or less"),
    "an unknown direction": (lambda d: d["outcomes"][0]["scale"].update(direction="unknown"), "no direction", "add it"),
    "a label off the scale": (lambda d: d["outcomes"][0]["scale"]["labels"].update({9: "x"}), "9 has a label", "correct either"),
    "a scale too long": (lambda d: d["outcomes"][0]["scale"].update(max=1000, labels={1: "a", 1000: "b"}), "1000 answers", "step: 10"),
    "no scale": (lambda d: d["outcomes"][0]["scale"].update(min=7), "do not make a scale", "lowest answer at min"),
    "a hypothesis of an unknown arm": (lambda d: d["hypotheses"][0].update(arm="prase"), "no arm 'prase'", "'praise'"),
    "a hypothesis of an unknown outcome": (lambda d: d["hypotheses"][0].update(outcome="cold"), "no outcome 'cold'", "name one"),
    "a hypothesis against itself": (lambda d: d["hypotheses"][0].update(arm="control"), "compared with itself", "against"),
    "a hypothesis without direction": (lambda d: d["hypotheses"][0].pop("direction"), "'direction' is missing", "add 'direction'"),
    "no control": (lambda d: d["arms"][0].pop("control"), "no arm is the control", "mark the arm"),
    "two controls": (lambda d: d["arms"][1].update(control=True), "2 arms are the control", "keep one"),
    "one arm": (lambda d: (d.update(arms=d["arms"][:1], hypotheses=[])), "one arm only", "add an arm"),
    "an id twice": (lambda d: d["arms"][1].update(id="control"), "given twice", "rename"),
    "an unknown key": (lambda d: d.update(outcome=[]), "unknown key 'outcome'", "'outcomes'"),
    "an unknown group": (lambda d: d.update(subgroups=["sex"]), "no field of a persona 'sex'", "use one of these words"),
    "an unknown field in shares": (lambda d: d["marginals"].update(gendr={"Male": 1}), "'gendr'", "'gender'"),
    "an unknown value in shares": (lambda d: d["marginals"].update(gender={"Man": 1}), "no value of gender 'Man'", "one of these words"),
    "nobody": (lambda d: d["marginals"].update(gender={"Male": 0}), "nobody is in this population", "above 0"),
    "a blank": (lambda d: d["arms"][1].update(text="Ask {who}."), "nothing fills the blank {who}", "under `fills`"),
    "a fill without a blank": (lambda d: d.update(fills={"who": {"by": "draw", "values": {"a": "x"}}}), "no text holds {who}", "remove it"),
    "profiles without attributes": (lambda d: d.update(profiles=3), "profiles without attributes", "add them"),
    "a conjoint that shows nothing": (
        lambda d: d.update(attributes=[{"name": "price", "title": "Price", "levels": {"a": "x", "b": "y"}}]),
        "no question shows profile 1", "{profile_1}",
    ),
    "a wording of an unknown arm": (
        lambda d: d["outcomes"][0].update(wordings=[{"arms": ["prise"], "question": "How?"}]), "no arm 'prise'", "'praise'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_run_is_refused_with_the_fix(case: str, tmp_path: Path) -> None:
    change, found, fix = BAD[case]
    data = content()
    change(data)
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    with pytest.raises(ExperimentError) as error:
        read_experiment(path)
    assert found in str(error.value)
    assert fix in error.value.fix
    assert "experiment.yaml, line " in error.value.where
    with pytest.raises(ExperimentError) as again:  # the same from Python, without lines
        read_experiment(data)
    assert again.value.found == error.value.found


def test_lines_of_the_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(example_text().replace("arm: scientists, direction", "arm: scientist, direction", 1))
    with pytest.raises(ExperimentError) as error:
        read_experiment(path)
    line = 1 + next(n for n, text in enumerate(path.read_text().splitlines()) if "arm: scientist," in text)
    assert error.value.where == f"{path}, line {line}: hypotheses[0].arm"
    path.write_text("")
    with pytest.raises(ExperimentError, match="new-experiment"):
        read_experiment(path)


def test_wording_may_be_the_treatment() -> None:
    data = content()
    data["arms"][1]["text"] = data["arms"][0]["text"]
    data["outcomes"][0]["wordings"] = [{"arms": ["praise"], "question": "How much do you love tea?", "context": "Think of four o'clock."}]
    outcome = read_experiment(data).outcome("warm")
    assert outcome.asked_in("praise")[:2] == ("Think of four o'clock.", "How much do you love tea?")
    assert outcome.asked_in("blame")[:2] == ("", "How gladly would you drink tea?")
