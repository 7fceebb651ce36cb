"""From examples to the log-probabilities of their edges, with gradients, in one forward pass.

There are two ways to read a micro-batch, with the same result:

- `packs`: one sequence in which everything that prompts share stands once and nothing is padded (socsci210/packs), for models whose
  attention can be replaced;
- `padded`: one sequence for each path to a leaf of an example's tree, padded at the end, without masks: right for any causal model.

Either way logits are made where an edge leaves a node and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

import numpy as np
import torch

from socsci210.packs.attention import PackAttention, reads_packs
from socsci210.packs.packing import Pack, one_pack
from socsci210.packs.probe import CANNOT, probe
from socsci210.packs.trie import build_trie, chain
from socsci210.prompts import PromptEncoder

from .objectives import Example

Way = Literal["packs", "padded"]
_FINE: Final = 2e-3  # by which log-probabilities of the two ways may differ
_COARSE: Final = 0.2  # the same in half precision


@dataclass(frozen=True)
class Batch:
    """A micro-batch as tensors.

    Attributes:
        ids: (sequences, length).
        positions: (sequences, length), or None where they count from 0 in every sequence.
        at: (nodes,) where the nodes stand among the flattened ids.
        node, token: (edges,) the node that an edge leaves, among `at`, and its token; example after example.
        starts: (examples + 1,) where the edges of each example begin.
        pack: who sees whom; None where sequences are plain.
    """

    ids: torch.Tensor
    positions: torch.Tensor | None
    at: torch.Tensor
    node: torch.Tensor
    token: torch.Tensor
    starts: torch.Tensor
    pack: Pack | None = None

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Batch(**{name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in values.items()})


def packed(examples: Sequence[Example]) -> Batch:
    """One pack of all examples."""
    pack = one_pack([example.prompt for example in examples], [example.trie for example in examples])
    sizes = np.array([1 + len(examples[row].trie.tokens) for row in pack.rows])
    first = np.empty(len(examples), dtype=np.int64)
    first[pack.rows] = np.cumsum(sizes) - sizes
    node = np.concatenate([at + example.trie.edge_node for at, example in zip(first, examples, strict=True)])
    return _batch(pack.ids[None], pack.positions[None], pack.wanted, node, examples, pack)


def padded(examples: Sequence[Example], pad: int) -> Batch:
    """Plain sequences, one for every leaf of every tree. A node is read in the first sequence that has it."""
    sequences, at, node = [], [], []
    for example in examples:
        prompt, trie = np.asarray(example.prompt, dtype=np.int64), example.trie
        nodes: list[tuple[int, int]] = [(len(sequences), len(prompt) - 1)]  # (sequence, position) of every node
        nodes += [(-1, len(prompt) - 1 + int(depth)) for depth in trie.depth]
        leaves = np.flatnonzero(trie.sees.sum(axis=0) == 1)  # seen by nobody but themselves
        for path in (np.flatnonzero(trie.sees[leaf]) for leaf in leaves) if len(leaves) else [np.empty(0, np.int64)]:
            for one in path.tolist():
                nodes[one + 1] = (len(sequences), nodes[one + 1][1]) if nodes[one + 1][0] < 0 else nodes[one + 1]
            sequences.append(np.concatenate([prompt, trie.tokens[path]]))
        node.append(len(at) + trie.edge_node)
        at += nodes
    ids = np.full((len(sequences), max(map(len, sequences))), pad, dtype=np.int64)
    for line, sequence in enumerate(sequences):
        ids[line, : len(sequence)] = sequence
    flat = np.array([line * ids.shape[1] + place for line, place in at], dtype=np.int64)
    return _batch(ids, None, flat, np.concatenate(node), examples, None)


def _batch(ids: Any, positions: Any, at: Any, node: Any, examples: Sequence[Example], pack: Pack | None) -> Batch:
    token = np.concatenate([example.trie.edge_token for example in examples])
    starts = np.cumsum([0, *(len(example.trie.edge_token) for example in examples)])
    arrays = [None if array is None else torch.from_numpy(array) for array in (ids, positions, at, node, token, starts)]
    return Batch(*arrays, pack=pack)  # type: ignore[arg-type]


class Reader:
    """Reads micro-batches with one model.

    Args:
        model: the transformers model itself, without wrappers.
        way: how examples are put together.
        pad: id of padding.
    """

    def __init__(self, model: Any, way: Way, pad: int) -> None:
        self.model, self.way, self.pad = model, way, pad
        self._attention: PackAttention | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """The model reads micro-batches inside this context, and is its old self behind it."""
        if self.way == "padded":
            yield
            return
        with reads_packs(self.model, keep=False) as self._attention:
            yield

    def batch(self, examples: Sequence[Example]) -> Batch:
        """The micro-batch of some examples, on the model's device."""
        made = packed(examples) if self.way == "packs" else padded(examples, self.pad)
        return made.to(self.model.device)

    @contextmanager
    def edges(self, batch: Batch, wrapped: Any = None) -> Iterator[torch.Tensor]:
        """(edges,) float32 log-probabilities of a batch's edges. The backward pass must be run inside this context.

        Args:
            batch: of `batch`.
            wrapped: the model as it is called, where that is a wrapper of it (of several processes).
        """
        where = self._attention.reading(batch.pack) if self._attention is not None and batch.pack is not None else nullcontext()
        with where:
            yield self._log_probabilities(batch, self.model if wrapped is None else wrapped)

    def _log_probabilities(self, batch: Batch, model: Any) -> torch.Tensor:
        positions = {} if batch.positions is None else {"position_ids": batch.positions}
        with _logits_at(self.model, batch.at) as only:
            logits = model(input_ids=batch.ids, use_cache=False, **positions).logits
        logits = (logits[0] if only else logits.flatten(0, 1)[batch.at]).float()
        return logits[batch.node, batch.token] - torch.logsumexp(logits, dim=-1)[batch.node]


