"""Who might be recognised in what a push publishes: people who stand alone in their study by a few facts that others know of them.

Somebody who knows that a person took part, and the person's age, sex, state and education, finds the person's answers where nobody else in
the study has the same. So people are compared with those of their own study, and a field that is empty counts as a value.

`BAR` is the share of people, in any one study of real people, who may stand alone by the four fields in a public repository. It is 0.09,
the risk of being recognised that the European Medicines Agency accepts where clinical data are published (policy 0070). Counted as here it
errs on the safe side: who stands alone among some hundreds rarely stands alone in the country, and few know who took part. Above it,
`--coarsen` is asked for; where that is not enough (a small study), a reason in writing, which the card prints. All 16 fields are counted
and told, but have no bar: together they single out nearly everybody in any survey, and hardly anyone knows them all of somebody. Simulated
people have no bar either. A private repository is warned of what a public one is refused.

People under 18 are left out of every push unless the study file says why they may be published (`rights.minors`): a private repository is
one click away from a public one, and that click passes no gate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..demographics import FIELDS
from ..errors import HubError
from .coarsen import STEPS

FOUR: Final = ("age", "gender", "location", "education")
BAR: Final = 0.09
ADULT: Final = 18


@dataclass(frozen=True)
class StudyPrivacy:
    """One study as it is published.

    Attributes:
        study, simulated: which, and whether its people are made up.
        people: how many.
        alone_by_four, alone_by_all: how many of them nobody else in the study equals in the four fields, in all 16.
        age_unknown: people without an age, of whom nobody can say that they are of age.
    """

    study: str
    simulated: bool
    people: int
    alone_by_four: int
    alone_by_all: int
    age_unknown: int

    @property
    def share(self) -> float:
        """Share of people who stand alone by the four fields."""
        return self.alone_by_four / max(self.people, 1)


@dataclass(frozen=True)
class PrivacyReport:
    """What was found before a push, for the card and for people.

    Attributes:
        studies: every study that is published.
        minors_left_out: study -> people under 18 who are not published.
        minors_kept: study -> why those under 18 are.
        coarse: whether the demographics were coarsened.
        accepted: why more people than `BAR` may stand alone, where somebody said so.
    """

    studies: Sequence[StudyPrivacy]
    minors_left_out: Mapping[str, int]
    minors_kept: Mapping[str, str]
    coarse: bool
    accepted: str | None = None

    @property
    def above(self) -> list[StudyPrivacy]:
        """Studies of real people with more than `BAR` who stand alone, the worst first."""
        return sorted((study for study in self.studies if not study.simulated and study.share > BAR), key=lambda study: -study.share)

    def checks(self) -> list[tuple[str, str]]:
        """What was looked at, and what was found."""
        people = sum(study.people for study in self.studies)
        four, every = (sum(getattr(study, name) for study in self.studies) for name in ("alone_by_four", "alone_by_all"))
        worst = max(self.studies, key=lambda study: study.share)
        unknown = sum(study.age_unknown for study in self.studies)
        return [
            ("people alone in their study by age, sex, state and education", _share(four, people)),
            ("the same, in the study with the most of them", f"{_share(worst.alone_by_four, worst.people)} in {worst.study}"),
            (f"people alone in their study by all {len(FIELDS)} fields", _share(every, people)),
            ("people under 18 left out", f"{sum(self.minors_left_out.values()):,}"),
            ("people whose age is not known", _share(unknown, people)),
            ("demographics made coarser", "yes" if self.coarse else "no"),
        ]

    def notes(self) -> list[str]:
        """What was done about it, a sentence each."""
        found = [f"Coarser than collected: {'; '.join(STEPS)}. The fingerprint is that of the coarser rows."] if self.coarse else []
        for study, n in sorted(self.minors_left_out.items()):
            found.append(
                f"{study}: {n:,} people under 18 were left out. Its counts of unanswered questions are empty, as they included them."
            )
        found += [f"{study}: people under 18 are among its people. {why}" for study, why in sorted(self.minors_kept.items())]
        if self.above and self.accepted is not None:
            names = ", ".join(study.study for study in self.above)
            found.append(f"More than {BAR:.0%} of the people stand alone in {names}. Published nevertheless: {self.accepted}")
        return found


def measured(people: pa.Table, simulated: Mapping[str, bool]) -> list[StudyPrivacy]:
    """How many people stand alone in each study.

    Args:
        people: study_id and demographic of the people who would be published.
        simulated: study -> whether it is simulated.
    """
    of_study, code = np.unique(people.column("study_id").to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    whole = pa.concat_arrays(people.column("demographic").chunks)
    alone = {fields: _alone(code, whole, fields) for fields in (FOUR, FIELDS)}
    ageless = pc.struct_field(whole, "age").is_null().to_numpy(zero_copy_only=False)

    def count(which: np.ndarray[Any, Any]) -> list[int]:
        return [int(n) for n in np.bincount(code[which], minlength=len(of_study))]

    columns = zip(of_study.tolist(), count(code >= 0), count(alone[FOUR]), count(alone[FIELDS]), count(ageless), strict=True)
    return [StudyPrivacy(study, simulated[study], n, four, every, unknown) for study, n, four, every, unknown in columns]


def minors(people: pa.Table) -> pa.Table:
    """Those of a table of participants who are under 18."""
    whole = pa.concat_arrays(people.column("demographic").chunks) if people.num_rows else None
    return people if whole is None else people.filter(pc.fill_null(pc.less(pc.struct_field(whole, "age"), ADULT), False))


def check_bar(report: PrivacyReport, *, private: bool) -> list[str]:
    """Refuse what may not be published; what is only warned of comes back.

    Raises:
        HubError: too many people of a study stand alone, the push is public, and nobody gave a reason.
    """
    if not report.above or report.accepted is not None:
        return []
    worst = report.above[0]
    found = (
        f"{worst.share:.0%} of the {worst.people:,} people of {worst.study} stand alone by age, sex, state and education"
        f"{f', and many in {len(report.above) - 1} other studies' if len(report.above) > 1 else ''}"
    )
    if private:
        return [f"{found}: a public push would be refused"]
    raise HubError(
        found,
        expected=f"at most {BAR:.0%} in each study of real people, in a public repository",
        fix='say why it may be published: --accept-risk "WHY" (the card prints it), or push it --private'
        if report.coarse
        else "push it with --coarsen: age bands, regions for states, top codes",
    )


def _alone(study: np.ndarray[Any, Any], people: pa.StructArray, fields: Sequence[str]) -> np.ndarray[Any, Any]:
    """Whether nobody else in the study has the same values."""
    columns = [study]
    for name in fields:
        codes = pc.struct_field(people, name).dictionary_encode().indices
        columns.append(pc.fill_null(codes, -1).to_numpy())
    _, which, times = np.unique(np.stack(columns), axis=1, return_inverse=True, return_counts=True)
    return np.asarray(times[which.ravel()] == 1)


def _share(n: int, of: int) -> str:
    return f"{n:,} of {of:,} ({n / max(of, 1):.1%})"
