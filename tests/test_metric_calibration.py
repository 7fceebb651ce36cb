"""Calibration, entropy, and log-likelihood of all rows at once against plain loops and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from socsci210.metrics.socsci210 import cells
from socsci210.metrics.socsci210.calibration import LEAST, calibration, entropies, entropy_ratios, log_likelihoods
from socsci210.metrics.socsci210.cells import Answers

Row = tuple[np.ndarray, np.ndarray, float]


def rows_of(seed: int, n: int = 300) -> list[Row]:
    """(values, probabilities, response): yes/no, 1-7, 0-10, negative, 0-100, a point, and some answers that are not on the scale."""
    rng = np.random.default_rng(seed)
    scales = [np.arange(2.0), np.arange(1.0, 8), np.arange(11.0), np.arange(-3.0, 4), np.arange(101.0), np.array([5.0])]
    found = []
    for _ in range(n):
        values = scales[rng.integers(0, len(scales))]
        p = rng.dirichlet(np.full(len(values), 0.3))
        p[p < 1e-3] = 0  # certain rows, and answers the model thought impossible
        found.append((values, p / p.sum(), 77.7 if rng.random() < 0.1 else float(rng.choice(values))))
    return found


def arrays(rows: list[Row]) -> tuple[Answers, np.ndarray]:
    start = np.cumsum([0, *(len(values) for values, _, _ in rows)])
    flat = [np.concatenate([row[i] for row in rows]) for i in range(2)]
    return Answers(start, *flat), np.array([response for _, _, response in rows])


def plain(rows: list[Row], weights: np.ndarray, bins: int) -> dict[str, float]:
    """All figures by loops."""
    pairs: list[list[tuple[float, float, float]]] = [[] for _ in range(bins)]
    brier, log, mass, impossible = 0.0, 0.0, 0.0, 0
    for (values, p, response), w in zip(rows, weights, strict=True):
        if response not in values:
            continue
        mass += w
        given = values == response
        brier += w * float(((p - given) ** 2).sum())
        log += w * float(np.log(max(p[given][0], LEAST)))
        impossible += p[given][0] < LEAST
        for chance, hit in zip(p, given, strict=True):
            pairs[min(int(chance * bins), bins - 1)].append((w / len(values), chance, hit))
    ece = sum(abs(sum(w * (chance - hit) for w, chance, hit in one)) for one in pairs) / mass
    return {"ece": ece, "brier": brier / mass, "log_likelihood": log / mass, "n_impossible": impossible}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_calibration_equals_plain_loops(seed: int, weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "ROWS_AT_ONCE", 64)  # several chunks, the last one short
    rows = rows_of(seed)
    weights = np.random.default_rng(seed).random(len(rows)) if weighted else np.ones(len(rows))
    found = calibration(*arrays(rows), weight=weights if weighted else None)
    for name, value in plain(rows, weights, 10).items():
        assert found[name] == pytest.approx(value, abs=1e-9), name  # type: ignore[literal-required]
    off = sum(response not in values for values, _, response in rows)
    assert (found["n_rows"], found["n_unsupported"]) == (len(rows) - off, off)
    assert off > 0
    assert found["bins"].n.sum() == sum(len(values) for values, _, response in rows if response in values)


def test_by_hand() -> None:
    """Two rows on yes/no, 0.8 for yes; one says yes, one no."""
    answers = Answers(np.array([0, 2, 4]), np.array([0.0, 1, 0, 1]), np.array([0.2, 0.8, 0.2, 0.8]))
    found = calibration(answers, np.array([1.0, 0.0]))
    assert found["ece"] == pytest.approx(0.3)
    assert found["brier"] == pytest.approx((2 * 0.2**2 + 2 * 0.8**2) / 2)
    assert found["log_likelihood"] == pytest.approx((np.log(0.8) + np.log(0.2)) / 2)
    bins = found["bins"]
    assert bins.n.tolist() == [0, 0, 2, 0, 0, 0, 0, 0, 2, 0]
    assert (bins.low[8], bins.high[8], bins.predicted[8], bins.observed[8]) == pytest.approx((0.8, 0.9, 0.8, 0.5))
    assert np.isnan(bins.predicted[0])


def test_a_true_model_is_calibrated_and_a_sharpened_one_is_not() -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    p = rng.dirichlet(np.ones(5), n)
    response = (rng.random((n, 1)) > np.cumsum(p, axis=1)).sum(axis=1).astype(float)
    sharp = p**3 / (p**3).sum(axis=1, keepdims=True)
    start, value = np.arange(0, 5 * n + 1, 5), np.tile(np.arange(5.0), n)
    true, sharpened = (calibration(Answers(start, value, one.ravel()), response) for one in (p, sharp))
    assert true["ece"] < 0.005
    assert sharpened["ece"] > 0.05
    assert sharpened["brier"] > true["brier"]
    assert sharpened["log_likelihood"] < true["log_likelihood"]


def test_points_have_no_calibration() -> None:
    answers = Answers(np.array([0, 1, 2]), np.array([1.0, 2.0]), np.ones(2))
    with pytest.raises(ValueError, match="none of 2 predictions gives probabilities of two answers or more"):
        calibration(answers, np.array([1.0, 2.0]))


def test_no_answer_on_any_scale_gives_no_figure() -> None:
    found = calibration(Answers(np.array([0, 2]), np.array([0.0, 1.0]), np.array([0.5, 0.5])), np.array([9.0]))
    assert (found["n_rows"], found["n_unsupported"]) == (0, 1)
    assert np.isnan([found["ece"], found["brier"], found["log_likelihood"]]).all()


def test_log_likelihood_of_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "ROWS_AT_ONCE", 2)
    answers = Answers(np.array([0, 2, 4, 6]), np.array([0.0, 1, 0, 1, 0, 1]), np.array([0.25, 0.75, 1, 0, 0.5, 0.5]))
    assert log_likelihoods(answers, np.array([1.0, 1.0, 5.0])) == pytest.approx([np.log(0.75), np.log(1e-6), np.nan], nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 3), st.integers(-50, 50), st.integers(1, 9))
def test_invariances_of_calibration(seed: int, times: int, shift: int, factor: int) -> None:
    rows = rows_of(seed, 60)
    truth = calibration(*arrays(rows))
    order = np.random.default_rng(seed).permutation(len(rows))
    others = {
        "order": [rows[i] for i in order],
        "duplication": rows * times,
        "affine rescaling": [(factor * values + shift, p, factor * response + shift) for values, p, response in rows],
        "direction flip": [(-values[::-1], p[::-1], -response) for values, p, response in rows],
    }
    for change, other in others.items():
        found = calibration(*arrays(other))
        for name in ("ece", "brier", "log_likelihood"):
            assert found[name] == pytest.approx(truth[name], abs=1e-9), change  # type: ignore[literal-required]


def test_entropies_equal_scipy() -> None:
    rng = np.random.default_rng(1)
    n_cells = 40
    code = np.repeat(np.arange(n_cells), rng.integers(1, 20, n_cells))
    place = rng.integers(0, 7, len(code)) / 6  # an answer may come several times
    mass = rng.random(len(code)) * (rng.random(len(code)) < 0.8)
    place[code == 4] = 0.5  # a constant cell
    order = rng.permutation(len(code))
    found = entropies(code[order], place[order], mass[order], n_cells)
    counted = entropies(code[order], place[order], mass[order], n_cells, np.full(n_cells, 25.0))
    for cell in range(n_cells):
        own = code == cell
        each = np.array([mass[own & (place == one)].sum() for one in np.unique(place[own])])
        if each.sum() == 0:
            assert np.isnan(found[cell])
        else:
            assert found[cell] == pytest.approx(entropy(each), abs=1e-9)
            assert counted[cell] == pytest.approx(entropy(each) + ((each > 0).sum() - 1) / 50, abs=1e-9)
    assert found[4] == pytest.approx(0, abs=1e-12)


def test_entropy_ratio_of_the_true_distribution_is_one() -> None:
    """People are few, so their entropy is too low; corrected, the truth scores 1 on average and a sharpened model less."""
    rng = np.random.default_rng(2)
    p = np.array([0.1, 0.2, 0.3, 0.25, 0.15])
    n_cells, n = 400, 40
    counts = rng.multinomial(n, p, n_cells)
    code, place = np.repeat(np.arange(n_cells), 5), np.tile(np.arange(5.0), n_cells)
    human = entropies(code, place, counts.ravel(), n_cells, np.full(n_cells, float(n)))
    sharp = p**2 / (p**2).sum()
    truth, sharpened = (entropies(code, place, np.tile(one, n_cells), n_cells) for one in (p, sharp))
    assert entropy_ratios(human, truth).mean() == pytest.approx(1, abs=0.005)
    assert entropy_ratios(entropies(code, place, counts.ravel(), n_cells), truth).mean() > 1.02
    assert entropy_ratios(human, sharpened).mean() == pytest.approx(entropy(sharp) / entropy(p), abs=0.01)
    assert np.isnan(entropy_ratios(np.array([0.0]), np.array([1.0]))[0])
