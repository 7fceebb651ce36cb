"""The other side: TRL's trainers, by their defaults and by other settings, on rows that are tokenised as ours are.

A trial trains on random rows, as these trainers do, and is timed from the end of its first step to the end of its last, so that neither
tokenisation nor the start of the trainer counts. Reference log-probabilities computed beforehand count for their share.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset
from transformers import AutoModelForCausalLM, TrainerCallback


class _Clock(TrainerCallback):  # type: ignore[misc]
    """Times of the ends of steps."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.times.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        return self.times[-1] - self.times[0]


def _arguments(folder: str, steps: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "output_dir": folder, "max_steps": steps + 1, "logging_steps": 1000, "save_strategy": "no", "report_to": "none",
        "disable_tqdm": True, "seed": 0, **settings,
    }  # fmt: skip


def sft(model: str, tokenizer: Any, rows: Sequence[tuple[list[int], list[int]]], steps: int, settings: Mapping[str, Any]) -> float:
    """Rows per second of `SFTTrainer` with the loss on the answer only. `rows`: ids of prompts and of answers."""
    from trl import SFTConfig, SFTTrainer

    columns = {
        "input_ids": [[*prompt, *answer] for prompt, answer in rows],
        "labels": [[-100] * len(prompt) + list(answer) for prompt, answer in rows],
    }
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(**_arguments(folder, steps, settings))
        loaded = AutoModelForCausalLM.from_pretrained(model, dtype="auto")
        trainer = SFTTrainer(
            model=loaded, args=config, train_dataset=Dataset.from_dict(columns), processing_class=tokenizer, callbacks=[clock]
        )
        trainer.train()
    sequences = len(trainer.train_dataset)  # a packed one holds several rows
    return float(config.per_device_train_batch_size * steps * len(rows) / sequences / clock.seconds)


def dpo(model: str, tokenizer: Any, pairs: Sequence[dict[str, str]], steps: int, settings: Mapping[str, Any]) -> float:
    """Pairs per second of `DPOTrainer`. `pairs`: texts `prompt`, `chosen`, `rejected`."""
    from trl import DPOConfig, DPOTrainer

    class Timed(DPOTrainer):  # type: ignore[misc]
        reference_seconds = 0.0

        def _precompute_ref_logps(self, *arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            found = super()._precompute_ref_logps(*arguments, **named)
            self.reference_seconds += time.perf_counter() - started
            return found

    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        config = DPOConfig(**_arguments(folder, steps, settings))
        loaded = AutoModelForCausalLM.from_pretrained(model, dtype="auto")
        trainer = Timed(
            model=loaded, args=config, train_dataset=Dataset.from_list(list(pairs)), processing_class=tokenizer, callbacks=[clock]
        )
        trainer.train()
    done = config.per_device_train_batch_size * steps
    return float(done / (clock.seconds + trainer.reference_seconds * done / len(pairs)))
