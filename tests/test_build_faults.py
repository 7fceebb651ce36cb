"""Bad input and bad luck: each message names the place and the fix, nothing half-written is left, and a second run completes."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import socsci210.build
from socsci210.build import build, validate
from socsci210.dataset_folder import DatasetFolder
from socsci210.errors import DatasetError, ExpressionError, GateError, ReadError, SocSciError, StudyFileError
from socsci210.registry import Registry

from .toys import ROWS, contents, many, read_here, toy

Changes = Mapping[str, Any]


def failure(
    folder: Path, monkeypatch: pytest.MonkeyPatch, changes: Changes | None = None, rows: list[dict[str, Any]] | None = None
) -> SocSciError:
    """The error of a toy study that must not pass."""
    read_here(monkeypatch)
    with pytest.raises(SocSciError) as caught:
        toy(folder, changes, rows).check()
    return caught.value


@pytest.mark.parametrize(
    ("changes", "rows", "kind", "parts"),
    [
        pytest.param(
            {},
            [*ROWS, {"id": "p2", "arm": 0, "q1": 1}],
            GateError,
            ["[participants] 1 participant id stands in more than one row: rows 2, 5 of the data", "data.csv, column id", "drop_all"],
            id="duplicate participant",
        ),
        pytest.param(
            {},
            [*ROWS, {"id": "", "arm": 0, "q1": 1}],
            GateError,
            ["[participants] no participant id in row 5 of the data", "Fix: name a column that is always filled"],
            id="participant without id",
        ),
        pytest.param(
            {},
            [*ROWS, {"id": "p5", "arm": 0, "q1": 9}, {"id": "p6", "arm": 1, "q1": 9}],
            GateError,
            ["toy: outcome support, column q1: [on_scale] response 9 is off the scale, 2 times", "Expected: 1..5", "`missing`"],
            id="response off scale",
        ),
        pytest.param(
            {"outcomes.0.recode": {1: 1, 3: 3, 4: 4}, "outcomes.0.why_recode": "test"},
            ROWS,
            GateError,
            [
                "column q1: [codes] code 5 has no mapping, 1 time",
                "Expected: one of the codes of `recode`: 1, 3, 4",
                "Fix: add it to recode",
            ],
            id="code without a mapping",
        ),
        pytest.param(
            {},
            [*ROWS, {"id": "p5", "arm": 0, "q1": "n/a"}],
            GateError,
            ["response '3' is off the scale, 1 time (and 4 more such codes)", "Fix: the column holds words as well, so its codes are text"],
            id="numbers among words",
        ),
        pytest.param(
            {"data.missing": {"*": {5: "refused"}}},
            ROWS,
            GateError,
            [
                "[missing_code_on_scale] code 5 is missing by the map of all columns (*), but lies on the scale 1..5",
                "name columns instead of *",
            ],
            id="missing code on the scale",
        ),
        pytest.param(
            {"conditions.1.where": "arm = 0"},
            ROWS,
            GateError,
            ["[one_condition] 2 people are in two conditions (control and treated): rows 1, 4 of the data", "Fix: correct `where`"],
            id="two conditions",
        ),
        pytest.param(
            {},
            [*ROWS, {"id": "p5", "arm": 2, "q1": 1}],
            GateError,
            ["[one_condition] 1 person is in no condition: row 5 of the data", "data.keep"],
            id="no condition",
        ),
        pytest.param({}, [], ReadError, ["data.csv: the file has columns but no rows", "Fix: fetch the deposit again"], id="empty deposit"),
        pytest.param(
            {"data.keep": [{"sql": "arm > 5", "reason": "late", "why": "test"}]},
            ROWS,
            GateError,
            ["toy: data.keep: [no_people] the filters leave nobody of 4: {'late': 4}", "Fix: correct the filters"],
            id="filters leave nobody",
        ),
        pytest.param(
            {"conditions.1.where": "arm = 1 AND q1 > 0"},
            ROWS,
            StudyFileError,
            ["toy: conditions.treated.where: it reads q1, which holds answers", "say why under reads_outcome"],
            id="condition reads an answer",
        ),
        pytest.param(
            {"data.keep": [{"sql": "q1 IS NOT NULL", "reason": "blank", "why": "test"}]},
            ROWS,
            StudyFileError,
            ["toy: data.keep[0]: it reads q1, which holds answers"],
            id="filter reads an answer",
        ),
        pytest.param(
            {"fills": {"a": {"column": "q1", "values": {1: {"text": "x"}}}}},
            ROWS,
            StudyFileError,
            ["toy: fills.a: it reads q1, which holds answers"],
            id="fill reads an answer",
        ),
        pytest.param(
            {"demographics.fields": {"household_size": {"columns": ["q1"]}}},
            ROWS,
            StudyFileError,
            ["toy: demographics.household_size: column q1 holds answers", "set demographics.fields.household_size to null"],
            id="persona reads an answer",
        ),
        pytest.param(
            {"conditions.1.where": "arm = 1 AND waves > 2"},
            ROWS,
            ExpressionError,
            ["toy: conditions.treated.where", "waves"],
            id="sql names a missing column",
        ),
        pytest.param(
            {"outcomes.0.column": "q2"},
            ROWS,
            StudyFileError,
            ["toy: outcomes.support: column 'q2' is not in data.csv", "Fix: correct the name"],
            id="missing column",
        ),
        pytest.param(
            {"data.participant": "pid"},
            ROWS,
            StudyFileError,
            ["toy: data.participant: column 'pid' is not in data.csv", "Fix: Did you mean 'id'?"],
            id="missing participant column",
        ),
        pytest.param(
            {"data.keep": [{"column": "id", "reason": "late", "why": "test"}]},
            ROWS,
            StudyFileError,
            ["toy: data.keep[0]: a string is neither true nor false", "write it as sql"],
            id="filter of words",
        ),
        pytest.param(
            {"fills": {"who": {"column": "sex", "values": {1: {"text": "you"}}}}, "conditions.1.text": [{"text": "See {who}."}]},
            [row | {"sex": sex} for row, sex in zip(ROWS, (1, 2, 1, 1), strict=True)],
            GateError,
            ["toy: fills.who, column sex: [fills] 1 person has a code without a text: 2", "Fix: add the code to `values`"],
            id="fill without a text",
        ),
        pytest.param(
            {"fills": {"who": {"column": "sex", "values": {1: {"text": "you"}}}}, "conditions.1.text": [{"text": "See {who}."}]},
            [row | {"sex": sex} for row, sex in zip(ROWS, (1, "", 1, 1), strict=True)],
            GateError,
            ["toy: fills.who, column sex: [fills] 1 person who answered has no value for it", "say under `absent`"],
            id="fill without a value",
        ),
        pytest.param(
            {
                "fills": {"who": {"column": "sex", "values": {1: {"text": "you"}}, "absent": "test"}},
                "outcomes.0.question": [{"text": "Do {who}?"}],
            },
            [row | {"sex": sex} for row, sex in zip(ROWS, (1, "", 1, 1), strict=True)],
            GateError,
            ["condition treated: [fills] people without a value for {who} were asked a question that holds it", "say under `asked`"],
            id="absent blank in a question",
        ),
        pytest.param(
            {"data.weight": "w"},
            [row | {"w": "heavy"} for row in ROWS],
            StudyFileError,
            ["toy: data.weight: column w holds text", "Expected: numbers"],
            id="weights of words",
        ),
        pytest.param(
            {"fills": {"x": {"by": "condition", "values": {"control": {"text": "a"}}}}, "outcomes.0.question": [{"text": "Is it {x}?"}]},
            ROWS,
            StudyFileError,
            ["toy: fills.x.values: no value for condition treated", "Fix: add treated"],
            id="condition without a fill",
        ),
    ],
)
def test_each_fault_is_named_with_its_place_and_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: Changes, rows: list[dict[str, Any]], kind: type[SocSciError], parts: list[str]
) -> None:
    error = failure(tmp_path, monkeypatch, changes, rows)
    assert type(error) is kind
    for part in parts:
        assert part in str(error)
    assert "p2" not in str(error)  # ids of people are never shown


def test_a_declared_reason_lets_a_condition_read_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)
    toy(tmp_path, {"conditions.1.where": "arm = 1 AND q1 > 0", "conditions.1.reads_outcome": "a test"}).check()


def test_wrong_hash_missing_file_and_path_out_of_the_deposit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)
    made = toy(tmp_path)
    expected = made.registry.get("toy").load().files["data"].sha256
    made.data.write_text(made.data.read_text() + "p5,0,1\n")
    with pytest.raises(ReadError) as caught:
        made.check()
    assert expected in str(caught.value) and "data.csv" in str(caught.value)
    made.data.unlink()
    with pytest.raises(ReadError, match=r"data\.csv: no such file"):
        made.check()
    (tmp_path / "deposits" / "outside.csv").write_text("id,arm,q1\n")
    study = tmp_path / "studies" / "toy" / "study.yaml"
    study.write_text(study.read_text().replace("file: data.csv", "file: ../outside.csv"))
    with pytest.raises(StudyFileError, match=r"study\.yaml, line \d+: files\.data\.file: file name '\.\./outside\.csv' leaves the deposit"):
        made.check()
    made.data.symlink_to(tmp_path / "deposits" / "outside.csv")  # a name that looks harmless
    study.write_text(study.read_text().replace("file: ../outside.csv", "file: data.csv"))
    with pytest.raises(StudyFileError, match=r"files\.data: file name 'data\.csv' leads out of the deposit"):
        made.check()


def test_a_changed_file_is_refused_even_where_the_cache_knows_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)
    made, options = toy(tmp_path), {"deposits": tmp_path / "deposits", "registry": Registry([tmp_path / "studies"])}
    made.build(tmp_path / "out", cache=tmp_path / "cache")
    made.data.write_text(made.data.read_text().replace("p1", "px"))
    report = build(["toy"], out=tmp_path / "other", cache=tmp_path / "cache", **options)  # type: ignore[arg-type]
    assert "sha256" in report.failed["toy"] and not (tmp_path / "other").exists()


def test_a_deposit_that_is_not_there(tmp_path: Path) -> None:
    made = toy(tmp_path)
    report = build(["toy"], deposits=tmp_path / "nowhere", out=tmp_path / "out", registry=made.registry)
    assert "no folder toy for study toy" in report.failed["toy"] and "https://example.org/toy" in report.failed["toy"]
    assert report.path is None and not (tmp_path / "out").exists()


# --- bad luck ------------------------------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from socsci210.build import build
from socsci210.registry import Registry
folder, at = Path(sys.argv[1]), int(sys.argv[2])

def progress(done, total, what):
    if done == at:
        os.kill(os.getpid(), signal.SIGKILL)

build(["toy_a", "toy_b"], deposits=folder / "deposits", out=folder / "out", registry=Registry([folder / "studies"]), progress=progress)
"""


