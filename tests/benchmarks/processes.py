"""Running one side of a comparison in a process of its own, and how much memory it and its children took."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

import psutil


def in_process(module: str, arguments: Sequence[str], env: Mapping[str, str] | None = None) -> tuple[str, float]:
    """Runs `python -m module ARGUMENTS` and returns the last line that it prints and its peak memory in GB.

    Memory is the resident set of the whole process tree, sampled 50 times a second; pages that processes share count once for each.

    Raises:
        SystemExit: the process failed.
    """
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, env=env)
    peak = [0]
    sampler = threading.Thread(target=_sample, args=(psutil.Process(process.pid), peak), daemon=True)
    sampler.start()
    output, _ = process.communicate()
    sampler.join()
    if process.returncode:
        raise SystemExit(process.returncode)
    return output.strip().splitlines()[-1], peak[0] / 1e9


def _sample(process: psutil.Process, peak: list[int]) -> None:
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        total = 0
        try:
            for each in [process, *process.children(recursive=True)]:
                try:
                    total += each.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
        except psutil.NoSuchProcess:
            return
        peak[0] = max(peak[0], total)
        time.sleep(0.02)
