"""Runs with every objective: they train, their records say what was minimised, and a cut-off run goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from accelerate.state import AcceleratorState

from socsci210.dataset_folder import DatasetFolder
from socsci210.language_model import load_model
from socsci210.prompts import PromptEncoder
from socsci210.train import run as run_module
from socsci210.train.config import resolve
from socsci210.train.examples import RowTokens
from socsci210.train.loop import train
from socsci210.train.objectives.dpo import Dpo
from socsci210.train.settings import DpoConfig
from tests.objective_tools import with_rationales
from tests.tiny_dataset import write_tiny_dataset

NANO = {"hidden_size": 16, "intermediate_size": 24, "layers": 1, "heads": 2, "vocab_size": 320, "context": 512}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_rationales(write_tiny_dataset(tmp_path_factory.mktemp("runs") / "dataset"))


def run(dataset: Path, output: Path, **changes: Any) -> dict[str, Any]:
    """Train and return the run record."""
    base = {
        "dataset": str(dataset), "output": str(output), "train_on": ["unseen_studies"], "nano": NANO, "max_steps": 6, "batch_size": 16,
        "learning_rate": 1e-2, "seed": 3,
    }  # fmt: skip
    train(resolve(base | changes), say=lambda text: None)
    record: dict[str, Any] = json.loads((output / "run_record.json").read_text())
    return record


@pytest.fixture(scope="module")
def base(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learned something of the answers."""
    output = tmp_path_factory.mktemp("base") / "sft"
    run(dataset, output, max_steps=20)
    return output


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def margin(model: Path, start: Path, dataset: Path, folder: Path) -> float:
    """How much more a model prefers the chosen to the rejected answers than the one it started from, in nats, on average."""
    from accelerate import Accelerator

    from socsci210.train.reference import note

    rows = DatasetFolder(dataset)
    found = []
    for one in (model, start):
        loaded, tokenizer = load_model(str(one), "cpu")
        tokens = RowTokens(rows.rows("unseen_studies", "train"), rows, PromptEncoder(tokenizer))
        pairs = Dpo(tokens, DpoConfig(), seed=3)
        note(loaded, pairs, folder, context=512, dataset_fingerprint="f", accelerator=Accelerator(cpu=True), say=lambda text: None)
        found.append(pairs.reference_margin(np.arange(len(pairs))).mean())
    return float(found[0] - found[1])


def test_dpo_goes_away_from_where_it_started_and_resumes_exactly(
    dataset: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"nano": None, "model": str(base), "objective": "dpo", "dpo": {"beta": 0.5}, "max_steps": 8, "checkpoint_every": 3}
    record = run(dataset, tmp_path / "straight", **given)  # six steps an epoch: into the second one
    objective = record["objectives"]["dpo"]
    assert objective["weight"] == 1.0 and objective["examples"] == 96 - objective["rows_without_pair"]
    assert record["losses"][0][1] < np.log(2) and record["reasoning"] is False
    assert len(list((tmp_path / "reference").glob("*.parquet"))) == 1
    assert margin(tmp_path / "straight", base, dataset, tmp_path / "looked") > 0.05

    original, calls = run_module.Run._step, []

    def killed(self: Any, *arguments: Any) -> Any:
        calls.append(0)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(run_module.Run, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        run(dataset, tmp_path / "cut", **given)
    run(dataset, tmp_path / "cut", **given)
    assert len(calls) == 8 + 2
    one, other = weights(tmp_path / "straight"), weights(tmp_path / "cut")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_reference_has_the_precision_of_the_run(dataset: Path, base: Path, tmp_path: Path) -> None:
    given = {"nano": None, "model": str(base), "objective": "dpo", "max_steps": 2, "log_every": 1, "learning_rate": 1e-6}
    for precision in ("bf16", "no"):  # the last one is that of all other tests
        AcceleratorState._reset_state()  # or one process could not have two precisions
        record = run(dataset, tmp_path / precision, precision=precision, **given)
        assert record["losses"][0][1] == pytest.approx(np.log(2), abs=1e-5 if precision == "no" else 5e-3)
    assert len(list((tmp_path / "reference").glob("*.parquet"))) == 2


def test_two_processes_share_the_reference_and_the_steps(dataset: Path, base: Path, tmp_path: Path) -> None:
    given = {
        "dataset": str(dataset), "train_on": ["unseen_studies"], "model": str(base), "objective": {"dpo": 0.5, "sft": 0.5}, "max_steps": 4,
        "global_batch": 24, "batch_size": 6, "learning_rate": 1e-3, "seed": 3, "template": "upstream",
    }  # fmt: skip
    train(resolve({**given, "output": str(tmp_path / "one" / "m")}), say=lambda text: None)
    settings = tmp_path / "run.yaml"
    settings.write_text(yaml.safe_dump({**given, "output": str(tmp_path / "two" / "m")}))
    launcher = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    launched = subprocess.run(
        [sys.executable, *launcher, "-m", "socsci210.train", str(settings)],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert launched.returncode == 0, launched.stderr
    one, two = (weights(tmp_path / name / "m") for name in ("one", "two"))
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5
    single, double = (next((tmp_path / name / "reference").glob("*.parquet")) for name in ("one", "two"))
    assert single.name == double.name
    logs = [np.array(pq.read_table(path).column("log_probabilities").combine_chunks().flatten()) for path in (single, double)]
    np.testing.assert_allclose(logs[0], logs[1], atol=1e-5)


@pytest.mark.parametrize("persona", ["none", "row", "sampled"])
def test_distribution(dataset: Path, tmp_path: Path, persona: str) -> None:
    given = {
        "objective": "distribution",
        "distribution": {"persona": persona},
        "max_steps": 40,
        "log_every": 10,
        "template": "stimulus_first",
    }
    record = run(dataset, tmp_path / "m", **given)
    losses = [loss for _, loss in record["losses"]]
    assert losses[-1] < 0.7 * losses[0]
    cells = record["objectives"]["distribution"]["cells"]
    assert record["objectives"]["distribution"]["examples"] == (96 if persona == "row" else cells) and cells == 12


def test_mixture_has_examples_of_both_parts(dataset: Path, tmp_path: Path) -> None:
    record = run(dataset, tmp_path / "m", objective={"sft": 3, "distribution": 1}, share_prefix=4)
    assert {name: part["weight"] for name, part in record["objectives"].items()} == {"sft": 0.75, "distribution": 0.25}
    assert record["rows_seen"] == 6 * 16


def test_rows_without_a_rationale_are_counted(dataset: Path, tmp_path: Path) -> None:
    record = run(dataset, tmp_path / "m", objective="reasoning", max_steps=2)
    assert record["reasoning"] is True
    assert record["objectives"]["reasoning"]["rows_without_rationale"] == 4
