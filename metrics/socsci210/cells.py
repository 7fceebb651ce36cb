"""From rows to cells: what people answered, what a model expects, and the distance between them in both conventions. numpy only.

A cell is (study, condition, outcome). Its items may have several scales; the rows of a cell on one scale are a sub-cell. Distributions are
held for all sub-cells at once as three flat arrays (`Mass`), so that nothing loops over cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .codes import distinct
from .distances import best_constant, decode, expected_distance, expected_draw_distance, total_variation, wasserstein

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ROWS_AT_ONCE = 1 << 18
MOST_LEVELS = 10_001  # uniform answers on a wider scale lie at so many evenly spaced places


class Answers(NamedTuple):
    """Answer distributions of rows: row i has the entries start[i] to start[i + 1] - 1, values ascending. A point has one entry.

    `value` and `probability` have shape (entries,), `start` (rows + 1,).
    """

    start: Ints
    value: Floats
    probability: Floats

    @property
    def sizes(self) -> Ints:
        """Entries of each row."""
        return np.diff(self.start)

    def part(self, some: slice) -> tuple[Ints, Floats, Floats]:
        """(row counted from the first of them, value, probability) of the entries of some rows."""
        start = self.start[some.start : some.stop + 1]
        inside = slice(int(start[0]), int(start[-1]))
        return np.repeat(np.arange(len(start) - 1), np.diff(start)), self.value[inside], self.probability[inside]

    def slices(self) -> Iterator[slice]:
        """All rows, some at a time: what is made of their entries then takes little memory."""
        n = len(self.start) - 1
        return (slice(start, min(start + ROWS_AT_ONCE, n)) for start in range(0, n, ROWS_AT_ONCE))


class Mass(NamedTuple):
    """Distributions of sub-cells: `mass` lies on `value` in sub-cell `code`. Need not be sorted or sum to 1."""

    code: Ints
    value: Floats
    mass: Floats


@dataclass(frozen=True)
class Cells:
    """The sub-cells of some rows, and the cells and studies they belong to.

    Attributes:
        code: sub-cell of each row, shape (rows,).
        study, condition, task: of each sub-cell.
        low, high, step: scale of each sub-cell; nan bounds where it has none.
        n: rows of each sub-cell.
        cell: cell of each sub-cell, 0 to n_cells - 1.
        cell_study: study of each cell.
    """

    code: Ints
    study: Ints
    condition: Ints
    task: Ints
    low: Floats
    high: Floats
    step: Floats
    n: Ints
    cell: Ints
    cell_study: Ints

    @property
    def n_sub(self) -> int:
        """Number of sub-cells."""
        return len(self.n)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cell_study)

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """Which sub-cells have a stated scale."""
        return np.isfinite(self.low) & np.isfinite(self.high)


def cells_of(study: Ints, condition: Ints, task: Ints, low: Floats, high: Floats, step: Floats) -> Cells:
    """Sub-cells and cells of rows, ordered by study, condition, outcome and scale. All arguments have shape (rows,)."""
    scale = [np.where(np.isfinite(bound), bound, -np.inf) for bound in (low, high)]
    code, first, n = distinct([study, condition, task, *scale, step])
    upper = distinct([study[first], condition[first], task[first]])
    return Cells(
        code=code, study=study[first], condition=condition[first], task=task[first],
        low=low[first], high=high[first], step=step[first], n=n, cell=upper.code, cell_study=study[first][upper.first],
    )  # fmt: skip


def on_scale(cells: Cells, response: Floats) -> NDArray[np.bool_]:
    """Whether each answer is a value of the stated scale of its sub-cell; True where it has none. Shape (rows,).

    People's answers can be none: codes that were kept, or text and answers that do not belong together. Such a row has no place on the
    stated scale, so convention `stated` leaves it out on both sides; `published` keeps it.
    """
    low, high, step = cells.low[cells.code], cells.high[cells.code], cells.step[cells.code]
    inside: NDArray[np.bool_] = (response >= low) & (response <= high) & ((response - low) % step == 0)
    return np.logical_or(inside, ~cells.bounded[cells.code])


def people(cells: Cells, response: Floats, weight: Floats | None = None) -> Mass:
    """How often (or with how much weight) each answer was given in each sub-cell. `response` has shape (rows,)."""
    return _gather(cells, cells.code, response, np.ones(len(response)) if weight is None else weight)


def predicted(cells: Cells, code: Ints, answers: Answers, weight: Floats | None = None) -> Mass:
    """The answer distributions of rows, added up in each sub-cell.

    Args:
        code: sub-cell of each predicted row.
        answers: their distributions or points.
        weight: of each predicted row.
    """
    grid = _gather(cells, code[:0], np.zeros(0), np.zeros(0))
    size = len(grid.code)  # every part begins with the same places; what lies beside them follows
    found = [grid]
    for some in answers.slices():
        row, value, mass = answers.part(some)
        part = _gather(cells, code[some][row], value, mass if weight is None else mass * weight[some][row])
        grid.mass[:] += part.mass[:size]
        found.append(Mass(part.code[size:], part.value[size:], part.mass[size:]))
    return Mass(
        np.concatenate([one.code for one in found]),
        np.concatenate([one.value for one in found]),
        np.concatenate([one.mass for one in found]),
    )


def uniform(cells: Cells, low: Floats, high: Floats) -> Mass:
    """Chance: every answer of the scale equally likely; where a sub-cell has no scale, 101 places from `low` to `high`."""
    bounded = cells.bounded
    bottom, top = np.where(bounded, cells.low, low), np.where(bounded, cells.high, high)
    by = np.where(bounded, np.maximum(cells.step, (top - bottom) / (MOST_LEVELS - 1)), (top - bottom) / 100)
    known = np.isfinite(by) & (by > 0)
    size = np.where(known, np.rint((top - bottom) / np.where(known, by, 1.0)) + 1, 0.0).astype(np.int64)
    code = np.repeat(np.arange(cells.n_sub), size)
    place = np.arange(len(code)) - np.repeat(np.cumsum(size) - size, size)
    return Mass(code, bottom[code] + place * by[code], (cells.n / np.maximum(size, 1))[code])


def uniform_draws(cells: Cells, low: Floats, high: Floats, seed: int) -> Mass:
    """Chance by draw: one uniform answer for each person (scales as in `uniform`)."""
    options = uniform(cells, low, high)
    size = np.bincount(options.code, minlength=cells.n_sub)
    first = np.cumsum(size) - size
    code = cells.code[size[cells.code] > 0]
    pick = first[code] + np.random.default_rng(seed).integers(0, size[code])
    return Mass(code, options.value[pick], np.ones(len(code)))


class Ruler(NamedTuple):
    """How a convention measures: the groups it scores (codes of sub-cells) and the ends of the scale, nan where a group is not scored."""

    group: Ints
    low: Floats
    high: Floats
    n: Ints


def stated_ruler(cells: Cells, low: Floats, high: Floats, n: Ints | None = None) -> Ruler:
    """Convention `stated`: each sub-cell on its own scale; where it has none, the range `low` to `high` (nan: not scored).

    `n` is how many people of each sub-cell count, default all.
    """
    bottom, top = np.where(cells.bounded, cells.low, low), np.where(cells.bounded, cells.high, high)
    usable = top > bottom
    return Ruler(np.arange(cells.n_sub), np.where(usable, bottom, np.nan), np.where(usable, top, np.nan), cells.n if n is None else n)


def published_ruler(cells: Cells, response: Floats) -> Ruler:
    """Convention `published`: whole cells on the range that people used; under two rows or one constant answer: not scored."""
    low, high = np.full(cells.n_cells, np.inf), np.full(cells.n_cells, -np.inf)
    of_row = cells.cell[cells.code]
    np.minimum.at(low, of_row, response)
    np.maximum.at(high, of_row, response)
    usable = high > low
    n = np.bincount(of_row, minlength=cells.n_cells)
    return Ruler(cells.cell, np.where(usable, low, np.nan), np.where(usable, high, np.nan), n)


def _places(ruler: Ruler, mass: Mass) -> tuple[Ints, Floats, Floats]:
    """(group, position in [0, 1], mass) of what lies in groups that are scored. Off-scale values are clipped to the nearer end."""
    group = ruler.group[mass.code]
    keep = np.isfinite(ruler.low[group])
    group = group[keep]
    low, high = ruler.low[group], ruler.high[group]
    return group, np.clip((mass.value[keep] - low) / (high - low), 0.0, 1.0), mass.mass[keep]


def distance(ruler: Ruler, model: Mass, human: Mass) -> Floats:
    """W1 of each group, on [0, 1]; nan where a group is not scored."""
    return wasserstein(*_both(ruler, model, human), len(ruler.low))


def variation(ruler: Ruler, model: Mass, human: Mass) -> Floats:
    """Total variation distance of each group; nan where a group is not scored."""
    return total_variation(*_both(ruler, model, human), len(ruler.low))


def constant(ruler: Ruler, human: Mass) -> Floats:
    """W1 of the best constant answer of each group; nan where a group is not scored."""
    return best_constant(*_places(ruler, human), len(ruler.low))


def _both(ruler: Ruler, model: Mass, human: Mass) -> tuple[Ints, Floats, Floats, Floats]:
    """(group, position, mass of the model, mass of people) of the atoms of both sides."""
    (code, place, mass), (code_h, place_h, mass_h) = _places(ruler, model), _places(ruler, human)
    zeros, zeros_h = np.zeros(len(code)), np.zeros(len(code_h))
    sides = (np.concatenate([mass, zeros_h]), np.concatenate([zeros, mass_h]))
    return np.concatenate([code, code_h]), np.concatenate([place, place_h]), *sides


def floor(ruler: Ruler, human: Mass) -> Floats:
    """Noise floor of each group for predicted distributions."""
    return expected_distance(*_places(ruler, human), ruler.n, len(ruler.low))


def floor_of_draws(ruler: Ruler, human: Mass, per_person: int = 1) -> Floats:
    """Noise floor of each group for predictions that are draws, `per_person` for each person."""
    return expected_draw_distance(*_places(ruler, human), ruler.n, len(ruler.low), per_person=per_person)


def mean_by(group: Ints, value: Floats, n_groups: int) -> Floats:
    """Mean of the values that are not nan in each group; nan where there is none."""
    known = np.isfinite(value)
    total = np.bincount(group[known], weights=value[known], minlength=n_groups)
    count = np.bincount(group[known], minlength=n_groups)
    out: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return out


def decoded(answers: Answers) -> Answers:
    """The distributions after decoding at temperature 0.6 and top_p 0.9, as convention `published` has it; points stay as they are."""
    out, sizes = answers.probability.copy(), answers.sizes
    for size in np.unique(sizes[sizes > 1]):
        entry = answers.start[:-1][sizes == size][:, None] + np.arange(size)
        out[entry] = decode(answers.probability[entry])
    return answers._replace(probability=out)


def means(answers: Answers) -> Floats:
    """Mean of each row's distribution."""
    return np.add.reduceat(answers.value * answers.probability, answers.start[:-1]) if len(answers.start) > 1 else np.zeros(0)


