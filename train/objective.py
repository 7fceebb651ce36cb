"""The objective: cross-entropy on the tokens of the answer and its end of turn, and on nothing else.

The loss of a step is the sum over its trained tokens divided by their number in the WHOLE step (all processes, all micro-batches), so that
neither accumulation nor the number of processes changes it.

With `cell_smoothing`, the target of a token is not only the person's own answer but, for a share that falls to zero over the run, what all
training rows with the same stimulus answered. Both have the same expectation over the people of a cell; the second has less noise, which is
what a small model needs in its first minute. It makes no use of any row that is not trained on.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch

from .data import Batch


def answer_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Summed cross-entropy of a batch's trained tokens, in nats. Logits are computed at the answer only, where the model can."""
    extra = {"logits_to_keep": batch.keep} if keeps_logits(model) else {}
    logits = model(input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False, **extra).logits
    if not extra:
        logits = logits[:, batch.keep]
    log = torch.log_softmax(logits.float(), dim=-1)
    return -(log.gather(-1, batch.targets) * batch.weights).sum()


def keeps_logits(model: Any) -> bool:
    """Whether the model can compute logits at some positions only."""
    inner = getattr(model, "module", model)  # behind DistributedDataParallel
    return "logits_to_keep" in inspect.signature(inner.forward).parameters
