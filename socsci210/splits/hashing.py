"""The salted hash that decides every assignment. Changing anything here changes the published splits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

SALT: Final = "socsci210/1"


def _prefix(config: str, name: str) -> bytes:
    return f"{SALT}:{config}:{name}:".encode()


def position(config: str, name: str, unit: str | int = "") -> float:
    """Where a unit stands on [0, 1): sha256 of `SALT:config:name:unit` as an integer, divided by 2**256.

    Args:
        config: name of the split configuration.
        name: study id; for `unseen_studies` the key of the family.
        unit: condition_num, task_num or participant; empty for whole families.
    """
    return int.from_bytes(hashlib.sha256(_prefix(config, name) + str(unit).encode()).digest()) / 2**256


def ranked(config: str, name: str, units: Iterable[int]) -> npt.NDArray[np.int64]:
    """Units in ascending order of their position (exact: by the whole hash)."""
    prefix, sha256 = _prefix(config, name), hashlib.sha256
    numbers = list(units)
    words = np.frombuffer(b"".join([sha256(prefix + b"%d" % unit).digest() for unit in numbers]), ">u8").reshape(-1, 4)
    return np.array(numbers, np.int64)[np.lexsort(words.T[::-1])]
