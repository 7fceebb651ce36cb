"""What a person says by accepting a study: the boxes of the page, asked for on the server too, and printed by the command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..errors import StudyFileError
from ..judgements import judgements
from ..study_file import StudyFile

FIELD: Final = "says-"
"""How the names of the form's boxes begin; the id of a statement follows."""


@dataclass(frozen=True)
class Statement:
    """One thing that is said by accepting."""

    id: str
    text: str


_ALWAYS: Final = (
    Statement("arms", "Every arm of the source is here, with the source's counts."),
    Statement("texts", "I read a stimulus of every arm as a participant would read it: complete, no programming notes, no leftovers."),
    Statement("directions", "The direction of every scale was read from its labels or the questionnaire."),
    Statement("missing", "No code that means “no answer” is left as an answer, and none that is an answer was dropped."),
    Statement("nobody", "Nothing on this page names a person."),
)
_JUDGED: Final = Statement("judgements", "I judged everything that the study file says on its own authority, and each reason holds.")
_ANSWERED: Final = Statement("questions", "I can answer every question of the draft, and my note says how.")


def statements(study: StudyFile) -> tuple[Statement, ...]:
    """Everything that accepting this study says."""
    drafted = study.drafted is not None and bool(study.drafted.questions)
    return (*_ALWAYS, *((_JUDGED,) if judgements(study) else ()), *((_ANSWERED,) if drafted else ()))


def check_said(study: StudyFile, said: Iterable[str]) -> None:
    """Every statement was made.

    Args:
        study: what is accepted.
        said: ids of the statements that were made.

    Raises:
        StudyFileError: some were not; they are named.
    """
    made = set(said)
    if missing := [one.text for one in statements(study) if one.id not in made]:
        raise StudyFileError(
            f"not ticked: {' '.join(missing)}",
            where="the acceptance",
            expected="every box ticked",
            fix="tick what is true, or refuse or edit it",
        )
