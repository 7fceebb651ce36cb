"""The one client of all sources: polite, patient, and careful where it goes.

It asks again when a server is busy or a connection is cut, and rests as long as the server wants. It follows redirects only to hosts that
the source is known for, never from https to http, and connects to no private address, whatever a name resolves to. Tokens go to their own
service alone; no message repeats what a server says or a redirect's address, which may hold a key.
"""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx2

from ..retrying import LONGEST_RETRY_AFTER
from .failures import Failure, disk_error, gives_up, is_private, private_error, refused
from .listing import FetchError, Reach
from .settings import HOSTS, Settings, place

Say = Callable[[str], None]
Received = Callable[[int, int | None], None]
"""Called while a file comes in, with (bytes there, bytes in all; None where nobody says)."""
_T = TypeVar("_T")
MAX_REDIRECTS: Final = 6
MAX_ANSWER: Final = 32 << 20  # bytes of an answer of an API, or of a page
_PROGRESS: Final = 64 << 10  # a try that brought so many bytes was not in vain
_CHUNK: Final = 1 << 16
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(frozen=True)
class Head:
    """What a server says about a file before it sends it."""

    url: str
    """Where it was found in the end; for its name alone: it may hold a key."""
    type: str
    size: int | None
    date: str | None
    version: str | None


