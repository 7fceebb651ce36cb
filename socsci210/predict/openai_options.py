"""What a user says of a model server; read by the command line, so it imports nothing heavy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

TOP_LOGPROBS: Final = 20
"""The most alternatives that an OpenAI-compatible server lists per token, so the longest scale that logprobs can cover."""


def to_stderr(line: str) -> None:
    """Show a line beside the output of the program, not in it."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class ServerOptions:
    """Which model server to ask, and how.

    Attributes:
        base_url: of an OpenAI-compatible API, as `https://api.openai.com/v1` or `http://localhost:8000/v1`.
        allow_send_rows: without it no row leaves this machine, whatever the server.
        draws: answers drawn for every row whose distribution is not read from logprobs.
        logprobs: read the distribution from logprobs where the scale has at most `TOP_LOGPROBS` options; without it, draw always.
        shots: examples in every prompt, taken from training rows of the split configuration.
        concurrency: requests in flight at a time.
        api_key_env: name of the environment variable that holds the key; without it no key is sent.
        price_in, price_out: price of a million prompt and of a million completion tokens, in any currency.
        temperature, top_p: of draws; logprobs are read at temperature 1.
        timeout: seconds to wait for an answer.
        tries: requests made for one answer before the run stops.
        first_wait: seconds before the second try; doubled with every further one.
        show: called with every line for the screen.
    """

    base_url: str
    allow_send_rows: bool = False
    draws: int = 10
    logprobs: bool = True
    shots: int = 0
    concurrency: int = 8
    api_key_env: str | None = None
    price_in: float | None = None
    price_out: float | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    timeout: float = 120.0
    tries: int = 8
    first_wait: float = 1.0
    show: Callable[[str], None] = to_stderr
