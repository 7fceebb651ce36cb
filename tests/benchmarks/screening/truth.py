"""True effects of arms in a simulated world: everybody of a study under every arm, by the world's own formula."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from socsci210.metrics.socsci210.codes import Floats
from socsci210.simulated import World, personas
from socsci210.simulated.world import SD, TYPES, probabilities


class Truth(NamedTuple):
    """Mean and spread of the answers under every arm as shares of the span, shape (arms,)."""

    mean: Floats
    sd: Floats

    def effect(self, arm: int, reference: int) -> float:
        """Of an arm against another one, or against the mean of all others (-1)."""
        return float(self.mean[arm] - (np.delete(self.mean, arm).mean() if reference < 0 else self.mean[reference]))


def truth_of(world: World, study: str) -> dict[tuple[int, int], Truth]:
    """Truth by (outcome, item)."""
    sample = world.sample(study)
    design, sizes = sample.design, world.element_sizes()
    party = personas.covariates(sample.people)[:, 0]
    residual = world.rng(design.id, "residuals")
    residual.normal(0, SD["study"])
    main, own = (np.array([sum(getattr(sizes[e], name) for e in arm.elements) for arm in design.arms]) for name in ("beta", "gamma"))
    found, cell = {}, np.zeros(len(design.arms))
    for asked in sample.asked:
        kind = TYPES[design.questions[asked.task].kind]
        if asked.item == 0 or design.assigned != "within":  # the same draws as the world's own
            residual.normal(0, SD["item"])
            cell = residual.normal(0, SD["cell"], len(design.arms))
        without = asked.eta - kind.elements * (main + np.outer(party, own))[np.arange(len(party)), asked.arm] - cell[asked.arm]
        place = np.arange(kind.high - kind.low + 1) / (kind.high - kind.low)
        under = [without + kind.elements * (main[arm] + own[arm] * party) + cell[arm] for arm in range(len(design.arms))]
        shares = np.stack([probabilities(eta, kind)[sample.kept].mean(axis=0) for eta in under])
        mean = shares @ place
        found[asked.task, asked.item] = Truth(mean, np.sqrt(shares @ place**2 - mean**2))
    return found
