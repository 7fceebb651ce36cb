"""Finding, downloading and verifying a release. The download runs the real Hub client in a child, against a Hub on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socsci210.errors import DatasetError
from socsci210.local_hub import LocalHub
from socsci210.release import verify
from socsci210.release.mappings import NONE, TEST, TRAIN, Sides, check_studies, read_mappings, row_sides
from socsci210.release.source import PINNED, Source, find_source
from socsci210.release.verify import COLUMNS, check_columns, check_counts, check_files, check_shards, hash_files, known

SHARDS = 3
STUDIES = {"seen": ["aaaaa", "bbbbb"], "unseen": ["ccccc"]}
CONDITION = {"aaaaa": {"train": [0, 1, 4, 5], "eval": [2, 3]}}
TASK = {"bbbbb": {"train": [3, 1], "eval": [0]}}
MAPPINGS = {"participant": STUDIES, "condition": CONDITION, "task": TASK}


def shard_name(number: int, total: int = SHARDS) -> str:
    return f"train-{number:05}-of-{total:05}.parquet"


def rows(study: str, n: int = 6) -> pa.Table:
    """Rows of upstream shape; values are of no matter here."""
    person = dict.fromkeys(COLUMNS.field("demographic").type.names) | {"age": 40}
    whole = pa.array(range(n), pa.int64())
    text = pa.array(["words"] * n)
    columns = dict.fromkeys(COLUMNS.names, whole) | dict.fromkeys(("stimuli", "prompt", "reasoning"), text)
    columns |= {"study_id": pa.array([study] * n), "demographic": pa.array([person] * n, COLUMNS.field("demographic").type)}
    return pa.table(columns, schema=COLUMNS)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A tiny release in the upstream layout."""
    folder = tmp_path / "release"
    (folder / "data").mkdir(parents=True)
    (folder / "metadata").mkdir()
    for number, study in enumerate(("aaaaa", "bbbbb", "ccccc")):
        pq.write_table(rows(study), folder / "data" / shard_name(number))
    for name, content in MAPPINGS.items():
        write_mapping(folder, name, content)
    return folder


def write_mapping(folder: Path, name: str, content: object) -> None:
    (folder / "metadata" / f"{name}_mapping.json").write_text(content if isinstance(content, str) else json.dumps(content))


def message(function: Callable[[], object]) -> str:
    with pytest.raises(DatasetError) as caught:
        function()
    return str(caught.value)


# --- a folder ------------------------------------------------------------------------------------------------------------------------


def test_folder_in_the_upstream_layout(release: Path) -> None:
    (release / "data" / "._train-00000-of-00003.parquet").write_bytes(b"what a file manager leaves")
    (release / "README.md").write_text("card")
    source = find_source(release)
    assert [path.name for path in source.shards] == [shard_name(number) for number in range(SHARDS)]
    assert {key: path.name for key, path in source.mappings.items()} == {
        "participant": "participant_mapping.json", "condition": "condition_mapping.json", "task": "task_mapping.json"
    }  # fmt: skip
    assert (source.name, source.revision, source.hub_sha256) == (str(release), None, {})
    assert len(source.files) == SHARDS + 3


def test_folder_of_the_hub_client_says_its_revision(release: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshots" / PINNED
    snapshot.parent.mkdir()
    release.rename(snapshot)
    assert find_source(str(snapshot)).revision == PINNED


def remove(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink()


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda f: remove(f, f"data/{shard_name(1)}"), ["1 of 3 shards missing: train-00001-of-00003.parquet", "data"]),
        (lambda f: remove(f, f"data/{shard_name(2)}"), ["1 of 3 shards missing: train-00002-of-00003.parquet"]),
        (lambda f: remove(f, *(f"data/{shard_name(i)}" for i in range(3))), ["no parquet file in it"]),
        (lambda f: (f / "data").rename(f / "rows"), ["no folder data in it", "train-000NN-of-000MM"]),
        (lambda f: remove(f, "metadata/task_mapping.json"), ["no file task_mapping.json", f"datasets/socratesft/SocSci210/blob/{PINNED}"]),
        (lambda f: (f / "data" / "part-0.parquet").touch(), ["a file part-0.parquet among the shards"]),
        (lambda f: (f / "data" / shard_name(0, 17)).touch(), ["shards of 3 and of 17: two releases in one folder"]),
        (lambda f: (f / "data" / shard_name(3)).touch(), ["shard 3 of 3", "numbers 0 to 2"]),
    ],
)  # fmt: skip
def test_incomplete_folder(release: Path, damage: Callable[[Path], object], expected: list[str]) -> None:
    damage(release)
    text = message(lambda: find_source(release))
    assert str(release) in text
    for part in expected:
        assert part in text


