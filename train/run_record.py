"""The run record: everything that made a model, stored beside its weights."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from socsci210.dataset_folder import DatasetFolder
from socsci210.language_model import base_training
from socsci210.prompts import template_hash

from .config import Resolved
from .rows import assert_no_held_out

PACKAGES: Final = (
    "socsci210",
    "torch",
    "transformers",
    "accelerate",
    "peft",
    "tokenizers",
    "datasets",
    "pyarrow",
    "numpy",
    "bitsandbytes",
    "deepspeed",
)


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
        "base_training": base_training(config.model),
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
        "loss_terms": progress.tokens,  # what losses are means over: tokens (sft, reasoning), pairs, distributions
        "seconds": round(progress.seconds, 1),
        "losses": progress.losses,
        "processes": accelerator.num_processes,
        "device": str(accelerator.device),
        "distributed": accelerator.distributed_type.value,
        "hardware": hardware(accelerator),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name)) is not None},
    }


def validation_record(run: Any) -> dict[str, Any] | None:
    """What was seen of the validation rows, and which step's weights are saved because of it."""
    if run.validation is None:
        return None
    return {
        "config": run.validation.name,
        "rows": len(run.validation),
        "rows_seen_before": run.validation.seen_before,
        "best_step": run.best,
        "stopped_early": run.stopped_early,
        "evaluations": [one._asdict() for one in run.progress.evaluations],
    }


def hardware(accelerator: Any) -> dict[str, Any]:
    """The machine of the main process."""
    import torch

    found: dict[str, Any] = {"name": platform.processor() or platform.machine(), "cpus": os.cpu_count(), "threads": torch.get_num_threads()}
    if accelerator.device.type == "cuda":
        properties = torch.cuda.get_device_properties(accelerator.device)
        found |= {"name": properties.name, "gpus": torch.cuda.device_count(), "gpu_bytes": properties.total_memory}
        found["peak_gpu_bytes"] = torch.cuda.max_memory_allocated(accelerator.device)
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
