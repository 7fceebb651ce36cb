"""What a run tells while it trains: lines or a bar for people, `train_log.jsonl` for programs, and the trackers that accelerate knows."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .config import TrainError, flat
from .settings import TrainConfig

LOG: Final = "train_log.jsonl"
Say = Callable[[str], None]


def log_of(output: Path) -> Path:
    """Where the log of a model lies until it is complete; then it lies inside its folder."""
    return output.with_name(f"{output.name}.{LOG}")


class Reporter:
    """Tells where a run stands. In processes other than the main one it tells nothing.

    Args:
        accelerator: whose main process speaks, and whose trackers get every figure.
        log: file of figures, one JSON object a line.
        say: called with lines for people.
        bar: whether to draw a bar on the terminal (rich) beside the lines.
    """

    def __init__(self, accelerator: Any, log: Path, say: Say, *, bar: bool | None = None) -> None:
        self.accelerator, self.log, self.say = accelerator, log, say
        self.speaks = bool(accelerator.is_main_process)
        wanted = sys.stderr.isatty() if bar is None else bar
        self._bar = _Bar() if wanted and self.speaks else None

    def begin(self, step: int, seconds: float, rows: int) -> None:
        """Called when the loop starts, at a step: what an earlier process logged behind it is done again, and is forgotten."""
        self._last = (seconds, rows, 0)
        if not self.speaks:
            return
        kept = [line for line in _lines(self.log) if json.loads(line)["step"] <= step] if step else []
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def step(self, *, step: int, epoch: int, seconds: float, rows: int, tokens: int, done: float, loss: float, rate: float) -> None:
        """A line of the log: mean loss since the last one, and how fast it goes.

        Args:
            seconds, rows, tokens: since the run began, and since this process began to train.
            done: share of the run that is over.
            rate: the learning rate.
        """
        before, rows_before, tokens_before = self._last
        self._last = (seconds, rows, tokens)
        spent = max(seconds - before, 1e-9)
        speed, token_speed = (rows - rows_before) / spent, (tokens - tokens_before) / spent
        left = seconds * (1 - done) / done if done > 0 else None
        self._note(
            {
                "step": step, "epoch": epoch, "seconds": round(seconds, 2), "rows": rows, "loss": loss, "learning_rate": rate,
                "rows_per_second": round(speed, 2), "tokens_per_second": round(token_speed, 1), "seconds_left": left and round(left, 1),
            }
        )  # fmt: skip
        text = f"step {step}  epoch {epoch}  {clock(seconds)}  loss {loss:.4f}  {speed:.3g} rows/s  {token_speed:,.0f} tokens/s"
        self._tell(text + ("" if left is None else f"  left {clock(left)}"), done)

    def evaluation(self, figures: Mapping[str, float], *, best: bool, done: float) -> None:
        """The figures of one evaluation: step, W, chance, answer_mass."""
        self._note(dict(figures))
        said = "  ".join(f"{name} {figures[name]:.4f}" for name in ("W", "chance", "answer_mass"))
        self._tell(f"step {figures['step']:.0f}  validation  {said}{'  best so far' if best else ''}", done)

    def end(self) -> None:
        """Called when the loop is over, however it ended."""
        if self._bar is not None:
            self._bar.close()

    def _note(self, figures: dict[str, Any]) -> None:
        if self.speaks:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(figures) + "\n")
        step = figures.pop("step")
        self.accelerator.log({name: value for name, value in figures.items() if value is not None}, step=step)

    def _tell(self, text: str, done: float) -> None:
        if self._bar is not None:
            self._bar.show(text, done)
        elif self.speaks:
            self.say(text)


class _Bar:
    """A bar at the foot of the terminal, with the newest line beside it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        columns = (BarColumn(bar_width=20), TaskProgressColumn(), TextColumn("{task.description}", markup=False))
        self.progress = Progress(*columns, console=Console(stderr=True))
        self.task = self.progress.add_task("training", total=1.0)
        self.progress.start()

    def show(self, text: str, done: float) -> None:
        self.progress.update(self.task, completed=min(done, 1.0), description=text)

    def close(self) -> None:
        self.progress.stop()


def clock(seconds: float) -> str:
    """45 s, 12 min, 3.4 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _lines(path: Path) -> list[str]:
    """The whole lines of a log; the last one may have been cut by a kill."""
    if not path.exists():
        return []
    return path.read_text(encoding="utf-8", errors="replace").rpartition("\n")[0].splitlines()


def check_trackers(names: Sequence[str]) -> None:
    """Trackers that are asked for must be installed: accelerate leaves out the others without a word.

    Raises:
        TrainError: one is not.
    """
    from accelerate.tracking import get_available_trackers

    there = {str(name) for name in get_available_trackers()}
    if missing := [name for name in names if name not in there]:
        found = ", ".join(sorted(there)) or "none"
        raise TrainError(
            f"tracker {missing[0]} is not installed", where="track_with", expected=f"one that is: {found}", fix=f"pip install {missing[0]}"
        )


def start_trackers(accelerator: Any, config: TrainConfig) -> None:
    """Give the trackers the settings of the run."""
    if config.track_with:
        settings = {
            key: value if isinstance(value, (int, float, str, bool)) else str(value)
            for key, value in flat(config.model_dump(mode="json"))
            if value is not None
        }
        accelerator.init_trackers("socsci210", config=settings)
