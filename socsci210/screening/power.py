"""How many people each arm needs: power of a two-sided 5 % test of two means with unequal variances (Welch 1947)."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import stats

ALPHA: Final = 0.05
POWERS: Final = (0.8, 0.9)
FEWEST: Final = 10  # people in an arm: with fewer, answers on a short scale are too far from normal for the test
MOST: Final = 1_000_000
NORMAL: Final = 2000  # degrees of freedom from which Student's t is as good as normal
CERTAIN: Final = 12.0  # effects of so many standard errors are always found


def power(n: int, effect: float, sd: float, sd_against: float) -> float:
    """Chance that `n` people in each of two arms show an effect, in either direction.

    Args:
        effect: difference of the means.
        sd, sd_against: spread of answers in the two arms, in the unit of the effect.
    """
    squares = sd**2, sd_against**2
    error = float(np.sqrt(sum(squares) / n))
    if error == 0:
        return 1.0 if effect else ALPHA
    freedom = (n - 1) * sum(squares) ** 2 / sum(square**2 for square in squares)
    reach = stats.t.ppf(1 - ALPHA / 2, freedom)
    shift = abs(effect) / error
    if freedom > NORMAL:
        return float(stats.norm.sf(reach - shift) + stats.norm.cdf(-reach - shift))
    wrong_side = stats.nct.cdf(-reach, freedom, shift) if shift < CERTAIN / 2 else 0.0  # where it is nothing, it is not computed well
    return float(stats.nct.sf(reach, freedom, shift) + wrong_side) if shift < CERTAIN else 1.0


def sample_size(effect: float, sd: float, sd_against: float, wanted: float) -> int | None:
    """The smallest number of people per arm with that power; None above `MOST`. Arguments as of `power`."""
    if not effect or power(MOST, effect, sd, sd_against) < wanted:
        return None
    low, high = FEWEST - 1, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, effect, sd, sd_against) >= wanted else (middle, high)
    return high
