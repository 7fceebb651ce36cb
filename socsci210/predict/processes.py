"""Several processes under `accelerate launch`, each with a device of its own."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Final

from ..errors import DatasetError
from .shards import ALONE, Processes

PATIENCE: Final = timedelta(days=7)  # shards differ in length, so some process waits; a process that dies ends the others by the launcher


def processes() -> tuple[Processes, str | None]:
    """The processes of this run, and this one's device: (one process, None) unless a launcher started several.

    Raises:
        DatasetError: the launcher started several, and accelerate sees one: each would write the whole file.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started < 2:
        return ALONE, None
    from accelerate import Accelerator, InitProcessGroupKwargs

    accelerator = Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)])
    if accelerator.num_processes != started:
        raise DatasetError(
            f"{started} processes were started, and accelerate sees {accelerator.num_processes}", expected="the same number",
            fix="on a CPU: ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes N ...",
        )  # fmt: skip
    found = Processes(accelerator.process_index, accelerator.num_processes, accelerator.wait_for_everyone)
    return found, str(accelerator.device)
