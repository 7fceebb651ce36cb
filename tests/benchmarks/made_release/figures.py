"""The distance W of a uniform guess, cell by cell with scipy: what a parity check must find, computed without the project's own scorer."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import wasserstein_distance

from .study import Study

Floats = npt.NDArray[np.float64]
FINE: Final = 4_000  # points that stand for a continuous guess, or for a scale with more values than that


def uniform_distances(made: Study, cells: list[npt.NDArray[np.int64]], on_scale: npt.NDArray[np.bool_]) -> list[list[float]]:
    """For each cell (places of its rows): W on the stated scale, on the observed range (rows on scale), and on the observed range with a
    continuous guess (all rows); nan where the cell cannot be measured.

    Rows without a stated scale are placed on the range of all such answers to the same outcome.
    """
    low, high, step = made.low.copy(), made.high.copy(), made.step
    free = np.isnan(made.low)
    for task in np.unique(made.task[free]):
        rows = free & (made.task == task)
        low[rows], high[rows] = made.response[rows].min(), made.response[rows].max()
    return [_three(made.response, low, high, step, places, places[on_scale[places]]) for places in cells]


def _three(
    response: npt.NDArray[np.int64],
    low: Floats,
    high: Floats,
    step: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    kept: npt.NDArray[np.int64],
) -> list[float]:
    stated = observed = continuous = np.nan
    if len(kept):
        row = kept[0]  # one scale in a cell
        values = np.arange(low[row], high[row] + 1, step[row]) if high[row] - low[row] <= FINE else np.linspace(low[row], high[row], FINE)
        answers = response[kept].astype(float)
        if high[row] > low[row]:
            stated = wasserstein_distance((values - low[row]) / (high[row] - low[row]), (answers - low[row]) / (high[row] - low[row]))
        observed = _on_range(values, answers)
    answers = response[places].astype(float)
    if len(answers) > 1:
        continuous = _on_range(np.linspace(answers.min(), answers.max(), 2 * FINE + 1)[1::2], answers)
    return [float(stated), float(observed), float(continuous)]


def _on_range(guess: Floats, answers: Floats) -> float:
    least, most = answers.min(), answers.max()
    if len(answers) < 2 or least == most:
        return float("nan")
    return float(wasserstein_distance(np.clip((guess - least) / (most - least), 0, 1), (answers - least) / (most - least)))
