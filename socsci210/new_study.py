"""`socsci210 new-study ID`: a copy of the study template, ready to be filled in."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from .errors import StudyFileError
from .registry import STUDY_FILE, check_id, loaders_folder

TEMPLATE: Final = "_template"
_ID_LINE: Final = "id: template\n"
_FAMILY: Final = "family: template "
_SCHEMA_LINE: Final = "$schema=../study.schema.json\n"


def new_study(study_id: str, folder: Path) -> Path:
    """Copy the template to `folder/study_id` and write the id into it.

    The folder appears whole or not at all.

    Returns:
        The new study file.

    Raises:
        StudyFileError: no valid id, or the folder exists already.
    """
    check_id(study_id)
    target = folder / study_id
    if target.exists() or target.is_symlink():
        raise StudyFileError("exists already", where=str(target), expected="a new folder", fix="choose another id, or remove the folder")
    folder.mkdir(parents=True, exist_ok=True)
    loaders = loaders_folder()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-study-") as temporary:
        copy = Path(temporary) / study_id
        shutil.copytree(loaders / TEMPLATE, copy)
        text = (copy / STUDY_FILE).read_text(encoding="utf-8").replace(_ID_LINE, f"id: {study_id}\n", 1)
        text = text.replace(_FAMILY, f"family: {study_id.lower()} ", 1)  # a shared family would hold strangers together in the splits
        if folder.resolve() != loaders.resolve():  # elsewhere the editor finds the schema where the package is installed
            text = text.replace(_SCHEMA_LINE, f"$schema={(loaders / 'study.schema.json').as_posix()}\n", 1)
        (copy / STUDY_FILE).write_text(text, encoding="utf-8")
        copy.rename(target)
    return target / STUDY_FILE
