"""Individual accuracy: how near a prediction for one person comes to what that person answered. numpy only.

Accuracy of a row is 1 - |prediction - response| / (high - low). One distribution gives two predictions: its median, the point with the
smallest expected error and so the fair way to compare models; and a draw from it, which is what one generation is. A draw looks worse than
a median of the same knowledge, and a model that is too sure looks better by draw: read it with the entropy ratio (`calibration.py`).
"""

from __future__ import annotations

import numpy as np

from .cells import Answers, medians
from .codes import Floats
from .parity import accuracy


def accuracy_by_median(answers: Answers, response: Floats, low: Floats, high: Floats, *, clip: bool = True) -> Floats:
    """Accuracy of the median of each row's distribution (the lowest answer with half of the mass at or below it).

    Args:
        answers: distributions or points, rows.
        response, low, high: answer and ends of the scale of each row, shape (rows,); nan ends give nan.
        clip: place predictions outside the scale at its nearer end; otherwise accuracy has no lower end.
    """
    return accuracy(medians(answers), response, low, high, clip=clip)


def accuracy_by_draw(answers: Answers, response: Floats, low: Floats, high: Floats, *, clip: bool = True) -> Floats:
    """Accuracy of one draw from each row's distribution, in expectation: sum_k p_k (1 - |v_k - response| / (high - low)).

    Exact, where one draw for each row would add noise. Args: as in `accuracy_by_median`.

    >>> answers = Answers(np.array([0, 2]), np.array([1.0, 7.0]), np.array([0.75, 0.25]))
    >>> one = np.ones(1)
    >>> accuracy_by_draw(answers, one, one, 7 * one).tolist(), accuracy_by_median(answers, one, one, 7 * one).tolist()
    ([0.75], [1.0])
    """
    out = np.full(len(response), np.nan)
    for some in answers.slices():
        row, value, probability = answers.part(some)
        each = probability * accuracy(value, response[some][row], low[some][row], high[some][row], clip=clip)
        size = some.stop - some.start
        mass = np.bincount(row, weights=probability, minlength=size)
        out[some] = np.bincount(row, weights=each, minlength=size) / mass
    return out
