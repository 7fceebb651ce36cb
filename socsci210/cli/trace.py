"""The command that has reasoning traces written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn, Progress

from .app import MODELS, AsJson, DatasetDir, app
from .shown import console, dump

_COST = "What it may cost"


@app.command(rich_help_panel=MODELS)
def trace(
    dataset: DatasetDir,
    config: Annotated[list[str], typer.Option(help="A split configuration; given more than once: training rows of all of them.")],
    model: Annotated[str, typer.Option(help="The model that writes, by the server's name for it.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write; `train` reads it as `rationales`.")],
    base_url: Annotated[str, typer.Option(help="An OpenAI-compatible API.")],
    split: Annotated[str, typer.Option(help="train; any other is refused: traces are written from the answer.")] = "train",
    allow_send_rows: Annotated[bool, typer.Option("--allow-send-rows", help="Rows may leave this machine for that server.")] = False,
    batch: Annotated[bool, typer.Option("--batch", help="Use the Batch API: answered within a day, one batch after the other.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="End the batch that is under way, and keep what it has answered.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many rows.")] = None,
    per_cell: Annotated[int | None, typer.Option(min=1, help="At most so many rows of every cell.")] = None,
    words: Annotated[int, typer.Option(min=10, help="Length of a trace.")] = 120,
    max_tokens: Annotated[int, typer.Option(min=16, help="Length of an answer of the model, at most.")] = 400,
    temperature: Annotated[float | None, typer.Option(min=0, help="Default: the server's own.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Sent with every request; decides which rows `--limit` and `--per-cell` take.")] = 0,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight at a time.")] = 8,
    poll: Annotated[float, typer.Option(min=0, help="Seconds between two looks at a batch.")] = 30.0,
    api_key_env: Annotated[str | None, typer.Option(help="Environment variable that holds the key.")] = None,
    price_in: Annotated[float | None, typer.Option(min=0, help="Price of a million prompt tokens.", rich_help_panel=_COST)] = None,
    price_out: Annotated[float | None, typer.Option(min=0, help="Price of a million completion tokens.", rich_help_panel=_COST)] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="Never more than this in all, repeated runs included.", rich_help_panel=_COST)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking first.", rich_help_panel=_COST)] = False,
    as_json: AsJson = False,
) -> None:
    """Have a model that is shown the answers write how people may have come to them: rationales to train on, for training rows alone."""
    from ..tracing import TraceOptions
    from ..tracing import trace as run

    def tell(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    options = TraceOptions(
        base_url, allow_send_rows=allow_send_rows, batch=batch, concurrency=concurrency, api_key_env=api_key_env, price_in=price_in,
        price_out=price_out, max_cost=max_cost, words=words, max_tokens=max_tokens, temperature=temperature, seed=seed, poll=poll,
        show=tell,
    )  # fmt: skip
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console) as bar:
        task = bar.add_task("traces", total=None, visible=False)

        def confirm(line: str) -> bool:
            bar.stop()
            sent = yes or typer.confirm("Send?", default=False, err=True)
            bar.start()
            return sent

        found = run(
            dataset=dataset, configs=config, split=split, model=model, out=out, options=options, limit=limit, per_cell=per_cell,
            cancel=cancel, confirm=confirm, progress=lambda done, all_: bar.update(task, completed=done, total=all_, visible=True),
        )  # fmt: skip
    if as_json:
        dump({"out": str(found.out), "rows": found.rows, "traces": found.traces, "left_out": found.left_out, "cost": found.cost})
        return
    tell(f"{found.traces:,} of {found.rows:,} rows have a trace" + (f"; cost {found.cost:,.2f}" if found.cost is not None else ""))
    if found.left_out:
        tell(f"without one: {', '.join(f'{n:,} ({reason})' for reason, n in found.left_out.items())}")
    print(found.out)
