"""Asking request by request, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from ..egress import Egress, EgressError
from .answers import REFUSED_STATUS, Answers
from .asking import Asked


def ask_plainly(
    egress: Egress, asked: Asked, names: Sequence[str], answers: Answers, *, concurrency: int, progress: Callable[[int], None]
) -> bool:
    """Ask for all traces of `names`; False if the cap ended it before.

    Args:
        progress: called with how many more were answered or refused.

    Raises:
        EgressError: the server does not answer. What it has answered is in the journal.
    """

    def one(name: str, held: float) -> None:
        try:
            body = egress.send(**asked.request(name))
        except EgressError as error:
            answers.purse.release(held)
            if error.status not in REFUSED_STATUS:
                raise
            answers.refused[name] = error.found
            return
        answers.take(name, body, held)

    flying: set[Future[None]] = set()
    waiting, whole = list(reversed(names)), True
    with ThreadPoolExecutor(concurrency) as pool:
        try:
            while flying or (waiting and whole):
                while waiting and whole and len(flying) < concurrency:
                    held = answers.purse.dearest(asked.size(waiting[-1]))
                    if not answers.purse.hold(held):
                        if not flying:
                            whole = False
                        break  # what is in flight may turn out cheaper than was held back for it
                    flying.add(pool.submit(one, waiting.pop(), held))
                done, flying = wait(flying, return_when=FIRST_COMPLETED) if flying else (set(), flying)
                for future in done:
                    future.result()
                    progress(1)
                answers.check(egress.base_url)
        except BaseException:
            egress.stop()
            for future in flying:
                future.cancel()
            raise
    return whole
