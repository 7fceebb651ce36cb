"""The format of an experiment file: arms with their texts, outcomes with their scales, and the hypotheses to screen.

The file is data, small enough to be written by hand (`socsci210 new-experiment` writes one to begin with). Its words are rendered by
`socsci210.stimuli` like those of every dataset, so that a model meets them in the form that it was trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from ..errors import SocSciError, StudyFileError
from ..schema import Identifier, Many, Name, Scale, Strict, Text, Whole
from ..study_yaml import Document, Model, parse_model, read_yaml
from .experiment_checks import check_experiment, check_marginals, check_scale, direction_stated, one_line

FORMAT: Final = 1
START: Final = "start from the file that `socsci210 new-experiment` writes"


class ExperimentError(SocSciError):
    """An experiment file, or the people for it, that cannot be run as they stand."""


Words = Annotated[Text, AfterValidator(one_line)]
"""Text as a prompt holds it: one line, single spaces."""
MaybeWords = Annotated[str, AfterValidator(one_line)]
Labels = dict[Whole, Words]


class Part(Strict):
    """A part of the file, whose docstrings are the help of its JSON Schema."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Arm(Part):
    """One experimental arm: what its people meet before the questions."""

    id: Identifier
    label: Text
    text: MaybeWords
    """All that people of this arm read, word for word. Empty where they read nothing before the question."""
    frame: Literal["read", "viewed", "watched", "heard", "told", "did"] = "read"
    """How they met it: "You read ...", "You watched ...". A film or a picture is described in words."""
    control: bool = False
    """The arm that others are compared with, unless a hypothesis names another. Exactly one arm is it."""
    factors: dict[Identifier, Text] = Field(default_factory=dict)
    """Of a factorial design: factor and level, such as `source: scientists`."""


class AnswerScale(Part):
    """The answers that an outcome allows: `min`, `min + step`, ..., `max`."""

    min: Whole
    max: Whole
    step: Whole = 1
    labels: Labels = Field(default_factory=dict)
    """What values mean, as people see it. Both ends need a label, unless the kind is numeric."""
    direction: Literal["up", "down"]
    """up: a higher value means more of what the outcome's label names; down: less of it."""
    kind: Literal["binary", "ordinal", "numeric"] | None = None
    """Default: binary for two answers, else ordinal. numeric: amounts, whose values speak for themselves."""
    unit: Text | None = None
    """Of a numeric scale: what is counted, such as `days` or `percent`."""

    @model_validator(mode="before")
    @classmethod
    def _direction(cls, data: Any) -> Any:
        return direction_stated(data)

    @model_validator(mode="after")
    def _check(self) -> AnswerScale:
        check_scale(self)
        return self

    @cached_property
    def scale(self) -> Scale:
        """The same as prompts and scores take it."""
        kind = self.kind or ("binary" if len(range(self.min, self.max + 1, self.step)) == 2 else "ordinal")
        return Scale(
            min=self.min, max=self.max, step=self.step, labels=dict(self.labels), kind=kind, unit=self.unit, direction=self.direction
        )


class Wording(Part):
    """How an outcome is asked in some arms. What is left out is taken from the outcome."""

    arms: Many[Identifier] = Field(min_length=1)
    context: MaybeWords | None = None
    question: Words | None = None
    labels: Labels | None = None


class Outcome(Part):
    """A question that everybody answers."""

    id: Identifier
    label: Text
    """What the question measures, in a few words. A hypothesis says "more" or "less" of it."""
    question: Words
    scale: AnswerScale
    context: MaybeWords = ""
    """What everybody reads just before this question, after the text of the arm."""
    wordings: Many[Wording] = ()
    """Where the wording of the question is itself the treatment."""

    def asked_in(self, arm: str) -> tuple[str, str, Scale]:
        """(context, question, scale) as people of an arm meet them."""
        for wording in self.wordings:
            if arm in wording.arms:
                context = self.context if wording.context is None else wording.context
                scale = self.scale.scale if wording.labels is None else self.scale.scale.model_copy(update={"labels": dict(wording.labels)})
                return context, wording.question or self.question, scale
        return self.context, self.question, self.scale.scale


class Hypothesis(Part):
    """A contrast of two arms on one outcome, with the direction that is expected."""

    id: Identifier
    outcome: Identifier
    arm: Identifier
    against: Identifier | None = None
    """The arm that it is compared with; default: the control arm."""
    direction: Literal["more", "less"]
    """Of what the outcome's label names, whichever way its scale runs."""
    topic: Text | None = None
    """What it is about, in words of your own: measured reliability is looked up among studies like it."""


