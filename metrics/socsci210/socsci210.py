"""evaluate module of socsci210: distributional alignment and demographic parity. A thin wrapper around the files beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import datasets
import evaluate
import numpy as np

from .alignment import alignment
from .cells import means, medians
from .distances import Floats, Ints
from .groups import FIELDS
from .inputs import Inputs, read_attributes, read_inputs
from .parity import accuracy, averaged, study_gaps

_DESCRIPTION = """Do a model's answers to survey experiments look like people's?

Distributional alignment: Wasserstein-1 distance between the model's and people's answers in every cell (study, condition, outcome),
averaged over cells, then studies; beside chance and the noise floor, under two conventions that are never mixed. Demographic parity:
how far apart accuracy and predicted responses are between groups of people, with what shuffled labels give."""

_INPUTS = """
Args:
    predictions: one for each row: a point (a draw, a number; None if it could not be parsed), or the probabilities of all answers
        of the scale, ascending, equally spaced from scale_min to scale_max.
    references (list of int): what the person answered.
    study_id (list of str), condition_num (list of int), task_num (list of int): the cell of each row.
    scale_min, scale_max (list of int or None): ends of the stated scale; None for a question without bounds.
    participant (list of int): person, numbered per study (demographic parity).
    demographic (list of dict): demographic fields of the row (`demographic` of a dataset row), None where unknown (demographic parity).
    decode (bool): apply temperature 0.6 and top_p 0.9 to probabilities in convention `published`; False for predictions that no
        language model made. Default True.
    shuffles (int): how often labels are shuffled for parity. Default 100.
    random_state (int): seed of shuffles and resamples. Default 0.

Returns:
    distributional_alignment: `w1_stated`, `chance_stated`, `noise_floor_stated`, `n_cells_stated`, the same with `_published`,
        `n_studies`, `n_off_scale`, `parse_rate`. A distance is None where its convention scores no cell. References outside the stated
        scale are left out of `_stated` and of parity, and counted in `n_off_scale`; `_published` keeps them.
    demographic_parity: `parity`, a dict with, for every attribute, `accuracy_gap`, `response_gap`, `human_gap`, each also as `_null` (mean
        over shuffled labels) and `_net` (less that), `excess`, `excess_net`, `n_studies`, `n_groups_left_out`; and `parse_rate`.

Examples:
    Two people answer 1 and 2 on a scale from 1 to 3; the model is sure that everyone answers 2.

    >>> metric = evaluate.load(MODULE, "distributional_alignment")
    >>> cell = {"study_id": ["s", "s"], "condition_num": [0, 0], "task_num": [0, 0], "scale_min": [1, 1], "scale_max": [3, 3]}
    >>> found = metric.compute(predictions=[[0, 1, 0], [0, 1, 0]], references=[1, 2], **cell)
    >>> found["w1_stated"], found["w1_published"]
    (0.25, 0.5)

    The same with point predictions:

    >>> metric.compute(predictions=[2, 2], references=[1, 2], **cell)["w1_stated"]
    0.25

    >>> metric.higher_is_better["w1_stated"]
    False
