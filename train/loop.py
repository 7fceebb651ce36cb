"""Training from settings to a model folder: rows, examples, model, run, and what is written at the end.

A kill costs the steps since the last checkpoint; the output folder appears whole, at the end.
"""

from __future__ import annotations

import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from socsci210.dataset_folder import DatasetFolder
from socsci210.prompts import PromptEncoder, template_hash

from .checkpoints import Checkpoints, folder_of, identity, save_trained_only
from .config import Resolved, TrainConfig, TrainError
from .examples import RowTokens, fitting
from .failures import memory_explained
from .hub_push import check_push, push
from .lock import alone
from .model import context_of, pad_of, revision_of, starting_model
from .objectives.mixture import make_parts, note_references
from .objectives.reasoning import traces_of
from .processes import make_accelerator
from .progress import Reporter, log_of, start_trackers
from .rows import on_scale, training_rows
from .run import BETAS, Progress, Run, Say
from .run_record import run_record, validation_record
from .saving import check_reloads, finished, save, whole_weights
from .validation import Validation, is_sharded


def train(resolved: Resolved, say: Say = lambda text: print(text, file=sys.stderr)) -> Path:
    """Train a model as configured and return its folder: model, tokenizer and `run_record.json`.

    A run that was cut off goes on from its newest checkpoint. While it trains it holds a lock on `<output>.lock`.

    Raises:
        TrainError: the output exists, another process trains it, the checkpoints are of another run, rows cannot be trained on, the
            loss is not finite, the memory does not suffice, or the processes are not those that were asked for.
        DatasetError: there is no such dataset or model.
    """
    from accelerate.utils import set_seed

    config = resolved.config
    output = Path(config.output)
    if output.exists():
        raise TrainError("the output exists already", where=str(output), fix="choose another --output, or delete it")
    check_push(config)
    set_seed(config.seed)
    accelerator = make_accelerator(config, output)
    with alone(output) if accelerator.is_main_process else nullcontext():
        return _trained(resolved, accelerator, output, say)


def _trained(resolved: Resolved, accelerator: Any, output: Path, say: Say) -> Path:
    config = resolved.config
    speak: Say = say if accelerator.is_main_process else lambda text: None
    folder = DatasetFolder(config.dataset)
    rows, off_scale = on_scale(training_rows(folder, config.train_on, config.fraction, strict=config.strict), folder)
    model, tokenizer = starting_model(config, rows, accelerator)
    check_reloads(model, tokenizer)
    encoder, context = PromptEncoder(tokenizer, config.template), context_of(model)
    tokens = _tokens(config, rows, folder, encoder, context)
    parts = make_parts(config, tokens, folder, say=speak)
    fits = [fitting(part.objective, context, config.too_long) for part in parts]
    speak(f"training on {len(rows)} rows of {', '.join(config.train_on)}; processes: {accelerator.num_processes}")
    left_out = sum(fit.left_out for fit in fits)
    for number, what in (
        (off_scale, "left out: {} rows whose answer is off its stated scale"),
        (left_out, f"left out: {{}} examples longer than the context of {context} tokens"),
        (tokens.shortened, f"shortened at the front of the stimulus to fit into {context} tokens: {{}} rows"),
    ):
        if number:
            speak(what.format(number))
    with memory_explained(config, "before the first step"):
        note_references(parts, config, model, context, folder, accelerator, speak)
        run = Run(accelerator, model, parts, [fit.examples for fit in fits], config, speak)
        run.choose_way(encoder, pad_of(tokenizer))
    if config.validation is not None:
        run.validation = Validation(folder, config, rows, encoder, accelerator)
        speak(f"validation: {len(run.validation)} rows of the validation side of {run.validation.name}")
        if seen := run.validation.seen_before:
            speak(f"{config.model} was itself trained on {seen} of these rows: W is too good on them, and an early model may look best")
    if config.lora is not None and not is_sharded(accelerator):
        save_trained_only(accelerator)
    start_trackers(accelerator, config)
    facts = {
        "dataset_fingerprint": folder.fingerprint,
        "template_hash": template_hash(config.template),
        "vocabulary": len(tokenizer),
        "rows": rows.num_rows,
        "processes": accelerator.num_processes,
        "rows_per_step": run.per_step,
        "model_revision": revision_of(config),
        **({"rationales": traces_of(config.rationales)} if config.rationales else {}),
    }
    checkpoints = Checkpoints(
        folder_of(output),
        accelerator,
        identity(config, **facts),
        keep=config.keep_checkpoints or 1,
        allow_changed=config.allow_changed,
        say=speak,
    )
    if (stored := checkpoints.resume()) is not None:
        run.progress = Progress.of(stored)
        speak(f"resumed at step {run.progress.step}")
    run.train(checkpoints, Reporter(accelerator, log_of(output), speak))
    state = whole_weights(accelerator, run.model)
    if accelerator.is_main_process:
        noted = {
            "objectives": {
                part.objective.name: {"weight": part.weight, "examples": len(fit.examples), **part.objective.counts}
                for part, fit in zip(parts, fits, strict=True)
            },
            "reasoning": "reasoning" in config.weights,
            **({"rationales": facts["rationales"]} if config.rationales else {}),
            "model_revision": facts["model_revision"],
            "rows_per_step": run.per_step,
            "optimizer": {"name": "AdamW", "betas": BETAS},
            "examples_too_long": left_out,
            "rows_shortened": tokens.shortened,
            "read_as": run.reader.way,
            "validation": validation_record(run),
        }
        record = run_record(resolved, folder, rows, off_scale, run.progress, accelerator, noted)
        final = finished(config, accelerator.unwrap_model(run.model), output, state)
        save(output, final, tokenizer, record)
        shutil.rmtree(folder_of(output), ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    if accelerator.is_main_process and config.push_to_hub is not None:  # nobody waits for it
        push(output, config.push_to_hub, private=bool(config.hub_private), say=speak)
    return output


def _tokens(config: TrainConfig, rows: Any, folder: DatasetFolder, encoder: PromptEncoder, context: int) -> RowTokens:
    room = None
    if config.too_long == "truncate_stimulus":
        room = context - max(len(encoder.answer(value)) for value in set(rows.column("response").to_pylist()))
    return RowTokens(rows, folder, encoder, room=room)
