"""Which items of an outcome are the same in every arm: by number, by what is left of their texts, or not at all.

`item_num` numbers the items of a cell. Where a study file numbers them, an item has one number in every condition. An imported release has
texts only, and numbers them by first appearance, cell by cell: item 0 of one arm need not be item 0 of another. There, an item is known by
its own words: those of its text that do not stand in every item of its cell. So the wording of the arm and of the question drop out, and
two texts that differ by the treatment alone are one item. Where the arms of an outcome do not hold the same items by that rule (or an item
has several texts, or two items the same words), its items are pooled: an arm is then the mean over all its items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import and_
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .dataset_folder import DatasetFolder
from .metrics.socsci210.codes import Ints, distinct

POOLED: Final = -1  # the common number of items that are pooled
How = Literal["by number", "by text", "pooled"]
_Cell = tuple[int, int]  # condition, item


class Items:
    """The items of the outcomes of some studies, matched across arms.

    Args:
        folder: the dataset.
        studies: names by code.
    """

    def __init__(self, folder: DatasetFolder, studies: Sequence[str]) -> None:
        self._how: dict[tuple[int, int], How] = {}
        self._common: dict[tuple[int, int], Mapping[_Cell, int]] = {}
        numbered = folder.table("studies", ["study_id", "study_file_sha256"])
        numbered = numbered.filter(pc.is_valid(numbered.column("study_file_sha256")))
        by_number = set(numbered.column("study_id").to_pylist())
        for (study, task), cells in _several(folder, studies).items():
            if studies[study] in by_number:
                self._how[study, task] = "by number"
                continue
            common = _by_own_words(cells)
            self._how[study, task] = "pooled" if common is None else "by text"
            self._common[study, task] = {} if common is None else common

    def common(self, study: Ints, condition: Ints, task: Ints, item: Ints) -> Ints:
        """The number of each row's item that all arms share; `POOLED` where the items of its outcome are pooled. Studies are codes."""
        if not self._common or not len(study):
            return item
        out = item.copy()
        outcomes = distinct([study, task])
        keys = list(zip(study[outcomes.first].tolist(), task[outcomes.first].tolist(), strict=True))
        renumbered = np.array([key in self._common for key in keys])
        rows = np.flatnonzero(renumbered[outcomes.code])
        cells = distinct([outcomes.code[rows], condition[rows], item[rows]])
        first = rows[cells.first]
        new = [
            self._common[keys[outcome]].get((c, i), POOLED)
            for outcome, c, i in zip(outcomes.code[first].tolist(), condition[first].tolist(), item[first].tolist(), strict=True)
        ]
        out[rows] = np.array(new, np.int64)[cells.code]
        return out

    def counted(self, study: Ints, task: Ints, item: Ints) -> dict[str, int]:
        """How many of these outcomes have several items in an arm, by how their items are matched; `item` is the common number used."""
        outcomes = distinct([study, task, item == POOLED])
        found: Counter[str] = Counter()
        for row in outcomes.first.tolist():
            how = self._how.get((int(study[row]), int(task[row])))
            if how is not None:
                found["pooled, as occasions of one person" if item[row] == POOLED and how != "pooled" else how] += 1
        return dict(sorted(found.items()))


def _several(folder: DatasetFolder, studies: Sequence[str]) -> dict[tuple[int, int], dict[_Cell, str | None]]:
    """The texts of every (condition, item) of the outcomes in which some arm has several items; None where an item has several texts."""
    table = folder.table("outcomes", ["study_id", "task_num", "condition_num", "item_num", "question"])
    code = pc.fill_null(pc.index_in(table.column("study_id"), pa.array(list(studies), pa.string())), -1).to_numpy().astype(np.int64)
    task, item = (table.column(name).to_numpy().astype(np.int64) for name in ("task_num", "item_num"))
    outcomes = distinct([code, task])
    several = np.bincount(outcomes.code, weights=item > 0, minlength=outcomes.size) > 0
    rows = np.flatnonzero(several[outcomes.code] & (code >= 0)) if len(code) else np.zeros(0, np.int64)
    found: dict[tuple[int, int], dict[_Cell, str | None]] = {}
    for row, one in zip(rows.tolist(), table.take(pa.array(rows)).to_pylist(), strict=True):
        key = (int(code[row]), one["task_num"])
        found.setdefault(key, {})[one["condition_num"], one["item_num"]] = one["question"]
    return found


def _by_own_words(cells: Mapping[_Cell, str | None]) -> dict[_Cell, int] | None:
    """A common number for every (condition, item), or None if the arms do not hold the same items by their own words."""
    arms: dict[int, dict[tuple[str, ...], int]] = {}
    for condition in sorted({condition for condition, _ in cells}):
        texts = {item: text for (arm, item), text in sorted(cells.items()) if arm == condition}
        if any(text is None for text in texts.values()):
            return None
        words = {item: Counter((text or "").split()) for item, text in texts.items()}
        shared = reduce(and_, words.values())
        own = {tuple(sorted((some - shared).elements())): item for item, some in words.items()}
        if len(own) < len(texts):
            return None
        arms[condition] = own
    first = next(iter(arms.values()))
    if any(set(own) != set(first) for own in arms.values()):
        return None
    return {(condition, item): first[words] for condition, own in arms.items() for words, item in own.items()}