def test_wrong_place_given(release: Path, tmp_path: Path) -> None:
    assert f"give the folder above it: {release}" in message(lambda: find_source(release / "data"))
    assert "a file, not a folder" in message(lambda: find_source(release / "data" / shard_name(0)))
    assert "--revision v2 with a folder" in message(lambda: find_source(release, "v2"))
    for nothing in (tmp_path / "absent", "a/b/c", "/absent/folder", "absent", "org/na me"):
        assert "no such folder, and not a Hub id" in message(lambda given=nothing: find_source(given))


# --- shards --------------------------------------------------------------------------------------------------------------------------


def test_shards_of_the_release(release: Path) -> None:
    schema = check_shards(find_source(release))
    assert schema == COLUMNS
    assert check_columns(schema).verdict == "equal"


def rewrite(folder: Path, change: Callable[[pa.Table], pa.Table], number: int = 1) -> Path:
    path = folder / "data" / shard_name(number)
    pq.write_table(change(pq.read_table(path)), path)
    return path


def cast(column: str, kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.schema.names.index(column), column, table[column].cast(kind))


def recast_person(field: str, kind: pa.DataType | None) -> Callable[[pa.Table], pa.Table]:
    """The same table with one field of `demographic` in another type, or without it."""

    def change(table: pa.Table) -> pa.Table:
        person = table["demographic"].combine_chunks()
        parts = {part.name: person.field(part.name) for part in person.type if part.name != field or kind is not None}
        if kind is not None:
            parts[field] = pa.nulls(len(person)) if pa.types.is_null(kind) else parts[field].cast(kind)
        made = pa.StructArray.from_arrays(list(parts.values()), names=list(parts))
        return table.set_column(table.schema.names.index("demographic"), "demographic", made)

    return change


@pytest.mark.parametrize(
    "change",
    [
        cast("stimuli", pa.large_string()),
        cast("study_id", pa.dictionary(pa.int32(), pa.string())),
        recast_person("age", pa.int32()),
        recast_person("gender", pa.null()),
        lambda table: table.select(sorted(table.column_names)),
    ],
)
def test_accepted_variants(release: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    rewrite(release, change)
    assert check_shards(find_source(release)) == COLUMNS


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda table: table.drop_columns(["response"]), "no column response"),
        (cast("response", pa.string()), "column response is string\n  Expected: int64"),
        (cast("participant", pa.int32()), "column participant is int32\n  Expected: int64"),
        (cast("stimuli", pa.binary()), "column stimuli is binary\n  Expected: string"),
        (lambda table: table.set_column(2, "demographic", table["stimuli"]), "column demographic is string\n  Expected: a struct"),
        (recast_person("income", None), "column demographic has no field income\n  Expected: the 16 fields"),
        (recast_person("age", pa.string()), "column demographic.age is string\n  Expected: a signed integer"),
        (recast_person("gender", pa.binary()), "column demographic.gender is binary\n  Expected: string"),
    ],
)
def test_refused_columns(release: Path, change: Callable[[pa.Table], pa.Table], expected: str) -> None:
    path = rewrite(release, change)
    text = message(lambda: check_shards(find_source(release)))
    assert text.startswith(f"{path}: {expected}")
    assert "Fix: " in text


def test_more_columns_are_named_and_ignored(release: Path) -> None:
    rewrite(release, lambda table: table.append_column("split", table["study_id"]))
    schema = check_shards(find_source(release))
    assert schema.names == [*COLUMNS.names, "split"]
    check = check_columns(schema)
    assert (check.found, check.verdict) == ("the ten columns and split, ignored", "different")


def test_shard_cut_off(release: Path) -> None:
    path = release / "data" / shard_name(2)
    whole = path.read_bytes()
    for size in (0, 3, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:size])
        text = message(lambda: check_shards(find_source(release)))
        assert str(path) in text
        assert ("an empty file" if not size else f"{size:,} bytes, cut off or damaged") in text


