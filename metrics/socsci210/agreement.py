"""How well a model's treatment effects agree with people's, which are measured with noise. numpy only.

Which arm is the reference, and which end of a scale is high, are conventions: turning a contrast round changes the sign of both effects.
So second moments are taken about zero: the correlation is that of the contrasts taken in both directions, and no convention moves it.
Every study counts the same: a moment is the mean over its contrasts, then over studies.
"""

from __future__ import annotations

from typing import NamedTuple, TypedDict

import numpy as np

from .codes import Codes, Floats, Ints, distinct, ratio, total
from .effects import REFERENCE_OTHERS, Contrasts

SMALLEST = 1e-6  # model effects below it are rounding: a model blind to conditions has them too
# Of the root mean square of people's effects: smaller model effects tell no arms apart, and a correlation would hide their size.
NEGLIGIBLE = 0.01
AT_ONCE = 100  # permutations: bounds the memory
FEWEST = 3  # contrasts for a correlation
SHARED = 0.25  # correlation of the squared errors of two contrasts of one study: those of two arms against one control are correlated 1/2
BLIND = "the model has no effects: it gives every arm the same answers"
NEARLY_BLIND = "the model's effects are under a hundredth of people's: it hardly tells arms apart"


class Agreement(TypedDict):
    """Agreement of effects; nan where a figure is not defined.

    `r_raw`: E[hm] / sqrt(E[h^2] E[m^2]) for human effects h and model effects m, over both directions of each contrast.
    `r`: r_raw / sqrt(reliability), reliability = (E[h^2] - E[se^2]) / E[h^2] (correction for attenuation, Spearman 1904); it may exceed 1.
    `slope`: E[hm] / E[m^2], human effect for each unit of model effect: 1 is right, below 1 the model exaggerates. Noise in h leaves it be.
    `mae`: E|h - m|, noise of h included.
    `sign_agreement`: share of the `n_reliable` contrasts where the signs agree; a model effect of zero counts one half.
    `regret`: human mean of the best arm less that of the arm the model would choose, per outcome, the mean of choosing the highest and
    the lowest; ties of the model are averaged. `regret_chance`: the same for an arm chosen at random.
    `refused`: why `r` is not given, else None.
    """

    r: float
    r_raw: float
    reliability: float
    slope: float
    mae: float
    sign_agreement: float
    regret: float
    regret_chance: float
    n_contrasts: int
    n_reliable: int
    n_studies: int
    refused: str | None


class _Moments(NamedTuple):
    """Means over the contrasts of each study, shape (studies,)."""

    hh: Floats
    hm: Floats
    mm: Floats
    noise: Floats


def agreement(contrasts: Contrasts) -> Agreement:
    """Agreement of model and human effects; see `Agreement`.

    `r` is refused for fewer than three contrasts, for a model without effects or with effects under a hundredth of people's, and where
    people's effects do not stand out from their noise: E[h^2] - E[se^2] is then under two standard errors of what noise alone gives.
    """
    contrasts = _without_rounding(contrasts)
    studies = distinct([contrasts.study])
    weight = _weights(studies)
    moments = _moments(contrasts, studies)
    hh, hm, mm, noise = (float(moment.mean()) if len(moment) else np.nan for moment in moments)
    reliable = contrasts.reliable
    signs = (np.sign(contrasts.human) * np.sign(contrasts.model) + 1) / 2
    regret, by_chance = _regret(contrasts, studies)
    refused = _refusal(contrasts, studies, weight, hh - noise, mm)
    raw = _divide(hm, np.sqrt(hh * mm))
    reliability = _divide(hh - noise, hh)
    return Agreement(
        r=raw / float(np.sqrt(reliability)) if refused is None else np.nan,
        r_raw=raw,
        reliability=reliability,
        slope=_divide(hm, mm),
        mae=_mean(studies, np.abs(contrasts.human - contrasts.model)),
        sign_agreement=_mean(distinct([contrasts.study[reliable]]), signs[reliable]),
        regret=regret,
        regret_chance=by_chance,
        n_contrasts=len(weight),
        n_reliable=int(reliable.sum()),
        n_studies=studies.size,
        refused=refused,
    )


def resampled_r(contrasts: Contrasts, *, draws: int = 1000, seed: int = 0) -> Floats:
    """`r` of bootstrap samples that resample studies only, shape (draws,); nan where the human effects of a sample are all noise."""
    moments = _moments(_without_rounding(contrasts), distinct([contrasts.study]))
    n = len(moments.hh)
    pick = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), draws) / n
    hh, hm, mm, noise = (pick @ moment for moment in moments)
    signal = np.maximum(hh - noise, 0) * mm
    return ratio(hm, np.sqrt(signal))


def permutation_p(contrasts: Contrasts, *, draws: int = 1000, seed: int = 0) -> float:
    """Chance of so large an E[hm] if the model knew nothing: which arm has which effect of the model is shuffled within each study.

    All outcomes of a study are shuffled alike (levels of a conjoint within their attribute): they are answered by the same people and the
    model may hold one arm to be the best for all, so their products are no independent witnesses. One-sided, (1 + hits) / (1 + draws)
    (Phipson & Smyth 2010); a study of k arms has k! orders, so few studies of two arms cannot give a small p. nan without contrasts.
    """
    if not len(contrasts.human):
        return np.nan
    arms = _arms(contrasts, _weights(distinct([contrasts.study])) * contrasts.human, _without_rounding(contrasts).model)
    gain = arms.gain[np.lexsort((arms.number, arms.outcome))]
    seen = float(gain @ arms.model[np.lexsort((arms.number, arms.outcome))])
    rng, hits = np.random.default_rng(seed), 0
    for first in range(0, draws, AT_ONCE):
        keys = rng.random((min(AT_ONCE, draws - first), int(arms.family.max()) + 1))[:, arms.family] + arms.outcome
        hits += int((arms.model[np.argsort(keys, axis=1)] @ gain >= seen - 1e-12 * abs(seen) - 1e-15).sum())
    return (1 + hits) / (1 + draws)


