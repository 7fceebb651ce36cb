"""Each hypothesis: is its direction predicted, how probable is it given the evidence, and how many people would it take to see it?

The probability is that of the posterior of the true effect (`reliability`), whose regression counts held-out contrasts more where their
topic and the length of their scale are like the new one's. Without evidence no probability is stated. Sample sizes are for three effects:
the predicted one, the shrunk one (what to expect among people), and a cautious one, which the true effect exceeds with a probability of
80 %. A study sized for an effect that is itself uncertain is too small about as often as not; one of the cautious size is too small one
time in five.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from .effects import Effect
from .evidence import Evidence
from .experiment_file import Experiment, Hypothesis
from .power import POWERS, sample_size
from .reliability import Posterior, Shrinkage

CAUTION: Final = 0.2
SIZES: Final = tuple(f"n{round(100 * power)}_{name}" for name in ("predicted", "shrunk", "cautious") for power in POWERS)
SCHEMA: Final = pa.schema(
    [("rank", pa.int64())]
    + [(name, pa.string()) for name in ("hypothesis", "outcome", "arm", "against", "direction")]
    + [(name, pa.float64()) for name in ("predicted", "low", "high", "base")]
    + [("as_predicted", pa.bool_()), ("robust", pa.bool_())]
    + [(name, pa.float64()) for name in ("probability", "shrunk", "shrunk_low", "shrunk_high", "cautious")]
    + [(name, pa.int64()) for name in SIZES]
)


@dataclass(frozen=True)
class Tested:
    """A hypothesis and what is said of it; `posterior` is a share of the scale's span, None without evidence."""

    hypothesis: Hypothesis
    effect: Effect
    sign: int
    posterior: Posterior | None

    @property
    def probability(self) -> float | None:
        """That the true effect has the stated direction."""
        if self.posterior is None:
            return None
        return self.posterior.positive if self.sign > 0 else 1 - self.posterior.positive

    @property
    def as_predicted(self) -> bool:
        """Whether the predicted effect has the stated direction."""
        return self.sign * self.effect.estimate.value > 0

    @property
    def cautious(self) -> float | None:
        """In scale units: the effect, in the direction of the shrunk one, that the true one exceeds with 80 %; None where that is none."""
        if self.posterior is None:
            return None
        way = np.sign(self.posterior.mean)
        share = self.posterior.quantile(CAUTION if way > 0 else 1 - CAUTION)
        return share * self.effect.answered.span if share * way > 0 else None


@dataclass(frozen=True)
class Expected:
    """What evidence lets expect of new effects; nothing without it. A regression serves all effects of one topic and length of scale."""

    evidence: Evidence | None
    _fits: dict[tuple[str | None, int], Shrinkage | None] = field(default_factory=dict)

    def posterior(self, effect: Effect, topic: str | None) -> Posterior | None:
        """Of the true effect as a share of the span. It starts from the base variant, in which evidence was measured."""
        if self.evidence is None:
            return None
        key = topic, len(effect.answered.support)
        if key not in self._fits:
            self._fits[key] = self.evidence.shrinkage(*key)
        found, span, se = self._fits[key], effect.answered.span, effect.base.se
        return None if found is None else found.posterior(effect.base.value / span, se / span if np.isfinite(se) else 0.0)


def tested(experiment: Experiment, effects: list[Effect], expected: Expected) -> list[Tested]:
    """The hypotheses, the most probable first; without evidence the one whose predicted effect stands out most from wording and people."""
    found = {(one.answered.outcome.id, one.arm, one.against): one for one in effects}
    out = []
    for one in experiment.hypotheses:
        effect = found[one.outcome, one.arm, experiment.against(one).id]
        up = (one.direction == "more") == (effect.answered.outcome.scale.direction == "up")
        out.append(Tested(one, effect, 1 if up else -1, expected.posterior(effect, one.topic or experiment.topic)))
    return sorted(out, key=_place)


def _place(one: Tested) -> tuple[float, float]:
    size = one.sign * (one.effect.standardised or 0.0)
    if one.probability is not None:
        return -one.probability, -size
    return (-2.0 if one.effect.estimate.robust else 0.0) * (1 if one.as_predicted else 0), -size


def hypothesis_table(found: list[Tested]) -> pa.Table:
    """One row for each, in scale units; sizes are people per arm, null where no size up to a million is enough."""
    return pa.Table.from_pylist([{"rank": i + 1} | _row(one) for i, one in enumerate(found)], SCHEMA)


def _row(one: Tested) -> dict[str, Any]:
    effect, span = one.effect, one.effect.answered.span
    row: dict[str, Any] = {
        "hypothesis": one.hypothesis.id, "outcome": effect.answered.outcome.id, "arm": effect.arm, "against": effect.against,
        "direction": one.hypothesis.direction, "predicted": effect.estimate.value, "low": effect.estimate.low,
        "high": effect.estimate.high, "base": effect.base.value, "as_predicted": one.as_predicted, "robust": effect.estimate.robust,
        "probability": one.probability, "cautious": one.cautious,
    }  # fmt: skip
    sizes = {"predicted": effect.estimate.value, "cautious": one.cautious}
    if one.posterior is not None:
        row |= {name: span * value for name, value in zip(("shrunk", "shrunk_low", "shrunk_high"), _bounds(one.posterior), strict=True)}
        sizes["shrunk"] = span * one.posterior.mean
    for name, value in sizes.items():
        for power in POWERS:
            row[f"n{round(100 * power)}_{name}"] = None if value is None else sample_size(value, *effect.spread, power)
    return row


def _bounds(found: Posterior) -> tuple[float, float, float]:
    return found.mean, found.low, found.high
