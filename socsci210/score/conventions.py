"""One run under each convention: means of cells, then studies, with the reference points on exactly the same cells."""

from __future__ import annotations

from typing import Final

import numpy as np

from ..metrics.socsci210 import cells as maths
from ..metrics.socsci210.cells import Cells, Floats, Ints, Ruler
from ..reference import estimate, gap_closed
from ..results import Estimate, Score, StudyScore, WeightedScore
from .measured import Measured
from .people_drawn import Compared, compared, single_study
from .scored import Mask, Scored, stated_ruler

CONTROL_NAMES: Final = ("train_lookup", "pooled_oracle")


def convention_score(found: Measured, *, draws: int, seed: int, accuracy: Floats | None = None) -> Score | None:
    """All figures of one convention; None where it scores no cell.

    Args:
        found: the distances.
        draws, seed: of the bootstrap over studies, or over the people of a single one.
        accuracy: individual accuracy of each study; nan where it has none.
    """
    scored, stated = found.scored, found.convention == "stated"
    cells, kind, counted = scored.cells, found.floor, found.counted
    if not counted.any():
        return None
    there = np.flatnonzero(np.isfinite(found.by_study["W"]))
    per = {name: values[there] for name, values in found.by_study.items()}
    parts = per if len(there) > 1 else {name: values[counted] for name, values in found.by_cell.items()}
    return Score(
        convention=found.convention,
        decoding=_decoding(scored, found.decoded),
        W=_over_people(found, len(there), draws, seed) or estimate(per["W"], draws=draws, seed=seed),
        chance=float(per["chance"].mean()),
        chance_draws=float(per["chance_draws"].mean()),
        noise_floor=float(per[kind].mean()),
        noise_floor_kind=kind,
        noise_floor_distributions=float(per["distributions"].mean()),
        noise_floor_draws=float(per["draws"].mean()),
        draws_per_person=scored.predictions.per_person or 1,
        train_lookup=_mean(per.get("train_lookup")),
        pooled_oracle=_mean(per.get("pooled_oracle")),
        best_constant=_mean(per["best_constant"]),
        total_variation=_mean(per["total_variation"]),
        gap_closed=gap_closed(parts["chance"], parts["W"], parts[kind], draws=draws, seed=seed),
        n_studies=len(there),
        n_cells=int(counted.sum()),
        not_scored=scored.missing.cells | _not_scored(cells, found.ruler, stated, counted),
        studies_not_scored=scored.missing.studies,
        scale_source=_scale_source(cells, found.ruler, stated, counted),
        rows_left_out=scored.missing.rows | (_rows_left_out(scored) if stated else {}),
        per_study=tuple(_per_study(found, per, there, accuracy)),
    )


def weighted_score(scored: Scored, *, draws: int, seed: int) -> WeightedScore | None:
    """Convention `stated` over the weighted studies, the same weights on both sides; None where no study is weighted."""
    weight = scored.split.weight
    if weight is None:
        return None
    has = np.isfinite(weight)
    has &= scored.on_scale
    used = np.where(has, weight, 0.0)
    cells, ruler = scored.cells, stated_ruler(scored)
    human = maths.people(cells, scored.split.response, used)
    figures = {
        "W": maths.distance(ruler, scored.expected(weight=used), human),
        "chance": maths.distance(ruler, maths.uniform(cells, scored.low, scored.high), human),
    }
    by_cell = {name: maths.mean_by(cells.cell, values, cells.n_cells) for name, values in figures.items()}
    counted = np.isfinite(by_cell["W"])
    if not counted.any():
        return None
    study = {name: maths.mean_by(cells.cell_study, values, len(scored.split.studies)) for name, values in by_cell.items()}
    there = np.isfinite(study["W"])
    alone = None
    if there.sum() == 1:
        alone = single_study(Compared(scored, ruler, figures["W"], cells.cell, used, scored.answers()), draws=draws, seed=seed)
    of_row = cells.cell[cells.code]
    total, squares = (np.bincount(of_row, weights=w, minlength=cells.n_cells) for w in (used, used**2))
    return WeightedScore(
        W=alone or estimate(study["W"][there], draws=draws, seed=seed),
        chance=float(study["chance"][there].mean()),
        n_studies=int(there.sum()),
        n_cells=int(counted.sum()),
        n_rows=int((has & counted[of_row]).sum()),
        effective_n=float((total[counted] ** 2 / squares[counted]).sum()),
    )


def _over_people(found: Measured, n_studies: int, draws: int, seed: int) -> Estimate | None:
    return single_study(compared(found), draws=draws, seed=seed) if n_studies == 1 else None


def _decoding(scored: Scored, decode: bool) -> str:
    drawn = scored.predictions.files.metadata.drawn_at
    made = "" if drawn is None else f" at temperature {drawn[0]:g} and top_p {drawn[1]:g}"
    if scored.predictions.kind == "draws":
        return f"draws{made} as given, one for each row"
    if made and not decode:
        return f"draws{made} as given, several for each row"
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


def _per_study(found: Measured, per: dict[str, Floats], there: Ints, accuracy: Floats | None) -> list[StudyScore]:
    scored, counted = found.scored, found.counted
    cells, n_studies = scored.cells, len(scored.split.studies)
    n_cells = np.bincount(cells.cell_study[counted], minlength=n_studies)
    used = counted[cells.cell[cells.code]] & (scored.on_scale if found.convention == "stated" else True)
    rows = np.bincount(scored.split.study[used], minlength=n_studies)
    mass = study_mass(scored)
    return [
        StudyScore(
            study_id=scored.split.studies[s],
            n_cells=int(n_cells[s]),
            n_rows=int(rows[s]),
            W=float(per["W"][i]),
            chance=float(per["chance"][i]),
            noise_floor=float(per[found.floor][i]),
            train_lookup=float(per["train_lookup"][i]) if "train_lookup" in per else None,
            pooled_oracle=float(per["pooled_oracle"][i]) if "pooled_oracle" in per else None,
            answer_mass=None if mass is None else float(mass[s]),
            accuracy=None if accuracy is None else float(accuracy[s]),
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
