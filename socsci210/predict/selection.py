"""Which rows are predicted: all of a split, a few people of each cell, or every persona through every arm."""

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
from .shards import ARM_KEY

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_ITEM = ("study_id", "task_num", "item_num")
_ARM_COLUMNS = ("demographic", "stimuli", "scale_min", "scale_max")


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
    rows = _split_rows(folder, config, split)
    left_out: Counter[str] = Counter()
    if per_cell is not None:
        chosen = _per_cell(rows, ("study_id", "condition_num", "task_num", "item_num"), per_cell, seed)
        left_out[f"beyond {per_cell} rows of a cell"] = int((~chosen).sum())
        rows = rows.filter(pa.array(chosen))
    reasons, index = _not_enumerated(rows, folder)
    found = {reason: int(n) for reason, n in _counts(reasons, index).items()}
    drawn = np.array([reason is not None for reason in reasons], dtype=bool)[index]
    if not draw:
        left_out.update(found)
        if drawn.all():
            raise DatasetError(f"none of {len(drawn)} rows can be enumerated: {found}", where=str(folder.path))
        rows, found, drawn = rows.filter(pa.array(~drawn)), {}, drawn[~drawn]
    return Selection(rows, ("study_id", "sample_id"), {reason: n for reason, n in left_out.items() if n}, found, drawn)


def select_arms(folder: DatasetFolder, config: str, split: str, *, per_cell: int | None, seed: int) -> Selection:
    """Every persona of a study through every condition of each item that has rows in a split.

    The personas are all people of the study who answered the item in any condition (with `per_cell`, at most so many of them, the same in
    every arm). Conditions outside the split are arms too, since an effect is a difference between arms. Cells whose people read different
    texts, items with fewer than two arms, and scales that are not enumerated are left out, counted in rows.

    Raises:
        DatasetError: unknown config or split, or nothing to predict.
    """
    wanted = _items(_split_rows(folder, config, split))
    rows = folder.rows("all", columns=COLUMNS, studies=wanted.column("study_id").to_pylist())
    rows = rows.set_column(rows.column_names.index("study_id"), "study_id", rows.column("study_id").cast(pa.string()))
    rows = rows.filter(pa.array(_member(rows, wanted)))
    left_out: Counter[str] = Counter()
    item = _codes(rows, _ITEM)
    cell = _codes(rows, (*_ITEM, "condition_num"))
    keep = np.ones(rows.num_rows, bool)
    several = np.bincount(np.unique(np.stack([cell, _text(rows)]), axis=1)[0])[cell] > 1
    left_out["people of the cell read different texts"] = int(several.sum())
    keep &= ~several
    reasons, index = _not_enumerated(rows, folder)
    open_ended = np.array([reason is not None for reason in reasons], dtype=bool)[index]
    for reason, n in _counts(reasons, index[keep]).items():
        left_out[reason] += n
    keep &= ~open_ended
    arms = np.bincount(np.unique(np.stack([item[keep], cell[keep]]), axis=1)[0], minlength=int(item.max()) + 1)[item]
    left_out["one arm only"] = int((keep & (arms < 2)).sum())
    keep &= arms >= 2
    if not keep.any():
        raise DatasetError(f"no item has two arms to compare: {dict(left_out)}", where=str(folder.path), fix="choose another split")
    rows, item, cell = rows.filter(pa.array(keep)), item[keep], cell[keep]
    people = _per_cell(rows, _ITEM, per_cell, seed, once=True)
    if per_cell is not None:
        distinct = len(np.unique(np.stack([item, rows.column("participant").to_numpy()]), axis=1)[0])
        left_out[f"people beyond {per_cell} of an item"] = distinct - int(people.sum())
    return Selection(_crossed(rows, item, cell, people), ARM_KEY, {k: n for k, n in left_out.items() if n}, {}, np.zeros(0, bool))


def _split_rows(folder: DatasetFolder, config: str, split: str) -> pa.Table:
    split = "train" if config == "all" else split
    rows = folder.rows(config, split, COLUMNS)
    if not rows.num_rows:
        raise DatasetError(f"split {split!r} of config {config!r} has no rows", where=str(folder.path), fix="choose another split")
    return rows


