"""Screening an experiment: `python -m tests.benchmarks.simulate [--only speed|screening|replay]`

speed: 1,000 people of whom all 16 fields are known, ten arms, one outcome and every variant of the prompt, asked of a model of the demo's
size: all in the layout that such a model is trained on, and in both layouts. The last line is one JSON object; `stimulus_first.seconds` is
the time of the 10,000 pairs with a trained small model. `--people` and `--arms` change the numbers.

screening: small models are trained without some of the simulated studies, in three folds; every contrast of a held-out study is screened
with the evidence of the other held-out studies of its fold, and judged by its true effect: the area under the curve of true directions,
coverage of the 95 % interval after shrinkage, calibration of stated probabilities, and the true power of the advised numbers of people. The
last line is one JSON object. It takes about ten minutes for each world (`--seeds`); `--out` keeps everything.

replay: real studies become experiments (`new-experiment --from`), are put to a small model that never saw them (`simulate --personas`), and
are compared with what people did (`simulate --compare`), all through the command line. Needs the real deposits in ../shared/data/deposits.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch

from tests.benchmarks.screening.replay import run_replay
from tests.benchmarks.screening.run import run_screening
from tests.benchmarks.screening.speed import ARMS, PEOPLE, speed

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "deposits"
REPLAYED_PEOPLE = 250


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Screening an experiment.")
    parser.add_argument("--only", choices=["speed", "screening", "replay"], default="speed")
    parser.add_argument("--people", type=int, help=f"default: {PEOPLE:,}; of a replay {REPLAYED_PEOPLE}")
    parser.add_argument("--arms", type=int, default=ARMS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--minutes", type=float, default=3, help="training time of each of the three models of a world")
    parser.add_argument("--out", type=Path, help="folder to keep everything in (default: a temporary one)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.only == "screening":
        with tempfile.TemporaryDirectory() as temporary:
            print(json.dumps(run_screening(arguments.out or Path(temporary), arguments.seeds, arguments.minutes)))
        return
    if arguments.only == "replay":
        if not REAL.exists():
            print(f"skipped: the real deposits are not here (looked for {REAL})")
            return
        with tempfile.TemporaryDirectory() as temporary:
            people = arguments.people or REPLAYED_PEOPLE
            found = run_replay(REAL, arguments.out or Path(temporary), people=people, minutes=arguments.minutes)
        for study, one in found.items():
            print(study, *one["said"], sep="\n  ")
        print(json.dumps(found))
        return
    found = speed(arguments.people or PEOPLE, arguments.arms)
    for name in ("stimulus_first", "both"):
        one = found[name]
        asked = f"{one['prompts']:,} prompts in {one['seconds']} s, {one['prompts_per_second']:,} a second"
        print(f"{found['pairs']:,} pairs, layouts: {name}: {asked}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
