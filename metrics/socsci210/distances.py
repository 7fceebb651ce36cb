"""Wasserstein-1 distances of many cells at once, and what they would be by chance of sampling alone. numpy only.

A cell is given as atoms: places on a line with the mass that the model and the humans put there. Positions are the values and masses the
weights (swapping them is a common mistake: every distance between two orders of the same masses would be 0).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
GAPS_AT_ONCE = 1 << 13  # bounds the memory


def wasserstein(cell: ArrayLike, position: ArrayLike, model: ArrayLike, human: ArrayLike, n_cells: int) -> Floats:
    """W1 between the model's and the humans' distribution in each cell: the area between their cumulative distributions.

    Args:
        cell: code of each atom's cell, 0 to n_cells - 1, in any order, shape (atoms,).
        position: where each atom lies; atoms of a cell may share a position.
        model: mass the model puts there; need not sum to 1 in a cell.
        human: mass the humans put there; need not sum to 1 in a cell.
        n_cells: number of cells.

    Returns:
        One distance per cell, in the unit of `position`; nan where either side has no mass.

    >>> float(wasserstein([0, 0], [0.0, 1.0], [0.2, 0.8], [0.8, 0.2], 1)[0].round(12))
    0.6
    """
    code, place, order = _ordered(cell, position)
    shares = [_shares(code, np.asarray(mass, np.float64)[order], n_cells) for mass in (model, human)]
    gap, inside = _gaps(code, place)
    area = np.where(inside, np.abs(_running(code, shares[0] - shares[1])) * gap, 0.0)
    out: Floats = np.bincount(code, weights=area, minlength=n_cells).astype(np.float64)
    for mass in (model, human):
        out[np.bincount(code, weights=np.asarray(mass, np.float64)[order], minlength=n_cells) <= 0] = np.nan
    return out


def total_variation(cell: ArrayLike, position: ArrayLike, model: ArrayLike, human: ArrayLike, n_cells: int) -> Floats:
    """Total variation distance of each cell: half the sum over answers of |model share - human share|, 0 to 1.

    It ignores how far apart answers are: next door and the other end of the scale are equally wrong.

    Args, returns: as in `wasserstein`. Atoms at equal positions are one answer.

    >>> float(total_variation([0, 0], [0.0, 1.0], [0.2, 0.8], [0.8, 0.2], 1)[0].round(12))
    0.6
    """
    code, place, order = _ordered(cell, position)
    masses = [np.asarray(mass, np.float64)[order] for mass in (model, human)]
    new = np.ones(len(code), np.bool_)
    new[1:] = (np.diff(code) != 0) | (np.diff(place) != 0)
    answer = np.cumsum(new) - 1
    net = np.bincount(answer, weights=_shares(code, masses[0], n_cells) - _shares(code, masses[1], n_cells), minlength=int(new.sum()))
    out: Floats = np.bincount(code[new], weights=np.abs(net) / 2, minlength=n_cells).astype(np.float64)
    for mass in masses:
        out[np.bincount(code, weights=mass, minlength=n_cells) <= 0] = np.nan
    return out


def best_constant(cell: ArrayLike, position: ArrayLike, human: ArrayLike, n_cells: int) -> Floats:
    """W1 of the best single answer for each cell: min over c of E|y - c|, which is the mean distance from the median (Laplace 1774).

    It is chosen with the answers in hand: a yardstick, not a model.

    Args, returns: as in `wasserstein`.

    >>> best_constant([0, 0, 0], [0.0, 0.5, 1.0], [1, 1, 2], 1).tolist()
    [0.375]
    """
    code, place, order = _ordered(cell, position)
    share = _shares(code, np.asarray(human, np.float64)[order], n_cells)
    reached = np.flatnonzero(_running(code, share) >= 0.5 - 1e-9)[::-1]
    median = np.full(n_cells, np.nan)
    median[code[reached]] = place[reached]  # the first one of a cell is written last
    out: Floats = np.bincount(code, weights=share * np.abs(place - median[code]), minlength=n_cells).astype(np.float64)
    out[np.isnan(median)] = np.nan
    return out


def uniform_distance(cell: ArrayLike, position: ArrayLike, human: ArrayLike, n_cells: int) -> Floats:
    """W1 between the continuous uniform distribution on [0, 1] and the humans' distribution in each cell, in closed form.

    Between two neighbouring answers the humans' cumulative share is a constant c and the uniform one is the position x itself, so the
    area is that of |x - c|, whose antiderivative is (x - c) |x - c| / 2.

    Args:
        cell, position, human, n_cells: as in `wasserstein`; positions on [0, 1].

    Returns:
        One distance per cell; nan where it has no mass.

    >>> float(uniform_distance([0, 0], [0.0, 1.0], [1, 1], 1)[0])
    0.25
    """
    ends = np.repeat(np.arange(n_cells), 2)  # both ends of every cell, without mass, so that gaps cover the whole of [0, 1]
    masses = np.concatenate([np.asarray(human, np.float64), np.zeros(len(ends))])
    places = np.concatenate([np.asarray(position, np.float64), np.tile([0.0, 1.0], n_cells)])
    code, place, order = _ordered(np.concatenate([np.asarray(cell, np.int64), ends]), places)
    mass = masses[order]
    share = _running(code, _shares(code, mass, n_cells))
    gap, inside = _gaps(code, place)
    left, right = place - share, place + gap - share
    area = np.where(inside, (right * np.abs(right) - left * np.abs(left)) / 2, 0.0)
    out: Floats = np.bincount(code, weights=area, minlength=n_cells).astype(np.float64)
    out[np.bincount(code, weights=mass, minlength=n_cells) <= 0] = np.nan
    return out


def expected_distance(cell: ArrayLike, position: ArrayLike, mass: ArrayLike, n: ArrayLike, n_cells: int) -> Floats:
    """Noise floor of many cells: E[W1] between a distribution and n people drawn from it.

    W1 is the sum over gaps of |F_n - F|, and n F_n is binomial, so the expectation over all resamples of n people is the mean absolute
    deviation of a binomial (de Moivre), gap by gap: the value that resampling approaches with many draws, without its error.

    Args:
        cell, position: as in `wasserstein`.
        mass: the distribution of each cell; need not sum to 1.
        n: people in each cell, shape (n_cells,).
        n_cells: number of cells.

    Returns:
        One expectation per cell, in the unit of `position`; nan where a cell has no mass or no people.
    """
    return _expectation(cell, position, mass, n, n_cells, _binomial_deviation)


def noise_floor(probabilities: ArrayLike, positions: ArrayLike, n: int) -> float:
    """E[W1] between one distribution and n people drawn from it; see `expected_distance`.

    >>> round(noise_floor([0.5, 0.5], [0.0, 1.0], 1), 12)
    0.5
    """
    places = np.asarray(positions, np.float64)
    return float(expected_distance(np.zeros(len(places), np.int64), places, probabilities, [n], 1)[0])


def expected_draw_distance(
    cell: ArrayLike, position: ArrayLike, mass: ArrayLike, n: ArrayLike, n_cells: int, *, per_person: int = 1
) -> Floats:
    """Noise floor of predictions that are draws: E[W1] between `per_person` draws for each of n people and the n people, same distribution.

    Gap by gap it is E|X / m - Y| / n of binomials X of m n and Y of n trials, exactly: see `_draw_deviation`.

    Args:
        cell, position, mass, n, n_cells: as in `expected_distance`.
        per_person: draws for each person, m.

    Returns:
        One expectation per cell, in the unit of `position`; nan where a cell has no mass or no people.

    >>> float(expected_draw_distance([0, 0], [0.0, 1.0], [1, 1], [1], 1)[0].round(12))  # two coins differ half of the time
    0.5
    """
    return _expectation(cell, position, mass, n, n_cells, lambda size, below: _draw_deviation(size, below, per_person))


def decode(probabilities: Floats, temperature: float = 0.6, top_p: float = 0.9) -> Floats:
    """The distribution from which an answer is drawn at a temperature with nucleus sampling: convention `published`.

    Answers are kept from the likeliest down until their probability reaches `top_p` (the one that crosses it included).

    Args:
        probabilities: rows that sum to 1, shape (rows, answers).

    Returns:
        Rows that sum to 1, same shape.
    """
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities) / temperature
    sharp = np.exp(logits - logits.max(axis=1, keepdims=True))
    sharp /= sharp.sum(axis=1, keepdims=True)
    order = np.argsort(-sharp, axis=1, kind="stable")
    ranked = np.take_along_axis(sharp, order, axis=1)
    ranked[np.cumsum(ranked, axis=1) - ranked >= top_p] = 0.0
    kept = np.empty_like(sharp)
    np.put_along_axis(kept, order, ranked, axis=1)
    out: Floats = kept / kept.sum(axis=1, keepdims=True)
    return out


def _ordered(cell: ArrayLike, position: ArrayLike) -> tuple[Ints, Floats, Ints]:
    """Atoms by cell, then by position, and the order that does it."""
    code, place = np.asarray(cell, np.int64), np.asarray(position, np.float64)
    order = np.lexsort((place, code))
    return code[order], place[order], order


def _shares(code: Ints, mass: Floats, n_cells: int) -> Floats:
    """Masses that sum to 1 in each cell (0 where a cell has none)."""
    total = np.bincount(code, weights=mass, minlength=n_cells)
    return mass / np.where(total > 0, total, 1.0)[code]


def _running(code: Ints, value: Floats) -> Floats:
    """Cumulative sum that starts anew in each cell."""
    if not len(code):
        return value
    total = np.cumsum(value)
    first = np.flatnonzero(np.diff(code, prepend=code[0] - 1))
    before = (total - value)[first]
    return total - np.repeat(before, np.diff(first, append=len(code)))


def _gaps(code: Ints, place: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Distance from each atom to the next of its cell (0 for the last), and whether there is a next."""
    inside = np.zeros(len(code), np.bool_)
    gap = np.zeros(len(code))
    if len(code):
        inside[:-1] = code[1:] == code[:-1]
        gap[:-1] = np.where(inside[:-1], np.diff(place), 0.0)
    return gap, inside


