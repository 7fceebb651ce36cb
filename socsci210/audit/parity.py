"""Is this dataset the one that others measured? Counts and the model-free distance of a uniform guess, beside what they found.

Nobody published the scorer of the release. Others inferred its convention from the distance W of a uniform guess on the unseen studies, and
found how far each choice moves it (KITE: two variants, UserSim: the third). The figures here follow their statements:

`uniform_w_stated` (0.1678, 798 cells): each answer is placed on the scale that its own stimulus states; answers off that scale, or between
two of its values, are dropped; the guess is uniform over its values. A row whose stimulus states no scale is placed on the range of such
answers to the same outcome in all conditions. Cells with one constant answer count, which is what the kept rows of the release (all but
9,809) and the cells that vanish with the others (5 of 803) suggest.

`uniform_w_observed_on_scale` (0.2015): the same rows and the same guess, but each cell is measured on the range between the lowest and the
highest answer that people gave in it, with what lies outside clipped to its ends; a cell without two different answers has no range.

`uniform_w_observed_continuous` (0.1973): all rows, each cell on its observed range, the guess continuous between its ends.

Where the items of a cell state several scales, their statements leave room. The first variant scores the rows of each scale apart and
averages them into the cell, as convention `stated` does. The second pools all rows of a cell and lets the guess be a mixture, each row
guessed on its own scale. Cells are averaged in a study, then studies, unweighted.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..dataset_folder import DatasetFolder
from ..errors import DatasetError
from ..metrics.socsci210 import cells as maths
from ..metrics.socsci210.cells import Cells, Floats, Ints
from ..metrics.socsci210.distances import uniform_distance

FIGURES: Final = {
    "rows": "rows",
    "studies": "studies",
    "people": "people: (study, participant)",
    "conditions": "conditions: (study, condition)",
    "tasks": "outcomes: (study, outcome)",
    "cells": "cells: (study, condition, outcome)",
    "unseen_rows": "rows of unseen studies",
    "unseen_cells": "cells of unseen studies",
    "scorable_cells": "of them with two rows or more and not one constant answer",
    "stated_rows": "rows of unseen studies that lie on their scale",
    "stated_cells": "cells of unseen studies with such rows",
    "uniform_w_stated": "W of a uniform guess, stated scale, off-scale answers dropped",
    "uniform_w_observed_on_scale": "W of a uniform guess, observed range, the same rows",
    "uniform_w_observed_continuous": "W of a uniform guess, observed range, all rows, continuous",
}
TOLERANCE: Final = 0.001  # of a W: others gave four digits, and some of them drew answers, which alone moves it by up to 0.0007

_COLUMNS: Final = ["participant", "condition_num", "task_num", "item_num", "response", "scale_min", "scale_max"]
_COUNTS: Final = ("rows", "people", "conditions", "tasks", "cells")


@dataclass(frozen=True)
class ParityLine:
    """One figure beside what others found. `match` is None where nothing is expected."""

    figure: str
    meaning: str
    found: float | None
    expected: float | None
    tolerance: float
    match: bool | None


class _Study(NamedTuple):
    """What one study adds: counts, cells by kind, and its three distances (nan where it has none)."""

    counts: dict[str, int]
    distances: Floats


class _Held(NamedTuple):
    """Rows of one study as arrays of shape (rows,); nan bounds where a row has no scale."""

    condition: Ints
    task: Ints
    response: Floats
    low: Floats
    high: Floats
    step: Floats

    def where(self, keep: NDArray[np.bool_]) -> _Held:
        """Some of the rows."""
        return _Held(
            self.condition[keep], self.task[keep], self.response[keep], self.low[keep], self.high[keep], self.step[keep]
        )  # fmt: skip

    @property
    def cells(self) -> Cells:
        """Their cells, on each of the scales that they have."""
        return maths.cells_of(np.zeros(len(self.task), np.int64), self.condition, self.task, self.low, self.high, self.step)


def parity(dataset: Path, expected: Mapping[str, float] | Path | None = None) -> tuple[ParityLine, ...]:
    """Every figure of `FIGURES` of a dataset folder, beside its expected value. Reads the rows study by study.

    Args:
        dataset: the dataset folder; its unseen studies are the test side of `unseen_studies`.
        expected: values by name of figure, or a JSON file of them; default: what others found on the real release.

    Raises:
        DatasetError: no dataset, an expectation that does not read, or one of a figure that is not known.
    """
    wanted = _expected(expected)
    found = measure(DatasetFolder(dataset))
    return tuple(_line(figure, found[figure], wanted.get(figure)) for figure in FIGURES)


def measure(folder: DatasetFolder) -> dict[str, float]:
    """Every figure of `FIGURES`; a distance is nan where no cell can be measured."""
    total: dict[str, float] = dict.fromkeys((name for name in FIGURES if not name.startswith("uniform")), 0)
    distances = []
    for study in _studies(folder):
        for name, n in study.counts.items():
            total[name] += n
        distances.append(study.distances)
    each = np.array(distances).reshape(-1, 3)
    for i, name in enumerate(name for name in FIGURES if name.startswith("uniform")):
        known = each[np.isfinite(each[:, i]), i]
        total[name] = float(known.mean()) if len(known) else float("nan")
    return total


def _studies(folder: DatasetFolder) -> Iterator[_Study]:
    steps = _steps(folder)
    for study in folder.studies:
        whole = folder.rows(columns=_COLUMNS, studies=[study])
        held = folder.rows("unseen_studies", "test", _COLUMNS, [study])
        counts, distances = _measure_held(_held(held, steps.get(study, {})))
        yield _Study({"studies": 1, **_counts(whole), **counts}, distances)


def _counts(table: pa.Table) -> dict[str, int]:
    keys = (["participant"], ["condition_num"], ["task_num"], ["condition_num", "task_num"])
    return dict(zip(_COUNTS, (table.num_rows, *(table.group_by(key).aggregate([]).num_rows for key in keys)), strict=True))


def _steps(folder: DatasetFolder) -> dict[str, dict[tuple[int, int, int], int]]:
    """Scales whose values are more than one apart: study -> (condition, outcome, item) -> step."""
    names = ["study_id", "condition_num", "task_num", "item_num", "scale_step"]
    table = folder.table("outcomes", names)
    found: dict[str, dict[tuple[int, int, int], int]] = defaultdict(dict)
    for study, condition, task, item, step in zip(*(c.to_pylist() for c in table.columns), strict=True):
        if (step or 1) > 1:
            found[study][condition, task, item] = step
    return found


def _held(table: pa.Table, steps: Mapping[tuple[int, int, int], int]) -> _Held:
    """Rows as arrays. Where the stimulus states no scale: the range of such answers to the same outcome."""
    condition, task, item, response = (table.column(name).to_numpy() for name in _COLUMNS[1:5])
    low, high = (pc.cast(table.column(name), pa.float64(), safe=False).to_numpy() for name in _COLUMNS[5:])
    low, high = np.array(low, np.float64), np.array(high, np.float64)
    step = np.ones(len(task))
    for (c, t, i), by in steps.items():
        step[(condition == c) & (task == t) & (item == i)] = by
    answer = response.astype(np.float64)
    open_ended = ~np.isfinite(low)
    for t in np.unique(task[open_ended]):
        own = open_ended & (task == t)
        if answer[own].max() > answer[own].min():
            low[own], high[own] = answer[own].min(), answer[own].max()
    return _Held(condition, task, answer, low, high, step)


def _measure_held(rows: _Held) -> tuple[dict[str, int], Floats]:
    """Counts of the unseen rows, and the distances in the order of `FIGURES`."""
    everyone = rows.cells
    on_scale = rows.where(maths.on_scale(everyone, rows.response) & np.isfinite(rows.low))
    kept = on_scale.cells
    ruler = maths.published_ruler(everyone, rows.response)
    n_people = np.bincount(everyone.cell, weights=everyone.n, minlength=everyone.n_cells)
    counts = {
        "unseen_rows": len(rows.response),
        "unseen_cells": everyone.n_cells,
        "scorable_cells": int((np.isfinite(ruler.low) & (n_people >= 2)).sum()),
        "stated_rows": len(on_scale.response),
        "stated_cells": kept.n_cells,
    }
    human = maths.people(kept, on_scale.response)
    guess = maths.uniform(kept, kept.low, kept.high)
    stated = maths.mean_by(kept.cell, maths.distance(maths.stated_ruler(kept, kept.low, kept.high), guess, human), kept.n_cells)
    observed = maths.distance(maths.published_ruler(kept, on_scale.response), guess, human)
    group = everyone.cell[everyone.code]
    usable = np.isfinite(ruler.low[group])
    group, answer = group[usable], rows.response[usable]
    place = (answer - ruler.low[group]) / (ruler.high[group] - ruler.low[group])
    continuous = uniform_distance(group, place, np.ones(len(group)), everyone.n_cells)
    return counts, np.array([_mean(cell) for cell in (stated, observed, continuous)])


def _mean(cell: Floats) -> float:
    known = cell[np.isfinite(cell)]
    return float(known.mean()) if len(known) else float("nan")


def _line(figure: str, found: float, expected: float | None) -> ParityLine:
    is_distance = figure.startswith("uniform")
    tolerance = TOLERANCE if is_distance else 0.0
    value = None if found != found else round(found, 6) if is_distance else found
    match = None if expected is None else value is not None and abs(value - expected) <= tolerance + 1e-12
    return ParityLine(figure, FIGURES[figure], value, expected, tolerance, match)


def _expected(expected: Mapping[str, float] | Path | None) -> Mapping[str, float]:
    if expected is None:
        known: dict[str, Any] = json.loads((files("socsci210") / "data" / "release.json").read_text(encoding="utf-8"))
        return {name: value for name, value in {**known["counts"], **known["parity"]}.items() if name in FIGURES}
    if isinstance(expected, Mapping):
        return _checked(expected, "expected")
    shape = f"a JSON object of figures and numbers, such as {{{json.dumps('rows')}: 2901390}}"
    try:
        found = json.loads(Path(expected).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"does not read ({error})", where=str(expected), expected=shape) from error
    if not isinstance(found, dict):
        raise DatasetError(f"holds a {type(found).__name__}", where=str(expected), expected=shape)
    return _checked(found, str(expected))


def _checked(found: Mapping[str, Any], where: str) -> Mapping[str, float]:
    for name, value in found.items():
        if name not in FIGURES:
            raise DatasetError(f"no figure is called {name!r}", where=where, expected=f"some of {', '.join(FIGURES)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise DatasetError(f"{name} is {value!r}", where=where, expected="a number")
    return found
