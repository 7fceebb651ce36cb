"""What may not be published: files from elsewhere, secrets, and columns that tell who somebody is or hold people's own words.

Messages say which file and where in it, never what stands there.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from ..errors import HubError
from .columns import TABULAR, column_faults
from .package import CARD, Kind
from .secrecy import name_fault, secrets_in_file

_SHOWN: Final = 10  # faults in one message
_FIX: Final = (
    "take it out of the folder: copy what a link points to, leave a column out of the study file, revoke a secret that was in a file"
)


def check_files(files: Mapping[str, Path], kind: Kind, token: str) -> None:
    """Make sure that files may be published.

    Args:
        files: path in the repository -> file on disk.
        kind: what they make; the tables of a dataset have its schema, other tables are judged by the names of their columns.
        token: of whoever pushes; no file may hold it. May be empty.

    Raises:
        HubError: with everything that was found, at most ten faults.
    """
    if CARD not in files:
        raise HubError(f"no {CARD} among the files", expected="a card", fix="build or train it again: the card is written with it")
    faults: list[str] = []
    for name, path in sorted(files.items()):
        found = list(_faults(name, path, kind, token))
        faults += [f"{name}: {fault}" for fault in found]
    if faults:
        more = [f"... and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise HubError(
            f"{len(faults)} thing{'s' if len(faults) > 1 else ''} that may not be published\n    "
            + "\n    ".join([*faults[:_SHOWN], *more]),
            expected="regular files of this folder, without secrets, direct identifiers or people's own words",
            fix=_FIX,
        )


def _faults(name: str, path: Path, kind: Kind, token: str) -> Iterator[str]:
    if place := _place_fault(name, path):
        yield place
        return
    if secret := name_fault(name):
        yield secret
        return
    if path.suffix.lower() in TABULAR:
        yield from column_faults(name, path, kind, token)
    for what, line in secrets_in_file(path, token):
        yield f"{what} in line {line}"


def _place_fault(name: str, path: Path) -> str | None:
    """Why a file is not one of the folder under that name."""
    parts = PurePosixPath(name).parts
    clean = "/".join(parts) == name and parts and not name.startswith("/") and not {".", ".."} & set(parts)
    if not clean or "\\" in name or any(ord(letter) < 32 for letter in name):
        return "its path leads out of the repository, or is none"
    # as many folders as the name has, as far as they are called the same: those are folders of what is pushed
    at = path
    for depth, part in enumerate(reversed(parts)):
        if depth and at.name != part:
            break
        if at.is_symlink():
            return "a link, which may lead out of the folder" if at == path else f"in a folder that is a link ({at.name})"
        at = at.parent
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if stat.S_ISREG(mode) else "not a regular file"
