"""The results file: a typed, versioned record of what was scored, how, and what came out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import AliasChoices, Field, ValidationError

from .errors import DatasetError
from .replacing import RESULTS, replaceable, write_text
from .result_parts import (
    AnswerMass,
    Calibration,
    CalibrationBin,
    CellExample,
    CellScore,
    Contamination,
    Contrast,
    Convention,
    Coverage,
    Effects,
    Estimate,
    Figure,
    GapClosed,
    GroupScore,
    Individual,
    Number,
    Parity,
    ParityGroup,
    Part,
    Score,
    Sensitivity,
    StudyScore,
    WeightedScore,
)
from .schema import Many

FORMAT: Final = 1
__all__ = [
    "FORMAT", "AnswerMass", "Calibration", "CalibrationBin", "CellExample", "CellScore", "Contamination", "Contrast", "Convention",
    "Coverage", "Dataset", "Effects", "Estimate", "Figure", "GapClosed", "GroupScore", "Individual", "Number", "Parity", "ParityGroup",
    "Results", "Run", "Score", "Sensitivity", "StudyScore", "WeightedScore",
]  # fmt: skip


class Run(Part):
    """One model (or control) on one split of one configuration."""

    config: str
    split: str
    engine: str
    model: str | None
    revision: str | None
    template: str | None
    template_hash: str | None
    seed: int | None
    per_cell: int | None = Field(default=None, validation_alias=AliasChoices("per_cell", "limit_cell"))
    """At most so many people of every cell were predicted; None: all. Files of earlier versions call it `limit_cell`."""
    sampling_error: Number = None
    """Standard error that predicting only some people adds to W of convention `stated`; None where all were predicted, or one of a cell."""
    sampling_bias: Number = None
    """By how much predicting only some people makes that W too large on average; it is not subtracted."""
    training: dict[str, Any] | None
    held_out: bool | None
    """Whether the run records of the model and of those it started from say that this split was held out; None where that is not known."""
    coverage: Coverage
    answer_mass: AnswerMass | None
    stated: Score | None
    published: Score | None
    weighted: WeightedScore | None
    sensitivity: Sensitivity
    parity: Many[Parity]
    examples: Many[CellExample]
    groups: Many[GroupScore] = ()
    individual: Individual | None = None
    calibration: Calibration | None = None
    effects: Effects | None = None
    contamination: Contamination | None = None
    cells: Many[CellScore] = ()

    def score(self, convention: Convention) -> Score | None:
        """The score under a convention; None where it scores no cell."""
        return self.stated if convention == "stated" else self.published


class Dataset(Part):
    """What was scored against."""

    fingerprint: str
    n_studies: int
    n_simulated: int
    studies: dict[str, str]
    """Title of every scored study."""
    sources: dict[str, str]
    """Address of every scored study's source."""
    topics: dict[str, str] = Field(default_factory=dict)
    """Topic of every scored study that names one; empty in files of earlier versions."""


class Results(Part):
    """A results file."""

    format: Literal[1]
    version: str
    versions: dict[str, str]
    seed: int
    bootstrap_draws: int
    permutations: int
    shuffles: int
    dataset: Dataset
    runs: Many[Run]

    def write_json(self, path: str | Path) -> Path:
        """Write the file whole or not at all.

        Raises:
            DatasetError: `path` is a folder, or a file that is no results file.
        """
        out = replaceable(path, RESULTS, "results file")
        text = self.model_dump_json(indent=1) + "\n"
        return write_text(out, text)

    @classmethod
    def read_json(cls, path: str | Path) -> Results:
        """Read a results file.

        Raises:
            DatasetError: no such file, another format, or not what this version writes.
        """
        if not Path(path).is_file():
            found_there = "a folder" if Path(path).is_dir() else "no such file"
            raise DatasetError(found_there, where=str(path), expected="a file that socsci210 score wrote", fix="check the name")
        try:
            text = Path(path).read_text(encoding="utf-8")
            found = json.loads(text)
        except (OSError, ValueError) as error:
            raise DatasetError(f"does not read ({error})", where=str(path), fix="run socsci210 score again") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            form = found.get("format") if isinstance(found, dict) else None
            what = "no results file" if form is None else f"format {form!r}, of another version"
            raise DatasetError(what, where=str(path), expected=f"results of format {FORMAT}", fix="run socsci210 score again")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise DatasetError(f"{key}: {first['msg']}", where=str(path), fix="run socsci210 score again") from error
