"""Predicted effects against real ones, once the data are in: a study of a dataset whose arms and outcomes have the experiment's ids.

People count by the study's weights, as they do when they are asked as personas: both sides are of the same population.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..dataset_folder import DatasetFolder
from ..errors import DatasetError
from ..metrics.socsci210.agreement import Agreement, agreement
from ..metrics.socsci210.effects import INTERVAL_95, Contrasts
from .experiment_file import Experiment, read_experiment
from .parts import EXPERIMENT
from .real import Real
from .tables import AMCES, write_json, write_table

EFFECTS_FILE: Final = "effects.parquet"
LEVELS_FILE: Final = f"{AMCES}.parquet"
COMPARISON: Final = "comparison"
LEVELS: Final = f"{COMPARISON}_{AMCES}"
OF_PREDICTION: Final = "of the prediction, without shrinkage"
_ARMS: Final = ("outcome", "arm", "against")
_LEVELS: Final = ("outcome", "arm", "attribute", "level", "against")
_FIGURES: Final = [(name, pa.float64()) for name in ("predicted", "low", "high", "human", "human_se", "human_low", "human_high")] + [
    ("n", pa.int64()),
    *((name, pa.bool_()) for name in ("reliable", "same_sign", "covered")),
]
SCHEMA: Final = pa.schema([*((name, pa.string()) for name in _ARMS), *_FIGURES])
LEVELS_SCHEMA: Final = pa.schema([*((name, pa.string()) for name in _LEVELS), *_FIGURES])


class Tally(NamedTuple):
    """How many effects are compared, are reliable among people, have their sign predicted right among those, and lie in the interval."""

    n: int
    n_reliable: int
    sign_right: int
    n_covered: int


@dataclass(frozen=True)
class Comparison:
    """Predicted and real effects of arms in scale units, and of the levels of a conjoint on [0, 1].

    Attributes:
        table: one row per contrast of arms. `low` and `high` are what was expected of people: the 95 % interval after shrinkage, or
            without evidence the interval of the prediction itself, as `interval` says. `reliable`: people's own interval excludes 0.
            `covered`: the real effect lies in the expected interval, widened by the noise of its own measurement.
        levels: the same of AMCEs; no rows where the experiment is no conjoint. Their interval is always that of the prediction.
        agreement, agreement_levels: over all contrasts, as shares of the span; see `metrics.socsci210.agreement`.
        tally, tally_levels: the same in counts.
        weighted: whether people count by weights of the study.
        left_out: arms, outcomes and levels that are not compared, and why.
    """

    study: str
    interval: str
    table: pa.Table
    levels: pa.Table
    agreement: Agreement
    agreement_levels: Agreement
    tally: Tally
    tally_levels: Tally
    weighted: bool
    left_out: tuple[str, ...]


def compare(folder: Path, study: str) -> list[str]:
    """Hold a finished run against a study, write comparison.csv, .parquet, .json and .html beside it, and say in lines what came out.

    Args:
        folder: of the run.
        study: `DATASET:STUDY`.

    Raises:
        DatasetError: no finished run, no such dataset or study, or nothing in it that can be compared.
    """
    from .page import write_comparison

    dataset, _, name = study.rpartition(":")
    if not dataset:
        raise DatasetError(f"{study!r}", expected="DATASET:STUDY", fix="give the folder of a dataset and the id of a study in it")
    if not (folder / EFFECTS_FILE).is_file():
        raise DatasetError("no finished run", where=str(folder), expected=EFFECTS_FILE, fix="let socsci210 simulate finish first")
    experiment = read_experiment(folder / EXPERIMENT)
    levels = pq.read_table(folder / LEVELS_FILE) if experiment.attributes else None
    found = compared(experiment, pq.read_table(folder / EFFECTS_FILE), DatasetFolder(dataset), name, levels=levels)
    write_table(found.table, folder / COMPARISON)
    if experiment.attributes:
        write_table(found.levels, folder / LEVELS)
    write_json(_summary(found), folder / f"{COMPARISON}.json")
    page = write_comparison(experiment, found, folder / f"{COMPARISON}.html")
    lines = [_said("effects", name, found.tally, found.interval)] if found.tally.n or not found.tally_levels.n else []
    if found.tally_levels.n:
        lines.append(_said("effects of levels", name, found.tally_levels, OF_PREDICTION))
    return [*lines, *found.left_out, str(page)]


def _said(what: str, study: str, tally: Tally, interval: str) -> str:
    return (
        f"{tally.n} {what} of {study} against the real ones: signs right in {tally.sign_right} of the {tally.n_reliable} that are reliable "
        f"among people; {tally.n_covered} of {tally.n} in their 95 % interval ({interval})"
    )


def _summary(found: Comparison) -> dict[str, Any]:
    agreements = {name: {key: _finite(value) for key, value in getattr(found, name).items()} for name in ("agreement", "agreement_levels")}
    names = ("study", "interval", "weighted", "left_out")
    return {
        **{name: getattr(found, name) for name in names}, **found.tally._asdict(), "levels": found.tally_levels._asdict(), **agreements,
    }  # fmt: skip


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def compared(experiment: Experiment, effects: pa.Table, folder: DatasetFolder, study: str, *, levels: pa.Table | None = None) -> Comparison:
    """Compare predicted effects (tables of an analysis) with those of a study of a dataset.

    Raises:
        DatasetError: no such study, or none of its conditions and outcomes has an id of the experiment.
    """
    real = Real(folder, study)
    left_out = list(_left_out(experiment, real))
    arms = [arm.id for arm in experiment.arms if arm.id in real.conditions]
    outcomes = [outcome.id for outcome in experiment.outcomes if real.why_not(outcome) is None]
    out: list[dict[str, Any]] = []
    for row in effects.to_pylist():
        if row["outcome"] in outcomes and row["arm"] in arms and row["against"] in arms:
            found = real.effect(row["outcome"], row["arm"], row["against"])
            if found is None:
                left_out.append(f"{row['outcome']}, {row['arm']} against {row['against']}: too few people answered")
            else:
                out.append(_row(row, _ARMS, float(found.human[0]), float(found.human_se[0]), int(found.n[0])))
    of_levels, unlike = _levels(experiment, real, arms, outcomes, levels)
    left_out += unlike
    if not out and not of_levels:
        why = "".join(f"; {line}" for line in left_out[:5])
        raise DatasetError(
            f"nothing to compare: no two arms and no outcome have the ids of the experiment{why}", where=f"{folder.path}, study {study}",
            expected=f"conditions {', '.join(arm.id for arm in experiment.arms)}", fix="give both the same ids",
        )  # fmt: skip
    spans = {one.id: float(one.scale.max - one.scale.min) for one in experiment.outcomes}
    return Comparison(
        study=study,
        interval="after shrinkage" if effects.column("shrunk").null_count < len(effects) else OF_PREDICTION,
        table=pa.Table.from_pylist(out, SCHEMA),
        levels=pa.Table.from_pylist(of_levels, LEVELS_SCHEMA),
        agreement=agreement(_contrasts(out, [spans[row["outcome"]] for row in out])),
        agreement_levels=agreement(_contrasts(of_levels, [1.0] * len(of_levels))),
        tally=_tally(out),
        tally_levels=_tally(of_levels),
        weighted=real.weighted,
        left_out=tuple(left_out),
    )


def _tally(rows: list[dict[str, Any]]) -> Tally:
    reliable = [row for row in rows if row["reliable"]]
    return Tally(len(rows), len(reliable), sum(row["same_sign"] for row in reliable), sum(row["covered"] for row in rows))


def _left_out(experiment: Experiment, real: Real) -> Iterator[str]:
    for arm in experiment.arms:
        if arm.id not in real.conditions:
            yield f"arm {arm.id} is only in the experiment"
    ids = {arm.id for arm in experiment.arms}
    for condition in real.conditions:
        if condition not in ids:
            yield f"arm {condition} is only in the study"
    for outcome in experiment.outcomes:
        if reason := real.why_not(outcome):
            yield f"outcome {outcome.id}: {reason}"
    known = {outcome.id for outcome in experiment.outcomes}
    for name, question in real.questions.items():
        if not question.parts and name not in known and question.whole not in known:
            yield f"outcome {name} is only in the study"


def _levels(
    experiment: Experiment, real: Real, arms: list[str], outcomes: list[str], levels: pa.Table | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of AMCEs, and those that the study does not have."""
    out, unlike = [], list[str]()
    known: dict[tuple[str, str], Mapping[tuple[str, str], tuple[float, float, int]]] = {}
    for row in [] if levels is None else levels.to_pylist():
        outcome, arm, attribute, level = (row[name] for name in _LEVELS[:4])
        if outcome not in outcomes or arm not in arms:
            continue
        if (outcome, arm) not in known:
            known[outcome, arm] = real.levels(experiment, outcome, arm)
        found = known[outcome, arm].get((attribute, level))
        if found is None:
            unlike.append(f"level {level} of {attribute} is only in the experiment, or its reference is")
        else:
            out.append(_row(row | {"shrunk": None}, _LEVELS, *found))
    return out, list(dict.fromkeys(unlike))


