"""Which files of a listing are taken, and why; what is left out is told with its reason."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from .kinds import is_litter, kind_of, why, why_not
from .listing import Entry, unsafe_path

RECORD = "deposit.json"  # the name that the record of a deposit stands under


@dataclass(frozen=True)
class Choice:
    """One file of a listing.

    Attributes:
        entry: the file.
        taken: whether it is fetched.
        reason: why, or why not, in words.
        archive: whether it is fetched for what is inside.
        name: the path that it gets in the deposit.
    """

    entry: Entry
    taken: bool
    reason: str
    archive: bool = False
    name: str = ""


def choose(entries: Sequence[Entry], *, max_file: int, also: Sequence[str] = ()) -> list[Choice]:
    """Data, documents and archives are taken; what is unsafe, closed, empty, too large, double or of no use is not.

    Args:
        entries: the listing.
        max_file: bytes of the largest file that is taken.
        also: globs of paths to take though no rule does; nothing unsafe, closed, empty or too large comes in by them.
    """
    seen: dict[tuple[str, str], str] = {}
    names: set[str] = set()
    choices = []
    for entry in entries:
        wanted = any(fnmatch.fnmatchcase(entry.path, glob) for glob in also)
        choice = _by_rule(entry, max_file, wanted)
        if choice.taken:
            choice = _once(choice, seen, names)
        choices.append(choice)
    return choices


def choose_named(entries: Sequence[Entry], files: Mapping[str, str], *, max_file: int) -> list[Choice]:
    """The files that a study file names, known by their sha256, else by their name; archives where some are not there otherwise.

    Args:
        entries: the listing.
        files: sha256 by the name that the study file gives.
        max_file: as in `choose`.
    """
    named: dict[str, str] = {}
    for name, sha256 in files.items():
        exact = [entry for entry in entries if entry.sha256 == sha256]
        alike = [entry for entry in entries if _base(entry.path) == _base(name)]
        found = exact or [entry for entry in alike if entry.path == name] or alike
        if len(found) == 1 or exact:
            named[found[0].path] = name
    missing = len(named) < len(files)
    choices = []
    for entry in entries:
        refused = _refusal(entry, max_file)
        archive = missing and kind_of(entry.path) == "archive" and entry.path not in named
        if refused:
            choices.append(Choice(entry, False, refused))
        elif entry.path in named:
            choices.append(Choice(entry, True, "named in the study file", name=named[entry.path]))
        elif archive:
            choices.append(Choice(entry, True, "archive: it may hold what the study file names", archive=True))
        else:
            choices.append(Choice(entry, False, "not named in the study file"))
    return choices


def name_refused(path: str) -> str | None:
    """Why nothing may stand at this path in a deposit; None where something may."""
    return unsafe_path(path) or ("its name is that of the deposit's own record" if path.lower() == RECORD else None)


def _by_rule(entry: Entry, max_file: int, wanted: bool) -> Choice:
    refused, kind = _refusal(entry, max_file), kind_of(entry.path)
    if refused:
        return Choice(entry, False, refused)
    if wanted:
        return Choice(entry, True, "asked for", kind == "archive", entry.path)
    if is_litter(entry.path):
        return Choice(entry, False, "left behind by a program or system")
    if kind is None:
        return Choice(entry, False, why_not(entry.path))
    return Choice(entry, True, why(entry.path, kind), kind == "archive", entry.path)


def _refusal(entry: Entry, max_file: int) -> str | None:
    """Why a file cannot be taken, whoever asks for it."""
    if unsafe := name_refused(entry.path):
        return unsafe
    if entry.closed:
        return entry.closed
    if entry.size == 0:
        return "empty"
    if entry.size is not None and entry.size > max_file:
        return f"larger than {max_file:,} bytes"
    return None


def _once(choice: Choice, seen: dict[tuple[str, str], str], names: set[str]) -> Choice:
    """The choice, unless the same bytes or the same name were taken before."""
    entry = choice.entry
    for stated in entry.checksums.items():
        if stated in seen:
            return Choice(entry, False, f"the same bytes as {seen[stated]}")
    if entry.path.casefold() in names:
        return Choice(entry, False, "another file has this name (but for upper and lower case)")
    names.add(entry.path.casefold())
    seen.update(dict.fromkeys(entry.checksums.items(), entry.path))
    return choice


def _base(path: str) -> str:
    return PurePosixPath(path).name.casefold()
