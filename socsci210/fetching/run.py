"""From what a person asks for to a folder with its files: list, choose, download, take out of archives, put in place."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DatasetError, SocSciError
from ..registry import Registry
from ..study_file import StudyFile
from .choose import Choice, choose, choose_named, name_refused
from .client import Client, Received, Say
from .listing import Entry, FetchError, Listing
from .place import put_in_place
from .record import Deposit, File, LeftOut, Source, read_record
from .resolve import Target, list_files, resolve
from .settings import Settings
from .store import Store
from .unpacking import unpack


@dataclass(frozen=True)
class Progress:
    """How far a deposit is: files done and in all, the path of the next, and its bytes so far and in all (None: not known)."""

    done: int
    files: int
    path: str
    received: int = 0
    size: int | None = None


Step = Callable[[Progress], None]
"""Called before each download and while it goes on."""


@dataclass(frozen=True)
class Plan:
    """What there is, and what would be taken of it.

    Attributes:
        target, listing, choices: what was asked for, what its source holds, and which of that is taken.
        study: the study file that alone decides what is taken, if there is one.
    """

    target: Target
    listing: Listing
    choices: tuple[Choice, ...]
    study: StudyFile | None = None


@dataclass(frozen=True)
class Fetched:
    """What was done: the folder, its record, and how many files had to be downloaded (the others were in the cache)."""

    folder: Path
    deposit: Deposit
    downloaded: int


class Fetcher:
    """Fetches deposits with one client and one cache. Use it in a `with` statement.

    Args:
        settings: where sources and the cache are.
        registry: the study files that may be named.
        say: called with a line for the screen when there is something to wait for.
    """

    def __init__(self, settings: Settings, registry: Registry, say: Say = lambda line: None) -> None:
        self._settings, self._registry, self._say = settings, registry, say
        self._client, self._store = Client(settings, say), Store(settings.cache)

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__()

    def plan(self, asked: str, *, also: Sequence[str] = ()) -> Plan:
        """List what there is and choose; nothing is downloaded or written.

        Args:
            asked: a study, OSF id, DOI or address.
            also: globs of files to take though no rule does; of a study, the rules then decide instead of its study file.

        Raises:
            FetchError: it is none of these, there is nothing, or it is private.
        """
        target = resolve(asked, self._registry)
        listing = list_files(target, self._client, self._settings)
        limit = self._settings.max_file
        if target.study is None or also:
            return Plan(target, listing, tuple(choose(listing.entries, max_file=limit, also=also)))
        named = {file.file: file.sha256 for file in target.study.files.values()}
        return Plan(target, listing, tuple(choose_named(listing.entries, named, max_file=limit)), target.study)

    def fetch(self, plan: Plan, deposits: Path, *, name: str | None = None, step: Step = lambda progress: None) -> Fetched:
        """Bring the chosen files to `deposits/NAME`.

        Args:
            plan: from `plan`.
            deposits: the folder of all deposits.
            name: of the deposit's folder; the study's or source's by default.
            step: told of every file, and of its bytes as they come.

        Raises:
            FetchError: nothing is chosen, a file cannot be had or is not what its source or study file says, or another file is in the way.
        """
        taken = [choice for choice in plan.choices if choice.taken]
        if not taken:
            fix = "look at it with --list; --also GLOB takes files that no rule takes"
            raise FetchError("no data and no document there", where=plan.listing.url, fix=fix)
        folder = deposits / (name or plan.target.name)
        files: list[File] = []
        left = [LeftOut(path=one.entry.path, size=one.entry.size, reason=one.reason) for one in plan.choices if not one.taken]
        before = read_record(folder)
        days = {(file.url, file.sha256): file.fetched for file in before.files} if before else {}
        downloaded = 0
        for number, choice in enumerate(taken):
            start = Progress(number, len(taken), choice.entry.path, size=choice.entry.size)
            step(start)
            sha256, new = self._store.fetch(choice.entry, plan.listing.reach, self._client, self._say, _onward(step, start))
            downloaded += new
            if choice.archive:
                self._open_archive(plan, choice, sha256, files, left)
            else:
                files.append(self._file(plan, choice.entry, sha256, choice.name, choice.reason))
        files = self._checked(plan, files, left)
        dated = [file.model_copy(update={"fetched": days.get((file.url, file.sha256), file.fetched)}) for file in files]
        listing = plan.listing
        source = Source(kind=listing.kind, id=listing.id, url=listing.url, title=listing.title, licence=listing.licence)
        deposit = Deposit(source=source, files=tuple(dated), left_out=tuple(left), notes=listing.notes)
        put_in_place(deposit, folder, self._store)
        return Fetched(folder, deposit, downloaded)

    def _open_archive(self, plan: Plan, choice: Choice, sha256: str, files: list[File], left: list[LeftOut]) -> None:
        """Add what an archive holds to the files and to what is left out. An archive that cannot be opened is left out itself."""
        entry, stored = choice.entry, self._store.find(sha256)
        wanted = {file.sha256 for file in plan.study.files.values()} if plan.study else set()
        if stored is None:
            raise FetchError("the cache lost it meanwhile", where=entry.path, fix="run the same command again")
        with self._store.scratch() as scratch:
            try:
                members = unpack(stored, scratch, wanted)
            except DatasetError:  # the disk is full: nothing is wrong with the archive
                raise
            except SocSciError as error:
                left.append(LeftOut(path=entry.path, size=entry.size, reason=f"archive: {error.found}"))
                return
            for member in members:
                below = member.name.partition("/")[2] if entry.wrapped else f"{entry.path[:-4]}/{member.name}"
                refused = member.reason if member.file is None else name_refused(below) or _outside(below, entry.folder)
                if member.file is None or refused:
                    left.append(LeftOut(path=f"{entry.path}: {member.name}", size=None, reason=refused or member.reason))
                    continue
                inside = self._store.take_in(member.file)
                file = self._file(plan, entry, inside, below, f"{member.reason}, in {entry.path}")
                files.append(file.model_copy(update={"member": member.name}))

    def _file(self, plan: Plan, entry: Entry, sha256: str, name: str, reason: str) -> File:
        stored = self._store.find(sha256)
        if stored is None:
            raise FetchError("the cache lost it meanwhile", where=entry.path, fix="run the same command again")
        return File(
            file=name,
            path=entry.path,
            url=entry.url,
            size=stored.stat().st_size,
            sha256=sha256,
            date=entry.date,
            licence=entry.licence or plan.listing.licence,
            fetched=datetime.datetime.now(datetime.UTC).date().isoformat(),
            reason=reason,
        )

    def _checked(self, plan: Plan, files: list[File], left: list[LeftOut]) -> list[File]:
        """The files under the names that they get: those of the study file, each once."""
        if plan.study is not None:
            files = _for_study(plan.study, plan.listing, files)
        kept: dict[str, File] = {}
        for file in files:
            other = kept.setdefault(file.file.casefold(), file)
            if other is not file:
                reason = f"the same bytes as {other.file}" if other.sha256 == file.sha256 else f"{other.file} has this name"
                left.append(LeftOut(path=f"{file.path}: {file.member}" if file.member else file.path, size=file.size, reason=reason))
        clash = next((name for name in kept if any(other.startswith(f"{name}/") for other in kept)), None)
        if clash is not None:
            raise FetchError(
                f"{clash!r} is a file and a folder", where=plan.listing.url, fix="fetch its parts one by one, by their addresses"
            )
        if not kept:
            raise FetchError("no data and no document in its archives", where=plan.listing.url, fix="look at it with --list")
        return list(kept.values())


def _outside(name: str, folder: str) -> str | None:
    """Why a file of an archive was not asked for; None where it was."""
    return None if not folder or name.startswith(f"{folder}/") else f"not below {folder}"


def _onward(step: Step, start: Progress) -> Received:
    """Tells of the bytes of one file, at most some ten times a second."""
    told = 0.0

    def received(n: int, size: int | None) -> None:
        nonlocal told
        if n == size or time.monotonic() - told > 0.1:
            told = time.monotonic()
            step(replace(start, received=n, size=size))

    return received


def _for_study(study: StudyFile, listing: Listing, files: Sequence[File]) -> list[File]:
    """What the study file names, with its names; all of it, with its bytes.

    Raises:
        FetchError: a file is missing, or has other bytes.
    """
    found = []
    for wanted in study.files.values():
        fitting = [file for file in files if file.sha256 == wanted.sha256]
        if fitting:
            found.append(fitting[0].model_copy(update={"file": wanted.file}))
            continue
        named = next((file for file in files if file.file == wanted.file), None)
        if named is not None:
            raise FetchError(
                f"{wanted.file} has sha256 {named.sha256} at the source", where=study.id, expected=f"sha256 {wanted.sha256}",
                fix="the source has published another version: review what changed, then update sha256 in the study file",
            )  # fmt: skip
        raise FetchError(
            f"the source does not list {wanted.file}", where=study.id, expected=f"a file with sha256 {wanted.sha256}",
            fix=f"look at what is there with --list, or get it by hand from {listing.url}",
        )  # fmt: skip
    return found
