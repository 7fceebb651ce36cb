"""How much a draft may cost, and what it has cost so far."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import SocSciError

PER_ANSWER: Final = 16_000
"""Most tokens of one answer: a whole study file fits."""
_CHARACTERS: Final = 3  # of a token, at least, where a server does not count


@dataclass(frozen=True)
class Budget:
    """Limits of one draft. Prices are dollars for a million tokens.

    Args:
        rounds: requests.
        tokens: of all requests and answers together.
        cost: in dollars, None for no limit.
        price_in, price_out: of what is sent and what is answered.
    """

    rounds: int = 40
    tokens: int = 1_000_000
    cost: float | None = None
    price_in: float | None = None
    price_out: float | None = None

    def __post_init__(self) -> None:
        if self.cost is not None and (self.price_in is None or self.price_out is None):
            raise SocSciError(
                "a limit on money without prices",
                where="--max-cost",
                expected="the prices of the model",
                fix="add --price-in and --price-out (dollars for a million tokens)",
            )


@dataclass
class Spent:
    """What a draft has cost so far."""

    rounds: int = 0
    sent: int = 0
    answered: int = 0

    def add(self, messages: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> None:
        """Count one request, with the server's own count of tokens where it gives one."""
        usage = answer.get("usage")
        counted = usage if isinstance(usage, dict) else {}
        self.rounds += 1
        self.sent += _whole(counted.get("prompt_tokens"), estimate(messages))
        self.answered += _whole(counted.get("completion_tokens"), estimate(answer.get("choices")))

    def cost(self, budget: Budget, *, sent: int = 0, answered: int = 0) -> float | None:
        """Dollars so far, and with further tokens; None without prices."""
        if budget.price_in is None or budget.price_out is None:
            return None
        return ((self.sent + sent) * budget.price_in + (self.answered + answered) * budget.price_out) / 1e6

    def left_for_answer(self, budget: Budget, messages: Sequence[Mapping[str, Any]]) -> int:
        """Most tokens that the next answer may have."""
        left = budget.tokens - self.sent - self.answered - estimate(messages)
        before = self.cost(budget, sent=estimate(messages))
        if budget.cost is not None and before is not None and budget.price_out:
            left = min(left, int((budget.cost - before) * 1e6 / budget.price_out))
        return min(left, PER_ANSWER)

    def ends(self, budget: Budget, messages: Sequence[Mapping[str, Any]]) -> str | None:
        """Which budget does not allow another request; None if all do."""
        if self.rounds >= budget.rounds:
            return f"rounds ({self.rounds} of {budget.rounds})"
        before = self.cost(budget, sent=estimate(messages))
        if budget.cost is not None and before is not None and before >= budget.cost:
            return f"money (${self.cost(budget):.4f} of ${budget.cost:.4f} spent)"
        if self.left_for_answer(budget, messages) < 1:
            return f"tokens ({self.sent + self.answered} of {budget.tokens})"
        return None


def estimate(value: Any) -> int:
    """Tokens of something that is sent or came back, by its length."""
    return len(json.dumps(value, ensure_ascii=False)) // _CHARACTERS


def _whole(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise
