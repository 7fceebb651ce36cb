"""How long a build takes, against pyarrow reading and rewriting the finished table: `python -m tests.benchmarks.build`

Both sides run in one call on the same rows and the same machine, each in a process of its own: once to warm up, then three times, of which
the median counts. The build starts from raw deposits (csv, parquet, sav) of a few simulated studies with many people, reads nothing from a
cache, and uses as many jobs as there are processors; pyarrow uses its own threads. Memory is that of the whole process tree, children
included, sampled 50 times a second; pages that processes share count once for each.

The last line is one JSON object: time_ratio (build / rewrite, 1 million rows), peak_gb (of that build), scaling (time per row at 3 million
rows / at 0.1 million).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from socsci210.build import build
from socsci210.dataset_folder import DatasetFolder
from socsci210.registry import Registry
from socsci210.simulated import World, write_deposits

from .processes import in_process

STUDIES = ("sim_ballot_mail", "sim_park_trees", "sim_phone_repair", "sim_robot_taxis", "sim_town_budget")
SIZES = {"0.1 million": 100_000, "1 million": 1_000_000, "3 million": 3_000_000}
REPEATS = 3
TARGETS = {"time_ratio": 6.0, "peak_gb": 1.5, "scaling": 1.2}


def _timed(work: Callable[[], None]) -> float:
    """Median seconds of three runs after a warm one."""
    seconds = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def _build(deposits: Path, out: Path) -> None:
    report = build(STUDIES, deposits=deposits, out=out, registry=Registry(), jobs=os.cpu_count() or 1, progress=lambda *_: None)
    assert not report.failed, report.failed


def _rewrite(dataset: Path, out: Path) -> None:
    """What pyarrow alone needs: the rows read as one table and written as one file, as the build writes them."""
    table = pq.read_table(dataset / "data")
    pq.write_table(table, out, compression="zstd", store_schema=False)


def _in_process(side: str, source: Path, out: Path) -> tuple[float, float]:
    """Median seconds and peak memory in GB of one side, run in a process of its own."""
    line, peak = in_process("tests.benchmarks.build", ["--side", side, str(source), str(out)])
    return float(line), peak


def _rows_per_person(folder: Path) -> float:
    people = 600
    write_deposits(World(seed=0, people=people), folder / "few", STUDIES)
    _build(folder / "few", folder / "few_built")
    return DatasetFolder(folder / "few_built").manifest["rows"] / people


def run(folder: Path) -> dict[str, float]:
    """All measurements; prints a table and returns the three figures."""
    per_person = _rows_per_person(folder)
    measured: dict[str, dict[str, Any]] = {}
    for size, wanted in SIZES.items():
        deposits, out = folder / "deposits", folder / "dataset"
        write_deposits(World(seed=0, people=round(wanted / per_person)), deposits, STUDIES)
        seconds, peak = _in_process("build", deposits, out)
        measured[size] = {"rows": DatasetFolder(out).manifest["rows"], "build": seconds, "peak": peak}
        if size == "1 million":
            measured[size]["rewrite"] = _in_process("rewrite", out, folder / "rewritten.parquet")[0]
        for used in (deposits, out):
            shutil.rmtree(used)
    _show(measured)
    per_row = {size: found["build"] / found["rows"] for size, found in measured.items()}
    return {
        "time_ratio": round(measured["1 million"]["build"] / measured["1 million"]["rewrite"], 2),
        "peak_gb": round(measured["1 million"]["peak"], 2),
        "scaling": round(per_row["3 million"] / per_row["0.1 million"], 2),
    }


def _show(measured: dict[str, dict[str, Any]]) -> None:
    table = Table(title=f"Build of {len(STUDIES)} simulated studies, {os.cpu_count()} processors", title_justify="left")
    for heading in ("size", "rows", "build, s", "microseconds per row", "read and rewrite, s", "peak memory, GB"):
        table.add_column(heading, justify="left" if heading == "size" else "right")
    for size, found in measured.items():
        per_row = 1e6 * found["build"] / found["rows"]
        rewrite = f"{found['rewrite']:.2f}" if "rewrite" in found else ""
        table.add_row(size, f"{found['rows']:,}", f"{found['build']:.2f}", f"{per_row:.2f}", rewrite, f"{found['peak']:.2f}")
    Console().print(table)


def main() -> None:
    """Run the benchmark, or one side of it in its own process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", nargs=3, metavar=("SIDE", "SOURCE", "OUT"), help=argparse.SUPPRESS)
    side = parser.parse_args().side
    if side:
        work = {"build": _build, "rewrite": _rewrite}[side[0]]
        print(_timed(lambda: work(Path(side[1]), Path(side[2]))))
        return
    with tempfile.TemporaryDirectory(prefix="socsci210-benchmark-") as folder:
        figures = run(Path(folder))
    for name, target in TARGETS.items():
        print(f"{name}: {figures[name]} (target: at most {target})")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
