"""Reference points: values known from elsewhere, brute force, and statistics with a known answer."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import t, wasserstein_distance

from socsci210.metrics.socsci210.distances import expected_draw_distance, noise_floor
from socsci210.metrics.socsci210.intervals import percentiles, student
from socsci210.reference import MIN_STUDIES, SAME_MEANS, estimate, gap_closed, sensitivity

SEVEN = np.array([0.14, 0.1, 0.11, 0.2, 0.16, 0.14, 0.15])  # a spread answer to a question with seven levels
PLACES = np.linspace(0, 1, 7)


@pytest.mark.parametrize("n", [5, 50, 300])
def test_noise_floor_against_simulation(n: int) -> None:
    rng = np.random.default_rng(n)
    draws = [wasserstein_distance(PLACES, PLACES, SEVEN, counts) for counts in rng.multinomial(n, SEVEN, 1500)]
    error = np.std(draws) / np.sqrt(len(draws))
    assert noise_floor(SEVEN, PLACES, n) == pytest.approx(np.mean(draws), abs=4 * error)


def test_noise_floor_at_300_people_is_near_what_others_found() -> None:
    """Seven levels, 300 people: about 0.019 for a distribution and 0.028 for as many draws."""
    assert noise_floor(SEVEN, PLACES, 300) == pytest.approx(0.019, abs=0.0015)
    draws = expected_draw_distance(np.zeros(7, int), PLACES, SEVEN, [300], 1)[0]
    assert draws == pytest.approx(0.028, abs=0.001)


def test_how_few_people_would_give_the_published_bound() -> None:
    """The published empirical best, 0.125, is no plain bootstrap: it takes cells of a handful of people to be so far off."""
    floors = {n: noise_floor(SEVEN, PLACES, n) for n in (5, 8, 600)}
    assert floors[600] < 0.02
    assert floors[8] < 0.125 < floors[5] + 0.02


def test_interval_of_a_mean_over_studies() -> None:
    values = np.random.default_rng(0).normal(0.1, 0.03, 60)
    found = estimate(values, seed=1)
    assert found.point == pytest.approx(values.mean())
    assert found.interval is not None
    error = values.std() / np.sqrt(60)
    assert found.interval == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.3 * error)
    assert found == estimate(values, seed=1)


def test_few_studies_give_their_values_instead() -> None:
    found = estimate(np.array([0.1, 0.3, 0.2]))
    assert (found.interval, found.values) == (None, (0.1, 0.3, 0.2))
    assert estimate(np.full(MIN_STUDIES, 0.1)).values is None


def test_gap_closed_is_a_ratio_of_means() -> None:
    chance, model, floor = np.array([0.2, 0.4]), np.array([0.1, 0.4]), np.array([0.0, 0.2])
    assert gap_closed(chance, model, floor).value == pytest.approx(0.05 / 0.2)  # a mean of ratios would say 0.25 too, so once more:
    assert gap_closed(np.array([0.2, 0.5]), model, floor).value == pytest.approx(((0.1 + 0.1) / 2) / 0.25)
    assert gap_closed(chance, chance, floor).value == pytest.approx(0)
    assert gap_closed(chance, floor, floor).value == pytest.approx(1)


def test_gap_closed_is_refused_where_it_would_be_noise() -> None:
    refused = gap_closed(np.array([0.03, 0.05, 0.01]), np.zeros(3), np.array([0.03, 0.0, 0.03]))
    assert refused.value is None
    assert refused.refused is not None
    assert "under two standard errors" in refused.refused
    assert gap_closed(np.array([0.1]), np.array([0.05]), np.array([0.02])).refused is not None


def test_gap_closed_has_an_interval_from_ten_studies_on() -> None:
    rng = np.random.default_rng(0)
    chance, floor = rng.normal(0.2, 0.02, 30), np.full(30, 0.02)
    model = floor + 0.4 * (chance - floor)
    found = gap_closed(chance, model, floor)
    assert found.value == pytest.approx(0.6)
    assert found.interval == pytest.approx((0.6, 0.6))  # the same ratio in every resample
    assert gap_closed(chance[:9], model[:9], floor[:9]).interval is None


def test_sensitivity_by_hand() -> None:
    """Two outcomes with their own levels: only what moves within an outcome counts."""
    outcome = np.array([5, 5, 5, 9, 9])
    human = np.array([0.1, 0.2, 0.3, 0.8, 0.9])
    model = np.array([0.5, 0.6, 0.7, 0.2, 0.1])
    h, m = np.array([-0.1, 0, 0.1, -0.05, 0.05]), np.array([-0.1, 0, 0.1, 0.05, -0.05])
    found = sensitivity(outcome, model, human)
    assert found.r == pytest.approx(h @ m / np.sqrt((h @ h) * (m @ m)))
    assert (found.n_outcomes, found.n_cells, found.interval) == (2, 5, None)
    assert found.slope == pytest.approx(h @ m / (m @ m))


def test_p_value_against_all_permutations() -> None:
    rng = np.random.default_rng(3)
    human, model = rng.random((2, 5))
    outcome = np.zeros(5, int)
    h, m = human - human.mean(), model - model.mean()
    exact = np.mean([np.array(order) @ h >= m @ h - 1e-12 for order in permutations(m)])
    assert sensitivity(outcome, model, human, permutations=20_000).p == pytest.approx(exact, abs=0.015)


def test_sensitivity_finds_a_signal_and_nothing_in_noise() -> None:
    rng = np.random.default_rng(0)
    outcome = np.repeat(np.arange(40), 4)
    level = rng.random(40)[outcome]
    human = level + rng.normal(0, 0.05, 160)
    good = sensitivity(outcome, 0.3 * level + 0.7 * human, human)
    assert good.r is not None
    assert good.r > 0.95
    assert good.p == pytest.approx(1 / 2001)
    assert good.interval is not None
    assert good.interval[0] < good.r < good.interval[1]
    small = sum((sensitivity(outcome, level + rng.normal(0, 0.05, 160), human, permutations=200, seed=s).p or 0) < 0.05 for s in range(60))
    assert small <= 9  # 5 % of 60, and some


def test_sensitivity_of_a_condition_blind_model_is_refused() -> None:
    outcome = np.array([0, 0, 1, 1])
    blind = sensitivity(outcome, np.array([0.4, 0.4, 0.7, 0.7]), np.array([0.1, 0.2, 0.3, 0.4]))
    assert (blind.r, blind.p) == (None, None)
    assert blind.refused == SAME_MEANS
    nearly = sensitivity(outcome, np.array([0.4, 0.4001, 0.7, 0.7001]), np.array([0.1, 0.2, 0.3, 0.4]))  # a correlation of 1 on nothing
    assert (nearly.r, nearly.refused) == (None, SAME_MEANS)
    alone = sensitivity(np.array([0, 1]), np.array([0.4, 0.7]), np.array([0.1, 0.2]))
    assert alone.refused == "no outcome has two scored conditions in this split"


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 10, 57, 169])
def test_students_t_against_scipy(freedom: int) -> None:
    assert student(freedom) == pytest.approx(t.ppf(0.975, freedom), rel=1e-9)


def test_the_interval_of_sensitivity_is_moved_out_for_few_outcomes() -> None:
    """As that of a mean over studies: the plain percentiles of resamples of ten outcomes are too near each other."""
    rng = np.random.default_rng(0)
    model, human = rng.normal(0, 1, (2, 10, 2))
    human += 0.5 * model
    found = sensitivity(np.repeat(np.arange(10), 2), model.reshape(-1), human.reshape(-1), permutations=1, draws=400, seed=3)
    m, h = model - model.mean(axis=1, keepdims=True), human - human.mean(axis=1, keepdims=True)
    index = np.random.default_rng(3).integers(0, 10, (400, 10))
    again = [(m[i] * h[i]).sum() / np.sqrt((m[i] ** 2).sum() * (h[i] ** 2).sum()) for i in index]
    assert found.interval == pytest.approx(percentiles(np.array(again), 10))
    low, high = np.percentile(again, [2.5, 97.5])
    assert found.interval is not None and found.interval[0] < low and found.interval[1] > high
