"""What a run minimises: one objective, or several of them by weight.

With weights w_k that sum to 1, every step has examples of each part in these shares, and its loss is

    sum_k w_k * (summed loss of part k / summed `trained` of part k)

over the whole step. So a part's weight does not hang on how many tokens its examples have, and the gradient of a mixture is the weighted
sum of what its parts would give on the same examples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def make_parts(config: TrainConfig, tokens: RowTokens, folder: DatasetFolder, *, say: Callable[[str], None]) -> list[Part]:
    """The objectives of a run, each with its weight.

    Args:
        config: names them.
        tokens: the training rows.
        folder: their dataset.
        say: called with a line about what is left out.

    Raises:
        TrainError: an objective has no example.
    """
    found = [Part(weight, _made(name, config, tokens, folder)) for name, weight in config.weights.items()]
    for part in found:
        for what, number in part.objective.counts.items():
            if number:
                say(f"{part.objective.name}: {number} {what.replace('_', ' ')}")
    return found


def _made(name: str, config: TrainConfig, tokens: RowTokens, folder: DatasetFolder) -> Objective:
    if name == "dpo":
        return Dpo(tokens, config.dpo or DpoConfig(), seed=config.seed)
    if name == "distribution":
        return Distribution(tokens, config.distribution or DistributionConfig(), seed=config.seed)
    if name == "reasoning":
        traces = Path(config.rationales) if config.rationales else None
        return Reasoning(tokens, rationales(folder, tokens.rows, config.train_on, traces))
    return Sft(tokens, config.cell_smoothing)


def note_references(
    parts: Sequence[Part],
    config: TrainConfig,
    model: Any,
    context: int,
    folder: DatasetFolder,
    accelerator: Any,
    say: Callable[[str], None],
) -> None:
    """Gives a dpo part the log-probabilities of the model that training starts from; takes time where they are not noted yet.

    Args:
        parts: of `make_parts`.
        config: tells where the file lies.
        model: as training starts from it, before it is wrapped.
        context: its longest input; longer examples are not trained on and have no reference.
        folder: the dataset.
        accelerator: processes, device and precision of the run.
        say: called with lines about it.

    Raises:
        TrainError: the file is of something else, or another run computes it at this moment.
    """
    from ..reference import note

    named = config.dpo.reference if config.dpo else None
    place = Path(named) if named else Path(config.output).parent / "reference"
    for part in parts:
        if isinstance(part.objective, Dpo):
            fingerprint = folder.fingerprint
            note(model, part.objective, place, context=context, dataset_fingerprint=fingerprint, accelerator=accelerator, say=say)
