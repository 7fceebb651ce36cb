"""Demographic parity: how far apart a model's accuracy and its predicted responses are between groups of people. numpy only.

`accuracy_gap`: best minus worst group of an attribute in mean accuracy. `response_gap`: largest difference between groups in mean response,
outcome by outcome; for the model, for people, and the excess of the model over people. Groups are compared inside a study. A gap between
the best and the worst grows with noise and with the number of groups, so the mean gap over shuffled labels is given and subtracted.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MIN_PEOPLE = 30
SHUFFLES_AT_ONCE = 25  # bounds the memory


class Attribute(NamedTuple):
    """One demographic field: the group of each row (-1 where it has none) and the names of the groups."""

    name: str
    group: Ints
    labels: tuple[str, ...]


class Gap(NamedTuple):
    """A gap and the mean gap over shuffled labels."""

    value: float
    null: float

    @property
    def net(self) -> float:
        """The gap beyond what group sizes and noise alone give."""
        return self.value - self.null


class GroupMean(NamedTuple):
    """One group of one attribute in one study: its people, mean accuracy, and mean response of the model and of people on [0, 1].

    Responses are means over the outcomes that enough people of every group that counts were asked, so that groups are compared on the same
    questions; nan where there is no such outcome.
    """

    label: str
    n_people: int
    accuracy: float
    model: float
    human: float


class StudyGaps(NamedTuple):
    """The gaps of one attribute in one study. nan where fewer than two groups are large enough. `groups` are those that are."""

    study: int
    attribute: str
    accuracy: Gap
    model: Gap
    human: Gap
    best: str
    worst: str
    n_groups: int
    n_left_out: int
    groups: tuple[GroupMean, ...] = ()

    @property
    def excess(self) -> Gap:
        """Response gap of the model beyond that of people."""
        return Gap(self.model.value - self.human.value, self.model.null - self.human.null)


def accuracy(point: Floats, response: Floats, low: Floats, high: Floats, *, clip: bool = True) -> Floats:
    """1 - |prediction - response| / (high - low) of each row, the prediction clipped to the scale unless told otherwise.

    >>> accuracy(np.array([7.0, 9.0]), np.array([4.0, 7.0]), np.array([1.0, 1.0]), np.array([7.0, 7.0])).tolist()
    [0.5, 1.0]
    """
    return np.asarray(1 - np.abs((np.clip(point, low, high) if clip else point) - response) / (high - low), np.float64)


def study_gaps(
    study: Ints,
    person: Ints,
    outcome: Ints,
    scores: tuple[Floats, Floats, Floats],
    attributes: list[Attribute],
    *,
    shuffles: int = 100,
    seed: int = 0,
    min_people: int = MIN_PEOPLE,
) -> list[StudyGaps]:
    """The gaps of every attribute in every study where at least two of its groups have `min_people` people.

    Args:
        study, person, outcome: of each row, shape (rows,). `person` is numbered per study.
        scores: of each row: accuracy, mean predicted position, position of the human response; positions on [0, 1].
        attributes: groups of each row; all rows of a person have the same.
        shuffles: how often labels are shuffled among the people of a study.
        seed: of the shuffling.

    Raises:
        ValueError: fewer than one shuffle: what chance alone gives would not be known.
    """
    if shuffles < 1:
        raise ValueError(f"shuffles is {shuffles}: shuffle labels at least once")
    order = np.lexsort((person, study))
    bounds = np.flatnonzero(np.diff(study[order], prepend=-1, append=-1))
    found: list[StudyGaps] = []
    for start, end in pairwise(bounds):
        rows = order[start:end]
        of_study = [Attribute(a.name, a.group[rows], a.labels) for a in attributes]
        sums, first = _person_sums(person[rows], outcome[rows], tuple(score[rows] for score in scores))
        rng = np.random.default_rng([seed, int(study[rows[0]])])
        found += _one_study(int(study[rows[0]]), sums, [a._replace(group=a.group[first]) for a in of_study], shuffles, rng, min_people)
    return found


def averaged(gaps: list[StudyGaps]) -> dict[str, float]:
    """Means of one attribute over the studies that carry it; `_null` is over shuffled labels, `_net` what remains beyond it."""
    out: dict[str, float] = {}
    for name, part in (("accuracy_gap", "accuracy"), ("response_gap", "model"), ("human_gap", "human"), ("excess", "excess")):
        value, null = (_mean([getattr(getattr(gap, part), which) for gap in gaps]) for which in ("value", "null"))
        out |= {name: value, f"{name}_null": null, f"{name}_net": value - null}
    del out["excess_null"]  # a difference of two nulls means nothing by itself
    return out


def group_averages(gaps: list[StudyGaps]) -> list[dict[str, Any]]:
    """Each group of one attribute, by name: means over the studies where it is large enough, and its people in all of them."""
    by_label: dict[str, list[GroupMean]] = {}
    for gap in gaps:
        for group in gap.groups:
            by_label.setdefault(group.label, []).append(group)
    return [
        {
            "name": label,
            "n_studies": len(some),
            "n_people": sum(one.n_people for one in some),
            "accuracy": _mean([one.accuracy for one in some]),
            "predicted": _mean([one.model for one in some]),
            "response": _mean([one.human for one in some]),
        }
        for label, some in sorted(by_label.items())
    ]


def _mean(values: list[float]) -> float:
    """The mean of what could be computed; nan where nothing could."""
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else float("nan")


def _person_sums(person: Ints, outcome: Ints, scores: tuple[Floats, ...]) -> tuple[Floats, Ints]:
    """Sums of each person, shape (people, 2 + 3 * outcomes): accuracy, rows, then per outcome predicted, human, rows; and a row of each."""
    _, first, who = np.unique(person, return_index=True, return_inverse=True)
    _, asked = np.unique(outcome, return_inverse=True)
    n, k = len(first), int(asked.max()) + 1
    at = who * k + asked
    per_outcome = [np.bincount(at, weights=w, minlength=n * k).reshape(n, k) for w in (scores[1], scores[2], np.ones(len(at)))]
    total = [np.bincount(who, weights=scores[0], minlength=n)[:, None], np.bincount(who, minlength=n)[:, None].astype(np.float64)]
    return np.concatenate([*total, *per_outcome], axis=1), first


def _one_study(
    study: int, sums: Floats, attributes: list[Attribute], shuffles: int, rng: np.random.Generator, min_people: int
) -> list[StudyGaps]:
    kept = [a for a in attributes if ((_sizes(a) >= min_people).sum()) >= 2]
    if not kept:
        return []
    member = np.concatenate([_membership(a) for a in kept])  # (all groups of all attributes, people)
    edges = np.cumsum([0, *(len(a.labels) for a in kept)])
    answered = np.concatenate([np.ones((len(sums), 2)), sums[:, -_outcomes(sums) :] > 0], axis=1)
    people = member @ answered  # people behind every group mean: of accuracy, then of each outcome
    enough = people >= min_people
    real = _gaps(member @ sums, enough, edges)
    null = np.zeros_like(real)
    sizes = np.concatenate([_sizes(a) for a in kept])
    last = np.concatenate([np.cumsum(_sizes(a)) for a in kept])
    starts = np.unique(np.concatenate([[0], last, last - sizes]))
    starts = starts[starts < len(sums)]  # sums over the people from one start to the next are all that the groups need
    begin, end = np.searchsorted(starts, last - sizes), np.searchsorted(starts, last)
    running = np.zeros((len(starts) + 1, sums.shape[1]))
    for start in range(0, shuffles, SHUFFLES_AT_ONCE):
        groups = np.empty((min(SHUFFLES_AT_ONCE, shuffles - start), len(last), sums.shape[1]))
        for one in groups:  # in a random order of people, the first n1 are one random group, the next n2 another, ...
            np.cumsum(np.add.reduceat(sums.take(rng.permutation(len(sums)), axis=0), starts, axis=0), axis=0, out=running[1:])
            np.subtract(running[end], running[begin], out=one)
        null += _gaps(groups, enough, edges).sum(axis=0)
    null /= shuffles
    totals = member @ sums
    means = _accuracy_means(totals, enough)
    found = []
    for i, attribute in enumerate(kept):
        own = means[edges[i] : edges[i + 1]]
        own_sizes = _sizes(attribute)
        accuracy_gap, model_gap, human_gap = (Gap(float(real[i, j]), float(null[i, j])) for j in range(3))
        best, worst = attribute.labels[int(np.nanargmax(own))], attribute.labels[int(np.nanargmin(own))]
        large, small = int((own_sizes >= min_people).sum()), int(((own_sizes > 0) & (own_sizes < min_people)).sum())
        part = slice(edges[i], edges[i + 1])
        shown = _group_means(attribute.labels, own_sizes, totals[part], enough[part], min_people)
        found.append(StudyGaps(study, attribute.name, accuracy_gap, model_gap, human_gap, best, worst, large, small, shown))
    return found


def _outcomes(sums: Floats) -> int:
    return int(sums.shape[-1] - 2) // 3


def _sizes(attribute: Attribute) -> Ints:
    """People in each group."""
    return np.bincount(attribute.group[attribute.group >= 0], minlength=len(attribute.labels)).astype(np.int64)


def _membership(attribute: Attribute) -> Floats:
    """1 where a person is in a group, shape (groups, people)."""
    return np.asarray(np.arange(len(attribute.labels))[:, None] == attribute.group[None, :], np.float64)


def _accuracy_means(groups: Floats, enough: NDArray[np.bool_]) -> Floats:
    out: Floats = np.where(enough[:, 0], groups[..., 0] / np.maximum(groups[..., 1], 1), np.nan)
    return out


def _gaps(groups: Floats, enough: NDArray[np.bool_], edges: Ints) -> Floats:
    """(..., attributes, 3): gap in accuracy, mean over outcomes of the model's and of people's response gap.

    `groups` are sums of groups, shape (..., groups, columns of `_person_sums`).
    """
    k = _outcomes(groups)
    predicted, human, n = (groups[..., 2 + i * k : 2 + (i + 1) * k] for i in range(3))
    usable = enough[:, 2:] & (n > 0)
    places = [np.where(usable, value / np.maximum(n, 1), np.nan) for value in (predicted, human)]
    columns = np.concatenate([_accuracy_means(groups, enough)[..., None], *places], axis=-1)
    spread = np.fmax.reduceat(columns, edges[:-1], axis=-2) - np.fmin.reduceat(columns, edges[:-1], axis=-2)
    counted = np.add.reduceat(np.isfinite(columns), edges[:-1], axis=-2, dtype=np.int64)
    spread[counted < 2] = np.nan
    return np.stack([spread[..., 0], _row_means(spread[..., 1 : 1 + k]), _row_means(spread[..., 1 + k :])], axis=-1)


def _group_means(labels: tuple[str, ...], sizes: Ints, groups: Floats, enough: NDArray[np.bool_], min_people: int) -> tuple[GroupMean, ...]:
    """Means of the large groups of one attribute; `groups` are their sums, shape (groups, columns of `_person_sums`)."""
    k = _outcomes(groups)
    large = np.flatnonzero(sizes >= min_people)
    shared = enough[large, 2:].all(axis=0)
    predicted, human, n = (groups[large, 2 + i * k : 2 + (i + 1) * k] for i in range(3))
    model, people = (_row_means(np.where(shared, total / np.maximum(n, 1), np.nan)) for total in (predicted, human))
    accuracy_means = _accuracy_means(groups, enough)[large]
    return tuple(
        GroupMean(labels[g], int(sizes[g]), float(accuracy_means[i]), float(model[i]), float(people[i]))
        for i, g in enumerate(large.tolist())
    )


def _row_means(values: Floats) -> Floats:
    """Mean of the values that are not nan in each row; nan where there is none."""
    known = np.isfinite(values)
    total, n = np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1)
    out: Floats = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    return out