class Attribute(Part):
    """An attribute of the profiles of a conjoint."""

    name: Identifier
    title: Words
    """The name that people see."""
    levels: dict[Identifier, Words] = Field(min_length=2)
    """Name of each level and the words that people see. The first one is the reference."""


class Fill(Part):
    """A blank in braces, such as `{who}`, filled for every person."""

    by: Identifier
    """A field of the persona (`gender`, `party_id`, ...), or `draw`: at random, by the seed, the same in every arm."""
    values: dict[Text, MaybeWords] = Field(min_length=1)
    """The words for each value of the field; of a draw, names of your own."""
    other: MaybeWords | None = None
    """The words for people whose field has none of these values, or is not known."""


Shares = dict[Text, Annotated[float, Field(ge=0, allow_inf_nan=False)]]
Marginals = dict[Text, Shares]
"""`gender: {Male: 49, Female: 51}`; joint ones as `age | education: {"18-29 | Bachelor's degree": 6.5, ...}`."""


class Experiment(Part):
    """A whole experiment file."""

    format: Literal[1]
    """Of this file: 1."""
    title: Text
    topic: Text | None = None
    """What it is about, for hypotheses without a topic of their own."""
    arms: Many[Arm] = Field(min_length=1)
    outcomes: Many[Outcome] = Field(min_length=1)
    hypotheses: Many[Hypothesis] = ()
    attributes: Many[Attribute] = ()
    """Of a conjoint: what the profiles show, drawn by the seed for every person."""
    profiles: Annotated[int, Field(ge=1, le=6)] = 2
    """Profiles side by side in a question of the conjoint. With several, an outcome may ask which one is chosen."""
    tasks: Annotated[int, Field(ge=1, le=50)] = 1
    """Questions of the conjoint that everybody answers, each with new profiles."""
    subgroups: Many[Identifier] = ()
    """Fields of the persona whose groups are looked at apart."""
    fills: dict[Name, Fill] = Field(default_factory=dict)
    marginals: Marginals = Field(default_factory=dict)
    """Shares of the population that `--personas sample:N` draws, and that other people are weighted to."""

    @model_validator(mode="after")
    def _check(self) -> Experiment:
        check_experiment(self)
        return self

    @property
    def control(self) -> Arm:
        """The arm that others are compared with."""
        return next((arm for arm in self.arms if arm.control), self.arms[0])

    def arm(self, name: str) -> Arm:
        """The arm with an id; KeyError for none."""
        return {arm.id: arm for arm in self.arms}[name]

    def outcome(self, name: str) -> Outcome:
        """The outcome with an id; KeyError for none."""
        return {outcome.id: outcome for outcome in self.outcomes}[name]

    def against(self, hypothesis: Hypothesis) -> Arm:
        """The arm that a hypothesis compares its own with."""
        return self.arm(hypothesis.against) if hypothesis.against else self.control

    @cached_property
    def sha256(self) -> str:
        """Of the content: comments and layout of the file do not count."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class Population(Part):
    """A file of shares alone, for several experiments: `marginals: {gender: {Male: 49, Female: 51}}`."""

    marginals: Marginals = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Population:
        check_marginals(self.marginals, ("marginals",))
        return self


def read_marginals(path: Path) -> Marginals:
    """The shares of a population file.

    Raises:
        ExperimentError: with every problem of the file, each with its line and key.
    """
    return _read(Population, path).marginals


def read_experiment(experiment: Path | str | Mapping[str, Any] | Experiment) -> Experiment:
    """An experiment from its file, or from the same content as a mapping.

    Raises:
        ExperimentError: with every problem of the file, each with its line and key.
    """
    if isinstance(experiment, Experiment):
        return experiment
    if isinstance(experiment, Mapping):
        return _of_mapping(experiment)
    return _read(Experiment, Path(experiment))


def _read(model: type[Model], path: Path) -> Model:
    try:
        return parse_model(model, read_yaml(path))
    except StudyFileError as error:
        fix = START if "_template" in error.fix else error.fix
        raise ExperimentError(error.found, where=error.where, expected=error.expected, fix=fix) from None


def _of_mapping(content: Mapping[str, Any]) -> Experiment:
    """The messages of a file, without its lines."""
    document = Document(Path("experiment"), dict(content), {(): 0})
    try:
        return parse_model(Experiment, document)
    except StudyFileError as error:
        where = error.where.replace(", line 0", "")
        raise ExperimentError(error.found, where=where, expected=error.expected, fix=error.fix) from None
