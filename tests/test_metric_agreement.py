"""Agreement of effects against scipy and by hand: noise, refusals, regret, intervals; and what must not move it."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from socsci210.metrics.socsci210.agreement import agreement, permutation_p, resampled_r
from socsci210.metrics.socsci210.effects import Contrasts, Rows, amce, between_contrasts, joined

from .test_metric_effects import NOBODY, between_rows, conjoint


def contrasts_of(
    human: np.ndarray, se: np.ndarray | float, model: np.ndarray, study: np.ndarray | None = None, **more: object
) -> Contrasts:
    """Contrasts against a control, each of an outcome of its own."""
    n = len(human)
    base = Contrasts(
        study=np.arange(n) if study is None else study, task=np.arange(n), item=np.zeros(n, np.int64), attribute=np.full(n, -1),
        condition=np.ones(n, np.int64), reference=np.zeros(n, np.int64), human=human, human_se=np.broadcast_to(se, n).astype(float),
        model=model, n=np.full(n, 100), design=np.full(n, "between"),
    )  # fmt: skip
    return base._replace(**more)


def test_raw_correlation_is_pearson_over_both_directions() -> None:
    rng = np.random.default_rng(0)
    human, model = rng.normal(0.1, 0.1, (2, 50))
    found = agreement(contrasts_of(human, 0.01, model))
    truth = pearsonr(np.r_[human, -human], np.r_[model, -model]).statistic
    assert found["r_raw"] == pytest.approx(truth, abs=1e-9)
    assert found["slope"] == pytest.approx(np.polyfit(np.r_[model, -model], np.r_[human, -human], 1)[0], abs=1e-9)
    assert found["mae"] == pytest.approx(np.abs(human - model).mean(), abs=1e-9)
    reliability = 1 - 0.01**2 / (human**2).mean()
    assert found["reliability"] == pytest.approx(reliability, abs=1e-9)
    assert found["r"] == pytest.approx(truth / np.sqrt(reliability), abs=1e-9)


def test_studies_count_the_same() -> None:
    """Repeating the contrasts of one study changes nothing; pooling would."""
    rng = np.random.default_rng(1)
    human, model, study = rng.normal(0, 0.1, 12), rng.normal(0, 0.1, 12), np.repeat(np.arange(4), 3)
    one = contrasts_of(human, 0.02, model, study)
    extra = np.r_[np.arange(12), np.tile(np.flatnonzero(study == 2), 5)]
    two = Contrasts(*(column[extra] for column in one))._replace(task=np.arange(len(extra)))
    a, b = agreement(one), agreement(two)
    for name in ("r_raw", "slope", "mae", "reliability", "sign_agreement", "regret"):
        assert b[name] == pytest.approx(a[name], abs=1e-12), name  # type: ignore[literal-required]
    moments = [np.mean([np.mean((x * y)[study == s]) for s in range(4)]) for x, y in ((human, model), (human, human), (model, model))]
    assert a["r_raw"] == pytest.approx(moments[0] / np.sqrt(moments[1] * moments[2]), abs=1e-12)


def test_correction_recovers_the_true_correlation() -> None:
    rng = np.random.default_rng(2)
    n, rho = 40_000, 0.6
    truth = rng.normal(size=n)
    model = rho * truth + np.sqrt(1 - rho**2) * rng.normal(size=n)
    found = agreement(contrasts_of(truth + rng.normal(size=n), 1.0, model))
    assert found["r_raw"] == pytest.approx(rho / np.sqrt(2), abs=0.015)
    assert found["r"] == pytest.approx(rho, abs=0.02)


def test_no_human_effects_give_no_agreement() -> None:
    """Effects planted as zero: all noise, so r is refused, and shuffling arms finds chance."""
    refused, small = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        found = contrasts_of(rng.normal(0, 0.05, 60), 0.05, rng.normal(0, 0.1, 60), np.repeat(np.arange(12), 5))
        result = agreement(found)
        refused += result["refused"] == "people's effects do not stand out from the noise of their measurement"
        assert np.isnan(result["r"]) == (result["refused"] is not None)
        small += permutation_p(found, draws=200, seed=seed) <= 0.05
    assert refused >= 57
    assert small <= 8  # 3 expected of 60


def test_a_model_blind_to_conditions_has_no_agreement() -> None:
    found = agreement(contrasts_of(np.array([0.1, 0.2, -0.1]), 0.01, np.zeros(3)))
    assert found["refused"] == "the model has no effects: it gives every arm the same answers"
    assert np.isnan(found["r"])
    assert np.isnan(found["r_raw"])
    assert found["sign_agreement"] == 0.5
    assert found["mae"] == pytest.approx(0.4 / 3)
    assert found["regret"] == pytest.approx(found["regret_chance"])


def test_rounding_is_no_effect() -> None:
    """The mean of equal predictions differs between arms in the last digit: that is no agreement."""
    human = np.linspace(0.1, 0.5, 10)
    found = contrasts_of(human, 0.01, 1e-16 * human)
    assert agreement(found) == pytest.approx(agreement(contrasts_of(human, 0.01, np.zeros(10))), nan_ok=True)
    assert agreement(found)["refused"] == "the model has no effects: it gives every arm the same answers"
    assert permutation_p(found) == 1
    assert np.isnan(resampled_r(found)).all()


def test_signs_count_only_where_people_show_an_effect() -> None:
    found = agreement(contrasts_of(np.array([0.3, -0.3, 0.1, 0.4]), 0.1, np.array([0.1, 0.1, -5.0, 0.2])))
    assert found["n_reliable"] == 3  # 0.1 with a standard error of 0.1 shows no sign
    assert found["sign_agreement"] == pytest.approx(2 / 3)


def test_regret_by_hand() -> None:
    """Arms 0 (control), 0.1, 0.3, -0.2; the model would choose arm 1 to raise, the control to lower."""
    one = np.zeros(3, np.int64)
    human, model = np.array([0.1, 0.3, -0.2]), np.array([0.5, 0.2, 0.1])
    found = contrasts_of(human, 0.01, model, one, task=one, condition=np.arange(1, 4))
    result = agreement(found)
    assert result["regret"] == pytest.approx(((0.3 - 0.1) + (0.2 + 0.0)) / 2)
    assert result["regret_chance"] == pytest.approx(((0.3 - 0.05) + (0.05 + 0.2)) / 2)


def test_regret_does_not_depend_on_the_reference() -> None:
    rows = between_rows(3)
    keep = rows.study > 0
    rows = Rows(*(None if column is None else column[keep] for column in rows))
    model = rows._replace(value=np.random.default_rng(0).random(len(rows.value)))
    found = [agreement(between_contrasts(rows, model, np.array(control))) for control in ([-1, -1, -1], [0, 0, 0], [0, 1, 2])]
    for other in found[1:]:
        assert other["regret"] == pytest.approx(found[0]["regret"], abs=1e-9)
        assert other["regret_chance"] == pytest.approx(found[0]["regret_chance"], abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_invariances_of_agreement(seed: int, factor: float) -> None:
    """Order; which arm is called the reference of a pair; the unit, for all but errors."""
    rng = np.random.default_rng(seed)
    human, model, study = rng.normal(0, 0.2, 30), rng.normal(0, 0.1, 30), rng.integers(0, 12, 30)
    base = contrasts_of(human, 0.05, model, study)
    truth = agreement(base)
    order, sign = rng.permutation(30), rng.choice([-1, 1], 30)
    shuffled = agreement(Contrasts(*(column[order] for column in base)))
    turned = agreement(base._replace(human=sign * human, model=sign * model))
    scaled = agreement(base._replace(human=factor * human, model=factor * model, human_se=factor * base.human_se))
    for name in ("r", "r_raw", "reliability", "slope", "sign_agreement"):
        for other in (shuffled, turned, scaled):
            assert other[name] == pytest.approx(truth[name], rel=1e-6, nan_ok=True), name  # type: ignore[literal-required]
    for name in ("mae", "regret", "regret_chance"):
        assert shuffled[name] == pytest.approx(truth[name], abs=1e-9)  # type: ignore[literal-required]
        assert turned[name] == pytest.approx(truth[name], abs=1e-9)  # type: ignore[literal-required]
        assert scaled[name] == pytest.approx(factor * truth[name], rel=1e-6)  # type: ignore[literal-required]


def test_resampled_r_draws_studies() -> None:
    rng = np.random.default_rng(4)
    truth, study = rng.normal(0, 0.2, 200), np.repeat(np.arange(40), 5)
    model = truth + rng.normal(0, 0.2, 200)
    found = contrasts_of(truth + rng.normal(0, 0.05, 200), 0.05, model, study)
    draws = resampled_r(found, draws=2000)
    assert draws.shape == (2000,)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert low < 1 / np.sqrt(2) < high
    assert high - low < 0.35
    assert np.mean(draws) == pytest.approx(agreement(found)["r"], abs=0.02)
    assert (resampled_r(found, draws=5, seed=1) == resampled_r(found, draws=5, seed=1)).all()


def test_shuffled_arms_find_agreement() -> None:
    rng = np.random.default_rng(5)
    human = rng.normal(0, 0.2, 40)
    assert permutation_p(contrasts_of(human, 0.05, human + rng.normal(0, 0.1, 40)), draws=999) == pytest.approx(0.001)
    assert permutation_p(contrasts_of(human, 0.05, -human), draws=999) > 0.99


def test_designs_are_joined() -> None:
    rows, levels = conjoint(0)
    parts = [between_contrasts(between_rows(0), between_rows(0), NOBODY), amce(rows, rows.value, levels)]
    found = joined(parts)
    assert len(found.human) == sum(len(part.human) for part in parts)
    assert set(found.design) == {"between", "conjoint"}
    assert agreement(found)["r_raw"] == pytest.approx(1)


def test_effects_under_a_hundredth_of_people_s_are_none() -> None:
    """A correlation hides size: effects that tell no arms apart may still line up with people's."""
    human = np.linspace(0.1, 0.5, 10)
    assert agreement(contrasts_of(human, 0.01, human / 50))["r"] == pytest.approx(1, abs=0.01)
    tiny = agreement(contrasts_of(human, 0.01, human / 200))
    assert np.isnan(tiny["r"])
    assert tiny["refused"] == "the model's effects are under a hundredth of people's: it hardly tells arms apart"


