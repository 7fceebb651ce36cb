"""Distributional alignment of rows under both conventions, beside chance and the noise floor. numpy only."""

from __future__ import annotations

import numpy as np

from .calibration import log_likelihoods
from .cells import (
    Cells,
    Floats,
    Ints,
    Mass,
    Ruler,
    cells_of,
    constant,
    decoded,
    distance,
    floor,
    floor_of_draws,
    mean_by,
    on_scale,
    people,
    predicted,
    published_ruler,
    stated_ruler,
    uniform,
    variation,
)
from .inputs import Inputs


def alignment(inputs: Inputs, condition: Ints, task: Ints, *, decode: bool = True) -> dict[str, float | int | None]:
    """Means over cells, then studies, of distances and their reference points.

    Args:
        inputs: the rows.
        condition, task: condition and outcome of each row, shape (rows,).
        decode: convention `published` reads probabilities at temperature 0.6 and top_p 0.9.

    Returns:
        `w1_`, `tv_`, `chance_`, `noise_floor_`, `best_constant_` and `n_cells_`, each for `stated` and `published`, None where a convention
        scores no cell; `log_likelihood`, None for points and draws; `n_studies`; `n_off_scale`, the answers outside the stated scale, which
        `stated` and the log-likelihood leave out with their predictions.
    """
    cells = cells_of(inputs.study, condition, task, inputs.low, inputs.high, inputs.step)
    inside = on_scale(cells, inputs.response).astype(np.float64)
    unknown = np.full(cells.n_sub, np.nan)
    n_inside = np.bincount(cells.code, weights=inside, minlength=cells.n_sub).astype(np.int64)
    stated = _figures(inputs, cells, stated_ruler(cells, unknown, unknown, n_inside), inside, decode=False)
    whole = {name: mean_by(cells.cell, value, cells.n_cells) for name, value in stated.items()}  # one value for each scale of a cell so far
    published = _figures(inputs, cells, published_ruler(cells, inputs.response), None, decode=decode)
    out: dict[str, float | int | None] = {"n_studies": len(np.unique(inputs.study)), "n_off_scale": int((inside == 0).sum())}
    for convention, by_cell in (("stated", whole), ("published", published)):
        out |= {f"{name}_{convention}": _over_studies(cells, value) for name, value in by_cell.items()}
        out[f"n_cells_{convention}"] = int(np.isfinite(by_cell["w1"]).sum())
    out["log_likelihood"] = None
    if inputs.kind == "probabilities":
        each = np.where(inside > 0, log_likelihoods(inputs.answers, inputs.response), np.nan)
        out["log_likelihood"] = _over_studies(cells, mean_by(cells.cell[cells.code], each, cells.n_cells))
    return out


def _figures(inputs: Inputs, cells: Cells, ruler: Ruler, counts: Floats | None, *, decode: bool) -> dict[str, Floats]:
    """Figures of each group of a ruler; nan where it is not scored."""
    unknown = np.full(cells.n_sub, np.nan)
    human = people(cells, inputs.response, counts)
    answers = decoded(inputs.answers) if decode and inputs.kind == "probabilities" else inputs.answers
    model: Mass = predicted(cells, cells.code, answers, counts)
    figures = {
        "w1": distance(ruler, model, human),
        "tv": variation(ruler, model, human),
        "chance": distance(ruler, uniform(cells, unknown, unknown), human),
        "noise_floor": floor(ruler, human) if inputs.kind == "probabilities" else floor_of_draws(ruler, human, inputs.per_person),
        "best_constant": constant(ruler, human),
    }
    scored = np.isfinite(figures["w1"])
    return {name: np.where(scored, value, np.nan) for name, value in figures.items()}


def _over_studies(cells: Cells, by_cell: Floats) -> float | None:
    """Mean over cells, then studies; None where nothing is scored."""
    studies = mean_by(cells.cell_study, by_cell, int(cells.cell_study.max()) + 1)
    return float(np.nanmean(studies)) if np.isfinite(studies).any() else None
