"""The models of an experiment: which there are, and their training."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from socsci210.train.config import TrainConfig, TrainError

from ..dataset_folder import DatasetFolder
from ..language_model import RECORD
from .children import plain_launch
from .config import ExperimentConfig, accelerate_file
from .steps import Steps, key_of
from .table import Role

FREE: Final = ("dataset", "output", "log_every", "checkpoint_every")
"""Training settings that change nothing that is learned (the dataset counts by its fingerprint)."""


@dataclass(frozen=True)
class Job:
    """One model to score. `config`: how it is trained; None where it is the base model as it is."""

    name: str
    role: Role
    seed: int
    fraction: int | None
    config: TrainConfig | None


def jobs_of(config: ExperimentConfig, folder: DatasetFolder) -> list[Job]:
    """The baseline, then a model for every fraction and seed."""

    def training(seed: int, fraction: int | None, **changes: Any) -> TrainConfig:
        return config.training(dataset=str(folder.path), output="model", seed=seed, fraction=fraction, **changes)

    first = config.seeds[0]
    untrained = training(first, None, max_steps=0) if config.nano is not None else None
    jobs = [Job("untrained", "base", first, None, untrained)]
    for fraction in config.fractions or (None,):
        for seed in config.seeds:
            name = "-".join(["trained", *([f"{fraction}pct"] if fraction else []), *([f"seed{seed}"] if len(config.seeds) > 1 else [])])
            jobs.append(Job(name, "trained", seed, fraction, training(seed, fraction)))
    return jobs


def model_of(steps: Steps, config: ExperimentConfig, folder: DatasetFolder, job: Job) -> str:
    """The folder (or Hub id) of a job's model, trained if it is not.

    Raises:
        TrainError: training failed.
    """
    if job.config is None:
        return str(config.model)
    title = f"Training {job.name}" if job.role == "trained" else "Making the untrained model"
    inputs = _inputs(config, folder, job)
    made = steps.run(
        title, job.name, inputs, lambda key: _place(steps, key, job), lambda target: _train(steps, config, job, target)
    )  # fmt: skip
    return str(made)


def trained_at(steps: Steps, config: ExperimentConfig, folder: DatasetFolder, job: Job) -> Path:
    """Where the model of a job lies once it is trained."""
    return _place(steps, key_of(_inputs(config, folder, job)), job)


def _place(steps: Steps, key: str, job: Job) -> Path:
    return steps.folder / "models" / key / job.name


def launch_arguments(config: ExperimentConfig) -> list[str] | None:
    """The arguments of `accelerate launch` for training; None where one plain process will do."""
    processes = config.launch.processes
    if config.launch.accelerate is not None:
        number = ["--num_processes", str(processes)] if processes else []
        return ["--config_file", str(accelerate_file(config.launch.accelerate).resolve()), *number]
    return None if (processes or 1) == 1 else plain_launch(processes or 1)


def state_of(model: str | None) -> dict[str, Any]:
    """What a base model is: name, size and time of the files of a folder; a Hub id is its name alone, which the settings hold."""
    folder = Path(model or "")
    if model is None or not folder.is_dir():
        return {}
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return {"model_files": [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]}


def rows_trained(model: str, job: Job) -> int | None:
    """Rows that a trained model was fed, as its run record says."""
    record = Path(model) / RECORD
    if job.role == "base" or not record.is_file():
        return None
    return int(json.loads(record.read_text(encoding="utf-8"))["rows_trained"])


def _inputs(config: ExperimentConfig, folder: DatasetFolder, job: Job) -> dict[str, Any]:
    """Everything that decides what is learned."""
    assert job.config is not None
    settings = {key: value for key, value in job.config.model_dump(mode="json").items() if key not in FREE}
    launched: dict[str, Any] = {"processes": config.launch.started}
    if config.launch.accelerate is not None:
        launched["accelerate"] = hashlib.sha256(accelerate_file(config.launch.accelerate).read_bytes()).hexdigest()
    return {**settings, **launched, **state_of(config.model), "dataset": folder.fingerprint, "version": version("socsci210")}


def _train(steps: Steps, config: ExperimentConfig, job: Job, target: Path) -> None:
    from socsci210.train.launch import launch
    from socsci210.train.lock import wait_for

    assert job.config is not None
    wait_for(target, steps.say)
    if target.exists():  # a training that a killed run left behind has ended well
        return
    log = steps.folder / "logs" / f"{job.name}-{target.parent.name}"
    chosen = job.config.model_copy(update={"output": str(target)})
    say = (lambda line: steps.say(f"  {job.name}: {line}")) if job.role == "trained" else None
    try:
        launch(chosen, log, accelerate=launch_arguments(config), threads=config.launch.threads, say=say)
    except TrainError:  # that left-over training may have been just starting, and got there first
        wait_for(target, steps.say)
        if not target.exists():
            raise
