"""Intervals, probabilities and sample sizes of a screening hold at their stated rate where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from socsci210.metrics.socsci210.effects import Contrasts
from socsci210.screening.power import FEWEST, POWERS, power, sample_size
from socsci210.screening.reliability import MIN_STUDIES, Posterior, shrinkage
from socsci210.screening.subgroups import holm
from socsci210.screening.uncertainty import crossed

Floats = NDArray[np.float64]


@pytest.mark.parametrize(("variants", "wording", "mixed"), [(1, 0.0, 0.0), (4, 0.0, 0.1), (4, 0.03, 0.05), (3, 0.1, 0.02)])
def test_intervals_over_personas_and_wordings_cover(variants: int, wording: float, mixed: float) -> None:
    rng, hits = np.random.default_rng(7), 0
    weight = rng.uniform(0.3, 3, 120)
    for _ in range(600):
        values = 0.3 + rng.normal(0, 0.2, (120, 1)) + rng.normal(0, wording, (1, variants)) + rng.normal(0, mixed, (120, variants))
        found = crossed(values, weight / weight.sum())
        hits += found.low <= 0.3 <= found.high
    assert 0.92 <= hits / 600 <= 0.98


def test_intervals_of_a_difference_between_groups_cover() -> None:
    rng, hits = np.random.default_rng(8), 0
    inside = np.arange(160) < 40
    pull = np.where(inside, 1 / 40, -1 / 120)
    for _ in range(600):
        values = rng.normal(0, 0.2, (160, 1)) + rng.normal(0, 0.05, (160, 4)) + inside[:, None] * (0.1 + rng.normal(0, 0.02, (1, 4)))
        found = crossed(values, pull, inside.astype(np.int64))
        hits += found.low <= 0.1 <= found.high
    assert 0.92 <= hits / 600 <= 0.98


def test_one_persona_has_no_interval_and_no_spread_is_certain() -> None:
    assert np.isnan(crossed(np.array([[0.2, 0.3]]), np.ones(1)).low)
    still = crossed(np.full((5, 2), 0.2), np.full(5, 0.2))
    assert still.low == pytest.approx(0.2) and still.high == pytest.approx(0.2) and still.robust


def test_an_effect_that_turns_round_in_one_wording_is_not_robust() -> None:
    values = np.tile([0.3, 0.3, 0.3, -0.01], (400, 1)) + np.random.default_rng(0).normal(0, 0.01, (400, 4))
    assert not crossed(values, np.full(400, 1 / 400)).robust
    assert crossed(np.abs(values) + 0.2, np.full(400, 1 / 400)).robust


@pytest.mark.parametrize(("effect", "sd", "against"), [(0.3, 1.5, 1.8), (0.8, 1.0, 1.0), (0.1, 0.5, 0.4)])
def test_advised_sizes_reach_their_power(effect: float, sd: float, against: float) -> None:
    rng = np.random.default_rng(1)
    for wanted in POWERS:
        n = sample_size(effect, sd, against, wanted)
        assert n is not None and power(n, effect, sd, against) >= wanted
        assert n == FEWEST or power(n - 1, effect, sd, against) < wanted
        p = stats.ttest_ind(rng.normal(effect, sd, (2000, n)), rng.normal(0, against, (2000, n)), axis=1, equal_var=False).pvalue
        assert (p < 0.05).mean() == pytest.approx(wanted, abs=0.03)


def test_sizes_at_the_edges() -> None:
    assert sample_size(0.0, 1, 1, 0.8) is None
    assert sample_size(1e-4, 1, 1, 0.8) is None
    assert sample_size(5.0, 1, 1, 0.9) == FEWEST
    assert sample_size(0.02, 1, 1, 0.8) == pytest.approx(2 * (1.959964 + 0.841621) ** 2 / 0.02**2, rel=1e-3)  # the textbook's
    assert sample_size(-0.3, 1, 1, 0.8) == sample_size(0.3, 1, 1, 0.8)
    assert [sample_size(0.5, 1, 1, wanted) for wanted in POWERS] == [64, 86]  # as G*Power 3.1 has it


def evidence(rng: np.random.Generator, studies: int, slope: float, floor: float, growth: float, se: float) -> tuple[Contrasts, Floats]:
    """Contrasts of studies whose residuals go together within an arm, and their true effects."""
    study = np.repeat(np.arange(studies), 12)
    arm = np.tile(np.arange(12) // 4, studies)
    model = rng.normal(0, 0.08, len(study)) * np.exp(rng.normal(0, 0.3, studies))[study]
    shared = rng.normal(0, 1, (studies, 3))[study, arm]
    true = (slope + rng.normal(0, 0.2, studies)[study]) * model
    true += np.hypot(floor, growth * model) * (0.6 * shared + 0.8 * rng.normal(0, 1, len(study)))
    zero = np.zeros(len(study), np.int64)
    human, noise = true + rng.normal(0, se, len(study)), np.full(len(study), se)
    return Contrasts(study, arm, zero, zero - 1, zero, zero, human, noise, model, zero, np.full(len(study), "between")), true


@pytest.mark.parametrize(
    ("studies", "slope", "floor", "growth", "se"),
    [(6, 0.7, 0.03, 0.2, 0.03), (6, 0.7, 0.03, 0.0, 0.08), (12, 0.5, 0.06, 0.3, 0.04), (12, 0.0, 0.05, 0.0, 0.03)],
)
def test_the_true_effect_of_a_new_study_lies_in_its_interval(studies: int, slope: float, floor: float, growth: float, se: float) -> None:
    rng = np.random.default_rng(3)
    inside, sure, right = [], [], []
    for _ in range(40):
        contrasts, true = evidence(rng, studies + 1, slope, floor, growth, se)
        known = contrasts.study < studies
        found = shrinkage(Contrasts(*(column[known] for column in contrasts)))
        assert found is not None
        for model, effect in zip(contrasts.model[~known].tolist(), true[~known].tolist(), strict=True):
            posterior = found.posterior(model)
            inside.append(posterior.low <= effect <= posterior.high)
            sure.append(max(posterior.positive, 1 - posterior.positive))
            right.append((posterior.positive > 0.5) == (effect > 0))
    assert 0.90 <= np.mean(inside) <= 0.995
    assert np.mean(right) >= np.mean(sure) - 0.05  # no surer than right


def test_predictions_with_an_error_of_their_own_are_shrunk_by_it() -> None:
    """The known answer: the slope times the share of the variance of predictions that is not error; new effects are covered as stated."""
    rng = np.random.default_rng(5)
    slopes, inside = [], []
    for _ in range(40):
        contrasts, true = evidence(rng, 21, 0.8, 0.02, 0.0, 0.02)
        noisy = contrasts._replace(model=contrasts.model + rng.normal(0, 0.08, len(true)))
        known = contrasts.study < 20
        found = shrinkage(Contrasts(*(column[known] for column in noisy)))
        assert found is not None
        slopes.append(found.of_slope.mean)
        inside += [
            (p := found.posterior(m)).low <= t <= p.high for m, t in zip(noisy.model[~known].tolist(), true[~known].tolist(), strict=True)
        ]
    share = 0.08**2 * np.exp(2 * 0.3**2)  # of the predictions that `evidence` draws
    assert np.mean(slopes) == pytest.approx(0.8 * share / (share + 0.08**2), rel=0.12)
    assert 0.90 <= np.mean(inside) <= 0.995


def test_turning_contrasts_round_changes_nothing_and_few_studies_say_nothing() -> None:
    contrasts, _ = evidence(np.random.default_rng(0), 8, 0.7, 0.05, 0.1, 0.03)
    sign = np.where(np.arange(len(contrasts.human)) % 3, 1.0, -1.0)
    turned = contrasts._replace(human=sign * contrasts.human, model=sign * contrasts.model)
    one, other = shrinkage(contrasts), shrinkage(turned)
    assert one is not None and other is not None
    assert one.posterior(0.1).mean == pytest.approx(other.posterior(0.1).mean)
    assert one.posterior(-0.1).positive == pytest.approx(1 - one.posterior(0.1).positive)
    few = contrasts.study < MIN_STUDIES - 1
    assert shrinkage(Contrasts(*(column[few] for column in contrasts))) is None
    assert shrinkage(contrasts._replace(model=np.zeros_like(contrasts.model))) is None
    for moved in (1, 4, 5):  # a study without model effects says nothing of the slope, and one alone cannot be left out
        some = shrinkage(contrasts._replace(model=np.where(contrasts.study < moved, contrasts.model, 0.0)))
        assert (some is None) == (moved < 5)
        assert some is None or (some.studies == pytest.approx(5) and np.isfinite([some.of_slope.low, some.of_slope.high]).all())


def test_contrasts_that_are_more_like_the_new_one_count_more() -> None:
    contrasts, _ = evidence(np.random.default_rng(0), 12, 0.0, 0.01, 0.0, 0.01)
    like = contrasts.study >= 6
    contrasts = contrasts._replace(human=np.where(like, contrasts.model, 0.0))
    plain, weighted = shrinkage(contrasts), shrinkage(contrasts, np.where(like, 1.0, 0.2))
    assert plain is not None and weighted is not None
    assert weighted.of_slope.mean > plain.of_slope.mean + 0.1
    assert weighted.studies < plain.studies


def test_a_mixture_has_the_quantiles_of_its_parts() -> None:
    single = Posterior(np.ones(1), np.array([0.1]), np.array([0.05]), np.array([7.0]))
    assert single.high == pytest.approx(0.1 + 0.05 * stats.t.ppf(0.975, 7))
    assert single.positive == pytest.approx(stats.t.cdf(2.0, 7))
    both = Posterior(np.array([0.5, 0.5]), np.array([-1.0, 1.0]), np.array([0.1, 0.1]), np.array([50.0, 50.0]))
    assert both.positive == pytest.approx(0.5)
    assert both.quantile(0.25) == pytest.approx(-1.0, abs=1e-3)


def test_holm_keeps_the_order_and_never_falls_below() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
