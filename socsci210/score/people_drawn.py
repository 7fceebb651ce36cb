"""Uncertainty that comes from people: the interval of a single study, and what predicting only some of each cell adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from ..metrics.socsci210.cells import Floats, Ints
from ..reference import inverted_interval
from ..results import Estimate
from .measured import Measured

SAMPLES: Final = 200  # bootstrap samples of the people of each study for `sampling_error`
Weights = Callable[[int], Floats]


class _Group(NamedTuple):
    """One sub-cell: cumulative shares of its rows at its places, and whose they are.

    `model` and `human` have shape (rows, places - 1) and hold each row's distribution up to a place; `gap` is the distance to the next.
    """

    sub: int
    model: Floats
    model_person: Ints
    human: Floats
    human_person: Ints
    gap: Floats


def single_study(found: Measured, *, draws: int, seed: int) -> Estimate | None:
    """W of a single study with a 95 % interval over its people, None where several are scored or none.

    The difference of cumulative shares at every place has a sampling error, which resampling people (all rows of a person together) gives.
    Folding makes W too large, most of all near zero, so plain bootstrap intervals miss. The interval is found by test inversion: among
    worlds where the true differences are those seen times a factor, it holds those in which the W seen is no surprise.
    """
    there = np.flatnonzero(np.isfinite(found.by_study["W"]))
    if len(there) != 1:
        return None
    study = int(there[0])
    point = float(found.by_study["W"][study])
    people, groups, share = _study(found, study)
    if people < 2:
        return None
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(people, np.full(people, 1 / people), draws).astype(np.float64)
    seen, error = [], []
    for group in groups:
        gap = group.gap * share[group.sub]
        difference = group.model.mean(axis=0) - group.human.mean(axis=0)
        again = _means(drawn[:, group.model_person], group.model) - _means(drawn[:, group.human_person], group.human)
        seen.append(difference * gap)
        error.append(np.where(np.isfinite(again), again - difference, 0.0) * gap)
    interval = inverted_interval(np.concatenate(seen), np.concatenate(error, axis=1))
    return Estimate(point=point, interval=interval, values=None, resampled="people")


def sampling_error(found: Measured, *, seed: int) -> float | None:
    """Standard error of W that comes from predicting only some people of each cell: 0 where all are predicted, None without a score.

    People are resampled within a study (all their predictions together, so that errors that cells share are seen as shared), with the
    correction for how many of a cell's people were predicted. A cell of which one person was predicted adds nothing that can be seen.
    """
    there = np.flatnonzero(np.isfinite(found.by_study["W"]))
    if not len(there):
        return None
    rng = np.random.default_rng(seed)
    squares = 0.0
    for study in there.tolist():
        people, groups, share = _study(found, study)
        weight = rng.exponential(size=(SAMPLES, people))
        W = np.zeros(SAMPLES)
        for group in groups:
            k, n = len(group.model), max(len(group.human), len(group.model))
            scale = np.sqrt((1 - k / n) * (k + 1) / (k - 1)) if k > 1 else 0.0
            mean = group.model.mean(axis=0)
            again = mean + scale * (_means(weight[:, group.model_person], group.model) - mean)
            W += share[group.sub] * (np.abs(again - group.human.mean(axis=0)) @ group.gap)
        squares += float(W.var(ddof=1))
    return float(np.sqrt(squares)) / len(there)


def _means(weight: Floats, rows: Floats) -> Floats:
    """Weighted means of the rows, shape (samples, columns); nan where a sample has none of them."""
    total = weight.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        out: Floats = (weight @ rows) / total
    return out


def _study(found: Measured, study: int) -> tuple[int, list[_Group], Floats]:
    """(number of people, scored sub-cells of the study, share of each sub-cell in the study's W)."""
    cells = found.scored.cells
    scored = np.flatnonzero(np.isfinite(found.figures["W"]) & (cells.study == study))
    n_sub = np.bincount(cells.cell[scored], minlength=cells.n_cells)
    share = np.zeros(cells.n_sub)
    share[scored] = 1 / (n_sub[cells.cell[scored]] * (n_sub > 0).sum())
    own = np.flatnonzero(found.scored.split.study == study)
    names, code = np.unique(found.scored.split.person[own], return_inverse=True)
    person = np.full(len(found.scored.split.study), -1)
    person[own] = code.reshape(-1)
    return len(names), list(_groups(found, scored, person)), share


def _groups(found: Measured, scored: Ints, person: Ints) -> Iterator[_Group]:
    data, ruler = found.scored, found.ruler
    cell = data.cells.code
    answers = data.predictions.answers
    use = data.on_scale
    for index in scored.tolist():
        rows = np.flatnonzero((cell == index) & use)
        made = np.flatnonzero((cell[data.predicted] == index) & use[data.predicted])
        low, high = ruler.low[index], ruler.high[index]
        entries = np.concatenate([np.arange(answers.start[i], answers.start[i + 1]) for i in made.tolist()])
        row = np.repeat(np.arange(len(made)), answers.sizes[made])
        place = np.clip((answers.value[entries] - low) / (high - low), 0, 1)
        given = np.clip((data.split.response[rows] - low) / (high - low), 0, 1)
        places = np.unique(np.concatenate([place, given]))
        model = np.zeros((len(made), len(places)))
        np.add.at(model, (row, np.searchsorted(places, place)), answers.probability[entries])
        human = np.searchsorted(places, given)[:, None] <= np.arange(len(places))
        yield _Group(
            index, np.cumsum(model, axis=1)[:, :-1], person[data.predicted[made]], human[:, :-1].astype(np.float64), person[rows],
            np.diff(places),
        )  # fmt: skip
