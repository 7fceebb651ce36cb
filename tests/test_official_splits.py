"""Published sides of the release: taken as they are, validation carved from training, and the strict view."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from socsci210.errors import DatasetError
from socsci210.schema import SPLIT_CONFIGS
from socsci210.splits import (
    MIXED,
    NONE,
    SIDES,
    TEST,
    TRAIN,
    VALIDATION,
    Units,
    assign,
    check_disjoint,
    overlaps,
    partition,
    strict_counts,
    strict_studies,
)

from .slow_splits import Row
from .test_splits import as_rows, plain

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
