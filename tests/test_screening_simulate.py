"""`socsci210.simulate` and the commands around it: tidy tables, the same for the same seed, and messages for what cannot be run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import socsci210
from socsci210.predict import ServerOptions, read_metadata
from socsci210.screening.experiment_file import read_experiment
from socsci210.screening.parts import ANSWERS
from socsci210.screening.run import experiment_yaml
from tests.openai_server import CHATML, Answering, OpenAIServer, taught_model
from tests.screening_tools import content, save_tiny_model
from tests.tiny import tiny_tokenizer

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


def test_tidy_tables_from_python(model: Path, tmp_path: Path) -> None:
    said: list[str] = []
    found = socsci210.simulate(content(), model, "sample:30", variants=["reversed"], seed=3, say=said.append)
    assert (found.folder, found.page, found.profiles) == (None, None, None)
    assert found.answers.num_rows == 30 * 3 * 2 * 2
    assert any("no evidence" in line for line in said)
    [effect] = [
        row for row in found.screening.effects.to_pylist() if (row["outcome"], row["arm"], row["against"]) == ("warm", "praise", "control")
    ]
    rows = found.answers.to_pylist()
    means = {
        arm: np.mean([np.dot(row["support"], row["probabilities"]) for row in rows if (row["arm"], row["outcome"]) == (arm, "warm")])
        for arm in ("praise", "control")
    }
    assert effect["effect"] == pytest.approx(means["praise"] - means["control"], abs=1e-9)
    again = socsci210.simulate(content(), model, "sample:30", variants=["reversed"], seed=3, out=tmp_path / "run")
    assert again.answers.equals(found.answers) and again.screening.effects.equals(found.screening.effects)
    assert again.page is not None and again.page.read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")
    assert pq.read_table(tmp_path / "run" / "effects.parquet").num_rows == found.screening.effects.num_rows
    other = socsci210.simulate(content(), model, "sample:30", variants=["reversed"], seed=4)
    assert not other.answers.equals(found.answers)  # other people


def test_people_may_be_a_table(model: Path) -> None:
    people = pa.table({"age": [30, 60], "gender": ["Male", "Female"], "weight": [1.0, 3.0]})
    data = content()
    del data["marginals"]
    found = socsci210.simulate(data, model, people, variants=["base"])
    assert found.personas.column("weight").to_pylist() == [0.5, 1.5]
    means = {
        (row["persona"], row["arm"]): float(np.dot(row["support"], row["probabilities"]))
        for row in found.answers.to_pylist()
        if row["outcome"] == "warm"
    }
    differences = [means[person, "praise"] - means[person, "control"] for person in (0, 1)]
    [effect] = [
        row for row in found.screening.effects.to_pylist() if (row["outcome"], row["arm"], row["against"]) == ("warm", "praise", "control")
    ]
    assert effect["effect"] == pytest.approx((differences[0] + 3 * differences[1]) / 4)


def test_a_server_gives_what_the_model_gives(tmp_path: Path) -> None:
    """A server that holds the same model; its lists of 20 tokens leave a little unresolved."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.chat_template = CHATML
    model = taught_model(tokenizer, map(str, range(10)), steps=80)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    here = socsci210.simulate(content(), tmp_path, "sample:2")
    with OpenAIServer(Answering(model, tokenizer)).running() as server:
        options = ServerOptions(server.base_url, show=lambda line: None, timeout=10.0)
        there = socsci210.simulate(content(), "tea", "sample:2", server=options)
    assert there.answers.drop_columns(["probabilities", "answer_mass"]).equals(here.answers.drop_columns(["probabilities", "answer_mass"]))
    for mine, its in zip(here.answers.to_pylist(), there.answers.to_pylist(), strict=True):
        masses = [np.array(one["probabilities"]) * one["answer_mass"] for one in (mine, its)]
        assert masses[1] == pytest.approx(masses[0], abs=0.011)  # a hundredth of the mass may stay unresolved


def test_commands_from_a_file_to_a_page(model: Path, tmp_path: Path, command: Command) -> None:
    code, out, err = command("new-experiment", tmp_path / "tea.yaml")
    assert (code, out.strip()) == (0, str(tmp_path / "tea.yaml"))
    run = ("simulate", tmp_path / "tea.yaml", "--model", model, "--personas", "sample:12", "--out", tmp_path / "run", "--variants", "base")
    code, out, err = command(*run)
    assert code == 0, err
    assert out.strip().splitlines()[-1] == str(tmp_path / "run" / "page.html")
    assert (tmp_path / "run" / "experiment.yaml").read_text() == (tmp_path / "tea.yaml").read_text()  # comments included
    before = (tmp_path / "run" / ANSWERS).read_bytes()
    assert command(*run)[0] == 0 and (tmp_path / "run" / ANSWERS).read_bytes() == before
    code, _, err = command(*run, "--seed", "1")
    assert code == 1 and "choose another --out" in err
    code, out, _ = command("new-experiment", "--schema")
    assert code == 0 and json.loads(out)["title"] == "Experiment"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--model, --personas, --out not given"),
        (("--model", "m", "--personas", "sample:5"), "--out not given"),
        (("--model", "MODEL", "--personas", "sample:0", "--out", "OUT"), "sample:N with N from 1"),
        (("--model", "MODEL", "--personas", "nobody.csv", "--out", "OUT"), "no such file or dataset"),
        (("--model", "MODEL", "--personas", "sample:5", "--out", "OUT", "--variants", "louder"), "no variant 'louder'"),
        (("--model", "MODEL", "--personas", "sample:5", "--out", "OUT", "--template", "sideways"), "unknown prompt template"),
        (("--model", "MODEL", "--personas", "sample:5", "--out", "OUT", "--allow-send-rows"), "--base-url beside them"),
        (("--model", "no/such", "--personas", "sample:5", "--out", "OUT"), "no/such"),
        (("--model", "MODEL", "--personas", "sample:5", "--out", "OUT", "--evidence", "none.json"), "none.json: no such file"),
        (("--compare", "dataset:tea", "--out", "OUT"), "--out beside --compare"),
    ],
)
def test_what_cannot_be_run_is_a_message_and_leaves_nothing(
    arguments: tuple[str, ...], message: str, model: Path, tmp_path: Path, command: Command
) -> None:
    path = tmp_path / "tea.yaml"
    path.write_text(experiment_yaml(read_experiment(content())))
    places = {"MODEL": str(model), "OUT": str(tmp_path / "run")}
    code, _, err = command("simulate", path, *(places.get(argument, argument) for argument in arguments))
    assert code == 1 and message in err and "Traceback" not in err and "prompts" not in err
    assert not (tmp_path / "run").exists()


def test_metadata_say_how_the_answers_came_about(model: Path, tmp_path: Path) -> None:
    socsci210.simulate(content(), model, "sample:3", variants=["base"], out=tmp_path / "run")
    about = read_metadata(tmp_path / "run" / ANSWERS)
    assert set(about) == {
        "model", "revision", "engine", "seed", "experiment_sha256", "personas_sha256", "made_up", "variants", "templates", "usage",
    }  # fmt: skip
    assert {"socsci210", "torch", "transformers"} <= set(about["usage"]["versions"])
