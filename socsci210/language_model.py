"""Loading a causal language model, for training and for prediction alike."""

from __future__ import annotations

from typing import Any

from .errors import DatasetError


def load_model(model: str, device: str | None = None) -> tuple[Any, Any]:
    """(model, tokenizer) of a folder or Hub id, ready for evaluation: float32 on a CPU, the stored precision on a GPU.

    Raises:
        DatasetError: there is no such model.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32 if device == "cpu" else "auto")
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"no causal language model loads ({error})", where=model, expected="a model folder or a Hub id", fix="check --model"
        ) from error
    return loaded.to(device).eval(), tokenizer
