"""Answers and evidence of a screening, made up so that what must come out is known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from socsci210.demographics import FIELDS
from socsci210.results import Results
from socsci210.screening.experiment_file import Experiment
from socsci210.screening.parts import ANSWERS_SCHEMA, BASE, PERSONAS_SCHEMA
from tests.full_results import full

VARIANTS = (BASE, "reversed", "paraphrase_1")
MODEL = "lab/answer-like-people-14b"


def personas(n: int, **fields: Sequence[Any]) -> pa.Table:
    """People with the given fields, and a weight of 1."""
    rows = [dict.fromkeys(FIELDS) | {name: values[i] for name, values in fields.items()} for i in range(n)]
    return pa.Table.from_pylist([row | {"weight": 1.0, "source": "sample"} for row in rows], PERSONAS_SCHEMA)


def answers(
    experiment: Experiment, n: int, shift: Mapping[str, float], *, variants: Sequence[str] = VARIANTS,
    slant: Mapping[str, float] | None = None, extra: Mapping[str, Sequence[float]] | None = None, seed: int = 0,
) -> pa.Table:  # fmt: skip
    """Answers of n people: the place of an arm is moved by `shift` of the span (times `slant` in a variant) and by a person's `extra`."""
    rng = np.random.default_rng(seed)
    own = rng.normal(0, 0.05, n)
    rows = []
    for person in range(n):
        for arm in experiment.arms:
            for outcome in experiment.outcomes:
                values = list(outcome.scale.scale.values)
                for variant in variants:
                    moved = shift.get(arm.id, 0.0) * (slant or {}).get(variant, 1.0)
                    moved += (extra or {}).get(arm.id, [0.0] * n)[person]
                    place = float(np.clip(0.5 + own[person] + moved, 0.05, 0.95))
                    weight = (
                        np.exp(-((np.linspace(0, 1, len(values)) - place) ** 2) / 0.1) if len(values) > 2 else np.array([1 - place, place])
                    )
                    rows.append((person, arm.id, outcome.id, variant, values, (weight / weight.sum()).tolist(), 0.98))
    columns = [list(column) for column in zip(*rows, strict=True)]
    about = {"model": MODEL, "revision": "r1", "engine": "transformers", "seed": 0, "made_up": True}
    table = pa.table([pa.array(column, field.type) for column, field in zip(columns, ANSWERS_SCHEMA, strict=True)], schema=ANSWERS_SCHEMA)
    return table.replace_schema_metadata({b"socsci210": json.dumps(about).encode()})


def results(folder: Path, *, studies: int = 12, slope: float = 0.7, **run: Any) -> Path:
    """A results file in which people's effects are `slope` times the predicted ones and some noise; `run` overrides parts of its run."""
    rng = np.random.default_rng(5)
    found = json.loads(full(studies=studies, examples=4, contrasts=studies * 8).model_dump_json())
    first = found["runs"][0]
    for one in first["effects"]["contrasts"]:
        one["model"] = float(rng.normal(0, 0.08))
        one["human"], one["human_se"] = float(slope * one["model"] + rng.normal(0, 0.03)), 0.02
        one["reliable"] = abs(one["human"]) > 0.04
    found["dataset"]["topics"] = {study: ("health", "media")[i % 2] for i, study in enumerate(found["dataset"]["studies"])}
    found["runs"] = [first | run]
    path = folder / "results.json"
    path.write_text(Results.model_validate_json(json.dumps(found)).model_dump_json(), encoding="utf-8")
    return path
