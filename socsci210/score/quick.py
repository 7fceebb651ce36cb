"""W of predictions that are held in memory, without intervals, controls or files: what training looks at while it runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..metrics.socsci210 import cells as maths
from ..metrics.socsci210.cells import Answers, Floats, Ints
from .split import Split


class QuickScore(NamedTuple):
    """Means over cells, then over studies, in convention `stated`: the figures that `score` gives for the same predictions."""

    W: float
    chance: float
    answer_mass: float
    n_studies: int
    n_cells: int


def quick_score(split: Split, predicted: Ints, answers: Answers, mass: Floats) -> QuickScore:
    """Score some rows of a split whose scales are bounded. All rows of a cell with a prediction are its people.

    Args:
        split: the rows.
        predicted: index of each predicted row.
        answers: the distribution of each, over its scale.
        mass: probability of the allowed answers before normalising, of each.

    Raises:
        ValueError: no cell can be scored.
    """
    everything = _cells(split)
    has = np.bincount(everything.code[predicted], minlength=everything.n_sub) > 0
    keep = np.flatnonzero(has[everything.code])
    place = np.full(len(split.study), -1)
    place[keep] = np.arange(len(keep))
    some, at = split.take(keep), place[predicted]
    cells = _cells(some)
    counts = maths.on_scale(cells, some.response).astype(np.float64)
    none = np.full(cells.n_sub, np.nan)
    n = np.bincount(cells.code, weights=counts, minlength=cells.n_sub).astype(np.int64)
    ruler = maths.stated_ruler(cells, none, none, n)
    human = maths.people(cells, some.response, counts)
    model = maths.predicted(cells, cells.code[at], answers, counts[at])
    W = maths.distance(ruler, model, human)
    chance = np.where(np.isfinite(W), maths.distance(ruler, maths.uniform(cells, none, none), human), np.nan)
    n_studies = len(some.studies)
    by_cell = [maths.mean_by(cells.cell, values, cells.n_cells) for values in (W, chance)]
    by_study = [maths.mean_by(cells.cell_study, values, n_studies) for values in by_cell]
    there = np.isfinite(by_study[0])
    if not there.any():
        raise ValueError("no cell of these rows can be scored")
    masses = maths.mean_by(some.study[at], mass, n_studies)
    return QuickScore(
        W=float(by_study[0][there].mean()),
        chance=float(by_study[1][there].mean()),
        answer_mass=float(masses[np.isfinite(masses)].mean()),
        n_studies=int(there.sum()),
        n_cells=int(np.isfinite(by_cell[0]).sum()),
    )


def _cells(split: Split) -> maths.Cells:
    return maths.cells_of(split.study, split.condition, split.task, split.scale.low, split.scale.high, split.scale.step)
