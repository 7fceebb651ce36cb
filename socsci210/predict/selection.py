"""Which rows are predicted: all of a split, or a few people of each cell (every persona through every arm: `crossing`)."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..dataset_folder import DatasetFolder
from ..errors import DatasetError
from ..row_texts import COLUMNS, row_scales

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Selection:
    """Rows to predict.

    Attributes:
        rows: columns of `row_texts` and of the key.
        key: the columns that name a row.
        left_out: rows that are not predicted, by reason.
        drawn: rows whose answers cannot be enumerated and are drawn instead, by reason.
        is_drawn: (rows,) which ones.
    """

    rows: pa.Table
    key: tuple[str, ...]
    left_out: dict[str, int]
    drawn: dict[str, int]
    is_drawn: Mask

    @property
    def keys(self) -> pa.Table:
        """The key of every row, study ids as plain strings."""
        keys = self.rows.select(list(self.key))
        return keys.set_column(0, "study_id", keys.column("study_id").cast(pa.string()))


def select_rows(folder: DatasetFolder, config: str, split: str, *, per_cell: int | None, seed: int, draw: bool) -> Selection:
    """Rows of a split.

    Args:
        per_cell: at most so many rows of each (study, condition, outcome, item).
        seed: decides which people those are.
        draw: whether rows whose answers cannot be enumerated are predicted by drawing; else they are left out and counted.

    Raises:
        DatasetError: unknown config or split, or no row to predict.
    """
    rows = split_rows(folder, config, split)
    left_out: Counter[str] = Counter()
    if per_cell is not None:
        chosen = lowest_hashes(rows, codes(rows, ("study_id", "condition_num", "task_num", "item_num")), per_cell, seed)
        left_out[f"beyond {per_cell} rows of a cell"] = int((~chosen).sum())
        rows = rows.filter(pa.array(chosen))
    reasons, index = not_enumerated(rows, folder)
    found = {reason: int(n) for reason, n in reason_counts(reasons, index).items()}
    drawn = np.array([reason is not None for reason in reasons], dtype=bool)[index]
    if not draw:
        left_out.update(found)
        if drawn.all():
            raise DatasetError(f"none of {len(drawn)} rows can be enumerated: {found}", where=str(folder.path))
        rows, found, drawn = rows.filter(pa.array(~drawn)), {}, drawn[~drawn]
    return Selection(rows, ("study_id", "sample_id"), {reason: n for reason, n in left_out.items() if n}, found, drawn)


def split_rows(folder: DatasetFolder, config: str, split: str) -> pa.Table:
    """All rows of a split (columns: `COLUMNS`); a split without rows is refused."""
    split = "train" if config == "all" else split
    rows = folder.rows(config, split, COLUMNS)
    if not rows.num_rows:
        raise DatasetError(f"split {split!r} of config {config!r} has no rows", where=str(folder.path), fix="choose another split")
    return rows


def not_enumerated(rows: pa.Table, folder: DatasetFolder) -> tuple[list[str | None], Ints]:
    """Why the answers of each scale cannot be enumerated (None: they can), and which scale each row has."""
    scales, index = row_scales(rows, folder)
    return [scale.not_enumerated for scale in scales], index


def reason_counts(reasons: list[str | None], index: Ints) -> Counter[str]:
    """Rows by reason."""
    counts: Counter[str] = Counter()
    for reason, n in zip(reasons, np.bincount(index, minlength=len(reasons)), strict=True):
        if reason and n:
            counts[reason] += int(n)
    return counts


def codes(rows: pa.Table, names: tuple[str, ...]) -> Ints:
    """A dense number for each distinct combination of columns."""
    columns = []
    for name in names:
        column = rows.column(name)
        if name == "study_id":
            column = column.cast(pa.string()).combine_chunks().dictionary_encode().indices
        columns.append(column.to_numpy().astype(np.int64))
    return np.asarray(np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].reshape(-1), np.int64)


def lowest_hashes(rows: pa.Table, code: Ints, limit: int | None, seed: int, *, once: bool = False) -> Mask:
    """At most `limit` rows of each code, of the people with the lowest hashes; with `once`, one row of each person.

    The hash is of the seed, the study and the person, so the choice hangs neither on the order of rows nor on who else is there.
    """
    person = rows.column("participant").to_numpy()
    order = np.lexsort((rows.column("sample_id").to_numpy(), person, person_hash(rows, seed), code))
    ranked = np.stack([code[order], person[order]])
    fresh = np.ones(len(order), bool)
    fresh[1:] = (ranked[:, 1:] != ranked[:, :-1]).any(axis=0)
    taken = order[fresh] if once else order
    first = np.searchsorted(code[taken], code[taken])
    chosen = np.zeros(len(code), bool)
    chosen[taken[np.arange(len(taken)) - first < (len(code) if limit is None else limit)]] = True
    return chosen


def person_hash(rows: pa.Table, seed: int | str) -> npt.NDArray[np.uint64]:
    """A hash of the seed, the study and the person of each row."""
    people = codes(rows, ("study_id", "participant"))
    _, first = np.unique(people, return_index=True)
    named = rows.select(["study_id", "participant"]).take(pa.array(first))
    pairs = zip(named.column("study_id").to_pylist(), named.column("participant").to_pylist(), strict=True)
    digests = [hashlib.blake2b(f"{seed}\0{study}\0{person}".encode(), digest_size=8).digest() for study, person in pairs]
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)[people]
