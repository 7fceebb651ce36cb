"""Splits: the rules against a second, slow writing of them, their properties on random worlds, and pinned hashes."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socsci210.errors import DatasetError
from socsci210.schema import ASSIGNMENTS, SPLIT_CONFIGS
from socsci210.splits import (
    FRACTIONS,
    SIDES,
    TEXT_CONFIGS,
    Units,
    assign,
    check_disjoint,
    family_keys,
    official_studies,
    overlaps,
    partition,
    position,
    study_side,
    text_keys,
)

from .slow_splits import Row, slow_assign, slow_keys, slow_partition

IDS = [f"study{i}" for i in range(8)]


@st.composite
def a_study(draw: st.DrawFn, name: str) -> Units:
    """A study whose texts come from a small pool, so that some repeat within it and across studies."""
    n_people, n_conditions, n_tasks = draw(st.integers(1, 12)), draw(st.integers(1, 6)), draw(st.integers(1, 5))
    wording = draw(st.sampled_from(["distinct", "pool", "condition", "task"]))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    person, task = (grid.ravel() for grid in np.meshgrid(np.arange(n_people), np.arange(n_tasks), indexing="ij"))
    condition = rng.integers(0, n_conditions, len(person)) if rng.random() < 0.5 else rng.integers(0, n_conditions, n_people)[person]
    base = 10_000 * (1 + IDS.index(name))
    text = {
        "distinct": base + 100 * condition + task,
        "pool": rng.integers(0, 30, (n_conditions, n_tasks))[condition, task],
        "condition": base + condition // 2,
        "task": base + task,
    }[wording]
    asked = rng.random(len(person)) < 0.9
    return Units(
        study_id=name,
        family=draw(st.sampled_from([name, "omnibus", "panel"])),
        participants=np.arange(n_people),
        condition=condition[asked],
        task=task[asked],
        participant=person[asked],
        text=text[asked].astype(np.int64),
        truncated=draw(st.sampled_from([False, False, False, True])),
        same_as=tuple(draw(st.lists(st.sampled_from([*IDS, "elsewhere"]), max_size=1))) if draw(st.booleans()) else (),
    )


@st.composite
def worlds(draw: st.DrawFn, max_studies: int = 6) -> list[Units]:
    names = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=max_studies, unique=True))
    return [draw(a_study(name)) for name in names]


def officials() -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(IDS), st.sampled_from(["seen", "unseen"]), max_size=4)


def as_rows(table: pa.Table) -> list[Row]:
    return [Row(r["config"], r["study_id"], *(r[name] for name in ASSIGNMENTS.names[2:])) for r in table.select(_ORDER).to_pylist()]


_ORDER = ASSIGNMENTS.names


def as_sides(sides: dict[str, np.ndarray]) -> dict[str, list[list[str]]]:
    return {study: [[SIDES[code] for code in line] for line in lines] for study, lines in sides.items()}


def plain(name: str, conditions: int, tasks: int = 2, people: int | None = None, **more: object) -> Units:
    """A between-subject study with a text of its own in every cell."""
    n = people or 4 * conditions
    person, task = (grid.ravel() for grid in np.meshgrid(np.arange(n), np.arange(tasks), indexing="ij"))
    condition = person % conditions
    keys = text_keys(pa.array([f"{name} {c} {t}" for c, t in zip(condition, task, strict=True)]))
    units = Units(name, name, np.arange(n), condition, task, person, keys)
    return replace(units, **more)


# --- against the slow writing --------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(worlds(), officials())
def test_equals_the_slow_rules(studies: list[Units], official: dict[str, str]) -> None:
    table = assign(studies, official)
    assert table.schema == ASSIGNMENTS
    slow = slow_assign(studies, official)
    assert sorted(as_rows(table), key=str) == sorted(slow, key=str)
    assert as_sides(partition(studies, table)) == slow_partition(studies, slow)
    assert family_keys(studies) == slow_keys(studies)


@settings(max_examples=60, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_order_of_studies_and_rows_does_not_matter(studies: list[Units], random: object) -> None:
    table = assign(studies)
    sides = partition(studies, table)
    shuffled, orders = [], {}
    for study in studies:
        order = np.random.default_rng(random.randrange(2**32)).permutation(study.n_rows)  # type: ignore[attr-defined]
        orders[study.study_id] = order
        arrays = {name: getattr(study, name)[order] for name in ("condition", "task", "participant", "text")}
        shuffled.append(replace(study, participants=study.participants[::-1], **arrays))
    shuffled.reverse()
    again = assign(shuffled)
    assert again.equals(table)
    other = partition(shuffled, again)
    for name, order in orders.items():
        assert np.array_equal(other[name], sides[name][:, order])


# --- properties ----------------------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(worlds())
def test_every_unit_once_and_sides_disjoint_by_identity_and_text(studies: list[Units]) -> None:
    table = assign(studies)
    sides = partition(studies, table)
    check_disjoint(studies, sides)
    rows = as_rows(table)
    names = [(row.config, row.study, row.unit) for row in rows]
    assert len(set(names)) == len(names)
    for study in studies:
        own = [row for row in rows if row.study == study.study_id]
        units = {config: {row.unit for row in own if row.config == config} for config in SPLIT_CONFIGS}
        assert units["unseen_studies"] == {None}
        assert units["unseen_conditions"] == set(study.condition.tolist())
        assert units["unseen_outcomes"] == set(study.task.tolist())
        assert units["unseen_participants"] == set(study.participants.tolist())
    for line in range(4):
        texts, people = defaultdict(set), defaultdict(set)
        for study in studies:
            for side, text, person in zip(sides[study.study_id][line], study.text, study.participant, strict=True):
                texts[SIDES[side]].add(int(text))
                people[SIDES[side]].add((study.study_id, int(person)))
        for one, other in itertools.combinations(("train", "validation", "test"), 2):
            if SPLIT_CONFIGS[line] in TEXT_CONFIGS:
                assert not texts[one] & texts[other]
            else:
                assert not people[one] & people[other]


@settings(max_examples=80, deadline=None)
@given(worlds())
def test_families_move_together_and_truncated_text_stays_out(studies: list[Units]) -> None:
    rows = as_rows(assign(studies, {}))
    truncated = {study.study_id for study in studies if study.truncated}
    keys = family_keys(studies)
    side = {row.study: row.split for row in rows if row.config == "unseen_studies"}
    for one, other in itertools.combinations(set(side) - truncated, 2):
        if keys[one] == keys[other]:
            assert side[one] == side[other]
    assert {row.split for row in rows if row.study in truncated and row.config in TEXT_CONFIGS} <= {"none"}


@settings(max_examples=80, deadline=None)
@given(worlds())
def test_each_side_has_a_unit(studies: list[Units]) -> None:
    rows = as_rows(assign(studies, {}))
    keys = family_keys(studies)
    families = {keys[study.study_id] for study in studies if not study.truncated}
    whole = [row.split for row in rows if row.config == "unseen_studies"]
    assert not families or "train" in whole
    assert ("test" in whole) == (len(families) >= 2)
    assert ("validation" in whole) == (len(families) >= 3)
    for config, study in itertools.product(("unseen_conditions", "unseen_outcomes"), studies):
        own = [row for row in rows if row.config == config and row.study == study.study_id]
        splits = {row.split for row in own}
        assert splits <= {"none"} or {"train", "test"} <= splits
        if not study.truncated and len({row.group for row in own}) >= 2 and any(row.source == "rule" for row in own):
            assert {"train", "test"} <= splits
    for study in studies:
        own = [row for row in rows if row.config == "unseen_participants" and row.study == study.study_id]
        splits = {row.split for row in own}
        assert splits == {"none"} or {"train", "test"} <= splits


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 400))
def test_training_fractions_nest(people: int) -> None:
    rows = [row for row in as_rows(assign([plain("alone", 1, people=people)])) if row.config == "unseen_participants"]
    train = [row for row in rows if row.split == "train"]
    held = {split: sum(row.split == split for row in rows) for split in ("test", "validation")}
    assert held["test"] == (people + 1) // 2
    assert len(train) + held["validation"] == people // 2
    smaller: set[int | None] = set()
    for fraction in FRACTIONS:
        members = {row.unit for row in train if row.train_fraction is not None and row.train_fraction <= fraction}
        assert members >= smaller
        assert len(members) == -(-fraction * len(train) // 100)
        smaller = members
    assert smaller == {row.unit for row in train}
    assert all(row.train_fraction is None for row in rows if row.split != "train")


@settings(max_examples=80, deadline=None)
@given(worlds(max_studies=6), st.data())
def test_a_new_study_moves_no_other(studies: list[Units], data: st.DataObject) -> None:
    left = [name for name in IDS if name not in {study.study_id for study in studies}]
    new = replace(data.draw(a_study(data.draw(st.sampled_from(left)))), truncated=False)
    known = {study.study_id for study in studies}
    # The two documented exceptions: a study that declares two families to be one, and a study that others waited for by name.
    if (new.same_as and new.family in {study.family for study in studies}) or any(new.study_id in study.same_as for study in studies):
        new = replace(new, same_as=(), study_id=new.study_id, family=new.study_id)
        studies = [replace(study, same_as=tuple(name for name in study.same_as if name != new.study_id)) for study in studies]
    before = as_rows(assign(studies, {}))
    after = [row for row in as_rows(assign([*studies, new], {})) if row.study in known]
    inside = ("unseen_conditions", "unseen_outcomes")
    assert [row for row in before if row.config in inside] == [row for row in after if row.config in inside]
    by_threshold = {
        study_side(key) for name, key in family_keys(studies).items() if not next(s for s in studies if s.study_id == name).truncated
    }
    if by_threshold == {"train", "validation", "test"}:  # no side was empty, so nothing moved to fill it
        assert before == after


# --- single rules --------------------------------------------------------------------------------------------------------------------


def test_pinned_hashes() -> None:
    """The published assignment never drifts: these numbers may not change."""
    assert position("unseen_studies", "schuldt301") == 0.07656563919105984
    assert position("unseen_conditions", "schuldt301", 3) == 0.23963962675893383
    assert position("unseen_outcomes", "holbrook120", 0) == 0.5953957261561664
    assert position("unseen_participants", "ryanS14", 1207) == 0.2863098278937402
    assert [study_side(name) for name in ("schuldt301", "singer251", "holbrook120", "ryanS14", "kallaBR42", "tannenbaum2017")] == [
        "test", "train", "train", "validation", "test", "validation",
    ]  # fmt: skip


def test_pinned_assignment() -> None:
    """Nor do the rules that turn hashes into sides."""
    rows = as_rows(assign([plain("schuldt301", 8, 3), plain("singer251", 4, 3), plain("holbrook120", 4, 1)]))
    found: dict[tuple[str, str], str] = defaultdict(str)
    for row in rows:
        found[row.config, row.study] += {"train": "t", "validation": "v", "test": "T", "none": "-"}[row.split]
    assert found == {
        ("unseen_studies", "holbrook120"): "v",  # the nearest of two training studies
        ("unseen_studies", "schuldt301"): "T",
        ("unseen_studies", "singer251"): "t",
        ("unseen_conditions", "holbrook120"): "ttvT",
        ("unseen_conditions", "schuldt301"): "ttTtttvT",
        ("unseen_conditions", "singer251"): "tvtT",
        ("unseen_outcomes", "holbrook120"): "-",
        ("unseen_outcomes", "schuldt301"): "ttT",
        ("unseen_outcomes", "singer251"): "Ttt",
        ("unseen_participants", "holbrook120"): "ttTTTttTTvTttTtT",
        ("unseen_participants", "schuldt301"): "-" * 32,
        ("unseen_participants", "singer251"): "TTttvtTTtTtTTttT",
    }


def test_the_official_list() -> None:
    official = official_studies()
    assert len(official) == 210
    assert sum(side == "seen" for side in official.values()) == 170
    assert (official["bwgjp"], official["a7uk3"], official["nprqu"], official["y9nb7"]) == ("seen", "unseen", "seen", "unseen")


def test_official_sides_hold_and_followers_go_with_the_seen_part() -> None:
    studies = [plain(name, 2) for name in ("bwgjp", "a7uk3", "nprqu", "y9nb7", "8ctbk")]
    studies.append(plain("mine", 2, same_as=("a7uk3",)))  # kin of a sister pair that the official list tears
    studies.append(plain("other", 2, same_as=("8ctbk",)))
    table = [row for row in as_rows(assign(studies)) if row.config == "unseen_studies"]
    split, group = {row.study: row.split for row in table}, {row.study: row.group for row in table}
    assert {name: split[name] for name in ("a7uk3", "y9nb7", "8ctbk", "other")} == dict.fromkeys(
        ("a7uk3", "y9nb7", "8ctbk", "other"), "test"
    )
    assert split["mine"] == split["bwgjp"] != "test"
    assert split["nprqu"] != "test"
    assert group["bwgjp"] == group["a7uk3"] == group["mine"] == "bwgjp"
    assert {row.study: row.source for row in table} == {
        **dict.fromkeys(("bwgjp", "a7uk3", "nprqu", "y9nb7", "8ctbk"), "official"),
        "mine": "rule",
        "other": "rule",
    }


def test_conditions_with_the_same_text_move_together() -> None:
    study = plain("twins", 6)
    same = replace(study, text=np.where(study.condition == 4, study.text[study.condition == 1][0], study.text))
    same = replace(same, text=(np.where(same.condition == 4, 1, same.condition) * 10 + same.task).astype(np.int64))
    table = {row.unit: row for row in as_rows(assign([same])) if row.config == "unseen_conditions"}
    assert table[1].group == table[4].group == "1"
    assert table[1].split == table[4].split
    assert len({row.group for row in table.values()}) == 5


def test_a_condition_without_text_of_its_own_is_never_held_out() -> None:
    study = plain("plain", 3, tasks=2)
    # Condition 0 asks question 0 only, in the words that condition 1 uses too.
    keep = ~((study.condition == 0) & (study.task == 1))
    text = np.where(study.task == 0, np.where(study.condition == 2, 2, 0), 10 + study.condition)
    arrays = {name: getattr(study, name)[keep] for name in ("condition", "task", "participant")}
    table = {row.unit: row for row in as_rows(assign([replace(study, text=text[keep], **arrays)])) if row.config == "unseen_conditions"}
    assert (table[0].split, table[0].source) == ("train", "text")
    assert "test" in (table[1].split, table[2].split)


def test_one_condition_or_one_outcome_stands_outside() -> None:
    rows = as_rows(assign([plain("one", 1, tasks=1), plain("same", 3, tasks=2, text=np.zeros(24, np.int64))]))
    assert {row.split for row in rows if row.config in ("unseen_conditions", "unseen_outcomes")} == {"none"}


def test_text_shared_across_studies_leaves_the_held_out_side() -> None:
    """Two studies ask the same question without context: where one holds it out and the other trains on it, the held-out rows go."""
    first, second = plain("first", 4), plain("second", 4)
    table = assign([first, second])
    split = {(row.study, row.unit): row.split for row in as_rows(table) if row.config == "unseen_conditions"}
    held = next(unit for unit in range(4) if split["first", unit] == "test")
    trained = next(unit for unit in range(4) if split["second", unit] == "train")
    shared = replace(
        second,
        text=np.where(
            (second.condition == trained) & (second.task == 0), first.text[(first.condition == held) & (first.task == 0)][0], second.text
        ),
    )
    assert assign([first, shared]).equals(table)
    sides = partition([first, shared], table)
    line = SPLIT_CONFIGS.index("unseen_conditions")
    cell = first.condition == held
    assert {SIDES[code] for code in sides["first"][line][cell & (first.task == 0)]} == {"none"}
    assert {SIDES[code] for code in sides["first"][line][cell & (first.task == 1)]} == {"test"}
    assert {SIDES[code] for code in sides["second"][line][(second.condition == trained)]} == {"train"}
    counts = overlaps([first, shared], table, sides)["unseen_conditions"]["test"]
    assert (counts["texts"], counts["texts_in_train"], counts["share"], counts["rows_left_out"]) == (4, 1, 0.25, 4)
    assert (counts["rows"], counts["people"], counts["people_in_train"]) == (12, 8, 0)


def test_overlaps_count_people_on_both_sides() -> None:
    studies = [plain("first", 1, tasks=4, people=10)]
    table = assign(studies)
    found = overlaps(studies, table, partition(studies, table))
    assert found["unseen_outcomes"]["test"]["people_in_train"] == 10
    assert found["unseen_participants"]["test"] == {
        "rows": 20, "rows_left_out": 0, "rows_in_train": 20, "texts": 4, "texts_in_train": 4, "share": 1.0,
        "people": 5, "people_in_train": 0,
    }  # fmt: skip
    assert found["unseen_conditions"]["test"]["rows"] == 0


def test_check_disjoint_finds_a_leak_by_identity_and_by_text() -> None:
    studies = [plain("first", 4), plain("second", 4)]
    sides = partition(studies, assign(studies))
    line = SPLIT_CONFIGS.index("unseen_conditions")
    bad = {name: codes.copy() for name, codes in sides.items()}
    trained = np.flatnonzero(bad["second"][line] == SIDES.index("train"))
    bad["second"][line, trained[0]] = SIDES.index("test")
    with pytest.raises(DatasetError, match=r"units \(by identity\).*\n.*disjoint|config unseen_conditions, first in study second"):
        check_disjoint(studies, bad)
    leaky = [studies[0], replace(studies[1], text=np.full_like(studies[1].text, studies[0].text[0]))]
    with pytest.raises(DatasetError, match=r"stimuli \(by text\) stand on more than one of train, validation and test"):
        check_disjoint(leaky, sides)


def test_people_of_unseen_studies_are_in_no_split_of_people() -> None:
    rows = as_rows(assign([plain(f"many{i}", 2) for i in range(12)]))
    side = {row.study: row.split for row in rows if row.config == "unseen_studies"}
    assert set(side.values()) == {"train", "validation", "test"}
    for name, split in side.items():
        people = {row.split for row in rows if row.config == "unseen_participants" and row.study == name}
        assert people == ({"none"} if split == "test" else {"train", "validation", "test"})


def test_bad_input_is_named() -> None:
    study = plain("first", 2)
    with pytest.raises(DatasetError, match="first: arrays of different lengths"):
        replace(study, text=study.text[:-1])
    with pytest.raises(DatasetError, match="first: participant -1"):
        replace(study, participant=study.participant - 1)
    with pytest.raises(DatasetError, match="studies first appear twice"):
        assign([study, study])
    with pytest.raises(DatasetError, match="official sides maybe"):
        assign([study], {"first": "maybe"})
    with pytest.raises(DatasetError, match="first, config unseen_conditions: unit 2 has no assignment"):
        partition([plain("first", 3)], assign([study]))
    with pytest.raises(DatasetError, match="other, config unseen_studies: no assignment"):
        partition([plain("other", 2)], assign([study]))
    table = assign([study])
    table = table.set_column(3, "split", pa.array(["tset"] * len(table)))
    with pytest.raises(DatasetError, match="split tset in the assignments"):
        partition([study], table)
    with pytest.raises(DatasetError, match="1 rows without a stimulus"):
        text_keys(pa.array(["a", None]))


def test_no_studies_and_no_rows() -> None:
    assert assign([]).num_rows == 0
    assert partition([], assign([])) == {}
    empty = plain("first", 2, **{name: np.empty(0, np.int64) for name in ("condition", "task", "participant", "text")})
    table = assign([empty])
    assert partition([empty], table)["first"].shape == (4, 0)
    check_disjoint([empty], partition([empty], table))


def test_text_keys_agree_across_encodings() -> None:
    words = ["b", "a", "b", "ü"]
    keys = text_keys(pa.array(words))
    assert keys[0] == keys[2]
    assert len(set(keys.tolist())) == 3
    assert np.array_equal(keys, text_keys(pa.array(words).dictionary_encode()))
    assert np.array_equal(keys, text_keys(pa.chunked_array([pa.array(words[:1]), pa.array(words[1:])])))


def test_a_million_rows_take_seconds() -> None:
    studies = [plain(f"large{i}", 6, tasks=50, people=2000) for i in range(10)]
    start = time.perf_counter()
    table = assign(studies)
    sides = partition(studies, table)
    check_disjoint(studies, sides)
    overlaps(studies, table, sides)
    assert sum(study.n_rows for study in studies) == 1_000_000
    assert time.perf_counter() - start < 5
