"""What a push would do, decided before anything is sent: which files are added, replaced and deleted, and what becomes of the card."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from ..cards.markdown import MARK
from ..cards.merging import split_card
from ..cards.sections import check_card, mark, merge, merge_notes
from ..checksums import file_sha256
from ..errors import HubError
from .client import Hub, Remote, State
from .package import CARD, Package

What = Literal["add", "replace", "keep", "delete"]
ATTRIBUTES: Final = ".gitattributes"
"""The Hub's own file, which is never touched."""
MAIN: Final = "main"
_EMPTY_SPACE: Final = re.compile(r"\s*Check out the configuration reference at https://huggingface\.co/docs/hub/spaces-config-reference\s*")
"""The page of a Space as the Hub itself writes it."""
_REF: Final = re.compile(r"(?!.*(\.\.|//|@\{|\.lock(/|$)|/$|\.$))[A-Za-z0-9_][A-Za-z0-9_./+-]{0,99}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Change:
    """One file: what becomes of it, and its size afterwards (before, where it is deleted)."""

    path: str
    what: What
    size: int


@dataclass(frozen=True)
class Plan:
    """What a push would do.

    Attributes:
        exists, private: whether the repository is there; whether only its people see what is pushed.
        head: the commit that the push is made upon; None in a repository, or on a branch, that is not there yet.
        starting_point: for a branch that is not there yet: the commit that it begins at.
        changes: of every file that is there now or will be, by path.
        card, card_before: README.md as it will be and as it is.
        tag: to be put on the commit.
        sdk: what runs a Space; None for other repositories.
    """

    repo: str
    kind: str
    branch: str
    exists: bool
    private: bool
    head: str | None
    starting_point: str | None
    changes: tuple[Change, ...]
    card: str
    card_before: str | None
    tag: str | None
    sdk: str | None
    notes: tuple[str, ...]

    def paths(self, *whats: What) -> tuple[str, ...]:
        """The files of which one of these becomes true."""
        return tuple(change.path for change in self.changes if change.what in whats)

    @property
    def changed(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.paths("add", "replace", "delete"))

    @property
    def card_changes(self) -> str:
        """Old card against new as a unified diff; empty where nothing changes."""
        old, new = (self.card_before or "").splitlines(), self.card.splitlines()
        return "\n".join(difflib.unified_diff(old, new, "README.md on the Hub", "README.md as pushed", lineterm="", n=1))

    def table(self) -> list[dict[str, Any]]:
        """Rows of (what, path, bytes), what changes first."""
        order = ("delete", "replace", "add", "keep")
        return [
            {"what": c.what, "path": c.path, "bytes": c.size} for c in sorted(self.changes, key=lambda c: (order.index(c.what), c.path))
        ]

    def to_json(self) -> dict[str, Any]:
        """Everything, for a program."""
        given = ("repo", "kind", "branch", "exists", "private", "head", "tag", "card")
        return {name: getattr(self, name) for name in given} | {
            "changes": self.table(),
            "card_changes": self.card_changes,
            "notes": list(self.notes),
        }


def check_names(branch: str | None, tag: str | None) -> None:
    """Refuse names that no branch or tag can have.

    Raises:
        HubError: malformed, or a commit where a branch is wanted.
    """
    for option, name in (("--revision", branch), ("--tag", tag)):
        if name is not None and (not _REF.fullmatch(name) or _COMMIT.fullmatch(name)):
            what = f"letters, digits, '.', '-', '_', as in {'main; a branch, not a commit' if option == '--revision' else 'v1.0'}"
            raise HubError(f"{name!r} is no name for that", where=option, expected=what, fix=f"correct {option}, or leave it out")


def check_package(package: Package) -> str | None:
    """Refuse a card that is incomplete or does not fit the kind.

    Returns:
        What runs a Space (gradio, static ...); None for other repositories.

    Raises:
        SocSciError: a required section or key is missing.
    """
    check_card(package.card, package.kind)
    sdk = split_card(package.card)[0].get("sdk")
    return str(sdk) if package.kind in ("metric", "space") else None


def planned(hub: Hub, package: Package, state: State | None, *, private: bool, branch: str, tag: str | None) -> Plan:
    """Compare a package with what the repository holds.

    Raises:
        HubError: the repository is public and `private` was asked for, is of another kind, holds files that are not ours, or has the tag on
            another commit.
    """
    sdk = check_package(package)
    if state is None:
        changes = tuple(Change(path, "add", file.stat().st_size) for path, file in sorted(package.files.items()))
        return _plan(hub, package, changes, mark(package.card), branch, tag, sdk, exists=False, private=private, head=None)
    check_visibility(hub, state.private, private=private)
    if branch in state.tags:
        raise HubError(f"{branch!r} is a tag, which never moves", where=hub.repo, expected="a branch", fix="name a branch with --revision")
    start = state.head or state.branches.get(MAIN)
    there = state if state.head else hub.state(MAIN) or state
    card, before, notes = _card(package, there)
    changes = tuple(_changes(package, card, there.files))
    _check_ours(hub, package, there, before, changes)
    plan = _plan(
        hub, package, changes, card, branch, tag, sdk, exists=True, private=state.private, head=state.head,
        starting_point=None if state.head else start, card_before=before, notes=notes,
    )  # fmt: skip
    if tag is not None and tag in state.tags and (plan.changed or state.tags[tag] != start):
        raise HubError(
            f"tag {tag!r} stands on another commit, {state.tags[tag][:12]}", where=hub.repo,
            expected="a new tag: whoever loads by tag is to find what they found before", fix="choose another --tag",
        )  # fmt: skip
    return plan


def _plan(
    hub: Hub, package: Package, changes: tuple[Change, ...], card: str, branch: str, tag: str | None, sdk: str | None, **more: Any
) -> Plan:
    defaults: dict[str, Any] = {"starting_point": None, "card_before": None, "notes": ()}
    told = {**defaults, **more}
    told["notes"] = (*package.notes, *told["notes"])
    return Plan(repo=hub.repo, kind=package.kind, branch=branch, changes=changes, card=card, tag=tag, sdk=sdk, **told)


def check_visibility(hub: Hub, is_private: bool, *, private: bool) -> None:
    """Refuse to push what is meant to be private into a public repository.

    Raises:
        HubError: the repository is public and `private` was asked for.
    """
    if private and not is_private:
        raise HubError(
            "the repository is public, and a private push was asked for", where=hub.repo, expected="a private repository, or a new one",
            fix=f"make it private first ({hub.url}/settings), push to another repository, or leave --private out",
        )  # fmt: skip


def _card(package: Package, state: State) -> tuple[str, str | None, tuple[str, ...]]:
    """(the card to push, the card that is there, what became of people's paragraphs)."""
    published = state.card
    if published is None or (package.kind in ("metric", "space") and _EMPTY_SPACE.fullmatch(split_card(published)[1])):
        return mark(package.card), published, ()
    return merge(package.card, published), published, merge_notes(package.card, published)


def _changes(package: Package, card: str, there: Mapping[str, Remote]) -> Iterable[Change]:
    for path in sorted({*package.files, *there} - {ATTRIBUTES}):
        remote = there.get(path)
        if path not in package.files:
            yield Change(path, "delete", there[path].size)
            continue
        content = card.encode() if path == CARD else package.files[path]
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        same = remote is not None and same_content(content, remote)
        yield Change(path, "add" if remote is None else "keep" if same else "replace", size)


def same_content(content: bytes | Path, remote: Remote) -> bool:
    """Whether a file on the Hub has this content. Only what has the right size is read."""
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    if size != remote.size:
        return False
    if remote.sha256 is not None:
        return remote.sha256 == (hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else sha256_of(content))
    git = content if isinstance(content, bytes) else content.read_bytes()
    return remote.git == hashlib.sha1(b"blob %d\0" % size + git).hexdigest()


def sha256_of(path: Path) -> str:
    """The hash of a file. It is read again only when it has changed: a model is tens of gigabytes."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1 << 14)
def _sha256(path: Path, size: int, modified: int) -> str:
    return file_sha256(path)


def _check_ours(hub: Hub, package: Package, state: State, card: str | None, changes: Iterable[Change]) -> None:
    """Refuse to replace or delete what something else put there."""
    lost = [change.path for change in changes if change.what in ("delete", "replace") and change.path != CARD]
    if not lost:
        return
    if card is None or not MARK.search(card):
        found = f"it holds files that socsci210 did not put there, and {len(lost)} would be lost ({', '.join(lost[:3])})"
        expected = "a new repository, or one that socsci210 pushed to"
        raise HubError(found, where=hub.repo, expected=expected, fix="push to another repository, or delete them there")
    is_metric = "metric" in (split_card(card)[0].get("tags") or ())
    if package.kind in ("metric", "space") and is_metric != (package.kind == "metric"):
        holds = "a metric" if is_metric else "an app"
        raise HubError(f"it holds {holds}, and this is a {package.kind}", where=hub.repo, fix="push to another repository")
