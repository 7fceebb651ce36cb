"""Percentiles of bootstrap samples, moved out for how few things were resampled. numpy only."""

from __future__ import annotations

from math import atan, cos, erf, pi, sin, sqrt

import numpy as np

from .codes import Floats

TAIL = 0.025  # on each side of a 95 % interval
STEPS = 60  # of a bisection: to the last digit


def percentiles(values: Floats, n: int | None = None) -> tuple[float, float]:
    """The 2.5 and the 97.5 percentile; of resamples of `n` studies, those farther out that make up for n being small.

    Resampled means of n values spread less than means of n new ones, by the factor (n - 1) / n in variance, and their tails are those of
    a normal distribution instead of Student's t. The percentiles are moved out by as much (Hesterberg 2015, the expanded interval).
    """
    tail = TAIL if n is None else _normal(-sqrt(n / (n - 1)) * student(n - 1))
    low, high = np.percentile(values, [100 * tail, 100 - 100 * tail])
    return float(low), float(high)


def student(freedom: int) -> float:
    """The 97.5 percentile of Student's t with `freedom` degrees of freedom, 1 or more.

    >>> round(student(9), 4)
    2.2622
    """
    low, high = 0.0, 20.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _inside(middle, freedom) < 1 - 2 * TAIL else (low, middle)
    return low


def _inside(t: float, freedom: int) -> float:
    """P(|T| < t) for whole degrees of freedom (Abramowitz & Stegun 26.7.3 and 26.7.4)."""
    angle = atan(t / sqrt(freedom))
    odd = freedom % 2
    term = total = cos(angle) if odd else 1.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= (k - 1) / k * cos(angle) ** 2
        total += term
    if freedom == 1:
        total = 0.0
    return 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total


def _normal(x: float) -> float:
    return (1 + erf(x / sqrt(2))) / 2