"""

_CITATION = """@inproceedings{kolluri2025socrates,
  title={Finetuning {LLM}s for Human Behavior Prediction in Social Science Experiments},
  author={Kolluri, Akaash and Wu, Shengguang and Park, Joon Sung and Bernstein, Michael S.},
  booktitle={Proceedings of EMNLP},
  year={2025}
}"""

_ALIGNMENT = {
    "references": datasets.Value("int64"),
    "study_id": datasets.Value("string"),
    "condition_num": datasets.Value("int64"),
    "task_num": datasets.Value("int64"),
    "scale_min": datasets.Value("int64"),
    "scale_max": datasets.Value("int64"),
}
# Demographics travel as JSON: evaluate refuses a struct that lacks a field, or holds None where the first row holds a string.
_PEOPLE = {"participant": datasets.Value("int64"), "demographic": datasets.Value("string")}
_COLUMNS = {
    "default": {**_ALIGNMENT, **_PEOPLE},
    "distributional_alignment": _ALIGNMENT,
    "demographic_parity": {**{name: kind for name, kind in _ALIGNMENT.items() if name != "condition_num"}, **_PEOPLE},
}


class Socsci210(evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """Distributional alignment and demographic parity on survey experiments."""

    higher_is_better: ClassVar[dict[str, bool]] = {
        **dict.fromkeys(("w1_stated", "w1_published", "accuracy_gap", "response_gap", "excess"), False),
        "parse_rate": True,
    }

    def _info(self) -> evaluate.MetricInfo:
        if self.config_name not in _COLUMNS:
            raise ValueError(f"no config is called {self.config_name!r}; choose one of {', '.join(_COLUMNS)}")
        columns = _COLUMNS[self.config_name]
        kinds = (datasets.Value("float64"), datasets.Sequence(datasets.Value("float64")))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=[datasets.Features({"predictions": kind, **columns}) for kind in kinds],
            reference_urls=["https://arxiv.org/abs/2509.05830"],
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None, **columns: Any) -> None:
        """Add rows; `demographic` may hold dicts."""
        if columns.get("demographic") is not None:
            columns["demographic"] = [one if isinstance(one, str) else json.dumps(one) for one in columns["demographic"]]
        super().add_batch(predictions=predictions, references=references, **columns)

    def _infer_feature_from_batch(self, batch: dict[str, Any]) -> datasets.Features:
        """evaluate looks at the first row to tell points from distributions: without one, say so."""
        if batch["predictions"] is None or not len(batch["predictions"]):
            raise ValueError("no predictions: give at least one row")
        return super()._infer_feature_from_batch(batch)

    def _compute(
        self,
        predictions: Sequence[Any],
        references: Sequence[int],
        study_id: Sequence[str],
        task_num: Sequence[int],
        scale_min: Sequence[int | None],
        scale_max: Sequence[int | None],
        condition_num: Sequence[int] | None = None,
        participant: Sequence[int] | None = None,
        demographic: Sequence[str] | None = None,
        decode: bool = True,
        shuffles: int = 100,
        random_state: int = 0,
    ) -> dict[str, Any]:
        inputs = read_inputs(predictions, references, study_id, scale_min, scale_max)
        task = np.asarray(task_num, np.int64)[inputs.kept]
        out: dict[str, Any] = {"parse_rate": len(inputs.kept) / (len(inputs.kept) + inputs.unparsed)}
        if condition_num is not None:
            out |= alignment(inputs, np.asarray(condition_num, np.int64)[inputs.kept], task, decode=decode, seed=random_state)
        if participant is not None and demographic is not None:
            person = np.asarray(participant, np.int64)[inputs.kept]
            out["parity"] = _parity(inputs, task, person, [demographic[int(i)] for i in inputs.kept], shuffles, random_state)
        return out


def _parity(inputs: Inputs, task: Ints, person: Ints, demographic: Sequence[str], shuffles: int, seed: int) -> dict[str, Any]:
    """Gaps of every attribute. Rows without a stated scale, or answered off it, have no position on it and are left out."""
    use = np.flatnonzero((inputs.response >= inputs.low) & (inputs.response <= inputs.high))  # False for nan bounds
    if not len(use):
        return {}
    low, high, response = inputs.low[use], inputs.high[use], inputs.response[use]
    place: Floats = np.clip((means(inputs.answers)[use] - low) / (high - low), 0, 1)
    scores = (accuracy(medians(inputs.answers)[use], response, low, high), place, (response - low) / (high - low))
    attributes = read_attributes([demographic[int(i)] for i in use])
    found = study_gaps(inputs.study[use], person[use], task[use], scores, attributes, shuffles=shuffles, seed=seed)
    by_name = {name: [gaps for gaps in found if gaps.attribute == name] for name in FIELDS}
    return {
        name: {**averaged(gaps), "n_studies": len(gaps), "n_groups_left_out": sum(one.n_left_out for one in gaps)}
        for name, gaps in by_name.items()
        if gaps
    }
