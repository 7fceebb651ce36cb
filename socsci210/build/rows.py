"""From codes to rows: who was in which condition, what was asked, what was answered, and what stood on the screen.

Everything is an array over people. Rows are participant-major: sorted by participant, then task, then item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import GateError
from ..extract import Extract, column_of, items_of, where_of
from ..schema import Scale
from ..study_file import Item, Outcome, StudyFile
from ..texts import Sources, bound
from .blanks import Blank, Shown, fill, profiles
from .codes import ANSWERED, REASONS, Answers, MissingCodes, answers, people
from .render import render
from .wording import Asked, Cell, sources_of, wording

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_SHOWN = 5  # row numbers named in a message


@dataclass
class Rows:
    """The answers of one study; all arrays but the last two have one entry per row.

    Args:
        assigned: who was assigned to which condition, shape (people, conditions).
        missing: (condition, task, reason) -> questions asked and not answered.
        shown: per (task, item), the attributes of conjoint profiles and who was asked.
        cells: every question as every condition met it.
        fill_texts: (condition, task, item) -> name of the fill -> texts that people who answered saw in its place.
    """

    participant: Ints
    condition: Ints
    task: Ints
    item: Ints
    response: Ints
    stimulus: npt.NDArray[np.int32]
    texts: pa.Array
    assigned: Mask
    cells: dict[Cell, Asked]
    missing: dict[tuple[int, int, str], int] = field(default_factory=dict)
    shown: dict[tuple[int, int], tuple[list[Shown], Mask]] = field(default_factory=dict)
    fill_texts: dict[Cell, dict[str, frozenset[str]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.response)

    def of_cell(self, cell: Cell) -> Mask:
        """Which rows belong to one (condition, task, item)."""
        condition, task, item = cell
        mask: Mask = (self.condition == condition) & (self.task == task) & (self.item == item)
        return mask


def make_rows(study: StudyFile, deposit: Extract) -> Rows:
    """All rows of a study.

    Raises:
        StudyFileError: a quotation, map or expression that does not fit the deposit.
        GateError: a person in no condition or in two, a response off its scale, a code without meaning, a blank without text.
    """
    return _Maker(study, deposit).make()


class _Maker:
    """Goes through the questions one by one and keeps what they share."""

    def __init__(self, study: StudyFile, deposit: Extract) -> None:
        self.study, self.deposit = study, deposit
        self.sources: Sources = sources_of(study, deposit)
        self.cells = wording(study, deposit)
        self.n_people, self.n_conditions = deposit.n_people, len(study.conditions)
        self.assigned = np.zeros((self.n_people, self.n_conditions), np.bool_)
        self.conditions: dict[tuple[str, ...], Ints] = {}
        self.missing: dict[tuple[int, int, str], int] = {}
        self.shown: dict[tuple[int, int], tuple[list[Shown], Mask]] = {}
        self.fill_texts: dict[Cell, dict[str, frozenset[str]]] = {}
        self.texts: list[pa.Array] = []
        self.n_texts = 0

    def make(self) -> Rows:
        questions = [
            (task, number, outcome, item)
            for task, outcome in enumerate(self.study.outcomes)
            for number, item in enumerate(items_of(outcome))
        ]
        kind = np.full((len(questions), self.n_people), -1, np.int8)
        value = np.zeros((len(questions), self.n_people), np.int64)
        stimulus = np.zeros((len(questions), self.n_people), np.int32)
        condition = np.zeros((len(questions), self.n_people), np.int16)
        for line, (task, number, outcome, item) in enumerate(questions):
            condition[line] = self._condition(item)
            self._answers(task, number, outcome, item, condition[line], kind[line], value[line])
            self._stimuli(task, number, outcome, item, condition[line], kind[line] == ANSWERED, stimulus[line])
        person, place = np.nonzero((kind == ANSWERED).T)  # participant-major
        texts = pa.concat_arrays(self.texts) if self.texts else pa.array([], pa.string())
        encoded = texts.dictionary_encode()
        code = encoded.indices.to_numpy()[stimulus[place, person]] if len(texts) else np.zeros(0, np.int32)
        return Rows(
            participant=person,
            condition=condition[place, person].astype(np.int64),
            task=np.array([task for task, *_ in questions])[place],
            item=np.array([number for _, number, *_ in questions])[place],
            response=value[place, person],
            stimulus=code,
            texts=encoded.dictionary,
            assigned=self.assigned,
            cells=self.cells,
            missing=dict(sorted(self.missing.items())),
            shown=self.shown,
            fill_texts=self.fill_texts,
        )

    # --- conditions ------------------------------------------------------------------------------------------------------------------

    def _condition(self, item: Item) -> Ints:
        """The condition of every person for one item, -1 for none."""
        wheres = where_of(self.study, item)
        if wheres not in self.conditions:
            masks = np.stack([self.deposit.mask(where) for where in wheres], axis=1)
            if (twice := masks.sum(axis=1) > 1).any():
                first = np.flatnonzero(masks[int(np.flatnonzero(twice)[0])])[:2]
                names = " and ".join(self.study.conditions[place].id for place in first)
                raise GateError(
                    "one_condition",
                    f"{people(int(twice.sum()), 'is', 'are')} in two conditions ({names}): {self._rows(twice)}",
                    where=f"{self.study.id}: conditions",
                    expected="conditions that exclude each other",
                    fix="correct `where` of one of them",
                )
            self.assigned |= masks
            self.conditions[wheres] = np.where(masks.any(axis=1), masks.argmax(axis=1), -1)
        return self.conditions[wheres]

    def _asked(self, outcome: Outcome, item: Item, condition: Ints, task: int, number: int) -> Mask:
        """Who was asked: everybody whom `asked` names, in a condition that has the question."""
        named = np.ones(self.n_people, np.bool_) if outcome.asked is None else self.deposit.mask(bound(outcome.asked, item.bind))
        if (none := named & (condition < 0)).any():
            raise GateError(
                "one_condition",
                f"{people(int(none.sum()), 'is', 'are')} in no condition: {self._rows(none)}",
                where=f"{self.study.id}: conditions, as asked for outcome {outcome.id}, item {item.id}",
                expected="exactly one condition for everybody",
                fix="correct `where`, leave these people out with data.keep and a reason, or say under `asked` who was asked",
            )
        has_question = np.array([(place, task, number) in self.cells for place in range(self.n_conditions)] + [False])
        asked: Mask = named & has_question[condition]  # -1, no condition, finds the last entry
        return asked

    def _rows(self, people: Mask) -> str:
        numbers = self.deposit.row_numbers()[people]
        more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
        return f"row{'s' if len(numbers) > 1 else ''} {', '.join(str(number) for number in numbers[:_SHOWN])}{more} of the data"

    # --- answers ---------------------------------------------------------------------------------------------------------------------

    def _answers(
        self, task: int, number: int, outcome: Outcome, item: Item, condition: Ints, kind: npt.NDArray[np.int8], value: Ints
    ) -> None:
        """Fill in what everybody answered to one item, and count who was asked and did not."""
        asked = self._asked(outcome, item, condition, task, number)
        for source, places in self._sources(task, number, item):
            among = np.isin(np.arange(self.n_conditions + 1), places)
            here = asked & among[condition]
            found = self._read(outcome, self.cells[places[0], task, number], item, source)
            found.check(here, self.deposit.row_numbers())
            kind[here], value[here] = found.kind[here], found.value[here]
        blank = kind > ANSWERED
        counts = np.bincount(condition[blank] * len(REASONS) + kind[blank] - 1, minlength=self.n_conditions * len(REASONS))
        for place in np.flatnonzero(counts):
            key = (int(place) // len(REASONS), task, REASONS[int(place) % len(REASONS)])
            self.missing[key] = self.missing.get(key, 0) + int(counts[place])
        if outcome.attributes:
            self.shown[task, number] = ([], asked)

    def _sources(self, task: int, number: int, item: Item) -> Iterator[tuple[str, list[int]]]:
        """Each way in which an item was stored (column or expression, with its map and scale), and the conditions that share it."""
        groups: dict[str, list[int]] = {}
        for place in range(self.n_conditions):
            asked = self.cells.get((place, task, number))
            if asked is not None:
                scale = asked.scale
                column = column_of(asked.variant, item)
                source = f"column {column}" if column is not None else "sql"
                sql = bound(asked.variant.sql or "", item.bind)
                key = repr((source, sql, asked.variant.recode, scale.min, scale.max, scale.step))
                groups.setdefault(key, []).append(place)
        for places in groups.values():
            column = column_of(self.cells[places[0], task, number].variant, item)
            yield (f"column {column}" if column is not None else "sql"), places

    def _read(self, outcome: Outcome, asked: Asked, item: Item, source: str) -> Answers:
        column = column_of(asked.variant, item)
        stored = self.deposit.codes(column) if column is not None else self.deposit.values(bound(asked.variant.sql or "", item.bind))
        missing = MissingCodes.of(self.study, column, self.deposit.columns, outcome.missing)
        where = (
            f"{self.study.id}: outcome {outcome.id}, item {item.id}, {source}"
            if outcome.items
            else f"{self.study.id}: outcome {outcome.id}, {source}"
        )
        return answers(stored, asked.scale, asked.variant.recode, missing, where)

    # --- stimuli ---------------------------------------------------------------------------------------------------------------------

    def _stimuli(
        self, task: int, number: int, outcome: Outcome, item: Item, condition: Ints, answered: Mask, stimulus: npt.NDArray[np.int32]
    ) -> None:
        """Fill in which text everybody met who answered one item."""
        blanks: dict[str, Blank] = {}
        if outcome.attributes:
            blanks, shown = profiles(self.study, self.deposit, self.sources, outcome, item)
            self.shown[task, number] = (shown, self.shown[task, number][1])
        for place in range(self.n_conditions):
            asked = self.cells.get((place, task, number))
            people = np.flatnonzero(answered & (condition == place))
            if asked is None or not len(people):
                continue
            for name in asked.blanks:
                if name not in blanks:
                    blanks[name] = fill(self.study, self.deposit, self.sources, name, item)
            where = f"{self.study.id}: outcome {outcome.id} in condition {self.study.conditions[place].id}"
            found = render(asked, blanks, people, where)
            stimulus[people] = self.n_texts + found.code
            self.texts.append(found.texts)
            self.n_texts += len(found.texts)
            self.fill_texts[place, task, number] = _seen(asked, blanks, people)


def _seen(asked: Asked, blanks: Mapping[str, Blank], people: Ints) -> dict[str, frozenset[str]]:
    """Which texts stood in the place of each fill; profiles are as good as never twice the same, so they are left out."""
    seen = {}
    for name in asked.blanks:
        blank = blanks[name]
        if not blank.profile:
            codes = np.unique(blank.code[people])
            seen[name] = frozenset(blank.texts.take(pa.array(codes[codes >= 0])).to_pylist())
    return seen


def scale_bounds(cells: Mapping[Cell, Asked], rows: Rows) -> tuple[pa.Array, pa.Array]:
    """`scale_min` and `scale_max` of every row, null where the scale has no bounds."""
    shape = [int(max(numbers.max(initial=0), 0)) + 1 for numbers in (rows.condition, rows.task, rows.item)]
    low, high = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    bounded = np.zeros(shape, np.bool_)
    for cell, asked in cells.items():
        scale: Scale = asked.scale
        if scale.min is not None and scale.max is not None and all(number < size for number, size in zip(cell, shape, strict=True)):
            low[cell], high[cell], bounded[cell] = scale.min, scale.max, True
    at = (rows.condition, rows.task, rows.item)
    missing = ~bounded[at]
    return pa.array(low[at], mask=missing), pa.array(high[at], mask=missing)
