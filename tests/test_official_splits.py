"""Published sides of the release: taken as they are, validation carved from training, and the strict view."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socsci210.dataset_folder import DatasetFolder
from socsci210.errors import DatasetError
from socsci210.schema import SPLIT_CONFIGS
from socsci210.splits import (
    MIXED,
    NONE,
    SIDES,
    TEST,
    TEXT_CONFIGS,
    TRAIN,
    VALIDATION,
    Units,
    assign,
    check_disjoint,
    overlaps,
    partition,
    strict_counts,
    strict_studies,
    text_keys,
)
from socsci210.train.rows import training_rows

from .slow_splits import Row, half_up, where
from .small_dataset import write_dataset
from .test_splits import IDS, a_study, as_rows, plain, worlds

CONDITIONS, OUTCOMES = (SPLIT_CONFIGS.index(config) for config in ("unseen_conditions", "unseen_outcomes"))
SEEN, UNSEEN = "bwgjp", "8ctbk"


def released(units: Units, test_conditions: list[int] | None = None, test_tasks: list[int] | None = None) -> Units:
    """The study with published sides by condition and by outcome; None: no entry in that file."""
    official = {}
    if test_conditions is not None:
        official["unseen_conditions"] = np.where(np.isin(units.condition, test_conditions), TEST, TRAIN).astype(np.uint8)
    if test_tasks is not None:
        official["unseen_outcomes"] = np.where(np.isin(units.task, test_tasks), TEST, TRAIN).astype(np.uint8)
    return replace(units, official=official)


def splits_of(rows: list[Row], config: str, study: str) -> dict[int | None, str]:
    return {row.unit: row.split for row in rows if row.config == config and row.study == study}


def test_published_conditions_are_the_test_and_an_eighth_of_the_rest_is_validation() -> None:
    study = released(plain(SEEN, 10), test_conditions=[1, 7])
    table = assign([study])
    rows = as_rows(table)
    split = splits_of(rows, "unseen_conditions", SEEN)
    assert {unit for unit, side in split.items() if side == "test"} == {1, 7}
    assert sorted(split.values()) == ["test"] * 2 + ["train"] * 7 + ["validation"]
    assert {row.source for row in rows if row.config == "unseen_conditions"} == {"official"}
    line = partition([study], table)[SEEN][CONDITIONS]
    assert np.array_equal(line == TEST, np.isin(study.condition, [1, 7]))
    held = next(unit for unit, side in split.items() if side == "validation")
    assert np.array_equal(line == VALIDATION, study.condition == held)
    check_disjoint([study], {SEEN: partition([study], table)[SEEN]})


def test_a_study_without_an_entry_stands_outside_the_config() -> None:
    study = released(plain(SEEN, 6, 4), test_conditions=[0])
    table = assign([study])
    assert set(splits_of(as_rows(table), "unseen_outcomes", SEEN).values()) == {"none"}
    assert {row.source for row in as_rows(table) if row.config == "unseen_outcomes"} == {"official"}
    assert (partition([study], table)[SEEN][OUTCOMES] == NONE).all()
    assert set(splits_of(as_rows(assign([replace(study, official=None)])), "unseen_outcomes", SEEN).values()) > {"test"}


# --- on random worlds ----------------------------------------------------------------------------------------------------------------

PUBLISHED = {"unseen_conditions": "condition", "unseen_outcomes": "task"}


class World(NamedTuple):
    """Studies, some of them of the release, and the official list."""

    studies: list[Units]
    official: dict[str, str]


@st.composite
def official_sides(draw: st.DrawFn, study: Units) -> dict[str, npt.NDArray[np.uint8]]:
    """Published sides: by unit, or row by row so that units are mixed, with some rows in neither list; or no entry."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    found = {}
    for config, name in PUBLISHED.items():
        how = draw(st.sampled_from(["unit", "unit", "row", "absent"]))
        units = getattr(study, name)
        sides = rng.choice([TRAIN, TRAIN, TRAIN, TEST], 10)[units] if how == "unit" else rng.choice([TRAIN, TEST], study.n_rows)
        if draw(st.booleans()):
            sides = np.where(rng.random(study.n_rows) < 0.2, NONE, sides)
        if how != "absent":
            found[config] = sides.astype(np.uint8)
    return found


