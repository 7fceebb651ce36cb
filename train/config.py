"""Reading the settings of a training run (settings.py) from a YAML file and from `--key value` on the command line.

The command line beats the file, the file beats the defaults; `Resolved` remembers where each value came from.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from socsci210.errors import SocSciError

from .settings import Fraction, LoraConfig, NanoConfig, Number, SplitConfig, TrainConfig, ValidationConfig

__all__ = [
    "Fraction", "LoraConfig", "NanoConfig", "Number", "Resolved", "SplitConfig", "TrainConfig", "TrainError", "ValidationConfig",
    "explain", "flat", "read_config", "read_values", "resolve",
]  # fmt: skip

HELP = "see the comments in train/configs/nano.yaml"


class TrainError(SocSciError):
    """Training that cannot start or go on: a bad setting, bad rows, a checkpoint of another run, a loss that is not finite."""


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
    said = problem["msg"].removeprefix("Value error, ")  # pydantic's own words before ours
    found = (f"{key}: " if key else "") + said + (f", not {problem['input']!r}" if key and problem["type"] != "missing" else "")
    return TrainError(found, where=where, fix=fix)


def _keys_beside(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The keys that a (nested) model has where a problem was found."""
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        models = [kind for kind in get_args(field.annotation) or (field.annotation,) if isinstance(kind, type)] if field else []
        model = next((kind for kind in models if issubclass(kind, BaseModel)), model)
    return list(model.model_fields)
