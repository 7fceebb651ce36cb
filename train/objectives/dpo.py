"""`dpo`: who answered what, learned from pairs: the person's own answer is preferred to that of somebody else who was asked the same thing.

**Pairs** ("demographic contrastive pairs" of the SocSci210 paper). A training row gives the prompt, with its own person, and the chosen
answer. The rejected answer is that of another person in the same cell (study, condition, outcome) who read the same text on the same scale
and answered differently; only the number is borrowed. Rejected people are drawn evenly among those, so an answer is rejected as often as it
was given. A row without such a person gives no pair; their number is told.

**Loss** (Rafailov et al. 2023, "Direct Preference Optimization", arXiv:2305.18290, equation 7), with log p of a whole answer, end of turn
included, and ref the model that training started from:

    L = - log sigmoid(beta * ((log p(chosen) - log ref(chosen)) - (log p(rejected) - log ref(rejected))))

A step's loss is the mean over its pairs. Chosen and rejected stand in one tree behind one prompt, so a pair costs one prompt, and what the
two answers begin with is read once. The reference is not read again in training: `reference.py` notes it once, for all answers of a cell.

**What it learns.** Were p(a) the person's own probabilities and q(a) those of the cell, a pair has a chosen and b rejected with probability
p(a) q(b) / (1 - q(a)), so the loss is smallest at

    policy(a)  proportional to  ref(a) * (p(a) / (q(a) (1 - q(a)))) ** (1 / beta)

(set the log-odds of the two orders of a pair equal to beta times the difference of log policy - log ref). This is not p: it is the
reference tilted by what sets the person apart from the cell, the more so the smaller beta is. It can lead past the person's own
distribution, to answers that are rare in the cell; a small learning rate or a large beta stops on the way.

**What the paper leaves open**, and what is done here: `beta` is not given (0.1, as in the DPO paper's own experiments and TRL's default);
neither is the number of pairs of a row (`pairs_per_row`, 1); nor whether training starts from the base or from the SFT model: it starts
from `model`, which may be either, and the released names (`-sft`, `-dpo`) tell nothing. Pairs are a function of seed and epoch, so another
epoch has other pairs. The loss says nothing of the probability of all answers together: look at the answer mass beside the scores.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import torch

from socsci210.packs.trie import Trie, build_trie

from ..cells import answer_counts, cells, grouped
from ..config import TrainError
from ..settings import DpoConfig
from . import Example, Index

if TYPE_CHECKING:
    from ..examples import RowTokens

_STREAM: Final = 1  # of random numbers: another one than that of the order of examples


class Dpo:
    """`pairs_per_row` examples for every row that has somebody to be contrasted with.

    Args:
        tokens: the training rows.
        settings: beta and the number of pairs.
        seed: decides, with the epoch, who is contrasted with whom.

    Attributes:
        answers: for each cell, its distinct answers, ascending.
        counts: what is told of the pairs: how many rows have none.
        offsets: (rows + 1,) where each row's part of `reference` begins.
        reference: (sum over rows of the answers of their cells,) log-probabilities of the model that training starts from: of each row's
            prompt, for the answers of its cell in order. To be set before the first loss.

    Raises:
        TrainError: no row has a pair.
    """

    name = "dpo"

    def __init__(self, tokens: RowTokens, settings: DpoConfig, *, seed: int) -> None:
        self.tokens, self.settings, self.seed = tokens, settings, seed
        self.reference: npt.NDArray[np.float64] | None = None
        self._pool = _Pool(tokens)
        starts, answers, _ = answer_counts(self._pool.cell, tokens.response, self._pool.cells)
        self.answers: list[list[int]] = [answers[a:b].tolist() for a, b in pairwise(starts)]
        self._rank: Index = grouped(self._pool.cell, tokens.response).of - starts[self._pool.cell]  # of each row's answer in its cell
        sizes = np.diff(starts)[self._pool.cell]
        self.offsets: Index = np.concatenate([[0], np.cumsum(sizes)])
        rows = np.flatnonzero(self._pool.candidates > 0)
        self.counts = {"rows_without_pair": len(tokens.response) - len(rows)}
        if not len(rows):
            raise TrainError(
                f"none of {len(tokens.response)} rows has another person with a different answer in its cell", fix="train with sft instead"
            )
        self._row: Index = np.repeat(rows, settings.pairs_per_row)  # (pairs,)
        self._tries: dict[tuple[int, int], Trie] = {}
        lengths = np.array([max(map(len, tokens.encoder.answers(some))) for some in self.answers], np.int64)
        self.row_lengths: Index = tokens.prompt_lengths + lengths[self._pool.cell]  # with the longest answer of the cell
        self.lengths: Index = self.row_lengths[self._row]
        self.trained: Index = np.ones(len(self._row), np.int64)
        self.head: Index = tokens.head[self._row]
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Draws the rejected answers of an epoch."""
        self._other = self._pool.draw(self._row, np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(_STREAM, epoch))))

    def __len__(self) -> int:
        return len(self._row)

    def where(self, index: int) -> str:
        """The key of the focal row."""
        return self.tokens.where(int(self._row[index]))

    def answers_of(self, row: int) -> list[int]:
        """The distinct answers of a row's cell, ascending: what its reference is wanted for."""
        return self.answers[self._pool.cell[row]]

    def pair(self, index: int) -> tuple[int, int, int]:
        """(focal row, chosen answer, rejected answer) of an example."""
        row, other = int(self._row[index]), int(self._other[index])
        return row, int(self.tokens.response[row]), int(self.tokens.response[other])

    def example(self, index: int) -> Example:
        """The focal row's prompt, and a tree of two answers."""
        row, chosen, rejected = self.pair(index)
        return Example(self.tokens.prompt(row), self._trie(chosen, rejected))

    def _trie(self, chosen: int, rejected: int) -> Trie:
        key = (chosen, rejected)
        if key not in self._tries:
            self._tries[key] = build_trie(self.tokens.encoder.answers(key))
        return self._tries[key]

    def loss(self, examples: Index, edges: torch.Tensor, starts: torch.Tensor, done: float) -> torch.Tensor:
        """Summed loss of pairs."""
        signs = np.concatenate([self._signs(index) for index in examples.tolist()])
        pair = torch.repeat_interleave(torch.arange(len(examples), device=edges.device), torch.diff(starts))
        margin = torch.zeros(len(examples), device=edges.device, dtype=edges.dtype)
        margin = margin.index_add(0, pair, edges * torch.from_numpy(signs).to(edges))  # log p(chosen) - log p(rejected)
        reference = torch.from_numpy(self.reference_margin(examples)).to(edges)
        return -torch.nn.functional.logsigmoid(self.settings.beta * (margin - reference)).sum()

    def _signs(self, index: int) -> npt.NDArray[np.float64]:
        """(edges,) 1 on the path of the chosen answer alone, -1 on that of the rejected one, 0 on what they share."""
        _, chosen, rejected = self.pair(index)
        trie = self._trie(chosen, rejected)
        signs = np.zeros(len(trie.edge_node))
        for path, sign in zip(trie.paths, (1, -1), strict=True):
            signs[path[path >= 0]] += sign
        return signs

    def reference_margin(self, examples: Index) -> npt.NDArray[np.float64]:
        """(examples,) log ref(chosen) - log ref(rejected).

        Raises:
            TrainError: the reference was not set.
        """
        if self.reference is None:
            raise TrainError("dpo without log-probabilities of its reference", fix="call reference.note first")
        row, other = self._row[examples], self._other[examples]
        start = self.offsets[row]
        margin: npt.NDArray[np.float64] = self.reference[start + self._rank[row]] - self.reference[start + self._rank[other]]
        return margin


