"""The page in a real browser: its script runs under its own policy, filters, saves figures, fits a phone, and opens fast."""

from __future__ import annotations

import base64
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from socsci210.report import report
from tests.chromium import PROGRAM, Chromium
from tests.full_results import full, sparse

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")

USE = """
(() => {
  const bar = document.querySelector(".filter"), list = document.querySelector(".cells"), out = {};
  const state = () => [[...list.children].filter((card) => card.getClientRects().length).length, bar.querySelector("output").textContent];
  const set = (field, value, event) => { field.value = value; field.dispatchEvent(new Event(event, { bubbles: true })); };
  const search = bar.querySelector("input"), key = (name) => bar.querySelector(`[data-key=${name}]`);
  const order = bar.querySelector("[data-order]"), names = () => [...list.children].map((card) => card.dataset.name);
  const first = names();
  out.start = state();
  set(search, "QUESTION 7: st007", "input"); out.search = state();
  set(search, "no such words", "input"); out.nothing = state();
  set(search, "", "input");
  for (const [name, value] of [["study", "st001"], ["answers", "101"], ["rule", "lowest W"]]) {
    set(key(name), value, "change"); out[name] = state(); set(key(name), "", "change");
  }
  set(order, "-1", "change"); out.order = [...list.children].map((card) => Number(card.dataset.w));
  set(order, "", "change"); out.back = names().every((name, i) => name === first[i]);
  list.nextElementSibling.click(); out.more = [...state(), document.activeElement.closest(".cell").dataset.name === first[12]];
  const rows = document.querySelector("[data-rows]");
  set(rows, "st003", "input"); out.rows = rows.closest(".filter").querySelector("output").textContent;
  return out;
})()
"""
LOOK = """
(() => {
  const stops = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex]")];
  const spilled = [...document.querySelectorAll("svg.fig text")].filter((text) => {
    const own = text.getBoundingClientRect(), figure = text.closest("svg.fig").getBoundingClientRect();
    return own.width && (own.left < figure.left - 9 || own.right > figure.right + 9);
  });
  return {
    inside: document.documentElement.scrollWidth, screen: innerWidth, spilled: spilled.map((text) => text.textContent),
    positive: stops.filter((stop) => stop.tabIndex > 0).length,
    nameless: stops.filter((stop) => !(stop.textContent.trim() || stop.ariaLabel || stop.closest("label"))).length,
  };
})()
"""
SAVE = """
(async () => {
  const saved = [];
  HTMLAnchorElement.prototype.click = function () { saved.push([this.download, this.href]); };
  for (const figure of [document.querySelector("figure.chart"), document.querySelector(".cell")]) {
    for (const button of figure.querySelectorAll("button")) {
      const before = saved.length;
      button.click();
      for (let i = 0; i < 200 && saved.length === before; i++) await new Promise((done) => setTimeout(done, 20));
    }
  }
  return saved;
})()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Chromium]:
    with Chromium(folder / "profile") as started:
        yield started


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    return report([full(studies=12, examples=60, contrasts=40).write_json(folder / "full.json")], folder / "report.html")


def test_the_script_runs_and_nothing_is_asked_for(browser: Chromium, page: Path) -> None:
    written = page.read_text(encoding="utf-8")
    assert 'class="save"' not in written  # without a script there are no buttons that do nothing
    assert written.count(" hidden>") == written.count('class="filter"') + written.count("data-table=")
    browser.open(page, 1200, 900)
    assert browser.run("document.querySelectorAll('.filter[hidden]').length") == 0
    assert browser.run("document.querySelectorAll('.save').length") == written.count('class="chart"') + 4 * 12
    assert browser.complaints == []


def test_cells_are_searched_filtered_and_ordered(browser: Chromium, page: Path) -> None:
    browser.open(page, 1200, 900)
    found = browser.run(USE)
    assert found["start"] == [12, "12 of 60 cells"]
    assert found["search"] == [1, "1 of 1 cells that match, of 60"]
    assert found["nothing"] == [0, "0 of 0 cells that match, of 60"]
    assert found["study"] == [5, "5 of 5 cells that match, of 60"]
    assert found["answers"] == [2, "2 of 2 cells that match, of 60"]
    assert found["rule"] == [12, "12 of 20 cells that match, of 60"]
    assert found["order"] == sorted(found["order"], reverse=True)
    assert found["back"]
    assert found["more"] == [24, "24 of 60 cells", True]  # the keyboard goes on at the first new cell
    assert found["rows"] == "1 of 12 rows"


@pytest.mark.parametrize(("width", "height"), [(390, 844), (320, 640), (1200, 900)])
def test_nothing_is_wider_than_the_screen(browser: Chromium, page: Path, width: int, height: int) -> None:
    browser.open(page, width, height)
    found = browser.run(LOOK)
    assert found["screen"] == width
    assert found["inside"] <= width
    assert width < 390 or found["spilled"] == []
    assert (found["positive"], found["nameless"]) == (0, 0)


def test_the_keyboard_reaches_the_leaderboard_first(browser: Chromium, page: Path) -> None:
    browser.open(page, 1200, 900)
    browser.press("Tab")
    assert browser.run("document.activeElement.textContent") == "Skip to the leaderboard"
    assert browser.run("document.activeElement.getBoundingClientRect().left") > 0  # it shows when it has the focus
    browser.press("Enter")
    assert browser.run("location.hash") == "#overview"
    browser.press("Tab")
    assert browser.run("document.activeElement.closest('section').id") == "overview"


def test_figures_are_saved_as_svg_and_png(browser: Chromium, page: Path) -> None:
    browser.open(page, 390, 844, dark=True)  # what is saved is light and wide whatever the screen is
    saved: list[list[Any]] = browser.run(SAVE)
    assert [name.rpartition(".")[2] for name, _ in saved] == ["svg", "png"] * 2
    words = []
    for name, address in saved:
        head, _, body = address.partition(",")
        if name.endswith(".svg"):
            assert head == "data:image/svg+xml;charset=utf-8"
            root = ET.fromstring(unquote(body))
            assert root.get("width") == "720"
            assert ".fig .model" in "".join(str(one.text) for one in root.iter("{http://www.w3.org/2000/svg}style"))
            words.append(" ".join(str(one.text) for one in root.iter("{http://www.w3.org/2000/svg}text")))
        else:
            assert head == "data:image/png;base64"
            content = base64.b64decode(body)
            assert content[:8] == b"\x89PNG\r\n\x1a\n"
            assert struct.unpack(">I", content[16:20]) == (1440,)
            assert len(content) > 10_000
    assert "Unseen studies: distance from people" in words[0]
    assert "Bars: people; lines: model." in words[1]


def test_colours_follow_the_screen_but_not_onto_paper(browser: Chromium, page: Path) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    browser.open(page, 1200, 900, dark=True)
    assert browser.run(colour) == "rgb(22, 21, 19)"
    browser.call("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert browser.run(colour) == "rgb(255, 255, 255)"
    assert browser.run("[...document.querySelectorAll('.filter, .save, nav')].some((one) => one.getClientRects().length)") is False


def test_a_large_page_opens_in_a_second(browser: Chromium, page: Path, folder: Path) -> None:
    large = report([full().write_json(folder / "large.json")], folder / "large.html")
    taken = []
    while (
        len(taken) < 3 and min(taken, default=9.0) >= 1.0
    ):  # other work on the machine slows even processor time: the best of three counts
        browser.open(page, 390, 844)
        browser.open(large, 1200, 900)
        browser.run("document.body.getBoundingClientRect().height")
        taken.append(browser.processor_seconds)
    assert min(taken) < 1.0, taken


def test_a_sparse_page_works(browser: Chromium, folder: Path) -> None:
    browser.open(report([sparse().write_json(folder / "sparse.json")], folder / "sparse.html"), 390, 844)
    assert browser.run("document.querySelectorAll('.save').length") > 0
    assert browser.complaints == []