def _not_enumerated(rows: pa.Table, folder: DatasetFolder) -> tuple[list[str | None], Ints]:
    scales, index = row_scales(rows, folder)
    return [scale.not_enumerated for scale in scales], index


def _counts(reasons: list[str | None], index: Ints) -> Counter[str]:
    counts: Counter[str] = Counter()
    for reason, n in zip(reasons, np.bincount(index, minlength=len(reasons)), strict=True):
        if reason and n:
            counts[reason] += int(n)
    return counts


def _codes(rows: pa.Table, names: tuple[str, ...]) -> Ints:
    """A dense number for each distinct combination of columns."""
    columns = []
    for name in names:
        column = rows.column(name)
        if name == "study_id":
            column = column.cast(pa.string()).combine_chunks().dictionary_encode().indices
        columns.append(column.to_numpy().astype(np.int64))
    return np.asarray(np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].reshape(-1), np.int64)


def _text(rows: pa.Table) -> Ints:
    text = rows.column("stimuli").cast(pa.string()).combine_chunks().dictionary_encode()
    return np.asarray(text.indices.to_numpy(), np.int64)


def _items(rows: pa.Table) -> pa.Table:
    rows = rows.select(list(_ITEM))
    return rows.set_column(0, "study_id", rows.column("study_id").cast(pa.string())).group_by(list(_ITEM)).aggregate([])


def _member(rows: pa.Table, items: pa.Table) -> Mask:
    both = pa.concat_tables([items.select(list(_ITEM)), rows.select(list(_ITEM))])
    code = _codes(both, _ITEM)
    return np.asarray(np.isin(code[items.num_rows :], code[: items.num_rows]))


def _per_cell(rows: pa.Table, cell: tuple[str, ...], limit: int | None, seed: int, *, once: bool = False) -> Mask:
    """At most `limit` rows of each cell, of the people with the lowest hashes; with `once`, one row of each person.

    The hash is of the seed, the study and the person, so the choice hangs neither on the order of rows nor on who else is there.
    """
    code, person = _codes(rows, cell), rows.column("participant").to_numpy()
    order = np.lexsort((rows.column("sample_id").to_numpy(), person, _person_hash(rows, seed), code))
    ranked = np.stack([code[order], person[order]])
    fresh = np.ones(len(order), bool)
    fresh[1:] = (ranked[:, 1:] != ranked[:, :-1]).any(axis=0)
    taken = order[fresh] if once else order
    first = np.searchsorted(code[taken], code[taken])
    chosen = np.zeros(len(code), bool)
    chosen[taken[np.arange(len(taken)) - first < (len(code) if limit is None else limit)]] = True
    return chosen


def _person_hash(rows: pa.Table, seed: int) -> npt.NDArray[np.uint64]:
    people = _codes(rows, ("study_id", "participant"))
    _, first = np.unique(people, return_index=True)
    named = rows.select(["study_id", "participant"]).take(pa.array(first))
    pairs = zip(named.column("study_id").to_pylist(), named.column("participant").to_pylist(), strict=True)
    digests = [hashlib.blake2b(f"{seed}\0{study}\0{person}".encode(), digest_size=8).digest() for study, person in pairs]
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)[people]


def _crossed(rows: pa.Table, item: Ints, cell: Ints, people: Mask) -> pa.Table:
    """One row for each chosen person and each arm of the item: the persona of the one, the text and scale of the other."""
    _, cell_row = np.unique(cell, return_index=True)
    arms_of = [cell_row[item[cell_row] == number] for number in range(int(item.max()) + 1)]
    person = np.flatnonzero(people)
    arms = [arms_of[item[row]] for row in person]
    who = pa.array(np.repeat(person, [len(some) for some in arms]))
    arm = pa.array(np.concatenate(arms))
    of_person = ("participant", "demographic")
    columns = {name: rows.column(name).take(who if name in of_person else arm) for name in (*ARM_KEY, *_ARM_COLUMNS)}
    return pa.table(columns).sort_by([(name, "ascending") for name in ARM_KEY])
