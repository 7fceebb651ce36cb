"""An append-only journal of answered requests: what a server has answered once is never asked again, whatever happens to the process.

A line is one JSON object and is written in one piece the moment its answer arrives. A kill can leave at most one torn line, the last one;
it is cut off when the journal is opened. Only the places of the lines are kept in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DatasetError


class Totals(NamedTuple):
    """What all answered requests came to; tokens are None where the server did not count them in every answer."""

    requests: int
    prompt_tokens: int | None
    completion_tokens: int | None
    models: tuple[str, ...]
    """Names that the server gave itself in its answers."""


def digest(request: Mapping[str, Any]) -> str:
    """32 hex digits that stand for a request."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]


class Journal:
    """Answers by the digest of their request. Threads may share it.

    Args:
        path: the file; made if it is not there.

    Raises:
        DatasetError: a line other than the last one does not read.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._places: dict[str, tuple[int, int]] = {}
        self._tokens: list[int | None] = [0, 0]
        self._models: set[str] = set()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._end = 0
        self._read_all(path)

    def _read_all(self, path: Path) -> None:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break  # torn by a kill: its request counts as unanswered
                try:
                    stored = json.loads(line)
                    self._note(stored["request"], len(line), stored)
                except (ValueError, KeyError, TypeError) as error:
                    raise DatasetError(
                        f"not a line of the journal ({error!r})",
                        where=f"{path}, line {number}",
                        expected="a JSON object with request, answer, tokens and model",
                        fix="delete this line; its request will be sent again",
                    ) from error
        os.ftruncate(self._file, self._end)

    def _note(self, request: str, size: int, stored: Mapping[str, Any]) -> None:
        self._places[request] = (self._end, size)
        self._end += size
        for place, count in enumerate(stored["tokens"]):
            before = self._tokens[place]
            self._tokens[place] = None if before is None or count is None else before + int(count)
        if stored["model"] is not None:
            self._models.add(str(stored["model"]))

    def get(self, request: str) -> Any | None:
        """The answer to a request, or None if there is none yet."""
        place = self._places.get(request)
        return None if place is None else json.loads(os.pread(self._file, place[1], place[0]))["answer"]

    def put(self, request: str, answer: Any, *, tokens: tuple[int | None, int | None], model: str | None) -> None:
        """Append an answer; when this returns, no kill can lose it."""
        stored = {"request": request, "answer": answer, "tokens": tokens, "model": model}
        line = (json.dumps(stored, separators=(",", ":"), ensure_ascii=False) + "\n").encode()
        with self._lock:
            if request not in self._places:
                _write_all(self._file, line)
                self._note(request, len(line), stored)

    def totals(self) -> Totals:
        """What all answered requests came to, earlier runs of the same command included."""
        with self._lock:
            return Totals(len(self._places), self._tokens[0], self._tokens[1], tuple(sorted(self._models)))

    def sync(self) -> None:
        """Have everything on disk, should the machine lose its power."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
