"""Rationales beside the rows that they belong to: published ones, and traces (`socsci210 trace`).

All were written with the answer known. So they are read for training rows, and nothing that is scored has one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Dataset, concatenate_datasets
from datasets.fingerprint import Hasher

from .errors import DatasetError

TRACES_KEY: Final = b"socsci210.traces"
"""In the metadata of a file of traces: what it says of itself, as JSON."""
TRACES: Final = pa.schema(
    [
        ("study_id", pa.string()),
        ("sample_id", pa.int64()),
        ("reasoning", pa.string()),
        ("answer_known", pa.bool_()),  # true in every row
        ("model", pa.string()),
        ("seed", pa.int64()),
        ("prompt", pa.string()),  # the user turn that the model was shown: persona, stimulus and the answer
        ("prompt_sha256", pa.string()),  # of the system turn, a zero byte and the user turn
    ]
)
"""Columns of a file of traces; the first three are those of `reasoning/` in a dataset folder."""
_TRACE: Final = "write it with socsci210 trace"


def read_about(path: str | Path) -> dict[str, Any]:
    """What a file of traces says of itself.

    Raises:
        DatasetError: it is not there, or is no such file.
    """
    try:
        stored = (pq.read_schema(path).metadata or {}).get(TRACES_KEY)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"not a readable parquet file ({error})", where=str(path), expected="a file of traces", fix=_TRACE) from error
    if stored is None:
        raise DatasetError("not a file of traces", where=str(path), expected="one that socsci210 trace wrote", fix=_TRACE)
    about: dict[str, Any] = json.loads(stored)
    return about


def traces_about(path: str | Path, fingerprint: str) -> dict[str, Any]:
    """The same, of a file that may be read beside a dataset.

    Raises:
        DatasetError: it is no file of traces, was written for another dataset or for rows that are not trained on, or holds none.
    """
    about = read_about(path)
    if about.get("dataset_fingerprint") != fingerprint:
        raise DatasetError(
            f"traces of the dataset with fingerprint {about.get('dataset_fingerprint')}", where=str(path), expected=f"{fingerprint}",
            fix="trace the rows of this dataset, or name the dataset that was traced",
        )  # fmt: skip
    if about.get("split") != "train" or "all" in about.get("train_on", ["all"]):
        raise DatasetError(
            "traces of rows that are not only trained on", where=str(path), expected="the train side of split configurations", fix=_TRACE
        )
    if not pq.read_metadata(path).num_rows:
        raise DatasetError(
            "it holds no trace", where=str(path), expected="traces of some rows", fix="see what it left out, and trace again"
        )
    return about


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
