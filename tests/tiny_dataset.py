"""A tiny dataset folder, written straight through the schema: rows whose counts are known, for tests of controls, training and prediction.

Two seen studies and one unseen. Every study has three conditions (the last one held out), two outcomes on 1-7 and 0-1 (the second held
out) and people of whom the odd ones are held out; rows of the held-out study are on no side of the other three configs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from socsci210.dataset_folder import FORMAT, MANIFEST, fingerprint, partition_name, table_file, write_parquet
from socsci210.demographics import FIELDS
from socsci210.row_files import RowFiles
from socsci210.schema import ROWS, TABLES

STUDIES = ("first", "second", "unseen")
SCALES = ((1, 7), (0, 1))
QUESTIONS = ("How warm is the tea?", "Would you drink the tea?")
Sides = Callable[[str, int, int, int], dict[str, str]]
PARTIES = ("Strong Democrat", "Don't Lean/Independent/None", "Strong Republican")


def sides_of(study: str, condition: int, task: int, participant: int) -> dict[str, str]:
    """The side of a row in each config."""
    if study == "unseen":
        return {"unseen_studies": "test", "unseen_conditions": "none", "unseen_outcomes": "none", "unseen_participants": "none"}
    return {
        "unseen_studies": "train",
        "unseen_conditions": "test" if condition == 2 else "train",
        "unseen_outcomes": "test" if task == 1 else "train",
        "unseen_participants": "test" if participant % 2 else "train",
    }


def tiny_rows(people: int = 24, seed: int = 0) -> list[dict[str, Any]]:
    """Rows as dictionaries. Answers on 1-7 rise with the condition; nobody answers 7."""
    random = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for study in STUDIES:
        for participant, task in product(range(people), range(2)):
            condition = participant // 2 % 3
            low, high = SCALES[task]
            response = int(np.clip(random.integers(1, 4) + condition, 1, 6)) if task == 0 else int(random.random() < 0.3)
            person = dict.fromkeys(FIELDS) | {"age": 20 + participant, "party_id": PARTIES[participant % 3]}
            stimulus = (
                f'You read "Tea number {condition} of {study}." and then were asked: "{QUESTIONS[task]} Only return {low} to {high}."'
            )
            rows.append(
                {
                    "sample_id": 2 * participant + task, "participant": participant, "demographic": person, "stimuli": stimulus,
                    "response": response, "condition_num": condition, "task_num": task, "study_id": study, "item_num": 0,
                    "scale_min": low, "scale_max": high, "weight": None, "flags": [],
                    "response_clean": response,
                }
            )  # fmt: skip
    return rows


def sides_with_validation(study: str, condition: int, task: int, participant: int) -> dict[str, str]:
    """The same with a validation side: the second study, the second condition, every fourth person."""
    sides = sides_of(study, condition, task, participant)
    if study == "unseen":
        return sides
    return sides | {
        "unseen_studies": "validation" if study == "second" else "train",
        "unseen_conditions": ("train", "validation", "test")[condition],
        "unseen_participants": ("train", "test", "validation", "test")[participant % 4],
    }


def write_tiny_dataset(folder: Path, rows: list[dict[str, Any]] | None = None, *, step: int = 1, sides_of: Sides = sides_of) -> Path:
    """Write the folder and return it."""
    rows = tiny_rows() if rows is None else rows
    parts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        sides = sides_of(row["study_id"], row["condition_num"], row["task_num"], row["participant"])
        parts.setdefault((partition_name(sides), row["study_id"]), []).append(row)
    with RowFiles(folder / "data", together=False) as files:
        for (partition, study), some in sorted(parts.items()):
            files.add(partition, study, pa.Table.from_pylist(some, ROWS))
    outcomes = [
        {"study_id": study, "task_num": task, "condition_num": condition, "item_num": 0, "scale_step": step if task == 0 else 1}
        for study, task, condition in product(STUDIES, range(2), range(3))
    ]
    people = {(row["study_id"], row["participant"]): row["demographic"] for row in rows}
    participants = [{"study_id": study, "participant": who, "demographic": one} for (study, who), one in people.items()]
    tables = {"assignments": _assignments(rows, sides_of), "outcomes": outcomes, "participants": participants}
    for name, schema in TABLES.items():
        write_parquet(pa.Table.from_pylist(tables.get(name, []), schema), folder / table_file(name))
    manifest = {"format": FORMAT, "fingerprint": fingerprint(folder), "studies": len(STUDIES), "rows": len(rows), "version": "0"}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def _assignments(rows: list[dict[str, Any]], sides_of: Sides) -> list[dict[str, Any]]:
    found: dict[tuple[str, str, int | None], str] = {}
    units = {
        "unseen_studies": None,
        "unseen_conditions": "condition_num",
        "unseen_outcomes": "task_num",
        "unseen_participants": "participant",
    }
    for row in rows:
        sides = sides_of(row["study_id"], row["condition_num"], row["task_num"], row["participant"])
        for config, column in units.items():
            if sides[config] != "none":
                found[config, row["study_id"], row[column] if column else None] = sides[config]
    return [
        {"config": config, "study_id": study, "unit": unit, "split": split, "group": study, "source": "rule"}
        for (config, study, unit), split in found.items()
    ]
