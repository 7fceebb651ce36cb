"""The figures of the screening benchmark, over worlds: who is right about directions, how often intervals hold, what advice is worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from socsci210.simulated import World

from .folds import make_folds
from .screened import Screened, auc, blind, over_studies, screen

BINS: Final = ((0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.0))


def run_screening(out: Path, seeds: Sequence[int], minutes: float) -> dict[str, Any]:
    """Train, predict, screen and judge; the figures are printed and returned."""
    return {f"world {seed}": _world(out / f"world{seed}", seed, minutes) for seed in seeds}


def _world(out: Path, seed: int, minutes: float) -> dict[str, Any]:
    folds = make_folds(out, seed=seed, minutes=minutes)
    world = World(seed=seed)
    found = [one for fold in folds for one in screen(fold, world)]
    judged = {**_judged(found), "blind": [blind(fold) for fold in folds]}
    _show(seed, found, judged)
    return judged


def _judged(found: list[Screened]) -> dict[str, Any]:
    figures = {
        "auc": over_studies(found, lambda some: auc(np.array([one.positive for one in some]), np.array([one.true > 0 for one in some]))),
        "sign_right": over_studies(found, lambda some: float(np.mean([(one.positive > 0.5) == (one.true > 0) for one in some]))),
        "coverage": over_studies(found, lambda some: float(np.mean([one.low <= one.true <= one.high for one in some]))),
        "error_predicted": over_studies(found, lambda some: float(np.mean([abs(one.predicted - one.true) for one in some]))),
        "error_shrunk": over_studies(found, lambda some: float(np.mean([abs(one.shrunk - one.true) for one in some]))),
    }
    power: dict[str, Any] = {f"rejected at n{name}": _mean([one.rejected[name] for one in found]) for name in found[0].rejected}
    for name in found[0].sizes:
        there = [one.power[name] for one in found if name in one.power]
        enough = float(name.split()[1])
        power[name] = {"contrasts": len(there), "mean_power": _mean(there), "reached": _mean([float(one >= enough) for one in there])}
    return {"contrasts": len(found), "studies": len({one.study for one in found}), **figures, "power": power}


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else None


def _show(seed: int, found: list[Screened], judged: dict[str, Any]) -> None:
    table = Table(title=f"World {seed}: {judged['contrasts']} contrasts of {judged['studies']} held-out studies", title_justify="left")
    for heading in ("figure", "value", "95 % interval over studies"):
        table.add_column(heading)
    for name in ("auc", "sign_right", "coverage", "error_predicted", "error_shrunk"):
        value, low, high = judged[name]
        table.add_row(name, f"{value:.3f}", f"{low:.3f} to {high:.3f}")
    console = Console(width=120)
    console.print(table)
    sure = np.array([max(one.positive, 1 - one.positive) for one in found])
    right = np.array([(one.positive > 0.5) == (one.true > 0) for one in found])
    for low, high in BINS:
        chosen = (sure >= low) & (sure < high)
        if chosen.any():
            console.print(f"stated {sure[chosen].mean():.2f}: right {right[chosen].mean():.2f} of {chosen.sum()}")
    for name, value in judged["power"].items():
        console.print(f"{name}: {value}")
    console.print(f"without knowledge of arms: {judged['blind']}")
