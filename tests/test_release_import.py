"""The import of a release: what each table holds, that bytes depend on the rows alone, and what becomes of bad input and bad luck."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

import socsci210
from socsci210.dataset_folder import DatasetFolder
from socsci210.errors import DatasetError
from socsci210.predict import predict
from socsci210.release import ImportReport, import_release
from socsci210.schema import MAX_ENUMERATED, ROWS, SPLIT_CONFIGS, SPLITS, TABLES
from socsci210.score import score

from .tiny_release import SEEN, UNSEEN, WITHIN, all_rows, seen_study, unseen_study, within_study, write_release
from .toys import contents, records

STATED = ["scale_min", "scale_max", "scale_step"]
KEYED = pa.schema([ROWS.field(name) for name in ("study_id", "sample_id", "response")])
SAME = ("sample_id", "participant", "demographic", "stimuli", "response", "condition_num", "task_num", "study_id")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test notes of its imports is nobody else's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run(source: Path, out: Path, **options: Any) -> ImportReport:
    return import_release(source, out, progress=lambda *_: None, **options)


def rows_of(out: Path) -> list[dict[str, Any]]:
    """All rows, by study and sample id."""
    found = DatasetFolder(out).rows().cast(ROWS).to_pylist()
    return sorted(found, key=lambda row: (row["study_id"], row["sample_id"]))


def parquet(out: Path) -> dict[str, bytes]:
    return {name: content for name, content in contents(out).items() if name.endswith(".parquet")}


# --- what is in it -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The tiny release, imported."""
    return run(write_release(tmp_path / "source"), tmp_path / "out").path


def test_rows_are_as_released(tiny: Path) -> None:
    found = rows_of(tiny)
    given = sorted(all_rows(), key=lambda row: (row["study_id"], row["sample_id"]))
    for row, before in zip(found, given, strict=True):
        kept = {name: row[name] for name in SAME}
        kept["demographic"] = {name: value for name, value in row["demographic"].items() if value is not None}
        assert kept == {name: before[name] for name in SAME}


def test_rows_stand_in_the_order_of_their_ids(tiny: Path) -> None:
    for path in sorted((tiny / "data").glob("*/*.parquet")):
        table = pq.read_table(path)
        keys = list(zip(table["study_id"].to_pylist(), table["sample_id"].to_pylist(), strict=True))
        assert keys == sorted(keys)


def test_items_scales_flags_and_the_clean_answer(tiny: Path) -> None:
    found = {(row["study_id"], row["sample_id"]): row for row in rows_of(tiny)}
    assert [found[WITHIN, i]["item_num"] for i in range(4)] == [0, 1, 2, 0]
    assert [found[WITHIN, i]["scale_max"] for i in range(3)] == [4, 5, 4]
    assert [found[SEEN, i]["item_num"] for i in range(2)] == [0, 0]  # nobody is asked twice
    dollars = found[SEEN, 1]
    assert (dollars["scale_min"], dollars["scale_max"], dollars["response_clean"]) == (None, None, 0)
    off = found[UNSEEN, 5]
    assert (off["response"], off["response_clean"], off["flags"]) == (7, None, ["off_scale", "reused_task"])
    assert found[UNSEEN, 4]["response_clean"] == found[UNSEEN, 4]["response"] == 2
    assert all(row["weight"] is None for row in found.values())


def test_small_tables(tiny: Path) -> None:
    assert records(tiny, "studies", "study_id", "design", "n_participants", "n_conditions", "n_outcomes", "n_rows", "family") == [
        (SEEN, "between", 8, 4, 2, 16, SEEN),
        (WITHIN, "between", 5, 1, 1, 15, WITHIN),
        (UNSEEN, "between", 4, 2, 2, 16, UNSEEN),
    ]
    assert records(tiny, "studies", "topic", "licence", "redistribute", "source_url")[0] == (
        "partisanship", "unknown", "unknown", f"https://osf.io/{SEEN}/",
    )  # fmt: skip
    conditions = records(
        tiny, "conditions", "study_id", "condition_num", "condition_id", "control", "n_participants", "n_responses", "n_missing"
    )
    assert conditions[:2] == [(SEEN, 1, "c1", None, 2, 4, None), (SEEN, 2, "c2", None, 2, 4, None)]
    people = records(tiny, "participants", "study_id", "participant", "condition_nums", "n_responses")
    assert people[:2] == [(SEEN, 1, [1], 2), (SEEN, 3, [2], 2)] and len(people) == 17
    ages = {(study, person): who["age"] for study, person, who in records(tiny, "participants", "study_id", "participant", "demographic")}
    assert ages[SEEN, 15] == 45 and ages[UNSEEN, 3] == 33


