"""Work in progress that a killed process left behind. Its folders are named `PREFIX` + number of the process (+ `-` and anything)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def sweep(folder: Path, prefix: str) -> None:
    """Remove the folders with this prefix whose process is gone. What may not be removed (another user's) stays."""
    for path in sorted(folder.glob(f"{prefix}*")):
        if not _alive(path.name.removeprefix(prefix).partition("-")[0]):
            shutil.rmtree(path, ignore_errors=True)


def _alive(process: str) -> bool:
    """Whether a process of this number runs."""
    if not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