def two(folder: Path) -> Registry:
    for name in ("toy_a", "toy_b"):
        toy(folder, {"provenance.family": name, "outcomes.0.question": [{"text": f"Do you like {name}?"}]}, many(40), study_id=name)
    return Registry([folder / "studies"])


@pytest.mark.parametrize("at", [1, 3], ids=["while reading", "while writing"])
def test_a_killed_build_leaves_nothing_and_the_next_one_completes(tmp_path: Path, at: int) -> None:
    registry = two(tmp_path)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(at)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert [path.name.startswith(".out.partial-") for path in tmp_path.glob(".*")] == [True]
    options: dict[str, Any] = {"deposits": tmp_path / "deposits", "registry": registry}
    build(["toy_a", "toy_b"], out=tmp_path / "out", **options)
    build(["toy_a", "toy_b"], out=tmp_path / "straight", **options)
    assert contents(tmp_path / "out") == contents(tmp_path / "straight")
    assert list(tmp_path.glob(".*")) == []


def test_a_full_disk_while_writing_leaves_the_old_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)
    registry = two(tmp_path)
    options: dict[str, Any] = {"deposits": tmp_path / "deposits", "registry": registry}
    build(["toy_a"], out=tmp_path / "out", **options)
    before = contents(tmp_path / "out")
    monkeypatch.setattr("socsci210.dataset_writer.write_parquet", _full)
    with pytest.raises(DatasetError, match=r"(?s)out: writing failed \(No space left on device\).*free some space"):
        build(["toy_a", "toy_b"], out=tmp_path / "out", **options)
    assert contents(tmp_path / "out") == before
    with pytest.raises(DatasetError):
        build(["toy_a", "toy_b"], out=tmp_path / "new", **options)
    assert not (tmp_path / "new").exists() and list(tmp_path.glob(".*")) == []


