"""What the generator knows of a simulated study beside its study file: elements of each arm, type of each question, layout of the deposit.

The words stand in `loaders/simulated/<id>/study.yaml`; the ids of arms and questions are the same there and here, and a test compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Format = Literal["sav", "zsav", "sav.gz", "por", "dta", "xpt", "csv", "csv.gz", "zip", "tsv", "xlsx", "parquet"]
AB: Final = ("A", "B")


@dataclass(frozen=True)
class Arm:
    """A condition: the elements it is made of, and what the condition columns of the deposit hold for it."""

    id: str
    elements: tuple[str, ...]
    stored: tuple[int | str, ...]


def arms(*lines: str, stored: Sequence[str | tuple[int, ...]] = ()) -> tuple[Arm, ...]:
    """Arms from lines `id: element element`. `stored`: what the condition columns hold for each, by default 1, 2, ..."""
    built = []
    for number, line in enumerate(lines):
        name, elements = line.split(":")
        held = stored[number] if stored else (number + 1,)
        built.append(Arm(name, tuple(elements.split()), (held,) if isinstance(held, str) else held))
    return tuple(built)


@dataclass(frozen=True)
class Question:
    """An outcome. `split`: the first so many arms are stored in column + "A", the others in column + "B". `reverse`: stored as
    low + high - answer. `items`: names of repeated items, stored in column + "_1", "_2", ... `wording`: the question, where the data file
    itself holds it (variable label or second header row)."""

    id: str
    kind: str
    column: str
    split: int = 0
    reverse: bool = False
    items: tuple[str, ...] = ()
    wording: str = ""


@dataclass(frozen=True)
class Fill:
    """A blank of the text that the row fills: column and its codes (the words are in the study file)."""

    column: str
    levels: tuple[int, ...]


@dataclass(frozen=True)
class Design:
    """One simulated study.

    `assigned`: where the deposit keeps the condition. `asked` is only in which question was asked; `within` means that everybody met every
    arm, in an order of their own: items are the rounds, with one condition column for each. `refused` and `dont_know` are codes;
    `declared` says whether the file declares them missing.
    """

    id: str
    topic: str
    format: Format
    arms: tuple[Arm, ...]
    questions: tuple[Question, ...]
    panel: Literal["long", "mid", "short"] = "mid"
    assigned: Literal["column", "asked", "within"] = "column"
    condition_columns: tuple[str, ...] = ()
    refused: int | None = None
    dont_know: int | None = None
    declared: bool = False
    encoding: str = "utf-8"
    weight: str | None = None
    fill: Fill | None = None
    finished: bool = False  # has a column Finished; people who did not finish are to be left out
    second_header: bool = False
    labelled: bool = False  # value labels of answers stand in the data file
    document: Literal["docx", "txt"] | None = None
    conjoint: bool = False

    def column(self, question: Question, item: int, arm: int) -> str:
        """The deposit's column of an answer."""
        name = question.column
        if self.conjoint and question.items:
            return f"{name}_{question.items[item].upper()}"
        if question.items:
            return f"{name}_{item + 1}"
        if question.split:
            return name + AB[arm >= question.split]
        if self.assigned == "asked":
            return f"{name}_{arm + 1}"
        return name
