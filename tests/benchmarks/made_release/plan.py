"""How large every study of the made release is: rows, people, conditions, outcomes, cells, and who meets what.

At full size the totals are those of the release. A smaller release keeps the studies and the rows per person, and has fewer people; where
these no longer fill the cells, fewer conditions and outcomes too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np

from . import facts

Design = Literal["between", "within", "reuse", "conjoint"]
SMALLEST: Final = 110  # rows of the smallest study of a small release
FEWEST_ROWS: Final = 30_000
CONJOINTS: Final = ("hjn6m", "4gczb", "8ctbk", "qprms", "6wbd7")
TWINS: Final = ("bwgjp", "a7uk3")
SISTERS: Final = ("nprqu", "y9nb7")
FORCED_REUSE: Final = (*CONJOINTS, "nj5dx", "345ms", "egmxd", "v6kqy", "4fsg5")
FORCED_BETWEEN: Final = ("9nphm", "z358z", "sd7cf", "evnyh", "b87sm", "53kjy", "cdgp2", "ndhyr", "z6gts", "9263n", *TWINS, *SISTERS)
SPARSE: Final = {"4nyuc": (1, 3, 5, 7), "z6gts": (1,), "jtgyq": (1, 2), "v6kqy": (1, 2, 3, 4)}


@dataclass(frozen=True)
class Plan:
    """One study. `asked[c]`: outcomes asked in condition c (by position); outcome 0 is asked in all of them."""

    study_id: str
    unseen: bool
    rows: int
    people: int
    condition_nums: tuple[int, ...]
    tasks: int
    asked: tuple[tuple[int, ...], ...]
    design: Design

    @property
    def cells(self) -> int:
        """Cells of the study."""
        return sum(map(len, self.asked))


@dataclass
class _Size:
    rows: int
    people: int
    conditions: int
    tasks: int
    design: Design
    dropped: int = 0

    @property
    def most(self) -> int:
        """Rows of the busiest person."""
        return -(-self.rows // self.people)

    @property
    def cells(self) -> int:
        return self.conditions * self.tasks - self.dropped


@lru_cache(maxsize=2)
def plans(rows: int = facts.TOTAL_ROWS) -> tuple[Plan, ...]:
    """The 210 studies of a release of `rows` rows, in file order.

    Raises:
        ValueError: fewer rows than 210 studies with their defects can hold.
    """
    if not FEWEST_ROWS <= rows <= facts.TOTAL_ROWS:
        raise ValueError(f"--rows {rows}: a made release has {FEWEST_ROWS:,} to {facts.TOTAL_ROWS:,} rows")
    sizes = _full()
    if rows < facts.TOTAL_ROWS:
        sizes = _scaled(sizes, rows)
    return tuple(_plan(study, size) for study, size in sizes.items())


def _plan(study: str, size: _Size) -> Plan:
    nums = SPARSE.get(study, tuple(range(size.conditions)))[: size.conditions]
    asked = [list(range(size.tasks)) for _ in nums]
    for n in range(size.dropped):  # one outcome of a condition, another in the next one; outcome 0 never
        asked[n].remove(1 + n % (size.tasks - 1))
    return Plan(study, study in facts.UNSEEN, size.rows, size.people, nums, size.tasks, tuple(map(tuple, asked)), size.design)


# --- full size -----------------------------------------------------------------------------------------------------------------------


def _full() -> dict[str, _Size]:
    rng = np.random.default_rng(210)  # sizes are facts of the release: no seed of the user's changes them
    people = _people(rng)
    designs = _designs({study: facts.ROWS[study] / people[study] for study in facts.ROWS}, rng)
    conditions = _conditions(rng)
    sizes = {s: _Size(facts.ROWS[s], people[s], conditions[s], 1, designs[s]) for s in facts.ROWS}
    for study, size in sizes.items():
        size.tasks = max(_fewest_tasks(size), facts.TASKS.get(study, 1))
    for first, second in (TWINS, SISTERS):
        sizes[first].tasks = sizes[second].tasks = max(sizes[first].tasks, sizes[second].tasks)
    _fill_tasks(sizes)
    _fill_cells(sizes)
    return sizes


def _people(rng: np.random.Generator) -> dict[str, int]:
    """About 1,950 people in every study, never more than its rows, 400,491 in all; twins have the same."""
    wanted = {s: facts.PEOPLE.get(s, 0) or min(1950 * np.exp(rng.normal(0, 0.18)), 0.97 * n) for s, n in facts.ROWS.items()}
    free = [s for s in facts.ROWS if s not in facts.PEOPLE and s not in TWINS and wanted[s] < 0.9 * facts.ROWS[s]]
    wanted[TWINS[1]] = wanted[TWINS[0]]
    factor = (facts.TOTAL_PEOPLE - sum(n for s, n in wanted.items() if s not in free)) / sum(wanted[s] for s in free)
    people = {s: int(min(n * factor, 0.97 * facts.ROWS[s]) if s in free else n) for s, n in wanted.items()}
    left = facts.TOTAL_PEOPLE - sum(people.values())
    roomy = [s for s in free if people[s] < 0.8 * facts.ROWS[s]]
    for n, study in enumerate(roomy):
        people[study] += left // len(roomy) + (n < left % len(roomy))
    return people


def _designs(per_person: dict[str, float], rng: np.random.Generator) -> dict[str, Design]:
    designs: dict[str, Design] = dict.fromkeys(per_person, "between")
    order = sorted(per_person, key=lambda s: (s not in FORCED_REUSE, -per_person[s]))
    for side, number in facts.REUSED.items():
        open_ = [s for s in order if (s in facts.UNSEEN) == (side == "unseen") and s not in FORCED_BETWEEN]
        designs.update(dict.fromkeys(open_[:number], "reuse"))
    designs.update(dict.fromkeys(CONJOINTS, "conjoint"))
    open_ = [s for s in order if designs[s] == "between" and s not in FORCED_BETWEEN and s not in facts.PEOPLE]
    open_ = [s for s in open_ if per_person[s] >= 2 and facts.CONDITIONS.get(s, 3) in range(2, 7) and s not in SPARSE]
    designs.update(dict.fromkeys([str(s) for s in rng.permutation(open_)[: facts.WITHIN]], "within"))
    return designs


def _conditions(rng: np.random.Generator) -> dict[str, int]:
    free = [s for s in facts.ROWS if s not in facts.CONDITIONS and s not in TWINS]
    found = {s: facts.CONDITIONS.get(s, 4) for s in facts.ROWS}
    found.update({s: int(n) for s, n in zip(free, rng.choice([2, 3, 4, 5, 6, 8], len(free)), strict=True)})
    found[SISTERS[1]] = found[SISTERS[0]]
    free = [s for s in free if s not in SISTERS]
    while (off := facts.TOTAL_CONDITIONS - sum(found.values())) != 0:
        study = free[int(rng.integers(len(free)))]
        if off > 0 or found[study] > 2:
            found[study] += 1 if off > 0 else -1
    return found


def _fewest_tasks(size: _Size) -> int:
    """Outcomes that it takes for nobody to meet an outcome twice, where nobody should; two where one is repeated."""
    if size.design == "between":
        return size.most
    if size.design == "within":
        return max(2, -(-size.most // size.conditions))
    return 2


def _most_tasks(size: _Size) -> int:
    """Outcomes that people and rows can fill with at least a dozen answers in each cell."""
    by_rows = size.rows // (12 * size.conditions)
    return min(by_rows, size.most - 1) if size.design in ("reuse", "conjoint") else by_rows


def _fill_tasks(sizes: dict[str, _Size]) -> None:
    """1,197 outcomes in all. Each goes where it brings the number of cells nearest to the release's, a few cells over rather than under."""
    totals = {True: facts.UNSEEN_CELLS + 25, False: facts.TOTAL_CELLS - facts.UNSEEN_CELLS + 150}
    sides = {side: [s for s in sizes if (s in facts.UNSEEN) == side] for side in totals}
    free = [s for s in sizes if s not in (*TWINS, *SISTERS) and s not in facts.TASKS]
    left = facts.TOTAL_TASKS - sum(size.tasks for size in sizes.values())
    for n in range(left):
        missing = {side: total - sum(sizes[s].cells for s in sides[side]) for side, total in totals.items()}
        side = missing[True] * 4 > missing[False]
        wanted = max(missing.values()) / (left - n)
        open_ = [s for s in free if sizes[s].tasks < min(_most_tasks(sizes[s]), 12)]
        study = min(open_, key=lambda s: ((s in facts.UNSEEN) != side, abs(sizes[s].conditions - wanted - 1), sizes[s].tasks))
        sizes[study].tasks += 1


