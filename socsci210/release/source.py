"""Where the released files are: a folder in the upstream layout, or a dataset repository on the Hub that is downloaded first.

The layout is `data/train-000NN-of-000MM.parquet` and `metadata/{participant,condition,task}_mapping.json`. Every shard that the names
promise must be there: a release that silently lacks one looks like a smaller release.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..errors import DatasetError

DEFAULT: Final = "socratesft/SocSci210"
PINNED: Final = "048481111a4425ed83dc0eacf15f8431f252b21a"
"""The revision that everything in this package was checked on."""

Step = Callable[[int, int, str], None]
"""Called with (megabytes there, megabytes in all, what is being done)."""

MAPPINGS: Final = ("participant", "condition", "task")
_LAYOUT: Final = "data/train-000NN-of-000MM.parquet and metadata/{participant,condition,task}_mapping.json"
_SHARD: Final = re.compile(r"train-(\d{5})-of-(\d{5})\.parquet")
_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_POINTER: Final = b"version https://git-lfs"
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Source:
    """The files of a release.

    Args:
        folder: the folder that holds `data` and `metadata`.
        shards: the row files, in the order of their names.
        mappings: participant, condition and task -> the file of that split.
        name: the Hub id, or the folder as it was given.
        revision: the commit on the Hub; None for a folder of unknown origin.
        hub_sha256: sha256 that the Hub itself states, by path inside the repository; empty for a folder.
    """

    folder: Path
    shards: tuple[Path, ...]
    mappings: dict[str, Path]
    name: str
    revision: str | None = None
    hub_sha256: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, shards first."""
        return (*self.shards, *self.mappings.values())


def mapping_file(name: str) -> str:
    """The path of a mapping file (participant, condition, task) inside a release."""
    return f"metadata/{name}_mapping.json"


def find_source(source: str | Path = DEFAULT, revision: str | None = None, progress: Step | None = None) -> Source:
    """The files of a release, downloaded if `source` is a Hub id.

    A download goes to a cache of its own (`load.cache_folder()`), continues where an earlier one stopped, and costs nothing when
    everything is there already.

    Args:
        source: a folder in the upstream layout, or a Hub id. A folder of this name comes first.
        revision: branch, tag or commit on the Hub; default the pinned one. A folder has none.
        progress: called about twice a second while a download runs; default: the progress bars of the Hub client.

    Raises:
        DatasetError: neither folder nor Hub id; a file is missing; the download failed.
    """
    folder = Path(source).expanduser()
    if folder.exists():
        if revision is not None:
            raise DatasetError(f"--revision {revision} with a folder", where=str(source), expected="a Hub id", fix="leave the option out")
        return in_folder(folder, name=str(source), revision=_revision_of(folder))
    if isinstance(source, Path) or not _HUB_ID.fullmatch(source):
        fix = f"correct the path, or leave it out to download {DEFAULT}"
        raise DatasetError("no such folder, and not a Hub id (org/name) either", where=str(source), fix=fix)
    from .download import download

    folder, commit, hashes = download(source, revision or PINNED, progress)
    return in_folder(folder, name=source, revision=commit, hub_sha256=hashes)


def in_folder(folder: Path, *, name: str, revision: str | None = None, hub_sha256: dict[str, str] | None = None) -> Source:
    """The files of a release in a folder, all of them there. Their content is not looked at.

    Raises:
        DatasetError: a shard or mapping file is missing, or files of something else lie among the shards.
    """
    if folder.is_file():
        fix = "give the folder that holds data and metadata, not a file in it"
        raise DatasetError("a file, not a folder", where=str(folder), expected=_LAYOUT, fix=fix)
    data = folder / "data"
    if not data.is_dir():
        inside = any(_SHARD.fullmatch(path.name) for path in folder.glob("*.parquet"))
        fix = (
            f"give the folder above it: {folder.resolve().parent}" if inside else f"download {DEFAULT}, or give the folder that holds data"
        )
        raise DatasetError("no folder data in it", where=str(folder), expected=_LAYOUT, fix=fix)
    mappings = {key: folder / mapping_file(key) for key in MAPPINGS}
    for path in mappings.values():
        if not path.is_file():
            fix = f"get it from https://huggingface.co/datasets/{DEFAULT}/blob/{revision or PINNED}/metadata/{path.name}"
            raise DatasetError(f"no file {path.name}", where=str(path.parent), expected="the three mapping files of the release", fix=fix)
    return Source(folder, _shards(data), mappings, name, revision, hub_sha256 or {})


def check_pointer(path: Path) -> None:
    """Refuse the small text that a git clone without git-lfs leaves in the place of a large file.

    Raises:
        DatasetError: the file is such a pointer.
    """
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            fix = "run git lfs pull in its repository"
            raise DatasetError("only a git-lfs pointer to the file", where=str(path), expected="the file itself", fix=fix)


def _shards(data: Path) -> tuple[Path, ...]:
    found = sorted(path for path in data.glob("*.parquet") if path.is_file() and not path.name.startswith("."))
    if not found:
        raise DatasetError("no parquet file in it", where=str(data), expected=_LAYOUT, fix=f"download {DEFAULT} again")
    named = {path: _SHARD.fullmatch(path.name) for path in found}
    if strange := [path.name for path, match in named.items() if match is None]:
        fix = "move what does not belong to the release out of the folder"
        raise DatasetError(f"a file {strange[0]} among the shards", where=str(data), expected="train-000NN-of-000MM.parquet only", fix=fix)
    numbers = {(int(match[1]), int(match[2])) for match in named.values() if match is not None}
    totals = sorted({total for _, total in numbers})
    if len(totals) > 1:
        fix = "keep the shards of one of them"
        raise DatasetError(f"shards of {' and of '.join(map(str, totals))}: two releases in one folder", where=str(data), fix=fix)
    total = totals[0]
    there = {number for number, _ in numbers}
    if missing := [number for number in range(total) if number not in there]:
        names = ", ".join(f"train-{number:05}-of-{total:05}.parquet" for number in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise DatasetError(f"{len(missing)} of {total} shards missing: {names}{more}", where=str(data), fix="copy or download them as well")
    if over := [number for number in there if number >= total]:
        raise DatasetError(f"shard {over[0]} of {total}", where=str(data), expected=f"numbers 0 to {total - 1}", fix="remove it")
    return tuple(found)


def _revision_of(folder: Path) -> str | None:
    """The commit, where the folder is a snapshot in a cache of the Hub client."""
    path = folder.resolve()
    return path.name if path.parent.name == "snapshots" and _COMMIT.fullmatch(path.name) else None