def _full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


LIMITED = """
import resource, sys
from pathlib import Path
from socsci210.build import build
from socsci210.registry import Registry
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
folder = Path(sys.argv[1])
build(["toy_a", "toy_b"], deposits=folder / "deposits", out=folder / "out", registry=Registry([folder / "studies"]))
"""


def test_a_file_that_may_not_grow_ends_the_build_with_a_message(tmp_path: Path) -> None:
    two(tmp_path)
    limited = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], check=False, capture_output=True, text=True)
    assert limited.returncode == 1
    assert "DatasetError" in limited.stderr and "writing failed" in limited.stderr and "run the same command again" in limited.stderr
    assert not (tmp_path / "out").exists() and list(tmp_path.glob(".*")) == []


def test_something_else_at_the_target_is_never_replaced(tmp_path: Path) -> None:
    made = toy(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.docx").write_text("years of work")
    with pytest.raises(DatasetError, match=r"out: it exists and is not a dataset folder"):
        made.build(tmp_path / "out")
    assert (tmp_path / "out" / "thesis.docx").read_text() == "years of work"


def test_an_unforeseen_error_costs_one_study_and_not_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = two(tmp_path)
    original = socsci210.build.make_study

    def stumbles(study: str, **options: Any) -> str:
        if study == "toy_a":
            raise KeyError("a\nkey " + "x" * 300)
        return original(study, **options)

    monkeypatch.setattr("socsci210.build.make_study", stumbles)
    report = build(["toy_a", "toy_b"], deposits=tmp_path / "deposits", out=tmp_path / "out", registry=registry)
    assert report.built == ("toy_b",) and list(report.failed) == ["toy_a"]
    message = report.failed["toy_a"]
    assert message.startswith("internal error while reading study toy_a (KeyError: ") and "x" * 180 in message and "x" * 200 not in message
    assert message.endswith("Fix: please report this with the study file")
    assert DatasetFolder(tmp_path / "out").manifest["left_out"] == {"toy_a": "an internal error of this package"}


def test_a_full_memory_is_no_fault_of_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> str:
        raise MemoryError

    registry = two(tmp_path)
    monkeypatch.setattr("socsci210.build.make_study", full)
    with pytest.raises(MemoryError):
        build(["toy_a"], deposits=tmp_path / "deposits", out=tmp_path / "out", registry=registry)


def test_the_progress_bar_takes_names_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("socsci210.workshop.Console", lambda **_: Console(file=shown, force_terminal=True, width=100))
    report = build(["[/red]"], deposits=tmp_path, out=tmp_path / "out", registry=Registry())
    assert list(report.failed) == ["[/red]"] and "read [/red]" in shown.getvalue()


# --- what is kept between builds -----------------------------------------------------------------------------------------------------


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])


