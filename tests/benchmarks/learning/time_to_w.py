"""How long grouped training takes to the W of plain training, on the simulated studies.

Rows of one group in a batch are alike, so a step on grouped rows may teach less than a step on shuffled ones: speed alone says too little.
Plain training (shuffled rows, every prompt in full) gets all its minutes. Grouped training gets shares of them, each a run of its own whose
learning rate falls to zero within its time, until one reaches plain's W on the validation rows. Both are the same code and settings but for
`share_prefix` and `read_as`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from socsci210.dataset_folder import DatasetFolder
from socsci210.language_model import load_model
from socsci210.pipeline import built_dataset, simulated_deposits
from socsci210.prompts import PromptEncoder
from socsci210.train.config import resolve
from socsci210.train.launch import launch
from socsci210.train.rows import training_rows
from socsci210.train.validation import Validation

from .runs import PLAIN, nano_settings, quiet

CONFIG: Final = "unseen_studies"
SHARES: Final = (0.2, 0.4, 0.6, 0.8, 1.0)  # of plain's minutes
SEEDS: Final = (0, 1)  # side by side, one thread each
GROUPED: Final = {"read_as": "packs"}  # share_prefix as in nano.yaml: the cap on rows of one stimulus in a batch


def time_to_w(folder: Path, minutes: float) -> tuple[float, Table]:
    """The larger one of the seeds' shares (infinity where even all the minutes did not do), and a table of all runs."""
    dataset = built_dataset(simulated_deposits(folder / "deposits", seed=0, say=quiet), folder / "dataset", say=quiet)
    table = Table(title=f"validation W on {CONFIG}, nano model; plain trains {minutes} min", title_justify="left")
    for heading in ("seed", "training", "share of the time", "validation W"):
        table.add_column(heading, justify="right")
    with ThreadPoolExecutor(len(SEEDS)) as pool:
        found = list(pool.map(lambda seed: _of_seed(folder / str(seed), dataset, minutes, seed), SEEDS))
    for seed, (_, runs) in zip(SEEDS, found, strict=True):
        for name, share, reached in runs:
            table.add_row(str(seed), name, f"{share:.1f}", f"{reached:.4f}")
    return max(share for share, _ in found), table


def _of_seed(folder: Path, dataset: Path, minutes: float, seed: int) -> tuple[float, list[tuple[str, float, float]]]:
    """The smallest share that reaches plain's W, and (training, share, W) of every run."""

    def trained(name: str, share: float, **changes: Any) -> float:
        output = folder / f"{name}-{share}"
        given = {"dataset": str(dataset), "output": str(output), "train_on": [CONFIG], "max_minutes": minutes * share, "seed": seed}
        config = resolve({**nano_settings(), **given, **changes}).config
        launch(config, folder / "logs" / output.name, threads=1)
        return _validation_w(output, dataset, config)

    wanted = trained("plain", 1.0, **PLAIN)
    runs = [("plain", 1.0, wanted)]
    for share in SHARES:
        runs.append(("grouped", share, trained("grouped", share, **GROUPED)))
        if runs[-1][2] <= wanted:
            return share, runs
    return float("inf"), runs


def _validation_w(output: Path, dataset: Path, config: Any) -> float:
    from accelerate import Accelerator

    folder = DatasetFolder(dataset)
    model, tokenizer = load_model(str(output), device="cpu")
    settings = resolve({**config.model_dump(mode="json"), "validation": {"every_steps": 1, "rows": 4000}}).config
    rows = training_rows(folder, settings.train_on)
    validation = Validation(folder, settings, rows, PromptEncoder(tokenizer, settings.template), Accelerator(cpu=True))
    return validation.evaluate(model, 0).W
