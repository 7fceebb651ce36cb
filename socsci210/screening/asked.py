"""Everything that a screening asks: every persona through every arm, outcome and variant, each distinct text rendered once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..demographics import FIELDS
from ..prompts import persona
from ..row_texts import RowTexts, ScaleKey
from ..schema import Scale
from ..stimuli import stimulus
from ..texts import bound, names_in
from .experiment_checks import DRAW, PROFILE, holds
from .experiment_file import Arm, Experiment, ExperimentError, Fill, Outcome
from .parts import TASK, profiles_schema
from .variation import Variant

Ints = npt.NDArray[np.int64]
_FILLS, _PROFILES = 1, 2  # of the streams of random numbers


@dataclass(frozen=True)
class Cell:
    """One arm, outcome and variant."""

    arm: Arm
    outcome: Outcome
    variant: Variant

    def template(self) -> str:
        """The stimulus, its blanks still empty."""
        context, question, scale = self.outcome.asked_in(self.arm.id)
        return stimulus(
            self.arm.frame, self.arm.text, question, scale,
            then_read=context, wording=self.variant.wording, descending=self.variant.descending,
        )  # fmt: skip

    @property
    def scale(self) -> Scale:
        """The answers."""
        return self.outcome.scale.scale


class Asked:
    """The rows of answers.parquet before they are answered, ordered by persona, arm, outcome, variant and task.

    Args:
        experiment: what is asked.
        personas: whom (columns of `parts.PERSONAS_SCHEMA`).
        variants: in which ways.
        seed: of profiles and of blanks that are drawn.

    Raises:
        ExperimentError: a persona has no value for a blank.
    """

    def __init__(self, experiment: Experiment, personas: pa.Table, variants: Sequence[Variant], seed: int) -> None:
        self.experiment, self.variants, self.seed = experiment, list(variants), seed
        self.people = personas.select(list(FIELDS)).to_pylist()
        self.tasks = experiment.tasks if experiment.attributes else 1
        self.cells = [Cell(arm, outcome, way) for arm in experiment.arms for outcome in experiment.outcomes for way in self.variants]

    def __len__(self) -> int:
        return len(self.people) * len(self.cells) * self.tasks

    @cached_property
    def levels(self) -> Ints:
        """The level of every attribute of every profile, (people, tasks, profiles, attributes); profiles of a question differ."""
        sizes = [len(attribute.levels) for attribute in self.experiment.attributes]
        shape = (self.tasks, self.experiment.profiles)
        found = np.empty((len(self.people), *shape, len(sizes)), np.int64)
        for person in range(len(self.people)):  # each with a stream of their own: more people leave the profiles of the others be
            random = np.random.default_rng([self.seed, _PROFILES, person])
            for task in range(shape[0]):
                drawn = found[person, task]
                while True:
                    drawn[:] = np.stack([random.integers(0, n, shape[1]) for n in sizes], axis=-1)
                    if len(np.unique(drawn, axis=0)) == min(shape[1], int(np.prod(sizes))):
                        break
        return found

    def profiles(self) -> pa.Table:
        """What each profile showed, columns `parts.profiles_schema`; no rows where nothing is a conjoint."""
        attributes = self.experiment.attributes
        schema = profiles_schema([attribute.name for attribute in attributes])
        if not attributes:
            return schema.empty_table()
        person, task, profile = (part.reshape(-1) for part in np.indices(self.levels.shape[:3]))
        levels = self.levels.reshape(-1, len(attributes))
        names = [np.array(list(attribute.levels))[levels[:, place]] for place, attribute in enumerate(attributes)]
        columns = [person, task, profile + 1, *names]
        return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)

    @cached_property
    def texts(self) -> RowTexts:
        """Persona, stimulus and scale of every row."""
        known: dict[str, int] = {}
        who = [known.setdefault(persona(person), len(known)) for person in self.people]
        stimuli: dict[str, int] = {}
        place = np.stack([self._of_cell(cell, stimuli) for cell in self.cells], axis=1)  # (people, cells, tasks)
        scales: dict[ScaleKey, int] = {}
        of_cell = [scales.setdefault(ScaleKey(one.min, one.max, one.step), len(scales)) for one in (cell.scale for cell in self.cells)]
        each = len(self.cells) * self.tasks
        scale = np.tile(np.repeat(np.array(of_cell, np.int64), self.tasks), len(self.people))
        return RowTexts(list(known), np.repeat(np.array(who, np.int64), each), list(stimuli), place.reshape(-1), list(scales), scale)

    def keys(self) -> pa.Table:
        """The columns of answers.parquet that name a row."""
        person, cell, task = (part.reshape(-1) for part in np.indices((len(self.people), len(self.cells), self.tasks)))
        names: dict[str, Any] = {"persona": pa.array(person, pa.int32())}
        of_cells = {
            "arm": [one.arm.id for one in self.cells],
            "outcome": [one.outcome.id for one in self.cells],
            "variant": [one.variant.name for one in self.cells],
        }
        names |= {name: pa.array(some).take(pa.array(cell)) for name, some in of_cells.items()}
        if self.experiment.attributes:
            names[TASK] = pa.array(task, pa.int32())
        return pa.table(names)

    def of_template(self, template: str) -> Ints:
        """The rows that are asked in one layout of the prompt."""
        there = np.array([cell.variant.template == template for cell in self.cells])
        return np.flatnonzero(np.tile(np.repeat(there, self.tasks), len(self.people)))

    def cell_of(self, stimulus_at: int) -> Cell:
        """The first cell in which somebody meets a stimulus."""
        row = int(np.flatnonzero(self.texts.stimulus == stimulus_at)[0])
        return self.cells[row // self.tasks % len(self.cells)]

    def _of_cell(self, cell: Cell, stimuli: dict[str, int]) -> Ints:
        """The place of the stimulus of everybody in every task, (people, tasks)."""
        template = cell.template()
        blanks = list(dict.fromkeys(names_in(template)))
        if not blanks:
            return np.full((len(self.people), self.tasks), stimuli.setdefault(template, len(stimuli)))
        fixed = {name: self._filled[name] for name in blanks if name in self._filled}
        shown = {name: int(name.removeprefix(PROFILE)) - 1 for name in blanks if name not in self._filled}
        found = np.empty((len(self.people), self.tasks), np.int64)
        for person, task in np.ndindex(found.shape):
            values = {name: some[person] for name, some in fixed.items()}
            values |= {name: self._profile(person, task, number) for name, number in shown.items()}
            text = bound(template, values)
            found[person, task] = stimuli.setdefault(text, len(stimuli))
        return found

    def _profile(self, person: int, task: int, number: int) -> str:
        """A profile in words, as in the datasets: `Title: level; Title: level`."""
        levels = self.levels[person, task, number].tolist()
        parts = zip(self.experiment.attributes, levels, strict=True)
        return "; ".join(f"{attribute.title}: {list(attribute.levels.values())[level]}" for attribute, level in parts)

    @cached_property
    def _filled(self) -> dict[str, list[str]]:
        """The words of every fill, for everybody."""
        return {name: self._words(name, fill, number) for number, (name, fill) in enumerate(sorted(self.experiment.fills.items()))}

    def _words(self, name: str, fill: Fill, number: int) -> list[str]:
        if fill.by == DRAW:
            words = list(fill.values.values())
            drawn = np.random.default_rng([self.seed, _FILLS, number]).integers(0, len(words), len(self.people))
            return [words[place] for place in drawn.tolist()]
        found = []
        for row, person in enumerate(self.people):
            word = next((word for value, word in fill.values.items() if holds(fill.by, person.get(fill.by), value)), fill.other)
            if word is None:
                raise ExperimentError(
                    f"no words for {fill.by} {person.get(fill.by)!r}", where=f"fills.{name}, person {row + 1}",
                    expected=f"one of {', '.join(fill.values)}", fix="add it to `values`, or give `other`, or leave this person out",
                )  # fmt: skip
            found.append(word)
        return found
