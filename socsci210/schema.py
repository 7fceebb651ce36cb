"""What a dataset holds: the Arrow schema of every table, and the strict models of study metadata that fill them.

The row table carries the ten upstream columns of SocSci210 under their upstream names and types (less `prompt` and `reasoning`, which are
rendered on request) and six more. Its key is (study_id, sample_id): every id restarts per study.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, Literal, TypeVar

import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from .demographics import INTEGER_FIELDS, VOCABULARY

MAX_ENUMERATED: Final = 101  # longest scale whose answers are enumerated exactly (statistics: answer mass)

StudyId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]{1,39}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]{0,59}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
"""What may stand in braces: begins with a letter."""
LARGEST: Final = 2**53  # whole numbers up to here are exact in every type they pass through
Whole = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


def as_tuple(value: object) -> object:
    """YAML has lists, a frozen model holds tuples."""
    return tuple(value) if isinstance(value, list) else value


def iso_day(value: object) -> object:
    """YAML reads 2012-08-01 as a date and 2012 as a number."""
    return value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, int) else value


T = TypeVar("T")
Many = Annotated[tuple[T, ...], BeforeValidator(as_tuple)]
Day = Annotated[str, BeforeValidator(iso_day), StringConstraints(pattern=r"^(\d{4}(-\d{2}(-\d{2})?)?|unknown)$")]


class Strict(BaseModel):
    """A model that rejects unknown keys, converts nothing silently and cannot be changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Rights(Strict):
    """Who may redistribute the rows of a study, and why one may believe so."""

    redistribute: Literal["anyone", "nobody", "unknown"]
    why: Text
    minors: Text | None = None
    """Why rows of people under 18 may be published too (who agreed for them). Without it, a push to the Hub leaves them out."""


class DepositFile(Strict):
    """One file of a deposit. `sha256: generated` is for simulated deposits only, whose generator writes the hashes beside the files."""

    file: Text
    sha256: Sha256 | Literal["generated"]


class Provenance(Strict):
    """Where a study comes from. Every key is required; the word `unknown` is a value, absence is an error."""

    title: Text
    authors: Many[Text]
    citation: Text
    source_url: Text
    licence: Text
    field_start: Day
    """A year, a month or a day (ISO 8601), or the word `unknown`."""
    field_end: Day
    population: Text
    panel: Text
    topic: Text
    rights: Rights
    same_as: Many[Text]
    family: Identifier
    """Studies of one deposit or one omnibus share a family; splits never tear a family apart."""


class Scale(Strict):
    """The values a response may take: `min`, `min + step`, ..., `max`, with the label of some or all of them.

    `min` and `max` are None for an unbounded numeric question. `direction` says whether a higher value means more of what the outcome is
    named after.
    """

    min: int | None
    max: int | None
    step: int = 1
    labels: dict[int, str] = Field(default_factory=dict)
    kind: Literal["binary", "ordinal", "numeric"]
    unit: str | None = None
    direction: Literal["up", "down", "unknown"]

    @model_validator(mode="after")
    def _check(self) -> Scale:
        if (self.min is None) != (self.max is None):
            raise ValueError("min and max are given together or not at all")
        if self.min is None or self.max is None:
            if self.kind != "numeric":
                raise ValueError(f"only a numeric scale may be unbounded, this one is {self.kind}")
            return self
        if self.step < 1 or self.max <= self.min or (self.max - self.min) % self.step:
            raise ValueError(f"min {self.min}, max {self.max}, step {self.step} do not make a scale")
        off = [value for value in self.labels if value not in self.values]
        if off:
            raise ValueError(f"labels of values that are not on the scale {self.min}..{self.max}: {off}")
        if self.kind == "binary" and len(self.values) != 2:
            raise ValueError(f"a binary scale has two values, {self.min}..{self.max} has {len(self.values)}")
        return self

    @property
    def values(self) -> range:
        """All allowed values in ascending order; an empty range for an unbounded scale."""
        if self.min is None or self.max is None:
            return range(0)
        return range(self.min, self.max + 1, self.step)


# --- Arrow schemas -------------------------------------------------------------------------------------------------------------------

DEMOGRAPHIC: Final = pa.struct([(name, pa.int64() if name in INTEGER_FIELDS else pa.string()) for name in VOCABULARY])
OPTION: Final = pa.struct([("value", pa.int64()), ("label", pa.string())])
COUNT: Final = pa.struct([("reason", pa.string()), ("n", pa.int64())])
MISSING: Final = pa.struct([("task_num", pa.int64()), ("reason", pa.string()), ("n", pa.int64())])

