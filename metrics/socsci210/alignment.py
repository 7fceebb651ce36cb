"""Distributional alignment of rows under both conventions, beside chance and the noise floor. numpy only."""

from __future__ import annotations

import numpy as np

from .cells import (
    Ints,
    cells_of,
    decoded,
    distance,
    floor,
    floor_draws,
    mean_by,
    on_scale,
    people,
    predicted,
    published_ruler,
    stated_ruler,
    uniform,
)
from .inputs import Inputs

FLOOR_DRAWS = 100


def alignment(inputs: Inputs, condition: Ints, task: Ints, *, decode: bool = True, seed: int = 0) -> dict[str, float | int | None]:
    """Means over cells, then studies, of W1, chance and noise floor.

    Args:
        inputs: the rows.
        condition, task: condition and outcome of each row, shape (rows,).
        decode: convention `published` reads probabilities at temperature 0.6 and top_p 0.9.
        seed: of the noise floor of point predictions (that of distributions is exact).

    Returns:
        `w1_`, `chance_`, `noise_floor_` and `n_cells_`, each for `stated` and `published`, None where a convention scores no cell;
        `n_studies`; `n_off_scale`, the answers outside the stated scale, which `stated` leaves out with their predictions.
    """
    cells = cells_of(inputs.study, condition, task, inputs.low, inputs.high, inputs.step)
    inside = on_scale(cells, inputs.response).astype(np.float64)
    unknown = np.full(cells.n_sub, np.nan)
    n_inside = np.bincount(cells.code, weights=inside, minlength=cells.n_sub).astype(np.int64)
    rulers = {"stated": stated_ruler(cells, unknown, unknown, n_inside), "published": published_ruler(cells, inputs.response)}
    n_studies = int(inputs.study.max()) + 1
    out: dict[str, float | int | None] = {"n_studies": len(np.unique(inputs.study)), "n_off_scale": int((inside == 0).sum())}
    for name, ruler in rulers.items():
        counts = inside if name == "stated" else None
        human = people(cells, inputs.response, counts)
        answers = decoded(inputs.answers) if name == "published" and decode and not inputs.points else inputs.answers
        figures = {
            "w1": distance(ruler, predicted(cells, cells.code, answers, counts), human),
            "chance": distance(ruler, uniform(cells, unknown, unknown), human),
            "noise_floor": floor_draws(ruler, human, draws=FLOOR_DRAWS, seed=seed) if inputs.points else floor(ruler, human),
        }
        scored = np.isfinite(figures["w1"])
        by_cell = {key: np.where(scored, value, np.nan) for key, value in figures.items()}
        if name == "stated":  # one value for each scale of a cell so far
            by_cell = {key: mean_by(cells.cell, value, cells.n_cells) for key, value in by_cell.items()}
        for key, value in by_cell.items():
            studies = mean_by(cells.cell_study, value, n_studies)
            out[f"{key}_{name}"] = float(np.nanmean(studies)) if np.isfinite(studies).any() else None
        out[f"n_cells_{name}"] = int(np.isfinite(by_cell["w1"]).sum())
    return out
