"""What the launcher was asked for must be what runs: accelerate leaves out what a machine cannot do without a word."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from .config import TrainConfig, TrainError
from .progress import check_trackers

# How long processes wait for each other: the main one alone writes large models. Of one that dies, the launcher tells the others at once.
_PATIENCE: Final = timedelta(hours=2)
_ASKED: Final = {"ACCELERATE_USE_FSDP": "FSDP", "ACCELERATE_USE_DEEPSPEED": "DEEPSPEED"}


def make_accelerator(config: TrainConfig, output: Path) -> Any:
    """The processes of this run, as accelerate sees them.

    Raises:
        TrainError: they are not what the launcher was asked for, or a tracker is not installed.
    """
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs

    check_trackers(config.track_with)
    folder = output.with_name(output.name + ".tracking") if config.track_with else None
    accelerator = Accelerator(
        mixed_precision=config.precision, log_with=list(config.track_with) or None, project_dir=folder,
        kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
    )  # fmt: skip
    check_processes(accelerator)
    if accelerator.distributed_type.value == "DEEPSPEED":
        settle_deepspeed(accelerator, config.batch_size)
    return accelerator


def settle_deepspeed(accelerator: Any, batch_size: int) -> None:
    """Every process loads and builds models whole; DeepSpeed cuts up the one that is trained when it is prepared, and no other.

    transformers would cut up every model as soon as it is made. Its weights would then look like vectors, which get no weight decay, and
    what the main process does alone (reference log-probabilities, saving) would wait for the other processes for ever.
    """
    from transformers.integrations import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()
    accelerator.state.deepspeed_plugin.deepspeed_config["train_micro_batch_size_per_gpu"] = batch_size  # no data loader tells it


def check_updates(accelerator: Any, batches: int) -> None:
    """DeepSpeed, as accelerate drives it here, updates the weights after every backward pass: a step of several would be several steps.

    Raises:
        TrainError: a process has several micro-batches in a step, and the weights are DeepSpeed's.
    """
    if batches > 1 and accelerator.distributed_type.value == "DEEPSPEED":
        raise TrainError(
            f"{batches} micro-batches in a step of one process, and DeepSpeed updates the weights after each", where="accelerate launch",
            expected="one", fix="raise batch_size or the number of processes until they make the step at once, or shard with FSDP2",
        )  # fmt: skip


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
