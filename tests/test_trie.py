"""The answer tree: probabilities of whole answers from probabilities of steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socsci210.packs.trie import build_trie
from socsci210.prompts import PromptError

END = 99
ANSWERS = st.lists(st.lists(st.integers(0, 4), max_size=4).map(lambda a: (*a, END)), min_size=1, max_size=12, unique=True)


def conditional(beginning: tuple[int, ...], token: int) -> float:
    """Some fixed log-probability of a token after a beginning."""
    return -float((hash((beginning, token)) % 1000) + 1) / 100


@given(ANSWERS)
def test_sums_of_edges_are_those_of_the_answers(answers: list[tuple[int, ...]]) -> None:
    trie = build_trie(answers)
    beginnings = [(), *({tuple(a[:i]): None for a in answers for i in range(1, len(a))})]
    assert sorted(b[-1] for b in beginnings[1:]) == sorted(trie.tokens.tolist())
    # the beginning at each node, rebuilt from what it sees
    nodes: list[tuple[int, ...]] = [()]
    for row, depth in zip(trie.sees, trie.depth, strict=True):
        order = sorted(np.flatnonzero(row), key=lambda i: trie.depth[i])
        nodes.append(tuple(int(trie.tokens[i]) for i in order))
        assert len(nodes[-1]) == depth
    assert set(nodes) == set(beginnings)
    edges = np.array([[conditional(nodes[n], int(t)) for n, t in zip(trie.edge_node, trie.edge_token, strict=True)]])
    expected = [sum(conditional(tuple(a[:i]), a[i]) for i in range(len(a))) for a in answers]
    np.testing.assert_allclose(trie.log_probabilities(edges)[0], expected, atol=1e-12)


@given(ANSWERS)
def test_parents_stand_before_children(answers: list[tuple[int, ...]]) -> None:
    trie = build_trie(answers)
    assert not np.triu(trie.sees, 1).any()
    assert trie.sees.diagonal().all()


def test_shared_beginnings_are_one_node() -> None:
    trie = build_trie([(1, END), (1, 0, END), (1, 0, 0, END)])
    assert trie.tokens.tolist() == [1, 0, 0]
    assert trie.depth.tolist() == [1, 2, 3]
    assert trie.paths.tolist() == [[0, 1, -1, -1], [0, 2, 3, -1], [0, 2, 4, 5]]


@pytest.mark.parametrize(
    ("answers", "message"),
    [([], "no answer"), ([()], "no answer"), ([(1, END), (1, END)], "same tokens"), ([(1,), (1, 2)], "begins another")],
)
def test_refuses_what_is_not_a_set_of_whole_answers(answers: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        build_trie(answers)
