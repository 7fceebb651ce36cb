"""Scores that look at people and arms rather than at cells: parity between groups, and condition sensitivity."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..dataset_folder import DatasetFolder
from ..demographics import FIELDS
from ..errors import DatasetError
from ..items import Items
from ..metrics.socsci210.cells import Ints, mean_by
from ..metrics.socsci210.codes import distinct
from ..metrics.socsci210.groups import group_of
from ..metrics.socsci210.parity import Attribute, StudyGaps, accuracy, averaged, group_averages, study_gaps
from ..reference import sensitivity
from ..results import Parity, ParityGroup, Sensitivity
from .predictions import match
from .rows import RowFigures
from .scored import Scored
from .split import study_codes

SHUFFLES: Final = 100
THREADS: Final = 2  # numpy lets go of the interpreter in its long loops


class People:
    """The groups of the participants of a dataset, by every demographic field.

    Args:
        folder: the dataset.
        studies: names by code.
    """

    def __init__(self, folder: DatasetFolder, studies: tuple[str, ...]) -> None:
        self._where = str(folder.path)
        self._studies = studies
        table = folder.table("participants", ["study_id", "participant", "demographic"])
        _, code = study_codes(table, studies)
        self._participant = table.column("participant").to_numpy().astype(np.int64)
        order = np.lexsort((self._participant, code))
        self._participant = self._participant[order]
        self._edges = np.searchsorted(code[order], np.arange(len(studies) + 1))
        self._groups: list[tuple[str, NDArray[np.int8], tuple[str, ...]]] = []
        demographic = table.column("demographic")
        for name in FIELDS:
            values = pa.chunked_array([pc.struct_field(chunk, name) for chunk in demographic.chunks] or [pa.array([], pa.string())])
            group, labels = _grouped(name, values)
            self._groups.append((name, group[order], labels))

    def of(self, study: int, participant: Ints) -> list[Attribute]:
        """The group of every row of one study by every field.

        Raises:
            DatasetError: a row's participant is not in the table of participants.
        """
        own = slice(int(self._edges[study]), int(self._edges[study + 1]))
        place, known = match(participant, self._participant[own])
        if not known.all():
            strange = participant[~known]
            raise DatasetError(
                f"{len(strange)} rows of people who are not in the table of participants, the first {strange[0]}",
                where=f"{self._where}, study {self._studies[study]}",
                expected="one row for each participant",
                fix="build or import it again",
            )
        return [Attribute(name, group[own][place].astype(np.int64), labels) for name, group, labels in self._groups]


def _grouped(name: str, values: pa.ChunkedArray) -> tuple[NDArray[np.int8], tuple[str, ...]]:
    """Group of each person (-1 where there is none) and the names of the groups."""
    encoded = values.combine_chunks().dictionary_encode()
    encoded = encoded.unify_dictionaries().combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    groups = [group_of(name, value) for value in encoded.dictionary.to_pylist()]
    labels = tuple(sorted({group for group in groups if group is not None}))
    lookup = np.array([-1 if group is None else labels.index(group) for group in groups] + [-1], np.int8)
    return lookup[pc.fill_null(encoded.indices, len(groups)).to_numpy(zero_copy_only=False)], labels


def parity(scored: Scored, figures: RowFigures, folder: DatasetFolder, *, shuffles: int = SHUFFLES, seed: int = 0) -> tuple[Parity, ...]:
    """Gaps between groups for every attribute, over the studies that carry it. Point predictions are medians; positions use the scale."""
    split, use = scored.split, figures.use
    if not len(use):
        return ()
    rows = scored.predicted[use]
    low, high, response = figures.scale.low, figures.scale.high, split.response[rows]
    scores = (
        accuracy(figures.median, response, low, high),
        np.clip((figures.mean - low) / (high - low), 0, 1),
        (response - low) / (high - low),
    )
    study, person, task = split.study[rows], split.person[rows], split.task[rows]
    people = People(folder, split.studies)

    def of_study(code: int) -> list[StudyGaps]:
        own = np.flatnonzero(study == code)
        return study_gaps(
            study[own], person[own], task[own], (scores[0][own], scores[1][own], scores[2][own]), people.of(code, person[own]),
            shuffles=shuffles, seed=seed,
        )  # fmt: skip

    with ThreadPoolExecutor(THREADS) as pool:  # each study has a seed of its own, so the order of work changes nothing
        found = [gaps for some in pool.map(of_study, np.unique(study).tolist()) for gaps in some]
    return tuple(_average([gaps for gaps in found if gaps.attribute == name]) for name in FIELDS if any(g.attribute == name for g in found))


def _average(gaps: list[StudyGaps]) -> Parity:
    """Mean over studies of one attribute."""
    left_out = sum(one.n_left_out for one in gaps)
    return Parity(
        attribute=gaps[0].attribute,
        n_studies=len(gaps),
        n_groups_left_out=left_out,
        groups=tuple(ParityGroup(**one) for one in group_averages(gaps)),
        **averaged(gaps),
    )


def condition_sensitivity(
    scored: Scored, figures: RowFigures, folder: DatasetFolder, *, permutations: int, draws: int, seed: int
) -> Sensitivity:
    """Does the model know which conditions move people? On mean positions in every condition, within one item of one outcome on one scale:
    a condition in which other items were asked would differ for a model that reads none of its text."""
    split = scored.split
    sides = (np.flatnonzero(np.isfinite(split.scale.low) & scored.on_scale), scored.predicted[figures.use])
    rows = np.concatenate(sides)
    if not len(sides[1]):
        return sensitivity(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    scale, condition = split.scale.take(rows), split.condition[rows]
    items = Items(folder, split.studies).common(split.study, split.condition, split.task, split.item)
    outcome = distinct([split.study[rows], split.task[rows], items[rows], scale.low, scale.high, scale.step]).code
    means = distinct([outcome, condition])
    value = np.concatenate([split.response[sides[0]], np.clip(figures.mean, figures.scale.low, figures.scale.high)])
    place = (value - scale.low) / (scale.high - scale.low)
    own = np.repeat([0, 1], [len(side) for side in sides])
    human, model = (mean_by(means.code[own == side], place[own == side], means.size) for side in (0, 1))
    both = np.isfinite(human) & np.isfinite(model)
    return sensitivity(outcome[means.first][both], model[both], human[both], permutations=permutations, draws=draws, seed=seed)
