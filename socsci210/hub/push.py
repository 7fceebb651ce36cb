"""A push: everything in one commit upon the one that was looked at, tagged, and loaded back through the public client.

Until that commit nothing of a push is to be seen, and after it everything. A push that was cut off leaves at most large files behind that
belong to no commit; the Hub keeps them, so that a second run sends only the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huggingface_hub.errors import HfHubHTTPError

from ..errors import HubError, SocSciError
from .client import Hub, check_permission, check_token, checked_id, identity
from .commit import based, committed
from .guard import AGAIN, as_user, found_token, guard
from .package import CARD, Kind, Package, PushResult, Say
from .plan import MAIN, Plan, check_names, check_package, planned
from .safety import check_files


def plan(
    package: Package,
    repo: str,
    *,
    private: bool = False,
    revision: str | None = None,
    tag: str | None = None,
    token: str | None = None,
    say: Say,
) -> Plan:
    """What `push` with the same arguments would do. Reads the Hub and writes nothing.

    Raises:
        HubError: what `push` would refuse.
    """
    hub = _hub(package, repo, token, say, revision, tag)
    with guard(repo, hub.token, say):
        return _planned(hub, identity(hub), package, private, revision or MAIN, tag)


def push(
    package: Package,
    repo: str,
    *,
    private: bool = False,
    revision: str | None = None,
    tag: str | None = None,
    token: str | None = None,
    say: Say,
) -> PushResult:
    """Make a repository on the Hub hold a package, and nothing else.

    Args:
        package: what it shall hold.
        repo: `namespace/name`; made where it is not there.
        private: make it for its own people only. A public repository is refused then; without this, a private one stays private.
        revision: a branch; made from `main` where it is not there.
        tag: name for the commit. One that stands elsewhere is refused.
        token: to act with; by default the one that the Hub's client finds.
        say: called with lines for a person.

    Raises:
        SocSciError: refused before anything is sent; or failed, and then the repository holds the old commit or the new one, and the same
            call finishes; or the thing loads back with another fingerprint.
    """
    hub = _hub(package, repo, token, say, revision, tag)
    branch = revision or MAIN
    with guard(repo, hub.token, say):
        me = identity(hub)
        todo = _planned(hub, me, package, private, branch, tag)
        if not todo.exists:
            _create(hub, todo)
            todo = _planned(hub, me, package, private, branch, tag)
            _check_empty(hub, todo)
        for note in todo.notes:
            hub.say(note)
        hub.say(f"{hub.url} is {'private' if todo.private else 'public'}")
        commit, sent = committed(hub, package, todo, private) if todo.changed else (_unchanged(hub, todo), 0)
        if tag is not None:
            _tag(hub, tag, commit)
        checked = _check_back(hub, package, commit)
    return PushResult(
        repo=repo, kind=package.kind, commit=commit, url=f"{hub.url}/commit/{commit}", added=todo.paths("add", "replace"),
        unchanged=todo.paths("keep"), deleted=todo.paths("delete"), bytes_sent=sent, tag=tag,
        fingerprint=package.fingerprint, checked=checked,
    )  # fmt: skip


def is_private(kind: Kind, repo: str, *, token: str | None = None, say: Say) -> bool:
    """Whether a repository is there and for its own people only.

    Raises:
        HubError: a malformed id, no token, or the Hub does not answer.
    """
    found = found_token(token)
    check_token(found, checked_id(repo))
    with guard(repo, found, say):
        info = Hub(kind, repo, found, say).exists()
    return bool(info is not None and info.private)


# --- before anything is sent ---------------------------------------------------------------------------------------------------------


def _hub(package: Package, repo: str, token: str | None, say: Say, branch: str | None, tag: str | None) -> Hub:
    """The repository, after all refusals that need no Hub."""
    checked_id(repo)
    check_names(branch, tag)
    found = found_token(token)
    check_token(found, repo)
    check_files(package.files, package.kind, found.value)
    check_package(package)
    return Hub(package.kind, repo, found, say)


def _planned(hub: Hub, me: Mapping[str, Any], package: Package, private: bool, branch: str, tag: str | None) -> Plan:
    state = hub.state(branch)
    check_permission(hub, me, exists=state is not None)
    todo = planned(hub, package, state, private=private, branch=branch, tag=tag)
    hub.check_card(todo.card)
    return todo


# --- sending -------------------------------------------------------------------------------------------------------------------------


def _create(hub: Hub, todo: Plan) -> None:
    """Make the repository; one that appeared meanwhile is left as it is, and looked at like any other.

    Without `private` the namespace decides: an organisation may have its repositories private by default.
    """
    wanted = {**hub.named, "private": True if todo.private else None, "space_sdk": todo.sdk}
    try:
        hub.ask("making the repository", lambda: hub.api.create_repo(**wanted))
    except HfHubHTTPError as error:
        if error.response.status_code != 409:
            raise


def _check_empty(hub: Hub, todo: Plan) -> None:
    """Refuse a repository that was not there when the push began, and has been filled since.

    Raises:
        HubError: somebody else was faster, with something else.
    """
    if todo.changed and set(todo.paths("delete", "replace", "keep")) - {CARD}:
        found = f"somebody was faster: the repository was made and filled meanwhile, commit {str(todo.head or todo.starting_point)[:12]}"
        fix = "look at what they did, and run the same command again to put this in its place"
        raise HubError(found, where=hub.repo, expected="no such repository, as this push began", fix=fix)


def _unchanged(hub: Hub, todo: Plan) -> str:
    hub.say("nothing to send: the Hub holds exactly this")
    return based(hub, todo)


# --- afterwards ----------------------------------------------------------------------------------------------------------------------


def _tag(hub: Hub, tag: str, commit: str) -> None:
    """Put the tag on the commit, unless it is there."""
    try:
        hub.ask("tagging", lambda: hub.api.create_tag(**hub.named, tag=tag, revision=commit))
    except HfHubHTTPError as error:
        if error.response.status_code != 409:
            raise
        refs = hub.ask("reading tags", lambda: hub.api.list_repo_refs(**hub.named))
        stands = next((ref.target_commit for ref in refs.tags if ref.name == tag), None)
        if stands != commit:
            found = f"commit {commit[:12]} is pushed, but somebody put tag {tag!r} on {str(stands)[:12]} meanwhile"
            raise HubError(found, where=hub.repo, fix="run the same command again with another --tag") from None
    hub.say(f"tag {tag}")


def _check_back(hub: Hub, package: Package, commit: str) -> bool:
    """Load the thing as everybody will, and compare."""
    load = package.check_back
    if load is None:
        return False
    where = f"{hub.repo}@{commit[:12]}"
    try:
        with as_user(hub.token):
            found = hub.ask("loading it back", lambda: load(hub.repo, commit))
    except SocSciError:
        raise
    except Exception as error:  # whatever a client raises
        what = hub.token.scrubbed(f"{type(error).__name__}: {error}").splitlines()[0][:300]
        raise HubError(f"it is pushed, but does not load back ({what})", where=where, fix=f"if the Hub is busy: {AGAIN}") from None
    if found != package.fingerprint:
        expected = f"{package.fingerprint}, as on this machine"
        fix = "do not use it; report this with both fingerprints"
        raise HubError(f"it is pushed, but what loads back has fingerprint {found}", where=where, expected=expected, fix=fix)
    hub.say(f"loaded back from the Hub: fingerprint {found}, as here")
    return True
