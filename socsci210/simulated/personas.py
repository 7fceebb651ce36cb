"""The people of the simulated world: sixteen coded demographic columns and the covariates that move answers.

Codes count from 1 in the order of the field's vocabulary (`loaders/crosswalks/simulated.yaml`). Shares are round figures for United States
adults; party goes with ideology, income with education, work and marriage with age, so that personas read like people.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]

PANELS: Final[dict[str, tuple[str, ...]]] = {
    "long": ("AGE", "GENDER", "EDUC", "EMPLOY", "MARITAL", "HOUSING", "HOME_TYPE", "STATE", "METRO", "INCOME", "INTERNET", "HHSIZE",
             "PARTYID7", "IDEO", "PHONESERVICE"),
    "mid": ("AGE", "GENDER", "EDUC", "STATE", "PARTYID7", "IDEO"),
    "short": ("AGE", "RACE", "EDUC", "INCOME", "PARTYID7"),
}  # fmt: skip
"""Which columns a panel delivers: real panels carry between 5 and 15 of the 16 fields, and never gender with ethnicity."""

SEVEN_POINT: Final = (1, 3, 4, 5, 6, 7, 9)  # the ideology codes of panels with seven steps
FIVE_POINT: Final = (2, 4, 5, 6, 8)  # and of those with five; 10 declined to answer

COVARIATES: Final = ("party", "ideology", "age", "education", "female", "income", "metro")


def draw(rng: np.random.Generator, n: int) -> dict[str, Codes]:
    """`n` people as coded columns. IDEO holds steps 1..7, or 10, here; `ideology_codes` turns them into a panel's own codes."""
    lean = rng.standard_normal(n)  # negative: left
    age = np.clip(np.round(rng.normal(48, 18, n)), 18, 90).astype(np.int64)
    school = rng.standard_normal(n)
    educ = _cut(school, (-1.9, -1.4, -0.5, 0.4, 1.15))
    wealth = 0.55 * school + 0.8 * rng.standard_normal(n)
    party = _cut(lean + 0.4 * rng.standard_normal(n), (-1.0, -0.5, -0.2, 0.2, 0.5, 1.0))
    ideology = _cut(lean + 0.6 * rng.standard_normal(n), (-1.6, -0.9, -0.35, 0.35, 0.9, 1.6))
    single = rng.random(n) < np.clip(1.25 - age / 45, 0.15, 0.9)
    married = np.where(rng.random(n) < 0.15 + (age > 70) * 0.25, _pick(rng, n, (0, 0.3, 0.55, 0.15)), 1)
    owns = wealth + (age - 48) / 25 + rng.standard_normal(n) > -0.4
    return {
        "AGE": age,
        "GENDER": _pick(rng, n, (0.49, 0.51)),
        "EDUC": educ,
        "EMPLOY": np.where(age >= 66, np.where(rng.random(n) < 0.85, 5, 1), _pick(rng, n, (0.66, 0.11, 0.02, 0.07, 0.02, 0.05, 0.07))),
        "RACE": _pick(rng, n, (0.62, 0.12, 0.17, 0.03, 0.06)),
        "MARITAL": np.where(single, np.where(rng.random(n) < 0.2, 6, 5), married),
        "HOUSING": np.where(owns, 1, np.where(rng.random(n) < 0.07, 3, 2)),
        "HOME_TYPE": np.where(owns, _pick(rng, n, (0.84, 0.08, 0.03, 0.05)), _pick(rng, n, (0.3, 0.17, 0.48, 0.045, 0.005))),
        "STATE": rng.integers(1, 52, n),
        "METRO": _pick(rng, n, (0.84, 0.16)),
        "INCOME": _cut(wealth, (-2.0, -1.7, -1.5, -1.3, -0.9, -0.6, -0.4, 0.1, 0.45, 0.75, 1.0, 1.25, 1.5)),
        "INTERNET": _pick(rng, n, (0.93, 0.07)),
        "HHSIZE": np.clip(1 + rng.poisson(np.where(age > 65, 0.8, 1.7)), 1, 8).astype(np.int64),
        "PARTYID7": party,
        "IDEO": np.where(rng.random(n) < 0.02, 10, ideology),
        "PHONESERVICE": _pick(rng, n, (0.03, 0.18, 0.1, 0.68, 0.01)),
    }


def covariates(people: dict[str, Codes]) -> Floats:
    """Shape (n, len(COVARIATES)), each about in [-1.5, 1.5]: +1 party is a strong Republican, +1 ideology extremely conservative."""
    ideology = np.where(people["IDEO"] == 10, 4, people["IDEO"])
    return np.column_stack(
        [
            (people["PARTYID7"] - 4) / 3,
            (ideology - 4) / 3,
            (people["AGE"] - 48) / 30,
            (people["EDUC"] - 3.8) / 2,
            people["GENDER"] - 1.5,
            (people["INCOME"] - 8) / 5,
            1.5 - people["METRO"],
        ]
    ).astype(np.float64)


def ideology_codes(ideology: Codes, panel: str) -> Codes:
    """The seven steps as the panel stores them: its own seven codes, or five with the ends joined."""
    steps = (*FIVE_POINT[:1], *FIVE_POINT[:2], FIVE_POINT[2], *FIVE_POINT[3:], FIVE_POINT[4]) if panel == "long" else SEVEN_POINT
    return np.where(ideology == 10, 10, np.array(steps)[np.minimum(ideology, 7) - 1]).astype(np.int64)


def _cut(values: Floats, cuts: tuple[float, ...]) -> Codes:
    return np.searchsorted(np.array(cuts), values).astype(np.int64) + 1


def _pick(rng: np.random.Generator, n: int, shares: tuple[float, ...]) -> Codes:
    """Codes 1, 2, ... with these shares (the last takes what is left)."""
    return np.searchsorted(np.cumsum(shares)[:-1], rng.random(n), side="right").astype(np.int64) + 1
