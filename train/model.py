"""The model that a run starts from: named or made, with adapters or without, and its tokenizer."""

from __future__ import annotations

from typing import Any

from socsci210.language_model import merge_adapters, revision

from .adapters import add_adapters, load_four_bit
from .config import TrainError
from .settings import TrainConfig


def starting_model(config: TrainConfig, rows: Any, accelerator: Any) -> tuple[Any, Any]:
    """(model, tokenizer), ready to be trained.

    Args:
        config: the settings.
        rows: training rows, of whose texts the tokenizer of a nano model is made.
        accelerator: whose device a four-bit model is put on; others are moved by accelerate.

    Raises:
        DatasetError: there is no such model.
        TrainError: adapters cannot be put on it.
    """
    model, tokenizer = _loaded(config, rows, accelerator)
    if config.lora is not None:
        model = add_adapters(model, config.lora)
    if config.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    return model.train(), tokenizer


def _loaded(config: TrainConfig, rows: Any, accelerator: Any) -> tuple[Any, Any]:
    if config.nano is not None:
        from socsci210.row_texts import distinct_texts

        from .nano import make_model, train_tokenizer

        tokenizer = train_tokenizer(*distinct_texts(rows), config.nano)
        return make_model(tokenizer, config.nano, config.seed), tokenizer
    from socsci210.language_model import load_model, load_tokenizer

    four_bit = config.lora is not None and config.lora.bits == 4
    if four_bit:
        model, tokenizer = load_four_bit(str(config.model), str(accelerator.device)), load_tokenizer(str(config.model))
    else:
        model, tokenizer = load_model(str(config.model), device="cpu")
    if not getattr(model, "_hf_peft_config_loaded", False):
        return model, tokenizer
    if config.lora is not None and (four_bit or not config.lora.merge):  # it would be saved as an adapter of the model below this one
        raise TrainError(
            "adapters on a model that is an adapter itself", where=str(config.model), expected="a model in one piece",
            fix="train that model with lora.merge, or set lora.merge here (with lora.bits 16), or train without lora",
        )  # fmt: skip
    return merge_adapters(model).requires_grad_(True), tokenizer


def revision_of(config: TrainConfig) -> str | None:
    """Which weights a run starts from: a commit of the Hub, or a hash of the files of a folder; None for random ones."""
    return None if config.model is None else revision(config.model)


def context_of(model: Any) -> int:
    """The longest input of a model, in tokens."""
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 2**31)


def pad_of(tokenizer: Any) -> int:
    """Id of the token that fills up sequences."""
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id)
