"""`python leash.py COMMAND...`: run a command that ends when the program that started it does, even if that was killed.

The starter holds the other end of this program's standard input. When it closes, the command gets ten seconds to end. The file is run by
its path, and imports the standard library alone, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

GRACE = 10.0  # seconds between the polite signal and the other one


def main(command: list[str]) -> int:
    """Run the command. Returns its exit code."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_end_with_starter, args=(child.pid,), daemon=True).start()
    code = child.wait()
    _signal(child.pid, signal.SIGKILL)  # what the command itself started
    return code


def _end_with_starter(group: int) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    _signal(group, signal.SIGTERM)
    time.sleep(GRACE)
    _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it is over
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
