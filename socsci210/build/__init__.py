"""Build: study files and their deposits become a dataset folder, complete or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..child import end_children
from ..dataset_folder import MANIFEST, disk_errors
from ..errors import DatasetError, ExpressionError, GateError, ReadError, SocSciError, StudyFileError
from ..registry import Registry
from .leftovers import sweep
from .one import make_study
from .write import Entry, write_dataset

__all__ = ["BuildReport", "build", "validate"]

Step = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what was done)."""


class _InternalError(SocSciError):
    """An error that no check of ours foresaw, while one study was read."""

    def __init__(self, study: str, error: Exception) -> None:
        message = " ".join(str(error).split())
        super().__init__(
            f"internal error while reading study {study} ({type(error).__name__}: {message[:200]})",
            fix="please report this with the study file",
        )
        self.__cause__ = error


_REASONS: Final[dict[type[SocSciError], str]] = {
    ReadError: "its deposit could not be read",
    StudyFileError: "its study file is not valid or does not fit its deposit",
    ExpressionError: "one of its expressions is not allowed",
    _InternalError: "an internal error of this package",
}


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Args:
        path: the dataset folder; None where nothing was written.
        built: ids of the studies in it.
        failed: study id -> message, for those left out.
        manifest: what stands in its dataset.json (fingerprint, rows, overlaps).
    """

    path: Path | None
    built: tuple[str, ...]
    failed: dict[str, str]
    manifest: dict[str, Any] = field(default_factory=dict)


def build(
    ids: Sequence[str],
    *,
    deposits: Path,
    out: Path,
    registry: Registry,
    jobs: int = 1,
    cache: Path | None = None,
    progress: Step | None = None,
) -> BuildReport:
    """Build a dataset folder from studies.

    The folder is written beside `out` and moved there when it is complete, so `out` is at every moment the old dataset, absent, or the
    new one. The same input gives the same bytes, whatever `jobs` and whatever the cache held.

    Args:
        ids: the studies, in any order.
        deposits: folder that holds one folder per deposit.
        out: the dataset folder; an older dataset there is replaced.
        registry: where study files are found.
        jobs: studies read at the same time.
        cache: folder that keeps what was made of each study for the next build; default: nothing is kept.
        progress: called after every step; default: a progress bar on a terminal.

    Returns:
        What was built, and what was left out and why.

    Raises:
        DatasetError: `out` is something else than a dataset, or cannot be written.
    """
    ids = sorted(set(ids))
    _check_target(out)
    with _orderly_end(), _progress(progress, 2 * len(ids)) as step, _workshop(out) as (new, scratch):
        entries, errors = _make_all(ids, deposits, registry, jobs, cache or scratch / "studies", scratch, step)
        failed = {study: str(error) for study, error in errors.items()}
        if not entries:
            return BuildReport(None, (), failed)
        left_out = {study: _reason(error) for study, error in errors.items()}
        with disk_errors(out):
            manifest = write_dataset(
                entries, new, left_out=left_out, package_version=version("socsci210"), jobs=jobs, step=lambda study: step(f"wrote {study}")
            )
            _move(new, out)
    return BuildReport(out, tuple(entry.study for entry in entries), failed, manifest)


def validate(ids: Sequence[str], *, deposits: Path, registry: Registry, jobs: int = 1, progress: Step | None = None) -> BuildReport:
    """Put studies through every gate without writing a dataset."""
    ids = sorted(set(ids))
    prefix = "socsci210-validate-"
    sweep(Path(tempfile.gettempdir()), prefix)
    with (
        _orderly_end(),
        _progress(progress, len(ids)) as step,
        tempfile.TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-") as scratch,
    ):
        entries, errors = _make_all(ids, deposits, registry, jobs, Path(scratch) / "studies", Path(scratch), step)
    return BuildReport(None, tuple(entry.study for entry in entries), {study: str(error) for study, error in errors.items()})


def _make_all(
    ids: Sequence[str], deposits: Path, registry: Registry, jobs: int, folder: Path, scratch: Path, step: Callable[[str], None]
) -> tuple[list[Entry], dict[str, SocSciError]]:
    """Every study that passes, and the errors of the others."""

    def make(study: str) -> Entry | SocSciError:
        try:
            name = make_study(study, registry=registry, deposits=deposits, folder=folder, scratch=scratch)
            found: Entry | SocSciError = Entry(study, folder, name)
        except (DatasetError, MemoryError):  # a full disk or memory is no fault of the study
            raise
        except SocSciError as error:
            found = error
        except Exception as error:  # one study must not cost the others
            found = _InternalError(study, error)
        step(f"read {study}")
        return found

    # The work is done in child processes and in libraries that let other threads run, so threads are enough.
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(make, study) for study in ids]
        try:
            found = {study: future.result() for study, future in zip(ids, futures, strict=True)}
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            while not isinstance(error, Exception) and not all(future.done() for future in futures):  # told to end: wait for no child
                end_children()
                time.sleep(0.02)
            raise
    errors = {study: made for study, made in found.items() if isinstance(made, SocSciError)}
    return [made for made in found.values() if isinstance(made, Entry)], errors


def _reason(error: SocSciError) -> str:
    """Why a study was left out, in words that hold nothing of its deposit: they are published with the dataset."""
    if isinstance(error, GateError):
        return f"it does not pass the gate {error.gate}"
    return _REASONS.get(type(error), "it could not be read within the limits")


# --- the folder, complete or absent --------------------------------------------------------------------------------------------------


def _check_target(out: Path) -> None:
    if out.is_symlink() or out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file()):
        raise DatasetError(
            "it exists and is not a dataset folder",
            where=str(out),
            expected="a new or empty folder, or a dataset to replace",
            fix="choose another --out",
        )


@contextmanager
def _workshop(out: Path) -> Iterator[tuple[Path, Path]]:
    """An empty folder beside `out` for the new dataset and one for work in progress, removed at the end whatever happens.

    What an earlier build left when it was killed is removed first.
    """
    prefix = f".{out.name}.partial-"
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        sweep(out.parent, prefix)
        folder = out.parent / f"{prefix}{os.getpid()}"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "new").mkdir(parents=True)
    try:
        yield folder / "new", folder / "scratch"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(new: Path, out: Path) -> None:
    if out.is_dir():
        out.replace(new.parent / "old")
    new.replace(out)


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that work in progress is removed; only where the program has no handler of its own."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(number: int, _: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not cut the cleaning short
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def _progress(given: Step | None, total: int) -> Iterator[Callable[[str], None]]:
    """A function to call after every step."""
    if given is not None:
        done = iter(range(1, total + 1))
        yield lambda what: given(next(done), total, what)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("build", total=total)
        yield partial(_advance, bar, task)


def _advance(bar: Progress, task: Any, what: str) -> None:
    bar.update(task, advance=1, description=what)
