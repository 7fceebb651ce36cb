"""Convention `stated` by topic and by scale length, and the table of its cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np

from ..dataset_folder import DatasetFolder
from ..metrics.socsci210.cells import Floats, Ints, mean_by
from ..results import CellScore, GroupScore
from ..schema import MAX_ENUMERATED
from .measured import Measured

SHORT: Final = 11  # longest scale that is a group of its own, but for 101
NO_TOPIC: Final = "no topic given"
NO_SCALE: Final = "no stated scale"


def groups(found: Measured, folder: DatasetFolder) -> tuple[GroupScore, ...]:
    """W, chance and noise floor of each topic, then of each scale length, in order of name and of length."""
    cells = found.scored.cells
    topics = {row["study_id"]: row["topic"] for row in folder.table("studies", ["study_id", "topic"]).to_pylist()}
    of_study = [topics.get(study) or NO_TOPIC for study in found.scored.split.studies]
    by_topic = _grouped(found, "topic", [of_study[study] for study in cells.study.tolist()], lambda name: (name == NO_TOPIC, name))
    lengths = np.where(cells.bounded, np.rint((cells.high - cells.low) / cells.step) + 1, 0).astype(np.int64)
    order = {name: place for place, name in enumerate(dict.fromkeys(map(length_name, [*np.unique(lengths[lengths > 0]).tolist(), 0])))}
    by_length = _grouped(found, "scale_length", [length_name(length) for length in lengths.tolist()], lambda name: (False, order[name]))
    return (*by_topic, *by_length)


def length_name(length: int) -> str:
    """The group of a scale with so many possible answers; 0 for a question without a stated scale."""
    if length == 0:
        return NO_SCALE
    if length <= SHORT or length == MAX_ENUMERATED:
        return str(length)
    return f"{SHORT + 1} to {MAX_ENUMERATED - 1}" if length < MAX_ENUMERATED else f"over {MAX_ENUMERATED}"


def _grouped(
    found: Measured, kind: Literal["topic", "scale_length"], names: list[str], order: Callable[[str], tuple[bool, str | int]]
) -> list[GroupScore]:
    """Means over the sub-cells of a group in each cell, then over cells, then over studies."""
    counted = np.isfinite(found.figures["W"])
    of_cell = np.array(names, dtype=object)
    out = []
    for name in sorted(set(of_cell[counted]), key=order):
        member = counted & (of_cell == name)
        means = {figure: _by_study(found, member, figure) for figure in ("W", "chance", found.floor)}
        there = np.isfinite(means["W"])
        out.append(
            GroupScore(
                kind=kind,
                name=name,
                n_studies=int(there.sum()),
                n_cells=len(np.unique(found.scored.cells.cell[member])),
                W=float(means["W"][there].mean()),
                chance=float(means["chance"][there].mean()),
                noise_floor=float(means[found.floor][there].mean()),
            )
        )
    return out


def _by_study(found: Measured, member: np.ndarray[tuple[int], np.dtype[np.bool_]], figure: str) -> Floats:
    cells = found.scored.cells
    values = mean_by(cells.cell, np.where(member, found.figures[figure], np.nan), cells.n_cells)
    return mean_by(cells.cell_study, values, len(found.scored.split.studies))


def cell_table(found: Measured) -> tuple[CellScore, ...]:
    """Every scored cell, one row for each of its scales."""
    cells, ruler = found.scored.cells, found.ruler
    index: Ints = np.flatnonzero(np.isfinite(found.figures["W"]))
    return tuple(
        CellScore(
            study_id=found.scored.split.studies[cells.study[i]],
            condition_num=int(cells.condition[i]),
            task_num=int(cells.task[i]),
            scale_min=float(ruler.low[i]),
            scale_max=float(ruler.high[i]),
            n=int(ruler.n[i]),
            W=float(found.figures["W"][i]),
            chance=float(found.figures["chance"][i]),
            noise_floor=float(found.figures[found.floor][i]),
        )
        for i in index.tolist()
    )
