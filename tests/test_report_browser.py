"""The page in a real browser: its script runs under its own policy, filters, saves figures, fits a phone, and opens fast."""

from __future__ import annotations

import base64
import json
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from socsci210.report import report
from socsci210.report.view import page_of
from socsci210.report.words import number, signed
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


RING = """
(() => {
  const at = document.activeElement, look = getComputedStyle(at);
  return [at.tagName, look.outlineStyle, look.outlineWidth];
})()
"""
HOSTILE = "\"'><script>window.struck = 1</script><img src=x onerror='window.struck = 2'></script>"
CLOSED = ("kind", "convention", "noise_floor_kind", "resampled", "method", "source", "fingerprint", "studies", "scale_source")


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
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = browser.run(LOOK)
    assert found["screen"] == width
    assert found["inside"] <= width
    assert found["spilled"] == []
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
    assert browser.run("document.querySelectorAll('*').length") < 40_000  # long tables are written when they are opened


def _hostile(value: Any, key: str = "") -> Any:
    """Every text of a results file that comes from a study, a model or a command, with mark-up at its end."""
    if isinstance(value, dict):
        named = key in ("studies", "sources", "versions", "left_out", "not_scored", "studies_not_scored", "rows_left_out")
        return {(f"{name}{HOSTILE}" if named else name): _hostile(one, name if not named else "text") for name, one in value.items()}
    if isinstance(value, list):
        return [_hostile(one, key) for one in value]
    return f"{value}{HOSTILE}" if isinstance(value, str) and key not in CLOSED else value


def test_no_text_of_a_study_or_a_model_becomes_markup(browser: Chromium, folder: Path) -> None:
    """With the policy of the page switched off: it must hold by escaping alone."""
    found = _hostile(full(studies=11, examples=14, contrasts=6).model_dump(mode="json"))
    (folder / "hostile.json").write_text(json.dumps(found), encoding="utf-8")
    page = report([folder / "hostile.json"], folder / "hostile.html")
    browser.call("Page.setBypassCSP", enabled=True)
    try:
        browser.open(page, 1200, 900)
        browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        saved = browser.run(SAVE)
        browser.run("new Promise((done) => setTimeout(done, 200))")
    finally:
        browser.call("Page.setBypassCSP", enabled=False)
    assert browser.run("typeof window.struck") == "undefined"
    assert browser.run("document.querySelectorAll('img, iframe, object, [onerror], a[href^=javascript]').length") == 0
    assert browser.run("document.querySelectorAll('script').length") == 2
    assert len(saved) == 4
    assert browser.complaints == []
    words = browser.run("document.body.textContent")
    for part in (found["runs"][0]["model"], *found["dataset"]["studies"].values(), "Strongly disagree" + HOSTILE):
        assert part in words


def test_long_tables_are_written_when_they_are_opened(browser: Chromium, page: Path) -> None:
    results = full(studies=12, examples=60, contrasts=40)
    block = page_of([results]).blocks[0]
    browser.open(page, 1200, 900)
    rows = "[...document.getElementById('run-0-{}-rows').rows].map((row) => [...row.cells].map((cell) => cell.textContent))"
    for name in ("cell", "effect"):
        assert browser.run(rows.format(name)) == []
        browser.run(f"document.querySelector('[data-table=run-0-{name}-rows] summary').click()")
        browser.run("new Promise((done) => setTimeout(done, 50))")
    first = block.run.cells[0]
    cells = browser.run(rows.format("cell"))
    assert len(cells) == len(block.run.cells)
    figures = [number(value) for value in (first.W, first.noise_floor, first.chance)]
    assert cells[0] == [first.study_id, f"{first.condition_num}, {first.task_num}", "1 to 7", str(first.n), *figures]
    for got, one in zip(browser.run(rows.format("effect")), block.contrasts, strict=True):
        answer = "yes" if one.reliable else "no"
        assert got == [one.label, one.study_id, signed(one.human), number(one.human_se), signed(one.model), answer, one.design]
    search = "document.querySelector('[data-rows=run-0-cell-rows]')"
    browser.run(f"{search}.value = 'st003'; {search}.dispatchEvent(new Event('input')); 0")
    assert browser.run(f"{search}.closest('.filter').querySelector('output').textContent") == "20 of 240 rows"


