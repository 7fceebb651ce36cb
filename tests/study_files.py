"""A small valid study file to change, for tests of the format, the registry and the crosswalks."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from socsci210.registry import load_study_file
from socsci210.study_file import StudyFile

ZEROS = "0" * 64
SMALL: dict[str, Any] = {
    "format": 1,
    "id": "small",
    "design": "between",
    "provenance": {
        "title": "A small study",
        "authors": ["A. Author"],
        "citation": "Author (2020)",
        "source_url": "https://example.org",
        "licence": "unknown",
        "field_start": 2020,
        "field_end": "unknown",
        "population": "adults",
        "panel": "none",
        "topic": "tests",
        "rights": {"redistribute": "unknown", "why": "nothing is stated"},
        "same_as": [],
        "family": "small",
    },
    "files": {"data": {"file": "data.csv", "sha256": ZEROS}, "paper": {"file": "paper.docx", "sha256": ZEROS}},
    "data": {"file": "data", "participant": "id"},
    "demographics": {"fields": {}},
    "conditions": [
        {"id": "control", "label": "Control", "where": "arm = 0", "control": True},
        {"id": "treated", "label": "Treated", "where": "arm = 1", "text": [{"doc": "paper", "blocks": [3]}]},
    ],
    "outcomes": [
        {
            "id": "support",
            "label": "Support",
            "column": "q1",
            "question": [{"label": "q1"}],
            "scale": {"kind": "ordinal", "min": 1, "max": 5, "direction": "up"},
        }
    ],
    "stated": [{"what": "n", "value": 10, "printed_in": "Table 1"}],
}


def small(**changes: Any) -> dict[str, Any]:
    """A copy of the small study; `changes` are keys with dots written as two underscores: `outcomes__0__scale__kind="binary"`."""
    study = copy.deepcopy(SMALL)
    for path, value in changes.items():
        *above, last = [int(part) if part.isdecimal() else part for part in path.split("__")]
        place: Any = study
        for part in above:
            place = place[part]
        place[last] = value
    return study


def write(folder: Path, study: dict[str, Any] | str) -> Path:
    """Write a study file; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "study.yaml"
    path.write_text(study if isinstance(study, str) else yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


def load(folder: Path, **changes: Any) -> StudyFile:
    """Write the changed small study and load it."""
    return load_study_file(write(folder, small(**changes)))
