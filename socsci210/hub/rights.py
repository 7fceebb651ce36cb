"""Whose rows may be published: those of studies whose study file records that anyone may redistribute them, and why.

The others travel as what builds them again: the study file and the hashes of `rebuilt.py`, in `studies_withheld/<study>/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..checksums import file_sha256
from ..dataset_folder import DatasetFolder
from ..errors import HubError
from ..registry import STUDY_FILE, Registry
from ..study_file import StudyFile


def withheld(folder: DatasetFolder) -> dict[str, str]:
    """The studies whose rows may not be published, and why, in the order of their ids.

    Raises:
        HubError: none may be, or it is the released SocSci210.
    """
    if "release" in folder.manifest:
        raise HubError(
            "the imported release states no licence for its rows, and every study in it keeps the rights of its own deposit",
            where=str(folder.path),
            expected="a dataset built from deposits, whose study files record who may redistribute their rows",
            fix="publish predictions, results and models instead; others import the release themselves: socsci210 import-release",
        )
    studies = folder.table("studies", ["study_id", "redistribute", "redistribute_why"]).sort_by("study_id").to_pylist()
    found = {study["study_id"]: _why(study) for study in studies if study["redistribute"] != "anyone"}
    if len(found) == len(studies):
        raise HubError(
            "; ".join(f"{study}: {why}" for study, why in found.items()),
            where=str(folder.path),
            expected="at least one study whose rows anyone may redistribute",
            fix="ask the authors; if they agree, write `redistribute: anyone` and why into provenance.rights of the study file; then build",
        )
    return found


def study_file(study: str, folder: DatasetFolder, registry: Registry) -> tuple[Path, StudyFile]:
    """The study file from which a study of a dataset was built, and what it says.

    Raises:
        HubError: it is not found, or was changed since.
        StudyFileError: it is broken.
    """
    of_study = folder.table("studies", ["study_id", "study_file_sha256"]).to_pylist()
    built_from = next(row["study_file_sha256"] for row in of_study if row["study_id"] == study)
    path = registry.get(study).folder / STUDY_FILE if study in registry.ids() else None
    if path is None or not path.is_file() or file_sha256(path) != built_from:
        raise HubError(
            f"the study file of {study} is not found" if path is None else f"the study file of {study} is not the one it was built from",
            where=str(folder.path if path is None else path),
            expected=f"sha256 {built_from}",
            fix="--studies DIR names the folder that holds it" if path is None else f"build the dataset again, or take {path.name} back",
        )
    return path, registry.get(study).load()


def why_minors(studies: Sequence[str], folder: DatasetFolder, registry: Registry) -> dict[str, str]:
    """Of studies with people under 18, those whose study file says why they may be published."""
    said = {study: study_file(study, folder, registry)[1].provenance.rights.minors for study in studies}
    return {study: why for study, why in said.items() if why is not None}


def _why(study: dict[str, str]) -> str:
    who = "nobody may redistribute its rows" if study["redistribute"] == "nobody" else "who may redistribute its rows is not known"
    return f"{who}. {study['redistribute_why']}"
