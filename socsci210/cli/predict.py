"""The command that predicts, with every engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn, Progress

from ..errors import DatasetError
from .app import MODELS, DatasetDir, app
from .shown import console

_SERVER = "Model server (engine openai)"


@app.command(rich_help_panel=MODELS)
def predict(
    context: typer.Context,
    dataset: DatasetDir,
    out: Annotated[Path, typer.Option(help="predictions.parquet to write.")],
    config: Annotated[str, typer.Option(help="unseen_studies, unseen_conditions, unseen_outcomes or unseen_participants.")],
    engine: Annotated[str, typer.Option(help="transformers, openai, uniform, train_lookup or pooled_oracle.")] = "transformers",
    model: Annotated[str | None, typer.Option(help="Folder or Hub id of a causal language model, or the server's name for it.")] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    template: Annotated[str | None, typer.Option(help="upstream or stimulus_first (default: the one the model was trained on)")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Prompts read at a time.")] = 64,
    seed: Annotated[int, typer.Option(help="Decides which people `--per-cell` takes, and what is drawn.")] = 0,
    per_cell: Annotated[int | None, typer.Option(min=1, help="Predict at most so many people of every cell.")] = None,
    arms: Annotated[bool, typer.Option("--arms", help="Every persona through every arm, for treatment effects.")] = False,
    draws: Annotated[
        int | None,
        typer.Option(min=1, help="Answers drawn where a distribution cannot be had (default: 1, of a server 10).", show_default=False),
    ] = None,
    rationales: Annotated[
        int | None,
        typer.Option(
            min=1, help="Rationales per prompt of a model that writes them: a mean over so many (default: 1).", show_default=False
        ),
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="An OpenAI-compatible API.", rich_help_panel=_SERVER)] = None,
    allow_send_rows: Annotated[
        bool, typer.Option("--allow-send-rows", help="Rows may leave this machine for that server.", rich_help_panel=_SERVER)
    ] = False,
    logprobs: Annotated[bool, typer.Option(help="Read distributions from logprobs on short scales.", rich_help_panel=_SERVER)] = True,
    shots: Annotated[int, typer.Option(min=0, help="Examples from training rows in every prompt.", rich_help_panel=_SERVER)] = 0,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Of draws (default: with --no-logprobs 0.6, as in the paper; else 1).", show_default=False, rich_help_panel=_SERVER
        ),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            help="Of draws (default: with --no-logprobs 0.9, as in the paper; else 1).", show_default=False, rich_help_panel=_SERVER
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight at a time.", rich_help_panel=_SERVER)] = 8,
    api_key_env: Annotated[str | None, typer.Option(help="Environment variable that holds the key.", rich_help_panel=_SERVER)] = None,
    price_in: Annotated[float | None, typer.Option(help="Price of a million prompt tokens.", rich_help_panel=_SERVER)] = None,
    price_out: Annotated[float | None, typer.Option(help="Price of a million completion tokens.", rich_help_panel=_SERVER)] = None,
) -> None:
    """Predict the answer distribution of every row of a split; a run that was cut off resumes."""
    from ..predict import ServerOptions, read_metadata
    from ..predict import predict as run

    server = None
    if base_url is None:
        _refuse_server_options(context)
    else:
        server = ServerOptions(
            base_url,
            allow_send_rows=allow_send_rows,
            draws=draws or ServerOptions.draws,
            logprobs=logprobs,
            shots=shots,
            temperature=temperature,
            top_p=top_p,
            concurrency=concurrency,
            api_key_env=api_key_env,
            price_in=price_in,
            price_out=price_out,
            show=lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
        )
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console) as bar:
        task = bar.add_task("rows", total=None, visible=False)  # not before a refusal
        written = run(
            engine=engine,
            dataset=dataset,
            config=config,
            split=split,
            out=out,
            model=model,
            template=template,
            batch_size=batch_size,
            seed=seed,
            per_cell=per_cell,
            arms=arms,
            draws=draws or 1,
            rationales=rationales,
            server=server,
            progress=lambda done, wanted: bar.update(task, completed=done, total=wanted, visible=True),
        )
    about = read_metadata(written)
    if left_out := about.get("left_out"):
        told = ", ".join(f"{n:,} ({reason})" for reason, n in left_out.items())
        console.print(f"rows without a prediction: {told}", markup=False, highlight=False, soft_wrap=True)
    if silent := about.get("usage", {}).get("rows_not_parsed"):
        console.print(f"rows without an answer that could be read: {silent:,}", markup=False, highlight=False, soft_wrap=True)
    print(written)


def _refuse_server_options(context: typer.Context) -> None:
    """Without a server its options would decide nothing."""
    options = [one for one in context.command.params if getattr(one, "rich_help_panel", None) == _SERVER]
    given = [
        one.secondary_opts[0] if one.secondary_opts and not context.params[one.name] else one.opts[0]
        for one in options
        if one.name and getattr(context.get_parameter_source(one.name), "name", "") == "COMMANDLINE"
    ]
    if given:
        raise DatasetError(
            f"{', '.join(given)} without a model server", expected="--base-url beside it, and --engine openai",
            fix="name the server, or leave it out: other engines read whole distributions, and the scorer decodes them",
        )  # fmt: skip
