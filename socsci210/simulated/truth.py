"""What is true of a simulated world: the rows a correct build must give, and the probability of every answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from .catalogue import DESIGNS
from .personas import Floats
from .world import World, probabilities, question_type

EXPECTED: Final = pa.schema(
    [
        ("study_id", pa.string()),
        ("participant", pa.int64()),
        ("condition_num", pa.int64()),
        ("task_num", pa.int64()),
        ("item_num", pa.int64()),
        ("response", pa.int64()),
    ]
)
CELL_TRUTH: Final = pa.schema(
    [
        ("study_id", pa.string()),
        ("condition_num", pa.int64()),
        ("task_num", pa.int64()),
        ("item_num", pa.int64()),
        ("n", pa.int64()),
        ("support", pa.list_(pa.int64())),
        ("probabilities", pa.list_(pa.float64())),
    ]
)
PERSON_TRUTH: Final = pa.schema([*list(EXPECTED)[:-1], CELL_TRUTH.field("support"), CELL_TRUTH.field("probabilities")])


def expected_rows(world: World, studies: Sequence[str] | None = None) -> pa.Table:
    """What a correct build must give: one row per answer (schema `EXPECTED`), by study in the order asked for, then participant,
    task, item and condition."""
    tables = []
    for study in studies or list(DESIGNS):
        sample = world.sample(study)
        participant = np.cumsum(sample.kept) - 1
        parts = []
        for asked in sample.asked:
            there = np.flatnonzero(sample.kept & (asked.missing == 0))
            fixed = [np.full(len(there), value) for value in (asked.task, asked.item)]
            parts.append(np.column_stack([participant[there], asked.arm[there], *fixed, asked.response[there]]))
        rows = np.concatenate(parts)
        rows = rows[np.lexsort((rows[:, 1], rows[:, 3], rows[:, 2], rows[:, 0]))]
        tables.append(pa.table([pa.repeat(study, len(rows)), *rows.T], schema=EXPECTED))
    return pa.concat_tables(tables)


def truth(world: World, studies: Sequence[str] | None = None) -> pa.Table:
    """The true answer distribution of every (condition, task, item), averaged over the people who answered (schema `CELL_TRUTH`)."""
    rows = []
    for study in studies or list(DESIGNS):
        sample = world.sample(study)
        for asked in sample.asked:
            kind = question_type(sample.design.questions[asked.task])
            answered = sample.kept & (asked.missing == 0)
            for arm in np.unique(asked.arm[answered]):
                eta = asked.eta[answered & (asked.arm == arm)]
                rows.append(
                    {
                        "study_id": study,
                        "condition_num": int(arm),
                        "task_num": asked.task,
                        "item_num": asked.item,
                        "n": len(eta),
                        "support": list(range(kind.low, kind.high + 1)),
                        "probabilities": probabilities(eta, kind).mean(axis=0).tolist(),
                    }
                )
    rows.sort(key=lambda row: (row["study_id"], row["condition_num"], row["task_num"], row["item_num"]))
    return pa.Table.from_pylist(rows, schema=CELL_TRUTH)


def truth_rows(world: World, study: str) -> pa.Table:
    """The true answer distribution of every single person who answered (schema `PERSON_TRUTH`), in the order of `expected_rows`."""
    sample = world.sample(study)
    participant = np.cumsum(sample.kept) - 1
    keys, support, chances = [], list[range](), list[Floats]()
    for asked in sample.asked:
        kind = question_type(sample.design.questions[asked.task])
        there = np.flatnonzero(sample.kept & (asked.missing == 0))
        fixed = [np.full(len(there), value) for value in (asked.task, asked.item)]
        keys.append(np.column_stack([participant[there], asked.arm[there], *fixed]))
        chances.extend(probabilities(asked.eta[there], kind))
        support.extend([range(kind.low, kind.high + 1)] * len(there))
    key = np.concatenate(keys)
    order = np.lexsort((key[:, 1], key[:, 3], key[:, 2], key[:, 0]))
    columns = [pa.repeat(study, len(key)), *key[order].T, [support[i] for i in order], [chances[i] for i in order]]
    return pa.table([pa.array(c, type=f.type) for c, f in zip(columns, PERSON_TRUTH, strict=True)], schema=PERSON_TRUTH)
