"""The conjoint study: two pairs of two profiles with three attributes, each level with its own effect on the latent value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from .personas import Codes, Floats

PAIRS: Final = (1, 2)
PROFILES: Final = ("a", "b")
ATTRIBUTES: Final[dict[str, tuple[tuple[str, float], ...]]] = {
    "project": (("a new library", 0.5), ("a new playground", 0.8), ("a new parking lot", -1.0), ("a road repair", 0.2)),
    "cost": (("free of charge", 1.2), ("$40 per household", -0.2), ("$90 per household", -1.2)),
    "work": (("in six months", 0.4), ("in two years", -0.4)),
}
"""Attribute -> levels in code order (1, 2, ...): what people read, and its effect."""


def column(pair: int, profile: str, attribute: str) -> str:
    """The deposit's column of one attribute of one profile."""
    return f"P{pair}{profile.upper()}_{attribute.upper()}"


def profiles() -> Iterator[tuple[int, str]]:
    """All (pair, profile) in the order they were shown."""
    return ((pair, profile) for pair in PAIRS for profile in PROFILES)


def draw(rng: np.random.Generator, n: int) -> dict[str, Codes]:
    """Levels shown to each of `n` people, by column."""
    return {
        column(pair, profile, name): rng.integers(1, len(levels) + 1, n)
        for pair, profile in profiles()
        for name, levels in ATTRIBUTES.items()
    }


def utility(pair: int, profile: str, shown: dict[str, Codes]) -> Floats:
    """What the levels of one profile add to the latent value."""
    parts = [np.array([effect for _, effect in levels])[shown[column(pair, profile, name)] - 1] for name, levels in ATTRIBUTES.items()]
    return np.asarray(np.sum(parts, axis=0))


def latent(kind: str, item: str, eta: Floats, shown: dict[str, Codes]) -> Floats:
    """eta of one item: a rating of one profile (item `p1a`), or a choice in a pair (item `p1`; answer 1, the first
    profile, is the likelier the better that profile and the lower eta)."""
    pair = int(item[1])
    if kind == "choice":
        return eta + utility(pair, "b", shown) - utility(pair, "a", shown)
    return eta + utility(pair, item[2], shown)
