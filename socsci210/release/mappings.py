"""The official split files: which studies are seen, and which rows of a study are held out in its conditions and outcomes.

`participant_mapping.json`, in spite of its name, lists studies. The two others list sample ids (not condition or task numbers) per study,
`train` and `eval`.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..dataset_folder import SIDES
from ..errors import DatasetError
from .source import Source, check_pointer

IntArray = npt.NDArray[np.int64]
TRAIN: Final = SIDES.index("train")
TEST: Final = SIDES.index("test")
NONE: Final = SIDES.index("none")
_STUDIES: Final = '{"seen": [study_id, ...], "unseen": [study_id, ...]}'
_SIDES: Final = '{study_id: {"train": [sample_id, ...], "eval": [sample_id, ...]}}'
_REFETCH: Final = "download the file again, or correct it"
_SHOWN: Final = 5


@dataclass(frozen=True)
class Sides:
    """The published sides of one study in one setting.

    Args:
        train: sample ids for training, ascending.
        test: sample ids held out, ascending.
        where: file and study, for messages.
    """

    train: IntArray
    test: IntArray
    where: str


@dataclass(frozen=True)
class Mappings:
    """The three official splits, as published."""

    seen: frozenset[str]
    unseen: frozenset[str]
    condition: Mapping[str, Sides]
    task: Mapping[str, Sides]

    @property
    def studies(self) -> frozenset[str]:
        """All studies, seen and unseen."""
        return self.seen | self.unseen


def read_mappings(source: Source) -> Mappings:
    """Read the three mapping files.

    Raises:
        DatasetError: not valid JSON, of another shape, a study or sample id twice or on both sides, a sample id that is no whole number, a
            study that the list of studies does not have.
    """
    seen, unseen = _read_studies(source.mappings["participant"])
    studies = seen | unseen
    return Mappings(seen, unseen, _read_sides(source.mappings["condition"], studies), _read_sides(source.mappings["task"], studies))


def row_sides(mapping_of_study: Sides, sample_id: IntArray) -> npt.NDArray[np.uint8]:
    """The side of every row of a study: TRAIN, TEST or NONE (in neither list).

    Args:
        mapping_of_study: the published sides.
        sample_id: (n,) sample ids of the study's rows, each once, in any order.

    Raises:
        DatasetError: a list names a sample id that the rows do not have.
    """
    order = np.argsort(sample_id, kind="stable")
    ascending = sample_id[order]
    sides = np.full(len(sample_id), NONE, np.uint8)
    for side, wanted in ((TRAIN, mapping_of_study.train), (TEST, mapping_of_study.test)):
        at = np.searchsorted(ascending, wanted)
        there = np.zeros(len(wanted), bool)
        inside = at < len(ascending)
        there[inside] = ascending[at[inside]] == wanted[inside]
        if not there.all():
            raise _unknown_rows(mapping_of_study, wanted[~there], len(sample_id))
        sides[order[at]] = side
    return sides


def check_studies(mappings: Mappings, studies: Iterable[str]) -> None:
    """Compare the list of studies with the studies that have rows.

    Raises:
        DatasetError: a study has rows and is not in the list, or the other way round.
    """
    there = set(studies)
    where = "metadata/participant_mapping.json"
    for wrong, found in ((mappings.studies - there, "listed without any row"), (there - mappings.studies, "with rows, not listed")):
        if wrong:
            fix = "use the mapping files and the shards of one revision"
            raise DatasetError(f"{len(wrong)} studies {found}: {_some(sorted(wrong))}", where=where, fix=fix)


# --- reading -------------------------------------------------------------------------------------------------------------------------


def _read_studies(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    found = _read_json(path, _STUDIES)
    lists = list(found.values())
    if set(found) != {"seen", "unseen"} or not all(isinstance(ids, list) and all(isinstance(i, str) for i in ids) for ids in lists):
        raise DatasetError("of another shape", where=str(path), expected=_STUDIES, fix=_REFETCH)
    seen, unseen = frozenset(found["seen"]), frozenset(found["unseen"])
    if both := sorted(seen & unseen):
        raise DatasetError(f"both seen and unseen: {_some(both)}", where=str(path), fix=_REFETCH)
    if twice := sorted(study for study, n in Counter(itertools.chain(*lists)).items() if n > 1):
        raise DatasetError(f"listed twice: {_some(twice)}", where=str(path), fix=_REFETCH)
    return seen, unseen


def _read_sides(path: Path, studies: frozenset[str]) -> dict[str, Sides]:
    found = _read_json(path, _SIDES)
    if unknown := sorted(set(found) - studies):
        expected = "studies of participant_mapping.json"
        raise DatasetError(f"names {len(unknown)} unknown studies: {_some(unknown)}", where=str(path), expected=expected, fix=_REFETCH)
    return {study: _sides(f"{path}, study {study}", lists) for study, lists in found.items()}


def _sides(where: str, lists: Any) -> Sides:
    if not isinstance(lists, dict) or set(lists) != {"train", "eval"} or not all(isinstance(ids, list) for ids in lists.values()):
        raise DatasetError("of another shape", where=where, expected=_SIDES, fix=_REFETCH)
    train, test = (_ids(f"{where}, {name}", lists[name]) for name in ("train", "eval"))
    both = np.intersect1d(train, test, assume_unique=True)
    if len(both):
        found = f"{len(both)} sample ids on both sides: {_some(both.tolist())}"
        raise DatasetError(found, where=where, expected="every sample id on one side", fix=_REFETCH)
    return Sides(train, test, where)


def _ids(where: str, values: list[Any]) -> IntArray:
    """The ids, ascending. Looked at one by one only where something is wrong: there are millions."""
    if set(map(type, values)) - {int}:
        place = next(i for i, value in enumerate(values) if type(value) is not int)
        found = f"entry {place} is {json.dumps(values[place])[:40]}"
        raise DatasetError(found, where=where, expected="sample ids, whole numbers from 0", fix=_REFETCH)
    try:
        ids = np.sort(np.array(values, np.int64))
    except OverflowError:
        raise DatasetError(f"a sample id of {len(str(max(values, key=abs)))} digits", where=where, fix=_REFETCH) from None
    if len(ids) and ids[0] < 0:
        raise DatasetError(f"sample id {ids[0]}", where=where, expected="whole numbers from 0", fix=_REFETCH)
    twice = np.unique(ids[1:][ids[1:] == ids[:-1]])
    if len(twice):
        found = f"{len(twice)} sample ids twice: {_some(twice.tolist())}"
        raise DatasetError(found, where=where, expected="every sample id once", fix=_REFETCH)
    return ids


def _read_json(path: Path, shape: str) -> dict[str, Any]:
    """The object in a JSON file, none of whose keys stands twice."""
    check_pointer(path)
    try:
        found = json.loads(path.read_bytes(), object_pairs_hook=lambda pairs: _once(path, pairs))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"not valid JSON ({error})", where=str(path), expected=shape, fix=_REFETCH) from error
    if not isinstance(found, dict):
        raise DatasetError("of another shape", where=str(path), expected=shape, fix=_REFETCH)
    return found


def _once(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DatasetError(f"key twice: {_some(twice)}", where=str(path), expected="every key once", fix=_REFETCH)
    return found


def _unknown_rows(sides: Sides, unknown: IntArray, rows: int) -> DatasetError:
    return DatasetError(
        f"names {len(unknown):,} sample ids that have no row: {_some(unknown.tolist())}",
        where=sides.where,
        expected=f"sample ids of the study's {rows:,} rows",
        fix="use the mapping files and the shards of one revision",
    )


def _some(values: Sequence[object]) -> str:
    return ", ".join(map(str, values[:_SHOWN])) + (", ..." if len(values) > _SHOWN else "")
