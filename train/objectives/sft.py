"""Supervised fine-tuning on the answer: cross-entropy of its tokens and the end of turn, and of nothing else.

    loss = - sum over the tokens t_1 .. t_n of an answer of  log p(t_k | prompt, t_1 .. t_(k-1))

This is the objective of the paper's SFT models (cross-entropy on the answer integer only), with the end of turn, without which a model does
not stop.

With `smoothing` s > 0, a share s of the target goes to what all training rows with the same stimulus answered, token by token, given the
answer so far:

    loss = - sum_k sum_t ((1 - s) [t = t_k] + s n_k(t) / sum n_k) log p(t | prompt, t_1 .. t_(k-1)),

where n_k(t) is how many of these rows' answers begin with t_1 .. t_(k-1) and go on with t. s falls to zero over the run. Both losses have
the same expectation over the people of a cell; the second has less noise, which is what a small model needs in its first minute. It makes
no use of any row that is not trained on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from socsci210.packs.trie import Trie, chain

from . import Example, Index

if TYPE_CHECKING:
    from ..examples import RowTokens

Floats = npt.NDArray[np.float32]


class Sft:
    """Every row is an example.

    Args:
        tokens: the rows.
        smoothing: share of the target, at the start of the run, that goes to the cell.
    """

    name = "sft"
    counts: ClassVar[dict[str, int]] = {}

    def __init__(self, tokens: RowTokens, smoothing: float = 0.0) -> None:
        self.tokens, self.smoothing = tokens, smoothing
        values, which = np.unique(tokens.response, return_inverse=True)
        sizes = np.array([len(tokens.encoder.answer(value)) for value in values.tolist()], dtype=np.int64)
        self.trained: Index = sizes[which.reshape(-1)]
        self.lengths: Index = tokens.prompt_lengths + self.trained
        self._trees: dict[tuple[int, ...], tuple[Trie, Floats, Floats]] = {}

    @property
    def head(self) -> Index:
        """(rows,) index of the stimulus or of the persona."""
        return self.tokens.head

    def __len__(self) -> int:
        return len(self.trained)

    def begin(self, epoch: int) -> None:
        """Nothing is drawn."""

    def where(self, index: int) -> str:
        """The row's key."""
        return self.tokens.where(index)

    def example(self, index: int) -> Example:
        """The row's prompt and answer."""
        return Example(self.tokens.prompt(index), self._tree(index)[0])

    def loss(self, examples: Index, edges: torch.Tensor, starts: torch.Tensor, done: float) -> torch.Tensor:
        """Summed cross-entropy."""
        if not self.smoothing:
            return -edges.sum()
        share = self.smoothing * (1 - done)
        trees = [self._tree(index) for index in examples.tolist()]
        weights = (1 - share) * np.concatenate([own for _, own, _ in trees]) + share * np.concatenate([cell for _, _, cell in trees])
        return -(edges * torch.from_numpy(weights.astype(np.float32)).to(edges.device)).sum()

    @cached_property
    def _counts(self) -> dict[tuple[int, tuple[int, ...]], Counter[int]]:
        """How often each token followed a beginning of an answer, among all training rows with one stimulus."""
        counts: dict[tuple[int, tuple[int, ...]], Counter[int]] = defaultdict(Counter)
        pairs, times = np.unique(np.stack([self.tokens.texts.stimulus, self.tokens.response]), axis=1, return_counts=True)
        for stimulus, response, n in zip(*pairs.tolist(), times.tolist(), strict=True):
            answer = self.tokens.encoder.answer(response)
            for step, token in enumerate(answer):
                counts[stimulus, answer[:step]][token] += n
        return counts

    def _tree(self, index: int) -> tuple[Trie, Floats, Floats]:
        """The tree of a row, and for its edges the target of the row alone and that of its cell; one for all rows that are alike."""
        answer = self.tokens.answer(index)
        stimulus = int(self.tokens.texts.stimulus[index]) if self.smoothing else -1
        key = (stimulus, *answer)
        if key not in self._trees:
            self._trees[key] = self._made(stimulus, answer)
        return self._trees[key]

    def _made(self, stimulus: int, answer: tuple[int, ...]) -> tuple[Trie, Floats, Floats]:
        if not self.smoothing:
            own = np.ones(len(answer), dtype=np.float32)
            return chain(answer), own, own
        counts = [self._counts[stimulus, answer[:step]] for step in range(len(answer))]
        others = [[token for token in count if token != own] for count, own in zip(counts, answer, strict=True)]
        tree = chain(answer, others)
        cell = [counts[node][token] / counts[node].total() for node, token in zip(tree.edge_node, tree.edge_token, strict=True)]
        own = np.zeros(len(cell), dtype=np.float32)
        own[: len(answer)] = 1
        return tree, own, np.array(cell, dtype=np.float32)
