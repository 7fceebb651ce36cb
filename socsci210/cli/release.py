"""Commands about the released SocSci210: import it, audit a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .app import AsJson, app
from .shown import console, dump, show

_CHECKS = {"what": "checked", "found": "found", "expected": "expected", "verdict": "verdict"}


@app.command("import-release")
def import_release(
    out: Annotated[Path, typer.Option(help="Dataset folder to write; it is complete or absent.")],
    source: Annotated[
        str | None, typer.Argument(help="Hub id, or folder in the upstream layout [default: the released SocSci210].", show_default=False)
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Revision on the Hub [default: the one that was checked here].")] = None,
    with_reasoning: Annotated[
        bool, typer.Option("--with-reasoning", help="Keep the generated rationales of training rows in a side table.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Studies written at the same time [default: processors].")] = None,
    as_json: AsJson = False,
) -> None:
    """Import the released SocSci210: verified, with its official splits, scales and named defects."""
    from ..load import remember
    from ..release import import_release as run
    from ..release.source import DEFAULT

    with _progress() as bar:
        task = bar.add_task("import", total=None)
        report = run(
            source or DEFAULT,
            out,
            revision=revision,
            with_reasoning=with_reasoning,
            jobs=jobs,
            progress=lambda done, total, what: bar.update(task, completed=done, total=total, description=what),
        )
    remember(out)
    checks: list[dict[str, Any]] = [vars(check) for check in report.checks]
    rules = [{"rule": rule, "rows": rows} for rule, rows in report.rules.items()]
    if as_json:
        dump({"path": str(out), "unchanged": report.unchanged, "checks": checks, "rules": report.rules, "manifest": report.manifest})
        return
    if report.unchanged:
        console.print("nothing has changed since the last import", highlight=False)
    show(checks, _CHECKS, title="What was checked", on=console)
    show(rules, {"rule": "rule", "rows": "rows"}, title="Rows that a rule touches; load(clean=True) repairs or leaves them out", on=console)
    print(out)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)
