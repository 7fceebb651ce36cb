"""Figures: marks stand where their values say, text is escaped, and what is saved is a file of its own."""

from __future__ import annotations

import importlib.util
import shlex
import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from socsci210.cli import app
from socsci210.report import export, figures, report
from socsci210.report.charts import Axis, Mark, Row, bars, dots, reliability, scatter
from socsci210.report.drawing import shorten
from socsci210.report.view import page_of
from socsci210.results import CalibrationBin, Contrast, Results
from tests.full_results import earlier, full, sparse, unscored
from tests.test_report import Page

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = 'a</style><script>alert(1)</script> & "b" \x0b\x1b'
BIN = {"low": 0.0, "high": 0.1, "predicted": 0.05, "observed": 0.1, "n": 10}
CONTRAST = {
    "study_id": "s", "task_num": 0, "item_num": 0, "condition_num": 1, "reference": None, "label": "arm 1", "human": 0.1,
    "human_se": 0.01, "model": -0.05, "reliable": True, "design": "between",
}  # fmt: skip


def test_an_axis_places_values_and_chooses_round_ticks() -> None:
    axis = Axis(0.0, 0.2, "")
    assert [axis.at(value) for value in (-1, 0, 0.05, 0.2, 9)] == [0, 0, 0.25, 1, 1]
    assert Axis(0.0, 0.21, "").ticks == [0, 0.05, 0.1, 0.15, 0.2]
    assert Axis(-0.11, 0.11, "").ticks == [-0.1, -0.05, 0, 0.05, 0.1]
    assert Axis(-0.02, 0.058, "").ticks == [-0.02, 0, 0.02, 0.04]
    assert Axis(0.42, 0.61, "").ticks == [0.45, 0.5, 0.55, 0.6]
    assert Axis(-0.001, 0.009, "").ticks == [0, 0.002, 0.004, 0.006, 0.008]
    assert Axis(0.0, 1.0, "").ticks == [0, 0.2, 0.4, 0.6, 0.8, 1]


def test_marks_stand_where_their_values_say() -> None:
    row = Row("one", (Mark("floor", 0.05), Mark("chance", 0.2), Mark("model", 0.1, 0.08, 0.12)), "0.100")
    drawing = dots("d", "Distances", [row], Axis(0.0, 0.2, "W"), said=["Simulated data"])
    text = str(drawing.inline())
    assert '<rect x="0%" y="21" width="25%" height="14" class="floor"/>' in text
    assert '<svg x="50%" y="28"><path class="model"' in text
    assert '<rect x="40%" y="25" width="20%" height="6" class="span"/>' in text
    assert "noise floor 0.050, chance 0.200, model 0.100" in drawing.spoken
    assert ">Simulated data</text>" in text
    assert text.count(">chance</text>") == 1  # the legend names marks that occur, and no others
    assert "train_lookup" not in text


def test_answers_are_drawn_to_scale() -> None:
    drawing = bars("b", "Q", [0.5, 0.5], [1.0, 0.0], [1, 2], {1: "No & never", 2: "Yes"})
    text = str(drawing.inline())
    assert "M2 112v-51.9h21V112" in text  # 0.5 of 1.08, of 112 pixels
    assert "M1 6.8h23v3h-23" in text  # 1 of 1.08, of 112, less half a line
    assert "No &amp; never" in text
    assert ">100 %</text>" in text
    many = str(bars("b", "Q", [1 / 101] * 101, [1 / 101] * 101, list(range(101)), {}).inline())
    assert many.count("<path") == 2
    assert many.count("<text") == 3  # a guide and the two ends
    assert len(many) < 5000


def test_effects_and_calibration_are_drawn_to_scale() -> None:
    text = str(scatter("s", "Effects", [Contrast.model_validate(CONTRAST)]).inline())
    assert '<circle cx="95.45%" cy="232.7" r="4.5" class="reliable"><title>s, arm 1: people 0.100, model −0.050</title>' in text
    assert '<rect x="86.55%" y="231.7' in text  # 0.1 - 1.96 * 0.01 on an axis from -0.11 to 0.11
    text = str(reliability("r", "Calibration", [CalibrationBin.model_validate(one) for one in (BIN, BIN | {"n": 0})]).inline())
    assert text.count("<circle") == 1  # an empty bin is no point
    assert '<circle cx="5%" cy="288.0" r="8.0" class="reliable">' in text


