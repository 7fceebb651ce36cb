"""A small Hub on this machine: the read side of the protocol for dataset repositories, with the faults that tests ask for.

    with HubServer() as hub:
        commit = hub.commit("datasets", "org/name", {"data/a.parquet": b"..."})
        hub.fail("data/a.parquet", cut_after=1000)

The Hub client freezes its address when it is imported: a test starts the server first and then a child process with `hub.environment()`.
State lies in `Repository` objects; every address is one line of `ROUTES`, answered by one method of `Handler`.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

LARGE: Final = (".parquet", ".safetensors", ".bin")  # kept as large files whatever their size, as .gitattributes on the Hub says
LARGE_BYTES: Final = 1 << 20

ID: Final = r"(?P<repo>[\w.-]+/[\w.-]+)"
_TYPE: Final = r"(?P<type>datasets|spaces)"
ROUTES: Final = (
    ("GET", rf"/api/{_TYPE}/{ID}(?:/revision/(?P<revision>[^/]+))?", "repository_info"),
    ("GET", rf"/api/{_TYPE}/{ID}/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?", "tree"),
    ("GET", rf"/{_TYPE}/{ID}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "file"),
    ("HEAD", rf"/{_TYPE}/{ID}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "file"),
)


@dataclass(frozen=True)
class Blob:
    """One version of one file."""

    content: bytes
    large: bool

    @property
    def sha1(self) -> str:
        """The id that git gives the content."""
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.sha1


@dataclass
class Repository:
    """The commits of one repository, each with all its files."""

    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)  # branches and tags
    token: str | None = None  # who may read; None: everybody
    gated: bool = False

    def resolve(self, revision: str) -> str | None:
        """The commit that a branch, tag or commit means."""
        return self.refs.get(revision, revision if revision in self.commits else None)


@dataclass
class Fault:
    """What goes wrong with requests whose address contains `part`, `times` times (None: always)."""

    part: str
    method: str | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None  # bytes of the body, then the connection ends
    reset: bool = False  # end it hard
    times: int | None = 1


class HubServer:
    """The server, in a thread of this process, on a free port of this machine.

    Attributes:
        url: its address.
        repositories: by (type, id).
        requests: method and path of every request, in order.
        served: bytes of content sent, by path inside the repository.
    """

    def __init__(self, handler: type[Handler] | None = None) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[tuple[str, str]] = []
        self.served: Counter[str] = Counter()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        bound = type("BoundHandler", (handler or Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), bound)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        """Variables for a child process whose Hub client shall speak to this server."""
        return {"HF_ENDPOINT": self.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}

    def commit(self, kind: str, repo: str, files: Mapping[str, bytes], *, commit: str | None = None, branch: str = "main") -> str:
        """Replace the files of a branch by `files`, in a new commit.

        Returns:
            The id of the commit: `commit`, or one that depends on the content.
        """
        blobs = {path: Blob(content, path.endswith(LARGE) or len(content) >= LARGE_BYTES) for path, content in sorted(files.items())}
        repository = self.repositories.setdefault((kind, repo), Repository())
        listing = "".join(f"{path}\0{blob.sha1}\n" for path, blob in blobs.items())
        commit = commit or hashlib.sha1(f"{len(repository.commits)}\n{listing}".encode()).hexdigest()
        repository.commits[commit] = blobs
        repository.refs[branch] = commit
        return commit

    def fail(self, part: str, **options: Any) -> None:
        """Let requests fail; `options` are the fields of `Fault`."""
        self._faults.append(Fault(part, **options))

    def heal(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    def fault_of(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, counted as met. A body is cut only where there is one."""
        with self._lock:
            for fault in self._faults:
                only = "GET" if fault.cut_after is not None else fault.method
                if fault.part in path and fault.times != 0 and only in (None, method):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None

    def count(self, path: str, size: int) -> None:
        """Note bytes sent."""
        with self._lock:
            self.served[path] += size


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._route()

    def do_HEAD(self) -> None:
        self._route()

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: tests look at `HubServer.requests`."""

    def _route(self) -> None:
        split = urlsplit(self.path)
        path = unquote(split.path)
        self.hub.requests.append((self.command, path))
        fault = self.hub.fault_of(self.command, path)
        if fault is not None and fault.status is not None:
            return self._send(fault.status, b"{}", fault.headers)
        for method, pattern, name in ROUTES:
            if method == self.command and (match := re.fullmatch(pattern, path)):
                found = match.groupdict()
                repository = self._readable(found["type"], found["repo"])
                if repository is None:
                    return None
                commit = repository.resolve(found["revision"] or "main")
                if commit is None:
                    return self._error(404, "RevisionNotFound", f"Invalid rev id: {found['revision']}")
                return getattr(self, name)(found, repository.commits[commit], commit, parse_qs(split.query), fault)
        return self._error(404, "EntryNotFound", "no such address")

    def _readable(self, kind: str, repo: str) -> Repository | None:
        """The repository, or an error sent. Like the real one, the Hub does not tell strangers whether a private repository exists."""
        repository = self.hub.repositories.get((kind, repo))
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if repository is None or (repository.token is not None and not repository.gated and given != repository.token):
            self._error(404 if given else 401, "RepoNotFound", f"Repository not found for token {given}")
        elif repository.gated and given != repository.token:
            self._error(403 if given else 401, "GatedRepo", f"Access is restricted, token {given}")
        else:
            return repository
        return None

    # --- the addresses ---------------------------------------------------------------------------------------------------------------

    def repository_info(
        self, found: dict[str, str], files: dict[str, Blob], commit: str, query: dict[str, list[str]], _: Fault | None
    ) -> None:
        blobs = "blobs" in query
        siblings = [{"rfilename": path, **(_sibling(blob) if blobs else {})} for path, blob in files.items()]
        self._json({"id": found["repo"], "sha": commit, "private": False, "gated": False, "tags": [], "siblings": siblings})

    def tree(self, found: dict[str, str], files: dict[str, Blob], commit: str, query: dict[str, list[str]], _: Fault | None) -> None:
        folder = f"{found['path']}/" if found["path"] else ""
        recursive = query.get("recursive", ["false"])[0].lower() in ("1", "true")
        entries: dict[str, dict[str, Any]] = {}
        for path, blob in files.items():
            if not path.startswith(folder):
                continue
            parts = path.removeprefix(folder).split("/")
            for depth in range(1, len(parts) if recursive else min(2, len(parts))):
                name = folder + "/".join(parts[:depth])
                entries[name] = {"type": "directory", "oid": hashlib.sha1(name.encode()).hexdigest(), "size": 0, "path": name}
            if recursive or len(parts) == 1:
                entries[path] = {"type": "file", "path": path, **_entry(blob)}
        if not entries and folder:
            return self._error(404, "EntryNotFound", f"{found['path']} does not exist")
        return self._json(list(entries.values()))

    def file(self, found: dict[str, str], files: dict[str, Blob], commit: str, _: dict[str, list[str]], fault: Fault | None) -> None:
        blob = files.get(found["path"])
        if blob is None:
            return self._error(404, "EntryNotFound", f"{found['path']} does not exist")
        size = len(blob.content)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        stop = min(int(asked[2]) + 1, size) if asked and asked[2] else size
        if start >= stop and size:
            return self._send(416, b"", {"Content-Range": f"bytes */{size}"})
        headers = {"X-Repo-Commit": commit, "ETag": f'"{blob.etag}"', "Accept-Ranges": "bytes"}
        if blob.large:
            headers |= {"X-Linked-Etag": f'"{blob.etag}"', "X-Linked-Size": str(size)}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return self._send(206 if asked else 200, blob.content[start:stop], headers, fault=fault, path=found["path"])

    # --- answers ---------------------------------------------------------------------------------------------------------------------

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str, message: str) -> None:
        body = json.dumps({"error": message}).encode()
        self._send(status, body, {"Content-Type": "application/json", "X-Error-Code": code, "X-Error-Message": message})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], *, fault: Fault | None = None, path: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault is not None and fault.cut_after is not None:
            body = body[: fault.cut_after]
        self.wfile.write(body)
        if path is not None:
            self.hub.count(path, len(body))
        if fault is not None and fault.cut_after is not None:
            self._cut(fault)

    def _cut(self, fault: Fault) -> None:
        self.close_connection = True
        self.wfile.flush()
        if fault.reset:  # lingering for 0 seconds makes close send a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)


def _entry(blob: Blob) -> dict[str, Any]:
    """A file in a tree listing."""
    large = {"lfs": {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 130}} if blob.large else {}
    return {"oid": blob.sha1, "size": len(blob.content), **large}


def _sibling(blob: Blob) -> dict[str, Any]:
    """A file in the information about a repository."""
    large = {"lfs": {"sha256": blob.sha256, "size": len(blob.content), "pointerSize": 130}} if blob.large else {}
    return {"blobId": blob.sha1, "size": len(blob.content), **large}
