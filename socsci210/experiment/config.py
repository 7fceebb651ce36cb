"""The settings of one experiment: a strict model, filled from one YAML file and from `--key value` on the command line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from socsci210.train.config import Fraction, NanoConfig, TrainConfig, explain, flat, read_values, resolve

from ..errors import SocSciError
from ..schema import Many, Strict

Setting = Literal["unseen_studies", "unseen_conditions", "unseen_outcomes", "unseen_participants"]
SETTINGS: Final = ("unseen-studies", "unseen-conditions", "unseen-outcomes", "unseen-participants")
"""As they are called on the command line."""
DECIDED: Final = ("dataset", "output", "train_on", "fraction", "model", "nano", "template", "seed")
"""Training settings that the experiment itself fills in."""
_HELP: Final = "see the comments in socsci210/experiments/unseen-studies.yaml"


class ExperimentError(SocSciError):
    """An experiment that cannot start or go on."""


class Simulated(Strict):
    """Which simulated studies to build the dataset from."""

    seed: int = Field(default=0, ge=0)
    people: int = Field(default=600, ge=200)
    """Per study."""
    studies: Many[str] | None = None
    """Ids; default all."""


class Launch(Strict):
    """How training is started."""

    accelerate: str | None = None
    """A configuration of accelerate: a path, or the name of one that comes with the package (fsdp2)."""
    processes: int | None = Field(default=None, ge=1)
    """Default: what the configuration says; without one, 1."""
    at_once: int = Field(default=1, ge=1)
    """Models trained at the same time."""
    threads: int | None = Field(default=None, ge=1)
    """Of each training process, and of prediction. Small models gain little from a second thread, and lose much on a busy machine."""

    @property
    def started(self) -> int:
        """Processes, as given here or in the configuration of accelerate."""
        if self.processes is not None or self.accelerate is None:
            return self.processes or 1
        told = (yaml.safe_load(accelerate_file(self.accelerate).read_text(encoding="utf-8")) or {}).get("num_processes")
        return int(told or 1)


class Serve(Strict):
    """A model server that the experiment starts for each model, asks, and ends."""

    command: str
    """With `{model}` and `{port}` where they belong; it must serve an OpenAI-compatible API on this machine under the model's own name."""
    concurrency: int = Field(default=64, ge=1)
    """Requests in flight at a time."""
    minutes: int = Field(default=30, ge=1)
    """How long it may take to load a model."""

    @field_validator("command")
    @classmethod
    def _check(cls, command: str) -> str:
        try:
            command.format(model="", port="")
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"it has something else in braces than {{model}} and {{port}} ({error})") from error
        if missing := [place for place in ("{model}", "{port}") if place not in command]:
            raise ValueError(f"it lacks {' and '.join(missing)}")
        return command


class ExperimentConfig(Strict):
    """All settings of an experiment."""

    setting: Setting
    dataset: str | None = None
    """Dataset folder; or else `simulated`."""
    simulated: Simulated | None = None
    model: str | None = None
    """Folder or Hub id of the base model, which untrained is the baseline; or else `nano`."""
    nano: NanoConfig | None = None
    paper_model: Literal["qwen2.5-14b", "llama3-8b"] | None = None
    """The paper's model that the base model is: ours stand in its rows of the paper's table."""
    template: Literal["upstream", "stimulus_first"] = "upstream"
    seeds: Many[int] = Field(default=(0,), min_length=1)
    """One trained model for each; the first one is also the seed of everything else."""
    fractions: Many[Fraction] = Field(default=(), max_length=6)
    """Setting unseen_participants only: the percentages of the training people, one trained model for each."""
    train: dict[str, Any]
    """Training settings, as `socsci210.train` takes them, without those that stand above."""
    launch: Launch = Launch(accelerate=None, processes=None, at_once=1, threads=None)
    per_cell: int | None = Field(default=None, ge=1)
    """Predict at most so many people of every cell; without it, all."""
    batch_size: int = Field(default=32, ge=1)
    """Prompts per forward pass of prediction."""
    serve: Serve | None = None
    """Predict through a model server instead of in processes of our own: distributions on scales of up to 20 answers, draws beyond."""
    allow_overlap: bool = False
    """Score rows that the base model is known to have been trained on; every figure then says so."""

    @model_validator(mode="after")
    def _check(self) -> ExperimentConfig:
        if (self.dataset is None) == (self.simulated is None):
            raise ValueError("give either dataset or simulated")
        if (self.model is None) == (self.nano is None):
            raise ValueError("give either model or nano")
        if self.nano is not None and self.paper_model is not None:
            raise ValueError("nano is none of the paper's models: take paper_model out (--paper_model null)")
        if bool(self.fractions) != (self.setting == "unseen_participants"):
            raise ValueError("fractions are given for unseen_participants, and for no other setting")
        for name, values in (("seeds", self.seeds), ("fractions", self.fractions)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name} holds a value twice")
        if given := sorted(set(self.train) & set(DECIDED)):
            raise ValueError(f"train holds {', '.join(given)}: the experiment decides that, so it stands at the top level or nowhere")
        return self

    def training(self, *, dataset: str, output: str, seed: int, fraction: int | None = None, **changes: Any) -> TrainConfig:
        """The settings of one training run of this experiment.

        Raises:
            TrainError: a setting that training does not know, or a value that does not fit.
        """
        values = {
            "dataset": dataset, "output": output, "train_on": [self.setting], "template": self.template, "seed": seed, "fraction": fraction,
            "model": self.model, "nano": self.nano.model_dump() if self.nano else None,
        }  # fmt: skip
        return resolve({**self.train, **values, **changes}, where="train").config


