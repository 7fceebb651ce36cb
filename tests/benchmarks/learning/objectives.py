"""The objectives side by side, from a model that reads, on studies that it has not met."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from socsci210.build import build
from socsci210.pipeline import simulated_deposits
from socsci210.registry import Registry
from socsci210.simulated import World
from socsci210.simulated.truth import truth_rows

from .runs import Trained, nano_settings, quiet, scored, trained

CONFIG: Final = "unseen_participants"
PER_CELL: Final = 40  # people predicted in each cell
SHARES: Final = {"distribution": 0.1, "distribution, 0.2": 0.2, "distribution, 0.4": 0.4}  # of sft's seconds
SFT: Final[dict[str, Any]] = {"max_epochs": 1, "learning_rate": 1e-3}
AGAIN: Final[dict[str, Any]] = SFT
DPO: Final[dict[str, Any]] = {"objective": "dpo", "dpo": {"beta": 3.0}, "max_epochs": 1, "learning_rate": 3e-4}
DISTRIBUTION: Final[dict[str, Any]] = {
    "objective": "distribution", "distribution": {"persona": "sampled"}, "batch_size": 8, "share_prefix": 1, "learning_rate": 3e-3,
}  # fmt: skip


class Figures(NamedTuple):
    """Of one model, or of a best possible one, on held-out people."""

    accuracy: float
    by_draw: float = float("nan")
    W: float = float("nan")
    entropy_ratio: float = float("nan")
    mass: float = float("nan")
    seconds: float = float("nan")
    examples: int = 0

    def cells(self) -> list[str]:
        """For a table: seconds, examples, W, accuracy by median and by draw, entropy ratio, answer mass."""
        shares = (self.W, self.accuracy, self.by_draw)
        return [
            f"{self.seconds:.1f}",
            f"{self.examples:,}",
            *(f"{one:.4f}" for one in shares),
            f"{self.entropy_ratio:.2f}",
            f"{self.mass:.4f}",
        ]


def run_objectives(seed: int, folder: Path, minutes: float, people: int) -> dict[str, Figures]:
    """All models of one generator seed, by name."""
    first, second = _halves()
    read, new = (_dataset(folder, name, studies, seed, people) for name, studies in (("read", first), ("new", second)))
    models = folder / "models"
    nano = nano_settings()
    reader = trained(nano | {"train_on": ["all"], "max_minutes": minutes}, read, models / "reader", seed).folder
    tuned = {name: value for name, value in nano.items() if name not in ("nano", "cell_smoothing", "max_minutes")} | {"train_on": [CONFIG]}

    def run(name: str, start: Path, changes: dict[str, Any]) -> Trained:
        return trained(tuned | {"model": str(start)} | changes, new, models / name, seed)

    found = {"sft": run("sft", reader, SFT)}
    for name, share in SHARES.items():
        found[name] = run(name, reader, DISTRIBUTION | {"max_minutes": share * found["sft"].seconds / 60})
    found["sft, again"] = run("again", found["sft"].folder, AGAIN)
    found["dpo"] = run("dpo", found["sft"].folder, DPO)
    figures = {name: _figures(one, new, seed) for name, one in found.items()}
    return figures | _best(World(seed, people), second)


def _dataset(folder: Path, name: str, studies: list[str], seed: int, people: int) -> Path:
    """The dataset of some simulated studies, unless it is there."""
    out = folder / name
    if not out.exists():
        deposits = simulated_deposits(folder / f"deposits of {name}", seed=seed, people=people, studies=studies, say=quiet)
        failed = build(studies, deposits=deposits, out=out, registry=Registry(), jobs=2, cache=folder / "cache").failed
        assert not failed, failed
    return out


def _halves() -> tuple[list[str], list[str]]:
    """The simulated studies, every second one."""
    ids = sorted(entry.id for entry in Registry().entries() if entry.simulated)
    return ids[::2], ids[1::2]


def _figures(model: Trained, dataset: Path, seed: int) -> Figures:
    run = scored(model.folder, dataset, CONFIG, seed, PER_CELL)
    assert run.individual is not None and run.stated is not None and run.answer_mass is not None
    return Figures(
        run.individual.median.point, run.individual.draw.point, run.stated.W.point, float(run.individual.entropy_ratio or "nan"),
        run.answer_mass.mean, model.seconds, model.examples,
    )  # fmt: skip


def _best(world: World, studies: list[str]) -> dict[str, Figures]:
    """Expected accuracy of the true medians of all people: of every person, and of the cell that the person is in."""
    own, cell = [], []
    for study in studies:
        some = [_best_of_cell(rows) for rows in _cells(world, study)]
        n = [len(of_person) for of_person, _ in some]
        own.append(float(np.average([one.mean() for one, _ in some], weights=n)))
        cell.append(float(np.average([one.mean() for _, one in some], weights=n)))
    return {"best possible": Figures(float(np.mean(own))), "best without persona": Figures(float(np.mean(cell)))}


def _cells(world: World, study: str) -> list[list[dict[str, Any]]]:
    by_cell: dict[tuple[int, int, int], list[dict[str, Any]]] = {}
    for row in truth_rows(world, study).to_pylist():
        by_cell.setdefault((row["condition_num"], row["task_num"], row["item_num"]), []).append(row)
    return list(by_cell.values())


def _best_of_cell(rows: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """(people,) expected accuracy, 1 - |error| / span, by each person's own median and by that of the cell."""
    values, shares = np.array(rows[0]["support"], float), np.array([row["probabilities"] for row in rows])
    errors = np.abs(values[:, None] - values[None, :]) / (values[-1] - values[0])  # (prediction, answer)
    expected = 1 - shares @ errors.T  # (people, prediction)
    medians = (shares.cumsum(axis=1) < 0.5).sum(axis=1)
    at_cell = int((shares.mean(axis=0).cumsum() < 0.5).sum())
    return expected[np.arange(len(rows)), medians], expected[:, at_cell]
