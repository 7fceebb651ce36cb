"""The `openai` engine: any OpenAI-compatible server, asked for logprobs or for draws, through the one way out (`socsci210.egress`).

Every answer of the server goes to an append-only journal beside the shards before it is used, and whatever is in the journal is not asked
again: a run that is killed loses at most the requests that were in flight. All choices (seeds of draws, examples) follow from the row, so a
resumed file equals an uninterrupted one wherever the server answers equal requests equally.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..dataset_folder import DatasetFolder
from ..egress import Egress, EgressError
from ..prompts import SYSTEM_PROMPT, Template, get_template
from ..retrying import Retry
from ..row_texts import RowTexts, row_texts
from ..schema import MAX_ENUMERATED
from .openai_examples import Examples, word
from .openai_journal import Journal, Totals, digest
from .openai_options import TOP_LOGPROBS, ServerOptions
from .openai_reading import UNBOUNDED, AnswerTree, Step, read_text
from .selection import Selection
from .shards import Progress, parts_folder, predictions_schema, run_sharded

SHARD_ROWS: Final = 1024
DRAW_TOKENS: Final = 16  # room for "I would say 5."
TOLERATED: Final = 0.01  # unresolved mass of a row; above it, more texts are sampled
ROUNDS: Final = 5  # requests for one row at most, the first one included
UNRESOLVED: Final = pa.field("unresolved", pa.float64())
"""One column more than `shards.DRAWN`: the mass that may be answers but could not be told to one of them. `method` is logprobs or draws."""
MILLION: Final = 1_000_000


def predict_by_server(
    options: ServerOptions,
    dataset: DatasetFolder,
    chosen: Selection,
    *,
    out: Path,
    metadata: dict[str, Any],
    shard_rows: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Predict rows by a model server, write `out` and return it.

    Args:
        options: the server, and how to ask it.
        dataset: the folder that the rows are of.
        chosen: the rows to predict, and what they are called.
        out: the predictions file.
        metadata: of the run; config, split, model, template and seed are read from it.
        shard_rows: rows per shard.
        progress: called with (rows done, rows wanted).

    Raises:
        EgressError: rows may not be sent, or the server does not answer as it must. What it has answered is kept for the next run.
        DatasetError: there are no examples to show, or `out` belongs to another run.
    """
    _check(options)
    template, seed = get_template(metadata["template"]), int(metadata["seed"])
    examples = None
    if options.shots:
        examples = Examples(dataset, metadata["config"], template, shots=options.shots, seed=seed, predicted=chosen.keys)
    rows = "personas and stimuli in arms" if metadata.get("arms") else "rows"
    shown = f", and with each {options.shots} training rows with the answers of people" if options.shots else ""
    shared = Shared(
        f"{chosen.rows.num_rows} {rows} of {metadata['config']}/{metadata['split']} (persona and stimulus){shown}", chosen.rows.num_rows
    )
    outcomes = list(zip(*(chosen.rows.column(name).to_pylist() for name in ("study_id", "task_num")), strict=True))
    return ask_server(
        options, shared, chosen.keys, row_texts(chosen.rows, dataset), template, seed, out=out, metadata=metadata, shard_rows=shard_rows,
        progress=progress, shots=None if examples is None else (examples, outcomes),
    )  # fmt: skip


@dataclass(frozen=True)
class Shared:
    """What is sent to a server: in words, and how many rows of a dataset are in it, in whole or in part."""

    what: str
    rows: int


