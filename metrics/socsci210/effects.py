"""Treatment effects of people and of a model, contrast by contrast, by the design of the study. numpy only.

A contrast compares one arm with a reference: the study's control or, without one, the mean of the other arms (`reference` is then -1).
Of two arms without a control the higher number is compared with the lower, once. Human standard errors count people, not rows: the
residuals of a person are added up before they are squared (Liang & Zeger 1986), with the factor G / (G - 1) for G people.

Positions are on [0, 1]. Sums go over all arms at once: nothing loops over studies or cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .codes import Codes, Floats, Ints, distinct, ratio, total

REFERENCE_OTHERS = -1  # the mean of the other arms
INTERVAL_95 = 1.959963984540054


class Rows(NamedTuple):
    """Answers under arms, all of shape (rows,): of people, or what a model expects of them.

    `person` is numbered per study, `value` is the position on [0, 1] (of a distribution: its mean), `weight` None counts every row once.
    """

    study: Ints
    condition: Ints
    task: Ints
    item: Ints
    person: Ints
    value: Floats
    weight: Floats | None = None

    @property
    def mass(self) -> Floats:
        """Weight of each row."""
        return np.ones(len(self.value)) if self.weight is None else self.weight

    def take(self, index: Ints | NDArray[np.bool_]) -> Rows:
        """Some of the rows."""
        keys = (self.study[index], self.condition[index], self.task[index], self.item[index], self.person[index], self.value[index])
        return Rows(*keys, None if self.weight is None else self.weight[index])


class Contrasts(NamedTuple):
    """Contrasts as arrays of shape (contrasts,).

    Attributes:
        study, task, item: outcome and item; item -1 where items are pooled (conjoint).
        attribute: column of the attribute in a conjoint, else -1.
        condition: the arm, or the level of the attribute.
        reference: the arm or level it is compared with, -1 for the mean of the other arms.
        human, human_se, model: effects on [0, 1].
        n: people behind the human effect.
        design: between, within or conjoint.
    """

    study: Ints
    task: Ints
    item: Ints
    attribute: Ints
    condition: Ints
    reference: Ints
    human: Floats
    human_se: Floats
    model: Floats
    n: Ints
    design: NDArray[np.str_]

    @property
    def reliable(self) -> NDArray[np.bool_]:
        """Whether the human 95 % interval excludes zero. A standard error of zero (constant arms) shows nothing: not reliable."""
        out: NDArray[np.bool_] = (np.abs(self.human) > INTERVAL_95 * self.human_se) & (self.human_se > 0)
        return out


def joined(parts: Sequence[Contrasts]) -> Contrasts:
    """Contrasts of several designs as one."""
    return Contrasts(*(np.concatenate([part[i] for part in parts]) for i in range(len(Contrasts._fields))))


def between_contrasts(people: Rows, model: Rows, control: Ints) -> Contrasts:
    """Difference of arm means, for studies where nobody is in two arms of an outcome.

    human = m_a - m_r with SE^2 = v_a + v_r, or m_a - mean of the other k - 1 means with SE^2 = v_a + sum of their v / (k - 1)^2, where
    v = G / (G - 1) sum_g (sum_i w_i (y_i - m))^2 / (sum w)^2; with one row for each person s^2 / n (Neyman 1923; Welch 1947).

    Args:
        people: what people answered.
        model: what the model expects; every persona under every arm, or the same rows as `people`.
        control: control arm of each study code, -1 where none is stated, shape (studies,).

    Returns:
        Contrasts of arms that have at least two people and a model value, in outcomes with at least two such arms.
    """
    arms = _arms(people, model)
    human, variance, n = _arm_means(arms.code[: len(people.value)], people, arms.codes.size)
    expected, _, _ = _arm_means(arms.code[len(people.value) :], model, arms.codes.size)
    frame = arms.frame((n >= 2) & np.isfinite(human) & np.isfinite(expected), control)
    noise, behind = variance[frame.arm], n[frame.arm].astype(np.float64)
    se = np.sqrt(np.maximum(noise + ratio(frame.beside(noise), frame.n_beside**2), 0))  # a difference of sums can fall below 0
    people_behind = (behind + frame.beside(behind)).astype(np.int64)
    return frame.contrasts_of(
        frame.contrasts, frame.against(human[frame.arm]), se, frame.against(expected[frame.arm]), people_behind, "between"
    )


def within_contrasts(people: Rows, model: Rows, control: Ints) -> Contrasts:
    """Paired differences, for studies where people answer under several arms: each person is their own reference.

    d_g = y_ga - y_gr, or y_ga less the mean of the person's other arms; human = sum w_g d_g / sum w_g over people who answered both,
    SE^2 = G / (G - 1) sum_g w_g^2 (d_g - human)^2 / (sum w_g)^2: without weights s_d^2 / G, the paired t test (Student 1908).

    Args:
        people, model, control: as in `between_contrasts`. A person's rows in one arm are averaged first; w_g is the person's mean weight.

    Returns:
        Contrasts with at least two such people and a model value; people who answered under one side only are left out.
    """
    arms = _arms(people, model)
    n_people = len(people.value)
    present = [np.bincount(code, minlength=arms.codes.size) > 0 for code in (arms.code[:n_people], arms.code[n_people:])]
    frame = arms.frame(present[0] & present[1], control)
    human, variance, n = _paired(frame, arms.code[:n_people], people, arms.codes.size)
    expected, _, _ = _paired(frame, arms.code[n_people:], model, arms.codes.size)
    keep = frame.contrasts & (n >= 2) & np.isfinite(human) & np.isfinite(expected)
    return frame.contrasts_of(keep, human, np.sqrt(variance), expected, n, "within")


def amce(people: Rows, model: Floats, levels: Ints, baseline: Ints | None = None) -> Contrasts:
    """Average marginal component effects of a conjoint (Hainmueller, Hopkins & Yamamoto 2014), per outcome, attribute and level.

    With levels drawn independently, AMCE(l) = mean of the answers to profiles with level l - mean of those with the baseline level: the
    coefficient of l in a regression on the attribute's levels. SE by people as clusters: SE^2 = G / (G - 1) sum_g (u_gl - u_gb)^2, where
    u_gl = sum_i w_i (y_i - m_l) / sum w over the person's profiles with level l.

    Args:
        people: one row for each profile that was judged; conditions and items are pooled.
        model: what the model expects for the same rows, shape (rows,).
        levels: code of the level of each attribute (-1 where the row does not show it), shape (rows, attributes).
        baseline: level of each attribute to compare with, default the lowest code seen in the outcome.
    """
    parts = [_one_attribute(people, model, levels[:, j], j, None if baseline is None else int(baseline[j])) for j in range(levels.shape[1])]
    return joined(parts)


class _Frame(NamedTuple):
    """Usable arms in order: `arm` its code, `outcome` that of its outcome, `reference` the place of the control (itself if none)."""

    rows: Rows
    first: Ints  # a row of each usable arm, in `rows`
    arm: Ints
    outcome: Ints
    n_outcomes: int
    reference: Ints
    stated: NDArray[np.bool_]
    contrasts: NDArray[np.bool_]

    def beside(self, value: Floats) -> Floats:
        """Sum over the reference (one arm, or all others) of each arm."""
        rest = total(self.outcome, value, self.n_outcomes)[self.outcome] - value
        out: Floats = np.where(self.stated, value[self.reference], rest)
        return out

    @property
    def n_beside(self) -> Floats:
        """Number of arms in the reference of each arm."""
        return np.where(self.stated, 1, np.bincount(self.outcome, minlength=self.n_outcomes)[self.outcome] - 1).astype(np.float64)

    def against(self, value: Floats) -> Floats:
        """Value of each arm less that of the reference or the mean of the others."""
        return value - ratio(self.beside(value), self.n_beside)

    def contrasts_of(self, keep: NDArray[np.bool_], human: Floats, se: Floats, model: Floats, n: Ints, design: str) -> Contrasts:
        """Those kept, in order of study, task, item, condition."""
        at = self.first[keep]
        condition = self.rows.condition[self.first]
        reference = np.where(self.stated, condition[self.reference], REFERENCE_OTHERS)[keep]
        size = len(at)
        return Contrasts(
            self.rows.study[at], self.rows.task[at], self.rows.item[at], np.full(size, -1), condition[keep], reference,
            human[keep], se[keep], model[keep], n[keep], np.full(size, design),
        )  # fmt: skip


class _Arms(NamedTuple):
    """Codes of (study, task, item, condition) over the rows of people and of the model together."""

    rows: Rows
    codes: Codes

    @property
    def code(self) -> Ints:
        return self.codes.code

    def frame(self, usable: NDArray[np.bool_], control: Ints) -> _Frame:
        """Arms that can be compared, with their references."""
        arm = np.flatnonzero(usable)
        first = self.codes.first[arm]
        study, condition = self.rows.study[first], self.rows.condition[first]
        outcomes = distinct([study, self.rows.task[first], self.rows.item[first]])
        outcome, place = outcomes.code, np.arange(len(arm))
        of_outcome = np.full(outcomes.size, -1)
        is_control = condition == control[study] if len(arm) else np.zeros(0, np.bool_)
        of_outcome[outcome[is_control & (control[study] >= 0)]] = place[is_control & (control[study] >= 0)]
        two = (outcomes.n == 2) & (of_outcome < 0)  # the mirror image of their only contrast is left out
        of_outcome[two] = outcomes.first[two]
        stated = of_outcome[outcome] >= 0
        reference = np.where(stated, of_outcome[outcome], place)
        contrasts = (outcomes.n[outcome] >= 2) & ~(stated & (reference == place))
        return _Frame(self.rows, first, arm, outcome, outcomes.size, reference, stated, contrasts)


def _arms(people: Rows, model: Rows) -> _Arms:
    both = Rows(*(np.concatenate([getattr(people, name), getattr(model, name)]) for name in Rows._fields[:-1]))
    return _Arms(both, distinct([both.study, both.task, both.item, both.condition]))


def _arm_means(code: Ints, rows: Rows, n_arms: int) -> tuple[Floats, Floats, Ints]:
    """Mean of each arm, the variance of that mean with people as clusters (nan for one person), and the number of people."""
    weight = rows.mass
    whole = total(code, weight, n_arms)
    mean = ratio(total(code, weight * rows.value, n_arms), whole)
    clusters = distinct([code, rows.person])
    residual = total(clusters.code, weight * (rows.value - mean[code]), clusters.size)
    arm = code[clusters.first]
    n = np.bincount(arm, minlength=n_arms).astype(np.int64)
    variance = ratio(n.astype(np.float64), (n - 1).astype(np.float64)) * ratio(total(arm, residual**2, n_arms), whole**2)
    return mean, variance, n


def _paired(frame: _Frame, code: Ints, rows: Rows, n_arms: int) -> tuple[Floats, Floats, Ints]:
    """Mean paired difference of each arm of the frame, its variance and the number of people with both sides."""
    size = len(frame.arm)
    place = np.full(n_arms, -1)
    place[frame.arm] = np.arange(size)
    use = place[code] >= 0
    at, person, weight = place[code][use], rows.person[use], rows.mass[use]
    each = distinct([at, person])
    arm, who = at[each.first], person[each.first]
    mass = total(each.code, weight, each.size)
    value = ratio(total(each.code, weight * rows.value[use], each.size), mass)
    people = distinct([frame.outcome[arm], who])  # one person in one outcome
    weighed = ratio(total(people.code, mass, people.size), total(people.code, each.n.astype(np.float64), people.size))[people.code]
    answered = people.n[people.code] - 1
    others = ratio(total(people.code, value, people.size)[people.code] - value, answered.astype(np.float64))
    own = np.full(people.size, np.nan)
    is_reference = frame.stated[arm] & (frame.reference[arm] == arm)
    own[people.code[is_reference]] = value[is_reference]
    difference = value - np.where(frame.stated[arm], own[people.code], others)
    known = np.isfinite(difference)
    arm, difference, weighed = arm[known], difference[known], weighed[known]
    n = np.bincount(arm, minlength=size).astype(np.int64)
    whole = total(arm, weighed, size)
    mean = ratio(total(arm, weighed * difference, size), whole)
    spread = ratio(total(arm, (weighed * (difference - mean[arm])) ** 2, size), whole**2)
    return mean, ratio(n.astype(np.float64), (n - 1).astype(np.float64)) * spread, n


def _one_attribute(people: Rows, model: Floats, level: Ints, attribute: int, baseline: int | None) -> Contrasts:
    """The contrasts of one attribute in all outcomes."""
    shown = np.flatnonzero(level >= 0)
    study, task, person, level = people.study[shown], people.task[shown], people.person[shown], level[shown]
    value, weight = people.value[shown], people.mass[shown]
    outcomes, arms = distinct([study, task]), distinct([study, task, level])
    whole = total(arms.code, weight, arms.size)
    human, expected = (ratio(total(arms.code, weight * side, arms.size), whole) for side in (value, model[shown]))
    arm_outcome, arm_level = outcomes.code[arms.first], level[arms.first]
    lowest = np.full(outcomes.size, np.iinfo(np.int64).max)
    np.minimum.at(lowest, arm_outcome, arm_level)
    is_base = arm_level == (lowest[arm_outcome] if baseline is None else baseline)
    base = np.full(outcomes.size, -1)
    base[arm_outcome[is_base]] = np.flatnonzero(is_base)

    clusters = distinct([arms.code, person])
    score = ratio(total(clusters.code, weight * (value - human[arms.code]), clusters.size), whole[arms.code[clusters.first]])
    people_of = distinct([outcomes.code, person]).code  # one person in one outcome
    arm, who = arms.code[clusters.first], people_of[clusters.first]
    of_base, in_base = np.zeros(int(people_of.max(initial=-1)) + 1), np.zeros(int(people_of.max(initial=-1)) + 1)
    of_base[who[is_base[arm]]], in_base[who[is_base[arm]]] = score[is_base[arm]], 1.0

    sums = [total(arm, each, arms.size) for each in (score**2, score * of_base[who], in_base[who], np.ones(len(arm)))]
    reference = base[arm_outcome]
    keep = (reference >= 0) & ~is_base
    at, ref = np.flatnonzero(keep), reference[keep]
    n = sums[3][at] + sums[3][ref] - sums[2][at]
    variance = ratio(n, n - 1) * (sums[0][at] + sums[0][ref] - 2 * sums[1][at])
    first, size = arms.first[at], len(at)
    found = Contrasts(
        study[first], task[first], np.full(size, -1), np.full(size, attribute), arm_level[at], arm_level[ref],
        human[at] - human[ref], np.sqrt(np.maximum(variance, 0)), expected[at] - expected[ref],
        n.astype(np.int64), np.full(size, "conjoint"),
    )  # fmt: skip
    usable = n >= 2
    return Contrasts(*(column[usable] for column in found))
