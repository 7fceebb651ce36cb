"""The page of an audit: counts, examples, every study, and what is known of the released studies. One file that loads nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from .. import catalogue
from ..errors import DatasetError
from .records import Finding, StudySummary
from .rules import RULES

if TYPE_CHECKING:
    from .report import AuditReport, RuleCount

MOST: Final = 25  # findings that the page shows of one rule
LEVELS: Final = {
    "row": ("Rows", "Found in single rows. The last column says what load(clean=True) does with them."),
    "cell": ("Cells and outcomes", "Found in all answers to one outcome, in one condition or across conditions. Nothing is changed."),
    "study": ("Studies", "Found in whole studies. Nothing is changed."),
    "dataset": ("Dataset", "Found by comparing studies. Nothing is changed."),
}
ACTIONS: Final = {"rebase": "corrected", "missing": "left out", "exclude": "left out", "item_num": "told apart", "note": "kept"}


def page(report: AuditReport) -> str:
    """The page as HTML. Everything that comes from data is escaped."""
    counts = report.by_rule()
    shown: dict[str, list[Finding]] = defaultdict(list)
    for finding in sorted(report.findings, key=lambda one: -one.rows):
        shown[finding.rule].append(finding)
    return (
        _environment()
        .get_template("audit.html.jinja")
        .render(
            report=report,
            levels=[(name, *words, [counts[rule.name] for rule in RULES.values() if rule.level == name]) for name, words in LEVELS.items()],
            found=[count for count in counts.values() if count.findings],
            clear=[count.rule for count in counts.values() if not count.findings],
            examples=shown,
            most=MOST,
            actions=ACTIONS,
            studies=_studies(report),
            share=share,
        )
    )


@dataclass(frozen=True)
class _StudyLine:
    study_id: str
    entry: catalogue.CatalogueEntry | None
    summary: StudySummary
    rules: list[str]

    @property
    def harm(self) -> list[str]:
        """The rules that make the clean view differ from the rows."""
        return [name for name in self.rules if RULES[name].action in ("rebase", "missing", "exclude")]


def _studies(report: AuditReport) -> list[_StudyLine]:
    """Every study with the rules that found something in it; those with most rows left out or corrected come first."""
    rules: dict[str, set[str]] = defaultdict(set)
    for finding in report.findings:
        rules[finding.study_id].add(finding.rule)
    lines = [
        _StudyLine(study.study_id, _entry(study.study_id), study, [name for name in RULES if name in rules[study.study_id]])
        for study in report.summaries
    ]
    return sorted(lines, key=lambda line: (-(line.summary.left_out + line.summary.repaired) / max(line.summary.rows, 1), line.study_id))


def _entry(study: str) -> catalogue.CatalogueEntry | None:
    """What is known of a study of the release; None for any other study."""
    try:
        return catalogue.get(study)
    except DatasetError:
        return None


def share(count: RuleCount | Finding) -> str:
    """`0.4 %`, or `< 0.1 %` for what is there but rounds to nothing."""
    percent = 100 * count.rows / count.of if count.of else 0.0
    if 0 < percent < 0.1:
        return "< 0.1 %"
    return f"{percent:.1f} %" if percent < 99.95 else "100 %"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("socsci210"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["count"] = "{:,}".format
    return environment
