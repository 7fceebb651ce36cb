"""Dataset folders and prediction files written by hand, for tests of scores and the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from socsci210.dataset_folder import FORMAT, MANIFEST, DatasetFolder, fingerprint, partition_name, table_file, write_parquet
from socsci210.demographics import FIELDS
from socsci210.row_files import RowFiles
from socsci210.schema import ROWS, SPLIT_CONFIGS, TABLES

CONFIG = "unseen_conditions"
SOURCE = "https://example.org/study"


def row(study: str, condition: int, response: int, **more: Any) -> dict[str, Any]:
    """One row; scale 1 to 3 and task 0 unless said otherwise. `split` is its side in unseen_conditions, test for condition 1 and up; `text`
    what was read."""
    given = {
        "task": 0,
        "item": 0,
        "low": 1,
        "high": 3,
        "weight": None,
        "split": "test" if condition else "train",
        "person": None,
        "text": None,
    } | more
    return {"study": study, "condition": condition, "response": response, **given}


def write_dataset(
    folder: Path, rows: Sequence[Mapping[str, Any]], *, step: int = 1, titles: Mapping[str, str] | None = None,
    about: Mapping[str, Any] | None = None, control: int | None = None, attributes: Sequence[Mapping[str, Any]] = (),
) -> Path:  # fmt: skip
    """Write a complete dataset folder and return it. Every row is a person of its own unless `person` says who.

    Args:
        about: more columns of every study, as its design.
        control: the condition that is the control in every study.
        attributes: rows of the table of attributes.
    """
    counts: dict[str, int] = {}
    parts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in rows:
        study = one["study"]
        sample = counts.setdefault(study, 0)
        counts[study] += 1
        sides = dict.fromkeys(SPLIT_CONFIGS, one["split"])
        person = sample if one["person"] is None else one["person"]
        parts.setdefault((partition_name(sides), study), []).append(
            {
                "sample_id": sample,
                "participant": person,
                "demographic": dict.fromkeys(FIELDS) | one.get("demographic", {}),
                "stimuli": one["text"] or f"{study} {one['condition']} {one['task']}",
                "response": one["response"],
                "condition_num": one["condition"],
                "task_num": one["task"],
                "study_id": study,
                "item_num": one["item"],
                "scale_min": one["low"],
                "scale_max": one["high"],
                "weight": one["weight"],
                "flags": [],
                "response_clean": one["response"],
            }
        )
    with RowFiles(folder / "data", together=False) as files:
        for (partition, study), some in sorted(parts.items()):
            files.add(partition, study, pa.Table.from_pylist(some, ROWS))
    cells = {(one["study"], one["task"], one["condition"], one["item"]): one for one in rows}
    tables: dict[str, list[dict[str, Any]]] = {
        "studies": [
            {"study_id": study, "title": (titles or {}).get(study, f"Study {study}"), "source_url": SOURCE, "simulated": True,
             **(about or {})}
            for study in counts
        ],
        "outcomes": [
            {
                "study_id": study, "task_num": task, "condition_num": condition, "item_num": item,
                "question": one["text"] or f"Question {task}?",
                "scale_min": one["low"], "scale_max": one["high"], "scale_step": step,
                "options": [{"value": one["low"], "label": "Least"}] if one["low"] is not None else [],
            }
            for (study, task, condition, item), one in cells.items()
        ],
        "conditions": [
            {"study_id": study, "condition_num": condition, "label": f"Arm {condition}", "control": condition == control}
            for study, condition in sorted({(one["study"], one["condition"]) for one in rows})
        ],
    }  # fmt: skip
    people = {(one["study_id"], one["participant"]): one["demographic"] for some in parts.values() for one in some}
    tables["attributes"] = [dict(one) for one in attributes]
    tables["participants"] = [{"study_id": study, "participant": who, "demographic": one} for (study, who), one in people.items()]
    for name, schema in TABLES.items():
        write_parquet(pa.Table.from_pylist(tables.get(name, []), schema), folder / table_file(name))
    (folder / MANIFEST).write_text(json.dumps({"format": FORMAT, "fingerprint": fingerprint(folder), "version": "0"}))
    return folder


def write_predictions(
    path: Path, dataset: Path, predictions: Sequence[Mapping[str, Any]], *, columns: pa.Schema | None = None, **metadata: Any
) -> Path:
    """Write a predictions file that looks finished, and return it; `metadata` overrides what it says of itself."""
    about = {
        "model": "a/model", "revision": "r1", "template": "upstream", "template_hash": "0123456789abcdef",
        "config": CONFIG, "split": "test", "dataset_fingerprint": DatasetFolder(dataset).fingerprint, "engine": "transformers",
        "seed": 0, "per_cell": None, "rows_expected": len(predictions), "complete": True, "training": None,
    } | metadata  # fmt: skip
    table = pa.Table.from_pylist(list(predictions), columns)
    pq.write_table(table.replace_schema_metadata({b"socsci210": json.dumps(about).encode()}), path)
    return path


def predict_all(dataset: Path, probabilities: Any, *, config: str = CONFIG, split: str = "test") -> list[dict[str, Any]]:
    """One prediction for each row of a split: `probabilities(row)` gives them over the row's whole scale."""
    rows = DatasetFolder(dataset).rows(config, split).to_pylist()
    return [
        {
            "study_id": one["study_id"],
            "sample_id": one["sample_id"],
            "support": list(range(one["scale_min"], one["scale_max"] + 1)),
            "probabilities": list(probabilities(one)),
            "answer_mass": 0.95,
        }
        for one in rows
    ]
