"""Every contrast of every held-out study, screened with the evidence of the other studies of its fold, against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import stats

from socsci210.metrics.socsci210.agreement import agreement, permutation_p
from socsci210.metrics.socsci210.codes import Floats, Ints
from socsci210.reference import resamples
from socsci210.screening.evidence import LEVEL, Evidence, measure, read_evidence
from socsci210.screening.hypotheses import CAUTION
from socsci210.screening.power import POWERS, power, sample_size
from socsci210.simulated import World

from .folds import Fold
from .truth import truth_of

DRAWS: Final = 1000
TRIALS: Final = 200  # simulated experiments behind each share of rejections
SHUFFLES: Final = 60


class Screened(NamedTuple):
    """One contrast: its study, the true effect, what was said of it, and people per arm by power for the shrunk and the cautious effect."""

    study: str
    true: float
    predicted: float
    positive: float
    low: float
    high: float
    shrunk: float
    sizes: dict[str, int | None]
    power: dict[str, float]
    """True power of those sizes: with the true effect and the true spread of answers."""
    rejected: dict[str, float]
    """Share of rejections at the size for the predicted effect, where answers are drawn from the predicted distributions."""


def screen(fold: Fold, world: World) -> list[Screened]:
    """All contrasts of a fold; every study is screened without its own evidence."""
    evidence = read_evidence([fold.results], model=str(fold.model))
    assert isinstance(evidence, Evidence), evidence
    shares = predicted_shares(fold)
    rng, out = np.random.default_rng(0), []
    for code, study in enumerate(evidence.studies):
        own, others = (np.flatnonzero(chosen) for chosen in (evidence.contrasts.study == code, evidence.contrasts.study != code))
        known, truths = replace(evidence, contrasts=evidence.of(others), options=evidence.options[others]), truth_of(world, study)
        fits = {n: known.shrinkage(evidence.topics[code], n) for n in np.unique(evidence.options[own]).tolist()}
        for i in own.tolist():
            fit = fits[int(evidence.options[i])]
            assert fit is not None
            out.append(_screened(study, evidence, i, fit.posterior(float(evidence.contrasts.model[i])), truths, shares, rng))
    return out


def _screened(study: str, evidence: Evidence, i: int, found: Any, truths: Any, shares: Any, rng: np.random.Generator) -> Screened:
    contrasts = evidence.contrasts
    task, item, arm, reference = (int(column[i]) for column in (contrasts.task, contrasts.item, contrasts.condition, contrasts.reference))
    truth = truths.get((task, item)) or truths[task, 0]
    effect, against = truth.effect(arm, reference), reference if reference >= 0 else 1 - min(arm, 1)
    own, other = (shares[study, task, number] for number in (arm, against))
    spread = tuple(_spread(one) for one in (own, other))
    way = np.sign(found.mean)
    careful = found.quantile(CAUTION if way > 0 else 1 - CAUTION)
    effects = {"shrunk": found.mean, "cautious": careful if careful * way > 0 else 0.0}
    sizes = {f"{name} {wanted}": sample_size(value, *spread, wanted) for name, value in effects.items() for wanted in POWERS}
    true_power = {
        name: power(n, effect, float(truth.sd[arm]), float(truth.sd[against])) if effect * found.mean > 0 else 0.0
        for name, n in sizes.items() if n is not None
    }  # fmt: skip
    gap = _mean(own) - _mean(other)
    rejected = {str(wanted): _rejected(own, other, sample_size(gap, *spread, wanted), rng) for wanted in POWERS}
    model = float(contrasts.model[i])
    return Screened(study, effect, model, found.positive, found.low, found.high, found.mean, sizes, true_power, rejected)


def predicted_shares(fold: Fold) -> dict[tuple[str, int, int], Floats]:
    """Predicted distribution of every arm of every outcome, all personas together."""
    table = pq.read_table(fold.results.parent / "arms.parquet", columns=["study_id", "task_num", "condition_num", "probabilities"])
    sizes = pc.list_value_length(table.column("probabilities")).to_numpy()
    keys = [table.column(name).to_pylist() for name in ("study_id", "task_num", "condition_num")]
    groups: dict[tuple[str, int, int], list[int]] = {}
    for row, key in enumerate(zip(*keys, strict=True)):
        groups.setdefault(key, []).append(row)
    start = np.concatenate([[0], np.cumsum(sizes)])
    flat = pc.list_flatten(table.column("probabilities")).to_numpy()
    return {key: np.mean([flat[start[row] : start[row + 1]] for row in rows], axis=0) for key, rows in groups.items()}


def _mean(shares: Floats) -> float:
    return float(shares @ np.linspace(0, 1, len(shares)))


def _spread(shares: Floats) -> float:
    return float(np.sqrt(max(shares @ np.linspace(0, 1, len(shares)) ** 2 - _mean(shares) ** 2, 0.0)))


def _rejected(own: Floats, other: Floats, n: int | None, rng: np.random.Generator) -> float:
    """Share of experiments with n people per arm that find the effect; nan where they are too large to be worth simulating."""
    if n is None or n > 2000:
        return np.nan
    drawn = [rng.choice(len(one), (TRIALS, n), p=one / one.sum()) for one in (own, other)]
    return float((stats.ttest_ind(*drawn, axis=1, equal_var=False).pvalue < 0.05).mean())


def auc(score: Floats, positive: Any) -> float:
    """Area under the curve of telling positive effects from negative ones (Mann & Whitney 1947)."""
    rank, n = stats.rankdata(score), int(positive.sum())
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * (len(rank) - n)))


def over_studies(found: Sequence[Screened], figure: Any) -> tuple[float, float, float]:
    """A figure of the contrasts with its 95 % interval, studies resampled."""
    studies = list(dict.fromkeys(one.study for one in found))
    parts = [[one for one in found if one.study == study] for study in studies]
    again = [figure([one for j in pick for one in parts[j]]) for pick in resamples(len(parts), DRAWS, 0)]
    low, high = np.nanpercentile(again, [2.5, 97.5])
    return float(figure(found)), float(low), float(high)


def blind(fold: Fold) -> dict[str, Any]:
    """Is a model without any knowledge of arms found out? One that gives all arms the same answers, and one whose effects are shuffled."""
    evidence = read_evidence([fold.results], model=str(fold.model))
    assert isinstance(evidence, Evidence)
    constant = replace(evidence, contrasts=evidence.contrasts._replace(model=np.zeros_like(evidence.contrasts.model)))
    rng, accepted = np.random.default_rng(0), 0
    for _ in range(SHUFFLES):
        contrasts = evidence.contrasts._replace(
            model=_shuffled(evidence.contrasts.study, evidence.contrasts.condition, evidence.contrasts.model, rng)
        )
        accepted += agreement(contrasts)["r"] > 0 and permutation_p(contrasts, draws=400, seed=0) <= LEVEL
    return {"constant": measure(constant).refused, "shuffled_accepted": accepted / SHUFFLES}


def _shuffled(study: Ints, arm: Ints, model: Floats, rng: np.random.Generator) -> Floats:
    """Model effects that are as correlated within arms as before, and turned round at random: one sign for each arm of a study."""
    sign = rng.choice([-1.0, 1.0], (int(study.max()) + 1, int(arm.max()) + 1))
    return model * sign[study, arm]
