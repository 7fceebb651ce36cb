"""Calibration: do answers come as often as the model says? numpy only.

ECE, Brier score and log-likelihood look at rows; the entropy ratio looks at cells, and shows a model that is too sure of one answer.
"""

from __future__ import annotations

from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .cells import Answers
from .codes import Floats, Ints, distinct, ratio, total

BINS = 10
LEAST = 1e-6  # log-likelihood counts a smaller probability as this one, and how many there were


class Bins(NamedTuple):
    """Reliability diagram, arrays of shape (bins,): mean predicted probability, observed share (nan where empty), pairs, weight."""

    low: Floats
    high: Floats
    predicted: Floats
    observed: Floats
    n: Ints
    weight: Floats


class Calibration(TypedDict):
    """`n_rows` were scored; `n_unsupported` gave an answer the distribution has no place for, and are left out of everything else.

    `n_impossible`: scored rows whose answer had a probability under 1e-6, which log-likelihood counts as 1e-6.
    """

    ece: float
    brier: float
    log_likelihood: float
    n_rows: int
    n_unsupported: int
    n_impossible: int
    bins: Bins


def calibration(answers: Answers, response: Floats, *, weight: Floats | None = None, bins: int = BINS) -> Calibration:
    """Calibration of predicted distributions against what people answered.

    - ECE = sum_b share_b |mean predicted probability - observed share| over equally wide bins of all (row, possible answer) pairs; a
      pair of a row with K possible answers weighs 1 / K, so that every row weighs the same (Naeini, Cooper & Hauskrecht 2015, for all
      classes as in Nixon et al. 2019).
    - Brier = mean of sum_k (p_k - [answer is k])^2, 0 to 2 (Brier 1950).
    - log_likelihood = mean of the natural log p(answer), p at least 1e-6.

    Args:
        answers: distributions of rows; a row's probabilities sum to 1.
        response: what each person answered, shape (rows,).
        weight: of each row, default 1.
        bins: how many.

    Raises:
        ValueError: no row has two possible answers: points have no calibration.
    """
    sizes = answers.sizes
    if not (sizes > 1).any():
        raise ValueError(f"none of {len(sizes)} predictions gives probabilities of two answers or more: points have no calibration")
    weights = np.ones(len(response)) if weight is None else weight
    sums, counts = np.zeros((3, bins)), np.zeros(bins, np.int64)
    rows = np.zeros(3)  # weight, Brier, log-likelihood
    n_rows = n_impossible = 0
    for some in answers.slices():
        chance, brier, there, pairs, number = _chunk(answers, response, weights, some, bins)
        mass = weights[some][there]
        sums, counts = sums + pairs, counts + number
        rows += [mass.sum(), (mass * brier[there]).sum(), (mass * np.log(np.maximum(chance[there], LEAST))).sum()]
        n_rows, n_impossible = n_rows + int(there.sum()), n_impossible + int((chance[there] < LEAST).sum())
    predicted, observed = ratio(sums[1], sums[0]), ratio(sums[2], sums[0])
    edges = np.linspace(0, 1, bins + 1)
    scored = rows[0] > 0
    return Calibration(
        ece=float(np.abs(sums[1] - sums[2]).sum() / sums[0].sum()) if scored else np.nan,
        brier=float(rows[1] / rows[0]) if scored else np.nan,
        log_likelihood=float(rows[2] / rows[0]) if scored else np.nan,
        n_rows=n_rows,
        n_unsupported=len(response) - n_rows,
        n_impossible=n_impossible,
        bins=Bins(edges[:-1], edges[1:], predicted, observed, counts, sums[0]),
    )


def log_likelihoods(answers: Answers, response: Floats) -> Floats:
    """Natural log of the probability of each row's answer, at least log 1e-6; nan where the distribution has no place for it."""
    out = np.full(len(response), np.nan)
    for some in answers.slices():
        row, value, probability = answers.part(some)
        hit = value == response[some][row]
        chance = total(row[hit], probability[hit], some.stop - some.start)
        there = np.bincount(row[hit], minlength=len(chance)) > 0
        out[some] = np.where(there, np.log(np.maximum(chance, LEAST)), np.nan)
    return out


def entropies(cell: ArrayLike, position: ArrayLike, mass: ArrayLike, n_cells: int, n: Floats | None = None) -> Floats:
    """Shannon entropy of each cell's distribution in nats, shape (n_cells,); nan where a cell has no mass.

    Args:
        cell, position, mass: as in `distances.wasserstein`; equal positions of a cell are one answer.
        n_cells: number of cells.
        n: answers behind the distribution of each cell if it was counted: adds (answers seen - 1) / (2 n), which a sample lacks on average
            (Miller 1955).
    """
    places = distinct([np.asarray(cell, np.int64), np.asarray(position, np.float64)])
    code = np.asarray(cell, np.int64)[places.first]
    each = total(places.code, np.asarray(mass, np.float64), places.size)
    whole = total(code, each, n_cells)
    share = each / np.where(whole > 0, whole, 1.0)[code]
    terms = -share * np.log(np.where(share > 0, share, 1.0))
    found = np.where(whole > 0, total(code, terms, n_cells), np.nan)
    if n is None:
        return found
    seen = np.bincount(code[each > 0], minlength=n_cells)
    corrected: Floats = found + ratio((seen - 1).astype(np.float64), 2 * n)
    return corrected


def entropy_ratios(human: Floats, model: Floats) -> Floats:
    """Entropy of the model over that of people in each cell: 1 is right, below 1 the model is too sure. nan where people all agree."""
    return ratio(model, human)


def _chunk(
    answers: Answers, response: Floats, weights: Floats, some: slice, bins: int
) -> tuple[Floats, Floats, NDArray[np.bool_], Floats, Ints]:
    """Of some rows: probability of the answer, Brier score, has the answer a place; over pairs: sums (3, bins), number in each bin."""
    row, value, probability = answers.part(some)
    n = some.stop - some.start
    hit = value == response[some][row]
    there = np.bincount(row[hit], minlength=n) > 0
    chance = total(row[hit], probability[hit], n)
    brier = total(row, probability**2, n) - 2 * chance + 1
    bin_of = np.minimum((probability * bins).astype(np.int64), bins - 1)
    mass = (np.where(there, weights[some], 0.0) / np.maximum(np.bincount(row, minlength=n), 1))[row]
    pairs = np.stack([total(bin_of, each, bins) for each in (mass, mass * probability, mass * hit)])
    return chance, brier, there, pairs, np.bincount(bin_of[there[row]], minlength=bins).astype(np.int64)
