"""What the audit passes around: the rows of one study as arrays, what a rule finds in them, and what is kept of a study for comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..scales import ParsedScale

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

LONGEST_EXAMPLE = 160  # characters


@dataclass(frozen=True)
class StudyRows:
    """All rows of one study, n of them, in the order of the dataset, and its m distinct stimuli.

    `text` is the place of a row's stimulus in `texts`; `low`, `high` (NaN without stated bounds) and `step` are those of its scale.
    `people` has the columns `participant` and `demographic` (schema.DEMOGRAPHIC), one row per participant.
    """

    study_id: str
    sample_id: Ints
    participant: Ints
    condition: Ints
    task: Ints
    item: Ints
    response: Ints
    text: npt.NDArray[np.int32]
    texts: tuple[str, ...]
    scales: tuple[ParsedScale, ...]
    low: Floats
    high: Floats
    step: Floats
    people: pa.Table

    def __len__(self) -> int:
        return len(self.response)


@dataclass(frozen=True)
class Finding:
    """One thing that a rule found: in a cell, in an outcome, in a study, or (without `study_id`) in the dataset.

    `rows` of `of` rows are touched; for rules about people, both count people. `example` holds at most 160 characters of a stimulus, or
    some values.
    """

    rule: str
    study_id: str
    condition_num: int | None
    task_num: int | None
    rows: int
    of: int
    detail: str
    example: str


@dataclass(frozen=True)
class StudySummary:
    """What is kept of a study, so that studies can be compared without their rows.

    `treatments` counts the distinct treatments, `sketch` holds their smallest hashes: two studies with the same treatments have the same
    sketch. `present` counts, for each demographic field, the people who have a value.
    """

    study_id: str
    rows: int
    people: int
    conditions: int
    outcomes: int
    texts: int
    treatments: int
    sketch: npt.NDArray[np.uint64]
    present: Mapping[str, int]
    gender_and_ethnicity: int
    income_under_20k: int
    repaired: int
    left_out: int
    flagged: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyAudit:
    """What `audit_study` says of n rows: findings, the names of the row rules that touch each row, and the answer of the clean view."""

    findings: tuple[Finding, ...]
    flags: pa.Array
    response_clean: pa.Array
    summary: StudySummary


def around(text: str, start: int, end: int) -> str:
    """At most 160 characters of a text around a spot, cut between words."""
    room = LONGEST_EXAMPLE - 4
    left = max(0, min(start - (room - (end - start)) // 2, len(text) - room))
    right = min(len(text), left + room)
    if left:
        left = text.find(" ", left, start) + 1 or left
    if right < len(text):
        right = max(text.rfind(" ", end, right), min(end, right))
    return f"{'… ' if left else ''}{text[left:right].strip()}{' …' if right < len(text) else ''}"


def values_seen(values: Ints, most: int = 12) -> str:
    """The distinct values with their counts, the most frequent first: `98 (12), 99 (3)`."""
    seen, counts = np.unique(values, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    parts = [f"{seen[i]} ({counts[i]:,})" for i in order[:most]]
    return ", ".join(parts) + (f" and {len(seen) - most} more" if len(seen) > most else "")
