"""TRL's trainers as an oracle: on the same tokens, step by step, `sft` and `dpo` have their losses and end with their weights.

TRL gets token ids, so that nothing hangs on how it makes them, and its optimizer is set as ours: AdamW with decay on matrices alone,
gradients clipped, the same learning rate at every step. Every step has the same examples on both sides; TRL reads them padded and reads
prompts twice for a pair, we read them as one pack.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

from socsci210.train.config import resolve
from socsci210.train.objectives import Objective, Part
from socsci210.train.objectives.dpo import Dpo
from socsci210.train.objectives.sft import Sft
from socsci210.train.reference import note
from socsci210.train.run import BETAS, Run, learning_rate
from socsci210.train.settings import DpoConfig
from tests.objective_tools import row_tokens
from tests.tiny import tiny_model
from tests.tiny_dataset import tiny_rows, write_tiny_dataset

STEPS, PER_STEP, RATE, WARMUP, DECAY, BETA = 5, 8, 3e-3, 0.2, 0.1, 0.3
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Answers of one, two and three digits."""
    rows = [row for row in tiny_rows(people=36) if row["study_id"] == "first"]
    for row in rows:
        if row["scale_max"] == 7:
            row |= {"scale_max": 100, "response": (row["response"], 10 * row["response"], 100)[row["participant"] % 3]}
    return row_tokens(write_tiny_dataset(tmp_path_factory.mktemp("trl") / "dataset", rows), "stimulus_first")


@pytest.fixture(scope="module")
def accelerator() -> Any:
    from accelerate import Accelerator

    return Accelerator(cpu=True)


def ours(model: Any, objective: Objective, accelerator: Any, tokens: Any) -> tuple[list[float], list[np.ndarray]]:
    """The loss and the examples of every step of a run."""
    config = resolve(
        {
            "dataset": "d", "output": "o", "train_on": ["all"], "model": "m", "max_steps": STEPS, "batch_size": PER_STEP // 2,
            "accumulation": 2, "learning_rate": RATE, "weight_decay": DECAY, "share_prefix": 4, "read_as": "packs",
        }
    ).config  # fmt: skip
    run = Run(accelerator, model, [Part(1.0, objective)], [np.arange(len(objective))], config, lambda text: None)
    run.choose_way(tokens.encoder, 0)
    run.model.train()
    losses, examples = [], []
    for step in range(STEPS):
        examples.append(run.orders.orders[0].step(step))
        assert len(examples[-1]) == PER_STEP
        losses.append(run._step(learning_rate(RATE, step / STEPS, WARMUP), step / STEPS, None))
        run.progress.step += 1
    return losses, examples


def theirs(trainer_class: Any, config: Any, model: Any, tokens: Any, rows: list[dict[str, Any]], **more: Any) -> list[float]:
    """The loss of every step of one of TRL's trainers on these rows, in this order."""
    losses: list[float] = []

    class Recording(trainer_class):  # type: ignore[misc]
        def _get_train_sampler(self, *arguments: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

        def _prepare_dataset(self, dataset: Any, *arguments: Any, **options: Any) -> Any:
            """These rows are tokenised already."""
            return dataset if "prompt_ids" in dataset.column_names else super()._prepare_dataset(dataset, *arguments, **options)

        def compute_loss(self, *arguments: Any, **options: Any) -> Any:
            found = super().compute_loss(*arguments, **options)
            losses.append(float((found[0] if isinstance(found, tuple) else found).detach()))
            return found

    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": DECAY},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=BETAS)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate(1.0, step / STEPS, WARMUP))
    trainer = Recording(
        model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokens.encoder.tokenizer,
        optimizers=(optimizer, schedule), **more,
    )  # fmt: skip
    trainer.train()
    return losses


def common_settings(folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder), "per_device_train_batch_size": PER_STEP, "num_train_epochs": 1, "max_grad_norm": 1.0, "bf16": False,
        "use_cpu": True, "gradient_checkpointing": False, "report_to": "none", "save_strategy": "no", "max_length": None,
        "disable_tqdm": True, "logging_steps": 1000,
    }  # fmt: skip


def agree(our_losses: list[float], their_losses: list[float], our_model: Any, their_model: Any, start: Any) -> None:
    assert len(their_losses) == STEPS
    np.testing.assert_allclose(our_losses, their_losses, atol=TOLERANCE, rtol=TOLERANCE)
    own, other, before = (model.state_dict() for model in (our_model, their_model, start))
    assert max(float((own[name] - before[name]).abs().max()) for name in own) > 5e-3  # or nothing was learned
    assert max(float((own[name] - other[name]).abs().max()) for name in own) < TOLERANCE


def test_sft_is_that_of_trl(tokens: Any, accelerator: Any, tmp_path: Path) -> None:
    from trl import SFTConfig, SFTTrainer

    start = tiny_model(tokens.encoder.tokenizer)
    model, other = copy.deepcopy(start), copy.deepcopy(start)
    our_losses, steps = ours(model, Sft(tokens), accelerator, tokens)
    assert len({len(tokens.answer(int(row))) for row in np.concatenate(steps)}) == 3
    rows = []
    for row in np.concatenate(steps).tolist():
        prompt, answer = list(map(int, tokens.prompt(row))), list(tokens.answer(row))
        rows.append({"input_ids": prompt + answer, "completion_mask": [0] * len(prompt) + [1] * len(answer)})
    config = SFTConfig(**common_settings(tmp_path), completion_only_loss=True)
    agree(our_losses, theirs(SFTTrainer, config, other, tokens, rows), model, other, start)


def test_dpo_is_that_of_trl(tokens: Any, accelerator: Any, tmp_path: Path) -> None:
    from trl import DPOConfig, DPOTrainer

    start = tiny_model(tokens.encoder.tokenizer)
    model, other = copy.deepcopy(start), copy.deepcopy(start)
    objective = Dpo(tokens, DpoConfig(beta=BETA), seed=0)
    note(model, objective, tmp_path / "reference", context=2048, dataset_fingerprint="f", accelerator=accelerator, say=lambda text: None)
    our_losses, steps = ours(model, objective, accelerator, tokens)
    assert our_losses[0] == pytest.approx(np.log(2), abs=1e-5)  # the policy is the reference
    rows = []
    for index in np.concatenate(steps).tolist():
        row, chosen, rejected = objective.pair(index)
        answers = {"chosen_ids": list(tokens.encoder.answer(chosen)), "rejected_ids": list(tokens.encoder.answer(rejected))}
        rows.append({"prompt_ids": list(map(int, tokens.prompt(row))), **answers})
    config = DPOConfig(**common_settings(tmp_path), beta=BETA)
    found = theirs(DPOTrainer, config, other, tokens, rows, ref_model=copy.deepcopy(start))
    agree(our_losses, found, model, other, start)