def _expectation(
    cell: ArrayLike, position: ArrayLike, mass: ArrayLike, n: ArrayLike, n_cells: int, deviation: Callable[[Ints, Floats], Floats]
) -> Floats:
    """Sum over the gaps of each cell of their width times the expected deviation there, given people and cumulative share."""
    code, place, order = _ordered(cell, position)
    sizes = np.asarray(n, np.int64)
    share = np.asarray(mass, np.float64)[order]
    below = _running(code, _shares(code, share, n_cells))
    gap, inside = _gaps(code, place)
    live = np.flatnonzero(inside & (gap > 0))
    out: Floats = np.bincount(code[live], weights=deviation(sizes[code[live]], below[live]) * gap[live], minlength=n_cells).astype(
        np.float64
    )
    out[(np.bincount(code, weights=share, minlength=n_cells) <= 0) | (sizes < 1)] = np.nan
    return out


def _draw_deviation(n: Ints, p: Floats, m: int) -> Floats:
    """E|X - m Y| / (m n) for independent X ~ Bin(m n, p), Y ~ Bin(n, p).

    For a whole number z, |z| is the mean of (1 - cos z t) / (1 - cos t) over t in (0, pi), so E|Z| is that of (1 - Re f(t)) / (1 - cos t)
    with the characteristic function f of Z. The midpoint rule with k points is exact for |z| < 2 k; beyond nine standard deviations of Z
    nothing is left.
    """
    out = np.zeros(len(p))
    live = np.flatnonzero((p > 1e-12) & (p < 1 - 1e-12) & (n > 0))
    live = live[np.argsort(n[live], kind="stable")]  # neighbours need about as many points
    at_once = max(GAPS_AT_ONCE // m, 1)  # more draws need more points
    for start in range(0, len(live), at_once):
        some = live[start : start + at_once]
        size, chance = n[some].astype(np.float64)[:, None], p[some][:, None]
        most = m * int(size.max())
        points = min(most, int(4.5 * np.sqrt(most * (m + 1) / 4)) + 8) + 1
        t = (np.arange(points) + 0.5) * np.pi / points
        if m == 1:  # f is real: the squared modulus
            log_f = size * np.log1p(-2 * chance * (1 - chance) * (1 - np.cos(t)))
            lost = -np.expm1(log_f)
        else:
            own, other = (1 - chance + chance * np.exp(1j * sign * t) for sign in (1, -m))
            lost = 1 - (own ** (m * size) * other**size).real
        out[some] = (lost / (1 - np.cos(t))).mean(axis=1) / (m * size[:, 0])
    return out


def _binomial_deviation(n: Ints, p: Floats) -> Floats:
    """E|X / n - p| for X ~ Bin(n, p): 2 v C(n, v) p^v (1 - p)^(n - v + 1) / n with v = floor(n p) + 1 (de Moivre 1730)."""
    out = np.zeros(len(p))
    live = np.flatnonzero((p > 1e-12) & (p < 1 - 1e-12) & (n > 0))
    if not len(live):
        return out
    size, chance = n[live], p[live]
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, size.max() + 1)))])
    v = np.minimum(np.floor(size * chance).astype(np.int64) + 1, size)
    log_choose = log_factorial[size] - log_factorial[v] - log_factorial[size - v]
    log_mass = log_choose + v * np.log(chance) + (size - v + 1) * np.log1p(-chance)
    out[live] = 2 * v * np.exp(log_mass) / size
    return out
