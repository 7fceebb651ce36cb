"""Making a dataset folder that is complete or absent: the place where it is made, orderly ends, and progress."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from .dataset_folder import MANIFEST, disk_errors
from .errors import DatasetError
from .leftovers import sweep

Step = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what was done)."""


def check_target(out: Path) -> None:
    """Refuse a place that holds something else than a dataset.

    Raises:
        DatasetError: `out` exists and is neither an empty folder nor a dataset folder.
    """
    if out.is_symlink() or out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file()):
        raise DatasetError(
            "it exists and is not a dataset folder",
            where=str(out),
            expected="a new or empty folder, or a dataset to replace",
            fix="choose another --out",
        )


@contextmanager
def workshop(out: Path) -> Iterator[tuple[Path, Path]]:
    """An empty folder beside `out` for the new dataset and one for work in progress, removed at the end whatever happens.

    What an earlier run left when it was killed is removed first.
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


def put_in_place(new: Path, out: Path) -> None:
    """Move a complete dataset from its workshop to its place; an older one there goes to the workshop, and with it."""
    if out.is_dir():
        out.replace(new.parent / "old")
    new.replace(out)


@contextmanager
def orderly_end() -> Iterator[None]:
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
def progress_steps(given: Step | None, total: int, title: str) -> Iterator[Callable[[str], None]]:
    """A function to call after every step; without one that is given, steps move a bar on the terminal."""
    if given is not None:
        done = iter(range(1, total + 1))
        yield lambda what: given(next(done), total, what)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield partial(_advance, bar, task)


def _advance(bar: Progress, task: TaskID, what: str) -> None:
    bar.update(task, advance=1, description=what)
