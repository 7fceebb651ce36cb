"""The self-check against what others measured: every figure on a dataset small enough to work out by hand or with scipy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from socsci210 import catalogue
from socsci210.audit.parity import FIGURES, ParityLine, parity
from socsci210.errors import DatasetError
from socsci210.metrics.socsci210.cells import MOST_LEVELS

from .scored_dataset import row, write_dataset

STATED, ON_SCALE, CONTINUOUS = (name for name in FIGURES if name.startswith("uniform"))


def cell(study: str, condition: int, answers: list[int], **more: Any) -> list[dict[str, Any]]:
    """Unseen rows of one cell."""
    return [row(study, condition, answer, **{"split": "test"} | more) for answer in answers]


def found(folder: Path, rows: list[dict[str, Any]], *, step: int = 1) -> dict[str, float | None]:
    return {line.figure: line.found for line in parity(write_dataset(folder, rows, step=step), {})}


def clipped(values: Any, low: float, high: float) -> Any:
    return np.clip((np.asarray(values, float) - low) / (high - low), 0, 1)


@pytest.fixture
def mixed(tmp_path: Path) -> dict[str, float | None]:
    """A study with a shifted and a constant cell, one without bounds, one whose cell mixes scales, and a seen one."""
    return found(
        tmp_path / "dataset",
        [
            *cell("a", 0, [1, 1, 2, 2], low=1, high=2),
            *cell("a", 1, [3, 4, 3, 4], low=1, high=2),
            *cell("a", 0, [3, 3], task=1, low=1, high=5),
            *cell("b", 0, [0, 10], low=None, high=None),
            *cell("b", 1, [0, 100], low=None, high=None),
            *cell("c", 0, [1, 2], item=0, low=1, high=2),
            *cell("c", 0, [0, 10], item=1, low=0, high=10),
            *[row("d", 0, answer, person=0) for answer in (1, 2, 3)],
        ],
    )


def test_counts(mixed: dict[str, float | None]) -> None:
    counts = {name: value for name, value in mixed.items() if not name.startswith("uniform")}
    assert counts == {
        "rows": 21,
        "studies": 4,
        "people": 19,
        "conditions": 6,
        "tasks": 5,
        "cells": 7,
        "unseen_rows": 18,
        "unseen_cells": 6,
        "scorable_cells": 5,
        "stated_rows": 14,
        "stated_cells": 5,
    }


def test_stated_scale(mixed: dict[str, float | None]) -> None:
    hundred, ten = np.linspace(0, 1, 101), np.linspace(0, 1, 11)
    a = np.mean([0, 0.3])  # the shifted cell has vanished; a constant answer counts
    b = np.mean([wasserstein_distance(hundred, [0, 0.1]), wasserstein_distance(hundred, [0, 1])])  # on the range of both conditions
    c = np.mean([0, wasserstein_distance(ten, [0, 1])])  # the scales apart, averaged into one cell
    assert mixed[STATED] == pytest.approx(np.mean([a, b, c]), abs=1e-6)


def test_observed_range_of_the_rows_on_scale(mixed: dict[str, float | None]) -> None:
    b = np.mean([wasserstein_distance(clipped(range(101), 0, 10), [0, 1]), wasserstein_distance(clipped(range(101), 0, 100), [0, 1])])
    guess, weight = clipped([1, 2, *range(11)], 0, 10), [1 / 2] * 2 + [1 / 11] * 11
    c = wasserstein_distance(guess, clipped([1, 2, 0, 10], 0, 10), weight)
    assert mixed[ON_SCALE] == pytest.approx(np.mean([0, b, c]), abs=1e-6)


def test_observed_range_of_all_rows_continuous(mixed: dict[str, float | None]) -> None:
    points = (np.arange(100_000) + 0.5) / 100_000
    c = wasserstein_distance(points, clipped([1, 2, 0, 10], 0, 10))
    assert mixed[CONTINUOUS] == pytest.approx(np.mean([0.25, 0.25, c]), abs=1e-5)


def test_cells_are_averaged_in_a_study_then_studies(tmp_path: Path) -> None:
    rows = [line for condition in range(9) for line in cell("a", condition, [1, 2], low=1, high=2)]
    assert found(tmp_path / "dataset", [*rows, *cell("b", 0, [1, 1], low=1, high=2)])[STATED] == pytest.approx(0.25)


def test_steps_of_a_scale_are_the_only_guesses(tmp_path: Path) -> None:
    value = found(tmp_path / "dataset", cell("a", 0, [0, 1000], low=0, high=1000), step=100)[STATED]
    assert value == pytest.approx(wasserstein_distance(np.linspace(0, 1, 11), [0, 1]), abs=1e-6)


def test_an_answer_between_two_steps_is_off_the_scale(tmp_path: Path) -> None:
    figures = found(tmp_path / "dataset", cell("a", 0, [0, 1000, 150], low=0, high=1000), step=100)
    assert (figures["unseen_rows"], figures["stated_rows"]) == (3, 2)


def test_a_scale_of_millions_is_guessed_at_evenly_spaced_values(tmp_path: Path) -> None:
    value = found(tmp_path / "dataset", cell("a", 0, [0, 0], low=0, high=60_100_000))[STATED]
    assert value == pytest.approx(0.5, abs=1 / MOST_LEVELS)


def test_nothing_unseen_and_nothing_on_scale(tmp_path: Path) -> None:
    seen = found(tmp_path / "seen", [row("a", 0, 1)])
    assert (seen["rows"], seen["unseen_rows"], seen[STATED]) == (1, 0, None)
    same = found(tmp_path / "same", cell("a", 0, [7, 7], low=None, high=None))
    assert (same["unseen_cells"], same["stated_rows"], same[STATED], same[CONTINUOUS]) == (1, 0, None, None)


def test_lines_say_what_matches(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "dataset", cell("a", 0, [1, 2], low=1, high=2))
    wanted = tmp_path / "expected.json"
    wanted.write_text(json.dumps({"rows": 2, "cells": 3, CONTINUOUS: 0.2505, ON_SCALE: 0.0011}))
    lines = {line.figure: line for line in parity(folder, wanted)}
    assert list(lines) == list(FIGURES)
    assert lines["rows"] == ParityLine("rows", "rows", 2, 2, 0.0, True)
    assert (lines["cells"].match, lines["people"].match) == (False, None)
    assert (lines[CONTINUOUS].match, lines[ON_SCALE].match) == (True, False)


def test_the_real_release_is_expected_unless_told_otherwise(tmp_path: Path) -> None:
    lines = {line.figure: line for line in parity(write_dataset(tmp_path / "dataset", cell("a", 0, [1, 2], low=1, high=2)))}
    assert {name: line.expected for name, line in lines.items()} == {
        "rows": 2_901_390,
        "studies": 210,
        "people": 400_491,
        "conditions": 1194,
        "tasks": 1197,
        "cells": 5998,
        "unseen_rows": 482_642,
        "unseen_cells": 803,
        "scorable_cells": 801,
        "stated_rows": 482_642 - 9809,
        "stated_cells": 798,
        STATED: 0.1678,
        ON_SCALE: 0.2015,
        CONTINUOUS: 0.1973,
    }
    assert sum(entry.rows for entry in catalogue.select(split="unseen")) == lines["unseen_rows"].expected
    assert not any(line.match for line in lines.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"row": 1}', "no figure is called 'row'"),
        ('{"rows": "many"}', "rows is 'many'\n  Expected: a number"),
        ('{"rows": true}', "rows is True"),
        ("[1]", "holds a list\n  Expected: a JSON object"),
        ("{", "does not read"),
    ],
)
def test_expectations_that_do_not_read_are_refused(tmp_path: Path, text: str, message: str) -> None:
    folder = write_dataset(tmp_path / "dataset", cell("a", 0, [1, 2]))
    wanted = tmp_path / "expected.json"
    wanted.write_text(text)
    with pytest.raises(DatasetError, match=message):
        parity(folder, wanted)
    with pytest.raises(DatasetError, match="does not read"):
        parity(folder, tmp_path / "missing.json")
