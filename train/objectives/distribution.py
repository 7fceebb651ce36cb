"""`distribution`: what all people of a cell answered, learned at once, instead of one person's answer after the other.

**Loss.** For a cell (rows of one study, condition, outcome, text and scale) let n_a of n training rows have answer a, and t_a = n_a / n.
With x the prompt and log p(a | x) the log-probability of the whole answer over the FULL vocabulary, end of turn included,

    L = - sum_a t_a log p(a | x) = - sum_e w_e log p_e,    w_e = sum of t_a over the answers whose path has edge e

where the edges e are those of the tree of answers. It is the mean of the plain losses of the n rows, were they all asked with prompt x, so
its gradient is theirs without their noise, at the price of one forward pass. Up to the entropy of t it is the Kullback-Leibler divergence
of p from t. It is smallest at p = t, where all of p is on the answers. That is not so if p is first normalised over the answers: then
nothing holds the rest of the vocabulary down, and the model may put nearly all of its probability on a token that is no answer while the
loss looks perfect.

**Sources.** Targets that are distributions of answers of groups of people: Suh et al. 2025, "Language Model Fine-Tuning on Scaled Survey
Data for Predicting Distributions of Public Opinions" (SubPOP, arXiv:2502.16761), who minimise a divergence from group distributions.
Cross-entropy with soft targets: Hinton, Vinyals and Dean 2015 (arXiv:1503.02531).

**Targets** are counted from training rows only. With `groups` (fields of the persona) the target is that of the people of the cell who
share these fields; a group with fewer than `minimum` rows in a cell takes the target of the whole cell, and their number is told. Fields
that are not known make a group of their own. With `smoothing` s the target becomes (1 - s) t + s / (number of values on the scale); an
unbounded scale has no such number and is not smoothed.

**Prompts** (`persona`): `none` says nothing of a person but the fields of `groups`: without groups it is the prompt of a person of whom
nothing is known. `row` has an example for every row, with its whole persona. `sampled` has an example for every cell and group, with the
whole persona of one of its people, drawn anew in every epoch from seed and epoch. An example counts 1 in the denominator of a step.

Answers that nobody gave have weight 0 and are left out of the tree: the full softmax pushes them down as it does every other token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import torch

from socsci210.packs.trie import Trie, build_trie
from socsci210.prompts import persona

from ..cells import Grouping, answer_counts, cells, grouped, persona_fields
from ..settings import DistributionConfig
from . import Example, Index

if TYPE_CHECKING:
    from ..examples import RowTokens

Shares = npt.NDArray[np.float64]
_STREAM: Final = 2  # of random numbers: another one than that of the order of examples


class Distribution:
    """One example for each cell, cell and group, or row.

    Args:
        tokens: the training rows.
        settings: groups, prompts, smoothing.
        seed: decides which people are sampled.

    Attributes:
        counts: what is told of the targets: how many groups there are, and how many take the target of their cell.
    """

    name = "distribution"

    def __init__(self, tokens: RowTokens, settings: DistributionConfig, *, seed: int) -> None:
        self.tokens, self.settings, self.seed = tokens, settings, seed
        cell = cells(tokens.rows, tokens.texts)
        codes, self._values = persona_fields(tokens.rows, settings.groups)
        group = grouped(cell.of, codes)
        self._code = codes[group.first]  # of each group: its fields of the persona
        small = self._targets(cell, group)
        self.counts = {"groups": len(group.first), "groups_below_minimum": small} if settings.groups else {"cells": len(cell.first)}
        self._row: Index = np.arange(len(tokens.response)) if settings.persona == "row" else group.first  # (examples,) whose prompt it is
        self._group: Index = group.of[self._row]
        self._people = _split(group.of) if settings.persona == "sampled" else []
        self._tries: dict[tuple[int, ...], Trie] = {}
        self._weights: dict[int, Shares] = {}
        self.trained: Index = np.ones(len(self), np.int64)
        self.head: Index = self._heads()
        self.lengths: Index = self._lengths(group)
        self.begin(0)

    def _targets(self, cell: Grouping, group: Grouping) -> int:
        """Notes answers and shares of every cell and group; returns how many groups take the target of their cell."""
        tokens, settings = self.tokens, self.settings
        small = group.sizes < settings.minimum if settings.groups else np.ones(len(group.first), bool)
        self._target: Index = np.where(small, cell.of[group.first], len(cell.first) + np.arange(len(group.first)))
        by_cell = answer_counts(cell.of, tokens.response, len(cell.first))
        by_group = answer_counts(group.of, tokens.response, len(group.first))
        self._starts = np.concatenate([by_cell[0], by_group[0][1:] + by_cell[0][-1]])
        self._answers = np.concatenate([by_cell[1], by_group[1]])
        self._counts = np.concatenate([by_cell[2], by_group[2]])
        self._scale: Index = tokens.texts.scale[np.concatenate([cell.first, group.first])]  # of each target
        return int(small.sum()) if settings.groups else 0

    def begin(self, epoch: int) -> None:
        """Draws the people of an epoch."""
        if self.settings.persona == "sampled":
            drawn = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(_STREAM, epoch))).random(len(self))
            self._row = np.array([some[int(u * len(some))] for some, u in zip(self._people, drawn, strict=True)], dtype=np.int64)

    def _heads(self) -> Index:
        if self.tokens.encoder.template.head_part == "stimulus":
            return self.tokens.texts.stimulus[self._row]
        if self.settings.persona == "none":
            return self._code[self._group]
        return self.tokens.head[self._row] if self.settings.persona == "row" else np.arange(len(self))  # a sampled persona shares nothing

    def _lengths(self, group: Grouping) -> Index:
        longest = [max(map(len, self.tokens.encoder.answers(self.target(target)[0]))) for target in self._target.tolist()]
        if self.settings.persona == "none":
            prompts = np.array([len(self._prompt(index)) for index in range(len(self))], np.int64)
        elif self.settings.persona == "row":
            prompts = self.tokens.prompt_lengths
        else:  # whoever is drawn
            prompts = np.zeros(len(self), np.int64)
            np.maximum.at(prompts, group.of, self.tokens.prompt_lengths)
        return prompts + np.array(longest, np.int64)[self._group]

    def __len__(self) -> int:
        return len(self._group)

    def where(self, index: int) -> str:
        """A row of the example's cell."""
        return f"the cell of {self.tokens.where(int(self._row[index]))}"

    def shares(self, index: int) -> dict[int, float]:
        """What an example predicts: answers, ascending, and the share of each."""
        answers, shares = self.target(int(self._target[self._group[index]]))
        return dict(zip(answers, shares.tolist(), strict=True))

    def target(self, number: int) -> tuple[list[int], Shares]:
        """Answers and shares of a target: of a cell, or of a group."""
        part = slice(self._starts[number], self._starts[number + 1])
        answers, shares = self._answers[part].tolist(), self._counts[part] / self._counts[part].sum()
        values = list(self.tokens.texts.scales[self._scale[number]].values)
        if not self.settings.smoothing or not values:
            return answers, shares
        given, smooth = dict(zip(answers, shares, strict=True)), self.settings.smoothing
        return values, np.array([(1 - smooth) * given.get(value, 0.0) + smooth / len(values) for value in values])

    def _prompt(self, index: int) -> Sequence[int]:
        row = int(self._row[index])
        if self.settings.persona != "none":
            return self.tokens.prompt(row)
        texts = self.tokens.texts
        who = persona(self._values[self._code[self._group[index]]])
        return self.tokens.encoder.prompt(who, texts.stimuli[texts.stimulus[row]])

    def _trie(self, answers: Sequence[int]) -> Trie:
        """One tree for all targets with the same answers."""
        key = tuple(answers)
        if key not in self._tries:
            self._tries[key] = build_trie(self.tokens.encoder.answers(answers))
        return self._tries[key]

    def example(self, index: int) -> Example:
        """The prompt, and the tree of all answers that have a share."""
        return Example(self._prompt(index), self._trie(self.target(int(self._target[self._group[index]]))[0]))

    def _edges(self, number: int) -> Shares:
        """Weights of the edges of a target's tree."""
        if number not in self._weights:
            answers, shares = self.target(number)
            self._weights[number] = edge_weights(self._trie(answers), shares)
        return self._weights[number]

    def loss(self, examples: Index, edges: torch.Tensor, starts: torch.Tensor, done: float) -> torch.Tensor:
        """Summed cross-entropy of whole answers, in nats."""
        weights = np.concatenate([self._edges(number) for number in self._target[self._group[examples]].tolist()])
        return -(edges * torch.from_numpy(weights).to(edges)).sum()


def edge_weights(trie: Trie, shares: Shares) -> Shares:
    """(edges,) share of the answers that pass each edge, from the shares of the answers."""
    used = trie.paths >= 0
    return np.bincount(trie.paths[used], weights=np.repeat(shares, used.sum(axis=1)), minlength=len(trie.edge_node))


def _split(of: Index) -> list[Index]:
    """The rows of every group."""
    order = np.argsort(of, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(of[order])) + 1)