def _fill_cells(sizes: dict[str, _Size]) -> None:
    """Leaves out the cells that are too many: at most one in a condition, of studies whose people have enough other outcomes."""
    for unseen, total in ((True, facts.UNSEEN_CELLS), (False, facts.TOTAL_CELLS - facts.UNSEEN_CELLS)):
        side = [z for s, z in sizes.items() if (s in facts.UNSEEN) == unseen and s not in TWINS]
        excess = sum(z.cells for s, z in sizes.items() if (s in facts.UNSEEN) == unseen) - total
        for size in (z for z in side if z.design == "reuse" and z.conditions > 1 and z.tasks > 2):
            size.dropped = min(size.conditions, excess)
            excess -= size.dropped
        if excess:
            raise AssertionError(f"{excess} cells too many: the sizes of the studies changed")


# --- smaller -------------------------------------------------------------------------------------------------------------------------


def _scaled(sizes: dict[str, _Size], rows: int) -> dict[str, _Size]:
    """Every study gets `SMALLEST` rows, and its share of the rest."""
    share = (rows - SMALLEST * len(sizes)) / facts.TOTAL_ROWS
    wanted = {s: SMALLEST + int(size.rows * share) for s, size in sizes.items()}
    for study in list(sizes)[: rows - sum(wanted.values())]:
        wanted[study] += 1
    wanted[TWINS[1]], spare = wanted[TWINS[0]], wanted[TWINS[1]] - wanted[TWINS[0]]
    wanted["egmxd"] += spare
    smaller = {s: _smaller(size, wanted[s]) for s, size in sizes.items()}
    alike: set[tuple[int, ...]] = set()
    for study, size in smaller.items():  # only the twins have all four counts in common
        while study not in TWINS and (size.rows, size.people, size.conditions, size.tasks) in alike:
            size.people += 1
        alike.add((size.rows, size.people, size.conditions, size.tasks))
    return smaller


def _smaller(full: _Size, rows: int) -> _Size:
    size = _Size(rows, max(3, round(rows * full.people / full.rows)), full.conditions, full.tasks, full.design, full.dropped)
    size.people = max(size.people, -(-rows // full.most))  # nobody is busier than at full size
    while size.rows < 5 * size.conditions * size.tasks or size.people < 3 * size.conditions:
        fewer = size.conditions > 2 and (size.design != "within" or size.most <= (size.conditions - 1) * size.tasks)
        if fewer and (size.conditions * 2 >= size.tasks or size.tasks <= _fewest_tasks(size)):
            size.conditions -= 1
        elif size.tasks > _fewest_tasks(size):
            size.tasks -= 1
        else:
            break
    size.dropped = min(size.dropped, size.conditions) if size.tasks > 2 and size.conditions > 1 else 0
    return size
