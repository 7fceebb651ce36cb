"""Rules that compare studies: twins, whole studies without low incomes, gender and ethnicity that never meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from .records import Finding, StudySummary

SKETCH: Final = 256  # hashes kept of a study's treatments
ALIKE: Final = 0.5  # share of common treatments from which two studies are taken for one
ENOUGH_ROWS: Final = 100  # smaller studies have equal counts by chance
ENOUGH_INCOMES: Final = 100  # about one American household in eight is under 20,000 dollars: 0.88 to the power of 100 is under 1 in 300,000


def audit_dataset(summaries: Sequence[StudySummary]) -> tuple[Finding, ...]:
    """What only shows when studies are compared."""
    return (*_twins(summaries), *_income(summaries), *_gender_or_ethnicity(summaries))


def _twins(summaries: Sequence[StudySummary]) -> Iterator[Finding]:
    studies = sorted(summaries, key=lambda study: study.study_id)
    shared = _shared(studies)
    for i, j in combinations(range(len(studies)), 2):
        one, other = studies[i], studies[j]
        same_counts = one.rows >= ENOUGH_ROWS and _counts(one) == _counts(other)
        share = _common(one, other) if shared[i, j] > 1 else 0.0
        if same_counts or share >= ALIKE:
            counts = f"both have {one.rows:,} rows, {one.people:,} people, {one.conditions} conditions and {one.outcomes} outcomes"
            texts = f"{share:.0%} of the treatments of one are those of the other"
            detail = "; ".join(part for part, holds in ((counts, same_counts), (texts, share >= ALIKE)) if holds)
            rows = one.rows + other.rows
            yield Finding("twin_studies", "", None, None, rows, rows, f"{one.study_id} and {other.study_id}: {detail}", "")


def _counts(study: StudySummary) -> tuple[int, ...]:
    return study.rows, study.people, study.conditions, study.outcomes


def _shared(studies: Sequence[StudySummary]) -> npt.NDArray[np.float32]:
    """How many hashes the sketches of each two studies share, (studies, studies): nearly all share none, and need no closer look."""
    owner = np.repeat(np.arange(len(studies)), [len(study.sketch) for study in studies])
    hashes, code = np.unique(np.concatenate([np.empty(0, np.uint64), *(study.sketch for study in studies)]), return_inverse=True)
    has = np.zeros((len(hashes), len(studies)), np.float32)
    has[code, owner] = 1
    return has.T @ has


def _common(one: StudySummary, other: StudySummary) -> float:
    """The share of the treatments of the study with fewer that the other has too; exact up to `SKETCH` treatments, else an estimate.

    A single common treatment says nothing: it may be an opening that many studies use.
    """
    union = np.union1d(one.sketch, other.sketch)[:SKETCH]
    both = np.intersect1d(np.intersect1d(one.sketch, other.sketch, assume_unique=True), union, assume_unique=True)
    if len(both) < 2:
        return 0.0
    jaccard = len(both) / len(union)
    common = (one.treatments + other.treatments) * jaccard / (1 + jaccard)
    return min(common / min(one.treatments, other.treatments), 1.0)


def _income(summaries: Sequence[StudySummary]) -> Iterator[Finding]:
    known = [study for study in summaries if study.present["income"]]
    without = [study for study in known if not study.income_under_20k]
    certain = [study for study in without if study.present["income"] >= ENOUGH_INCOMES]
    if certain:
        people, of = (sum(study.present["income"] for study in some) for some in (without, known))
        detail = f"{len(without)} of {len(known)} studies with incomes have none under 20K; {len(certain)} have {ENOUGH_INCOMES} or more"
        yield Finding("income_floor", "", None, None, people, of, detail, ", ".join(study.study_id for study in certain)[:160])


def _gender_or_ethnicity(summaries: Sequence[StudySummary]) -> Iterator[Finding]:
    gender = sum(study.present["gender"] for study in summaries)
    ethnicity = sum(study.present["ethnicity"] for study in summaries)
    if gender and ethnicity and not any(study.gender_and_ethnicity for study in summaries):
        of = sum(study.people for study in summaries)
        detail = f"{gender:,} people have a gender, {ethnicity:,} an ethnicity, nobody both"
        yield Finding("gender_or_ethnicity", "", None, None, gender + ethnicity, of, detail, "")
