"""A dry run: what an experiment would do, on how many rows, for about how long, and with which commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.compute as pc

from ..dataset_folder import DatasetFolder
from .answers import Asking
from .children import plain_launch
from .config import ExperimentConfig, read_experiment
from .models import Job, jobs_of, launch_arguments, trained_at
from .run import check_split, dataset_inputs
from .steps import Steps, key_of

PARAMETERS: Final = {"qwen2.5-14b": 14.8e9, "llama3-8b": 8.0e9}
FLOPS: Final = 4e14
"""Arithmetic a second of one GPU in bf16: some 40 % of what the data sheet of an H100 promises."""
TRAINING: Final = 8  # operations for each parameter and token: forward 2, backward 4, and 2 for activations that are computed again
PREDICTING: Final = 2
LETTERS: Final = 4.0  # of English text in a token
FRAME: Final = 90  # tokens of every prompt beside persona and stimulus: the system prompt, the instruction and the roles
SAMPLE: Final = 20_000  # rows of which lengths are taken


@dataclass(frozen=True)
class Plan:
    """The steps of a dry run, in order.

    Attributes:
        rows: for each step `step`, `done`, `rows`, `tokens` and `hours`; None where it is not known. Prefixes that rows share are read
            once each by prediction; this counts them for every row, so its hours are an upper bound.
        commands: what the steps run, as one would type it.
        notes: what the figures rest on.
    """

    rows: list[dict[str, Any]]
    commands: list[str]
    notes: list[str]

    @property
    def columns(self) -> dict[str, str]:
        """Key -> heading."""
        return {"step": "step", "done": "done", "rows": "rows", "tokens": "tokens, about", "hours": "hours, about"}


def plan_experiment(setting: str, config: Path | None = None, overrides: Sequence[str] = (), out: Path = Path("experiment")) -> Plan:
    """The plan of `run_experiment` with the same arguments. Nothing is made, and no model is loaded.

    Raises:
        ExperimentError: a wrong setting or configuration, or a split without rows.
        SocSciError: a wrong value, or there is no such dataset.
    """
    resolved = read_experiment(setting, config, overrides)
    steps = Steps(Path(out), lambda line: None)
    dataset = _dataset(steps, resolved.config)
    if not dataset.exists() and resolved.config.simulated is not None:
        first = {"step": "Making the dataset", "done": False}
        return Plan([first], [], ["the dataset is not made yet: the rows of the other steps are counted once it is"])
    folder = DatasetFolder(dataset)
    check_split(folder, resolved.config)
    rows = [{"step": "Making the dataset", "done": True}] if resolved.config.simulated is not None else []
    commands: list[str] = []
    for step, command in _steps(steps, resolved.config, folder):
        rows.append(step)
        commands += [command] if command else []
    return Plan(rows, commands, _notes(resolved.config))


def _dataset(steps: Steps, config: ExperimentConfig) -> Path:
    if config.simulated is None:
        return Path(str(config.dataset))
    return steps.folder / f"dataset-{key_of(dataset_inputs(config))}"


def _steps(steps: Steps, config: ExperimentConfig, folder: DatasetFolder) -> Iterator[tuple[dict[str, Any], str]]:
    from socsci210.train.rows import training_rows

    from ..predict.selection import select_rows

    asking, size = Asking(steps, config, folder), _parameters(config)
    asked = select_rows(folder, config.setting, "test", per_cell=config.per_cell, seed=config.seeds[0], draw=True).rows
    for job in jobs_of(config, folder):
        model = str(config.model)
        if job.config is not None:
            place = trained_at(steps, config, folder, job)
            model = str(place)
            rows = training_rows(folder, [config.setting], job.fraction)
            title = f"Training {job.name}" if job.role == "trained" else "Making the untrained model"
            yield (
                _step(title, place.exists(), rows, size, TRAINING, _passes(job, rows.num_rows, config), config),
                _training(config, job, place),
            )
        target = asking.predictions_at(job, model)
        yield (
            _step(f"Predicting with {job.name}", target.exists(), asked, size, PREDICTING, 1.0, config),
            _predicting(asking, model, target),
        )


def _step(
    title: str, done: bool, rows: Any, size: float | None, operations: int, passes: float, config: ExperimentConfig
) -> dict[str, Any]:
    tokens = round(passes * rows.num_rows * _tokens_of_a_row(rows))
    on_gpus = size is not None and config.nano is None
    hours = tokens * size * operations / (FLOPS * config.launch.started * 3600) if on_gpus and size is not None else None
    return {"step": title, "done": done, "rows": round(passes * rows.num_rows), "tokens": tokens, "hours": hours}


def _tokens_of_a_row(rows: Any) -> float:
    """Length of a prompt in tokens, by arithmetic: letters of persona and stimulus in a sample of rows."""
    from ..prompts import persona

    some = rows.slice(0, SAMPLE)
    stimuli = pc.mean(pc.utf8_length(some.column("stimuli").cast("string"))).as_py() or 0
    people = some.column("demographic").slice(0, 200).to_pylist()
    personas = sum(len(persona(person)) for person in people) / max(len(people), 1)
    return float(FRAME + (stimuli + personas) / LETTERS)


def _passes(job: Job, n: int, config: ExperimentConfig) -> float:
    """How often training reads its rows: the nearest of its ends in steps or epochs (an end in minutes is not counted here)."""
    assert job.config is not None
    per_step = job.config.batch_size * job.config.accumulation * config.launch.started
    ends = [float(job.config.max_epochs)] if job.config.max_epochs else []
    ends += [job.config.max_steps * per_step / max(n, 1)] if job.config.max_steps is not None else []
    return min(ends, default=1.0)


def _parameters(config: ExperimentConfig) -> float | None:
    return PARAMETERS.get(config.paper_model or "")


def _training(config: ExperimentConfig, job: Job, place: Path) -> str:
    arguments = launch_arguments(config)
    prefix = ["python", "-m"] if arguments is None else ["accelerate", "launch", *arguments, "-m"]
    return shlex.join(
        [*prefix, "socsci210.train", str(place.parent.parent.parent / "logs" / f"{job.name}-{place.parent.name}" / "run.yaml")]
    )


def _predicting(asking: Asking, model: str, target: Path) -> str:
    if asking.config.serve is not None:
        return asking.config.serve.command.format(model=shlex.quote(model), port="PORT")
    n = asking.config.launch.started
    prefix = ["accelerate", "launch", *plain_launch(n), "-m", "socsci210"] if n > 1 else ["socsci210"]
    return shlex.join([*prefix, *asking.arguments(model, target)])


def _notes(config: ExperimentConfig) -> list[str]:
    if config.nano is not None:
        return []
    if _parameters(config) is None:
        return ["hours are not known: nothing says how large the base model is (paper_model)"]
    n = config.launch.started
    return [f"hours: {_parameters(config):.3g} parameters, {n} GPUs of {FLOPS / 1e12:.0f} TFLOP/s each in use; on others, in proportion"]
