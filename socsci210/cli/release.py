"""Commands about the released SocSci210: import it, audit a dataset."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..errors import DatasetError
from .app import RELEASE, AsJson, app
from .shown import console, dump, show

if TYPE_CHECKING:
    from ..audit.parity import ParityLine
    from ..release.verify import Check

_CHECKS = {"what": "checked", "found": "found", "expected": "expected", "verdict": "verdict"}
_PARITY = {"meaning": "figure", "found": "found", "expected": "expected", "match": "match"}
_NOT_PINNED = "Not known to be the released SocSci210 at its pinned revision: published numbers need not hold for it."
_HEX = re.compile(r"([0-9a-f]{12})[0-9a-f]{52}")


@app.command("import-release", rich_help_panel=RELEASE)
def import_release(
    out: Annotated[Path, typer.Option(help="Dataset folder to write; it is complete or absent.")],
    source: Annotated[
        str | None, typer.Argument(help="Hub id, or folder in the upstream layout (default: the released SocSci210).", show_default=False)
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Revision on the Hub (default: the one that was checked here).")] = None,
    with_reasoning: Annotated[
        bool, typer.Option("--with-reasoning", help="Keep the generated rationales of training rows in a side table.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Studies written at the same time (default: processors).")] = None,
    as_json: AsJson = False,
) -> None:
    """Import the released SocSci210: verified, with its official splits, scales and named defects."""
    from ..load import remember
    from ..release import DEFAULT
    from ..release import import_release as run

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
    rules = [{"rule": rule, "rows": rows} for rule, rows in report.rules.items()]
    if as_json:
        checks = [vars(check) for check in report.checks]
        dump({"path": str(out), "unchanged": report.unchanged, "checks": checks, "rules": report.rules, "manifest": report.manifest})
        return
    if report.unchanged:
        console.print("nothing has changed since the last import", highlight=False)
    show(_in_short(report.checks), _CHECKS, title="What was checked", on=console)
    if report.manifest["release"]["revision"] is None or any(check.verdict == "different" for check in report.checks):
        console.print(_NOT_PINNED, style="bold", highlight=False, soft_wrap=True)
    show(rules, {"rule": "rule", "rows": "rows"}, title="Rows that a rule touches; load(clean=True) repairs or leaves them out", on=console)
    print(out)


def _in_short(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """The checks for a narrow screen: hashes by their beginning, row files that fared alike in one line."""
    shards = [check for check in checks if check.what.startswith("data/")]
    verdicts = Counter(check.verdict for check in shards)
    told = [
        {"what": f"{n} of {len(shards)} row files", "found": None, "expected": None, "verdict": verdict} for verdict, n in verdicts.items()
    ]
    return [*told, *({name: _HEX.sub(r"\1...", value) for name, value in vars(check).items()} for check in checks if check not in shards)]


@app.command(rich_help_panel=RELEASE)
def audit(
    dataset: Annotated[Path, typer.Argument(help="Dataset folder.")],
    out: Annotated[Path | None, typer.Option(help="Page to write, with counts and examples.")] = None,
    parity: Annotated[bool, typer.Option("--parity", help="Also recompute what others found on the release.")] = False,
    expected: Annotated[Path | None, typer.Option(help="JSON of expected figures for --parity (default: of the real release).")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Studies read at the same time (default: processors).")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the named rules for known defects over a dataset."""
    from ..audit import audit as run
    from ..audit.parity import parity as compare
    from ..audit.report import COLUMNS

    if expected is not None and not parity:
        raise DatasetError("--expected without --parity", fix="add --parity")
    lines = compare(dataset, expected) if parity else ()
    report = run(dataset, jobs=jobs or os.cpu_count() or 1)
    if out is not None:
        report.write_page(out)
    if as_json:
        dump({**report.to_json(), **({"parity": [vars(line) for line in lines]} if parity else {})})
    else:
        show(report.table(), COLUMNS, title=f"{report.rows:,} rows of {len(report.summaries)} studies")
        console.print(
            f"clean view: {report.repaired:,} answers corrected, {report.left_out:,} rows left out", highlight=False, soft_wrap=True
        )
        if parity:
            show([_line(line) for line in lines], _PARITY, title="Beside what others found")
        if out is not None:
            print(out)
    if any(line.match is False for line in lines):
        raise typer.Exit(1)


def _line(line: ParityLine) -> dict[str, Any]:
    figures = {name: _figure(value) for name, value in (("found", line.found), ("expected", line.expected))}
    return {"meaning": line.meaning, **figures, "match": {True: "yes", False: "NO", None: None}[line.match]}


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:,.0f}" if value == int(value) and value > 1 else f"{value:.4f}"


def _progress() -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)
