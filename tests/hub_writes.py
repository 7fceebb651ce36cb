"""The write side of the small Hub of hub_server.py: creating a model repository and committing a folder to it, large files included.

with HubServer(WritingHandler) as hub:
    ...  # a child process with hub.environment() and a token pushes
    hub.repositories["models", "org/name"].commits
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from .hub_server import ID, LARGE, Handler, Repository

WRITES: Final = (
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "validate_yaml"),
    ("POST", rf"/api/models/{ID}/preupload/(?P<revision>[^/]+)", "preupload"),
    ("POST", rf"/{ID}\.git/info/lfs/objects/batch", "large_files"),
    ("POST", rf"/api/models/{ID}/commit/(?P<revision>[^/]+)", "commit"),
    ("PUT", r"/upload/(?P<oid>[0-9a-f]{64})", "upload"),
    ("GET", rf"/api/models/{ID}(?:/revision/(?P<revision>[^/]+))?", "model_info"),
    ("HEAD", rf"/{ID}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "model_file"),
    ("GET", rf"/{ID}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "model_file"),
)


class WritingHandler(Handler):
    """Answers pushes to model repositories as well. Files that were uploaded wait in `uploads` for the commit that names them."""

    uploads: dict[str, bytes] = {}  # noqa: RUF012 (of the whole server: a handler lives for one connection)
    tokens: set[str] = set()  # noqa: RUF012 (what the clients said)

    def do_POST(self) -> None:
        self._write()

    def do_PUT(self) -> None:
        self._write()

    def do_GET(self) -> None:
        self._write()

    def do_HEAD(self) -> None:
        self._write()

    def _write(self) -> None:
        path = unquote(urlsplit(self.path).path)
        for method, pattern, name in WRITES:
            if method == self.command and not path.startswith(("/datasets/", "/spaces/")) and (match := re.fullmatch(pattern, path)):
                self.hub.requests.append((self.command, path))
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = self.hub.fault_of(self.command, path)
                if fault is not None and fault.status is not None:
                    return self._send(fault.status, b'{"error": "as the test wants it"}', fault.headers)
                self.tokens.add(self.headers.get("Authorization", "").removeprefix("Bearer "))
                return getattr(self, name)(match.groupdict(), body)
        return self._route()

    def create(self, found: dict[str, str], body: bytes) -> None:
        asked = json.loads(body)
        repo = "/".join(part for part in (asked.get("organization"), asked["name"]) if part)
        if ("models", repo) in self.hub.repositories:
            body = json.dumps({"error": "You already created this model repo", "url": f"{self.hub.url}/{repo}"}).encode()
            return self._send(409, body, {"Content-Type": "application/json"})
        first = "0" * 40
        self.hub.repositories["models", repo] = Repository(commits={first: {}}, refs={"main": first}, gated=False)
        return self._json({"url": f"{self.hub.url}/{repo}", "name": repo, "id": repo})

    def validate_yaml(self, found: dict[str, str], body: bytes) -> None:
        self._json({"errors": [], "warnings": []})

    def preupload(self, found: dict[str, str], body: bytes) -> None:
        files = [
            {"path": one["path"], "uploadMode": "lfs" if one["path"].endswith(LARGE) else "regular", "shouldIgnore": False}
            for one in json.loads(body)["files"]
        ]
        self._json({"files": files})

    def large_files(self, found: dict[str, str], body: bytes) -> None:
        objects = [{**one, "actions": {"upload": {"href": f"{self.hub.url}/upload/{one['oid']}"}}} for one in json.loads(body)["objects"]]
        self._json({"transfer": "basic", "objects": objects})

    def upload(self, found: dict[str, str], body: bytes) -> None:
        if hashlib.sha256(body).hexdigest() != found["oid"]:
            return self._error(400, "BadRequest", "other bytes than announced")
        self.uploads[found["oid"]] = body
        return self._send(200, b"", {})

    def commit(self, found: dict[str, str], body: bytes) -> None:
        repository = self.hub.repositories["models", found["repo"]]
        files = {path: blob.content for path, blob in repository.commits[repository.refs["main"]].items()}
        for line in body.splitlines():
            one = json.loads(line)
            value: dict[str, Any] = one["value"]
            if one["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                files[value["path"]] = self.uploads[value["oid"]]
        commit = self.hub.commit("models", found["repo"], files)
        self._json({"success": True, "commitOid": commit, "commitUrl": f"{self.hub.url}/{found['repo']}/commit/{commit}", "hookOutput": ""})

    def model_info(self, found: dict[str, str], body: bytes) -> None:
        repository = self._readable("models", found["repo"])
        if repository is not None:
            commit = repository.resolve(found["revision"] or "main") or ""
            self.repository_info(found, repository.commits[commit], commit, {}, None)

    def model_file(self, found: dict[str, str], body: bytes) -> None:
        repository = self._readable("models", found["repo"])
        commit = repository.resolve(found["revision"]) if repository is not None else None
        if repository is not None and commit is not None:
            self.file(found, repository.commits[commit], commit, {}, None)
