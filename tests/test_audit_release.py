"""The audit on a made release (everything planted is found, nothing else), on real rows, and as report, JSON and page."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socsci210.audit import RULES, AuditReport, audit
from socsci210.audit.study import StudyAudit, audit_dataset, audit_study
from socsci210.dataset_folder import table_file, write_parquet
from socsci210.errors import DatasetError
from socsci210.schema import OUTCOMES

from . import small_dataset
from .audit_rows import released_studies, study_rows

MADE_ELSEWHERE = {"persona_differs"}  # found by the import: it needs the persona of every row


@pytest.fixture(scope="module")
def audits(made_release: Path) -> dict[str, tuple[StudyAudit, np.ndarray]]:
    """Study -> its audit and the sample ids of its rows."""
    return {rows.study_id: (audit_study(rows), ids) for rows, ids in released_studies(made_release)}


@pytest.fixture(scope="module")
def truth(made_release: Path) -> dict[str, Any]:
    return json.loads((made_release / "truth" / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def true_rows(made_release: Path) -> dict[tuple[str, int], dict[str, Any]]:
    rows = pq.read_table(made_release / "truth" / "rows.parquet").to_pylist()
    return {(row["study_id"], row["sample_id"]): row for row in rows}


@pytest.fixture(scope="module")
def report(audits: dict[str, tuple[StudyAudit, np.ndarray]]) -> AuditReport:
    done = [found for found, _ in audits.values()]
    summaries = tuple(found.summary for found in done)
    findings = tuple(finding for found in done for finding in found.findings)
    return AuditReport(Path("made"), "f" * 64, summaries, (*findings, *audit_dataset(summaries)))


# --- planted -------------------------------------------------------------------------------------------------------------------------


def test_row_rules_find_what_was_planted_and_nothing_else(audits, true_rows) -> None:
    hits, extra, missed = Counter(), Counter(), Counter()
    for study, (found, ids) in audits.items():
        for sample, names in zip(ids.tolist(), found.flags.to_pylist(), strict=True):
            planted = set(true_rows[study, sample]["rules"]) - MADE_ELSEWHERE
            hits.update(planted & set(names))
            extra.update(set(names) - planted)
            missed.update(planted - set(names))
    assert (extra, missed) == (Counter(), Counter())
    assert set(hits) == {name for name, rule in RULES.items() if rule.level == "row"} - MADE_ELSEWHERE  # each was planted somewhere


def test_the_clean_view_is_the_planted_truth(audits, true_rows) -> None:
    for study, (found, ids) in audits.items():
        true = [true_rows[study, sample]["response_true"] for sample in ids.tolist()]
        assert found.response_clean.to_pylist() == true, study


def test_decoys_are_there_and_left_alone(audits, true_rows) -> None:
    seen: dict[str, int] = defaultdict(int)
    for study, (found, ids) in audits.items():
        for sample, names in zip(ids.tolist(), found.flags.to_pylist(), strict=True):
            row = true_rows[study, sample]
            if row["decoys"] and not row["rules"]:
                assert names == [], (study, sample, row["decoys"])
                seen.update({kind: seen[kind] + 1 for kind in row["decoys"]})
    assert len(seen) >= 10


def test_cell_study_and_dataset_rules_find_what_was_planted_and_nothing_else(report, truth) -> None:
    for rule, planted in truth["cells"].items():
        places = {(one["study_id"], one["condition_num"], one["task_num"]) for one in planted}
        assert {(f.study_id, f.condition_num, f.task_num) for f in report.findings if f.rule == rule} == places, rule
    for rule, planted in truth["studies"].items():
        assert {f.study_id for f in report.findings if f.rule == rule} == set(planted), rule
    pairs = {tuple(f.detail.split(":")[0].split(" and ")) for f in report.findings if f.rule == "twin_studies"}
    assert pairs == {tuple(pair) for pair in truth["dataset"]["twin_studies"]}
    (low,) = (f for f in report.findings if f.rule == "income_floor")
    assert low.detail.startswith(f"{len(truth['dataset']['income_floor'])} of ")
    assert sum(f.rule == "gender_or_ethnicity" for f in report.findings) == 1
    planted = {*truth["rows"], *truth["cells"], *truth["studies"], *truth["dataset"]}
    assert planted | {"persona_facts"} | MADE_ELSEWHERE == set(RULES)  # nothing is left untried


# --- real rows -----------------------------------------------------------------------------------------------------------------------


def test_rates_on_real_rows(released_dir: Path) -> None:
    by_study: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for line in (released_dir / "val.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        text = row["input"].split("Scenario: ", 1)[1]
        by_study[row["study_id"]].append((text, int(row["output"].removeprefix("Response: ")), row["condition_num"]))
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for study, rows in by_study.items():
        texts, answers, conditions = zip(*rows, strict=True)
        for rule, n in audit_study(study_rows(texts, answers, condition=conditions, study_id=study)).summary.flagged.items():
            found[rule][study] = n
    assert found == {
        "lost_treatment": {"ndhyr": 123},  # all its rows, as others counted
        "redacted_text": {"q9w6s": 196},
        "described_media": {"xy8jw": 35, "8ypcc": 27, "jtgyq": 19, "84vy3": 18},  # xy8jw: the arms that saw a picture
    }


# --- report --------------------------------------------------------------------------------------------------------------------------


def test_counts_by_rule_and_the_table(report, audits) -> None:
    counts = report.by_rule()
    assert list(counts) == list(RULES)
    flags = Counter(name for found, _ in audits.values() for names in found.flags.to_pylist() for name in names)
    assert {name: counts[name].rows for name in flags} == dict(flags)
    assert counts["condition_offset"].studies == 1 and counts["condition_offset"].of == report.rows
    assert counts["missing_demographics"].of == report.people
    lines = {line["rule"]: line for line in report.table()}
    assert "persona_differs" not in lines and lines["off_scale"]["clean"] == "left out"
    clean = [value for found, _ in audits.values() for value in found.response_clean.to_pylist()]
    assert report.left_out == clean.count(None) and report.repaired > 0


def test_json_holds_everything(report, tmp_path: Path) -> None:
    read = json.loads(report.write_json(tmp_path / "new" / "audit.json").read_text(encoding="utf-8"))
    assert read["rows"] == report.rows and set(read["rules"]) == set(RULES) and len(read["per_study"]) == 210
    assert len(read["findings"]) == len(report.findings)
    assert read["clean"]["kept"] + read["clean"]["left_out"] == report.rows
    assert not list(tmp_path.rglob("*.tmp"))


class Page(HTMLParser):
    """Ids, link targets, loaded things and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids, self.links, self.loads, self.tags, self.text = [], [], [], Counter(), []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            {"id": self.ids, "href": self.links}.get(name, [] if name != "src" else self.loads).append(value)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_shows_counts_examples_studies_and_loads_nothing(report, tmp_path: Path) -> None:
    text = report.write_page(tmp_path / "audit.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not page.loads and not page.tags["script"] and not page.tags["link"] and "default-src 'none'" in text
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert all(link.startswith("#") or link.startswith("https://osf.io/") for link in page.links)
    shown = " ".join("".join(page.text).split())
    assert f"{report.rows:,}" in shown and "{action_map[letter]}" in shown
    assert shown.count("found here") >= 10  # known defects of the catalogue that a rule has seen
    assert all(study.study_id in shown for study in report.summaries)
    assert len(text) < 500_000


def test_the_page_escapes_what_comes_from_data(tmp_path: Path) -> None:
    evil = 'You read "<script>alert(1)</script> cost {price}" and then were asked: "Why?" Only return 1 for A or 2 for B, nothing else.'
    found = audit_study(study_rows([evil], [1], study_id="<b>id</b>"))
    text = AuditReport(tmp_path / "<i>", "f", (found.summary,), found.findings).write_page(tmp_path / "audit.html").read_text("utf-8")
    assert "&lt;script&gt;" in text and "<script" not in text and "<b>id" not in text and "<i>" not in text.split("</style>")[1]


def test_an_empty_report_has_a_page(tmp_path: Path) -> None:
    text = AuditReport(tmp_path, "f", (), ()).write_page(tmp_path / "audit.html").read_text("utf-8")
    assert "Looked for and not found" in text


# --- a dataset folder ----------------------------------------------------------------------------------------------------------------


def small_folder(folder: Path) -> Path:
    """The small dataset with an outcomes table; outcome 1 of toy_a moves in steps of 2."""
    small_dataset.write_dataset(folder)
    outcomes = [
        {"study_id": study, "condition_num": c, "task_num": t, "item_num": 0, "scale_step": 2 if (study, t) == ("toy_a", 1) else 1}
        for study in small_dataset.STUDY_IDS
        for c in range(small_dataset.CONDITIONS)
        for t in range(small_dataset.OUTCOMES)
    ]
    write_parquet(pa.Table.from_pylist(outcomes, OUTCOMES), folder / table_file("outcomes"))
    return folder


def test_a_built_dataset_is_audited_on_the_scales_of_its_rows(tmp_path: Path) -> None:
    steps: list[tuple[int, int, str]] = []
    report = audit(small_folder(tmp_path / "small"), jobs=2, progress=lambda *step: steps.append(step))
    assert [study.study_id for study in report.summaries] == list(small_dataset.STUDY_IDS)
    assert sorted(done for done, _, _ in steps) == list(range(1, 9)) and {total for _, total, _ in steps} == {8}
    whole = small_dataset.rows("toy_a")
    even = sum(
        t == 1 and r % 2 == 0 for t, r in zip(whole.column("task_num").to_pylist(), whole.column("response").to_pylist(), strict=True)
    )
    (finding,) = (f for f in report.findings if f.rule == "off_scale")
    assert (finding.study_id, finding.task_num, finding.rows) == ("toy_a", 1, even)
    within = [f.study_id for f in report.findings if f.rule == "within_subject"]
    assert within == [small_dataset.WITHIN]
    assert report.fingerprint == json.loads((tmp_path / "small" / "dataset.json").read_text())["fingerprint"]


def test_no_dataset_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no dataset\.json"):
        audit(tmp_path)


def test_a_damaged_dataset_is_a_message(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "small")
    next((folder / "data").rglob("*.parquet")).write_bytes(b"PAR1 cut off")
    with pytest.raises(DatasetError):
        audit(folder, progress=lambda *step: None)