def medians(answers: Answers) -> Floats:
    """Median of each row's distribution: the lowest value with at least half of the mass at or below it."""
    out = np.zeros(len(answers.start) - 1)
    for some in answers.slices():  # also keeps the running total short, and with it its rounding error
        start = answers.start[some.start : some.stop + 1] - answers.start[some.start]
        _, value, probability = answers.part(some)
        running = np.cumsum(probability)
        before = running[start[1:] - 1] - np.add.reduceat(probability, start[:-1])
        half = before + np.add.reduceat(probability, start[:-1]) / 2
        reached = np.flatnonzero(running >= np.repeat(half, np.diff(start)) - 1e-9)
        out[some] = value[reached[np.searchsorted(reached, start[:-1])]]
    return out


def _gather(cells: Cells, code: Ints, value: Floats, mass: Floats) -> Mass:
    """Add up equal answers of a sub-cell. Only whole numbers on a stated scale are gathered, the rest stays as it came."""
    span = np.where(cells.bounded, cells.high - cells.low, -1.0)
    size = np.where(span <= 10_000, span + 1, 0.0).astype(np.int64)
    index = value - cells.low[code]
    dense = (index >= 0) & (index < size[code]) & (index == np.rint(index))
    first = np.cumsum(size) - size
    place = first[code[dense]] + index[dense].astype(np.int64)
    total = np.bincount(place, weights=mass[dense], minlength=int(size.sum()))
    owner = np.repeat(np.arange(cells.n_sub), size)
    answer = cells.low[owner] + np.arange(len(owner)) - first[owner]
    loose = ~dense
    return Mass(
        np.concatenate([owner, code[loose]]), np.concatenate([answer, value[loose]]), np.concatenate([total, mass[loose]])
    )  # fmt: skip
