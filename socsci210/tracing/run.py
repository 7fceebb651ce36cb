"""A run: which rows, what it may cost, asking, judging, and the file of traces.

Beside `out` lies `<out>.asked/` with every answer that was paid for. It stays: a run that is killed, or that is repeated with more rows or
another cap, asks only for what is not there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ..dataset_folder import DatasetFolder
from ..egress import Egress
from ..predict.openai_journal import Journal
from ..prompts import PLAIN_CUE
from ..reasoning import TRACES_KEY, read_about
from ..replacing import write_text
from ..retrying import Retry
from ..train.lock import alone
from .answers import Answers
from .asking import SYSTEM, Asked, wording_hash
from .batch import BatchRun
from .batch_log import BatchLog
from .judging import judge
from .options import TraceError, TraceOptions
from .plain import ask_plainly
from .purse import Purse, cost_of, estimate
from .rows import rows_to_trace
from .writing import write_traces

FORMAT: Final = 1
NOT_ASKED: Final = "not asked: the cap on the cost was reached"
CANCELLED: Final = "not asked: cancelled"
SERVER: Final = "refused by the server"
USE: Final = "training only: written with the answer known"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Traced:
    """What a run came to.

    Attributes:
        out: the file.
        rows, traces: rows wanted, and those with a trace.
        left_out: rows without one, by reason.
        cost: of all answers, earlier runs included; None without prices or where the server did not count tokens.
    """

    out: Path
    rows: int
    traces: int
    left_out: dict[str, int]
    cost: float | None


def trace(
    *,
    dataset: Path,
    configs: Sequence[str],
    split: str,
    model: str,
    out: Path,
    options: TraceOptions,
    limit: int | None = None,
    per_cell: int | None = None,
    cancel: bool = False,
    confirm: Callable[[str], bool] = lambda line: True,
    progress: Progress | None = None,
) -> Traced:
    """Have a model write traces for training rows, and write `out`.

    Args:
        dataset: dataset folder.
        configs: split configurations; rows are on the train side of all of them.
        split: `train`; any other is refused.
        model: the name that the server knows it by.
        out: parquet file (`reasoning.TRACES`); an earlier one of the same run is replaced by one with more rows.
        options: the server, and how it is asked.
        limit, per_cell: at most so many rows, and so many of each (study, condition, outcome, item).
        cancel: end the batch that is under way, keep what it has answered, and ask for nothing.
        confirm: shown what is to be sent and what it may cost, before anything is; False ends the run.
        progress: called with (requests answered, requests).

    Raises:
        TraceError: rows that may have no trace, `out` belongs to something else, or the user said no.
        EgressError: rows may not be sent, or the server does not answer. Answers are kept for the next run.
    """
    options.check()
    folder, out = DatasetFolder(dataset), Path(out)
    rows, not_traced = rows_to_trace(folder, configs, split, limit=limit, per_cell=per_cell, seed=options.seed)
    about: dict[str, Any] = {
        "format": FORMAT, "answer_known": True, "use": USE, "dataset_fingerprint": folder.fingerprint, "train_on": list(configs),
        "split": split, "model": model, "base_url": options.base_url.rstrip("/"), "wording_hash": wording_hash(), "system": SYSTEM,
        "words": options.words, "max_tokens": options.max_tokens, "temperature": options.temperature, "seed": options.seed,
    }  # fmt: skip
    with alone(out, "writes these traces"):
        place = _place(out, about)
        asked = Asked(rows, folder, options, model)
        journal, log = Journal(place / "journal.jsonl"), BatchLog(place / "batches.jsonl")
        try:
            run = _Run(options, asked, journal, log, progress)
            whole = run.ask(_what(rows, configs), rows.num_rows, model, cancel=cancel, confirm=confirm)
            return _finish(out, about, rows, asked, run.answers, not_traced, options, CANCELLED if cancel else "" if whole else NOT_ASKED)
        finally:
            journal.close()
            log.close()


def _what(rows: pa.Table, configs: Sequence[str]) -> str:
    return f"up to {rows.num_rows} training rows of {', '.join(configs)} (persona, stimulus and the answer that was given)"


class _Run:
    def __init__(self, options: TraceOptions, asked: Asked, journal: Journal, log: BatchLog, progress: Progress | None) -> None:
        self._options, self._asked, self._log = options, asked, log
        self.names = list(asked.names())
        self._waiting = [name for name in self.names if journal.get(name) is None]
        self._done, self._progress = len(self.names) - len(self._waiting), progress
        self.paid, self._spent = journal.totals().requests, cost_of(options, journal.totals())
        spent = self._spent
        if spent is None:  # the server did not count tokens: every answer, of these rows or others, may have cost the most
            spent = self.paid * Purse(options, 0.0).dearest(max(map(asked.size, self.names), default=0))
        self.answers = Answers(journal, Purse(options, spent))

    def ask(self, what: str, rows: int, model: str, *, cancel: bool, confirm: Callable[[str], bool]) -> bool:
        """Have all requests answered; False if the cap ended it before, or it was cancelled."""
        options = self._options
        if not self._waiting and not self._log.open:
            return True
        egress = Egress(
            options.base_url, model, what=what, rows=rows, allow_send_rows=options.allow_send_rows, api_key_env=options.api_key_env,
            timeout=options.timeout, retry=Retry(options.tries, options.first_wait), show=options.show,
        )  # fmt: skip
        try:
            batches = BatchRun(
                egress, self._asked, self.answers, self._log, poll=options.poll, show=options.show, progress=self._advance
            )  # fmt: skip
            if cancel:
                options.show(f"{batches.cancel_open()} batches cancelled")
                return False
            batches.fetch_open()
            waiting = [name for name in self._waiting if self.answers.journal.get(name) is None and name not in self.answers.refused]
            if not waiting:
                return True
            size = sum(self._asked.size(name) for name in waiting)
            line = estimate(options, len(waiting), size, self.paid, self._spent)
            options.show(line)
            if not confirm(line):
                raise TraceError("nothing was sent", expected="leave to go on", fix="run it again, with --yes to be asked nothing")
            if options.batch:
                return batches.ask(waiting)
            return ask_plainly(
                egress, self._asked, waiting, self.answers, concurrency=options.concurrency, progress=self._advance
            )  # fmt: skip
        finally:
            egress.close()

    def _advance(self, more: int) -> None:
        self._done += more
        if self._progress is not None:
            self._progress(self._done, len(self.names))


def _place(out: Path, about: dict[str, Any]) -> Path:
    """The folder of answers beside `out`, if that and `out` are of this run.

    Raises:
        TraceError: they are of another one, or `out` is something else.
    """
    if out.exists():
        _same(read_about(out), about, out)
    place = out.with_name(out.name + ".asked")
    place.mkdir(parents=True, exist_ok=True)
    noted = place / "run.json"
    asked_before = any(path.stat().st_size for path in place.glob("*.jsonl"))
    if not noted.exists() or not asked_before:
        write_text(noted, json.dumps(about, indent=1, sort_keys=True))
    _same(json.loads(noted.read_text(encoding="utf-8")), about, noted)
    return place


def _same(stored: dict[str, Any], about: dict[str, Any], where: Path) -> None:
    if differing := sorted(key for key in about if stored.get(key) != about[key]):
        raise TraceError(
            f"traces of another run: {', '.join(f'{key} is {stored.get(key)!r}' for key in differing)}", where=str(where),
            expected=", ".join(f"{key} {about[key]!r}" for key in differing), fix="choose another --out",
        )  # fmt: skip


def _finish(
    out: Path, about: dict[str, Any], rows: pa.Table, asked: Asked, answers: Answers, not_traced: dict[str, int], options: TraceOptions,
    unanswered: str,
) -> Traced:  # fmt: skip
    """Judge all answers and write the file."""
    left_out: Counter[str] = Counter()
    kept: list[int] = []
    traces: list[str] = []
    for row, name in enumerate(asked.name):
        choice = answers.choice(name)
        if choice is None:
            left_out[SERVER if name in answers.refused else unanswered] += 1
            continue
        verdict = judge(choice, int(asked.answer[row]), asked.labels(row))
        if verdict.trace is None:
            left_out[str(verdict.reason)] += 1
            continue
        kept.append(row)
        traces.append(verdict.trace)
    totals = answers.journal.totals()
    closing = {
        "rows_wanted": rows.num_rows, "rows_written": len(kept), "left_out": dict(left_out), "rows_not_traced": not_traced,
        "models": list(totals.models), "requests": totals.requests, "prompt_tokens": totals.prompt_tokens,
        "completion_tokens": totals.completion_tokens, "price_in": options.price_in, "price_out": options.price_out,
        "cost": cost_of(options, totals), "cue": PLAIN_CUE,
    }  # fmt: skip
    prompts = [asked.prompt(row) for row in kept]
    write_traces(out, rows.take(pa.array(kept, pa.int64())), traces, prompts, about | closing, key=TRACES_KEY)
    return Traced(out, rows.num_rows, len(kept), dict(left_out), closing["cost"])
