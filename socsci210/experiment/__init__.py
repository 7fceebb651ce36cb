"""One setting of the paper from one YAML: baseline, training, prediction, scores, and the paper's table with ours beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..replacing import write_text
from .config import SETTINGS, ExperimentConfig, ExperimentError, read_experiment, shipped
from .plan import Plan, plan_experiment
from .run import Run, run_steps
from .steps import Say, write_json
from .table import Table, about_published, published, reasons_not_to_compare, record, tables

__all__ = [
    "SETTINGS",
    "ExperimentConfig",
    "ExperimentError",
    "ExperimentResult",
    "Plan",
    "Table",
    "plan_experiment",
    "published",
    "read_experiment",
    "run_experiment",
    "shipped",
]


@dataclass(frozen=True)
class ExperimentResult:
    """What an experiment leaves.

    Attributes:
        out: its folder: `results/`, `models/`, `predictions/`, `logs/`, `experiment.json`, and of each setting that was run in it
            `<setting>.md`, `<setting>.json` and `<setting>.html`.
        tables: the paper's table with ours beside it (convention `published`), those of convention `stated`, and for unseen participants
            the curve over training fractions in each convention. To print one, take its `printed` rows, its `columns` and its `notes`.
        caveats: why our figures and the published ones are not of the same thing; empty where they are.
        about_published: sources of single rows of the paper's table, and published figures that have no place in it.
        results: a results file for each model.
        report: the page.
    """

    setting: str
    out: Path
    tables: list[Table]
    caveats: list[str]
    about_published: list[str]
    dataset: Path
    models: dict[str, str]
    results: list[Path]
    report: Path


def run_experiment(
    setting: str, config: Path | None = None, overrides: Sequence[str] = (), out: Path = Path("experiment"), say: Say = print
) -> ExperimentResult:
    """Run one setting of the paper: the untrained model, training, prediction and scoring.

    Steps that are done are not done again: what each makes lies under a key of all that goes into it, so a run that was killed goes on
    where it stood, and other settings in the same folder replace nothing.

    Args:
        setting: unseen-studies, unseen-conditions, unseen-outcomes or unseen-participants.
        config: a YAML file, or the bare name of one that comes with the package (`qwen2.5-14b`, `llama3-8b`: the real release, on
            GPUs); default: simulated studies and a small model, in minutes on two cores.
        overrides: `--key value` arguments, with dots for keys inside others.
        out: folder of everything that is made.
        say: called with a line about each step.

    Raises:
        ExperimentError: a wrong setting or configuration, a folder that holds something else, or one in which another run is at work.
        SocSciError: a wrong value, or a step fails; the message names file and key, or the step.
    """
    from ..report import report
    from ..results import Results

    resolved = read_experiment(setting, config, overrides)
    made = run_steps(resolved, Path(out), say)
    caveats = _caveats(resolved.config, made)
    found = tables(resolved.config, [one.scored for one in made.runs])
    results = [one.results for one in made.runs]
    first = Results.read_json(results[0])
    figures = published().settings[resolved.config.setting].figures
    about: dict[str, Any] = {
        "setting": resolved.config.setting,
        "paper": published().paper,
        "about_published": published().about,
        "comparable": not caveats,
        "caveats": caveats,
        "figures": [figure.model_dump() for figure in figures],
        "dataset": first.dataset.fingerprint,
        "version": first.version,
    }
    also = about_published(resolved.config)
    write_json(made.out / f"{setting}.json", record(found, about))
    written = write_text(made.out / f"{setting}.md", _markdown(found, about, also))
    page = report(results, made.out / f"{setting}.html")
    say(f"Tables: {written}. Report: {page}")
    return ExperimentResult(
        setting=setting, out=made.out, tables=found, caveats=caveats, about_published=also, dataset=made.dataset,
        models={one.scored.name: one.model for one in made.runs}, results=results, report=page,
    )  # fmt: skip


def _caveats(config: ExperimentConfig, made: Run) -> list[str]:
    errors = [one.scored.run.sampling_error for one in made.runs]
    known = [error for error in errors if error is not None]
    seen = any(one.scored.run.contamination and one.scored.run.contamination.overlap_rows for one in made.runs)
    return reasons_not_to_compare(
        config, release=made.release, n_simulated=made.n_simulated, sampling_error=max(known, default=None), overlap=seen
    )


def _markdown(found: Sequence[Table], about: dict[str, Any], also: Sequence[str]) -> str:
    caveats = [f"- {reason}" for reason in about["caveats"]]
    warning = ["Ours and the published figures are **not of the same thing**:", "", *caveats, ""] if caveats else []
    others = ["On the published figures:", "", *(f"- {figure}" for figure in also), ""] if also else []
    parts = [part for table in found for part in (table.markdown(), "")]
    title = f"# {about['setting'].replace('_', ' ').capitalize()}"
    source = f"Published figures: {about['paper']}. {about['about_published']}"
    return "\n".join([title, "", *warning, *parts, *others, source, ""])
