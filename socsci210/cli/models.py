"""Commands about models: train, score, compare, report, experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SocSciError
from ..results import Convention
from .app import MODELS, AsJson, DatasetDir, app
from .shown import MARK, console, decimal, dump, show

if TYPE_CHECKING:
    from ..compare import Difference
    from ..results import Estimate


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, rich_help_panel=MODELS)
def train(
    context: typer.Context, config: Annotated[Path, typer.Argument(help="YAML file of the run; every key of it can be set by --key value.")]
) -> None:
    """Train a model: the same as `accelerate launch -m socsci210.train CONFIG.yaml [--key value ...]`."""
    from socsci210.train.config import read_config

    read_config(config, context.args)  # a wrong setting is told here, before processes are started
    try:
        from accelerate.commands.launch import launch_command, launch_command_parser
    except ImportError as error:
        fix = "pip install 'socsci210[train]'"
        raise SocSciError(f"what trains is not installed ({error})", expected="the extra `train`", fix=fix) from error
    # quiet: what the training says, or Ctrl-C, is not followed by a traceback of its launcher
    launch_command(launch_command_parser().parse_args(["--quiet", "-m", "socsci210.train", str(config), *context.args]))


@app.command(rich_help_panel=MODELS)
def score(
    predictions: Annotated[list[Path], typer.Argument(metavar="PREDICTIONS...", help="Files that `predict` wrote.")],
    dataset: DatasetDir,
    out: Annotated[Path, typer.Option(help="results.json to write.")],
    arms: Annotated[
        list[Path] | None, typer.Option(help="Predictions of every persona through every arm (predict --arms), for treatment effects.")
    ] = None,
    allow_overlap: Annotated[
        bool, typer.Option("--allow-overlap", help="Score rows that the model was trained on; every figure then says so.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the resampling behind intervals.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Score predictions against people, beside chance, noise floor and the controls."""
    from ..replacing import RESULTS, replaceable
    from ..score import overlap_notes, summary, unread_notes
    from ..score import score as run

    replaceable(out, RESULTS, "results file")  # told before the work, not after it
    results = run(predictions, dataset, arms=arms or (), allow_overlap=allow_overlap, seed=seed)
    results.write_json(out)
    figures = summary(results)
    if as_json:
        dump(figures)
    else:
        noted = overlap_notes(results)
        rows = [
            {"config": name, "interval": _interval(one.stated.W, "–", MARK if name in noted else "") if one.stated else None, **row}
            for (name, row), one in zip(figures.items(), results.runs, strict=True)
        ]
        show(
            rows,
            {"config": "config", "W": "W", "interval": "95 % interval", **{k: k for row in figures.values() for k in row}},
            title="convention `stated`: W, lower is better",
            notes=[noted.get(name, "") for name in figures],
        )
        for note in unread_notes(results).values():
            print(note)
        for name, one in zip(figures, results.runs, strict=True):
            if one.stated and one.stated.W.refused:
                print(f"{name}: no interval ({one.stated.W.refused})")
            if one.sampling_error is not None:
                print(f"{name}: at most {one.per_cell} people of a cell, which adds a standard error of {one.sampling_error:.4f} to W")
    print(out)


