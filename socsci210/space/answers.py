"""The model, asked: a distribution for every person and text, and what they come to together."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from ..demographics import FIELDS
from ..row_texts import ScaleKey
from .asking import Asked, FormError

if TYPE_CHECKING:
    from ..socrates import Answer

Floats = npt.NDArray[np.float64]
SECONDS: Final = 120.0  # of one visit, before it is told to ask fewer people
AT_ONCE: Final = 8  # people between two looks at the clock


class Model(Protocol):
    """What is asked: `socsci210.Socrates`."""

    def predict_many(self, asked: Sequence[tuple[Any, str, Any]]) -> list[Answer]:
        """The answers to several (persona, stimulus, scale)."""


@dataclass(frozen=True)
class Effect:
    """A text against the first one, in the model.

    Attributes:
        difference: of the means, in points of the scale.
        standardised: the same in standard deviations of the answers after the first text; None where these do not vary.
        up: people whose predicted mean is higher than after the first text.
    """

    difference: float
    standardised: float | None
    up: int


@dataclass(frozen=True)
class Predicted:
    """Answers of every person after every text.

    Attributes:
        asked: what was asked.
        values: the answers of the scale, ascending.
        probabilities: (people, texts, values), given that the answer is on the scale.
        mass: (people, texts), the probability before that of being on the scale at all.
    """

    asked: Asked
    values: tuple[int, ...]
    probabilities: Floats
    mass: Floats

    @cached_property
    def distributions(self) -> Floats:
        """(texts, values), over all people."""
        return np.asarray(self.probabilities.mean(axis=0))

    @cached_property
    def means(self) -> Floats:
        """(texts,), over all people."""
        return np.asarray(self.distributions @ np.array(self.values, dtype=float))

    @cached_property
    def deviations(self) -> Floats:
        """(texts,): standard deviation of the answers, people and chance together."""
        away = np.array(self.values, dtype=float) - self.means[:, None]
        return np.asarray(np.sqrt((self.distributions * away**2).sum(axis=1)))

    @cached_property
    def on_scale(self) -> Floats:
        """(texts,): answer mass, over all people."""
        return np.asarray(self.mass.mean(axis=0))

    def effect(self, text: int) -> Effect:
        """The text at that place against the first."""
        difference, spread = float(self.means[text] - self.means[0]), float(self.deviations[0])
        own = self.probabilities @ np.array(self.values, dtype=float)
        return Effect(difference, difference / spread if spread > 1e-9 else None, int((own[:, text] > own[:, 0]).sum()))


def ask(
    model: Model,
    asked: Asked,
    *,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> Predicted:
    """Every person's answer after every text.

    Args:
        model: whom to ask.
        asked: what.
        seconds: when to give up; nothing is shown of what was done until then.
        clock: seconds, for the limit.
        tell: called with (people done, people in all).

    Raises:
        FormError: it takes too long.
        DatasetError: a text does not fit into the model's context.
    """
    scale = ScaleKey(asked.scale.min, asked.scale.max, asked.scale.step)
    started, stimuli, answers = clock(), asked.stimuli, list[Any]()
    for at in range(0, len(asked.people), AT_ONCE):
        if at and clock() - started > seconds:
            raise FormError(
                f"after {seconds:.0f} seconds {at} of {len(asked.people)} people had answered", where="Time",
                fix=f"ask at most {at} people at a time, compare fewer texts, or run the app on a machine of your own",
            )  # fmt: skip
        some = asked.people[at : at + AT_ONCE]
        answers += model.predict_many([(person, text, scale) for person in some for text in stimuli])
        tell(at + len(some), len(asked.people))
    shape = (len(asked.people), len(stimuli))
    return Predicted(
        asked,
        answers[0].values,
        np.array([answer.probabilities for answer in answers]).reshape(*shape, -1),
        np.array([answer.answer_mass for answer in answers]).reshape(shape),
    )


def table(predicted: Predicted, source: str) -> str:
    """All numbers as CSV, one line for each person and text.

    Args:
        predicted: what to write down.
        source: who answered; stands on every line, so that nobody takes the file for answers of people.
    """
    asked, out = predicted.asked, io.StringIO()
    fields = [field for field in FIELDS if any(field in person for person in asked.people)]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["simulated_by", "person", *fields, "text", "mean", "answer_mass", *(f"p_{value}" for value in predicted.values)])
    means = predicted.probabilities @ np.array(predicted.values, dtype=float)
    for at, person in enumerate(asked.people):
        for k, condition in enumerate(asked.conditions):
            numbers = [means[at, k], predicted.mass[at, k], *predicted.probabilities[at, k]]
            told = [person.get(field, "") for field in fields]
            writer.writerow([source, at + 1, *told, condition.name, *(f"{number:.6g}" for number in numbers)])
    return out.getvalue()
