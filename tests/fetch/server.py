"""A server that speaks the APIs of OSF, a Dataverse, GitHub, the DOI handles and plain web pages, with everything that may go wrong.

`Sources()` starts two servers: the services, and the storage that downloads are redirected to. Files are given as bytes; their hashes are
stated truly unless a test says otherwise. `faults` is a list of what happens to the next requests; a fault is used up.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from socsci210.fetching import Settings
from socsci210.retrying import Retry

PAGE = 2  # items of a page of OSF's lists


@dataclass
class Fault:
    """What happens to a request whose address contains `part`: a status with headers, or an end after so many bytes of the body."""

    part: str
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    times: int = 1


@dataclass
class Node:
    """A project, registration or component on OSF. `files` by path; `children` are ids; `private` ones answer 401."""

    title: str = "A study"
    kind: str = "nodes"
    files: dict[str, bytes] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
    private: bool = False
    withdrawn: bool = False
    licence: str | None = "CC0 1.0 Universal"
    providers: list[str] = field(default_factory=lambda: ["osfstorage"])


@dataclass
class Repository:
    """A repository on GitHub: `states` are the files of each branch or tag; the first is the default branch."""

    states: dict[str, dict[str, bytes]]
    licence: str | None = "MIT"
    top: str = "owner-name-abc1234"

    def commit(self, ref: str) -> str | None:
        """The commit of a branch, a tag or itself."""
        known = {_hash("sha1", repr(files).encode()): name for name, files in self.states.items()}
        return ref if ref in known else next((sha for sha, name in known.items() if name == ref), None)

    def archive(self, sha: str) -> bytes:
        """What GitHub packs: everything in one folder."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{self.top}/", b"")
            for name, data in next(files for files in self.states.values() if _hash("sha1", repr(files).encode()) == sha).items():
                archive.writestr(f"{self.top}/{name}", data)
        return out.getvalue()


