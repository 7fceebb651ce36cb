"""evaluate module of socsci210: a thin wrapper around the files beside it, which need numpy only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import datasets
import evaluate

from .agreement import Agreement
from .alignment import alignment
from .calibration import Calibration
from .cells import Answers
from .codes import Codes
from .distances import wasserstein
from .effects import Contrasts
from .groups import FIELDS
from .individual import accuracy_by_median
from .inputs import read_inputs, read_levels
from .intervals import percentiles
from .parity import Attribute
from .summaries import calibrated, individual_accuracy, parity, treatment_effects

_DESCRIPTION = """Do a model's answers to survey experiments look like people's?

Five parts, each a config: distributional alignment (distances between the answers of a cell, beside chance and the noise floor, under two
conventions that are never mixed), individual accuracy, demographic parity, treatment effects, and calibration."""

_INPUTS = """
Args:
    predictions: one for each row: a point (one answer; None if it could not be parsed), or the probabilities of all answers of the scale,
        ascending, equally spaced from scale_min to scale_max, or (with draws=True) a list of draws, as many for every row.
    references (list of int): what the person answered. In treatment_effects None for an arm that the person was not assigned to.
    study_id (list of str), condition_num (list of int), task_num (list of int): the cell of each row.
    scale_min, scale_max (list of int or None): ends of the stated scale; None for a question without bounds.
    participant (list of int): person, numbered per study (demographic_parity, treatment_effects).
    demographic (list of dict): demographic fields of the row (`demographic` of a dataset row), None where unknown (demographic_parity).
    item_num (list of int): item of the row (treatment_effects).
    attributes (list of dict): levels that a conjoint's profile shows (treatment_effects; optional).
    draws (bool): lists hold draws, not probabilities. Default False.
    decode (bool): apply temperature 0.6 and top_p 0.9 to probabilities in convention `published`; False for predictions that no
        language model made. Default True.
    control (dict): study_id to the number of its control condition. Without one an arm is compared with the mean of the others.
    shuffles (int): how often labels are shuffled for parity. Default 100.
    random_state (int): seed of shuffles and resamples. Default 0.

Returns:
    distributional_alignment: `w1_stated`, `tv_stated`, `chance_stated`, `noise_floor_stated`, `best_constant_stated`, `n_cells_stated`, the
        same with `_published`, `log_likelihood`, `n_studies`, `n_off_scale`. A figure is None where nothing is scored. References
        outside the stated scale are left out of `_stated` and counted in `n_off_scale`; `_published` keeps them.
    individual_accuracy: `accuracy_median` (primary), `accuracy_draw`, each also `_unclipped`, `entropy_ratio`, `n_rows_accuracy`.
    demographic_parity: `parity`, a dict with, for every attribute, `accuracy_gap`, `response_gap`, `human_gap`, each also as `_null` (mean
        over shuffled labels) and `_net` (less that), `excess`, `excess_net`, `n_studies`, `n_groups_left_out`.
    treatment_effects: `r`, `r_raw`, `r_interval`, `p`, `reliability`, `slope`, `mae`, `sign_agreement`, `regret`,
        `regret_chance`, `n_contrasts`, `n_reliable`, `n_studies`, `method`, `refused` (why there is no `r`, or None).
    calibration: `ece`, `brier`, `calibration_bins` (None for points and draws), `entropy_ratio`, `n_rows_calibration`.
    no config name: all of these but treatment_effects. Every config: `parse_rate`.

Examples:
    Two people answer 1 and 2 on a scale from 1 to 3; the model is sure that everyone answers 2.

    >>> metric = evaluate.load(MODULE, "distributional_alignment")
    >>> cell = {"study_id": ["s", "s"], "condition_num": [0, 0], "task_num": [0, 0], "scale_min": [1, 1], "scale_max": [3, 3]}
    >>> found = metric.compute(predictions=[[0, 1, 0], [0, 1, 0]], references=[1, 2], **cell)
    >>> found["w1_stated"], found["w1_published"], found["tv_stated"]
    (0.25, 0.5, 0.5)

    The same with point predictions, and with two draws for each row:

    >>> metric.compute(predictions=[2, 2], references=[1, 2], **cell)["w1_stated"]
    0.25
    >>> metric.compute(predictions=[[2, 2], [2, 2]], references=[1, 2], draws=True, **cell)["w1_stated"]
    0.25

    >>> evaluate.load(MODULE, "individual_accuracy").compute(predictions=[2, 2], references=[1, 2], **cell)["accuracy_median"]
    0.75

    >>> metric.higher_is_better["w1_stated"]
    False