@st.composite
def releases(draw: st.DrawFn, max_studies: int = 6) -> World:
    studies = draw(worlds(max_studies))
    chosen = [study for study in studies if not study.truncated and draw(st.booleans())]
    official = {study.study_id: draw(st.sampled_from(["seen", "unseen"])) for study in chosen}
    own = {study.study_id for study in chosen}
    return World([replace(study, official=draw(official_sides(study))) if study.study_id in own else study for study in studies], official)


@settings(max_examples=150, deadline=None)
@given(releases())
def test_the_test_is_what_was_published_and_training_what_is_left_of_it(world: World) -> None:
    table = assign(*world)
    rows, sides = as_rows(table), partition(world.studies, table)
    for study in world.studies:
        if study.official is None:
            continue
        if world.official[study.study_id] == "unseen":  # never thinned by text
            assert set(sides[study.study_id][0]) <= {TEST}
        for config, name in PUBLISHED.items():
            line = sides[study.study_id][SPLIT_CONFIGS.index(config)]
            published = study.official.get(config, np.full(study.n_rows, NONE))
            held = [unit for unit, split in splits_of(rows, config, study.study_id).items() if split == "validation"]
            of_validation = np.isin(getattr(study, name), held) & (published == TRAIN)
            assert np.array_equal(line == TEST, published == TEST)
            assert np.array_equal(line == TRAIN, (published == TRAIN) & ~of_validation)
            assert set(line[of_validation]) <= {VALIDATION, NONE}
            assert set(line[published == NONE]) <= {NONE}


def slow_published(config: str, study: Units) -> dict[int, tuple[str, str | None]]:
    """The rule on published sides written a second time: unit -> split and group."""
    assert study.official is not None
    units = sorted({int(unit) for unit in getattr(study, PUBLISHED[config])})
    if config not in study.official:
        return dict.fromkeys(units, ("none", None))
    texts, on = defaultdict(set), defaultdict(set)
    for unit, text, side in zip(getattr(study, PUBLISHED[config]), study.text, study.official[config], strict=True):
        if side != NONE:
            texts[int(unit)].add(int(text))
            on[int(unit)].add(int(side))
    group = {unit: min(other for other in texts if texts[other] == texts[unit]) for unit in texts}
    without_test = {g for g in group.values() if not any(TEST in on[unit] for unit in group if group[unit] == g)}
    own_text = {g for g in without_test if texts[g] - set().union(*(texts[other] for other in group.values() if other != g))}
    n = max(1, half_up(len(without_test) / 8)) if len(without_test) >= 3 else 0
    validation = sorted(own_text, key=lambda g: where(config, study.study_id, g))[:n]
    names = {frozenset({TRAIN}): "train", frozenset({TEST}): "test", frozenset({TRAIN, TEST}): MIXED}
    found: dict[int, tuple[str, str | None]] = {}
    for unit in units:
        if unit not in group:
            found[unit] = ("none", None)
        else:
            found[unit] = ("validation" if group[unit] in validation else names[frozenset(on[unit])], str(group[unit]))
    return found


@settings(max_examples=150, deadline=None)
@given(releases())
def test_equals_the_slow_rule(world: World) -> None:
    rows = as_rows(assign(*world))
    for study in world.studies:
        for config in PUBLISHED:
            own = [row for row in rows if row.config == config and row.study == study.study_id]
            if study.official is not None:
                assert {row.unit: (row.split, row.group) for row in own} == slow_published(config, study)
                assert {row.source for row in own} <= {"official"}
            else:
                assert MIXED not in {row.split for row in own}