@pytest.mark.parametrize("harm", [_cut, Path.unlink, lambda file: file.write_bytes(b"")], ids=["cut", "deleted", "empty"])
@pytest.mark.parametrize("name", ["rows", "cells"])
def test_a_damaged_entry_of_the_cache_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, harm: Any) -> None:
    read_here(monkeypatch)
    made = toy(tmp_path)
    made.build(tmp_path / "out", cache=tmp_path / "cache")
    before = contents(tmp_path / "cache")
    harm(next((tmp_path / "cache").glob(f"*/{name}.arrow")))
    made.build(tmp_path / "again", cache=tmp_path / "cache")
    assert contents(tmp_path / "cache") == before
    assert contents(tmp_path / "again") == contents(tmp_path / "out")


def test_an_entry_that_vanishes_meanwhile_is_not_called_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)

    def vanish(done: int, total: int, what: str) -> None:
        if done == 1:
            shutil.rmtree(next((tmp_path / "cache").iterdir()))

    with pytest.raises(DatasetError, match=r"(?s)\.arrow: what was kept of a study does not read.*made again"):
        toy(tmp_path).build(tmp_path / "out", cache=tmp_path / "cache", progress=vanish)


SLOW = """
import sys, time
from pathlib import Path
import socsci210.extract
from socsci210.build import build
from socsci210.registry import Registry
folder = Path(sys.argv[1])

def slow(task, payload, *, out, **limits):
    (out / "table.arrow").write_text("raw rows")
    print("reading", flush=True)
    return socsci210.child._call("slow_tasks:sleeps", payload, out=out, seconds=60, memory_gb=4, write_gb=1)

socsci210.extract.run_child = slow
build(["toy_a", "toy_b"], deposits=folder / "deposits", out=folder / "out", registry=Registry([folder / "studies"]), cache=folder / "cache")
"""


