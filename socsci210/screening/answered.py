"""answers.parquet as arrays: what every persona is expected to answer, under every arm and in every wording, and how answers are spread."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DatasetError
from ..metrics.socsci210.codes import Floats, Ints
from .experiment_file import Experiment, Outcome
from .parts import ANSWERS, BASE, TASK

SUMS_TO: float = 1e-6


@dataclass(frozen=True)
class Answered:
    """One outcome.

    Attributes:
        outcome: as the experiment file has it.
        arms, variants: names by place.
        people: rows of the personas who answered, ascending.
        weight: of those people, mean 1.
        support: allowed answers, ascending.
        mean: expected answer in scale units, shape (people, arms, variants).
        shares: weighted mean distribution, shape (arms, variants, answers).
        mass: weighted mean answer mass, shape (arms, variants).
    """

    outcome: Outcome
    arms: tuple[str, ...]
    variants: tuple[str, ...]
    people: Ints
    weight: Floats
    support: Ints
    mean: Floats
    shares: Floats
    mass: Floats

    @property
    def span(self) -> float:
        """From the lowest answer to the highest."""
        return float(self.support[-1] - self.support[0])

    @property
    def base(self) -> int:
        """Place of the base variant."""
        return self.variants.index(BASE)

    @cached_property
    def sd(self) -> Floats:
        """Spread of the answers of an arm, over people and wordings together, shape (arms,)."""
        shares = self.shares.mean(axis=1)
        mean = shares @ self.support
        out: Floats = np.sqrt(np.maximum(shares @ self.support.astype(np.float64) ** 2 - mean**2, 0.0))
        return out

    def difference(self, arm: str, against: str) -> Floats:
        """Expected answer under one arm less that under another, shape (people, variants)."""
        return self.mean[:, self.arms.index(arm)] - self.mean[:, self.arms.index(against)]


def read_answers(experiment: Experiment, personas: pa.Table, answers: pa.Table) -> tuple[Answered, ...]:
    """The answers of every outcome, in the order of the experiment file. Several questions of one outcome (a conjoint) are averaged.

    Raises:
        DatasetError: answers of unknown arms, outcomes or personas, a variant `base` that is missing, distributions that are none, or
            combinations that are missing or given twice.
    """
    arms, outcomes = tuple(arm.id for arm in experiment.arms), [outcome.id for outcome in experiment.outcomes]
    variants = tuple(dict.fromkeys(pc.unique(answers.column("variant")).to_pylist()))
    if BASE not in variants:
        raise DatasetError(f"no answers of variant {BASE!r}", where=ANSWERS, expected="a complete run", fix="run socsci210 simulate again")
    arm, outcome, variant = (
        pc.index_in(answers.column(name), pa.array(known, pa.string())) for name, known in
        (("arm", arms), ("outcome", outcomes), ("variant", variants))
    )  # fmt: skip
    if arm.null_count or outcome.null_count:
        raise DatasetError("answers of other arms or outcomes than the experiment has", where=ANSWERS, fix="run socsci210 simulate again")
    place = outcome.to_numpy()
    weight = personas.column("weight").to_numpy() if "weight" in personas.column_names else np.ones(len(personas))
    out = []
    for i, one in enumerate(experiment.outcomes):
        own = np.flatnonzero(place == i)
        rows = answers.take(pa.array(own)).combine_chunks()
        key = arm.to_numpy()[own].astype(np.int64), variant.to_numpy()[own].astype(np.int64)
        out.append(_of_outcome(one, arms, variants, rows, *key, weight))
    return tuple(out)


def _of_outcome(
    outcome: Outcome, arms: tuple[str, ...], variants: tuple[str, ...], rows: pa.Table, arm: Ints, variant: Ints, weight: Floats
) -> Answered:
    where = f"{ANSWERS}, outcome {outcome.id}"
    values = np.array(outcome.scale.scale.values, np.int64)
    support = pc.list_flatten(rows.column("support")).to_numpy()
    probability = pc.list_flatten(rows.column("probabilities")).to_numpy()
    n = len(rows)
    if not n or len(support) != n * len(values) or len(probability) != n * len(values) or (support.reshape(n, -1) != values).any():
        raise DatasetError("answers on another scale, or none", where=where, expected=f"{values[0]} to {values[-1]}", fix="run it again")
    probability = probability.reshape(n, -1)
    if not (np.isfinite(probability).all() and (probability >= 0).all() and np.abs(probability.sum(axis=1) - 1).max() < SUMS_TO):
        raise DatasetError("probabilities that do not sum to 1", where=where, expected="distributions", fix="run it again")
    people, person = np.unique(rows.column("persona").to_numpy().astype(np.int64), return_inverse=True)
    if people[0] < 0 or people[-1] >= len(weight):
        raise DatasetError(f"answers of persona {people[-1]}", where=where, expected=f"rows 0 to {len(weight) - 1}", fix="run it again")
    shape = (len(people), len(arms), len(variants))
    cell = (person.reshape(-1) * shape[1] + arm) * shape[2] + variant
    times = np.bincount(cell, minlength=int(np.prod(shape)))
    tasks = len(pc.unique(rows.column(TASK))) if TASK in rows.column_names else 1
    if (times != tasks).any():
        raise DatasetError(
            f"{int((times != tasks).sum())} of {times.size} combinations of persona, arm and variant are missing or given twice",
            where=where, expected="each once", fix="let socsci210 simulate finish: the same command goes on where it was",
        )  # fmt: skip
    own = weight[people] / weight[people].mean()
    mean: Floats = np.bincount(cell, weights=probability @ values, minlength=times.size).astype(np.float64).reshape(shape) / tasks
    part = own[person.reshape(-1)] / (own.sum() * tasks)
    group = arm * shape[2] + variant
    shares = np.stack([np.bincount(group, weights=part * column, minlength=shape[1] * shape[2]) for column in probability.T], axis=1)
    mass: Floats = np.bincount(group, weights=part * rows.column("answer_mass").to_numpy(), minlength=shape[1] * shape[2]).astype(
        np.float64
    )
    spread = shares.astype(np.float64).reshape(*shape[1:], -1)
    return Answered(outcome, arms, variants, people, own, values, mean, spread, mass.reshape(shape[1:]))
