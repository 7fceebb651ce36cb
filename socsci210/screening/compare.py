"""Predicted effects against real ones, once the data are in: a study of a dataset whose arms and outcomes have the experiment's ids."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..dataset_folder import DatasetFolder
from ..errors import DatasetError
from ..metrics.socsci210.agreement import Agreement, agreement
from ..metrics.socsci210.codes import Ints
from ..metrics.socsci210.effects import INTERVAL_95, Contrasts, Rows, between_contrasts, within_contrasts
from .experiment_file import Experiment, read_experiment
from .parts import EXPERIMENT
from .tables import write_json, write_table

EFFECTS_FILE: Final = "effects.parquet"
COMPARISON: Final = "comparison"
COLUMNS: Final = ("study_id", "participant", "condition_num", "task_num", "item_num", "response")
SCHEMA: Final = pa.schema(
    [(name, pa.string()) for name in ("outcome", "arm", "against")]
    + [(name, pa.float64()) for name in ("predicted", "low", "high", "human", "human_se", "human_low", "human_high")]
    + [("n", pa.int64())]
    + [(name, pa.bool_()) for name in ("reliable", "same_sign", "covered")]
)


@dataclass(frozen=True)
class Comparison:
    """Predicted and real effects, in scale units.

    Attributes:
        table: one row per contrast. `low` and `high` are what was expected of people: the 95 % interval after shrinkage, or without
            evidence the interval of the prediction itself, as `interval` says. `reliable`: people's own interval excludes 0. `covered`: the
            real effect lies in the expected interval, widened by the noise of its own measurement.
        agreement: over all contrasts, as shares of the span; see `metrics.socsci210.agreement`.
        sign_right, n_reliable: signs that were predicted right, among reliable contrasts.
        left_out: arms and outcomes that only one side has.
    """

    study: str
    interval: str
    table: pa.Table
    agreement: Agreement
    sign_right: int
    n_reliable: int
    n_covered: int
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
    effects = folder / EFFECTS_FILE
    if not effects.is_file():
        raise DatasetError("no finished run", where=str(folder), expected=EFFECTS_FILE, fix="let socsci210 simulate finish first")
    experiment = read_experiment(folder / EXPERIMENT)
    found = compared(experiment, pq.read_table(effects), DatasetFolder(dataset), name)
    write_table(found.table, folder / COMPARISON)
    figures = asdict(found) | {"table": None, "agreement": {key: _finite(value) for key, value in found.agreement.items()}}
    write_json({key: value for key, value in figures.items() if key != "table"}, folder / f"{COMPARISON}.json")
    page = write_comparison(experiment, found, folder / f"{COMPARISON}.html")
    n = len(found.table)
    lines = [
        f"{n} effects of {name} against the real ones: signs right in {found.sign_right} of the {found.n_reliable} that are reliable among "
        f"people; {found.n_covered} of {n} in their 95 % interval ({found.interval})",
        *(f"only in the experiment: {what}" for what in found.left_out),
    ]
    return [*lines, str(page)]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def compared(experiment: Experiment, effects: pa.Table, folder: DatasetFolder, study: str) -> Comparison:
    """Compare predicted effects (the table of an analysis) with those of a study of a dataset.

    Raises:
        DatasetError: no such study, or none of its conditions and outcomes has an id of the experiment.
    """
    if study not in folder.studies:
        raise DatasetError(
            f"no study {study!r}", where=str(folder.path), expected=f"one of {', '.join(folder.studies)}", fix="check the id"
        )
    arms = _numbers(folder, "conditions", "condition", study)
    outcomes = _numbers(folder, "outcomes", "outcome", study, "task_num")
    known_arms = [arm.id for arm in experiment.arms if arm.id in arms]
    known = [outcome.id for outcome in experiment.outcomes if outcome.id in outcomes]
    rows = _rows(folder, study)
    spans = {one.id: float(one.scale.max - one.scale.min) for one in experiment.outcomes}
    out: list[dict[str, Any]] = []
    for row in effects.to_pylist():
        if row["outcome"] in known and row["arm"] in known_arms and row["against"] in known_arms:
            found = _contrast(rows, outcomes[row["outcome"]], arms[row["arm"]], arms[row["against"]])
            if found is not None:
                out.append(_row(row, found))
    if not out:
        raise DatasetError(
            "nothing to compare: no two arms and no outcome have the ids of the experiment", where=f"{folder.path}, study {study}",
            expected=f"conditions {', '.join(arm.id for arm in experiment.arms)}", fix="give both the same ids",
        )  # fmt: skip
    missing = [f"arm {arm.id}" for arm in experiment.arms if arm.id not in arms]
    missing += [f"outcome {outcome.id}" for outcome in experiment.outcomes if outcome.id not in outcomes]
    reliable = [row for row in out if row["reliable"]]
    return Comparison(
        study=study,
        interval="after shrinkage" if effects.column("shrunk").null_count < len(effects) else "of the prediction, without shrinkage",
        table=pa.Table.from_pylist(out, SCHEMA),
        agreement=agreement(_contrasts(out, spans)),
        sign_right=sum(row["same_sign"] for row in reliable),
        n_reliable=len(reliable),
        n_covered=sum(row["covered"] for row in out),
        left_out=tuple(missing),
    )


def _contrasts(rows: list[dict[str, Any]], spans: dict[str, float]) -> Contrasts:
    """The rows as shares of the span."""
    span = np.array([spans[row["outcome"]] for row in rows])
    human, se, model = (np.array([row[name] for row in rows]) / span for name in ("human", "human_se", "predicted"))
    outcome, arm, against = (
        np.unique([row[name] for row in rows], return_inverse=True)[1].reshape(-1) for name in ("outcome", "arm", "against")
    )
    zero = np.zeros(len(rows), np.int64)
    return Contrasts(zero, outcome, zero, zero - 1, arm, against, human, se, model, zero, np.full(len(rows), "between"))


def _numbers(folder: DatasetFolder, table: str, what: str, study: str, number: str = "condition_num") -> dict[str, int]:
    rows = folder.table(table, ["study_id", f"{what}_id", number]).filter(pc.field("study_id") == study).to_pylist()
    return {row[f"{what}_id"]: row[number] for row in rows}


def _rows(folder: DatasetFolder, study: str) -> Rows:
    table = folder.rows("all", columns=COLUMNS, studies=[study])
    table = table.filter(pc.is_valid(table.column("response")))
    columns: list[Ints] = [table.column(name).to_numpy().astype(np.int64) for name in COLUMNS[1:]]
    person, condition, task, item, response = columns
    return Rows(np.zeros(len(table), np.int64), condition, task, np.zeros_like(item), person, response.astype(np.float64))


def _contrast(rows: Rows, task: int, arm: int, against: int) -> Contrasts | None:
    """People's effect in scale units, within people where most of them answered in both arms; None with too few people."""
    own = rows.take((rows.task == task) & np.isin(rows.condition, (arm, against)))
    sides = [set(own.person[own.condition == number].tolist()) for number in (arm, against)]
    paired = len(sides[0] & sides[1]) > 0.5 * len(sides[0] | sides[1])
    found = (within_contrasts if paired else between_contrasts)(own, own, np.array([against]))
    return found if len(found.human) else None


def _row(row: dict[str, Any], found: Contrasts) -> dict[str, Any]:
    human, se = float(found.human[0]), float(found.human_se[0])
    low, high = (row["low"], row["high"]) if row["shrunk"] is None else (row["shrunk_low"], row["shrunk_high"])
    middle = (low + high) / 2
    reach = float(np.hypot((high - low) / 2, INTERVAL_95 * se))
    return {
        "outcome": row["outcome"], "arm": row["arm"], "against": row["against"], "predicted": row["effect"], "low": low, "high": high,
        "human": human, "human_se": se, "human_low": human - INTERVAL_95 * se, "human_high": human + INTERVAL_95 * se, "n": int(found.n[0]),
        "reliable": bool(found.reliable[0]), "same_sign": bool(np.sign(human) == np.sign(row["effect"])),
        "covered": bool(abs(human - middle) <= reach),
    }  # fmt: skip
