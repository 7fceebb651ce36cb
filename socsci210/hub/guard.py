"""What may be shown of a push: a token stays out of everything that is logged, printed or raised, and errors become words for a person."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import HubError, SocSciError
from ..retrying import NO_SPACE, causes_of, is_offline, status_of
from .package import Say

AGAIN: Final = "run the same command again: it goes on where it stopped"
MAY_NOT_WRITE: Final = "push to a namespace of yours, or use a token with write access to this one (https://huggingface.co/settings/tokens)"
_TOKEN: Final = re.compile(r"\bhf_\w{4,}|(?i:\bbearer\s+)\S+")
_QUOTED: Final = 300  # characters of the Hub's own message that are shown


@dataclass(frozen=True)
class Token:
    """A token that no `repr`, log or message shows. Empty: none was found."""

    value: str = field(repr=False)

    def scrubbed(self, text: str) -> str:
        """A text without this token, and without anything that looks like one."""
        return _TOKEN.sub("[token]", text.replace(self.value, "[token]") if self.value else text)


def found_token(given: str | None = None) -> Token:
    """The token that was given, or the one that the Hub's client finds: HF_TOKEN, or the file that `hf auth login` writes."""
    from huggingface_hub import get_token

    return Token(given or get_token() or "")


@contextmanager
def guard(repo: str, token: Token, say: Say) -> Iterator[None]:
    """Within it, no log record and no warning shows the token, and what the client raises becomes a `HubError` without it.

    An error of the client is not kept as the cause of ours: its text is the Hub's, and a traceback would print it.

    Raises:
        HubError: for everything that the client raises.
    """
    from httpx2 import HTTPError

    made = logging.getLogRecordFactory()

    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        one = made(*args, **kwargs)
        one.msg, one.args = token.scrubbed(one.getMessage()), ()
        return one

    logging.setLogRecordFactory(record)
    try:
        with warnings.catch_warnings(record=True) as heard:
            yield
    except SocSciError:
        raise
    except (HTTPError, OSError, ValueError, RuntimeError) as error:
        raise explained(error, repo, token) from None
    finally:
        logging.setLogRecordFactory(made)
        for one in dict.fromkeys(str(one.message) for one in heard):
            say(token.scrubbed(one))


@contextmanager
def as_user(token: Token) -> Iterator[None]:
    """Within it, every client of this process and its children acts with the token."""
    before = os.environ.get("HF_TOKEN")
    os.environ["HF_TOKEN"] = token.value
    try:
        yield
    finally:
        del os.environ["HF_TOKEN"]
        if before is not None:
            os.environ["HF_TOKEN"] = before


def explained(error: BaseException, repo: str, token: Token) -> HubError:
    """What went wrong, for a person."""
    causes = causes_of(error)
    status, where = status_of(causes), repo
    if is_offline(causes):
        return HubError("HF_HUB_OFFLINE forbids to use the network", where=where, fix="unset HF_HUB_OFFLINE")
    if full := next((cause for cause in causes if isinstance(cause, OSError) and cause.errno in NO_SPACE), None):
        return HubError(f"the disk is full ({full.strerror})", where=where, fix=f"free some space; then {AGAIN}")
    if status == 401:
        return HubError("the Hub does not accept the token", where=where, fix="make a new one (hf auth login), or correct HF_TOKEN")
    messages = (getattr(cause, "server_message", None) for cause in causes)
    said = token.scrubbed(next((str(message) for message in messages if message), ""))[:_QUOTED]
    quoted = f": {said}" if said else ""
    if status == 404:
        return HubError(f"the Hub does not find it{quoted}", where=where, fix=f"look whether it was moved or deleted; then {AGAIN}")
    if status == 403:
        return HubError(f"you may not write there (status {status}{quoted})", where=where, fix=MAY_NOT_WRITE)
    if status is not None and (status == 429 or status >= 500):
        return HubError(f"the Hub answered with status {status}{quoted}", where=where, fix=f"wait a little; then {AGAIN}")
    if status is not None:
        return HubError(f"the Hub refused it with status {status}{quoted}", where=where, fix=f"put that right; then {AGAIN}")
    what = type(causes[-1]).__name__
    if isinstance(causes[-1], ValueError):
        return HubError(token.scrubbed(str(causes[-1]))[:_QUOTED], where=where, fix=f"put that right; then {AGAIN}")
    return HubError(f"the Hub cannot be reached, or the connection was lost ({what})", where=where, fix=f"check the network; then {AGAIN}")
