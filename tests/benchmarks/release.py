"""How fast and small the import of the release is, on a made release of its size: `python -m tests.benchmarks.release`

Everything is measured in one call on one machine, each side in a process of its own:

- import: `import_release` with as many jobs as there are processors, against pyarrow reading the kept columns of all shards (all but
  `prompt` and `reasoning`) and writing them as one zstd file. An import is run once and not again and again in one process, so every run
  of either side is a new process, which has to ask for its memory; imports of modules are not counted. Each once so that the files are in
  memory, then `--repeats` times, of which the median counts; before each import its dataset and its cache are removed. Memory is that of
  the whole process tree.
- scaling: the same import of a release of a tenth of the size (0.3 million rows), seconds per row.
- rerun: the import again, in a new process, with nothing changed.
- load: `socsci210.load("unseen_studies", "test")` until its rows are ready, against `load_dataset` of the upstream folder and `.filter`
  on the official list of unseen studies; each run in a new process with an empty Hugging Face cache, `--repeats` times, the median counts.
  Imports are not counted; they are the same on both sides and shown beside.
- first row: `load_dataset(DATASET, "unseen_studies", split="test", streaming=True)` until its first row, in the same way.
- audit: `socsci210.audit.audit` of all rows, once.

A full run makes 3.2 million rows, reads them many times, and needs about 15 GB of disk; `--rows` tries it with fewer, `--keep FOLDER` keeps
the made releases for the next time, `--repeats 1` saves time. The last line is one JSON object: time_ratio (import / rewrite), peak_gb,
size_ratio (dataset / shards and split files), scaling (time per row at full size / at a tenth), load_ratio, first_row_s, audit_s.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from .made_release import facts
from .make_release import make_release
from .processes import in_process

TARGETS: Final = {
    "time_ratio": 4.0,
    "peak_gb": 2.0,
    "size_ratio": 0.125,
    "scaling": 1.2,
    "load_ratio": 0.1,
    "first_row_s": 2.0,
    "audit_s": 120.0,
}
FEWEST: Final = 30_000


class Bench:
    """Runs sides in `folder`, with caches of their own."""

    def __init__(self, folder: Path, repeats: int) -> None:
        self.folder, self.repeats = folder, repeats

    def side(self, name: str, source: Path, out: Path, *, cold: bool = False) -> dict[str, Any]:
        """What one side printed, and its peak memory. `cold`: with an empty Hugging Face cache, removed afterwards."""
        hub = Path(tempfile.mkdtemp(dir=self.folder, prefix="hub-")) if cold else self.folder / "hub"
        env = {**os.environ, "HF_HOME": str(hub), "HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(self.folder / "cache")}
        env["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
        line, peak = in_process("tests.benchmarks.release_sides", [name, str(source), str(out)], env)
        if cold:
            shutil.rmtree(hub)
        return {**json.loads(line), "peak_gb": peak}

    def fresh(self, name: str, source: Path, out: Path) -> dict[str, Any]:
        """The run of median time among `repeats`, each in a new process, after one that brings the files into memory."""
        runs = [self.side(name, source, out) for _ in range(1 + self.repeats)][1:]
        return sorted(runs, key=lambda run: float(run["seconds"]))[len(runs) // 2]

    def cold(self, name: str, source: Path, out: Path) -> dict[str, Any]:
        """The run of median time among `repeats`, each in a new process with an empty cache."""
        runs = [self.side(name, source, out, cold=True) for _ in range(self.repeats)]
        return sorted(runs, key=lambda run: float(run["seconds"]))[len(runs) // 2]


def _bytes(*folders: Path) -> int:
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def _made(folder: Path, rows: int) -> Path:
    """A made release of so many rows in the folder, made unless it is there."""
    made = folder / f"made_{rows}"
    if not made.exists():
        part = folder / f"made_{rows}.part"
        shutil.rmtree(part, ignore_errors=True)
        make_release(part, rows).rename(made)
    return made


def run(folder: Path, keep: Path, rows: int, repeats: int) -> dict[str, float]:
    """All measurements; prints a table and returns the figures."""
    bench, few = Bench(folder, repeats), max(FEWEST, rows // 10 if rows < facts.TOTAL_ROWS else 300_000)
    small, source, out = _made(keep, few), _made(keep, rows), folder / "dataset"
    seen = {f"import, {few:,} rows": bench.fresh("import", small, out)}
    shutil.rmtree(out)
    seen["import"] = bench.fresh("import", source, out)
    seen["import again, unchanged"] = bench.side("rerun", source, out)
    seen["pyarrow: read and rewrite"] = bench.fresh("rewrite", source, folder / "rewritten.parquet")
    (folder / "rewritten.parquet").unlink()
    seen["load unseen_studies, test"] = bench.cold("load", source, out)
    seen["load_dataset(upstream) + filter"] = bench.cold("filter", source, out)
    seen["first row, streaming"] = bench.cold("first_row", source, out)
    seen["audit"] = bench.side("audit", source, out)
    loaded, filtered = seen["load unseen_studies, test"], seen["load_dataset(upstream) + filter"]
    assert loaded["rows"] == filtered["rows"], "both sides load the same rows"
    read, written = _bytes(source / "data", source / "metadata"), _bytes(out)
    _show(seen, rows, read, written)
    imported = seen["import"]
    return {
        "time_ratio": round(imported["seconds"] / seen["pyarrow: read and rewrite"]["seconds"], 2),
        "peak_gb": round(imported["peak_gb"], 2),
        "size_ratio": round(written / read, 4),
        "scaling": round(imported["seconds"] / rows / (seen[f"import, {few:,} rows"]["seconds"] / few), 2),
        "load_ratio": round(loaded["seconds"] / filtered["seconds"], 4),
        "first_row_s": round(seen["first row, streaming"]["seconds"], 2),
        "audit_s": round(seen["audit"]["seconds"], 1),
    }


def _show(seen: dict[str, dict[str, Any]], rows: int, read: int, written: int) -> None:
    title = f"A release of {rows:,} rows, {read / 1e9:.3f} GB; its dataset {written / 1e9:.3f} GB; {os.cpu_count()} processors"
    table = Table(title=title, title_justify="left")
    for heading in ("what", "seconds", "imports, s", "peak memory, GB", "rows or findings"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for what, found in seen.items():
        imports = f"{found['imports']:.2f}" if "imports" in found else ""
        counted = found.get("rows", found.get("findings"))
        table.add_row(what, f"{found['seconds']:.2f}", imports, f"{found['peak_gb']:.2f}", "" if counted is None else f"{counted:,}")
    Console(width=120).print(table)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=facts.TOTAL_ROWS, help="rows of the release (default: all 2,901,390)")
    parser.add_argument("--repeats", type=int, default=3, help="runs after the warm one (default: 3)")
    parser.add_argument("--keep", type=Path, help="folder in which the made releases stay (default: a temporary one)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="socsci210-benchmark-") as folder:
        keep = given.keep or Path(folder)
        keep.mkdir(parents=True, exist_ok=True)
        figures = run(Path(folder), keep, given.rows, given.repeats)
    for name, target in TARGETS.items():
        print(f"{name}: {figures[name]} (target: at most {target})")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
