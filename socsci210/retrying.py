"""Failed requests: what they failed of, whether another try may help, and how long to wait for it.

Shared by everything that speaks with a server. Nothing here needs a client: its errors are known by what they carry.
"""

from __future__ import annotations

import email.utils
import errno
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

LONGEST_WAIT: Final = 60.0  # seconds between two tries, unless the server names more
LONGEST_RETRY_AFTER: Final = 900.0  # a server that wants a longer rest than this ends the run; it resumes later
NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Retry:
    """How long to go on asking.

    Attributes:
        tries: requests made for one answer.
        first_wait: seconds before the second try; doubled with every further one up to `LONGEST_WAIT`, less a random share of at most half.
    """

    tries: int = 8
    first_wait: float = 1.0

    def wait(self, failures: int) -> float:
        """Seconds to wait after so many failures."""
        longest = min(LONGEST_WAIT, self.first_wait * 2.0 ** (failures - 1))
        return longest * random.uniform(0.5, 1.0)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait, given in milliseconds, in seconds or as a date."""
    milliseconds, value = _number(headers.get("retry-after-ms")), headers.get("retry-after")
    if milliseconds is not None:
        return milliseconds / 1000
    if value is None or (seconds := _number(value)) is not None:
        return None if value is None else seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


# --- errors of the Hub's client ------------------------------------------------------------------------------------------------------


def causes_of(error: BaseException | None) -> list[BaseException]:
    """The error and what it was raised from: the client wraps the one that says what happened."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__
    return found


def status_of(causes: Sequence[BaseException]) -> int | None:
    """The status that the server answered with; None where there was no answer."""
    answers = (getattr(error, "response", None) for error in causes)
    return next((int(answer.status_code) for answer in answers if answer is not None), None)


def is_offline(causes: Sequence[BaseException]) -> bool:
    """Whether the client was told not to use the network."""
    return any(type(cause).__name__ == "OfflineModeIsEnabled" for cause in causes)


def may_pass(causes: Sequence[BaseException]) -> bool:
    """Whether trying again may help: a connection that was lost or refused, or a server that is busy."""
    if any(isinstance(cause, OSError) and cause.errno in NO_SPACE for cause in causes) or is_offline(causes):
        return False
    status = status_of(causes)
    return status is None or status in (408, 429) or status >= 500
