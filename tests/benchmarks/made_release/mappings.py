"""The official split files: studies by side, and sample ids by side. As upstream, the latter two take no notice of seen and unseen."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from .plan import Plan
from .study import Study

CONDITION_STUDIES: Final = 129
TASK_STUDIES: Final = 73
FIRST: Final = {"condition": "a693y", "task": "3ydty"}


class Mappings:
    """Collects the sample ids of the two files, study by study."""

    def __init__(self, plans: tuple[Plan, ...]) -> None:
        self._plans = plans
        self._studies = {
            "condition": _drawn("condition", [p.study_id for p in plans if len(p.condition_nums) > 1], CONDITION_STUDIES),
            "task": _drawn("task", [p.study_id for p in plans if p.tasks > 1], TASK_STUDIES),
        }
        self._sides: dict[str, dict[str, dict[str, list[int]]]] = {"condition": {}, "task": {}}

    def add(self, made: Study) -> None:
        """The sides of the rows of one study: a quarter of its conditions, or of its outcomes, and at least one, is held out."""
        for kind, units in (("condition", made.condition), ("task", made.task)):
            if made.plan.study_id in self._studies[kind]:
                self._sides[kind][made.plan.study_id] = _sides(kind, made.plan.study_id, units)

    def write(self, folder: Path) -> None:
        """The three files."""
        folder.mkdir()
        ids = {side: sorted(p.study_id for p in self._plans if p.unseen == (side == "unseen")) for side in ("seen", "unseen")}
        (folder / "participant_mapping.json").write_text(json.dumps(ids), encoding="utf-8")
        for kind, studies in self._studies.items():
            content = {study: self._sides[kind][study] for study in studies}
            (folder / f"{kind}_mapping.json").write_text(json.dumps(content), encoding="utf-8")


def _drawn(kind: str, studies: list[str], number: int) -> list[str]:
    return sorted(studies, key=lambda s: (s != FIRST[kind], hashlib.sha256(f"{kind} {s}".encode()).hexdigest()))[:number]


def _sides(kind: str, study: str, units: npt.NDArray[np.int64]) -> dict[str, list[int]]:
    ranked = sorted(np.unique(units).tolist(), key=lambda unit: hashlib.sha256(f"{kind} {study} {unit}".encode()).hexdigest())
    held = np.isin(units, ranked[: max(1, len(ranked) // 4)])
    return {"train": np.flatnonzero(~held).tolist(), "eval": np.flatnonzero(held).tolist()}
