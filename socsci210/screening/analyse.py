"""From answers to what they say: effects, groups, hypotheses, and how far any of it may be believed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from ..predict.shards import CLOSING, METADATA_KEY
from .answered import Answered, read_answers
from .conjoint import amces
from .effects import Effect, all_effects, distributions
from .evidence import Evidence, Reliability, measure
from .experiment_file import Experiment
from .hypotheses import Expected, Tested, hypothesis_table, tested
from .subgroups import subgroup_effects

SIMULATED: Final = (
    "The model was measured on simulated studies alone: probabilities and shrunk effects are about people like the simulated ones. Nobody "
    "has measured here how it does on people."
)
EFFECTS: Final = pa.schema(
    [(name, pa.string()) for name in ("outcome", "arm", "against")]
    + [(name, pa.float64()) for name in ("effect", "low", "high", "share", "share_low", "share_high", "standardised", "base")]
    + [("same_sign", pa.bool_()), ("robust", pa.bool_())]
    + [(name, pa.float64()) for name in ("shrunk", "shrunk_low", "shrunk_high", "answer_mass")]
)


@dataclass(frozen=True)
class Screening:
    """Everything that a screening says, as tidy tables.

    Attributes:
        about: metadata of the answers: model, revision, engine, seed, variants and so on.
        effects: every arm against the control, and what else is compared: scale units, shares of the span, standardised.
        distributions: predicted share of every answer by outcome and arm.
        subgroups: effects by group; `groups_left_out` counts groups of under 30 people, by field.
        hypotheses: ranked; see `hypotheses`.
        amces: of a conjoint, what its levels add; see `conjoint`. No rows for other experiments.
        notes: what a reader must know of this run.
    """

    experiment: Experiment
    about: dict[str, Any]
    people: int
    made_up: bool
    reliability: Reliability
    effects: pa.Table
    distributions: pa.Table
    subgroups: pa.Table
    hypotheses: pa.Table
    amces: pa.Table
    groups_left_out: dict[str, int]
    notes: tuple[str, ...]
    answered: tuple[Answered, ...]
    tested: tuple[Tested, ...]


def analyse(
    experiment: Experiment,
    personas: pa.Table,
    answers: pa.Table,
    evidence: Evidence | str | None = None,
    *,
    profiles: pa.Table | None = None,
    seed: int = 0,
) -> Screening:
    """Analyse a run.

    Args:
        experiment: what was asked.
        personas: whom (columns of `parts.PERSONAS_SCHEMA`).
        answers: of every persona (columns of `parts.ANSWERS_SCHEMA`).
        evidence: of `read_evidence`; text says why there is none.
        profiles: of a conjoint, what each profile showed (columns of `parts.profiles_schema`).
        seed: of the resampling behind the interval of r.

    Raises:
        DatasetError: answers that are incomplete, of something else, or no distributions; a conjoint without its profiles.
    """
    answered = read_answers(experiment, personas, answers)
    replayed = _replayed(personas, evidence)
    if isinstance(evidence, Evidence) and replayed:
        evidence = evidence.without(replayed)
    lengths = [len(one.support) for one in answered]
    reliability = measure(evidence, topic=experiment.topic, lengths=lengths, seed=seed)
    expected = Expected(evidence if isinstance(evidence, Evidence) and reliability.refused is None else None)
    effects = all_effects(experiment, answered)
    found = tested(experiment, effects, expected)
    levels, no_levels = amces(experiment, answered, answers, profiles)
    groups, left_out = subgroup_effects(effects, personas, experiment.subgroups)
    about = _about(answers)
    return Screening(
        experiment=experiment, about=about, people=len(answered[0].people), made_up=bool(about.get("made_up", False)),
        reliability=reliability, effects=_effect_table(effects, expected, experiment.topic), distributions=distributions(answered),
        subgroups=groups, hypotheses=hypothesis_table(found), amces=levels, groups_left_out=left_out,
        notes=(*([SIMULATED] if reliability.simulated and reliability.refused is None else []),
               *_notes(answered, about, effects, replayed), *no_levels),
        answered=answered, tested=tuple(found),
    )  # fmt: skip


def _about(answers: pa.Table) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((answers.schema.metadata or {}).get(METADATA_KEY, b"{}"))
    return found


def _replayed(personas: pa.Table, evidence: Evidence | str | None) -> str:
    """The study of the evidence whose people these are: it must not vouch for its own replay. Empty if there is none."""
    if not isinstance(evidence, Evidence) or "source" not in personas.column_names:
        return ""
    sources = {str(source).rpartition(":")[2] for source in personas.column("source").unique().to_pylist()}
    return next(iter(sorted(sources & set(evidence.studies))), "")


def _notes(answered: tuple[Answered, ...], about: dict[str, Any], effects: list[Effect], replayed: str) -> tuple[str, ...]:
    notes = []
    if replayed:
        notes.append(f"These are people of {replayed}: how the model did on that study is left out of its measured reliability.")
    if len(answered[0].variants) == 1:
        notes.append("One wording of the prompt: intervals cover which personas were drawn, not how they were asked.")
    low = [one for one in answered if one.mass.min() < 0.9]
    if low:
        names = ", ".join(one.outcome.id for one in low)
        notes.append(f"Answer mass under 0.90 in {names}: the model often answers something that is not on the scale.")
    if left := (about.get(CLOSING) or {}).get("people_left_out"):
        notes.append(f"{left} personas are left out: the model gave them no answer that could be read to some question.")
    fragile = sum(not one.estimate.robust for one in effects)
    if fragile:
        notes.append(f"{fragile} of {len(effects)} predicted effects do not survive other wordings, or cannot be told from none.")
    return tuple(notes)


def _effect_table(effects: list[Effect], evidence: Expected, topic: str | None) -> pa.Table:
    rows = []
    for one in effects:
        estimate, span = one.estimate, one.answered.span
        signs = {bool(value > 0) for value in estimate.by_variant}
        expected = evidence.posterior(one, topic)
        rows.append(
            {
                "outcome": one.answered.outcome.id, "arm": one.arm, "against": one.against, "effect": estimate.value,
                "low": estimate.low, "high": estimate.high, "share": estimate.value / span, "share_low": estimate.low / span,
                "share_high": estimate.high / span, "standardised": one.standardised, "base": one.base.value,
                "same_sign": len(signs) == 1, "robust": estimate.robust,
                "shrunk": None if expected is None else span * expected.mean,
                "shrunk_low": None if expected is None else span * expected.low,
                "shrunk_high": None if expected is None else span * expected.high,
                "answer_mass": float(min(one.answered.mass[one.answered.arms.index(name)].min() for name in (one.arm, one.against))),
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, EFFECTS)
