"""Treatment effects of people and model, by the design of each study, and how well they agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..dataset_folder import DatasetFolder
from ..metrics.socsci210.agreement import agreement, resampled_r, sign_flip_p
from ..metrics.socsci210.cells import Ints
from ..metrics.socsci210.codes import distinct
from ..metrics.socsci210.effects import Contrasts, Rows, amce, between_contrasts, joined, within_contrasts
from ..reference import MIN_STUDIES, percentiles
from ..results import Contrast, Effects
from .arms import read_arms, taken
from .files import PredictionFiles
from .rows import means_on_scale
from .scored import Scored

FLIPS: Final = 2000
STUDIES_AT_ONCE: Final = 20  # bounds the memory
WITHIN: Final = 0.5  # a study that does not state its design is within where more of its people than this answered in several arms


def treatment_effects(scored: Scored, arms: PredictionFiles | None, folder: DatasetFolder, *, draws: int, seed: int) -> Effects | None:
    """Effects on [0, 1] and their agreement; None where the rows hold no contrast.

    Between and within designs: with an arms file, the model's effect puts every persona through every arm, and people's effect uses all
    rows of the same items; without one, both sides are compared as people were assigned. Conjoints are always read as they were shown.
    """
    designs = _Designs(folder, scored.split.studies)
    people, model = _as_assigned(scored)
    design = designs.of(people)
    crossed = None if arms is None else read_arms(arms, folder, scored.split.studies)
    found: list[tuple[Contrasts, list[str]]] = []
    if crossed is None:
        found += list(_arm_contrasts(people, model, design, designs))
    else:
        found += list(_arm_contrasts(crossed.people, crossed.model, designs.of(crossed.people), designs))
    found += list(_conjoints(scored, design, folder))
    contrasts = joined([some for some, _ in found]) if found else None
    if contrasts is None or not len(contrasts.human):
        return None
    labels = [label for _, some in found for label in some]
    agreed = agreement(contrasts)
    interval = None
    if agreed["refused"] is None and agreed["n_studies"] >= MIN_STUDIES:
        again = resampled_r(contrasts, draws=draws, seed=seed)
        interval = percentiles(again[np.isfinite(again)])
    names = ("r", "r_raw", "slope", "mae", "sign_agreement", "n_reliable", "regret", "n_contrasts", "n_studies", "refused")
    known: dict[str, Any] = dict(agreed)
    return Effects(
        method="as assigned" if crossed is None else "every persona through every arm",
        **{name: known[name] for name in names},
        regret_chance=agreed["regret_chance"],
        p=sign_flip_p(contrasts, draws=FLIPS, seed=seed),
        interval=interval,
        contrasts=tuple(_contrast(scored.split.studies, contrasts, i, label) for i, label in enumerate(labels)),
    )


def _contrast(studies: tuple[str, ...], contrasts: Contrasts, i: int, label: str) -> Contrast:
    reference = int(contrasts.reference[i])
    return Contrast(
        study_id=studies[contrasts.study[i]],
        task_num=int(contrasts.task[i]),
        item_num=int(contrasts.item[i]),
        condition_num=int(contrasts.condition[i]),
        reference=None if reference < 0 else reference,
        label=label,
        human=float(contrasts.human[i]),
        human_se=float(contrasts.human_se[i]),
        model=float(contrasts.model[i]),
        reliable=bool(contrasts.reliable[i]),
        design=str(contrasts.design[i]),
    )


class _Designs:
    """What the small tables say of each study: its design, its control arm (-1: none is stated) and the labels of its arms."""

    def __init__(self, folder: DatasetFolder, studies: tuple[str, ...]) -> None:
        stated = {row["study_id"]: row["design"] for row in folder.table("studies", ["study_id", "design"]).to_pylist()}
        self._stated = [stated.get(study) for study in studies]
        self.control = np.full(len(studies), -1)
        self._labels: dict[tuple[int, int], str] = {}
        code = {study: i for i, study in enumerate(studies)}
        for row in folder.table("conditions", ["study_id", "condition_num", "label", "control"]).to_pylist():
            if row["study_id"] not in code:
                continue
            study, condition = code[row["study_id"]], row["condition_num"]
            self._labels[study, condition] = row["label"] or f"condition {condition}"
            if row["control"] and self.control[study] < 0:
                self.control[study] = condition

    def of(self, people: Rows) -> list[str | None]:
        """Design of each study; where none is stated, by whether its people answered in several arms. None: no rows."""
        out: list[str | None] = []
        for study, stated in enumerate(self._stated):
            own = people.study == study
            if stated is None and own.any():
                pairs = np.unique(np.stack([people.person[own], people.condition[own]]), axis=1)
                _, arms = np.unique(pairs[0], return_counts=True)
                stated = "within" if (arms > 1).mean() > WITHIN else "between"
            out.append(stated)
        return out

    def label(self, study: int, condition: int, reference: int) -> str:
        """A contrast of arms in words."""
        against = "the other arms" if reference < 0 else self._labels.get((study, reference), f"condition {reference}")
        return f"{self._labels.get((study, condition), f'condition {condition}')} against {against}"


def _as_assigned(scored: Scored) -> tuple[Rows, Rows]:
    """(people, model) on stated scales: everybody's answer, and what the model expects of the rows it predicted."""
    split = scored.split
    keep = np.flatnonzero(np.isfinite(split.scale.low) & scored.on_scale)
    place = (split.response - split.scale.low) / (split.scale.high - split.scale.low)
    use, _ = scored.predicted_rows()
    mean = means_on_scale(scored.predictions.answers, split.scale.take(scored.predicted))[use]
    at = scored.predicted[use]
    everybody = Rows(split.study, split.condition, split.task, split.item, split.person, place)
    return taken(everybody, keep), taken(everybody, at)._replace(value=mean)