"""

_CITATION = """@inproceedings{kolluri2025socrates,
  title={Finetuning {LLM}s for Human Behavior Prediction in Social Science Experiments},
  author={Kolluri, Akaash and Wu, Shengguang and Park, Joon Sung and Bernstein, Michael S.},
  booktitle={Proceedings of EMNLP},
  year={2025}
}"""

_ROW = {
    "references": datasets.Value("int64"),
    "study_id": datasets.Value("string"),
    "task_num": datasets.Value("int64"),
    "scale_min": datasets.Value("int64"),
    "scale_max": datasets.Value("int64"),
}
_CELL = {**_ROW, "condition_num": datasets.Value("int64")}
# Dicts travel as JSON: evaluate refuses a struct that lacks a field, or holds None where the first row holds a string.
_JSON = ("demographic", "attributes")
_PEOPLE = {"participant": datasets.Value("int64"), "demographic": datasets.Value("string")}
_ARMS = {"participant": datasets.Value("int64"), "item_num": datasets.Value("int64"), "attributes": datasets.Value("string")}
_COLUMNS = {
    "default": {**_CELL, **_PEOPLE},
    "distributional_alignment": _CELL,
    "individual_accuracy": _CELL,
    "demographic_parity": {**_ROW, **_PEOPLE},
    "treatment_effects": {**_CELL, **_ARMS},
    "calibration": _CELL,
}
_LOWER = (
    "w1_stated", "w1_published", "tv_stated", "tv_published", "accuracy_gap", "response_gap", "excess", "mae", "regret", "ece", "brier",
)  # fmt: skip
_HIGHER = (
    "log_likelihood", "accuracy_median", "accuracy_median_unclipped", "accuracy_draw", "accuracy_draw_unclipped", "r", "r_raw",
    "sign_agreement", "parse_rate",
)  # fmt: skip
# evaluate copies only files that this one imports; these are what other files need.
_NEEDED = (Agreement, Answers, Attribute, Calibration, Codes, Contrasts, FIELDS, accuracy_by_median, percentiles, wasserstein)


class Socsci210(evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """Alignment, accuracy, parity, treatment effects and calibration on survey experiments."""

    higher_is_better: ClassVar[dict[str, bool]] = {**dict.fromkeys(_LOWER, False), **dict.fromkeys(_HIGHER, True)}

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

    def compute(self, *, predictions: Any = None, references: Any = None, **columns: Any) -> dict[str, Any] | None:
        """The figures of all rows added so far and those given here; None on every process but the first."""
        found: dict[str, Any] | None = super().compute(predictions=predictions, references=references, **self._full(columns, predictions))
        return found

    def add_batch(self, *, predictions: Any = None, references: Any = None, **columns: Any) -> None:
        """Add rows; `demographic` and `attributes` may hold dicts."""
        columns = self._full(columns, predictions)
        for name in _JSON:
            if columns.get(name) is not None:
                columns[name] = [one if isinstance(one, str) else json.dumps(one or {}) for one in columns[name]]
        super().add_batch(predictions=predictions, references=references, **columns)

    def add(self, *, prediction: Any = None, reference: Any = None, **columns: Any) -> None:
        """Add one row; `demographic` and `attributes` may be dicts."""
        self.add_batch(predictions=[prediction], references=[reference], **{name: [value] for name, value in columns.items()})

    def _full(self, columns: dict[str, Any], predictions: Any) -> dict[str, Any]:
        """`attributes` may be left out: evaluate itself knows no optional column."""
        optional = "attributes" in _COLUMNS[self.config_name] and predictions is not None
        return {"attributes": [{}] * len(predictions), **columns} if optional else columns

    def _infer_feature_from_batch(self, batch: dict[str, Any]) -> datasets.Features:
        """evaluate looks at the first row to tell points from lists: show it the first one that was parsed."""
        if batch["predictions"] is None or not len(batch["predictions"]):
            raise ValueError("no predictions: give at least one row")
        first = next((i for i, one in enumerate(batch["predictions"]) if one is not None), 0)
        return super()._infer_feature_from_batch({name: column[first : first + 1] for name, column in batch.items()})

    def _compute(
        self,
        predictions: Sequence[Any],
        references: Sequence[int | None],
        study_id: Sequence[str],
        task_num: Sequence[int],
        scale_min: Sequence[int | None],
        scale_max: Sequence[int | None],
        condition_num: Sequence[int] | None = None,
        participant: Sequence[int] | None = None,
        demographic: Sequence[str] | None = None,
        item_num: Sequence[int] | None = None,
        attributes: Sequence[str] | None = None,
        draws: bool = False,
        decode: bool = True,
        control: Mapping[str, int] | None = None,
        shuffles: int = 100,
        random_state: int = 0,
    ) -> dict[str, Any]:
        config = self.config_name
        effects = config == "treatment_effects"
        inputs = read_inputs(predictions, references, study_id, scale_min, scale_max, draws=draws, unassigned=effects)
        task = inputs.take(task_num)
        out: dict[str, Any] = {"parse_rate": len(inputs.kept) / (len(inputs.kept) + inputs.unparsed)}
        if config in ("default", "demographic_parity") and participant is not None and demographic is not None:
            out["parity"] = parity(inputs, task, inputs.take(participant), demographic, shuffles, random_state)
        if condition_num is None:
            return out
        condition = inputs.take(condition_num)
        if config in ("default", "distributional_alignment"):
            out |= alignment(inputs, condition, task, decode=decode)
        if config in ("default", "individual_accuracy"):
            out |= individual_accuracy(inputs, condition, task)
        if config in ("default", "calibration"):
            out |= calibrated(inputs, condition, task)
        if effects and item_num is not None and participant is not None and attributes is not None:
            levels = read_levels([attributes[int(i)] for i in inputs.kept])
            arm = (condition, task, inputs.take(item_num))
            out |= treatment_effects(inputs, arm, inputs.take(participant), levels, control or {}, random_state)
        return out
