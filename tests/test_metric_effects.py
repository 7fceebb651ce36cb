"""Treatment effects of all outcomes at once against plain loops, clustered regressions and scipy; and what must not move them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind, ttest_rel

from socsci210.metrics.socsci210.agreement import agreement, permutation_p
from socsci210.metrics.socsci210.effects import Contrasts, Rows, amce, between_contrasts, within_contrasts

NOBODY = np.full(10, -1)


def between_rows(seed: int, *, weights: bool = False) -> Rows:
    """Three studies with 2, 3 and 4 arms, two outcomes, one with two items; ties everywhere, an arm of one person, a constant arm."""
    rng = np.random.default_rng(seed)
    n = 400
    study = rng.integers(0, 3, n)
    condition = rng.integers(0, study + 2)
    condition[(study == 2) & (condition == 3)] = 2
    condition[np.flatnonzero(study == 2)[0]] = 3  # an arm of one person
    asked = np.repeat(np.arange(n), 3)
    task, item = np.tile([0, 1, 1], n), np.tile([0, 0, 1], n)
    value = rng.integers(0, 7, 3 * n) / 6
    value[(study[asked] == 1) & (condition[asked] == 2) & (task == 0)] = 0.5  # a constant arm
    weight = rng.random(3 * n) + 0.1 if weights else None
    rows = Rows(study[asked], condition[asked], task, item, asked, value, weight)
    order = rng.permutation(3 * n)
    return Rows(*(None if column is None else column[order] for column in rows))


def arm_mean(rows: Rows, study: int, task: int, item: int, condition: int) -> tuple[float, float, int]:
    """Mean, variance of the mean and people of one arm, by a loop over people."""
    own = (rows.study == study) & (rows.task == task) & (rows.item == item) & (rows.condition == condition)
    w, y, who = rows.mass[own], rows.value[own], rows.person[own]
    if not len(y):
        return np.nan, np.nan, 0
    mean = float((w * y).sum() / w.sum())
    people = np.unique(who)
    squares = sum(float((w * (y - mean))[who == one].sum()) ** 2 for one in people)
    n = len(people)
    return mean, n / (n - 1) * squares / w.sum() ** 2 if n > 1 else np.nan, n


def at(found: Contrasts, **where: int) -> int:
    own = np.ones(len(found.human), bool)
    for name, value in where.items():
        own &= getattr(found, name) == value
    assert own.sum() == 1, where
    return int(np.argmax(own))


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_between_against_a_control_equals_plain_loops(seed: int, weights: bool) -> None:
    rows = between_rows(seed, weights=weights)
    model = rows._replace(value=np.random.default_rng(seed + 10).random(len(rows.value)))
    found = between_contrasts(rows, model, np.array([0, 1, -1]))
    for study, control, arms in ((0, 0, [1]), (1, 1, [0, 2])):
        for task, item in ((0, 0), (1, 0), (1, 1)):
            for arm in arms:
                i = at(found, study=study, task=task, item=item, condition=arm)
                (m_a, v_a, n_a), (m_r, v_r, n_r) = (arm_mean(rows, study, task, item, c) for c in (arm, control))
                assert found.reference[i] == control
                assert found.human[i] == pytest.approx(m_a - m_r, abs=1e-9)
                assert found.human_se[i] == pytest.approx(np.sqrt(v_a + v_r), abs=1e-9)
                expected = [arm_mean(model, study, task, item, c)[0] for c in (arm, control)]
                assert found.model[i] == pytest.approx(expected[0] - expected[1], abs=1e-9)
                assert found.n[i] == n_a + n_r
    assert set(found.design) == {"between"}
    # Study 2 has no control; its arm of one person has no standard error and is left out of the others' mean too.
    for task, item in ((0, 0), (1, 0), (1, 1)):
        arms = [arm_mean(rows, 2, task, item, c) for c in range(3)]
        for arm in range(3):
            i = at(found, study=2, task=task, item=item, condition=arm)
            rest = [one for c, one in enumerate(arms) if c != arm]
            assert found.reference[i] == -1
            assert found.human[i] == pytest.approx(arms[arm][0] - np.mean([one[0] for one in rest]), abs=1e-9)
            assert found.human_se[i] == pytest.approx(np.sqrt(arms[arm][1] + sum(one[1] for one in rest) / 4), abs=1e-9)
    assert len(found.human) == 3 * (1 + 2 + 3)


def test_between_is_welchs_t_test() -> None:
    rows = between_rows(5)
    found = between_contrasts(rows, rows, np.array([0, 0, 0]))
    i = at(found, study=0, task=0, item=0, condition=1)
    own = (rows.study == 0) & (rows.task == 0)
    truth = ttest_ind(rows.value[own & (rows.condition == 1)], rows.value[own & (rows.condition == 0)], equal_var=False)
    assert found.human[i] / found.human_se[i] == pytest.approx(truth.statistic, abs=1e-9)


def test_two_arms_without_a_control_give_one_contrast() -> None:
    """The other one is its mirror image and would count the same fact twice."""
    rows = between_rows(1)
    found = between_contrasts(rows, rows, NOBODY)
    first = found.study == 0
    assert (found.condition[first] == 1).all()
    assert (found.reference[first] == 0).all()
    assert first.sum() == 3


def test_every_persona_through_every_arm_removes_who_was_assigned() -> None:
    """The model reads the person only. As assigned, older people in one arm look like an effect; through all arms there is none."""
    rng = np.random.default_rng(0)
    n = 60
    old, arm = rng.random(n), np.repeat([0, 1], 30)
    old[arm == 1] += 0.5
    zeros, person = np.zeros(n, np.int64), np.arange(n)
    people = Rows(zeros, arm, zeros, zeros, person, rng.random(n))
    assigned = people._replace(value=old)
    twice = np.concatenate([zeros, zeros])
    every = Rows(twice, np.repeat([0, 1], n), twice, twice, np.tile(person, 2), np.tile(old, 2))
    assert between_contrasts(people, assigned, np.array([0])).model[0] > 0.4
    found = between_contrasts(people, every, np.array([0]))
    assert found.model[0] == pytest.approx(0, abs=1e-12)
    assert found.human == pytest.approx(between_contrasts(people, assigned, np.array([0])).human)


def test_arms_without_a_model_are_left_out_on_both_sides() -> None:
    rows = between_rows(2)
    keep = ~((rows.study == 2) & (rows.condition == 1))
    model = Rows(*(None if column is None else column[keep] for column in rows))
    found = between_contrasts(rows, model, NOBODY)
    own = (found.study == 2) & (found.task == 0)
    assert found.condition[own].tolist() == [2]
    assert found.human[own] == pytest.approx(arm_mean(rows, 2, 0, 0, 2)[0] - arm_mean(rows, 2, 0, 0, 0)[0], abs=1e-9)


def within_rows(seed: int, *, weights: bool = False) -> Rows:
    """Two studies in which people see most of four arms, one outcome twice in some arms."""
    rng = np.random.default_rng(seed)
    seen = [(s, c, p) for s in range(2) for p in range(30) for c in range(4) for _ in range(rng.integers(0, 3))]
    study, condition, person = np.array(seen).T
    zeros = np.zeros(len(study), np.int64)
    weight = (rng.random(60) + 0.1)[30 * study + person] if weights else None
    return Rows(study, condition, zeros, zeros, person, rng.integers(0, 5, len(study)) / 4 + 0.3 * person, weight)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_within_equals_plain_loops(seed: int, weights: bool) -> None:
    rows = within_rows(seed, weights=weights)
    model = rows._replace(value=np.random.default_rng(seed).random(len(rows.value)))
    found = within_contrasts(rows, model, np.array([2, -1]))
    assert len(found.human) == 3 + 4
    for study, arms in ((0, (0, 1, 3)), (1, (0, 1, 2, 3))):
        for arm in arms:
            i = at(found, study=study, condition=arm)
            truth = []
            for side in (rows, model):
                differences, masses = [], []
                for person in range(30):
                    own = (side.study == study) & (side.person == person)
                    means = {c: side.value[own & (side.condition == c)].mean() for c in np.unique(side.condition[own])}
                    rest = [means[2]] if study == 0 and 2 in means else [m for c, m in means.items() if c != arm] if study else []
                    if arm in means and rest:
                        differences.append(means[arm] - np.mean(rest))
                        masses.append(side.mass[own].mean())
                d, w = np.array(differences), np.array(masses)
                mean = (w * d).sum() / w.sum()
                truth.append((mean, np.sqrt(len(d) / (len(d) - 1) * ((w * (d - mean)) ** 2).sum()) / w.sum(), len(d)))
            assert found.human[i] == pytest.approx(truth[0][0], abs=1e-9)
            assert found.human_se[i] == pytest.approx(truth[0][1], abs=1e-9)
            assert found.n[i] == truth[0][2]
            assert found.model[i] == pytest.approx(truth[1][0], abs=1e-9)
            assert found.reference[i] == (2 if study == 0 else -1)


def test_within_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 25)) + 10 * rng.normal(size=25)
    zeros = np.zeros(50, np.int64)
    rows = Rows(zeros, np.repeat([0, 1], 25), zeros, zeros, np.tile(np.arange(25), 2), np.concatenate([a, b]))
    found = within_contrasts(rows, rows, np.array([0]))
    assert found.human[0] / found.human_se[0] == pytest.approx(ttest_rel(b, a).statistic, abs=1e-9)
    assert between_contrasts(rows, rows, np.array([0])).human_se[0] > 5 * found.human_se[0], "people are their own control"


def conjoint(seed: int, *, weights: bool = False) -> tuple[Rows, np.ndarray]:
    rng = np.random.default_rng(seed)
    people, profiles = 40, 6
    n = 2 * people * profiles
    study, person = np.repeat([0, 1], n // 2), np.tile(np.repeat(np.arange(people), profiles), 2)
    levels = np.stack([rng.integers(0, 3, n), rng.integers(0, 2, n) + 4, np.where(study == 1, rng.integers(0, 4, n), -1)], axis=1)
    value = (rng.random(n) + 0.2 * levels[:, 0] + 0.3 * rng.random(people)[person] > 0.7).astype(float)
    zeros = np.zeros(n, np.int64)
    return Rows(study, zeros, zeros, np.tile(np.arange(profiles), 2 * people), person, value, rng.random(n) if weights else None), levels


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_amce_equals_regression_with_clustered_errors(seed: int, weights: bool) -> None:
    """Answers on dummies of the attribute's levels, by normal equations; sandwich with people as clusters."""
    rows, levels = conjoint(seed, weights=weights)
    model = np.random.default_rng(seed).random(len(rows.value))
    found = amce(rows, model, levels)
    assert len(found.human) == (2 + 1) + (2 + 1 + 3)
    for study in (0, 1):
        for attribute in range(3):
            own = (rows.study == study) & (levels[:, attribute] >= 0)
            known = np.unique(levels[own, attribute])
            if not len(known):
                continue
            for level in known[1:]:  # two levels at a time, so that G counts the people who saw either
                pair = own & np.isin(levels[:, attribute], [known[0], level])
                design = np.stack([np.ones(pair.sum()), levels[pair, attribute] == level], axis=1).astype(float)
                w, y, who = rows.mass[pair], rows.value[pair], rows.person[pair]
                bread = np.linalg.inv(design.T @ (w[:, None] * design))
                beta = bread @ design.T @ (w * y)
                score = design * (w * (y - design @ beta))[:, None]
                meat = sum(np.outer(s, s) for s in (score[who == p].sum(axis=0) for p in np.unique(who)))
                groups = len(np.unique(who))
                se = np.sqrt(groups / (groups - 1) * (bread @ meat @ bread)[1, 1])
                i = at(found, study=study, attribute=attribute, condition=int(level))
                assert found.human[i] == pytest.approx(beta[1], abs=1e-9)
                assert found.human_se[i] == pytest.approx(se, abs=1e-9)
                assert found.model[i] == pytest.approx((bread @ design.T @ (w * model[pair]))[1], abs=1e-9)
                assert (found.reference[i], found.n[i], found.item[i]) == (known[0], groups, -1)
    assert set(found.design) == {"conjoint"}


