"""Steps that are done once: what a step makes lies under a key of everything that goes into it.

A step's output appears whole, at the end, so an output that is there is done. Other settings give another key and another place: nothing
that was made is ever replaced, and a run that was cut off goes on where it stood.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..replacing import write_text
from .config import ExperimentError

Say = Callable[[str], None]


def key_of(inputs: Mapping[str, Any]) -> str:
    """Eight hex digits of the sha256 of inputs that JSON can hold."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Steps:
    """The steps of one folder; a note of each step's inputs is kept in `steps/`."""

    folder: Path
    say: Say

    def run(self, title: str, name: str, inputs: Mapping[str, Any], output: Callable[[str], Path], work: Callable[[Path], object]) -> Path:
        """Make an output, unless it is there.

        Args:
            title: what the step does, for people.
            name: of the note.
            inputs: everything that decides what comes out.
            output: where it lies, by its key.
            work: makes the output at that place, whole or not at all; it may go on with what it left itself there.

        Raises:
            ExperimentError: the step ended without its output.
        """
        key = key_of(inputs)
        target = output(key)
        if target.exists():
            self.say(f"Done already: {title} ({target.relative_to(self.folder)})")
            return target
        self.say(title)
        target.parent.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        work(target)
        if not target.exists():
            raise ExperimentError(f"step {name!r} ended without its output", where=str(target), fix="run the same command again")
        write_json(self.folder / "steps" / f"{name}-{key}.json", {"step": title, "seconds": round(time.monotonic() - started, 1), **inputs})
        return target


def write_json(path: Path, value: object) -> Path:
    """Write a JSON file whole or not at all."""
    return write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")
