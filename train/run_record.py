"""The run record: everything that made a model, stored beside its weights."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from socsci210.dataset_folder import DatasetFolder
from socsci210.prompts import template_hash

from .config import Resolved, TrainConfig
from .rows import assert_no_held_out

PACKAGES: Final = ("socsci210", "torch", "transformers", "accelerate", "tokenizers", "datasets", "pyarrow", "numpy")
# Settings that may differ between a run and its continuation: they change nothing that is learned.
FREE: Final = ("output", "dataset", "log_every", "checkpoint_every")


def identity(config: TrainConfig, fingerprint: str, vocabulary: int, rows: int, processes: int) -> dict[str, Any]:
    """What must be equal for a checkpoint to be continued."""
    settings = {key: value for key, value in config.model_dump(mode="json").items() if key not in FREE}
    return {
        **settings,
        "dataset_fingerprint": fingerprint,
        "template_hash": template_hash(config.template),
        "vocabulary": vocabulary,
        "rows": rows,
        "processes": processes,
    }


def run_record(
    resolved: Resolved, folder: DatasetFolder, rows: pa.Table, off_scale: int, progress: Any, accelerator: Any, facts: dict[str, Any]
) -> dict[str, Any]:
    """Settings with their sources, data, versions, and what happened.

    `off_scale`: rows left out for their answer; `facts`: noted as they are.
    """
    config = resolved.config
    return {
        "format": 1,
        "settings": config.model_dump(mode="json"),
        "sources": resolved.source,
        "model": config.model or "nano",
        "dataset_fingerprint": folder.fingerprint,
        "train_on": list(config.train_on),
        "held_out_checked": assert_no_held_out(rows, folder.table("assignments"), config.train_on),
        "rows_trained": rows.num_rows,
        "rows_off_scale": off_scale,
        **facts,
        "studies_trained": sorted(pc.unique(rows.column("study_id").cast(pa.string())).to_pylist()),
        "template": config.template,
        "template_hash": template_hash(config.template),
        "seed": config.seed,
        "steps": progress.step,
        "epochs": progress.epoch,
        "rows_seen": progress.rows,
        "trained_tokens": progress.tokens,
        "seconds": round(progress.seconds, 1),
        "losses": progress.losses,
        "processes": accelerator.num_processes,
        "device": str(accelerator.device),
        "distributed": str(accelerator.distributed_type),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }
