"""A made release, with every known defect planted: `python -m tests.benchmarks.make_release OUT [--rows N] [--seed S]`

Writes OUT/data (17 shards of equal row counts, so that studies straddle them), OUT/metadata (the three official split files), OUT/truth
(rows.parquet: for every row what was planted, the answer of the clean view, the scale its stimulus states, and decoys; truth.json: cells
and studies by rule, counts of rows by rule and of decoys by kind) and OUT/expected.json (what a parity check must find).

At full size (2,901,390 rows) the counts are those of the release: 210 studies, 400,491 people, 1,194 conditions, 1,197 outcomes, 5,998
cells, 482,642 unseen rows in 803 cells, 801 of them scorable. With fewer rows the same studies have fewer people and, where these no longer
fill the cells, fewer conditions and outcomes. The same rows and seed give the same bytes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from .made_release import facts
from .made_release.mappings import Mappings
from .made_release.plan import plans
from .made_release.study import make
from .made_release.truth import Truth
from .made_release.write import ShardWriter, batches


def make_release(out: Path, rows: int = facts.TOTAL_ROWS, seed: int = 0) -> Path:
    """Writes a made release into the folder `out`, which must not exist or be empty, and returns it.

    Raises:
        ValueError: `rows` is less than all studies can share, or more than the release has.
        FileExistsError: `out` holds something.
    """
    planned = plans(rows)
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty; name a new folder")
    shards, mappings, truth = ShardWriter(out / "data", rows), Mappings(planned), Truth(out / "truth")
    for plan in planned:
        made = make(plan, seed)
        for batch in batches(made, seed):
            shards.write(batch)
        mappings.add(made)
        truth.add(made)
    shards.close()
    mappings.write(out / "metadata")
    truth.close(planned)
    return out


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=facts.TOTAL_ROWS)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    start = time.perf_counter()
    out = make_release(given.out, given.rows, given.seed)
    size = sum(path.stat().st_size for path in (out / "data").iterdir())
    print(f"{out}: {given.rows:,} rows, {size / 1e9:.3f} GB of shards, {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
