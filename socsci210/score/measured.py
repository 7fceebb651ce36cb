"""Every distance of a run under one convention, for all its cells at once: what scores, groups, tables and examples are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ..metrics.socsci210 import cells as maths
from ..metrics.socsci210.cells import Floats, Ruler
from ..results import Convention
from .scored import Mask, Scored, stated_ruler


@dataclass(frozen=True)
class Measured:
    """Distances of one convention.

    Attributes:
        ruler: the groups that it measures: sub-cells (`stated`) or cells (`published`).
        figures: by name, one value for each group; nan where it is not scored. `W`, `chance`, `chance_draws`, `total_variation`,
            `best_constant`, the noise floors `distributions` and `draws` (as many for each person as the file has), and the controls by
            name.
        decoded: whether distributions were read at temperature 0.6 and top_p 0.9.
    """

    scored: Scored
    convention: Convention
    ruler: Ruler
    figures: dict[str, Floats]
    decoded: bool

    @cached_property
    def by_cell(self) -> dict[str, Floats]:
        """The figures of cells: sub-cells are averaged, and every figure counts exactly where W does."""
        cells = self.scored.cells
        known = np.isfinite(self.figures["W"])
        masked = {name: np.where(known, values, np.nan) for name, values in self.figures.items()}
        if self.convention == "published":
            return masked
        return {name: maths.mean_by(cells.cell, values, cells.n_cells) for name, values in masked.items()}

    @cached_property
    def by_study(self) -> dict[str, Floats]:
        """The figures of studies: means over their cells; nan for a study without a scored cell."""
        cells, n = self.scored.cells, len(self.scored.split.studies)
        return {name: maths.mean_by(cells.cell_study, values, n) for name, values in self.by_cell.items()}

    @property
    def counted(self) -> Mask:
        """Cells that are scored."""
        out: Mask = np.isfinite(self.by_cell["W"])
        return out

    @property
    def floor(self) -> Literal["distributions", "draws"]:
        """Name of the noise floor that fits the predictions: shares of several draws are draws, too."""
        return "distributions" if self.scored.predictions.per_person is None else "draws"


def measured(scored: Scored, convention: Convention, *, seed: int) -> Measured:
    """All distances of a run under a convention."""
    cells, stated = scored.cells, convention == "stated"
    drawn = scored.predictions.files.metadata.drawn_at
    raw = drawn in (None, (1, 1))  # draws at another temperature are decoded already
    decode = not stated and scored.predictions.kind == "distributions" and not scored.is_control and raw
    ruler = stated_ruler(scored) if stated else maths.published_ruler(cells, scored.split.response)
    human = scored.human if stated else maths.people(cells, scored.split.response)
    model = scored.model if stated else scored.expected(decode=decode)
    low, high = (scored.low, scored.high) if stated else _seen(scored)
    figures = {
        "W": maths.distance(ruler, model, human),
        "total_variation": maths.variation(ruler, model, human),
        "best_constant": maths.constant(ruler, human),
        "chance": maths.distance(ruler, maths.uniform(cells, low, high), human),
        "chance_draws": maths.distance(ruler, maths.uniform_draws(cells, low, high, seed), human),
        "distributions": maths.floor(ruler, human),
        "draws": maths.floor_of_draws(ruler, human, scored.predictions.per_person or 1),
        **{name: maths.distance(ruler, mass, human) for name, mass in scored.controls.items()},
    }
    return Measured(scored, convention, ruler, figures, decode)


def _seen(scored: Scored) -> tuple[Floats, Floats]:
    """Observed range of each sub-cell: where `published` has no stated scale to draw chance from."""
    low, high = np.full(scored.cells.n_sub, np.inf), np.full(scored.cells.n_sub, -np.inf)
    np.minimum.at(low, scored.cells.code, scored.split.response)
    np.maximum.at(high, scored.cells.code, scored.split.response)
    return low, high
