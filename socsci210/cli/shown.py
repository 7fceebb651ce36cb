"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console(stderr=True)


def show(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, title: str = "", on: Console | None = None) -> None:
    """Prints a table, on standard output by default: numbers right-aligned, missing values as a dash."""
    table = Table()
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
    if title:
        target.print(title, style="italic", markup=False, highlight=False, soft_wrap=True)
    target.print(table, width=max(target.width, needed), crop=False)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else ""
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def dump(value: Any) -> None:
    """Prints JSON on standard output."""
    print(json.dumps(value, indent=1, ensure_ascii=False, default=str))
