"""The commands that screen a hypothesis before the field: an experiment file to begin with, and its simulation."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import SocSciError
from .app import SCREENING, app
from .shown import console, show

_SERVER = "Model server"
_HYPOTHESES = {
    "hypothesis": "hypothesis", "direction": "expected", "predicted": "effect", "low": "low", "high": "high", "robust": "robust",
    "probability": "probability",
}  # fmt: skip


@app.command("new-experiment", rich_help_panel=SCREENING)
def new_experiment(
    out: Annotated[Path, typer.Argument(metavar="[FILE]", help="The file to write.")] = Path("experiment.yaml"),
    study: Annotated[str | None, typer.Option("--from", help="DATASET:STUDY, a study to write as an experiment.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema for editors instead.")] = False,
) -> None:
    """Write a filled-in, commented experiment file to begin with."""
    from ..screening import example

    if schema:
        print(example.schema_text())
        return
    for note in example.new_experiment(out, study=study):
        _say(note)
    print(out)


@app.command(rich_help_panel=SCREENING)
def simulate(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.yaml|DIR", help="The experiment; with --compare, a folder of a run.")],
    model: Annotated[str | None, typer.Option(help="Folder or Hub id of a causal language model, or the server's name for it.")] = None,
    personas: Annotated[
        str | None, typer.Option(help="csv or parquet FILE of the 16 fields, sample:N of the experiment's marginals, or DATASET:STUDY.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of everything that is made; a run that was cut off goes on there.")] = None,
    people: Annotated[int | None, typer.Option(min=1, help="At most so many people of a file or study.")] = None,
    marginals: Annotated[Path | None, typer.Option(help="File of shares, instead of those in the experiment file.")] = None,
    variants: Annotated[
        str | None, typer.Option(help="Prompt variations beside the base, with commas between; `base` for none (default: all).")
    ] = None,
    evidence: Annotated[list[Path] | None, typer.Option(help="results.json of this model; may be given more than once.")] = None,
    compare: Annotated[str | None, typer.Option(help="DATASET:STUDY, the real answers, to hold a finished run against.")] = None,
    template: Annotated[str | None, typer.Option(help="upstream or stimulus_first (default: the one the model was trained on)")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Prompts read at a time.")] = 64,
    seed: Annotated[int, typer.Option(help="Decides which people are sampled, and the resampling behind intervals.")] = 0,
    base_url: Annotated[str | None, typer.Option(help="An OpenAI-compatible API.", rich_help_panel=_SERVER)] = None,
    allow_send_rows: Annotated[
        bool, typer.Option("--allow-send-rows", help="People who may be real may leave this machine.", rich_help_panel=_SERVER)
    ] = False,
    logprobs: Annotated[bool, typer.Option(help="Read distributions from logprobs on short scales.", rich_help_panel=_SERVER)] = True,
    draws: Annotated[int, typer.Option(min=1, help="Answers drawn where logprobs cannot be had.", rich_help_panel=_SERVER)] = 10,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight at a time.", rich_help_panel=_SERVER)] = 8,
    api_key_env: Annotated[str | None, typer.Option(help="Environment variable that holds the key.", rich_help_panel=_SERVER)] = None,
) -> None:
    """Screen an experiment before the field: simulated answers, effects, power, and how far any of it may be believed."""
    if compare is not None:
        from ..screening.compare import compare as run_comparison

        given = [name for name, value in (("--model", model), ("--personas", personas), ("--out", out)) if value is not None]
        if given:
            raise SocSciError(
                f"{', '.join(given)} beside --compare", expected="the folder of a finished run and --compare DATASET:STUDY",
                fix="leave them out: a comparison asks nobody and writes into the folder of the run",
            )  # fmt: skip
        for line in run_comparison(experiment, compare):
            print(line)
        return
    missing = [name for name, value in (("--model", model), ("--personas", personas), ("--out", out)) if value is None]
    if missing or model is None or personas is None or out is None:
        raise SocSciError(f"{', '.join(missing)} not given", expected="a model, people and a folder", fix="add them; see --help")
    from ..predict.openai_options import ServerOptions
    from ..screening.simulate import simulate as run

    server = None
    if base_url is not None:
        server = ServerOptions(
            base_url, allow_send_rows=allow_send_rows, draws=draws, logprobs=logprobs, concurrency=concurrency, api_key_env=api_key_env,
            show=_say,
        )  # fmt: skip
    elif allow_send_rows or api_key_env:
        raise SocSciError(
            "options of a model server without one", expected="--base-url beside them", fix="name the server, or leave them out"
        )
    names = None if variants is None else [name.strip() for name in variants.split(",") if name.strip()]
    columns = (TextColumn("prompts"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn())
    bar = Progress(*columns, console=console)
    task = bar.add_task("prompts", total=None, speed="")
    with ExitStack() as shown:
        begun: list[tuple[float, int]] = []

        def progress(done: int, wanted: int) -> None:
            if not begun:  # a run that is refused shows no bar
                shown.enter_context(bar)
            begun.append((time.monotonic(), done))  # what an earlier run had done tells nothing of the speed of this one
            (start, before), (now, _) = begun[0], begun[-1]
            speed = f"{(done - before) / (now - start):,.0f}/s" if done > before else ""
            bar.update(task, completed=done, total=wanted, speed=speed)

        found = run(
            experiment, model, personas, out=out, people=people, marginals=marginals, variants=names, evidence=evidence or [],
            server=server, template=template, batch_size=batch_size, seed=seed, progress=progress, say=_say,
        )  # fmt: skip
    for note in found.screening.notes:
        _say(note)
    rows = found.screening.hypotheses.to_pylist()
    if rows:
        show(rows, _HYPOTHESES, title="Hypotheses: predicted effect in scale units, and the chance that people's has this direction")
    _say("Simulated answers are not people: this tells what is worth asking them, not what they would say.")
    print(found.page)


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
