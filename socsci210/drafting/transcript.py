"""The transcript of a draft: every answer of the model with the hash of what was asked, in the order it came.

Lines are only ever added, each forced to disk before the agent acts on it. So a killed run goes on where it stood without asking again, and
a kept transcript can be played back offline: the same deposit and the same answers make the same study file, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ..errors import SocSciError

FORMAT: Final = 1


class TranscriptError(SocSciError):
    """A transcript that cannot be read, or belongs to another draft."""


def request_hash(model: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> str:
    """sha256 of what is asked."""
    whole = json.dumps([model, messages, tools], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()


class Transcript:
    """The lines of one draft. `start` tells what it is of; answers are handed out in order until there are none left."""

    def __init__(self, path: Path, *, kept: bool) -> None:
        """
        Args:
            path: the file; it need not exist.
            kept: whether answers are added to it. A transcript that is played back stays as it is.
        """
        self.path, self._kept = path, kept
        self.start: dict[str, Any] | None = None
        self.answers: list[dict[str, Any]] = []
        self._next = 0
        if path.is_file():
            self._read()

    def _read(self) -> None:
        raw = self.path.read_bytes()
        whole, _, torn = raw.rpartition(b"\n")
        if torn and self._kept:  # a line that was being written when the process ended
            with self.path.open("rb+") as file:
                file.truncate(len(raw) - len(torn))
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry = json.loads(line)
                if entry["kind"] == "start" and entry["format"] == FORMAT:
                    self.start = {**(self.start or {}), **entry}
                elif entry["kind"] == "answer" and isinstance(entry["answer"], dict):
                    self.answers.append(entry)
                else:
                    raise ValueError(entry["kind"])
            except (ValueError, KeyError, TypeError):
                raise TranscriptError(
                    "not a line of a transcript",
                    where=f"{self.path}, line {number}",
                    expected=f"a transcript of format {FORMAT}",
                    fix="name the transcript.jsonl that `draft` wrote, or another folder",
                ) from None
        if self.start is None and self.answers:
            raise TranscriptError("it does not say what it is of", where=str(self.path), expected="a first line with the model and deposit")

    def begin(self, start: Mapping[str, Any]) -> None:
        """Say what this is a transcript of, or check that it is the same draft. Other budgets are noted.

        Raises:
            TranscriptError: the transcript is of another model, deposit or study.
        """
        before = self.start
        for key in ("model", "deposit", "study", "own_words") if before else ():
            if before is not None and before.get(key) != start[key]:
                raise TranscriptError(
                    f"its {key} is {before.get(key)!r}",
                    where=str(self.path),
                    expected=f"{start[key]!r}",
                    fix="name another --out folder for another draft",
                )
        entry = {"kind": "start", "format": FORMAT, **start}
        if before != entry:
            self._add(entry)

    def next_answer(self, request: str) -> dict[str, Any] | None:
        """The answer that was given to this request, None where the transcript ends here.

        Raises:
            TranscriptError: something else was asked then.
        """
        if self._next == len(self.answers):
            return None
        entry = self.answers[self._next]
        if entry["request"] != request:
            raise TranscriptError(
                f"its request {self._next + 1} was another one",
                where=str(self.path),
                expected="the same deposit, read by the same version of this package",
                fix="start anew in another --out folder",
            )
        self._next += 1
        answer: dict[str, Any] = entry["answer"]
        return answer

    def add_answer(self, request: str, answer: Mapping[str, Any]) -> None:
        """Keep an answer."""
        self.answers.append({"kind": "answer", "request": request, "answer": dict(answer)})
        self._next += 1
        self._add(self.answers[-1])

    def _add(self, entry: Mapping[str, Any]) -> None:
        if not self._kept:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(json.dumps(entry, sort_keys=True).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
