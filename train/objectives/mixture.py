"""What a run minimises: one objective, or several of them by weight.

With weights w_k that sum to 1, every step has examples of each part in these shares, and its loss is

    sum_k w_k * (summed loss of part k / summed `trained` of part k)

over the whole step. So a part's weight does not hang on how many tokens its examples have, and the gradient of a mixture is the weighted
sum of what its parts would give on the same examples.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from socsci210.dataset_folder import DatasetFolder

from ..config import TrainConfig
from ..settings import DistributionConfig, DpoConfig
from . import Objective, Part
from .distribution import Distribution
from .dpo import Dpo
from .reasoning import Reasoning, rationales
from .sft import Sft

if TYPE_CHECKING:
    from ..examples import RowTokens


def parts(
    config: TrainConfig, tokens: RowTokens, folder: DatasetFolder, model: Any, accelerator: Any, *, say: Callable[[str], None]
) -> list[Part]:
    """The objectives of a run, each with its weight.

    Args:
        config: names them.
        tokens: the training rows.
        folder: their dataset.
        model: as training starts from it, before it is wrapped: the reference of dpo.
        accelerator: processes, device and precision of the run.
        say: called with a line about what is left out, and about work that takes time.

    Raises:
        TrainError: an objective has no example, or the reference of dpo cannot be had.
    """
    found = []
    for name, weight in config.weights.items():
        objective = _made(name, config, tokens, folder)
        for what, number in objective.counts.items():
            if number:
                say(f"{name}: {number} {what.replace('_', ' ')}")
        if isinstance(objective, Dpo):
            _with_reference(objective, config, folder, model, accelerator, say)
        found.append(Part(weight, objective))
    return found


def _made(name: str, config: TrainConfig, tokens: RowTokens, folder: DatasetFolder) -> Objective:
    if name == "dpo":
        return Dpo(tokens, config.dpo or DpoConfig(), seed=config.seed)
    if name == "distribution":
        return Distribution(tokens, config.distribution or DistributionConfig(), seed=config.seed)
    if name == "reasoning":
        return Reasoning(tokens, rationales(folder, tokens.rows, config.train_on))
    return Sft(tokens, config.cell_smoothing)


def _with_reference(dpo: Dpo, config: TrainConfig, folder: DatasetFolder, model: Any, accelerator: Any, say: Callable[[str], None]) -> None:
    from ..reference import note

    named = config.dpo.reference if config.dpo else None
    place = Path(named) if named else Path(config.output).parent / "reference"
    note(model, dpo, place, dataset_fingerprint=folder.fingerprint, accelerator=accelerator, say=say)
