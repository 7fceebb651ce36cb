"""From an experiment to answers.parquet: exact, complete, the same for the same seed, and whole after a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socsci210 import Socrates
from socsci210.egress import EgressError
from socsci210.predict import ServerOptions, read_metadata
from socsci210.prompts import template_hash
from socsci210.screening.asked import Asked
from socsci210.screening.experiment_file import ExperimentError, read_experiment
from socsci210.screening.parts import ANSWERS, ANSWERS_SCHEMA, EXPERIMENT, PERSONAS, PERSONAS_SCHEMA, PROFILES, answers_schema
from socsci210.screening.personas import read_personas
from socsci210.screening.run import SHARDS, Engine, collect
from socsci210.screening.variation import variants_for
from socsci210.stimuli import stimulus
from tests.screening_tools import content, save_tiny_model

PEOPLE = 6


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return read_personas(f"sample:{PEOPLE}", shares=read_experiment(content()).marginals)


@pytest.fixture(scope="module")
def run(model: Path, people: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "screening"
    collect(read_experiment(content()), people, Engine(str(model)), out)
    return out


def test_every_persona_meets_every_arm_outcome_and_variant_once(run: Path, people: pa.Table) -> None:
    answers = pq.read_table(run / ANSWERS)
    assert answers.schema.equals(ANSWERS_SCHEMA)
    keys = list(zip(*(answers.column(name).to_pylist() for name in ("persona", "arm", "outcome", "variant")), strict=True))
    ways = ["base", "stimulus_first", "reversed", "paraphrase_1", "paraphrase_2"]
    assert keys == [
        (person, arm, outcome, way)
        for person in range(PEOPLE)
        for arm in ("control", "praise", "blame")
        for outcome in ("warm", "drink")
        for way in ways
    ]
    assert [sum(some) for some in answers.column("probabilities").to_pylist()] == pytest.approx([1.0] * len(keys), abs=1e-12)
    about = read_metadata(run / ANSWERS)
    assert about["variants"] == ways
    assert about["templates"] == {name: template_hash(name) for name in ("upstream", "stimulus_first")}
    assert (about["engine"], about["seed"], about["made_up"]) == ("transformers", 0, True)
    assert pq.read_table(run / PERSONAS).cast(PERSONAS_SCHEMA).equals(people)
    assert read_experiment(run / EXPERIMENT).sha256 == about["experiment_sha256"] == read_experiment(content()).sha256
    assert sorted(path.name for path in run.iterdir()) == sorted([ANSWERS, EXPERIMENT, PERSONAS])  # no shards are left


def test_answers_are_those_of_the_model_asked_one_by_one(run: Path, model: Path, people: pa.Table) -> None:
    """Against plain prompts put together here, one at a time, in both layouts."""
    answers = pq.read_table(run / ANSWERS).to_pylist()
    experiment = read_experiment(content())
    outcome, arm = experiment.outcome("warm"), experiment.arm("blame")
    person = {name: value for name, value in people.to_pylist()[2].items() if name in ("age", "gender")}
    texts = {
        "base": stimulus("read", arm.text, outcome.question, outcome.scale.scale),
        "reversed": 'You read "Tea is served at four. Doctors blame it." and then were asked: "How gladly would you drink tea? Only return '
        'an integer from 1 to 7, where 7 means Very much and 1 means Not at all, nothing else."',
        "paraphrase_1": 'You read "Tea is served at four. Doctors blame it." and then were asked: "How gladly would you drink tea? Answer '
        'with an integer from 1 to 7, where 1 means Not at all and 7 means Very much, and write nothing more."',
    }
    texts["stimulus_first"] = texts["base"]
    for way, text in texts.items():
        template = "stimulus_first" if way == "stimulus_first" else "upstream"
        expected = Socrates(model, template=template).predict(person, text, (1, 7))
        [row] = [one for one in answers if (one["persona"], one["arm"], one["outcome"], one["variant"]) == (2, "blame", "warm", way)]
        assert row["support"] == [1, 2, 3, 4, 5, 6, 7]
        assert row["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
        assert row["answer_mass"] == pytest.approx(expected.answer_mass, rel=1e-3)


def test_two_options_are_named_in_the_other_order() -> None:
    experiment = read_experiment(content())
    people = read_personas("sample:1", shares=experiment.marginals)
    asked = Asked(experiment, people, variants_for({}, wanted=["reversed"]), seed=0)
    texts = [asked.texts.stimuli[at] for at in asked.texts.stimulus[2:4]]
    assert texts[0].endswith('"Would you drink the tea? Only return 1 for Yes or 2 for No, nothing else."')
    assert texts[1].endswith('"Would you drink the tea? Only return 2 for No or 1 for Yes, nothing else."')


def test_a_trained_model_is_asked_in_its_own_layout_only() -> None:
    trained = [one.name for one in variants_for({"template": "stimulus_first"})]
    assert trained == ["base", "reversed", "paraphrase_1", "paraphrase_2"]
    assert {one.template for one in variants_for({"template": "stimulus_first"})} == {"stimulus_first"}
    assert [one.name for one in variants_for({}, wanted=["base"])] == ["base"]
    with pytest.raises(ExperimentError, match="no variant 'stimulus_first' for a model trained with template upstream"):
        variants_for({"template": "upstream"}, wanted=["stimulus_first"])


def test_a_finished_run_is_not_run_again_and_another_one_is_refused(run: Path, model: Path, people: pa.Table) -> None:
    before = (run / ANSWERS).stat().st_mtime_ns
    assert collect(read_experiment(content()), people, Engine(str(model)), run) == run / ANSWERS
    assert (run / ANSWERS).stat().st_mtime_ns == before
    other = content()
    other["arms"][1]["text"] += " Much."
    with pytest.raises(ExperimentError, match="answers of another run"):
        collect(read_experiment(other), people, Engine(str(model)), run)
    with pytest.raises(ExperimentError, match="other seed"):
        collect(read_experiment(content()), people, Engine(str(model)), run, seed=1)


CHILD = """
import json, sys
from pathlib import Path
from socsci210.screening.experiment_file import read_experiment
from socsci210.screening.personas import read_personas
from socsci210.screening.run import Engine, collect
content, model, out = json.loads(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
for outcome in content["outcomes"]:
    outcome["scale"]["labels"] = {int(value): label for value, label in outcome["scale"]["labels"].items()}
experiment = read_experiment(content)
people = read_personas("sample:6", shares=experiment.marginals)
collect(experiment, people, Engine(model), out, shard_rows=4, progress=lambda done, wanted: print(done, wanted, flush=True))
"""


def test_a_run_that_was_killed_goes_on_and_gives_the_same_bytes(model: Path, people: pa.Table, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps(content()), str(model), str(out)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while True:
        line = process.stdout.readline()
        assert line, "the child ended before it could be killed"
        if int(line.split()[0]) >= 12:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / ANSWERS).exists() and list((out / SHARDS).iterdir())
    seen: list[int] = []
    collect(read_experiment(content()), people, Engine(str(model)), out, shard_rows=4, progress=lambda done, _: seen.append(done))
    assert seen[0] >= 16  # what the first process had done is not done again
    whole = collect(read_experiment(content()), people, Engine(str(model)), tmp_path / "whole", shard_rows=4)
    assert (out / ANSWERS).read_bytes() == whole.read_bytes()
    assert not (out / SHARDS).exists()


def test_a_text_longer_than_the_context_is_refused_before_anything_is_asked(people: pa.Table, tmp_path: Path) -> None:
    short = save_tiny_model(tmp_path / "short", max_position_embeddings=600)
    long = content()
    long["arms"][1]["text"] = "Tea is served at four. " * 60
    with pytest.raises(ExperimentError, match=r"the text of arm 'praise' and outcome 'warm'") as error:
        collect(read_experiment(long), people, Engine(str(short)), tmp_path / "run", variants=["base"])
    assert "at most 600, the context of the model" in error.value.expected and "shorten the text" in error.value.fix
    assert not (tmp_path / "run" / ANSWERS).exists()


def test_blanks_are_filled_by_the_persona_or_drawn_by_the_seed() -> None:
    data = content()
    data["arms"][1]["text"] = "Ask {who} about {what}."
    data["arms"][2]["text"] = "Do not ask {who} about {what}."
    data["fills"] = {
        "who": {"by": "gender", "values": {"Male": "your wife", "Female": "your husband"}},
        "what": {"by": "draw", "values": {"a": "tea", "b": "milk"}},
    }
    experiment = read_experiment(data)
    people = read_personas("sample:40", shares=experiment.marginals)
    asked = Asked(experiment, people, variants_for({}, wanted=["base"]), seed=4)
    texts = np.array(asked.texts.stimuli)[asked.texts.stimulus].reshape(40, 3, 2)
    for person, gender in enumerate(people.column("gender").to_pylist()):
        assert ("your wife" in texts[person, 1, 0]) == (gender == "Male")
        assert ("milk" in texts[person, 1, 0]) == ("milk" in texts[person, 2, 1])  # the same in every arm and outcome
    assert 8 < sum("milk" in text for text in texts[:, 1, 0]) < 32
    again = Asked(experiment, people, variants_for({}, wanted=["base"]), seed=4)
    assert again.texts.stimuli == asked.texts.stimuli
    nobody = read_personas(pa.table({"age": [40]}))
    with pytest.raises(ExperimentError, match="no words for gender None"):
        Asked(experiment, nobody, variants_for({}), seed=0).texts  # noqa: B018


def _conjoint() -> dict[str, Any]:
    data = content()
    data["attributes"] = [
        {"name": "price", "title": "Price", "levels": {"low": "1 dollar", "high": "2 dollars"}},
        {"name": "kind", "title": "Kind", "levels": {"green": "green tea", "black": "black tea", "white": "white tea"}},
    ]
    data["tasks"] = 3
    data["arms"], data["hypotheses"] = data["arms"][:1], []
    choice = {
        "id": "choice", "label": "Tea B is chosen", "context": "Tea A: {profile_1}. Tea B: {profile_2}.", "question": "Which tea?",
        "scale": {"min": 1, "max": 2, "labels": {1: "Tea A", 2: "Tea B"}, "direction": "up"},
    }  # fmt: skip
    data["outcomes"] = [choice]
    return data


def test_a_conjoint_shows_profiles_drawn_by_the_seed(model: Path, people: pa.Table, tmp_path: Path) -> None:
    experiment = read_experiment(_conjoint())
    collect(experiment, people, Engine(str(model)), tmp_path / "run", variants=["base"])
    answers, profiles = (pq.read_table(tmp_path / "run" / name) for name in (ANSWERS, PROFILES))
    assert answers.schema.equals(answers_schema(conjoint=True))
    assert answers.num_rows == PEOPLE * 3 and answers.column("task").to_pylist() == [0, 1, 2] * PEOPLE
    assert profiles.column_names == ["persona", "task", "profile", "price", "kind"]
    assert profiles.num_rows == PEOPLE * 3 * 2
    rows = profiles.to_pylist()
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        assert (first["profile"], second["profile"]) == (1, 2)
        assert (first["price"], first["kind"]) != (second["price"], second["kind"])
    asked = Asked(experiment, people, variants_for({}, wanted=["base"]), seed=0)
    words = {"low": "1 dollar", "high": "2 dollars", "green": "green tea", "black": "black tea", "white": "white tea"}
    texts = [asked.texts.stimuli[at] for at in asked.texts.stimulus]
    for text, first, second in zip(texts, rows[::2], rows[1::2], strict=True):
        shown = [f"Price: {words[one['price']]}; Kind: {words[one['kind']]}." for one in (first, second)]
        assert f"Tea A: {shown[0]} Tea B: {shown[1]}" in text
    more = read_personas("sample:60", shares=experiment.marginals)
    many = Asked(experiment, more, variants_for({}, wanted=["base"]), seed=0)
    assert (many.levels[:PEOPLE] == asked.levels).all()  # more people leave the profiles of the others as they are
    shares = np.bincount(many.levels[..., 1].reshape(-1)) / many.levels[..., 1].size
    assert shares == pytest.approx([1 / 3] * 3, abs=0.08)


def test_people_who_may_be_real_are_not_sent_without_leave(tmp_path: Path) -> None:
    shown: list[str] = []
    server = ServerOptions("http://localhost:9/v1", tries=1, show=shown.append)
    real = read_personas(pa.table({"age": [40], "gender": ["Male"]}))
    experiment = read_experiment(content())
    with pytest.raises(EgressError, match="would leave this machine") as error:
        collect(experiment, real, Engine("tea", server), tmp_path / "run")
    assert "--allow-send-rows" in error.value.fix
    made = read_personas("sample:1", shares=experiment.marginals)
    with pytest.raises(EgressError, match="connection failed"):  # made-up people may go: nobody is there to take them
        collect(experiment, made, Engine("tea", server), tmp_path / "made")
    assert any("made-up people" in line for line in shown)


def test_a_model_that_is_not_there_leaves_nothing_behind(people: pa.Table, tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(Exception, match="no-such-model"):
        collect(read_experiment(content()), people, Engine(str(tmp_path / "no-such-model")), tmp_path / "run")
    assert not (tmp_path / "run").exists() and time.monotonic() - begun < 30