def test_the_numbers_of_a_cell_are_a_table(browser: Chromium, page: Path) -> None:
    example = full(studies=12, examples=60, contrasts=40).runs[0].examples[1]
    browser.open(page, 390, 844)
    browser.run("document.querySelectorAll('.cell')[1].querySelector('summary').click()")
    browser.run("new Promise((done) => setTimeout(done, 50))")
    rows = "[...document.querySelectorAll('.cell')[1].querySelectorAll('tbody tr')]"
    got = browser.run(f"{rows}.map((row) => [...row.cells].map((cell) => cell.textContent))")
    wanted = zip(example.support, example.labels, example.human, example.model, strict=True)
    assert got == [[f"{value} {label}".strip(), number(human), number(model)] for value, label, human, model in wanted]


def test_without_scripts_the_page_still_reads(browser: Chromium, page: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page, 1200, 900)
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    seen = "[...document.querySelectorAll('{}')].filter((one) => one.getClientRects().length).length"
    assert browser.run(seen.format(".cell")) == 4 * 60
    assert browser.run(seen.format(".filter")) == browser.run(seen.format("[data-table]")) == 0
    assert browser.run(seen.format(".unscripted")) == 8  # where the long tables are instead


def test_headings_tables_and_pictures_are_in_order(browser: Chromium, page: Path) -> None:
    browser.open(page, 1200, 900)
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    browser.run("new Promise((done) => setTimeout(done, 100))")
    levels = browser.run("[...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert browser.run("[...document.querySelectorAll('th')].filter((one) => !one.scope).length") == 0
    assert browser.run("[...document.querySelectorAll('table')].filter((one) => !one.tHead).length") == 0
    named = (
        "[...document.querySelectorAll('svg.fig:not([aria-hidden])')].filter((one) => one.getAttribute('role') !== 'img' || !one.ariaLabel)"
    )
    assert browser.run(f"{named}.length") == 0
    for name in ("header", "main", "nav"):
        assert browser.run(f"document.querySelectorAll('{name}').length") == 1


def test_every_stop_of_the_keyboard_is_seen(browser: Chromium, page: Path) -> None:
    """Each stop has a ring of three pixels; regions that scroll are stops."""
    browser.open(page, 1200, 900)
    stops = set()
    for _ in range(60):
        browser.press("Tab")
        tag, style, width = browser.run(RING)
        stops.add(tag)
        assert (style, width) == ("solid", "3px"), tag
    assert {"A", "BUTTON", "DIV", "INPUT", "SELECT", "SUMMARY"} <= stops


def test_paper_holds_every_part(browser: Chromium, page: Path) -> None:
    browser.open(page, 1200, 900)
    browser.call("Emulation.setEmulatedMedia", media="print", features=[])
    shown = "document.querySelector('{}').getClientRects().length > 0"
    for part in ("#overview svg.fig", "#run-0-cards .cell svg.fig", "#run-0-study-rows td", "#run dl", ".unscripted"):
        assert browser.run(shown.format(part)), part
    heights = browser.run("[...document.querySelectorAll('.chart, .cell')].map((one) => one.getBoundingClientRect().height)")
    assert max(heights) < 950  # a figure taller than a page of A4 would be printed over what follows it
    content = base64.b64decode(browser.call("Page.printToPDF")["data"])
    assert content.startswith(b"%PDF-")
    browser.call("Emulation.setEmulatedMedia", media="", features=[])


def test_a_sparse_page_works(browser: Chromium, folder: Path) -> None:
    browser.open(report([sparse().write_json(folder / "sparse.json")], folder / "sparse.html"), 390, 844)
    assert browser.run("document.querySelectorAll('.save').length") > 0
    assert browser.complaints == []
