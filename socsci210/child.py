"""Run one function of the package in an isolated child process.

Files from outside (deposits, documents) are parsed by native libraries, and study files hold SQL. Both run here: without the parent's
environment, without network, without other processes, and without writing anywhere but in one folder. What holds, and where:

- resource limits (address space, processor time, size of a written file) and a wall-clock limit enforced by the parent: always;
- an audit hook in Python that refuses sockets, new processes and writes outside the folder: always;
- Landlock rules (writing, executing, TCP, signals to other processes) and a network namespace of the child's own, which bind native
  code as well: where the kernel offers them.

What is not prevented:

- reading: a child can read every file that the user can read, and under /proc what the system shows of the user's other processes, the
  parent's environment included. What it reads can come out in its answer;
- native code that was taken over by a crafted file, against what only the audit hook refuses: it can always connect to a Unix socket that
  has a path (of a database or a desktop service, say), and, where the kernel offers neither Landlock nor namespaces, do whatever the user
  may do within the limits.

So this keeps damaged files and careless expressions from doing harm. Whoever must read a file of somebody who means harm does so in a
virtual machine or a container that holds nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from . import errors
from .errors import DatasetError, SocSciError

_BOOT: Final = (
    "import json, sys; request = json.load(sys.stdin); sys.path[:] = request['path']; from socsci210.child import main; main(request)"
)
# Memory arenas and thread pools reserve address space per core, which the limit on it would count.
_ENVIRONMENT: Final = {
    "SOCSCI210_CHILD": "1",
    "LANG": "C.UTF-8",
    "PYTHONIOENCODING": "utf-8",
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "2",
    "OPENBLAS_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "HF_HUB_OFFLINE": "1",
}
_KEPT: Final = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TZ")
_MAX_ANSWER: Final = 256 << 20
_running: set[subprocess.Popen[bytes]] = set()


def run_child(
    task: str, payload: dict[str, Any], *, out: Path, seconds: float = 120, memory_gb: float = 4, write_gb: float = 8
) -> dict[str, Any]:
    """Call `task` with `payload` in an isolated child and return its answer.

    Args:
        task: `module:function` inside this package; the function takes and returns a dict that JSON can hold.
        payload: its argument. Paths in it must be absolute: the child runs in `out`.
        out: the only folder the child may write to (created if missing); `HOME` and `TMPDIR` of the child are there too.
        seconds: wall-clock limit.
        memory_gb: limit on the child's address space.
        write_gb: limit on each file it writes.

    Raises:
        SocSciError: the child's own error, with its class and message, or one that names the limit it broke.
        RuntimeError: any other exception of the child, with its traceback.
    """
    if not task.startswith("socsci210."):
        raise ValueError(f"a task is a function of this package, not {task!r}")
    if "SOCSCI210_CHILD" in os.environ:  # an isolated process may start no other, and needs none: its own limits hold
        return _call_here(task, payload, out)
    return _call(task, payload, out=out, seconds=seconds, memory_gb=memory_gb, write_gb=write_gb)


def _call_here(task: str, payload: dict[str, Any], out: Path) -> dict[str, Any]:
    """A task of a task: in the same process, with the folder that it may expect."""
    module, _, function = task.partition(":")
    before = Path.cwd()
    out.mkdir(parents=True, exist_ok=True)
    os.chdir(out)
    try:
        value: dict[str, Any] = getattr(importlib.import_module(module), function)(json.loads(json.dumps(payload)))
    finally:
        os.chdir(before)
    return value


def _call(task: str, payload: dict[str, Any], *, out: Path, seconds: float, memory_gb: float, write_gb: float) -> dict[str, Any]:
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    limits = {"seconds": seconds, "memory": int(memory_gb * 2**30), "write": int(write_gb * 2**30)}
    path = [str(Path(entry).resolve()) if entry else str(Path.cwd()) for entry in sys.path]
    request = {"task": task, "payload": payload, "out": str(out), "limits": limits, "path": path}
    kept = {key: os.environ[key] for key in _KEPT if key in os.environ}
    environment = {**kept, **_ENVIRONMENT, "HOME": str(out), "TMPDIR": str(out)}
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOT],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            cwd=out,
            start_new_session=True,
        )
        _running.add(process)
        try:
            process.communicate(json.dumps(request).encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            raise SocSciError(
                f"the isolated process did not finish within {seconds:g} s",
                where=task,
                expected="an answer within the time limit",
                fix="look for an expression or a file that never ends, or allow more time",
            ) from None
        finally:
            _kill(process)
            _running.discard(process)
        return _answer(task, process.returncode, _tail(stdout, _MAX_ANSWER), _tail(stderr, 4000), limits)


def end_children() -> None:
    """End every isolated process that runs now: its `run_child`, in another thread, then raises."""
    for process in tuple(_running):
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the child, whatever state it is in, and wait for it."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(file: IO[bytes], length: int) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - length))
    return file.read().decode("utf-8", "replace")


def _answer(task: str, code: int, stdout: str, stderr: str, limits: dict[str, Any]) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(stdout)
    except ValueError:
        raise _death(task, code, stderr, limits) from None
    if "value" in answer:
        value: dict[str, Any] = answer["value"]
        return value
    if "error" in answer:
        raise _rebuilt(answer["error"], answer["fields"], answer["message"])
    if answer["exception"] == "MemoryError":
        raise _out_of_memory(task, limits)
    if answer["errno"] == errno.EFBIG:
        raise SocSciError(
            f"the isolated process wrote a file larger than {limits['write'] / 2**30:g} GB",
            where=task,
            fix="check that the input is not damaged or crafted, or allow more",
        )
    if answer["errno"] in (errno.ENOSPC, errno.EDQUOT):
        raise DatasetError(
            f"the isolated process could not write its answer ({os.strerror(answer['errno'])})",
            where=task,
            expected="enough free space",
            fix="free some space, and run the same command again",
        )
    traceback = answer["traceback"].strip()
    raise RuntimeError(f"{task} failed in its isolated process: {traceback.splitlines()[-1]}\n{traceback}")


def _rebuilt(name: str, fields: dict[str, Any], message: str) -> SocSciError:
    """The child's error again: same class, same attributes, same message."""
    kind: type[SocSciError] = getattr(errors, name)
    error = kind.__new__(kind, message)
    error.__dict__.update(fields)
    return error


