"""The command that profiles a deposit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import STUDIES, app
from .shown import console


@app.command(rich_help_panel=STUDIES)
def profile(
    deposit: Annotated[Path, typer.Argument(help="Folder of a deposit, or one data file.")],
    out: Annotated[Path | None, typer.Option(help="File for the readable document (Markdown); standard output without it.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the same as JSON.")] = None,
) -> None:
    """Tell what one needs to write a study file: variables, candidate arms, outcomes, demographics, missing codes, and the wording."""
    from ..profiling import profile_deposit, to_markdown
    from ..replacing import PROFILE, replaceable, write_text

    for path in (out, json_file):
        if path is not None:
            replaceable(path, PROFILE, "profile")  # told before the work, not after it
    found = profile_deposit(deposit, say=lambda text: console.print(text, style="dim", markup=False, highlight=False))
    text = to_markdown(found)
    if json_file is not None:
        write_text(json_file, found.model_dump_json(indent=1) + "\n")
    if out is not None:
        write_text(out, text)
    elif json_file is None:
        print(text, end="")
    for path in (out, json_file):
        if path is not None:
            console.print(f"wrote {path}", markup=False, highlight=False, soft_wrap=True)
