"""Grouped training in half the time of plain shuffled training, on the test sides of the four splits, as the demo trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from socsci210.pipeline import built_dataset, simulated_deposits
from socsci210.schema import SPLIT_CONFIGS
from socsci210.train.per_split import train_per_split

from .runs import PLAIN, nano_settings, quiet, scored


class Half(NamedTuple):
    """Share of the gap between chance and noise floor closed by plain training, and by grouped training in half its time."""

    plain: float
    grouped: float


def run_half(seed: int, folder: Path) -> dict[str, Half]:
    """Both on every split, of one generator seed. Plain training has the minutes of the demo."""
    dataset = folder / "dataset"
    if not dataset.exists():
        built_dataset(simulated_deposits(folder / "deposits", seed=seed, say=quiet), dataset, say=quiet)
    nano = nano_settings() | {"dataset": str(dataset), "seed": seed}
    plain = _gaps(nano | PLAIN, dataset, folder / "plain", seed)
    grouped = _gaps(nano | {"max_minutes": nano["max_minutes"] / 2}, dataset, folder / "grouped", seed)
    return {config: Half(plain[config], grouped[config]) for config in SPLIT_CONFIGS}


def _gaps(settings: dict[str, Any], dataset: Path, output: Path, seed: int) -> dict[str, float]:
    models = {config: output / config for config in SPLIT_CONFIGS}
    if not all(model.exists() for model in models.values()):
        train_per_split(settings, SPLIT_CONFIGS, output=output, say=quiet)
    out = {}
    for config, model in models.items():
        run = scored(model, dataset, config, seed)
        assert run.stated is not None and run.stated.gap_closed.value is not None
        out[config] = run.stated.gap_closed.value
    return out
