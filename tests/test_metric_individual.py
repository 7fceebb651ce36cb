"""Accuracy for single people by median and by draw, against plain loops and many real draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socsci210.metrics.socsci210 import cells
from socsci210.metrics.socsci210.cells import Answers
from socsci210.metrics.socsci210.individual import accuracy_by_draw, accuracy_by_median

World = tuple[Answers, np.ndarray, np.ndarray, np.ndarray]
SCALES = (np.arange(2.0), np.arange(1.0, 8), np.arange(-3.0, 4), np.arange(101.0))


def world(seed: int, n: int = 200) -> World:
    rng = np.random.default_rng(seed)
    values = [SCALES[i] for i in rng.integers(0, len(SCALES), n)]
    shares = [rng.dirichlet(np.full(len(one), 0.5)) for one in values]
    start = np.cumsum([0, *map(len, values)])
    response = np.array([rng.choice(one) for one in values])
    low, high = np.array([one[0] for one in values]), np.array([one[-1] for one in values])
    return Answers(start, np.concatenate(values), np.concatenate(shares)), response, low, high


@pytest.mark.parametrize("seed", range(3))
def test_equals_plain_loops(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "ROWS_AT_ONCE", 37)
    answers, response, low, high = world(seed)
    by_median, by_draw = (score(answers, response, low, high) for score in (accuracy_by_median, accuracy_by_draw))
    for i in range(len(response)):
        part = slice(answers.start[i], answers.start[i + 1])
        value, share = answers.value[part], answers.probability[part]
        median = value[np.argmax(np.cumsum(share) >= 0.5)]
        assert by_median[i] == pytest.approx(1 - abs(median - response[i]) / (high[i] - low[i]), abs=1e-9)
        assert by_draw[i] == pytest.approx(1 - (share * np.abs(value - response[i])).sum() / (high[i] - low[i]), abs=1e-9)


def test_by_draw_is_the_mean_of_many_draws() -> None:
    rng = np.random.default_rng(0)
    share = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
    drawn = rng.choice(np.arange(1.0, 6), 200_000, p=share)
    one = np.ones(1)
    found = accuracy_by_draw(Answers(np.array([0, 5]), np.arange(1.0, 6), share), 2 * one, one, 5 * one)[0]
    assert found == pytest.approx((1 - np.abs(drawn - 2) / 4).mean(), abs=0.002)


def test_uniform_answers_look_better_by_median_than_by_draw() -> None:
    """The known trap: one model, two accuracies. Uniform on 1..7 against uniform people."""
    people = np.repeat(np.arange(1.0, 8), 10)
    n = len(people)
    answers = Answers(np.arange(0, 7 * n + 1, 7), np.tile(np.arange(1.0, 8), n), np.full(7 * n, 1 / 7))
    ends = (np.ones(n), np.full(n, 7.0))
    assert accuracy_by_median(answers, people, *ends).mean() == pytest.approx(1 - (12 / 7) / 6)
    assert accuracy_by_draw(answers, people, *ends).mean() == pytest.approx(1 - (16 / 7) / 6)


def test_clipped_and_not() -> None:
    """Another known trap: points off the scale. A wild answer costs the whole scale at most, or without clipping anything."""
    points = Answers(np.arange(3), np.array([9.0, -1e27]), np.ones(2))
    response, low, high = np.array([7.0, 1.0]), np.ones(2), np.full(2, 7.0)
    for score in (accuracy_by_median, accuracy_by_draw):
        assert score(points, response, low, high).tolist() == [1.0, 1.0]
        raw = score(points, response, low, high, clip=False)
        assert raw[0] == pytest.approx(1 - 2 / 6)
        assert raw[1] < -1e26


def test_a_point_is_its_own_draw_and_no_scale_gives_nan() -> None:
    points = Answers(np.arange(3), np.array([2.0, 2.0]), np.ones(2))
    response, low, high = np.array([3.0, 3.0]), np.array([1.0, np.nan]), np.array([5.0, np.nan])
    for score in (accuracy_by_median, accuracy_by_draw):
        assert score(points, response, low, high) == pytest.approx([0.75, np.nan], nan_ok=True)
    assert accuracy_by_draw(Answers(np.zeros(1, np.int64), np.zeros(0), np.zeros(0)), *(np.zeros(0),) * 3).shape == (0,)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 9), st.integers(-50, 50))
def test_invariances(seed: int, factor: int, shift: int) -> None:
    """Unit; and direction, but for the median where half of the mass ends between two answers (no such row here)."""
    answers, response, low, high = world(seed, 40)
    scaled = (
        Answers(answers.start, factor * answers.value + shift, answers.probability),
        *(factor * one + shift for one in (response, low, high)),
    )
    row = np.repeat(np.arange(40), answers.sizes)
    order = np.lexsort((-answers.value, row))
    flipped = (Answers(answers.start, -answers.value[order], answers.probability[order]), -response, -high, -low)
    for score in (accuracy_by_median, accuracy_by_draw):
        truth = score(answers, response, low, high)
        assert score(*scaled) == pytest.approx(truth, abs=1e-9)
        assert score(*flipped) == pytest.approx(truth, abs=1e-9)