ROWS: Final = pa.schema(
    [
        ("sample_id", pa.int64()),  # per study, from 0, participant-major
        ("participant", pa.int64()),  # per study, from 0, in the order of the deposit; never the panel's own id
        ("demographic", DEMOGRAPHIC),
        ("stimuli", pa.string()),
        ("response", pa.int64()),
        ("condition_num", pa.int64()),
        ("task_num", pa.int64()),
        ("study_id", pa.string()),
        ("item_num", pa.int64()),  # which of several stimuli under one outcome, from 0
        ("scale_min", pa.int64()),  # null for an unbounded scale
        ("scale_max", pa.int64()),
        ("weight", pa.float64()),  # null where the study has none
        ("flags", pa.list_(pa.string())),  # names of the repairs and caveats that touch this row
        ("response_clean", pa.int64()),  # the answer in the clean view: repaired where that is certain, null where the row is left out
    ]
)
STUDIES: Final = pa.schema(
    [
        ("study_id", pa.string()),
        ("title", pa.string()),
        ("authors", pa.list_(pa.string())),
        ("citation", pa.string()),
        ("source_url", pa.string()),
        ("licence", pa.string()),
        ("field_start", pa.string()),
        ("field_end", pa.string()),
        ("population", pa.string()),
        ("panel", pa.string()),
        ("topic", pa.string()),
        ("redistribute", pa.string()),
        ("redistribute_why", pa.string()),
        ("same_as", pa.list_(pa.string())),
        ("family", pa.string()),
        ("simulated", pa.bool_()),
        ("text_status", pa.string()),  # full | truncated
        ("design", pa.string()),  # between | within | conjoint
        ("n_participants", pa.int64()),
        ("n_conditions", pa.int64()),
        ("n_outcomes", pa.int64()),
        ("n_rows", pa.int64()),
        ("dropped", pa.list_(COUNT)),  # people left out by the study file's filter, by reason
        ("files", pa.list_(pa.struct([("file", pa.string()), ("bytes", pa.int64()), ("sha256", pa.string())]))),
        ("study_file_sha256", pa.string()),
    ]
)
CONDITIONS: Final = pa.schema(
    [
        ("study_id", pa.string()),
        ("condition_num", pa.int64()),  # dense from 0, in the order of the study file
        ("condition_id", pa.string()),
        ("label", pa.string()),
        ("control", pa.bool_()),
        ("factors", pa.list_(pa.struct([("factor", pa.string()), ("level", pa.string())]))),
        ("n_participants", pa.int64()),  # people assigned, answered or not
        ("n_responses", pa.int64()),
        ("n_missing", pa.int64()),  # questions asked and not answered
        ("missing", pa.list_(MISSING)),
        ("text", pa.string()),  # the condition's own text, fills unfilled; null where the wording is in the question
    ]
)
OUTCOMES: Final = pa.schema(
    [
        ("study_id", pa.string()),
        ("task_num", pa.int64()),  # dense from 0, in the order of the study file
        ("outcome_id", pa.string()),
        ("condition_num", pa.int64()),  # one row per condition that was asked: wording and scale may differ by condition
        ("item_num", pa.int64()),
        ("item_id", pa.string()),
        ("question", pa.string()),  # fills unfilled
        ("kind", pa.string()),
        ("scale_min", pa.int64()),
        ("scale_max", pa.int64()),
        ("scale_step", pa.int64()),
        ("options", pa.list_(OPTION)),  # every labelled value, ascending
        ("direction", pa.string()),
        ("unit", pa.string()),
        ("scale_source", pa.string()),  # study_file | stated (in the stimulus) | none
        ("scale_reason", pa.string()),  # why a stimulus states no scale (scales.REASONS); null where it states one
        ("n_responses", pa.int64()),
    ]
)
PARTICIPANTS: Final = pa.schema(
    [
        ("study_id", pa.string()),
        ("participant", pa.int64()),
        ("demographic", DEMOGRAPHIC),
        ("condition_nums", pa.list_(pa.int64())),  # ascending
        ("weight", pa.float64()),
        ("n_responses", pa.int64()),
    ]
)
CELLS: Final = pa.schema(
    [
        ("study_id", pa.string()),
        ("condition_num", pa.int64()),
        ("task_num", pa.int64()),
        ("scale_min", pa.int64()),  # items of one cell with other scales have rows of their own
        ("scale_max", pa.int64()),
        ("n", pa.int64()),
        ("support", pa.list_(pa.int64())),  # every value of the scale, or every value seen where it has more than 101 or no bounds
        ("counts", pa.list_(pa.int64())),
        ("mean", pa.float64()),
        ("noise_floor", pa.float64()),  # E[W1] of the true distribution against n people, on [0, 1]; null without a bounded scale
    ]
)
ATTRIBUTES: Final = pa.schema(  # conjoints: what each profile showed
    [
        ("study_id", pa.string()),
        ("participant", pa.int64()),
        ("task_num", pa.int64()),
        ("item_num", pa.int64()),
        ("profile", pa.string()),
        ("attribute", pa.string()),
        ("level", pa.string()),
        ("position", pa.int64()),  # place in the list that the participant saw, from 0; null where it was not recorded
    ]
)
ASSIGNMENTS: Final = pa.schema(  # the published split table
    [
        ("config", pa.string()),
        ("study_id", pa.string()),
        ("unit", pa.int64()),  # condition_num, task_num or participant; null for whole studies
        ("split", pa.string()),  # train | validation | test | none | mixed (published on several sides, row by row)
        ("group", pa.string()),  # units with one group move together
        ("train_fraction", pa.int64()),  # unseen_participants, train: the smallest of 1, 5, 10, 25, 50, 100 % that holds the person
        ("source", pa.string()),  # official | rule | text (never held out: it has no text of its own)
    ]
)
TABLES: Final[dict[str, pa.Schema]] = {
    "studies": STUDIES,
    "conditions": CONDITIONS,
    "outcomes": OUTCOMES,
    "participants": PARTICIPANTS,
    "cells": CELLS,
    "attributes": ATTRIBUTES,
    "assignments": ASSIGNMENTS,
}
SPLIT_CONFIGS: Final = ("unseen_studies", "unseen_conditions", "unseen_outcomes", "unseen_participants")
SPLITS: Final = ("train", "validation", "test")