def test_outcomes_have_the_stated_scale_or_a_reason(tiny: Path) -> None:
    names = ("study_id", "condition_num", "item_num", "kind", "scale_min", "scale_max", "scale_source", "scale_reason", "n_responses")
    found = dict(
        zip(
            ((line[0], line[1], line[2], line[3]) for line in records(tiny, "outcomes", *names)),
            records(tiny, "outcomes", *names),
            strict=True,
        )
    )
    assert found[SEEN, 1, 0, "ordinal"][4:] == (1, 4, "stated", None, 2)
    assert found[SEEN, 1, 0, "numeric"][4:] == (None, None, "none", "unbounded", 2)
    assert found[WITHIN, 0, 1, "ordinal"][4:] == (1, 5, "stated", None, 5)
    table = DatasetFolder(tiny).table("outcomes").to_pylist()
    assert table[0]["outcome_id"] == "t0" and table[0]["question"].startswith('You read "Plan 1 costs little."')
    assert table[0]["options"] == [{"value": 1, "label": "Never"}, {"value": 4, "label": "Always"}]


def test_cells_count_answers_off_the_scale_and_the_floor_does_not(tiny: Path) -> None:
    cells = {
        line[:4]: line[4:]
        for line in records(
            tiny, "cells", "study_id", "condition_num", "task_num", "scale_max", "n", "support", "counts", "mean", "noise_floor"
        )
    }
    n, support, counts, mean, floor = cells[UNSEEN, 1, 0, 4]
    assert (n, support, counts, mean) == (4, [1, 2, 3, 4, 7], [0, 1, 0, 2, 1], 4.25)
    rng = np.random.default_rng(0)  # E[W1] of (2, 4, 4) on [0, 1] against 3 people drawn from it
    drawn = rng.choice([1, 3, 3], (20_000, 3)) / 3
    shares = np.stack([(drawn <= gap / 3 + 1e-9).mean(axis=1) for gap in (1, 2)])
    assert floor == pytest.approx(np.abs(shares - 1 / 3).sum(axis=0).mean() / 3, abs=0.003)
    assert cells[SEEN, 1, 3, None] == (2, [0, 400], [1, 1], 200.0, None)
    assert cells[WITHIN, 0, 0, 4][0] == 10 and cells[WITHIN, 0, 0, 5][0] == 5  # items on two scales are two cells


def test_official_sides(tiny: Path) -> None:
    folder = DatasetFolder(tiny)
    held_out = {
        "unseen_conditions": {(SEEN, i) for i in (6, 7, 14, 15)} | {(UNSEEN, i) for i in (4, 5, 6, 7, 12, 13, 14, 15)},
        "unseen_outcomes": {(UNSEEN, i) for i in (2, 3, 6, 7, 10, 11, 14, 15)},
        "unseen_studies": {(UNSEEN, i) for i in range(16)},
    }
    for config, rows in held_out.items():
        test = folder.rows(config, "test", ["study_id", "sample_id"]).to_pylist()
        assert {(row["study_id"], row["sample_id"]) for row in test} == rows and len(test) == len(rows)
    assert UNSEEN not in folder.rows("unseen_participants", None, ["study_id"])["study_id"].to_pylist()
    assert WITHIN not in folder.rows("unseen_conditions", None, ["study_id"])["study_id"].to_pylist()  # in neither list


