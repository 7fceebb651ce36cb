"""Effects of attribute levels in conjoints (AMCE), of people and of the model.

A question that shows one profile and asks for a rating gives one judgement. A choice among k profiles on a scale of k answers gives k: 1
for the profile chosen, 0 for the others (the model: the probability of each); the lowest answer is the first profile in the order of the
study file. Other questions about several profiles say nothing of any one of them: they are left out and counted.

As shown, the model's expected answers stand in the place of people's, row by row. With an arms file every persona answered the same
questions, drawn from those that people saw. From these answers, each less the persona's own mean, least squares gives what a level adds
(in a choice: a level of the profile less the mean of the other profiles'). What the levels add is then put in for every profile that people
were shown, and goes through the same estimator as people's answers. So both sides are averaged over the same profiles, and who was shown
which profile plays no part in the model's effects.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

import numpy as np

from ..dataset_folder import DatasetFolder
from ..metrics.socsci210.cells import Answers, Floats, Ints
from ..metrics.socsci210.codes import distinct, total
from ..metrics.socsci210.effects import Contrasts, Rows, amce, joined
from ..profiles import Profiles, conjoint_profiles
from .predictions import Mask
from .split import Scale

IDENTIFIED: Final = 1e-6  # share of a contrast that may lie outside what the questions tell apart
NO_PROFILE: Final = "rows whose profile is not recorded"
NOT_A_CHOICE: Final = "rows that show several profiles and are no choice of one of them"
NOT_TOLD_APART: Final = "contrasts of levels that the questions of the arms file do not tell apart"
_NOTHING: Final = np.zeros(0, np.int64)
NONE: Final = amce(Rows(_NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING, np.zeros(0)), np.zeros(0), np.zeros((0, 1), np.int64))


class Judged(NamedTuple):
    """Answers to questions that show profiles: of people, or what a model expects.

    Attributes:
        rows: who was asked what (`value` is the mean position on [0, 1]); `person` is whom the question was put to.
        shown_to: the person who saw the question in the study.
        chosen: probability of the first, second, ... answer of the scale, shape (rows, most profiles of a question).
        options: number of answers of each row's scale.
    """

    rows: Rows
    shown_to: Ints
    chosen: Floats
    options: Ints

    def has(self, study: int, task: int) -> bool:
        """Whether there are rows of an outcome."""
        return bool(((self.rows.study == study) & (self.rows.task == task)).any())

    def of(self, study: int, task: int) -> Judged:
        """The rows of an outcome."""
        index = np.flatnonzero((self.rows.study == study) & (self.rows.task == task))
        return Judged(self.rows.take(index), self.shown_to[index], self.chosen[index], self.options[index])


class Judgements(NamedTuple):
    """One entry for each profile judged: the row, the profile, and the answer to it on [0, 1]."""

    row: Ints
    profile: Ints
    value: Floats


class Found(NamedTuple):
    """AMCEs, their labels, and what is left out by reason."""

    contrasts: Contrasts
    labels: list[str]
    left_out: Counter[str]


class Conjoints:
    """The conjoints among some studies.

    Args:
        folder: the dataset.
        studies: names by code.

    Attributes:
        profiles: what was shown, by study code.
    """

    def __init__(self, folder: DatasetFolder, studies: tuple[str, ...]) -> None:
        self.profiles = conjoint_profiles(folder, studies)

    def shows(self, study: Ints, task: Ints) -> Mask:
        """Which rows are of outcomes that show profiles."""
        out = np.zeros(len(study), np.bool_)
        for code, profiles in self.profiles.items():
            own = np.flatnonzero(study == code)
            out[own] = np.isin(task[own], profiles.tasks)
        return out

    @property
    def most(self) -> int:
        """Most profiles of any question."""
        return max((int(profiles.n.max()) for profiles in self.profiles.values()), default=1)

    def contrasts(self, people: Judged, model: Judged, *, crossed: bool) -> Found:
        """AMCEs of all outcomes.

        Args:
            crossed: whether the model put every persona to the same questions; else its rows are those of `people`, in the same order.
        """
        found = [
            self._outcome(study, people.of(study, task), model.of(study, task), crossed)
            for study, profiles in self.profiles.items()
            for task in profiles.tasks.tolist()
            if people.has(study, task) and model.has(study, task)
        ]
        left_out: Counter[str] = sum((one.left_out for one in found), Counter())
        return Found(joined([NONE, *(one.contrasts for one in found)]), [label for one in found for label in one.labels], left_out)

    def _outcome(self, study: int, people: Judged, model: Judged, crossed: bool) -> Found:
        profiles = self.profiles[study]
        judged, left_out = judgements(profiles, people)
        rows = people.rows.take(judged.row)._replace(value=judged.value)
        of_model, _ = judgements(profiles, model)
        if not len(judged.row) or not len(of_model.row):
            return Found(NONE, [], left_out)
        if crossed:
            found, unclear = _crossed(profiles, rows, judged.profile, model.rows, of_model)
            left_out += Counter({NOT_TOLD_APART: unclear})
        else:
            found = amce(rows, of_model.value, profiles.levels[judged.profile])
        keys = zip(found.attribute.tolist(), found.condition.tolist(), found.reference.tolist(), strict=True)
        return Found(found, [profiles.label(*key) for key in keys], left_out)


def judged_of(rows: Rows, shown_to: Ints, answers: Answers, scale: Scale, index: Ints, most: int) -> Judged:
    """Some rows, what they say of the first answers of their scales included; the other arguments are of all rows.

    Args:
        most: how many answers of each scale.
    """
    own = scale.take(index)
    return Judged(rows.take(index), shown_to[index], _chosen(some_answers(answers, index), own, most), own.size)


def some_answers(answers: Answers, index: Ints) -> Answers:
    """The answers of some rows, in the order of `index`."""
    sizes = answers.sizes[index]
    start = np.concatenate([[0], np.cumsum(sizes)])
    entry = np.repeat(answers.start[index] - start[:-1], sizes) + np.arange(start[-1])
    return Answers(start, answers.value[entry], answers.probability[entry])


def _chosen(answers: Answers, scale: Scale, most: int) -> Floats:
    """Probability of each row's first, second, ... answer on its scale, shape (rows, most)."""
    row, value, probability = answers.part(slice(0, len(answers.start) - 1))
    option = np.rint((value - scale.low[row]) / scale.step[row]).astype(np.int64)
    inside = (option >= 0) & (option < most)
    flat = np.bincount(row[inside] * most + option[inside], weights=probability[inside], minlength=(len(answers.start) - 1) * most)
    return flat.reshape(-1, most).astype(np.float64)


