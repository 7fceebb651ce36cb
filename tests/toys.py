"""Toy studies with their deposits, for tests of the build: small enough to work out every row by hand."""

from __future__ import annotations

import copy
import csv
import importlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import socsci210.extract
from socsci210.build import BuildReport, build
from socsci210.build.gates import check_study
from socsci210.build.made import Made
from socsci210.build.rows import make_rows
from socsci210.build.tables import make_tables
from socsci210.checksums import file_sha256
from socsci210.dataset_folder import DatasetFolder
from socsci210.extract import extract
from socsci210.registry import Registry

SCALE: dict[str, Any] = {
    "kind": "ordinal",
    "min": 1,
    "max": 5,
    "direction": "up",
    "labels": {1: {"text": "Not at all"}, 5: {"text": "Fully"}},
}
BASE: dict[str, Any] = {
    "format": 1,
    "id": "toy",
    "own_deposit": True,
    "design": "between",
    "provenance": {
        "title": "A toy",
        "authors": ["A. Author"],
        "citation": "Author (2020)",
        "source_url": "https://example.org/toy",
        "licence": "CC0",
        "field_start": 2020,
        "field_end": "unknown",
        "population": "adults",
        "panel": "none",
        "topic": "tests",
        "rights": {"redistribute": "anyone", "why": "made up"},
        "same_as": [],
        "family": "toy",
    },
    "files": {"data": {"file": "data.csv", "sha256": "0" * 64}},
    "data": {"file": "data", "participant": "id"},
    "demographics": {"fields": {}},
    "conditions": [
        {"id": "control", "label": "No text", "where": "arm = 0", "control": True},
        {"id": "treated", "label": "A text", "where": "arm = 1", "text": [{"text": "Trees cool streets."}]},
    ],
    "outcomes": [{"id": "support", "label": "Support", "column": "q1", "question": [{"text": "Do you support trees?"}], "scale": SCALE}],
    "stated": [{"what": "n", "value": 4, "printed_in": "Table 1"}],
}
ROWS = [  # id, arm, q1
    {"id": "p1", "arm": 0, "q1": 3},
    {"id": "p2", "arm": 1, "q1": 5},
    {"id": "p3", "arm": 1, "q1": 1},
    {"id": "p4", "arm": 0, "q1": 4},
]


@dataclass(frozen=True)
class Toy:
    """A study file and its deposit on disk."""

    folder: Path
    id: str

    @property
    def registry(self) -> Registry:
        return Registry([self.folder / "studies"])

    @property
    def deposits(self) -> Path:
        return self.folder / "deposits"

    @property
    def data(self) -> Path:
        return self.deposits / self.id / "data.csv"

    def build(self, out: Path, **options: Any) -> BuildReport:
        """Build this one study, which must pass."""
        report = build([self.id], deposits=self.deposits, out=out, registry=self.registry, **options)
        assert report.failed == {}
        return report

    def made(self) -> Made:
        """Everything of the study, before the gates."""
        entry = self.registry.get(self.id)
        study = entry.load()
        found = extract(study, self.deposits / self.id)
        rows = make_rows(study, found)
        return Made(study, found, rows, make_tables(study, "0" * 64, found, rows))

    def check(self) -> None:
        """Read the study and put it through all gates."""
        check_study(self.made())


def toy(folder: Path, changes: Mapping[str, Any] | None = None, rows: Sequence[Mapping[str, Any]] = ROWS, *, study_id: str = "toy") -> Toy:
    """Write a toy study: `changes` are keys with dots, such as {"outcomes.0.column": "q2"}; `rows` are the rows of its csv file."""
    study = copy.deepcopy(BASE)
    study["id"] = study_id
    study["stated"][0]["value"] = len(rows)
    for path, value in (changes or {}).items():
        *above, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
        place: Any = study
        for part in above:
            place = place[part]
        place[last] = copy.deepcopy(value)
    deposit = folder / "deposits" / study_id
    deposit.mkdir(parents=True, exist_ok=True)
    with (deposit / "data.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["id", "arm", "q1"])
        writer.writeheader()
        writer.writerows(rows)
    study["files"]["data"]["sha256"] = file_sha256(deposit / "data.csv")
    home = folder / "studies" / study_id
    home.mkdir(parents=True, exist_ok=True)
    (home / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return Toy(folder, study_id)


def many(n: int, **columns: Sequence[Any]) -> list[dict[str, Any]]:
    """n rows with ids, alternating arms and answers 1 to 5; further columns repeat their values."""
    return [
        {"id": f"p{i}", "arm": i % 2, "q1": 1 + i // 2 % 5} | {name: values[i % len(values)] for name, values in columns.items()}
        for i in range(n)
    ]


def rows_of(out: Path, *columns: str) -> list[tuple[Any, ...]]:
    """Rows of a dataset in the order of sample_id, as tuples."""
    table = DatasetFolder(out).rows()
    key = zip(table.column("study_id").to_pylist(), table.column("sample_id").to_pylist(), strict=True)
    order = [place for _, place in sorted((key, place) for place, key in enumerate(key))]
    return list(zip(*(table.column(name).take(order).to_pylist() for name in columns), strict=True))


def records(out: Path, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """A small table as tuples."""
    found = DatasetFolder(out).table(table)
    return list(zip(*(found.column(name).to_pylist() for name in columns), strict=True))


def run_here(task: str, payload: dict[str, Any], *, out: Path, **limits: Any) -> dict[str, Any]:
    """The child's work in this process, for tests that try many study files."""
    module, function = task.split(":")
    home = Path.cwd()
    os.chdir(out)
    try:
        answer: dict[str, Any] = getattr(importlib.import_module(module), function)(json.loads(json.dumps(payload)))
        return json.loads(json.dumps(answer))  # type: ignore[no-any-return]
    finally:
        os.chdir(home)


def read_here(monkeypatch: Any) -> None:
    """Make `extract` read deposits in this process."""
    monkeypatch.setattr(socsci210.extract, "run_child", run_here)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
