"""What the launcher was asked for must be what runs: accelerate leaves out what a machine cannot do without a word."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from .config import TrainConfig, TrainError
from .progress import check_trackers

_ASKED: Final = {"ACCELERATE_USE_FSDP": "FSDP", "ACCELERATE_USE_DEEPSPEED": "DEEPSPEED"}


def make_accelerator(config: TrainConfig, output: Path) -> Any:
    """The processes of this run, as accelerate sees them.

    Raises:
        TrainError: they are not what the launcher was asked for, or a tracker is not installed.
    """
    from accelerate import Accelerator

    check_trackers(config.track_with)
    folder = output.with_name(output.name + ".tracking") if config.track_with else None
    accelerator = Accelerator(mixed_precision=config.precision, log_with=list(config.track_with) or None, project_dir=folder)
    check_processes(accelerator)
    return accelerator


def check_processes(accelerator: Any) -> None:
    """Kind and number of the processes.

    Raises:
        TrainError: other ones were asked for.
    """
    kind, started = accelerator.distributed_type.value, int(os.environ.get("WORLD_SIZE", "1"))
    for variable, asked in _ASKED.items():
        if os.environ.get(variable, "").lower() == "true" and kind != asked:
            raise TrainError(
                f"{asked} was asked for, and accelerate runs {kind} on {accelerator.device}", where="accelerate launch", expected=asked,
                fix="shards need GPUs: on a CPU launch with --multi_gpu, or with no configuration file",
            )  # fmt: skip
    if accelerator.num_processes != started:
        raise TrainError(
            f"{started} processes were started, and accelerate sees {accelerator.num_processes}", where="accelerate launch",
            expected="the same number", fix="on a CPU: ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes N ...",
        )  # fmt: skip