def test_pointers_of_git_lfs(release: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    write_mapping(release, "task", pointer)
    assert "git lfs pull" in message(lambda: read_mappings(find_source(release)))
    (release / "data" / shard_name(0)).write_text(pointer)
    assert "git lfs pull" in message(lambda: check_shards(find_source(release)))


# --- hashes and counts ---------------------------------------------------------------------------------------------------------------


def test_known_facts() -> None:
    assert known()["revision"] == PINNED
    assert known()["counts"]["rows"] == 2_901_390
    assert known()["files"]["metadata/participant_mapping.json"].startswith("b436801983a6")


def test_hashes_against_the_known_ones(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = find_source(release)
    hashes = hash_files(source.files)
    path = source.mappings["task"]
    assert hashes["metadata/task_mapping.json"] == hashlib.sha256(path.read_bytes()).hexdigest()
    task, condition = hashes["metadata/task_mapping.json"], hashes["metadata/condition_mapping.json"]
    facts = {
        "metadata/participant_mapping.json": "0" * 64,
        "metadata/condition_mapping.json": condition,
        "metadata/task_mapping.json": f"{task[:8]}...{task[-5:]}",
    }
    monkeypatch.setattr(verify, "known", lambda: {"files": facts})
    verdicts = {check.what: check.verdict for check in check_files(source, hashes)}
    assert verdicts == {
        f"data/{shard_name(0)}": "unknown", f"data/{shard_name(1)}": "unknown", f"data/{shard_name(2)}": "unknown",
        "metadata/participant_mapping.json": "different", "metadata/condition_mapping.json": "equal", "metadata/task_mapping.json": "equal",
    }  # fmt: skip
    other = Source(source.folder, source.shards, source.mappings, "org/name", revision="1" * 40)
    assert {check.what: check.verdict for check in check_files(other, hashes)}["metadata/participant_mapping.json"] == "unknown"
    facts["metadata/task_mapping.json"] = f"{task[:8]}...{'0' * 5}"
    assert [check.verdict for check in check_files(source, hashes)][-1] == "different"


def test_file_that_is_not_what_the_hub_states(release: Path) -> None:
    source = find_source(release)
    hashes = hash_files(source.files)
    name = f"data/{shard_name(0)}"
    stated = Source(source.folder, source.shards, source.mappings, "org/name", PINNED, {name: hashes[name]})
    assert check_files(stated, hashes)[0].verdict == "equal"
    text = message(lambda: check_files(stated, hashes | {name: "0" * 64}))
    assert f"its sha256 is {'0' * 64}" in text
    assert f"delete {source.shards[0]} and run again" in text


def test_counts() -> None:
    found = {"rows": 2_901_390, "cells": 5_997, "persons": 3}
    assert [(c.what, c.found, c.expected, c.verdict) for c in check_counts(found)] == [
        ("rows", "2,901,390", "2,901,390", "equal"),
        ("cells", "5,997", "5,998", "different"),
        ("persons", "3", "", "unknown"),
    ]
    assert [c.verdict for c in check_counts(found, revision="1" * 40)] == ["equal", "unknown", "unknown"]
    assert [c.verdict for c in check_counts(found, revision=PINNED)] == ["equal", "different", "unknown"]


# --- mapping files -------------------------------------------------------------------------------------------------------------------


def test_mappings_as_published(release: Path) -> None:
    mappings = read_mappings(find_source(release))
    assert (mappings.seen, mappings.unseen) == ({"aaaaa", "bbbbb"}, {"ccccc"})
    assert mappings.task["bbbbb"].train.tolist() == [1, 3]
    sides = row_sides(mappings.condition["aaaaa"], np.array([5, 4, 3, 2, 1, 0, 6]))
    assert sides.tolist() == [TRAIN, TRAIN, TEST, TEST, TRAIN, TRAIN, NONE]
    assert sides.dtype == np.uint8


def test_row_sides_of_lists_that_name_unknown_rows(release: Path) -> None:
    sides = read_mappings(find_source(release)).condition["aaaaa"]
    text = message(lambda: row_sides(sides, np.array([0, 1, 3, 5])))
    assert "condition_mapping.json, study aaaaa: names 1 sample ids that have no row: 4" in text
    text = message(lambda: row_sides(Sides(np.arange(3), np.arange(10, 30), "here"), np.arange(5)))
    assert "here: names 20 sample ids that have no row: 10, 11, 12, 13, 14, ..." in text
    assert row_sides(Sides(np.empty(0, np.int64), np.empty(0, np.int64), ""), np.arange(2)).tolist() == [NONE, NONE]
    assert "names 1 sample ids" in message(lambda: row_sides(Sides(np.array([0]), np.empty(0, np.int64), ""), np.empty(0, np.int64)))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("condition", {"aaaaa": {"train": [0, 1, 1, 2, 2], "eval": [3]}}, "study aaaaa, train: 2 sample ids twice: 1, 2"),
        ("condition", {"aaaaa": {"train": [0, 1, 2], "eval": [2, 1]}}, "study aaaaa: 2 sample ids on both sides: 1, 2"),
        ("condition", {"aaaaa": {"train": [0, "1"], "eval": []}}, 'study aaaaa, train: entry 1 is "1"'),
        ("condition", {"aaaaa": {"train": [], "eval": [0, 1.5]}}, "study aaaaa, eval: entry 1 is 1.5"),
        ("condition", {"aaaaa": {"train": [0, True], "eval": []}}, "entry 1 is true"),
        ("condition", {"aaaaa": {"train": [0, None], "eval": []}}, "entry 1 is null"),
        ("condition", {"aaaaa": {"train": [-1, 0], "eval": []}}, "sample id -1"),
        ("condition", {"aaaaa": {"train": [10**30], "eval": []}}, "a sample id of 31 digits"),
        ("condition", {"aaaaa": [0, 1]}, "study aaaaa: of another shape"),
        ("condition", {"aaaaa": {"train": [0], "test": [1]}}, "study aaaaa: of another shape"),
        ("condition", [1, 2], "of another shape"),
        ("task", {"aaaaa": TASK["bbbbb"], "zzzzz": TASK["bbbbb"]}, "task_mapping.json: names 1 unknown studies: zzzzz"),
        ("task", '{"aaaaa": {"train": [0, 1], "ev', "task_mapping.json: not valid JSON"),
        ("task", "[" * 200_000, "task_mapping.json: not valid JSON"),
        ("task", '{"aaaaa": {"train": [], "eval": []}, "aaaaa": {"train": [], "eval": []}}', "key twice: aaaaa"),
        ("participant", {"seen": ["aaaaa"]}, "participant_mapping.json: of another shape"),
        ("participant", {"seen": ["aaaaa", 3], "unseen": []}, "participant_mapping.json: of another shape"),
        ("participant", {"seen": ["aaaaa", "aaaaa"], "unseen": []}, "listed twice: aaaaa"),
        ("participant", {"seen": ["aaaaa"], "unseen": ["aaaaa"]}, "both seen and unseen: aaaaa"),
    ],
)
def test_bad_mapping_files(release: Path, name: str, content: object, expected: str) -> None:
    write_mapping(release, name, content)
    text = message(lambda: read_mappings(find_source(release)))
    assert expected in text
    assert str(release) in text
    assert len(text) < 1000


