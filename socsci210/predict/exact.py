"""The exact probability of every answer on a scale, from any causal language model.

A batch of prompts shares its longest common beginning, which is read once; what is left of each prompt and all nodes of the answer tree
follow in one forward pass under a tree mask. The mask is additive and floating-point: a boolean 4D mask is silently wrong with eager
attention. Whether a model honours positions and mask is checked once, on loading it, against plain forward passes; a model that does not
(recurrent layers, ALiBi, some sliding windows) is then read answer by answer instead, which is slower and always right.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from ..errors import DatasetError
from ..prompts import PromptEncoder, common_length
from .trie import Trie, build_trie

Floats = npt.NDArray[np.float64]
MASK_ELEMENTS: Final = 2**26  # at most 256 MB of float32 mask per forward pass
LOGIT_ELEMENTS: Final = 2**26
AGREEMENT: Final = {torch.float32: 1e-3, torch.float64: 1e-3}  # log-probability; half precision: below
COARSE: Final = 0.15


class ExactAnswers:
    """Answer distributions of one model.

    Args:
        model: a causal language model in evaluation mode.
        encoder: makes the ids of prompts and answers.
        batch_size: prompts per forward pass.
    """

    def __init__(self, model: Any, encoder: PromptEncoder, *, batch_size: int = 32) -> None:
        self.model, self.encoder, self.batch_size = model, encoder, batch_size
        self.device, self.dtype = model.device, model.dtype
        self.keeps_logits = "logits_to_keep" in inspect.signature(model.forward).parameters
        text_config = model.config.get_text_config()
        self.vocabulary = int(text_config.vocab_size)
        self.context = int(getattr(text_config, "max_position_embeddings", 0) or 0)
        sliding = any("sliding" in kind for kind in getattr(text_config, "layer_types", None) or ())
        self.window = int(text_config.sliding_window or 0) if sliding else 0
        self.tree = self._tree_agrees()

    def _tree_agrees(self) -> bool:
        answers = [self.encoder.answer(value) for value in (-5, 1, 10, 100)]
        text = self.encoder.frame.wrap("Is it? ")
        prompts = [
            self.encoder.tokenizer.encode(text + tail, add_special_tokens=False) for tail in ("1 or 2", "Only 3, or 4, or rather 5.")
        ]
        trie = build_trie(answers)
        plain = self.by_answer(prompts, answers)
        try:
            tree = self._by_tree(prompts, trie)
        except (TypeError, ValueError, RuntimeError, AttributeError, IndexError, NotImplementedError):
            return False
        return bool(np.allclose(tree, plain, atol=AGREEMENT.get(self.dtype, COARSE), rtol=1e-3))

    def log_probabilities(self, prompts: Sequence[list[int]], answers: Sequence[Sequence[int]]) -> Floats:
        """Log-probability of every whole answer (end of turn included), not normalised: (prompts, answers).

        Raises:
            DatasetError: a prompt and its answers are longer than the model's context.
        """
        longest = max(map(len, prompts), default=0) + max(map(len, answers))
        if self.context and longest > self.context:
            raise DatasetError(
                f"a prompt with its answer has {longest} tokens", expected=f"at most {self.context}, the context of the model",
                fix="use a model with a longer context; prompts are never cut",
            )  # fmt: skip
        if not self.tree or (self.window and longest > self.window):
            return self.by_answer(prompts, answers)
        trie = build_trie(answers)
        out = np.empty((len(prompts), len(answers)))
        order = sorted(range(len(prompts)), key=lambda row: tuple(prompts[row]))  # neighbours share their beginning
        start = 0
        while start < len(order):
            size = self._batch(len(prompts[order[start]]), trie)
            batch = order[start : start + size]
            out[batch] = self._by_tree([prompts[row] for row in batch], trie)
            start += size
        return out

    def _batch(self, length: int, trie: Trie) -> int:
        nodes = len(trie.tokens) + 1
        fits = min(MASK_ELEMENTS // (length + nodes) ** 2, LOGIT_ELEMENTS // (nodes * self.vocabulary))
        return max(1, min(self.batch_size, fits))

    @torch.inference_mode()
    def _by_tree(self, prompts: Sequence[list[int]], trie: Trie) -> Floats:
        shared = common_length(prompts)
        cache = None
        if shared:
            prefix = torch.tensor([prompts[0][:shared]], device=self.device)
            cache = self.model(input_ids=prefix, use_cache=True, **self._keep(1)).past_key_values
            if len(prompts) > 1:
                cache.batch_repeat_interleave(len(prompts))
        ids, positions, mask = self._suffix_and_nodes([prompt[shared:] for prompt in prompts], shared, trie)
        nodes = len(trie.tokens) + 1
        logits = self.model(
            input_ids=ids, position_ids=positions, attention_mask=mask, past_key_values=cache, use_cache=True, **self._keep(nodes)
        ).logits[:, -nodes:]
        return trie.log_probabilities(_edges(logits, trie))

    def _suffix_and_nodes(
        self, suffixes: Sequence[Sequence[int]], shared: int, trie: Trie
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Ids and positions (rows, longest suffix + nodes) and the additive mask; suffixes are padded on the left."""
        rows, longest, nodes = len(suffixes), max(map(len, suffixes)), len(trie.tokens)
        ids = np.zeros((rows, longest + nodes), dtype=np.int64)
        positions = np.zeros_like(ids)
        visible = np.zeros((rows, longest + nodes, shared + longest + nodes), dtype=bool)
        visible[:, :, :shared] = True
        causal = np.tril(np.ones((longest, longest), dtype=bool))
        for row, suffix in enumerate(suffixes):
            pad = longest - len(suffix)
            ids[row, pad:longest] = suffix
            positions[row, pad:longest] = shared + np.arange(len(suffix))
            positions[row, longest:] = shared + len(suffix) - 1 + trie.depth
            visible[row, pad:longest, shared + pad : shared + longest] = causal[pad:, pad:]
            visible[row, longest:, shared + pad : shared + longest] = True
        ids[:, longest:] = trie.tokens
        visible[:, longest:, shared + longest :] = trie.sees
        seen = torch.from_numpy(visible).to(self.device)
        mask = torch.zeros(seen.shape, dtype=self.dtype, device=self.device).masked_fill_(~seen, torch.finfo(self.dtype).min)
        return torch.from_numpy(ids).to(self.device), torch.from_numpy(positions).to(self.device), mask[:, None]

    @torch.inference_mode()
    def by_answer(self, prompts: Sequence[list[int]], answers: Sequence[Sequence[int]]) -> Floats:
        """The same by one plain forward pass per prompt and answer: slow, free of masks, caches and padding."""
        out = np.empty((len(prompts), len(answers)))
        for row, prompt in enumerate(prompts):
            for column, answer in enumerate(answers):
                ids = torch.tensor([[*prompt, *answer[:-1]]], device=self.device)
                logits = self.model(input_ids=ids, use_cache=False, **self._keep(len(answer))).logits[0, -len(answer) :]
                log = torch.log_softmax(logits.double(), dim=-1)
                out[row, column] = log[range(len(answer)), list(answer)].sum().item()
        return out

    def _keep(self, positions: int) -> dict[str, int]:
        return {"logits_to_keep": positions} if self.keeps_logits else {}


def normalise(log_probabilities: Floats) -> tuple[Floats, Floats]:
    """Probabilities that sum to 1 over the answers, (rows, answers), and the mass they had before, (rows,)."""
    top = log_probabilities.max(axis=1, keepdims=True)
    weights = np.exp(log_probabilities - top)
    total = weights.sum(axis=1, keepdims=True)
    return weights / total, np.minimum(np.exp(top[:, 0]) * total[:, 0], 1.0)


def _edges(logits: torch.Tensor, trie: Trie) -> Floats:
    """Log-probability of every edge, (rows, edges), from logits at all nodes, (rows, nodes, vocabulary)."""
    logits = logits.float()
    node, token = (torch.from_numpy(array).to(logits.device) for array in (trie.edge_node, trie.edge_token))
    normaliser = torch.logsumexp(logits, dim=-1)
    return np.asarray((logits[:, node, token] - normaliser[:, node]).double().cpu().numpy(), dtype=np.float64)
