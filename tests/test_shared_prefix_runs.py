"""The same training through the real command line: packs, padded, accumulated, in two processes, and killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.tiny_dataset import write_tiny_dataset

STEPS = 20
# 96 rows, 30 a step: the fourth step of every epoch has six, which is one batch for two processes.
CUTS = {
    "packs": ["--batch_size", "30", "--read_as", "packs"],
    "padded": ["--batch_size", "30", "--read_as", "padded"],
    "accumulated": ["--batch_size", "10", "--accumulation", "3"],
    "two": ["--batch_size", "15"],
    "checkpointed": ["--batch_size", "30", "--gradient_checkpointing", "true"],
    "killed": ["--batch_size", "30", "--checkpoint_every", "1"],
}
PLAIN, TWO = [], ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0", "-m"]


class Runs:
    """Starts runs, each in processes of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = {
            "dataset": str(write_tiny_dataset(folder / "dataset")), "train_on": ["unseen_studies"], "template": "stimulus_first",
            "nano": {"hidden_size": 32, "intermediate_size": 48, "layers": 2, "heads": 2, "vocab_size": 320, "context": 512},
            "max_steps": STEPS, "share_prefix": 5, "learning_rate": 1e-3, "seed": 3, "log_every": 1, "output": "replaced",
        }  # fmt: skip
        (folder / "run.yaml").write_text(yaml.safe_dump(settings))

    def start(self, name: str, launcher: list[str] = PLAIN) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", *launcher, "socsci210.train", "run.yaml", "--output", str(self.folder / name), *CUTS[name]]
        environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, cwd=self.folder, stdout=pipe, stderr=pipe, text=True, start_new_session=True)

    def finish(self, name: str, process: subprocess.Popen[str]) -> None:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, f"{name}: {said}"

    def record(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / name / "run_record.json").read_text())
        return found

    def weights(self, name: str) -> dict[str, torch.Tensor]:
        from safetensors.torch import load_file

        return load_file(self.folder / name / "model.safetensors")


def kill_in_the_middle(process: subprocess.Popen[str], checkpoints: Path) -> None:
    """Kill -9 once a few steps are kept."""
    while process.poll() is None and not any(int(path.name[5:13]) >= 4 for path in checkpoints.glob("step-*")):
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    made = Runs(tmp_path_factory.mktemp("runs"))
    for pair in (("packs", "padded"), ("accumulated", "checkpointed")):
        started = [(name, made.start(name)) for name in pair]
        for name, process in started:
            made.finish(name, process)
    killed = made.start("killed")
    two = made.start("two", TWO)
    kill_in_the_middle(killed, made.folder / "killed.checkpoints")
    assert not (made.folder / "killed").exists()
    again = made.start("killed")
    made.finish("two", two)
    made.finish("killed", again)
    return made


@pytest.mark.parametrize("name", ["padded", "accumulated", "checkpointed", "two", "killed"])
def test_same_losses_and_weights(runs: Runs, name: str) -> None:
    one, other = runs.record("packs"), runs.record(name)
    assert one["steps"] == other["steps"] == STEPS and one["rows_seen"] == other["rows_seen"] == 5 * 96
    losses, theirs = ([loss for _, loss in record["losses"]] for record in (one, other))
    assert len(losses) == STEPS and losses[-1] < 0.8 * losses[0]
    assert theirs == pytest.approx(losses, abs=1e-5)
    weights, others = runs.weights("packs"), runs.weights(name)
    assert weights.keys() == others.keys()
    assert max(float((weights[key] - others[key]).abs().max()) for key in weights) < 1e-4


def test_every_run_was_what_it_is_called(runs: Runs) -> None:
    assert {name: runs.record(name)["read_as"] for name in CUTS} == dict.fromkeys(CUTS, "packs") | {"padded": "padded"}
    assert {name: runs.record(name)["processes"] for name in CUTS} == dict.fromkeys(CUTS, 1) | {"two": 2}


def test_a_resumed_run_is_the_same_to_the_last_bit(runs: Runs) -> None:
    weights, resumed = runs.weights("packs"), runs.weights("killed")
    assert all(torch.equal(weights[key], resumed[key]) for key in weights)
