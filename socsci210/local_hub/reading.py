"""The addresses that show something: repositories, their listings, their files, and who is asking."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

from .cards import front_matter
from .exchange import Answer, Refused, Request, said
from .repositories import Blob, Commit, Repository
from .state import State

POINTER_BYTES: Final = 130  # of the small text that git keeps for a large file
EXPANDED_PAGE: Final = 50  # the Hub's page where entries carry their last commit


def whoami(hub: State, request: Request) -> Answer:
    if request.user is None:
        raise Refused(401, "", "Invalid username or password.")
    return said(request.user.described())


def repository_info(hub: State, request: Request) -> Answer:
    repository = hub.readable(request)
    commit = hub.commit_of(repository, request.found.get("revision"))
    siblings = [{"rfilename": path, **(_sibling(blob) if "blobs" in request.query else {})} for path, blob in commit.files.items()]
    card = commit.files.get("README.md")
    data = front_matter(card.content.decode(errors="replace")) if card else None
    first = next(iter(repository.commits.values()))
    return said(
        {
            "id": repository.id,
            "author": repository.namespace,
            "sha": commit.id,
            "createdAt": _time(first),
            "lastModified": _time(commit),
            "private": repository.private,
            "gated": "manual" if repository.gated else False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "cardData": data,
            "siblings": siblings,
            **({"sdk": (data or {}).get("sdk")} if repository.kind == "space" else {}),
        }
    )


def auth_check(hub: State, request: Request) -> Answer:
    hub.downloadable(request)
    return said({})


def auth_check_write(hub: State, request: Request) -> Answer:
    hub.writable(request)
    return said({})


def tree(hub: State, request: Request) -> Answer:
    """Files and folders below a folder, in pages."""
    repository = hub.readable(request)
    commit = hub.commit_of(repository, request.found["revision"])
    below = request.found.get("path") or ""
    expand = request.flag("expand")
    entries = _entries(repository, commit, below, request.flag("recursive"), expand)
    if not entries and below:
        raise Refused(404, "EntryNotFound", f"{below} does not exist on {request.found['revision']}")
    return _page(request, entries, min(hub.page, EXPANDED_PAGE) if expand else hub.page)


def paths_info(hub: State, request: Request) -> Answer:
    """The files and folders among the paths that a form names; the others are left out."""
    repository = hub.readable(request)
    commit = hub.commit_of(repository, request.found["revision"])
    form = request.json() if "json" in request.headers.get("Content-Type", "") else parse_qs(request.body.decode())
    expand = str(form.get("expand", ["false"])).lower() in ("true", "['true']", "['1']")
    everything = {entry["path"]: entry for entry in _entries(repository, commit, "", True, expand)}
    return said([everything[path] for path in (name.strip("/") for name in form.get("paths", [])) if path in everything])


def refs(hub: State, request: Request) -> Answer:
    repository = hub.readable(request)
    branches = [{"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit} for name, commit in repository.branches.items()]
    tags = [{"name": name, "ref": f"refs/tags/{name}", "targetCommit": commit} for name, commit in repository.tags.items()]
    return said({"branches": branches, "tags": tags, "converts": [], "pullRequests": []})


def commits(hub: State, request: Request) -> Answer:
    """The commits behind a revision, newest first, in pages."""
    repository = hub.readable(request)
    listed = [
        {
            "id": one.id,
            "title": one.title,
            "message": one.description,
            "authors": [{"user": one.author, "avatar": ""}],
            "date": _time(one),
            "parents": [one.parent] if one.parent else [],
        }
        for one in repository.history(hub.commit_of(repository, request.found["revision"]))
    ]
    return _page(request, listed, hub.page)


def file(hub: State, request: Request) -> Answer:
    """A file or a piece of it."""
    repository = hub.downloadable(request)
    commit = hub.commit_of(repository, request.found["revision"])
    path = request.found["path"]
    blob = commit.files.get(path)
    if blob is None:
        missing = Refused(404, "EntryNotFound", "Entry not found").answer()
        missing.headers["X-Repo-Commit"] = commit.id  # by which the clients remember that this commit has no such file
        return missing
    size = len(blob.content)
    headers = {"X-Repo-Commit": commit.id, "ETag": f'"{blob.etag}"', "Accept-Ranges": "bytes"}
    if blob.large:
        headers |= {"X-Linked-Etag": f'"{blob.etag}"', "X-Linked-Size": str(size)}
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
    if asked is None or asked[0] == "bytes=-":
        return Answer(200, blob.content, headers, content_of=path)
    start = int(asked[1]) if asked[1] else max(size - int(asked[2]), 0)
    stop = min(int(asked[2]) + 1, size) if asked[1] and asked[2] else size
    if start >= stop:
        return Answer(416, b"", {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return Answer(206, blob.content[start:stop], headers, content_of=path)


# --- listings ------------------------------------------------------------------------------------------------------------------------


def _entries(repository: Repository, commit: Commit, below: str, recursive: bool, expand: bool) -> list[dict[str, Any]]:
    folder = f"{below}/" if below else ""
    entries: dict[str, dict[str, Any]] = {}
    for path, blob in commit.files.items():
        if not path.startswith(folder):
            continue
        parts = path.removeprefix(folder).split("/")
        for depth in range(1, len(parts) if recursive else min(2, len(parts))):
            name = folder + "/".join(parts[:depth])
            entries.setdefault(name, {"type": "directory", "oid": hashlib.sha1(name.encode()).hexdigest(), "size": 0, "path": name})
        if recursive or len(parts) == 1:
            entries[path] = {"type": "file", "path": path, **_entry(blob)}
    if expand:
        for entry in entries.values():
            entry["lastCommit"] = _last_change(repository, commit, entry["path"])
    return list(entries.values())


def _last_change(repository: Repository, commit: Commit, path: str) -> dict[str, Any]:
    """The newest commit in which a file, or anything in a folder, became what it is."""

    def state(one: Commit) -> dict[str, str]:
        return {name: blob.sha1 for name, blob in one.files.items() if name == path or name.startswith(f"{path}/")}

    last = commit
    for one in repository.history(commit):
        if state(one) != state(commit):
            break
        last = one
    return {"id": last.id, "title": last.title, "date": _time(last)}


def _page(request: Request, entries: Sequence[Any], page: int) -> Answer:
    """One page of a listing, with the address of the next."""
    limit = min(int(request.query.get("limit", [str(page)])[0]), page)
    start = int(request.query.get("cursor", ["0"])[0])
    headers = {}
    if start + limit < len(entries):
        query = urlencode({**request.query, "cursor": [str(start + limit)]}, doseq=True)
        headers["Link"] = f'<{request.address}?{query}>; rel="next"'
    return said(entries[start : start + limit], headers=headers)


def _entry(blob: Blob) -> dict[str, Any]:
    """A file in a listing."""
    large = {"lfs": {"oid": blob.sha256, "size": len(blob.content), "pointerSize": POINTER_BYTES}} if blob.large else {}
    return {"oid": blob.sha1, "size": len(blob.content), **large}


def _sibling(blob: Blob) -> dict[str, Any]:
    """A file in the information about a repository."""
    large = {"lfs": {"sha256": blob.sha256, "size": len(blob.content), "pointerSize": POINTER_BYTES}} if blob.large else {}
    return {"blobId": blob.sha1, "size": len(blob.content), **large}


def _time(commit: Commit) -> str:
    return commit.date.isoformat(timespec="milliseconds").replace("+00:00", "Z")
