"""Commands about models: train, predict, score, report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn, Progress

from .app import AsJson, DatasetDir, app
from .shown import console, dump, show


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train(context: typer.Context, config: Path) -> None:
    """Train a model: the same as `accelerate launch -m socsci210.train CONFIG.yaml [--key value ...]`."""
    import subprocess

    from socsci210.train.config import read_config

    read_config(config, context.args)  # a wrong setting is told here, before processes are started
    command = [sys.executable, "-m", "accelerate.commands.launch", "-m", "socsci210.train", str(config), *context.args]
    raise typer.Exit(subprocess.run(command).returncode)


@app.command()
def predict(
    dataset: DatasetDir,
    out: Annotated[Path, typer.Option(help="predictions.parquet to write.")],
    config: Annotated[str, typer.Option(help="unseen_studies, unseen_conditions, unseen_outcomes or unseen_participants.")],
    engine: Annotated[str, typer.Option(help="transformers, uniform, train_lookup or pooled_oracle.")] = "transformers",
    model: Annotated[str | None, typer.Option(help="Folder or Hub id of a causal language model.")] = None,
    split: str = "test",
    template: Annotated[str | None, typer.Option(help="upstream or stimulus_first [default: the one the model was trained on]")] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    seed: int = 0,
) -> None:
    """Predict the answer distribution of every row of a split; a run that was cut off resumes."""
    from ..predict import predict as run

    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console) as bar:
        task = bar.add_task("rows", total=None)
        written = run(
            engine=engine,
            dataset=dataset,
            config=config,
            split=split,
            out=out,
            model=model,
            template=template,
            batch_size=batch_size,
            seed=seed,
            progress=lambda done, wanted: bar.update(task, completed=done, total=wanted),
        )
    print(written)


@app.command()
def score(
    predictions: Annotated[list[Path], typer.Argument(metavar="PREDICTIONS...")],
    dataset: DatasetDir,
    out: Annotated[Path, typer.Option(help="results.json to write.")],
    seed: int = 0,
    as_json: AsJson = False,
) -> None:
    """Score predictions against people, beside chance, noise floor and the controls."""
    from ..score import score as run
    from ..score import summary

    results = run(predictions, dataset, seed=seed)
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