def _ended(folder: Path, number: signal.Signals) -> int:
    """Start a build, end it with a signal while it reads a deposit, and give its exit status."""
    (folder / "slow_tasks.py").write_text("import time\n\n\ndef sleeps(payload):\n    time.sleep(50)\n")
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with subprocess.Popen([sys.executable, "-c", SLOW, str(folder)], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None and process.stdout.readline() == b"reading\n"
        time.sleep(0.3)
        process.send_signal(number)
        return process.wait(timeout=20)


def _raw(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.arrow") if path.read_bytes() == b"raw rows"]


def test_a_build_told_to_end_removes_what_it_had_begun(tmp_path: Path) -> None:
    two(tmp_path)
    assert _ended(tmp_path, signal.SIGTERM) == 128 + signal.SIGTERM
    assert _raw(tmp_path) == [] and list(tmp_path.glob(".*")) == [] and not (tmp_path / "out").exists()


def test_a_killed_build_leaves_no_raw_rows_in_the_cache_and_the_next_one_sweeps(tmp_path: Path) -> None:
    registry = two(tmp_path)
    assert _ended(tmp_path, signal.SIGKILL) == -signal.SIGKILL
    assert len(_raw(tmp_path)) == 1 and not list(tmp_path.glob("cache/**/*.arrow"))
    build(["toy_a", "toy_b"], deposits=tmp_path / "deposits", out=tmp_path / "out", registry=registry, cache=tmp_path / "cache")
    assert _raw(tmp_path) == [] and list(tmp_path.glob(".*")) == []


def test_half_written_entries_of_dead_processes_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    prefix = socsci210.build.cache._PARTIAL  # type: ignore[attr-defined]
    dead, alive = (tmp_path / "cache" / f"{prefix}{process}-x" for process in (ended.pid, os.getppid()))
    for folder in (dead, alive):
        folder.mkdir(parents=True)
    toy(tmp_path).build(tmp_path / "out", cache=tmp_path / "cache")
    assert not dead.exists() and alive.exists()


def test_validating_sweeps_what_a_killed_run_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    place = tmp_path / "tmp"
    (place / f"socsci210-validate-{ended.pid}-x").mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(place))
    made = toy(tmp_path)
    assert validate(["toy"], deposits=made.deposits, registry=made.registry).built == ("toy",)
    assert list(place.iterdir()) == []


# --- reading a folder ----------------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_no_dataset_or_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)
    with pytest.raises(DatasetError, match=r"no dataset\.json in it"):
        DatasetFolder(tmp_path)
    toy(tmp_path).build(tmp_path / "out")
    folder = DatasetFolder(tmp_path / "out")
    with pytest.raises(DatasetError, match=r"no config is called 'unseen'"):
        folder.rows("unseen")
    with pytest.raises(DatasetError, match=r"config 'all' has no split 'test'"):
        folder.rows("all", "test")
    with pytest.raises(DatasetError, match="no rows of nobody"):
        folder.rows(studies=["nobody"])
    with pytest.raises(DatasetError, match="no column answer"):
        folder.rows(columns=["answer"])
    next((tmp_path / "out" / "data").rglob("*.parquet")).unlink()
    with pytest.raises(DatasetError, match="the parquet files have fingerprint"):
        folder.check()
    (tmp_path / "out" / "cells" / "cells.parquet").write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match=r"cells\.parquet: does not read"):
        folder.table("cells")


def test_words_of_people_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outcome that points at an open question by mistake."""
    secret = "I would rather not say, but my name is Ann Example"
    error = failure(tmp_path, monkeypatch, {}, [row | {"q1": secret} for row in ROWS])
    assert "Ann" not in str(error) and f"response of {len(secret)} characters is off the scale" in str(error)
