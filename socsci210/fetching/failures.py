"""Requests that came to nothing, and places that no request may go to, in words for a person."""

from __future__ import annotations

import errno
import ipaddress
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ..retrying import LONGEST_RETRY_AFTER, NO_SPACE, retry_after
from .listing import FetchError

_AGAIN: Final = frozenset({408, 425, 429})  # and every 5xx


class Failure(Exception):
    """One request that came to nothing.

    `again`: another try may help. `spoilt`: what was received so far is of no use. `wait`: seconds that the server asks to wait.
    """

    def __init__(self, what: str, *, again: bool, spoilt: bool = False, status: int | None = None, wait: float | None = None) -> None:
        super().__init__(what)
        self.what, self.again, self.spoilt, self.status, self.wait = what, again, spoilt, status, wait


def refused(status: int, headers: Mapping[str, str]) -> Failure:
    """An error status. GitHub says 403 where others say 429, and the time at which it will answer again."""
    wait = retry_after(headers)
    if status == 403 and headers.get("x-ratelimit-remaining") == "0":
        reset = headers.get("x-ratelimit-reset", "")
        wait = wait if wait is not None or not reset.isdecimal() else max(0.0, int(reset) - time.time())
        return Failure("no more requests are allowed for now", again=True, status=429, wait=wait)
    return Failure(f"status {status}", again=status in _AGAIN or status >= 500, status=status, wait=wait)


def gives_up(url: str, failure: Failure, failures: int) -> FetchError:
    """The last failure in words for a person."""
    tried = f" ({failures} tries)" if failures > 1 else ""
    found, fix = f"{failure.what}{tried}", "run the same command again later: what is complete is not loaded twice"
    if failure.wait is not None and failure.wait > LONGEST_RETRY_AFTER:
        found = f"the server wants {failure.wait / 60:.0f} minutes of rest ({failure.what})"
        fix = "run the same command again then; OSF and GitHub allow far more requests with a personal token in OSF_TOKEN or GITHUB_TOKEN"
    elif failure.status in (401, 403):
        found, fix = f"not open to everybody ({failure.what})", "ask its owners to make it public, or for a token that may read it"
    elif failure.status in (404, 410):
        found, fix = f"not there, or no more ({failure.what})", "check the address"
    elif not failure.again:
        fix = "check the address"
    return FetchError(found, where=url, fix=fix, status=failure.status)


def disk_error(error: OSError, part: Path) -> FetchError:
    """A file that cannot be written, in words for a person."""
    full = error.errno in (*NO_SPACE, errno.EFBIG)
    fix = "free some space, or set XDG_CACHE_HOME to a larger disk" if full else "check that the folder is yours"
    return FetchError(f"cannot be written ({error.strerror})", where=str(part), fix=fix)


def is_private(host: str) -> bool:
    """Whether a host is given by a number that is not public, or is this machine by name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
    inner = getattr(address, "ipv4_mapped", None) or address
    return not inner.is_global or inner.is_multicast


def private_error(host: str, url: str) -> FetchError:
    """A place on a private network that was asked for, in words for a person."""
    return FetchError(
        f"{host} is a private address", where=f"{urlsplit(url).scheme}://{urlsplit(url).netloc}", expected="a public server",
        fix="a service of your own is configured by SOCSCI210_OSF, _DATAVERSE, _DOI, _TESS or _GITHUB",
    )  # fmt: skip
