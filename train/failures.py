"""What a run says when it cannot go on: out of memory, or a loss that is not finite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch

from .config import TrainError
from .settings import TrainConfig

_MEMORY: Final = re.compile(r"out of memory|not enough memory|can't allocate|cannot allocate|failed to allocate", re.I)


@contextmanager
def memory_explained(config: TrainConfig, doing: str) -> Iterator[None]:
    """Turns every kind of running out of memory into a message that names the setting to lower.

    Args:
        config: the settings.
        doing: when it was: `in step 4`.

    Raises:
        TrainError: the memory ran out inside the block.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not isinstance(error, torch.OutOfMemoryError) and not _MEMORY.search(str(error)):
            raise
        said = str(error).strip().split("\n")[0][:200] or type(error).__name__
        raise TrainError(f"out of memory {doing} ({said})", where=f"batch_size {config.batch_size}", fix=_advice(config)) from error


def _advice(config: TrainConfig) -> str:
    """What to change, the cheapest first."""
    half = config.batch_size // 2 // config.share_prefix * config.share_prefix  # groups are not cut
    found = []
    if half and config.global_batch is not None:
        found.append(f"set batch_size {half}: the steps stay the same")
    elif half:
        times = -(-config.batch_size // half)
        same = ": the steps stay the same" if half * times == config.batch_size else ""
        found.append(f"set batch_size {half} and accumulation {config.accumulation * times}{same}")
    elif config.share_prefix > 1:
        found.append("set share_prefix lower, then batch_size")
    if not config.gradient_checkpointing:
        found.append("set gradient_checkpointing true")
    if config.precision == "no":
        found.append("set precision bf16")
    if config.lora is None:
        found.append("train adapters (lora: {})")
    found.append("use more processes with train/configs/accelerate_fsdp2.yaml")
    on = "" if config.checkpoint_every is None else ". With --allow_changed true it goes on from the last checkpoint"
    return "; or ".join(found) + on


def not_finite(loss: float, norm: float, step: int, newest: Path | None) -> TrainError:
    """The error of a step whose loss or gradient is not a finite number."""
    kept = "no checkpoint was written" if newest is None else f"the last good checkpoint is {newest}"
    again = "" if newest is None else "; with --allow_changed true it goes on from there"
    return TrainError(
        f"loss {loss} and gradient norm {norm} at step {step}; nothing of this step was kept, {kept}", expected="finite numbers",
        fix=f"lower learning_rate, or raise warmup{again}",
    )  # fmt: skip
