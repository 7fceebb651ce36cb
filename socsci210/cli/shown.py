"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console(stderr=True)
MARK: Final = "†"
SHORT: Final = 13  # letters of an interval: not folded either


def show(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    title: str = "",
    on: Console | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Prints a table, on standard output by default: numbers right-aligned, missing values as a dash.

    Args:
        rows, columns: the table; columns map a row's keys to headings.
        title: stands above it.
        on: where to print.
        notes: one for each row, empty for most: a row with a note has a mark on every figure, and the note stands below the table.
    """
    table = Table()
    said = list(notes) or [""] * len(rows)
    cells = [{key: _cell(row.get(key), note) for key in columns} for row, note in zip(rows, said, strict=True)]
    for key, heading in columns.items():
        numeric = all(isinstance(row.get(key), int | float | None) and not isinstance(row.get(key), bool) for row in rows)
        # Names and figures are never cut: a narrow terminal (or a pipe, 80 wide) folds headings and prose instead.
        longest = max((len(row[key]) for row in cells), default=0)
        whole = numeric or key == next(iter(columns)) or longest <= SHORT
        width = max([longest if whole else 1, *map(len, heading.split())])
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold", min_width=width)
    for row in cells:
        table.add_row(*(Text(row[key]) for key in columns))
    target = on or Console()
    needed = target.measure(table, options=target.options.update(max_width=1000)).minimum
    if title:
        target.print(title, style="italic", markup=False, highlight=False, soft_wrap=True)
    target.print(table, width=max(target.width, needed), crop=False)
    for note in dict.fromkeys(filter(None, said)):
        target.print(f"{MARK} {note}", style="bold red", markup=False, highlight=False, soft_wrap=True)


def _cell(value: Any, note: str = "") -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else ""
    if not isinstance(value, int | float):
        return str(value)
    return (decimal(value) if isinstance(value, float) else f"{value:,}") + (MARK if note else "")


def decimal(value: float) -> str:
    """Three places; what rounds to zero has no sign.

    >>> decimal(-0.0004), decimal(-0.0006)
    ('0.000', '-0.001')
    """
    text = f"{value:.3f}"
    return text.removeprefix("-") if float(text) == 0 else text


def dump(value: Any) -> None:
    """Prints JSON on standard output."""
    print(json.dumps(value, indent=1, ensure_ascii=False, default=str))
