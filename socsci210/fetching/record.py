"""`deposit.json`: where every file of a deposit comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from ..schema import Many, Strict
from .choose import RECORD


class Source(Strict):
    """Where a deposit comes from. `licence` is None where the source states none."""

    kind: Literal["osf", "dataverse", "github", "web"]
    id: str
    url: str
    title: str
    licence: str | None


class File(Strict):
    """One file of a deposit: where from, which bytes, when.

    `date` is that of its last change as the source says, `fetched` the day on which it was downloaded, `member` its name in the archive
    that it was taken out of, whose path at the source is `path`.
    """

    file: str
    path: str
    member: str | None = None
    url: str
    size: int
    sha256: str
    date: str | None
    licence: str | None
    fetched: str
    reason: str


class LeftOut(Strict):
    """One file of the source that is not in the deposit."""

    path: str
    size: int | None
    reason: str


class Deposit(Strict):
    """The whole record."""

    format: Literal[1] = 1
    source: Source
    files: Many[File]
    left_out: Many[LeftOut] = ()
    notes: Many[str] = ()


def read_record(folder: Path) -> Deposit | None:
    """The record of a deposit that was fetched; None where there is none that can be read."""
    try:
        return Deposit.model_validate_json((folder / RECORD).read_bytes())
    except (OSError, ValidationError):
        return None


def write_record(deposit: Deposit, folder: Path) -> None:
    """Write it, whole or not at all."""
    draft = folder / f".{RECORD}.partial"
    draft.write_text(json.dumps(deposit.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(folder / RECORD)
