"""Predict the answer distribution of every row of a split: one function, several engines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..dataset_folder import DatasetFolder
from ..errors import DatasetError
from ..prompts import template_hash
from ..row_texts import COLUMNS, row_scales
from .openai_options import ServerOptions
from .shards import PREDICTIONS, Predictor, Progress, read_metadata, run_sharded

ENGINES: Final = ("transformers", "openai", "uniform", "train_lookup", "pooled_oracle")
SHARD_ROWS: Final = 4096
CONTROL_SHARD_ROWS: Final = 1 << 18  # a control takes no time: few shards

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
    batch_size: int = 32,
    seed: int = 0,
    limit_cell: int | None = None,
    shard_rows: int | None = None,
    progress: Progress | None = None,
    server: ServerOptions | None = None,
) -> Path:
    """Write `out`, the predictions of every row of a split whose answers can be enumerated, and return it.

    A run that was cut off resumes from `<out>.parts/`. Rows on unbounded scales, or with more than 101 possible answers, are left out and
    counted by reason in the file's metadata (`left_out`).

    Args:
        engine: one of `ENGINES`.
        dataset: dataset folder.
        config, split: the rows to predict; `all` has one split, train.
        model: folder or Hub id of a causal language model (engine `transformers`), or the name that the server knows it by (`openai`).
        template: prompt template; default: the one that the model's run record names, else upstream.
        batch_size: prompts per forward pass.
        seed: decides which rows `limit_cell` takes.
        limit_cell: at most so many rows of each (study, condition, outcome, item).
        shard_rows: rows per shard.
        progress: called with (rows done, rows wanted).
        server: which model server to ask, and how (engine `openai`).

    Raises:
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
    folder = DatasetFolder(dataset)
    training = _training(model if server is None else None)
    template = template or (training or {}).get("template") or "upstream"
    rows, left_out = _rows(folder, config, split, limit_cell, seed)
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
        "limit_cell": limit_cell,
        "rows_expected": rows.num_rows,
        "left_out": left_out,
        "training": training,
    }
    if model is not None and server is not None:
        from .openai import predict_by_server

        return predict_by_server(server, folder, rows, out=Path(out), metadata=metadata, shard_rows=shard_rows, progress=progress)
    predictor: Predictor
    if model is None:
        from .controls import control_predictor

        predictor = control_predictor(engine, folder, config, rows)
    else:
        predictor, metadata["revision"] = _model(model, template, batch_size, rows, folder)
    size = shard_rows or (SHARD_ROWS if model else CONTROL_SHARD_ROWS)
    keys = rows.select(["study_id", "sample_id"])
    return run_sharded(keys, predictor, out=Path(out), metadata=metadata, shard_rows=size, progress=progress)


def _rows(folder: DatasetFolder, config: str, split: str, limit_cell: int | None, seed: int) -> tuple[pa.Table, dict[str, int]]:
    """Rows to predict, and how many are left out, by reason."""
    split = "train" if config == "all" else split
    rows = folder.rows(config, split, COLUMNS)
    if not rows.num_rows:
        raise DatasetError(f"split {split!r} of config {config!r} has no rows", where=str(folder.path), fix="choose another split")
    scales, index = row_scales(rows, folder)
    reasons = [scale.not_enumerated for scale in scales]
    counts = np.bincount(index, minlength=len(scales))
    left_out: Counter[str] = Counter()
    for reason, n in zip(reasons, counts, strict=True):
        if reason:
            left_out[reason] += int(n)
    keep = np.array([reason is None for reason in reasons], dtype=bool)[index]
    if limit_cell is not None:
        chosen = _limit(rows, limit_cell, seed)
        left_out[f"beyond {limit_cell} rows of a cell"] += int((keep & ~chosen).sum())
        keep &= chosen
    if not keep.any():
        raise DatasetError(f"none of {rows.num_rows} rows can be enumerated: {dict(left_out)}", where=str(folder.path))
    return rows.filter(pa.array(keep)), {reason: n for reason, n in left_out.items() if n}


def _limit(rows: pa.Table, limit: int, seed: int) -> npt.NDArray[np.bool_]:
    """A random choice of at most `limit` rows of every (study, condition, outcome, item)."""
    study = rows.column("study_id").cast(pa.string()).combine_chunks().dictionary_encode().indices.to_numpy()
    keys = np.stack([study, *(rows.column(name).to_numpy() for name in ("condition_num", "task_num", "item_num"))], axis=1)
    cell = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    order = np.lexsort((np.random.default_rng(seed).random(len(cell)), cell))
    ranked = cell[order]
    first = np.searchsorted(ranked, ranked)
    chosen = np.zeros(len(cell), dtype=bool)
    chosen[order[np.arange(len(cell)) - first < limit]] = True
    return chosen


def _training(model: str | None) -> dict[str, Any] | None:
    """What the model's own run record says it was trained on, where it has one."""
    import json

    record = Path(model or "") / "run_record.json"
    if model is None or not record.is_file():
        return None
    stored = json.loads(record.read_text(encoding="utf-8"))
    return {
        key: stored.get(key) for key in ("dataset_fingerprint", "train_on", "template", "template_hash", "rows_trained", "studies_trained")
    }


def _model(model: str, template: str, batch_size: int, rows: pa.Table, folder: DatasetFolder) -> tuple[Predictor, str]:
    from ..language_model import load_model
    from ..prompts import PromptEncoder
    from ..row_texts import row_texts
    from .exact import ExactAnswers
    from .transformer import model_predictor, revision

    loaded, tokenizer = load_model(model)
    encoder = PromptEncoder(tokenizer, template)
    exact = ExactAnswers(loaded, encoder, batch_size=batch_size)
    return model_predictor(exact, encoder, rows, row_texts(rows, folder)), revision(model, loaded)
