"""The answers of a scale as a tree of tokens, so that a common beginning ("1", "10", "100") is read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..prompts import PromptError


@dataclass(frozen=True)
class Trie:
    """Nodes are beginnings of answers that are not whole answers; node 0 is the empty beginning (the end of the prompt).

    Attributes:
        tokens: token of every node but node 0, parents before children.
        depth: length of the beginning at every node but node 0, from 1.
        sees: (nodes - 1, nodes - 1) bool, whether a node may attend to another one: itself and its ancestors.
        edge_node, edge_token: every step of the tree: from which node, by which token.
        paths: (answers, longest answer) indices of edges; -1 behind the end of an answer.
    """

    tokens: npt.NDArray[np.int64]
    depth: npt.NDArray[np.int64]
    sees: npt.NDArray[np.bool_]
    edge_node: npt.NDArray[np.int64]
    edge_token: npt.NDArray[np.int64]
    paths: npt.NDArray[np.int64]

    def log_probabilities(self, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Log-probabilities of whole answers, (rows, answers), from those of the edges, (rows, edges)."""
        padded = np.concatenate([edges, np.zeros((len(edges), 1))], axis=1)  # index -1: nothing is added
        return np.asarray(padded[:, self.paths].sum(axis=2), dtype=np.float64)


def build_trie(answers: Sequence[Sequence[int]]) -> Trie:
    """The tree of tokenised answers, each with its end of turn.

    Raises:
        PromptError: no answers, an empty one, two equal ones, or one that begins another (then probabilities would not be of disjoint
            events).
    """
    beginnings: dict[tuple[int, ...], int] = {(): 0}
    edges: dict[tuple[int, int], int] = {}
    paths: list[list[int]] = []
    whole = {tuple(answer) for answer in answers}
    _check(answers, whole)
    for answer in answers:
        path = []
        for length, token in enumerate(answer):
            beginning = tuple(answer[:length])
            node = beginnings.setdefault(beginning, len(beginnings))
            path.append(edges.setdefault((node, int(token)), len(edges)))
        paths.append(path)
    nodes = list(beginnings)[1:]
    if inside := whole & set(nodes):
        raise PromptError(f"the answer with tokens {sorted(inside)[0]} begins another answer", fix="end every answer with the end of turn")
    longest = max(map(len, paths))
    return Trie(
        tokens=np.array([beginning[-1] for beginning in nodes], dtype=np.int64),
        depth=np.array([len(beginning) for beginning in nodes], dtype=np.int64),
        sees=np.array([[a[: len(b)] == b for b in nodes] for a in nodes], dtype=bool).reshape(len(nodes), len(nodes)),
        edge_node=np.array([node for node, _ in edges], dtype=np.int64),
        edge_token=np.array([token for _, token in edges], dtype=np.int64),
        paths=np.array([path + [-1] * (longest - len(path)) for path in paths], dtype=np.int64),
    )


def chain(answer: Sequence[int], others: Sequence[Sequence[int]] = ()) -> Trie:
    """One answer, token by token, without branches: its edges are its tokens, in their order.

    Args:
        answer: ids, at least one.
        others: for each token, more tokens whose probability is wanted at the same place: further edges, which lead nowhere. They stand
            behind the edges of the answer.

    Raises:
        PromptError: the answer is empty.
    """
    if not len(answer):
        raise PromptError("an answer without tokens", fix="give every answer at least one token")
    length = len(answer)
    beside = [(node, token) for node, tokens in enumerate(others) for token in tokens]
    return Trie(
        tokens=np.array(answer[:-1], dtype=np.int64),
        depth=np.arange(1, length),
        sees=np.tri(length - 1, dtype=bool),
        edge_node=np.array([*range(length), *(node for node, _ in beside)], dtype=np.int64),
        edge_token=np.array([*answer, *(token for _, token in beside)], dtype=np.int64),
        paths=np.arange(length)[None],
    )


def _check(answers: Sequence[Sequence[int]], whole: set[tuple[int, ...]]) -> None:
    if not answers or () in whole:
        raise PromptError("no answer to enumerate, or an answer without tokens", fix="give every answer at least one token")
    if len(whole) != len(answers):
        raise PromptError(f"{len(answers) - len(whole)} of {len(answers)} answers have the same tokens as another one")