class Client:
    """One connection pool for a run. Use it in a `with` statement.

    Args:
        settings: addresses, tokens, patience.
        say: called with a line for the screen when there is something to wait for.
    """

    def __init__(self, settings: Settings, say: Say = lambda line: None) -> None:
        self._settings, self._say = settings, say
        self._http = httpx2.Client(
            follow_redirects=False,
            timeout=settings.timeout,
            headers={"User-Agent": "socsci210", "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def json(self, url: str, reach: Reach) -> Any:
        """The JSON that an API answers.

        Raises:
            FetchError: it cannot be had, or is no JSON; `status` holds the status of a refusal.
        """
        text = self._patiently(url, lambda: self._text(url, reach, "application/json"))
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise FetchError("the answer is no JSON", where=url, expected="the API of the source", fix="check the address") from None

    def page(self, url: str, reach: Reach) -> str:
        """The text of a web page.

        Raises:
            FetchError: it cannot be had.
        """
        return self._patiently(url, lambda: self._text(url, reach, "text/html"))

    def head(self, url: str, reach: Reach) -> Head:
        """What stands at a URL, without its bytes.

        Raises:
            FetchError: it cannot be had.
        """

        def look() -> Head:
            with self._answer(url, reach, {}) as response:
                length, kind = response.headers.get("content-length", ""), response.headers.get("content-type", "")
                return Head(
                    url=str(response.url),
                    type=kind.partition(";")[0].strip().lower(),
                    size=int(length) if length.isdecimal() else None,
                    date=response.headers.get("last-modified"),
                    version=response.headers.get("etag"),
                )

        return self._patiently(url, look)

    def download(
        self, url: str, reach: Reach, part: Path, *, size: int | None, checked: bool, received: Received = lambda n, of: None
    ) -> None:
        """Bring the bytes of a file to `part`, going on where an earlier try or run broke off.

        Args:
            url, reach: where it is, and where redirects may lead.
            part: the file to write; beside it, `.etag` keeps which version it belongs to.
            size: in bytes, if known.
            checked: whether the caller can tell by a checksum that the bytes are right; only then is a part without a version continued.
            received: told how many bytes are there, and of how many.

        Raises:
            FetchError: it cannot be had, or is larger than it says or than the limit.
        """
        failures = 0
        while True:
            before = _length(part)
            try:
                return self._transfer(url, reach, part, size, checked, received)
            except Failure as failure:
                failures = 1 if _length(part) - before >= _PROGRESS else failures + 1
                self._rest(url, failure, failures)

    # --- one try ---------------------------------------------------------------------------------------------------------------------

    def _transfer(self, url: str, reach: Reach, part: Path, size: int | None, checked: bool, received: Received) -> None:
        done, tag = _length(part), part.with_suffix(".etag")
        if done and done == size and checked:
            return
        version = tag.read_text(encoding="ascii", errors="replace") if tag.is_file() else ""
        ask = {}
        if done and (checked or version):
            ask = {"Range": f"bytes={done}-", **({"If-Range": version} if version else {})}
        try:
            with self._answer(url, reach, ask) as response:
                if response.headers.get("content-encoding", "identity") not in ("", "identity"):
                    raise FetchError(
                        "the server packs the file anew", where=url, expected="its bytes as they are", fix="download it by hand"
                    )
                start = done if response.status_code == 206 and _begins_at(response.headers, done) else 0
                if response.status_code == 206 and not start:
                    raise Failure("the server sent another part than was asked for", again=True, spoilt=True)
                if not start:
                    found = response.headers.get("etag", "")
                    tag.write_text(found if found.startswith('"') and found.isascii() else "", encoding="ascii")
                self._receive(response, part, start, size, url, received)
        except Failure as failure:
            if failure.spoilt or failure.status == 416:
                part.unlink(missing_ok=True)
                failure.again = True
            raise

    def _receive(self, response: httpx2.Response, part: Path, start: int, size: int | None, url: str, received: Received) -> None:
        limit = self._settings.max_file if size is None else size
        stated = response.headers.get("content-length", "")
        total = size if size is not None else start + int(stated) if stated.isdecimal() else None
        try:
            with part.open("ab" if start else "wb") as file:
                done = start
                for chunk in response.iter_raw(_CHUNK):
                    done += len(chunk)
                    if done > limit:
                        part.unlink(missing_ok=True)
                        raise FetchError(
                            f"the file is larger than {limit:,} bytes",
                            where=url,
                            expected="its size as listed" if size is not None else "a file within the limit",
                            fix="list the source again; if the file is honest, download it by hand",
                        )
                    file.write(chunk)
                    received(done, total)
        except OSError as error:
            raise disk_error(error, part) from error
        if size is not None and done < size and "content-length" not in response.headers:  # else it came whole, and is not what was listed
            raise Failure(f"the connection ended after {done:,} of {size:,} bytes", again=True)

    def _text(self, url: str, reach: Reach, accept: str) -> str:
        with self._answer(url, reach, {"Accept": accept}) as response:
            data = bytearray()
            for chunk in response.iter_bytes(_CHUNK):
                data += chunk
                if len(data) > MAX_ANSWER:
                    raise FetchError(
                        f"the answer is longer than {MAX_ANSWER:,} bytes", where=url, fix="this is not what an honest source sends"
                    )
            return data.decode("utf-8", "replace")

    @contextmanager
    def _answer(self, url: str, reach: Reach, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """The answer behind all redirects, open for reading; an error status is a `Failure`."""
        target = url
        try:
            for _ in range(MAX_REDIRECTS):
                self._check(url, target, reach)
                sent = {**headers, **self._secret(target)}
                with self._http.stream("GET", target, headers=sent, extensions={"trace": self._guard(target)}) as response:
                    if response.is_redirect:
                        target = urljoin(target, response.headers["location"])
                        continue
                    if response.status_code >= 300:
                        raise refused(response.status_code, response.headers)
                    yield response
                    return
        except httpx2.HTTPError as error:
            raise Failure(f"the connection failed or was lost ({type(error).__name__})", again=True) from error
        except (httpx2.InvalidURL, ValueError):
            raise FetchError("not an address, or a redirect to none", where=url, fix="check the address") from None
        raise FetchError(f"more than {MAX_REDIRECTS} redirects", where=url, fix="open it in a browser to see where it leads")

    # --- where it may go --------------------------------------------------------------------------------------------------------------

    def _check(self, url: str, target: str, reach: Reach) -> None:
        parts = urlsplit(target)
        host = parts.hostname or "nowhere"
        if not reach.covers(target):
            how = "it redirects to" if target != url else "it is at"
            fix = f"if you trust {host}, name it in {HOSTS} and run the same command again"
            raise FetchError(f"{how} {host}, a host that this source is not known for", where=url, expected=", ".join(reach.hosts), fix=fix)
        if self._settings.configured(target):
            return
        if parts.scheme != "https" or parts.username:
            raise FetchError(f"{host} is asked for by {parts.scheme or 'no'} protocol", where=url, expected="https", fix="use https")
        if is_private(host):
            raise private_error(host, url)

    def _guard(self, target: str) -> Callable[[str, dict[str, Any]], None]:
        """Looks at the address behind every new connection, before anything is sent: a name may lead anywhere."""
        host = urlsplit(target).hostname or ""
        proxied = bool(urllib.request.getproxies().get(urlsplit(target).scheme)) and not urllib.request.proxy_bypass(host)
        free = proxied or self._settings.configured(target)  # a proxy resolves the name itself, in its own network

        def look(event: str, info: dict[str, Any]) -> None:
            if event == "connection.connect_tcp.complete" and not free:
                address = info["return_value"].get_extra_info("server_addr")[0]
                if is_private(address):
                    raise private_error(host, target)

        return look

    def _secret(self, target: str) -> dict[str, str]:
        """The header with the token of the service at this address, if there is one."""
        settings = self._settings
        if settings.osf_token and (place(target) == place(settings.osf) or (not settings.configured(settings.osf) and _is_osf(target))):
            return {"Authorization": f"Bearer {settings.osf_token}"}
        if settings.dataverse_token and place(target) == place(settings.dataverse):
            return {"X-Dataverse-key": settings.dataverse_token}
        if settings.github_token and place(target) == place(settings.github):
            return {"Authorization": f"Bearer {settings.github_token}"}
        return {}

    # --- patience ---------------------------------------------------------------------------------------------------------------------

    def _patiently(self, url: str, ask: Callable[[], _T]) -> _T:
        failures = 0
        while True:
            try:
                return ask()
            except Failure as failure:
                failures += 1
                self._rest(url, failure, failures)

    def _rest(self, url: str, failure: Failure, failures: int) -> None:
        """Wait before the next try, or give up."""
        retry = self._settings.retry
        too_long = failure.wait is not None and failure.wait > LONGEST_RETRY_AFTER
        if not failure.again or failures >= retry.tries or too_long:
            raise gives_up(url, failure, failures)
        seconds = max(retry.wait(failures), failure.wait or 0.0)
        self._say(f"{urlsplit(url).hostname}: {failure.what}; try {failures + 1} of {retry.tries} in {seconds:.1f} s")
        time.sleep(seconds)


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _begins_at(headers: Mapping[str, str], start: int) -> bool:
    found = _RANGE.fullmatch(headers.get("content-range", ""))
    return found is not None and int(found[1]) == start


def _is_osf(url: str) -> bool:
    return urlsplit(url).scheme == "https" and Reach(("osf.io", ".osf.io")).covers(url)
