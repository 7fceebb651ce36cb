"""What each config of the evaluate module returns besides alignment: figures over rows, with every study counting the same. numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .agreement import agreement, permutation_p, resampled_r
from .calibration import calibration, entropies, entropy_ratios
from .cells import Answers, Cells, Floats, Ints, Mass, cells_of, mean_by, means, medians, on_scale, people, predicted
from .codes import distinct, total
from .effects import Contrasts, Rows, amce, between_contrasts, joined, within_contrasts
from .groups import FIELDS
from .individual import accuracy_by_draw, accuracy_by_median
from .inputs import Inputs, read_attributes
from .intervals import percentiles
from .parity import accuracy, averaged, study_gaps

FEWEST_STUDIES: Final = 10  # fewer give no interval
EFFECT_DRAWS: Final = 1000


def individual_accuracy(inputs: Inputs, condition: Ints, task: Ints) -> dict[str, Any]:
    """Accuracy by median and by draw, clipped and not, mean over rows, then studies; and the entropy ratio, beside which it is read."""
    use = _placed(inputs)
    low, high, response, answers = inputs.low[use], inputs.high[use], inputs.response[use], _taken(inputs.answers, use)
    study, size = inputs.study[use], len(inputs.studies)
    out: dict[str, Any] = {}
    for name, score in (("median", accuracy_by_median), ("draw", accuracy_by_draw)):
        for suffix, clip in (("", True), ("_unclipped", False)):
            each = score(answers, response, low, high, clip=clip)
            out[f"accuracy_{name}{suffix}"] = _mean(mean_by(study, each, size))
    return out | {"entropy_ratio": _entropy_ratio(inputs, condition, task), "n_rows_accuracy": len(use)}


def calibrated(inputs: Inputs, condition: Ints, task: Ints) -> dict[str, Any]:
    """ECE, Brier score and reliability diagram (None for points and draws), and the entropy ratio."""
    out: dict[str, Any] = {"ece": None, "brier": None, "calibration_bins": None, "n_rows_calibration": 0}
    if inputs.kind == "probabilities":
        found = calibration(inputs.answers, inputs.response, weight=1 / np.bincount(inputs.study)[inputs.study])
        bins = found["bins"]
        rows = zip(bins.low, bins.high, bins.predicted, bins.observed, bins.n, strict=True)
        names = ("low", "high", "predicted", "observed", "n")
        out = {
            "ece": _number(found["ece"]),
            "brier": _number(found["brier"]),
            "calibration_bins": [dict(zip(names, (*map(_number, row[:4]), int(row[4])), strict=True)) for row in rows],
            "n_rows_calibration": found["n_rows"],
        }
    return out | {"entropy_ratio": _entropy_ratio(inputs, condition, task)}


def parity(inputs: Inputs, task: Ints, person: Ints, demographic: Sequence[str], shuffles: int, seed: int) -> dict[str, Any]:
    """Gaps of every attribute. Rows without a stated scale, or answered off it, have no position on it and are left out."""
    use = _placed(inputs)
    if not len(use):
        return {}
    low, high, response = inputs.low[use], inputs.high[use], inputs.response[use]
    place: Floats = np.clip((means(inputs.answers)[use] - low) / (high - low), 0, 1)
    scores = (accuracy(medians(inputs.answers)[use], response, low, high), place, (response - low) / (high - low))
    attributes = read_attributes([demographic[int(i)] for i in inputs.kept[use]])
    found = study_gaps(inputs.study[use], person[use], task[use], scores, attributes, shuffles=shuffles, seed=seed)
    by_name = {name: [gaps for gaps in found if gaps.attribute == name] for name in FIELDS}
    return {
        name: {**averaged(gaps), "n_studies": len(gaps), "n_groups_left_out": sum(one.n_left_out for one in gaps)}
        for name, gaps in by_name.items()
        if gaps
    }


def treatment_effects(
    inputs: Inputs, arm: tuple[Ints, Ints, Ints], person: Ints, levels: Ints, control: Mapping[str, int], seed: int
) -> dict[str, Any]:
    """Contrasts by the design of each study, and how well the model's agree with people's.

    Args:
        inputs: the rows; those without a response are arms that the person was not assigned to.
        arm: condition, outcome and item of each row.
        person: numbered per study.
        levels: conjoint attributes of each row, shape (rows, attributes).
        control: control condition of each study that has one, by name.
        seed: of resamples and permutations.

    Raises:
        ValueError: `control` names a study or a condition that the rows do not have.
    """
    condition, task, item = arm
    bounded = inputs.high > inputs.low  # False for nan ends
    human = np.isfinite(inputs.response)
    place = (inputs.response - inputs.low) / (inputs.high - inputs.low)
    expected = np.clip((means(inputs.answers) - inputs.low) / (inputs.high - inputs.low), 0, 1)
    rows = Rows(inputs.study, condition, task, item, person, expected)
    assigned = bounded & human & (place >= 0) & (place <= 1)
    controls = _controls(inputs, condition, control)
    n = len(inputs.studies)
    conjoint = np.bincount(inputs.study[(levels >= 0).any(axis=1)], minlength=n) > 0
    within = _within(_some(rows, human & ~conjoint[inputs.study]), n)
    parts: list[Contrasts] = []
    for contrasts, studies in ((between_contrasts, ~within & ~conjoint), (within_contrasts, within)):
        own = studies[inputs.study]
        parts.append(contrasts(_some(rows._replace(value=place), assigned & own), _some(rows, bounded & own), controls))
    own = assigned & conjoint[inputs.study]
    parts += [amce(_some(rows._replace(value=place), own), expected[own], levels[own])] if own.any() else []
    found = joined(parts)
    figures = agreement(found)
    draws = resampled_r(found, draws=EFFECT_DRAWS, seed=seed) if figures["n_studies"] >= FEWEST_STUDIES else np.zeros(0)
    known = draws[np.isfinite(draws)]
    plain = {name: _number(value) if isinstance(value, float) else value for name, value in figures.items()}
    return plain | {
        "r_interval": list(percentiles(known, figures["n_studies"])) if len(known) and figures["refused"] is None else None,
        "p": _number(permutation_p(found, draws=EFFECT_DRAWS, seed=seed)),
        "method": "every persona through every arm" if (~human).any() else "as assigned",
    }


def _placed(inputs: Inputs) -> Ints:
    """Rows whose answer lies between the ends of a stated scale."""
    return np.flatnonzero((inputs.response >= inputs.low) & (inputs.response <= inputs.high))  # False for nan ends


def _taken(answers: Answers, rows: Ints) -> Answers:
    """The answers of some rows."""
    sizes = answers.sizes[rows]
    start = np.concatenate([[0], np.cumsum(sizes)])
    entry = np.repeat(answers.start[rows] - start[:-1], sizes) + np.arange(start[-1])
    return Answers(start, answers.value[entry], answers.probability[entry])


def _entropy_ratio(inputs: Inputs, condition: Ints, task: Ints) -> float | None:
    """Entropy of the model's answers over that of people's in each cell with a scale, mean over cells, then studies.

    Sampled answers, people's and draws, get Miller's correction: a sample shows too little entropy.
    """
    cells = cells_of(inputs.study, condition, task, inputs.low, inputs.high, inputs.step)
    inside = on_scale(cells, inputs.response).astype(np.float64)
    n = total(cells.code, inside, cells.n_sub)
    human, model = people(cells, inputs.response, inside), predicted(cells, cells.code, inputs.answers, inside)
    sampled = None if inputs.kind == "probabilities" else n * inputs.per_person
    ratios = entropy_ratios(_entropies(cells, human, n), _entropies(cells, model, sampled))
    by_cell = mean_by(cells.cell, np.where(cells.bounded, ratios, np.nan), cells.n_cells)
    return _mean(mean_by(cells.cell_study, by_cell, len(inputs.studies)))


def _entropies(cells: Cells, mass: Mass, n: Floats | None) -> Floats:
    return entropies(mass.code, mass.value, mass.mass, cells.n_sub, n)


def _some(rows: Rows, use: NDArray[np.bool_]) -> Rows:
    return Rows(rows.study[use], rows.condition[use], rows.task[use], rows.item[use], rows.person[use], rows.value[use])


def _within(rows: Rows, n_studies: int) -> NDArray[np.bool_]:
    """Studies in which somebody answers one outcome and item under several conditions."""
    arms = distinct([rows.study, rows.task, rows.item, rows.person, rows.condition]).first
    people_of = distinct([column[arms] for column in (rows.study, rows.task, rows.item, rows.person)])
    return np.bincount(rows.study[arms][people_of.first][people_of.n > 1], minlength=n_studies) > 0


def _controls(inputs: Inputs, condition: Ints, control: Mapping[str, int]) -> Ints:
    found = np.full(len(inputs.studies), -1)
    for name, number in control.items():
        if name not in inputs.studies:
            raise ValueError(f"control names the study {name!r}, which no row has; the studies are {', '.join(inputs.studies[:10])}")
        place = inputs.studies.index(name)
        if not (condition[inputs.study == place] == number).any():
            raise ValueError(f"control names condition {number} of study {name!r}, which no row has")
        found[place] = number
    return found


def _mean(values: Floats) -> float | None:
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