def _out_of_memory(task: str, limits: dict[str, Any]) -> SocSciError:
    return SocSciError(
        f"the isolated process needed more than its {limits['memory'] / 2**30:g} GB of memory",
        where=task,
        expected="a file or an expression that fits into memory",
        fix="check that the file is not damaged or crafted, or allow more memory",
    )


def _death(task: str, code: int, stderr: str, limits: dict[str, Any]) -> SocSciError:
    """The error for a child that ended without an answer."""
    if code == -signal.SIGXCPU:
        return SocSciError(
            f"the isolated process used up its processor time ({limits['seconds']:g} s of wall clock allowed)",
            where=task,
            fix="look for an expression or a file that never ends, or allow more time",
        )
    if "bad_alloc" in stderr or "out of memory" in stderr.lower() or "MemoryError" in stderr:
        return _out_of_memory(task, limits)
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code} and no answer"
    last = stderr.strip().splitlines()[-1:] or ["it printed nothing"]
    return SocSciError(
        f"the isolated process {how}; its last words: {last[0]}",
        where=task,
        expected="a file that its parser can read",
        fix="the file is probably damaged: fetch it again and compare its sha256",
    )


def main(request: dict[str, Any]) -> NoReturn:
    """The child's side: restrict this process, run the task, answer on standard output, end."""
    channel = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not mix with the answer
    restrict(Path(request["out"]), **request["limits"])
    with os.fdopen(channel, "w", encoding="utf-8") as stream:
        json.dump(_run(request["task"], request["payload"]), stream)
    # Thread pools of native libraries may hang or crash while they are taken down; the answer is out, and its files are closed.
    os._exit(0)


def _run(task: str, payload: dict[str, Any]) -> dict[str, Any]:
    try:
        module, _, function = task.partition(":")
        return {"value": getattr(importlib.import_module(module), function)(payload)}
    except SocSciError as error:
        kind = next(k.__name__ for k in type(error).__mro__ if getattr(errors, k.__name__, None) is k)
        return {"error": kind, "fields": error.__dict__, "message": str(error)}
    except MemoryError:
        return {"exception": "MemoryError"}
    except Exception as error:
        import traceback  # only where something went wrong: every import lengthens the start

        return {"exception": type(error).__name__, "errno": getattr(error, "errno", None), "traceback": traceback.format_exc()}


def restrict(out: Path, *, seconds: float, memory: int, write: int) -> None:
    """Give up, for the rest of this process, everything but reading files and writing below `out`. Bytes for `memory` and `write`."""
    from . import confinement

    sys.dont_write_bytecode = True
    confinement.limit(seconds=seconds, memory=memory, write=write)
    confinement.leave_network()
    confinement.landlock(out)
    confinement.audit(out)