def test_the_manifest_says_what_the_release_was(tiny: Path, tmp_path: Path) -> None:
    release = DatasetFolder(tiny).manifest["release"]
    assert [file["file"] for file in release["files"]][:1] == ["data/train-00000-of-00003.parquet"] and len(release["files"]) == 6
    assert release["files"][0]["bytes"] == (tmp_path / "source/data/train-00000-of-00003.parquet").stat().st_size
    assert release["rules"] == {"off_scale": 1, "reused_task": 31}
    assert release["cleaned"] == {"left_out": 1, "repaired": 0} and release["revision"] is None
    verdicts = {check["what"]: (check["found"], check["verdict"]) for check in release["checks"]}
    assert verdicts["rows"] == ("47", "different") and verdicts["data/train-00001-of-00003.parquet"][1] == "unknown"
    assert str(tmp_path) not in (tiny / "dataset.json").read_text() + (tiny / "README.md").read_text()


def test_the_card_says_what_was_done(tiny: Path) -> None:
    card = " ".join((tiny / "README.md").read_text(encoding="utf-8").split())
    for part in (
        "47 answers of 17 people in 3 survey experiments",
        "license: unknown",
        "a folder of the released files, revision unknown",
        "| rows | 47 | 2,901,390 | different |",
        "`unknown` means: nothing is known here to compare it with.",
        "`socsci210 audit PATH --out audit.html` writes a page",
        "Nothing is changed without a flag, a count and a line here.",
        "0 answers are moved back to the scale that their stimulus states, 1 rows are left out",
        "| `off_scale` | Answers off the stated scale | 1 | 1 | 1 | row left out |",
        "load(..., strict=True) leaves unseen studies and their known sisters out of training and validation",
        "The published sides are disjoint by row. They are not disjoint by text",
        "They were not kept.",
        "The release states no licence",
    ):
        assert part in card, part
    assert "Sides are disjoint by identity" not in card and "None" not in card.replace("None in the text", "")


# --- bytes depend on the rows alone --------------------------------------------------------------------------------------------------


def test_any_order_of_rows_and_shards_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = run(write_release(tmp_path / "a"), tmp_path / "out_a", with_reasoning=True)
    monkeypatch.setattr("socsci210.release.read._BATCH", 7)
    monkeypatch.setattr("socsci210.release.read._HELD", 0)  # what is not complete goes to disk
    mixed = all_rows()
    random.Random(1).shuffle(mixed)
    other = run(write_release(tmp_path / "b", mixed, shards=4, row_group=3), tmp_path / "out_b", with_reasoning=True, jobs=1)
    assert parquet(straight.path) == parquet(other.path)
    assert straight.manifest["fingerprint"] == other.manifest["fingerprint"] and straight.rules == other.rules


def test_the_same_release_gives_the_same_bytes_in_any_place(tmp_path: Path) -> None:
    run(write_release(tmp_path / "a"), tmp_path / "out_a", jobs=1)
    run(write_release(tmp_path / "b"), tmp_path / "out_b", jobs=3)
    assert contents(tmp_path / "out_a") == contents(tmp_path / "out_b")


@pytest.mark.parametrize("stored", ["large_string", "dictionary", "no value"])
def test_texts_may_be_stored_in_another_way(tmp_path: Path, stored: str) -> None:
    run(write_release(tmp_path / "a"), tmp_path / "out_a")
    for path in (write_release(tmp_path / "b") / "data").glob("*.parquet"):
        table = pq.read_table(path)
        for place, field in enumerate(table.schema):
            if pa.types.is_string(field.type):
                kind = pa.large_string() if stored == "large_string" else pa.dictionary(pa.int16(), pa.string())
                table = table if stored == "no value" else table.set_column(place, field.name, table.column(place).cast(kind))
        if stored == "no value":  # a field that nobody in the shard has
            people = table["demographic"].combine_chunks()
            fields = [pa.nulls(len(table)) if f.name == "party_id" else people.field(f.name) for f in reversed(people.type)]
            struct = pa.StructArray.from_arrays(fields, names=[field.name for field in reversed(people.type)])
            table = table.set_column(2, "demographic", struct)
        pq.write_table(table, path)
    run(tmp_path / "b", tmp_path / "out_b")
    assert parquet(tmp_path / "out_a") == parquet(tmp_path / "out_b")


# --- again ---------------------------------------------------------------------------------------------------------------------------


