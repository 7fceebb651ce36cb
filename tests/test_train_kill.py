"""Killed runs, through the real command line: kill -9 at any moment, one of two processes dying; and processes that nobody asked for."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file

from socsci210.train.checkpoints import folder_of
from socsci210.train.progress import log_of
from tests.tiny_dataset import sides_with_validation, write_tiny_dataset

STEPS = 40
SETTINGS: dict[str, Any] = {
    "train_on": ["unseen_studies"],
    "nano": {"hidden_size": 16, "intermediate_size": 24, "layers": 1, "heads": 2, "vocab_size": 320, "context": 512},
    "max_steps": STEPS,
    "batch_size": 4,
    "learning_rate": 1e-2,
    "checkpoint_every": 2,
    "keep_checkpoints": 2,
    "log_every": 1,
    "validation": {"every_steps": 10, "rows": 12},
}
CPU = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
TWO = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0", "-m"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kill")
    dataset = write_tiny_dataset(folder / "dataset", sides_of=sides_with_validation)
    (folder / "run.yaml").write_text(yaml.safe_dump(SETTINGS | {"dataset": str(dataset), "output": "out"}))
    return folder / "run.yaml"


def start(settings: Path, output: Path, launcher: list[str] | None = None, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", *(launcher or []), "socsci210.train", str(settings), "--output", str(output)]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env={**os.environ, **CPU, **environment}, **pipes)  # type: ignore[call-overload, no-any-return]


def finished(process: subprocess.Popen[str], seconds: float = 240) -> str:
    _, said = process.communicate(timeout=seconds)
    assert process.returncode == 0, said
    return said


def steps_logged(output: Path) -> int:
    """How far a run is, by its log."""
    path = log_of(output)
    return len(path.read_text().splitlines()) if path.exists() else 0


def wait_for_steps(process: subprocess.Popen[str], output: Path, n: int) -> None:
    deadline = time.monotonic() + 240
    while steps_logged(output) < n:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[1] if process.poll() is not None else "slow"
        time.sleep(0.005)


def record(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "run_record.json").read_text())
    return found


def assert_same(one: Path, other: Path) -> None:
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    for key in ("losses", "steps", "epochs", "rows_seen", "loss_terms", "validation"):
        assert record(one)[key] == record(other)[key], key


def test_killed_at_random_moments_it_ends_with_the_same_weights(settings: Path, tmp_path: Path) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    first, process = start(settings, straight), start(settings, killed)
    moments = random.Random(5)
    for _ in range(2):
        wait_for_steps(process, killed, min(steps_logged(killed) + moments.randint(3, 9), STEPS - 5))
        time.sleep(moments.random() * 0.05)  # in a step, in an evaluation or while a checkpoint is written
        process.kill()
        process.communicate()
        assert not killed.exists()
        process = start(settings, killed)
    assert "resumed at step" in finished(process)
    finished(first)
    assert_same(straight, killed)
    assert not folder_of(killed).exists() and not log_of(killed).exists()
    lines = [json.loads(line) for line in (killed / "train_log.jsonl").read_text().splitlines()]
    assert [one["step"] for one in lines if "loss" in one] == list(range(1, STEPS + 1))


def test_one_of_two_processes_dies_and_the_other_stops_and_both_go_on(settings: Path, tmp_path: Path) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    finished(start(settings, straight, TWO))
    process = start(settings, killed, TWO)
    wait_for_steps(process, killed, 9)
    workers = [child for child in psutil.Process(process.pid).children(recursive=True) if "socsci210.train" in child.cmdline()]
    assert len(workers) == 2
    workers[1].send_signal(signal.SIGKILL)
    died = time.monotonic()
    process.communicate(timeout=120)
    assert process.returncode != 0 and time.monotonic() - died < 60
    assert not killed.exists() and not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
    assert "resumed at step" in finished(start(settings, killed, TWO))
    assert_same(straight, killed)
    assert record(killed)["processes"] == 2 and record(killed)["distributed"] == "MULTI_CPU"
    assert [one["step"] for one in record(killed)["validation"]["evaluations"]] == [10, 20, 30, 40]


def test_shards_on_a_cpu_are_refused(settings: Path, tmp_path: Path) -> None:
    process = start(settings, tmp_path / "m", ACCELERATE_USE_FSDP="true", FSDP_VERSION="2")  # what its launcher tells accelerate
    _, said = process.communicate(timeout=240)
    assert process.returncode != 0 and "error: accelerate launch: FSDP was asked for, and accelerate runs" in said
    assert not (tmp_path / "m").exists()
