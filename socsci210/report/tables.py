"""The long tables of the page as one block of numbers: the script writes their rows when a reader opens them.

As mark-up they weigh several times as much, and a browser lays out every one of their cells before it shows anything.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final

from ..results import CellExample, CellScore, Contrast
from .view import Page

Column = tuple[str, list[Any]]
SCALE: Final = 1000  # figures travel as whole thousandths: the page shows three digits


class _Once:
    """Values that occur often, each stored once and named by its place."""

    def __init__(self) -> None:
        self._place: dict[Hashable, int] = {}

    def __call__(self, value: Hashable) -> int:
        return self._place.setdefault(value, len(self._place))

    @property
    def values(self) -> list[Hashable]:
        return list(self._place)


def embedded(page: Page) -> str:
    """The block as JSON that no text of a study can end: it holds no `<`.

    `tables` maps the id of a table's body to its columns, each a kind and its values: `w` places in `words`, `i` whole numbers, `f`
    figures in thousandths, `s` the same with a sign, `k` a signed figure in bold. `numbers` maps the id of a list of cells to one entry a
    cell: place of its answers in `supports`, place of their labels in `labels`, shares of people, shares of the model.
    """
    words, supports, labels = _Once(), _Once(), _Once()
    tables: dict[str, list[Column]] = {}
    numbers: dict[str, list[Any]] = {}
    for block in page.blocks:
        if block.cells:
            numbers[f"{block.id}-cards"] = [_numbers(one, supports, labels) for one, _ in block.cells]
        if block.run.cells:
            tables[f"{block.id}-cell-rows"] = _cells(block.run.cells, words)
        if block.contrasts:
            tables[f"{block.id}-effect-rows"] = _contrasts(block.contrasts, words)
    found = {"words": words.values, "supports": supports.values, "labels": labels.values, "tables": tables, "numbers": numbers}
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _numbers(one: CellExample, supports: _Once, labels: _Once) -> list[Any]:
    named = tuple(one.labels) if any(one.labels) else ()
    return [supports(tuple(one.support)), labels(named), _thousandths(one.human), _thousandths(one.model)]


def _cells(cells: Sequence[CellScore], words: _Once) -> list[Column]:
    return [
        ("w", [words(one.study_id) for one in cells]),
        ("w", [words(f"{one.condition_num}, {one.task_num}") for one in cells]),
        ("w", [words(f"{one.scale_min:g} to {one.scale_max:g}") for one in cells]),
        ("i", [one.n for one in cells]),
        ("f", _thousandths(one.W for one in cells)),
        ("f", _thousandths(one.noise_floor for one in cells)),
        ("f", _thousandths(one.chance for one in cells)),
    ]


def _contrasts(contrasts: Sequence[Contrast], words: _Once) -> list[Column]:
    return [
        ("w", [words(one.label) for one in contrasts]),
        ("w", [words(one.study_id) for one in contrasts]),
        ("s", _thousandths(one.human for one in contrasts)),
        ("f", _thousandths(one.human_se for one in contrasts)),
        ("k", _thousandths(one.model for one in contrasts)),
        ("w", [words("yes" if one.reliable else "no") for one in contrasts]),
        ("w", [words(one.design) for one in contrasts]),
    ]


def _thousandths(values: Iterable[float]) -> list[int]:
    """Rounded as the rest of the page rounds: through its decimal form."""
    return [round(float(f"{value:.3f}") * SCALE) for value in values]
