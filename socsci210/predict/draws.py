"""Texts drawn from a model, token by token: answers on scales too long to enumerate or without bounds, and rationales (`rationales`).

What is drawn hangs on the seed and a key alone (one uniform number for each token, turned into a token by the cumulative probabilities),
not on the batch that a text happens to be in. Batches differ in rounding only, which tells where a number falls onto the border between
two tokens.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from ..prompts import PromptEncoder


@dataclass(frozen=True)
class Decoding:
    """How texts are drawn.

    Attributes:
        tokens: of a text, at most.
        temperature: that logits are divided by.
        top_p: the least probable tokens are left out as long as those that stay have this much together.
        until: a text ends once this has been written; None: with the end of the turn, where any other text ends too.
    """

    tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    until: str | None = None


ANSWER: Final = Decoding(tokens=16)  # room for a long number, or a few words around one


class Draws:
    """Sampled texts of one model.

    Args:
        model: a causal language model in evaluation mode.
        encoder: makes the ids of prompts.
        seed: with a key, decides what is drawn.
        batch_size: texts per forward pass.
        decoding: how.
    """

    def __init__(self, model: Any, encoder: PromptEncoder, *, seed: int, batch_size: int = 32, decoding: Decoding = ANSWER) -> None:
        self.model, self.encoder, self.seed, self.batch_size, self.decoding = model, encoder, seed, batch_size, decoding
        self._keep = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
        self._window = len((decoding.until or "").encode()) + 1  # tokens that surely hold what a text ends with

    def texts(self, prompts: Sequence[list[int]], keys: Sequence[str], draws: int, room: Sequence[int] | None = None) -> list[list[str]]:
        """`draws` texts for each prompt.

        Args:
            prompts: their ids.
            keys: a name of each.
            draws: how many texts; one more leaves those before it as they are.
            room: tokens of each prompt's texts, at most and 1 at least; default: those of the decoding.
        """
        jobs = [(row, draw) for row in range(len(prompts)) for draw in range(draws)]
        jobs.sort(key=lambda job: len(prompts[job[0]]))
        limits = [self.decoding.tokens if room is None else min(self.decoding.tokens, room[row]) for row in range(len(prompts))]
        found: list[list[str]] = [[""] * draws for _ in prompts]
        for start in range(0, len(jobs), self.batch_size):
            batch = jobs[start : start + self.batch_size]
            uniform = np.stack([self._uniform(keys[row], draw) for row, draw in batch])
            written = self._sample([prompts[row] for row, _ in batch], uniform, [limits[row] for row, _ in batch])
            for (row, draw), tokens in zip(batch, written, strict=True):
                found[row][draw] = self._text(tokens)
        return found

    def _uniform(self, key: str, draw: int) -> npt.NDArray[np.float64]:
        digest = hashlib.blake2b(f"{self.seed}\0{key}\0{draw}".encode(), digest_size=16).digest()
        return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "big"))).random(self.decoding.tokens)

    @torch.inference_mode()
    def _sample(self, prompts: Sequence[list[int]], uniform: npt.NDArray[np.float64], limits: Sequence[int]) -> list[list[int]]:
        """The tokens of one text for each prompt: left-padded, token by token until all have ended. What follows an end is not kept."""
        device, end, longest = self.model.device, self.encoder.end_of_turn, max(map(len, prompts))
        ids = torch.tensor([[end] * (longest - len(prompt)) + prompt for prompt in prompts], device=device)
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        where = torch.from_numpy(uniform).to(device)
        cache, live = None, [True] * len(prompts)
        written: list[list[int]] = [[] for _ in prompts]
        for step in range(max(limits)):
            out = self.model(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, **self._keep
            )
            ids = self._drawn(out.logits[:, -1], where[:, step, None])
            for row, token in enumerate(ids[:, 0].tolist()):
                if live[row]:
                    written[row].append(token)
                    live[row] = token != end and step + 1 < limits[row] and not self._over(written[row])
            if not any(live):
                break
            cache = out.past_key_values
            positions = positions[:, -1:] + torch.tensor(live, device=device)[:, None]  # a text that has ended goes nowhere
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
        return written

    def _drawn(self, logits: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        """The token, (rows, 1), whose share of the cumulative probabilities holds the uniform number of each row."""
        probabilities = torch.softmax(logits.double() / self.decoding.temperature, dim=-1)
        if self.decoding.top_p < 1:
            falling, order = probabilities.sort(dim=-1, descending=True, stable=True)
            before = falling.cumsum(dim=-1) - falling
            probabilities = probabilities.masked_fill((before >= self.decoding.top_p).gather(-1, order.argsort(dim=-1)), 0.0)
        cumulative = probabilities.cumsum(dim=-1)
        found = torch.searchsorted(cumulative, where * cumulative[:, -1:], right=True)
        return found.clamp(max=cumulative.shape[1] - 1)

    def _over(self, tokens: list[int]) -> bool:
        """Whether a text has come to what it ends with."""
        until = self.decoding.until
        return until is not None and until in self._text(tokens[-self._window :])

    def _text(self, tokens: list[int]) -> str:
        kept = tokens[:-1] if tokens[-1:] == [self.encoder.end_of_turn] else tokens
        return str(self.encoder.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False))