def test_effects_of_nothing_and_many_effects() -> None:
    nothing = Contrast.model_validate(CONTRAST | {"human": 0.0, "model": 0.0, "reliable": False})
    assert '<circle cx="50%" cy="160.0"' in str(scatter("s", "Effects", [nothing]).inline())
    many = str(scatter("s", "Effects", [nothing] * 2000).inline())
    assert "<title>" not in many
    assert len(many) < 150_000


def test_a_saved_figure_is_well_formed_whatever_its_words() -> None:
    row = Row(HOSTILE, (Mark("model", 0.1),), HOSTILE)
    for drawing in (
        dots("d", HOSTILE, [row], Axis(0.0, 0.2, HOSTILE), notes=[HOSTILE * 20], said=[HOSTILE]),
        bars("b", HOSTILE, [1.0], [1.0], [1], {1: HOSTILE}),
        scatter("s", HOSTILE, [Contrast.model_validate(CONTRAST | {"label": HOSTILE})]),
    ):
        root = ET.fromstring(drawing.standalone())
        assert root.tag == f"{SVG}svg"
        assert not list(root.iter(f"{SVG}script"))
        assert len(list(root.iter(f"{SVG}style"))) == 1
        assert "<script" not in drawing.inline()
        words = [one.text for one in root.iter(f"{SVG}text")]
        assert any("alert(1)" in str(word) for word in words)
        assert "var(" not in drawing.standalone()  # any reader of SVG knows the colours


def test_shortened_names_say_so() -> None:
    assert shorten("a\n name  that is long", 10) == "a name th…"
    assert shorten("short", 10) == "short"


