"""The command line. Each command only reads its arguments, calls one function of the library, and shows what came out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table
from rich.text import Text

from .errors import SocSciError

app = typer.Typer(
    name="socsci210",
    help="Survey experiments as a standard dataset, models trained to answer as people would, and scores that can be trusted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console(stderr=True)
OVERLAPS = {
    "side": "side",
    "rows": "rows",
    "rows_left_out": "left out",
    "texts": "texts",
    "texts_in_train": "texts in train",
    "people": "people",
    "people_in_train": "people in train",
}
StudiesDir = Annotated[list[Path] | None, typer.Option("--studies", help="Folder of further study folders; may be given more than once.")]
DatasetDir = Annotated[Path, typer.Option(help="Dataset folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of a table for a person.")]


def show(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, title: str = "", on: Console | None = None) -> None:
    """Prints a table, on standard output by default: numbers right-aligned, missing values as a dash."""
    table = Table(title=title or None, title_justify="left")
    for key, heading in columns.items():
        numeric = all(isinstance(row.get(key), int | float | None) and not isinstance(row.get(key), bool) for row in rows)
        # Names and figures are never cut: a narrow terminal (or a pipe, 80 wide) folds headings and prose instead.
        whole = numeric or key == next(iter(columns))
        width = max(len(_cell(row.get(key))) for row in rows) if rows and whole else 1
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold", min_width=width)
    for row in rows:
        table.add_row(*(Text(_cell(row.get(key))) for key in columns))
    target = on or Console()
    needed = target.measure(table, options=target.options.update(max_width=1000)).minimum
    target.print(table, width=max(target.width, needed), crop=False)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else ""
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _dump(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False, default=str))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo writes.")] = Path("demo"),
    deposits: Annotated[Path | None, typer.Option(help="Real deposits to run on instead of the simulated studies.")] = None,
    studies: StudiesDir = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated world and of training.")] = 0,
) -> None:
    """The whole path in one command: deposits, dataset, trained model, scores, report."""
    from .demo import COLUMNS, run_demo

    with console.status("Starting") as status:

        def say(step: str) -> None:
            console.print(step, markup=False, highlight=False, soft_wrap=True)
            status.update(escape(step))

        result = run_demo(out, deposits=deposits, extra_studies=studies or (), seed=seed, say=say)
    show(result.table, COLUMNS, title="Test side, convention `stated`: W1 on [0, 1], lower is better")
    print(result.report)


@app.command()
def studies(studies: StudiesDir = None, as_json: AsJson = False) -> None:
    """List every study that can be found, broken ones too."""
    from .registry import Registry

    entries = Registry(studies or ()).entries()
    rows = [{"id": e.id, "simulated": e.simulated, "folder": str(e.folder), "broken": e.broken} for e in entries]
    if as_json:
        _dump(rows)
    else:
        show(rows, {"id": "study", "simulated": "simulated", "broken": "broken"})
    if any(row["broken"] for row in rows):
        raise typer.Exit(1)


@app.command("new-study")
def new_study_command(
    study_id: str, into: Annotated[Path, typer.Option("--in", help="Folder to put the study's folder in.")] = Path()
) -> None:
    """Copy the study template to a new folder."""
    from .new_study import new_study

    print(new_study(study_id, into))


@app.command()
def validate(
    ids: Annotated[list[str], typer.Argument(metavar="STUDY...")],
    deposits: Annotated[Path, typer.Option(help="Folder that holds one folder per deposit.")],
    studies: StudiesDir = None,
) -> None:
    """Run a study through every gate without writing a dataset."""
    from .build import validate as run
    from .registry import Registry

    report = run(ids, deposits=deposits, registry=Registry(studies or ()))
    _finish_build(report.failed, report.built)


@app.command()
def build(
    out: Annotated[Path, typer.Option(help="Dataset folder to write; it is complete or absent.")],
    deposits: Annotated[Path, typer.Option(help="Folder that holds one folder per deposit.")],
    ids: Annotated[list[str] | None, typer.Argument(metavar="[STUDY...]")] = None,
    studies: StudiesDir = None,
    jobs: Annotated[int, typer.Option(min=1, help="Studies read at the same time.")] = 1,
    cache: Annotated[Path | None, typer.Option(help="Keeps what was made of each study [default: in the user's cache folder].")] = None,
) -> None:
    """Build a dataset from study files and their deposits (without names: every study whose deposit is there)."""
    from .build import build as run
    from .load import cache_folder, remember
    from .registry import Registry

    registry = Registry(studies or ())
    chosen = list(ids or ()) or registry.with_deposit(deposits)
    report = run(chosen, deposits=deposits, out=out, registry=registry, jobs=jobs, cache=cache or cache_folder() / "studies")
    if report.built:
        remember(out)
        overlaps = [{"side": f"{c} {s}", **n} for c, sides in report.manifest["overlaps"].items() for s, n in sides.items()]
        show(
            overlaps,
            OVERLAPS,
            title="What held-out sides share with training; rows whose very text stands on another side are left out",
            on=console,
        )
        print(out)
    _finish_build(report.failed, report.built)


def _finish_build(failed: Mapping[str, str], built: Iterable[str]) -> None:
    console.print(f"built: {', '.join(built) or 'nothing'}", markup=False, highlight=False)
    for study, message in failed.items():
        console.print(f"left out: {study}", style="bold red", markup=False, highlight=False)
        console.print(message, markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


@app.command("simulate-deposits")
def simulate_deposits(
    out: Annotated[Path, typer.Option(help="Folder to write one folder per deposit to.")],
    seed: int = 0,
    people: Annotated[
        int, typer.Option(min=200, help="People per study; fewer cannot fill the arms in the shares that the designs state.")
    ] = 600,
) -> None:
    """Write the raw deposits of the simulated studies, with the truth beside them."""
    from .simulated import World, write_deposits

    write_deposits(World(seed=seed, people=people), out)
    print(out)


@app.command()
def blocks(document: Path, as_json: AsJson = False) -> None:
    """Show a document cut into blocks, with the ids that study files quote."""
    from .blocks import blocks_of

    rows = blocks_of(document)
    if as_json:
        _dump(rows)
    else:
        show(rows, {"id": "block", "kind": "kind", "text": "text"})


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
    from .predict import predict as run

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
    from .score import score as run
    from .score import summary

    results = run(predictions, dataset, seed=seed)
    results.write_json(out)
    figures = summary(results)
    if as_json:
        _dump(figures)
    else:
        show(
            [{"config": name, **row} for name, row in figures.items()],
            {"config": "config", **{k: k for row in figures.values() for k in row}},
        )
    print(out)


@app.command()
def report(results: Annotated[list[Path], typer.Argument(metavar="RESULTS...")], out: Path = Path("report.html")) -> None:
    """Write one self-contained page from results."""
    from .report import report as run

    print(run(results, out))


def main() -> None:
    """Entry point: a message instead of a traceback for everything a user can put right."""
    try:
        app()
    except SocSciError as error:
        console.print("error: ", style="bold red", end="")
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
