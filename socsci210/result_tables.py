"""Results in short: the figures by configuration, what must stand beside them, and rows for tables."""

from __future__ import annotations

from typing import Any

from .results import Results, Run, Score


def summary(results: Results) -> dict[str, dict[str, float | None]]:
    """The figures of convention `stated` by configuration; a second run of a configuration is named after its model or engine.

    `overlap` is the share of the scored rows that the model was trained on, None where nothing is known of its training.
    `unread_cells` are in no W, as no prediction of theirs could be read: beside a W without such cells it is one of other cells.
    """
    out: dict[str, dict[str, float | None]] = {}
    for name, run in zip(_names(results), results.runs, strict=True):
        score = run.stated
        out[name] = {
            "W": score.W.point if score else None,
            "chance": score.chance if score else None,
            "noise_floor": score.noise_floor if score else None,
            "train_lookup": score.train_lookup if score else None,
            "pooled_oracle": score.pooled_oracle if score else None,
            "gap_closed": score.gap_closed.value if score else None,
            "answer_mass": run.answer_mass.mean if run.answer_mass else None,
            "overlap": _overlap(run),
            "unread_cells": score.unread[0] if score else None,
        }
    return out


def overlap_notes(results: Results) -> dict[str, str]:
    """What must stand beside every figure of a run that was scored on rows of its own training, by the names of `summary`."""
    return {
        name: f"{name}: {run.contamination.overlap_rows:,} of its scored rows ({run.contamination.share:.1%}) were in the training of "
        f"{run.model or 'this model'} ({run.contamination.note})"
        for name, run in zip(_names(results), results.runs, strict=True)
        if run.contamination is not None and run.contamination.overlap_rows
    }


def unread_notes(results: Results) -> dict[str, str]:
    """What must be said of a run some of whose cells have no readable prediction, by the names of `summary`."""
    return {
        name: f"{name}: {unread_words(run.stated)}"
        for name, run in zip(_names(results), results.runs, strict=True)
        if run.stated is not None and run.stated.unread[0]
    }


def unread_words(score: Score) -> str:
    """One sentence on cells without a readable prediction."""
    cells, studies = score.unread
    of = f"{cells:,} of {score.n_cells + sum(score.not_scored.values()):,} cells"
    whole = f", {studies:,} whole {'study' if studies == 1 else 'studies'} among them," if studies else ""
    return f"{of}{whole} have no readable prediction and are not in W, so it cannot stand beside a W of all cells"


def _names(results: Results) -> list[str]:
    names: list[str] = []
    for run in results.runs:
        names.append(run.config if run.config not in names else f"{run.config} ({run.model or run.engine}, {run.split})")
    return names


def _overlap(run: Run) -> float | None:
    found = run.contamination
    return None if found is None or found.source == "none" else found.share


def score_table(results: Results) -> list[dict[str, Any]]:
    """One row for each run and convention, for tables."""
    return [
        {
            "config": run.config,
            "split": run.split,
            "model": run.model or run.engine,
            "convention": score.convention,
            "W": score.W.point,
            "chance": score.chance,
            "noise_floor": score.noise_floor,
            "train_lookup": score.train_lookup,
            "pooled_oracle": score.pooled_oracle,
            "gap_closed": score.gap_closed.value,
            "answer_mass": run.answer_mass.mean if run.answer_mass else None,
            "overlap": _overlap(run),
            "n_studies": score.n_studies,
            "n_cells": score.n_cells,
            "unread_cells": score.unread[0],
        }
        for run in results.runs
        for score in (run.stated, run.published)
        if score
    ]