def planted(seed: int, *, studies: int, effect: float, rho: float, outcomes: int = 4, arms: int = 3, people: int = 60) -> Contrasts:
    """People's answers to several outcomes hang together and arms move all of them alike, in the model's mind and in truth; the two are
    correlated rho. Arms against a control, so that all contrasts share its noise."""
    rng = np.random.default_rng(seed)
    arm, person = rng.integers(0, arms, (studies, people)), rng.normal(size=(studies, people))
    truth = rng.normal(size=(studies, arms))
    belief = rho * truth + np.sqrt(1 - rho**2) * rng.normal(size=(studies, arms))
    study, who, task = (one.ravel() for one in np.indices((studies, people, outcomes)))
    value = person[study, who] + rng.normal(size=len(study)) + effect * truth[study, arm[study, who]]
    rows = Rows(study, arm[study, who], task, np.zeros_like(study), who, value)
    return between_contrasts(rows, rows._replace(value=belief[study, arm[study, who]]), np.zeros(studies, np.int64))


def test_corrected_r_is_about_unbiased_at_the_size_of_a_release() -> None:
    """40 studies, whose people answer all outcomes. Effects that are half noise: raw r falls short, corrected r does not."""
    found = [agreement(planted(seed, studies=40, effect=0.35, rho=0.6)) for seed in range(60)]
    raw, corrected = (np.array([one[name] for one in found]) for name in ("r_raw", "r"))  # type: ignore[literal-required]
    assert np.isfinite(corrected).all()
    assert 0.35 < np.mean([one["reliability"] for one in found]) < 0.65
    assert raw.mean() < 0.5
    assert corrected.mean() == pytest.approx(0.6, abs=0.03)  # the mean of 60 has an error of about 0.013


