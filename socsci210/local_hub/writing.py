"""The addresses that change something: repositories, large files, commits, branches and tags."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

from .cards import complaints
from .exchange import Answer, Refused, Request, said
from .repositories import MAIN, Blob, Commit, Kind, Repository, is_large
from .state import State

_PREFIX: dict[Kind, str] = {"model": "", "dataset": "datasets/", "space": "spaces/"}


# --- repositories --------------------------------------------------------------------------------------------------------------------


def create(hub: State, request: Request) -> Answer:
    kind, repo = _named(request)
    asked = request.json()
    user = request.user
    if user is None:
        raise Refused(401, "", "Invalid username or password.")
    if (kind, repo) in hub.repositories:
        raise Refused(409, "", f"You already created this {kind} repo", url=_url(request, kind, repo))
    namespace = repo.split("/", maxsplit=1)[0]
    if user.scope != "write" or user.role(namespace) != "write":
        raise Refused(403, "", f'You don\'t have the rights to create a {kind} under the namespace "{namespace}"')
    private = asked.get("visibility") == "private" or bool(asked.get("private"))
    hub.create(kind, repo, private=private, sdk=asked.get("sdk"), author=user.name)
    return said({"url": _url(request, kind, repo), "name": repo, "id": repo, "private": private})


def delete(hub: State, request: Request) -> Answer:
    kind, repo = _named(request)
    hub.writable(_about(request, kind, repo))
    del hub.repositories[kind, repo]
    return said({})


def settings(hub: State, request: Request) -> Answer:
    repository = hub.writable(request)
    asked = request.json()
    if "visibility" in asked or "private" in asked:
        repository.private = asked.get("visibility") == "private" or bool(asked.get("private"))
    if "gated" in asked:
        repository.gated = bool(asked["gated"])
    return said({"private": repository.private, "gated": repository.gated})


def validate_card(hub: State, request: Request) -> Answer:
    errors, warnings = complaints(str(request.json().get("content", "")))
    listed = {"errors": [{"message": text} for text in errors], "warnings": [{"message": text} for text in warnings]}
    return said(listed, status=400 if errors else 200)


# --- large files ---------------------------------------------------------------------------------------------------------------------


def preupload(hub: State, request: Request) -> Answer:
    """How each file of a commit is to be sent, and what the branch has at its path."""
    repository = hub.writable(request)
    there = hub.commit_of(repository, request.found["revision"]).files
    listed = []
    for one in request.json()["files"]:
        large = is_large(one["path"], int(one["size"]), base64.b64decode(one.get("sample", "")))
        known = there.get(one["path"])
        listed.append(
            {
                "path": one["path"],
                "uploadMode": "lfs" if large else "regular",
                "shouldIgnore": False,
                **({"oid": known.etag} if known else {}),
            }
        )
    return said({"files": listed})


def large_files(hub: State, request: Request) -> Answer:
    """Where to send large files; one that the repository has is not sent again."""
    repository = hub.writable(request)
    objects: list[dict[str, Any]] = []
    for one in request.json()["objects"]:
        actions = {
            "upload": {"href": f"{request.server}/upload/{repository.kind}s/{repository.id}/{one['oid']}"},
            "verify": {"href": f"{_url(request, repository.kind, repository.id)}.git/info/lfs/objects/verify"},
        }
        objects.append({"oid": one["oid"], "size": one["size"]} | ({} if one["oid"] in repository.objects else {"actions": actions}))
    return said({"transfer": "basic", "objects": objects})


def upload(hub: State, request: Request) -> Answer:
    """One large file. Whoever was told this address may send it: the clients send no token here."""
    repository = hub.repositories.get((_kind(request.found["kind"].rstrip("s")), request.found["repo"]))
    oid = request.found["oid"]
    if repository is None:
        raise Refused(404, "", "no such address")
    if hashlib.sha256(request.body).hexdigest() != oid:
        raise Refused(400, "", "The content is not what was announced")
    repository.objects[oid] = request.body
    hub.received[oid] += len(request.body)
    return Answer(200)


def verify(hub: State, request: Request) -> Answer:
    repository = hub.writable(request)
    asked = request.json()
    content = repository.objects.get(asked["oid"])
    if content is None or len(content) != asked["size"]:
        raise Refused(404, "", "The object was not uploaded")
    return said({})


# --- commits, branches, tags ---------------------------------------------------------------------------------------------------------


def commit(hub: State, request: Request) -> Answer:
    """One commit from lines of JSON: a header, then files, large files, deleted files and folders. All of it happens, or nothing."""
    repository = hub.writable(request)
    if request.flag("create_pr"):
        raise Refused(400, "", "This Hub has no pull requests")
    branch = request.found["revision"].removeprefix("refs/heads/")
    if branch not in repository.branches:
        raise Refused(404, "RevisionNotFound", f"Invalid rev id: {branch}")
    before = repository.commits[repository.branches[branch]]
    header: dict[str, Any] = {}
    files = dict(before.files)
    for line in request.body.splitlines():
        one = json.loads(line)
        if one["key"] == "header":
            header = one["value"]
        else:
            _change(repository, files, one["key"], one["value"])
    if header.get("parentCommit") not in (None, before.id):
        raise Refused(412, "", "A commit has happened since. Please refresh and try again.")
    author = request.user.name if request.user else ""
    made = repository.add(branch, files, author=author, title=header["summary"], description=header.get("description", ""))
    url = f"{_url(request, repository.kind, repository.id)}/commit/{made.id}"
    return said({"success": True, "commitOid": made.id, "commitUrl": url, "hookOutput": ""})


def _change(repository: Repository, files: dict[str, Blob], key: str, value: dict[str, Any]) -> None:
    path = value["path"]
    if key == "file":
        files[path] = Blob(base64.b64decode(value["content"]), large=False)
    elif key == "lfsFile":
        if value["oid"] not in repository.objects:
            raise Refused(400, "", f"The large file of {path} was not uploaded")
        files[path] = Blob(repository.objects[value["oid"]], large=True)
    elif key in ("deletedFile", "deletedFolder"):
        gone = [name for name in files if name == path or (key == "deletedFolder" and name.startswith(f"{path.rstrip('/')}/"))]
        if not gone:
            raise Refused(404, "EntryNotFound", f"A file with this name doesn't exist: {path}")
        for name in gone:
            del files[name]
    else:
        raise Refused(400, "", f"Unknown operation {key}")


def make_branch(hub: State, request: Request) -> Answer:
    repository = hub.writable(request)
    return _new_ref(repository.branches, request.found["name"], hub.commit_of(repository, request.json().get("startingPoint")))


def make_tag(hub: State, request: Request) -> Answer:
    repository = hub.writable(request)
    return _new_ref(repository.tags, request.json()["tag"], hub.commit_of(repository, request.found["name"]))


def delete_branch(hub: State, request: Request) -> Answer:
    if request.found["name"] == MAIN:
        raise Refused(403, "", "The main branch cannot be deleted")
    return _no_ref(hub.writable(request).branches, request.found["name"])


def delete_tag(hub: State, request: Request) -> Answer:
    return _no_ref(hub.writable(request).tags, request.found["name"])


def _new_ref(refs: dict[str, str], name: str, commit: Commit) -> Answer:
    if name in refs:
        raise Refused(409, "", f"Reference {name} exists already")
    refs[name] = commit.id
    return said({})


def _no_ref(refs: dict[str, str], name: str) -> Answer:
    if refs.pop(name, None) is None:
        raise Refused(404, "RevisionNotFound", f"Invalid rev id: {name}")
    return said({})


# --- names ---------------------------------------------------------------------------------------------------------------------------


def _kind(text: str) -> Kind:
    for kind in _PREFIX:
        if kind == text:
            return kind
    raise Refused(400, "", f"Unknown type of repository: {text}")


def _named(request: Request) -> tuple[Kind, str]:
    """The repository that a body names by organisation and name; without organisation it is the user's."""
    asked = request.json()
    owner = asked.get("organization") or (request.user.name if request.user else "")
    return _kind(asked.get("type") or "model"), f"{owner}/{asked['name']}"


def _about(request: Request, kind: Kind, repo: str) -> Request:
    """The same request, about the repository that its body names."""
    return replace(request, found={"kind": f"{kind}s", "repo": repo})


def _url(request: Request, kind: Kind, repo: str) -> str:
    return f"{request.server}/{_PREFIX[kind]}{repo}"
