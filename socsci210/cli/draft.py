"""The command that lets a language model draft a study file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import SocSciError
from .app import STUDIES, app
from .shown import console

EXIT = {"accepted": 0, "needs review": 3, "rejected": 4}


@app.command(rich_help_panel=STUDIES)
def draft(
    deposit: Annotated[Path, typer.Argument(help="Folder of a deposit.")],
    out: Annotated[Path | None, typer.Option(help="Folder for study.yaml, report.json, transcript.jsonl (default: drafts/ID).")] = None,
    model: Annotated[str | None, typer.Option(help="The server's name for the model.")] = None,
    base_url: Annotated[str | None, typer.Option(help="An OpenAI-compatible API with tool calls.")] = None,
    api_key_env: Annotated[str | None, typer.Option(help="Environment variable that holds the key.")] = None,
    study_id: Annotated[str | None, typer.Option("--id", help="Id of the study (default: the deposit's folder).")] = None,
    own_deposit: Annotated[bool, typer.Option("--own-deposit", help="Your own data: the model may write text, too.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Most requests.")] = 40,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens, sent and answered together.")] = 1_000_000,
    max_cost: Annotated[float | None, typer.Option(min=0, help="Most dollars (needs the prices).")] = None,
    price_in: Annotated[float | None, typer.Option(min=0, help="Dollars for a million tokens sent.")] = None,
    price_out: Annotated[float | None, typer.Option(min=0, help="Dollars for a million tokens answered.")] = None,
    replay: Annotated[Path | None, typer.Option(help="Play a kept transcript back, without a server.")] = None,
) -> None:
    """Let a model write a study file; gates answer, it repairs. A run that was cut off goes on where it stood.

    Labels, counts of ten people or more and blocks of documents are sent to the server; no row is. Exit code 0: accepted; 3: needs review;
    4: rejected.
    """
    from ..drafting import Budget
    from ..drafting import draft as run

    if replay is None and (model is None or base_url is None):
        raise SocSciError("no model", where="draft", expected="--model and --base-url, or --replay", fix="name the model and its server")
    out = out or Path("drafts") / (study_id or deposit.resolve().name)
    found = run(
        deposit,
        model=model,
        out=out,
        base_url=base_url,
        api_key_env=api_key_env,
        budget=Budget(rounds, max_tokens, max_cost, price_in, price_out),
        study_id=study_id,
        own_deposit=own_deposit,
        replay=replay,
        say=lambda text: console.print(text, style="dim", markup=False, highlight=False),
    )
    cost = f", ${found.cost:.4f}" if found.cost is not None else ""
    spent = f"{found.spent.rounds} requests, {found.spent.sent + found.spent.answered} tokens{cost}"
    why = f" ({found.reason}): {found.message}" if found.status == "rejected" else ""
    console.print(f"{found.status}{why}; {spent}", markup=False, highlight=False, soft_wrap=True)
    for question in found.questions:
        console.print(f"open: {question}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"wrote {found.study_file or out / 'report.json'}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(EXIT[found.status])
