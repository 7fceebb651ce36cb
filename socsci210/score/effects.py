"""Treatment effects of people and model, by the design of each study, and how well they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, Literal

import numpy as np

from ..dataset_folder import DatasetFolder
from ..items import POOLED, Items
from ..metrics.socsci210.agreement import agreement, permutation_p, resampled_r
from ..metrics.socsci210.cells import Answers
from ..metrics.socsci210.codes import distinct, total
from ..metrics.socsci210.effects import Contrasts, Rows, between_contrasts, joined, within_contrasts
from ..metrics.socsci210.intervals import percentiles
from ..reference import MIN_STUDIES, PERMUTATIONS
from ..results import Contrast, Effects
from .arms import Arms, read_arms
from .conjoint import Conjoints, judged_of, some_answers
from .files import PredictionFiles
from .predictions import Mask
from .rows import means_on_scale
from .scored import Scored

STUDIES_AT_ONCE: Final = 20  # bounds the memory
WITHIN: Final = 0.5  # people are compared with themselves where more of them than this answered in several arms
AS_SHOWN: Final = "every profile as it was shown, to the person who saw it"
SAME_QUESTIONS: Final = "every persona through the same questions, drawn from those shown"
NO_MODEL: Final = "outcomes without a model answer that can be compared"
NO_CONTRAST: Final = "outcomes without a contrast: fewer than two arms, or too few people in them"


def treatment_effects(scored: Scored, arms: PredictionFiles | None, folder: DatasetFolder, *, draws: int, seed: int) -> Effects | None:
    """Effects on [0, 1] and their agreement; None where the rows hold no contrast, and nothing was left out.

    With an arms file, the model's effect puts every persona through every arm (in a conjoint: through the same questions, see `conjoint`),
    and people's effect uses all rows of the same outcomes. Without one, both sides are compared as people were assigned: then a difference
    between the people of two arms is in both effects, and agrees. What gives no contrast is counted by reason.
    """
    designs = _Designs(folder, scored.split.studies)
    items = Items(folder, scored.split.studies)
    conjoints = Conjoints(folder, scored.split.studies)
    sides = _as_assigned(scored, items, conjoints) if arms is None else read_arms(arms, folder, scored.split.studies, items, conjoints)
    found = list(_arm_contrasts(sides.people, sides.model, designs))
    levels = conjoints.contrasts(sides.judged, sides.asked, crossed=arms is not None)
    contrasts = joined([*(some for some, _ in found), levels.contrasts])
    left_out = sides.left_out + levels.left_out
    if not len(contrasts.human) and not left_out:
        return None
    labels = [label for _, some in found for label in some] + levels.labels
    agreed = agreement(contrasts)
    interval = None
    if agreed["refused"] is None and agreed["n_studies"] >= MIN_STUDIES:
        again = resampled_r(contrasts, draws=draws, seed=seed)
        interval = percentiles(again[np.isfinite(again)], agreed["n_studies"])
    names = ("r", "r_raw", "slope", "mae", "sign_agreement", "n_reliable", "regret", "n_contrasts", "n_studies", "refused")
    known: dict[str, Any] = dict(agreed)
    method: Literal["as assigned", "every persona through every arm"] = "as assigned" if arms is None else "every persona through every arm"
    methods = {"conjoint": AS_SHOWN if arms is None else SAME_QUESTIONS}
    return Effects(
        method=method,
        **{name: known[name] for name in names},
        regret_chance=agreed["regret_chance"],
        p=permutation_p(contrasts, draws=PERMUTATIONS, seed=seed),
        interval=interval,
        contrasts=tuple(_contrast(scored.split.studies, contrasts, i, label) for i, label in enumerate(labels)),
        methods={name: methods.get(name, method) for name in np.unique(contrasts.design).tolist()},
        items=items.counted(*(column[contrasts.design != "conjoint"] for column in (contrasts.study, contrasts.task, contrasts.item))),
        parse_rate=sides.parse_rate,
        left_out=dict(left_out + _without_contrasts(scored, sides, contrasts)),
    )


def _without_contrasts(scored: Scored, sides: Arms, contrasts: Contrasts) -> Counter[str]:
    """Scored outcomes that give no contrast, by reason."""
    given = [(sides.model.study, sides.model.task), (sides.asked.rows.study, sides.asked.rows.task)]
    columns = [(scored.split.study, scored.split.task), (contrasts.study, contrasts.task), *given]
    outcomes = distinct([np.concatenate(part) for part in zip(*columns, strict=True)])
    ends = np.cumsum([len(part[0]) for part in columns])[:-1]
    wanted, shown, *predicted = (np.bincount(code, minlength=outcomes.size) > 0 for code in np.split(outcomes.code, ends))
    there = np.logical_or(*predicted)
    return +Counter({NO_MODEL: int((wanted & ~there).sum()), NO_CONTRAST: int((wanted & there & ~shown).sum())})


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

    def within(self, people: Rows) -> Mask:
        """Which studies compare people with themselves, shape (studies,): unless they say `between`, those in which most people answered
        in several arms."""
        pairs = distinct([people.study, people.person, people.condition])
        study, person = people.study[pairs.first], people.person[pairs.first]
        each = distinct([study, person])
        several = total(study[each.first], (each.n > 1).astype(np.float64), len(self._stated))
        stated = np.array([design == "between" for design in self._stated], np.bool_)
        most: Mask = several > WITHIN * np.bincount(study[each.first], minlength=len(self._stated))
        return most & ~stated

    def label(self, study: int, condition: int, reference: int) -> str:
        """A contrast of arms in words."""
        against = "the other arms" if reference < 0 else self._labels.get((study, reference), f"condition {reference}")
        return f"{self._labels.get((study, condition), f'condition {condition}')} against {against}"


def _as_assigned(scored: Scored, items: Items, conjoints: Conjoints) -> Arms:
    """Both sides on stated scales: everybody's answer, and what the model expects of the rows it predicted."""
    split = scored.split
    use, scale = scored.predicted_rows()
    at = scored.predicted[use]
    shows = conjoints.shows(split.study, split.task)
    place = (split.response - split.scale.low) / (split.scale.high - split.scale.low)
    common = items.common(split.study, split.condition, split.task, split.item)
    everybody = Rows(split.study, split.condition, split.task, common, split.person, place)
    mean = means_on_scale(scored.predictions.answers, split.scale.take(scored.predicted))[use]
    judged = np.flatnonzero(shows[at])
    asked = everybody.take(at[judged])._replace(item=split.item[at[judged]])
    everyone, most = np.arange(len(judged)), conjoints.most
    points = Answers(np.arange(len(judged) + 1), split.response[at[judged]], np.ones(len(judged)))
    own, answers = scale.take(judged), some_answers(scored.predictions.answers, use[judged])
    return Arms(
        people=everybody.take(np.isfinite(split.scale.low) & scored.on_scale & ~shows),
        model=everybody.take(at[~shows[at]])._replace(value=mean[~shows[at]]),
        judged=judged_of(asked, asked.person, points, own, everyone, most),
        asked=judged_of(asked._replace(value=mean[judged]), asked.person, answers, own, everyone, most),
        parse_rate=None,
        left_out=Counter(),
    )


