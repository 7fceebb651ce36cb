"""Prediction files before they are read: what they say of themselves, and which are shards of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from ..errors import DatasetError
from ..predict.shards import read_metadata

SHOWN: Final = 3
AGAIN: Final = "run socsci210 predict again"
# Files that agree on these are shards of one run and are scored together.
_SAME_RUN: Final = ("config", "split", "engine", "model", "revision", "template", "template_hash", "seed", "per_cell")


class Metadata(BaseModel):
    """What a prediction file says of itself; keys that scoring does not need are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    config: str
    split: str
    engine: str
    dataset_fingerprint: str
    rows_expected: int
    complete: bool
    model: str | None = None
    revision: str | None = None
    template: str | None = None
    template_hash: str | None = None
    seed: int | None = None
    per_cell: int | None = Field(default=None, validation_alias=AliasChoices("per_cell", "limit_cell"))
    training: dict[str, Any] | None = None
    arms: bool = False
    left_out: dict[str, int] = Field(default_factory=dict)
    server: dict[str, Any] | None = None

    @property
    def drawn_at(self) -> tuple[float, float] | None:
        """Temperature and top_p of a file whose rows were all drawn by a model server; None for any other."""
        about = self.server or {}
        return (about["temperature"], about["top_p"]) if about.get("logprobs") is False and {"temperature", "top_p"} <= set(about) else None

    @property
    def draws_per_row(self) -> int | None:
        """How many draws the shares of every row are made of, where a model server drew them all; None for any other file."""
        about = self.server or {}
        return int(about["draws"]) if about.get("logprobs") is False and "draws" in about else None


@dataclass(frozen=True)
class PredictionFiles:
    """The files of one run, unread: what they say of themselves and where they lie."""

    metadata: Metadata
    paths: tuple[Path, ...]

    @property
    def where(self) -> str:
        """For messages."""
        return ", ".join(map(str, self.paths[:SHOWN])) + (f" and {len(self.paths) - SHOWN} more" if len(self.paths) > SHOWN else "")


def group_files(paths: Sequence[Path], fingerprint: str, *, arms: bool = False) -> list[PredictionFiles]:
    """Files by the run they belong to, in the order given.

    Args:
        fingerprint: of the dataset they must be made for.
        arms: whether they must be arms files (every persona through every arm), or must not.

    Raises:
        DatasetError: none given, one given twice, one that is unfinished or was made for another dataset.
    """
    if not paths:
        raise DatasetError("no prediction file given", fix="name at least one predictions.parquet")
    if len({Path(path).resolve() for path in paths}) != len(paths):
        raise DatasetError("a prediction file is given twice", where=", ".join(map(str, paths)), fix="name each file once")
    groups: dict[tuple[str, ...], list[tuple[Path, Metadata]]] = {}
    for path in map(Path, paths):
        metadata = _metadata(path)
        if metadata.dataset_fingerprint != fingerprint:
            raise DatasetError(
                f"predictions for the dataset with fingerprint {metadata.dataset_fingerprint}",
                where=str(path), expected=fingerprint, fix="name the dataset that was predicted, or predict this one",
            )  # fmt: skip
        if not metadata.complete:
            raise DatasetError(
                "an unfinished run (metadata `complete` is not true)",
                where=str(path), expected="a finished file", fix=f"{AGAIN}: it resumes",
            )  # fmt: skip
        if metadata.arms != arms:
            found, wanted = ("every persona through every arm", "the rows of a split") if metadata.arms else ("the rows of a split", "arms")
            raise DatasetError(f"predictions of {found}", where=str(path), expected=f"predictions of {wanted}",
                               fix="give arms files as arms (--arms FILE), others as predictions")  # fmt: skip
        groups.setdefault(tuple(repr(getattr(metadata, key)) for key in _SAME_RUN), []).append((path, metadata))
    return [_one_run(files) for files in groups.values()]


def _metadata(path: Path) -> Metadata:
    try:
        return Metadata.model_validate(read_metadata(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{path}, metadata key {'.'.join(map(str, first['loc']))}"
        raise DatasetError(
            first["msg"], where=where, expected=f"what socsci210 predict writes: {', '.join(Metadata.model_fields)}", fix=AGAIN
        ) from error


def _one_run(files: list[tuple[Path, Metadata]]) -> PredictionFiles:
    """Shards of one run hold as many rows as they promise, together or each for itself."""
    run = PredictionFiles(files[0][1], tuple(path for path, _ in files))
    found = [pq.read_metadata(path).num_rows for path, _ in files]
    promised = [metadata.rows_expected for _, metadata in files]
    together = len(set(promised)) == 1 and sum(found) == promised[0]
    if not together and found != promised:
        raise DatasetError(
            f"{sum(found)} rows, {max(promised) if len(set(promised)) == 1 else sum(promised)} promised by the metadata",
            where=run.where, expected="every row of the run", fix=f"add the missing shards, or {AGAIN}",
        )  # fmt: skip
    return run
