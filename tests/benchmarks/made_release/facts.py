"""Sizes of the released studies: rows of all 210, and conditions, outcomes and people where somebody counted them."""

from __future__ import annotations

import hashlib
from typing import Final

from socsci210 import catalogue

_FIRST: Final = ("9nphm", "wmsah", "hz5rt", "yjvpn", "84vy3", "8jv6a", "yp736", "py9q3", "5vyzq", "kryns")


def _place(entry: catalogue.CatalogueEntry) -> tuple[int, str]:
    """Ten studies stand first, as in the release; the order of the others is not known: any fixed one."""
    study = entry.study_id
    return (_FIRST.index(study) if study in _FIRST else len(_FIRST), hashlib.sha256(study.encode()).hexdigest())


_ENTRIES: Final = sorted(catalogue.studies(), key=_place)
ROWS: Final = {entry.study_id: entry.rows for entry in _ENTRIES}
UNSEEN: Final = frozenset(entry.study_id for entry in _ENTRIES if entry.split == "unseen")
CONDITIONS: Final = {entry.study_id: entry.n_conditions for entry in _ENTRIES if entry.n_conditions is not None}
CONDITIONS.update({"qprms": 96, "4nyuc": 4, "v6kqy": 4})  # some study has 96; the other two have gaps in their numbers
CONDITIONS.update({"8ctbk": 6, "4fsg5": 8, "ndhyr": 16, "hjn6m": 3, "53kjy": 2, "cdgp2": 2, "kwfs3": 3})
CONDITIONS.update(dict.fromkeys(("z6gts", "8khwt", "48p7y", "9fsem", "s2rd5"), 1))  # five studies have one
TASKS: Final = {entry.study_id: entry.n_outcomes_at_least for entry in _ENTRIES if entry.n_outcomes_at_least is not None}
TASKS.update({"8ctbk": 4, "kwfs3": 2, "j38gd": 2, "hjn6m": 2, "qprms": 2, "savkp": 4, "ams2u": 4})
PEOPLE: Final = {entry.study_id: entry.n_participants for entry in _ENTRIES if entry.n_participants is not None}

TOTAL_ROWS: Final = 2_901_390
TOTAL_PEOPLE: Final = 400_491
TOTAL_CONDITIONS: Final = 1_194
TOTAL_TASKS: Final = 1_197
TOTAL_CELLS: Final = 5_998
UNSEEN_ROWS: Final = 482_642
UNSEEN_CELLS: Final = 803
REUSED: Final = {"seen": 77, "unseen": 19}  # studies that use one task number for several stimuli within a person
WITHIN: Final = 35  # studies whose people met several conditions