@dataclass(frozen=True)
class ResolvedExperiment:
    """A checked configuration, the file it is from, and where each of its values came from: default, file or command line."""

    config: ExperimentConfig
    path: Path
    source: dict[str, str]


def read_experiment(setting: str, path: Path | None = None, overrides: Sequence[str] = ()) -> ResolvedExperiment:
    """The settings of an experiment, all checked: those of training as well.

    Args:
        setting: one of `SETTINGS`.
        path: a YAML file, or the bare name of one that comes with the package (`qwen2.5-14b`, `llama3-8b`); default: the simulated
            studies with a small model.
        overrides: `--key value`, with dots for keys inside others (`--train.max_minutes 5`).

    Raises:
        ExperimentError: unknown setting, no such file, or a file for another setting.
        TrainError: a file that does not read, an unknown key, or a value that does not fit.
    """
    name = _config_name(setting)
    file = _file(setting, path)
    values, source = read_values(file, overrides, example="socsci210/experiments/unseen-studies.yaml")
    for one, other in (("dataset", "simulated"), ("model", "nano")):  # naming one on the command line takes the file's other one back
        for here, there in ((one, other), (other, one)):
            if _given(source, here) == "command line" and _given(source, there) == "file":
                values.pop(there)
    try:
        config = ExperimentConfig.model_validate(values)
    except ValidationError as error:
        raise explain(error, ExperimentConfig, where=str(file), fix=_HELP) from error
    if config.setting != name:
        raise ExperimentError(
            f"it is for {config.setting}", where=str(file), expected=name, fix="name the setting that the file is for, or another file"
        )
    trained = config.training(
        dataset="dataset", output="model", seed=config.seeds[0], fraction=config.fractions[-1] if config.fractions else None
    )
    if config.serve is not None and "reasoning" in trained.weights:
        raise ExperimentError(
            "serve with objective reasoning: a server is asked for an answer right behind the prompt", where=str(file),
            expected="prediction by the package itself, which asks such a model behind its rationales", fix="leave serve out",
        )  # fmt: skip
    if config.launch.accelerate is not None:
        accelerate_file(config.launch.accelerate)
    return ResolvedExperiment(config, file, {key: source.get(key, "default") for key, _ in flat(config.model_dump())})


def shipped(setting: str) -> dict[str, Path]:
    """The files that come with the package for a setting: bare name -> path; the default is called `simulated`."""
    folder = Path(str(files("socsci210") / "experiments"))
    found = {path.stem.partition(".")[2] or "simulated": path for path in sorted(folder.glob(f"{setting}*.yaml"))}
    return found


def accelerate_file(name: str) -> Path:
    """Where a configuration of accelerate lies: a path, or one that comes with the package.

    Raises:
        ExperimentError: neither.
    """
    folder = Path(str(files("socsci210.train") / "configs"))
    known = {path.stem.removeprefix("accelerate_"): path for path in sorted(folder.glob("accelerate_*.yaml"))}
    path = known.get(name) or Path(name)
    if not path.is_file():
        raise ExperimentError(
            f"no configuration of accelerate is called {name!r}", where="launch.accelerate",
            expected=f"a file, or one of {', '.join(known)}", fix="make one with `accelerate config --config_file FILE`",
        )  # fmt: skip
    return path


def _config_name(setting: str) -> str:
    if setting not in SETTINGS:
        near = difflib.get_close_matches(setting.replace("_", "-"), SETTINGS, n=1)
        fix = f"did you mean {near[0]!r}?" if near else "choose one of them"
        raise ExperimentError(f"no setting is called {setting!r}", expected=f"one of {', '.join(SETTINGS)}", fix=fix)
    return setting.replace("-", "_")


def _file(setting: str, path: Path | None) -> Path:
    known = shipped(setting)
    file = known["simulated"] if path is None else known.get(str(path)) or Path(path)
    if not file.is_file():
        raise ExperimentError("no such file", where=str(file), expected=f"a YAML file, or one of {', '.join(known)}", fix="check the name")
    return file


def _given(source: Mapping[str, str], key: str) -> str | None:
    """Where a key, or one inside it, came from; the command line counts most."""
    found = {where for name, where in source.items() if name == key or name.startswith(f"{key}.")}
    return "command line" if "command line" in found else next(iter(found), None)
