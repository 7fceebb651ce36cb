"""Real studies replayed as experiments: through the commands that a user would give, by a model that never saw them.

The model is trained on two thirds of the simulated studies and on the real ones that are not replayed. How far it may be believed is
measured on the other third. Every contrast of a replayed study must be compared with people's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from socsci210.simulated import DESIGNS

from .folds import scored, studies_of, train_small

REPLAYED: Final = ("schuldt301", "singer251", "kallaBR42")
OTHERS: Final = ("holbrook120", "ryanS14", "tannenbaum2017_1", "tannenbaum2017_2")


def run_replay(real_deposits: Path, out: Path, *, people: int, seed: int = 0, minutes: float = 3) -> dict[str, Any]:
    """Build, train, measure, and replay every study; what is there already is kept."""
    deposits = _deposits(real_deposits, out / "deposits", seed)
    held_out = studies_of(0)
    for name, studies in (
        ("train", [study for study in DESIGNS if study not in held_out] + [*OTHERS]),
        ("held_out", held_out),
        ("replayed", list(REPLAYED)),
    ):
        if not (out / name).exists():
            _socsci210("build", *studies, "--deposits", deposits, "--out", out / name, "--jobs", 2)
    train_small(out, seed, minutes)
    evidence = scored(out, seed).results
    return {study: _replay(out, study, evidence, people) for study in REPLAYED}


def _deposits(real: Path, folder: Path, seed: int) -> Path:
    """The simulated deposits, and the real ones beside them."""
    if not folder.exists():
        _socsci210("simulate-deposits", "--out", folder, "--seed", seed)
        for deposit in sorted(real.iterdir()):
            if deposit.is_dir():
                (folder / deposit.name).symlink_to(deposit)
    return folder


def _replay(out: Path, study: str, evidence: Path, people: int) -> dict[str, Any]:
    spec, folder = f"{out / 'replayed'}:{study}", out / study
    if not (folder / "run" / "page.html").exists():
        if not (experiment := folder / "experiment.yaml").exists():
            _socsci210("new-experiment", experiment, "--from", spec)
        common = ("--model", out / "model", "--personas", spec, "--people", people, "--evidence", evidence)
        _socsci210("simulate", experiment, *common, "--out", folder / "run")
    said = _socsci210("simulate", folder / "run", "--compare", spec)
    found = json.loads((folder / "run" / "comparison.json").read_text(encoding="utf-8"))
    names = ("n", "n_reliable", "sign_right", "n_covered", "levels", "interval", "weighted", "left_out")
    agreements = {
        part: {name: found[part][name] for name in ("r", "r_raw", "slope", "mae", "refused")} for part in ("agreement", "agreement_levels")
    }
    tables = [path for name in ("effects", "amces") if (path := folder / "run" / f"{name}.parquet").exists()]
    predicted = sum(pq.read_metadata(path).num_rows for path in tables)
    assert found["n"] + found["levels"]["n"] == predicted, "a predicted effect was not compared"
    return {"people": people} | {name: found[name] for name in names} | agreements | {"said": said[:-1]}


def _socsci210(*arguments: object) -> list[str]:
    print("socsci210", *arguments, file=sys.stderr)
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-m", "socsci210", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return done.stdout.splitlines()
