"""From assignments to rows: the side of every row in every config, the proof that sides are disjoint, and what they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ..errors import DatasetError
from ..schema import SPLIT_CONFIGS, SPLITS
from .units import Units

SIDES: Final = (*SPLITS, "none")
"""What the codes of `partition` stand for, in order."""
TEXT_CONFIGS: Final = ("unseen_studies", "unseen_conditions", "unseen_outcomes")
"""The configs that hold out text; in `unseen_participants` everyone reads the same."""
TRAIN, VALIDATION, TEST, NONE = range(4)

Sides = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


def partition(studies: Sequence[Units], assignments: pa.Table) -> dict[str, Sides]:
    """The side of every row.

    Args:
        studies: every study of the dataset; the rule on shared text looks at all of them together.
        assignments: what `assign` returned for them.

    Returns:
        study id -> array (4, n_rows) of indices into SIDES, one line per config in the order of schema.SPLIT_CONFIGS, entries in the
        order of the study's rows.

    Raises:
        DatasetError: a unit that has rows has no assignment.
    """
    sides = _assigned(studies, assignments)
    text, n_texts = _codes([study.text for study in studies])
    for config in TEXT_CONFIGS:
        line = SPLIT_CONFIGS.index(config)
        joined = _joined(studies, sides, line)
        in_train, in_test = _marks(text, joined == TRAIN, n_texts), _marks(text, joined == TEST, n_texts)
        out = in_train[text] & ((joined == TEST) | (joined == VALIDATION)) | in_test[text] & (joined == VALIDATION)
        joined[out] = NONE
        for study, (start, end) in zip(studies, _spans(studies), strict=True):
            sides[study.study_id][line] = joined[start:end]
    return sides


def _assigned(studies: Sequence[Units], assignments: pa.Table) -> dict[str, Sides]:
    """Sides as assigned, before the rule on shared text."""
    lookup = _lookup(assignments)
    return {study.study_id: np.stack([_line(study, config, lookup) for config in SPLIT_CONFIGS]) for study in studies}


def _line(study: Units, config: str, lookup: Mapping[tuple[str, str], tuple[npt.NDArray[np.int64], Sides]]) -> Sides:
    """Sides of the rows of one study in one config."""
    units, codes = lookup.get((config, study.study_id), (np.empty(0, np.int64), np.empty(0, np.uint8)))
    if config == "unseen_studies":
        if len(codes) != 1:
            raise DatasetError("no assignment", where=f"{study.study_id}, config {config}", fix="pass the table that assign() made")
        return np.full(study.n_rows, codes[0], np.uint8)
    of_row = {"unseen_conditions": study.condition, "unseen_outcomes": study.task, "unseen_participants": study.participant}[config]
    highest = int(max(units.max(initial=0), of_row.max(initial=0)))
    side_of = np.full(highest + 1, len(SIDES), np.uint8)
    side_of[units] = codes
    line: Sides = side_of[of_row]
    if (line == len(SIDES)).any():
        first = int(of_row[line == len(SIDES)][0])
        raise DatasetError(
            f"unit {first} has no assignment", where=f"{study.study_id}, config {config}", fix="pass the table that assign() made"
        )
    return line


def _lookup(assignments: pa.Table) -> dict[tuple[str, str], tuple[npt.NDArray[np.int64], Sides]]:
    """(config, study) -> units and their sides."""
    configs, studies = (assignments[name].combine_chunks().dictionary_encode() for name in ("config", "study_id"))
    side_of = pd.Index(SIDES).get_indexer(assignments["split"].to_pandas())
    if (side_of < 0).any():
        raise DatasetError(
            f"split {assignments['split'][int(np.argmin(side_of))]} in the assignments", expected=f"one of {', '.join(SIDES)}"
        )
    units = assignments["unit"].fill_null(0).to_numpy()
    n = max(len(studies.dictionary), 1)
    key = configs.indices.to_numpy().astype(np.int64) * n + studies.indices.to_numpy()
    order = np.argsort(key, kind="stable")
    present, starts = np.unique(key[order], return_index=True)
    ends = np.append(starts[1:], len(order))[: len(starts)]
    named_configs, named_studies = configs.dictionary.to_pylist(), studies.dictionary.to_pylist()
    found = {}
    for k, start, end in zip(present, starts, ends, strict=True):
        index = order[start:end]
        found[named_configs[k // n], named_studies[k % n]] = (units[index], side_of[index].astype(np.uint8))
    return found


def check_disjoint(studies: Sequence[Units], sides: Mapping[str, Sides]) -> None:
    """Prove that no unit and, where text is held out, no text stands on two of train, validation and test.

    Looks at the rows alone, so it finds any mistake of the rules, and of whoever applied them.

    Raises:
        DatasetError: names the config, the study and the unit or the number of shared texts.
    """
    text, n_texts = _codes([study.text for study in studies])
    of_row = {
        "unseen_studies": _codes([np.full(study.n_rows, i) for i, study in enumerate(studies)]),
        "unseen_conditions": _in_studies(studies, "condition"),
        "unseen_outcomes": _in_studies(studies, "task"),
        "unseen_participants": _in_studies(studies, "participant"),
    }
    for line, config in enumerate(SPLIT_CONFIGS):
        joined = _joined(studies, sides, line)
        _refuse_shared(config, "units (by identity)", *of_row[config], joined, studies)
        if config in TEXT_CONFIGS:
            _refuse_shared(config, "stimuli (by text)", text, n_texts, joined, studies)


def _refuse_shared(config: str, what: str, codes: npt.NDArray[np.int64], n: int, joined: Sides, studies: Sequence[Units]) -> None:
    marks = [_marks(codes, joined == side, n) for side in (TRAIN, VALIDATION, TEST)]
    shared = (marks[TRAIN] & marks[VALIDATION]) | (marks[TRAIN] & marks[TEST]) | (marks[VALIDATION] & marks[TEST])
    if not shared.any():
        return
    first = int(np.flatnonzero(shared[codes] & (joined != NONE))[0])
    study = next(study for study, (_, end) in zip(studies, _spans(studies), strict=True) if first < end)
    raise DatasetError(
        f"{int(shared.sum())} {what} stand on more than one of train, validation and test",
        where=f"config {config}, first in study {study.study_id}",
        expected="disjoint sides",
        fix="this is a mistake in the assignment: make the table and the partitions again, with nothing changed in between",
    )


def overlaps(studies: Sequence[Units], assignments: pa.Table, sides: Mapping[str, Sides]) -> dict[str, Any]:
    """What the held-out sides share with the training side, for the build to print and keep.

    Returns:
        config -> split (validation, test) -> counts: `rows` on the side; `rows_left_out` (assigned to the side, but their stimulus also
        stands on another: side `none`); `texts` assigned to the side, `texts_in_train` of them that also stand in training, and
        `share` of the two; `people` on the side, and `people_in_train` of them. The text counts are taken before rows are left out:
        after it nothing is shared, except in `unseen_participants`, where sharing is the point.
    """
    before = _assigned(studies, assignments)
    text, n_texts = _codes([study.text for study in studies])
    people, n_people = _in_studies(studies, "participant")
    found: dict[str, Any] = {}
    for line, config in enumerate(SPLIT_CONFIGS):
        was, now = _joined(studies, before, line), _joined(studies, sides, line)
        text_train, people_train = _marks(text, was == TRAIN, n_texts), _marks(people, now == TRAIN, n_people)
        found[config] = {}
        for side in (VALIDATION, TEST):
            texts, persons = _marks(text, was == side, n_texts), _marks(people, now == side, n_people)
            n, shared = int(texts.sum()), int((texts & text_train).sum())
            found[config][SIDES[side]] = {
                "rows": int((now == side).sum()),
                "rows_left_out": int(((was == side) & (now == NONE)).sum()),
                "texts": n,
                "texts_in_train": shared,
                "share": shared / n if n else 0.0,
                "people": int(persons.sum()),
                "people_in_train": int((persons & people_train).sum()),
            }
    return found


# --- arrays over all studies ---------------------------------------------------------------------------------------------------------


def _spans(studies: Sequence[Units]) -> list[tuple[int, int]]:
    """Where each study's rows lie in joined arrays."""
    ends = np.cumsum([study.n_rows for study in studies], dtype=np.int64)
    return [(int(end) - study.n_rows, int(end)) for study, end in zip(studies, ends, strict=True)]


def _joined(studies: Sequence[Units], sides: Mapping[str, Sides], line: int) -> Sides:
    return np.concatenate([np.empty(0, np.uint8), *(sides[study.study_id][line] for study in studies)])


def _codes(arrays: Sequence[npt.NDArray[Any]]) -> tuple[npt.NDArray[np.int64], int]:
    """Joined arrays as dense codes, and how many there are."""
    codes, distinct = pd.factorize(np.concatenate([np.empty(0, np.int64), *arrays]))
    return codes, len(distinct)


def _in_studies(studies: Sequence[Units], name: str) -> tuple[npt.NDArray[np.int64], int]:
    """Dense codes of (study, unit): every number restarts per study."""
    return _codes([getattr(study, name).astype(np.int64) | (np.int64(i) << 40) for i, study in enumerate(studies)])


def _marks(codes: npt.NDArray[np.int64], where: Bools, n: int) -> Bools:
    """Which of n codes occur where `where` holds."""
    marks = np.zeros(n, np.bool_)
    marks[codes[where]] = True
    return marks
