"""The score card of a draft: one line per part of a study, each with what is wrong in words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Part = Literal["participants", "weights", "arms", "outcomes", "scales", "answers", "missing codes", "demographics", "text"]


class Line(BaseModel):
    """One part of a study.

    Args:
        part: what is compared.
        score: 1 where the draft agrees with the key in everything, 0 in nothing.
        found: the figures behind it.
        faults: every disagreement, in words.
    """

    model_config = ConfigDict(frozen=True)

    part: Part
    score: Annotated[float, Field(ge=0, le=1)]
    found: str
    faults: tuple[str, ...] = ()


class ScoreCard(BaseModel):
    """How far a draft agrees with its key.

    Args:
        draft, key: ids of the two studies.
        failed: why the draft is no valid study file or cannot be built; empty if it can.
        refused: gates that the draft does not pass, though it can be read.
        lines: one per part; none where the draft failed.
    """

    model_config = ConfigDict(frozen=True)

    draft: str
    key: str
    failed: str = ""
    refused: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()

    @property
    def overall(self) -> float:
        """The mean of the scores of all lines, each counting the same, whatever its size; 0 for a draft that cannot be read.

        Gates that refuse the draft cost nothing here: they are told beside it.
        """
        return sum(line.score for line in self.lines) / len(self.lines) if self.lines else 0.0

    @property
    def perfect(self) -> bool:
        """Whether nothing at all disagrees."""
        return not self.failed and not self.refused and all(line.score == 1 and not line.faults for line in self.lines)
