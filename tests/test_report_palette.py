"""Colours of the page: text reads on what is behind it, and marks are told apart by people who do not see red or green."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import combinations

import pytest

TEMPLATES = files("socsci210") / "templates"
FIGURES = (TEMPLATES / "figures.css.jinja").read_text(encoding="utf-8")
PAGE = (TEMPLATES / "report.css.jinja").read_text(encoding="utf-8")
DARK = PAGE.split("prefers-color-scheme: dark")[1].split("\n}")[0]
LIGHT = PAGE.split("prefers-color-scheme: dark")[0]
TOGETHER = ("model", "lookup", "oracle", "constant", "chance", "floor")  # in one figure; people stand beside the model alone
Colour = tuple[float, float, float]

# Machado, Oliveira & Fernandes (2009), severity 1: what is left of linear red, green and blue.
SEEN = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "no green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "no blue": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
# OKLab of linear red, green and blue (Ottosson, 2020).
TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def linear(colour: str) -> Colour:
    """#rrggbb as light, each part from 0 to 1."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return red, green, blue


def times(matrix: tuple[tuple[float, ...], ...], colour: Colour) -> Colour:
    first, second, third = (sum(a * b for a, b in zip(row, colour, strict=True)) for row in matrix)
    return first, second, third


def contrast(one: str, other: str) -> float:
    """The ratio of the Web Content Accessibility Guidelines, from 1 to 21."""
    low, high = sorted(sum(w * part for w, part in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(colour: Colour) -> Colour:
    first, second, third = (max(part, 0.0) ** (1 / 3) for part in times(TO_CONES, colour))
    return times(TO_LAB, (first, second, third))


def apart(one: str, other: str, seen: str) -> float:
    """Distance in OKLab (100 from black to white) as somebody sees it."""
    pair = (lab(times(SEEN[seen], linear(colour))) for colour in (one, other))
    return 100 * sum((a - b) ** 2 for a, b in zip(*pair, strict=True)) ** 0.5


def variables(sheet: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", sheet))


def fill(selector: str, *sheets: str) -> str:
    """What the last sheet that names the selector fills it with."""
    for sheet in sheets:
        for names, colour in re.findall(r"(\.fig[^{}]*)\{[^}]*?fill: (#[0-9a-f]{6})", sheet):
            if selector in (name.strip() for name in names.split(",")):
                return str(colour)
    raise AssertionError(f"no colour for {selector}")


def sheets(mode: str) -> tuple[dict[str, str], tuple[str, ...]]:
    light = variables(LIGHT)
    return (light, (FIGURES,)) if mode == "light" else (light | variables(DARK), (DARK, FIGURES))


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert apart("#000000", "#ffffff", "all") == pytest.approx(100, abs=0.01)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_reads_on_what_is_behind_it(mode: str) -> None:
    page, figures = sheets(mode)
    behind = [page["paper"], page["card"]]
    for name in ("ink", "soft", "good", "bad"):
        for ground in behind:
            assert contrast(page[name], ground) >= 4.5, (name, ground)
    assert contrast(page["ink"], page["notice"]) >= 4.5
    texts = (".fig", ".fig .small", ".fig .soft", ".fig text.stamp", ".fig text.value")
    for selector in texts:
        for ground in behind:
            assert contrast(fill(selector, *figures), ground) >= 4.5, (selector, ground)
    for name in ("model", "edge"):  # the ring of what has the focus, and the edges of fields and buttons
        for ground in behind:
            assert contrast(page[name], ground) >= 3, (name, ground)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_marks_stand_out_from_the_page(mode: str) -> None:
    """The zone of the noise floor is a background and may be pale: its number stands in the table."""
    page, figures = sheets(mode)
    for mark in ("people", *TOGETHER[:-1]):
        assert contrast(fill(f".fig .{mark}", *figures), page["card"]) >= 3, mark


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_marks_are_told_apart(mode: str, seen: str) -> None:
    """Two colours of a figure differ by at least 15 of the 100 from black to white; shapes differ besides."""
    page, figures = sheets(mode)
    colours = {mark: fill(f".fig .{mark}", *figures) for mark in ("people", *TOGETHER)}
    found = {pair: round(apart(colours[pair[0]], colours[pair[1]], seen), 1) for pair in [*combinations(TOGETHER, 2), ("people", "model")]}
    assert min(found.values()) >= 15, sorted(found.items(), key=lambda item: item[1])[:4]
    assert apart(page["bar"], page["dash"], seen) >= 20
    assert apart(page["good"], page["bad"], seen) >= 5  # beside the signs ✓ and ✗


def test_the_swatches_are_the_colours_of_the_figures() -> None:
    for mode in ("light", "dark"):
        page, figures = sheets(mode)
        assert (page["bar"], page["dash"]) == (fill(".fig .people", *figures), fill(".fig .bars .model", *figures))
