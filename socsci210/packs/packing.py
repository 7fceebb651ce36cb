"""How many prompts become one sequence without padding and without reading a shared beginning twice.

Prompts are taken in the order of their token ids, so neighbours share their beginnings. A pack holds, for each of its prompts, only the
tokens that no prompt before it has, and behind them the nodes of its answer tree. What the first prompt of a pack shares with the last one
of the pack before is not read again either: its keys and values are carried over. So every distinct beginning is read once in a whole run,
whether it is a persona (upstream template), a stimulus (stimulus first), or a persona and a text that several of its questions share.

Attention is the one place that must know who sees whom. It works on blocks of prompts of similar length: `Block`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from .trie import Trie

Ints = npt.NDArray[np.int64]
WASTE: Final = 1.3  # a block's padded queries, relative to its queries
SCORES: Final = 1 << 26  # queries x keys of one block: 256 MB of float32 mask


@dataclass(frozen=True)
class Block:
    """Prompts whose attention is computed together. Slots number the keys: carried-over ones first, then the pack's own tokens.

    Attributes:
        queries: (prompts, longest) tokens of the pack; padded with token 0.
        keys: (prompts, longest) slots that a prompt's tokens may see; padded with slot 0.
        place: (prompts, longest) position of each key in the prompt; -1 for padding.
        at: (prompts, longest) position of each query in the prompt.
        visible: (prompts, queries, keys) bool.
    """

    queries: Ints
    keys: Ints
    place: Ints
    at: Ints
    visible: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Blocks:
    """Attention of some tokens of a pack.

    Attributes:
        blocks: together they have all these tokens as queries.
        origin: (tokens,) where each token's attention stands among the flattened queries of all blocks.
    """

    blocks: list[Block]
    origin: Ints


@dataclass(frozen=True)
class Pack:
    """One forward pass.

    Attributes:
        rows: the prompts, by index.
        ids, positions: (tokens,) of the sequence.
        carried: slots of the pack before whose keys and values are carried over.
        wanted: tokens whose logits are needed: for each prompt its last token, then the nodes of its tree.
        all: attention of all tokens.
        ends: attention of the wanted tokens alone: what the last layer needs.
    """

    rows: list[int]
    ids: Ints
    positions: Ints
    carried: Ints
    wanted: Ints
    all: Blocks
    ends: Blocks


@dataclass(frozen=True)
class _Entry:
    """One prompt inside a pack: its slots, how many of them are older, and its tree."""

    path: Ints
    old: int
    trie: Trie
    first: int  # slot of its first new token
    skipped: int = 0  # so many of its new tokens ask nothing

    @cached_property
    def queries(self) -> int:
        return len(self.path) - self.old - self.skipped + len(self.trie.tokens)

    @cached_property
    def keys(self) -> int:
        return len(self.path) + len(self.trie.tokens)


def packs(prompts: Sequence[Sequence[int]], tries: Sequence[Trie], *, tokens: int, rows: int, wanted: int) -> Iterator[Pack]:
    """Packs over all prompts.

    Args:
        prompts: ids of each prompt, at least one token.
        tries: answer tree of each prompt.
        tokens, rows, wanted: at most so many tokens, prompts and needed logits in one pack (but always one prompt).
    """
    arrays, order = _sorted(prompts)
    before: Ints = np.empty(0, np.int64)  # ids of the last prompt read, and the slots of its tokens
    slots: Ints = np.empty(0, np.int64)
    start = 0
    while start < len(order):
        end = _cut(arrays, tries, order, start, before, tokens, rows, wanted)
        chosen = order[start:end]
        shared = _common(before, arrays[chosen[0]])
        pack, slots = _pack(arrays, tries, chosen, slots[:shared])
        before = arrays[chosen[-1]]
        yield pack
        start = end


def one_pack(prompts: Sequence[Sequence[int]], tries: Sequence[Trie]) -> Pack:
    """All prompts in one pack, with nothing carried over: what is trained on in one forward and backward pass."""
    arrays, order = _sorted(prompts)
    return _pack(arrays, tries, order, np.empty(0, np.int64))[0]


def _sorted(prompts: Sequence[Sequence[int]]) -> tuple[list[Ints], list[int]]:
    """Prompts as arrays, and their order by ids."""
    arrays = [np.asarray(prompt, dtype=np.int64) for prompt in prompts]
    return arrays, sorted(range(len(arrays)), key=lambda row: arrays[row].astype(">u4").tobytes())  # bytes compare as the numbers do


def _common(before: Ints, prompt: Ints) -> int:
    """Tokens of a prompt that the one before it has as well; its last token is always read, for its logits."""
    n = min(len(before), len(prompt) - 1)
    differ = np.flatnonzero(before[:n] != prompt[:n])
    return int(differ[0]) if len(differ) else max(n, 0)


def _cut(
    prompts: list[Ints], tries: Sequence[Trie], order: list[int], start: int, before: Ints, tokens: int, rows: int, wanted: int
) -> int:
    """Where the pack that begins at `start` ends."""
    used = needed = 0
    for end in range(start, min(start + rows, len(order))):
        prompt, nodes = prompts[order[end]], len(tries[order[end]].tokens)
        used += len(prompt) - _common(before, prompt) + nodes
        needed += nodes + 1
        if end > start and (used > tokens or needed > wanted):
            return end
        before = prompt
    return min(start + rows, len(order))


def _pack(prompts: list[Ints], tries: Sequence[Trie], chosen: list[int], carried: Ints) -> tuple[Pack, Ints]:
    """The pack of some prompts in order, and the slots of its last prompt's tokens."""
    base = slot = len(carried)
    path, before = np.arange(base), prompts[chosen[0]][:base]
    entries, ids, positions, wanted = [], [], [], []
    for row in chosen:
        prompt, trie = prompts[row], tries[row]
        old = _common(before, prompt)
        new, nodes = len(prompt) - old, len(trie.tokens)
        path = np.concatenate([path[:old], np.arange(slot, slot + new)])
        entries.append(_Entry(path, old, trie, slot))
        ids += [prompt[old:], trie.tokens]
        positions += [np.arange(old, len(prompt)), len(prompt) - 1 + trie.depth]
        wanted.append(np.arange(slot + new - 1, slot + new + nodes))
        slot += new + nodes
        before = prompt
    wanted_tokens = np.concatenate(wanted) - base
    everything = _blocks(entries, base, np.arange(slot - base))
    ends = _blocks([replace(one, skipped=len(one.path) - one.old - 1) for one in entries], base, wanted_tokens)
    return Pack(chosen, np.concatenate(ids), np.concatenate(positions), carried, wanted_tokens, everything, ends), path


