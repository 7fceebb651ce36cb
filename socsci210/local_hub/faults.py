"""What goes wrong on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .exchange import Answer, said


@dataclass
class Fault:
    """What goes wrong with the requests whose address contains `part`.

    Attributes:
        part: of the address without its query; "" is in all.
        method: only requests with this one.
        nth: the first of those requests that meets the fault, counted from 1 when the fault was set.
        times: how many meet it in a row; None: all from then on.
        status: the answer's status instead of the true one (429, 500, 503, 403, 409, 412 ...), with `headers`.
        cut: the connection ends without an answer.
        cut_after: the connection ends after so many bytes of the answer's body; only GET requests meet it.
        reset: the end of the connection is a hard one.
        acted: "after": the server did what was asked before things went wrong; "before": it did not.
        delay: seconds until the server does anything.
        meanwhile: called before the request is answered, for what another client does at this moment.
    """

    part: str = ""
    method: str | None = None
    nth: int = 1
    times: int | None = 1
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    cut_after: int | None = None
    reset: bool = False
    acted: Literal["before", "after"] = "before"
    delay: float = 0.0
    meanwhile: Callable[[], object] | None = None

    @property
    def spoils(self) -> bool:
        """Whether the client does not get the true answer."""
        return self.cut or self.status is not None

    def answer(self) -> Answer:
        """What is said instead of the true answer."""
        answer = said({"error": "as the test wants it"}, status=self.status or 500)
        answer.headers |= self.headers
        return answer


class Faults:
    """All faults that are set, in order; a request meets the first that fits."""

    def __init__(self) -> None:
        self._faults: list[tuple[Fault, list[int]]] = []  # with the number of requests that fitted so far
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append((fault, [0]))

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def of(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, counted as met."""
        with self._lock:
            for fault, seen in self._faults:
                only = "GET" if fault.cut_after is not None else fault.method
                if fault.part not in path or only not in (None, method):
                    continue
                seen[0] += 1
                if seen[0] >= fault.nth and (fault.times is None or seen[0] < fault.nth + fault.times):
                    return fault
        return None
