"""What a push of a dataset would publish: only rows that may be, nothing of the others, and enough to build them again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from socsci210.audit import audit
from socsci210.build import build
from socsci210.dataset_folder import DatasetFolder
from socsci210.errors import DatasetError, HubError
from socsci210.hub.dataset import prepare_dataset
from socsci210.hub.package import Package
from socsci210.hub.rebuilt import check_rebuilt
from socsci210.hub.safety import check_files
from socsci210.hub.subset import write_subset
from socsci210.registry import Registry
from socsci210.schema import ROWS
from socsci210.splits import check_disjoint, partition, units_of

from ..toys import contents, read_here
from .made_dataset import ALONE, SECRET, YOUNG, built, made, study

YOUNG_PEOPLE = [place for place in range(84) if place % 7 in (0, 5)]  # 16 and 17 years old


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Study files, deposits and a dataset; nobody changes it."""
    base = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        read_here(patch)
        made(base)
    return base


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def prepared(folder: Path, work: Path, **options: object) -> Package:
    return prepare_dataset(folder / "dataset", "lab/made", work, studies=[folder / "studies"], **options)  # type: ignore[arg-type]


def unpacked(package: Package, out: Path) -> DatasetFolder:
    for name, path in package.files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, out / name)
    return DatasetFolder(out)


@pytest.fixture(scope="module")
def package(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Package, DatasetFolder]:
    """The package of the whole dataset, and what stands in the repository after it."""
    found = prepared(folder, tmp_path_factory.mktemp("work"))
    return found, unpacked(found, tmp_path_factory.mktemp("repository"))


def test_only_rows_that_may_be_published_are_there(package: tuple[Package, DatasetFolder]) -> None:
    found, published = package
    assert published.studies == ("allowed", "open_one", "open_two", "young")
    published.check()
    assert published.fingerprint == found.fingerprint
    for path, data in contents(published.path).items():
        if path.endswith(".parquet"):
            assert "closed" not in path and SECRET.encode() not in data
    for config, table in [
        ("rows", published.rows()),
        *((name, published.table(name)) for name in ("participants", "cells", "assignments")),
    ]:
        assert "closed" not in table["study_id"].unique().to_pylist(), config
    assert SECRET not in json.dumps(published.rows(columns=["stimuli"]).to_pylist())
    check_files(found.files, "dataset", "")


def test_what_is_published_is_a_dataset_of_its_own(folder: Path, package: tuple[Package, DatasetFolder]) -> None:
    published, whole = package[1], DatasetFolder(folder / "dataset")
    rows = published.rows()
    units = units_of(rows, published.table("studies"), published.table("participants"))
    check_disjoint(units, partition(units, published.table("assignments")))
    for config, sides in published.manifest["splits"].items():
        for split in ("train", "validation", "test"):
            assert published.rows(config, split).num_rows == sides[split]
    own = whole.rows(studies=["open_one"]).sort_by("sample_id").to_pylist()
    assert published.rows(studies=["open_one"]).sort_by("sample_id").to_pylist() == own
    assert published.manifest["published"] == {
        "withheld": ["closed"], "under_18_left_out": {"young": len(YOUNG_PEOPLE)}, "coarse": False, "all_under_18": [],
    }  # fmt: skip


def test_minors_are_left_out_and_everything_is_counted_anew(folder: Path, package: tuple[Package, DatasetFolder]) -> None:
    published, whole = package[1], DatasetFolder(folder / "dataset")
    rows = [row for row in whole.rows(studies=["young"]).sort_by("sample_id").to_pylist() if row["participant"] not in YOUNG_PEOPLE]
    assert published.rows(studies=["young"]).sort_by("sample_id").to_pylist() == rows
    assert min(row["demographic"]["age"] for row in published.rows(studies=["allowed"]).to_pylist()) == 16
    (study,) = (row for row in published.table("studies").to_pylist() if row["study_id"] == "young")
    assert (study["n_participants"], study["n_rows"]) == (84 - len(YOUNG_PEOPLE), len(rows))
    assert study["dropped"] == [{"reason": "under_18", "n": len(YOUNG_PEOPLE)}]
    for arm in (row for row in published.table("conditions").to_pylist() if row["study_id"] == "young"):
        answers = [row for row in rows if row["condition_num"] == arm["condition_num"]]
        assert arm["n_responses"] == len(answers) and arm["n_participants"] == len({row["participant"] for row in answers})
        assert arm["n_missing"] is None and arm["missing"] == []
    for asked in (row for row in published.table("outcomes").to_pylist() if row["study_id"] == "young"):
        key = ("condition_num", "task_num", "item_num")
        assert asked["n_responses"] == sum(all(row[name] == asked[name] for name in key) for row in rows)


