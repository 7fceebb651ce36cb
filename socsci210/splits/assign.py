"""The published assignment of every study, condition, outcome and person in each of the four configs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from ..errors import DatasetError
from ..schema import ASSIGNMENTS
from .families import family_keys, official_studies
from .hashing import position, ranked
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
    """Assign every unit to train, validation, test, or none (the unit stands outside the config).

    Args:
        studies: every study of the dataset, in any order.
        official: study id -> seen | unseen; default the list of the release (`official_studies`).

    Returns:
        schema.ASSIGNMENTS, one row per unit and config, ordered by config, study and unit. `group`: key of the family
        (unseen_studies), lowest unit of the text group (unseen_conditions, unseen_outcomes). `source`: official, rule, or text (the
        group has no text of its own, so it cannot be held out).

    Raises:
        DatasetError: a study appears twice, or an official side is neither seen nor unseen.
    """
    ids = [study.study_id for study in studies]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise DatasetError(f"studies {', '.join(twice)} appear twice", expected="each study once")
    official = official_studies() if official is None else official
    if wrong := sorted(set(official.values()) - {"seen", "unseen"}):
        raise DatasetError(f"official sides {', '.join(wrong)}", expected="seen or unseen")
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
        columns.add("unseen_conditions", study.study_id, _inside("unseen_conditions", study, study.condition))
    for study in ordered:
        columns.add("unseen_outcomes", study.study_id, _inside("unseen_outcomes", study, study.task))
    for study in ordered:
        columns.add("unseen_participants", study.study_id, _people(study, seen=sides[study.study_id][0] != "test"))
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


def _inside(config: str, study: Units, unit_of_row: IntArray) -> list[Assigned]:
    """Sides of the conditions (or outcomes) of one study: ranked by hash over groups of units with identical text."""
    group_of, own_text = _text_groups(unit_of_row, study.text)
    groups = sorted(set(group_of.values()))
    # A group all of whose text stands in others too would lose every row to the text rule if it were held out, so it never is.
    ranks = ranked(config, study.study_id, own_text)
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
    rest = groups - test
    validation = max(1, (rest + 4) // 8) if rest >= 3 else 0
    return test, min(validation, holdable - test)


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


def _people(study: Units, *, seen: bool) -> list[Assigned]:
    """Sides of the people of one study: half for testing, a tenth of the rest for validation, and nesting fractions of what is left."""
    order = ranked("unseen_participants", study.study_id, map(int, study.participants))
    if not seen or len(order) < 2:
        return [Assigned(person, "none", None, None, "rule") for person in sorted(order)]
    test = (len(order) + 1) // 2
    rest = len(order) - test
    validation = max(1, (rest + 5) // 10) if rest >= 3 else 0
    train = order[test + validation :]
    found = [Assigned(person, "test", None, None, "rule") for person in order[:test]]
    found += [Assigned(person, "validation", None, None, "rule") for person in order[test : test + validation]]
    found += [Assigned(person, "train", None, _fraction(rank, len(train)), "rule") for rank, person in enumerate(train)]
    return sorted(found)


def _fraction(rank: int, n: int) -> int:
    """The smallest training fraction that holds the person of this rank: f per cent of n people, rounded up, so at least one."""
    return next(fraction for fraction in FRACTIONS if rank * 100 < fraction * n)


class _Columns:
    """The table as it grows."""

    def __init__(self) -> None:
        self._parts: list[pa.Table] = []

    def add(self, config: str, study: str, rows: Sequence[Assigned]) -> None:
        values = dict(zip(Assigned._fields, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(Assigned._fields, ())
        given = {"config": [config] * len(rows), "study_id": [study] * len(rows), **values}
        self._parts.append(pa.table({field.name: pa.array(given[field.name], field.type) for field in ASSIGNMENTS}, schema=ASSIGNMENTS))

    def table(self) -> pa.Table:
        return pa.concat_tables([ASSIGNMENTS.empty_table(), *self._parts]).combine_chunks()
