"""Predictions of a model of an experiment, and their score."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from ..dataset_folder import DatasetFolder
from .children import in_processes, served
from .config import ExperimentConfig
from .models import Job, rows_trained, state_of
from .steps import Say, Steps, key_of
from .table import Scored

TELL_EVERY: Final = 10.0  # seconds between two lines about predictions


@dataclass(frozen=True)
class Made:
    """A model, its score, and its results file."""

    model: str
    scored: Scored
    results: Path


@dataclass(frozen=True)
class Asking:
    """Asks models and scores what they say. One model is asked at a time: it has the processors, or the GPUs, to itself."""

    steps: Steps
    config: ExperimentConfig
    folder: DatasetFolder
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def made(self, job: Job, model: str) -> Made:
        """The predictions and the score of a model, each made unless it is there."""
        from ..results import Results

        inputs = self._inputs(model)
        predictions = self.steps.run(
            f"Predicting with {job.name}", f"predict-{job.name}", inputs,
            lambda key: self._place(job, key), lambda target: self._ask(job, model, target),
        )  # fmt: skip
        results = self.steps.run(
            f"Scoring {job.name}", f"score-{job.name}",
            {"predictions": key_of(inputs), "allow_overlap": self.config.allow_overlap, **inputs},
            lambda key: self.steps.folder / "results" / f"{job.name}-{key}.json", lambda target: self._score(predictions, target),
        )  # fmt: skip
        scored = Scored(job.name, job.role, job.seed, job.fraction, rows_trained(model, job), Results.read_json(results).runs[0])
        return Made(model, scored, results)

    def predictions_at(self, job: Job, model: str) -> Path:
        """Where the predictions of a model lie once they are made."""
        return self._place(job, key_of(self._inputs(model)))

    def _place(self, job: Job, key: str) -> Path:
        return self.steps.folder / "predictions" / f"{job.name}-{key}.parquet"

    def _inputs(self, model: str) -> dict[str, Any]:
        config = self.config
        served = {"serve": config.serve.command} if config.serve else {}
        return {
            "model": _identity(model, self.steps.folder), **state_of(model), "dataset": self.folder.fingerprint, "config": config.setting,
            "seed": config.seeds[0], "template": config.template, "per_cell": config.per_cell, **served, "version": version("socsci210"),
        }  # fmt: skip

    def _ask(self, job: Job, model: str, target: Path) -> None:
        log = self.steps.folder / "logs" / target.stem / "predict.log"
        with self._turn:
            if self.config.serve is not None:
                self._ask_server(job, model, target, log)
            elif self.config.launch.started > 1:
                in_processes(self.config.launch.started, self.arguments(model, target), log, self.config.launch.threads)
            else:
                with _of_torch(self.config.launch.threads):
                    self._predict(job, target, model=model, engine="transformers", batch_size=self.config.batch_size)

    def _ask_server(self, job: Job, model: str, target: Path, log: Path) -> None:
        from ..predict import ServerOptions

        assert self.config.serve is not None
        with served(self.config.serve, model, log, self.steps.say) as url:  # rows stay on this machine
            options = ServerOptions(url, allow_send_rows=True, concurrency=self.config.serve.concurrency, show=self.steps.say)
            self._predict(job, target, model=model, engine="openai", server=options)

    def _predict(self, job: Job, target: Path, **options: Any) -> None:
        from ..predict import predict

        config = self.config
        predict(
            dataset=self.folder.path, config=config.setting, out=target, template=config.template, per_cell=config.per_cell,
            seed=config.seeds[0], progress=_teller(self.steps.say, job.name), **options,
        )  # fmt: skip

    def arguments(self, model: str, target: Path) -> list[str]:
        """Those of the command line that predicts the same."""
        config = self.config
        limit = [] if config.per_cell is None else ["--per-cell", str(config.per_cell)]
        return [
            "predict", "--model", model, "--dataset", str(self.folder.path), "--config", config.setting, "--template", config.template,
            "--batch-size", str(config.batch_size), "--seed", str(config.seeds[0]), *limit, "--out", str(target),
        ]  # fmt: skip

    def _score(self, predictions: Path, target: Path) -> None:
        from ..score import score

        score([predictions], self.folder.path, seed=self.config.seeds[0], allow_overlap=self.config.allow_overlap).write_json(target)


@contextmanager
def _of_torch(threads: int | None) -> Iterator[None]:
    """So many threads of torch (None leaves them), no bars while weights load, and a GPU that is left empty for the next training."""
    import torch

    from ..language_model import without_bars

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with without_bars():
            yield
    finally:
        torch.set_num_threads(before)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _identity(model: str, out: Path) -> str:
    """A model of this folder by its place in it, which holds its key; so the folder may be moved."""
    path = Path(model)
    return path.relative_to(out).as_posix() if path.is_relative_to(out) else model


def _teller(say: Say, name: str) -> Any:
    """Tells how far predictions are, now and then."""
    last = time.monotonic()

    def tell(done: int, wanted: int) -> None:
        nonlocal last
        if time.monotonic() - last > TELL_EVERY:
            last = time.monotonic()
            say(f"  {name}: {done:,} of {wanted:,} rows predicted")

    return tell