def test_studies_with_rows_and_studies_listed(release: Path) -> None:
    mappings = read_mappings(find_source(release))
    check_studies(mappings, ["aaaaa", "bbbbb", "ccccc"])
    assert "1 studies listed without any row: bbbbb" in message(lambda: check_studies(mappings, ["aaaaa", "ccccc"]))
    assert "1 studies with rows, not listed: ddddd" in message(lambda: check_studies(mappings, ["aaaaa", "bbbbb", "ccccc", "ddddd"]))


# --- download ------------------------------------------------------------------------------------------------------------------------

TOKEN = "hf_neverShownToAnybody"
CHILD = """
import json, os, shutil, sys, time
from pathlib import Path

waited = []
time.sleep = waited.append  # the client waits between its tries
from huggingface_hub import file_download
from socsci210.errors import DatasetError
from socsci210.release import download, source

def full_disk(*args, **options):
    raise OSError(28, "No space left on device")

for call in json.loads(sys.argv[1]):
    seen = []
    progress = (lambda *step: seen.append(step)) if call.get("progress") else None
    real = shutil.disk_usage, file_download.http_get
    if call.get("free") is not None:
        shutil.disk_usage = lambda path: type("Usage", (), {"free": call["free"]})
    if call.get("full"):
        file_download.http_get = full_disk
    try:
        found = source.find_source(call["source"], call.get("revision"), progress)
        out = {"folder": str(found.folder), "revision": found.revision, "hashes": found.hub_sha256, "name": found.name, "seen": seen}
    except DatasetError as error:
        out = {"error": str(error)}
    shutil.disk_usage, file_download.http_get = real
    print("ANSWER", json.dumps(out))
"""


