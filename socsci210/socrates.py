"""A trained model, ready to be asked: the exact probability of every answer on a scale, for one person or for a dataset.

>>> model = socsci210.Socrates("models/socrates")  # doctest: +SKIP
>>> model.predict({"age": 34, "gender": "Female"}, "How warm is it? Only return an integer from 1 to 7.", (1, 7)).mean  # doctest: +SKIP
4.2
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .demographics import FIELDS
from .errors import DatasetError
from .language_model import rationales_of, run_record
from .prompts import PERSONA_HEADER, persona, same_words
from .schema import MAX_ENUMERATED

if TYPE_CHECKING:
    from .predict.exact import Asked
    from .row_texts import ScaleKey

Persona = Mapping[str, Any] | str


@dataclass(frozen=True)
class Answer:
    """How a model thinks that a person answers.

    Attributes:
        values: the answers of the scale, ascending.
        probabilities: of each, given that the answer is one of them; they sum to 1. All nan where a model that writes rationales came to no
            answer in any of them.
        answer_mass: probability, before that, that the answer is on the scale at all. Far below 1, the rest means little; at 0 there is no
            answer.
    """

    values: tuple[int, ...]
    probabilities: tuple[float, ...]
    answer_mass: float

    @property
    def mean(self) -> float:
        """The expected answer; nan where there is none."""
        return float(np.dot(self.values, self.probabilities))

    def draw(self, seed: int) -> int:
        """One answer, drawn by its probability; the same for the same seed.

        Raises:
            DatasetError: there is none.
        """
        if np.isnan(self.probabilities).any():
            raise DatasetError(
                "no answer can be drawn: none of the model's rationales came to one", expected="answer_mass above 0",
                fix="ask for more rationales: Socrates(model, rationales=K)",
            )  # fmt: skip
        uniform = np.random.default_rng(seed).random()
        at = int(np.searchsorted(np.cumsum(self.probabilities), uniform * sum(self.probabilities), side="right"))
        return self.values[min(at, len(self.values) - 1)]


class Socrates:
    """A causal language model and the way it wants to be asked.

    Args:
        model: folder that `socsci210 train` wrote, adapters included, any other model folder, or a Hub id (`org/name@v1` for a version).
        template: layout of the prompt; default: what the model's run record says it was trained with, else `upstream`.
        device: default: a GPU if there is one.
        batch_size: prompts per forward pass, at most.
        rationales: of a model that writes one before its answer, how many are drawn for each prompt; probabilities are means over them.
            Default: 1.

    Raises:
        DatasetError: there is no such model, or it writes no rationales and some are asked for.
        PromptError: there is no such template, or the model was trained on other words than this version's template of that name.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        template: str | None = None,
        device: str | None = None,
        batch_size: int = 64,
        rationales: int | None = None,
    ) -> None:
        self.name, self.device, self.batch_size = str(model), device, batch_size
        self.record = run_record(self.name)
        self.rationales = rationales_of(self.record, self.name, rationales)
        self.template = template or self.record.get("template") or "upstream"
        if template is None:
            same_words(self.record, self.name)

    @cached_property
    def _asked(self) -> Asked:
        from .language_model import load_model
        from .predict.exact import ExactAnswers
        from .predict.rationales import Rationales
        from .prompts import PromptEncoder

        loaded, tokenizer = load_model(self.name, self.device)
        exact = ExactAnswers(loaded, PromptEncoder(tokenizer, self.template), batch_size=self.batch_size)
        return exact if self.rationales is None else Rationales(exact, number=self.rationales)

    def predict(self, persona: Persona, stimulus: str, scale: Sequence[int] | ScaleKey) -> Answer:
        """The answer of one person to one question.

        Args:
            persona: any of the 16 fields of `socsci210.demographics.FIELDS`, or the whole text that describes the person.
            stimulus: all that the person reads, the question and how to answer it included.
            scale: (lowest, highest) answer, a list of three or more answers, or a `ScaleKey`. For just two answers far apart use a
                `ScaleKey` with a step.

        Raises:
            DatasetError: an unknown field, a stimulus without text, a scale without bounds or with too many answers, or a prompt longer
                than the context.
        """
        return self.predict_many([(persona, stimulus, scale)])[0]

    def predict_many(self, asked: Sequence[tuple[Persona, str, Sequence[int] | ScaleKey]]) -> list[Answer]:
        """The answers to several (persona, stimulus, scale), together: what they share is read once. Arguments and errors as `predict`."""
        from .predict.exact import normalise

        if not all(stimulus.strip() for _, stimulus, _ in asked):
            raise DatasetError("a question without text", expected="all that the person reads", fix="give the question as stimulus")
        values = [_values(scale) for _, _, scale in asked]
        encoder = self._asked.encoder
        prompts = [encoder.prompt(_persona_text(who), stimulus) for who, stimulus, _ in asked]
        answers = {some: encoder.answers(some) for some in set(values)}
        out = []
        for some, log in zip(values, self._asked.ask(prompts, [answers[some] for some in values]), strict=True):
            probabilities, mass = normalise(log[None])
            out.append(Answer(some, tuple(probabilities[0].tolist()), float(mass[0])))
        return out

    def predict_dataset(
        self,
        dataset: str | Path,
        config: str,
        split: str = "test",
        *,
        out: str | Path | None = None,
        per_cell: int | None = None,
        seed: int = 0,
    ) -> Path:
        """The answers to every row of a split, in a file that `socsci210 score` reads. A run that is cut off goes on where it was.

        Args:
            dataset: dataset folder.
            config, split: which rows.
            out: file to write; default: beside this process, named after model, config and split.
            per_cell: at most so many people of each cell.
            seed: decides which people those are, rationales, and draws where a scale cannot be enumerated.

        Raises:
            DatasetError: as `socsci210.predict.predict`.
        """
        from .predict import predict

        if out is None:
            short = hashlib.sha256(self.name.encode()).hexdigest()[:6]
            out = Path(f"{Path(self.name).name}-{short}-{config}-{split}.parquet")
        return predict(
            engine="transformers", model=self.name, dataset=Path(dataset), config=config, split=split, out=Path(out),
            template=self.template, batch_size=self.batch_size, per_cell=per_cell, seed=seed,
            rationales=self.rationales,
        )  # fmt: skip


def _values(scale: Sequence[int] | ScaleKey) -> tuple[int, ...]:
    """The answers of a scale, ascending."""
    from .row_texts import ScaleKey

    if isinstance(scale, ScaleKey):
        values = tuple(scale.values)
    elif len(scale) == 2:
        values = tuple(range(min(scale), max(scale) + 1))
    else:
        values = tuple(sorted({int(value) for value in scale}))
    if not 2 <= len(values) <= MAX_ENUMERATED:
        raise DatasetError(
            f"a scale of {len(values)} answers", where=f"scale {scale}", expected=f"2 to {MAX_ENUMERATED} answers",
            fix="give (lowest, highest), or a list of answers",
        )  # fmt: skip
    return values


def _persona_text(who: Persona) -> str:
    """The description of a person as the prompts have it."""
    if isinstance(who, str):
        return who if who.startswith(PERSONA_HEADER) else f"{PERSONA_HEADER}\n{who.strip()}"
    if unknown := [name for name in who if name not in FIELDS]:
        raise DatasetError(
            f"no field of a persona is called {unknown[0]!r}", expected=f"some of {', '.join(FIELDS)}", fix="check the persona"
        )
    return persona(who)
