"""Scores that look at people and arms rather than at cells: parity, condition sensitivity, and cells worth showing."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..dataset_folder import DatasetFolder
from ..demographics import FIELDS
from ..metrics.socsci210 import cells as maths
from ..metrics.socsci210.cells import Ints
from ..metrics.socsci210.groups import group_of
from ..metrics.socsci210.parity import Attribute, StudyGaps, accuracy, averaged, study_gaps
from ..reference import sensitivity
from ..results import CellExample, Parity, Sensitivity
from ..schema import MAX_ENUMERATED
from .conventions import Scored, stated_ruler

SHUFFLES: Final = 100


def parity(scored: Scored, *, shuffles: int = SHUFFLES, seed: int = 0) -> tuple[Parity, ...]:
    """Gaps between groups for every attribute, over the studies that carry it. Point predictions are medians; positions use the scale."""
    split, rows = scored.split, scored.predicted
    low, high = split.scale.low[rows], split.scale.high[rows]
    bounded = np.isfinite(low) & scored.on_scale[rows]
    low, high, response = low[bounded], high[bounded], split.response[rows][bounded]
    if not len(response):
        return ()
    median, mean = maths.medians(scored.predictions.answers)[bounded], maths.means(scored.predictions.answers)[bounded]
    scores = (
        accuracy(median, response, low, high),
        np.clip((mean - low) / (high - low), 0, 1),
        (response - low) / (high - low),
    )
    some = split.rows.select(["demographic", "participant"]).take(pa.array(rows[bounded]))
    found = study_gaps(
        split.study[rows][bounded], some.column("participant").to_numpy(), split.task[rows][bounded], scores,
        attributes(some.column("demographic")), shuffles=shuffles, seed=seed,
    )  # fmt: skip
    return tuple(_average([gaps for gaps in found if gaps.attribute == name]) for name in FIELDS if any(g.attribute == name for g in found))


def attributes(demographic: pa.ChunkedArray) -> list[Attribute]:
    """The group of every row by every field of the `demographic` struct."""
    struct = pa.concat_arrays(demographic.chunks) if isinstance(demographic, pa.ChunkedArray) else demographic
    return [_attribute(name, pc.struct_field(struct, name)) for name in FIELDS]


def _attribute(name: str, values: pa.Array) -> Attribute:
    encoded = values.dictionary_encode()
    groups = [group_of(name, value) for value in encoded.dictionary.to_pylist()]
    labels = tuple(sorted({group for group in groups if group is not None}))
    lookup = np.array([-1 if group is None else labels.index(group) for group in groups] + [-1], np.int64)
    return Attribute(name, lookup[pc.fill_null(encoded.indices, len(groups)).to_numpy()], labels)


def _average(gaps: list[StudyGaps]) -> Parity:
    """Mean over studies of one attribute."""
    left_out = sum(one.n_left_out for one in gaps)
    return Parity(attribute=gaps[0].attribute, n_studies=len(gaps), n_groups_left_out=left_out, **averaged(gaps))


def condition_sensitivity(scored: Scored, *, permutations: int, draws: int, seed: int) -> Sensitivity:
    """Does the model know which conditions move people? On cell means of bounded scales."""
    cells = scored.cells
    sides = (scored.model, scored.human)
    totals = [np.bincount(mass.code, weights=mass.mass, minlength=cells.n_sub) for mass in sides]
    use = cells.bounded & (totals[0] > 0) & (totals[1] > 0)
    means = []
    for mass, total in zip(sides, totals, strict=True):
        moment = np.bincount(mass.code, weights=mass.mass * mass.value, minlength=cells.n_sub)[use]
        means.append((moment / total[use] - cells.low[use]) / (cells.high[use] - cells.low[use]))
    key = np.stack([cells.study, cells.task, cells.low, cells.high, cells.step], axis=1)[use]
    if not len(key):
        return sensitivity(np.zeros(0, np.int64), *means)
    _, outcome = np.unique(key, axis=0, return_inverse=True)
    return sensitivity(outcome.reshape(-1), *means, permutations=permutations, draws=draws, seed=seed)


def examples(scored: Scored, folder: DatasetFolder) -> tuple[CellExample, ...]:
    """Cells to show: the two with the lowest W, the two nearest the median, and the two with the highest, by convention `stated`."""
    cells, human, model = scored.cells, scored.human, scored.model
    ruler = stated_ruler(scored)
    W = maths.distance(ruler, model, human)
    size = np.where(cells.bounded, (cells.high - cells.low) / cells.step + 1, np.inf)
    usable = np.flatnonzero(np.isfinite(W) & (size <= MAX_ENUMERATED))
    ranked = usable[np.argsort(W[usable], kind="stable")]
    chance = maths.distance(ruler, maths.uniform(cells, scored.low, scored.high), human)
    floor = maths.floor(ruler, human) if scored.predictions.kind == "distributions" else maths.floor_draws(ruler, human, draws=100, seed=0)
    texts = _Texts(folder)
    found = []
    for rule, i in _chosen(ranked):
        study, condition, task = scored.split.studies[cells.study[i]], int(cells.condition[i]), int(cells.task[i])
        support = range(int(cells.low[i]), int(cells.high[i]) + 1, int(cells.step[i]))
        found.append(
            CellExample(
                rule=rule,
                **texts.of(study, condition, task, support),
                human=_shares(human, i, cells),
                model=_shares(model, i, cells),
                n=int(ruler.n[i]),
                W=float(W[i]),
                chance=float(chance[i]),
                noise_floor=float(floor[i]),
            )
        )
    return tuple(found)


def _chosen(ranked: Ints) -> list[tuple[str, int]]:
    """Places in a ranking, each sub-cell at most once: median first, then the ends."""
    middle = max(0, len(ranked) // 2 - 1)
    picks = [("highest W", ranked[-2:][::-1]), ("nearest the median W", ranked[middle : middle + 2]), ("lowest W", ranked[:2])]
    found: dict[int, str] = {}
    for rule, some in (picks[1], picks[0], picks[2]):
        for i in some:
            found.setdefault(int(i), rule)
    order = [name for name, _ in picks]
    return sorted(((rule, i) for i, rule in found.items()), key=lambda pair: order.index(pair[0]))


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
        self._outcomes = folder.table("outcomes", columns).to_pylist()
        self._conditions = {
            (row["study_id"], row["condition_num"]): row["label"]
            for row in folder.table("conditions", ["study_id", "condition_num", "label"]).to_pylist()
        }
        self._simulated = {
            row["study_id"]: bool(row["simulated"]) for row in folder.table("studies", ["study_id", "simulated"]).to_pylist()
        }

    def of(self, study: str, condition: int, task: int, support: range) -> dict[str, Any]:
        """Fields of a CellExample that come from the tables."""
        wanted = (study, task, condition, support[0], support[-1])
        names = ("study_id", "task_num", "condition_num", "scale_min", "scale_max")
        asked = next((row for row in self._outcomes if tuple(row[name] for name in names) == wanted), None) or {}
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
