"""What stands on the Hub: repositories, their commits, and the content of their files, all in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, Literal

Kind = Literal["model", "dataset", "space"]
Role = Literal["none", "read", "write"]

MAIN: Final = "main"
LARGE: Final = (
    ".7z", ".arrow", ".bin", ".ckpt", ".gz", ".h5", ".joblib", ".jpg", ".model", ".msgpack", ".npy", ".npz", ".onnx", ".parquet", ".pkl",
    ".png", ".pt", ".pth", ".safetensors", ".tar", ".webp", ".zip", ".zst",
)  # fmt: skip
LARGE_BYTES: Final = 10 * 2**20  # a file of this size is a large one whatever its name
ATTRIBUTES: Final = ".gitattributes"
_SPACE_CARD: Final = "Check out the configuration reference at https://huggingface.co/docs/hub/spaces-config-reference"


@dataclass(frozen=True)
class Blob:
    """One version of one file. `large`: kept as a large file (LFS), so that its address is its SHA-256."""

    content: bytes
    large: bool

    @cached_property
    def sha1(self) -> str:
        """The id that git gives the content."""
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.sha1


@dataclass(frozen=True)
class Commit:
    """One state of all files of a repository."""

    id: str
    parent: str | None
    author: str
    date: datetime
    title: str
    description: str
    files: Mapping[str, Blob]

    @property
    def contents(self) -> dict[str, bytes]:
        """The files without what the Hub itself put there."""
        return {path: blob.content for path, blob in self.files.items() if path != ATTRIBUTES}


@dataclass
class Repository:
    """The commits of one repository, and who may see them.

    Attributes:
        commits: by id, oldest first.
        objects: large files that were uploaded, by SHA-256, whether a commit names them or not.
        roles: what single users may do here, whatever they may do in the namespace.
        gated: files only for the users in `granted` and for members of the namespace.
    """

    kind: Kind
    id: str
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    private: bool = False
    gated: bool = False
    granted: set[str] = field(default_factory=set)
    roles: dict[str, Role] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return self.id.split("/", maxsplit=1)[0]

    @property
    def head(self) -> Commit:
        """The last commit of the main branch."""
        return self.commits[self.branches[MAIN]]

    def resolve(self, revision: str) -> Commit | None:
        """The commit that a branch, tag or commit id means."""
        name = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        return self.commits.get(self.branches.get(name) or self.tags.get(name) or revision)

    def history(self, commit: Commit) -> Iterator[Commit]:
        """A commit and its ancestors, newest first."""
        found: Commit | None = commit
        while found is not None:
            yield found
            found = self.commits.get(found.parent or "")

    def add(
        self, branch: str, files: Mapping[str, Blob], *, author: str, title: str, description: str = "", commit: str | None = None
    ) -> Commit:
        """Put a new commit with exactly `files` on a branch. Its id is `commit`, or depends on parent, content and message."""
        parent = self.branches.get(branch)
        ordered = dict(sorted(files.items()))
        listing = "".join(f"{path}\0{blob.sha1}\n" for path, blob in ordered.items())
        said = f"{self.kind}/{self.id}\n{len(self.commits)}\n{parent}\n{title}\n{description}\n{listing}"
        made = Commit(
            id=commit or hashlib.sha1(said.encode()).hexdigest(),
            parent=parent,
            author=author,
            date=datetime.now(UTC),
            title=title,
            description=description,
            files=ordered,
        )
        self.objects |= {blob.sha256: blob.content for blob in ordered.values() if blob.large}
        self.commits[made.id] = made
        self.branches[branch] = made.id
        return made


def is_large(path: str, size: int, sample: bytes = b"") -> bool:
    """Whether the Hub keeps a file as a large one: by its name, its size, or as its first bytes are not text. Empty files never are."""
    return size > 0 and (path.endswith(LARGE) or size >= LARGE_BYTES or b"\0" in sample)


def blob(path: str, content: bytes) -> Blob:
    """A file as the Hub would keep it."""
    return Blob(content, is_large(path, len(content), content[:512]))


def first_files(kind: Kind, name: str, sdk: str | None) -> dict[str, Blob]:
    """What the Hub puts into a new repository."""
    attributes = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE)
    files = {ATTRIBUTES: Blob(attributes.encode(), large=False)}
    if kind == "space":
        front = f"---\ntitle: {name}\nsdk: {sdk or 'static'}\npinned: false\n---\n"
        files["README.md"] = Blob(f"{front}\n{_SPACE_CARD}\n".encode(), large=False)
    return files
