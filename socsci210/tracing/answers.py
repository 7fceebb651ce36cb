"""What servers answered, from either kind of request, on its way into the journal; and what came to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..egress import EgressError
from ..predict.openai_journal import Journal
from .purse import Purse

REFUSED_STATUS: Final = frozenset({400, 413, 422})  # the request itself is refused: another try would be too
_REFUSED_FIRST: Final = 3


class Answers:
    """The journal and the purse of a run. Threads may share it.

    Args:
        journal: all answers, earlier runs included.
        purse: what they cost.

    Attributes:
        refused: requests that the server will not answer, and why.
    """

    def __init__(self, journal: Journal, purse: Purse) -> None:
        self.journal, self.purse = journal, purse
        self.refused: dict[str, str] = {}

    def take(self, name: str, body: Mapping[str, Any], held: float) -> None:
        """Keep an answer, and settle what was held for it."""
        usage = body.get("usage") or {}
        tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
        self.journal.put(name, [_kept(choice) for choice in body["choices"][:1]], tokens=tokens, model=body.get("model"))
        self.purse.settle(held, tokens)

    def check(self, where: str) -> None:
        """Raises EgressError where the first requests were all refused: it is how they are made, no use in sending thousands more."""
        if len(self.refused) >= _REFUSED_FIRST and not self.journal.totals().requests:
            raise EgressError(
                f"the server refuses every request: {next(iter(self.refused.values()))}", where=where,
                expected="a model that answers chat requests", fix="check --model, --max-tokens and --temperature",
            )  # fmt: skip

    def choice(self, name: str) -> dict[str, Any] | None:
        """The answer to a request, None if there is none."""
        stored = self.journal.get(name)
        return None if stored is None else dict(stored[0]) if stored else {}


def _kept(choice: Mapping[str, Any]) -> dict[str, Any]:
    message = choice.get("message") or {}
    kept = {"content": message.get("content"), "finish": choice.get("finish_reason")}
    return kept | {"refusal": message["refusal"]} if message.get("refusal") else kept
