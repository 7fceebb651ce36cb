"""Predicted effects of arms, with what persona sampling and wording leave open, and distributions of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from .answered import Answered
from .experiment_file import Experiment
from .uncertainty import Estimated, crossed


@dataclass(frozen=True)
class Effect:
    """The predicted effect of an arm on an outcome, in scale units: every persona under the arm, less the same persona under the other.

    Attributes:
        estimate: averaged over the variants, with an interval over personas and variants.
        base: in the base variant alone, the way to ask that reliability was measured with; its standard error is over personas.
    """

    answered: Answered
    arm: str
    against: str
    estimate: Estimated
    base: Estimated

    @property
    def spread(self) -> tuple[float, float]:
        """Spread of the predicted answers under the arm and under the one that it is compared with."""
        return tuple(float(self.answered.sd[self.answered.arms.index(name)]) for name in (self.arm, self.against))  # type: ignore[return-value]

    @property
    def standardised(self) -> float | None:
        """In spreads of the answers under the arm that it is compared with; None where these are all the same."""
        return self.estimate.value / self.spread[1] if self.spread[1] else None


def all_effects(experiment: Experiment, answered: Sequence[Answered]) -> list[Effect]:
    """Every arm against the control, on every outcome, and what else the hypotheses compare."""
    wanted = [(one.outcome.id, arm.id, experiment.control.id) for one in answered for arm in experiment.arms]
    wanted += [(one.outcome, one.arm, experiment.against(one).id) for one in experiment.hypotheses]
    by_id = {one.outcome.id: one for one in answered}
    return [effect(by_id[outcome], arm, against) for outcome, arm, against in dict.fromkeys(wanted) if arm != against]


def effect(answered: Answered, arm: str, against: str) -> Effect:
    """One of them."""
    difference = answered.difference(arm, against)
    pull = answered.weight / answered.weight.sum()
    only = difference[:, [answered.base]]
    return Effect(answered, arm, against, crossed(difference, pull), crossed(only, pull))


def distributions(answered: Sequence[Answered]) -> pa.Table:
    """Predicted share of every answer by outcome and arm: the mean over variants, the base, and the lowest and highest of any variant."""
    rows = []
    for one in answered:
        for i, arm in enumerate(one.arms):
            for j, value in enumerate(one.support.tolist()):
                own = one.shares[i, :, j]
                rows.append(
                    {
                        "outcome": one.outcome.id, "arm": arm, "value": value, "label": one.outcome.asked_in(arm)[2].labels.get(value),
                        "share": float(own.mean()), "share_base": float(own[one.base]), "lowest": float(own.min()),
                        "highest": float(own.max()),
                    }
                )  # fmt: skip
    schema = pa.schema(
        [("outcome", pa.string()), ("arm", pa.string()), ("value", pa.int64()), ("label", pa.string())]
        + [(name, pa.float64()) for name in ("share", "share_base", "lowest", "highest")]
    )
    return pa.Table.from_pylist(rows, schema)
