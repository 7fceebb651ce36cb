"""Putting verified files from the cache into the folder of a deposit: what a person has there is never replaced."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock

from ..checksums import file_sha256
from .listing import FetchError
from .record import Deposit, read_record, write_record
from .store import Store


def put_in_place(deposit: Deposit, folder: Path, store: Store) -> None:
    """Make the folder hold these files and their record; the record comes last.

    A folder that is new is complete or absent. One that is there keeps what it has: a file with other bytes under one of these names is
    an error before anything is written, unless an earlier fetch put it there and nobody changed it.

    Raises:
        FetchError: another file stands where one belongs, or the folder cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(store.lock(str(folder.resolve()))):
            draft = folder.parent / f".{folder.name}.partial"
            shutil.rmtree(draft, ignore_errors=True)  # of a run that was killed: nobody else is writing it, under this lock
            if folder.exists():
                _complete(deposit, folder, draft, store)
            else:
                _copy(deposit, draft, store, [file.file for file in deposit.files])
                write_record(deposit, draft)
                draft.replace(folder)
    except OSError as error:
        raise FetchError(f"cannot be written ({error.strerror})", where=str(folder), fix="check that it is yours and has space") from error


def _complete(deposit: Deposit, folder: Path, draft: Path, store: Store) -> None:
    before = read_record(folder)
    ours = {file.file: file.sha256 for file in before.files} if before else {}
    wanted = {file.file: file.sha256 for file in deposit.files}
    missing = []
    for name, sha256 in wanted.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()) or (path.exists() and not path.is_file()):
            raise _in_the_way(path, "a link or a folder stands there")
        found = file_sha256(path) if path.is_file() else None
        if found is not None and found not in (sha256, ours.get(name)):
            raise _in_the_way(path, "a file with other bytes stands there")
        if found != sha256:
            missing.append(name)
    _copy(deposit, draft, store, missing)
    for name in missing:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (draft / name).replace(folder / name)
    shutil.rmtree(draft, ignore_errors=True)
    write_record(deposit, folder)


def _copy(deposit: Deposit, draft: Path, store: Store, names: Iterable[str]) -> None:
    """Copies, not links: whoever edits a file of a deposit must not edit the cache."""
    draft.mkdir(parents=True)
    by_name = {file.file: file.sha256 for file in deposit.files}
    for name in names:
        found = store.find(by_name[name])
        if found is None:
            raise FetchError("the cache lost it meanwhile", where=name, fix="run the same command again")
        path = draft / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with found.open("rb") as source, path.open("xb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())


def _in_the_way(path: Path, found: str) -> FetchError:
    return FetchError(
        found, where=str(path), expected="no file, or the one that the source lists", fix="move it away, or choose another --deposits"
    )
