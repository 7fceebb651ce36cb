"""The commands that repeat a run."""

from __future__ import annotations

import shlex

from ..results import Run


def commands(run: Run, seed: int) -> list[str]:
    """The command lines that predict, score and report a run again, ready to paste; what is in capitals is to be filled in.

    Args:
        run: the run.
        seed: of the resampling when it was scored.
    """
    asked = ["--engine", run.engine]
    for option, value in (("--model", run.model), ("--template", run.template), ("--seed", run.seed), ("--per-cell", run.per_cell)):
        asked += [option, str(value)] if value is not None else []
    if run.engine == "openai":
        asked += ["--base-url", "BASE_URL", "--allow-send-rows"]
    rows = ["--dataset", "DATASET", "--config", run.config, "--split", run.split]
    predictions, arms = f"{run.config}.parquet", f"{run.config}-arms.parquet"
    found = [["socsci210", "predict", *asked, *rows, "--out", predictions]]
    score = ["socsci210", "score", predictions]
    if run.effects is not None and run.effects.method == "every persona through every arm":
        found.append(["socsci210", "predict", *asked, *rows, "--arms", "--out", arms])
        score += ["--arms", arms]
    overlap = ["--allow-overlap"] if run.contamination is not None and run.contamination.overlap_rows else []
    found.append([*score, "--dataset", "DATASET", "--seed", str(seed), *overlap, "--out", f"{run.config}.json"])
    found.append(["socsci210", "report", f"{run.config}.json", "--out", "report.html", "--figures", "figures"])
    return [shlex.join(words) for words in found]
