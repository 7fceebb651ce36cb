"""Programs that an experiment starts for its predictions: several processes of our own, or a model server. None outlives the experiment."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from . import leash
from .config import ExperimentError, Serve
from .steps import Say

SHOWN: Final = 5  # lines of a log that stand in for a missing message
_LOOK: Final = 0.2  # seconds between two looks at a server


def plain_launch(n: int) -> list[str]:
    """The arguments of `accelerate launch` for n processes on this machine, whatever accelerate is configured to do."""
    return ["--multi_gpu", "--num_processes", str(n), "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]


def in_processes(n: int, arguments: Sequence[str], log: Path, threads: int | None) -> None:
    """`socsci210 ARGUMENTS` in n processes, each with a device of its own.

    Raises:
        ExperimentError: it failed; the message is its own.
    """
    command = [sys.executable, "-m", "accelerate.commands.launch", *plain_launch(n), "-m", "socsci210", *arguments]
    with _started(command, log, {} if threads is None else {"OMP_NUM_THREADS": str(threads)}) as child:
        code = child.wait()
    if code:
        raise ExperimentError(_last_words(log), where=f"socsci210 {arguments[0]}", fix=f"the whole log is {log}; then run it again")


@contextmanager
def served(serve: Serve, model: str, log: Path, say: Say) -> Iterator[str]:
    """A server of a model while it is asked: the base URL of its API.

    Raises:
        ExperimentError: it does not start, or not in time.
    """
    port = _free_port()
    command = shlex.split(serve.command.format(model=shlex.quote(model), port=port))
    say(f"  starting the server: {shlex.join(command)}")
    with _started(command, log, {}) as child:
        deadline = time.monotonic() + 60 * serve.minutes
        while not _listens(port):
            if child.poll() is not None:
                raise ExperimentError(_last_words(log), where=f"server of {model}", fix=f"check serve.command; the whole log is {log}")
            if time.monotonic() > deadline:
                raise ExperimentError(
                    f"nothing listens on port {port} after {serve.minutes} minutes", where=f"server of {model}",
                    fix=f"check serve.command, or raise serve.minutes; its log is {log}",
                )  # fmt: skip
            time.sleep(_LOOK)
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def _started(command: Sequence[str], log: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program that ends with this block, and with this process."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        child = subprocess.Popen(
            [sys.executable, leash.__file__, *command], stdin=subprocess.PIPE, stdout=sink, stderr=sink,
            env={**os.environ, **environment, "TOKENIZERS_PARALLELISM": "false"},
        )  # fmt: skip
    try:
        yield child
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _last_words(log: Path) -> str:
    """What a failed program said: from its error on, else its last lines."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    first = next((at for at, line in enumerate(lines) if line.startswith("error: ")), None)
    if first is None:
        return "\n".join(lines[-SHOWN:]) or "it ended without a word"
    more = next((at for at, line in enumerate(lines[first + 1 :], first + 1) if not line.startswith("  ")), len(lines))
    return "\n".join(lines[first:more]).removeprefix("error: ")
