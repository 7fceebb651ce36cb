"""One model per split: each is trained on the train side of its own split alone, so none has met a row that it is scored on.

Small models gain little from a second thread and lose much when threads wait for each other on a busy machine, so two models are trained at
a time, each in a process of its own with one thread.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from .config import resolve
from .launch import launch
from .loop import Say

AT_A_TIME: Final = 2


def train_per_split(settings: Mapping[str, Any], configs: Sequence[str], *, output: Path, say: Say = print) -> dict[str, Path]:
    """Train a model for every config and return config -> model folder (`output / config`).

    `max_minutes` of the settings is the time for all of them together. One model for all splits would have to leave out the held-out rows
    of every split, which on the simulated studies leaves a tenth of the rows.

    Args:
        settings: of `TrainConfig`; `train_on` and `output` are set here.
        configs: split configs.
        output: folder of the model folders.
        say: called with a line about each model.

    Raises:
        TrainError: as `train`, with the config named.
    """
    minutes = settings.get("max_minutes")
    shared = {"max_minutes": minutes / math.ceil(len(configs) / AT_A_TIME)} if minutes else {}
    output.mkdir(parents=True, exist_ok=True)

    def one(config: str) -> Path:
        target = output / config
        chosen = resolve({**settings, **shared, "train_on": [config], "output": str(target)}, where=f"model of {config}").config
        with tempfile.TemporaryDirectory() as folder:
            launch(chosen, Path(folder), threads=1)
        say(f"{config}: trained")
        return target

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return dict(zip(configs, pool.map(one, configs), strict=True))
