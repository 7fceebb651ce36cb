"""Commands about studies and datasets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from .app import STUDIES, AsJson, StudiesDir, app
from .shown import console, dump, show

OVERLAPS = {
    "side": "side",
    "rows": "rows",
    "rows_left_out": "left out",
    "texts": "texts",
    "texts_in_train": "texts in train",
    "people": "people",
    "people_in_train": "people in train",
}


@app.command("new-study", rich_help_panel=STUDIES)
def new_study_command(
    study_id: Annotated[str, typer.Argument(help="Id of the new study: letters, digits and underscores.")],
    into: Annotated[Path, typer.Option("--in", help="Folder to put the study's folder in.")] = Path(),
) -> None:
    """Copy the study template to a new folder."""
    from ..new_study import new_study

    print(new_study(study_id, into))


@app.command(rich_help_panel=STUDIES)
def validate(
    ids: Annotated[list[str], typer.Argument(metavar="STUDY...", help="Ids of studies, as `socsci210 studies` lists them.")],
    deposits: Annotated[Path, typer.Option(help="Folder that holds one folder per deposit.")],
    studies: StudiesDir = None,
) -> None:
    """Run a study through every gate without writing a dataset."""
    from ..build import validate as run
    from ..registry import Registry

    report = run(ids, deposits=deposits, registry=Registry(studies or ()))
    _finish_build(report.failed, report.built)


@app.command(rich_help_panel=STUDIES)
def build(
    out: Annotated[Path, typer.Option(help="Dataset folder to write; it is complete or absent.")],
    deposits: Annotated[Path, typer.Option(help="Folder that holds one folder per deposit.")],
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[STUDY...]", help="Ids of studies (default: every study whose deposit is there).")
    ] = None,
    studies: StudiesDir = None,
    jobs: Annotated[int, typer.Option(min=1, help="Studies read at the same time.")] = 1,
    cache: Annotated[Path | None, typer.Option(help="Keeps what was made of each study (default: in the user's cache folder).")] = None,
) -> None:
    """Build a dataset from study files and their deposits (without names: every study whose deposit is there)."""
    from ..build import build as run
    from ..load import cache_folder, remember
    from ..registry import Registry

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


@app.command("simulate-deposits", rich_help_panel=STUDIES)
def simulate_deposits(
    out: Annotated[Path, typer.Option(help="Folder to write one folder per deposit to.")],
    seed: Annotated[int, typer.Option(help="Seed of the simulated world.")] = 0,
    people: Annotated[
        int, typer.Option(min=200, help="People per study; fewer cannot fill the arms in the shares that the designs state.")
    ] = 600,
) -> None:
    """Write the raw deposits of the simulated studies, with the truth beside them."""
    from ..simulated import World, write_deposits

    write_deposits(World(seed=seed, people=people), out)
    print(out)


@app.command(rich_help_panel=STUDIES)
def blocks(
    document: Annotated[Path, typer.Argument(help="A docx, doc, rtf, pdf, html, txt or md file, or a csv.")], as_json: AsJson = False
) -> None:
    """Show a document cut into blocks, with the ids that study files quote."""
    from ..blocks import blocks_of

    rows = blocks_of(document)
    if as_json:
        dump(rows)
    else:
        show(rows, {"id": "block", "kind": "kind", "text": "text"})
