"""Descriptive statistics of the simulated studies (seed 0), committed as JSON, so that a change that moves one row shows up in review.

`python -m tests.descriptive` rewrites the files; tests/test_simulated.py compares them with a fresh build.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from socsci210.dataset_folder import DatasetFolder

FOLDER = Path(__file__).resolve().parent


def describe(dataset: DatasetFolder, study: str) -> dict[str, Any]:
    """People and missing answers per arm; n, mean and standard deviation of every outcome in every arm."""
    conditions = dataset.table("conditions").filter(pc.field("study_id") == study).sort_by("condition_num").to_pylist()
    outcomes = dataset.table("outcomes").filter(pc.field("study_id") == study).to_pylist()
    rows = dataset.rows(studies=[study], columns=["condition_num", "task_num", "item_num", "response"])
    names = {row["task_num"]: row["outcome_id"] for row in outcomes}
    arms = {row["condition_num"]: row["condition_id"] for row in conditions}
    stats = (
        rows.group_by(["task_num", "item_num", "condition_num"])
        .aggregate([("response", "count"), ("response", "mean"), ("response", "stddev")])
        .sort_by([("task_num", "ascending"), ("item_num", "ascending"), ("condition_num", "ascending")])
    )
    return {
        "study": study,
        "rows": rows.num_rows,
        "people": dataset.table("studies").filter(pc.field("study_id") == study)["n_participants"][0].as_py(),
        "arms": {row["condition_id"]: {"people": row["n_participants"], "missing": row["n_missing"]} for row in conditions},
        "answers": {
            f"{names[r['task_num']]}[{r['item_num']}] {arms[r['condition_num']]}": [
                r["response_count"],
                round(r["response_mean"], 4),
                round(r["response_stddev"], 4),
            ]
            for r in stats.to_pylist()
        },
    }


def render(description: dict[str, Any]) -> str:
    """One study as JSON, one line per arm and per cell."""
    parts = []
    for key, value in description.items():
        if isinstance(value, dict):
            lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            parts.append(f" {json.dumps(key)}: {{\n{lines}\n }}")
        else:
            parts.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def write_all(dataset: DatasetFolder) -> None:
    """Rewrite every file; those of studies that no longer exist are removed."""
    studies = dataset.table("studies")["study_id"].to_pylist()
    for path in FOLDER.glob("*.json"):
        if path.stem not in studies:
            path.unlink()
    for study in studies:
        (FOLDER / f"{study}.json").write_text(render(describe(dataset, study)), encoding="utf-8")
