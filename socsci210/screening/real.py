"""What people did in a study of a dataset: their effects of arms, and of the levels of a conjoint, by the names of an experiment."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..dataset_folder import DatasetFolder
from ..errors import DatasetError
from ..metrics.socsci210.codes import Floats
from ..metrics.socsci210.effects import Contrasts, Rows, amce, between_contrasts, within_contrasts
from ..profiles import Profiles, conjoint_profiles
from ..score.conjoint import Judged, judgements
from .experiment_file import Experiment, Outcome
from .names import outcome_names

_KEYS: Final = ("participant", "condition_num", "task_num", "item_num")


class Question(NamedTuple):
    """An outcome of the study, or one of its items; `item` is None where all items are meant, `whole` the name of all of them."""

    task: int
    item: int | None
    low: int
    high: int
    step: int
    whole: str

    @property
    def parts(self) -> bool:
        """Whether all items of an outcome are meant, each of which has a name too."""
        return self.item is None


class Real:
    """A study of a dataset.

    Args:
        folder: the dataset.
        study: its id.

    Attributes:
        conditions: number of each condition by its id.
        questions: by name; an outcome with several items also stands there as a whole.
        weighted: whether people count by the study's weights, as they do when they are asked as personas.
        rows: their answers in scale units.

    Raises:
        DatasetError: there is no such study.
    """

    def __init__(self, folder: DatasetFolder, study: str) -> None:
        if study not in folder.studies:
            raise DatasetError(
                f"no study {study!r}", where=str(folder.path), expected=f"one of {', '.join(folder.studies)}", fix="check the id"
            )
        self.folder, self.study = folder, study
        own = pc.field("study_id") == study
        conditions = folder.table("conditions", ["study_id", "condition_id", "condition_num"]).filter(own).to_pylist()
        self.conditions: dict[str, int] = {one["condition_id"]: one["condition_num"] for one in conditions}
        self.questions = _questions(folder.table("outcomes").filter(own).to_pylist())
        weights = folder.table("participants", ["study_id", "participant", "weight"]).filter(own)
        self.weighted = weights.column("weight").null_count < len(weights)
        self.rows = _rows(folder, study, weights if self.weighted else None)

    def why_not(self, outcome: Outcome) -> str | None:
        """Why an outcome of an experiment cannot be compared; None where it can."""
        found = self.questions.get(outcome.id)
        if found is None:
            return "only in the experiment"
        scale = outcome.scale
        if (found.low, found.high, found.step) != (scale.min, scale.max, scale.step):
            return f"from {scale.min} to {scale.max} in the experiment, from {found.low} to {found.high} in the study"
        return None

    def effect(self, outcome: str, arm: str, against: str) -> Contrasts | None:
        """The effect of an arm in scale units, within people where most of them answered in both arms; None with too few people."""
        one, other = self.conditions[arm], self.conditions[against]
        asked = self._asked(self.questions[outcome])
        own = asked.take(np.isin(asked.condition, (one, other)))
        own = own._replace(item=np.zeros_like(own.item))
        sides = [set(own.person[own.condition == number].tolist()) for number in (one, other)]
        paired = len(sides[0] & sides[1]) > 0.5 * len(sides[0] | sides[1])
        found = (within_contrasts if paired else between_contrasts)(own, own, np.array([other]))
        return found if len(found.human) else None

    @cached_property
    def profiles(self) -> Profiles | None:
        """What a conjoint showed; None for other designs."""
        return conjoint_profiles(self.folder, [self.study]).get(0)

    def levels(self, experiment: Experiment, outcome: str, arm: str) -> dict[tuple[str, str], tuple[float, float, int]]:
        """AMCE, its standard error and the people behind it, by attribute and level, of the levels that study and experiment share.

        A profile is judged on [0, 1]: chosen or not, or the place of its rating on the scale. Levels are matched by id or by their words.
        """
        if self.profiles is None:
            return {}
        asked, question = self._asked(self.questions[outcome]), self.questions[outcome]
        asked = asked.take(asked.condition == self.conditions[arm])
        options = len(range(question.low, question.high + 1, question.step))
        place = ((asked.value - question.low) // question.step).astype(np.int64)
        most = int(self.profiles.n.max())
        chosen = (place[:, None] == np.arange(most)).astype(np.float64)
        rated = asked._replace(value=(asked.value - question.low) / (question.high - question.low))
        judged, _ = judgements(self.profiles, Judged(rated, asked.person, chosen, np.full(len(place), options)))
        rows = rated.take(judged.row)._replace(value=judged.value, task=np.zeros_like(judged.row))
        levels = self.profiles.levels[judged.profile]
        out: dict[tuple[str, str], tuple[float, float, int]] = {}
        for attribute in experiment.attributes:
            if attribute.name not in self.profiles.attributes:
                continue
            at = self.profiles.attributes.index(attribute.name)
            names = [name.casefold() for name in self.profiles.names[at]]
            code = {key: _place(names, (key, words)) for key, words in attribute.levels.items()}
            base = code[next(iter(attribute.levels))]
            if base is None:
                continue
            found = amce(rows, np.zeros(len(rows.value)), levels[:, [at]], np.array([base]))
            by_code = {int(one): i for i, one in enumerate(found.condition.tolist())}
            for key, number in code.items():
                if number in by_code:
                    i = by_code[number]
                    out[attribute.name, key] = float(found.human[i]), float(found.human_se[i]), int(found.n[i])
        return out

    def _asked(self, question: Question) -> Rows:
        chosen = self.rows.task == question.task
        if question.item is not None:
            chosen &= self.rows.item == question.item
        return self.rows.take(chosen & (self.rows.value >= question.low) & (self.rows.value <= question.high))


def _place(names: list[str], wanted: tuple[str, str]) -> int | None:
    return next((names.index(name.casefold()) for name in wanted if name.casefold() in names), None)


def _questions(outcomes: list[dict[str, Any]]) -> dict[str, Question]:
    names = outcome_names(outcomes)
    found: dict[str, Question] = {}
    for one in outcomes:
        if one["scale_min"] is None or one["scale_max"] is None:
            continue
        scale = one["scale_min"], one["scale_max"], one["scale_step"] or 1
        name, whole = names[one["task_num"], one["item_num"]], str(one["outcome_id"])
        found[name] = Question(one["task_num"], one["item_num"], *scale, whole)
        if name != whole:
            found.setdefault(whole, Question(one["task_num"], None, *scale, whole))
    return found


def _rows(folder: DatasetFolder, study: str, weights: pa.Table | None) -> Rows:
    """All answers; nobody whose weight is 0."""
    table = folder.rows("all", columns=[*_KEYS, "response"], studies=[study])
    table = table.filter(pc.is_valid(table.column("response")))
    person, condition, task, item, response = (table.column(name).to_numpy() for name in (*_KEYS, "response"))
    who, condition, task, item = (one.astype(np.int64) for one in (person, condition, task, item))
    rows = Rows(np.zeros(len(table), np.int64), condition, task, item, who, response.astype(np.float64))
    if weights is None:
        return rows
    weighed = weights.column("participant").to_numpy().astype(np.int64)
    mass: Floats = np.ones(int(max(weighed.max(initial=0), rows.person.max(initial=0))) + 1)
    mass[weighed] = pc.fill_null(weights.column("weight"), 1.0).to_numpy()
    rows = rows._replace(weight=mass[rows.person])
    return rows.take(rows.mass > 0)
