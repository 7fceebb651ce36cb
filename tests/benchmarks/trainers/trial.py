"""One trial in a process of its own: `python -m tests.benchmarks.trainers.trial '{"side": ..., ...}'`

Prints `{"per_second": ..., "peak_gb": ...}`: rows or pairs per second, and the memory that training took above what stood before it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import psutil
import torch

from ..processes import in_process

PEAK_EVERY: Final = 0.02  # seconds between two looks at the memory
PAIRS: Final = 64  # of TRL's dpo: reference log-probabilities of all of them are computed before training, and count for their share


@dataclass(frozen=True)
class Trial:
    """What is run: which side and objective, on which folders, for how many steps, under which settings of that side."""

    side: Literal["general", "ours"]
    objective: Literal["sft", "dpo"]
    model: str
    dataset: str
    template: str
    rows: int
    steps: int
    threads: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Settings in words."""
        return ", ".join(f"{key} {value}" for key, value in self.settings.items()) or "default"


def run(trial: Trial) -> dict[str, float]:
    """`per_second` and `peak_gb` of a trial, in a new process."""
    line, _ = in_process("tests.benchmarks.trainers.trial", [json.dumps(asdict(trial))])
    found: dict[str, float] = json.loads(line)
    return found


class _Peak:
    """The most memory inside a `with`, above what was taken before, in GB: of the process, or of the GPU where there is one."""

    def __enter__(self) -> _Peak:
        self.process, self.highest = psutil.Process(), 0
        self.before, self.done = self.process.memory_info().rss, threading.Event()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while not self.done.wait(PEAK_EVERY):
            self.highest = max(self.highest, self.process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()

    @property
    def gb(self) -> float:
        taken = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else self.highest - self.before
        return float(taken) / 1e9


def _general(trial: Trial) -> float:
    from transformers import AutoTokenizer

    from socsci210.dataset_folder import DatasetFolder
    from socsci210.prompts import PromptEncoder
    from socsci210.row_texts import COLUMNS, row_texts

    from . import general

    tokenizer = AutoTokenizer.from_pretrained(trial.model)
    encoder = PromptEncoder(tokenizer, trial.template)
    folder = DatasetFolder(trial.dataset)
    needed = trial.rows if trial.objective == "sft" else min(trial.rows, PAIRS)
    rows = folder.rows("all", "train", COLUMNS).slice(0, needed)
    texts = row_texts(rows, folder)
    answers = rows.column("response").to_pylist()
    prompts = [encoder.prompt(texts.personas[p], texts.stimuli[s]) for p, s in zip(texts.persona, texts.stimulus, strict=True)]
    if trial.objective == "sft":
        pairs = [(prompt, list(encoder.answer(answer))) for prompt, answer in zip(prompts, answers, strict=True)]
        return general.sft(trial.model, tokenizer, pairs, trial.steps, trial.settings)
    end = tokenizer.decode([encoder.end_of_turn])
    compared = [
        {"prompt": tokenizer.decode(prompt), "chosen": f"{answer}{end}", "rejected": f"{answer % 7 + 1}{end}"}
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    return general.dpo(trial.model, tokenizer, compared, trial.steps, trial.settings)


def _ours(trial: Trial) -> float:
    """Reference log-probabilities count for their share, as those of the other side do."""
    from socsci210.train import loop
    from socsci210.train.config import resolve

    before, note_references = [0.0], loop.note_references

    def timed(*arguments: Any) -> None:
        started = time.perf_counter()
        note_references(*arguments)
        before[0] += time.perf_counter() - started

    loop.note_references = timed

    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "model"
        settings = {
            "dataset": trial.dataset, "output": str(output), "train_on": ["all"], "model": trial.model, "template": trial.template,
            "max_steps": trial.steps, "objective": trial.objective, **trial.settings,
        }  # fmt: skip
        loop.train(resolve(settings), say=lambda text: print(text, file=sys.stderr))
        record = json.loads((output / "run_record.json").read_text())
    share = record["rows_seen"] / trial.rows  # of an epoch
    return float(record["rows_seen"] / (record["seconds"] + before[0] * share))


def main(arguments: list[str]) -> None:
    """Entry point."""
    trial = Trial(**json.loads(arguments[0]))
    torch.set_num_threads(trial.threads)
    with _Peak() as peak:
        per_second = (_general if trial.side == "general" else _ours)(trial)
    print(json.dumps({"per_second": per_second, "peak_gb": peak.gb}))


if __name__ == "__main__":
    main(sys.argv[1:])
