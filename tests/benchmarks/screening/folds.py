"""Small models trained without some of the simulated studies, and how they did on those: evidence and predictions at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from socsci210.build import build
from socsci210.dataset_folder import DatasetFolder
from socsci210.pipeline import simulated_deposits
from socsci210.predict import predict
from socsci210.registry import Registry
from socsci210.score import score
from socsci210.simulated import DESIGNS
from socsci210.train.config import read_config, resolve
from socsci210.train.launch import launch

FOLDS: Final = 3
PERSONAS: Final = 60  # of every outcome, through every arm
AT_A_TIME: Final = 2


@dataclass(frozen=True)
class Fold:
    """A model, the dataset of the studies it never saw, and its results on them."""

    model: Path
    held_out: Path
    results: Path


def studies_of(fold: int) -> list[str]:
    """The studies that a fold holds out. Conjoints are left out of all: what is screened here are arms."""
    plain = [name for name, design in DESIGNS.items() if not design.conjoint]
    return plain[fold::FOLDS]


def make_folds(out: Path, *, seed: int, minutes: float, folds: Sequence[int] = range(FOLDS)) -> list[Fold]:
    """Train, predict and score every fold; what is there already is kept."""
    deposits = out / "deposits"
    if not deposits.exists():
        simulated_deposits(deposits, seed=seed, say=_say)
    for fold in folds:
        own = studies_of(fold)
        for name, ids in (("held_out", own), ("train", [study for study in DESIGNS if study not in own])):
            if not (out / f"{fold}" / name).exists():
                report = build(ids, deposits=deposits, out=out / f"{fold}" / name, registry=Registry(), jobs=2)
                assert not report.failed, report.failed
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(lambda fold: train_small(out / f"{fold}", seed, minutes), folds))
    return [scored(out / f"{fold}", seed) for fold in folds]


def train_small(folder: Path, seed: int, minutes: float) -> None:
    """`folder`/model from `folder`/train, unless it is there."""
    if (folder / "model").exists():
        return
    with as_file(files("socsci210.train") / "configs" / "nano.yaml") as path:
        given = read_config(path).config.model_dump()
    own = {"dataset": str(folder / "train"), "output": str(folder / "model"), "train_on": ["all"], "seed": seed, "max_minutes": minutes}
    launch(resolve({**given, **own}).config, folder / "log", threads=1)
    _say(f"trained {folder / 'model'}")


def scored(folder: Path, seed: int) -> Fold:
    """How `folder`/model does on the arms of `folder`/held_out; what is there already is kept."""
    held_out, model, results = folder / "held_out", folder / "model", folder / "results.json"
    if not results.exists():
        common = {"engine": "transformers", "model": str(model), "dataset": held_out, "config": "all", "split": "train", "seed": seed}
        plain = predict(**common, out=folder / "predictions.parquet", per_cell=PERSONAS)  # type: ignore[arg-type]
        arms = predict(**common, out=folder / "arms.parquet", per_cell=PERSONAS, arms=True)  # type: ignore[arg-type]
        score([plain], held_out, arms=[arms], controls=False, seed=seed).write_json(results)
        _say(f"scored {results}: {len(DatasetFolder(held_out).studies)} studies")
    return Fold(model, held_out, results)


def _say(text: str) -> None:
    print(text, file=sys.stderr)