def _contrasts(rows: list[dict[str, Any]], spans: list[float]) -> Contrasts:
    """The rows as shares of the span."""
    human, se, model = (np.array([row[name] for row in rows], np.float64) / np.array(spans) for name in ("human", "human_se", "predicted"))
    outcome, arm, against = (np.unique([row[name] for row in rows], return_inverse=True)[1].reshape(-1).astype(np.int64) for name in _ARMS)
    attribute = np.unique([row.get("attribute", "") for row in rows], return_inverse=True)[1].reshape(-1).astype(np.int64)
    zero = np.zeros(len(rows), np.int64)
    if rows and "level" in rows[0]:
        arm = np.unique([row["level"] for row in rows], return_inverse=True)[1].reshape(-1).astype(np.int64)
    return Contrasts(zero, outcome, zero, attribute, arm, against, human, se, model, zero, np.full(len(rows), "between"))


def _row(row: dict[str, Any], keys: tuple[str, ...], human: float, se: float, n: int) -> dict[str, Any]:
    low, high = (row["low"], row["high"]) if row["shrunk"] is None else (row["shrunk_low"], row["shrunk_high"])
    middle = (low + high) / 2
    reach = float(np.hypot((high - low) / 2, INTERVAL_95 * se))
    return {name: row[name] for name in keys} | {
        "predicted": row["effect"], "low": low, "high": high, "human": human, "human_se": se, "human_low": human - INTERVAL_95 * se,
        "human_high": human + INTERVAL_95 * se, "n": n, "reliable": bool(abs(human) > INTERVAL_95 * se > 0),
        "same_sign": bool(np.sign(human) == np.sign(row["effect"])), "covered": bool(abs(human - middle) <= reach),
    }  # fmt: skip
