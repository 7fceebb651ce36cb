"""Figures of single predictions, and what is averaged from them: individual accuracy and calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..metrics.socsci210 import cells as maths
from ..metrics.socsci210.calibration import calibration, entropies, entropy_ratios
from ..metrics.socsci210.cells import Answers, Floats, Ints
from ..metrics.socsci210.individual import accuracy_by_draw
from ..metrics.socsci210.parity import accuracy
from ..reference import estimate
from ..results import Calibration, CalibrationBin, Individual
from .scored import Scored, blocks, stated_ruler
from .split import Scale


@dataclass(frozen=True)
class RowFigures:
    """Of the predicted rows with a place on a stated scale: `use` is their index among the predicted rows, all others are parallel to it.

    Attributes:
        scale: their scales.
        median, mean: of the predicted distribution, unclipped.
        draw, draw_unclipped: mean accuracy of a draw from the distribution, each draw clipped to the scale or not.
    """

    use: Ints
    scale: Scale
    median: Floats
    mean: Floats
    draw: Floats
    draw_unclipped: Floats


def row_figures(scored: Scored) -> RowFigures:
    """The figures of every predicted row on a stated scale, worked out block by block."""
    use, scale = scored.predicted_rows()
    everyone = scored.split.scale.take(scored.predicted)
    response = scored.split.response[scored.predicted]
    median, mean, draw, unclipped = (np.empty(len(scored.predicted)) for _ in range(4))
    for some, answers in blocks(scored.predictions.answers):
        median[some], mean[some] = maths.medians(answers), maths.means(answers)
        low, high = everyone.low[some], everyone.high[some]
        draw[some] = unclipped[some] = accuracy_by_draw(answers, response[some], low, high)
        if ((answers.value[answers.start[:-1]] < low) | (answers.value[answers.start[1:] - 1] > high)).any():
            unclipped[some] = accuracy_by_draw(answers, response[some], low, high, clip=False)
    return RowFigures(use, scale, median[use], mean[use], draw[use], unclipped[use])


def means_on_scale(answers: Answers, scale: Scale) -> Floats:
    """Mean position on [0, 1] of each row's distribution, clipped to the scale; nan without one."""
    out = np.empty(len(answers.start) - 1)
    for some, own in blocks(answers):
        out[some] = maths.means(own)
    return np.clip((out - scale.low) / (scale.high - scale.low), 0, 1)


def entropy_ratio(scored: Scored) -> float | None:
    """Entropy of the model's cell over that of people's, mean over cells on bounded scales, then studies; None where there is none.

    People's entropy, and that of draws, is corrected for what a sample of their size lacks.
    """
    cells, ruler = scored.cells, stated_ruler(scored)
    human = entropies(scored.human.code, scored.human.value, scored.human.mass, cells.n_sub, ruler.n.astype(np.float64))
    drawn: Floats | None = None
    if per_person := scored.predictions.per_person:
        drawn = per_person * np.bincount(
            cells.code[scored.predicted], weights=scored.on_scale[scored.predicted], minlength=cells.n_sub
        ).astype(np.float64)
    model = entropies(scored.model.code, scored.model.value, scored.model.mass, cells.n_sub, drawn)
    seen = entropies(scored.human.code, scored.human.value, scored.human.mass, cells.n_sub)
    ratio = np.where(cells.bounded & (seen > 0), entropy_ratios(human, model), np.nan)
    by_study = maths.mean_by(cells.cell_study, maths.mean_by(cells.cell, ratio, cells.n_cells), len(scored.split.studies))
    return float(np.nanmean(by_study)) if np.isfinite(by_study).any() else None


def study_accuracy(scored: Scored, figures: RowFigures) -> Floats:
    """Mean accuracy by median of each study; nan where it has no row on a stated scale."""
    rows = scored.predicted[figures.use]
    near = accuracy(figures.median, scored.split.response[rows], figures.scale.low, figures.scale.high)
    return maths.mean_by(scored.split.study[rows], near, len(scored.split.studies))


def individual(scored: Scored, figures: RowFigures, entropy: float | None, *, draws: int, seed: int) -> Individual | None:
    """Individual accuracy: means over rows, then studies; None where no row has a stated scale."""
    if not len(figures.use):
        return None
    rows, n_studies = scored.predicted[figures.use], len(scored.split.studies)
    study, response, scale = scored.split.study[rows], scored.split.response[rows], figures.scale
    raw = accuracy(figures.median, response, scale.low, scale.high, clip=False)
    rest = (maths.mean_by(study, each, n_studies) for each in (figures.draw, raw, figures.draw_unclipped))
    median, draw, unclipped, draw_unclipped = (values[np.isfinite(values)] for values in (study_accuracy(scored, figures), *rest))
    return Individual(
        median=estimate(median, draws=draws, seed=seed),
        draw=estimate(draw, draws=draws, seed=seed),
        median_unclipped=float(unclipped.mean()),
        entropy_ratio=entropy,
        draw_unclipped=float(draw_unclipped.mean()),
    )


def calibrated(scored: Scored, figures: RowFigures, entropy: float | None) -> Calibration | None:
    """Calibration over rows with a whole distribution and an answer on the stated scale; every study weighs the same. None for draws."""
    answers = scored.predictions.answers
    if scored.predictions.kind == "draws" or not len(figures.use) or not (answers.sizes > 1).any():
        return None
    study = scored.split.study[scored.predicted]
    weight = np.zeros(len(study))
    weight[figures.use] = (1 / np.bincount(study[figures.use], minlength=len(scored.split.studies)).clip(1))[study[figures.use]]
    found = calibration(answers, np.where(weight > 0, scored.split.response[scored.predicted], np.nan), weight=weight)
    bins = found["bins"]
    return Calibration(
        ece=found["ece"],
        brier=found["brier"],
        log_likelihood=found["log_likelihood"],
        entropy_ratio=entropy,
        n_rows=found["n_rows"],
        bins=tuple(
            CalibrationBin(low=float(bins.low[i]), high=float(bins.high[i]), predicted=float(bins.predicted[i]),
                           observed=float(bins.observed[i]), n=int(bins.n[i]))
            for i in range(len(bins.n)) if bins.weight[i] > 0
        ),
    )  # fmt: skip
