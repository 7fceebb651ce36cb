"""The settings of one training run: a strict model, filled from a YAML file and from `--key value` on the command line.

The command line beats the file, the file beats the defaults; `Resolved` remembers where each value came from.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from socsci210.errors import SocSciError
from socsci210.schema import Many, Strict

SplitConfig = Literal["all", "unseen_studies", "unseen_conditions", "unseen_outcomes", "unseen_participants"]
Fraction = Literal[1, 5, 10, 25, 50, 100]
HELP = "see the comments in train/configs/nano.yaml"


class TrainError(SocSciError):
    """Training that cannot start or go on: a bad setting, bad rows, a checkpoint of another run, a loss that is not finite."""


def _number(value: object) -> object:
    """YAML 1.1 reads 1e-5 (without a point) as a string."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value) else value


Number = Annotated[float, BeforeValidator(_number)]


class NanoConfig(Strict):
    """A small Qwen2-architecture model with random weights, and a tokenizer trained on the training texts."""

    hidden_size: int = Field(192, ge=8)
    intermediate_size: int = Field(512, ge=8)
    layers: int = Field(2, ge=1)
    heads: int = Field(4, ge=1)
    vocab_size: int = Field(1500, ge=300)
    """Tokens learned from the texts; the lines of personas that recur are added as whole tokens beside them."""
    init_std: Number = Field(0.06, gt=0)
    context: int = Field(1024, ge=64)


class TrainConfig(Strict):
    """All settings of a run."""

    dataset: str
    output: str
    """Model folder to write; it is complete or absent. Checkpoints lie in `<output>.checkpoints` until then."""
    train_on: Many[SplitConfig] = Field(min_length=1)
    """Rows that stand on the train side of ALL these configs."""
    fraction: Fraction | None = None
    """Config unseen_participants only: rows of this percentage of the training people. Fractions nest."""
    strict: bool = False
    """Without studies that are held out as a whole in unseen_studies, and their kin: what a model of the released conditions or outcomes
    needs so that it may also be scored on unseen studies."""
    model: str | None = None
    """Folder or Hub id of any causal language model; or else `nano`."""
    nano: NanoConfig | None = None
    template: Literal["upstream", "stimulus_first"] = "upstream"
    seed: int = 0
    max_steps: int | None = Field(None, ge=0)
    max_minutes: Number | None = Field(None, gt=0)
    """Training stops at max_steps, max_minutes or max_epochs, whichever comes first; the learning rate follows the nearest end.
    With `max_steps: 0` the model is saved as it starts: the baseline of a model of random weights."""
    max_epochs: int | None = Field(None, ge=1)
    batch_size: int = Field(32, ge=1)
    """Rows per process and forward pass; rows per step = batch_size x accumulation x processes."""
    share_prefix: int = Field(1, ge=1)
    """So many rows whose prompts begin alike (with one stimulus or one persona, whichever the template puts first) read it together."""
    accumulation: int = Field(1, ge=1)
    cell_smoothing: Number = Field(0.0, ge=0, le=1)
    """Share of the target, at the start, that goes to the answers of all training rows with the same stimulus; it falls to 0 linearly."""
    learning_rate: Number = Field(1e-5, gt=0)
    weight_decay: Number = Field(0.1, ge=0)
    warmup: Number = Field(0.05, ge=0, lt=1)
    """Share of the run in which the learning rate rises."""
    max_grad_norm: Number = Field(1.0, gt=0)
    precision: Literal["no", "bf16"] = "no"
    checkpoint_every: int | None = Field(None, ge=1)
    """Steps between checkpoints; without it there are none."""
    log_every: int = Field(20, ge=1)

    @model_validator(mode="after")
    def _check(self) -> TrainConfig:
        if (self.model is None) == (self.nano is None):
            raise ValueError("give either model or nano")
        if self.max_steps is None and self.max_minutes is None and self.max_epochs is None:
            raise ValueError("give max_steps, max_minutes or max_epochs, or training never ends")
        if self.batch_size % self.share_prefix:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of share_prefix {self.share_prefix}")
        if self.fraction is not None and "unseen_participants" not in self.train_on:
            raise ValueError("fraction is of the training people of unseen_participants, which train_on does not name")
        return self


@dataclass(frozen=True)
class Resolved:
    """A checked configuration, and where each of its values came from: default, file or command line."""

    config: TrainConfig
    source: dict[str, str]


def read_config(path: Path, overrides: Sequence[str] = ()) -> Resolved:
    """The settings of a YAML file and of `--key value` arguments (`--nano.layers 4` for a key inside another one).

    Raises:
        TrainError: no such file, not YAML, an unknown key, or a value that does not fit; file and key are named.
    """
    values, source = read_values(path, overrides)
    return resolve(values, source, where=str(path))


def read_values(
    path: Path, overrides: Sequence[str] = (), *, example: str = "train/configs/nano.yaml"
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of a YAML file with `--key value` arguments laid over them, unchecked, and where each came from.

    Raises:
        TrainError: no such file, not YAML, no mapping, or arguments that cannot be read. `example` is named as a place to start from.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise TrainError(f"not a readable YAML file ({error})", where=str(path), fix="check the path and the file") from error
    if not isinstance(values, dict):
        raise TrainError("not a mapping of keys to values", where=str(path), fix=f"start from {example}")
    source = {key: "file" for key, _ in flat(values)}
    for key, value in _overrides(overrides):
        _put(values, key, value)
        source[key] = "command line"
    return values, source


def resolve(values: dict[str, Any], source: dict[str, str] | None = None, *, where: str = "settings") -> Resolved:
    """Checks settings that are given as a mapping.

    Raises:
        TrainError: an unknown key, or a value that does not fit.
    """
    try:
        config = TrainConfig.model_validate(values)
    except ValidationError as error:
        raise explain(error, TrainConfig, where=where) from error
    given = source or {key: "code" for key, _ in flat(values)}
    return Resolved(config, {key: given.get(key, "default") for key, _ in flat(config.model_dump())})


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Keys in dotted form, and their values."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _overrides(arguments: Sequence[str]) -> Iterator[tuple[str, Any]]:
    rest = list(arguments)
    while rest:
        name, has_value, value = rest.pop(0).partition("=")
        if not name.startswith("--") or (not has_value and not rest):
            raise TrainError(f"cannot read {name!r}", where="command line", expected="--key value", fix="give every key a value")
        yield name[2:], yaml.safe_load(value if has_value else rest.pop(0))


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *outer, last = key.split(".")
    for name in outer:
        values[name] = inner = dict(values.get(name) or {})
        values = inner
    values[last] = value


def explain(error: ValidationError, model: type[BaseModel], *, where: str, fix: str = HELP) -> TrainError:
    """The first problem that pydantic found, in words: the key, what stands there, and the key that may have been meant."""
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _keys_beside(model, problem["loc"])
        near = difflib.get_close_matches(key.rpartition(".")[2], known, n=1)
        meant = f"did you mean {near[0]!r}?" if near else "remove it"
        return TrainError(f"unknown key {key!r}", where=where, expected=f"one of {', '.join(known)}", fix=meant)
    found = f"{key}: {problem['msg']}" + (f", not {problem['input']!r}" if key and problem["type"] != "missing" else "")
    return TrainError(found, where=where, fix=fix)


def _keys_beside(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The keys that a (nested) model has where a problem was found."""
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        models = [kind for kind in get_args(field.annotation) or (field.annotation,) if isinstance(kind, type)] if field else []
        model = next((kind for kind in models if issubclass(kind, BaseModel)), model)
    return list(model.model_fields)
