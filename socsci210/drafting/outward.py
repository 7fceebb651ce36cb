"""What of a profile may leave the machine: labels and counts, and no count that would give away fewer than ten people.

A count is also held back where it could be worked out from the others: the counts of a variable add up to the rows of its file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..profiling.records import Arm, Table, Variable
from ..small_counts import FEW, hide_more
from ..study_file import Code
from .material import SILENT

NOT_SHOWN: Final = "not shown"
BLANK: Final = "(blank)"
OTHER: Final = "(texts of few people)"
_SMALL: Final = re.compile(r"\b[1-9] (?=(?:people|persons?|participants?|rows?|answers?|have|has|of)\b)")
_CODES: Final = 60


def without_small_counts(text: str) -> str:
    """A sentence with counts of fewer than 10 people replaced by a word."""
    return _SMALL.sub("few ", text)


def counts(variable: Variable, rows: int) -> dict[Code, int | None]:
    """Count per code, with `(blank)` and `(texts of few people)`; None where it is not shown.

    What is not shown adds up to a number that everybody can work out, so that it holds two counts at least, and so many people that none of
    them follows from the sum.
    """
    found: dict[Code, int | None] = {value.code: value.n for value in variable.values}
    found[BLANK] = variable.blank
    if variable.hidden:
        found[OTHER] = None
    return hide_more(found, rows)


def variable_view(table: Table, variable: Variable, file: str) -> dict[str, Any]:
    """A variable as an agent sees it; ids and open text with their name and role alone."""
    if variable.role in SILENT:
        return {"name": variable.name, "file": file, "role": variable.role, "note": "its contents are not shown"}
    shown = counts(variable, table.rows)
    view: dict[str, Any] = {
        "name": variable.name,
        "file": file,
        "label": variable.label,
        "role": variable.role,
        "why": without_small_counts(variable.why),
        "kind": variable.kind,
        "codes_are_text": variable.codes_are_text,
        "named_in_blocks": list(variable.blocks[:20]),
    }
    interview = variable.role == "about the interview"  # its rare codes are days and devices of single people
    if interview and not any(shown[value.code] for value in variable.values):
        return view
    if not variable.values:
        tails = table.rows >= 100 * FEW  # otherwise the outer ones are the answers of fewer than ten people
        shares = (1, 25, 50, 75, 99)
        view["quantiles"] = {p: q for p, q in zip(shares, variable.quantiles, strict=False) if tails or 25 <= p <= 75}
        return view
    view["codes"] = [
        {"code": v.code, "label": v.label, "n": _n(shown[v.code]), **({"no_answer": v.missing, "basis": v.basis} if v.missing else {})}
        for v in variable.values[:_CODES]
        if shown[v.code] is not None or not interview
    ]
    view["others"] = {key: _n(shown[key]) for key in (BLANK, OTHER) if key in shown}
    return view


def arm_view(arm: Arm, known: Mapping[str, tuple[Table, Variable]]) -> dict[str, Any]:
    """A candidate for the arms. Counts stand there only where the counts of its one column are told too."""
    levels: list[Any] = []
    of_column = known.get(arm.columns[0]) if arm.kind == "column" and len(arm.columns) == 1 else None
    shown = counts(of_column[1], of_column[0].rows) if of_column else {}
    for level in arm.levels[:40]:
        one: dict[str, Any] = {"columns": list(level.columns)} if level.columns else {"code": level.code, "label": level.label}
        if level.code is not None and level.code in shown:
            one["n"] = _n(shown[level.code])
        levels.append(one)
    return {
        "kind": arm.kind,
        "columns": list(arm.columns),
        "same_as": list(arm.same_as[:6]),
        "score": arm.score,
        "reasons": [without_small_counts(reason) for reason in arm.reasons],
        "levels": levels,
    }


def _n(n: int | None) -> int | str:
    return NOT_SHOWN if n is None else n
