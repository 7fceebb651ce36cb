"""Gaps between groups against a plain loop, the null of shuffled labels, and the groups themselves."""

from __future__ import annotations

import numpy as np
import pytest

from socsci210.demographics import FIELDS, VOCABULARY
from socsci210.metrics.socsci210 import groups
from socsci210.metrics.socsci210.parity import Attribute, accuracy, averaged, group_averages, study_gaps


def world(people: int = 500, outcomes: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    """Two studies whose people answer several outcomes; group 2 of three is predicted worse and higher; some have no group."""
    rng = np.random.default_rng(seed)
    group = rng.integers(-1, 3, people)
    person = np.repeat(np.arange(people), outcomes)
    asked = rng.random(len(person)) < 0.8
    of = group[person]
    return {
        "study": np.repeat(rng.integers(0, 2, people), outcomes)[asked],
        "person": person[asked],
        "outcome": np.tile(np.arange(outcomes), people)[asked],
        "group": of[asked],
        "accuracy": (rng.random(len(person)) - 0.2 * (of == 2))[asked],
        "model": (0.3 * rng.random(len(person)) + 0.3 * (of == 2))[asked],
        "human": rng.random(len(person))[asked],
    }


def plain(rows: dict[str, np.ndarray], study: int) -> tuple[float, float, float]:
    """Gap in accuracy, and mean over outcomes of the model's and people's response gap, by loops."""
    own = rows["study"] == study
    gap = np.ptp([rows["accuracy"][own & (rows["group"] == g)].mean() for g in range(3)])
    places = []
    for side in ("model", "human"):
        spreads = []
        for outcome in range(3):
            here = own & (rows["outcome"] == outcome)
            spreads.append(np.ptp([rows[side][here & (rows["group"] == g)].mean() for g in range(3)]))
        places.append(float(np.mean(spreads)))
    return float(gap), places[0], places[1]


def gaps_of(rows: dict[str, np.ndarray], labels: tuple[str, ...] = ("a", "b", "c"), **options: int):  # type: ignore[no-untyped-def]
    scores = (rows["accuracy"], rows["model"], rows["human"])
    return study_gaps(rows["study"], rows["person"], rows["outcome"], scores, [Attribute("party_id", rows["group"], labels)], **options)


def test_gaps_equal_plain_loops() -> None:
    rows = world()
    found = gaps_of(rows)
    assert [one.study for one in found] == [0, 1]
    for one in found:
        assert (one.accuracy.value, one.model.value, one.human.value) == pytest.approx(plain(rows, one.study), abs=1e-9)
        assert one.worst == "c"
        assert one.excess.value == pytest.approx(one.model.value - one.human.value)


def test_means_of_groups_equal_plain_loops() -> None:
    rows = world()
    for one in gaps_of(rows):
        own = rows["study"] == one.study
        assert [group.label for group in one.groups] == ["a", "b", "c"]
        for g, group in enumerate(one.groups):
            here = own & (rows["group"] == g)
            assert group.n_people == len(np.unique(rows["person"][here]))
            assert group.accuracy == pytest.approx(rows["accuracy"][here].mean(), abs=1e-9)
            for side, mean in (("model", group.model), ("human", group.human)):
                by_outcome = [rows[side][here & (rows["outcome"] == outcome)].mean() for outcome in range(3)]
                assert mean == pytest.approx(np.mean(by_outcome), abs=1e-9)
        assert np.ptp([group.accuracy for group in one.groups]) == pytest.approx(one.accuracy.value, abs=1e-9)


def test_groups_are_compared_on_the_questions_that_all_were_asked() -> None:
    """Outcome 2 goes to group a alone: it counts for nobody. Without a shared outcome there is no mean response."""
    rows = world()
    keep = (rows["outcome"] < 2) | (rows["group"] == 0)
    cut = {name: values[keep] for name, values in rows.items()}
    for one in gaps_of(cut):
        own = (cut["study"] == one.study) & (cut["group"] == 0)
        assert one.groups[0].human == pytest.approx(np.mean([cut["human"][own & (cut["outcome"] == k)].mean() for k in (0, 1)]), abs=1e-9)
    apart = {name: values[rows["outcome"] == np.maximum(rows["group"], 0)] for name, values in rows.items()}
    assert all(np.isnan(group.model) and np.isnan(group.human) for one in gaps_of(apart) for group in one.groups)


def test_groups_are_averaged_over_the_studies_that_have_them() -> None:
    first, second = gaps_of(world())
    short = second._replace(groups=second.groups[:2])
    a, _, c = group_averages([first, short])
    assert (a["name"], a["n_studies"], c["name"], c["n_studies"]) == ("a", 2, "c", 1)
    assert a["n_people"] == first.groups[0].n_people + second.groups[0].n_people
    assert a["accuracy"] == pytest.approx((first.groups[0].accuracy + second.groups[0].accuracy) / 2)
    assert (c["predicted"], c["response"]) == (first.groups[2].model, first.groups[2].human)


def test_order_of_rows_does_not_matter() -> None:
    rows = world()
    order = np.random.default_rng(5).permutation(len(rows["study"]))
    mixed = {name: values[order] for name, values in rows.items()}
    for one, other in zip(gaps_of(rows), gaps_of(mixed), strict=True):
        assert one.accuracy == pytest.approx(other.accuracy)
        assert one.model == pytest.approx(other.model)


def test_null_is_what_noise_alone_gives() -> None:
    """Without any difference between groups the gap is its null, on average over worlds; with one, it stands out."""
    rest, planted = [], []
    for seed in range(12):
        rows = world(seed=seed)
        planted += [one.model.net for one in gaps_of(rows)]
        rest += [one.human.net for one in gaps_of(rows)]  # people do not differ between groups here
    assert abs(np.mean(rest)) < 2.5 * np.std(rest, ddof=1) / np.sqrt(len(rest))
    assert min(planted) > 0.2


def test_shuffling_is_seeded_and_keeps_people_whole() -> None:
    rows = world()
    assert gaps_of(rows, seed=3) == gaps_of(rows, seed=3)
    assert gaps_of(rows, seed=3)[0].accuracy.null != gaps_of(rows, seed=4)[0].accuracy.null
    # A person's rows move together: with equal rows per person the null does not shrink when each row is repeated.
    again = {name: np.concatenate([values, values]) for name, values in rows.items()}
    assert gaps_of(again)[0].accuracy.null == pytest.approx(gaps_of(rows)[0].accuracy.null)


def test_groups_under_30_people_are_left_out_and_counted() -> None:
    rows = world(people=400)
    few = np.flatnonzero((rows["group"] == 2) & (rows["study"] == 0))
    keep = np.ones(len(rows["study"]), bool)
    small = np.unique(rows["person"][few])[29:]
    keep[np.isin(rows["person"], small)] = False
    cut = {name: values[keep] for name, values in rows.items()}
    one = gaps_of(cut, min_people=30)[0]
    assert len(np.unique(cut["person"][(cut["group"] == 2) & (cut["study"] == 0)])) == 29
    assert (one.n_groups, one.n_left_out) == (2, 1)
    own = cut["study"] == 0
    truth = np.ptp([cut["accuracy"][own & (cut["group"] == g)].mean() for g in (0, 1)])
    assert one.accuracy.value == pytest.approx(truth)


def test_one_large_group_gives_no_gap() -> None:
    rows = world() | {"group": np.zeros(len(world()["group"]), np.int64)}
    assert gaps_of(rows) == []


def test_binary_response_gap_is_the_demographic_parity_difference() -> None:
    """On a binary outcome with hard predictions: the largest difference in selection rate."""
    rng = np.random.default_rng(0)
    n = 300
    group, chosen, human = rng.integers(0, 3, n), rng.integers(0, 2, n).astype(float), rng.integers(0, 2, n).astype(float)
    zeros = np.zeros(n, np.int64)
    found = study_gaps(zeros, np.arange(n), zeros, (chosen, chosen, human), [Attribute("g", group, ("a", "b", "c"))])[0]
    rates = [chosen[group == g].mean() for g in range(3)]
    assert found.model.value == pytest.approx(max(rates) - min(rates), abs=1e-12)


def test_binary_response_gap_equals_fairlearn() -> None:
    metrics = pytest.importorskip("fairlearn.metrics")
    for seed in range(5):
        rng = np.random.default_rng(seed)
        n = 400
        group, chosen, human = rng.integers(0, 4, n), rng.integers(0, 2, n), rng.integers(0, 2, n)
        zeros = np.zeros(n, np.int64)
        scores = (chosen.astype(float), chosen.astype(float), human.astype(float))
        found = study_gaps(zeros, np.arange(n), zeros, scores, [Attribute("g", group, ("a", "b", "c", "d"))])[0]
        for gap, answers in ((found.model, chosen), (found.human, human)):
            assert gap.value == pytest.approx(metrics.demographic_parity_difference(human, answers, sensitive_features=group), abs=1e-9)


def test_on_other_scales_fairlearn_answers_another_question() -> None:
    """It counts how often answers equal 1, without a warning: on 0 to 6 that is not the gap in mean response."""
    metrics = pytest.importorskip("fairlearn.metrics")
    n = 300
    group, zeros = np.repeat([0, 1], n // 2), np.zeros(n, np.int64)
    likert = np.where(group == 0, 6, 0)
    place = likert / 6
    assert metrics.demographic_parity_difference(likert, likert, sensitive_features=group) == 0
    found = study_gaps(zeros, np.arange(n), zeros, (place, place, place), [Attribute("g", group, ("a", "b"))])[0]
    assert found.model.value == pytest.approx(1)


def test_averaged_over_studies() -> None:
    found = gaps_of(world())
    mean = averaged(found)
    assert mean["accuracy_gap"] == pytest.approx(np.mean([one.accuracy.value for one in found]))
    assert mean["accuracy_gap_net"] == pytest.approx(mean["accuracy_gap"] - mean["accuracy_gap_null"])
    assert mean["excess_net"] == pytest.approx(mean["response_gap_net"] - mean["human_gap_net"])


def test_accuracy_of_clipped_points() -> None:
    found = accuracy(np.array([1.0, 7.0, 100.0]), np.array([1.0, 1.0, 7.0]), np.ones(3), np.full(3, 7.0))
    assert found.tolist() == [1, 0, 1]
    raw = accuracy(np.array([1.0, 7.0, 100.0]), np.array([1.0, 1.0, 7.0]), np.ones(3), np.full(3, 7.0), clip=False)
    assert raw.tolist() == [1, 0, 1 - 93 / 6]


def test_every_value_of_the_vocabulary_has_a_group() -> None:
    assert groups.FIELDS == FIELDS
    for field, values in VOCABULARY.items():
        for value in values or ():
            assert (groups.group_of(field, value) is None) == (value == "Declined to Answer"), (field, value)
    regions = [groups.group_of("location", state) for state in VOCABULARY["location"] or ()]
    assert {region: regions.count(region) for region in set(regions)} == {"Northeast": 9, "Midwest": 12, "South": 17, "West": 13}


@pytest.mark.parametrize(
    ("years", "group"), [(17, None), (18, "18-29"), (29, "18-29"), (30, "30-44"), (44, "30-44"), (45, "45-59"), (59, "45-59"), (60, "60+")]
)
def test_age_groups(years: int, group: str | None) -> None:
    assert groups.group_of("age", years) == group


def test_household_size_is_capped() -> None:
    assert [groups.group_of("household_size", n) for n in (1, 4, 5, 9, None)] == ["1", "4", "5+", "5+", None]


def test_no_shuffle_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="shuffles is 0: shuffle labels at least once"):
        gaps_of(world(), shuffles=0)
