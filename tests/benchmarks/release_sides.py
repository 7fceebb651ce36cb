"""One side of the benchmark of the release, run in a process of its own: `python -m tests.benchmarks.release_sides SIDE SOURCE OUT`

Prints one JSON object; `release` calls it and says what each side does. This module imports nothing heavy itself, so that imports can be
timed apart from the work.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Final

LEFT_OUT: Final = ("prompt", "reasoning")


def _import(source: Path, out: Path) -> dict[str, float]:
    from socsci210.load import cache_folder
    from socsci210.release import import_release

    for folder in (out, cache_folder()):
        shutil.rmtree(folder, ignore_errors=True)
    start = time.perf_counter()
    import_release(source, out, jobs=os.cpu_count() or 1, progress=_quiet)
    return {"seconds": time.perf_counter() - start}


def _rerun(source: Path, out: Path) -> dict[str, float]:
    from socsci210.release import import_release

    start = time.perf_counter()
    report = import_release(source, out, progress=_quiet)
    assert report.unchanged
    return {"seconds": time.perf_counter() - start}


def _quiet(*_: object) -> None:
    """No progress bar."""


def _rewrite(source: Path, out: Path) -> dict[str, float]:
    """What pyarrow alone needs: the kept columns read as one table and written as one file, as the import writes them."""
    import pyarrow.parquet as pq

    shards = sorted((source / "data").glob("*.parquet"))
    kept = [name for name in pq.read_schema(shards[0]).names if name not in LEFT_OUT]

    start = time.perf_counter()
    pq.write_table(pq.read_table(shards, columns=kept), out, compression="zstd", store_schema=False)
    return {"seconds": time.perf_counter() - start}


def _load(source: Path, out: Path) -> dict[str, float]:
    start = time.perf_counter()
    import socsci210

    ready = time.perf_counter()
    rows = socsci210.load("unseen_studies", "test", dataset=out)
    return {"imports": ready - start, "seconds": time.perf_counter() - ready, "rows": len(rows)}


def _filter(source: Path, out: Path) -> dict[str, float]:
    """What a user of the upstream folder writes, in its quickest form."""
    start = time.perf_counter()
    import datasets

    ready = time.perf_counter()
    unseen = set(json.loads((source / "metadata" / "participant_mapping.json").read_text(encoding="utf-8"))["unseen"])
    released = datasets.load_dataset("parquet", data_dir=str(source / "data"), split="train")
    rows = released.filter(lambda ids: [study in unseen for study in ids], input_columns=["study_id"], batched=True)
    return {"imports": ready - start, "seconds": time.perf_counter() - ready, "rows": len(rows)}


def _first_row(source: Path, out: Path) -> dict[str, float]:
    start = time.perf_counter()
    import datasets

    ready = time.perf_counter()
    rows = datasets.load_dataset(str(out), "unseen_studies", split="test", streaming=True)
    assert next(iter(rows))["study_id"]
    return {"imports": ready - start, "seconds": time.perf_counter() - ready}


def _audit(source: Path, out: Path) -> dict[str, float]:
    from socsci210.audit import audit

    start = time.perf_counter()
    found = audit(out, jobs=os.cpu_count() or 1)
    return {"seconds": time.perf_counter() - start, "findings": len(found.findings)}


SIDES: Final = {
    "import": _import,
    "rerun": _rerun,
    "rewrite": _rewrite,
    "load": _load,
    "filter": _filter,
    "first_row": _first_row,
    "audit": _audit,
}


def main() -> None:
    """Run the side that the command line names."""
    side, source, out = sys.argv[1:]
    print(json.dumps(SIDES[side](Path(source), Path(out))), flush=True)
    os._exit(0)  # threads of a stream that was left after its first row may abort an orderly exit


if __name__ == "__main__":
    main()
