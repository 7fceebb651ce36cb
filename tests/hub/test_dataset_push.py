"""A dataset on the Hub: pushed, loaded back by everybody's means, a study added, versions by tag."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from socsci210.dataset_folder import DatasetFolder
from socsci210.local_hub import LocalHub
from socsci210.schema import SPLIT_CONFIGS

from ..toys import contents, read_here
from . import run
from .made_dataset import ADULTS, built, made, study

PUSH = """
from pathlib import Path
from socsci210.hub import push
from socsci210.hub.dataset import prepare_dataset
base = Path(GIVEN["base"])

def pushed(name, work, **options):
    (base / work).mkdir()
    package = prepare_dataset(base / name, "org/made", base / work, studies=[base / "studies"])
    return package, push(package, "org/made", say=lambda line: None, **options)
"""

VERSIONS = (
    PUSH
    + """
_, one = pushed("dataset", "work1", tag="v1")
study_files = sorted(path for path in one.added if path.startswith("studies_withheld"))
_, two = pushed("more", "work2", tag="v2")
_, same = pushed("more", "work3")
answer({
    "checked": [one.checked, two.checked, same.checked], "fingerprints": [one.fingerprint, two.fingerprint],
    "added": sorted(two.added), "unchanged": sorted(two.unchanged), "deleted": sorted(two.deleted), "study_files": study_files,
    "bytes": [one.bytes_sent, two.bytes_sent, same.bytes_sent], "commits": [one.commit, two.commit, same.commit],
})
"""
)

LOADED = """
import datasets, socsci210
from datasets import load_dataset
def rows(*names, **options):
    return load_dataset("org/made", *names, **options)

def key(row):
    return [row["study_id"], row["sample_id"]]

newest, first = rows(split="train"), rows(split="train", revision="v1")
streamed = [key(row) for row in rows("unseen_conditions", split="train", streaming=True)]
some = rows("unseen_participants", split="test", columns=["study_id", "response"], filters=[("study_id", "==", "open_one")])
answer({
    "rows": [len(newest), len(first)], "studies": [sorted(set(part["study_id"])) for part in (newest, first)],
    "whole": [row for row in first if row["study_id"] == "open_one"],
    "streamed": sorted(streamed), "loaded": sorted(key(row) for row in rows("unseen_conditions", split="train")),
    "columns": some.column_names, "some": [len(some), sorted(set(some["study_id"]))],
    "ours": len(socsci210.load("unseen_participants", "test", dataset="org/made", studies=["open_one"], columns=["response"])),
    "configs": sorted(datasets.get_dataset_config_names("org/made")),
})
"""

WRONG = (
    PUSH
    + """
from dataclasses import replace
from socsci210.errors import HubError
(base / "work4").mkdir()
package = prepare_dataset(base / "more", "org/made", base / "work4", studies=[base / "studies"])
check, said = package.check_back, []
for other, repo in (({"all": {"train": [1, ["response"]]}}, "org/made"), ({"other": {"train": [1, []]}}, "org/made"), ({}, "org/none")):
    try:
        replace(check, expected=check.expected | other)(repo, "main")
    except HubError as error:
        said.append(str(error))
answer(said)
"""
)


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    with LocalHub() as server:
        yield server


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of five studies, and the same with a sixth."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        read_here(patch)
        made(folder)
        study(folder, "later", ADULTS)
        built(folder, ["open_one", "open_two", "closed", "young", "allowed", "later"], "more")
    return folder


@pytest.fixture(scope="module")
def versions(hub: LocalHub, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Both pushed, one after the other."""
    return run(hub, VERSIONS, tmp_path_factory.mktemp("machine"), given={"base": str(base)})


def test_a_study_is_added_without_sending_the_others_again(versions: Any) -> None:
    rows = {path for path in versions["unchanged"] if path.startswith("data/")}
    assert {path.split("/")[2] for path in rows} == {"allowed.parquet", "open_one.parquet", "open_two.parquet", "young.parquet"}
    assert {path.split("/")[2] for path in versions["added"] if path.startswith("data/")} == {"later.parquet"}
    assert versions["deleted"] == []
    assert versions["study_files"] == ["studies_withheld/closed/hashes.json", "studies_withheld/closed/study.yaml"]
    assert versions["checked"] == [True, True, True] and versions["commits"][1] == versions["commits"][2]
    assert 0 < versions["bytes"][1] < versions["bytes"][0] and versions["bytes"][2] == 0


def test_everybody_loads_what_was_pushed(hub: LocalHub, base: Path, versions: Any, tmp_path: Path) -> None:
    found = run(hub, LOADED, tmp_path)
    whole = DatasetFolder(base / "dataset")
    assert found["rows"][0] == found["rows"][1] + 504
    assert found["studies"] == [["allowed", "later", "open_one", "open_two", "young"], ["allowed", "open_one", "open_two", "young"]]
    rows = sorted(found["whole"], key=lambda row: row["sample_id"])
    assert rows == whole.rows(studies=["open_one"]).sort_by("sample_id").to_pylist()
    assert found["streamed"] == found["loaded"] and found["loaded"]
    assert set(found["columns"]) == {"study_id", "response"} and found["some"] == [found["ours"], ["open_one"]]
    tables = {"studies", "conditions", "outcomes", "participants", "cells", "assignments"}
    assert set(found["configs"]) == {"all", *SPLIT_CONFIGS} | tables


def test_a_dataset_that_loads_back_otherwise_is_told(hub: LocalHub, base: Path, versions: Any, tmp_path: Path) -> None:
    fewer, other, nothing = run(hub, WRONG, tmp_path, given={"base": str(base)})
    assert "config 'all' loads back as train with" in fewer and "Expected: train with 1 rows of response" in fewer
    assert "config 'other' loads back as nothing" in other
    assert "load_dataset fails" in nothing


def test_no_word_of_a_withheld_study_lies_on_the_hub(base: Path) -> None:
    for name, data in contents(base / "work1").items():
        assert b"Nobody may read this sentence" not in data or name.endswith("study.yaml"), name
