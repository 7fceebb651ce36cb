"""A release of three studies and 47 rows in the upstream layout, small enough to work out by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from socsci210.schema import DEMOGRAPHIC

SEEN, WITHIN, UNSEEN = "2fuqc", "345ms", "a693y"
UPSTREAM = pa.schema(
    [
        ("sample_id", pa.int64()),
        ("participant", pa.int64()),
        ("demographic", DEMOGRAPHIC),
        ("stimuli", pa.string()),
        ("response", pa.int64()),
        ("condition_num", pa.int64()),
        ("task_num", pa.int64()),
        ("prompt", pa.string()),
        ("reasoning", pa.string()),
        ("study_id", pa.string()),
    ]
)
TRUST = "Only return an integer from 1 to 4, where 1 means Never and 4 means Always, nothing else."
MONEY = "Only return an integer representing dollars, nothing else."


def _row(study: str, sample: int, person: int, condition: int, task: int, text: str, response: int) -> dict[str, Any]:
    return {
        "sample_id": sample,
        "participant": person,
        "demographic": {"age": 30 + person, "income": "<5K", **({"gender": "Female"} if person % 2 else {})},
        "stimuli": text,
        "response": response,
        "condition_num": condition,
        "task_num": task,
        "prompt": f"You are {person}. {text}",
        "reasoning": f"because of {study} {sample}",
        "study_id": study,
    }


def seen_study() -> list[dict[str, Any]]:
    """Between people: 8 people with odd numbers, conditions 1 to 4, outcomes 0 (1 to 4) and 3 (dollars)."""
    rows = []
    for place in range(8):
        person, condition = 2 * place + 1, 1 + place % 4
        for task, ask, answer in ((0, TRUST, 1 + place % 4), (3, MONEY, 100 * place)):
            text = f'You read "Plan {condition} costs little." and then were asked: "Question {task}? {ask}"'
            rows.append(_row(SEEN, len(rows), person, condition, task, text, answer))
    return rows


def within_study() -> list[dict[str, Any]]:
    """Within people: 5 people, one condition; outcome 0 is asked three times, the second time on another scale."""
    asks = (TRUST, TRUST.replace("to 4", "to 5").replace("4 means", "5 means"), TRUST)
    return [
        _row(WITHIN, 3 * person + place, person, 0, 0, f"Item {place}: how often do you trust it? {ask}", 1 + (person + place) % 4)
        for person in range(5)
        for place, ask in enumerate(asks)
    ]


def unseen_study() -> list[dict[str, Any]]:
    """4 people, conditions 0 and 1, two outcomes that each person meets twice; one answer is off the scale."""
    rows = []
    for person in range(4):
        for task in (0, 1):
            for time in ("now", "later"):
                text = (
                    f'You read "{("Oak", "Elm")[person % 2]} trees cool a street." and then were asked: "Question {task} {time}? {TRUST}"'
                )
                rows.append(_row(UNSEEN, len(rows), person, person % 2, task, text, 1 + (person + task) % 4))
    rows[5]["response"] = 7
    return rows


def all_rows() -> list[dict[str, Any]]:
    """All rows, study after study."""
    return [*within_study(), *seen_study(), *unseen_study()]


def write_release(
    folder: Path,
    rows: Sequence[dict[str, Any]] | None = None,
    *,
    shards: int = 3,
    row_group: int = 5,
    mappings: dict[str, Any] | None = None,
) -> Path:
    """Write rows in the upstream layout, in the order given, in shards of equal size.

    `mappings`: participant, condition or task -> what stands in that file, in place of the default.
    """
    table = pa.Table.from_pylist(list(all_rows() if rows is None else rows), schema=UPSTREAM)
    (folder / "data").mkdir(parents=True)
    size = -(-table.num_rows // shards)
    for place in range(shards):
        path = folder / "data" / f"train-{place:05}-of-{shards:05}.parquet"
        pq.write_table(table.slice(place * size, size), path, row_group_size=row_group)
    defaults = {
        "participant": {"seen": [SEEN, WITHIN], "unseen": [UNSEEN]},
        # conditions 1 to 3 of the seen study for training, 4 held out; of the unseen one 0 and 1
        "condition": {
            SEEN: {"train": [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13], "eval": [6, 7, 14, 15]},
            UNSEEN: {"train": [0, 1, 2, 3, 8, 9, 10, 11], "eval": [4, 5, 6, 7, 12, 13, 14, 15]},
        },
        "task": {UNSEEN: {"train": [0, 1, 4, 5, 8, 9, 12, 13], "eval": [2, 3, 6, 7, 10, 11, 14, 15]}},
    }
    (folder / "metadata").mkdir()
    for name, found in {**defaults, **(mappings or {})}.items():
        (folder / "metadata" / f"{name}_mapping.json").write_text(json.dumps(found), encoding="utf-8")
    return folder