def test_nothing_is_done_twice(tmp_path: Path) -> None:
    source, out = write_release(tmp_path / "source"), tmp_path / "out"
    first = run(source, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = run(source, out)
    assert (first.unchanged, again.unchanged) == (False, True)
    assert again.manifest == first.manifest and again.rules == first.rules and again.checks == first.checks
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


@pytest.mark.parametrize("change", ["source", "option", "dataset", "damaged note"])
def test_whatever_changed_is_imported_again(tmp_path: Path, change: str) -> None:
    source, out = write_release(tmp_path / "source"), tmp_path / "out"
    first = run(source, out)
    if change == "source":
        path = next((source / "data").glob("*.parquet"))
        os.utime(path, ns=(0, 0))
    if change == "dataset":
        next((out / "data").glob("*/*.parquet")).unlink()
    if change == "damaged note":
        next((tmp_path / "cache").rglob("imports/*.json")).write_text("{")
    again = run(source, out, with_reasoning=change == "option")
    assert not again.unchanged
    DatasetFolder(out).check()
    assert (again.manifest["fingerprint"] == first.manifest["fingerprint"]) == (change != "option")


def test_a_cache_that_cannot_be_written_costs_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="the next import of the same release will not know"):
        run(write_release(tmp_path / "source"), tmp_path / "out")
    DatasetFolder(tmp_path / "out").check()


# --- rationales ----------------------------------------------------------------------------------------------------------------------


def test_rationales_are_kept_for_training_rows_only(tmp_path: Path) -> None:
    run(write_release(tmp_path / "source"), tmp_path / "out", with_reasoning=True)
    kept = {
        (row["study_id"], row["sample_id"]): row["reasoning"]
        for path in (tmp_path / "out" / "reasoning").glob("*/*.parquet")
        for row in pq.read_table(path).to_pylist()
    }
    folder = DatasetFolder(tmp_path / "out")
    trained = {
        (row["study_id"], row["sample_id"])
        for config in SPLIT_CONFIGS
        for row in folder.rows(config, "train", ["study_id", "sample_id"]).to_pylist()
    }
    assert set(kept) == {row for row in trained if row[0] != UNSEEN} and 0 < len(kept) < 31
    assert all(text == f"because of {study} {sample}" for (study, sample), text in kept.items())
    assert all("reasoning" not in pq.read_schema(path).names for path in (tmp_path / "out" / "data").glob("*/*.parquet"))
    found = socsci210.load("unseen_conditions", "train", dataset=tmp_path / "out", reasoning=True).to_pandas()
    assert set(found.loc[found["study_id"] == SEEN, "reasoning"]) == {
        kept[SEEN, i] for i in found.loc[found["study_id"] == SEEN, "sample_id"]
    }
    assert found.loc[found["study_id"] == UNSEEN, "reasoning"].isna().all()


# --- bad input -----------------------------------------------------------------------------------------------------------------------


def refused(tmp_path: Path, rows: list[dict[str, Any]] | None = None, **options: Any) -> str:
    """The message of an import that must fail and leave nothing."""
    source = write_release(tmp_path / "source", rows, **options)
    with pytest.raises(DatasetError) as caught:
        run(source, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))
    return str(caught.value)


def test_duplicate_keys(tmp_path: Path) -> None:
    rows = all_rows()
    message = refused(tmp_path, [*rows, rows[3], rows[2]])
    assert f"study {WITHIN}: 2 sample ids stand in more than one row: 2, 3" in message
    assert "(study_id, sample_id) once" in message and "Fix: look for a shard that is there twice" in message


@pytest.mark.parametrize("column", ["response", "stimuli", "study_id"])
def test_missing_values(tmp_path: Path, column: str) -> None:
    rows = all_rows()
    rows[7][column] = None
    message = refused(tmp_path, rows, shards=1, row_group=5)
    assert f"1 rows without {column}, the first is row 2 of the group" in message
    assert "train-00000-of-00001.parquet, row group 1" in message


def test_numbers_below_zero(tmp_path: Path) -> None:
    rows = all_rows()
    rows[20]["condition_num"] = -3
    assert f"study {SEEN}: condition_num -3\n  Expected: a number from 0" in refused(tmp_path, rows)