def ask_server(
    options: ServerOptions,
    shared: Shared,
    keys: pa.Table,
    texts: RowTexts,
    template: Template,
    seed: int,
    *,
    out: Path,
    metadata: dict[str, Any],
    shard_rows: int | None = None,
    progress: Progress | None = None,
    shots: tuple[Examples, Sequence[tuple[str, int]]] | None = None,
) -> Path:
    """Ask a model server about texts and scales, write `out` (keys, then the columns of a prediction) and return it.

    Args:
        options: the server, and how to ask it.
        shared: what is sent, as the user is told.
        keys: the key of every row.
        texts: persona, stimulus and scale of every row.
        template: how they are put together.
        seed: of draws.
        out: the predictions file.
        metadata: of the run; `model` is read from it.
        shard_rows: rows per shard.
        progress: called with (rows done, rows wanted).
        shots: examples to show, and the outcome of every row that decides which.

    Raises:
        EgressError: rows may not be sent, or the server does not answer as it must. What it has answered is kept for the next run.
        DatasetError: `out` belongs to another run.
    """
    _check(options)
    egress = Egress(
        options.base_url, metadata["model"], what=shared.what, rows=shared.rows, allow_send_rows=options.allow_send_rows,
        api_key_env=options.api_key_env, timeout=options.timeout, retry=Retry(options.tries, options.first_wait), show=options.show,
    )  # fmt: skip
    run = _Run(egress, options, keys, texts, shots, template.join, seed, parts_folder(out))
    try:
        return run_sharded(
            keys, run.predict_rows, out=out, metadata=metadata | {"server": _identity(options)},
            shard_rows=shard_rows or SHARD_ROWS, progress=progress, schema=run.schema, closing=run.closing,
        )  # fmt: skip
    finally:
        run.close()


def _check(options: ServerOptions) -> None:
    for name, value, least in (
        ("draws", options.draws, 1), ("shots", options.shots, 0), ("concurrency", options.concurrency, 1), ("tries", options.tries, 1),
        ("price-in", options.price_in or 0, 0), ("price-out", options.price_out or 0, 0),
    ):  # fmt: skip
        if value < least:
            raise EgressError(f"--{name} {value}", expected=f"{least} or more", fix=f"check --{name}")
    if (options.price_in is None) != (options.price_out is None):
        raise EgressError("one price of two", expected="--price-in and --price-out, or neither", fix="give both, per million tokens")
    temperature, top_p = options.decoding
    if not (0 <= temperature <= 2 and 0 < top_p <= 1):
        raise EgressError(
            f"--temperature {temperature}, --top-p {top_p}", expected="a temperature from 0 to 2, a top_p above 0 and up to 1",
            fix="check --temperature and --top-p",
        )  # fmt: skip
    if options.logprobs and (temperature, top_p) != (1, 1):
        raise EgressError(
            f"--temperature {temperature}, --top-p {top_p} beside logprobs, which are read at temperature 1",
            expected="one decoding for all rows: the scorer applies temperature 0.6 and top_p 0.9 to such a file itself",
            fix="leave them out, or draw every row (--no-logprobs)",
        )  # fmt: skip


def _identity(options: ServerOptions) -> dict[str, Any]:
    """What decides the predictions: a run resumes only under the same."""
    temperature, top_p = options.decoding
    return {
        "base_url": options.base_url.rstrip("/"), "logprobs": options.logprobs, "draws": options.draws, "shots": options.shots,
        "temperature": temperature, "top_p": top_p,
    }  # fmt: skip


@dataclass(frozen=True)
class _Answer:
    """The prediction of one row: its columns behind the key."""

    method: str
    support: Sequence[int]
    mass: npt.NDArray[np.float64]
    raw: list[str] | None = None
    unresolved: float | None = None
    prediction: int | None = None

    def columns(self, point: bool) -> dict[str, Any]:
        """By name; with `point`, the one draw and no distribution."""
        total = float(self.mass.sum())
        distribution = {} if point or not total else {"support": list(self.support), "probabilities": self.mass / total}
        return distribution | {
            "answer_mass": min(total, 1.0), "prediction": self.prediction, "method": self.method, "parsed": total > 0, "raw": self.raw,
            "unresolved": self.unresolved,
        }  # fmt: skip


