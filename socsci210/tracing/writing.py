"""The file of traces: complete or absent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..reasoning import TRACES
from ..replacing import write_whole


def write_traces(out: Path, rows: pa.Table, traces: Sequence[str], prompts: Sequence[str], about: dict[str, Any], *, key: bytes) -> None:
    """Write `out` in the columns `reasoning.TRACES`; `about` goes into its metadata under `key`."""
    n = rows.num_rows
    columns = {
        "study_id": rows.column("study_id").cast(pa.string()), "sample_id": rows.column("sample_id"),
        "reasoning": pa.array(traces, pa.string()), "answer_known": pa.array([True] * n, pa.bool_()),
        "model": pa.array([about["model"]] * n, pa.string()),
        "seed": pa.array([about["seed"]] * n, pa.int64()), "prompt": pa.array(prompts, pa.string()),
        "prompt_sha256": pa.array([hashlib.sha256(f"{about['system']}\0{one}".encode()).hexdigest() for one in prompts], pa.string()),
    }  # fmt: skip
    table = pa.table(columns).select(TRACES.names).cast(TRACES)
    table = table.replace_schema_metadata({key: json.dumps(about, ensure_ascii=False, sort_keys=True)})
    write_whole(out, lambda draft: pq.write_table(table, draft, compression="zstd"))
