"""The loop: steps, learning rate, stopping, checkpoints and exact resume.

What is trained on is the business of `data`, what is minimised that of `objective`. The data order is a function of seed and epoch, so a
checkpoint needs only the place in it. A kill costs the steps since the last checkpoint; the output folder appears whole, at the end.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from socsci210.dataset_folder import DatasetFolder
from socsci210.prompts import PromptEncoder

from .config import Resolved, TrainConfig, TrainError
from .data import Examples, Index, Order, collate, context_of, on_scale, training_rows
from .lock import alone
from .objective import answer_loss
from .run_record import identity, run_record

RECORD: Final = "run_record.json"
Say = Callable[[str], None]


@dataclass
class Progress:
    """Where a run stands; part of every checkpoint."""

    step: int = 0
    epoch: int = 0
    place: int = 0  # steps done in this epoch
    seconds: float = 0.0
    rows: int = 0
    tokens: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)  # (step, mean nats per trained token since the last entry)


def learning_rate(peak: float, done: float, warmup: float) -> float:
    """Linear rise over the first `warmup` of the run, then a half cosine to zero; `done` is the share of the run that is over."""
    if done < warmup:
        return peak * max(done, 1e-3) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warmup) / (1 - warmup))))


def train(resolved: Resolved, say: Say = lambda text: print(text, file=sys.stderr)) -> Path:
    """Train a model as configured and return its folder: model, tokenizer and `run_record.json`.

    A run that was cut off goes on from its newest checkpoint. While it trains it holds a lock on `<output>.lock`.

    Raises:
        TrainError: the output exists, another process trains it, the checkpoints are of another run, rows cannot be trained on, or the
            loss is not finite.
        DatasetError: there is no such dataset or model.
    """
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    config = resolved.config
    output = Path(config.output)
    if output.exists():
        raise TrainError("the output exists already", where=str(output), fix="choose another --output, or delete it")
    set_seed(config.seed)
    accelerator = Accelerator(mixed_precision=config.precision)
    with alone(output) if accelerator.is_main_process else nullcontext():
        return _trained(resolved, accelerator, output, say)


def _trained(resolved: Resolved, accelerator: Any, output: Path, say: Say) -> Path:
    config = resolved.config
    speak: Say = say if accelerator.is_main_process else lambda text: None
    folder = DatasetFolder(config.dataset)
    rows, off_scale = on_scale(training_rows(folder, config.train_on, config.fraction, strict=config.strict), folder)
    model, tokenizer = _model(config, rows)
    encoder = PromptEncoder(tokenizer, config.template)
    examples = Examples(rows, folder, encoder, context=context_of(model))
    speak(f"training on {len(examples)} rows of {', '.join(config.train_on)}; processes: {accelerator.num_processes}")
    if off_scale:
        speak(f"left out: {off_scale} rows whose answer is off its stated scale")
    run = _Run(accelerator, model, examples, config, pad=_pad(tokenizer), say=speak)
    noted = identity(config, folder.fingerprint, len(tokenizer), rows.num_rows, accelerator.num_processes)
    checkpoints = output.with_name(output.name + ".checkpoints")
    run.resume(checkpoints, noted)
    run.steps(checkpoints, noted)
    state = run.gathered()
    if accelerator.is_main_process:
        record = run_record(resolved, folder, rows, off_scale, run.progress, accelerator)
        _save(output, accelerator.unwrap_model(run.model), tokenizer, record, state)
        shutil.rmtree(checkpoints, ignore_errors=True)
    accelerator.wait_for_everyone()
    return output


def _model(config: TrainConfig, rows: Any) -> tuple[Any, Any]:
    if config.nano is not None:
        from socsci210.row_texts import distinct_texts

        from .nano import make_model, train_tokenizer

        tokenizer = train_tokenizer(*distinct_texts(rows), config.nano)
        return make_model(tokenizer, config.nano, config.seed), tokenizer
    from socsci210.language_model import load_model

    model, tokenizer = load_model(str(config.model), device="cpu")  # accelerate moves it
    return model.train(), tokenizer


def _pad(tokenizer: Any) -> int:
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id)


class _Run:
    """A model, its optimizer and its place in the data."""

    def __init__(self, accelerator: Any, model: Any, examples: Examples, config: TrainConfig, *, pad: int, say: Say) -> None:
        self.accelerator, self.examples, self.config, self.pad, self.say = accelerator, examples, config, pad, say
        decayed = [p for p in model.parameters() if p.ndim >= 2]
        plain = [p for p in model.parameters() if p.ndim < 2]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.model, self.optimizer = accelerator.prepare(
            model, torch.optim.AdamW([g for g in groups if g["params"]], lr=config.learning_rate, betas=(0.9, 0.95))
        )
        self.order = Order(examples.lengths, config.batch_size, config.seed, head=examples.head, share=config.share_prefix)
        self.per_step = config.accumulation * accelerator.num_processes
        self.progress = Progress()
        self.before = 0.0  # seconds trained before this process started

    # --- the data of a step ---------------------------------------------------------------------------------------------------------

    def _micro_batches(self) -> Iterator[list[list[Index]]]:
        """Micro-batches step by step, from where the run stands, over as many epochs as it takes."""
        while self.config.max_epochs is None or self.progress.epoch < self.config.max_epochs:
            batches = self.order.epoch(self.progress.epoch)
            starts = range(0, len(batches), self.per_step)
            for place in range(self.progress.place, len(starts)):
                self.progress.place = place + 1
                yield batches[starts[place] : starts[place] + self.per_step]
            self.progress.epoch, self.progress.place = self.progress.epoch + 1, 0

    def _share_done(self) -> float:
        config, progress = self.config, self.progress
        shares = [] if config.max_steps is None else [progress.step / config.max_steps if config.max_steps else 1.0]
        if config.max_minutes:
            shares.append(self._agreed(progress.seconds) / (60 * config.max_minutes))
        if config.max_epochs:
            shares.append(progress.step / (config.max_epochs * self.order.steps(self.per_step)))
        return max(shares)

    def _agreed(self, seconds: float) -> float:
        """The main process's clock, so that all processes stop at the same step."""
        if self.accelerator.num_processes == 1:
            return seconds
        from accelerate.utils import broadcast

        return float(broadcast(torch.tensor(seconds, device=self.accelerator.device)).item())

    # --- steps ----------------------------------------------------------------------------------------------------------------------

    def steps(self, checkpoints: Path, noted: dict[str, Any]) -> None:
        """Train to the end of the run."""
        started, progress, config = time.monotonic(), self.progress, self.config
        self.before = progress.seconds
        pending: list[tuple[float, int]] = []
        self.model.train()
        for batches in self._micro_batches():
            done = self._share_done()
            if done >= 1:
                break
            pending.append(
                self._step(batches, learning_rate(config.learning_rate, done, config.warmup), config.cell_smoothing * (1 - done))
            )
            progress.step += 1
            progress.seconds = self.before + time.monotonic() - started
            if progress.step % config.log_every == 0:
                self._log(pending)
            if config.checkpoint_every and progress.step % config.checkpoint_every == 0:
                self._log(pending)
                self._checkpoint(checkpoints, noted)
        self._log(pending)

    def _step(self, batches: list[list[Index]], rate: float, smoothing: float) -> tuple[float, int]:
        """One update. Returns the summed loss and the number of trained tokens of the whole step."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        rows = np.concatenate([group for batch in batches for group in batch])
        total = int(self.examples.trained[rows].sum())
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate
        mine = [batches[i] if i < len(batches) else None for i in range(rank, -(-len(batches) // world) * world, world)]
        summed = torch.zeros((), device=self.accelerator.device)
        for number, groups in enumerate(mine):
            with self._synchronised(last=number == len(mine) - 1):
                # A process without rows in a short last step still takes part in the exchange of gradients, with a loss of zero.
                batch = collate(self.examples, batches[0] if groups is None else groups, self.pad, smoothing).to(self.accelerator.device)
                loss = answer_loss(self.model, batch) * (0.0 if groups is None else 1.0)
                self.accelerator.backward(loss * world / total)  # gradients are averaged over processes
                summed += loss.detach()
        loss_sum = float(self.accelerator.reduce(summed, reduction="sum").item())
        norm = float(self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm))
        if not (math.isfinite(loss_sum) and math.isfinite(norm)):
            raise TrainError(
                f"loss {loss_sum / total} and gradient norm {norm} at step {self.progress.step}",
                expected="finite numbers",
                fix="lower learning_rate, or raise warmup; nothing was saved of this step",
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.rows += len(rows)
        self.progress.tokens += total
        return loss_sum, total

    def _synchronised(self, *, last: bool) -> Any:
        return nullcontext() if last else self.accelerator.no_sync(self.model)

    def _log(self, pending: list[tuple[float, int]]) -> None:
        if not pending:
            return
        mean = sum(loss for loss, _ in pending) / sum(tokens for _, tokens in pending)
        pending.clear()
        progress = self.progress
        progress.losses.append((progress.step, mean))
        self.say(f"step {progress.step}  epoch {progress.epoch}  {progress.seconds:.0f} s  rows {progress.rows}  loss {mean:.4f}")

    def gathered(self) -> dict[str, Any] | None:
        """The weights in whole, where processes hold shards of them; every process must take part. None where each holds all."""
        from accelerate.utils import DistributedType

        sharded = self.accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED)
        return self.accelerator.get_state_dict(self.model) if sharded else None

    # --- checkpoints ----------------------------------------------------------------------------------------------------------------

    def _checkpoint(self, folder: Path, noted: dict[str, Any]) -> None:
        final = folder / f"step-{self.progress.step:08d}"
        temporary = folder / f"{final.name}.tmp"
        self.accelerator.save_state(str(temporary))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            state = {"identity": noted, "progress": asdict(self.progress)}
            (temporary / "progress.json").write_text(json.dumps(state), encoding="utf-8")
            temporary.replace(final)
            for older in sorted(folder.glob("step-*"))[:-1]:
                shutil.rmtree(older)
        self.accelerator.wait_for_everyone()

    def resume(self, folder: Path, noted: dict[str, Any]) -> None:
        """Go on from the newest checkpoint in a folder, if there is one.

        Raises:
            TrainError: it is of another model, dataset or configuration.
        """
        whole = sorted(path for path in folder.glob("step-*") if not path.name.endswith(".tmp"))
        if not whole:
            return
        state = json.loads((whole[-1] / "progress.json").read_text(encoding="utf-8"))
        differs = sorted(key for key in noted if state["identity"].get(key) != json.loads(json.dumps(noted[key])))
        if differs:
            raise TrainError(
                f"a checkpoint of another run: other {', '.join(differs)}",
                where=str(whole[-1]),
                fix="train with the same settings, choose another --output, or delete the checkpoints",
            )
        self.accelerator.load_state(str(whole[-1]))
        stored = state["progress"]
        self.progress = Progress(**{**stored, "losses": [(int(step), float(loss)) for step, loss in stored["losses"]]})
        self.say(f"resumed at step {self.progress.step}")


def _save(output: Path, model: Any, tokenizer: Any, record: dict[str, Any], state: dict[str, Any] | None) -> None:
    temporary = output.with_name(output.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary, state_dict=state)
    tokenizer.save_pretrained(temporary)
    (temporary / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
    _check_tokenizer(temporary, tokenizer)
    temporary.replace(output)


def _check_tokenizer(folder: Path, tokenizer: Any) -> None:
    """The saved tokenizer must reload to the same ids: some classes do not."""
    from transformers import AutoTokenizer

    probe = "Only return an integer from 1 to 100, nothing else.\n\n- Age: 34\n- Party Id: Lean Democrat -5"
    reloaded = AutoTokenizer.from_pretrained(str(folder))
    if reloaded.encode(probe) != tokenizer.encode(probe) or len(reloaded) != len(tokenizer):
        raise TrainError(
            f"the saved tokenizer reloads as {type(reloaded).__name__} with other ids than {type(tokenizer).__name__} gave",
            where=str(folder),
            fix="use the tokenizer class that belongs to the model's architecture",
        )
