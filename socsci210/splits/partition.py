"""From assignments to rows: the side of every row in every config, the proof that sides are disjoint, and what they share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DatasetError
from ..schema import SPLIT_CONFIGS
from .sides import MIXED, NONE, PUBLISHED, SIDES, TEST, TEXT_CONFIGS, TRAIN, VALIDATION, Bools, Sides
from .units import IntArray, Units

Codes = npt.NDArray[np.int32]
_SPLITS = (*SIDES, MIXED)
_FIX = "pass the table that assign() made"


def partition(studies: Sequence[Units], assignments: pa.Table) -> dict[str, Sides]:
    """The side of every row.

    Args:
        studies: every study of the dataset; the rule on shared text looks at all of them together.
        assignments: what `assign` returned for them.

    Returns:
        study id -> array (4, n_rows) of indices into SIDES, one line per config in the order of schema.SPLIT_CONFIGS, entries in the
        order of the study's rows.

    Raises:
        DatasetError: a unit that has rows has no assignment, or its assignment contradicts the published sides of its rows.
    """
    sides = _assigned(studies, assignments)
    text, n_texts = _texts(studies)
    for config in TEXT_CONFIGS:
        line = SPLIT_CONFIGS.index(config)
        joined = _joined(studies, sides, line)
        in_train, in_test = _marks(text, joined == TRAIN, n_texts), _marks(text, joined == TEST, n_texts)
        held_out = _ruled(studies, joined == TEST) | (joined == VALIDATION)
        out = in_train[text] & held_out | in_test[text] & (joined == VALIDATION)
        joined[out] = NONE
        for study, (start, end) in zip(studies, _spans(studies), strict=True):
            sides[study.study_id][line] = joined[start:end]
    return sides


def _assigned(studies: Sequence[Units], assignments: pa.Table) -> dict[str, Sides]:
    """Sides as assigned, before the rule on shared text."""
    lookup = _lookup(assignments)
    return {study.study_id: np.stack([_line(study, config, lookup) for config in SPLIT_CONFIGS]) for study in studies}


def _line(study: Units, config: str, lookup: Mapping[tuple[str, str], tuple[IntArray, Sides]]) -> Sides:
    """Sides of the rows of one study in one config."""
    units, codes = lookup.get((config, study.study_id), (np.empty(0, np.int64), np.empty(0, np.uint8)))
    if config == "unseen_studies":
        if len(codes) != 1 or codes[0] > NONE:
            found = "no assignment" if len(codes) != 1 else f"it is assigned to {_SPLITS[codes[0]]}"
            raise DatasetError(found, where=f"{study.study_id}, config {config}", fix=_FIX)
        return np.full(study.n_rows, codes[0], np.uint8)
    of_row = {"unseen_conditions": study.condition, "unseen_outcomes": study.task, "unseen_participants": study.participant}[config]
    highest = int(max(units.max(initial=0), of_row.max(initial=0)))
    side_of = np.full(highest + 1, len(_SPLITS), np.uint8)
    side_of[units] = codes
    line: Sides = side_of[of_row]
    published = _published(study, config)
    wrong = line > NONE if published is None else _contradicts(line, published)
    if wrong.any():
        unit, split = int(of_row[wrong][0]), [*_SPLITS, "no assignment"][line[wrong][0]]
        found = f"unit {unit} has no assignment" if split == "no assignment" else f"unit {unit} is assigned to {split}, its rows are not"
        raise DatasetError(found, where=f"{study.study_id}, config {config}", fix=_FIX)
    if published is None:
        return line
    return np.where((line == VALIDATION) & (published == TRAIN), np.uint8(VALIDATION), published)


def _published(study: Units, config: str) -> Sides | None:
    """The published side of each row of a study of the release, where the release publishes sides."""
    if study.official is None or config not in PUBLISHED:
        return None
    return study.official.get(config, np.full(study.n_rows, NONE, np.uint8))


def _contradicts(line: Sides, published: Sides) -> Bools:
    """Rows whose unit is assigned to a side on which they do not stand; rows in neither list stand on none whatever their unit does."""
    mixed = line == len(SIDES)
    as_train, as_test = mixed | (line == TRAIN) | (line == VALIDATION), mixed | (line == TEST)
    wrong: Bools = (line > len(SIDES)) | (published == TRAIN) & ~as_train | (published == TEST) & ~as_test
    return wrong


def _lookup(assignments: pa.Table) -> dict[tuple[str, str], tuple[IntArray, Sides]]:
    """(config, study) -> units and their sides."""
    configs, studies = (assignments[name].combine_chunks().dictionary_encode() for name in ("config", "study_id"))
    side_of = pc.fill_null(pc.index_in(assignments["split"], pa.array(_SPLITS)), -1).to_numpy()
    if (side_of < 0).any():
        raise DatasetError(
            f"split {assignments['split'][int(np.argmin(side_of))]} in the assignments", expected=f"one of {', '.join(_SPLITS)}"
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

    Looks at the rows alone, so it finds any mistake of the rules, and of whoever applied them. What the release itself publishes is exempt:
    its training and test sides are taken as they are, disjoint by row. Whatever is decided here is not: no validation side shares a unit
    or a text with another side, and no test side made by rule does.

    Raises:
        DatasetError: names the config, the study and the unit or the number of shared texts.
    """
    for line, (config, codes, n) in enumerate(_units_of_configs(studies)):
        joined = _joined(studies, sides, line)
        decided = _ruled(studies, joined == TEST) if config in PUBLISHED else joined == TEST
        _refuse_shared(config, "units (by identity)", codes, n, joined, decided, studies)
    text, n_texts = _texts(studies)
    for config in TEXT_CONFIGS:
        joined = _joined(studies, sides, SPLIT_CONFIGS.index(config))
        _refuse_shared(config, "stimuli (by text)", text, n_texts, joined, _ruled(studies, joined == TEST), studies)


