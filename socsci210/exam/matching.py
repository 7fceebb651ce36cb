"""Two studies laid beside each other: the same people, the arms with the same people, the questions with the same columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..build.rows import Rows
from ..build.wording import Asked
from ..extract import Extract, column_of, items_of, where_of
from ..study_file import StudyFile
from ..texts import bound

Ints = npt.NDArray[np.int64]
Question = tuple[int, int]
"""Place of an outcome, and of an item under it."""
_NONE: Final = -1
_MOST: Final = 0.5  # of the smaller study's people: fewer in common, and the ids are of two kinds
SAME_FILE: Final = "by their row of the same data file"
BY_ID: Final = "by their id, as the data files differ"
BY_ROW: Final = "by their row alone, as the data files differ and hold no ids in common"


@dataclass(frozen=True)
class Built:
    """A study that was read. `ids` are the source's own of its people, read only where both studies read other data files."""

    study: StudyFile
    deposit: Extract
    rows: Rows
    tables: Mapping[str, pa.Table]
    ids: Sequence[str | None] | None = None

    @property
    def data_file(self) -> tuple[str, str | None, str | None]:
        """What it reads: sha256 of the file, and which part of it."""
        data = self.study.data
        name = self.study.files[data.file].file
        return next(digest for file, _, digest in self.deposit.files if file == name), data.member, data.sheet

    @cached_property
    def questions(self) -> dict[Question, frozenset[str]]:
        """Every question with the columns (or expressions) that hold its answers in any condition."""
        found: dict[Question, set[str]] = {}
        for (_, task, number), asked in self.rows.cells.items():
            item = items_of(self.study.outcomes[task])[number]
            column = column_of(asked.variant, item)
            source = column if column is not None else bound(asked.variant.sql or "", item.bind)
            found.setdefault((task, number), set()).add(source)
        return {question: frozenset(columns) for question, columns in sorted(found.items())}

    def cell(self, condition: int, question: Question) -> Asked | None:
        """A question as one condition met it."""
        return self.rows.cells.get((condition, *question))

    def name(self, question: Question) -> str:
        """A question by its ids."""
        outcome = self.study.outcomes[question[0]]
        return f"{outcome.id}/{outcome.items[question[1]].id}" if outcome.items else outcome.id

    def arm(self, place: int) -> str:
        """The id of a condition."""
        return self.study.conditions[place].id

    @property
    def by_item(self) -> bool:
        """Whether people are in several conditions, one for every item."""
        return len({where_of(self.study, item) for outcome in self.study.outcomes for item in items_of(outcome)}) > 1


@dataclass(frozen=True)
class Side:
    """One study, restricted to the people that both have.

    Args:
        built: the study.
        people: their places in it.
        row: place of the row of every question and person, or -1; shape (questions, people), questions in the order of `built.questions`.
    """

    built: Built
    people: Ints
    row: Ints

    @classmethod
    def of(cls, built: Built, people: Ints) -> Side:
        """Find the row of every question and person."""
        rows = built.rows
        place = np.full(built.deposit.n_people, _NONE)
        place[people] = np.arange(len(people))
        row = np.full((len(built.questions), len(people)), _NONE)
        for number, (task, item) in enumerate(built.questions):
            here = np.flatnonzero((rows.task == task) & (rows.item == item))
            at = place[rows.participant[here]]
            row[number, at[at >= 0]] = here[at >= 0]
        return cls(built, people, row)

    def of_question(self, values: npt.NDArray[Any], question: int) -> npt.NDArray[Any]:
        """A value per person of an array over rows; where `row` is -1 it means nothing."""
        found: npt.NDArray[Any] = values[self.row[question]] if len(values) else np.zeros(len(self.people), np.int64)
        return found


