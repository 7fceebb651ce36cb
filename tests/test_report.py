"""The report: every figure is on the page, nothing is loaded from anywhere, and no text of a study becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from socsci210.cli import app
from socsci210.dataset_folder import DatasetFolder
from socsci210.errors import DatasetError
from socsci210.metrics.socsci210.agreement import BLIND
from socsci210.reference import SAME_MEANS
from socsci210.report import figures, report
from socsci210.report.verdicts import verdicts
from socsci210.report.view import page_of
from socsci210.report.words import interval, number, percent, signed
from socsci210.results import Results
from socsci210.score import score
from tests.full_results import full, sparse
from tests.scored_dataset import CONFIG, SOURCE, predict_all, row, write_dataset, write_predictions

HOSTILE = "<script>alert('x')</script> & \"quoted\""
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Tags, attributes, text and ids of a page; checks that tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    people = [{"age": 70 if i % 2 else 20} for i in range(80)]
    rows = [row(f"s{s}", c, 1 + (i + c * s) % 3, demographic=people[i], person=i) for s in range(12) for c in (0, 1, 2) for i in range(80)]
    return write_dataset(tmp_path / "dataset", rows, titles={"s3": HOSTILE})


def results_of(dataset: Path, tmp_path: Path, name: str = "p", **metadata: Any) -> Path:
    share = {1: [0.5, 0.3, 0.2], 2: [0.2, 0.3, 0.5]}
    given = predict_all(dataset, lambda one: share[one["condition_num"]])
    training = {"dataset_fingerprint": DatasetFolder(dataset).fingerprint, "train_on": [CONFIG], "rows_trained": 1234}
    path = write_predictions(tmp_path / f"{name}.parquet", dataset, given, **({"training": training} | metadata))
    return score([path], dataset).write_json(tmp_path / f"{name}.json")


def data_of(page: Path) -> dict[str, Any]:
    """The block of numbers, as the script reads it."""
    found: dict[str, Any] = json.loads(page.read_text(encoding="utf-8").split('id="data">')[1].split("</script>")[0])
    return found


def test_every_figure_is_on_the_page(dataset: Path, tmp_path: Path) -> None:
    path = results_of(dataset, tmp_path)
    page = Page(report([path], tmp_path / "report.html").read_text(encoding="utf-8"))
    found = Results.read_json(path)
    run = found.runs[0]
    figures: list[str] = []
    for one in (run.stated, run.published):
        assert one is not None
        figures += [number(v) for v in (one.W.point, one.chance, one.noise_floor, one.train_lookup, one.pooled_oracle)]
        figures += [interval(one.W.interval), percent(one.gap_closed.value).replace("\u00a0", " "), str(one.n_cells)]
    for study in run.stated.per_study if run.stated else ():
        figures += [
            number(v) for v in (study.W, study.chance, study.noise_floor, study.train_lookup, study.pooled_oracle, study.answer_mass)
        ]
    for one_parity in run.parity:
        figures += [
            number(one_parity.accuracy_gap),
            signed(one_parity.accuracy_gap_net),
            number(one_parity.human_gap),
            signed(one_parity.excess),
        ]
        for group in one_parity.groups:
            figures += [group.name, f"{group.n_people:,}", *(number(value) for value in (group.accuracy, group.response, group.predicted))]
    for cell in run.examples:
        figures += [f"n = {cell.n}", cell.condition]
    assert run.parity
    assert run.examples
    for figure in [
        *figures,
        number(run.sensitivity.r),
        found.dataset.fingerprint,
        "0123456789abcdef",
        "a/model",
        "1,234 rows",
        found.version,
    ]:
        assert figure in page.text, figure
    for study_id, title in found.dataset.studies.items():
        assert study_id in page.text
        assert title in page.text
    assert "Simulated data." in page.text
    assert "this split was held out" in page.text
    assert (
        f"socsci210 predict --engine transformers --model a/model --template upstream --seed 0 --dataset DATASET --config {CONFIG}"
        in page.text
    )


def test_long_tables_travel_as_numbers(dataset: Path, tmp_path: Path) -> None:
    path = results_of(dataset, tmp_path)
    data = data_of(report([path], tmp_path / "report.html"))
    run = Results.read_json(path).runs[0]
    for (support, labels, people, model), cell in zip(data["numbers"]["run-0-cards"], run.examples, strict=True):
        assert data["supports"][support] == list(cell.support)
        assert data["labels"][labels] == (list(cell.labels) if any(cell.labels) else [])
        assert [f"{value / 1000:.3f}" for value in (*people, *model)] == [number(share) for share in (*cell.human, *cell.model)]
    kinds = [kind for kind, _ in data["tables"]["run-0-cell-rows"]]
    columns = [values for _, values in data["tables"]["run-0-cell-rows"]]
    assert kinds == ["w", "w", "w", "i", "f", "f", "f"]
    for study, place, scale, n, W, floor, chance, cell in zip(*columns, run.cells, strict=True):
        assert [data["words"][one] for one in (study, place, scale)] == [
            cell.study_id,
            f"{cell.condition_num}, {cell.task_num}",
            f"{cell.scale_min:g} to {cell.scale_max:g}",
        ]
        assert n == cell.n
        assert [f"{value / 1000:.3f}" for value in (W, floor, chance)] == [number(v) for v in (cell.W, cell.noise_floor, cell.chance)]
    assert run.cells


def test_no_text_ends_the_block_of_numbers(tmp_path: Path) -> None:
    results = full(studies=2, examples=2, contrasts=2)
    text = results.model_dump_json().replace("Strongly disagree", "</script><!--<script>").replace("arm 1", "</script>")
    path = Results.model_validate_json(text).write_json(tmp_path / "r.json")
    out = report([path], tmp_path / "report.html")
    assert out.read_text(encoding="utf-8").count("</script") == 2
    assert "</script><!--<script>" in data_of(out)["labels"][1]


def test_nothing_is_loaded_from_anywhere(dataset: Path, tmp_path: Path) -> None:
    text = report([results_of(dataset, tmp_path)], tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert {tag for tag, _ in page.tags} & {"link", "img", "iframe", "object", "embed", "form", "base", "video", "audio"} == set()
    assert [given for tag, given in page.tags if tag == "script"] == [{"type": "application/json", "id": "data"}, {}]
    for tag, given in page.tags:
        assert not [name for name in given if name.startswith("on") or name in ("src", "srcset", "action", "ping", "xlink:href")], (
            tag,
            given,
        )
        href = given.get("href")
        assert href is None or href.startswith("#") or href == SOURCE
    style = "".join(re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL))
    assert len(style) > 5000
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in style
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)[0]
    assert set(re.findall(r"https?://[^\"' ]+", script)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.search(r"fetch|XMLHttp|import\(|eval|innerHTML|WebSocket|sendBeacon", script)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(given["content"] for tag, given in page.tags if given.get("http-equiv") == "Content-Security-Policy")
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"


def test_links_lead_somewhere(dataset: Path, tmp_path: Path) -> None:
    page = Page(report([results_of(dataset, tmp_path)], tmp_path / "report.html").read_text(encoding="utf-8"))
    ids = [given["id"] for _, given in page.tags if "id" in given]
    assert len(ids) == len(set(ids))
    for _, given in page.tags:
        href = given.get("href") or ""
        assert not href.startswith("#") or href[1:] in ids, href


def test_hostile_text_stays_text(dataset: Path, tmp_path: Path) -> None:
    text = report([results_of(dataset, tmp_path, model="<img src=x onerror=y>")], tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("<script") == 2  # the block of numbers and the script
    assert "&lt;script&gt;" in text
    assert "<img" not in text
    assert "&lt;img src=x" in text
    assert HOSTILE in Page(text).text


def test_only_web_addresses_become_links(dataset: Path, tmp_path: Path) -> None:
    path = results_of(dataset, tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace(SOURCE, "javascript:alert(1)"), encoding="utf-8")
    text = report([path], tmp_path / "report.html").read_text(encoding="utf-8")
    assert "javascript:" not in text


def test_readable_by_keyboard_reader_and_phone(dataset: Path, tmp_path: Path) -> None:
    text = report([results_of(dataset, tmp_path)], tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert ("html", {"lang": "en"}) in page.tags
    assert any(given.get("name") == "viewport" for _, given in page.tags)
    for tag, given in page.tags:
        if "scroll" in (given.get("class") or "").split():
            assert given.get("tabindex") == "0"
            assert given.get("aria-label"), "a region that scrolls is reached by keyboard and has a name"
        if given.get("class") == "fig" and given.get("aria-hidden") != "true":
            assert given.get("role") == "img"
            assert given.get("aria-label")
        if tag == "th":
            assert given.get("scope"), "a reader says which cells a heading is for"
    for rule in ("prefers-color-scheme: dark", "@media print", "max-width: 40rem", ":focus-visible", "prefers-reduced-motion"):
        assert rule in text


def test_verdicts_follow_the_figures(dataset: Path, tmp_path: Path) -> None:
    page = page_of([Results.read_json(results_of(dataset, tmp_path))])
    said = [verdict.text for verdict in page.blocks[0].verdicts]
    run = page.blocks[0].run
    assert run.stated.W.point > run.stated.train_lookup
    assert any("Does not beat train_lookup" in text and "memorised marginals" in text for text in said)
    good = {verdict.text: verdict.tone for verdict in page.blocks[0].verdicts}
    assert [tone for text, tone in good.items() if "beat train_lookup" in text] == ["bad"]


def test_warnings_are_shown(dataset: Path, tmp_path: Path) -> None:
    training = {"dataset_fingerprint": DatasetFolder(dataset).fingerprint, "train_on": []}
    share = [{"answer_mass": 0.5}]
    given = [one | share[0] for one in predict_all(dataset, lambda _: [1, 0, 0])]
    path = write_predictions(tmp_path / "p.parquet", dataset, given, training=training)
    out = report([score([path], dataset).write_json(tmp_path / "r.json")], tmp_path / "report.html")
    text = Page(out.read_text(encoding="utf-8")).text
    assert "Only 0.50 of its probability lies on allowed answers" in text
    assert "it may have seen these answers" in text
    assert "the mean answers of the model do not differ between conditions" in text


def test_several_models_are_told_apart(dataset: Path, tmp_path: Path) -> None:
    paths = [results_of(dataset, tmp_path, name, model=name) for name in ("first", "second")]
    text = Page(report(paths, tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "Unseen conditions · first" in text
    assert "Unseen conditions · second" in text


def test_few_studies_show_their_values_and_one_study_its_people(tmp_path: Path) -> None:
    for studies, said in (("ab", "no interval under 10 studies: 0.375, 0.375"), ("a", "over the people of its one study")):
        rows = [row(study, c, answer) for study in studies for c in (0, 1) for answer in (1, 2, 3, 3)]
        dataset = write_dataset(tmp_path / f"few-{studies}", rows)
        path = write_predictions(tmp_path / "p.parquet", dataset, predict_all(dataset, lambda _: [0, 1, 0]))
        results = score([path], dataset).write_json(tmp_path / "r.json")
        text = Page(report([results], tmp_path / "report.html").read_text(encoding="utf-8")).text
        assert said in text
    assert "refused: one value only" in text


def test_no_results_and_mixed_datasets_are_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no results file given"):
        report([], tmp_path / "report.html")
    path = results_of(dataset, tmp_path)
    other = tmp_path / "other.json"
    found = Results.read_json(path)
    other.write_text(path.read_text(encoding="utf-8").replace(found.dataset.fingerprint, "0" * 64), encoding="utf-8")
    with pytest.raises(DatasetError, match="2 different datasets"):
        report([path, other], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PAR1\xff\xfe", "does not read"),
        (b"[1, 2]", "no results file"),
        (b'{"format": 2}', "format 2"),
        (b'{"format": 1}', "Field required"),
        (None, "no such file"),
    ],
)
def test_what_is_no_results_file_is_refused(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    if content is not None:
        path.write_bytes(content)
    done = CliRunner().invoke(app, ["report", str(path), "--out", str(tmp_path / "report.html")])
    assert isinstance(done.exception, DatasetError)
    assert said in str(done.exception)
    assert str(path) in str(done.exception)
    assert ("check the name" if content is None else "run socsci210 score again") in str(done.exception)
    assert not (tmp_path / "report.html").exists()


def test_the_page_replaces_pages_only(tmp_path: Path) -> None:
    path = sparse().write_json(tmp_path / "r.json")
    before = path.read_bytes()
    notes = tmp_path / "notes.html"
    notes.write_text("my own notes")
    for results, out, said in (
        ([path], path, "would replace the results"),
        ([path], tmp_path, "a folder, where a file is wanted"),
        ([path, path], tmp_path / "report.html", "given twice"),
        ([path], notes, "page would replace another file"),
    ):
        with pytest.raises(DatasetError, match=said):
            report(results, out)
    with pytest.raises(DatasetError, match="a file, where a folder is wanted"):
        figures([path], path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["notes.html", "r.json"]
    assert path.read_bytes() == before and notes.read_text() == "my own notes"
    page = report([path], tmp_path / "report.html")
    assert report([path], page).read_text(encoding="utf-8").lstrip().startswith("<!doctype html>"), "a page may be made again"


def test_figures_are_written_for_people() -> None:
    assert [number(v) for v in (0.09814, -0.0004, -0.25, None)] == ["0.098", "0.000", "−0.250", "–"]
    assert [signed(v) for v in (0.1, -0.1, 0.0, 0.0001, None)] == ["+0.100", "−0.100", "0.000", "0.000", "–"]
    assert [percent(v) for v in (0.554, -0.1, None)] == ["55\u00a0%", "−10\u00a0%", "–"]
    assert interval((0.1, 0.25)) == "0.100 to 0.250"


def test_a_model_without_effects_is_bad_news() -> None:
    run = full(studies=12, examples=3, contrasts=12).runs[0]
    assert run.effects is not None
    blind = run.model_copy(
        update={
            "sensitivity": run.sensitivity.model_copy(update={"r": None, "p": None, "refused": SAME_MEANS}),
            "effects": run.effects.model_copy(update={"r": None, "refused": BLIND}),
        }
    )
    bad = [verdict.text for verdict in verdicts(blind) if verdict.tone == "bad"]
    assert f"Does not tell conditions apart: {SAME_MEANS}. W alone would not show this." in bad
    assert f"No treatment effects: {BLIND}. W alone would not show this." in bad
