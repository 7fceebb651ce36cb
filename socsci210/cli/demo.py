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
) -> None:
    """The whole path in one command: deposits, dataset, trained model, scores, report."""
    from ..demo import COLUMNS, run_demo

    with console.status("Starting") as status:

        def say(step: str) -> None:
            console.print(step, markup=False, highlight=False, soft_wrap=True)
            status.update(escape(step))

        result = run_demo(out, deposits=deposits, extra_studies=studies or (), seed=seed, say=say)
    show(result.table, COLUMNS, title="Test side, convention `stated`: W1 on [0, 1], lower is better")
    print(result.report)