def test_amce_with_another_baseline() -> None:
    rows, levels = conjoint(0)
    usual, other = (amce(rows, rows.value, levels, base) for base in (None, np.array([2, 4, 0])))
    i, j = at(usual, study=0, attribute=0, condition=2), at(other, study=0, attribute=0, condition=0)
    assert other.human[j] == pytest.approx(-usual.human[i], abs=1e-12)
    assert other.human_se[j] == pytest.approx(usual.human_se[i], abs=1e-12)


def test_empty_and_lone_arms_give_no_contrast() -> None:
    nothing = np.zeros(0, np.int64)
    empty = Rows(nothing, nothing, nothing, nothing, nothing, np.zeros(0))
    one = Rows(*(np.zeros(5, np.int64) for _ in range(4)), np.arange(5), np.ones(5))
    for rows in (empty, one):
        for contrasts in (between_contrasts, within_contrasts):
            assert contrasts(rows, rows, NOBODY).human.shape == (0,)
    assert amce(empty, np.zeros(0), np.zeros((0, 2), np.int64)).human.shape == (0,)
    assert agreement(between_contrasts(empty, empty, NOBODY))["refused"] == "0 contrasts, fewer than 3"
    assert np.isnan(permutation_p(between_contrasts(empty, empty, NOBODY)))