def _units_of_configs(studies: Sequence[Units]) -> Iterator[tuple[str, Codes, int]]:
    whole = np.repeat(np.arange(len(studies), dtype=np.int32), [study.n_rows for study in studies])
    yield "unseen_studies", whole, len(studies)
    for config, name in (("unseen_conditions", "condition"), ("unseen_outcomes", "task"), ("unseen_participants", "participant")):
        yield config, *_in_studies(studies, name)


def _refuse_shared(config: str, what: str, codes: Codes, n: int, joined: Sides, decided: Bools, studies: Sequence[Units]) -> None:
    """`decided`: the rows of the test that may share nothing with training."""
    train, validation, test = (_marks(codes, joined == side, n) for side in (TRAIN, VALIDATION, TEST))
    shared = (train & validation) | (validation & test) | (train & _marks(codes, decided, n))
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
        stands on another: side `none`); `rows_in_train`, rows that stayed though their stimulus also stands in training, which happens
        only in a published test (never thinned) and in `unseen_participants` (where sharing is the point); `texts` assigned to the side,
        `texts_in_train` of them that also stand in training, and `share` of the two, all three before rows are left out; `people` on
        the side, and `people_in_train` of them.
    """
    before = _assigned(studies, assignments)
    text, n_texts = _texts(studies)
    people, n_people = _in_studies(studies, "participant")
    found: dict[str, Any] = {}
    for line, config in enumerate(SPLIT_CONFIGS):
        was, now = _joined(studies, before, line), _joined(studies, sides, line)
        text_train, people_train = _marks(text, was == TRAIN, n_texts), _marks(people, now == TRAIN, n_people)
        found[config] = {}
        for side in (VALIDATION, TEST):
            on_side = now == side
            texts, persons = _marks(text, was == side, n_texts), _marks(people, on_side, n_people)
            n, shared = int(texts.sum()), int((texts & text_train).sum())
            found[config][SIDES[side]] = {
                "rows": int(on_side.sum()),
                "rows_left_out": int(((was == side) & (now == NONE)).sum()),
                "rows_in_train": int(text_train[text[on_side]].sum()),
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


def _ruled(studies: Sequence[Units], test: Bools) -> Bools:
    """Of the rows in a test, those that a rule put there: tests of the release are taken as published."""
    released = np.repeat([study.released for study in studies], [study.n_rows for study in studies])
    return test & ~released.astype(np.bool_)


def _texts(studies: Sequence[Units]) -> tuple[Codes, int]:
    """Dense codes of the stimuli, and how many there are: first within each study, then across the few that are distinct."""
    inside = [pd.factorize(study.text) for study in studies]
    across, distinct = pd.factorize(np.concatenate([np.empty(0, np.int64), *(texts for _, texts in inside)]))
    starts = np.cumsum([0, *(len(texts) for _, texts in inside)])
    across = across.astype(np.int32)
    codes = [across[start:][own] for start, (own, _) in zip(starts[:-1], inside, strict=True)]
    return np.concatenate([np.empty(0, np.int32), *codes]), len(distinct)


def _in_studies(studies: Sequence[Units], name: str) -> tuple[Codes, int]:
    """Dense codes of (study, unit), and how many there are: every number restarts per study."""
    joined, n = [np.empty(0, np.int32)], 0
    for study in studies:
        codes, distinct = pd.factorize(getattr(study, name))
        joined.append((codes + n).astype(np.int32))
        n += len(distinct)
    return np.concatenate(joined), n


def _marks(codes: Codes, where: Bools, n: int) -> Bools:
    """Which of n codes occur where `where` holds."""
    marks = np.zeros(n, np.bool_)
    marks[codes[where]] = True
    return marks
