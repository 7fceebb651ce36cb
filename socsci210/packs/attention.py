"""Attention over packs (packing.py), put into a transformers model as an attention implementation.

The model is called with a pack's tokens, their positions and no cache. In prediction this module keeps the keys and values that later packs
see; in training it keeps nothing. Everything is differentiable, and survives gradient checkpointing, which runs layers a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import RLock
from typing import Any, Final

import torch
from torch.nn.functional import embedding, scaled_dot_product_attention
from transformers import AttentionInterface

from .packing import Block, Blocks, Pack

NAME: Final = "socsci210_packs"
_HARMLESS: Final = frozenset({"position_ids", "cache_position"})  # handed on to attention, and of no meaning to it
_NARROWED: Final = ("mlp", "self_attn.q_proj", "self_attn.o_proj")  # parts of the last layer that work token by token


class Unsupported(RuntimeError):
    """The model's attention has a part that this one lacks."""


class PackAttention:
    """Attention of one model over the pack that is being read; made by `reads_packs`.

    Args:
        device: of the model.
        keep: keep keys and values for the pack that follows.
        last: the last layer's attention, of which only the wanted tokens matter.
    """

    def __init__(self, device: torch.device, *, keep: bool, last: Any = None) -> None:
        self.device, self.keep, self.last = device, keep, last
        self.kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    @contextmanager
    def reading(self, pack: Pack) -> Iterator[None]:
        """The model's next forward pass, and the backward pass behind it, read this pack. Other threads wait until it is read."""
        with _turn, self._in_reading(pack):
            yield

    @contextmanager
    def _in_reading(self, pack: Pack) -> Iterator[None]:
        self.tokens = len(pack.ids)
        self.carried, self.wanted = self._tensor(pack.carried), self._tensor(pack.wanted)
        self._parts = {True: _Part(pack.ends, self.device), False: _Part(pack.all, self.device)}
        _reading.append(self)
        try:
            yield
        finally:
            _reading.pop()
            self._parts = {}

    def _tensor(self, array: Any) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)

    def attend(
        self, module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float, softcap: float | None, window: int
    ) -> torch.Tensor:
        """Attention of all tokens of the pack, (1, tokens, heads, width)."""
        q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))  # (tokens, heads, width)
        if len(self.carried):
            old_k, old_v = self.kept[id(module)]
            k, v = torch.cat([old_k[self.carried], k]), torch.cat([old_v[self.carried], v])
        if self.keep:
            self.kept[id(module)] = (k, v)
        heads, groups, width = k.shape[1], q.shape[1] // k.shape[1], v.shape[2]
        narrow = module is self.last
        part = self._parts[narrow]
        flat_q, flat_k, flat_v = (states.flatten(1) for states in (q, k, v))
        found = []
        for number, (queries, keys) in enumerate(part.index):
            n, length = queries.shape
            # Heads that share keys stand side by side as queries, so keys need no copies.
            folded = embedding(queries, flat_q).view(n, length, heads, groups, -1).transpose(1, 2).reshape(n, heads, length * groups, -1)
            seen_k, seen_v = (embedding(keys, states).view(n, keys.shape[1], heads, -1).transpose(1, 2) for states in (flat_k, flat_v))
            out = _attention(folded, seen_k, seen_v, part.mask(number, groups, window, q.dtype), scaling, softcap)
            found.append(out.view(n, heads, length, groups, width).transpose(1, 2).reshape(n * length, heads * groups * width))
        rows = embedding(part.origin, torch.cat(found) if len(found) > 1 else found[0])
        if narrow:
            rows = rows.new_zeros(self.tokens, rows.shape[1]).index_copy(0, self.wanted, rows)
        return rows.view(1, self.tokens, heads * groups, width)