class _Arms(NamedTuple):
    """The arms behind some contrasts, references included, shape (arms,): sum of gain times model is E[hm].

    `number` of the arm or level, `outcome` its code, `family`: code of the same arm in all outcomes of its study.
    """

    outcome: Ints
    number: Ints
    family: Ints
    model: Floats
    gain: Floats


def _arms(contrasts: Contrasts, human: Floats, model: Floats) -> _Arms:
    """Model effects by arm (less that of the reference, or of the mean of all arms) and what each adds to the sum of human times model."""
    outcomes = distinct([contrasts.study, contrasts.task, contrasts.item, contrasts.attribute])
    others = contrasts.reference == REFERENCE_OTHERS
    stated = outcomes.first[~others[outcomes.first]]  # outcomes whose reference is an arm too, with an effect of zero
    k, together = outcomes.n[outcomes.code].astype(np.float64), total(outcomes.code, human, outcomes.size)
    at_least_two = np.maximum(k, 2)
    own = np.where(others, at_least_two / (at_least_two - 1) * (human - together[outcomes.code] / k), human)
    row = np.concatenate([np.arange(len(human)), stated])
    number = np.concatenate([contrasts.condition, contrasts.reference[stated]])
    return _Arms(
        outcome=outcomes.code[row],
        number=number,
        family=distinct([contrasts.study[row], contrasts.attribute[row], number]).code,
        model=np.concatenate([np.where(others, (k - 1) / k, 1.0) * model, np.zeros(len(stated))]),
        gain=np.concatenate([own, -together[outcomes.code[stated]]]),
    )


def _without_rounding(contrasts: Contrasts) -> Contrasts:
    """Model effects that are zero but for rounding are zero."""
    return contrasts._replace(model=np.where(np.abs(contrasts.model) < SMALLEST, 0.0, contrasts.model))


def _weights(studies: Codes) -> Floats:
    """Weight of each contrast, so that a weighted sum is the mean over contrasts, then studies."""
    return 1 / (studies.n[studies.code] * max(studies.size, 1))


def _mean(studies: Codes, value: Floats) -> float:
    """Mean over contrasts, then studies; nan without contrasts."""
    return float((total(studies.code, value, studies.size) / studies.n).mean()) if len(value) else np.nan


def _moments(contrasts: Contrasts, studies: Codes) -> _Moments:
    human, model, se = contrasts.human, contrasts.model, contrasts.human_se
    products = (human**2, human * model, model**2, se**2)
    return _Moments(*(total(studies.code, each, studies.size) / studies.n for each in products))


def _divide(above: float, below: float) -> float:
    return float(above / below) if below > 0 else np.nan


def _refusal(contrasts: Contrasts, studies: Codes, weight: Floats, signal: float, model: float) -> str | None:
    """Why there is no r. Errors of a study's contrasts are correlated (they share people): within a study noise averages out less."""
    if len(weight) < FEWEST:
        return f"{len(weight)} contrasts, fewer than {FEWEST}"
    if not model > 0:
        return BLIND
    spread = np.sqrt(2) * weight * contrasts.human_se**2
    together = total(studies.code, spread, studies.size)
    error = float(np.sqrt((1 - SHARED) * (spread**2).sum() + SHARED * (together**2).sum()))
    if signal < 2 * error or signal <= 0:
        return "people's effects do not stand out from the noise of their measurement"
    if model < NEGLIGIBLE**2 * signal:
        return NEARLY_BLIND
    return None


def _regret(contrasts: Contrasts, studies: Codes) -> tuple[float, float]:
    """(by the model's choice, by a random choice), mean over outcomes, then studies; nan without contrasts."""
    if not len(contrasts.human):
        return np.nan, np.nan
    outcomes = distinct([contrasts.study, contrasts.task, contrasts.item, contrasts.attribute])
    against_others = contrasts.reference == REFERENCE_OTHERS
    stated = np.flatnonzero(~against_others[outcomes.first])  # outcomes whose reference is an arm too, with an effect of zero
    arm = np.concatenate([outcomes.code, stated])
    k = outcomes.n[outcomes.code]
    # m_a less the mean of the k - 1 others is k / (k - 1) times m_a less the mean of all.
    shrink = np.where(against_others, (k - 1) / k, 1.0)
    human, model = (np.concatenate([shrink * side, np.zeros(len(stated))]) for side in (contrasts.human, contrasts.model))
    sizes = np.bincount(arm, minlength=outcomes.size)
    mean = total(arm, human, outcomes.size) / sizes
    found = []
    for sign in (1, -1):
        best, top = np.full(outcomes.size, -np.inf), np.full(outcomes.size, -np.inf)
        np.maximum.at(best, arm, sign * human)
        np.maximum.at(top, arm, sign * model)
        chosen = sign * model >= top[arm] - 1e-12
        got = total(arm[chosen], sign * human[chosen], outcomes.size) / np.bincount(arm[chosen], minlength=outcomes.size)
        found.append((best - got, best - sign * mean))
    study = studies.code[outcomes.first]
    each = np.bincount(study, minlength=studies.size)
    by_model, by_chance = (total(study, (found[0][i] + found[1][i]) / 2, studies.size) / each for i in range(2))
    return float(by_model.mean()), float(by_chance.mean())