def common_people(draft: Built, key: Built) -> tuple[Side, Side, str]:
    """The people of both, and how they were found.

    Of one data file a person is a row. Of two, people are found by the source's own ids, where most of the smaller study's are in the
    other; else by their row, which is a guess.
    """
    if draft.data_file == key.data_file:
        return *_paired(draft, key, draft.deposit.row_numbers(), key.deposit.row_numbers()), SAME_FILE
    theirs, ours = _known(draft), _known(key)
    common = sorted(theirs.keys() & ours.keys())
    if len(common) > _MOST * min(draft.deposit.n_people, key.deposit.n_people):
        places = (np.array([found[one] for one in common], np.int64) for found in (theirs, ours))
        in_draft, in_key = places
        order = np.argsort(in_key, kind="stable")
        return Side.of(draft, in_draft[order]), Side.of(key, in_key[order]), BY_ID
    return *_paired(draft, key, draft.deposit.row_numbers(), key.deposit.row_numbers()), BY_ROW


def _paired(draft: Built, key: Built, theirs: Ints, ours: Ints) -> tuple[Side, Side]:
    _, in_draft, in_key = np.intersect1d(theirs, ours, return_indices=True)
    return Side.of(draft, in_draft), Side.of(key, in_key)


def _known(built: Built) -> dict[str, int]:
    """Place of every person by id; an id that stands twice is nobody's."""
    ids = built.ids or ()
    counts = Counter(ids)
    return {one: place for place, one in enumerate(ids) if one is not None and counts[one] == 1}


def best_pairs(first: Mapping[int, Set[Any]], second: Mapping[int, Set[Any]]) -> dict[int, tuple[int, float]]:
    """What of `second` belongs to what of `first`: the greatest overlap (Jaccard) first, nothing twice; with the overlap."""
    overlaps = [
        (len(one & other) / len(one | other), a, b)
        for a, (key_a, one) in enumerate(first.items())
        for b, (key_b, other) in enumerate(second.items())
        if one & other
    ]
    names, others = list(first), list(second)
    found: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for overlap, a, b in sorted(overlaps, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if names[a] not in found and b not in taken:
            found[names[a]] = (others[b], overlap)
            taken.add(b)
    return found


def match_questions(draft: Side, key: Side) -> dict[int, int]:
    """Question of the key -> question of the draft, by place: the same columns, or else the same answers of the same people."""
    theirs, ours = (dict(enumerate(side.built.questions.values())) for side in (draft, key))
    found = {one: other for one, (other, _) in best_pairs(ours, theirs).items()}
    for one in set(ours) - set(found):
        for other in sorted(set(theirs) - set(found.values())):
            if _same_answers(draft, other, key, one):
                found[one] = other
                break
    return dict(sorted(found.items()))


def _same_answers(draft: Side, other: int, key: Side, one: int) -> bool:
    both = (draft.row[other] >= 0) & (key.row[one] >= 0)
    if both.sum() < 0.9 * max((key.row[one] >= 0).sum(), 1):
        return False
    mine = key.of_question(key.built.rows.response, one)[both]
    theirs = draft.of_question(draft.built.rows.response, other)[both]
    return len(np.unique(mine)) > 1 and bool((mine == theirs).mean() > 0.95)


def match_arms(draft: Side, key: Side, questions: Mapping[int, int]) -> dict[int, tuple[int, float]]:
    """Condition of the key -> (condition of the draft, overlap), by who is in it: people, or, where arms differ by item, their answers."""
    if draft.built.by_item or key.built.by_item:
        return best_pairs(_answers(key, list(questions)), _answers(draft, list(questions.values())))
    return best_pairs(_assigned(key), _assigned(draft))


def _assigned(side: Side) -> dict[int, set[int]]:
    """Condition -> the people in it."""
    return {place: set(np.flatnonzero(side.built.rows.assigned[side.people, place]).tolist()) for place in _places(side)}


def _places(side: Side) -> range:
    return range(len(side.built.study.conditions))


def _answers(side: Side, questions: Sequence[int]) -> dict[int, set[tuple[int, int]]]:
    """Condition -> (place among the questions, person) of every answer given in it."""
    found: dict[int, set[tuple[int, int]]] = {place: set() for place in _places(side)}
    for number, question in enumerate(questions):
        condition = side.of_question(side.built.rows.condition, question)
        for person in np.flatnonzero(side.row[question] >= 0).tolist():
            found[int(condition[person])].add((number, person))
    return found