class _Part:
    """Tensors of blocks. Rows are gathered by `embedding`: its backward pass, unlike that of indexing, is fast on a processor."""

    def __init__(self, blocks: Blocks, device: torch.device) -> None:
        self.device, self.blocks = device, blocks.blocks
        self.index = [(self._tensor(block.queries), self._tensor(block.keys)) for block in blocks.blocks]
        self.origin = self._tensor(blocks.origin)
        self._masks: dict[tuple[int, int, int, torch.dtype], torch.Tensor] = {}

    def _tensor(self, array: Any) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)

    def mask(self, number: int, groups: int, window: int, dtype: torch.dtype) -> torch.Tensor:
        """Additive, (prompts, 1, queries x groups, keys). A boolean mask is slower and, with some kernels, silently wrong."""
        key = (number, groups, window, dtype)
        if key not in self._masks:
            self._masks[key] = self._mask(self.blocks[number], window, dtype).repeat_interleave(groups, dim=1)[:, None]
        return self._masks[key]

    def _mask(self, block: Block, window: int, dtype: torch.dtype) -> torch.Tensor:
        seen = block.visible
        if window:
            seen = seen & (block.place[:, None, :] > block.at[:, :, None] - window)
        mask = torch.zeros(seen.shape, dtype=dtype, device=self.device)
        return mask.masked_fill_(~self._tensor(seen), torch.finfo(dtype).min)


def _attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor, scaling: float, softcap: float | None
) -> torch.Tensor:
    if softcap is None:
        return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling)
    scores = torch.tanh(query @ key.transpose(2, 3) * scaling / softcap) * softcap + mask
    return torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype) @ value


# Of the module, not of the thread: gradient checkpointing runs layers again in threads of the backward pass. So packs are read in turns.
_reading: list[PackAttention] = []
_turn = RLock()


def _forward(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    softcap: float | None = None,
    sliding_window: int | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    # Switches are for other parts of the model; a number or a tensor changes attention.
    given = {name for name, value in more.items() if isinstance(value, torch.Tensor | int | float) and not isinstance(value, bool)}
    if unknown := sorted(given - _HARMLESS):
        raise Unsupported(f"attention with {', '.join(unknown)}")
    if attention_mask is not None or dropout:
        raise Unsupported("attention with a mask of its own, or dropout")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return _reading[-1].attend(module, query, key, value, scale, softcap, sliding_window or 0), None


AttentionInterface.register(NAME, _forward)


@contextmanager
def reads_packs(model: Any, *, keep: bool) -> Iterator[PackAttention]:
    """The model attends to packs inside this context; `with attention.reading(pack)` says which one.

    Behind the last keys and values only the tokens whose logits are needed matter: the last layer skips all others. A model without parts
    of the usual names, or with parts that give more than their states, does the whole work.

    Args:
        model: the transformers model itself, not a wrapper of it.
        keep: keep keys and values for the pack that follows; never in training.
    """
    layers = getattr(model.get_decoder(), "layers", None)
    last = layers[-1] if layers is not None else None
    attention = PackAttention(model.device, keep=keep, last=getattr(last, "self_attn", None))
    before = model.config._attn_implementation
    with ExitStack() as stack:
        for name in _NARROWED:
            stack.enter_context(_narrowed(last, name))
        stack.callback(model.set_attn_implementation, before)
        model.set_attn_implementation(NAME)
        yield attention


@contextmanager
def _narrowed(layer: Any, name: str) -> Iterator[None]:
    """A part of a layer works on the wanted tokens alone and gives zeros for all others."""
    part = layer
    for step in name.split("."):
        part = getattr(part, step, None)
    if part is None or "forward" in vars(part):  # nothing of this name, or changed already by somebody else
        yield
        return
    part.forward = _narrow(part.forward)
    try:
        yield
    finally:
        del part.forward  # the class has it


def _narrow(whole: Callable[[torch.Tensor], Any]) -> Callable[[torch.Tensor], Any]:
    def narrow(states: torch.Tensor) -> Any:
        wanted = _reading[-1].wanted
        found = whole(states.index_select(1, wanted))
        if not isinstance(found, torch.Tensor):
            return whole(states)
        return found.new_zeros(1, states.shape[1], found.shape[-1]).index_copy(1, wanted, found)

    return narrow
