"""Whether a study file may be built as it stands: what reviewers decided about exactly this content, and what a draft leaves open."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from .crosswalks import crosswalk, crosswalk_names
from .errors import GateError
from .study_file import StudyFile
from .study_origin import Reviewed

Standing = Literal["unreviewed", "accepted", "refused"]


def content_hash(study: StudyFile) -> str:
    """sha256 of everything that a decision about a study depends on: what its study file says, and what it takes from its crosswalk.

    The deposit is in it by the sha256 that the study file gives of each file, and other bytes are refused when it is read. Comments, layout
    and the order of keys of the format change nothing. What is left out counts as left out, so a later version of the format gives the same
    hash; 1 and "1" are different codes. Gates are not in it: they run at every build, on whatever was accepted.
    """
    said = _plain(study.model_dump(exclude_unset=True, exclude={"reviewed"}))
    if shared := _from_crosswalk(study):
        said = [said, shared]
    return hashlib.sha256(json.dumps(said, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


def _from_crosswalk(study: StudyFile) -> Any:
    """The fields that a study takes from its crosswalk, which may change without it; none of a crosswalk that is not there."""
    name = study.demographics.crosswalk
    if name is None or name not in crosswalk_names():
        return None
    taken = {field: found for field, found in crosswalk(name).items() if field not in study.demographics.fields}
    return [[field, _plain(taken[field].model_dump(exclude_unset=True))] for field in sorted(taken)]


def _plain(value: Any) -> Any:
    """A value as lists and scalars; the order of a mapping that a user wrote counts, since edits of text are made in that order."""
    if isinstance(value, Mapping):
        return [[key, _plain(child)] for key, child in value.items()]
    return [_plain(child) for child in value] if isinstance(value, list | tuple) else value


def decisions(study: StudyFile) -> list[tuple[Reviewed, bool]]:
    """Every decision about a study, the newest last, with whether it is about the present content."""
    content = content_hash(study)
    return [(one, one.content == content) for one in study.reviewed]


def standing(study: StudyFile) -> Standing:
    """What the last decision on the present content says."""
    for decision, holds in reversed(decisions(study)):
        if holds:
            return decision.decision
    return "unreviewed"


def open_questions(study: StudyFile) -> tuple[str, ...]:
    """What a draft asks its reviewer; none where a reviewer has accepted the present content."""
    if study.drafted is None or standing(study) == "accepted":
        return ()
    return study.drafted.questions


def check_reviewed(study: StudyFile) -> None:
    """The gate `review`: the last decision on a study as it stands is no refusal, and a draft with open questions has been accepted.

    Raises:
        GateError: who refused it and why, or what is open.
    """
    state, where = standing(study), f"{study.id}: reviewed"
    look = f"`socsci210 review {study.id}` shows it to a person, who accepts, edits or refuses it"
    if state == "refused":
        last = next(one for one, holds in reversed(decisions(study)) if holds)
        raise GateError(
            "review",
            f"{last.reviewer} refused it on {last.date}: {last.note}",
            where=where,
            expected="a study file that was not refused as it stands",
            fix=f"correct it; {look}",
        )
    if asked := open_questions(study):
        others = f" (and {len(asked) - 1} more)" if len(asked) > 1 else ""
        changed = "; it was changed after the last decision" if study.reviewed else ""
        raise GateError(
            "review",
            f"an open question of the draft: {asked[0]}{others}{changed}",
            where=where,
            expected="a reviewer's acceptance of a draft with open questions",
            fix=look,
        )
