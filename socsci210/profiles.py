"""The profiles of a conjoint: which levels each showed, to whom, under which question."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .dataset_folder import DatasetFolder
from .metrics.socsci210.codes import Floats, Ints, distinct


class Profiles:
    """The profiles of one study, in order of their questions and, within one, in the order of the study file.

    Attributes:
        tasks: outcomes that show profiles.
        attributes: names in order; `names` those of their levels.
        levels: code of the level of each attribute, -1 where a profile does not show it, shape (profiles, attributes).
        start, n: first profile of each question and how many it has, shape (questions,).
    """

    def __init__(self, table: pa.Table) -> None:
        """Args: table: the rows of one study in the table of attributes."""
        table = table.combine_chunks()
        key = [table.column(name).to_numpy().astype(np.int64) for name in ("participant", "task_num", "item_num")]
        shown, attribute, level = (table.column(name).combine_chunks().dictionary_encode() for name in ("profile", "attribute", "level"))
        profiles = distinct([*key, shown.indices.to_numpy().astype(np.int64)])  # names in the order in which the study shows them
        self.attributes: list[str] = sorted(attribute.dictionary.to_pylist())
        self.names: list[list[str]] = []
        self.levels: Ints = np.full((profiles.size, len(self.attributes)), -1)
        for j, name in enumerate(self.attributes):
            own = np.flatnonzero(pc.equal(table.column("attribute"), name).to_numpy(zero_copy_only=False))
            used, place = np.unique(level.indices.to_numpy()[own], return_inverse=True)
            names = level.dictionary.take(pa.array(used)).to_pylist()
            rank = np.argsort(np.argsort(np.array(names)))
            self.levels[profiles.code[own], j] = rank[place.reshape(-1)]
            self.names.append(sorted(names))
        of_profile = [part[profiles.first] for part in key]
        questions = distinct(of_profile)
        self.start, self.n = questions.first, questions.n
        self._question = [part[questions.first] for part in of_profile]
        self.tasks: Ints = np.unique(self._question[1])

    def question(self, person: Ints, task: Ints, item: Ints) -> Ints:
        """The question of each row by who saw it and where, -1 for none."""
        size = len(self.start)
        both = distinct([np.concatenate(pair) for pair in zip(self._question, (person, task, item), strict=True)])
        place = np.full(both.size, -1)
        place[both.code[:size]] = np.arange(size)
        return np.asarray(place[both.code[size:]], np.int64)

    def shown(self, question: Ints) -> tuple[Ints, Ints, Ints]:
        """(row, profile, its place in the question from 0) for every profile of every row's question; rows without one have none."""
        rows = np.flatnonzero(question >= 0)
        n = self.n[question[rows]]
        place = np.arange(int(n.sum())) - np.repeat(np.cumsum(n) - n, n)
        return np.repeat(rows, n), np.repeat(self.start[question[rows]], n) + place, place

    @property
    def offsets(self) -> Ints:
        """Where the levels of each attribute begin among the levels of all, and their number at the end, shape (attributes + 1,)."""
        return np.cumsum([0, *(len(names) for names in self.names)])

    def indicators(self, profile: Ints) -> Floats:
        """1 for every level that a profile shows, shape (rows, levels of all attributes)."""
        out = np.zeros((len(profile), int(self.offsets[-1])))
        for j, first in enumerate(self.offsets[:-1]):
            level = self.levels[profile, j]
            rows = np.flatnonzero(level >= 0)
            out[rows, first + level[rows]] = 1.0
        return out

    def contributions(self) -> Floats:
        """What stands for each profile in a regression on levels, shape (profiles, levels of all attributes).

        1 for every level that it shows; in questions with several profiles, less the mean of the other profiles' (to choose one is not to
        choose the others).
        """
        out = self.indicators(np.arange(len(self.levels)))
        n = np.repeat(self.n, self.n)
        together = np.repeat(np.add.reduceat(out, self.start, axis=0), self.n, axis=0)
        several = n > 1
        out[several] -= (together - out)[several] / (n[several] - 1)[:, None]
        return out

    def label(self, attribute: int, level: int, reference: int) -> str:
        """A contrast of levels in words."""
        names = self.names[attribute]
        return f"{self.attributes[attribute]}: {names[level]} against {names[reference]}"


def conjoint_profiles(folder: DatasetFolder, studies: Sequence[str]) -> dict[int, Profiles]:
    """The profiles of every study that is a conjoint by its own statement and says what it showed, by place among `studies`."""
    table = folder.table("studies", ["study_id", "design"])
    conjoints = set(table.filter(pc.equal(table.column("design"), "conjoint")).column("study_id").to_pylist())
    found: dict[int, Profiles] = {}
    if conjoints.intersection(studies):
        shown = folder.table("attributes")
        for code, study in enumerate(studies):
            own = shown.filter(pc.equal(shown.column("study_id"), study)) if study in conjoints else shown.slice(0, 0)
            if own.num_rows:
                found[code] = Profiles(own)
    return found
