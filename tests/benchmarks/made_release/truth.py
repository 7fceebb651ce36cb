"""What was planted, written beside the release: row by row, lists of cells and studies, and the figures of a parity check."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from . import defects, people
from .figures import uniform_distances
from .plan import SISTERS, TWINS, Plan
from .study import Study

TRUTH: Final = pa.schema(
    [
        ("study_id", pa.string()),
        ("sample_id", pa.int64()),
        ("rules", pa.list_(pa.string())),  # row-level rules, sorted
        ("response_true", pa.int64()),  # null where the row has no usable answer
        ("scale_min", pa.int64()),  # what the stimulus states; null without bounds
        ("scale_max", pa.int64()),
        ("scale_step", pa.int64()),
        ("decoys", pa.list_(pa.string())),
    ]
)
_TEXT_DECOYS: Final = {study: kind for kind, studies in defects.TEXT_DECOYS.items() for study in studies}


def _names(masks: npt.NDArray[np.int64], names: tuple[str, ...]) -> pa.Array:
    """Bits to sorted lists of names; each combination is written out once."""
    found, place = np.unique(masks, return_inverse=True)
    lists = [sorted(name for bit, name in enumerate(names) if mask >> bit & 1) for mask in found.tolist()]
    return pa.array(lists, pa.list_(pa.string())).take(pa.array(place))


def _on_scale(made: Study) -> npt.NDArray[np.bool_]:
    inside = (made.response >= made.low) & (made.response <= made.high)
    return np.asarray(inside & (np.nan_to_num(made.response - made.low) % made.step == 0))


class Truth:
    """Collects the truth of one study after another."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._rows = pq.ParquetWriter(folder / "rows.parquet", TRUTH, compression="zstd")
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._decoys: dict[str, Counter[str]] = defaultdict(Counter)
        self._cells: dict[str, list[dict[str, Any]]] = {
            rule: [] for rule in ("scales_differ", "outlier_range", "unbounded", "constant_answer")
        }
        self._studies: dict[str, list[str]] = defaultdict(list)
        self._missing_fields: dict[str, list[str]] = {}
        self._figures: Counter[str] = Counter()
        self._distances: dict[str, list[list[float]]] = defaultdict(list)

    def add(self, made: Study) -> None:
        """The rows, cells and figures of one study."""
        study = made.plan.study_id
        kinds = dict(made.decoys)
        if kind := _TEXT_DECOYS.get(study):
            kinds[kind] = np.ones(made.plan.rows, np.bool_)
        if study in defects.QUESTION_DECOYS:
            kinds["ellipsis_in_question"] = np.ones(made.plan.rows, np.bool_)
        kinds = {kind: mask for kind, mask in kinds.items() if mask.any()}
        decoys = np.zeros(made.plan.rows, np.int64)
        for bit, mask in enumerate(kinds.values()):
            decoys |= mask.astype(np.int64) << bit
        table = [
            pa.repeat(study, made.plan.rows),
            pa.array(np.arange(made.plan.rows)),
            _names(made.rules, defects.ROW_RULES),
            pa.array(made.truth, mask=~made.usable),
            *(pa.array(np.nan_to_num(each).astype(np.int64), mask=np.isnan(made.low)) for each in (made.low, made.high, made.step)),
            _names(decoys, tuple(kinds)),
        ]
        self._rows.write_table(pa.Table.from_arrays(table, schema=TRUTH))
        for bit, rule in enumerate(defects.ROW_RULES):
            if number := int((made.rules >> bit & 1).sum()):
                self._counts[rule][study] = number
        for kind, mask in kinds.items():
            self._decoys[kind][study] = int(mask.sum())
        self._study(made)
        self._cells_of(made)

    def _study(self, made: Study) -> None:
        plan, study = made.plan, made.plan.study_id
        nums = plan.condition_nums
        held = {
            "fewer_texts": study in defects.FEWER_TEXTS and defects.FEWER_TEXTS[study] < len(nums),
            "one_condition": len(nums) == 1,
            "sparse_conditions": nums != tuple(range(len(nums))),
            "missing_demographics": 2 * len(made.people.fields) <= len(people.COLUMNS),
            "mixed_ideology": study in people.MIXED_IDEOLOGY,
            "within_subject": plan.design == "within",
            "income_floor": "income" in made.people.fields and study != people.LOW_INCOMES,
        }
        for rule, true in held.items():
            if true:
                self._studies[rule].append(study)
        self._missing_fields[study] = [field for field in people.COLUMNS.values() if field not in made.people.fields]
        if study in defects.WIDER or study == defects.OTHER_LABELS:
            task = 1 if study == defects.OTHER_LABELS else 0
            self._cells["scales_differ"].append({"study_id": study, "condition_num": None, "task_num": task})

    def _cells_of(self, made: Study) -> None:
        study = made.plan.study_id
        order = np.lexsort((made.task, made.condition))
        key = np.stack([made.condition[order], made.task[order]])
        starts = np.flatnonzero(np.r_[True, (np.diff(key) != 0).any(axis=0)])
        plan = made.plan
        counts = {"conditions": len(np.unique(made.condition)), "tasks": len(np.unique(made.task)), "cells": len(starts)}
        self._figures.update(rows=plan.rows, people=plan.people, studies=1, **counts)
        if plan.unseen:
            on_scale = np.isnan(made.low) | _on_scale(made)
            self._figures.update(unseen_rows=plan.rows, unseen_cells=len(starts), stated_rows=int(on_scale.sum()))
            self._distances[study] = uniform_distances(made, np.split(order, starts[1:]), on_scale)
        for places in np.split(order, starts[1:]):
            cell = {"study_id": study, "condition_num": int(made.condition[places[0]]), "task_num": int(made.task[places[0]])}
            answers = made.response[places]
            if np.isnan(made.low[places]).any():
                self._cells["unbounded"].append(cell)
            if len(answers) > 1 and answers.min() == answers.max():
                self._cells["constant_answer"].append(cell)
            if (cell["condition_num"], cell["task_num"]) in made.outlier_cells:
                self._cells["outlier_range"].append(cell)
            if made.plan.unseen:
                self._figures["scorable_cells"] += int(len(answers) > 1 and answers.min() < answers.max())
                self._figures["stated_cells"] += int(on_scale[places].any())

    def close(self, plans: tuple[Plan, ...]) -> None:
        """Writes the lists beside the rows, and the figures beside the release."""
        self._rows.close()
        studies: dict[str, Any] = {rule: sorted(found) for rule, found in self._studies.items()}
        lists = {
            "rows": {rule: dict(counts) for rule, counts in self._counts.items()},
            "cells": self._cells,
            "studies": {rule: found for rule, found in studies.items() if rule != "income_floor"},
            "dataset": {
                "twin_studies": [sorted(TWINS), sorted(SISTERS)],
                "income_floor": studies["income_floor"],
                "gender_or_ethnicity": sorted(plan.study_id for plan in plans),
            },
            "missing_fields": self._missing_fields,
            "decoys": {kind: dict(counts) for kind, counts in self._decoys.items()},
        }
        _write_json(self._folder / "truth.json", lists)
        names = ("uniform_w_stated", "uniform_w_observed_on_scale", "uniform_w_observed_continuous")
        by_study = [np.nanmean(np.array(cells), axis=0) for cells in self._distances.values()]
        means = dict(zip(names, np.nanmean(np.array(by_study), axis=0).tolist(), strict=True))
        _write_json(self._folder.parent / "expected.json", {**self._figures, **{name: round(value, 6) for name, value in means.items()}})


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
