"""How sure a predicted effect is, when other personas might have been drawn and the question might have been put in other words.

Personas and prompt variants are crossed: every persona answered every variant. Both are taken as samples, of people and of wordings, so a
weighted sum over personas, averaged over variants, has the variance of a two-way layout with random effects (Searle, Casella & McCulloch
1992, ch. 4): sum a_i^2 (s_p^2 + s_pv^2 / V) + s_v^2 / V. With three or four variants a bootstrap over them would be too narrow by far, and
Satterthwaite's degrees of freedom too many where the variants happen to agree. So each part gets the t quantile of its own degrees of
freedom, and the squares of these reaches are added (Howe 1974, JASA 69, 789-794; Zou & Donner 2008, Statistics in Medicine 27, 1693-1702).

Whatever is estimated, it is a sum of what each persona moves it by, to first order (its influence): for a weighted mean, weight times
distance from the mean; for the effect of a conjoint's level, see `conjoint`. So one formula serves all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from ..metrics.socsci210.codes import Floats, Ints, total


class Estimated(NamedTuple):
    """A sum over personas, averaged over variants; nan where one persona alone stands behind it.

    Attributes:
        value, se, low, high: with the 95 % interval.
        freedom: degrees of freedom of the interval.
        p: two-sided, that the value is 0.
        by_variant: the sum in each variant, shape (variants,).
    """

    value: float
    se: float
    low: float
    high: float
    freedom: float
    p: float
    by_variant: Floats

    @property
    def robust(self) -> bool:
        """The same sign in every variant, and an interval without 0."""
        signs = np.sign(self.by_variant)
        return bool(self.low * self.high > 0 and (signs == signs[0]).all())


def crossed(values: Floats, pull: Floats, group: Ints | None = None) -> Estimated:
    """Sum of `pull` times `values`, averaged over variants, with its uncertainty over personas and variants.

    Args:
        values: shape (personas, variants).
        pull: what each persona adds, shape (personas,): weights that sum to 1 for a mean; of a difference of two means, those of one side
            less those of the other.
        group: which mean each persona belongs to, from 0; personas with a pull of 0 do not count. Default: one mean.
    """
    used = pull != 0
    x, a = values[used], pull[used]
    code = np.zeros(len(a), np.int64) if group is None else np.unique(group[used], return_inverse=True)[1].reshape(-1)
    n_groups = int(code.max()) + 1
    mass = np.abs(a)
    whole = total(code, mass, n_groups)
    centre = np.stack([total(code, mass * column, n_groups) / whole for column in x.T], axis=1)[code]  # of each variant
    counts = np.bincount(code, minlength=n_groups).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        small = np.where(counts > 1, counts / (counts - 1), np.nan)[code]
    return combined(a @ x, a[:, None] * (x - centre), small, float(counts.min() - 1))


def combined(by_variant: Floats, influence: Floats, small: Floats, freedom_people: float) -> Estimated:
    """An estimate of every variant, averaged over variants, with its uncertainty over personas and variants.

    Args:
        by_variant: shape (variants,).
        influence: what each persona moves each of them by, summing to 0 over the personas of a mean, shape (personas, variants).
        small: correction of the squares for few personas, G / (G - 1) of each one's mean, shape (personas,).
        freedom_people: degrees of freedom of the part that is due to personas.
    """
    n_variants = len(by_variant)
    own = influence.mean(axis=1)
    people = float((small * own**2).sum())
    wording = 0.0
    if n_variants > 1:
        mixed = float(((influence - own[:, None]) ** 2).sum()) / (n_variants * (n_variants - 1))
        wording = max(float(by_variant.var(ddof=1)) / n_variants - mixed, 0.0)
    variance = people + wording
    value, se = float(by_variant.mean()), float(np.sqrt(variance))
    if not np.isfinite(se):
        return Estimated(value, np.nan, np.nan, np.nan, np.nan, np.nan, by_variant)
    if variance == 0:
        return Estimated(value, 0.0, value, value, np.inf, 1.0 if value == 0 else 0.0, by_variant)
    parts = [(people, freedom_people), *([(wording, float(n_variants - 1))] if wording else [])]
    reach = float(np.sqrt(sum(part * stats.t.ppf(0.975, freedom) ** 2 for part, freedom in parts)))
    freedom = _freedom(reach / se, min(freedom for _, freedom in parts), freedom_people)
    return Estimated(value, se, value - reach, value + reach, freedom, 2 * float(stats.t.sf(abs(value) / se, freedom)), by_variant)


def _freedom(reach: float, low: float, high: float) -> float:
    """Degrees of freedom between two bounds with which Student's t has this 97.5 percentile."""
    if low >= high or reach >= stats.t.ppf(0.975, low):
        return low
    if reach <= stats.t.ppf(0.975, high):
        return high
    return float(optimize.brentq(lambda freedom: float(stats.t.ppf(0.975, freedom)) - reach, low, high))