class Sources:
    """The two servers. Use it in a `with` statement.

    Attributes:
        nodes: OSF, by id.
        datasets: Dataverse: the version's `files` (a list as the API has it) and title by DOI.
        repositories: GitHub, by owner/name.
        blobs: what the storage holds, by name: what is really sent.
        stated: size, sha256 and md5 that the APIs state for a blob where they are not the true ones.
        pages: plain web pages and files: (content type, bytes) by path.
        handles: where a DOI leads.
        moved: addresses that redirect: target by path.
        faults, seen: what goes wrong, and every request as (server, path, headers).
        slow: seconds between two pieces of 64 kB.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.datasets: dict[str, dict[str, Any]] = {}
        self.repositories: dict[str, Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.stated: dict[str, dict[str, Any]] = {}
        self.pages: dict[str, tuple[str, bytes]] = {}
        self.handles: dict[str, str] = {}
        self.moved: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.slow = 0.0
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self._api = _serve(self, self._answer, "api")
        self._storage = _serve(self, self._stored, "storage")

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._api, self._storage):
            server.shutdown()
            server.server_close()

    @property
    def url(self) -> str:
        """Of the services."""
        return f"http://127.0.0.1:{self._api.server_port}"

    @property
    def storage(self) -> str:
        """Of the storage: another host, as far as rules go."""
        return f"http://127.0.0.1:{self._storage.server_port}"

    def settings(self, cache: Path, **more: Any) -> Settings:
        """Settings for these servers; the storage shares the configured address by way of the doi service's."""
        services = {"osf": self.url, "dataverse": self.url, "tess": self.url, "github": self.url, "doi": self.storage}
        hosts = (urlsplit(self.storage).netloc,)
        return Settings(**{"cache": cache, "hosts": hosts, "retry": Retry(tries=4, first_wait=0.01), "timeout": 5.0, **services, **more})

    def environment(self) -> dict[str, str]:
        """The same for a command."""
        services = {f"SOCSCI210_{name}": self.url for name in ("OSF", "DATAVERSE", "TESS", "GITHUB")}
        return {**services, "SOCSCI210_DOI": self.storage, "SOCSCI210_FETCH_HOSTS": urlsplit(self.storage).netloc}

    def requests(self, part: str = "") -> list[str]:
        """The paths of all requests that contain `part`."""
        return [path for _, path, _ in self.seen if part in path]

    def headers(self, part: str) -> list[dict[str, str]]:
        """The headers of all requests whose path contains `part`."""
        return [headers for _, path, headers in self.seen if part in path]

    # --- the services -----------------------------------------------------------------------------------------------------------------

    def _answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        parts = [part for part in path.split("/") if part]
        if path in self.moved:
            return 302, {"Location": self.moved[path]}, b""
        if path in self.pages:
            kind, data = self.pages[path]
            return 200, {"Content-Type": kind, "ETag": f'"{_hash("md5", data)}"'}, data
        if parts[:1] == ["v2"]:
            return self._osf(parts[1:], query)
        if parts[:1] == ["repos"]:
            return self._github("/".join(parts[1:3]), parts[3:])
        if parts[:1] == ["download"]:
            return 302, {"Location": f"{self.storage}/{'/'.join(parts[1:])}"}, b""
        if parts[:2] == ["api", "datasets"]:
            return self._dataset(query["persistentId"][0].removeprefix("doi:"))
        if parts[:3] == ["api", "access", "datafile"]:
            return 303, {"Location": f"{self.storage}/{'original-' if 'format' in query else ''}{parts[3]}"}, b""
        return _json({"errors": [{"detail": "Not found."}]}, 404)

    def _github(self, name: str, parts: list[str]) -> tuple[int, dict[str, str], bytes]:
        found = self.repositories.get(name)
        if found is None:
            return _json({"message": "Not Found"}, 404)
        if not parts:
            licence = {"spdx_id": found.licence} if found.licence else None
            return _json({"full_name": name, "default_branch": next(iter(found.states), "main"), "license": licence})
        sha = found.commit("/".join(parts[1:]))
        if sha is None:
            return _json({"message": "No commit found" if found.states else "Git Repository is empty."}, 422 if found.states else 409)
        if parts[0] == "commits":
            return _json({"sha": sha, "commit": {"committer": {"date": "2022-03-04T05:06:07Z"}}})
        self.blobs[f"zip/{sha}"] = found.archive(sha)
        return 302, {"Location": f"{self.storage}/zip/{sha}"}, b""

    def _osf(self, parts: list[str], query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        kind, guid = parts[0], parts[1]
        node = self.nodes.get(guid)
        if node is None:
            return _json({"errors": [{"detail": "Not found."}]}, 404)
        if kind == "guids":
            return _json({"data": {"id": guid, "relationships": {"referent": {"data": {"type": node.kind, "id": guid}}}}})
        if node.private:
            return _json({"errors": [{"detail": "Authentication credentials were not provided."}]}, 401)
        here = f"{self.url}/v2/{kind}/{guid}"
        if len(parts) == 2:
            return _json({"data": self._node(guid)})
        if parts[2] == "children":
            return self._paged([self._node(child) for child in node.children], f"{here}/children/", query)
        if len(parts) == 3:
            items = [
                {"attributes": {"name": name, "provider": name}, "relationships": _related(f"{here}/files/{name}/")}
                for name in node.providers
            ]
            return self._paged(items, f"{here}/files/", query)
        below = "/".join(parts[4:])
        return self._paged(self._folder(guid, node, f"{below}/" if below else "", here), f"{here}/files/{'/'.join(parts[3:])}/", query)

    def _node(self, guid: str) -> dict[str, Any]:
        node = self.nodes[guid]
        embeds = {"license": {"data": {"attributes": {"name": node.licence}}}} if node.licence else {}
        return {"id": guid, "attributes": {"title": node.title, "withdrawn": node.withdrawn}, "embeds": embeds}

    def _folder(self, guid: str, node: Node, below: str, here: str) -> list[dict[str, Any]]:
        items: dict[str, dict[str, Any]] = {}
        for path, data in node.files.items():
            if not path.startswith(below):
                continue
            name, inner, _ = path.removeprefix(below).partition("/")
            if inner and not path.removeprefix(below).startswith((".", "/")):
                items[name] = {
                    "attributes": {"kind": "folder", "name": name},
                    "relationships": _related(f"{here}/files/osfstorage/{below}{name}/"),
                }
            else:
                items[path] = self._file(f"{guid}-{_hash('md5', path.encode() + data)[:8]}", path, data)
        return list(items.values())

    def _file(self, key: str, path: str, data: bytes) -> dict[str, Any]:
        self.blobs.setdefault(key, data)
        stated = {"size": len(data), "sha256": _hash("sha256", data), "md5": _hash("md5", data), **self.stated.get(path, {})}
        hashes = {name: stated[name] for name in ("sha256", "md5")}
        about = {"kind": "file", "name": path.rpartition("/")[2], "materialized_path": f"/{path}", "size": stated["size"]}
        return {
            "attributes": {**about, "date_modified": "2021-05-06T07:08:09Z", "extra": {"hashes": hashes}},
            "links": {"download": f"{self.url}/download/{key}"},
        }

    def _paged(self, items: list[Any], here: str, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        number = int(query.get("page", ["1"])[0])
        more = f"{here}?page={number + 1}" if len(items) > number * PAGE else None
        return _json({"data": items[(number - 1) * PAGE : number * PAGE], "links": {"next": more}})

    def _dataset(self, doi: str) -> tuple[int, dict[str, str], bytes]:
        dataset = self.datasets.get(doi)
        if dataset is None:
            return _json({"status": "ERROR", "message": "not found"}, 404)
        title = {"citation": {"fields": [{"typeName": "title", "value": dataset["title"]}]}}
        return _json({"status": "OK", "data": {"files": dataset["files"], "license": dataset.get("license"), "metadataBlocks": title}})

    # --- the storage ------------------------------------------------------------------------------------------------------------------

    def _stored(self, path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/api/handles/"):
            url = self.handles.get(path.removeprefix("/api/handles/"))
            return _json({"values": [{"type": "URL", "data": {"value": url}}]}) if url else _json({}, 404)
        data = self.blobs.get(path.removeprefix("/"))
        if data is None:
            return 404, {}, b""
        return 200, {"Content-Type": "application/octet-stream", "ETag": f'"{_hash("md5", data)}"', "Accept-Ranges": "bytes"}, data


def _related(url: str) -> dict[str, Any]:
    return {"files": {"links": {"related": {"href": url}}}}


def _json(value: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/vnd.api+json"}, json.dumps(value).encode()


def _hash(algorithm: str, data: bytes) -> str:
    return hashlib.new(algorithm, data).hexdigest()


Answer = Callable[[str, dict[str, list[str]]], tuple[int, dict[str, str], bytes]]


def _serve(sources: Sources, answer: Answer, name: str) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            sources.seen.append((name, self.path, dict(self.headers)))
            fault = next((one for one in sources.faults if one.part in self.path and one.times > 0), None)
            if fault is not None:
                fault.times -= 1
            if fault is not None and fault.status is not None:
                self._send(fault.status, fault.headers, b"{}")
                return
            status, headers, data = answer(unquote(parts.path), parse_qs(parts.query))
            status, headers, data = _ranged(self.headers.get("Range"), self.headers.get("If-Range"), status, headers, data)
            self._send(status, headers, data, fault.cut_after if fault else None)

        def _send(self, status: int, headers: dict[str, str], data: bytes, cut_after: int | None = None) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            for start in range(0, len(data[:cut_after]), 1 << 16):
                self.wfile.write(data[start : min(start + (1 << 16), cut_after or len(data))])
                time.sleep(sources.slow)
            if cut_after is not None:
                self.wfile.flush()
                time.sleep(0.02)
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


def _ranged(asked: str | None, version: str | None, status: int, headers: dict[str, str], data: bytes) -> tuple[int, dict[str, str], bytes]:
    """The part that a Range header asks for, if the version is still the same."""
    if status != 200 or asked is None or "Accept-Ranges" not in headers or version not in (None, headers.get("ETag")):
        return status, headers, data
    start = int(asked.removeprefix("bytes=").rstrip("-"))
    if start >= len(data):
        return 416, {}, b""
    return 206, {**headers, "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}, data[start:]
