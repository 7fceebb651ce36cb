"""What is scored: the rows of every sub-cell with a prediction, and what people and predictions say of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..metrics.socsci210 import cells as maths
from ..metrics.socsci210.cells import Answers, Cells, Floats, Ints, Mass, Ruler
from .predictions import Predictions
from .split import Scale, Split

Mask = NDArray[np.bool_]
BLOCK: Final = 1 << 15  # rows whose distributions are worked on at a time: bounds the memory, and fits a processor's cache


class Missing(NamedTuple):
    """What has no prediction that can be scored, by reason: cells, whole studies, and people's rows on scales without one."""

    cells: dict[str, int]
    studies: dict[str, int]
    rows: dict[str, int]


@dataclass(frozen=True)
class Scored:
    """What both conventions work on.

    Attributes:
        split: the rows of every scored sub-cell (predicted or not: all people of a cell are its humans).
        cells: their sub-cells.
        predicted: index of each predicted row in `split`.
        predictions: answers of the predicted rows.
        low, high: range of each sub-cell without a stated scale, from training; nan where unknown.
        controls: distributions by name of control.
        missing: what of the split is not here.
    """

    split: Split
    cells: Cells
    predicted: Ints
    predictions: Predictions
    low: Floats
    high: Floats
    controls: dict[str, Mass]
    is_control: bool
    missing: Missing

    @cached_property
    def on_scale(self) -> Mask:
        """Rows of the split that convention `stated` counts: all but those whose answer lies outside the stated scale."""
        return maths.on_scale(self.cells, self.split.response)

    @cached_property
    def human(self) -> Mass:
        """What people answered on the scale."""
        return maths.people(self.cells, self.split.response, self.on_scale.astype(np.float64))

    @cached_property
    def model(self) -> Mass:
        """What the predictions say of the same rows, added up in each sub-cell."""
        return self.expected(weight=self.on_scale.astype(np.float64))

    def answers(self, *, decode: bool = False) -> Answers:
        """The predicted answers of every predicted row; `decode` reads the distributions at temperature 0.6 and top_p 0.9."""
        answers = self.predictions.answers
        if not decode:
            return answers
        return answers._replace(probability=np.concatenate([maths.decoded(some).probability for _, some in blocks(answers)]))

    def expected(self, *, weight: Floats | None = None, decode: bool = False) -> Mass:
        """The predicted answers, added up in each sub-cell.

        Args:
            weight: of each row of the split, default 1.
            decode: as in `answers`.
        """
        of_row = None if weight is None else weight[self.predicted]
        return maths.predicted(self.cells, self.cells.code[self.predicted], self.answers(decode=decode), of_row)

    def predicted_rows(self) -> tuple[Ints, Scale]:
        """The predicted rows that have a place on their stated scale, as indices into `predicted`, and their scale."""
        scale = self.split.scale.take(self.predicted)
        use = np.flatnonzero(np.isfinite(scale.low) & self.on_scale[self.predicted])
        return use, scale.take(use)


def stated_ruler(scored: Scored) -> Ruler:
    """The ruler of convention `stated`, which counts people on the scale."""
    n = np.bincount(scored.cells.code, weights=scored.on_scale, minlength=scored.cells.n_sub)
    return maths.stated_ruler(scored.cells, scored.low, scored.high, n.astype(np.int64))


def blocks(answers: Answers) -> Iterator[tuple[slice, Answers]]:
    """The rows of some answers, `BLOCK` at a time: which ones, and their answers."""
    for first in range(0, len(answers.start) - 1, BLOCK):
        some = slice(first, min(first + BLOCK, len(answers.start) - 1))
        inside = slice(int(answers.start[some.start]), int(answers.start[some.stop]))
        start = answers.start[some.start : some.stop + 1] - inside.start
        yield some, Answers(start, answers.value[inside], answers.probability[inside])
