"""What a model is tried on before it is trusted to read packs, and how a model that cannot read them fails."""

from __future__ import annotations

from typing import Final

from ..prompts import PromptEncoder

CANNOT: Final = (TypeError, ValueError, RuntimeError, AttributeError, IndexError, NotImplementedError, LookupError)
"""What models with attention of another kind raise when they are given a pack."""


def probe(encoder: PromptEncoder) -> tuple[list[list[int]], list[tuple[int, ...]]]:
    """Three prompts with shared beginnings and unequal lengths, and four answers of one and several tokens, as ids."""
    text = encoder.frame.wrap("Is it? ")
    tails = ("1 or 2", "Only 3, or 4, or rather 5.", "Only 3, or 4, or 6.")
    prompts = [encoder.tokenizer.encode(text + tail, add_special_tokens=False) for tail in tails]
    return prompts, encoder.answers((-5, 1, 10, 100))
