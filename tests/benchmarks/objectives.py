"""What the objectives are good for, on the simulated studies: `python -m tests.benchmarks.objectives [--seeds S ...] [--only PART]`

The people who use an objective start from a model that reads. So a nano model first learns to read from one half of the studies (`sft`,
all rows, some minutes). From it, on the training people of the other half, which it has never met:

- `sft`: one epoch, as in the paper;
- `distribution`: a tenth of the seconds that `sft` took, and for the share that it needs two and four tenths;
- `dpo`: one epoch of pairs, from the `sft` model; beside it `sft, again`: one more epoch of `sft`, so that what more training does is not
  taken for what the pairs do.

All are scored on the other half's held-out people (unseen_participants): W of cells (convention `stated`), accuracy of single people by
median, with that by draw and the entropy ratio beside it, answer mass; `best possible` is the accuracy of the medians of the true
distributions of the simulated world, `best without persona` that of the medians of the true cells.

- `half` is another question: on the test sides of all four splits, from random weights as in the demo, `sft` with rows grouped by their
  stimulus gets half the minutes of plain shuffled training of the same code.

Settings were chosen on generator seed 0; the default seeds are others. The last line is one JSON object: means over seeds with 95 %
intervals (t, over seeds), and per claim whether it holds in every seed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from .learning.half import Half, run_half
from .learning.objectives import SHARES, Figures, run_objectives

SEEDS: Final = (1, 2, 3, 4)


def interval(values: Sequence[float]) -> dict[str, Any]:
    """Mean, 95 % interval by Student's t over seeds (None for a single one), and the values."""
    mean = float(np.mean(values))
    wide = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)) if len(values) > 1 else None
    ends = None if wide is None else [round(mean - wide, 4), round(mean + wide, 4)]
    return {"mean": round(mean, 4), "interval": ends, "values": [round(value, 4) for value in values]}


def objectives_summary(found: Sequence[dict[str, Figures]]) -> dict[str, Any]:
    """Differences between objectives on the same people; above 0 the claim holds."""
    distribution = {name: [one["sft"].W - one[name].W for one in found] for name in SHARES}
    dpo = [one["dpo"].accuracy - one["sft"].accuracy for one in found]
    by_draw = [one["dpo"].by_draw - one["sft"].by_draw for one in found]
    control = [one["dpo"].accuracy - one["sft, again"].accuracy for one in found]
    return {
        "distribution_gain": {share: interval(distribution[name]) for name, share in SHARES.items()},
        "distribution_time": {
            share: round(max(one[name].seconds / one["sft"].seconds for one in found), 3) for name, share in SHARES.items()
        },
        "dpo_gain": interval(dpo),
        "dpo_gain_by_draw": interval(by_draw),
        "dpo_gain_over_more_sft": interval(control),
        "distribution_as_good": {share: min(distribution[name]) >= 0 for name, share in SHARES.items()},
        "dpo_beats_sft": min(dpo) > 0,
        "dpo_beats_more_sft": min(control) > 0,
    }


def half_summary(found: Sequence[dict[str, Half]]) -> dict[str, Any]:
    """By split: share of the gap closed by either training, over seeds, and whether half the time was enough in all of them."""
    splits = list(found[0])
    return {
        "half_time": {
            split: {"plain": interval([one[split].plain for one in found]), "grouped": interval([one[split].grouped for one in found])}
            for split in splits
        },
        "half_time_is_enough": {split: all(one[split].grouped >= one[split].plain for one in found) for split in splits},
    }


def show_objectives(found: Sequence[dict[str, Figures]], seeds: Sequence[int]) -> None:
    """The table for people."""
    table = Table(title="Held-out people of unseen_participants, studies that the starting model has not met", title_justify="left")
    for heading in ("seed", "objective", "training s", "examples", "W", "accuracy by median", "by draw", "entropy ratio", "answer mass"):
        table.add_column(heading, justify="left" if heading == "objective" else "right", no_wrap=heading == "objective")
    for seed, some in zip(seeds, found, strict=True):
        for name, one in some.items():
            table.add_row(str(seed), name, *one.cells())
        table.add_section()
    Console(width=132).print(table)


def show_half(found: Sequence[dict[str, Half]], seeds: Sequence[int]) -> None:
    """The table for people."""
    table = Table(title="Share of the gap between chance and noise floor that is closed on test sides", title_justify="left")
    for heading in ("seed", "split", "plain", "grouped, half the time"):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    for seed, some in zip(seeds, found, strict=True):
        for split, one in some.items():
            table.add_row(str(seed), split, f"{one.plain:.3f}", f"{one.grouped:.3f}")
        table.add_section()
    Console(width=120).print(table)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="What the objectives are good for, on the simulated studies.")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--only", choices=["objectives", "half"])
    parser.add_argument("--minutes", type=float, default=2.0, help="in which the starting model learns to read")
    parser.add_argument("--people", type=int, default=2400, help="of each simulated study, for `objectives`")
    parser.add_argument("--folder", type=Path, help="to keep everything in; what is there is not made again (default: a temporary one)")
    given = parser.parse_args()
    figures: dict[str, Any] = {"seeds": given.seeds}
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        if given.only in (None, "objectives"):
            with ThreadPoolExecutor(2) as pool:  # two seeds side by side, one thread each

                def run(seed: int) -> dict[str, Figures]:
                    return run_objectives(seed, folder / f"objectives{seed}", given.minutes, given.people)

                found = list(pool.map(run, given.seeds))
            show_objectives(found, given.seeds)
            figures |= objectives_summary(found)
        if given.only in (None, "half"):
            halves = [run_half(seed, folder / f"half{seed}") for seed in given.seeds]
            show_half(halves, given.seeds)
            figures |= half_summary(halves)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