def _arm_contrasts(people: Rows, model: Rows, design: list[str | None], designs: _Designs) -> Iterator[tuple[Contrasts, list[str]]]:
    """Contrasts of arms by design, some studies at a time."""
    for name, function in (("between", between_contrasts), ("within", within_contrasts)):
        chosen = [study for study, one in enumerate(design) if one == name]
        for first in range(0, len(chosen), STUDIES_AT_ONCE):
            some = np.zeros(len(design), np.bool_)
            some[chosen[first : first + STUDIES_AT_ONCE]] = True
            answered, expected = (taken(side, some[side.study]) for side in (people, model))
            if len(answered.value) and len(expected.value):
                if name == "within":
                    answered, expected = (_occasions_pooled(answered, side) for side in (answered, expected))
                found = function(answered, expected, designs.control)
                keys = zip(*(c.tolist() for c in (found.study, found.condition, found.reference)), strict=True)
                yield found, [designs.label(*key) for key in keys]


def _occasions_pooled(people: Rows, side: Rows) -> Rows:
    """The rows with item 0 in studies where nobody answers one item under two arms: there the items are the occasions of a person."""
    pairs = distinct([people.study, people.task, people.item, people.person])
    arms = distinct([pairs.code, people.condition])
    repeated = np.bincount(pairs.code[arms.first], minlength=pairs.size) > 1
    paired = np.unique(people.study[pairs.first[repeated]])
    return side._replace(item=np.where(np.isin(side.study, paired), side.item, 0))


def _conjoints(scored: Scored, design: list[str | None], folder: DatasetFolder) -> Iterator[tuple[Contrasts, list[str]]]:
    """AMCEs of every conjoint: ratings of one profile, and choices between two (the lower answer is the first profile)."""
    studies = [study for study, name in enumerate(design) if name == "conjoint"]
    if not studies:
        return
    shown = folder.table("attributes")
    _, model = _as_assigned(scored)
    use, scale = scored.predicted_rows()
    place = (scored.split.response[scored.predicted[use]] - scale.low) / (scale.high - scale.low)
    binary = scale.high - scale.low == scale.step
    for study in studies:
        own = shown.filter(pc.equal(shown.column("study_id"), scored.split.studies[study]))
        rows = np.flatnonzero(model.study == study)
        if not own.num_rows or not len(rows):
            continue
        profiles = _Profiles(own)
        at, which, several = profiles.of(model.person[rows], model.task[rows], model.item[rows])
        usable = ~several | binary[rows[at]]
        at, which, several = rows[at[usable]], which[usable], several[usable]
        first = several & profiles.first[which]
        human, expected = (np.where(first, 1 - side[at], side[at]) for side in (place, model.value))
        one = taken(model, at)._replace(value=human)
        found = amce(one, expected, profiles.levels[which])
        keys = zip(*(c.tolist() for c in (found.attribute, found.condition, found.reference)), strict=True)
        yield found, [profiles.label(*key) for key in keys]


class _Profiles:
    """The profiles of one conjoint: which levels each showed, to whom, under which question."""

    def __init__(self, table: pa.Table) -> None:
        keys = ["participant", "task_num", "item_num"]
        profile = table.column("profile").combine_chunks().dictionary_encode()
        order_of = np.argsort(np.argsort(profile.dictionary.to_pylist()))
        columns = [table.column(name).to_numpy().astype(np.int64) for name in keys]
        columns.append(order_of[profile.indices.to_numpy()])
        self.attributes = sorted(set(table.column("attribute").to_pylist()))
        distinct, row = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
        self.levels: Ints = np.full((len(distinct), len(self.attributes)), -1)
        self._names: list[list[str]] = []
        attribute, level = table.column("attribute").to_numpy(zero_copy_only=False), table.column("level").to_numpy(zero_copy_only=False)
        for j, name in enumerate(self.attributes):
            own = np.flatnonzero(attribute == name)
            names = sorted(set(level[own].tolist()))
            self._names.append(names)
            code = {one: i for i, one in enumerate(names)}
            self.levels[row.reshape(-1)[own], j] = [code[one] for one in level[own].tolist()]
        self._key = [distinct[:, i] for i in range(3)]
        _, start, self._question, n = np.unique(distinct[:, :3], axis=0, return_index=True, return_inverse=True, return_counts=True)
        self._question = self._question.reshape(-1)
        self._start, self._n = start, n
        self.first = np.zeros(len(distinct), np.bool_)
        self.first[start] = True  # profiles of a question stand in order of their names

    def of(self, person: Ints, task: Ints, item: Ints) -> tuple[Ints, Ints, np.ndarray[Any, np.dtype[np.bool_]]]:
        """(row, profile, is it one of two) for each profile of each row's question; questions with more than two are left out."""
        place = {key: i for i, key in enumerate(zip(*(part[self._start].tolist() for part in self._key), strict=True))}
        question = np.array([place.get(key, -1) for key in zip(person.tolist(), task.tolist(), item.tolist(), strict=True)], np.int64)
        rows, which, several = [], [], []
        for n in (1, 2):
            there = np.flatnonzero((question >= 0) & (self._n[question] == n))
            for step in range(n):
                rows.append(there)
                which.append(self._start[question[there]] + step)
                several.append(np.full(len(there), n == 2))
        return np.concatenate(rows), np.concatenate(which), np.concatenate(several)

    def label(self, attribute: int, level: int, reference: int) -> str:
        """A contrast of levels in words."""
        names = self._names[attribute]
        return f"{self.attributes[attribute]}: {names[level]} against {names[reference]}"
