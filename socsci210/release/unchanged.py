"""Whether an import would find what the last one found: the same release, the same options, and a dataset that nobody touched."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ..dataset_folder import MANIFEST
from ..load import cache_folder
from .source import Source

_PACKAGE: Final = Path(__file__).resolve().parent.parent


class Signature:
    """What an import depends on and what came of it, by size and time of every file; none is read.

    It is kept in this package's cache folder, not in the dataset, whose bytes depend on the release alone.
    """

    def __init__(self, source: Source, out: Path, with_reasoning: bool) -> None:
        code = (path for kind in ("*.py", "*.json", "*.jinja") for path in _PACKAGE.rglob(kind))
        self._out = out
        self._depends = _digest([*source.files, *code], f"{source.name}@{source.revision} {with_reasoning}")
        self._note = cache_folder() / "imports" / f"{hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:32]}.json"

    def unchanged(self) -> bool:
        """Whether the dataset is there as the last import left it, made of the same things."""
        if not (self._out / MANIFEST).is_file() or not self._note.is_file():
            return False
        try:
            noted = json.loads(self._note.read_text(encoding="utf-8"))
        except ValueError:
            return False
        return bool(noted == self._now())

    def note(self) -> None:
        """Remember what is there now. A cache folder that cannot be written costs a warning and the next run's time."""
        try:
            self._note.parent.mkdir(parents=True, exist_ok=True)
            self._note.write_text(json.dumps(self._now()), encoding="utf-8")
        except OSError as error:
            warnings.warn(f"the next import of the same release will not know that it is the same ({error})", stacklevel=2)

    def _now(self) -> dict[str, str]:
        return {"depends": self._depends, "dataset": _digest(path for path in self._out.rglob("*") if path.is_file())}


def _digest(paths: Iterable[Path], more: str = "") -> str:
    """sha256 over path, size and time of the last change of every file."""
    digest = hashlib.sha256(more.encode())
    for path in sorted(path.resolve() for path in paths):
        status = path.stat()
        digest.update(f"{path}\0{status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
