"""Outputs may replace an earlier output of the same kind, and nothing else; they are there whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from .errors import DatasetError

PAGE: Final = re.compile(rb"\s*<!doctype html>", re.IGNORECASE)
PROFILE: Final = re.compile(rb'# Deposit |\{\s*"format"\s*:\s*\d+\s*,\s*"deposit"\s*:')
RESULTS: Final = re.compile(rb'\s*\{\s*"format"\s*:\s*\d+\s*,\s*"version"\s*:')
_LOOK: Final = 200  # bytes


def replaceable(out: str | Path, kind: re.Pattern[bytes], what: str) -> Path:
    """`out`, where nothing stands there or a file that begins as `kind` does.

    Args:
        out: the file to write.
        kind: `PAGE`, `PROFILE` or `RESULTS`.
        what: the kind in words, for the message.

    Raises:
        DatasetError: a folder, or a file of another kind: writing would destroy it.
    """
    path = Path(out)
    if path.is_dir():
        raise DatasetError("a folder, where a file is wanted", where=str(path), fix="name a file with --out")
    if path.exists():
        with path.open("rb") as file:
            begins = file.read(_LOOK)
        if begins and not kind.match(begins):
            raise DatasetError(
                f"{what} would replace another file", where=str(path), expected=f"a new file, or an earlier {what}",
                fix="name another file with --out",
            )  # fmt: skip
    return path


def write_whole(path: Path, write: Callable[[Path], Any]) -> Path:
    """Write a file that is there whole or not at all, whenever the process or the machine stops, and return its path.

    Args:
        path: the file; one that is there is replaced. Its folder is made.
        write: writes what it is to hold to the path that it is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".tmp")
    try:
        write(draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        return draft.replace(path)
    except BaseException:  # of a full disk, or Ctrl-C, nothing stays behind
        draft.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> Path:
    """Write a text as `write_whole` does."""
    return write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8"))