class Machine:
    """A machine with a cache of its own, on which the real client runs."""

    def __init__(self, hub: LocalHub, cache: Path) -> None:
        self.hub, self.cache = hub, cache

    def run(self, *calls: dict[str, Any], **variables: str) -> list[dict[str, Any]]:
        """`find_source` in a child, once per call; the token is in its environment and must not be in what it says."""
        homes = {"XDG_CACHE_HOME": str(self.cache), "HF_HOME": str(self.cache / "hf"), "HF_TOKEN": TOKEN}
        environment = os.environ | self.hub.environment() | homes | variables
        done = subprocess.run(
            [sys.executable, "-c", CHILD, json.dumps(calls)], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert TOKEN not in done.stdout + done.stderr
        return [json.loads(line.removeprefix("ANSWER")) for line in done.stdout.splitlines() if line.startswith("ANSWER")]

    def error(self, call: dict[str, Any], **variables: str) -> str:
        """The message of one call."""
        return str(self.run(call, **variables)[0]["error"])


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    with LocalHub() as server:
        server.add_user("stranger", token=TOKEN)
        server.indiscreet = True
        yield server


@pytest.fixture
def machine(hub: LocalHub, tmp_path: Path) -> Iterator[Machine]:
    hub.served.clear()
    hub.requests.clear()
    yield Machine(hub, tmp_path / "cache")
    hub.heal()
    hub.repositories.clear()


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def big(release: Path) -> dict[str, bytes]:
    """The files of the release, its shards long enough to be cut, and some that nobody asked for."""
    files = files_of(release)
    shards = {name: content.ljust(200_000, b"\1") for name, content in files.items() if name.startswith("data/")}
    return files | shards | {"README.md": b"card", "checkpoints/other.parquet": b"not wanted"}


def test_download_and_second_run(machine: Machine, release: Path) -> None:
    files = big(release)
    commit = machine.hub.commit("dataset", "org/made", files, commit=PINNED)
    first, again = machine.run({"source": "org/made"}, {"source": "org/made", "revision": "main"})
    folder = Path(first["folder"])
    assert (first["name"], first["revision"], again["revision"]) == ("org/made", commit, commit)
    assert folder.is_relative_to(machine.cache / "socsci210")
    assert files_of(folder) == {name: content for name, content in files.items() if name.startswith(("data/", "metadata/"))}
    assert first["hashes"][f"data/{shard_name(1)}"] == hashlib.sha256(files[f"data/{shard_name(1)}"]).hexdigest()
    assert machine.hub.served == {name: len(files[name]) for name in files if name.startswith(("data/", "metadata/"))}
    asked = len(machine.hub.requests)
    second = machine.run({"source": "org/made"}, {"source": "org/absent"}, HF_HUB_OFFLINE="1")
    assert second[0]["folder"] == first["folder"]
    assert "HF_HUB_OFFLINE forbids" in second[1]["error"]
    assert len(machine.hub.requests) == asked


@pytest.mark.parametrize("reset", [False, True])
def test_connection_lost_while_a_file_is_loaded(machine: Machine, release: Path, reset: bool) -> None:
    cut = f"data/{shard_name(1)}"
    files = big(release) | {cut: bytes(12_000_000)}
    machine.hub.commit("dataset", "org/made", files)
    machine.hub.fail(cut, cut_after=11_000_000, reset=reset, times=1)
    (found,) = machine.run({"source": "org/made", "revision": "main"})
    assert (Path(found["folder"]) / cut).read_bytes() == files[cut]
    # Cut off, the client goes on after the last piece of 10 MiB; reset, the file begins again. No other file is loaded twice.
    assert machine.hub.served[cut] == 12_000_000 + 11_000_000 - (0 if reset else 10 * 2**20)
    assert machine.hub.served[f"data/{shard_name(0)}"] == len(files[f"data/{shard_name(0)}"])


def test_second_run_goes_on_after_a_failure(machine: Machine, release: Path) -> None:
    files = big(release)
    machine.hub.commit("dataset", "org/made", files)
    broken = f"data/{shard_name(2)}"
    machine.hub.fail(broken, method="GET", status=503, times=None)
    text = machine.error({"source": "org/made", "revision": "main"})
    assert "org/made@main: the Hub answered with status 503" in text
    assert "files that are complete are not loaded twice" in text
    assert "HF_HUB_OFFLINE forbids" in machine.error({"source": "org/made", "revision": "main"}, HF_HUB_OFFLINE="1")
    machine.hub.heal()
    before = dict(machine.hub.served)
    leftover = next((machine.cache / "socsci210" / "hub").glob("*/blobs")) / "abc.12345678.incomplete"
    leftover.write_bytes(b"of a run that was killed")
    (found,) = machine.run({"source": "org/made", "revision": "main"})
    loaded = {name: size - before.get(name, 0) for name, size in machine.hub.served.items() if size > before.get(name, 0)}
    assert loaded.pop(broken) == len(files[broken])
    assert set(loaded).isdisjoint(before)
    assert len(find_source(found["folder"]).shards) == SHARDS
    assert not leftover.exists()


def test_busy_hub_is_waited_for(machine: Machine, release: Path) -> None:
    machine.hub.commit("dataset", "org/made", big(release), commit=PINNED)
    machine.hub.fail("tree", status=429, headers={"Retry-After": "0"}, times=2)
    machine.hub.fail(shard_name(1), status=429, headers={"Retry-After": "0"}, times=2)
    (found,) = machine.run({"source": "org/made"})
    assert found["revision"] == PINNED


def test_progress_is_reported(machine: Machine, release: Path) -> None:
    machine.hub.commit("dataset", "org/made", big(release) | {f"data/{shard_name(1)}": bytes(3_000_000)}, commit=PINNED)
    (found,) = machine.run({"source": "org/made", "progress": True})
    assert found["seen"][-1][:2] == [3, 3]
    assert found["seen"][-1][2].startswith("downloading org/made@0484811")


def test_what_the_hub_refuses(machine: Machine, release: Path) -> None:
    files = big(release)
    for name in ("made", "private", "gated"):
        machine.hub.commit("dataset", f"org/{name}", files)
        machine.hub.repositories["dataset", f"org/{name}"].private = name == "private"
    machine.hub.repositories["dataset", "org/gated"].gated = True
    calls = [
        {"source": "org/made"},
        {"source": "org/made", "revision": "nosuch"},
        {"source": "org/absent"},
        {"source": "org/private", "revision": "main"},
        {"source": "org/gated", "revision": "main"},
        {"source": "org/two--dashes"},
    ]
    texts = [answer["error"] for answer in machine.run(*calls)]
    for text in texts[:2]:
        assert "the repository has no such revision\n  Expected: a branch, tag or commit of org/made" in text
        assert "Fix: correct --revision; without it the pinned commit is looked for" in text
    for text in (*texts[2:4], texts[5]):
        assert "no such dataset repository on the Hub, or not open to you" in text
    assert "the repository is not open to you" in texts[4]
    assert "ask for access at https://huggingface.co/datasets/org/gated" in texts[4]
    machine.hub.commit("dataset", "org/other", {"README.md": b"no rows"})
    assert "no folder data in it" in machine.error({"source": "org/other", "revision": "main"})


def test_hub_out_of_reach(machine: Machine) -> None:
    text = machine.error({"source": "org/made"}, HF_ENDPOINT="http://127.0.0.1:1")
    assert "org/made@048481111a4425ed83dc0eacf15f8431f252b21a: the Hub cannot be reached, or the connection was lost (ConnectError)" in text
    assert "check the network, or the path if a folder was meant" in text


def test_disk_full(machine: Machine, release: Path) -> None:
    machine.hub.commit("dataset", "org/made", big(release), commit=PINNED)
    early, late, fine = machine.run({"source": "org/made", "free": 1000}, {"source": "org/made", "full": True}, {"source": "org/made"})
    assert "the disk is full (1 MB needed)" in early["error"]
    assert str(machine.cache) in early["error"]
    assert "the disk is full (No space left on device)" in late["error"]
    assert "XDG_CACHE_HOME" in late["error"]
    assert fine["revision"] == PINNED
    assert sum(machine.hub.served.values()) == sum(len(c) for n, c in big(release).items() if n.startswith(("data/", "metadata/")))
