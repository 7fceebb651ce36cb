"""The order of examples: which ones make a step, and how a step is cut into micro-batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from .objectives import Index, Part


class Order:
    """Steps of examples, a function of seed and epoch alone: a resumed run, or one with other micro-batches, sees the same ones.

    Every epoch has every example once. Examples are put into groups that share a beginning, of nearly equal size and drawn at random within
    their head; the groups come in random order, one after the other, and every `per_step` examples make a step (the last of an epoch may
    be shorter, and a group may be cut where a step ends). A group has at most `share` examples, so `share` is how many examples of one head
    a step has because of the grouping; more meet only by chance, as they would in any shuffled order.

    Args:
        head: what each example's prompt begins with, as an integer.
        lengths: tokens of each example.
        per_step: examples of a step.
        seed: of all shuffling; a sequence of integers is a seed too.
        share: at most so many examples of one head make a group. 1: plainly shuffled.
        among: the examples that are used; default: all.
    """

    def __init__(
        self, head: Index, lengths: Index, per_step: int, seed: int | Sequence[int], *, share: int = 1, among: Index | None = None
    ) -> None:
        self.head, self.lengths, self.per_step, self.share = head, lengths, per_step, share
        self.seed = [seed] if isinstance(seed, int) else list(seed)
        self.among: Index = np.arange(len(head)) if among is None else among
        self._epoch: tuple[int, Index] = (-1, self.among)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(len(self.among) / self.per_step)

    def epoch(self, step: int) -> int:
        """The epoch that a step of the run belongs to."""
        return step // self.steps

    def step(self, step: int) -> Index:
        """The examples of a step of the run, counted from 0 over all epochs."""
        number, place = divmod(step, self.steps)
        if self._epoch[0] != number:
            self._epoch = (number, self._shuffled(np.random.default_rng([*self.seed, number])))
        return self._epoch[1][place * self.per_step : (place + 1) * self.per_step]

    def _shuffled(self, random: np.random.Generator) -> Index:
        shuffled = self.among[random.permutation(len(self.among))]
        if self.share == 1:
            return shuffled
        by_head = shuffled[np.argsort(self.head[shuffled], kind="stable")]
        _, start, size = np.unique(self.head[by_head], return_index=True, return_counts=True)
        groups = -(-size // self.share)  # of each head
        within = np.arange(len(by_head)) - np.repeat(start, size)
        group = np.repeat(np.cumsum(groups) - groups, size) + within * np.repeat(groups, size) // np.repeat(size, size)
        return by_head[np.argsort(random.permutation(int(groups.sum()))[group], kind="stable")]

    def cut(self, examples: Index, batch_size: int) -> list[Index]:
        """Micro-batches of a step: groups sorted by length, so that neighbours, which run on different processes, take equally long."""
        head = self.head[examples]
        runs = np.split(examples, np.flatnonzero(np.diff(head)) + 1)
        longest = np.array([self.lengths[run].max() for run in runs])
        ordered = np.concatenate([runs[i] for i in np.argsort(longest, kind="stable")])
        return [ordered[at : at + batch_size] for at in range(0, len(ordered), batch_size)]


class Orders:
    """The steps of a run of several objectives. Each part has its shares of every step and epochs of its own.

    Args:
        parts: objectives and weights.
        among: the examples of each part that are used.
        per_step: examples of a step, of all parts together.
    """

    def __init__(self, parts: Sequence[Part], among: Sequence[Index], per_step: int, seed: int, *, share: int) -> None:
        sizes = _shares([part.weight for part in parts], per_step)
        self.orders = [
            Order(part.objective.head, part.objective.lengths, size, [seed, number] if number else [seed], share=share, among=some)
            for number, (part, some, size) in enumerate(zip(parts, among, sizes, strict=True))
        ]

    @property
    def steps(self) -> int:
        """Steps until every part has been through all its examples: an epoch of the run."""
        return max(order.steps for order in self.orders)

    def step(self, step: int) -> list[Index]:
        """The examples of each part in a step of the run."""
        return [order.step(step) for order in self.orders]

    def micro_batches(self, chosen: Sequence[Index], batch_size: int) -> Iterator[tuple[int, Index]]:
        """The parts' examples cut into micro-batches, each with the number of its part."""
        for number, (order, examples) in enumerate(zip(self.orders, chosen, strict=True)):
            for batch in order.cut(examples, batch_size):
                yield number, batch


def _shares(weights: Sequence[float], total: int) -> list[int]:
    """A total cut in proportion to weights, at least 1 each; what rounding leaves goes to the largest remainders."""
    exact = [weight * total / sum(weights) for weight in weights]
    shares = [max(1, math.floor(part)) for part in exact]
    for number in sorted(range(len(weights)), key=lambda i: shares[i] - exact[i])[: max(0, total - sum(shares))]:
        shares[number] += 1
    return shares
