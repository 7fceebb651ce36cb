"""Predict the answer distribution of every row of a split: one function, several engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ..dataset_folder import DatasetFolder
from ..errors import DatasetError
from ..language_model import rationales_of, run_record, training_of
from ..prompts import same_words, template_hash
from .crossing import select_arms
from .openai_options import ServerOptions
from .processes import processes
from .selection import Selection, select_rows
from .shards import PREDICTIONS, Processes, Progress, predictions_schema, read_metadata, run_sharded

ENGINES: Final = ("transformers", "openai", "uniform", "train_lookup", "pooled_oracle")
SHARD_ROWS: Final = 4096
CONTROL_SHARD_ROWS: Final = 1 << 18  # a control takes no time: few shards
RATIONALE_SHARD_ROWS: Final = 512  # a row with a rationale takes about as long as a hundred without

__all__ = ["ENGINES", "PREDICTIONS", "ServerOptions", "predict", "read_metadata"]


def predict(
    *,
    engine: str,
    dataset: Path,
    config: str,
    split: str = "test",
    out: Path,
    model: str | None = None,
    template: str | None = None,
    batch_size: int = 64,
    seed: int = 0,
    per_cell: int | None = None,
    arms: bool = False,
    draws: int = 1,
    rationales: int | None = None,
    shard_rows: int | None = None,
    progress: Progress | None = None,
    server: ServerOptions | None = None,
) -> Path:
    """Write `out`, the predictions of the rows of a split, and return it.

    A run that was cut off resumes from `<out>.parts/`. Under `accelerate launch` with several processes each predicts its share of the
    shards, and the file is the one that a single process writes. Rows on unbounded scales, or with more than 101 possible answers, get
    drawn answers from a model (marked in the column `method`, counted in the metadata under `drawn`); the controls leave them out, counted
    by reason (`left_out`).

    Args:
        engine: one of `ENGINES`.
        dataset: dataset folder.
        config, split: the rows to predict; `all` has one split, train.
        model: folder or Hub id of a causal language model (engine `transformers`), or the name that the server knows it by (`openai`).
        template: prompt template; default: the one that the model's run record names, else upstream.
        batch_size: prompts per forward pass, at most.
        seed: decides which people `per_cell` takes, the draws and the rationales.
        per_cell: at most so many rows of each (study, condition, outcome, item).
        arms: instead of the rows, every persona of a study through every condition of each item of the split (`crossing.select_arms`);
            the file's key is then `shards.ARM_KEY`, with `shards.SHOWN_TO` where it has conjoints.
        draws: texts drawn for each row whose answers cannot be enumerated (engine `transformers`; a server has its own number).
        rationales: of a model that writes one before its answer, how many are drawn for each prompt (`rationales`); default: 1. Rows
            without an answer behind any of them are counted under `usage`.
        shard_rows: rows per shard.
        progress: called with (rows done, rows wanted).
        server: which model server to ask, and how (engine `openai`).

    Raises:
        PromptError: the model was trained with other words than its template has in this version, and no template was chosen.
        EgressError: engine `openai` may not send rows, or its server does not answer as it must.
        DatasetError: unknown engine or split, no rows, no such model, a prompt longer than the model's context, or `out` belongs to
            another run.
    """
    if engine not in ENGINES:
        raise DatasetError(f"no engine is called {engine!r}", expected=f"one of {', '.join(ENGINES)}", fix="check --engine")
    if (engine in ("transformers", "openai")) != (model is not None):
        raise DatasetError(f"engine {engine!r} {'needs a' if model is None else 'takes no'} model", fix="check --engine and --model")
    if (engine == "openai") != (server is not None):
        raise DatasetError(
            f"engine {engine!r} {'needs a' if server is None else 'takes no'} model server", fix="check --engine and --base-url"
        )
    if template is not None and model is None:
        raise DatasetError(f"engine {engine!r} takes no template", expected="no --template: a control reads no prompt", fix="leave it out")
    if (per_cell is not None and per_cell < 1) or draws < 1:
        raise DatasetError(f"--per-cell {per_cell}, --draws {draws}", expected="1 or more", fix="check --per-cell and --draws")
    run, device = processes()
    if server is not None and run.count > 1:
        raise DatasetError(f"engine {engine!r} in {run.count} processes", expected="one process", fix="start it without accelerate launch")
    folder = DatasetFolder(dataset)
    asked_here = model if server is None else None
    number = rationales_of(run_record(asked_here) if asked_here else {}, str(model or engine), rationales)
    training = training_of(asked_here) if asked_here else None
    if template is None and training is not None:
        same_words(training, str(model))
    template = template or (training or {}).get("template") or "upstream"
    if arms:
        chosen = select_arms(folder, config, split, per_cell=per_cell, seed=seed)
    else:
        chosen = select_rows(folder, config, split, per_cell=per_cell, seed=seed, draw=model is not None)
    metadata: dict[str, Any] = {
        "model": model,
        "revision": None,
        "template": template if model else None,
        "template_hash": template_hash(template) if model else None,
        "dataset_fingerprint": folder.fingerprint,
        "config": config,
        "split": split,
        "engine": engine,
        "seed": seed,
        "per_cell": per_cell,
        "rows_expected": chosen.rows.num_rows,
        "left_out": chosen.left_out,
        "training": training,
    }
    if arms:
        metadata["arms"] = True
    if chosen.drawn:
        metadata |= {"drawn": chosen.drawn, "draws": draws if server is None else server.draws}
    if model is not None and server is not None:
        from .openai import predict_by_server

        return predict_by_server(server, folder, chosen, out=Path(out), metadata=metadata, shard_rows=shard_rows, progress=progress)
    if model is not None:
        return _run_model(
            model, template, chosen, folder, batch_size=batch_size, draws=draws, rationales=number, run=run, device=device,
            out=Path(out), metadata=metadata, shard_rows=shard_rows, progress=progress,
        )  # fmt: skip
    from .controls import control_predictor

    keys = chosen.keys
    return run_sharded(
        keys, control_predictor(engine, folder, config, chosen.rows, keys), out=Path(out), metadata=metadata, progress=progress,
        shard_rows=shard_rows or CONTROL_SHARD_ROWS, schema=predictions_schema(keys.schema), processes=run,
    )  # fmt: skip


def _run_model(
    model: str, template: str, chosen: Selection, folder: DatasetFolder, *, batch_size: int, draws: int, rationales: int | None,
    run: Processes, device: str | None, out: Path, metadata: dict[str, Any], shard_rows: int | None, progress: Progress | None,
) -> Path:  # fmt: skip
    from ..language_model import load_model, revision
    from ..prompts import PromptEncoder
    from ..row_texts import row_texts
    from .draws import Draws
    from .exact import ExactAnswers
    from .rationales import Rationales, noted
    from .transformer import ModelPredictor, not_parsed, prompt_order

    loaded, tokenizer = load_model(model, device)
    encoder, texts = PromptEncoder(tokenizer, template), row_texts(chosen.rows, folder)
    exact = ExactAnswers(loaded, encoder, batch_size=batch_size)
    behind = Rationales(exact, number=rationales, seed=metadata["seed"]) if rationales else None
    sampler = behind or Draws(loaded, encoder, seed=metadata["seed"], batch_size=batch_size)
    predictor = ModelPredictor(behind or exact, sampler, draws=draws, keys=chosen.keys, texts=texts, drawn=chosen.is_drawn)
    metadata = metadata | {"revision": revision(model), **({"rationales": noted(behind.number)} if behind else {})}
    return run_sharded(
        chosen.keys, predictor, out=out, metadata=metadata, shard_rows=shard_rows or (RATIONALE_SHARD_ROWS if behind else SHARD_ROWS),
        progress=progress, schema=predictor.schema, closing=not_parsed if behind else None, order=prompt_order(texts, encoder),
        processes=run,
    )  # fmt: skip