def test_cells_are_those_of_a_build_without_these_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The same study, its deposit without the minors: everything counted there is what the push counts."""
    read_here(monkeypatch)
    study(tmp_path, "young", YOUNG, without=YOUNG_PEOPLE)
    expected = DatasetFolder(built(tmp_path, ["young"])).table("cells").to_pylist()
    (tmp_path / "work").mkdir()
    published = unpacked(prepared(folder, tmp_path / "work"), tmp_path / "repository")
    found = [row for row in published.table("cells").to_pylist() if row["study_id"] == "young"]
    assert [row | {"mean": 0, "noise_floor": 0} for row in found] == [row | {"mean": 0, "noise_floor": 0} for row in expected]
    for name in ("mean", "noise_floor"):
        assert [row[name] for row in found] == pytest.approx([row[name] for row in expected])


def test_a_reader_with_the_deposit_builds_the_withheld_study_again(
    folder: Path, package: tuple[Package, DatasetFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_here(monkeypatch)
    withheld = package[1].path / "studies_withheld"
    noted = json.loads((withheld / "closed" / "hashes.json").read_text())
    assert noted["rows"] == 504 and noted["deposit_files"][0]["file"] == "data.csv" and "The deposit says nothing." in noted["why"]
    report = build(["closed"], deposits=folder / "deposits", out=tmp_path / "again", registry=Registry([withheld, folder / "studies"]))
    assert report.failed == {} and check_rebuilt(tmp_path / "again", withheld) == {"closed": 504}
    command = [sys.executable, "-m", "socsci210.hub.rebuilt", str(tmp_path / "again"), str(withheld)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "closed: 504 rows, the same as published\n"
    changed = tmp_path / "changed" / "closed"
    shutil.copytree(withheld / "closed", changed)
    (changed / "hashes.json").write_text(json.dumps(noted | {"rows_sha256": "0" * 64}))
    with pytest.raises(HubError, match=r"closed: rows_sha256 differ"):
        check_rebuilt(tmp_path / "again", changed.parent)
    with pytest.raises(HubError, match="no study is in both"):
        check_rebuilt(package[1].path, withheld)


def test_the_card_says_who_is_missing_and_why(package: tuple[Package, DatasetFolder]) -> None:
    found = package[0]
    for words in ("The deposit says nothing.", "people under 18 left out | 24", "Parents agreed", "lab/made", found.fingerprint, "rebuilt"):
        assert words in found.card, words
    assert found.files["README.md"].read_text(encoding="utf-8") == found.card
    assert any("closed: its rows are not published." in note for note in found.notes)


def test_a_dataset_of_which_all_may_be_published_goes_up_as_it_is(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)
    path = built(folder, ["open_one", "open_two"], "all_open")
    found = prepare_dataset(path, "lab/made", tmp_path)
    assert found.fingerprint == DatasetFolder(path).fingerprint and found.notes == ()
    assert {file for name, file in found.files.items() if name != "README.md"} == {
        p for p in path.rglob("*") if p.is_file() and p.name != "README.md"
    }


def test_coarsening_changes_the_rows_the_fingerprint_and_the_card(folder: Path, package: tuple[Package, DatasetFolder], work: Path) -> None:
    found = prepared(folder, work, coarsen=True)
    assert found.fingerprint != package[0].fingerprint and "Coarser than collected" in found.card and "census regions" in found.card
    published = unpacked(found, work / "repository")
    for table in (published.rows(columns=["demographic"]), published.table("participants")):
        people = [row["demographic"] for row in table.to_pylist()]
        assert {one["location"] for one in people} == {"West"} and {one["age"] for one in people} == {16, 24, 37, 52, 67}
    assert prepared(folder, work / "again", coarsen=True).fingerprint == found.fingerprint
    assert "vocabulary" not in json.dumps(audit(published.path, progress=lambda *step: None).table())


def test_too_many_who_stand_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)
    study(tmp_path, "alone", ALONE, 90)
    path = built(tmp_path, ["alone"])
    with pytest.raises(HubError, match=r"100% of the 90 people of alone stand alone.*\n.*\n.*--coarsen"):
        prepare_dataset(path, "lab/made", tmp_path / "a")
    with pytest.raises(HubError, match=r"of the 90 people of alone stand alone.*\n.*\n.*--accept-risk"):
        prepare_dataset(path, "lab/made", tmp_path / "b", coarsen=True)
    (tmp_path / "c").mkdir()
    found = prepare_dataset(path, "lab/made", tmp_path / "c", accept_risk="The authors publish these rows themselves.")
    assert "Published nevertheless: The authors publish these rows themselves." in found.card
    assert any("a public push would be refused" in note for note in prepare_dataset(path, "lab/made", tmp_path / "c", private=True).notes)


def test_what_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)
    with pytest.raises(HubError, match=r"closed: who may redistribute its rows is not known\. The deposit says nothing\."):
        prepare_dataset(built(folder, ["closed"], "nothing"), "lab/made", tmp_path)
    with pytest.raises(HubError, match=r"the study file of (allowed|closed) is not found\n.*sha256 .*\n.*--studies DIR"):
        prepare_dataset(folder / "dataset", "lab/made", tmp_path)
    copy = shutil.copytree(folder / "dataset", tmp_path / "copy")
    (copy / "notes.txt").write_text("hello")
    with pytest.raises(HubError, match=r"notes\.txt is not part of a dataset"):
        prepare_dataset(copy, "lab/made", tmp_path / "w")
    (copy / "notes.txt").unlink()
    manifest = json.loads((copy / "dataset.json").read_text())
    (copy / "dataset.json").write_text(json.dumps(manifest | {"release": {}}))
    with pytest.raises(HubError, match="the imported release states no licence"):
        prepare_dataset(copy, "lab/made", tmp_path / "w")
    (copy / "dataset.json").write_text(json.dumps(manifest))
    next((copy / "data").rglob("*.parquet")).unlink()
    with pytest.raises(DatasetError, match="as noted"):
        prepare_dataset(copy, "lab/made", tmp_path / "w")
    with pytest.raises(DatasetError, match=r"no dataset\.json"):
        prepare_dataset(tmp_path, "lab/made", tmp_path / "w")


def test_a_study_of_minors_only_is_left_out_and_a_changed_study_file_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_here(monkeypatch)
    people = {"years": [15, 16], "sex": [1], "state": [4], "school": [1]}
    study(tmp_path, "school", people, 40)
    study(tmp_path, "grown", {**people, "years": [40]}, 40)
    found = prepare_dataset(built(tmp_path, ["grown", "school"]), "lab/made", tmp_path / "a", studies=[tmp_path / "studies"])
    assert DatasetFolder(found.files["dataset.json"].parent).studies == ("grown",)
    assert found.notes == ("school: its rows are not published. All its people are under 18.",)
    with pytest.raises(HubError, match="all people of all studies that may be published are under 18"):
        prepare_dataset(built(tmp_path, ["school"], "only"), "lab/made", tmp_path / "b", studies=[tmp_path / "studies"])
    path = tmp_path / "studies" / "school" / "study.yaml"
    path.write_text(path.read_text().replace("A toy", "Another toy"))
    with pytest.raises(HubError, match="the study file of school is not the one it was built from"):
        prepare_dataset(tmp_path / "dataset", "lab/made", tmp_path / "c", studies=[tmp_path / "studies"])


def test_a_conjoint_without_some_people(tmp_path: Path, simulated_deposits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attributes go with their people; a study whose people all stay is as it was built."""
    read_here(monkeypatch)
    studies = ("sim_jury_pay", "sim_town_budget")
    build(studies, deposits=simulated_deposits, out=tmp_path / "whole", registry=Registry())
    whole = DatasetFolder(tmp_path / "whole")
    (tmp_path / "part").mkdir()
    write_subset(whole, studies, {"sim_town_budget": [0, 2, 5]}, tmp_path / "part", coarse=False, about={})
    part = DatasetFolder(tmp_path / "part")

    def rest(table: pa.Table) -> list[dict[str, Any]]:
        return [row for row in table.to_pylist() if row["study_id"] == "sim_jury_pay" or row["participant"] not in (0, 2, 5)]

    for name in ("attributes", "participants"):
        assert part.table(name).to_pylist() == rest(whole.table(name))
    keys = [("study_id", "ascending"), ("sample_id", "ascending")]
    columns = [name for name in ROWS.names if name != "stimuli"]
    found = part.rows(columns=columns).cast(pa.schema([ROWS.field(name) for name in columns])).sort_by(keys)
    assert found.to_pylist() == rest(whole.rows(columns=columns).cast(found.schema).sort_by(keys))
    for name in ("cells", "outcomes", "conditions", "studies"):
        same = [[row for row in folder.table(name).to_pylist() if row["study_id"] == "sim_jury_pay"] for folder in (part, whole)]
        assert same[0] == same[1]
