"""Commands about models: train, score, report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .app import AsJson, DatasetDir, app
from .shown import dump, show


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train(context: typer.Context, config: Path) -> None:
    """Train a model: the same as `accelerate launch -m socsci210.train CONFIG.yaml [--key value ...]`."""
    import subprocess

    from socsci210.train.config import read_config

    read_config(config, context.args)  # a wrong setting is told here, before processes are started
    command = [sys.executable, "-m", "accelerate.commands.launch", "-m", "socsci210.train", str(config), *context.args]
    raise typer.Exit(subprocess.run(command).returncode)


@app.command()
def score(
    predictions: Annotated[list[Path], typer.Argument(metavar="PREDICTIONS...")],
    dataset: DatasetDir,
    out: Annotated[Path, typer.Option(help="results.json to write.")],
    arms: Annotated[
        list[Path] | None, typer.Option(help="Predictions of every persona through every arm (predict --arms), for treatment effects.")
    ] = None,
    allow_overlap: Annotated[
        bool, typer.Option("--allow-overlap", help="Score rows that the model was trained on; every figure then says so.")
    ] = False,
    seed: int = 0,
    as_json: AsJson = False,
) -> None:
    """Score predictions against people, beside chance, noise floor and the controls."""
    from ..score import score as run
    from ..score import summary

    results = run(predictions, dataset, arms=arms or (), allow_overlap=allow_overlap, seed=seed)
    results.write_json(out)
    figures = summary(results)
    if as_json:
        dump(figures)
    else:
        show(
            [{"config": name, **row} for name, row in figures.items()],
            {"config": "config", **{k: k for row in figures.values() for k in row}},
        )
    print(out)


@app.command()
def report(results: Annotated[list[Path], typer.Argument(metavar="RESULTS...")], out: Path = Path("report.html")) -> None:
    """Write one self-contained page from results."""
    from ..report import report as run

    print(run(results, out))
