"""The evaluate module `socsci210` and where it lies on disk."""

from __future__ import annotations

from pathlib import Path


def path() -> Path:
    """Folder of the evaluate module, for `evaluate.load(str(path()))` from any directory and without a network."""
    return Path(__file__).resolve().parent / "socsci210"
