"""Several processes under `accelerate launch`, each with a device of its own."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Final

from .shards import ALONE, Processes

PATIENCE: Final = timedelta(days=7)  # shards differ in length, so some process waits; a process that dies ends the others by the launcher


def processes() -> tuple[Processes, str | None]:
    """The processes of this run, and this one's device: (one process, None) unless a launcher started several."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return ALONE, None
    from accelerate import Accelerator, InitProcessGroupKwargs

    accelerator = Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)])
    found = Processes(accelerator.process_index, accelerator.num_processes, accelerator.wait_for_everyone)
    return found, str(accelerator.device)
