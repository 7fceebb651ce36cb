"""Reference points and uncertainty: what a mean over studies is worth, how much of the gap is closed, and whether arms are told apart."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from .metrics.socsci210.agreement import NEGLIGIBLE
from .metrics.socsci210.intervals import percentiles
from .results import Estimate, GapClosed, Sensitivity

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BOOTSTRAP_DRAWS: Final = 1000
PERMUTATIONS: Final = 2000
MIN_STUDIES: Final = 10  # fewer give no interval
AT_ONCE: Final = 100  # permutations: bounds the memory
SAME_MEANS: Final = "the mean answers of the model do not differ between conditions, or by under a hundredth of what people's do"


def resamples(n: int, draws: int, seed: int) -> Ints:
    """Indices of `draws` resamples of n studies (or outcomes), shape (draws, n). One seed gives one set: comparisons stay paired."""
    return np.random.default_rng(seed).integers(0, n, (draws, n))


def estimate(values: Floats, *, draws: int = BOOTSTRAP_DRAWS, seed: int = 0) -> Estimate:
    """Mean over studies with its 95 % interval: studies are resampled, people are not (that would bias a distance upward).

    Args:
        values: one per study; under `MIN_STUDIES` of them, they are given instead of an interval.
    """
    point = float(values.mean())
    if len(values) < MIN_STUDIES:
        why = f"under {MIN_STUDIES} studies: their values are given instead"
        return Estimate(point=point, interval=None, values=tuple(values.tolist()), refused=why)
    means = values[resamples(len(values), draws, seed)].mean(axis=1)
    return Estimate(point=point, interval=percentiles(means, len(values)), values=None, resampled="studies")


def gap_closed(chance: Floats, model: Floats, floor: Floats, *, draws: int = BOOTSTRAP_DRAWS, seed: int = 0) -> GapClosed:
    """(chance - model) / (chance - noise floor) as a ratio of means; refused where the denominator is under two standard errors.

    Args:
        chance, model, floor: one value per study, in the same order (for a single study: per cell).
    """
    room = chance - floor
    if len(room) < 2:
        return GapClosed(value=None, interval=None, refused="one value only: the standard error of chance - noise floor is not known")
    error = float(room.std(ddof=1) / np.sqrt(len(room)))
    if room.mean() <= 0 or room.mean() < 2 * error:
        found = f"chance - noise floor is {room.mean():.4f}, its standard error {error:.4f}"
        return GapClosed(value=None, interval=None, refused=f"{found}: under two standard errors, the ratio would be noise")
    value = float((chance - model).mean() / room.mean())
    if len(room) < MIN_STUDIES:
        return GapClosed(value=value, interval=None, refused=None)
    index = resamples(len(room), draws, seed)
    ratios = (chance - model)[index].mean(axis=1) / room[index].mean(axis=1)
    return GapClosed(value=value, interval=percentiles(ratios, len(room)), refused=None)


def sensitivity(
    outcome: Ints, model: Floats, human: Floats, *, permutations: int = PERMUTATIONS, draws: int = BOOTSTRAP_DRAWS, seed: int = 0
) -> Sensitivity:
    """Correlation of the model's and people's cell means, both centred within their outcome, over all outcomes together.

    Outcomes with a single scored condition say nothing and are left out. The p value is the share of permutations of the model's
    conditions within outcomes that correlate at least as well; the interval resamples outcomes.

    Args:
        outcome: code of each cell's outcome (study, outcome, scale), shape (cells,).
        model, human: mean position on [0, 1] of each cell.
    """
    _, code, n = np.unique(outcome, return_inverse=True, return_counts=True)
    several = n[code] > 1
    if not several.any():
        return _no_sensitivity("no outcome has two scored conditions in this split", 0, 0)
    _, code, n = np.unique(code[several], return_inverse=True, return_counts=True)
    order = np.argsort(code, kind="stable")
    code = code[order]
    m, h = (_centred(side[several][order], code, n) for side in (model, human))
    if h @ h < 1e-20:
        return _no_sensitivity("the mean answers of people do not differ between conditions", len(n), len(m))
    if m @ m < max(1e-20, NEGLIGIBLE**2 * float(h @ h)):
        return _no_sensitivity(SAME_MEANS, len(n), len(m))
    r = float(m @ h / np.sqrt((m @ m) * (h @ h)))
    rng = np.random.default_rng(seed)
    as_good = 0
    for first in range(0, permutations, AT_ONCE):
        keys = rng.random((min(AT_ONCE, permutations - first), len(m))) + code  # sorting them shuffles within outcomes
        as_good += int(np.count_nonzero(m[np.argsort(keys, axis=1)] @ h >= m @ h - 1e-12))
    p = (1 + as_good) / (1 + permutations)
    products = np.stack([np.bincount(code, weights=w) for w in (m * h, m * m, h * h)], axis=1)
    index = resamples(len(n), draws, seed)
    sums = products[index].sum(axis=1)
    spread = np.sqrt(sums[:, 1] * sums[:, 2])
    ratios = sums[spread > 0, 0] / spread[spread > 0]
    interval = percentiles(ratios, len(n)) if len(n) >= MIN_STUDIES and len(ratios) else None
    return Sensitivity(r=r, p=p, slope=float(m @ h / (m @ m)), interval=interval, n_outcomes=len(n), n_cells=len(m), refused=None)


def _no_sensitivity(why: str, n_outcomes: int, n_cells: int) -> Sensitivity:
    return Sensitivity(r=None, p=None, slope=None, interval=None, n_outcomes=n_outcomes, n_cells=n_cells, refused=why)


def _centred(values: Floats, code: Ints, n: Ints) -> Floats:
    out: Floats = values - (np.bincount(code, weights=values) / n)[code]
    return out


def people_interval(point: float, seen: Floats, error: Floats) -> tuple[float, float]:
    """95 % interval of the expected score of a study at its own number of people, by a bootstrap over people with its bias taken out.

    A score is a sum of absolute differences, each seen with an error. Resampled people add an error to differences that hold one already,
    so their scores are too large (and spread too far) where errors are as large as differences. The bias is the mean of the resampled
    scores less the one seen, and is subtracted. For the spread, the square of each difference is made smaller by its variance times
    the share of all squared differences that errors explain: all of it for a perfect model, next to nothing for a poor one.

    By simulation (`test_intervals.py`, averaged over many models and populations) 93 to 98 % of such intervals hold the truth for models
    that are some way off, from cells of 10 people on. Of a lone cell it is 91 %, and for one population of four cells whose answers all
    go together it can be 90 %. Models at the noise floor are covered by 96 to 99 %: a score has a lower bound there, so chance can put it
    too high only.
    A lone cell of ten yes/no answers has eleven possible scores, and no interval made of them is near 95 % for every truth.

    Args:
        point: the score.
        seen: differences of cumulative shares, in the score's unit, shape (places,).
        error: what resampled people change in them, shape (draws, places).
    """
    variance = error.var(axis=0)
    squares = seen**2
    explained = min(1.0, float(variance.sum() / max(squares.sum(), 1e-300)))
    world = np.sign(seen) * np.sqrt(np.maximum(squares - explained * variance, 0.0))
    again = np.abs(world + error).sum(axis=1)
    low, high = percentiles(again - again.mean() + point)
    return max(low, 0.0), high
