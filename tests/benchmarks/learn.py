"""What the demo's small models learn from the simulated studies: `python -m tests.benchmarks.learn`

Runs the whole demo for three generator seeds (raw deposits, build, training for at most three minutes, exact predictions, scores) and
prints, per seed and as medians, the share of the gap between chance and noise floor that is closed on the test side of each split
(convention `stated`), with the controls beside it. On unseen conditions it also tells whether the model beats `train_lookup`, which reads
no text, and whether its mean answers follow the conditions: a correlation within outcomes, with a permutation p.

The last line is one JSON object of the medians: gap closed per config, beats_train_lookup (true if it does under the median W of both),
sensitivity_r, sensitivity_p.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from socsci210.demo import run_demo
from socsci210.results import Results
from socsci210.schema import SPLIT_CONFIGS

SEEDS = (0, 1, 2)
CONDITIONS = "unseen_conditions"


def run_seed(seed: int, out: Path) -> dict[str, Any]:
    """Figures of one demo: the summary of each config, condition sensitivity, seconds of training and of everything."""
    started = time.monotonic()
    demo = run_demo(out, seed=seed, say=lambda text: print(text, file=sys.stderr))
    runs = [run for path in demo.results for run in Results.read_json(path).runs if run.config == CONDITIONS]
    records = [json.loads(path.read_text()) for path in demo.report.parent.rglob("run_record.json")]
    return {
        "summary": demo.summary,
        "r": runs[0].sensitivity.r,
        "p": runs[0].sensitivity.p,
        "training": sum(record["seconds"] for record in records),
        "seconds": time.monotonic() - started,
    }


def medians(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The last line."""

    def median(config: str, key: str) -> float:
        return statistics.median(one["summary"][config][key] for one in found)

    return {
        **{config: round(median(config, "gap_closed"), 3) for config in SPLIT_CONFIGS},
        "beats_train_lookup": median(CONDITIONS, "W") < median(CONDITIONS, "train_lookup"),
        "sensitivity_r": round(statistics.median(one["r"] for one in found), 3),
        "sensitivity_p": statistics.median(one["p"] for one in found),
    }


def show(found: list[dict[str, Any]], seeds: tuple[int, ...]) -> None:
    """The table for people."""
    table = Table(title="Test side, convention `stated`", title_justify="left")
    for heading in ("seed", "split", "W", "chance", "noise floor", "train lookup", "pooled oracle", "gap closed", "answer mass"):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    keys = ("W", "chance", "noise_floor", "train_lookup", "pooled_oracle", "gap_closed", "answer_mass")
    for seed, one in zip(seeds, found, strict=True):
        for config in SPLIT_CONFIGS:
            table.add_row(str(seed), config, *(f"{one['summary'][config][key]:.3f}" for key in keys))
        table.add_section()
    Console(width=120).print(table)
    for seed, one in zip(seeds, found, strict=True):
        print(
            f"seed {seed}: condition sensitivity r {one['r']:.2f}, p {one['p']:.4f}; "
            f"training {one['training']:.0f} s over all models, two at a time; everything {one['seconds']:.0f} s"
        )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="What the demo's small models learn, over generator seeds.")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--out", type=Path, help="folder to keep everything in (default: a temporary one)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        base = arguments.out or Path(temporary)
        found = [run_seed(seed, base / f"seed{seed}") for seed in arguments.seeds]
    show(found, tuple(arguments.seeds))
    print(json.dumps(medians(found)))


if __name__ == "__main__":
    main()
