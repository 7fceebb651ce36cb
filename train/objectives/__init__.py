"""What is minimised. Each objective is a module of its own, with its mathematics and its source.

An objective sees a training set as examples. An example is a prompt, which is read and not trained on, and a tree of tokens behind it
(`Trie`). The model gives the log-probability of every edge of the tree, over the full vocabulary; the objective makes a loss of them. How
examples are put together for a forward pass is no business of an objective.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from socsci210.packs.trie import Trie

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Example:
    """A prompt and what is predicted behind it.

    Attributes:
        prompt: ids that are read and not trained on; at least one.
        trie: tree of tokens. Only its nodes and edges count; a chain is made by `chain`.
    """

    prompt: Sequence[int]
    trie: Trie


class Objective(Protocol):
    """A set of examples and a loss.

    Attributes:
        name: as in the settings.
        head: (examples,) what the prompt begins with, as an integer: examples of one head share a beginning.
        lengths: (examples,) tokens from the start of the prompt to the end of the longest path: what must fit into the context.
        counts: what the user is told of it, and the run record notes: rows left out by reason, for instance.
        trained: (examples,) what an example adds to the denominator of a step: trained tokens, or 1 for a pair or a distribution.
    """

    @property
    def name(self) -> str: ...
    @property
    def counts(self) -> dict[str, int]: ...
    @property
    def head(self) -> Index: ...
    @property
    def lengths(self) -> Index: ...
    @property
    def trained(self) -> Index: ...

    def __len__(self) -> int: ...

    def begin(self, epoch: int) -> None:
        """Called before the first example of an epoch is asked for, in a resumed run too: what an objective draws anew in every epoch is a
        function of seed and epoch. Lengths and heads stay as they are."""
        ...

    def where(self, index: int) -> str:
        """Which row an example is of, in words for an error: `study ab1, sample_id 7`."""
        ...

    def example(self, index: int) -> Example:
        """One example. Called again whenever it is trained on, so it should be cheap."""
        ...

    def loss(self, examples: Index, edges: torch.Tensor, starts: torch.Tensor, done: float) -> torch.Tensor:
        """The summed loss of some examples, in nats, float32.

        Args:
            examples: their indices.
            edges: (edges,) float32 log-probabilities of all their edges, example after example, each in the order of its tree.
            starts: (examples + 1,) where the edges of each example begin, on the device of `edges`.
            done: share of the run that is over, 0 to 1.
        """
        ...


@dataclass(frozen=True)
class Part:
    """An objective and its share of a run.

    Every step has examples of all parts in the proportions of their weights, and its loss is
    sum_k weight_k * (summed loss of part k / summed `trained` of part k), over all micro-batches and processes of the step.
    """

    weight: float
    objective: Objective