@settings(max_examples=150, deadline=None)
@given(releases())
def test_what_is_decided_here_is_disjoint_by_unit_and_by_text(world: World) -> None:
    table = assign(*world)
    sides = partition(world.studies, table)
    check_disjoint(world.studies, sides)
    for line, config in enumerate(SPLIT_CONFIGS):
        units, texts = defaultdict(set), defaultdict(set)
        for study in world.studies:
            own = {"unseen_conditions": study.condition, "unseen_outcomes": study.task, "unseen_participants": study.participant}
            of_row = own.get(config, np.zeros(study.n_rows, int))
            for unit, text, side in zip(of_row, study.text, sides[study.study_id][line], strict=True):
                name = "ruled test" if side == TEST and study.official is None else SIDES[side]
                units[name].add((study.study_id, int(unit)))
                texts[name].add(int(text))
        for found in (units, texts) if config in TEXT_CONFIGS else (units,):
            held = found["test"] | found["ruled test"]
            assert not found["validation"] & (found["train"] | held)
            assert not found["ruled test"] & found["train"]


@settings(max_examples=60, deadline=None)
@given(releases(), st.integers(0, 2**32 - 1))
def test_order_does_not_matter(world: World, seed: int) -> None:
    table = assign(*world)
    sides, rng = partition(world.studies, table), np.random.default_rng(seed)
    orders, shuffled = {}, []
    for study in world.studies[::-1]:
        order = orders[study.study_id] = rng.permutation(study.n_rows)
        arrays = {name: getattr(study, name)[order] for name in ("condition", "task", "participant", "text")}
        official = None if study.official is None else {config: side[order] for config, side in study.official.items()}
        shuffled.append(replace(study, official=official, **arrays))
    again = assign(shuffled, world.official)
    assert again.equals(table)
    other = partition(shuffled, again)
    assert all(np.array_equal(other[name], sides[name][:, order]) for name, order in orders.items())
    assert overlaps(shuffled, again, other) == overlaps(world.studies, table, sides)


@settings(max_examples=60, deadline=None)
@given(releases(max_studies=5), st.data())
def test_adding_a_study_moves_nobody(world: World, data: st.DataObject) -> None:
    left = [name for name in IDS if name not in {study.study_id for study in world.studies}]
    new = data.draw(a_study(data.draw(st.sampled_from(left))))
    if data.draw(st.booleans()) and not new.truncated:
        new = replace(new, official=data.draw(official_sides(new)))
    official = {**world.official, new.study_id: "seen"}
    before, after = (as_rows(assign(studies, official)) for studies in (world.studies, [*world.studies, new]))
    assert [row for row in before if row.config in PUBLISHED] == [
        row for row in after if row.config in PUBLISHED and row.study != new.study_id
    ]
    first, then = (partition(studies, assign(studies, official)) for studies in (world.studies, [*world.studies, new]))
    for study in world.studies:
        for config in PUBLISHED:
            line = SPLIT_CONFIGS.index(config)
            was, now = first[study.study_id][line], then[study.study_id][line]
            moved = was != now  # at most out of the config, where the new study's text stands on the other side
            assert set(now[moved]) <= {NONE}
            assert study.official is None or set(was[moved]) <= {VALIDATION}


@settings(max_examples=100, deadline=None)
@given(releases())
def test_strict_leaves_no_held_out_study_nor_kin_in_training(world: World) -> None:
    table = assign(*world)
    rows = [row for row in as_rows(table) if row.config == "unseen_studies"]
    out = strict_studies(table)
    held = {row.group for row in rows if row.split == "test"}
    assert out == {row.study for row in rows if row.group in held}
    assert {row.study for row in rows if row.split == "test"} <= out
    assert {study for study, side in world.official.items() if side == "unseen"} <= out
    sides = partition(world.studies, table)
    counts = strict_counts(world.studies, out, sides)
    for line, config in enumerate(SPLIT_CONFIGS):
        for code, split in ((TRAIN, "train"), (VALIDATION, "validation")):
            assert counts[config][split] == sum(int((sides[name][line] == code).sum()) for name in out)


# --- by hand -------------------------------------------------------------------------------------------------------------------------