def _arm_contrasts(people: Rows, model: Rows, designs: _Designs) -> Iterator[tuple[Contrasts, list[str]]]:
    """Contrasts of arms by design, some studies at a time."""
    within = designs.within(people)
    for function, own in ((between_contrasts, ~within), (within_contrasts, within)):
        chosen = np.flatnonzero(own)
        for first in range(0, len(chosen), STUDIES_AT_ONCE):
            some = np.zeros(len(within), np.bool_)
            some[chosen[first : first + STUDIES_AT_ONCE]] = True
            answered, expected = (side.take(some[side.study]) for side in (people, model))
            if len(answered.value) and len(expected.value):
                if function is within_contrasts:
                    answered, expected = (_occasions_pooled(answered, side) for side in (answered, expected))
                found = function(answered, expected, designs.control)
                keys = zip(*(c.tolist() for c in (found.study, found.condition, found.reference)), strict=True)
                yield found, [designs.label(*key) for key in keys]


def _occasions_pooled(people: Rows, side: Rows) -> Rows:
    """The rows with one item in studies where nobody answers one item under two arms: there the items are the occasions of a person."""
    pairs = distinct([people.study, people.task, people.item, people.person])
    arms = distinct([pairs.code, people.condition])
    repeated = np.bincount(pairs.code[arms.first], minlength=pairs.size) > 1
    paired = np.unique(people.study[pairs.first[repeated]])
    return side._replace(item=np.where(np.isin(side.study, paired), side.item, POOLED))
