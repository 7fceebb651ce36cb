"""From made studies to the upstream folder: shards of equal size, in one pass, never more than one study and one batch in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from socsci210.schema import DEMOGRAPHIC

from . import prose
from .study import Study, rng_of

SHARDS: Final = 17
BATCH: Final = 20_000  # rows that are rendered at once
GROUP: Final = 1_000  # rows of a row group, as `datasets` writes them
PHRASES: Final = (8, 17)  # phrases in a rationale: from, below
UPSTREAM: Final = pa.schema(
    [
        ("sample_id", pa.int64()),
        ("participant", pa.int64()),
        ("demographic", DEMOGRAPHIC),
        ("stimuli", pa.string()),
        ("response", pa.int64()),
        ("condition_num", pa.int64()),
        ("task_num", pa.int64()),
        ("prompt", pa.string()),
        ("reasoning", pa.string()),
        ("study_id", pa.string()),
    ]
)


class ShardWriter:
    """Cuts what it is given into `SHARDS` files of equal row counts (the last ones one row shorter where the total does not divide)."""

    def __init__(self, folder: Path, rows: int) -> None:
        folder.mkdir(parents=True)
        self._ends = [rows // SHARDS + (n < rows % SHARDS) for n in range(SHARDS)]
        self._paths = [folder / f"train-{n:05d}-of-{SHARDS:05d}.parquet" for n in range(SHARDS)]
        self._shard, self._left = -1, 0
        self._writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Appends rows."""
        while table.num_rows:
            if not self._left:
                self._next()
            part = table.slice(0, self._left)
            assert self._writer is not None
            self._writer.write_table(part, row_group_size=GROUP)
            self._left -= part.num_rows
            table = table.slice(part.num_rows)

    def _next(self) -> None:
        self.close()
        self._shard += 1
        self._left = self._ends[self._shard]
        self._writer = pq.ParquetWriter(self._paths[self._shard], UPSTREAM, compression="snappy")

    def close(self) -> None:
        """Ends the shard that is open."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def batches(study: Study, seed: int) -> Iterator[pa.Table]:
    """The rows of a study as the release has them, `BATCH` at a time."""
    texts, heads = pa.array(study.texts.text, pa.string()), study.people.heads()
    rng = rng_of(seed, study.plan.study_id, "reasoning")
    for start in range(0, study.plan.rows, BATCH):
        rows = slice(start, min(start + BATCH, study.plan.rows))
        persona, stimuli = pa.array(study.persona[rows]), texts.take(pa.array(study.text[rows]))
        number = len(persona)
        yield pa.Table.from_arrays(
            [
                pa.array(np.arange(rows.start, rows.stop)),
                pa.array(study.participant[rows]),
                study.people.demographic.take(persona),
                stimuli,
                pa.array(study.response[rows]),
                pa.array(study.condition[rows]),
                pa.array(study.task[rows]),
                pc.binary_join_element_wise(heads.take(persona), stimuli, ""),
                rationales(rng, number),
                pa.repeat(study.plan.study_id, number),
            ],
            schema=UPSTREAM,
        )


def rationales(rng: np.random.Generator, n: int) -> pa.StringArray:
    """Texts as long as the rationales of the release."""
    pool = prose.phrases()
    lengths = rng.integers(*PHRASES, n)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    chosen = pool.take(pa.array(rng.integers(0, len(pool), int(offsets[-1]))))
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), chosen), " ")
