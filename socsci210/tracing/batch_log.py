"""What is known of the batches of a run: an append-only file, on disk before the server hears of the next step.

A batch is `planned` (its name, which follows from its requests) before anything of it is sent, then `begun` (the server's id), then
`ended`. So whenever a run is killed, the next one knows which batch may exist at the server: it is looked for there, and never begun again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .options import TraceError


@dataclass
class Planned:
    """A batch: its requests, and how far it came."""

    name: str
    requests: list[str]
    id: str | None = None
    files: list[str] = field(default_factory=list)
    ended: bool = False


class BatchLog:
    """The batches of a run, in the order of their planning.

    Args:
        path: the file; made if it is not there. A line that a kill has torn is cut off.

    Raises:
        TraceError: another line does not read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.batches: dict[str, Planned] = {}
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        end = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                try:
                    self._apply(json.loads(line))
                except (ValueError, KeyError, TypeError) as error:
                    raise TraceError(
                        f"not a line of the log of batches ({error!r})", where=f"{path}, line {number}",
                        fix="restore the file; without it a batch may be paid twice",
                    ) from error  # fmt: skip
                end += len(line)
        os.ftruncate(self._file, end)

    @property
    def open(self) -> list[Planned]:
        """Batches that are not known to have ended."""
        return [one for one in self.batches.values() if not one.ended]

    def plan(self, requests: Sequence[str]) -> Planned:
        """Note a batch before anything of it is sent."""
        number = len(self.batches)
        name = hashlib.sha256("\0".join([str(number), *requests]).encode()).hexdigest()[:32]
        self._write({"event": "planned", "name": name, "requests": list(requests)})
        return self.batches[name]

    def begun(self, name: str, batch: str) -> None:
        """Note the server's id."""
        self._write({"event": "begun", "name": name, "id": batch})

    def uploaded(self, name: str, file: str) -> None:
        """Note a file of ours at the server."""
        self._write({"event": "uploaded", "name": name, "file": file})

    def ended(self, name: str, status: str) -> None:
        """Note that all answers of a batch are in the journal, or that it does not exist."""
        self._write({"event": "ended", "name": name, "status": status})

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _write(self, event: dict[str, Any]) -> None:
        data = (json.dumps(event) + "\n").encode()
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)
        self._apply(event)

    def _apply(self, event: dict[str, Any]) -> None:
        name, kind = str(event["name"]), event["event"]
        if kind == "planned":
            self.batches[name] = Planned(name, [str(one) for one in event["requests"]])
        elif kind == "begun":
            self.batches[name].id = str(event["id"])
        elif kind == "uploaded":
            self.batches[name].files.append(str(event["file"]))
        elif kind == "ended":
            self.batches[name].ended = True
        else:
            raise ValueError(kind)
