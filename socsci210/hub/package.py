"""What is to stand in a repository on the Hub, and what a push came to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Kind = Literal["dataset", "model", "metric", "space"]
Say = Callable[[str], None]
CARD: Final = "README.md"
REPO_TYPE: Final[Mapping[Kind, str]] = {"dataset": "dataset", "model": "model", "metric": "space", "space": "space"}
"""Where each kind lives on the Hub: `evaluate.load("org/name")` reads metrics from spaces."""


@dataclass(frozen=True)
class Package:
    """All that a repository shall hold: it is the whole truth, files that it does not name are deleted (but .gitattributes).

    Attributes:
        kind: what it is.
        files: path in the repository (posix) -> regular file on disk; "README.md" is always there.
        card: the generated card; what stands in files["README.md"] is this text before it is merged with a published one.
        fingerprint: of the content but the card: compared after loading back.
        message: of the commit.
        notes: lines for people: studies withheld and why, privacy in one line, what merging did.
        check_back: (repository, commit) -> fingerprint of the thing as the public client loads it from the Hub (load_dataset,
            from_pretrained, evaluate.load), in a cache of its own.
    """

    kind: Kind
    files: Mapping[str, Path]
    card: str
    fingerprint: str
    message: str
    notes: Sequence[str] = ()
    check_back: Callable[[str, str], str] | None = None


@dataclass(frozen=True)
class PushResult:
    """What a push did.

    Attributes:
        repo, kind, commit, url: where the thing is now.
        added, unchanged, deleted: paths in the repository. What was replaced counts as added.
        bytes_sent: size of the files that went over the wire; large files that the Hub already had are not among them.
        tag: the tag that now names the commit, where one was asked for.
        fingerprint: of the content.
        checked: whether the thing was loaded back through the public client and has this fingerprint.
    """

    repo: str
    kind: Kind
    commit: str
    url: str
    added: Sequence[str]
    unchanged: Sequence[str]
    deleted: Sequence[str]
    bytes_sent: int
    tag: str | None
    fingerprint: str
    checked: bool
