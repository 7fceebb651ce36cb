"""What traces cost: told before anything is sent, and never more than the cap."""

from __future__ import annotations

import threading
from typing import Final

from ..predict.openai_journal import Totals
from .options import TraceOptions

MILLION: Final = 1_000_000
_TURNS: Final = 64  # tokens around the turns of a conversation, at most
_BYTES: Final = 4  # of a token, about, in English


class Purse:
    """Money spent, and money held back for what is in flight. Threads may share it.

    A request is begun only when its dearest answer fits below the cap: a token of its text for every byte (no tokenizer makes more), and as
    many of the answer as it may have. So the cap holds whatever the server's tokenizer. Without prices nothing is held back.

    Args:
        options: prices and cap.
        spent: what all answers so far have cost.
    """

    def __init__(self, options: TraceOptions, spent: float) -> None:
        self._options, self.spent, self._held = options, spent, 0.0
        self._lock = threading.Lock()

    def dearest(self, size: int) -> float:
        """The most that a request with so many bytes can cost."""
        return cost(self._options, size + _TURNS, self._options.max_tokens) or 0.0

    def hold(self, amount: float) -> bool:
        """Hold money back for a request; whether there is enough."""
        with self._lock:
            if self._options.max_cost is not None and self.spent + self._held + amount > self._options.max_cost:
                return False
            self._held += amount
            return True

    def owe(self, amount: float) -> None:
        """Hold money back for what was begun before, whatever the cap says now."""
        with self._lock:
            self._held += amount

    def settle(self, held: float, tokens: tuple[int | None, int | None]) -> None:
        """Give back what was held, and take what the answer has cost; all of it where the server did not count tokens."""
        paid = held if tokens[0] is None or tokens[1] is None else cost(self._options, tokens[0], tokens[1]) or 0.0
        with self._lock:
            self._held -= held
            self.spent += paid

    def release(self, held: float) -> None:
        """Give back what was held for a request that was not answered."""
        with self._lock:
            self._held -= held


def cost(options: TraceOptions, tokens_in: int, tokens_out: int) -> float | None:
    """What so many tokens cost; None without prices."""
    if options.price_in is None or options.price_out is None:
        return None
    return (options.price_in * tokens_in + options.price_out * tokens_out) / MILLION


def cost_of(options: TraceOptions, totals: Totals) -> float | None:
    """What all answers came to; None without prices or where the server did not count tokens."""
    if totals.prompt_tokens is None or totals.completion_tokens is None:
        return None
    return cost(options, totals.prompt_tokens, totals.completion_tokens)


def estimate(options: TraceOptions, requests: int, size: int, paid: int, spent: float | None) -> str:
    """A line about what is to be sent: requests and bytes of their texts, and what was answered and paid before."""
    about, most = size // _BYTES, requests * options.max_tokens
    line = f"{requests:,} requests to send, about {about:,} tokens in (a token for {_BYTES} bytes), at most {most:,} out"
    price = cost(options, about, most)
    if price is not None:
        line += f"; about {price:,.2f} at most at your prices"
    if options.max_cost is not None:
        line += f", never above {options.max_cost:,.2f}"
    if paid:
        line += f"; {paid:,} answered before" + (f" for {spent:,.2f}" if spent is not None else "")
    return line
