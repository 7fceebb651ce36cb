"""What results files say of one model: rows of the card's tables, sentences, and the evaluation results of its front matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import HubError
from ..report.commands import commands
from ..report.verdicts import stamp, verdicts
from ..report.words import interval, number, percent
from ..results import Dataset, Estimate, Parity, Results, Run, Score

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_TASK: Final = ("text-generation", "Predicting answers to survey experiments")


@dataclass(frozen=True)
class Scored:
    """The runs of one model on one dataset.

    Attributes:
        dataset: what was scored against.
        runs: with the seed of their scoring.
        others: how many runs of controls and other models stand beside them in the files.
    """

    dataset: Dataset
    runs: tuple[tuple[Run, int], ...]
    others: int


def read_scores(paths: Sequence[Path], revision: str, fingerprint: str) -> Scored | None:
    """The runs of a model from results files; None without files.

    Args:
        paths: files that `socsci210 score` wrote.
        revision: of the model, as predictions note it: a hash of its folder, or a commit of the Hub.
        fingerprint: of the dataset that it was trained on.

    Raises:
        DatasetError: a file that does not read.
        HubError: results on another dataset, without a run of this model, or two runs on the same split.
    """
    runs: list[tuple[Run, int]] = []
    others, dataset = 0, None
    for path in paths:
        found = Results.read_json(path)
        if found.dataset.fingerprint != fingerprint:
            raise HubError(
                f"results on a dataset with fingerprint {found.dataset.fingerprint}", where=str(path),
                expected=f"{fingerprint}, the dataset that the model was trained on",
                fix="predict and score on that dataset, or leave this file out",
            )  # fmt: skip
        own = [run for run in found.runs if run.model is not None and run.revision == revision]
        if not own:
            raise HubError(
                f"no results of this model, but of {_named(found.runs)}", where=str(path),
                expected=f"a run of the model with revision {revision}",
                fix="predict with --model and the folder that is published, as it is now, and score again; or leave this file out",
            )  # fmt: skip
        dataset = found.dataset
        others += len(found.runs) - len(own)
        runs += [(run, found.seed) for run in own]
    _check_once([run for run, _ in runs], paths)
    return None if dataset is None else Scored(dataset, tuple(runs), others)


def _named(runs: Iterable[Run]) -> str:
    return ", ".join(sorted({f"{run.model or run.engine} (revision {run.revision})" for run in runs})) or "none"


def _check_once(runs: Sequence[Run], paths: Sequence[Path]) -> None:
    seen = set()
    for run in runs:
        if (split := _split(run)) in seen:
            raise HubError(
                f"two runs on {split}", where=", ".join(map(str, paths)), expected="one result for each split",
                fix="give the file of one of them; socsci210 compare shows both",
            )  # fmt: skip
        seen.add(split)


def context(scored: Scored, model: str) -> dict[str, Any]:
    """What the card's template reads: scores, more, parities, verdicts, others and the commands.

    Args:
        scored: the runs.
        model: how the commands name it; what the files call it may be a folder of somebody's machine.
    """
    runs = [_anonymous(run, model) for run, _ in scored.runs]
    said = [(run, verdict) for run in runs for verdict in verdicts(run)]
    return {
        "scored": scored.dataset,
        "others": scored.others,
        "scores": [_score_row(run, score) for run in runs for score in (run.stated, run.published) if score is not None],
        "more": [_more_row(run) for run in runs],
        "parities": [_parity_row(run, one) for run in runs for one in run.parity],
        "good": [f"{_split(run)}: {verdict.text}" for run, verdict in said if verdict.tone == "good"],
        "bad": [f"{_split(run)}: {verdict.text}" for run, verdict in said if verdict.tone != "good"],
        "commands": [one_line(line) for run, (_, seed) in zip(runs, scored.runs, strict=True) for line in commands(run, seed)],
    }


def eval_results(scored: Scored, dataset: str | None) -> list[EvalResult]:
    """The evaluation results of the front matter, one for each figure.

    Args:
        scored: the runs.
        dataset: Hub id of the dataset, where it has one.
    """
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type=_TASK[0], task_name=_TASK[1], dataset_type=dataset or "socsci210", dataset_name=dataset or "socsci210 dataset",
            dataset_config=run.config, dataset_split=run.split, dataset_args={"fingerprint": scored.dataset.fingerprint},
            metric_type=name, metric_name=words, metric_value=value, metric_args={**more, **_overlap(run)},
        )
        for run, _ in scored.runs
        for name, words, value, more in _figures(run)
    ]  # fmt: skip


def _figures(run: Run) -> Iterable[tuple[str, str, float, Mapping[str, Any]]]:
    """(name as in the metric, words, value, what to read it beside) of every figure that a run has."""
    for score in (run.stated, run.published):
        if score is not None:
            beside = {"chance": score.chance, "noise_floor": score.noise_floor, "n_studies": score.n_studies, "n_cells": score.n_cells}
            bounds = {"interval_95": list(score.W.interval)} if score.W.interval else {}
            words = f"Wasserstein-1, convention {score.convention} (lower is better)"
            yield f"w1_{score.convention}", words, score.W.point, {**beside, **bounds}
    if run.individual is not None:
        beside = {} if run.individual.entropy_ratio is None else {"entropy_ratio": run.individual.entropy_ratio}
        yield "accuracy_median", "Individual accuracy by median (higher is better)", run.individual.median.point, beside
    if run.sensitivity.r is not None:
        yield "condition_sensitivity", "Correlation across conditions", run.sensitivity.r, {"n_outcomes": run.sensitivity.n_outcomes}
    if run.effects is not None and run.effects.r is not None:
        yield "treatment_effects_r", "Correlation of treatment effects", run.effects.r, {"n_contrasts": run.effects.n_contrasts}
    yield "parse_rate", "Share of answers that could be read", run.coverage.parse_rate, {"n_rows": run.coverage.rows_predicted}


def _overlap(run: Run) -> dict[str, float]:
    """The share of the scored rows that the model was trained on, where there is any."""
    found = run.contamination
    return {"share_trained_on": found.share} if found is not None and found.overlap_rows else {}


def _anonymous(run: Run, model: str) -> Run:
    """A run without names of folders: of the model, and in the note on its training."""
    overlap = None if run.contamination is None else run.contamination.model_copy(update={"note": ""})
    return run.model_copy(update={"model": model, "contamination": overlap})


def one_line(command: str) -> str:
    """A command that stays one line of a block of code, whatever a results file calls its split."""
    return " ".join(command.split()).replace("```", "")


def _row(run: Run) -> dict[str, Any]:
    """How every row of a table begins: the split, and whether the model was trained on some of it."""
    return {"split": _split(run), "stamp": "".join(f" **{words}**" for words in stamp(run.contamination))}


def _p(value: float | None) -> str:
    return "< 0.001" if value is not None and value < 0.001 else number(value)


def _split(run: Run) -> str:
    return f"{run.config}, {run.split}"


def _score_row(run: Run, score: Score) -> dict[str, Any]:
    return {
        **_row(run), "convention": score.convention, "W": number(score.W.point, 4), "interval": _interval(score.W),
        "chance": number(score.chance, 4), "floor": number(score.noise_floor, 4), "lookup": number(score.train_lookup, 4),
        "gap": percent(score.gap_closed.value), "studies": score.n_studies, "cells": score.n_cells,
    }  # fmt: skip


def _interval(found: Estimate) -> str:
    """The interval, or why there is none: with few studies, the value of each."""
    if found.interval:
        return interval(found.interval, 4)
    return f"none; by study {', '.join(number(value, 4) for value in found.values)}" if found.values else f"none: {found.refused}"


def _more_row(run: Run) -> dict[str, Any]:
    individual, effects, sensitivity = run.individual, run.effects, run.sensitivity
    return {
        **_row(run),
        "median": number(individual and individual.median.point),
        "draw": number(individual and individual.draw.point),
        "entropy": number(individual and individual.entropy_ratio, 2),
        "r": number(sensitivity.r, 2),
        "p": _p(sensitivity.p),
        "effects": number(effects and effects.r, 2),
        "sign": percent(effects and effects.sign_agreement),
        "parse": percent(run.coverage.parse_rate),
        "predicted": run.coverage.rows_predicted,
        "rows": run.coverage.rows_in_split,
    }


def _parity_row(run: Run, one: Parity) -> dict[str, Any]:
    worst = min(one.groups, key=lambda group: group.accuracy, default=None)
    return {
        **_row(run), "attribute": one.attribute, "studies": one.n_studies, "gap": number(one.accuracy_gap),
        "net": number(one.accuracy_gap_net), "excess": number(one.excess), "worst": worst.name if worst else "–",
    }  # fmt: skip
