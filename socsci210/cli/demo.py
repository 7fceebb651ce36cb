"""The command that goes the whole path."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from .app import StudiesDir, app
from .shown import console, show


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo writes.")] = Path("demo"),
    deposits: Annotated[Path | None, typer.Option(help="Real deposits to run on instead of the simulated studies.")] = None,
    studies: StudiesDir = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated world and of training.")] = 0,
    hub: Annotated[bool, typer.Option("--hub", help="Then push everything to a Hub on this machine, and load it back.")] = False,
) -> None:
    """The whole path in one command: deposits, dataset, trained model, scores, report."""
    from ..demo import COLUMNS, publish_demo, run_demo

    if hub and deposits:
        raise typer.BadParameter("the Hub of the demo is for the simulated studies; publish others with socsci210 push", param_hint="--hub")

    with console.status("Starting") as status:

        def say(step: str) -> None:
            console.print(step, markup=False, highlight=False, soft_wrap=True)
            status.update(escape(step))

        result = run_demo(out, deposits=deposits, extra_studies=studies or (), seed=seed, say=say)
    show(result.table, COLUMNS, title="Test side, convention `stated`: W1 on [0, 1], lower is better")
    print(result.report)
    if hub:
        from ..hub.round_trip import COLUMNS as LEGS

        with console.status("Publishing") as status:
            legs = publish_demo(result, say=say)
        show([leg.row() for leg in legs], LEGS, title="What went to a Hub on this machine, and how it came back")
        if not all(leg.equal for leg in legs):
            raise typer.Exit(1)
