"""Attention over packs (packing.py), put into a transformers model as an attention implementation.

The model is called with the new tokens alone, their positions and no cache; this module keeps the keys and values that later packs see.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import torch
from transformers import AttentionInterface

from .packing import Block, Pack

NAME: Final = "socsci210_packs"
_HARMLESS: Final = frozenset({"position_ids", "cache_position"})  # handed on to attention, and of no meaning to it


class Unsupported(RuntimeError):
    """The model's attention has a part that this one lacks."""


class PackAttention:
    """Keys and values of the pack before, by attention module, and the tensors of the pack that is being read."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self.kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._masks: dict[tuple[int, int, int], torch.Tensor] = {}

    @contextmanager
    def reading(self, pack: Pack) -> Iterator[None]:
        """The model's next forward pass reads this pack."""
        self.carried, self.origin = self._tensor(pack.carried), self._tensor(pack.origin)
        self.blocks = pack.blocks
        self.index = [(self._tensor(block.queries), self._tensor(block.keys)) for block in pack.blocks]
        self._masks.clear()
        token = _reading.set(self)
        try:
            yield
        finally:
            _reading.reset(token)

    def _tensor(self, array: Any) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)

    def _mask(self, number: int, block: Block, groups: int, window: int) -> torch.Tensor:
        """Additive, (prompts, 1, queries x groups, keys). A boolean mask is slower and, with some kernels, silently wrong."""
        key = (number, groups, window)
        if key not in self._masks:
            seen = block.visible
            if window:
                seen = seen & (block.place[:, None, :] > block.at[:, :, None] - window)
            mask = torch.zeros(seen.shape, dtype=self.dtype, device=self.device)
            mask.masked_fill_(~self._tensor(seen), torch.finfo(self.dtype).min)
            self._masks[key] = mask.repeat_interleave(groups, dim=1)[:, None]
        return self._masks[key]

    def attend(
        self, module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float, softcap: float | None, window: int
    ) -> torch.Tensor:
        """Attention of all tokens of the pack, (1, tokens, heads, width)."""
        q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))  # (tokens, heads, width)
        if len(self.carried):
            old_k, old_v = self.kept[id(module)]
            k, v = torch.cat([old_k[self.carried], k]), torch.cat([old_v[self.carried], v])
        self.kept[id(module)] = (k, v)
        heads, groups = k.shape[1], q.shape[1] // k.shape[1]
        found = []
        for number, (block, (queries, keys)) in enumerate(zip(self.blocks, self.index, strict=True)):
            n, length = queries.shape
            # Heads that share keys stand side by side as queries, so keys need no copies.
            folded = q[queries].view(n, length, heads, groups, -1).transpose(1, 2).reshape(n, heads, length * groups, -1)
            seen = (k[keys].transpose(1, 2), v[keys].transpose(1, 2))
            mask = self._mask(number, block, groups, window)
            out = _attention(folded, *seen, mask, scaling, softcap)
            out = out.view(n, heads, length, groups, -1).transpose(1, 2).reshape(n * length, heads * groups, -1)
            found.append(out)
        return torch.cat(found)[self.origin][None]


def _attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor, scaling: float, softcap: float | None
) -> torch.Tensor:
    if softcap is None:
        return torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling)
    scores = torch.tanh(query @ key.transpose(2, 3) * scaling / softcap) * softcap + mask
    return torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype) @ value


_reading: ContextVar[PackAttention] = ContextVar("reading")


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
    return _reading.get().attend(module, query, key, value, scale, softcap, sliding_window or 0), None


AttentionInterface.register(NAME, _forward)


@contextmanager
def implementation(model: Any) -> Iterator[None]:
    """The model attends to packs inside this context."""
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@contextmanager
def last_layer_only(model: Any, wanted: torch.Tensor) -> Iterator[None]:
    """Behind the last attention only the tokens whose logits are needed matter: the last feed-forward part skips all others.

    It is most of a layer's work. A model without a part of this name, or with one that gives more than its states, stays as it is.
    """
    layers = getattr(model.get_decoder(), "layers", None)
    part = getattr(layers[-1], "mlp", None) if layers is not None else None
    if part is None or "forward" in vars(part):
        yield
        return
    whole = part.forward

    def narrow(states: torch.Tensor) -> Any:
        found = whole(states[:, wanted])
        if not isinstance(found, torch.Tensor):
            return whole(states)
        return torch.zeros_like(states).index_copy_(1, wanted, found)

    part.forward = narrow
    try:
        yield
    finally:
        del part.forward  # the class has it
