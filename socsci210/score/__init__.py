"""Score predictions against people: one function, every figure with its reference points (definitions: the README's table of scores)."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..contamination import contamination, released
from ..dataset_folder import DatasetFolder
from ..errors import DatasetError
from ..metrics.socsci210.cells import Answers, Cells, Floats, Ints, Mass, cells_of, predicted
from ..reference import BOOTSTRAP_DRAWS, PERMUTATIONS
from ..result_parts import UNREAD
from ..result_tables import overlap_notes, score_table, summary, unread_notes
from ..results import FORMAT, AnswerMass, Coverage, Dataset, Results, Run
from ..schema import MAX_ENUMERATED
from .conventions import CONTROL_NAMES, convention_score, study_mass, weighted_score
from .effects import treatment_effects
from .examples import examples
from .files import PredictionFiles, group_files
from .groups import cell_table, groups
from .measured import measured
from .people import SHUFFLES, condition_sensitivity, parity
from .people_drawn import compared, sampling_error
from .predictions import Predictions, read_predictions
from .rows import calibrated, entropy_ratio, individual, row_figures, study_accuracy
from .scored import Missing, Scored
from .split import Split, read_split, training_range

__all__ = ["Results", "overlap_notes", "score", "score_table", "summary", "unread_notes"]
NOT_PREDICTED = "no prediction"
MASS_FLAG = 0.9  # a lower mean answer mass is flagged


def score(
    predictions: Sequence[Path],
    dataset: Path,
    *,
    arms: Sequence[Path] = (),
    controls: bool = True,
    allow_overlap: bool = False,
    seed: int = 0,
) -> Results:
    """Score prediction files. Files of one run (its shards) are scored together; each run becomes one entry of the results.

    Args:
        predictions: files that `predict` wrote, or others with the same columns and metadata.
        dataset: the dataset folder they were made for.
        arms: files of the same runs with every persona through every arm (`predict --arms`), for treatment effects; without one, effects
            compare people as they were assigned, and say so.
        controls: compute train_lookup and pooled_oracle beside each score.
        allow_overlap: score rows that the model is known to have been trained on, and report how many, instead of refusing them.
        seed: of every resampling.

    Raises:
        DatasetError: a file that is unfinished, made for another dataset, or holds rows that are duplicated, unknown or missing,
            probabilities that are nan or do not sum to 1, or a support that is not the scale; rows that the model was trained on; or arms
            of a run that is not scored. The message counts and names them.
    """
    folder = DatasetFolder(dataset)
    runs_files = group_files(predictions, folder.fingerprint)
    arms_files = _arms_of(runs_files, group_files(arms, folder.fingerprint, arms=True) if arms else [])
    splits: dict[tuple[str, str], Split] = {}
    runs: list[Run] = []
    for files, own_arms in zip(runs_files, arms_files, strict=True):
        key = (files.metadata.config, files.metadata.split)
        if key not in splits:
            splits = {key: read_split(folder, *key)}  # one split in memory at a time
        runs.append(_run(files, own_arms, splits[key], folder, controls, allow_overlap, seed))
    return Results(
        format=FORMAT,
        version=version("socsci210"),
        versions={"python": platform.python_version(), "numpy": np.__version__, "pyarrow": pa.__version__},
        seed=seed,
        bootstrap_draws=BOOTSTRAP_DRAWS,
        permutations=PERMUTATIONS,
        shuffles=SHUFFLES,
        dataset=_dataset(folder, runs),
        runs=tuple(runs),
    )


def _arms_of(runs: list[PredictionFiles], arms: list[PredictionFiles]) -> list[PredictionFiles | None]:
    """The arms file of each run: the one of the same configuration, split, engine, model and template."""
    names = ("config", "split", "engine", "model", "revision", "template_hash")
    keys = [tuple(getattr(one.metadata, name) for name in names) for one in arms]
    wanted = [tuple(getattr(one.metadata, name) for name in names) for one in runs]
    for key, one in zip(keys, arms, strict=True):
        if key not in wanted:
            raise DatasetError(
                f"arms of a run that is not scored ({one.metadata.model or one.metadata.engine}, {one.metadata.config})",
                where=one.where, expected="the predictions of the same model and split", fix="give the predictions of this run as well",
            )  # fmt: skip
    return [next((one for key, one in zip(keys, arms, strict=True) if key == own), None) for own in wanted]


def _run(
    files: PredictionFiles,
    arms: PredictionFiles | None,
    split: Split,
    folder: DatasetFolder,
    controls: bool,
    allow_overlap: bool,
    seed: int,
) -> Run:
    found = read_predictions(files, split.rows, split.scale)
    about = files.metadata
    rows = split.rows.select(["study_id", "sample_id"]).take(pa.array(found.row))
    overlap = contamination(rows, folder, about.model, about.training, allow_overlap=allow_overlap)
    scored = _scored(found, split, folder, controls)
    stated, published = (measured(scored, convention, seed=seed) for convention in ("stated", "published"))
    figures, entropy = row_figures(scored), entropy_ratio(scored)
    accuracy = study_accuracy(scored, figures) if len(figures.use) else None
    names = ("config", "split", "engine", "model", "revision", "template", "template_hash", "seed", "per_cell", "training")
    some = sampling_error(compared(stated), seed=seed) if about.per_cell is not None else None
    return Run(
        **{name: getattr(about, name) for name in names},
        held_out=_held_out(about.training, folder.fingerprint, about.config, about.split),
        coverage=_coverage(found, split),
        answer_mass=_answer_mass(scored),
        stated=convention_score(stated, draws=BOOTSTRAP_DRAWS, seed=seed, accuracy=accuracy),
        published=convention_score(published, draws=BOOTSTRAP_DRAWS, seed=seed),
        weighted=weighted_score(scored, draws=BOOTSTRAP_DRAWS, seed=seed),
        sensitivity=condition_sensitivity(scored, figures, folder, permutations=PERMUTATIONS, draws=BOOTSTRAP_DRAWS, seed=seed),
        parity=parity(scored, figures, folder, shuffles=SHUFFLES, seed=seed),
        examples=examples(stated, folder),
        groups=groups(stated, folder),
        individual=individual(scored, figures, entropy, draws=BOOTSTRAP_DRAWS, seed=seed),
        calibration=calibrated(scored, figures, entropy),
        effects=treatment_effects(scored, arms, folder, draws=BOOTSTRAP_DRAWS, seed=seed),
        contamination=overlap,
        cells=cell_table(stated),
        sampling_error=some.error if some else None,
        sampling_bias=some.bias if some else None,
    )


def _scored(found: Predictions, split: Split, folder: DatasetFolder, controls: bool) -> Scored:
    """Keep the sub-cells that have a prediction, with all their people."""
    everything = _cells(split)
    has = np.bincount(everything.code[found.row], minlength=everything.n_sub) > 0
    keep = np.flatnonzero(has[everything.code])
    some = split.take(keep) if len(keep) < len(split.study) else split
    place = np.full(len(split.study), -1)
    place[keep] = np.arange(len(keep))
    cells = _cells(some) if some is not split else everything
    open_ended = np.flatnonzero(~cells.bounded)
    low, high = np.full(cells.n_sub, np.nan), np.full(cells.n_sub, np.nan)
    at = (cells.study[open_ended], cells.condition[open_ended], cells.task[open_ended])
    config = found.files.metadata.config
    low[open_ended], high[open_ended] = training_range(folder, config, some, *at)
    masses = _controls(some, cells, folder, config) if controls and config != "all" else {}
    is_control = found.files.metadata.engine in ("uniform", *CONTROL_NAMES)
    return Scored(some, cells, place[found.row], found, low, high, masses, is_control, _missing(found, everything))


def _missing(found: Predictions, cells: Cells) -> Missing:
    """What cannot be scored: a model that answers only what is easy would else be better than one that answers everything.

    Args:
        cells: of the whole split.
    """
    read = np.bincount(cells.code[found.row], minlength=cells.n_sub) > 0
    asked = read | (np.bincount(cells.code[found.unparsed], minlength=cells.n_sub) > 0)
    study = cells.cell_study[cells.cell]
    counts = [
        _known({UNREAD: len(np.setdiff1d(owner[asked], owner[read])), NOT_PREDICTED: len(np.setdiff1d(owner, owner[asked]))})
        for owner in (cells.cell, study)
    ]
    return Missing(counts[0], counts[1], _known({UNREAD: int(cells.n[asked & ~read].sum())}))


def _known(counts: dict[str, int]) -> dict[str, int]:
    return {reason: n for reason, n in counts.items() if n}


def _cells(split: Split) -> Cells:
    return cells_of(split.study, split.condition, split.task, split.scale.low, split.scale.high, split.scale.step)


def _controls(split: Split, cells: Cells, folder: DatasetFolder, config: str) -> dict[str, Mass]:
    """The control distributions of every bounded sub-cell: they are the same for all its rows, so one row stands for all."""
    from ..predict.controls import control_predictor

    first = np.full(cells.n_sub, -1)
    first[cells.code[::-1]] = np.arange(len(cells.code))[::-1]
    bounded = np.flatnonzero(cells.bounded)
    if not len(bounded):
        return {}
    rows = split.rows.take(pa.array(first[bounded]))
    out: dict[str, Mass] = {}
    for name in CONTROL_NAMES:
        table = control_predictor(name, folder, config, rows, rows.select(["study_id", "sample_id"]))(np.arange(len(bounded)))
        out[name] = predicted(cells, bounded, _answers(table), cells.n[bounded].astype(np.float64))
    return out


def _answers(table: pa.Table) -> Answers:
    support, probabilities = (table.column(name).combine_chunks() for name in ("support", "probabilities"))
    sizes: Ints = support.value_lengths().to_numpy().astype(np.int64)
    values: Floats = support.flatten().to_numpy().astype(np.float64)
    return Answers(np.concatenate([[0], np.cumsum(sizes)]), values, probabilities.flatten().to_numpy())


def _coverage(found: Predictions, split: Split) -> Coverage:
    missing = np.ones(len(split.study), np.bool_)
    missing[found.row] = missing[found.unparsed] = False
    size = split.scale.size
    reasons = {
        "scale without bounds": missing & (size == 0),
        f"more than {MAX_ENUMERATED} possible answers": missing & (size > MAX_ENUMERATED),
        "not sampled from its cell": missing & (size > 0) & (size <= MAX_ENUMERATED),
    }
    left_out = {reason: int(which.sum()) for reason, which in reasons.items() if which.any()}
    if len(found.unparsed):
        left_out["unparsed prediction"] = len(found.unparsed)
    answered = len(found.row)
    low, high = split.scale.low[found.row], split.scale.high[found.row]
    off = 0
    if found.kind == "draws":
        off = int(((found.answers.value < low) | (found.answers.value > high)).sum())
    return Coverage(
        rows_in_split=len(split.study),
        rows_predicted=answered,
        left_out=left_out,
        rows_parsed=answered,
        parse_rate=answered / (answered + len(found.unparsed)),
        off_scale=off,
    )


def _answer_mass(scored: Scored) -> AnswerMass | None:
    mass = study_mass(scored)
    if mass is None:
        return None
    known = np.flatnonzero(np.isfinite(mass))
    worst = int(known[np.argmin(mass[known])])
    mean = float(mass[known].mean())
    return AnswerMass(mean=mean, lowest_study=scored.split.studies[worst], lowest=float(mass[worst]), flagged=mean < MASS_FLAG)


def _held_out(training: dict[str, Any] | None, fingerprint: str, config: str, split: str) -> bool | None:
    """Training reads the train side of every configuration it names; so a split of those is held out, another is not known to be.

    It must be held out of the training of the model that this one started from, too, where that one has a record or is a released one.
    """
    if training is None:
        return None
    own = split != "train" and config in (training.get("train_on") or ()) if training.get("dataset_fingerprint") == fingerprint else None
    before = training.get("base_training")
    if own is False or (before is None and not released(training.get("base"))):
        return own
    base = _held_out(before, fingerprint, config, split)
    return base if own or base is False else None


def _dataset(folder: DatasetFolder, runs: list[Run]) -> Dataset:
    scored = {study.study_id for run in runs for one in (run.stated, run.published) if one for study in one.per_study}
    found = [
        row
        for row in folder.table("studies", ["study_id", "title", "source_url", "simulated", "topic"]).to_pylist()
        if row["study_id"] in scored
    ]
    return Dataset(
        fingerprint=folder.fingerprint,
        n_studies=len(found),
        n_simulated=sum(bool(row["simulated"]) for row in found),
        studies={row["study_id"]: row["title"] for row in found},
        sources={row["study_id"]: row["source_url"] for row in found},
        topics={row["study_id"]: row["topic"] for row in found if row["topic"]},
    )
