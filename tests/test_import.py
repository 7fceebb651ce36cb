"""Importing the package is quick and light."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PROBE = """
import json, sys, time
import datasets
start = time.perf_counter()
import socsci210
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "modules": sorted({name.split(".")[0] for name in sys.modules})}))
"""


def probe(code: str = PROBE, **environment: str) -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **environment})
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def runs() -> list[dict[str, object]]:
    return [probe() for _ in range(3)]


def test_import_adds_at_most_three_tenths_of_a_second_to_datasets(runs: list[dict[str, object]]) -> None:
    assert min(float(str(run["seconds"])) for run in runs) <= 0.3


@pytest.mark.parametrize("heavy", ["torch", "transformers", "evaluate", "accelerate", "scipy", "duckdb", "pyreadstat"])
def test_import_leaves_the_heavy_libraries_alone(runs: list[dict[str, object]], heavy: str) -> None:
    assert heavy not in runs[0]["modules"]  # type: ignore[operator]


def test_a_child_imports_no_datasets() -> None:
    """The isolated children that parse deposits start without `datasets`."""
    code = "import json, sys, socsci210; print(json.dumps({'datasets': 'datasets' in sys.modules}))"
    assert probe(code, SOCSCI210_CHILD="1") == {"datasets": False}