@app.command(rich_help_panel=MODELS)
def compare(
    a: Annotated[Path, typer.Argument(help="results.json of the one model.")],
    b: Annotated[Path, typer.Argument(help="results.json of the other.")],
    config: Annotated[str | None, typer.Option(help="Which configuration, where a file holds several runs.")] = None,
    convention: Annotated[Convention, typer.Option(help="stated or published.")] = "stated",
    seed: Annotated[int, typer.Option(help="Seed of the resampling behind intervals.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Compare two results files on the same split, study by study: which model is nearer to people, and could it be chance?"""
    from ..compare import compare as run

    found = run(a, b, config=config, convention=convention, seed=seed)
    if as_json:
        dump(found.model_dump(mode="json"))
        return
    title = f"{found.config}, {found.split}, convention `{found.convention}`"
    sides = [found.a, found.b]
    seen = f"trained on some of the scored rows: {', '.join(found.overlap)}" if found.overlap else ""
    notes = [seen if side.model in found.overlap else "" for side in sides]
    show([side.model_dump() for side in sides], _SIDES, title=f"{title}: W, lower is better", notes=notes)
    differences = [_difference(name, one) for name, one in {"W": found.W, "accuracy": found.accuracy}.items() if one is not None]
    show(differences, _DIFFERENCE, title="First less second, over studies", notes=[seen] * len(differences))
    show([pair.model_dump() for pair in found.studies], _PAIRS, title="Study by study", notes=[seen] * len(found.studies))
    for note in found.notes:
        print(note)
    verdict = f"nearer to people: {found.nearer}" if found.nearer else "no difference that chance does not explain"
    print(f"{verdict} ({seen})" if seen else verdict)


_SIDES = {"model": "model", "W": "W", "accuracy": "accuracy", "entropy_ratio": "entropy ratio", "answer_mass": "answer mass"}
_DIFFERENCE = {
    "of": "of",
    "point": "difference",
    "interval": "95 % interval",
    "p": "p",
    "minimum_detectable": "smallest detectable",
    "n_studies": "studies",
}
_PAIRS = {"study_id": "study", "n_cells": "cells", "W_a": "W, first", "W_b": "W, second", "difference": "difference"}


def _difference(name: str, one: Difference) -> dict[str, Any]:
    p = "<0.001" if one.p is not None and one.p < 0.001 else one.p
    return {
        **one.model_dump(exclude={"interval", "values"}),
        "of": name,
        "interval": _interval(one, " to ") or "under 10 studies: see below",
        "p": p,
    }


def _interval(one: Difference | Estimate, between: str, mark: str = "") -> str | None:
    return f"{decimal(one.interval[0])}{between}{decimal(one.interval[1])}{mark}" if one.interval else None


@app.command(rich_help_panel=MODELS)
def report(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Files that `score` wrote.")],
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("report.html"),
    figures: Annotated[Path | None, typer.Option(help="Also write every figure to this folder, as SVG and PNG.")] = None,
) -> None:
    """Write one self-contained page from results."""
    from ..report import figures as export
    from ..report import report as run

    page = run(results, out)
    if figures is not None:
        written = export(results, figures)
        note = f" ({written.note})" if written.note else ""
        console.print(
            f"{written.svg} SVG and {written.png} PNG files in {written.folder}{note}", markup=False, highlight=False, soft_wrap=True
        )
    print(page)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, rich_help_panel=MODELS)
def experiment(
    context: typer.Context,
    setting: Annotated[str, typer.Argument(help="unseen-studies, unseen-conditions, unseen-outcomes or unseen-participants.")],
    config: Annotated[
        Path | None, typer.Argument(help="YAML file, or qwen2.5-14b or llama3-8b (default: simulated studies, a small model).")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of everything that is made.")] = Path("experiment"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the steps, their rows, hours and commands.")] = False,
) -> None:
    """One setting of the paper: untrained and trained model, scores, and the paper's table with ours beside it [--key value ...]."""
    from ..experiment import plan_experiment, run_experiment

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    overrides = list(context.args)
    if config is not None and str(config).startswith("--"):  # the first of the settings, where no file is named
        overrides, config = [str(config), *overrides], None
    if dry_run:
        plan = plan_experiment(setting, config, overrides, out)
        show(plan.rows, plan.columns, title=f"{setting}: what would be done in {out}")
        for line in (*plan.notes, *plan.commands):
            print(line)
        return
    found = run_experiment(setting, config, overrides, out, say)
    for table in found.tables:
        show(table.printed, table.columns, title=table.title, notes=table.notes)
    for line in found.about_published:
        say(f"published: {line}")
    for caveat in found.caveats:
        say(f"not comparable with the paper: {caveat}")
    print(found.report)
