"""Cross-tables for an agent: counts of people by the codes of two columns, none of which gives away fewer than ten of them.

Small counts are held back, and further ones with them, until linear programming shows that whoever knows all other counts and the margins
still cannot tell a small one: between the least and the most that it may be lie ten people at least.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..profiling.parts import parts
from ..small_counts import FEW

MAX_CODES: Final = 25
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def tabulate(payload: dict[str, Any]) -> dict[str, Any]:
    """Task of the child: counts by the codes of two columns, small ones held back.

    Args:
        payload: `path`, `member`, `sheet`; `rows` and `columns`: {"name", "codes", "margins"}: the codes to tell apart (everything else is
            one more line) and their counts as told elsewhere, None where they are not told (one more for everything else).

    Returns:
        `cells`: lists of counts, None where a count is held back; or None where the table as a whole gives too much away.
    """
    table = next(
        part.raw.data for part in parts(Path(payload["path"]))[0] if (part.member, part.sheet) == (payload["member"], payload["sheet"])
    )
    down, across = payload["rows"], payload["columns"]
    places = [_places(table.column(one["name"]).to_pylist(), one["codes"]) for one in (down, across)]
    counts = np.zeros((len(down["codes"]) + 1, len(across["codes"]) + 1), np.int64)
    np.add.at(counts, tuple(places), 1)
    hidden = suppressed(counts, [_told(down["margins"]), _told(across["margins"])])
    if hidden is None:
        return {"cells": None}
    return {"cells": [[None if gone else int(n) for n, gone in zip(*pair, strict=True)] for pair in zip(counts, hidden, strict=True)]}


def _places(values: Sequence[Any], codes: Sequence[Any]) -> Ints:
    """The place of each person's code; everything that is not listed comes last."""
    place = {code: number for number, code in enumerate(codes)}
    return np.array([place.get(value, len(codes)) for value in values], np.int64)


def _told(margins: Sequence[int | None]) -> Mask:
    return np.array([n is not None for n in margins], np.bool_)


def suppressed(counts: Ints, told: Sequence[Mask]) -> Mask | None:
    """Which counts of a table must be held back.

    Args:
        counts: shape (rows, columns).
        told: for rows and columns, which sums are known to whoever sees the table.

    Returns:
        A mask of the same shape; None where even a table without any count gives a small one away.
    """
    small = (counts > 0) & (counts < FEW)
    hidden = small.copy()
    for cell in np.argwhere(small):  # hiding more never makes a cell easier to tell
        while _width(counts, hidden, told, tuple(cell)) < FEW:
            further = _next(counts, hidden, *cell)
            if further is None:
                return None
            hidden[further] = True
    return hidden


def _next(counts: Ints, hidden: Mask, row: int, column: int) -> tuple[int, int] | None:
    """The smallest count still shown: in the line of the cell with fewer hidden ones, or else anywhere."""
    free = (counts > 0) & ~hidden
    in_row, in_column, anywhere = np.zeros_like(free), np.zeros_like(free), np.ones_like(free)
    in_row[row], in_column[:, column] = True, True
    fewer_first = (in_row, in_column) if hidden[row].sum() <= hidden[:, column].sum() else (in_column, in_row)
    for line in (*fewer_first, anywhere):
        cells = np.argwhere(free & line)
        if len(cells):
            best = min(cells, key=lambda cell: (int(counts[tuple(cell)]), *map(int, cell)))
            return int(best[0]), int(best[1])
    return None


def _width(counts: Ints, hidden: Mask, told: Sequence[Mask], cell: tuple[int, ...]) -> float:
    """Between the least and the most people that a hidden cell may hold for somebody who sees the rest."""
    from scipy.optimize import linprog

    cells = [tuple(one) for one in np.argwhere(hidden)]
    target = cells.index(cell)
    equations, sums = [], []
    for axis, known in enumerate(told):
        for line in np.flatnonzero(known):
            members = [float(one[axis] == line) for one in cells]
            if any(members):
                equations.append(members)
                sums.append(float(sum(counts[one] for one in cells if one[axis] == line)))
    equations.append([1.0] * len(cells))  # how many people there are is known
    sums.append(float(sum(counts[one] for one in cells)))
    goal = np.zeros(len(cells))
    goal[target] = 1.0
    ends = []
    for sign in (1.0, -1.0):
        solved = linprog(sign * goal, A_eq=np.array(equations), b_eq=np.array(sums), bounds=(1, None), method="highs")
        if solved.fun is None:
            return 0.0
        ends.append(float(solved.fun) * sign)
    return ends[1] - ends[0]


def margins(shown: Mapping[Any, int | None], codes: Sequence[Any]) -> list[int | None]:
    """The sums of a table's lines as a variable's own counts tell them: of each code, and of everything else together."""
    rest = [n for code, n in shown.items() if code not in codes]
    return [*(shown.get(code) for code in codes), sum(n for n in rest if n is not None) if None not in rest else None]
