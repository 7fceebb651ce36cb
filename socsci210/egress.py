"""The one way out: every call to a model server, from any command, goes through `Egress.send`.

It refuses to send rows that the user did not allow to be sent, shows where everything goes before the first byte leaves, sends no header
that a chat request does not need, follows no redirect, and never shows a key. It asks again when a server is busy, fails or is out of
reach.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from .errors import SocSciError
from .retrying import LONGEST_RETRY_AFTER, Retry
from .retrying import retry_after as asked_to_wait

_RETRIED: Final = frozenset({408, 409, 425, 429})  # and every 5xx
_HEADERS: Final = frozenset(  # the last one says to the client itself that it is to hand over what came, unparsed
    {
        "host", "accept", "accept-encoding", "connection", "content-type", "content-length", "user-agent", "authorization",
        "x-stainless-raw-response",
    }
)  # fmt: skip
_NO_KEY: Final = "none"  # the client insists on a key; its header is taken off again
_QUOTED: Final = 300  # characters of a server's message that are shown
T = TypeVar("T")


class EgressError(SocSciError):
    """Rows that may not be sent, or a model server that cannot be used or does not answer.

    Attributes:
        status: the status that the server answered with, where there was an answer.
    """

    status: int | None = None


class Egress:
    """A connection to one model server, for one purpose. Threads may share it.

    Args:
        base_url: of an OpenAI-compatible API, as `https://api.openai.com/v1` or `http://localhost:8000/v1`.
        model: the name that the server knows the model by.
        what: what is sent, in words ("240 rows of config unseen_studies: persona and stimulus").
        rows: how many rows of a dataset are sent in whole or in part.
        allow_send_rows: whether the user allowed that.
        api_key_env: name of the environment variable that holds the key; without it no key is sent.
        timeout: seconds to wait for an answer.
        retry: how long to go on asking.
        show: called with every line for the screen, first with where everything goes.

    Raises:
        EgressError: the rows may not be sent, the URL is not one, the key is not there, or the client is not installed.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        what: str,
        rows: int,
        allow_send_rows: bool,
        api_key_env: str | None = None,
        timeout: float = 120.0,
        retry: Retry | None = None,
        show: Callable[[str], None],
    ) -> None:
        self.base_url, self.model, self.retry = _checked(base_url), model, retry or Retry()
        if rows and not allow_send_rows:
            raise EgressError(
                f"{what} would leave this machine",
                where=self.base_url,
                expected="leave to send rows to this server",
                fix="read the licence and consent terms of these studies, then add --allow-send-rows",
            )
        self._key = _key(api_key_env)
        self._show, self._lock = show, threading.Lock()
        self._resume_at, self.retries = 0.0, 0
        self._stopped = threading.Event()
        self._token_limit = "max_tokens"
        key = f"key from {api_key_env}" if api_key_env else "no key"
        show(f"sending to {self.base_url} (model {model}, {key}): {what}")
        self._client = _client(self.base_url, self._key, timeout)

    def __repr__(self) -> str:
        return f"Egress({self.base_url!r}, {self.model!r})"

    def stop(self) -> None:
        """Let what is in flight come in, but ask nobody again: threads that wait for another try give up at once."""
        self._stopped.set()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def send(self, messages: Sequence[Mapping[str, Any]], **parameters: Any) -> dict[str, Any]:
        """The server's answer to one chat request, as it came: JSON with at least one choice.

        Args:
            messages: the conversation; with tools also what was called and what the calls gave.
            parameters: further fields of the request; `max_tokens` is sent as `max_completion_tokens` to servers that want that.

        Raises:
            EgressError: the server refuses the request, or still fails after all tries.
        """
        return self.ask(lambda client: self._chat(client, messages, parameters))

    def _chat(self, client: Any, messages: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> dict[str, Any]:
        import openai

        limit = self._token_limit
        fields = {limit if name == "max_tokens" else name: value for name, value in parameters.items()}
        try:
            answer = client.chat.completions.with_raw_response.create(model=self.model, messages=messages, **fields)
        except openai.APIStatusError as error:
            if limit == "max_tokens" and _wants_other_limit(error):
                self._token_limit = "max_completion_tokens"
                return self._chat(client, messages, parameters)
            raise
        return _parsed(answer.http_response.text)

    def ask(self, call: Callable[[Any], T]) -> T:
        """What a call of the client came to; it is called again while the server is busy, fails or is out of reach.

        Args:
            call: takes the client of `openai`. It makes one request, or looks first whether an earlier try was heard.

        Raises:
            EgressError: the server refuses the request, or still fails after all tries.
        """
        failures = 0
        while True:
            self._rest()
            try:
                return self._once(call)
            except _Failure as failure:
                failures += 1
                if failures >= self.retry.tries or not failure.again or self._delay(failure, failures):
                    raise self._gives_up(failure, failures) from None

    def _once(self, call: Callable[[Any], T]) -> T:
        import openai

        try:
            return call(self._client)
        except openai.APITimeoutError:
            raise _Failure("no answer in time", again=True) from None
        except openai.APIConnectionError as error:
            raise _Failure(f"the connection failed ({error.__cause__ or error})", again=True) from None
        except openai.APIStatusError as error:
            raise _status_failure(error) from None

    def _rest(self) -> None:
        """Wait while the server asked everyone to wait."""
        while (left := self._resume_at - time.monotonic()) > 0 and not self._stopped.wait(left):
            pass

    def _delay(self, failure: _Failure, failures: int) -> bool:
        """Wait before the next try, and tell whether everything was stopped meanwhile.

        A Retry-After holds all threads back; nobody comes back earlier than it says.
        """
        seconds = self.retry.wait(failures)
        with self._lock:
            self.retries += 1
            if failure.retry_after is not None:
                self._resume_at = max(self._resume_at, time.monotonic() + failure.retry_after)
                seconds = failure.retry_after + random.uniform(0, 0.1) * max(seconds, failure.retry_after)
        self._show(f"{self.base_url}: {self._scrubbed(failure.what)}; try {failures + 1} of {self.retry.tries} in {seconds:.1f} s")
        return self._stopped.wait(seconds)

    def _gives_up(self, failure: _Failure, failures: int) -> EgressError:
        tried = f" ({failures} tries)" if failures > 1 else ""
        error = EgressError(
            f"{self._scrubbed(failure.what)}{tried}",
            where=self.base_url,
            expected=f"an answer of model {self.model}",
            fix=f"{'' if failure.again else 'put that right and '}run the same command again: it resumes",
        )
        error.status = failure.status
        return error

    def _scrubbed(self, text: str) -> str:
        """A server's text without the key, should it repeat it."""
        return text.replace(self._key, "***") if self._key else text


class _Failure(Exception):
    """One request that came to nothing."""

    def __init__(self, what: str, *, again: bool, retry_after: float | None = None, status: int | None = None) -> None:
        super().__init__(what)
        self.what, self.retry_after, self.status = what, retry_after, status
        if retry_after is not None and retry_after > LONGEST_RETRY_AFTER:
            self.what, again = f"{what} (wait {retry_after:.0f} s, says the server)", False
        self.again = again


def _checked(base_url: str) -> str:
    """The URL without a trailing slash, if it is one that may be shown and stored."""
    parts = urlsplit(base_url)
    problem = None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        problem = "not the URL of a server"
    elif parts.username or parts.password or parts.query or parts.fragment:
        problem = "a URL that may hold a secret (user name, password, query or fragment)"
    if problem:
        raise EgressError(
            problem,  # the URL itself is not shown: it may hold the secret
            where="--base-url",
            expected="as https://api.openai.com/v1 or http://localhost:8000/v1",
            fix="give the bare URL; name the environment variable that holds the key with --api-key-env",
        )
    return base_url.rstrip("/")


def _key(name: str | None) -> str | None:
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise EgressError(
            f"the environment variable {name!r} is not set or empty",
            where="--api-key-env",
            expected="the name of a variable that holds the key",
            fix=f"export {name}=...",
        )
    return key


def _client(base_url: str, key: str | None, timeout: float) -> Any:
    try:
        import httpx2
        import openai
    except ImportError as error:
        raise EgressError(
            f"the client is not installed ({error})", expected="the extra `llm`", fix="pip install 'socsci210[llm]'"
        ) from error

    def only_what_is_needed(request: httpx2.Request) -> None:
        for name in list(request.headers):
            if name.lower() not in _HEADERS or (name.lower() == "authorization" and key is None):
                del request.headers[name]

    # Limits of the pool: the caller's threads decide how many requests are in flight.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    http = httpx2.Client(follow_redirects=False, timeout=timeout, limits=limits, event_hooks={"request": [only_what_is_needed]})
    return openai.OpenAI(base_url=base_url, api_key=key or _NO_KEY, max_retries=0, timeout=timeout, http_client=http)


def read_object(text: str) -> dict[str, Any]:
    """An answer that is to be a JSON object; another one counts as a failed try of `Egress.ask`."""
    try:
        answer = json.loads(text)
    except ValueError:
        raise _Failure(f"an answer that is not JSON: {text[:_QUOTED]!r}", again=True) from None
    if not isinstance(answer, dict):
        raise _Failure(f"an answer that is no object: {text[:_QUOTED]!r}", again=True)
    return answer


def _parsed(text: str) -> dict[str, Any]:
    answer = read_object(text)
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, dict) for choice in choices):
        raise _Failure(f"an answer without choices: {text[:_QUOTED]!r}", again=True)
    return answer


def _wants_other_limit(error: Any) -> bool:
    return error.status_code == 400 and (error.param == "max_tokens" or "max_completion_tokens" in str(error.message))


def _status_failure(error: Any) -> _Failure:
    code, message = error.status_code, _message(error)[:_QUOTED]
    spent = error.code == "insufficient_quota"  # OpenAI says 429 to an empty purse too: waiting does not fill it
    again = (code in _RETRIED or code >= 500) and not spent
    return _Failure(f"HTTP {code}: {message}", again=again, retry_after=asked_to_wait(error.response.headers), status=code)


def _message(error: Any) -> str:
    """What the server says is wrong, without the client's words around it."""
    said = error.body.get("message") if isinstance(error.body, dict) else None
    return str(said or error.message)