class _Pool:
    """Who may be contrasted with whom.

    Attributes:
        cell: (rows,) cell of each row; `cells` is their number.
        candidates: (rows,) rows of the same cell by other people with a different answer.
    """

    def __init__(self, tokens: RowTokens) -> None:
        found = cells(tokens.rows, tokens.texts)
        self.cell, self.cells = found.of, len(found.first)
        self.person: Index = tokens.rows.column("participant").to_numpy().astype(np.int64)
        same, own, repeated = (grouped(self.cell, *more) for more in ((tokens.response,), (self.person,), (self.person, tokens.response)))
        sizes = found.sizes
        self.candidates: Index = sizes[self.cell] - same.sizes[same.of] - own.sizes[own.of] + repeated.sizes[repeated.of]
        # Rows in order of cell and answer: those of one cell, and of one answer in it, are runs.
        self._order: Index = np.lexsort((tokens.response, self.cell))
        place = np.empty(len(self._order), np.int64)
        place[self._order] = np.arange(len(self._order))
        self._begin = np.concatenate([[0], np.cumsum(sizes)])[self.cell]  # of the row's cell
        first = np.full(len(same.first), len(place))
        np.minimum.at(first, same.of, place)
        self._run, self._same = first[same.of], same.sizes[same.of]  # of the row's answer in it
        self._different: Index = sizes[self.cell] - self._same

    def draw(self, rows: Index, random: np.random.Generator) -> Index:
        """For each row, another person's row of the same cell with a different answer, drawn evenly."""
        other = np.empty(len(rows), np.int64)
        left = np.arange(len(rows))
        while len(left):
            some = rows[left]
            at = self._begin[some] + (random.random(len(some)) * self._different[some]).astype(np.int64)
            at += np.where(at >= self._run[some], self._same[some], 0)  # jump over the own answer
            other[left] = self._order[at]
            left = left[self.person[other[left]] == self.person[some]]  # the same person, asked the same thing twice: again
        return other
