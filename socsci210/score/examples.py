"""Cells worth showing: the distributions of people and model side by side, chosen by a rule."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..dataset_folder import DatasetFolder
from ..metrics.socsci210 import cells as maths
from ..metrics.socsci210.cells import Floats, Ints
from ..results import CellExample
from ..schema import MAX_ENUMERATED
from .measured import Measured

MOST: Final = 200
RULES: Final = ("highest W", "nearest the median W", "lowest W")


def examples(found: Measured, folder: DatasetFolder) -> tuple[CellExample, ...]:
    """Cells to show by convention `stated`: of each study the cell with the highest W, the median and the lowest, by study and W.

    More than `MOST` are not given: then first the highest of all studies, next the medians, last the lowest, each from the study with the
    highest W down.
    """
    scored, W = found.scored, found.figures["W"]
    cells = scored.cells
    size = np.where(cells.bounded, (cells.high - cells.low) / cells.step + 1, np.inf)
    usable = np.flatnonzero(np.isfinite(W) & (size <= MAX_ENUMERATED))
    texts = _Texts(folder)
    out = []
    for rule, i in chosen(W, cells.study, usable):
        study, condition, task = scored.split.studies[cells.study[i]], int(cells.condition[i]), int(cells.task[i])
        support = range(int(cells.low[i]), int(cells.high[i]) + 1, int(cells.step[i]))
        out.append(
            CellExample(
                rule=rule,
                **texts.of(study, condition, task, support),
                human=_shares(scored.human, i, cells),
                model=_shares(scored.model, i, cells),
                n=int(found.ruler.n[i]),
                W=float(W[i]),
                chance=float(found.figures["chance"][i]),
                noise_floor=float(found.figures[found.floor][i]),
            )
        )
    return tuple(out)


def chosen(W: Floats, study: Ints, usable: Ints) -> list[tuple[str, int]]:
    """(rule, sub-cell), each sub-cell at most once; a study with one cell shows it as its highest, one with two as highest and lowest."""
    picks: list[tuple[int, float, str, int]] = []  # turn, place, rule, sub-cell
    for code in np.unique(study[usable]):
        own = usable[study[usable] == code]
        ranked = own[np.argsort(-W[own], kind="stable")]
        places = {0: RULES[0], len(ranked) - 1: RULES[2]} if len(ranked) > 1 else {0: RULES[0]}
        if len(ranked) > 2:
            places[(len(ranked) - 1) // 2] = RULES[1]
        picks += [(RULES.index(rule), -float(W[own].mean()), rule, int(ranked[place])) for place, rule in places.items()]
    kept = sorted(picks)[:MOST]
    return [(rule, i) for _, _, rule, i in sorted(kept, key=lambda pick: (study[pick[3]], pick[0]))]


def _shares(mass: maths.Mass, index: int, cells: maths.Cells) -> tuple[float, ...]:
    """Share of each allowed answer in one sub-cell; off-scale points count at the nearer end."""
    own = mass.code == index
    low, step = cells.low[index], cells.step[index]
    n = int((cells.high[index] - low) / step) + 1
    place = np.clip(np.rint((mass.value[own] - low) / step), 0, n - 1).astype(np.int64)
    share = np.bincount(place, weights=mass.mass[own], minlength=n)
    return tuple((share / share.sum()).tolist())


class _Texts:
    """What a cell asked, from the small tables."""

    def __init__(self, folder: DatasetFolder) -> None:
        columns = ["study_id", "task_num", "condition_num", "scale_min", "scale_max", "question", "options"]
        self._outcomes = {
            (row["study_id"], row["task_num"], row["condition_num"], row["scale_min"], row["scale_max"]): row
            for row in reversed(folder.table("outcomes", columns).to_pylist())  # the first of several items
        }
        self._conditions = {
            (row["study_id"], row["condition_num"]): row["label"]
            for row in folder.table("conditions", ["study_id", "condition_num", "label"]).to_pylist()
        }
        self._simulated = {
            row["study_id"]: bool(row["simulated"]) for row in folder.table("studies", ["study_id", "simulated"]).to_pylist()
        }

    def of(self, study: str, condition: int, task: int, support: range) -> dict[str, Any]:
        """Fields of a CellExample that come from the tables."""
        asked = self._outcomes.get((study, task, condition, support[0], support[-1])) or {}
        labels = {option["value"]: option["label"] for option in asked.get("options") or ()}
        return {
            "study_id": study,
            "condition_num": condition,
            "task_num": task,
            "condition": self._conditions.get((study, condition)) or f"condition {condition}",
            "question": asked.get("question") or f"outcome {task}",
            "support": tuple(support),
            "labels": tuple(labels.get(value) or "" for value in support),
            "simulated": self._simulated.get(study, False),
        }