def test_a_damaged_page_of_a_shard(tmp_path: Path) -> None:
    path = write_release(tmp_path / "source") / "data" / "train-00001-of-00003.parquet"
    content = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    content[start : start + 60] = b"\xff" * 60
    path.write_bytes(bytes(content))
    with pytest.raises(DatasetError, match=r"(?s)train-00001-of-00003\.parquet: it does not read to its end .*download it again"):
        run(tmp_path / "source", tmp_path / "out")
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("mappings", "expected"),
    [
        ({"task": {UNSEEN: {"train": [0], "eval": [99]}}}, "names 1 sample ids that have no row: 99"),
        ({"participant": {"seen": [SEEN, WITHIN, "3bzxg"], "unseen": [UNSEEN]}}, "1 studies listed without any row: 3bzxg"),
        ({"participant": {"seen": [SEEN], "unseen": [UNSEEN]}}, f"1 studies with rows, not listed: {WITHIN}"),
    ],
)
def test_mappings_that_do_not_fit_the_rows(tmp_path: Path, mappings: dict[str, Any], expected: str) -> None:
    assert expected in refused(tmp_path, mappings=mappings)


def test_one_person_with_two_personas(tmp_path: Path) -> None:
    rows = all_rows()
    place = rows.index(within_study()[4])  # the second row of person 1
    rows[place]["demographic"] = {"age": 31, "gender": "Male", "income": "<5K"}
    report = run(write_release(tmp_path / "source", rows), tmp_path / "out")
    assert report.rules["persona_differs"] == 1
    found = {row["sample_id"]: row for row in rows_of(tmp_path / "out") if row["study_id"] == WITHIN}
    assert [found[i]["demographic"]["gender"] for i in (3, 4, 5)] == ["Female", "Male", "Female"]
    assert [("persona_differs" in found[i]["flags"]) for i in (3, 4, 5)] == [False, True, False]
    people = dict(records(tmp_path / "out", "participants", "participant", "demographic")[8:13])
    assert people[1]["gender"] == "Female"


def test_an_empty_study_is_no_study_and_a_lone_row_is_one(tmp_path: Path) -> None:
    rows = [*within_study(), seen_study()[0], *unseen_study()]
    mappings = {"condition": {}, "task": {}}
    report = run(write_release(tmp_path / "source", rows, mappings=mappings), tmp_path / "out")
    assert report.manifest["rows"] == 32 and records(report.path, "studies", "n_rows")[0] == (1,)
    assert report.manifest["splits"]["unseen_conditions"]["none"] == 32


# --- bad luck ------------------------------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    run(write_release(tmp_path / "source"), tmp_path / "out")
    before = contents(tmp_path / "out")
    for place in ("socsci210.dataset_writer.write_parquet", "socsci210.release.study.save_tables"):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            with pytest.raises(DatasetError, match=r"(?s)writing failed \(No space left on device\).*free some space"):
                run(tmp_path / "source", tmp_path / "out", with_reasoning=True)
        assert contents(tmp_path / "out") == before and not list(tmp_path.glob(".*"))


LIMITED = """
import resource, sys
from pathlib import Path
from socsci210.release import import_release
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
import_release(sys.argv[1], Path(sys.argv[2]), progress=lambda *_: None)
"""


def test_a_file_that_may_not_grow_ends_the_import_with_a_message(tmp_path: Path) -> None:
    source = write_release(tmp_path / "source")
    limited = subprocess.run(
        [sys.executable, "-c", LIMITED, str(source), str(tmp_path / "out")], check=False, capture_output=True, text=True
    )
    assert limited.returncode == 1 and "DatasetError" in limited.stderr and "writing failed" in limited.stderr
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))


def test_something_else_at_the_target_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.docx").write_text("years of work")
    with pytest.raises(DatasetError, match=r"out: it exists and is not a dataset folder"):
        run(write_release(tmp_path / "source"), tmp_path / "out")


SLOW = """
import sys, time
from pathlib import Path
from socsci210.release import import_release

def wait(done, total, what):
    if what.startswith(sys.argv[3]):
        print(what, flush=True)
        time.sleep(50)

import_release(sys.argv[1], Path(sys.argv[2]), progress=wait)
"""


