"""What the objectives are good for, on the simulated studies: `python -m tests.benchmarks.objectives`

For every generator seed a nano model is trained by `sft` (with and without cell smoothing) for some minutes, by `dpo` from the plain sft
model for as long again, and by `distribution` for a tenth of the minutes. All are trained on the training people and scored on the people
held out (unseen_participants): accuracy by median of single people with the entropy ratio beside it, W of cells (convention `stated`),
answer mass. Two claims are looked at: dpo beats sft in accuracy by median; distribution is at least as good as sft in W at a tenth of the
training time.

The last line is one JSON object: medians over seeds of accuracy and W by objective, `dpo_gain` (accuracy) and `distribution_gain` (sft's W
less that of distribution) as [smallest, median, largest] over seeds, and whether each claim holds in every seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from rich.console import Console
from rich.table import Table

from socsci210.pipeline import built_dataset, simulated_deposits
from socsci210.predict import predict
from socsci210.score import score
from socsci210.train.config import resolve
from socsci210.train.launch import launch

NANO: Final = Path(__file__).parents[2] / "train" / "configs" / "nano.yaml"
CONFIG: Final = "unseen_participants"
SEEDS: Final = (0, 1)
SHARE: Final = 0.1  # of sft's minutes, for distribution
WHOLE: Final = {"batch_size": 16, "share_prefix": 8}  # small steps, or so short a run has none; eight people of a text read it together


class Figures(NamedTuple):
    """Of one model, on held-out people."""

    name: str
    seconds: float
    rows: int
    accuracy: float
    entropy_ratio: float
    W: float
    mass: float


def run_seed(seed: int, folder: Path, minutes: float, people: int, per_cell: int, dpo: dict[str, Any]) -> list[Figures]:
    """All models of one generator seed."""
    dataset = built_dataset(simulated_deposits(folder / "deposits", seed=seed, people=people, say=_quiet), folder / "dataset", say=_quiet)
    nano = yaml.safe_load(NANO.read_text(encoding="utf-8")) | {"dataset": str(dataset), "train_on": [CONFIG], "seed": seed}
    start = {key: value for key, value in nano.items() if key not in ("nano", "cell_smoothing")}

    def trained(name: str, settings: dict[str, Any]) -> Figures:
        output = folder / "models" / name
        launch(resolve({**settings, "output": str(output)}).config, folder / "logs" / name, threads=1)
        return _scored(name, output, dataset, folder, seed, per_cell)

    sft = trained("sft", nano | {"max_minutes": minutes, "cell_smoothing": 0.0})
    smoothed = trained("sft, smoothed", nano | {"max_minutes": minutes})
    pairs = start | dpo | {"objective": "dpo", "model": str(folder / "models" / "sft"), "max_minutes": minutes}
    whole = {key: value for key, value in nano.items() if key != "cell_smoothing"} | {"objective": "distribution"}
    whole |= {"max_minutes": SHARE * minutes, "distribution": {"persona": "row"}, **WHOLE}
    return [sft, smoothed, trained("dpo", pairs), trained("distribution", whole)]


def _scored(name: str, model: Path, dataset: Path, folder: Path, seed: int, per_cell: int) -> Figures:
    out = folder / "predictions" / f"{name}.parquet"
    out.parent.mkdir(exist_ok=True)
    predict(engine="transformers", model=str(model), dataset=dataset, config=CONFIG, out=out, seed=seed, per_cell=per_cell, batch_size=256)
    found = score([out], dataset, controls=False, seed=seed).runs[0]
    assert found.individual is not None and found.stated is not None and found.answer_mass is not None
    record = json.loads((model / "run_record.json").read_text(encoding="utf-8"))
    return Figures(
        name, record["seconds"], record["rows_seen"], found.individual.median.point, float(found.individual.entropy_ratio or "nan"),
        found.stated.W.point, found.answer_mass.mean,
    )  # fmt: skip


def _quiet(text: str) -> None:
    """Steps of the build are not told: the table is."""


def summary(found: Sequence[Sequence[Figures]]) -> dict[str, Any]:
    """The last line."""
    by_name = [{one.name: one for one in some} for some in found]
    dpo = sorted(some["dpo"].accuracy - some["sft"].accuracy for some in by_name)
    whole = sorted(some["sft"].W - some["distribution"].W for some in by_name)
    names = list(by_name[0])
    return {
        "seeds": len(found),
        "accuracy": {name: round(statistics.median(some[name].accuracy for some in by_name), 4) for name in names},
        "W": {name: round(statistics.median(some[name].W for some in by_name), 4) for name in names},
        "dpo_gain": _range(dpo),
        "distribution_gain": _range(whole),
        "dpo_beats_sft": dpo[0] > 0,
        "distribution_as_good": whole[0] >= 0,
    }


def _range(values: list[float]) -> list[float]:
    return [round(values[0], 4), round(statistics.median(values), 4), round(values[-1], 4)]


def show(found: Sequence[Sequence[Figures]], seeds: Sequence[int]) -> None:
    """The table for people."""
    table = Table(title="Held-out people of unseen_participants", title_justify="left")
    for heading in ("seed", "objective", "training s", "examples", "accuracy by median", "entropy ratio", "W", "answer mass"):
        table.add_column(heading, justify="left" if heading == "objective" else "right")
    for seed, some in zip(seeds, found, strict=True):
        for one in some:
            figures = (f"{one.accuracy:.4f}", f"{one.entropy_ratio:.2f}", f"{one.W:.4f}", f"{one.mass:.4f}")
            table.add_row(str(seed), one.name, f"{one.seconds:.0f}", str(one.rows), *figures)
        table.add_section()
    Console(width=120).print(table)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="What the objectives are good for, on the simulated studies.")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--minutes", type=float, default=2.0, help="training time of sft, and of dpo")
    parser.add_argument("--people", type=int, default=600, help="of each simulated study")
    parser.add_argument("--per-cell", type=int, default=40, help="people predicted in each cell")
    parser.add_argument("--beta", type=float, default=1.0)
    parser.add_argument("--learning-rate", type=float, default=3e-4, help="of dpo")
    given = parser.parse_args()
    dpo = {"dpo": {"beta": given.beta}, "learning_rate": given.learning_rate}
    with tempfile.TemporaryDirectory() as temporary:  # one after the other: training is timed
        found = [run_seed(seed, Path(temporary) / str(seed), given.minutes, given.people, given.per_cell, dpo) for seed in given.seeds]
    show(found, given.seeds)
    print(json.dumps(summary(found)))


if __name__ == "__main__":
    main()