def judgements(profiles: Profiles, asked: Judged) -> tuple[Judgements, Counter[str]]:
    """What is said of single profiles, and how many rows say nothing of one, by reason."""
    question = profiles.question(asked.shown_to, asked.rows.task, asked.rows.item)
    n = profiles.n[question]
    choice = (n == 1) | (n == asked.options)
    left_out = Counter({NO_PROFILE: int((question < 0).sum()), NOT_A_CHOICE: int(((question >= 0) & ~choice).sum())})
    row, profile, place = profiles.shown(np.where(choice, question, -1))
    value = np.where(n[row] == 1, asked.rows.value[row], asked.chosen[row, place])
    return Judgements(row, profile, value), +left_out


def _crossed(profiles: Profiles, people: Rows, profile: Ints, asked: Rows, of_model: Judgements) -> tuple[Contrasts, int]:
    """AMCEs with what the levels add by the model's answers in the place of people's, and how many contrasts those do not tell apart.

    Least squares on the levels and the conditions, every answer less its persona's mean: a persona that lacks an answer moves nothing.
    """
    per_profile = profiles.contributions()
    shown = distinct([of_model.profile])
    persona = distinct([asked.person[of_model.row]])
    arm = distinct([asked.condition[of_model.row]])
    inputs = np.hstack([per_profile[of_model.profile[shown.first]], np.eye(arm.size)[arm.code[shown.first]]])
    counts = np.bincount(persona.code * shown.size + shown.code, minlength=persona.size * shown.size).reshape(persona.size, shown.size)
    sums, n = counts @ inputs, persona.n.astype(np.float64)
    products = (inputs * counts.sum(axis=0)[:, None]).T @ inputs - (sums / n[:, None]).T @ sums
    answers = inputs.T @ total(shown.code, of_model.value, shown.size) - sums.T @ (total(persona.code, of_model.value, persona.size) / n)
    inverse = np.linalg.pinv(products, rcond=1e-10, hermitian=True)
    added = (inverse @ answers)[: per_profile.shape[1]]
    found = amce(people, per_profile[profile] @ added, profiles.levels[profile])

    told = np.eye(len(products)) - inverse @ products
    first = profiles.offsets[found.attribute]
    known = np.abs(told[first + found.condition] - told[first + found.reference]).max(axis=1, initial=0) < IDENTIFIED
    return Contrasts(*(column[known] for column in found)), int((~known).sum())
