"""What a model is, whichever place it is loaded from: weights, token ids, decoding and record, each as a hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from ..language_model import ADAPTER, GENERATION, load_weights, run_record, token_ids

_DIGITS: Final = 16
_TUNED: Final = "lora_"  # in the names of what an adapter adds to its model


def fingerprint(model: str, *, at: str | None = None, cache: Path | None = None) -> str:
    """The hashes of a model as `from_pretrained` gives it, in words: `weights ..., tokenizer ..., generation ..., record ...`.

    Of an adapter the weights are those that it adds; the model below it is named by its config.

    Args:
        model: folder or Hub id.
        at: commit of a Hub id.
        cache: where files of the Hub are put, but those of the model below an adapter.
    """
    from transformers import AutoTokenizer, GenerationConfig

    where: dict[str, Any] = {"revision": at, "cache_dir": cache}
    tokenizer = AutoTokenizer.from_pretrained(model, **where)
    drawn = GenerationConfig.from_pretrained(model, **where)
    parts = {
        "weights": weights_hash(load_weights(model, dtype="auto", at=at, cache=cache)),
        "tokenizer": _hash([tokenizer.chat_template, token_ids(tokenizer)]),
        "generation": _hash({name: getattr(drawn, name) for name in (*GENERATION, "eos_token_id")}),
        "record": _hash(run_record(model, at=at, cache=cache)),
    }
    return ", ".join(f"{name} {value}" for name, value in parts.items())


def weights_hash(model: Any) -> str:
    """A hash of names, types, shapes and bytes of all tensors of a model; of one with adapters, of theirs and of the base's name."""
    import torch

    state = model.state_dict()
    digest = hashlib.sha256()
    if tuned := {name: tensor for name, tensor in state.items() if _TUNED in name}:
        state = tuned
        below = model.peft_config[model.active_adapters()[0]]
        digest.update(f"{ADAPTER}\0{below.base_model_name_or_path}\0{below.revision}\0".encode())
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        content = hashlib.sha256(tensor.reshape(-1).view(torch.uint8).numpy())
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0{content.hexdigest()}\n".encode())
    return digest.hexdigest()[:_DIGITS]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:_DIGITS]