def ended(tmp_path: Path, number: signal.Signals, at: str) -> int:
    """Start an import, end it by a signal at some step, and give its exit status."""
    arguments = [str(tmp_path / "source"), str(tmp_path / "out"), at]
    with subprocess.Popen([sys.executable, "-c", SLOW, *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline().startswith(at.encode())
        process.send_signal(number)
        return process.wait(timeout=20)


@pytest.mark.parametrize("at", ["read", "wrote"])
def test_a_killed_import_leaves_the_old_dataset_and_the_next_one_sweeps(tmp_path: Path, at: str) -> None:
    source, out = write_release(tmp_path / "source"), tmp_path / "out"
    run(source, out)
    before = contents(out)
    os.utime(next((source / "data").glob("*.parquet")), ns=(0, 0))
    assert ended(tmp_path, signal.SIGKILL, at) == -signal.SIGKILL
    assert contents(out) == before and len(list(tmp_path.glob(".out.partial-*"))) == 1
    assert not run(source, out).unchanged
    assert contents(out) == before and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("at", ["read", "wrote"])
def test_an_import_told_to_end_removes_what_it_had_begun(tmp_path: Path, at: str) -> None:
    write_release(tmp_path / "source")
    assert ended(tmp_path, signal.SIGTERM, at) == 128 + signal.SIGTERM
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))


# --- everything downstream -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def imported(made_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made release, imported once. Read it, never write to it."""
    return run(made_release, tmp_path_factory.mktemp("imported") / "dataset").path


def test_the_made_release_is_borne_out(made_release: Path, imported: Path) -> None:
    columns = ["study_id", "sample_id", "scale_min", "scale_max", "flags", "response_clean"]
    found = DatasetFolder(imported).rows(columns=columns).cast(pa.schema([ROWS.field(name) for name in columns])).to_pandas()
    truth = pq.read_table(made_release / "truth" / "rows.parquet").to_pandas()
    both = found.merge(truth, on=["study_id", "sample_id"], suffixes=("", "_true"), validate="one_to_one")
    assert len(both) == len(found) == len(truth) == 60_000
    assert (both["flags"].map(sorted) == both["rules"].map(sorted)).all()
    for name, true in (("scale_min", "scale_min_true"), ("scale_max", "scale_max_true"), ("response_clean", "response_true")):
        assert both[name].astype("Float64").equals(both[true].astype("Float64")), name


def test_every_config_loads(imported: Path, tmp_path: Path) -> None:
    counts = DatasetFolder(imported).manifest["splits"]
    for config in SPLIT_CONFIGS:
        found = socsci210.load(config, dataset=imported, columns=["sample_id", "response"])
        assert {name: len(part) for name, part in found.items()} == {name: counts[config][name] for name in SPLITS}
    assert len(socsci210.load("all", "train", dataset=imported, clean=True)) < 60_000
    plain = load_dataset(str(imported), "unseen_studies", split="test", cache_dir=str(tmp_path / "hub"))
    assert len(plain) == counts["unseen_studies"]["test"] and plain.column_names == ROWS.names
    assert next(iter(load_dataset(str(imported), "unseen_studies", split="test", streaming=True)))["study_id"] == plain[0]["study_id"]
    for table in TABLES:
        if table != "attributes":
            assert load_dataset(str(imported), table, split="train", cache_dir=str(tmp_path / "hub")).column_names == TABLES[table].names


def test_prediction_and_score_work_on_it(made_release: Path, imported: Path, tmp_path: Path) -> None:
    made = predict(engine="uniform", dataset=imported, config="unseen_studies", out=tmp_path / "uniform.parquet")
    stated = score([made], imported, controls=False).runs[0].stated
    assert stated.W.point == pytest.approx(stated.chance) and 0.1 < stated.chance < 0.3  # a uniform prediction is chance
    test = DatasetFolder(imported).rows("unseen_studies", "test", ["study_id", "sample_id", "response"]).cast(KEYED).to_pandas()
    truth = pq.read_table(made_release / "truth" / "rows.parquet", columns=["study_id", "sample_id", *STATED]).to_pandas()
    low, high, step, answer = test.merge(truth, on=["study_id", "sample_id"])[[*STATED, "response"]].astype("float64").to_numpy().T
    enumerated = (high - low) / step < MAX_ENUMERATED
    off = enumerated & ((answer < low) | (answer > high) | ((answer - low) % step != 0))
    assert stated.rows_left_out == {"answer off the stated scale": int(off.sum())} and off.sum() > 200