def test_p_is_right_where_people_answer_several_outcomes() -> None:
    """No effects, beliefs that hold for all outcomes of a study: flipping outcomes one by one would call 18 of 100 worlds significant."""
    worlds = [planted(seed, studies=12, effect=0, rho=0) for seed in range(150)]
    p = np.array([permutation_p(one, draws=199, seed=seed) for seed, one in enumerate(worlds)])
    assert (p <= 0.05).mean() < 0.09
    assert np.mean(p) == pytest.approx(0.5, abs=0.08)
    assert np.mean([agreement(one)["r"] != agreement(one)["r"] for one in worlds[:50]]) > 0.9  # refused: nan


@pytest.mark.parametrize("control", [0, -1])
def test_p_equals_all_orders_of_the_arms(control: int) -> None:
    """Two studies of three arms and two outcomes: 6 x 6 orders of the model's arms."""
    rng = np.random.default_rng(3)
    study, task, arm, copy = (one.ravel() for one in np.indices((2, 2, 3, 4)))
    human, model = rng.normal(size=len(study)), rng.normal(size=(2, 3))
    rows = Rows(study, arm, task, np.zeros_like(study), 10 * arm + copy, human)
    orders = [np.array(one) for one in permutations(range(3))]

    def product(first: np.ndarray, second: np.ndarray) -> float:
        believed = np.where(study == 0, model[0][first[arm]], model[1][second[arm]])
        found = between_contrasts(rows, rows._replace(value=believed), np.full(2, control))
        return float(found.human @ found.model)

    seen = product(orders[0], orders[0])
    truth = np.mean([product(first, second) >= seen - 1e-12 for first in orders for second in orders])
    found = between_contrasts(rows, rows._replace(value=model[study, arm]), np.full(2, control))
    assert permutation_p(found, draws=20_000) == pytest.approx(truth, abs=0.015)
