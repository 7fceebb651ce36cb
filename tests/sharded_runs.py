"""One run of the training loop on weights in shards (FSDP2, or ZeRO-3 of DeepSpeed), on CPUs.

    python -m torch.distributed.run --standalone --nproc_per_node 2 -m tests.sharded_runs fsdp2|zero3 SETTINGS STEP

accelerate shards on GPUs only and leaves it out on a CPU; torch and DeepSpeed themselves can shard there. So accelerate is told here that
it is to shard. The run is cut off before a step and started again (-1: never).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from socsci210.train import loop, run
from socsci210.train.config import read_config
from socsci210.train.processes import settle_deepspeed
from socsci210.train.settings import TrainConfig


class Cut(Exception):
    """Ends a run."""


def fsdp2(config: TrainConfig, output: Path) -> Any:
    """An accelerator that cuts models into shards although there is no GPU."""
    from accelerate import Accelerator, FullyShardedDataParallelPlugin
    from accelerate.state import PartialState
    from accelerate.utils import DistributedType

    accelerator = Accelerator(mixed_precision=config.precision)
    os.environ["ACCELERATE_USE_FSDP"] = "true"
    PartialState._shared_state["distributed_type"] = accelerator.state.distributed_type = DistributedType.FSDP
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy="transformer_based_wrap", reshard_after_forward=True, cpu_ram_efficient_loading=False,
        state_dict_type="SHARDED_STATE_DICT",
    )  # fmt: skip
    assert accelerator.is_fsdp2 and accelerator.num_processes == 2
    return accelerator


def zero3(config: TrainConfig, output: Path) -> Any:
    """The same with DeepSpeed, set up as train/configs/accelerate_zero3.yaml says."""
    from accelerate import Accelerator, DeepSpeedPlugin
    from accelerate.state import PartialState
    from accelerate.utils import DistributedType
    from deepspeed import comm  # type: ignore[import-not-found, unused-ignore]

    accelerator = Accelerator(mixed_precision=config.precision)
    comm.init_distributed(dist_backend="gloo", auto_mpi_discovery=False)
    os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"
    plugin = DeepSpeedPlugin(
        zero_stage=3, gradient_accumulation_steps=1, gradient_clipping=1.0, zero3_init_flag=False, zero3_save_16bit_model=True
    )
    plugin.set_mixed_precision(config.precision)
    PartialState._shared_state["distributed_type"] = accelerator.state.distributed_type = DistributedType.DEEPSPEED
    accelerator.state.deepspeed_plugins = {"default": plugin}
    plugin.select(_from_accelerator_state=True)
    accelerator.deepspeed_engine_wrapped = None
    settle_deepspeed(accelerator, config.batch_size)
    assert accelerator.num_processes == 2
    return accelerator


def main(kind: str, settings: Path, at: int) -> None:
    loop.make_accelerator = {"fsdp2": fsdp2, "zero3": zero3}[kind]
    original = run.Run._step

    def step(self: Any, *given: Any) -> float:
        if self.progress.step == at:
            raise Cut
        return original(self, *given)

    run.Run._step = step  # type: ignore[method-assign]
    try:
        loop.train(read_config(settings))
    except Cut:
        run.Run._step = original  # type: ignore[method-assign]
        loop.train(read_config(settings))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
