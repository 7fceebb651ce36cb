"""The command that compares a draft with its key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .app import STUDIES, app
from .shown import console, show

if TYPE_CHECKING:
    from ..exam import ScoreCard


@app.command("draft-eval", rich_help_panel=STUDIES)
def draft_eval(
    draft: Annotated[Path, typer.Argument(help="The study file to judge.")],
    key: Annotated[Path, typer.Argument(help="A study file of the same deposit that is known to be right.")],
    deposits: Annotated[Path, typer.Option(help="Folder that holds one folder per deposit.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare a drafted study file with a key: people, arms, outcomes, scales, missing codes, demographics and texts, as a score card.

    Each part is scored from 0 to 1; overall is the mean of the parts. A draft that cannot be built scores 0, and the exit code is 1.
    """
    from ..exam import evaluate

    card = evaluate(draft, key, deposits=deposits)
    if as_json:
        print(json.dumps({**card.model_dump(mode="json"), "overall": card.overall, "perfect": card.perfect}, indent=1, ensure_ascii=False))
    else:
        _tell(card)
    if card.failed:
        raise typer.Exit(1)


def _tell(card: ScoreCard) -> None:
    rows = [{"part": line.part, "score": round(line.score, 3), "found": line.found} for line in card.lines]
    about = "it cannot be built" if card.failed else "the mean of the parts, each counting the same; gates are told below"
    rows.append({"part": "overall", "score": round(card.overall, 3), "found": about})
    show(rows, {"part": "part", "score": "score", "found": "found"}, title=f"{card.draft} against {card.key}")
    if card.failed:
        console.print(f"cannot be built: {card.failed}", markup=False, highlight=False, soft_wrap=True)
    for line in card.lines:
        for fault in line.faults:
            console.print(f"{line.part}: {fault}", markup=False, highlight=False, soft_wrap=True)
    for refused in card.refused:
        console.print(f"gate: {refused}", markup=False, highlight=False, soft_wrap=True)
