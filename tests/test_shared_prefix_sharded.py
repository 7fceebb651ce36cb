"""Packs in a model whose weights are shards of two processes (FSDP2), with gradient checkpointing, in single and half precision."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path


def test_sharded_gradients_are_those_of_a_whole_model() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.sharded_worker"],
            env={**os.environ, **settings, "RANK": str(rank)},
            cwd=Path(__file__).parent.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], said[0][1][-2000:] + said[1][1][-2000:]
    found = json.loads(said[0][0].splitlines()[-1])
    assert found["processes"] == 2
    for name, (single, half) in found["off"].items():
        assert single < 1e-6, name
        assert 0 < half < 0.05, (name, half)
