"""A small Qwen2-architecture model with random weights, and a tokenizer trained on the spot: what the demo trains.

The tokenizer sees training texts only. Sentences that stand in every prompt, and the lines of personas and the answer formats that recur,
become single tokens beside the learned ones: a prompt is then some eighty tokens long instead of three hundred.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from socsci210.demographics import FIELDS, INTEGER_FIELDS
from socsci210.prompts import INSTRUCTION, INSTRUCTION_AFTER, PERSONA_HEADER, SYSTEM_PROMPT, field_label

from .config import NanoConfig

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
CHAT_TEMPLATE: Final = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ROLES: Final = ("system\n", "user\n", "assistant\n")
RECURS: Final = 3  # personas in which a line must stand to become a token


def train_tokenizer(personas: Sequence[str], stimuli: Sequence[str], config: NanoConfig) -> Any:
    """A byte-level tokenizer of the class that a saved Qwen2 model reloads with (another class would reload with other ids)."""
    from transformers import Qwen2Tokenizer

    tokenizer = Qwen2Tokenizer().train_new_from_iterator([*stimuli, *personas[:200]], vocab_size=config.vocab_size, show_progress=False)
    tokenizer.add_special_tokens({"eos_token": END, "pad_token": PAD, "additional_special_tokens": [START]})
    fixed = [*ROLES, SYSTEM_PROMPT, INSTRUCTION, INSTRUCTION_AFTER, PERSONA_HEADER]
    tokenizer.add_tokens([*fixed, *_persona_lines(personas), *_answer_formats(stimuli)])
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.model_max_length = config.context
    return tokenizer


def _persona_lines(personas: Sequence[str]) -> list[str]:
    """The header and every line that recurs; of lines with a number, what stands before it (digits are tokens of their own)."""
    numeric = tuple(f"- {field_label(field)}: " for field in FIELDS if field in INTEGER_FIELDS)
    counts: Counter[str] = Counter()
    for text in personas:
        for line in text.split("\n")[1:]:
            counts[next((start for start in numeric if line.startswith(start)), line)] += 1
    return ["\n" + line for line, n in sorted(counts.items()) if n >= RECURS]


def _answer_formats(stimuli: Sequence[str]) -> list[str]:
    """The sentences that tell how to answer, where they recur: from `Only return` to the end of the stimulus."""
    counts = Counter(found.group() for text in stimuli if (found := re.search(r" Only return [^.]*\.\"?$", text)))
    return [sentence for sentence, n in sorted(counts.items()) if n >= RECURS]


def make_model(tokenizer: Any, config: NanoConfig, seed: int) -> Any:
    """The model, with random weights drawn under `seed`."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            max_position_embeddings=config.context,
            initializer_range=config.init_std,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
