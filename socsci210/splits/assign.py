"""The published assignment of every study, condition, outcome and person in each of the four configs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from ..errors import DatasetError
from ..schema import ASSIGNMENTS
from .families import family_keys, official_studies
from .hashing import position, ranked
from .sides import MIXED, NONE, SIDES, TEST, TRAIN, VALIDATION, Sides
from .units import IntArray, Units

TEST_BELOW: Final = 0.2  # unseen_studies: position of a family
VALIDATION_BELOW: Final = 0.3
FRACTIONS: Final = (1, 5, 10, 25, 50, 100)  # per cent of the training people of a study


class Assigned(NamedTuple):
    """One row of the table, less config and study."""

    unit: int | None
    split: str
    group: str | None
    train_fraction: int | None
    source: str


def study_side(family: str) -> str:
    """The side of a family without an official one: test below 0.2 of its position, validation below 0.3, else train."""
    at = position("unseen_studies", family)
    return "test" if at < TEST_BELOW else "validation" if at < VALIDATION_BELOW else "train"


def assign(studies: Sequence[Units], official: Mapping[str, str] | None = None) -> pa.Table:
    """Assign every unit to train, validation, test, none (it stands outside the config) or mixed (its rows are published on both sides).

    Args:
        studies: every study of the dataset, in any order.
        official: study id -> seen | unseen; default the list of the release (`official_studies`).

    Returns:
        schema.ASSIGNMENTS, one row per unit and config, ordered by config, study and unit. `group`: key of the family
        (unseen_studies), lowest unit of the text group (unseen_conditions, unseen_outcomes). `source`: official (published sides;
        validation is carved from the published training side), rule, or text (the group has no text of its own, so it cannot be held
        out).

    Raises:
        DatasetError: a study appears twice, an official side is neither seen nor unseen, or a study of the release is in neither list.
    """
    ids = [study.study_id for study in studies]
    if twice := sorted(name for name, n in Counter(ids).items() if n > 1):
        raise DatasetError(f"studies {', '.join(twice)} appear twice", expected="each study once")
    official = official_studies() if official is None else official
    if wrong := sorted(set(official.values()) - {"seen", "unseen"}):
        raise DatasetError(f"official sides {', '.join(wrong)}", expected="seen or unseen")
    if missing := sorted(study.study_id for study in studies if study.released and study.study_id not in official):
        raise DatasetError(f"studies {', '.join(missing)} of the release are in neither list", expected="each one seen or unseen")
    ordered = sorted(studies, key=lambda study: study.study_id)
    keys = family_keys(ordered)
    sides = _sides_of_studies(ordered, keys, official)
    columns = _Columns()
    for study in ordered:
        split, source = sides[study.study_id]
        columns.add(
            "unseen_studies",
            study.study_id,
            [Assigned(None, "none" if study.truncated else split, keys[study.study_id], None, source)],
        )
    for study in ordered:
        columns.add("unseen_conditions", study.study_id, _units("unseen_conditions", study, study.condition))
    for study in ordered:
        columns.add("unseen_outcomes", study.study_id, _units("unseen_outcomes", study, study.task))
    for study in ordered:
        columns.add_people(study.study_id, *_people(study, seen=sides[study.study_id][0] != "test"))
    return columns.table()


# --- whole studies -------------------------------------------------------------------------------------------------------------------


@dataclass
class _Block:
    """Studies of one family that move together: the whole family, or its part on one side of the official list."""

    key: str
    at: float
    studies: list[str]
    side: str
    official: str | None  # seen | unseen | None


def _sides_of_studies(studies: Sequence[Units], keys: Mapping[str, str], official: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Study -> (side, source). Truncated studies have the side of their family, but cannot fill a side that is empty."""
    blocks = _blocks(keys, official)
    full = {study.study_id for study in studies if not study.truncated}
    _fill_empty_sides([block for block in blocks if full & set(block.studies)])
    return {
        study: (block.side, "official" if block.official and study in official else "rule") for block in blocks for study in block.studies
    }


