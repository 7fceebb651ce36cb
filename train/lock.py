"""Nobody else trains the same model at the same time: a launcher that was killed may have left its training running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .config import TrainError


def lock_of(output: Path) -> Path:
    """The file that is locked while a model is trained."""
    return output.with_name(output.name + ".lock")


@contextmanager
def alone(output: Path, does: str = "trains this model") -> Iterator[None]:
    """Hold the lock of a model folder, or of a file.

    Args:
        output: the folder or the file.
        does: what its holder does, for the message.

    Raises:
        TrainError: another process holds it.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(lock_of(output), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise TrainError(f"another process {does}", where=str(output), fix="wait for it, or end it; then try again") from error
    try:
        yield
    finally:
        lock_of(output).unlink(missing_ok=True)
        lock.release()


def wait_for(output: Path, say: Callable[[str], None]) -> None:
    """Wait until nobody trains this model."""
    if not lock_of(output).exists():
        return
    lock = FileLock(lock_of(output))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"A run that was cut off left the training of {output.name} running: waiting for it")
        lock.acquire()
    lock_of(output).unlink(missing_ok=True)
    lock.release()