def test_constant_arms_show_nothing() -> None:
    zeros = np.zeros(4, np.int64)
    rows = Rows(zeros, np.array([0, 0, 1, 1]), zeros, zeros, np.arange(4), np.array([0.2, 0.2, 0.4, 0.4]))
    found = between_contrasts(rows, rows, np.array([0]))
    assert (found.human[0], found.human_se[0], found.reliable[0]) == (pytest.approx(0.2), 0, False)


def test_a_constant_arm_beside_noisy_ones_has_the_others_error() -> None:
    rng = np.random.default_rng(0)
    zeros, condition = np.zeros(90, np.int64), np.repeat([0, 1, 2], 30)
    value = np.where(condition == 2, 0.3, rng.random(90))
    for values in (value, np.full(90, 0.3)):
        rows = Rows(zeros, condition, zeros, zeros, np.arange(90), values)
        found = between_contrasts(rows, rows, NOBODY)
        noise = [values[condition == c].var(ddof=1) / 30 for c in range(3)]
        truth = [np.sqrt(noise[c] + (sum(noise) - noise[c]) / 4) for c in range(3)]
        assert found.human_se == pytest.approx(truth, abs=1e-9)


def test_the_95_percent_interval_covers_the_true_effect() -> None:
    """500 outcomes of two arms, weighted rows, each person twice: people are counted, not rows."""
    rng = np.random.default_rng(1)
    tasks, n = 500, 60
    task, person = np.repeat(np.arange(tasks), 2 * n), np.tile(np.repeat(np.arange(n), 2), tasks)
    arm, zeros = person % 2, np.zeros(2 * n * tasks, np.int64)
    own = np.repeat(rng.normal(size=(tasks, n)), 2)
    weight = np.tile(np.repeat(rng.uniform(0.5, 1.5, n), 2), tasks)
    rows = Rows(zeros, arm, task, zeros, person, own + 0.3 * rng.normal(size=len(own)) + 0.5 * arm, weight)
    found = between_contrasts(rows, rows, np.array([0]))
    covered = np.abs(found.human - 0.5) <= 1.96 * found.human_se
    assert 0.92 <= covered.mean() <= 0.97


def invariant(rows: Rows, other: Rows, control: np.ndarray, sign: float = 1) -> None:
    for contrasts in (between_contrasts, within_contrasts):
        one, two = contrasts(rows, rows, control), contrasts(other, other, control)
        assert one.condition.tolist() == two.condition.tolist()
        assert two.human == pytest.approx(sign * one.human, abs=1e-9)
        assert two.human_se == pytest.approx(abs(sign) * one.human_se, abs=1e-9)
        assert two.model == pytest.approx(sign * one.model, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 3), st.floats(0.01, 100), st.floats(-50, 50))
def test_invariances_of_effects(seed: int, times: int, factor: float, shift: float) -> None:
    rows, control = within_rows(seed), np.array([0, -1])
    order = np.random.default_rng(seed).permutation(len(rows.value))
    columns = rows[:-1]
    invariant(rows, Rows(*(column[order] for column in columns)), control)
    invariant(rows, Rows(*(np.tile(column, times) for column in columns)), control)  # a person's rows twice are still one person
    invariant(rows, rows._replace(value=factor * rows.value + shift), control, factor)
    invariant(rows, rows._replace(value=1 - rows.value), control, -1)
    invariant(rows, rows._replace(person=1000 - rows.person, task=rows.task + 7), control)
