"""Training against a general trainer: `python -m tests.benchmarks.train [--shape 10M] [--rows N] [--minutes M] [--only PART]`

Both sides train the same random-weight model on the same rows in one call, each trial in a process of its own on the same threads.

- `sft`, `dpo`: template stimulus-first, cells of 64 people. TRL's trainer by its defaults and by every other setting listed in `SFT` and
  `DPO` (`best` is the best of them all), against this package.
- `upstream`: persona first, seven questions a person, `sft` by TRL's defaults against this package.
- `time_to_w`: on the simulated studies, nano model. Plain training (shuffled, padded) gets so many minutes; grouped training gets shares
  of them, and the smallest share that reaches plain's W on the validation side is the figure: of two seeds side by side the larger one.

TRL's default precision is bf16, which needs a GPU or `use_cpu`; on a CPU its defaults are tried in bf16 and in fp32, the faster one counts.
On a GPU the same is measured at the shapes of Qwen2.5 (`--shape 0.5B` or `7B`, random weights).

The last line is one JSON object: sft_ratio, sft_ratio_best, dpo_ratio, dpo_ratio_best, upstream_ratio (rows or pairs per second over
theirs), time_to_w_ratio, peak_ratio (the largest of our peaks over their smallest of the same objective).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console
from rich.table import Table

from .learning.time_to_w import time_to_w
from .trainers.shape import SHAPES, Work, described, write_work
from .trainers.trial import Trial, run

FP32: Final = {"bf16": False}
FREE: Final = {"gradient_checkpointing": False}  # activations are kept: faster
DEFAULTS: Final[list[dict[str, Any]]] = [{}, FP32]
SFT: Final[list[dict[str, Any]]] = [
    {**FP32, **FREE},
    {**FP32, **FREE, "per_device_train_batch_size": 32},
    {**FP32, **FREE, "train_sampling_strategy": "group_by_length", "per_device_train_batch_size": 16},
    {**FP32, **FREE, "padding_free": True, "max_length": None},
    {**FP32, **FREE, "packing": True, "max_length": 1024, "per_device_train_batch_size": 4},
]
DPO: Final[list[dict[str, Any]]] = [
    {**FP32, **FREE},
    {**FP32, **FREE, "precompute_ref_log_probs": True},
    {**FP32, **FREE, "precompute_ref_log_probs": True, "per_device_train_batch_size": 16},
]
OURS: Final = {"batch_size": 32, "share_prefix": 16}
"""At most 16 rows of one cell in a step: the cap of the grouping."""
UPSTREAM: Final = {"batch_size": 35, "share_prefix": 7}
"""All seven rows of a person read the persona together."""
TIMED_ROWS: Final = 24  # of each trial of TRL, at least; the step before them is not timed
STEPS: Final = 6  # of ours


class _Bench:
    """Runs trials on one shape, and keeps what they showed for the table."""

    def __init__(self, work: Work, rows: int, threads: int) -> None:
        self.work, self.rows, self.threads = work, rows, threads
        self.lines: list[tuple[str, str, str, dict[str, float]]] = []

    def __call__(self, side: Any, objective: Any, template: str, settings: dict[str, Any]) -> dict[str, float]:
        steps = STEPS if side == "ours" else math.ceil(TIMED_ROWS / settings.get("per_device_train_batch_size", 8))
        if side == "general" and not torch.cuda.is_available():
            settings = {"use_cpu": True, **settings}
        trial = Trial(
            side, objective, str(self.work.model), str(self.work.datasets[template]), template, self.rows, steps, self.threads, settings
        )
        found = run(trial)
        print(f"{side} {objective} {trial.name}: {found['per_second']:.2f} a second, {found['peak_gb']:.2f} GB", file=sys.stderr)
        self.lines.append((f"{objective}, {template}", {"general": "TRL", "ours": "socsci210"}[side], trial.name, found))
        return found

    def compare(self, objective: str, others: Sequence[dict[str, Any]], ours: dict[str, Any]) -> dict[str, float]:
        """Ratios to the defaults and to the best settings, and of peaks."""
        template = "stimulus_first"
        default = max((self("general", objective, template, settings) for settings in DEFAULTS), key=_speed)
        best = max([default, *(self("general", objective, template, settings) for settings in others)], key=_speed)
        mine = self("ours", objective, template, ours)
        peaks = [line[3]["peak_gb"] for line in self.lines if line[0] == f"{objective}, {template}" and line[1] == "TRL"]
        return {
            f"{objective}_ratio": _speed(mine) / _speed(default),
            f"{objective}_ratio_best": _speed(mine) / _speed(best),
            "peak_ratio": mine["peak_gb"] / min(peaks),
        }

    def upstream(self) -> float:
        """Ratio to the defaults with the persona first."""
        default = max((self("general", "sft", "upstream", settings) for settings in DEFAULTS), key=_speed)
        return _speed(self("ours", "sft", "upstream", UPSTREAM)) / _speed(default)

    def table(self) -> Table:
        """Every trial."""
        table = Table(title=described(self.work), title_justify="left")
        for heading, side in (
            ("work", "left"),
            ("trainer", "left"),
            ("settings", "left"),
            ("rows or pairs/s", "right"),
            ("peak, GB", "right"),
        ):
            table.add_column(heading, justify=side)
        for work, side, name, found in self.lines:
            table.add_row(work, side, name, f"{found['per_second']:.2f}", f"{found['peak_gb']:.2f}")
        return table


def _speed(found: dict[str, float]) -> float:
    return found["per_second"]


def _speeds(bench: _Bench, only: str | None) -> Iterator[tuple[str, float]]:
    peaks = []
    for objective, others in (("sft", SFT), ("dpo", DPO)):
        if only in (None, "speed", objective):
            found = bench.compare(objective, others, OURS)
            peaks.append(found.pop("peak_ratio"))
            yield from found.items()
    if only in (None, "speed", "upstream"):
        yield "upstream_ratio", bench.upstream()
    if peaks:
        yield "peak_ratio", max(peaks)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Training against a general trainer.")
    parser.add_argument("--shape", choices=[*SHAPES], default="10M")
    parser.add_argument("--rows", type=int, default=448)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=1.0, help="of plain training, for time_to_w")
    parser.add_argument("--only", choices=["speed", "sft", "dpo", "upstream", "time_to_w"])
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    console = Console(width=140)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.only != "time_to_w":
            work = write_work(Path(folder) / "work", arguments.shape, arguments.rows)
            bench = _Bench(work, arguments.rows, arguments.threads)
            figures |= dict(_speeds(bench, arguments.only))
            console.print(bench.table())
        if arguments.only in (None, "time_to_w"):
            found, table = time_to_w(Path(folder) / "time_to_w", arguments.minutes)
            console.print(table)
            figures["time_to_w_ratio"] = found
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
