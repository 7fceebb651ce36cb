"""Build: study files and their deposits become a dataset folder, complete or not at all."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from ..child import end_children
from ..dataset_folder import disk_errors
from ..dataset_writer import write_dataset
from ..entry import Entry
from ..errors import DatasetError, ExpressionError, GateError, ReadError, SocSciError, StudyFileError
from ..leftovers import sweep
from ..registry import Registry
from ..workshop import Step, check_target, orderly_end, progress_steps, put_in_place, workshop
from .one import make_study

__all__ = ["BuildReport", "build", "validate"]


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
    check_target(out)
    with orderly_end(), progress_steps(progress, 2 * len(ids), "build") as step, workshop(out) as (new, scratch):
        entries, errors = _make_all(ids, deposits, registry, jobs, cache or scratch / "studies", scratch, step)
        failed = {study: str(error) for study, error in errors.items()}
        if not entries:
            return BuildReport(None, (), failed)
        left_out = {study: _reason(error) for study, error in errors.items()}
        with disk_errors(out):
            manifest = write_dataset(
                entries, new, left_out=left_out, package_version=version("socsci210"), jobs=jobs, step=lambda study: step(f"wrote {study}")
            )
            put_in_place(new, out)
    return BuildReport(out, tuple(entry.study for entry in entries), failed, manifest)


def validate(ids: Sequence[str], *, deposits: Path, registry: Registry, jobs: int = 1, progress: Step | None = None) -> BuildReport:
    """Put studies through every gate without writing a dataset."""
    ids = sorted(set(ids))
    prefix = "socsci210-validate-"
    sweep(Path(tempfile.gettempdir()), prefix)
    with (
        orderly_end(),
        progress_steps(progress, len(ids), "validate") as step,
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
            found: Entry | SocSciError = Entry(study, folder / name)
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
