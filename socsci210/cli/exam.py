"""The command that compares a draft with its key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .app import STUDIES, app
from .shown import console, show


@app.command("draft-eval", rich_help_panel=STUDIES)
def draft_eval(
    draft: Annotated[Path, typer.Argument(help="The study file to judge.")],
    key: Annotated[Path, typer.Argument(help="A study file of the same deposit that is known to be right.")],
    deposits: Annotated[Path, typer.Option(help="Folder that holds one folder per deposit.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare a drafted study file with a key: people, arms, outcomes, scales, missing codes, demographics and texts, as a score card."""
    from ..exam import evaluate

    card = evaluate(draft, key, deposits=deposits)
    if as_json:
        print(json.dumps({**card.model_dump(mode="json"), "overall": card.overall, "perfect": card.perfect}, indent=1, ensure_ascii=False))
        return
    if card.failed:
        print(f"{card.draft} cannot be built:\n{card.failed}")
        return
    rows = [{"part": line.part, "score": round(line.score, 3), "found": line.found} for line in card.lines]
    rows.append({"part": "overall", "score": round(card.overall, 3), "found": "the mean of the parts"})
    show(rows, {"part": "part", "score": "score", "found": "found"}, title=f"{card.draft} against {card.key}")
    for line in card.lines:
        for fault in line.faults:
            console.print(f"{line.part}: {fault}", markup=False, highlight=False, soft_wrap=True)
    for refused in card.refused:
        console.print(f"gate: {refused}", markup=False, highlight=False, soft_wrap=True)
