"""Where the files of a deposit lie and which bytes they must have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from ..errors import ReadError, StudyFileError
from ..study_file import StudyFile

MANIFEST: Final = "MANIFEST.json"
TABLE: Final = "table.arrow"
"""The file that the isolated process writes its codes to."""


def deposit_folder(study: StudyFile, deposits: Path) -> Path:
    """`deposits/<study id>`, or `deposits/<family>` where several studies come from one deposit.

    Raises:
        ReadError: neither is there.
    """
    for name in (study.id, study.provenance.family):
        if (deposits / name).is_dir():
            return deposits / name
    names = " or ".join(dict.fromkeys((study.id, study.provenance.family)))
    raise ReadError(
        f"no folder {names} for study {study.id}",
        where=str(deposits),
        expected=f"its files in {deposits / study.id}: {', '.join(file.file for file in study.files.values())}",
        fix=f"get them (source: {study.provenance.source_url}), or correct --deposits",
    )


def file_in(deposit: Path, name: str, *, where: str) -> Path:
    """The path of a file of a deposit.

    Raises:
        StudyFileError: the name leads out of the deposit.
        ReadError: there is no such file.
    """
    path = deposit / name
    if Path(name).is_absolute() or ".." in Path(name).parts or "\\" in name or not path.resolve().is_relative_to(deposit.resolve()):
        raise StudyFileError(
            f"file name {name!r} leads out of the deposit", where=where, expected="a name inside the deposit's folder", fix="correct it"
        )
    if path.exists() and not path.is_file():
        raise ReadError("not a regular file", where=str(path), expected=f"the file that {where} names", fix="put the file itself there")
    if not path.is_file():
        found = ", ".join(sorted(child.name for child in deposit.iterdir())[:12]) if deposit.is_dir() else "no folder"
        raise ReadError("no such file", where=str(path), expected=f"a file that {where} names; found here: {found}", fix="add the file")
    return path


def hashes(study: StudyFile, deposit: Path) -> dict[str, str]:
    """The sha256 that every file of the study must have, by its key; `generated` ones from the deposit's own MANIFEST.json.

    Raises:
        ReadError: a simulated deposit has no manifest, or one that lacks a file.
    """
    generated = _manifest(deposit) if any(file.sha256 == "generated" for file in study.files.values()) else {}
    found = {}
    for key, file in study.files.items():
        if file.sha256 != "generated":
            found[key] = file.sha256
        elif file.file in generated:
            found[key] = generated[file.file]
        else:
            raise ReadError(f"{file.file} is not listed", where=str(deposit / MANIFEST), fix="write the simulated deposits again")
    return found


def _manifest(deposit: Path) -> dict[str, str]:
    path = deposit / MANIFEST
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {name: entry["sha256"] for name, entry in files.items()}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ReadError(
            f"cannot be read ({type(error).__name__}: {error})",
            where=str(path),
            expected="the list of hashes that the generator writes beside its files",
            fix="write the simulated deposits again: `socsci210 simulate-deposits --out DIR`",
        ) from None
