"""What held-out studies say of a new effect: true effects regressed on predicted ones.

True effects t scatter around `slope` times the predicted ones m. The scatter has two parts, one that is always there and one that grows
with the predicted effect, since a model may misread an arm altogether: t = slope * m + e, Var(e) = floor^2 + (growth * m)^2. Effects h that
were measured among people add their noise: Var(h - slope * m) = Var(e) + se^2.

The two parts are not estimated and then taken for true, which would make intervals too narrow where few or noisy studies say little of
them: everything is averaged over a grid of both, by the restricted likelihood of h and a half-normal prior (`FLOOR`, `GROWTH`). For each
pair the slope is that of weighted least squares through the origin (which arm is the reference is a convention), with the error of the
jackknife over studies (Efron & Tibshirani 1993, ch. 11). Contrasts of one study share arms and people: together they count as `PER_STUDY`
at most.

Predicted effects have an error of their own, from the personas that were drawn. In the held-out studies it draws the slope towards 0
(regression dilution). To predict a new effect that is as it should be, where its own error is as large: a slope for prediction is not to be
corrected (Carroll et al. 2006, Measurement Error in Nonlinear Models). With more personas than in the held-out studies it is a little too
cautious. The error of the new effect is added to the scatter.

Effects are shares of the scale's span: a difference of 0.6 on a scale from 1 to 7 is 0.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import optimize, stats

from ..metrics.socsci210.codes import Floats, distinct
from ..metrics.socsci210.effects import Contrasts

MIN_STUDIES: Final = 5
"""With fewer held-out studies nothing is said of a new effect."""
PER_STUDY: Final = 4.0
FLOOR, GROWTH = 0.1, 0.5  # scales of the priors
_FLOORS: Final = np.linspace(0.002, 0.3, 25)
_GROWTHS: Final = np.linspace(0.0, 1.6, 17)
_NEGLIGIBLE: Final = 1e-4


@dataclass(frozen=True)
class Posterior:
    """What evidence and prediction together say of the true effect, as a share of the span: a mixture of t distributions."""

    weight: Floats
    centre: Floats
    sd: Floats
    freedom: Floats

    @property
    def mean(self) -> float:
        """The shrunk effect."""
        return float(self.weight @ self.centre)

    @property
    def positive(self) -> float:
        """Probability that the effect is above 0."""
        return 1 - self.below(0.0)

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.quantile(0.025)

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.quantile(0.975)

    def below(self, effect: float) -> float:
        """Probability that the true effect is below this one."""
        return float(self.weight @ stats.t.cdf((effect - self.centre) / self.sd, self.freedom))

    def quantile(self, share: float) -> float:
        """The effect below which the true one lies with this probability."""
        ends = stats.t.ppf(share, self.freedom) * self.sd + self.centre
        low, high = float(ends.min()), float(ends.max())
        if high - low < 1e-9:
            return low
        return float(optimize.brentq(lambda effect: self.below(effect) - share, low - 1e-6, high + 1e-6))


@dataclass(frozen=True)
class Shrinkage:
    """The regression at every point of the grid that counts, all of shape (points,); `studies`: how many there are, in effect."""

    weight: Floats
    slope: Floats
    slope_se: Floats
    floor: Floats
    growth: Floats
    studies: float

    @property
    def of_slope(self) -> Posterior:
        """True effect for each unit of predicted effect."""
        return Posterior(self.weight, self.slope, self.slope_se, np.full(len(self.weight), self.studies - 1))

    def posterior(self, effect: float, se: float = 0.0) -> Posterior:
        """Of a predicted effect, with its standard error."""
        scatter = self.floor**2 + (self.growth * effect) ** 2 + (self.slope * se) ** 2
        regression = (effect * self.slope_se) ** 2
        variance = scatter + regression
        with np.errstate(divide="ignore"):
            freedom = np.minimum(variance**2 / (regression**2 / (self.studies - 1)), 1e6)  # Satterthwaite 1946: the scatter is given
        return Posterior(self.weight, self.slope * effect, np.sqrt(variance), freedom)


def shrinkage(contrasts: Contrasts, likeness: Floats | None = None) -> Shrinkage | None:
    """The regression; None with fewer than `MIN_STUDIES` studies in effect.

    A study in which the model sees no effect says nothing of the slope, and does not count as one.

    Args:
        likeness: how much each contrast counts, shape (contrasts,), default 1.
    """
    like = np.ones(len(contrasts.human)) if likeness is None else likeness
    studies = distinct([contrasts.study])
    member = np.eye(studies.size)[studies.code]  # (contrasts, studies)
    moved = (contrasts.model != 0) @ member > 0
    count = like @ member / np.maximum(studies.n, 1) * moved
    effective = float(count.sum() ** 2 / (count**2).sum()) if count.any() else 0.0
    if effective < MIN_STUDIES:
        return None
    part = like * (np.minimum(studies.n, PER_STUDY) / studies.n)[studies.code]
    floor, growth = (grid.ravel() for grid in np.meshgrid(_FLOORS, _GROWTHS, indexing="ij"))
    variance = contrasts.human_se**2 + floor[:, None] ** 2 + growth[:, None] ** 2 * contrasts.model**2
    pull = part / variance
    above, below = (pull * contrasts.human * contrasts.model) @ member, (pull * contrasts.model**2) @ member  # (points, studies)
    whole = below.sum(axis=1)
    slope = above.sum(axis=1) / whole
    without = (above.sum(axis=1)[:, None] - above) / (whole[:, None] - below)  # two studies or more have a share in `whole`
    slope_se = np.sqrt((effective - 1) / effective * moved.sum() * ((without - slope[:, None]) ** 2 @ count) / count.sum())
    off = (contrasts.human - slope[:, None] * contrasts.model) ** 2
    fit = -0.5 * ((part * (np.log(variance) + off / variance)).sum(axis=1) + np.log(whole))
    fit -= 0.5 * ((floor / FLOOR) ** 2 + (growth / GROWTH) ** 2)
    weight = np.exp(fit - fit.max())
    kept = weight > _NEGLIGIBLE
    return Shrinkage(weight[kept] / weight[kept].sum(), slope[kept], slope_se[kept], floor[kept], growth[kept], effective)
