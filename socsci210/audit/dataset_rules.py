"""Rules that compare studies: twins, whole studies without low incomes, gender and ethnicity that never meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

import numpy as np

from .records import Finding, StudySummary

SKETCH: Final = 256  # hashes kept of a study's treatments
ALIKE: Final = 0.5  # share of common treatments above which two studies are taken for one
ENOUGH_ROWS: Final = 100  # smaller studies have equal counts by chance
ENOUGH_INCOMES: Final = 100  # about one American household in eight is under 20,000 dollars: 0.88 to the power of 100 is under 1 in 300,000


def audit_dataset(summaries: Sequence[StudySummary]) -> tuple[Finding, ...]:
    """What only shows when studies are compared."""
    return (*_twins(summaries), *_income(summaries), *_gender_or_ethnicity(summaries))


def _twins(summaries: Sequence[StudySummary]) -> Iterator[Finding]:
    for one, other in combinations(sorted(summaries, key=lambda study: study.study_id), 2):
        same_counts = one.rows >= ENOUGH_ROWS and _counts(one) == _counts(other)
        share = _common(one, other)
        if same_counts or share > ALIKE:
            counts = f"both have {one.rows:,} rows, {one.people:,} people, {one.conditions} conditions and {one.outcomes} outcomes"
            texts = f"they share about {share:.0%} of their treatments"
            detail = "; ".join(part for part, holds in ((counts, same_counts), (texts, share > ALIKE)) if holds)
            rows = one.rows + other.rows
            yield Finding("twin_studies", "", None, None, rows, rows, f"{one.study_id} and {other.study_id}: {detail}", "")


def _counts(study: StudySummary) -> tuple[int, ...]:
    return study.rows, study.people, study.conditions, study.outcomes


def _common(one: StudySummary, other: StudySummary) -> float:
    """The share of treatments in common (Jaccard), from the smallest hashes of both."""
    union = np.union1d(one.sketch, other.sketch)[:SKETCH]
    if not len(union) or one.sketch[0] > other.sketch[-1] or other.sketch[0] > one.sketch[-1]:
        return 0.0
    both = np.intersect1d(np.intersect1d(one.sketch, other.sketch, assume_unique=True), union, assume_unique=True)
    return len(both) / len(union)


def _income(summaries: Sequence[StudySummary]) -> Iterator[Finding]:
    known = [study for study in summaries if study.present["income"] >= ENOUGH_INCOMES]
    without = [study for study in known if not study.income_under_20k]
    if without:
        people = sum(study.present["income"] for study in without)
        of = sum(study.present["income"] for study in known)
        detail = f"{len(without)} of {len(known)} studies with at least {ENOUGH_INCOMES} incomes have none under 20K"
        yield Finding("income_floor", "", None, None, people, of, detail, ", ".join(study.study_id for study in without)[:160])


def _gender_or_ethnicity(summaries: Sequence[StudySummary]) -> Iterator[Finding]:
    gender = sum(study.present["gender"] for study in summaries)
    ethnicity = sum(study.present["ethnicity"] for study in summaries)
    if gender and ethnicity and not any(study.gender_and_ethnicity for study in summaries):
        of = sum(study.people for study in summaries)
        detail = f"{gender:,} people have a gender, {ethnicity:,} an ethnicity, nobody both"
        yield Finding("gender_or_ethnicity", "", None, None, gender + ethnicity, of, detail, "")
