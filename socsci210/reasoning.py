"""Published rationales beside the rows that they belong to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, concatenate_datasets
from datasets.fingerprint import Hasher


def with_reasoning(part: Any, side: Any) -> Any:
    """A column `reasoning` for a prepared dataset.

    Args:
        part: rows, with study_id and sample_id.
        side: study_id, sample_id and reasoning of some of these rows, and of any others, in any order.

    Returns:
        `part` with the column; null in rows that `side` does not have.
    """
    column = _taken(side.data.table["reasoning"], _places(part.data.table, side.data.table))
    # A fingerprint from the names of the prepared files; `datasets` would hash every text.
    made_of = [file["filename"] for file in (*part.cache_files, *side.cache_files)]
    texts = Dataset(pa.table({"reasoning": column}), fingerprint=Hasher.hash(made_of))
    return concatenate_datasets([part, texts], axis=1)


def _places(rows: pa.Table, side: pa.Table) -> npt.NDArray[np.int64]:
    """Where each row stands in `side`, -1 where it does not."""
    names = pc.unique(side["study_id"])
    own, others = (_keys(table, names) for table in (rows, side))
    order = np.argsort(others, kind="stable")
    place = np.minimum(np.searchsorted(others, own, sorter=order), len(order) - 1)
    found = others[order[place]] == own
    return np.where(found, order[place], -1)


def _keys(table: pa.Table, names: pa.Array) -> npt.NDArray[np.int64]:
    study = pc.fill_null(pc.index_in(table["study_id"], names), -1).to_numpy().astype(np.int64)
    keys: npt.NDArray[np.int64] = study << 40 | table["sample_id"].to_numpy()
    return keys


def _taken(texts: pa.ChunkedArray, places: npt.NDArray[np.int64]) -> pa.ChunkedArray:
    """`texts` at the places, null at -1. Rows and rationales are written in one order, so this is a few slices of a mapped file."""
    without = places < 0
    breaks = np.flatnonzero((without[1:] != without[:-1]) | ~without[1:] & (np.diff(places) != 1)) + 1
    starts, ends = np.append(0, breaks), np.append(breaks, len(places))
    chunks: list[pa.Array] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if end > start:
            chunks += [pa.nulls(end - start, texts.type)] if places[start] < 0 else texts.slice(places[start], end - start).chunks
    return pa.chunked_array(chunks, texts.type)