def test_a_unit_on_both_published_sides_is_mixed_and_is_never_validation() -> None:
    study = plain(SEEN, 4, 1, people=16)
    sides = np.where(study.participant < 8, TRAIN, TEST).astype(np.uint8)  # half of the people of every condition
    sides[study.condition == 3] = TRAIN
    sides[0] = NONE
    study = replace(study, official={"unseen_conditions": sides})
    table = assign([study])
    assert splits_of(as_rows(table), "unseen_conditions", SEEN) == {0: MIXED, 1: MIXED, 2: MIXED, 3: "train"}
    line = partition([study], table)[SEEN][CONDITIONS]
    assert np.array_equal(line, sides)
    check_disjoint([study], partition([study], table))


def test_validation_needs_three_groups_without_test_rows() -> None:
    for conditions, validation in ((3, 0), (4, 1), (13, 2), (20, 2)):  # one of them is the test
        study = released(plain(SEEN, conditions), test_conditions=[0])
        split = splits_of(as_rows(assign([study])), "unseen_conditions", SEEN)
        assert sum(side == "validation" for side in split.values()) == validation


def test_validation_rows_whose_text_stands_elsewhere_are_left_out_and_counted() -> None:
    study = released(plain(SEEN, 5), test_conditions=[0])
    table = assign([study])
    held = next(unit for unit, side in splits_of(as_rows(table), "unseen_conditions", SEEN).items() if side == "validation")
    other = released(plain("9263n", 5), test_conditions=[0])
    shared = np.where((other.condition == 1) & (other.task == 0), study.text[(study.condition == held) & (study.task == 1)][0], other.text)
    studies = [study, replace(other, text=shared)]
    table = assign(studies)
    sides = partition(studies, table)
    line = sides[SEEN][CONDITIONS]
    assert set(line[(study.condition == held) & (study.task == 1)]) == {NONE}
    assert set(line[(study.condition == held) & (study.task == 0)]) == {VALIDATION}
    assert overlaps(studies, table, sides)["unseen_conditions"]["validation"]["rows_left_out"] == 4
    check_disjoint(studies, sides)


def test_a_published_test_keeps_rows_whose_text_is_trained_on_and_counts_them() -> None:
    study = released(plain(UNSEEN, 4, 2, people=16), test_conditions=[0])
    text = np.where((study.condition == 0) & (study.task == 0), study.text[(study.condition == 1) & (study.task == 0)][0], study.text)
    text = np.where(study.condition == 2, text_keys(pa.array([f"own {task}" for task in study.task])), text)
    study = replace(study, text=text)
    twin = replace(plain(SEEN, 4, 2, people=16), official={}, text=study.text)
    studies = [study, twin]
    table = assign(studies)
    sides = partition(studies, table)
    check_disjoint(studies, sides)
    assert set(sides[UNSEEN][0]) == {TEST} and not set(sides[SEEN][0]) & {TEST, NONE}
    found = overlaps(studies, table, sides)
    assert found["unseen_conditions"]["test"] == {
        "rows": 8, "rows_left_out": 0, "rows_in_train": 4, "texts": 2, "texts_in_train": 1, "share": 0.5,
        "people": 4, "people_in_train": 0,
    }  # fmt: skip
    whole = found["unseen_studies"]["test"]
    assert (whole["rows"], whole["rows_left_out"], whole["rows_in_train"]) == (32, 0, 32)


def test_a_test_by_rule_still_leaves_out_text_that_the_release_trains_on() -> None:
    built = plain("mine", 4)
    held = next(u for u, side in splits_of(as_rows(assign([built])), "unseen_conditions", "mine").items() if side == "test")
    study = released(plain(SEEN, 4), test_conditions=[0])
    trained = np.flatnonzero(partition([study], assign([study]))[SEEN][CONDITIONS] == TRAIN)[0]
    built = replace(built, text=np.where((built.condition == held) & (built.task == 0), study.text[trained], built.text))
    studies = [built, study]
    sides = partition(studies, assign(studies))
    check_disjoint(studies, sides)
    assert set(sides["mine"][CONDITIONS][(built.condition == held) & (built.task == 0)]) == {NONE}
    assert set(sides["mine"][CONDITIONS][(built.condition == held) & (built.task == 1)]) == {TEST}


