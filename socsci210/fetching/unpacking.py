"""The files inside a zip archive, taken out in an isolated child: its names become names in a list, never paths."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..child import run_child
from ..readers.archives import members
from .choose import RECORD
from .kinds import is_litter, kind_of, why, why_not
from .listing import unsafe_path

_MINUTES = 10
_LFS = b"version https://git-lfs.github.com/spec/v1\n"


@dataclass(frozen=True)
class Member:
    """One file of an archive.

    Attributes:
        name: in the archive, checked: it may become a path.
        file: where its bytes were written; None where it was left out.
        reason: why it is taken or left out, in words.
    """

    name: str
    file: Path | None
    reason: str


def unpack(archive: Path, out: Path, wanted: set[str]) -> list[Member]:
    """Write the data and documents of an archive to `out`.

    Args:
        archive: the zip file.
        out: an empty folder; the only one that the child can write to.
        wanted: sha256 of the files to take; empty for all data and documents.

    Raises:
        SocSciError: no archive, damaged, a bomb, or names that lead out of it.
    """
    request = {"archive": str(archive.resolve()), "wanted": sorted(wanted)}
    found = run_child("socsci210.fetching.unpacking:_unpack", request, out=out, seconds=_MINUTES * 60)["members"]
    return [Member(one["name"], out / one["file"] if one["file"] else None, one["reason"]) for one in found]


def _unpack(request: dict[str, Any]) -> dict[str, Any]:
    """In the child: every file gets a number for a name."""
    wanted, found = set(request["wanted"]), []
    for number, (name, data) in enumerate(members(Path(request["archive"]))):
        taken, reason = _judge(name, data, wanted)
        if taken and data is not None:
            Path(str(number)).write_bytes(data)
        found.append({"name": name[:1000], "file": str(number) if taken else None, "reason": reason})
    return {"members": found}


def _judge(name: str, data: bytes | None, wanted: set[str]) -> tuple[bool, str]:
    """Whether a member is taken, and why."""
    if unsafe := unsafe_path(name):
        return False, unsafe
    if data is None:
        return False, "encrypted: unpack it yourself"
    if not data or is_litter(name) or name.lower() == RECORD:
        return False, "empty" if not data else "left behind by a program or system"
    if wanted:
        fits = hashlib.sha256(data).hexdigest() in wanted
        return fits, "named in the study file" if fits else "not named in the study file"
    if data.startswith(_LFS):
        return False, "kept in Git LFS: the archive has a pointer to it; fetch it by its own address"
    kind = kind_of(name)
    if kind == "archive":
        return False, "an archive inside an archive: unpack it yourself"
    return (True, why(name, kind)) if kind else (False, why_not(name))
