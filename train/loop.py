"""The loop: steps, learning rate, stopping, checkpoints and exact resume.

What is minimised is the business of `objectives`, which examples make a step that of `order`, how they are read that of `batches`. The
order is a function of seed and epoch, so a checkpoint needs only the number of the step. A kill costs the steps since the last checkpoint;
the output folder appears whole, at the end.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

from socsci210.dataset_folder import DatasetFolder
from socsci210.prompts import PromptEncoder

from .batches import Reader, best_way
from .config import Resolved, TrainConfig, TrainError
from .examples import RowTokens, fitting
from .lock import alone
from .objectives import Index, Part
from .objectives.sft import Sft
from .order import Orders
from .rows import on_scale, training_rows
from .run_record import identity, run_record

RECORD: Final = "run_record.json"
Say = Callable[[str], None]


@dataclass
class Progress:
    """Where a run stands; part of every checkpoint."""

    step: int = 0
    epoch: int = 0
    seconds: float = 0.0
    rows: int = 0
    tokens: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)  # (step, mean loss of the steps since the last entry)


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
    encoder, context = PromptEncoder(tokenizer, config.template), context_of(model)
    tokens = _tokens(config, rows, folder, encoder, context)
    parts = [Part(1.0, Sft(tokens, config.cell_smoothing))]
    fits = [fitting(part.objective, context, config.too_long) for part in parts]
    speak(f"training on {len(rows)} rows of {', '.join(config.train_on)}; processes: {accelerator.num_processes}")
    left_out = sum(fit.left_out for fit in fits)
    for number, what in (
        (off_scale, "left out: {} rows whose answer is off its stated scale"),
        (left_out, f"left out: {{}} examples longer than the context of {context} tokens"),
        (tokens.shortened, f"shortened at the front of the stimulus to fit into {context} tokens: {{}} rows"),
    ):
        if number:
            speak(what.format(number))
    run = _Run(accelerator, model, parts, [fit.examples for fit in fits], config, speak)
    run.choose_way(encoder)
    noted = identity(config, folder.fingerprint, len(tokenizer), rows.num_rows, accelerator.num_processes)
    checkpoints = output.with_name(output.name + ".checkpoints")
    run.resume(checkpoints, noted)
    run.steps(checkpoints, noted)
    state = run.gathered()
    if accelerator.is_main_process:
        facts = {"examples_too_long": left_out, "rows_shortened": tokens.shortened, "read_as": run.reader.way}
        record = run_record(resolved, folder, rows, off_scale, run.progress, accelerator, facts)
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
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model.train(), tokenizer


def _tokens(config: TrainConfig, rows: Any, folder: DatasetFolder, encoder: PromptEncoder, context: int) -> RowTokens:
    room = None
    if config.too_long == "truncate_stimulus":
        room = context - max(len(encoder.answer(value)) for value in set(rows.column("response").to_pylist()))
    return RowTokens(rows, folder, encoder, room=room)


def context_of(model: Any) -> int:
    """The longest input of a model, in tokens."""
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 2**31)


def _pad(tokenizer: Any) -> int:
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id)


class _Run:
    """A model, its optimizer and its place in the data."""

    def __init__(self, accelerator: Any, model: Any, parts: Sequence[Part], among: Sequence[Index], config: TrainConfig, say: Say) -> None:
        self.accelerator, self.parts, self.config, self.say = accelerator, parts, config, say
        decayed = [p for p in model.parameters() if p.ndim >= 2]
        plain = [p for p in model.parameters() if p.ndim < 2]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.model, self.optimizer = accelerator.prepare(
            model, torch.optim.AdamW([g for g in groups if g["params"]], lr=config.learning_rate, betas=(0.9, 0.95))
        )
        per_step = config.batch_size * config.accumulation * accelerator.num_processes
        self.orders = Orders(parts, among, per_step, config.seed, share=config.share_prefix)
        self.epochs = [-1] * len(parts)  # that each part was told of
        self.progress = Progress()
        self.before = 0.0  # seconds trained before this process started

    def choose_way(self, encoder: PromptEncoder) -> None:
        """Packs, if this model reads them as it reads plain sequences.

        Raises:
            TrainError: it does not, and the settings ask for packs.
        """
        inner, asked = self.accelerator.unwrap_model(self.model), self.config.read_as
        pad = _pad(encoder.tokenizer)
        coarse = self.config.precision != "no" or inner.dtype != torch.float32
        way, why = (asked, "") if asked == "padded" else best_way(inner, encoder, pad, wrapped=self.model, coarse=coarse)
        if way == "padded" and asked == "packs":
            raise TrainError("the model does not read packs as it reads plain sequences", where=why, fix="set read_as to auto or padded")
        if why:
            self.say(f"every prompt is read in full and padded, which is slower: the model does not read packs ({why})")
        self.reader = Reader(inner, way, pad)

    def _share_done(self) -> float:
        config, progress = self.config, self.progress
        shares = [] if config.max_steps is None else [progress.step / config.max_steps if config.max_steps else 1.0]
        if config.max_minutes:
            shares.append(self._agreed(progress.seconds) / (60 * config.max_minutes))
        if config.max_epochs:
            shares.append(progress.step / (config.max_epochs * self.orders.steps))
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
        pending: list[float] = []
        self.model.train()
        while (done := self._share_done()) < 1:
            progress.epoch = progress.step // self.orders.steps
            pending.append(self._step(learning_rate(config.learning_rate, done, config.warmup), done))
            progress.step += 1
            progress.seconds = self.before + time.monotonic() - started
            if progress.step % config.log_every == 0:
                self._log(pending)
            if config.checkpoint_every and progress.step % config.checkpoint_every == 0:
                self._log(pending)
                self._checkpoint(checkpoints, noted)
        self._log(pending)

    def _step(self, rate: float, done: float) -> float:
        """One update. Returns the loss of the whole step: for each part the mean over what it counts, weighted."""
        world, rank, progress = self.accelerator.num_processes, self.accelerator.process_index, self.progress
        chosen = self._chosen()
        totals = [int(part.objective.trained[examples].sum()) for part, examples in zip(self.parts, chosen, strict=True)]
        scales = [part.weight / total for part, total in zip(self.parts, totals, strict=True)]
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate
        batches = list(self.orders.micro_batches(chosen, self.config.batch_size))
        mine = [batches[i] if i < len(batches) else None for i in range(rank, -(-len(batches) // world) * world, world)]
        summed = torch.zeros(len(self.parts), device=self.accelerator.device)
        with self.reader.open():
            for number, batch in enumerate(mine):
                # A process without examples in a short last step still takes part in the exchange of gradients, with a loss of zero.
                part, examples = batches[0] if batch is None else batch
                factor = 0.0 if batch is None else 1.0
                with self._synchronised(last=number == len(mine) - 1):
                    summed[part] += factor * self._backward(part, examples, done, factor * scales[part] * world)
        sums = self.accelerator.reduce(summed, reduction="sum").tolist()
        loss = sum(scale * part for scale, part in zip(scales, sums, strict=True))
        norm = float(self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainError(
                f"loss {loss} and gradient norm {norm} at step {progress.step}",
                expected="finite numbers",
                fix="lower learning_rate, or raise warmup; nothing was saved of this step",
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        progress.rows += sum(map(len, chosen))
        progress.tokens += sum(totals)
        return loss

    def _chosen(self) -> list[Index]:
        """The examples of each part in this step. Parts are told of a new epoch before they are asked for its first example."""
        for number, (part, order) in enumerate(zip(self.parts, self.orders.orders, strict=True)):
            if (epoch := order.epoch(self.progress.step)) != self.epochs[number]:
                part.objective.begin(epoch)
                self.epochs[number] = epoch
        return self.orders.step(self.progress.step)

    def _backward(self, part: int, examples: Index, done: float, scale: float) -> torch.Tensor:
        """Adds the gradients of a micro-batch and returns its summed loss."""
        objective = self.parts[part].objective
        batch = self.reader.batch([objective.example(index) for index in examples.tolist()])
        with self.reader.edges(batch, self.model) as edges:
            loss = objective.loss(examples, edges, batch.starts, done)
            self.accelerator.backward(loss * scale)  # gradients are averaged over processes
        return loss.detach()

    def _synchronised(self, *, last: bool) -> Any:
        return nullcontext() if last else self.accelerator.no_sync(self.model)

    def _log(self, pending: list[float]) -> None:
        if not pending:
            return
        mean = sum(pending) / len(pending)
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