@contextmanager
def _logits_at(model: Any, at: torch.Tensor) -> Iterator[bool]:
    """The model makes logits for some tokens only, (1, tokens, vocabulary), if it has an output layer of its own: yields whether."""
    head = model.get_output_embeddings()
    if head is None:
        yield False
        return

    def choose(module: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return inputs[0].flatten(0, 1)[at][None], *inputs[1:]

    handle = head.register_forward_pre_hook(choose)
    try:
        yield True
    finally:
        handle.remove()


def best_way(model: Any, encoder: PromptEncoder, pad: int, *, wrapped: Any = None, coarse: bool = False) -> tuple[Way, str]:
    """`packs` if the model reads a pack as it reads plain sequences, else `padded`, and why.

    Checked on prompts that share beginnings, with answers of one and several tokens. Attention of other kinds (recurrent layers, ALiBi,
    attention sinks, dropout in attention) is found out this way.

    Args:
        model, pad: as of `Reader`.
        encoder: makes ids.
        wrapped: the model as it is called.
        coarse: it computes in half precision.
    """
    prompts, answers = probe(encoder)
    examples = [Example(prompts[0], build_trie(answers)), *(Example(prompt, chain(answers[0])) for prompt in prompts[1:])]
    called, training = model if wrapped is None else wrapped, model.training
    try:
        called.eval()
        plain, found = (_read(Reader(model, way, pad), examples, called) for way in ("padded", "packs"))
        called.train()  # what only training does, such as dropout, must be known too
        with torch.random.fork_rng([model.device] if model.device.type == "cuda" else []):
            _read(Reader(model, "packs", pad), examples, called)
    except CANNOT as error:
        return "padded", f"{type(error).__name__}: {error}"
    finally:
        called.train(training)
    off = float((found - plain).abs().max())
    return ("packs", "") if off <= (_COARSE if coarse else _FINE) else ("padded", f"log-probabilities differ by {off:.1g}")


@torch.no_grad()
def _read(reader: Reader, examples: Sequence[Example], wrapped: Any) -> torch.Tensor:
    with reader.open(), reader.edges(reader.batch(examples), wrapped) as edges:
        return edges.cpu()
