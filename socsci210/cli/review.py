"""The command that shows a study to a reviewer and records what was decided."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .app import STUDIES, StudiesDir, app
from .shown import console

if TYPE_CHECKING:
    from ..review import Sheet


@app.command(rich_help_panel=STUDIES)
def review(
    study: Annotated[str, typer.Argument(help="Id of a study, or the path of its folder or study.yaml.")],
    deposits: Annotated[Path, typer.Option(help="Folder that holds one folder per deposit.")] = Path("deposits"),
    html: Annotated[Path | None, typer.Option(help="Write the page to this file instead of serving it.")] = None,
    reviewer: Annotated[str, typer.Option(help="Who reviews.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the local server (default: any that is free).")] = 0,
    accept: Annotated[bool, typer.Option("--accept", help="Record that the study is accepted as it stands (with --note).")] = False,
    refuse: Annotated[bool, typer.Option("--refuse", help="Record that it is refused as it stands (with --note).")] = False,
    note: Annotated[str, typer.Option(help="What was looked at, and why it was decided so.")] = "",
    studies: StudiesDir = None,
) -> None:
    """Show a study to a person, who accepts, edits or refuses it: a page on this machine, a file, or --accept/--refuse."""
    from ..registry import Registry
    from ..replacing import PAGE, replaceable, write_text
    from ..review import collect, page, record, statements, version

    if accept and refuse:
        raise typer.BadParameter("one decision at a time", param_hint="--accept/--refuse")
    path = Registry(studies or ()).study_file(study)
    if accept or refuse:
        seen = version(path)
        sheet = collect(path, deposits)
        if accept:
            _must_pass(sheet)
            _say([one.text for one in statements(sheet.study)])
        record(path, decision="accepted" if accept else "refused", reviewer=reviewer, note=note, seen=seen)
        console.print(f"{'accepted' if accept else 'refused'} by {reviewer}: {path}", markup=False, highlight=False, soft_wrap=True)
        return
    if html is not None:
        replaceable(html, PAGE, "page")  # told before the work, not after it
        sheet = collect(path, deposits)
        print(write_text(html, page(sheet)), flush=True)
        if sheet.faults:  # the page shows it too, as far as the study could be read
            raise sheet.faults[0]
        return
    _serve(path, deposits, reviewer, port)


def _say(told: Sequence[str]) -> None:
    """What a reviewer says by accepting: at a terminal each statement wants a yes."""
    console.print("By accepting it you say:", markup=False, highlight=False)
    for text in told:
        if _at_terminal():
            typer.confirm(f"  {text}", abort=True, err=True)
        else:
            console.print(f"  {text}", markup=False, highlight=False)


def _at_terminal() -> bool:
    return sys.stdin.isatty()


def _must_pass(sheet: Sheet) -> None:
    if not sheet.passes:
        raise [*sheet.faults, *(error for gate in sheet.gates for error in gate.errors)][0]


def _serve(path: Path, deposits: Path, reviewer: str, port: int) -> None:
    from ..review import ReviewServer

    with ReviewServer(path, deposits, reviewer=reviewer, port=port) as server:
        with console.status("Reading the study"):
            server.look()
        print(server.address, flush=True)
        console.print("Open this address in a browser on this machine; Ctrl-C ends the review.", highlight=False)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