def _blocks(keys: Mapping[str, str], official: Mapping[str, str]) -> list[_Block]:
    """Families, torn only where the official list tears them; members without an official side then follow the seen ones."""
    members: dict[str, dict[str | None, list[str]]] = {}
    for study, key in sorted(keys.items()):
        members.setdefault(key, {}).setdefault(official.get(study), []).append(study)
    blocks = []
    for key, parts in members.items():
        at, by_rule = position("unseen_studies", key), study_side(key)
        followers = parts.pop(None, [])
        if not parts:
            blocks.append(_Block(key, at, followers, by_rule, None))
        for side in ("seen", "unseen"):
            if side not in parts:
                continue
            follow = followers if side == "seen" or "seen" not in parts else []
            # The official list knows two sides; validation is carved from the seen one by the same threshold.
            within = "test" if side == "unseen" else "validation" if by_rule == "validation" else "train"
            blocks.append(_Block(key, at, [*parts[side], *follow], within, side))
    return blocks


def _fill_empty_sides(blocks: Sequence[_Block]) -> None:
    """Move the block whose position is nearest to an empty side, if the others can spare it.

    Two blocks make a test and a training side, three a validation side as well; a single one is for training. Official seen studies
    never move to test, official unseen ones never leave it.
    """

    def on(side: str) -> list[_Block]:
        return [block for block in blocks if block.side == side]

    def spare(side: str) -> list[_Block]:
        there = on(side)
        return [block for block in there if block.official != "unseen"] if len(there) > 1 else []

    def move(candidates: Iterable[_Block], to: str) -> None:
        low, high = {"test": (0.0, TEST_BELOW), "validation": (TEST_BELOW, VALIDATION_BELOW), "train": (VALIDATION_BELOW, 1.0)}[to]
        nearest = min(candidates, key=lambda block: (max(low - block.at, block.at - high), block.key), default=None)
        if nearest is not None:
            nearest.side = to

    free = [block for block in blocks if block.official is None]
    if not on("test") and len(blocks) > 1:
        move(free, "test")
    if not on("train"):
        move(on("validation") or spare("test") or (free if len(blocks) == 1 else []), "train")
    if not on("validation"):
        move(spare("train") or spare("test"), "validation")


# --- inside a study ------------------------------------------------------------------------------------------------------------------


def _units(config: str, study: Units, unit_of_row: IntArray) -> list[Assigned]:
    """Sides of the conditions (or outcomes) of one study: as published for a study of the release, else by rule."""
    if study.official is None:
        return _inside(config, study, unit_of_row)
    sides = study.official.get(config)
    if sides is None:
        return [Assigned(int(unit), "none", None, None, "official") for unit in pd.unique(np.sort(unit_of_row))]
    return _published(config, study, unit_of_row, sides)


def _published(config: str, study: Units, unit_of_row: IntArray, sides: Sides) -> list[Assigned]:
    """Units on the sides where their rows are published. Validation is an eighth of the text groups without a row in the test."""
    units, code = np.unique(unit_of_row, return_inverse=True)
    has = {side: np.bincount(code[sides == side], minlength=len(units)) > 0 for side in (TRAIN, TEST)}
    used = sides != NONE
    group_of, own_text = _text_groups(unit_of_row[used], study.text[used])
    tested = {group_of[int(unit)] for unit in units[has[TEST]]}
    trained = set(group_of.values()) - tested
    n_validation = _eighth(len(trained))
    validation = {int(group) for group in ranked(config, study.study_id, trained & own_text)[:n_validation]}
    found = []
    for unit, in_train, in_test in zip(units.tolist(), has[TRAIN], has[TEST], strict=True):
        group = group_of.get(unit)
        split = MIXED if in_train and in_test else "test" if in_test else "none" if group is None else "train"
        split = "validation" if group in validation else split
        found.append(Assigned(unit, split, None if group is None else str(group), None, "official"))
    return found


def _inside(config: str, study: Units, unit_of_row: IntArray) -> list[Assigned]:
    """Sides of the conditions (or outcomes) of one study: ranked by hash over groups of units with identical text."""
    group_of, own_text = _text_groups(unit_of_row, study.text)
    groups = sorted(set(group_of.values()))
    # A group all of whose text stands in others too would lose every row to the text rule if it were held out, so it never is.
    ranks = ranked(config, study.study_id, own_text).tolist()
    n_test, n_validation = _held_out(len(groups), len(ranks))
    split = dict.fromkeys(groups, "none" if study.truncated or not n_test else "train")
    if not study.truncated:
        split.update(dict.fromkeys(ranks[:n_test], "test"))
        split.update(dict.fromkeys(ranks[n_test : n_test + n_validation], "validation"))
    return [
        Assigned(unit, split[group], str(group), None, "rule" if group in own_text else "text") for unit, group in sorted(group_of.items())
    ]


