"""People drawn from the shares of a population, and people weighted to them.

Shares are met by iterative proportional fitting (raking; Deming and Stephan 1940, Annals of Mathematical Statistics 11). Fields that stand
in a joint share are drawn together, all others independently of each other: shares say nothing of what goes with what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..demographics import FIELDS, INTEGER_FIELDS
from .experiment_checks import JOINT, age_range, holds
from .experiment_file import ExperimentError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Shares = Mapping[str, Mapping[str, float]]
MOST_CELLS: Final = 1_000_000
OLDEST: Final = 90
_ROUNDS, _CLOSE = 1000, 1e-9


def rake(weights: Floats, margins: Sequence[tuple[str, Ints, Floats]]) -> Floats:
    """Weights, (rows,), whose sums over the categories of every margin are its shares; they sum to 1.

    Args:
        weights: to begin with; what they say beyond the margins is kept.
        margins: name, category of each row, and the share of each category.

    Raises:
        ExperimentError: a category of which there is a share and nobody, or margins that contradict each other.
    """
    weights = weights / weights.sum()
    for name, category, shares in margins:
        there = np.bincount(category, weights=weights, minlength=len(shares)) > 0
        if (missing := np.flatnonzero((shares > 0) & ~there)).size:
            raise ExperimentError(
                f"nobody is in category {int(missing[0]) + 1} of {name}, which has a share of {shares[missing[0]]:.3g}",
                where=f"marginals: {name}", expected="people in every category with a share", fix="join categories, or add people",
            )  # fmt: skip
    furthest = 0.0
    for _ in range(_ROUNDS):
        furthest = 0.0
        for _, category, shares in margins:
            sums = np.bincount(category, weights=weights, minlength=len(shares))
            furthest = max(furthest, float(np.abs(sums - shares).max()))
            weights = weights * np.divide(shares, sums, out=np.zeros_like(sums), where=sums > 0)[category]
        if furthest < _CLOSE:
            out: Floats = weights / weights.sum()
            return out
    raise ExperimentError(
        f"the shares contradict each other: they are still {furthest:.2g} apart after {_ROUNDS} rounds",
        where=f"marginals: {', '.join(name for name, _, _ in margins)}", expected="joint shares that add up to the single ones",
        fix="correct them, or leave one of them out",
    )  # fmt: skip


def draw_people(n: int, shares: Shares, seed: int) -> list[dict[str, Any]]:
    """`n` people whose fields have these shares as nearly as whole people can; fields without a share are not known of them.

    Raises:
        ExperimentError: no shares, contradictory ones, or a joint table that is too large.
    """
    if not shares:
        raise ExperimentError(
            "no shares of the population", where="--personas sample:N", expected="`marginals` in the experiment file, or --marginals FILE",
            fix="write for example `marginals: {gender: {Male: 49, Female: 51}}`, or name a file of people",
        )  # fmt: skip
    random = np.random.default_rng(seed)
    people: list[dict[str, Any]] = [{} for _ in range(n)]
    for fields in _components(shares):
        values, weights = _table(fields, {name: one for name, one in shares.items() if set(_fields(name)) <= set(fields)})
        cells = np.repeat(np.arange(len(values)), _whole(weights * n, random))
        for person, cell in zip(people, random.permutation(cells).tolist(), strict=True):
            person.update({field: _drawn(field, text, random) for field, text in zip(fields, values[cell], strict=True)})
    return [{field: person[field] for field in FIELDS if field in person} for person in people]


def weigh_people(people: Sequence[Mapping[str, Any]], weights: Floats, shares: Shares) -> Floats:
    """Weights of mean 1 with which people have these shares, as near to their own as can be.

    Raises:
        ExperimentError: somebody's field is not known or has no share, or the shares cannot be met.
    """
    margins = []
    for name, one in shares.items():
        fields, keys = _fields(name), list(one)
        parts = [_parts(key) for key in keys]
        category = np.empty(len(people), np.int64)
        for row, person in enumerate(people):
            found = next(
                (place for place, some in enumerate(parts) if all(map(holds, fields, (person.get(f) for f in fields), some))), None
            )
            if found is None:
                said = ", ".join(f"{field} {person.get(field)!r}" for field in fields)
                raise ExperimentError(
                    f"no share for {said}", where=f"person {row + 1}, marginals: {name}", expected=f"one of {', '.join(keys)}",
                    fix="give a share for it, leave this person out, or leave these marginals out",
                )  # fmt: skip
            category[row] = found
        margins.append((name, category, _normal(one)))
    return rake(weights, margins) * len(people)


def _fields(name: str) -> list[str]:
    return _parts(name)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(JOINT)]


def _normal(shares: Mapping[str, float]) -> Floats:
    found = np.array(list(shares.values()), np.float64)
    out: Floats = found / found.sum()
    return out


def _components(shares: Shares) -> list[list[str]]:
    """Fields that hang together by joint shares, in the order of the persona."""
    groups: list[set[str]] = []
    for name in shares:
        fields = set(_fields(name))
        for group in [group for group in groups if group & fields]:
            fields |= group
            groups.remove(group)
        groups.append(fields)
    return sorted(([field for field in FIELDS if field in group] for group in groups), key=lambda group: FIELDS.index(group[0]))


def _table(fields: list[str], shares: Shares) -> tuple[list[tuple[str, ...]], Floats]:
    """Every combination of values of some fields, and the share of each."""
    known: dict[str, list[str]] = {field: [] for field in fields}
    for name, one in shares.items():
        for key in one:
            for field, part in zip(_fields(name), _parts(key), strict=True):
                if part not in known[field]:
                    known[field].append(part)
    if (size := int(np.prod([float(len(values)) for values in known.values()]))) > MOST_CELLS:
        raise ExperimentError(
            f"the joint table of {', '.join(fields)} has {size:,} cells", where="marginals", expected=f"at most {MOST_CELLS:,}",
            fix="tie fewer fields together, or use broader categories",
        )  # fmt: skip
    values = list(product(*known.values()))
    margins = []
    for name, one in shares.items():
        place = {tuple(_parts(key)): number for number, key in enumerate(one)}
        at = [fields.index(field) for field in _fields(name)]
        codes = np.array([place.get(tuple(cell[i] for i in at), len(place)) for cell in values])
        margins.append((name, codes, np.append(_normal(one), 0.0)))  # the last: combinations that nobody has
    return values, rake(np.ones(len(values)), margins)


def _whole(expected: Floats, random: np.random.Generator) -> Ints:
    """Whole numbers with the same sum, each the one below or above what is expected: the rest by systematic sampling."""
    below = np.floor(expected + 1e-9)
    ends = np.cumsum(np.concatenate([[0.0], np.maximum(expected - below, 0)]))
    left = round(float(expected.sum() - below.sum()))
    ends *= left / ends[-1] if ends[-1] > 0 else 0.0
    places = random.random() + np.arange(left)
    return (below + np.histogram(places, bins=ends)[0] if left else below).astype(np.int64)


def _drawn(field: str, text: str, random: np.random.Generator) -> str | int:
    if field not in INTEGER_FIELDS:
        return text
    low, high = age_range(text) or (0, 0)
    top = (max(OLDEST, low) if field == "age" else low) if high is None else high
    return int(random.integers(low, top + 1))
