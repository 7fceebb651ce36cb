"""Tiny models and tokenizers, made on the spot, for tests of the model side."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

TEXT = (
    "You are a survey respondent with the following demographic profile: Read the question below and answer exactly as this person would. "
    "How likely is it? Only return an integer from 0 to 100, nothing else. - Age: 34 - Gender: Female 1 2 3 4 5 6 7 8 9 10 11 100 -1 -5"
)
END = "<|im_end|>"


@lru_cache(maxsize=4)
def _trained(vocab_size: int) -> Any:
    from transformers import Qwen2Tokenizer

    return Qwen2Tokenizer().train_new_from_iterator([TEXT] * 4, vocab_size=vocab_size, show_progress=False)


def tiny_tokenizer(vocab_size: int = 400) -> Any:
    """A byte-level tokenizer with an end-of-turn token and no chat template."""
    import copy

    tokenizer = copy.deepcopy(_trained(vocab_size))
    tokenizer.add_special_tokens({"eos_token": END, "pad_token": "<|endoftext|>"})
    return tokenizer


def tiny_model(tokenizer: Any, *, seed: int = 0, **changes: Any) -> Any:
    """A random Qwen2 model of two layers that fits the tokenizer. Weights are large, so that answers differ in probability."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "initializer_range": 0.3,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return Qwen2ForCausalLM(Qwen2Config(**{**settings, **changes})).eval()