def _blocks(entries: list[_Entry], base: int, tokens: Ints) -> Blocks:
    """Blocks of like length; `tokens` are the queries of all entries, in their order."""
    queries, keys = np.array([one.queries for one in entries]), np.array([one.keys for one in entries])
    first = np.cumsum(queries) - queries  # of each entry among the tokens
    order = np.lexsort((keys, queries))
    blocks, origin, start, offset = [], np.empty(len(tokens), np.int64), 0, 0
    while start < len(order):
        end, used = start, 0
        while end < len(order):
            longest = int(queries[order[end]])
            used += longest
            padded = (end - start + 1) * longest
            if end > start and (padded > WASTE * used or padded * int(keys[order[start : end + 1]].max()) > SCORES):
                break
            end += 1
        block = _block([entries[i] for i in order[start:end]], base)
        for place, i in enumerate(order[start:end].tolist()):
            origin[first[i] : first[i] + queries[i]] = offset + place * block.queries.shape[1] + np.arange(queries[i])
        offset += block.queries.size
        blocks.append(block)
        start = end
    return Blocks(blocks, origin)


def _block(some: list[_Entry], base: int) -> Block:
    longest_query, longest_key = max(one.queries for one in some), max(one.keys for one in some)
    queries = np.zeros((len(some), longest_query), np.int64)
    at = np.zeros_like(queries)
    keys = np.zeros((len(some), longest_key), np.int64)
    place = np.full_like(keys, -1)
    visible = np.zeros((len(some), longest_query, longest_key), np.bool_)
    visible[:, :, 0] = True  # a padded query must see something, or its attention is not a number
    for row, one in enumerate(some):
        length, nodes, old = len(one.path), len(one.trie.tokens), one.old + one.skipped
        new = length - old
        queries[row, : new + nodes] = np.arange(one.first + one.skipped - base, one.first + one.skipped - base + new + nodes)
        keys[row, :length] = one.path
        keys[row, length : length + nodes] = np.arange(one.first + length - one.old, one.first + length - one.old + nodes)
        place[row, :length] = np.arange(length)
        place[row, length : length + nodes] = length - 1 + one.trie.depth
        at[row, : new + nodes] = place[row, old : length + nodes]
        visible[row, :new, :length] = np.arange(length) <= np.arange(old, length)[:, None]
        visible[row, new : new + nodes, :length] = True
        visible[row, new : new + nodes, length : length + nodes] = one.trie.sees
    return Block(queries, keys, place, at, visible)
