"""Asking by the Batch API: one batch after the other, each at most as large as the cap allows in the dearest case."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

from ..egress import Egress, EgressError
from ..egress_batches import ENDPOINT, LARGEST, LARGEST_BYTES, Batch, Batches
from .answers import Answers
from .asking import Asked
from .batch_log import BatchLog, Planned

Show = Callable[[str], None]


class BatchRun:
    """The batches of a run.

    Args:
        egress: the way to the server.
        asked: the requests.
        answers: where answers go.
        log: which batches there are.
        poll: seconds between two looks.
        show: called with lines for the screen.
        progress: called with how many more were answered or refused.
    """

    def __init__(
        self, egress: Egress, asked: Asked, answers: Answers, log: BatchLog, *, poll: float, show: Show, progress: Callable[[int], None]
    ) -> None:
        self._egress, self._batches, self._asked, self._answers, self._log = egress, Batches(egress), asked, answers, log
        self._poll, self._show, self._progress = poll, show, progress

    def ask(self, names: Sequence[str]) -> bool:
        """Have all of `names` answered; False if the cap ended it before.

        Raises:
            EgressError: the server does not answer, or a batch came to nothing. A batch that is under way goes on there.
        """
        self.fetch_open()
        while waiting := [name for name in names if self._answers.journal.get(name) is None and name not in self._answers.refused]:
            chunk, held = self._chunk(waiting)
            if not chunk:
                return False
            planned = self._log.plan(chunk)
            self._begin(planned)
            self._finish(planned, held)
        return True

    def fetch_open(self, *, cancelled: bool = False) -> None:
        """Fetch what earlier runs have begun: it is paid already. A batch that was `cancelled` may have come to nothing."""
        for planned in self._log.open:
            if planned.id is None and (found := self._batches.find(planned.name)) is not None:
                self._log.begun(planned.name, found.id)
            if planned.id is None:
                self._log.ended(planned.name, "never begun")
                self._forget(planned.files)
                continue
            self._show(f"batch {planned.id} of an earlier run: {len(planned.requests):,} requests")
            held = {name: self._answers.purse.dearest(self._size(name)) for name in planned.requests}
            for amount in held.values():
                self._answers.purse.owe(amount)
            self._finish(planned, held, may_be_empty=cancelled)

    def cancel_open(self) -> int:
        """Have the server end what is under way, and fetch what was answered; how many batches that were."""
        found = 0
        for planned in self._log.open:
            known = self._batches.look(planned.id) if planned.id is not None else self._batches.find(planned.name)
            if known is not None and not known.ended:
                self._batches.cancel(known.id)
                found += 1
        self.fetch_open(cancelled=True)
        return found

    def _size(self, name: str) -> int:
        return self._asked.size(name) if name in self._asked.row_of else 0

    def _chunk(self, waiting: Sequence[str]) -> tuple[list[str], dict[str, float]]:
        """The first requests that fit into one batch and below the cap, and what is held for each."""
        chunk: dict[str, float] = {}
        size = 0
        for name in waiting[:LARGEST]:
            amount = self._answers.purse.dearest(self._asked.size(name))
            size += len(self._line(name))
            if size > LARGEST_BYTES or not self._answers.purse.hold(amount):
                break
            chunk[name] = amount
        return list(chunk), chunk

    def _line(self, name: str) -> bytes:
        fields = self._asked.request(name)
        body = {"model": self._egress.model, "max_completion_tokens": fields.pop("max_tokens"), **fields}
        line = {"custom_id": name, "method": "POST", "url": ENDPOINT, "body": body}
        return (json.dumps(line, ensure_ascii=False) + "\n").encode()

    def _begin(self, planned: Planned) -> None:
        file = self._batches.upload(f"{planned.name}.jsonl", b"".join(map(self._line, planned.requests)))
        self._log.uploaded(planned.name, file)
        batch = self._batches.begin(planned.name, file)
        self._log.begun(planned.name, batch.id)
        self._show(f"batch {batch.id}: {len(planned.requests):,} requests; should this end it goes on there, and the next run fetches it")

    def _finish(self, planned: Planned, held: dict[str, float], *, may_be_empty: bool = False) -> None:
        """Wait for a batch, keep its answers, and have the server forget its files."""
        batch = self._wait(str(planned.id))
        answered = self._keep(batch, held)
        for amount in held.values():
            self._answers.purse.release(amount)
        self._answers.journal.sync()
        self._log.ended(planned.name, batch.status)
        self._forget([file for file in {*planned.files, batch.input, batch.output, batch.errors} if file])
        self._show(f"batch {batch.id} {batch.status}: {answered:,} of {len(planned.requests):,} answered")
        self._answers.check(self._egress.base_url)
        if not answered and not may_be_empty and any(name not in self._answers.refused for name in planned.requests):
            raise EgressError(
                f"batch {batch.id} {batch.status} without an answer{': ' if batch.message else ''}{batch.message}",
                where=self._egress.base_url, expected="answers", fix="put that right and run the same command again: it resumes",
            )  # fmt: skip

    def _wait(self, batch: str) -> Batch:
        seen: tuple[object, ...] = ()
        while True:
            found = self._batches.look(batch)
            if (now := (found.status, found.done, found.failed)) != seen:
                self._show(f"batch {batch} {found.status}: {found.done:,} of {found.total:,} done, {found.failed:,} failed")
                seen = now
            if found.ended:
                return found
            time.sleep(self._poll)

    def _keep(self, batch: Batch, held: dict[str, float]) -> int:
        """Put the answers of a batch into the journal; how many there are. What fails with a refusal is noted as refused."""
        answered = 0
        for file in filter(None, (batch.output, batch.errors)):
            for line in self._batches.lines(file):
                name, response = str(line.get("custom_id")), line.get("response") or {}
                body = response.get("body") or {}
                if name not in held:
                    continue
                if response.get("status_code") == 200 and body.get("choices"):
                    self._answers.take(name, body, held.pop(name))
                    answered += 1
                    self._progress(1)
                elif response.get("status_code") is not None and 400 <= response["status_code"] < 500 and response["status_code"] != 429:
                    self._answers.refused[name] = str((body.get("error") or {}).get("message") or line.get("error"))[:300]
                    self._progress(1)
        return answered

    def _forget(self, files: Sequence[str]) -> None:
        kept = [file for file in files if not self._batches.forget(file)]
        if kept:
            self._show(f"the server did not delete {', '.join(kept)}: delete what it keeps of these rows there")
