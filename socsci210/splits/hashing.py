"""The salted hash that decides every assignment. Changing anything here changes the published splits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

SALT: Final = "socsci210/1"


def _digest(config: str, name: str, unit: str | int) -> bytes:
    return hashlib.sha256(f"{SALT}:{config}:{name}:{unit}".encode()).digest()


def position(config: str, name: str, unit: str | int = "") -> float:
    """Where a unit stands on [0, 1): sha256 of `SALT:config:name:unit` as an integer, divided by 2**256.

    Args:
        config: name of the split configuration.
        name: study id; for `unseen_studies` the key of the family.
        unit: condition_num, task_num or participant; empty for whole families.
    """
    return int.from_bytes(_digest(config, name, unit)) / 2**256


def ranked(config: str, name: str, units: Iterable[int]) -> list[int]:
    """Units in ascending order of their position (exact: by the whole hash)."""
    return sorted(units, key=lambda unit: _digest(config, name, unit))
