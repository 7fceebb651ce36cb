"""Downloads a release from the Hub with its own client, and turns what may go wrong into messages for a person.

No message repeats what the server or the client said: a server may echo a token. The client keeps finished files, so that a second run
continues; a file that was cut off within one run is continued where it broke off.
"""

from __future__ import annotations

import errno
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from filelock import FileLock
from httpx2 import HTTPError
from huggingface_hub import DryRunFileInfo, snapshot_download
from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils.tqdm import disable_progress_bars

from ..errors import DatasetError
from ..load import cache_folder
from ..retrying import NO_SPACE, causes_of, is_offline, may_pass, status_of
from .source import DEFAULT, MAPPINGS, PINNED, Step, mapping_file

WAITS: Final = (2.0, 10.0)  # seconds before each further try after a lost connection
_PATTERNS: Final = ["data/*.parquet", *(mapping_file(name) for name in MAPPINGS)]
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_AGAIN: Final = "run the same command again: files that are complete are not loaded twice"
_MEGABYTE: Final = 1_000_000


def download(repo_id: str, revision: str, progress: Step | None) -> tuple[Path, str, dict[str, str]]:
    """Bring the files of a release to this machine, those that are not there yet.

    Args:
        repo_id: a dataset repository.
        revision: branch, tag or commit.
        progress: called about twice a second; default: the progress bars of the Hub client.

    Returns:
        The folder, the commit, and the sha256 that the Hub states by path, for the files that it keeps as large files.

    Raises:
        DatasetError: offline, not found, not open to this user, disk full, connection lost; the message says which.
    """
    cache = cache_folder() / "hub"
    where = f"{repo_id}@{revision}"
    wanted = {"repo_id": repo_id, "repo_type": "dataset", "revision": revision, "cache_dir": cache, "allow_patterns": _PATTERNS}
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "download.lock"):
            folder = _snapshot(wanted, where, progress)
    except (HTTPError, HFValidationError, OSError, RuntimeError) as error:  # the transfer library raises plain RuntimeErrors
        raise _explained(error, repo_id, revision, cache) from error
    return folder, folder.name, _stated_sha256(folder)


def _stated_sha256(folder: Path) -> dict[str, str]:
    """The sha256 of large files: the client keeps every file under the identity that the Hub gave it, and links to it from the snapshot.

    Empty where the file system has no links.
    """
    stored = {path.relative_to(folder).as_posix(): path.resolve().name for path in folder.glob("*/*")}
    return {path: name for path, name in stored.items() if _SHA256.fullmatch(name)}


def _snapshot(wanted: dict[str, Any], where: str, progress: Step | None) -> Path:
    """The folder with all wanted files, those that are missing downloaded."""
    cache: Path = wanted["cache_dir"]
    for leftover in cache.glob("*/blobs/*.incomplete"):  # of a killed run: under our lock nobody is writing them, and nobody reads them
        leftover.unlink(missing_ok=True)
    with disable_progress_bars():
        plan: list[DryRunFileInfo] = snapshot_download(**wanted, dry_run=True)
    missing = sum(file.file_size or 0 for file in plan if file.will_download)
    if missing > shutil.disk_usage(cache).free:
        raise OSError(errno.ENOSPC, f"{missing / _MEGABYTE:,.0f} MB needed")
    if progress is None and missing:
        return _with_patience(wanted)
    with disable_progress_bars(), _reporting(progress, cache, missing, f"downloading {where[:60]} (MB)"):
        return _with_patience(wanted)


def _with_patience(wanted: dict[str, Any]) -> Path:
    """Download, and try again after a lost connection: the client gives up at once on some kinds of loss."""
    for wait in WAITS:
        try:
            return Path(snapshot_download(**wanted))
        except (HTTPError, OSError, RuntimeError) as error:
            if not may_pass(causes_of(error)):
                raise
            time.sleep(wait)
    return Path(snapshot_download(**wanted))


@contextmanager
def _reporting(progress: Step | None, cache: Path, missing: int, what: str) -> Iterator[None]:
    """Report how much of `missing` bytes has arrived, by the growth of the cache."""
    if progress is None or not missing:
        yield
        return
    before, done = _size(cache), threading.Event()

    def report() -> None:
        while not done.wait(0.5):
            progress(min(_size(cache) - before, missing) // _MEGABYTE, missing // _MEGABYTE, what)

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    progress(missing // _MEGABYTE, missing // _MEGABYTE, what)


def _size(cache: Path) -> int:
    total = 0
    for path in cache.glob("*/blobs/*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # renamed in the meantime
            continue
    return total


# --- what went wrong -----------------------------------------------------------------------------------------------------------------


def _explained(error: Exception, repo_id: str, revision: str, cache: Path) -> DatasetError:
    causes = causes_of(error)
    status, where = status_of(causes), f"{repo_id}@{revision}"
    if full := next((cause for cause in causes if isinstance(cause, OSError) and cause.errno in NO_SPACE), None):
        found = f"the disk is full ({full.strerror})"
        return DatasetError(found, where=str(cache), fix=f"free some space, or set XDG_CACHE_HOME to a larger disk; then {_AGAIN}")
    if is_offline(causes):
        found = "it is not on this machine, and HF_HUB_OFFLINE forbids to download it"
        return DatasetError(found, where=where, fix="unset HF_HUB_OFFLINE, or give a folder in the upstream layout")
    if any(isinstance(cause, GatedRepoError) for cause in causes) or status == 403:
        fix = f"ask for access at https://huggingface.co/datasets/{repo_id}, then hf auth login"
        return DatasetError("the repository is not open to you", where=where, fix=fix)
    if any(isinstance(cause, RevisionNotFoundError) for cause in causes):
        expected = f"a branch, tag or commit of {repo_id}, for example {PINNED if repo_id == DEFAULT else 'main'}"
        fix = (
            "correct --revision, or leave it out"
            if repo_id == DEFAULT
            else "correct --revision; without it the pinned commit is looked for"
        )
        return DatasetError("the repository has no such revision", where=where, expected=expected, fix=fix)
    if status == 401 or any(isinstance(cause, (RepositoryNotFoundError, HFValidationError)) for cause in causes):
        fix = f"correct the name (the release is {DEFAULT}); for a private repository: hf auth login"
        return DatasetError("no such dataset repository on the Hub, or not open to you, and no such folder here", where=where, fix=fix)
    if status is not None:
        return DatasetError(f"the Hub answered with status {status}", where=where, fix=f"wait a little; then {_AGAIN}")
    if any(isinstance(cause, PermissionError) for cause in causes):
        return DatasetError("no right to write there", where=str(cache), fix="set XDG_CACHE_HOME to a folder of your own")
    found = f"the Hub cannot be reached, or the connection was lost ({type(causes[-1]).__name__})"
    return DatasetError(found, where=where, fix=f"check the network, or the path if a folder was meant; then {_AGAIN}")
