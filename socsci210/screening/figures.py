"""The figures of the page: effects with their intervals, and distributions of answers by arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa

from ..report.charts import Axis, Mark, Row, bars, dots
from ..report.drawing import Drawing
from ..report.words import signed
from .answered import Answered
from .experiment_file import Experiment

STAMP: Final = "Simulated answers are not people"
MOST: Final = 40  # rows of one figure


def effect_figures(experiment: Experiment, effects: pa.Table, *, shrunk: bool) -> list[Drawing]:
    """One figure for each outcome: the predicted effects, or with `shrunk` what they let expect among people; shares of the span."""
    out = []
    for outcome in experiment.outcomes:
        rows = [row for row in effects.to_pylist() if row["outcome"] == outcome.id][:MOST]
        span = float(outcome.scale.max - outcome.scale.min)
        keys = ("shrunk", "shrunk_low", "shrunk_high") if shrunk else ("effect", "low", "high")
        drawn = [Row(_against(experiment, row), (_mark([row[key] for key in keys], span),), _said(row[keys[0]], span)) for row in rows]
        if drawn:
            title = f"{outcome.label}: {'what to expect among people' if shrunk else 'predicted effects'}"
            notes = [f"Answers from {outcome.scale.min} to {outcome.scale.max}; {_means(outcome.scale.direction)}."]
            name = f"{'expected' if shrunk else 'predicted'}-{outcome.id}"
            out.append(dots(name, title, drawn, _axis(drawn), notes=notes, said=[STAMP]))
    return out


def comparison_figures(experiment: Experiment, table: pa.Table) -> list[Drawing]:
    """One figure for each outcome: predicted effects with what was expected of people, and people's own."""
    out = []
    for outcome in experiment.outcomes:
        span = float(outcome.scale.max - outcome.scale.min)
        rows = [row for row in table.to_pylist() if row["outcome"] == outcome.id][:MOST]
        drawn = [
            Row(
                _against(experiment, row),
                (_mark([(row["low"] + row["high"]) / 2, row["low"], row["high"]], span), Mark("people", row["human"] / span)),
                _said(row["human"], span),
            )
            for row in rows
        ]
        if drawn:
            notes = [f"Answers from {outcome.scale.min} to {outcome.scale.max}; {_means(outcome.scale.direction)}."]
            out.append(dots(f"compared-{outcome.id}", f"{outcome.label}: expected and real effects", drawn, _axis(drawn), notes=notes))
    return out


def level_figures(experiment: Experiment, rows: Sequence[dict[str, Any]]) -> list[Drawing]:
    """One figure for each outcome and arm of a conjoint: what its levels add by the predictions, and among people where that is known."""
    out = []
    for outcome, arm in dict.fromkeys((row["outcome"], row["arm"]) for row in rows):
        own = [row for row in rows if (row["outcome"], row["arm"]) == (outcome, arm)][:MOST]
        drawn = [Row(level_words(experiment, row["attribute"], row["level"]), _of_level(row), _of_people(row)) for row in own]
        title = experiment.outcome(outcome).label + (f", {experiment.arm(arm).label}" if len(experiment.arms) > 1 else "")
        notes = ["Against the first level of each attribute."]
        out.append(dots(f"levels-{outcome}-{arm}", title, drawn, _axis(drawn, "effect, from 0 to 1"), notes=notes, said=[STAMP]))
    return out


def level_words(experiment: Experiment, attribute: str, level: str) -> str:
    """A level and its attribute, as people see them."""
    found = next(one for one in experiment.attributes if one.name == attribute)
    return f"{found.title}: {found.levels[level]}"


def _of_people(row: dict[str, Any]) -> str:
    """The figure at the right: people's effect where it is known."""
    return signed(row["human"] if "human" in row else row["effect"], 2)


def _of_level(row: dict[str, Any]) -> tuple[Mark, ...]:
    if "human" in row:
        return Mark("model", row["predicted"], row["low"], row["high"]), Mark("people", row["human"])
    return (Mark("model", row["effect"], row["low"], row["high"]),)


def distribution_figures(experiment: Experiment, answered: Sequence[Answered]) -> list[tuple[str, list[Drawing]]]:
    """By outcome: the control arm as bars, every other arm as lines over them."""
    return [
        (one.outcome.label, [_distribution(experiment, one, arm) for arm in one.arms if arm != experiment.control.id]) for one in answered
    ]


def _distribution(experiment: Experiment, one: Answered, arm: str) -> Drawing:
    shares = one.shares.mean(axis=1)
    control, own = (shares[one.arms.index(name)].tolist() for name in (experiment.control.id, arm))
    labels = one.outcome.asked_in(arm)[2].labels
    title = experiment.arm(arm).label
    drawn = bars(f"answers-{one.outcome.id}-{arm}", title, control, own, one.support.tolist(), labels, said=[STAMP])
    means = [shares[one.arms.index(name)] @ one.support for name in (arm, experiment.control.id)]
    spoken = f"{title}: predicted mean {means[0]:.2f}, control {means[1]:.2f}"
    return replace(drawn, spoken=spoken)


def _against(experiment: Experiment, row: dict[str, Any]) -> str:
    label = experiment.arm(row["arm"]).label
    return label if row["against"] == experiment.control.id else f"{label} against {experiment.arm(row['against']).label}"


def _mark(values: Sequence[float], span: float) -> Mark:
    value, low, high = (one / span for one in values)
    return Mark("model", value, low, high)


def _said(value: float, span: float) -> str:
    return f"{signed(value, 2 if span < 20 else 1)}"


def _means(direction: str) -> str:
    return "a higher answer means more of it" if direction == "up" else "a lower answer means more of it"


def _axis(rows: Sequence[Row], words: str = "effect, as a share of the whole scale") -> Axis:
    ends = [value for row in rows for mark in row.marks for value in (mark.value, mark.low, mark.high) if value is not None]
    most = 1.08 * max((abs(value) for value in ends), default=0.0) or 0.1
    return Axis(-most, most, words)
