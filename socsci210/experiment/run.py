"""The steps of an experiment: dataset, models, predictions, scores. Each is done once for the same inputs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from socsci210.train.config import flat

from ..dataset_folder import DatasetFolder
from ..pipeline import built_dataset, simulated_deposits
from .answers import Asking, Made
from .config import SETTINGS, ExperimentConfig, ExperimentError, ResolvedExperiment
from .models import Job, jobs_of, model_of
from .steps import Say, Steps, write_json

MARK: Final = "experiment.json"


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
    with _own(out, resolved, say):
        steps = Steps(out, say)
        folder = DatasetFolder(_dataset(steps, resolved.config))
        check_split(folder, resolved.config)
        runs = _made(steps, resolved.config, folder)
    n_simulated = sum(folder.table("studies", ["simulated"]).column("simulated").to_pylist())
    return Run(out, folder.path, "release" in folder.manifest, n_simulated, runs)


def _made(steps: Steps, config: ExperimentConfig, folder: DatasetFolder) -> list[Made]:
    """Each job's model is trained, asked and scored; while one is asked, the next is trained, where several may be at work."""
    jobs, asking, failed = jobs_of(config, folder), Asking(steps, config, folder), threading.Event()

    def made(job: Job) -> Made:
        if failed.is_set():  # what has not begun need not begin
            raise CancelledError
        try:
            return asking.made(job, model_of(steps, config, folder, job))
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(config.launch.at_once) as pool:
        futures = [pool.submit(made, job) for job in jobs]
    errors = [error for future in futures if (error := future.exception()) is not None]
    for error in errors:
        if not isinstance(error, CancelledError):
            raise error
    return [future.result() for future in futures]


@contextmanager
def _own(out: Path, resolved: ResolvedExperiment, say: Say) -> Iterator[None]:
    """Take a folder for this experiment alone, and note its settings in it."""
    mark = out / MARK
    if (out.exists() and not out.is_dir()) or (out.is_dir() and any(out.iterdir()) and not mark.is_file()):
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
        _note(mark, resolved, say)
        yield
    finally:
        lock.release()


def _note(mark: Path, resolved: ResolvedExperiment, say: Say) -> None:
    """Write the settings of this setting's run beside those of the others, and say what is not as it was in the last one."""
    name = SETTINGS[[setting.replace("-", "_") for setting in SETTINGS].index(resolved.config.setting)]
    try:
        known = json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() else {}
        before = dict(flat(known[name]["settings"])) if name in known else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExperimentError(
            f"does not read ({error})", where=str(mark), expected="the settings of the last runs", fix="name another folder with --out"
        ) from error
    settings = resolved.config.model_dump(mode="json")
    if before is not None:
        now = dict(flat(settings))
        changed = [f"{key} {_told(before, key)} -> {_told(now, key)}" for key in {**before, **now} if before.get(key) != now.get(key)]
        if changed:
            say(f"Other settings than in the last run here ({'; '.join(changed)}): what hangs on them is made anew, beside what is there")
    entry = {"settings": settings, "sources": resolved.source, "file": resolved.path.name, "version": version("socsci210")}
    write_json(mark, {**known, name: entry})


def _told(values: dict[str, Any], key: str) -> str:
    value = values.get(key)
    return "none" if value is None else str(value)


# --- dataset -----------------------------------------------------------------------------------------------------------------------------


def _dataset(steps: Steps, config: ExperimentConfig) -> Path:
    if config.simulated is None:
        return Path(str(config.dataset))
    wanted = config.simulated

    def build(target: Path) -> None:
        deposits = steps.folder / "deposits" / target.name
        simulated_deposits(deposits, seed=wanted.seed, people=wanted.people, studies=wanted.studies, say=steps.say)
        built_dataset(deposits, target, say=steps.say)

    return steps.run("Making the dataset", "dataset", dataset_inputs(config), lambda key: steps.folder / f"dataset-{key}", build)


def dataset_inputs(config: ExperimentConfig) -> dict[str, Any]:
    """Everything that decides what a simulated dataset is."""
    assert config.simulated is not None
    return {**config.simulated.model_dump(mode="json"), "version": version("socsci210")}


def check_split(folder: DatasetFolder, config: ExperimentConfig) -> None:
    """Raises:
    ExperimentError: a side of the split has no rows.
    """
    for split in ("train", "test"):
        if not folder.files(config.setting, split):
            raise ExperimentError(
                f"no rows on the {split} side of {config.setting}", where=str(folder.path), fix="take more studies, or another setting"
            )
