"""The cache: every file that was fetched, kept once under its sha256, for all studies. Killed at any moment, it holds no wrong file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock

from ..checksums import file_sha256
from .client import Client, Received, Say
from .listing import ALGORITHMS, Entry, FetchError, Reach

_HEX: Final = 64


class Store:
    """A folder: `files/ab/abcd...` by sha256, `partial/` downloads under way, `seen/` the sha256 that an entry turned out to have."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, sha256: str) -> Path | None:
        """The file with these bytes; one that was damaged meanwhile is removed."""
        path = self._path(sha256)
        if not path.is_file():
            return None
        if file_sha256(path) != sha256:
            path.unlink(missing_ok=True)
            return None
        return path

    def take_in(self, file: Path) -> str:
        """Move a complete file on the same disk into the store, and return its sha256."""
        sha256 = file_sha256(file)
        path = self._path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        with file.open("rb+") as opened:
            os.fsync(opened.fileno())
        file.replace(path)
        return sha256

    def fetch(
        self, entry: Entry, reach: Reach, client: Client, say: Say = lambda line: None, received: Received = lambda n, of: None
    ) -> tuple[str, bool]:
        """The sha256 of an entry's bytes, which are in the store afterwards; and whether they had to be downloaded.

        Raises:
            FetchError: it cannot be had, or its bytes are not those that the source lists.
        """
        key = _key(entry)
        with FileLock(self.lock(key)):
            if (known := entry.sha256 or self._seen(entry, key)) and self.find(known):
                return known, False
            sha256 = self._download(entry, reach, client, self._root / "partial" / f"{key}.part", say, received)
            self._note(key, sha256)
            return sha256, True

    def lock(self, what: str) -> Path:
        """The file to lock for something outside the store that one process at a time may change."""
        path = self._root / "partial" / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder on the same disk for work in progress, for one process at a time; what a killed one left there is removed."""
        folder = self._root / "work"
        with FileLock(self.lock("work")):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _download(self, entry: Entry, reach: Reach, client: Client, part: Path, say: Say, received: Received) -> str:
        for last in (False, True):
            client.download(entry.url, reach, part, size=entry.size, checked=bool(entry.checksums), received=received)
            wrong = _mismatch(entry, part)
            if wrong is None:
                part.with_suffix(".etag").unlink(missing_ok=True)
                return self.take_in(part)
            part.unlink(missing_ok=True)
            if last:
                break
            say(f"{entry.path}: {wrong}; loading it once more")
        raise FetchError(
            f"{wrong}, twice", where=entry.url, expected="the bytes that the source lists",
            fix="list the source again: the file may have changed; else tell its authors",
        )  # fmt: skip

    def _path(self, sha256: str) -> Path:
        if len(sha256) != _HEX or not all(digit in "0123456789abcdef" for digit in sha256):
            raise FetchError(f"{sha256[:80]!r} is no sha256", fix="the source lists something else than it should")
        return self._root / "files" / sha256[:2] / sha256

    def _seen(self, entry: Entry, key: str) -> str | None:
        if not (entry.checksums or entry.date or entry.version):
            return None  # nothing would tell that the file has changed at its source
        try:
            sha256 = json.loads((self._root / "seen" / f"{key}.json").read_text(encoding="utf-8"))["sha256"]
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return sha256 if isinstance(sha256, str) and len(sha256) == _HEX else None

    def _note(self, key: str, sha256: str) -> None:
        path = self._root / "seen" / f"{key}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"sha256": sha256}), encoding="utf-8")
        draft.replace(path)


def _key(entry: Entry) -> str:
    about = [entry.url, entry.size, sorted(entry.checksums.items()), entry.date, entry.version]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]


def _mismatch(entry: Entry, file: Path) -> str | None:
    """How a file differs from what its source lists; None where it does not."""
    size = file.stat().st_size if file.is_file() else 0
    if entry.size is not None and size != entry.size:
        return f"it has {size:,} bytes, not {entry.size:,}"
    for algorithm in ALGORITHMS:
        if algorithm in entry.checksums:
            with file.open("rb") as opened:
                found = hashlib.file_digest(opened, algorithm).hexdigest()
            return None if found == entry.checksums[algorithm] else f"its {algorithm} is {found}, not {entry.checksums[algorithm]}"
    return None
