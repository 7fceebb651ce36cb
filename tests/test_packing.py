"""Packs: every token that is needed stands in one once, and sees exactly what stands before it in its prompt."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from socsci210.packs.packing import Blocks, Pack, packs
from socsci210.packs.trie import Trie, build_trie

END = 99
TRIES = [build_trie([(1, END), (1, 0, END), (7, END)]), build_trie([(5, END)])]
PROMPTS = st.lists(st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=7), st.integers(0, 1)), min_size=1, max_size=9)
LIMITS = st.tuples(st.integers(1, 30), st.integers(1, 5), st.integers(1, 20))


def contexts(found: list[Pack], tries: list[Trie]) -> dict[int, list[list[tuple[int, int]]]]:
    """For each prompt and each wanted token, the (id, position) of all it sees, in the order of positions: a model in miniature."""
    slots: list[tuple[int, int]] = []
    seen_by_row: dict[int, list[list[tuple[int, int]]]] = {}
    for pack in found:
        slots = [slots[i] for i in pack.carried] + list(zip(pack.ids.tolist(), pack.positions.tolist(), strict=True))
        of_token = _seen(pack.all, slots)
        of_wanted = _seen(pack.ends, slots)
        assert of_wanted == [of_token[token] for token in pack.wanted]  # in the last layer, too
        start = 0
        for row in pack.rows:
            n = 1 + len(tries[row].tokens)
            seen_by_row[row] = of_wanted[start : start + n]
            start += n
    return seen_by_row


def _seen(part: Blocks, slots: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """What each query of a part sees, in the order of its tokens."""
    flat = []
    for block in part.blocks:
        for keys, visible in zip(block.keys, block.visible, strict=True):
            flat += [sorted((slots[i] for i in keys[seen]), key=lambda slot: slot[1]) for seen in visible]
    return [flat[place] for place in part.origin]


@given(PROMPTS, LIMITS)
def test_every_wanted_token_sees_its_own_beginning(given_prompts: list[tuple[list[int], int]], limits: tuple[int, int, int]) -> None:
    prompts = [prompt for prompt, _ in given_prompts]
    tries = [TRIES[which] for _, which in given_prompts]
    tokens, rows, wanted = limits
    found = list(packs(prompts, tries, tokens=tokens, rows=rows, wanted=wanted))
    assert sorted(row for pack in found for row in pack.rows) == list(range(len(prompts)))
    for pack in found:
        assert len(pack.rows) <= rows
        assert len(pack.rows) == 1 or (len(pack.ids) <= tokens and len(pack.wanted) <= wanted)
    for row, seen in contexts(found, tries).items():
        trie, prompt = tries[row], prompts[row]
        ancestors = [sorted(np.flatnonzero(one), key=lambda node: trie.depth[node]) for one in trie.sees]
        ids = [prompt, *([*prompt, *trie.tokens[some].tolist()] for some in ancestors)]
        assert seen == [list(zip(one, range(len(one)), strict=True)) for one in ids]


def test_what_is_shared_is_read_once() -> None:
    persona, other = list(range(10, 40)), list(range(50, 80))
    prompts = [[*who, 3, *range(100, 110), question] for who in (persona, other) for question in (1, 2, 3)]
    found = list(packs(prompts, [TRIES[1]] * 6, tokens=1000, rows=2, wanted=1000))
    assert [len(pack.rows) for pack in found] == [2, 2, 2]
    # a person's 41 tokens, then per question its last token and one node; the third question carries the 41 over
    assert [len(pack.ids) for pack in found] == [41 + 4, 2 + 41 + 2, 4]
    assert [len(pack.carried) for pack in found] == [0, 41, 41]


def test_blocks_hold_prompts_of_similar_length() -> None:
    prompts = [[row, *range(10, 10 + length)] for row, length in enumerate((3, 4, 200, 3, 210))]
    (pack,) = packs(prompts, [TRIES[0]] * 5, tokens=10_000, rows=8, wanted=1000)
    assert sorted(len(block.queries) for block in pack.all.blocks) == [2, 3]
    padded = sum(block.queries.size for block in pack.all.blocks)
    assert padded < 1.3 * len(pack.ids)
