"""The one commit of a push, upon the commit that was looked at.

Large files are sent ahead, and belong to no commit until then. Where the Hub's answer to the commit is lost, the Hub is asked what it holds
before anything is tried again: a commit is made once, or somebody else's stands there and is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, GitCommitInfo
from huggingface_hub.utils._runtime import is_xet_available

from ..errors import HubError
from ..retrying import causes_of, status_of
from .client import Hub, pause
from .guard import AGAIN
from .package import CARD, Package
from .plan import ATTRIBUTES, Plan, check_visibility, same_content, sha256_of

_REFUSED: Final = (401, 403, 413)  # after these no commit was made; after any other end it may have been, by us or by somebody else


class _Addition(CommitOperationAdd):
    """A file of a commit that knows whether its content was sent ahead."""

    sent = False

    @contextmanager
    def as_file(self, with_tqdm: bool = False) -> Iterator[BinaryIO]:
        """The content; the client asks for it with a progress bar where it sends it."""
        self.sent = self.sent or with_tqdm
        with super().as_file(with_tqdm) as file:
            yield file

    @property
    def bytes_sent(self) -> int:
        """Bytes over the wire. The newer protocol (xet) leaves out what the Hub has, and does not tell how much: there it is the size."""
        ahead = self._upload_mode == "lfs" and not is_xet_available()
        return self.upload_info.size if self.sent or not ahead else 0


def based(hub: Hub, todo: Plan) -> str:
    """The commit that the push is made upon; a branch that is not there yet begins at main."""
    if todo.head is not None:
        return todo.head
    start = todo.starting_point
    if start is None:
        raise HubError("the repository has no commit", where=hub.repo, fix="delete it on the Hub, and push again")
    wanted = {**hub.named, "branch": todo.branch, "revision": start, "exist_ok": True}
    hub.ask("making the branch", lambda: hub.api.create_branch(**wanted))
    return start


def committed(hub: Hub, package: Package, todo: Plan, private: bool) -> tuple[str, int]:
    """(the new commit, bytes sent)."""
    parent = based(hub, todo)
    additions = [_addition(path, _content(package, todo, path)) for path in todo.paths("add", "replace")]
    deletions = [CommitOperationDelete(path, is_folder=False) for path in todo.paths("delete")]
    size = sum(one.upload_info.size for one in additions)
    hub.say(f"{len(additions)} files to send ({size / 1e6:,.1f} MB), {len(todo.paths('keep'))} as they are, {len(deletions)} to delete")
    # Large files go ahead. The client repeats these requests by itself, and sends no content that the Hub has.
    hub.api.preupload_lfs_files(**hub.named, additions=additions, revision=todo.branch, gitignore_content="", free_memory=False)
    if left_out := [one.path_in_repo for one in additions if one._should_ignore]:
        raise HubError(f"the Hub would leave out {', '.join(left_out[:3])}", where=hub.repo, expected="every file to be taken")
    if private:
        info = hub.exists()
        check_visibility(hub, bool(info and info.private), private=True)
    wanted = {
        **hub.named,
        "operations": [*additions, *deletions],
        "commit_message": package.message,
        "revision": todo.branch,
        "parent_commit": parent,
    }
    commit = _made(hub, package, todo, parent, wanted)
    _verify(hub, package, todo, commit)
    hub.say(f"commit {commit}")
    return commit, sum(one.bytes_sent for one in additions)


def _addition(path: str, content: bytes | Path) -> _Addition:
    one = _Addition(path, content)
    if isinstance(content, Path):
        one.upload_info.sha256 = bytes.fromhex(sha256_of(content))  # it is needed again when the commit is looked at
    return one


def _content(package: Package, todo: Plan, path: str) -> bytes | Path:
    return todo.card.encode() if path == CARD else package.files[path]


def _made(hub: Hub, package: Package, todo: Plan, parent: str, wanted: dict[str, Any]) -> str:
    """Make the commit; where the answer is lost, look whether it was made before trying again."""
    failures = 0
    while True:
        try:
            return str(hub.api.create_commit(**wanted).oid)
        except Exception as error:
            failures += 1
            if status_of(causes_of(error)) in _REFUSED:
                raise
            head = hub.head(todo.branch)
            if head != parent:
                return _landed(hub, package, todo, parent)
            seconds = pause(error, failures)
            if seconds is None:
                raise
            hub.say(f"committing: no answer, and no commit on the Hub; try {failures + 1} in {seconds:.1f} s")
        time.sleep(seconds)


def _landed(hub: Hub, package: Package, todo: Plan, parent: str) -> str:
    """The commit that stands right upon the parent, where it is what this push was to make; others may stand upon it by now.

    Args:
        parent: the commit that the push was to be made upon, and that is not the last one any more.

    Raises:
        HubError: somebody else was faster.
    """
    found = hub.ask("reading who was faster", lambda: hub.api.list_repo_commits(**hub.named, revision=todo.branch))
    commits = [one.commit_id for one in found]
    next_one = commits[max(commits.index(parent) - 1, 0) if parent in commits else 0]
    last = found[0]
    if not _differing(hub, package, todo, next_one):
        if next_one != last.commit_id:
            hub.say(f"this push made its commit, and {_who(last)} has put {last.commit_id[:12]}, {last.title!r}, upon it since")
        return next_one
    raise HubError(
        f"{_who(last)} was faster: commit {last.commit_id[:12]}, {last.title!r}, stands there now",
        where=f"{hub.repo}, branch {todo.branch}", expected=f"commit {(todo.head or todo.starting_point or '')[:12]}, as this push began",
        fix="look at what they did, and run the same command again to put this in its place",
    )  # fmt: skip


def _who(commit: GitCommitInfo) -> str:
    return ", ".join(commit.authors) or "somebody"


def _differing(hub: Hub, package: Package, todo: Plan, commit: str) -> list[str]:
    """The files in which a commit is not what was to be pushed."""
    there = hub.files(commit)
    found = [path for path in {*there, *package.files} - {ATTRIBUTES} if path not in there or path not in package.files]
    both = {*there, *package.files} - {ATTRIBUTES, *found}
    return sorted([*found, *(path for path in both if not same_content(_content(package, todo, path), there[path]))])


def _verify(hub: Hub, package: Package, todo: Plan, commit: str) -> None:
    if wrong := _differing(hub, package, todo, commit):
        raise HubError(
            f"commit {commit} differs in {', '.join(wrong[:3])} from what was pushed", where=hub.repo,
            expected="exactly these files", fix=f"if a file changed while it was sent: {AGAIN}",
        )  # fmt: skip
