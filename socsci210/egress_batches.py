"""The Batch API of a model server: requests go there as one file, and their answers are fetched within a day, often at a lower price.

All calls go through `Egress.ask`: the same leave to send rows, the same headers, the same tries. A batch that was begun costs money, so
none is begun twice: it carries a name of ours, and before a second try the server is asked whether it has one of this name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from .egress import Egress, EgressError, read_object

ENDPOINT: Final = "/v1/chat/completions"
LARGEST: Final = 50_000
"""Requests of one batch, at most."""
LARGEST_BYTES: Final = 100 << 20
"""Bytes of its file, at most."""
ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_NAME: Final = "socsci210"  # key of our name among a batch's metadata
_PAGE: Final = 100
_PAGES: Final = 100  # of the list of batches that are looked through


@dataclass(frozen=True)
class Batch:
    """What a server says of a batch.

    Attributes:
        status: validating, in_progress, finalizing, cancelling, or one of `ENDED`.
        output, errors: ids of the files of answers and of failures; there may be neither yet.
        done, failed, total: requests.
        message: what the server says went wrong with the batch as a whole.
    """

    id: str
    name: str | None
    status: str
    input: str | None
    output: str | None
    errors: str | None
    done: int
    failed: int
    total: int
    message: str

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in ENDED


class Batches:
    """The batches of one server.

    Args:
        egress: the way to it.
    """

    def __init__(self, egress: Egress) -> None:
        self._egress = egress

    def upload(self, name: str, data: bytes) -> str:
        """Send a file of requests, one JSON object a line; its id. A file costs nothing.

        Raises:
            EgressError: as `Egress.ask`.
        """

        def call(client: Any) -> str:
            return _id(read_object(client.files.with_raw_response.create(file=(name, data), purpose="batch").http_response.text))

        return self._egress.ask(call)

    def begin(self, name: str, file: str) -> Batch:
        """Begin a batch of an uploaded file, or find the one of this name that was begun before.

        Raises:
            EgressError: as `Egress.ask`.
        """
        tried = False

        def call(client: Any) -> Batch:
            nonlocal tried
            if tried and (found := _named(client, name)) is not None:
                return found
            tried = True
            raw = client.batches.with_raw_response.create(
                input_file_id=file, endpoint=ENDPOINT, completion_window="24h", metadata={_NAME: name}
            )
            return _batch(read_object(raw.http_response.text))

        return self._egress.ask(call)

    def find(self, name: str) -> Batch | None:
        """The batch of this name; None if the server has none.

        Raises:
            EgressError: as `Egress.ask`.
        """
        return self._egress.ask(lambda client: _named(client, name))

    def look(self, batch: str) -> Batch:
        """How far a batch is.

        Raises:
            EgressError: as `Egress.ask`.
        """
        return self._egress.ask(lambda client: _batch(read_object(client.batches.with_raw_response.retrieve(batch).http_response.text)))

    def cancel(self, batch: str) -> None:
        """Have a batch ended; what is answered by then is kept and paid for.

        Raises:
            EgressError: as `Egress.ask`.
        """
        self._egress.ask(lambda client: client.batches.with_raw_response.cancel(batch).http_response.text)

    def lines(self, file: str) -> Iterator[dict[str, Any]]:
        """The lines of a file of answers or failures.

        Raises:
            EgressError: as `Egress.ask`, or a line is no JSON object.
        """
        data: bytes = self._egress.ask(lambda client: client.files.content(file).content)
        for number, line in enumerate(data.splitlines(), start=1):
            if line.strip():
                yield self._line(line, f"{self._egress.base_url}, file {file}, line {number}")

    @staticmethod
    def _line(line: bytes, where: str) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise EgressError("not a JSON object", where=where, expected="an answer of the batch", fix="run the same command again")
        return found

    def forget(self, file: str) -> bool:
        """Have the server delete a file, which holds what was sent or answered; whether it did."""
        try:
            self._egress.ask(lambda client: client.files.with_raw_response.delete(file).http_response.text)
        except EgressError:
            return False
        return True


def _named(client: Any, name: str) -> Batch | None:
    after: dict[str, str] = {}
    for _ in range(_PAGES):
        page = read_object(client.batches.with_raw_response.list(limit=_PAGE, **after).http_response.text)
        found = [one for one in page.get("data") or () if isinstance(one, dict)]
        for one in found:
            if (one.get("metadata") or {}).get(_NAME) == name:
                return _batch(one)
        if not page.get("has_more") or not found:
            return None
        after = {"after": _id(found[-1])}
    return None


def _id(found: dict[str, Any]) -> str:
    if not isinstance(found.get("id"), str):
        raise EgressError(
            "an answer without an id", expected="the Batch API of OpenAI", fix="leave --batch out: this server may not have it"
        )
    return str(found["id"])


def _batch(found: dict[str, Any]) -> Batch:
    counts = found.get("request_counts") or {}
    said = (found.get("errors") or {}).get("data") or ()
    messages = [str(one.get("message")) for one in said if isinstance(one, dict) and one.get("message")]
    return Batch(
        id=_id(found), name=(found.get("metadata") or {}).get(_NAME), status=str(found.get("status")), input=found.get("input_file_id"),
        output=found.get("output_file_id"), errors=found.get("error_file_id"), done=int(counts.get("completed") or 0),
        failed=int(counts.get("failed") or 0), total=int(counts.get("total") or 0), message="; ".join(messages)[:300],
    )  # fmt: skip
