"""The exam of a draft: a study file that a model (or a person) wrote, compared with one that is known to be right."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from ..child import run_child
from ..errors import StudyFileError
from ..extract import deposit_folder, request
from ..registry import load_study_file
from .card import Line, ScoreCard

__all__ = ["Line", "ScoreCard", "evaluate"]

_SECONDS = 600.0


def evaluate(draft: Path, key: Path, *, deposits: Path) -> ScoreCard:
    """Read two study files on their deposit, in one isolated process, and compare them part by part.

    Args:
        draft: the study file to judge.
        key: the study file that is right.
        deposits: folder that holds one folder per deposit; both read that of the key.

    Returns:
        The score card; of a draft that is no valid study file, or that cannot be built, one that says why.

    Raises:
        SocSciError: the key cannot be read, or there is no draft.
    """
    right = load_study_file(key)
    if not draft.is_file():
        raise StudyFileError("no such file", where=str(draft), expected="the study file to judge", fix="give its path")
    try:
        judged = load_study_file(draft)
    except StudyFileError as error:
        return ScoreCard(draft=draft.parent.name or str(draft), key=right.id, failed=str(error))
    folder = deposit_folder(right, deposits)
    payload = {"key": request(right, folder), "draft": request(judged, folder)}
    with TemporaryDirectory(prefix="socsci210-exam-") as scratch:
        return ScoreCard.model_validate(run_child("socsci210.exam.reading:grade", payload, out=Path(scratch), seconds=_SECONDS))
