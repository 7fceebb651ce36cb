"""Distances of many cells at once against scipy, the noise floor against the sum over all samples, and what must not change a distance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, multinomial, wasserstein_distance

from socsci210.metrics.socsci210.cells import (
    Answers,
    cells_of,
    decoded,
    distance,
    means,
    medians,
    people,
    predicted,
    published_ruler,
    stated_ruler,
    uniform,
    uniform_draws,
)
from socsci210.metrics.socsci210.distances import (
    best_constant,
    decode,
    expected_distance,
    expected_draw_distance,
    noise_floor,
    total_variation,
    uniform_distance,
    wasserstein,
)


def one_cell(model: np.ndarray, human: np.ndarray) -> float:
    """W1 of two samples as one cell of point masses."""
    place = np.concatenate([model, human]).astype(float)
    sides = [np.r_[np.ones(len(model)), np.zeros(len(human))], np.r_[np.zeros(len(model)), np.ones(len(human))]]
    return float(wasserstein(np.zeros(len(place)), place, *sides, 1)[0])


@pytest.mark.parametrize("seed", range(5))
def test_many_cells_equal_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_cells = 60
    size = rng.integers(1, 40, n_cells)  # single-person cells included
    code = np.repeat(np.arange(n_cells), size)
    place = rng.integers(-3, 8, len(code)) * rng.choice([0.1, 1.0, 1e6])  # ties, negative values, unbounded values
    place[code == 3] = 2.5  # a constant cell
    model, human = rng.random((2, len(code))) * (rng.random((2, len(code))) < 0.7)
    order = rng.permutation(len(code))
    found = wasserstein(code[order], place[order], model[order], human[order], n_cells)
    for cell in range(n_cells):
        own = code == cell
        if model[own].sum() == 0 or human[own].sum() == 0:
            assert np.isnan(found[cell])
        else:
            truth = wasserstein_distance(place[own], place[own], model[own], human[own])
            assert found[cell] == pytest.approx(truth, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_total_variation_and_best_constant_equal_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_cells = 40
    code = np.repeat(np.arange(n_cells), rng.integers(1, 40, n_cells))
    place = rng.integers(-3, 8, len(code)) * rng.choice([0.1, 1.0, 1e6])
    place[code == 3] = 2.5
    model, human = rng.random((2, len(code))) * (rng.random((2, len(code))) < 0.7)
    order = rng.permutation(len(code))
    variation = total_variation(code[order], place[order], model[order], human[order], n_cells)
    constant = best_constant(code[order], place[order], human[order], n_cells)
    for cell in range(n_cells):
        own = code == cell
        options = np.unique(place[own])
        sums = [np.array([mass[own & (place == one)].sum() for one in options]) for mass in (model, human)]
        if sums[1].sum() == 0:
            assert np.isnan([variation[cell], constant[cell]]).all()
            continue
        every = [wasserstein_distance([one], place[own], None, human[own]) for one in options]
        assert constant[cell] == pytest.approx(min(every), rel=1e-9, abs=1e-9)
        if sums[0].sum() == 0:
            assert np.isnan(variation[cell])
        else:
            shares = [one / one.sum() for one in sums]
            assert variation[cell] == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2, abs=1e-9)


def test_total_variation_knows_no_distance_and_a_single_person_is_a_constant() -> None:
    for other in (1.0, 6.0):
        assert total_variation([0, 0], [0.0, other], [1, 0], [0, 1], 1).tolist() == [1.0]
    assert best_constant([0], [0.3], [1], 1).tolist() == [0.0]
    assert total_variation([], [], [], [], 0).shape == best_constant([], [], [], 0).shape == (0,)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4), st.sampled_from([0.5, 2.0, 8.0]), st.integers(-50, 50))
def test_invariances_of_total_variation_and_best_constant(seed: int, times: int, factor: float, shift: int) -> None:
    rng = np.random.default_rng(seed)
    code, place = rng.integers(0, 3, 30), rng.integers(1, 8, 30).astype(float)
    model, human = rng.random((2, 30))
    variation, constant = total_variation(code, place, model, human, 3), best_constant(code, place, human, 3)
    order, again = rng.permutation(30), np.tile(np.arange(30), times)
    for change, rows, at, unit in (
        ("order", order, place, 1.0),
        ("duplication", again, place, 1.0),
        ("affine rescaling", order, factor * place + shift, factor),
        ("direction flip", order, 8 - place, 1.0),
    ):
        assert total_variation(code[rows], at[rows], model[rows], human[rows], 3) == pytest.approx(variation, abs=1e-9, nan_ok=True), change
        assert best_constant(code[rows], at[rows], human[rows], 3) == pytest.approx(unit * constant, abs=1e-9, nan_ok=True), change


@pytest.mark.parametrize("seed", range(5))
def test_the_closed_form_of_a_uniform_equals_many_uniform_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_cells, points = 20, (np.arange(20_000) + 0.5) / 20_000
    code = rng.integers(0, n_cells, 200)
    code[code == 7] = 8  # a cell without people
    place, mass = rng.integers(0, 11, 200) / 10, rng.random(200)
    found = uniform_distance(code, place, mass, n_cells)
    for cell in range(n_cells):
        own = code == cell
        if not own.any():
            assert np.isnan(found[cell])
        else:
            assert found[cell] == pytest.approx(wasserstein_distance(points, place[own], None, mass[own]), abs=1e-4)


def test_the_closed_form_by_hand() -> None:
    assert uniform_distance([0, 1, 1, 1], [0.0, 0.0, 0.5, 1.0], [3, 1, 2, 1], 2).tolist() == [0.5, pytest.approx(0.125)]


def test_a_101_level_scale_equals_scipy() -> None:
    rng = np.random.default_rng(1)
    model, human = rng.dirichlet(np.ones(101), 2)
    place = np.linspace(0, 1, 101)
    found = wasserstein(np.zeros(101), place, model, human, 1)[0]
    assert found == pytest.approx(wasserstein_distance(place, place, model, human), abs=1e-12)


def test_positions_are_values_and_probabilities_are_weights() -> None:
    """scipy called on the probability vectors themselves gives 0 here."""
    assert wasserstein_distance([0.2, 0.8], [0.8, 0.2]) == 0
    assert wasserstein([0, 0], [0.0, 1.0], [0.2, 0.8], [0.8, 0.2], 1)[0] == pytest.approx(0.6)


def test_no_cell_and_no_atom() -> None:
    assert wasserstein([], [], [], [], 0).shape == (0,)
    assert np.isnan(wasserstein([], [], [], [], 2)).all()


samples = st.lists(st.integers(1, 7), min_size=1, max_size=30).map(np.array)


@settings(max_examples=60, deadline=None)
@given(samples, samples, st.randoms(use_true_random=False), st.integers(2, 4), st.floats(0.01, 100), st.floats(-50, 50))
def test_invariances(model: np.ndarray, human: np.ndarray, random: object, times: int, factor: float, shift: float) -> None:
    truth = one_cell(model, human)
    assert one_cell(human, model) == pytest.approx(truth, abs=1e-9)
    shuffled = list(model)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert one_cell(np.array(shuffled), human) == pytest.approx(truth, abs=1e-9), "order"
    assert one_cell(np.tile(model, times), np.repeat(human, times)) == pytest.approx(truth, abs=1e-9), "duplication"
    assert one_cell(factor * model + shift, factor * human + shift) == pytest.approx(factor * truth, rel=1e-9, abs=1e-9), "affine rescaling"
    assert one_cell(8 - model, 8 - human) == pytest.approx(truth, abs=1e-9), "direction flip"


@pytest.mark.parametrize("n", [1, 2, 7, 40])
@pytest.mark.parametrize("share", [0.0, 1e-13, 0.1, 1 / 3, 0.5, 0.999, 1.0])
def test_noise_floor_of_two_answers_is_the_binomial_deviation(n: int, share: float) -> None:
    counts = np.arange(n + 1)
    truth = float((binom.pmf(counts, n, share) * np.abs(counts / n - share)).sum())
    assert noise_floor([share, 1 - share], [0, 1], n) == pytest.approx(truth, abs=1e-12)


def test_noise_floor_equals_the_sum_over_all_samples() -> None:
    chances, place, n = np.array([0.2, 0.5, 0.3]), np.array([0.0, 0.25, 1.0]), 5
    truth = 0.0
    for a in range(n + 1):
        for b in range(n + 1 - a):
            counts = np.array([a, b, n - a - b])
            truth += multinomial.pmf(counts, n, chances) * wasserstein_distance(place, place, chances, counts)
    assert noise_floor(chances, place, n) == pytest.approx(truth, abs=1e-12)


def test_noise_floor_of_many_cells_at_once() -> None:
    code = np.array([0, 0, 1, 1, 1, 3])
    place = np.array([0.0, 1.0, 0.0, 0.5, 1.0, 0.3])
    mass = np.array([3.0, 1.0, 2.0, 2.0, 4.0, 9.0])
    found = expected_distance(code, place, mass, [10, 20, 5, 7], 4)
    truth = [noise_floor([0.75, 0.25], [0, 1], 10), noise_floor([0.25, 0.25, 0.5], [0, 0.5, 1], 20), np.nan, 0.0]
    assert found == pytest.approx(truth, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("per_person", [1, 2, 5])
@pytest.mark.parametrize("n", [1, 2, 6, 40, 250])
@pytest.mark.parametrize("share", [0.0, 1e-13, 1e-6, 0.3, 0.5, 0.999, 1.0])
def test_noise_floor_of_draws_equals_the_sum_over_both_samples(n: int, share: float, per_person: int) -> None:
    drawn = np.arange(n * per_person + 1)
    people_say, model_says = binom.pmf(np.arange(n + 1), n, share), binom.pmf(drawn, n * per_person, share)
    truth = sum(people_say[b] * (model_says * np.abs(drawn / per_person - b)).sum() / n for b in range(n + 1))
    found = expected_draw_distance([0, 0], [0, 1], [share, 1 - share], [n], 1, per_person=per_person)[0]
    assert found == pytest.approx(truth, abs=1e-9)


def test_noise_floors_of_draws_of_many_cells_at_once() -> None:
    """Thousands of people beside one; each as if it were alone; and resampling agrees."""
    rng = np.random.default_rng(3)
    code = np.repeat(np.arange(5), 7)
    place, mass, n = np.tile(np.linspace(0, 1, 7), 5), rng.random(35), [1, 4000, 30, 0, 300]
    found = expected_draw_distance(code, place, mass, n, 5)
    for cell in (0, 1, 2, 4):
        own = code == cell
        alone = expected_draw_distance(np.zeros(7), place[own], mass[own], [n[cell]], 1)[0]
        assert found[cell] == pytest.approx(alone, abs=1e-12)
        share = mass[own] / mass[own].sum()
        one, other = (rng.multinomial(n[cell], share, 4000) / n[cell] for _ in range(2))
        assert alone == pytest.approx(np.abs(np.cumsum(one - other, axis=1))[:, :-1].sum(axis=1).mean() / 6, rel=0.05)
    assert np.isnan(found[3])


def test_decode_by_hand() -> None:
    """At temperature 0.6, (0.5, 0.3, 0.2) becomes shares of p^(1/0.6); top_p 0.9 drops what lies beyond the answer that crosses it."""
    sharp = np.array([0.5, 0.3, 0.2]) ** (1 / 0.6)
    assert decode(np.array([[0.5, 0.3, 0.2]]))[0] == pytest.approx(sharp / sharp.sum(), abs=1e-12)
    assert decode(np.array([[0.01, 0.98, 0.01]]))[0] == pytest.approx([0, 1, 0], abs=1e-12)
    assert decode(np.array([[0.0, 1.0, 0.0]]))[0].tolist() == [0, 1, 0]
    assert decode(np.array([[0.45, 0.45, 0.1]]))[0] == pytest.approx([0.5, 0.5, 0], abs=1e-12)


def test_decoded_rows_of_different_scales() -> None:
    answers = Answers(np.array([0, 3, 5, 6]), np.array([1.0, 2, 3, 0, 1, 9]), np.array([0.5, 0.3, 0.2, 0.98, 0.02, 1.0]))
    found = decoded(answers).probability
    assert found[:3] == pytest.approx(decode(np.array([[0.5, 0.3, 0.2]]))[0])
    assert found[3:].tolist() == [1, 0, 1]


def test_means_and_medians_of_rows() -> None:
    answers = Answers(np.array([0, 3, 5, 6]), np.array([1.0, 2, 3, 0, 1, 9]), np.array([0.2, 0.3, 0.5, 0.5, 0.5, 1.0]))
    assert means(answers) == pytest.approx([2.3, 0.5, 9])
    assert medians(answers).tolist() == [2, 0, 9]


def scores(response: list[float], points: list[float], low: float, high: float, convention: str, step: float = 1) -> np.ndarray:
    """Distances of one cell of point predictions."""
    n = len(response)
    zeros = np.zeros(n, np.int64)
    cells = cells_of(zeros, zeros, zeros, np.full(n, low), np.full(n, high), np.full(n, step))
    human = people(cells, np.array(response))
    model = predicted(cells, cells.code, Answers(np.arange(n + 1), np.array(points), np.ones(n)))
    unknown = np.full(cells.n_sub, np.nan)
    ruler = stated_ruler(cells, unknown, unknown) if convention == "stated" else published_ruler(cells, np.array(response))
    return distance(ruler, model, human)


def test_conventions_differ_as_they_should() -> None:
    """People use 3 to 5 of a scale from 1 to 7; predictions 1 and 5."""
    people_say, model_says = [3.0, 5.0], [1.0, 5.0]
    assert scores(people_say, model_says, 1, 7, "stated") == pytest.approx([(2 / 6) / 2])
    assert scores(people_say, model_says, 1, 7, "published") == pytest.approx([0.0])  # 1 is clipped to 3


def test_published_skips_single_rows_and_constant_answers() -> None:
    assert np.isnan(scores([4.0], [4.0], 1, 7, "published")).all()
    assert np.isnan(scores([4.0, 4.0], [4.0, 1.0], 1, 7, "published")).all()
    assert scores([4.0, 4.0], [4.0, 1.0], 1, 7, "stated") == pytest.approx([0.25])


def test_off_scale_points_count_at_the_nearer_end() -> None:
    assert scores([1.0, 7.0], [1.0, 1e27], 1, 7, "stated") == pytest.approx([0.0])
    assert scores([1.0, 7.0], [2.5, 7.0], 1, 7, "stated") == pytest.approx([0.125])  # not a whole number


def test_cells_without_a_scale_are_not_scored_by_stated_but_by_published() -> None:
    assert np.isnan(scores([10.0, 500.0], [10.0, 255.0], np.nan, np.nan, "stated")).all()
    assert scores([10.0, 500.0], [10.0, 255.0], np.nan, np.nan, "published") == pytest.approx([0.25])


def test_chance_is_exact_and_by_draw_nearly_so() -> None:
    """Everyone answers 1 on 1..5: uniform answers are 0.5 away on average; with step 2 (1, 3, 5) as well."""
    n = 4000
    zeros = np.zeros(n, np.int64)
    unknown = np.full(1, np.nan)
    for step in (1.0, 2.0):
        cells = cells_of(zeros, zeros, zeros, np.ones(n), np.full(n, 5.0), np.full(n, step))
        human, ruler = people(cells, np.ones(n)), stated_ruler(cells, unknown, unknown)
        options = uniform(cells, unknown, unknown)
        assert options.value.tolist() == list(np.arange(1, 5.1, step))
        assert distance(ruler, options, human)[0] == pytest.approx(0.5, abs=1e-12)
        assert distance(ruler, uniform_draws(cells, unknown, unknown, 0), human)[0] == pytest.approx(0.5, abs=0.02)
