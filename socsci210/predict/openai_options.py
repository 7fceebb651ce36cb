"""What a user says of a model server; read by the command line, so it imports nothing heavy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

TOP_LOGPROBS: Final = 20
"""The most alternatives that an OpenAI-compatible server lists per token, so the longest scale that logprobs can cover."""
PAPER_DECODING: Final = (0.6, 0.9)
"""Temperature and top_p of the paper, and of convention `published`."""


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
        temperature, top_p: of draws. By default the paper's (0.6 and 0.9) where every row is drawn (`logprobs` false). Beside logprobs,
            which are read at temperature 1, draws are made at 1 and 1 and nothing else, as the scorer decodes such a file as a whole.
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
    temperature: float | None = None
    top_p: float | None = None
    timeout: float = 120.0
    tries: int = 8
    first_wait: float = 1.0
    show: Callable[[str], None] = to_stderr

    @property
    def decoding(self) -> tuple[float, float]:
        """(temperature, top_p) of draws."""
        temperature, top_p = (1.0, 1.0) if self.logprobs else PAPER_DECODING
        return temperature if self.temperature is None else self.temperature, top_p if self.top_p is None else self.top_p
