"""What an analysis writes: every table as csv and parquet, and screening.json with all that is not a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from ..replacing import write_text, write_whole
from .analyse import Screening
from .reliability import Shrinkage

SUMMARY: Final = "screening.json"
TABLES: Final = ("effects", "distributions", "subgroups", "hypotheses")
AMCES: Final = "amces"
"""One more, of a conjoint."""


def write_tables(screening: Screening, folder: Path) -> list[Path]:
    """Write all of them into the folder, each whole or not at all, and return their paths."""
    names = (*TABLES, *([AMCES] if screening.experiment.attributes else []))
    written = [path for name in names for path in write_table(getattr(screening, name), folder / name)]
    return [*written, write_json(summary(screening), folder / SUMMARY)]


def write_table(table: pa.Table, stem: Path) -> list[Path]:
    """`stem`.csv and `stem`.parquet."""
    paths = []
    for ending, write in ((".csv", pyarrow.csv.write_csv), (".parquet", pq.write_table)):
        path = stem.with_name(stem.name + ending)
        paths.append(write_whole(path, partial(write, table)))
    return paths


def write_json(content: Mapping[str, Any], path: Path) -> Path:
    """Write a file of JSON."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    return write_text(path, text)


def summary(screening: Screening) -> dict[str, Any]:
    """Reliability, notes and hypotheses for programs."""
    found = screening.reliability
    reliability = asdict(found) | {"overall": shrunk(found.overall)}
    return {
        "title": screening.experiment.title, "about": screening.about, "people": screening.people, "reliability": reliability,
        "notes": list(screening.notes), "subgroups_left_out": screening.groups_left_out, "hypotheses": screening.hypotheses.to_pylist(),
    }  # fmt: skip


def shrunk(found: Shrinkage | None) -> dict[str, float] | None:
    """The regression in four figures: slope with its 95 % interval, and the two parts of the scatter, as shares of the span."""
    if found is None:
        return None
    slope = found.of_slope
    scatter = {"floor": float(found.weight @ found.floor), "growth": float(found.weight @ found.growth)}
    return {"slope": slope.mean, "slope_low": slope.low, "slope_high": slope.high, **scatter, "studies": found.studies}
