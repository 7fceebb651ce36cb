"""Uncertainty that comes from people: the interval of a single study, and what predicting only some of each cell adds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from ..metrics.socsci210 import cells as maths
from ..metrics.socsci210.cells import Answers, Floats, Ints, Ruler
from ..reference import people_interval
from ..results import Estimate
from .measured import Measured
from .scored import Mask, Scored

SAMPLES: Final = 200  # bootstrap samples of the people of each study for `sampling_error`
FINEST: Final = 1000  # more places than this are rounded to as many: a spread over people needs no finer ones
LONE: Final = 0.1  # share of W in cells of one person from which on a study has no interval


class Compared(NamedTuple):
    """What a score compares, down to its rows.

    Attributes:
        ruler: the groups that are scored (sub-cells or cells), and their ends.
        W: of each group; nan where it is not scored.
        cell: of each group.
        weight: of each row of the split, 0 where it does not count.
        answers: of the predicted rows, as they are scored.
    """

    scored: Scored
    ruler: Ruler
    W: Floats
    cell: Ints
    weight: Floats
    answers: Answers

    @property
    def by_study(self) -> Floats:
        """W of each study; nan where it has none."""
        cells = self.scored.cells
        return maths.mean_by(cells.cell_study, maths.mean_by(self.cell, self.W, cells.n_cells), len(self.scored.split.studies))


class _Side(NamedTuple):
    """People's answers or the predictions of a group.

    `below` is each row's cumulative share up to a place, shape (rows, places - 1); `person` says whose it is, `weight` how much it counts.
    """

    below: Floats
    person: Ints
    weight: Floats

    @property
    def mean(self) -> Floats:
        mean: Floats = self.weight @ self.below / self.weight.sum()
        return mean

    @property
    def people(self) -> int:
        return len(np.unique(self.person))

    def again(self, drawn: Floats) -> Floats:
        """Means over resampled people, shape (samples, places - 1); as seen where a sample has none of them.

        Args:
            drawn: weight of every person of the study in each sample, shape (samples, people).
        """
        weight = drawn[:, self.person] * self.weight
        total = weight.sum(axis=1, keepdims=True)
        return np.where(total > 0, weight @ self.below / np.where(total > 0, total, 1.0), self.mean)

    def error(self, drawn: Floats) -> Floats:
        """What resampling people changes. A sample of n people spreads a little less than a new one would: by (n - 1) / n."""
        n = self.people
        error: Floats = (self.again(drawn) - self.mean) * np.sqrt(n / max(n - 1, 1))
        return error


class _Group(NamedTuple):
    """A scored group: both sides at its places, the distance from each place to the next, and its share in the study's W."""

    model: _Side
    human: _Side
    gap: Floats
    share: float


def compared(found: Measured) -> Compared:
    """The rows behind the distances of a convention."""
    scored = found.scored
    whole = found.convention == "published"
    cell = np.arange(scored.cells.n_cells) if whole else scored.cells.cell
    weight = np.ones(len(scored.split.study)) if whole else scored.on_scale.astype(np.float64)
    return Compared(scored, found.ruler, found.figures["W"], cell, weight, scored.answers(decode=found.decoded))


def single_study(of: Compared, *, draws: int, seed: int) -> Estimate | None:
    """W of a single study with a 95 % interval over its people, None where several are scored or none.

    Covered is the W that the study would get on average if as many other people were asked (and predicted): a score at its own number of
    people, like the noise floor and chance beside it, so that a perfect model's interval holds the noise floor. It is not the distance
    between the two true distributions, which is smaller. People are drawn again with all their rows. In convention `published`
    the range that people used is taken as it is.
    """
    by_study = of.by_study
    there = np.flatnonzero(np.isfinite(by_study))
    if len(there) != 1:
        return None
    study = int(there[0])
    point = float(by_study[study])
    people, groups = _study(of, study)
    lone = sum(group.share for group in groups if group.human.people < 2)
    if lone > LONE:
        why = f"cells of one person make {lone:.0%} of W: how far another person's answer would be is not known"
        return Estimate(point=point, interval=None, values=(point,), refused=why)
    drawn = np.random.default_rng(seed).multinomial(people, np.full(people, 1 / people), draws).astype(np.float64)
    seen = [(group.model.mean - group.human.mean) * group.gap * group.share for group in groups]
    error = [(group.model.error(drawn) - group.human.error(drawn)) * group.gap * group.share for group in groups]
    interval = people_interval(point, np.concatenate(seen), np.concatenate(error, axis=1))
    return Estimate(point=point, interval=interval, values=None, resampled="people")


