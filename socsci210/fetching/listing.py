"""What a source holds: one list of typed entries, whatever the source is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from ..errors import SocSciError

Kind = Literal["osf", "dataverse", "github", "web"]
ALGORITHMS: Final = ("sha256", "sha512", "sha1", "md5")  # that a source may state; the first one stated is compared too
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST: Final = 200  # bytes of one part of a path; file systems end at 255, and a part of a name is added while it is written


class FetchError(SocSciError):
    """A source that cannot be reached, refuses, or hands out something else than it lists."""

    def __init__(self, found: str, *, where: str = "", expected: str = "", fix: str = "", status: int | None = None) -> None:
        super().__init__(found, where=where, expected=expected, fix=fix)
        self.status = status


@dataclass(frozen=True)
class Reach:
    """The hosts that a source is known for: requests and redirects go nowhere else.

    Attributes:
        hosts: `example.org` is that host, `.example.org` every host below it, `example.org:8000` that host at that port alone.
    """

    hosts: tuple[str, ...]

    def covers(self, url: str) -> bool:
        """Whether the host of this URL is one of them."""
        parts = urlsplit(url)
        host, place = (parts.hostname or "").rstrip("."), parts.netloc.rpartition("@")[2].lower()
        return any(
            place == known or (":" not in known and (host == known or (known.startswith(".") and host.endswith(known))))
            for known in self.hosts
        )


@dataclass(frozen=True)
class Entry:
    """One file at a source.

    Attributes:
        path: below the source's root, with `/`; as the source says, so nothing is to be trusted about it.
        url: where its bytes are.
        size: in bytes; None where the source does not say.
        checksums: by algorithm (of `ALGORITHMS`), as hexadecimal digits; empty where the source states none.
        date: of its last change, as the source says.
        version: anything else that changes when the bytes do (an ETag).
        licence: its own, where it differs from the source's.
        closed: why it cannot be had (restricted); None where it can.
        folder: of an archive, the folder whose files alone are asked for; empty for all.
        wrapped: whether it is an archive that the source makes of all its files, in one folder that is not part of their names.
    """

    path: str
    url: str
    size: int | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    date: str | None = None
    version: str | None = None
    licence: str | None = None
    closed: str | None = None
    wrapped: bool = False
    folder: str = ""

    @property
    def sha256(self) -> str | None:
        """The sha256 that the source states."""
        return self.checksums.get("sha256")


@dataclass(frozen=True)
class Listing:
    """All files of a source.

    Attributes:
        kind, id, url, title, licence: of the source; licence None where it states none.
        entries: in the order of their paths.
        notes: what a person should know about the list (components that are private, storage that is not looked at).
        reach: the hosts from which its files come.
    """

    kind: Kind
    id: str
    url: str
    title: str
    licence: str | None
    entries: tuple[Entry, ...]
    reach: Reach
    notes: tuple[str, ...] = ()


def unsafe_path(path: str) -> str | None:
    """Why a path of a source may not become a path in a folder; None where it may.

    >>> unsafe_path("wave 1/data.sav") is None
    True
    >>> unsafe_path("../data.sav")
    "its name leads out of the folder ('../data.sav')"
    """
    parts = path.split("/")
    if "\\" in path or ".." in parts or path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return f"its name leads out of the folder ({path[:_LONGEST]!r})"
    if _CONTROL.search(path) or not path.isprintable() or any(part in ("", ".") or part != part.strip() for part in parts):
        return f"its name is none for a file ({path[:_LONGEST]!r})"
    if any(len(part.encode("utf-8", "replace")) > _LONGEST for part in parts) or len(parts) > 20:
        return "its name is too long"
    return None