def _held_out(groups: int, holdable: int) -> tuple[int, int]:
    """How many groups are for testing (a quarter, rounded half up) and validation (an eighth of the rest): at least one each where
    one can be held out and, for validation, three are left."""
    if groups < 2 or not holdable:
        return 0, 0
    test = min(max(1, (groups + 2) // 4), holdable)
    return test, min(_eighth(groups - test), holdable - test)


def _eighth(groups: int) -> int:
    """How many of the groups that are not for testing are for validation: an eighth, rounded half up, at least one where three are."""
    return max(1, (groups + 4) // 8) if groups >= 3 else 0


def _text_groups(unit_of_row: IntArray, text: IntArray) -> tuple[dict[int, int], set[int]]:
    """(unit -> lowest unit with exactly the same set of texts, groups with some text that no other group has)."""
    units, codes = np.unique(unit_of_row, return_inverse=True)
    texts, distinct = pd.factorize(text)
    n_texts = len(distinct)
    pairs = np.sort(pd.unique(codes.astype(np.int64) * n_texts + texts))
    starts = np.searchsorted(pairs // max(n_texts, 1), np.arange(len(units) + 1))
    sets = [pairs[starts[i] : starts[i + 1]] % n_texts for i in range(len(units))]
    first: dict[bytes, int] = {}
    group_of = {int(unit): first.setdefault(own.tobytes(), int(unit)) for unit, own in zip(units, sets, strict=True)}
    of_group = {int(unit): own for unit, own in zip(units, sets, strict=True) if group_of[int(unit)] == unit}
    n_groups = np.bincount(np.concatenate([*of_group.values(), np.empty(0, np.int64)]), minlength=n_texts)
    return group_of, {group for group, own in of_group.items() if (n_groups[own] == 1).any()}


# --- people --------------------------------------------------------------------------------------------------------------------------


def _people(study: Units, *, seen: bool) -> tuple[IntArray, Sides, IntArray]:
    """People of one study, their sides, and the training fraction that holds each (0 outside training).

    Half are for testing, a tenth of the rest for validation; the fractions of what is left nest.
    """
    order = ranked("unseen_participants", study.study_id, study.participants.tolist())
    side, fraction = np.full(len(order), NONE, np.uint8), np.zeros(len(order), np.int64)
    if seen and len(order) >= 2:
        test = (len(order) + 1) // 2
        rest = len(order) - test
        validation = max(1, (rest + 5) // 10) if rest >= 3 else 0
        side[:test], side[test : test + validation], side[test + validation :] = TEST, VALIDATION, TRAIN
        fraction[test + validation :] = _fractions(rest - validation)
    ascending = np.argsort(order, kind="stable")
    return order[ascending], side[ascending], fraction[ascending]


def _fractions(n: int) -> IntArray:
    """For the people of rank 0 to n - 1, the smallest training fraction that holds each: f per cent of n, rounded up, so at least one."""
    held = [-(-fraction * n // 100) for fraction in FRACTIONS]
    return np.array(FRACTIONS)[np.searchsorted(held, np.arange(n), side="right")]


class _Columns:
    """The table as it grows."""

    def __init__(self) -> None:
        self._parts: list[pa.Table] = []

    def add(self, config: str, study: str, rows: Sequence[Assigned]) -> None:
        values = dict(zip(Assigned._fields, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(Assigned._fields, ())
        self._append(config, study, len(rows), values)

    def add_people(self, study: str, people: IntArray, sides: Sides, fractions: IntArray) -> None:
        splits = pa.array(SIDES).take(pa.array(sides))
        train = pa.array(fractions, mask=fractions == 0)
        nothing = pa.nulls(len(people), pa.string())
        rule = pa.repeat(pa.scalar("rule"), len(people))
        values = dict(zip(Assigned._fields, (people, splits, nothing, train, rule), strict=True))
        self._append("unseen_participants", study, len(people), values)

    def _append(self, config: str, study: str, n: int, values: Mapping[str, Any]) -> None:
        given = {"config": pa.repeat(pa.scalar(config), n), "study_id": pa.repeat(pa.scalar(study), n), **values}
        self._parts.append(pa.table({field.name: pa.array(given[field.name], field.type) for field in ASSIGNMENTS}, schema=ASSIGNMENTS))

    def table(self) -> pa.Table:
        return pa.concat_tables([ASSIGNMENTS.empty_table(), *self._parts]).combine_chunks()
