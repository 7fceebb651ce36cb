"""What a screening run writes: names of its files and columns of its tables, shared by those who fill and those who read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from ..schema import DEMOGRAPHIC

EXPERIMENT: Final = "experiment.yaml"
PERSONAS: Final = "personas.parquet"
ANSWERS: Final = "answers.parquet"
PROFILES: Final = "profiles.parquet"
"""Of a conjoint: what each profile showed."""

BASE: Final = "base"
"""The variant in which the model is asked as it was trained to be; every run has it, and stands first in the metadata under `variants`."""

PERSONAS_SCHEMA: Final = pa.schema(
    [
        *DEMOGRAPHIC,  # the 16 fields, null where not known
        pa.field("weight", pa.float64()),  # mean 1 over the file
        pa.field("source", pa.string()),  # sample | the name of the file | DATASET:STUDY
    ]
)
ANSWERS_SCHEMA: Final = pa.schema(
    [
        ("persona", pa.int32()),  # row of personas.parquet
        ("arm", pa.string()),
        ("outcome", pa.string()),
        ("variant", pa.string()),
        ("support", pa.list_(pa.int64())),  # every value of the scale, ascending
        ("probabilities", pa.list_(pa.float64())),  # of each, given that the answer is on the scale: they sum to 1
        ("answer_mass", pa.float64()),
    ]
)
"""Ordered by persona, arm, outcome and variant, arms and outcomes in the order of the experiment file, every combination once. The
metadata (`predict.read_metadata`) names model, revision, engine, seed, experiment_sha256, personas_sha256, variants, templates (with their
hashes) and versions."""
TASK: Final = "task"
"""One more column behind `variant` where the experiment is a conjoint (int32, from 0): the question. Its profiles are in
profiles.parquet."""


def answers_schema(*, conjoint: bool) -> pa.Schema:
    """Columns of answers.parquet."""
    return ANSWERS_SCHEMA.insert(4, pa.field(TASK, pa.int32())) if conjoint else ANSWERS_SCHEMA


def profiles_schema(attributes: Sequence[str]) -> pa.Schema:
    """Columns of profiles.parquet: one row for each profile, ready for a regression on levels. Levels are named by their ids."""
    key = [("persona", pa.int32()), (TASK, pa.int32()), ("profile", pa.int32())]  # profiles from 1, as people see them numbered
    return pa.schema([*key, *((name, pa.string()) for name in attributes)])
