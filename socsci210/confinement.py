"""What an isolated child gives up: limits, network, kernel rules for files, and an audit hook. Used by `child` alone.

Every function works on the calling process and cannot be undone. The kernel's own rules are best effort: where they are missing
(another system, an old kernel, a container that forbids them) the audit hook and the limits remain.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_CLONE_NEWNET: Final = 0x40000000
_CLONE_NEWUSER: Final = 0x10000000
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same numbers on every architecture
_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_CHANGE_TREE: Final = sum(1 << bit for bit in range(4, 13))  # remove and make entries of every kind
_REFER: Final = 1 << 13  # since version 2 of Landlock
_TRUNCATE: Final = 1 << 14  # since version 3
_TCP: Final = 0b11  # bind and connect, since version 4
_SCOPE: Final = 0b11  # abstract sockets and signals of processes outside, since version 6

_REFUSED_PREFIXES: Final = ("socket.", "subprocess.", "pty.", "os.exec", "os.spawn", "os.posix_spawn", "os.fork", "os.system")
# audit event -> positions of the paths in its arguments, each with the position of its directory descriptor (None: has none)
_CHANGES: Final[dict[str, tuple[tuple[int, int | None], ...]]] = {
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.link": ((0, 2), (1, 3)),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.removexattr": ((0, None),),
    "os.rename": ((0, 2), (1, 3)),
    "os.rmdir": ((0, 1),),
    "os.setxattr": ((0, None),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.utime": ((0, 3),),
}
_WRITE_FLAGS: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def limit(*, seconds: float, memory: int, write: int) -> None:
    """Limits of the system: address space and size of a written file in bytes, processor time on all cores, no core dump."""
    cores = os.cpu_count() or 1
    cpu = max(1, int(seconds * cores) + 1)
    limits = {resource.RLIMIT_AS: memory, resource.RLIMIT_FSIZE: write, resource.RLIMIT_CPU: cpu, resource.RLIMIT_CORE: 0}
    if sys.platform == "darwin":
        del limits[resource.RLIMIT_AS]  # macOS refuses to set it
    for kind, wanted in limits.items():
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        # the hard limit on processor time lies a second later, so that SIGXCPU, not SIGKILL, tells the parent what happened
        slack = 1 if kind == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else 0
        resource.setrlimit(kind, (value, value + slack))


def leave_network() -> bool:
    """Move to a network namespace with nothing in it, and end when the parent ends. False where the system does not allow it."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)
    # A user namespace would also take away root's right to read files of others, so it comes second.
    return bool(libc.unshare(_CLONE_NEWNET) == 0 or libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0)


def landlock(out: Path) -> bool:
    """Let the kernel refuse executing anything, writing outside `out`, TCP, and signals to others. False where it has no Landlock."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return False
    writing = _WRITE_FILE | _CHANGE_TREE | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    handled = (ctypes.c_uint64 * 3)(writing | _EXECUTE, _TCP, _SCOPE)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(_LANDLOCK_CREATE, ctypes.byref(handled), ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        return False
    try:
        _allow(libc, ruleset, out, writing)
        _allow(libc, ruleset, Path(os.devnull), writing & (_WRITE_FILE | _TRUNCATE))
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return bool(libc.syscall(_LANDLOCK_RESTRICT, ruleset, ctypes.c_uint32(0)) == 0)
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, access: int) -> None:
    folder = os.open(path, os.O_PATH)
    try:
        rule = access.to_bytes(8, sys.byteorder) + folder.to_bytes(4, sys.byteorder)
        if libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, ctypes.c_uint32(0)) != 0:
            raise OSError(ctypes.get_errno(), f"cannot allow writing below {path}")
    finally:
        os.close(folder)


def audit(out: Path) -> None:
    """Refuse, in Python code, sockets, new processes, and changes to files outside `out`."""
    root = os.path.realpath(out)
    sys.addaudithook(_hook(root))


def _hook(root: str) -> Callable[[str, tuple[Any, ...]], None]:
    def inside(path: Any, folder: Any = None) -> bool:
        if isinstance(path, int):
            return True  # an open descriptor: its opening was checked
        name = os.fsdecode(path)
        if isinstance(folder, int) and folder >= 0 and not name.startswith("/"):
            name = f"/proc/self/fd/{folder}/{name}"
        real = os.path.realpath(name)
        return real == root or real.startswith(root + os.sep) or real == os.devnull

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool((flags or 0) & _WRITE_FLAGS)
            if writes and not inside(path):
                raise PermissionError(f"the isolated process may write only below {root}, not to {path}")
        elif event in _CHANGES:
            for place, folder in _CHANGES[event]:
                if not inside(arguments[place], None if folder is None else arguments[folder]):
                    raise PermissionError(f"the isolated process may change files only below {root}, not {arguments[place]}")
        elif event.startswith(_REFUSED_PREFIXES):
            raise PermissionError(f"the isolated process may not use the network or start processes ({event})")

    return hook
