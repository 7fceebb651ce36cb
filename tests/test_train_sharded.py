"""Weights in shards of two processes (FSDP2; ZeRO-3 where DeepSpeed is installed): the same model as in one, whatever a run does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file

from socsci210.train.config import resolve
from socsci210.train.loop import train
from tests.tiny import tiny_model, tiny_tokenizer
from tests.tiny_dataset import sides_with_validation, write_tiny_dataset

ROOT = Path(__file__).parent.parent
KINDS = {"fsdp2": "FSDP", "zero3": "DEEPSPEED"}


@pytest.mark.parametrize(
    ("kind", "more", "cut"),
    [
        ("fsdp2", {}, 5),
        ("fsdp2", {"lora": {"r": 4, "merge": True}}, -1),
        ("zero3", {"global_batch": 6}, -1),
        ("zero3", {"global_batch": 6, "lora": {"r": 4, "merge": True}}, -1),
    ],
)
def test_shards_give_the_weights_of_one_process(tmp_path: Path, kind: str, more: dict[str, Any], cut: int) -> None:
    if kind == "zero3":
        pytest.importorskip("deepspeed")
    dataset = write_tiny_dataset(tmp_path / "dataset", sides_of=sides_with_validation)
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    settings: dict[str, Any] = {
        "dataset": str(dataset), "train_on": ["unseen_studies"], "model": str(tmp_path / "base"), "max_steps": 6, "global_batch": 9,
        "batch_size": 3, "learning_rate": 1e-3, "log_every": 1, "checkpoint_every": 2, "validation": {"every_steps": 3, "rows": 12},
    } | more  # fmt: skip
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings | {"output": str(tmp_path / "shards")}))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "tests.sharded_runs"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    launched = subprocess.run(
        [*command, kind, str(tmp_path / "run.yaml"), str(cut)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert launched.returncode == 0, launched.stderr[-3000:]
    assert ("resumed at step 4" in launched.stderr) == (cut > 0)
    train(resolve(settings | {"output": str(tmp_path / "alone")}), say=lambda text: None)
    one, other = (load_file(tmp_path / folder / "model.safetensors") for folder in ("shards", "alone"))
    assert one.keys() == other.keys()
    assert max(float((one[key] - other[key]).abs().max()) for key in one) < 1e-5
    shards, alone = (json.loads((tmp_path / folder / "run_record.json").read_text()) for folder in ("shards", "alone"))
    assert (shards["distributed"], shards["processes"], alone["processes"]) == (KINDS[kind], 2, 1)
    assert [one["step"] for one in shards["validation"]["evaluations"]] == [3, 6]
    for found, expected in zip(shards["validation"]["evaluations"], alone["validation"]["evaluations"], strict=True):
        assert found == pytest.approx(expected, abs=1e-5)
    assert [loss for _, loss in shards["losses"]] == pytest.approx([loss for _, loss in alone["losses"]], abs=1e-5)
