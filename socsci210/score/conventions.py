"""One run under each convention: distances of cells, means of studies, reference points on exactly the same cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..metrics.socsci210 import cells as maths
from ..metrics.socsci210.cells import Answers, Cells, Floats, Ints, Mass, Ruler
from ..reference import estimate, gap_closed
from ..results import Convention, Score, StudyScore, WeightedScore
from .predictions import Predictions
from .split import Split

Mask = NDArray[np.bool_]
FLOOR_DRAWS: Final = 100  # resamples of each cell for the noise floor of draws; the one of distributions is exact
CONTROL_NAMES: Final = ("train_lookup", "pooled_oracle")


@dataclass(frozen=True)
class Scored:
    """What both conventions work on.

    Attributes:
        split: the rows of every scored sub-cell (predicted or not: all people of a cell are its humans).
        cells: their sub-cells.
        predicted: index of each predicted row in `split`.
        predictions: answers of the predicted rows.
        low, high: range of each sub-cell without a stated scale, from training; nan where unknown.
        controls: distributions by name of control.
    """

    split: Split
    cells: Cells
    predicted: Ints
    predictions: Predictions
    low: Floats
    high: Floats
    controls: dict[str, Mass]
    is_control: bool

    @cached_property
    def on_scale(self) -> Mask:
        """Rows of the split that convention `stated` counts: all but those whose answer lies outside the stated scale."""
        return maths.on_scale(self.cells, self.split.response)

    @cached_property
    def human(self) -> Mass:
        """What people answered on the scale."""
        return maths.people(self.cells, self.split.response, self.on_scale.astype(np.float64))

    @cached_property
    def model(self) -> Mass:
        """What the predictions say of the same rows, added up in each sub-cell."""
        return self.reread(self.predictions.answers, self.on_scale.astype(np.float64))

    def reread(self, answers: Answers, weight: Floats | None = None) -> Mass:
        """The same for other answers of the predicted rows, or with a weight for each row of the split."""
        return maths.predicted(self.cells, self.cells.code[self.predicted], answers, None if weight is None else weight[self.predicted])


def stated_ruler(scored: Scored) -> Ruler:
    """The ruler of convention `stated`, which counts people on the scale."""
    n = np.bincount(scored.cells.code, weights=scored.on_scale, minlength=scored.cells.n_sub)
    return maths.stated_ruler(scored.cells, scored.low, scored.high, n.astype(np.int64))


def convention_score(scored: Scored, convention: Convention, *, draws: int, seed: int) -> Score | None:
    """All figures of one convention; None where it scores no cell."""
    cells, kind = scored.cells, scored.predictions.kind
    decode = convention == "published" and kind == "distributions" and not scored.is_control
    stated = convention == "stated"
    ruler = stated_ruler(scored) if stated else maths.published_ruler(cells, scored.split.response)
    answers = maths.decoded(scored.predictions.answers) if decode else scored.predictions.answers
    human, model = (scored.human, scored.model) if stated else (maths.people(cells, scored.split.response), scored.reread(answers))
    low, high = (scored.low, scored.high) if stated else _seen(scored)
    figures = {
        "W": maths.distance(ruler, model, human),
        "chance": maths.distance(ruler, maths.uniform(cells, low, high), human),
        "chance_draws": maths.distance(ruler, maths.uniform_draws(cells, low, high, seed), human),
        "distributions": maths.floor(ruler, human),
        "draws": maths.floor_draws(ruler, human, draws=FLOOR_DRAWS, seed=seed),
        **{name: maths.distance(ruler, mass, human) for name, mass in scored.controls.items()},
    }
    by_cell = _by_cell(cells, figures, stated)
    counted = np.isfinite(by_cell["W"])
    if not counted.any():
        return None
    study = {name: maths.mean_by(cells.cell_study, values, len(scored.split.studies)) for name, values in by_cell.items()}
    there = np.flatnonzero(np.isfinite(study["W"]))
    per = {name: values[there] for name, values in study.items()}
    floor = per[kind]
    parts = per if len(there) > 1 else {name: values[counted] for name, values in by_cell.items()}
    gap = gap_closed(parts["chance"], parts["W"], parts[kind], draws=draws, seed=seed)
    return Score(
        convention=convention,
        decoding=_decoding(scored, decode),
        W=estimate(per["W"], draws=draws, seed=seed),
        chance=float(per["chance"].mean()),
        chance_draws=float(per["chance_draws"].mean()),
        noise_floor=float(floor.mean()),
        noise_floor_kind=kind,
        noise_floor_distributions=float(per["distributions"].mean()),
        noise_floor_draws=float(per["draws"].mean()),
        train_lookup=_mean(per.get("train_lookup")),
        pooled_oracle=_mean(per.get("pooled_oracle")),
        gap_closed=gap,
        n_studies=len(there),
        n_cells=int(counted.sum()),
        not_scored=_not_scored(cells, ruler, stated, counted),
        scale_source=_scale_source(cells, ruler, stated, counted),
        rows_left_out=_rows_left_out(scored) if stated else {},
        per_study=tuple(_per_study(scored, per, there, counted, kind, stated)),
    )


def weighted_score(scored: Scored, *, draws: int, seed: int) -> WeightedScore | None:
    """Convention `stated` over the weighted studies, the same weights on both sides; None where no study is weighted."""
    weight = scored.split.weight
    has = np.isfinite(weight)
    if not has.any():
        return None
    has &= scored.on_scale
    used = np.where(has, weight, 0.0)
    cells, ruler = scored.cells, stated_ruler(scored)
    human = maths.people(cells, scored.split.response, used)
    figures = {
        "W": maths.distance(ruler, scored.reread(scored.predictions.answers, used), human),
        "chance": maths.distance(ruler, maths.uniform(cells, scored.low, scored.high), human),
    }
    by_cell = _by_cell(cells, figures, True)
    counted = np.isfinite(by_cell["W"])
    if not counted.any():
        return None
    study = {name: maths.mean_by(cells.cell_study, values, len(scored.split.studies)) for name, values in by_cell.items()}
    there = np.isfinite(study["W"])
    of_row = cells.cell[cells.code]
    total, squares = (np.bincount(of_row, weights=w, minlength=cells.n_cells) for w in (used, used**2))
    return WeightedScore(
        W=estimate(study["W"][there], draws=draws, seed=seed),
        chance=float(study["chance"][there].mean()),
        n_studies=int(there.sum()),
        n_cells=int(counted.sum()),
        n_rows=int((has & counted[of_row]).sum()),
        effective_n=float((total[counted] ** 2 / squares[counted]).sum()),
    )


def _by_cell(cells: Cells, figures: dict[str, Floats], stated: bool) -> dict[str, Floats]:
    """Values of cells: sub-cells are averaged; every figure counts exactly where W does."""
    counted = np.isfinite(figures["W"])
    masked = {name: np.where(counted, values, np.nan) for name, values in figures.items()}
    return {name: maths.mean_by(cells.cell, values, cells.n_cells) for name, values in masked.items()} if stated else masked


def _seen(scored: Scored) -> tuple[Floats, Floats]:
    """Observed range of each sub-cell: where `published` has no stated scale to draw chance from."""
    low, high = np.full(scored.cells.n_sub, np.inf), np.full(scored.cells.n_sub, -np.inf)
    np.minimum.at(low, scored.cells.code, scored.split.response)
    np.maximum.at(high, scored.cells.code, scored.split.response)
    return low, high


def _decoding(scored: Scored, decode: bool) -> str:
    if scored.predictions.kind == "draws":
        return "draws as given, one for each row"
    return "temperature 0.6 and top_p 0.9, applied to the whole distribution" if decode else "none: the whole distribution"


def _not_scored(cells: Cells, ruler: Ruler, stated: bool, counted: Mask) -> dict[str, int]:
    if not stated:
        return _known({"fewer than two rows, or one constant answer": int((~counted).sum())})
    scaled = _any(cells, np.isfinite(ruler.low))
    found = {"no stated scale, and no range in training": ~scaled, "no answer on the stated scale": scaled & ~counted}
    return _known({reason: int(which.sum()) for reason, which in found.items()})


def _scale_source(cells: Cells, ruler: Ruler, stated: bool, counted: Mask) -> dict[str, int]:
    """How many cells are measured on which scale."""
    if not stated:
        return _known({"observed": int(counted.sum()), "none": int((~counted).sum())})
    scaled = np.isfinite(ruler.low)
    of_training = _any(cells, scaled & ~cells.bounded)
    of_question = _any(cells, scaled & cells.bounded) & ~of_training
    found = {"stated": of_question, "training_range": of_training, "none": ~of_question & ~of_training}
    return _known({source: int(which.sum()) for source, which in found.items()})


def _rows_left_out(scored: Scored) -> dict[str, int]:
    return _known({"answer off the stated scale": int((~scored.on_scale).sum())})


def _any(cells: Cells, which: Mask) -> Mask:
    """Cells with such a sub-cell."""
    return np.bincount(cells.cell[which], minlength=cells.n_cells) > 0


def _known(counts: dict[str, int]) -> dict[str, int]:
    return {name: n for name, n in counts.items() if n}


def _per_study(scored: Scored, per: dict[str, Floats], there: Ints, counted: Mask, kind: str, stated: bool) -> list[StudyScore]:
    cells, n_studies = scored.cells, len(scored.split.studies)
    n_cells = np.bincount(cells.cell_study[counted], minlength=n_studies)
    used = counted[cells.cell[cells.code]] & (scored.on_scale if stated else True)
    rows = np.bincount(scored.split.study[used], minlength=n_studies)
    mass = study_mass(scored)
    return [
        StudyScore(
            study_id=scored.split.studies[s],
            n_cells=int(n_cells[s]),
            n_rows=int(rows[s]),
            W=float(per["W"][i]),
            chance=float(per["chance"][i]),
            noise_floor=float(per[kind][i]),
            train_lookup=float(per["train_lookup"][i]) if "train_lookup" in per else None,
            pooled_oracle=float(per["pooled_oracle"][i]) if "pooled_oracle" in per else None,
            answer_mass=None if mass is None else float(mass[s]),
        )
        for i, s in enumerate(there)
    ]


def study_mass(scored: Scored) -> Floats | None:
    """Mean answer mass over the predicted rows of each study; nan where it has none; None without masses."""
    mass = scored.predictions.mass
    return None if mass is None else maths.mean_by(scored.split.study[scored.predicted], mass, len(scored.split.studies))


def _mean(values: Floats | None) -> float | None:
    if values is None or not np.isfinite(values).any():
        return None
    return float(np.nanmean(values))