def test_every_figure_is_written(tmp_path: Path) -> None:
    results = full(studies=12, examples=6, contrasts=20)
    path = results.write_json(tmp_path / "full.json")
    written = figures([path], tmp_path / "figures")
    names = [drawing.name for drawing in page_of([results]).drawings]
    assert len(names) == len(set(names)) == written.svg == 2 * 2 + 4 * (6 + 1 + 1 + 2 + 9 + 2 + 1)  # nine attributes
    assert sorted(one.stem for one in (tmp_path / "figures").glob("*.svg")) == sorted(names)
    for one in (tmp_path / "figures").glob("*.svg"):
        ET.parse(one)
    if importlib.util.find_spec("vl_convert") is None:
        assert (written.png, written.note) == (0, export.NO_PNG)
        return
    assert (written.png, written.note) == (written.svg, None)
    content = (tmp_path / "figures" / "leaderboard-unseen-studies-test-distance.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">I", content[16:20]) == (1440,)


def test_without_vl_convert_there_are_svg_files_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_converter", lambda: None)
    (tmp_path / "old.json").write_text(earlier(), encoding="utf-8")
    written = figures([tmp_path / "old.json"], tmp_path / "figures")
    assert (written.png, written.note) == (0, "SVG only: for PNG files as well, pip install 'socsci210[report]'")
    assert {one.suffix for one in (tmp_path / "figures").iterdir()} == {".svg"}


def test_the_command_writes_page_and_figures(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(earlier(), encoding="utf-8")
    asked = ["report", str(tmp_path / "old.json"), "--out", str(tmp_path / "report.html"), "--figures", str(tmp_path / "figures")]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "report.html").exists()
    assert f"{len(list((tmp_path / 'figures').glob('*.svg')))} SVG" in done.stderr.replace("\n", " ")


def test_the_commands_are_those_of_the_command_line() -> None:
    """Every option that the page prints is one that the command has."""
    known_commands = typer.main.get_command(app).commands
    for block in page_of([full(studies=12, examples=0, contrasts=4)]).blocks:
        for line in block.commands:
            _, name, *words = shlex.split(line)
            known = {option for parameter in known_commands[name].params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= known, name


def test_a_study_id_cannot_leave_the_folder(tmp_path: Path) -> None:
    text = earlier().replace('"study_id": "a"', '"study_id": "../../a"')
    (tmp_path / "old.json").write_text(text, encoding="utf-8")
    written = figures([tmp_path / "old.json"], tmp_path / "in" / "figures")
    assert len(list((tmp_path / "in" / "figures").glob("*.svg"))) == written.svg
    assert {one.name for one in tmp_path.iterdir()} == {"old.json", "in"}


def test_every_part_of_full_results_is_on_the_page(tmp_path: Path) -> None:
    path = full(studies=12, examples=6, contrasts=20).write_json(tmp_path / "full.json")
    text = Page(report([path], tmp_path / "report.html").read_text(encoding="utf-8")).text
    for words in (
        "every persona put through every arm",
        "as assigned, each person in the arm they were in",
        "Contaminated: 57,615 scored rows (12 %) in 5 studies were in its training",
        "by its released checkpoint: it saw all rows of the seen studies.",
        "Simulated: 8 of the 12 studies",
        "At most 50 people of a cell were predicted: that adds a standard error of 0.0021 to W.",
        "Surer than people: its answers have 0.70 of their entropy.",
        "Treatment effects do not go with people’s beyond chance",
        "W alone would not show this",
        "W alone does not catch a model that is blind to conditions",
        "In a conjoint design every profile as it was shown",
        "Items of an outcome by number: 12; pooled: 1",
        "Without an effect 7 outcomes without a contrast",
        "Read 94 % of the answers for other arms",
        "best constant",
        "inequality and welfare",
        "12 to 100 answers",
        "Calibration error 0.080",
        "--per-cell 50",
        "--arms --out unseen_studies-arms.parquet",
        "20 effects as a table",
        "Every one of 24 cells",
    ):
        assert words in text, words


def test_what_contaminates_a_run_stands_on_each_of_its_figures() -> None:
    page = page_of([full(studies=12, examples=6, contrasts=20)])
    for board in page.boards:
        bad = [block for block in board.blocks if block.contaminated]
        for drawing in board.figures:
            assert ("trained on 12\u00a0% of rows" in drawing.body) == bool(bad)
        for block in board.blocks:
            for drawing in block.drawings:
                assert ("Contaminated: trained on 12\u00a0% of rows" in drawing.body) == bool(block.contaminated), drawing.name
    assert sum(bool(block.contaminated) for block in page.blocks) == 1


def test_simulated_data_is_marked_on_each_figure() -> None:
    for block in page_of([full(studies=12, examples=6, contrasts=20)]).blocks:
        for one, drawing in block.cells:
            assert (">Simulated data<" in drawing.body) == one.simulated
        for drawing in list(block.drawings)[len(block.cells) :]:
            assert "Simulated: 8 of the 12 studies" in drawing.body


def test_the_nearest_model_comes_first() -> None:
    page = page_of([full(studies=12, examples=0, contrasts=0)])
    for board in page.boards:
        points = [block.run.stated.W.point for block in board.blocks if block.run.stated]
        assert points == sorted(points)
        assert [block.place for block in board.blocks] == list(range(1, len(points) + 1))
    assert [len(board.blocks) for board in page.boards] == [3, 1]


@pytest.mark.parametrize("made", [sparse, unscored])
def test_missing_parts_leave_no_gap(made, tmp_path: Path) -> None:
    page = Page(report([made().write_json(tmp_path / "r.json")], tmp_path / "report.html").read_text(encoding="utf-8"))
    for words in ("Treatment effects Held out", "Individual accuracy", "Calibration error", "None", "nan"):
        assert words not in page.text, words
    headings = {tag for tag, _ in page.tags}
    assert {"h1", "h2", "table"} <= headings
    figures([tmp_path / "r.json"], tmp_path / "figures")


def test_a_file_of_an_earlier_version_reads(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(earlier(), encoding="utf-8")
    assert Results.read_json(path).runs[0].per_cell == 20
    text = Page(report([path], tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "--per-cell 20" in text
    assert "Simulated data: no person gave these answers" in text


def test_a_large_page_stays_small(tmp_path: Path) -> None:
    path = full(studies=40, examples=200, contrasts=300).write_json(tmp_path / "full.json")  # four runs: 800 drawn cells, 3,200 in tables
    assert report([path], tmp_path / "report.html").stat().st_size < 2_300_000
