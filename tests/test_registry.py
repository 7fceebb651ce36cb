"""Finding studies: built in, in named folders, in other packages; broken ones stay visible."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from socsci210 import registry as registry_module
from socsci210.errors import StudyFileError
from socsci210.registry import GROUP, Registry, loaders_folder

from .study_files import small, write


def folder_of(tmp_path: Path, *ids: str) -> Path:
    for study_id in ids:
        write(tmp_path / study_id, small(id=study_id))
    return tmp_path


def entry_points_are(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    def fake(*, group: str) -> EntryPoints:
        return EntryPoints(points).select(group=group)

    monkeypatch.setattr(registry_module, "entry_points", fake)


def test_built_in_studies_are_found_by_folder() -> None:
    ids = Registry().ids()
    expected = {p.parent.name for p in loaders_folder().glob("*/study.yaml")} | {
        p.parent.name for p in (loaders_folder() / "simulated").glob("*/study.yaml")
    }
    assert set(ids) == expected - {"_template"}
    assert ids == sorted(ids)


def test_every_built_in_study_loads() -> None:
    assert {entry.id: entry.broken for entry in Registry().entries() if entry.broken} == {}


def test_a_named_folder_adds_studies(tmp_path: Path) -> None:
    registry = Registry([folder_of(tmp_path, "mine_1", "mine_2")])
    assert {"mine_1", "mine_2"} < set(registry.ids())
    entry = registry.get("mine_2")
    assert (entry.folder, entry.simulated, entry.broken) == (tmp_path / "mine_2", False, None)
    assert entry.load().id == "mine_2"


def test_the_folder_of_one_study_will_do(tmp_path: Path) -> None:
    assert Registry([folder_of(tmp_path, "mine_1") / "mine_1"]).get("mine_1").load().id == "mine_1"


def test_nothing_is_parsed_until_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(tmp_path, "mine_1")
    monkeypatch.setattr(registry_module, "load_study_file", lambda path: pytest.fail(f"parsed {path}"))
    assert "mine_1" in Registry([tmp_path]).ids()
    assert Registry([tmp_path]).get("mine_1").id == "mine_1"


def test_a_broken_study_is_listed_and_says_why(tmp_path: Path) -> None:
    write(tmp_path / "broken_1", small(id="broken_1", simulatd=True))
    write(tmp_path / "broken_2", "format: [1\n")
    folder_of(tmp_path, "fine_1")
    registry = Registry([tmp_path])
    broken = {entry.id: entry.broken or "" for entry in registry.entries() if entry.broken}
    assert sorted(broken) == ["broken_1", "broken_2"]
    assert f"{tmp_path / 'broken_1' / 'study.yaml'}, line" in broken["broken_1"]
    assert "unknown key 'simulatd'" in broken["broken_1"] and "Did you mean 'simulated'?" in broken["broken_1"]
    assert "not valid YAML" in broken["broken_2"]
    assert registry.get("broken_1").simulated is False
    for _ in range(2):  # the file is read once, the error is raised each time
        with pytest.raises(StudyFileError, match="unknown key 'simulatd'"):
            registry.get("broken_1").load()
    assert registry.get("fine_1").broken is None


def test_an_id_other_than_the_folder_is_broken(tmp_path: Path) -> None:
    write(tmp_path / "folder_name", small(id="other_name"))
    broken = Registry([tmp_path]).get("folder_name").broken or ""
    assert "id 'other_name' in folder 'folder_name'" in broken
    assert "write `id: folder_name`" in broken


def test_a_folder_name_that_is_no_id_is_broken(tmp_path: Path) -> None:
    write(tmp_path / "bad name", small())
    entry = next(e for e in Registry([tmp_path]).entries() if e.id == "bad name")
    assert "'bad name' is no study id" in (entry.broken or "")


def test_a_misnamed_file_is_broken(tmp_path: Path) -> None:
    folder_of(tmp_path, "mine_1")
    (tmp_path / "mine_2").mkdir()
    (tmp_path / "mine_2" / "study.yml").write_text("format: 1\n", encoding="utf-8")
    broken = Registry([tmp_path]).get("mine_2").broken or ""
    assert "a file named study.yml" in broken and "Expected: study.yaml" in broken


def test_hidden_and_underscored_folders_are_no_studies(tmp_path: Path) -> None:
    folder_of(tmp_path, "mine_1", "_draft", ".hidden")
    assert {"_draft", ".hidden"}.isdisjoint(Registry([tmp_path]).ids())


def test_two_studies_with_one_id_are_refused(tmp_path: Path) -> None:
    first, second = folder_of(tmp_path / "a", "same_id"), folder_of(tmp_path / "b", "same_id")
    assert Registry([first, second]).ids().count("same_id") == 1  # the same file twice is one study, as where it was published
    file = second / "same_id" / "study.yaml"
    file.write_text(file.read_text() + "# changed\n")
    with pytest.raises(StudyFileError) as error:
        Registry([first, second]).ids()
    assert "two studies have the id 'same_id'" in str(error.value)
    assert str(first / "same_id") in str(error.value) and str(second / "same_id") in str(error.value)


def test_one_folder_named_twice_is_one_folder(tmp_path: Path) -> None:
    folder_of(tmp_path, "mine_1")
    assert Registry([tmp_path, tmp_path / ".." / tmp_path.name]).ids().count("mine_1") == 1


@pytest.mark.parametrize("study_id", ["../small", "a/../b", "/etc/passwd", "a\\b", "..", "a\0b"])
def test_path_tricks_in_an_id_are_refused(study_id: str) -> None:
    with pytest.raises(StudyFileError, match="is no study id"):
        Registry().get(study_id)


def test_an_unknown_id_suggests_near_ones(tmp_path: Path) -> None:
    registry = Registry([folder_of(tmp_path, "turnout_2002")])
    with pytest.raises(StudyFileError, match=r"no study 'turnout_2020'.*\n.*Did you mean 'turnout_2002'\?"):
        registry.get("turnout_2020")
    with pytest.raises(StudyFileError, match="`socsci210 studies` lists the ids"):
        registry.get("qqqqqqqqqq")


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match=r"--studies .*nowhere: no such folder"):
        Registry([tmp_path / "nowhere"]).ids()
    with pytest.raises(StudyFileError, match=r"no study in it.*\n.*folders that hold study\.yaml"):
        Registry([tmp_path]).ids()


def test_studies_whose_deposit_is_there(tmp_path: Path) -> None:
    studies, deposits = tmp_path / "studies", tmp_path / "deposits"
    for study_id, family in (("own_folder", "x"), ("of_family", "shared"), ("absent", "nowhere")):
        write(studies / study_id, small(id=study_id, provenance__family=family))
    for name in ("own_folder", "shared"):
        (deposits / name).mkdir(parents=True)
    registry = Registry([studies])
    assert registry.with_deposit(deposits) == ["of_family", "own_folder"]
    assert registry.get("of_family").deposit(deposits) == deposits / "shared"
    with pytest.raises(StudyFileError, match="no deposit of any study"):
        registry.with_deposit(tmp_path / "empty")


# --- entry points of other packages --------------------------------------------------------------------------------------------------


def test_a_package_adds_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path / "labstudies", "lab_1", "lab_2")
    (folder / "__init__.py").write_text(
        "from pathlib import Path\nFOLDER = Path(__file__).parent\nTEXT = str(FOLDER)\ndef studies():\n    return FOLDER\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for value in ("labstudies:FOLDER", "labstudies:TEXT", "labstudies:studies", "labstudies"):
        entry_points_are(monkeypatch, EntryPoint("lab", value, GROUP), EntryPoint("other", "nothing:at_all", "another.group"))
        registry = Registry()
        assert {"lab_1", "lab_2"} < set(registry.ids()), value
        assert registry.get("lab_1").load().id == "lab_1"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("no_such_package:FOLDER", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("math:pi", "its value is float"),
        ("os:curdir", "no study in it"),
    ],
)
def test_a_failing_package_is_listed_as_broken(value: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_points_are(monkeypatch, EntryPoint("lab", value, GROUP))
    registry = Registry()
    broken = registry.get("lab").broken or ""
    assert f"entry point 'lab' ({value}) fails" in broken and expected in broken
    assert "update or uninstall that package" in broken
    assert set(registry.ids()) > {"lab"}  # the others work
    with pytest.raises(StudyFileError, match="entry point 'lab'"):
        registry.get("lab").load()


def test_a_package_of_data_alone_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(tmp_path / "labdata", "lab_1")
    monkeypatch.syspath_prepend(str(tmp_path))
    entry_points_are(monkeypatch, EntryPoint("lab", "labdata", GROUP))
    assert Registry().get("lab_1").folder == tmp_path / "labdata" / "lab_1"
