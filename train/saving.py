"""The model folder: weights or adapter, tokenizer, run record, log and card. It appears whole or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from socsci210.cards.model import model_card
from socsci210.language_model import GENERATION, RECORD, load_tokenizer, merge_adapters, token_ids
from socsci210.prompts import ChatFrame

from .adapters import add_adapters, merge_into_base
from .config import TrainConfig, TrainError
from .progress import LOG, log_of


def save(output: Path, model: Any, tokenizer: Any, record: dict[str, Any]) -> None:
    """Write the model folder, in the main process.

    Args:
        output: the folder; it must not exist.
        model: with its weights, or with adapters, which are then saved alone.
        record: the run record.

    Raises:
        TrainError: the tokenizer would reload with other ids.
    """
    temporary = output.with_name(output.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    model.generation_config.update(**GENERATION)
    model.save_pretrained(temporary)
    _save_tokenizer(temporary, tokenizer)
    (temporary / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
    (temporary / "README.md").write_text(model_card(record), encoding="utf-8")
    log = log_of(output)
    if log.exists():
        shutil.copyfile(log, temporary / LOG)
    check_tokenizer(temporary, tokenizer)
    temporary.replace(output)
    log.unlink(missing_ok=True)


def finished(config: TrainConfig, model: Any, output: Path, state: dict[str, Any] | None) -> Any:
    """The model as it is saved: with its adapters merged into its weights, where the settings say so.

    Args:
        config: the settings.
        model: as it was trained.
        output: the model folder; beside it there is room.
        state: the weights in whole, where the model holds only a shard of them.
    """
    if state is not None:
        model = _in_one_piece(config, model, state)
    if config.lora is None or not config.lora.merge:
        return model
    if config.lora.bits == 16:
        return merge_adapters(model)
    folder = output.with_name(output.name + ".adapter")  # four-bit weights take no sum: it is made on the stored ones
    model.save_pretrained(folder)
    merged = merge_into_base(str(config.model), folder)
    shutil.rmtree(folder)
    return merged


def _in_one_piece(config: TrainConfig, model: Any, state: dict[str, Any]) -> Any:
    """A model of the same kind that holds whole weights."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):  # no memory: the weights are there already
        whole = AutoModelForCausalLM.from_config(model.config)
        if config.lora is not None:
            whole = add_adapters(whole, config.lora)
    whole.load_state_dict(state, assign=True)
    whole.tie_weights()
    whole.generation_config = model.generation_config  # with the tokens that end an answer
    return whole


def check_reloads(model: Any, tokenizer: Any) -> None:
    """What `save` would find out of the tokenizer after hours of training, before the first step.

    Raises:
        TrainError: the tokenizer would reload with other ids.
    """
    with TemporaryDirectory() as name:
        model.config.save_pretrained(name)
        _save_tokenizer(Path(name), tokenizer)
        check_tokenizer(Path(name), tokenizer)


def _save_tokenizer(folder: Path, tokenizer: Any) -> None:
    """With a chat template: whoever asks the model through one (a server, a pipeline) then asks it as it was trained."""
    tokenizer.chat_template = ChatFrame(tokenizer).chat_template()
    tokenizer.save_pretrained(folder)


def check_tokenizer(folder: Path, tokenizer: Any) -> None:
    """The saved tokenizer must reload to the same ids: some classes do not.

    Raises:
        TrainError: it does not.
    """
    reloaded = load_tokenizer(str(folder))
    if token_ids(reloaded) != token_ids(tokenizer):
        raise TrainError(
            f"the saved tokenizer reloads as {type(reloaded).__name__} with other ids than {type(tokenizer).__name__} gave",
            where=str(folder), fix="use the tokenizer class that belongs to the model's architecture",
        )  # fmt: skip


def whole_weights(accelerator: Any, model: Any) -> dict[str, Any] | None:
    """The weights in whole, where processes hold shards of them; every process must take part. None where each holds all."""
    from .validation import is_sharded

    return accelerator.get_state_dict(model) if is_sharded(accelerator) else None
