"""What a user says of the model that writes traces; read by the command line, so it imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..egress import EgressError
from ..errors import SocSciError
from ..predict.openai_options import to_stderr


class TraceError(SocSciError):
    """Rows that no trace may be written for, or a file of traces that belongs to another run."""


@dataclass(frozen=True)
class TraceOptions:
    """Which model server writes traces, and how it is asked.

    Attributes:
        base_url: of an OpenAI-compatible API.
        allow_send_rows: without it no row leaves this machine, whatever the server.
        batch: use the Batch API: one file of requests, answered within a day.
        concurrency: requests in flight at a time, without `batch`.
        api_key_env: name of the environment variable that holds the key; without it no key is sent.
        price_in, price_out: price of a million prompt and of a million completion tokens, in any currency.
        max_cost: no request is begun whose dearest answer would bring the sum of all above this.
        words: length of a trace, in the words of the prompt.
        max_tokens: length of an answer, at most.
        temperature: of the draws; default: the server's own.
        seed: sent with every request, and decides which rows a limit takes.
        poll: seconds between two looks at a batch.
        timeout, tries, first_wait: how long one goes on asking (`Egress`).
        show: called with every line for the screen.
    """

    base_url: str
    allow_send_rows: bool = False
    batch: bool = False
    concurrency: int = 8
    api_key_env: str | None = None
    price_in: float | None = None
    price_out: float | None = None
    max_cost: float | None = None
    words: int = 120
    max_tokens: int = 400
    temperature: float | None = None
    seed: int = 0
    poll: float = 30.0
    timeout: float = 120.0
    tries: int = 8
    first_wait: float = 1.0
    show: Callable[[str], None] = to_stderr

    def check(self) -> None:
        """Raises EgressError where a value is none, or a cap has no price."""
        for name, value, least in (
            ("concurrency", self.concurrency, 1), ("tries", self.tries, 1), ("price-in", self.price_in or 0, 0),
            ("price-out", self.price_out or 0, 0), ("max-cost", self.max_cost or 0, 0), ("words", self.words, 10),
            ("max-tokens", self.max_tokens, 16), ("temperature", self.temperature or 0, 0), ("poll", self.poll, 0),
        ):  # fmt: skip
            if not value >= least:
                raise EgressError(f"--{name} {value}", expected=f"{least} or more", fix=f"check --{name}")
        if (self.price_in is None) != (self.price_out is None):
            raise EgressError("one price of two", expected="--price-in and --price-out, or neither", fix="give both, per million tokens")
        if self.max_cost is not None and self.price_in is None:
            raise EgressError(
                f"--max-cost {self.max_cost} without prices", expected="--price-in and --price-out: prices of a million tokens",
                fix="give both prices, as the server's price list has them (for the Batch API, if it has its own)",
            )  # fmt: skip
