"""What parsing a stimulus gives: the scale, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from ..schema import Scale

REASONS: Final[dict[str, str]] = {
    "no_format_sentence": "the stimulus has no sentence that says how to answer",
    "unbounded": "the sentence asks for a whole number and names no range",
    "not_integer": "the sentence asks for words or for fractions, not for whole numbers",
    "contradictory": "the stimulus states two ranges, or labels for values outside its range",
    "one_value": "the sentence allows one single answer",
    "too_large": "a bound lies beyond the whole numbers that every type holds exactly",
}


@dataclass(frozen=True)
class ParsedScale:
    """What a stimulus says about its answers. Where no range is stated `min` and `max` are None and `reason` is a key of REASONS.

    `labels` holds the words as written, without the quotes around them and the punctuation that closes the clause; `spans` their places
    in the text given. `sentence` is the place of the answer-format sentence with the label clauses behind it.
    """

    min: int | None = None
    max: int | None = None
    step: int = 1
    labels: Mapping[int, str] = field(default_factory=dict)
    spans: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    kind: Literal["binary", "ordinal", "numeric"] | None = None
    unit: str | None = None
    direction: Literal["up", "down", "unknown"] = "unknown"
    reason: str | None = None
    sentence: tuple[int, int] | None = None
    labels_from: Literal["sentence", "question"] | None = None

    @property
    def values(self) -> range:
        """All stated answers in ascending order; empty where no range is stated."""
        return range(0) if self.min is None or self.max is None else range(self.min, self.max + 1, self.step)

    def scale(self) -> Scale | None:
        """The scale in the terms of the dataset's schema; None where the stimulus asks for no whole number or contradicts itself."""
        if self.kind is None:
            return None
        return Scale(
            min=self.min, max=self.max, step=self.step, labels=dict(self.labels), kind=self.kind, unit=self.unit, direction=self.direction
        )
