"""Every persona of a study through every arm, for treatment effects: which prompts that makes.

An arm of a conjoint is a question that somebody was shown. All of them for everybody would be too many, so some are drawn, the same for
every persona: in the order of a hash, until every level of every attribute stands in `PER_LEVEL` profiles (or in all that there are), k
times as many where a question shows k profiles. In the simulated conjoint, whose effects are large and bent, that adds an error of half
the standard error of people's effects to choices, and a tenth of it to ratings.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..dataset_folder import DatasetFolder
from ..errors import DatasetError
from ..items import POOLED, Items
from ..metrics.socsci210.codes import distinct
from ..profiles import Profiles, conjoint_profiles
from ..row_texts import COLUMNS
from .selection import Ints, Mask, Selection, lowest_hashes, not_enumerated, person_hash, reason_counts, split_rows
from .shards import ARM_KEY, SHOWN_TO

PER_LEVEL: Final = 10
_ARM_COLUMNS: Final = ("demographic", "stimuli", "scale_min", "scale_max")


@dataclass(frozen=True)
class _Numbers:
    """Numbers of rows, shape (rows,). `item` is the number that all arms share; one for all questions of an outcome that shows profiles.

    `question`: the question that a row answers, where it shows profiles, else -1.
    """

    study: Ints
    condition: Ints
    task: Ints
    own_item: Ints
    item: Ints
    question: Ints
    shows: Mask

    def item_with(self, other: _Numbers) -> tuple[Ints, Ints]:
        """One code for equal (study, outcome, item) in these rows and in others."""
        pairs = ((self.study, other.study), (self.task, other.task), (self.item, other.item))
        both = distinct([np.concatenate(pair) for pair in pairs]).code
        return both[: len(self.study)], both[len(self.study) :]


def select_arms(folder: DatasetFolder, config: str, split: str, *, per_cell: int | None, seed: int) -> Selection:
    """Every persona of a study through every condition of each item that has rows in a split.

    The personas are all people of the study who answered the item in any condition (with `per_cell`, at most so many of them, the same in
    every arm). Conditions outside the split are arms too, since an effect is a difference between arms. Items are the same in two arms by
    the rule of `items`; where they are pooled, the personas go through all of them. Cells whose people read different texts, items with
    fewer than two arms, and scales that are not enumerated are left out, counted in rows; so are questions of conjoints beyond those drawn.

    Raises:
        DatasetError: unknown config or split, or nothing to predict.
    """
    of_split = split_rows(folder, config, split)
    studies = sorted(pc.unique(of_split.column("study_id").cast(pa.string())).to_pylist())
    items, profiles = Items(folder, studies), conjoint_profiles(folder, studies)
    rows = folder.rows("all", columns=COLUMNS, studies=studies)
    rows = rows.set_column(rows.column_names.index("study_id"), "study_id", rows.column("study_id").cast(pa.string()))
    numbers = _numbers(rows, studies, items, profiles)
    own, wanted = numbers.item_with(_numbers(of_split, studies, items, profiles))
    keep = np.isin(own, wanted)
    left_out: Counter[str] = Counter()

    def leave_out(reason: str, bad: Mask) -> None:
        left_out[reason] += int((keep & bad).sum())
        keep[bad] = False

    cell = distinct([own, numbers.condition, numbers.own_item]).code
    texts = distinct([cell, _text(rows)])
    several = np.bincount(cell[texts.first])[cell] > 1
    leave_out("people of the cell read different texts", several & ~numbers.shows)
    leave_out("profile not recorded", numbers.shows & (numbers.question < 0))
    reasons, index = not_enumerated(rows, folder)
    left_out.update(reason_counts(reasons, index[keep]))
    keep &= ~np.array([reason is not None for reason in reasons], dtype=bool)[index]
    arms = distinct([own[keep], np.where(numbers.shows, numbers.question, numbers.condition)[keep]])
    leave_out("one arm only", np.bincount(own[keep][arms.first], minlength=int(own.max()) + 1)[own] < 2)
    if not keep.any():
        raise DatasetError(f"no item has two arms to compare: {dict(left_out)}", where=str(folder.path), fix="choose another split")
    kept = np.flatnonzero(keep)
    rows, item = rows.take(pa.array(kept)), distinct([own[kept]]).code
    shows = numbers.shows[kept]
    is_arm = np.zeros(len(kept), np.bool_)
    is_arm[distinct([cell[kept]]).first] = True
    drawn = _drawn(rows, numbers, kept, item, profiles, seed)
    left_out["questions of a conjoint beyond those drawn"] = int((shows & ~drawn).sum())
    people = lowest_hashes(rows, item, per_cell, seed, once=True)
    if per_cell is not None:
        everyone = distinct([item, rows.column("participant").to_numpy()]).size
        left_out[f"people beyond {per_cell} of an item"] = everyone - int(people.sum())
    key = ARM_KEY + ((SHOWN_TO,) if shows.any() else ())
    crossed = _crossed(rows, item, np.where(shows, drawn, is_arm), people, shows, key)
    return Selection(crossed, key, {reason: n for reason, n in left_out.items() if n}, {}, np.zeros(0, bool))


def _numbers(rows: pa.Table, studies: list[str], items: Items, profiles: dict[int, Profiles]) -> _Numbers:
    study = pc.index_in(rows.column("study_id").cast(pa.string()), pa.array(studies)).to_numpy().astype(np.int64)
    person, condition, task, own = (rows.column(name).to_numpy().astype(np.int64) for name in ARM_KEY[1:])
    item = items.common(study, condition, task, own).copy()
    question, shows = np.full(len(study), -1), np.zeros(len(study), np.bool_)
    for code, shown in profiles.items():
        some = np.flatnonzero(study == code)
        question[some] = shown.question(person[some], task[some], own[some])
        shows[some] = np.isin(task[some], shown.tasks)
    item[shows] = POOLED
    return _Numbers(study, condition, task, own, item, question, shows)


def _text(rows: pa.Table) -> Ints:
    text = rows.column("stimuli").cast(pa.string()).combine_chunks().dictionary_encode()
    return np.asarray(text.indices.to_numpy(), np.int64)


def _drawn(rows: pa.Table, numbers: _Numbers, kept: Ints, item: Ints, profiles: dict[int, Profiles], seed: int) -> Mask:
    """Which of the kept rows are questions drawn for every persona."""
    drawn = np.zeros(len(kept), np.bool_)
    if not profiles:
        return drawn
    order = np.lexsort((numbers.own_item[kept], person_hash(rows, f"{seed} questions")))
    for code in np.unique(item[numbers.shows[kept]]).tolist():
        some = order[item[order] == code]
        shown = profiles[int(numbers.study[kept[some[0]]])]
        row, profile, _ = shown.shown(numbers.question[kept[some]])
        levels = np.zeros((len(some), int(shown.offsets[-1])))
        np.add.at(levels, row, shown.indicators(profile))
        so_far = np.cumsum(levels, axis=0)
        enough = (so_far >= np.minimum(so_far[-1], PER_LEVEL * shown.n[numbers.question[kept[some]]].max())).all(axis=1)
        drawn[some[: max(int(np.argmax(enough)) + 1, 2)]] = True
    return drawn


def _crossed(rows: pa.Table, item: Ints, is_arm: Mask, people: Mask, shows: Mask, key: tuple[str, ...]) -> pa.Table:
    """One row for each chosen person and each arm of the item: the persona of the one, the text and scale of the other."""
    arm_rows = np.flatnonzero(is_arm)
    arm_rows = arm_rows[np.argsort(item[arm_rows], kind="stable")]
    n = np.bincount(item[arm_rows], minlength=int(item.max()) + 1)
    person = np.flatnonzero(people)
    each = n[item[person]]
    start = (np.cumsum(n) - n)[item[person]]
    arm = arm_rows[np.repeat(start - np.cumsum(each) + each, each) + np.arange(int(each.sum()))]
    who = np.repeat(person, each)
    of_person = ("participant", "demographic")
    columns = {name: rows.column(name).take(pa.array(who if name in of_person else arm)) for name in (*ARM_KEY, *_ARM_COLUMNS)}
    if SHOWN_TO in key:
        columns[SHOWN_TO] = pa.array(np.where(shows[arm], rows.column("participant").to_numpy()[arm], -1))
    return pa.table(columns).sort_by([(name, "ascending") for name in key])
