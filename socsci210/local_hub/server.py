"""The Hub as a server on a free port of this machine."""

from __future__ import annotations

import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from . import reading, writing
from .exchange import Answer, Refused, Request
from .faults import Fault, Faults
from .state import State

_ID: Final = r"(?P<repo>[\w.-]+/[\w.-]+)"
_API: Final = rf"/api/(?P<kind>models|datasets|spaces)/{_ID}"
_PAGE: Final = rf"/(?:(?P<kind>datasets|spaces)/)?{_ID}"  # the address for people and for files: models have no word in front
_REVISION: Final = r"(?P<revision>[^/]+)"

Act = Callable[[State, Request], Answer]
ROUTES: Final[tuple[tuple[str, str, Act], ...]] = (
    ("GET", r"/api/whoami-v2", reading.whoami),
    ("POST", r"/api/validate-yaml", writing.validate_card),
    ("POST", r"/api/repos/create", writing.create),
    ("DELETE", r"/api/repos/delete", writing.delete),
    ("PUT", r"/upload/(?P<kind>models|datasets|spaces)/" + _ID + r"/(?P<oid>[0-9a-f]{64})", writing.upload),
    ("GET", rf"{_API}(?:/revision/{_REVISION})?", reading.repository_info),
    ("GET", rf"{_API}/auth-check", reading.auth_check),
    ("GET", rf"{_API}/auth-check/write", reading.auth_check_write),
    ("GET", rf"{_API}/tree/{_REVISION}(?:/(?P<path>.+))?", reading.tree),
    ("POST", rf"{_API}/paths-info/{_REVISION}", reading.paths_info),
    ("GET", rf"{_API}/refs", reading.refs),
    ("GET", rf"{_API}/commits/{_REVISION}", reading.commits),
    ("PUT", rf"{_API}/settings", writing.settings),
    ("POST", rf"{_API}/preupload/{_REVISION}", writing.preupload),
    ("POST", rf"{_API}/commit/{_REVISION}", writing.commit),
    ("POST", rf"{_API}/branch/(?P<name>[^/]+)", writing.make_branch),
    ("DELETE", rf"{_API}/branch/(?P<name>[^/]+)", writing.delete_branch),
    ("POST", rf"{_API}/tag/(?P<name>[^/]+)", writing.make_tag),
    ("DELETE", rf"{_API}/tag/(?P<name>[^/]+)", writing.delete_tag),
    ("POST", rf"{_PAGE}\.git/info/lfs/objects/batch", writing.large_files),
    ("POST", rf"{_PAGE}\.git/info/lfs/objects/verify", writing.verify),
    ("GET", rf"{_PAGE}/resolve/{_REVISION}/(?P<path>.+)", reading.file),
    ("HEAD", rf"{_PAGE}/resolve/{_REVISION}/(?P<path>.+)", reading.file),
)


class LocalHub(State):
    """A Hub in a thread of this process.

        with LocalHub() as hub:
            subprocess.run([...], env={**os.environ, **hub.environment(hub.token)})
            hub.files("dataset", "org/name")

    The Hub's clients freeze its address when they are imported: start the server first, and a child process with its environment.

    Attributes:
        url: its address.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults = Faults()
        self._server = _Server(("127.0.0.1", 0), type("BoundHandler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, token: str | None = None) -> dict[str, str]:
        """Variables for a child process whose Hub clients shall speak to this server, as the user of `token`."""
        online = {"HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0", "HF_EVALUATE_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0"}
        given = {"HF_TOKEN": token} if token else {}
        return {"HF_ENDPOINT": self.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", **online, **given}

    def fail(self, part: str = "", **options: Any) -> None:
        """Let requests fail; `options` are the fields of `Fault`."""
        self.faults.add(Fault(part, **options))

    def heal(self) -> None:
        """Forget all faults."""
        self.faults.clear()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that went away are no fault of the Hub's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    hub: LocalHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body leave in two writes, and the second would wait for the client's acknowledgement

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: what was asked stands in `State.requests`."""

    def _answer(self) -> None:
        address = urlsplit(self.path)
        path = unquote(address.path)
        fault = self.hub.faults.of(self.command, path)
        with self.hub.lock:
            self.hub.requests.append((self.command, path))
        if fault is not None:
            time.sleep(fault.delay)
            if fault.meanwhile is not None:
                fault.meanwhile()
        if fault is not None and fault.cut and fault.acted == "before":
            return self._end(fault)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fault is not None and fault.spoils and fault.acted == "before":
            return self._send(fault.answer(), None)
        answer = self._act(address.path, address.query, body)
        if fault is not None and fault.cut:
            return self._end(fault)
        return self._send(fault.answer() if fault is not None and fault.spoils else answer, fault)

    def _act(self, raw: str, query: str, body: bytes) -> Answer:
        """Do what is asked. One request at a time, so that a commit is checked and made in one step."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
        with self.hub.lock:
            try:
                self.hub.tokens |= {token} if token else set()
                user = self.hub.user_of(token)
                for method, pattern, act in ROUTES:
                    if method == self.command and (match := re.fullmatch(pattern, raw)):
                        found = {name: unquote(value) for name, value in match.groupdict().items() if value is not None}
                        headers = {name.title(): value for name, value in self.headers.items()}
                        url = self.hub.url
                        return act(self.hub, Request(url + raw, found, parse_qs(query), headers, body, user, url))
                raise Refused(404, "EntryNotFound", "no such address")
            except Refused as refused:
                if self.hub.indiscreet and token:
                    refused.message += f" (token {token})"
                return refused.answer()

    def _send(self, answer: Answer, fault: Fault | None) -> None:
        body = answer.body
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = fault.cut_after if fault is not None else None
        if cut is not None:
            body = body[:cut]
        self.wfile.write(body)
        if answer.content_of is not None:
            with self.hub.lock:
                self.hub.served[answer.content_of] += len(body)
        if fault is not None and cut is not None:
            self._end(fault)

    def _end(self, fault: Fault) -> None:
        """End the connection."""
        self.close_connection = True
        self.wfile.flush()
        if fault.reset:  # lingering for 0 seconds makes close send a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