class _Run:
    """One run: what is asked for each row, and what its answers come to."""

    def __init__(
        self,
        egress: Egress,
        options: ServerOptions,
        keys: pa.Table,
        texts: RowTexts,
        shots: tuple[Examples, Sequence[tuple[str, int]]] | None,
        join: Callable[[str, str], str],
        seed: int,
        parts: Path,
    ) -> None:
        self._egress, self._options, self._texts = egress, options, texts
        self._examples = shots[0] if shots else None
        self._outcome = shots[1] if shots else ()
        self._join, self._seed, self._parts = join, seed, parts
        self._journal: Journal | None = None
        self._keys = keys
        self._name = [":".join(map(str, key)) for key in zip(*(column.to_pylist() for column in keys.columns), strict=True)]
        self.schema = predictions_schema(keys.schema, drawn=True).append(UNRESOLVED)
        self._by_logprobs = [options.logprobs and 0 < len(scale.values) <= TOP_LOGPROBS for scale in texts.scales]
        self._trees = {which: AnswerTree(texts.scales[which].values) for which, short in enumerate(self._by_logprobs) if short}
        self._point = options.draws == 1 and not options.logprobs

    @property
    def journal(self) -> Journal:
        """Opened with the first shard, when it is sure that the shards belong to this run."""
        if self._journal is None:
            self._parts.mkdir(parents=True, exist_ok=True)
            self._journal = Journal(self._parts / "answers.jsonl")
        return self._journal

    def close(self) -> None:
        """Close the journal and all connections."""
        self._egress.close()
        if self._journal is not None:
            self._journal.close()

    def predict_rows(self, indices: npt.NDArray[np.int64]) -> pa.Table:
        """Predictions of some rows. Rows that would be asked the same for logprobs are asked once."""
        places: dict[Hashable, list[int]] = {}
        for row in indices.tolist():
            places.setdefault(self._same(row), []).append(row)
        answers: dict[int, _Answer] = {}
        journal = self.journal  # opened before there are threads: two of them would open it twice, and each see half of the answers
        with ThreadPoolExecutor(self._options.concurrency) as pool:
            asked = {pool.submit(self._answer, same[0]): same for same in places.values()}
            self._all_or_none(list(asked))
            for future, same in asked.items():
                answers.update(dict.fromkeys(same, future.result()))
        journal.sync()
        self._options.show(self._so_far())
        found = [answers[row].columns(self._point) for row in indices.tolist()]
        keys = self._keys.take(pa.array(indices))
        names = [name for name in self.schema.names if name not in keys.column_names]
        columns = [pa.array([row.get(name) for row in found], self.schema.field(name).type) for name in names]
        return pa.table([*keys.columns, *columns], [*keys.column_names, *names])

    def _all_or_none(self, asked: Sequence[Future[_Answer]]) -> None:
        """Wait for all; after a failure (or an interrupt) take back what has not begun. What is in flight ends, and is in the journal."""
        try:
            done, _ = wait(asked, return_when=FIRST_EXCEPTION)
            failed = next((future for future in done if future.exception() is not None), None)
            if failed is not None:
                failed.result()
        except BaseException:
            self._egress.stop()
            for future in asked:
                future.cancel()
            raise

    def _same(self, row: int) -> Hashable:
        scale = int(self._texts.scale[row])
        if not self._by_logprobs[scale]:
            return row
        outcome = self._outcome[row] if self._examples else None
        return int(self._texts.persona[row]), int(self._texts.stimulus[row]), scale, outcome

    def _answer(self, row: int) -> _Answer:
        scale = int(self._texts.scale[row])
        return self._from_logprobs(row, scale) if self._by_logprobs[scale] else self._from_draws(row, scale)

    def _messages(self, row: int) -> list[dict[str, str]]:
        before = self._examples.turns(*self._outcome[row]) if self._examples else []
        user = self._join(self._texts.personas[int(self._texts.persona[row])], self._texts.stimuli[int(self._texts.stimulus[row])])
        return [{"role": "system", "content": SYSTEM_PROMPT}, *before, {"role": "user", "content": user}]

    def _from_logprobs(self, row: int, scale: int) -> _Answer:
        tree, messages = self._trees[scale], self._messages(row)
        paths: list[list[Step]] = []
        for number in range(ROUNDS):
            request = {
                "messages": messages, "max_tokens": tree.positions, "logprobs": True, "top_logprobs": TOP_LOGPROBS, "temperature": 1.0,
                "seed": word(f"{self._seed}:{scale}:{number}") >> 33,
            }  # fmt: skip
            if number:
                request["n"] = self._options.draws
            found = self._ask(request, lambda choice: [[token, likely] for token, likely in tree.trim(self._path(choice))])
            paths += [[Step(token, likely) for token, likely in path] for path in found]
            reading = tree.read(path for path in paths if path)
            if reading.unresolved <= TOLERATED:
                break
        return _Answer("logprobs", self._texts.scales[scale].values, reading.mass, unresolved=reading.unresolved)

    def _from_draws(self, row: int, scale: int) -> _Answer:
        values, messages, wanted = self._texts.scales[scale].values or UNBOUNDED, self._messages(row), self._options.draws
        temperature, top_p = self._options.decoding
        texts: list[str] = []
        while len(texts) < wanted:  # a server may give fewer than it is asked for
            request = {
                "messages": messages, "max_tokens": DRAW_TOKENS, "n": wanted - len(texts), "temperature": temperature, "top_p": top_p,
                "seed": word(f"{self._seed}:{self._name[row]}:{len(texts)}") >> 33,
            }  # fmt: skip
            texts += self._ask(request, _text)[: wanted - len(texts)]
        answers = [answer for text in texts if (answer := read_text(text, values)) is not None]
        support = list(values) if len(values) <= MAX_ENUMERATED else sorted(set(answers))
        mass = np.array([answers.count(value) / wanted for value in support])
        return _Answer("draws", support, mass, raw=texts, prediction=answers[0] if answers else None)

    def _ask(self, request: dict[str, Any], read: Callable[[dict[str, Any]], Any]) -> list[Any]:
        """What `read` makes of every choice of the answer, from the journal if it was answered before."""
        name = digest(request)
        stored = self.journal.get(name)
        if stored is None:
            reply = self._egress.send(**request)
            stored = [read(choice) for choice in reply["choices"]]
            usage = reply.get("usage") or {}
            tokens = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
            self.journal.put(name, stored, tokens=tokens, model=reply.get("model"))
        return list(stored)

    def _path(self, choice: dict[str, Any]) -> list[Step]:
        """Sampled tokens with the lists they were drawn from; empty if the model said nothing."""
        content = (choice.get("logprobs") or {}).get("content")
        if content == [] and not _text(choice):
            return []
        try:
            steps = [
                Step(
                    str(position["token"]),
                    [(str(likely["token"]), round(float(likely["logprob"]), 7)) for likely in position["top_logprobs"]],
                )
                for position in content or []
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise EgressError(
                f"logprobs in another layout than OpenAI's ({error!r})", where=self._egress.base_url, fix="draw instead: --no-logprobs"
            ) from error
        if not steps or not all(step.alternatives for step in steps):
            raise EgressError(
                "logprobs were asked for and came back empty",
                where=self._egress.base_url,
                expected=f"{TOP_LOGPROBS} likely tokens at each position",
                fix=f"use a server that gives logprobs, or --no-logprobs to draw {self._options.draws} answers per row instead",
            )
        return steps

    def _so_far(self) -> str:
        totals = self.journal.totals()
        cost = self._cost(totals)
        tokens = "tokens not counted by the server"
        if totals.prompt_tokens is not None and totals.completion_tokens is not None:
            tokens = f"{totals.prompt_tokens:,} tokens in, {totals.completion_tokens:,} out"
        price = "" if cost is None else f", cost {cost:,.2f}"
        return f"{totals.requests:,} requests answered, {tokens}{price}, {self._egress.retries} retries in this run"

    def _cost(self, totals: Totals) -> float | None:
        price_in, price_out = self._options.price_in, self._options.price_out
        if price_in is None or price_out is None or totals.prompt_tokens is None or totals.completion_tokens is None:
            return None
        return (price_in * totals.prompt_tokens + price_out * totals.completion_tokens) / MILLION

    def closing(self, table: pa.Table) -> dict[str, Any]:
        """What the whole run came to: requests, tokens, cost, and how its rows were answered."""
        totals = self.journal.totals()
        method, parsed = table.column("method").to_pylist(), table.column("parsed").to_pylist()
        unresolved = [value for value in table.column("unresolved").to_pylist() if value is not None]
        several = [texts for texts in table.column("raw").to_pylist() if texts and len(texts) > 1]
        alike = sum(len(set(texts)) == 1 for texts in several)
        if several and alike == len(several):
            self._options.show(f"warning: the draws of each of {alike} rows are all alike; the server seems to decode greedily")
        return {
            **totals._asdict(),
            "models": list(totals.models),
            "price_in": self._options.price_in,
            "price_out": self._options.price_out,
            "cost": self._cost(totals),
            "rows_by_method": {name: method.count(name) for name in sorted(set(method))},
            "rows_not_parsed": parsed.count(False),
            "rows_with_draws_alike": alike,
            "mean_unresolved": float(np.mean(unresolved)) if unresolved else None,
        }


def _text(choice: dict[str, Any]) -> str:
    return str((choice.get("message") or {}).get("content") or "")
