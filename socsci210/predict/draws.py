"""Drawn answers, for scales too long to enumerate or without bounds: text sampled at temperature 1 and read as a number.

A row's draws hang on the seed and its key alone (one uniform number for each token, turned into a token by the cumulative probabilities),
not on the batch it happens to be in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from ..prompts import PromptEncoder

TOKENS: Final = 16  # room for a long number, or a few words around one


class Draws:
    """Sampled answers of one model.

    Args:
        model: a causal language model in evaluation mode.
        encoder: makes the ids of prompts.
        seed: with a row's key, decides its draws.
        batch_size: texts per forward pass.
    """

    def __init__(self, model: Any, encoder: PromptEncoder, *, seed: int, batch_size: int = 32) -> None:
        self.model, self.encoder, self.seed, self.batch_size = model, encoder, seed, batch_size

    def texts(self, prompts: Sequence[list[int]], keys: Sequence[str], draws: int) -> list[list[str]]:
        """`draws` texts for each prompt; `keys` name the rows."""
        jobs = [(row, draw) for row in range(len(prompts)) for draw in range(draws)]
        jobs.sort(key=lambda job: len(prompts[job[0]]))
        found: list[list[str]] = [[""] * draws for _ in prompts]
        for start in range(0, len(jobs), self.batch_size):
            batch = jobs[start : start + self.batch_size]
            uniform = np.stack([self._uniform(keys[row], draw) for row, draw in batch])
            for (row, draw), text in zip(batch, self._sample([prompts[row] for row, _ in batch], uniform), strict=True):
                found[row][draw] = text
        return found

    def _uniform(self, key: str, draw: int) -> npt.NDArray[np.float64]:
        digest = hashlib.blake2b(f"{self.seed}\0{key}\0{draw}".encode(), digest_size=16).digest()
        return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "big"))).random(TOKENS)

    @torch.inference_mode()
    def _sample(self, prompts: Sequence[list[int]], uniform: npt.NDArray[np.float64]) -> list[str]:
        """One text for each prompt: left-padded, token by token until all have ended their turn."""
        device, end, longest = self.model.device, self.encoder.end_of_turn, max(map(len, prompts))
        ids = torch.tensor([[end] * (longest - len(prompt)) + prompt for prompt in prompts], device=device)
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        where = torch.from_numpy(uniform).to(device)
        cache, tokens = None, []
        done = torch.zeros(len(prompts), dtype=torch.bool, device=device)
        for step in range(TOKENS):
            out = self.model(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True)
            cumulative = torch.softmax(out.logits[:, -1].double(), dim=-1).cumsum(dim=-1)
            drawn = torch.searchsorted(cumulative, where[:, step, None] * cumulative[:, -1:], right=True).clamp(max=cumulative.shape[1] - 1)
            tokens.append(torch.where(done[:, None], end, drawn))
            done |= drawn[:, 0] == end
            if done.all():
                break
            ids, cache, positions = drawn, out.past_key_values, positions[:, -1:] + 1
            mask = torch.cat([mask, torch.ones_like(drawn)], dim=1)
        return [self._text(row) for row in torch.cat(tokens, dim=1).tolist()]

    def _text(self, tokens: list[int]) -> str:
        end = self.encoder.end_of_turn
        kept = tokens[: tokens.index(end)] if end in tokens else tokens
        return str(self.encoder.tokenizer.decode(kept, skip_special_tokens=True))
