"""The audit: named rules for the known defects of the release, run on any dataset folder.

Rules run study by study on arrays, so that an import can use them too (`study.audit_study`); `audit` runs them over a folder.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from ..dataset_folder import DatasetFolder
from ..workshop import Step, progress_steps
from .read import PERSONA_DIFFERS, StudyReader
from .records import Finding, StudySummary
from .report import AuditReport
from .rules import RULES, Rule
from .study import audit_dataset, audit_study

__all__ = ["RULES", "AuditReport", "Finding", "Rule", "audit"]


def audit(dataset: Path, *, jobs: int = 1, progress: Step | None = None) -> AuditReport:
    """Run all rules over a dataset folder, one study in memory at a time (with `jobs`, so many).

    Args:
        dataset: the folder.
        jobs: studies at the same time.
        progress: called after every study; default: a progress bar on a terminal.

    Raises:
        DatasetError: no dataset, or one that does not read.
    """
    folder = DatasetFolder(dataset)
    reader = StudyReader(folder)

    def one(study: str) -> tuple[tuple[Finding, ...], StudySummary]:
        rows, differs = reader.read(study)
        found = audit_study(rows)
        step(study)
        if not differs:
            return found.findings, found.summary
        finding = Finding(PERSONA_DIFFERS, study, None, None, differs, len(rows), "noted when the rows were imported", "")
        return (*found.findings, finding), replace(found.summary, flagged={**found.summary.flagged, PERSONA_DIFFERS: differs})

    # Reading, regular expressions and numpy let other threads run, so threads are enough.
    with progress_steps(progress, len(reader.studies), "audit") as step, ThreadPoolExecutor(jobs) as pool:
        done = list(pool.map(one, reader.studies))
    summaries = tuple(summary for _, summary in done)
    findings = tuple(finding for found, _ in done for finding in found)
    return AuditReport(folder.path, folder.fingerprint, summaries, (*findings, *audit_dataset(summaries)))
