"""What an audit found, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ..replacing import write_text
from .page import ACTIONS, page, share
from .records import Finding, StudySummary
from .rules import RULES, Rule

COLUMNS: Final[dict[str, str]] = {
    "rule": "rule",
    "title": "what",
    "studies": "studies",
    "places": "cells or outcomes",
    "rows": "rows or people",
    "share": "share",
    "clean": "in the clean view",
}
"""Keys and headings of `AuditReport.table`."""


@dataclass(frozen=True)
class RuleCount:
    """What one rule found in all: `rows` counts people for rules about people, and is out of `of`."""

    rule: Rule
    studies: int
    findings: int
    rows: int
    of: int


@dataclass(frozen=True)
class AuditReport:
    """The findings of one audit.

    Args:
        dataset: the folder.
        fingerprint: of the dataset.
        summaries: what is known of each study, by id.
        findings: by study, those of the dataset last.
    """

    dataset: Path
    fingerprint: str
    summaries: tuple[StudySummary, ...]
    findings: tuple[Finding, ...]

    @cached_property
    def rows(self) -> int:
        """Rows looked at."""
        return sum(study.rows for study in self.summaries)

    @cached_property
    def people(self) -> int:
        """People: (study, participant)."""
        return sum(study.people for study in self.summaries)

    @cached_property
    def repaired(self) -> int:
        """Rows whose answer the clean view corrects."""
        return sum(study.repaired for study in self.summaries)

    @cached_property
    def left_out(self) -> int:
        """Rows that the clean view leaves out."""
        return sum(study.left_out for study in self.summaries)

    def by_rule(self) -> dict[str, RuleCount]:
        """Counts of every rule, in the order of the registry; rules that found nothing have zeros."""
        found: dict[str, list[Finding]] = {name: [] for name in RULES}
        for finding in self.findings:
            found[finding.rule].append(finding)
        return {name: self._count(RULES[name], some) for name, some in found.items()}

    def _count(self, rule: Rule, found: list[Finding]) -> RuleCount:
        of = self.people if rule.counts == "people" else self.rows
        return RuleCount(rule, len({one.study_id for one in found if one.study_id}), len(found), sum(one.rows for one in found), of)

    def table(self) -> list[dict[str, Any]]:
        """One line for each rule that found something, with the keys of `COLUMNS`."""
        return [
            {
                "rule": name,
                "title": count.rule.title,
                "studies": count.studies or None,
                "places": count.findings if count.rule.level == "cell" else None,
                "rows": count.rows,
                "share": share(count),
                "clean": ACTIONS[count.rule.action],
            }
            for name, count in self.by_rule().items()
            if count.findings
        ]

    def to_json(self) -> dict[str, Any]:
        """Everything, in types of JSON."""
        return {
            "dataset": str(self.dataset),
            "fingerprint": self.fingerprint,
            "studies": len(self.summaries),
            "rows": self.rows,
            "people": self.people,
            "clean": {"corrected": self.repaired, "left_out": self.left_out, "kept": self.rows - self.left_out},
            "rules": {
                name: {**_rule(count.rule), "studies": count.studies, "findings": count.findings, "rows": count.rows, "of": count.of}
                for name, count in self.by_rule().items()
            },
            "per_study": {study.study_id: _study(study) for study in self.summaries},
            "findings": [asdict(finding) for finding in self.findings],
        }

    def write_json(self, path: Path) -> Path:
        """Write `to_json`, whole or not at all, and return the path."""
        return write_text(path, json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n")

    def write_page(self, path: Path) -> Path:
        """Write the page (one file that loads nothing), whole or not at all, and return its path."""
        return write_text(path, page(self))


def _rule(rule: Rule) -> Mapping[str, Any]:
    return {key: value for key, value in asdict(rule).items() if key != "name"}


def _study(study: StudySummary) -> dict[str, Any]:
    kept = ("rows", "people", "conditions", "outcomes", "texts", "repaired", "left_out")
    return {**{name: getattr(study, name) for name in kept}, "flagged": dict(study.flagged)}