def test_strict_takes_the_known_sisters_along() -> None:
    studies = [replace(plain(name, 4), official={}) for name in ("bwgjp", "a7uk3", "nprqu", "y9nb7", "8ctbk", "9263n")]
    table = assign(studies)
    assert strict_studies(table) == {"bwgjp", "a7uk3", "nprqu", "y9nb7", "8ctbk"}
    unseen = released(plain(UNSEEN, 4), test_conditions=[0], test_tasks=[])
    seen = released(plain("9263n", 4), test_conditions=[0])
    table = assign([unseen, seen])
    counts = strict_counts([unseen, seen], strict_studies(table), partition([unseen, seen], table))
    assert counts["unseen_conditions"] == {"train": 16, "validation": 8}  # of the unseen study only
    assert counts["unseen_outcomes"] == {"train": 32, "validation": 0}  # two outcomes are too few for a validation side
    assert counts["unseen_studies"] == counts["unseen_participants"] == {"train": 0, "validation": 0}


def test_check_disjoint_looks_at_every_side_that_is_not_published() -> None:
    study = released(plain(SEEN, 6), test_conditions=[0])
    sides = partition([study], assign([study]))
    line = sides[SEEN][CONDITIONS]
    held = np.flatnonzero(line == VALIDATION)
    for side in (TRAIN, TEST):
        bad = sides[SEEN].copy()
        bad[CONDITIONS, held[0]] = side
        with pytest.raises(DatasetError, match=r"1 units \(by identity\) stand on more than one.*\n?.*"):
            check_disjoint([study], {SEEN: bad})
        leaky = replace(study, text=np.where(np.arange(study.n_rows) == held[0], study.text[line == side][0], study.text))
        with pytest.raises(DatasetError, match=r"1 stimuli \(by text\) stand on more than one"):
            check_disjoint([leaky], sides)
    whole = sides[SEEN].copy()
    whole[0, 0] = TEST
    with pytest.raises(DatasetError, match=r"config unseen_studies.*1 units \(by identity\)"):
        check_disjoint([study], {SEEN: whole})


def test_bad_official_sides_are_named() -> None:
    study, sides = plain(SEEN, 2), np.zeros(16, np.uint8)
    with pytest.raises(DatasetError, match="bwgjp, official sides of unseen_people: the release publishes no row sides of it"):
        replace(study, official={"unseen_people": sides})
    with pytest.raises(DatasetError, match=r"15 sides for 16 rows"):
        replace(study, official={"unseen_conditions": sides[:-1]})
    with pytest.raises(DatasetError, match=r"codes \[0, 1\]\n.*0 \(train\), 2 \(test\) or 3"):
        replace(study, official={"unseen_conditions": np.where(np.arange(16) == 3, VALIDATION, sides)})
    with pytest.raises(DatasetError, match="studies mine of the release are in neither list"):
        assign([replace(plain("mine", 2), official={})])


def test_a_table_that_does_not_fit_the_published_sides_is_refused() -> None:
    study = released(plain(SEEN, 4), test_conditions=[0])
    table = assign([study])
    with pytest.raises(DatasetError, match=r"bwgjp, config unseen_conditions: unit 1 is assigned to \w+, its rows are not"):
        partition([released(study, test_conditions=[0, 1, 2, 3])], table)
    with pytest.raises(DatasetError, match="unit 4 has no assignment"):
        partition([released(plain(SEEN, 5), test_conditions=[0])], table)
    built, table = plain("mine", 4), assign([plain("mine", 4)])
    for config, found in (
        ("unseen_studies", "it is assigned to mixed"),
        ("unseen_outcomes", "unit 0 is assigned to mixed, its rows are not"),
    ):
        split = [MIXED if row.config == config else row.split for row in as_rows(table)]
        with pytest.raises(DatasetError, match=f"mine, config {config}: {found}"):
            partition([built], table.set_column(3, "split", pa.array(split)))


def test_training_can_be_strict(tmp_path: Path) -> None:
    folder = DatasetFolder(write_dataset(tmp_path))
    away = strict_studies(folder.table("assignments"))
    plain, strict = (set(training_rows(folder, ["unseen_conditions"], strict=on).column("study_id").to_pylist()) for on in (False, True))
    assert away and plain & away
    assert strict == plain - away
