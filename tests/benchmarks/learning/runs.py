"""What the comparisons share: the nano settings, one training run, and its scores."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

import yaml

from socsci210.predict import predict
from socsci210.results import Run
from socsci210.score import score
from socsci210.train.config import resolve
from socsci210.train.launch import launch

NANO: Final = Path(__file__).parents[3] / "train" / "configs" / "nano.yaml"
PLAIN: Final = {"share_prefix": 1, "read_as": "padded"}  # shuffled rows, every prompt in full; grouped training is what nano.yaml says

_ONE_MODEL: Final = Lock()  # transformers cannot load two models in two threads at once


def nano_settings() -> dict[str, Any]:
    """Settings of the demo's models, without dataset, output and configs."""
    settings = yaml.safe_load(NANO.read_text(encoding="utf-8"))
    return {name: value for name, value in settings.items() if name not in ("dataset", "output", "train_on", "seed")}


class Trained(NamedTuple):
    """A model folder, and what its run record says of the time."""

    folder: Path
    seconds: float
    examples: int


def trained(settings: dict[str, Any], dataset: Path, output: Path, seed: int) -> Trained:
    """Train one model with one thread, unless it is there."""
    if not output.exists():
        given = {**settings, "dataset": str(dataset), "output": str(output), "seed": seed}
        launch(resolve(given).config, output.parent / "logs" / output.name, threads=1)
    record = json.loads((output / "run_record.json").read_text(encoding="utf-8"))
    return Trained(output, record["seconds"], record["rows_seen"])


def scored(model: Path, dataset: Path, config: str, seed: int, per_cell: int | None = None) -> Run:
    """Its scores on the test side of a split."""
    out = model.parent / "predictions" / f"{model.name}-{config}.parquet"
    out.parent.mkdir(exist_ok=True)
    with _ONE_MODEL:
        predict(
            engine="transformers", model=str(model), dataset=dataset, config=config, out=out, seed=seed, per_cell=per_cell, batch_size=256
        )
    return score([out], dataset, controls=False, seed=seed).runs[0]


def quiet(text: str) -> None:
    """Steps of the build are not told: the table is."""
