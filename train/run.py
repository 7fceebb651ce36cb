"""One run: a model, its optimizer and its place in the data; steps, learning rate, evaluation, stopping, and going on after a cut."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from socsci210.prompts import PromptEncoder

from .batches import Reader, best_way
from .checkpoints import Checkpoints
from .config import TrainConfig, TrainError
from .failures import memory_explained, not_finite
from .objectives import Index, Part
from .order import Orders
from .processes import check_updates
from .progress import Reporter
from .validation import Evaluation, Validation, best_of, is_over

Say = Callable[[str], None]
BETAS = (0.9, 0.95)


@dataclass
class Progress:
    """Where a run stands; part of every checkpoint.

    Attributes:
        seconds: spent on training, without evaluations and checkpoints.
        losses: (step, mean loss of the steps since the last entry).
        evaluated_at: seconds when the last evaluation was made.
    """

    step: int = 0
    epoch: int = 0
    seconds: float = 0.0
    rows: int = 0
    tokens: int = 0
    read: int = 0  # tokens of the rows, prompts included
    losses: list[tuple[int, float]] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    evaluated_at: float = 0.0

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Progress:
        """From what a checkpoint holds."""
        losses = [(int(step), float(loss)) for step, loss in stored["losses"]]
        return cls(**{**stored, "losses": losses, "evaluations": [Evaluation(*one) for one in stored["evaluations"]]})


def learning_rate(peak: float, done: float, warmup: float) -> float:
    """Linear rise over the first `warmup` of the run, then a half cosine to zero; `done` is the share of the run that is over."""
    if done < warmup:
        return peak * max(done, 1e-3) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warmup) / (1 - warmup))))


class Run:
    """A model, its optimizer and its place in the data.

    Args:
        accelerator: prepares model and optimizer.
        model: to be trained; only parameters that need gradients are.
        parts: objectives and weights.
        among: the examples of each part that are used.
        config: the settings.
        say: called with lines for people, in the main process.
    """

    def __init__(self, accelerator: Any, model: Any, parts: Sequence[Part], among: Sequence[Index], config: TrainConfig, say: Say) -> None:
        self.accelerator, self.parts, self.config, self.say = accelerator, parts, config, say
        trained = [p for p in model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay},
            {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=config.learning_rate, betas=BETAS, fused=True)
        self.model, self.optimizer = accelerator.prepare(model, optimizer)
        self.per_step = config.global_batch or config.batch_size * config.accumulation * accelerator.num_processes
        self.orders = Orders(parts, among, self.per_step, config.seed, share=config.share_prefix)
        self.epochs = [-1] * len(parts)  # that each part was told of
        self.progress = Progress()
        self.validation: Validation | None = None
        self.stopped_early = False

    def choose_way(self, encoder: PromptEncoder, pad: int) -> None:
        """Packs, if this model reads them as it reads plain sequences.

        Raises:
            TrainError: it does not, and the settings ask for packs.
        """
        inner, asked = self.accelerator.unwrap_model(self.model), self.config.read_as
        coarse = self.config.precision != "no" or inner.dtype != torch.float32
        way, why = (asked, "") if asked == "padded" else best_way(inner, encoder, pad, wrapped=self.model, coarse=coarse)
        if way == "padded" and asked == "packs":
            raise TrainError("the model does not read packs as it reads plain sequences", where=why, fix="set read_as to auto or padded")
        if why:
            self.say(f"every prompt is read in full and padded, which is slower: the model does not read packs ({why})")
        self.reader = Reader(inner, way, pad)

    # --- where the run stands -------------------------------------------------------------------------------------------------------

    @property
    def best(self) -> int | None:
        """The step of the best evaluation."""
        found = self.progress.evaluations
        at = None if self.config.validation is None else best_of(found, self.config.validation.min_gain)
        return None if at is None else found[at].step

    def share_done(self) -> float:
        """Share of the run that is over, the same in all processes."""
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

    def _evaluation_due(self) -> bool:
        asked = self.config.validation
        if asked is None:
            return False
        if asked.every_steps is not None:
            return self.progress.step % asked.every_steps == 0
        return self._agreed(self.progress.seconds - self.progress.evaluated_at) >= 60 * (asked.every_minutes or 0)

    # --- steps ----------------------------------------------------------------------------------------------------------------------

    def train(self, checkpoints: Checkpoints, reporter: Reporter) -> None:
        """Train to the end of the run, from where it stands.

        Raises:
            TrainError: the loss is not finite, or the memory does not suffice.
        """
        reporter.begin(self.progress.step, self.progress.seconds, self.progress.rows)
        try:
            self._train(checkpoints, reporter)
        finally:
            reporter.end()
        if self.best is not None and self.best != self.progress.step:
            self.say(f"the best model is that of step {self.best}: it is the one that is saved")
            checkpoints.restore(self.best)

    def _train(self, checkpoints: Checkpoints, reporter: Reporter) -> None:
        progress, config = self.progress, self.config
        pending: list[float] = []
        self.model.train()
        while (done := self.share_done()) < 1 and not self._over():
            started = time.monotonic()
            progress.epoch = progress.step // self.orders.steps
            rate = learning_rate(config.learning_rate, done, config.warmup)
            with memory_explained(config, f"in step {progress.step + 1}"):
                pending.append(self._step(rate, done, checkpoints))
            progress.step += 1
            progress.seconds += time.monotonic() - started
            saves = config.checkpoint_every is not None and progress.step % config.checkpoint_every == 0
            due = self._evaluation_due()
            if progress.step % config.log_every == 0 or saves or due:  # a checkpoint has no losses that are not logged yet
                self._log(pending, reporter, self.share_done(), rate)
            if due:
                saves |= self._evaluate(reporter, done)
            if saves:
                checkpoints.save(progress.step, asdict(progress), best=self.best)
        if pending:
            self._log(pending, reporter, 1.0, rate)
        last = progress.evaluations[-1].step if progress.evaluations else 0
        if self.validation is not None and last != progress.step:
            self._evaluate(reporter, 1.0)

    def _over(self) -> bool:
        """Whether the evaluations say that nothing better will come."""
        asked = self.config.validation
        over = asked is not None and is_over(self.progress.evaluations, asked)
        if over and not self.stopped_early:
            self.stopped_early = True
            self.say(f"stopped early at step {self.progress.step}: {asked.patience} evaluations without a better W")
        return over

    def _evaluate(self, reporter: Reporter, done: float) -> bool:
        """Look at the validation rows. Returns whether this is the best model so far."""
        assert self.validation is not None
        found = self.validation.evaluate(self.model, self.progress.step)
        self.progress.evaluations.append(found)
        self.progress.evaluated_at = self.progress.seconds
        is_best = self.best == self.progress.step
        reporter.evaluation(found._asdict(), best=is_best, done=done)
        return is_best

    def _step(self, rate: float, done: float, checkpoints: Checkpoints) -> float:
        """One update. Returns the loss of the whole step: for each part the mean over what it counts, weighted."""
        world, rank, progress = self.accelerator.num_processes, self.accelerator.process_index, self.progress
        chosen = self._chosen()
        totals = [int(part.objective.trained[examples].sum()) for part, examples in zip(self.parts, chosen, strict=True)]
        scales = [part.weight / total for part, total in zip(self.parts, totals, strict=True)]
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate
        batches = list(self.orders.micro_batches(chosen, self.config.batch_size))
        mine = [batches[i] if i < len(batches) else None for i in range(rank, -(-len(batches) // world) * world, world)]
        check_updates(self.accelerator, len(mine))
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
            raise not_finite(loss, norm, progress.step, checkpoints.newest())
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        progress.rows += sum(map(len, chosen))
        progress.tokens += sum(totals)
        progress.read += sum(int(part.objective.lengths[examples].sum()) for part, examples in zip(self.parts, chosen, strict=True))
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

    def _log(self, pending: list[float], reporter: Reporter, done: float, rate: float) -> None:
        mean, progress = sum(pending) / len(pending), self.progress
        pending.clear()
        progress.losses.append((progress.step, mean))
        reporter.step(
            step=progress.step, epoch=progress.epoch, seconds=progress.seconds, rows=progress.rows, tokens=progress.read, done=done,
            loss=mean, rate=rate,
        )  # fmt: skip