class SamplingError(NamedTuple):
    """What predicting only some people of each cell does to W: the standard error that it adds, and by how much W is too large on average.

    The difference of a few people from all makes distances longer, most of all near zero. In simulation the root of error^2 + bias^2 is
    within a fifth of the true error, with 2 to 20 people of a cell.
    """

    error: float
    bias: float


def sampling_error(of: Compared, *, seed: int) -> SamplingError | None:
    """Zeros where all people are predicted; None without a score, or where one person of several was predicted, which shows no spread.

    People are resampled within a study (all their predictions together, so that errors that cells share are seen as shared), with the
    correction for how many of a cell's people were predicted.
    """
    there = np.flatnonzero(np.isfinite(of.by_study))
    if not len(there):
        return None
    rng = np.random.default_rng(seed)
    squares = bias = 0.0
    for study in there.tolist():
        people, groups = _study(of, study)
        weight = rng.exponential(size=(SAMPLES, people))
        W, seen = np.zeros(SAMPLES), 0.0
        for group in groups:
            k, n = len(group.model.below), max(len(group.human.below), len(group.model.below))
            if k == 1 < n:
                return None
            scale = np.sqrt((1 - k / n) * (k + 1) / (k - 1)) if k > 1 else 0.0
            again = group.model.mean + scale * (group.model.again(weight) - group.model.mean)
            W += group.share * (np.abs(again - group.human.mean) @ group.gap)
            seen += float(group.share * (np.abs(group.model.mean - group.human.mean) @ group.gap))
        squares += float(W.var(ddof=1))
        bias += float(W.mean()) - seen
    return SamplingError(float(np.sqrt(squares)) / len(there), bias / len(there))


def _study(of: Compared, study: int) -> tuple[int, list[_Group]]:
    """(number of people, scored groups) of a study."""
    split, n_cells = of.scored.split, of.scored.cells.n_cells
    scored = np.isfinite(of.W) & (of.scored.cells.cell_study[of.cell] == study)
    n_groups = np.bincount(of.cell[scored], minlength=n_cells)
    share = np.where(scored, 1 / (np.maximum(n_groups[of.cell], 1) * max((n_groups > 0).sum(), 1)), 0.0)
    own = np.flatnonzero(split.study == study)
    names, code = np.unique(split.person[own], return_inverse=True)
    person = np.full(len(split.study), -1)
    person[own] = code.reshape(-1)
    return len(names), list(_groups(of, scored, share, person))


def _groups(of: Compared, scored: Mask, share: Floats, person: Ints) -> Iterator[_Group]:
    group = of.ruler.group[of.scored.cells.code]
    use = (of.weight > 0) & scored[group]
    predicted = of.scored.predicted
    rows, made = np.flatnonzero(use), np.flatnonzero(use[predicted])
    both = zip(_by_group(group[rows], rows), _by_group(group[predicted[made]], made), strict=True)
    for (index, asked), (_, answered) in both:
        low, high = of.ruler.low[index], of.ruler.high[index]
        sizes = of.answers.sizes[answered]
        first = np.cumsum(sizes) - sizes
        entries = np.repeat(of.answers.start[answered] - first, sizes) + np.arange(sizes.sum())
        place = _place(of.answers.value[entries], low, high)
        given = _place(of.scored.split.response[asked], low, high)
        places = np.unique(np.concatenate([place, given]))
        if len(places) > FINEST:
            place, given = np.round(place * FINEST) / FINEST, np.round(given * FINEST) / FINEST
            places = np.unique(np.concatenate([place, given]))
        model = np.zeros((len(answered), len(places)))
        np.add.at(model, (np.repeat(np.arange(len(answered)), sizes), np.searchsorted(places, place)), of.answers.probability[entries])
        human = (np.searchsorted(places, given)[:, None] <= np.arange(len(places) - 1)).astype(np.float64)
        who = predicted[answered]
        yield _Group(
            _Side(np.cumsum(model, axis=1)[:, :-1], person[who], of.weight[who]), _Side(human, person[asked], of.weight[asked]),
            np.diff(places), float(share[index]),
        )  # fmt: skip


def _by_group(group: Ints, members: Ints) -> Iterator[tuple[int, Ints]]:
    """(group, its members in their order), by group."""
    order = np.argsort(group, kind="stable")
    found, start = np.unique(group[order], return_index=True)
    return zip(found.tolist(), np.split(members[order], start[1:]), strict=True)


def _place(value: Floats, low: float, high: float) -> Floats:
    place: Floats = np.clip((value - low) / (high - low), 0, 1)
    return place
