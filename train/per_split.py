"""One model per split: each is trained on the train side of its own split alone, so none has met a row that it is scored on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .config import resolve
from .loop import Say, train


def train_per_split(settings: Mapping[str, Any], configs: Sequence[str], *, output: Path, say: Say = print) -> dict[str, Path]:
    """Train a model for every config and return config -> model folder (`output / config`).

    `max_minutes` and `max_steps` of the settings hold for all of them together and are shared out evenly. One model for all splits would
    have to leave out the held-out rows of every split, which on the simulated studies leaves a tenth of the rows.

    Args:
        settings: of `TrainConfig`; `train_on` and `output` are set here.
        configs: split configs.
        output: folder of the model folders.
        say: called with a line about each step.

    Raises:
        TrainError: as `train`.
    """
    shares: dict[str, Any] = {"max_minutes": None, "max_steps": None}
    if settings.get("max_minutes"):
        shares["max_minutes"] = settings["max_minutes"] / len(configs)
    if settings.get("max_steps"):
        shares["max_steps"] = max(1, settings["max_steps"] // len(configs))
    models = {}
    for config in configs:
        target = output / config
        target.parent.mkdir(parents=True, exist_ok=True)
        models[config] = train(
            resolve({**settings, **shares, "train_on": [config], "output": str(target)}, where=f"model of {config}"), say
        )
    return models
