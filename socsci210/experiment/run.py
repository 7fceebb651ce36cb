"""The steps of an experiment: dataset, models, predictions, scores. Each is done once for the same inputs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import yaml
from filelock import FileLock, Timeout

from socsci210.train.config import TrainConfig, TrainError

from ..dataset_folder import DatasetFolder
from ..pipeline import built_dataset, simulated_deposits
from .config import ExperimentConfig, ExperimentError, ResolvedExperiment, accelerate_file
from .steps import Say, Steps, key_of, write_json
from .table import Role, Scored

MARK: Final = "experiment.json"
FREE: Final = ("dataset", "output", "log_every", "checkpoint_every")
"""Training settings that change nothing that is learned (the dataset counts by its fingerprint)."""
TELL_EVERY: Final = 10.0  # seconds between two lines about predictions


@dataclass(frozen=True)
class Job:
    """One model to score. `config`: how it is trained; None where it is the base model as it is."""

    name: str
    role: Role
    seed: int
    fraction: int | None
    config: TrainConfig | None


@dataclass(frozen=True)
class Made:
    """A model, its score, and its results file."""

    model: str
    scored: Scored
    results: Path


@dataclass(frozen=True)
class Run:
    """Everything that the steps made. `release`: the dataset is the published one."""

    out: Path
    dataset: Path
    release: bool
    n_simulated: int
    runs: list[Made]


def run_steps(resolved: ResolvedExperiment, out: Path, say: Say) -> Run:
    """Run every step that is not done.

    Raises:
        ExperimentError: `out` holds something else, another run is at work in it, or the split has no rows.
        SocSciError: a step fails.
    """
    with _own(out, resolved):
        steps = Steps(out, say)
        folder = DatasetFolder(_dataset(steps, resolved.config))
        _check_split(folder, resolved.config)
        jobs = _jobs(resolved.config, folder)
        models = _models(steps, resolved.config, folder, jobs)
        runs = [_scored(steps, resolved.config, folder, job, model) for job, model in zip(jobs, models, strict=True)]
    n_simulated = sum(folder.table("studies", ["simulated"]).column("simulated").to_pylist())
    return Run(out, folder.path, "release" in folder.manifest, n_simulated, runs)


@contextmanager
def _own(out: Path, resolved: ResolvedExperiment) -> Iterator[None]:
    """Take a folder for this experiment alone, and note its settings in it."""
    if (out.exists() and not out.is_dir()) or (out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file()):
        raise ExperimentError(
            "not empty, and not written by an experiment", where=str(out), fix="name another folder with --out, or remove this one"
        )
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ExperimentError("another run is at work here", where=str(out), fix="wait for it, or name another folder") from error
    try:
        settings = {"settings": resolved.config.model_dump(mode="json"), "sources": resolved.source, "file": resolved.path.name}
        write_json(out / MARK, {**settings, "version": version("socsci210")})
        yield
    finally:
        lock.release()


# --- dataset -----------------------------------------------------------------------------------------------------------------------------


def _dataset(steps: Steps, config: ExperimentConfig) -> Path:
    if config.simulated is None:
        return Path(str(config.dataset))
    wanted = config.simulated

    def build(target: Path) -> None:
        deposits = steps.folder / "deposits" / target.name
        simulated_deposits(deposits, seed=wanted.seed, people=wanted.people, studies=wanted.studies, say=steps.say)
        built_dataset(deposits, target, say=steps.say)

    inputs = {**wanted.model_dump(mode="json"), "version": version("socsci210")}
    return steps.run("Making the dataset", "dataset", inputs, lambda key: steps.folder / f"dataset-{key}", build)


def _check_split(folder: DatasetFolder, config: ExperimentConfig) -> None:
    for split in ("train", "test"):
        if not folder.files(config.setting, split):
            raise ExperimentError(
                f"no rows on the {split} side of {config.setting}", where=str(folder.path), fix="take more studies, or another setting"
            )


# --- models ------------------------------------------------------------------------------------------------------------------------------


def _jobs(config: ExperimentConfig, folder: DatasetFolder) -> list[Job]:
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


def _models(steps: Steps, config: ExperimentConfig, folder: DatasetFolder, jobs: list[Job]) -> list[str]:
    """The folder (or Hub id) of each job's model."""
    arguments, launched = _launch_arguments(config)

    def model(job: Job) -> str:
        if job.config is None:
            return str(config.model)
        settings = {key: value for key, value in job.config.model_dump(mode="json").items() if key not in FREE}
        inputs = {**settings, **launched, **_state(config.model), "dataset": folder.fingerprint, "version": version("socsci210")}
        title = f"Training {job.name}" if job.role == "trained" else "Making the untrained model"

        def train(target: Path) -> None:
            _train(steps, config, job, target, arguments)

        return str(steps.run(title, job.name, inputs, lambda key: steps.folder / "models" / key / job.name, train))

    with ThreadPoolExecutor(config.launch.at_once) as pool:
        futures = [pool.submit(model, job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:  # what has not begun need not begin
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _train(steps: Steps, config: ExperimentConfig, job: Job, target: Path, arguments: list[str]) -> None:
    from socsci210.train.launch import launch
    from socsci210.train.lock import wait_for

    assert job.config is not None
    wait_for(target, steps.say)
    if target.exists():  # a training that a killed run left behind has ended well
        return
    log = steps.folder / "logs" / f"{job.name}-{target.parent.name}"
    chosen = job.config.model_copy(update={"output": str(target)})
    try:
        launch(chosen, log, accelerate=arguments, threads=config.launch.threads, say=lambda line: steps.say(f"  {job.name}: {line}"))
    except TrainError:  # that left-over training may have been just starting, and got there first
        wait_for(target, steps.say)
        if not target.exists():
            raise


def _launch_arguments(config: ExperimentConfig) -> tuple[list[str], dict[str, Any]]:
    """The arguments of `accelerate launch`, and what of them may change what is learned."""
    processes = config.launch.processes
    if config.launch.accelerate is None:
        n = processes or 1
        several = ["--multi_gpu"] if n > 1 else []
        plain = ["--num_processes", str(n), "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
        return [*several, *plain], {"processes": n}
    path = accelerate_file(config.launch.accelerate)
    text = path.read_text(encoding="utf-8")
    told = (yaml.safe_load(text) or {}).get("num_processes")
    number = ["--num_processes", str(processes)] if processes else []
    digest = hashlib.sha256(text.encode()).hexdigest()
    return ["--config_file", str(path.resolve()), *number], {"processes": processes or told, "accelerate": digest}


def _state(model: str | None) -> dict[str, Any]:
    """What a base model is: name, size and time of the files of a folder; a Hub id is its name alone, which the settings hold."""
    folder = Path(model or "")
    if model is None or not folder.is_dir():
        return {}
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return {"model_files": [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]}


# --- predictions and scores --------------------------------------------------------------------------------------------------------------


def _scored(steps: Steps, config: ExperimentConfig, folder: DatasetFolder, job: Job, model: str) -> Made:
    from ..predict import predict
    from ..results import Results
    from ..score import score

    seed = config.seeds[0]
    inputs = {
        "model": _identity(model, steps.folder), **_state(model), "dataset": folder.fingerprint, "config": config.setting, "seed": seed,
        "template": config.template, "per_cell": config.per_cell, "version": version("socsci210"),
    }  # fmt: skip

    def ask(target: Path) -> None:
        with _threads(config.launch.threads):
            predict(
                engine="transformers", model=model, dataset=folder.path, config=config.setting, out=target, template=config.template,
                batch_size=config.batch_size, per_cell=config.per_cell, seed=seed, progress=_teller(steps.say, job.name),
            )  # fmt: skip

    def measure(target: Path) -> None:
        score([predictions], folder.path, seed=seed).write_json(target)

    predictions = steps.run(
        f"Predicting with {job.name}",
        f"predict-{job.name}",
        inputs,
        lambda key: steps.folder / "predictions" / f"{job.name}-{key}.parquet",
        ask,
    )
    results = steps.run(
        f"Scoring {job.name}",
        f"score-{job.name}",
        {"predictions": key_of(inputs), **inputs},
        lambda key: steps.folder / "results" / f"{job.name}-{key}.json",
        measure,
    )
    scored = Scored(job.name, job.role, job.seed, job.fraction, _rows_trained(model, job), Results.read_json(results).runs[0])
    return Made(model, scored, results)


@contextmanager
def _threads(n: int | None) -> Iterator[None]:
    """So many threads for torch; None leaves it as it is."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _identity(model: str, out: Path) -> str:
    """A model of this folder by its place in it, which holds its key; so the folder may be moved."""
    path = Path(model)
    return path.relative_to(out).as_posix() if path.is_relative_to(out) else model


def _rows_trained(model: str, job: Job) -> int | None:
    record = Path(model) / "run_record.json"
    if job.role == "base" or not record.is_file():
        return None
    return int(json.loads(record.read_text(encoding="utf-8"))["rows_trained"])


def _teller(say: Say, name: str) -> Any:
    """Tells how far predictions are, now and then."""
    last = time.monotonic()

    def tell(done: int, wanted: int) -> None:
        nonlocal last
        if time.monotonic() - last > TELL_EVERY:
            last = time.monotonic()
            say(f"  {name}: {done:,} of {wanted:,} rows predicted")

    return tell
