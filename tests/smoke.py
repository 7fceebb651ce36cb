"""What an installed wheel must be able to do, from another directory and without the training extra: run by .ci/run."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import evaluate
from datasets import load_dataset

import socsci210
from socsci210.metrics import path


def run(*arguments: str) -> str:
    """Standard output of a command of the installed package; fails loudly."""
    command = Path(sysconfig.get_path("scripts")) / "socsci210"
    return subprocess.run([command, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Deposits, dataset, controls, scores, report and metric, all from the wheel."""
    here = Path.cwd()
    assert here not in Path(socsci210.__file__).parents, "the smoke test must not run from the source tree"
    assert "torch" not in sys.modules
    studies = json.loads(run("studies", "--json"))
    assert not [s for s in studies if s["broken"]], studies
    simulated = [s["id"] for s in studies if s["simulated"]]
    assert len(simulated) >= 16, len(simulated)

    run("simulate-deposits", "--out", "deposits")
    run("build", *simulated, "--deposits", "deposits", "--out", "dataset", "--jobs", "2")
    test = load_dataset("socsci210", "unseen_conditions", split="test")
    assert test.num_rows > 100, test

    run("predict", "--engine", "train_lookup", "--dataset", "dataset", "--config", "unseen_conditions", "--out", "lookup.parquet")
    run("score", "lookup.parquet", "--dataset", "dataset", "--out", "results.json")
    run("report", "results.json", "--out", "report.html")
    assert "unseen_conditions" in Path("report.html").read_text(encoding="utf-8")

    metric = evaluate.load(str(path()), "distributional_alignment")
    print(metric.description.splitlines()[0])


if __name__ == "__main__":
    main()
