"""One run of the training loop on weights in shards (FSDP2), on CPUs.

    python -m torch.distributed.run --standalone --nproc_per_node 2 -m tests.sharded_runs SETTINGS STEP

accelerate shards on GPUs only and leaves it out on a CPU; torch itself can shard there. So accelerate is told here that it is to shard. The
run is cut off before a step and started again (-1: never).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from socsci210.train import loop, run
from socsci210.train.config import read_config
from socsci210.train.settings import TrainConfig


class Cut(Exception):
    """Ends a run."""


def sharding(config: TrainConfig, output: Path) -> Any:
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


def main(settings: Path, at: int) -> None:
    loop.make_accelerator = sharding
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
    main(Path(sys.argv[1]), int(sys.argv[2]))
