"""A dataset with all four splits goes to a Hub by the command and comes back through `datasets`, bit for bit; then a study is added."""

from __future__ import annotations

from pathlib import Path

import pytest

from socsci210.build import build
from socsci210.dataset_folder import DatasetFolder
from socsci210.errors import HubError
from socsci210.hub.round_trip import Leg, Thing, loaded, round_trip
from socsci210.local_hub import LocalHub
from socsci210.registry import Registry
from socsci210.schema import SPLIT_CONFIGS, SPLITS
from socsci210.simulated import World, write_deposits

STUDIES = ("sim_tap_water", "sim_rent_fees", "sim_bus_lanes", "sim_jury_pay", "sim_flu_clinic")
NEW = "sim_flu_clinic"
REPO = "org/studies"


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dataset, and the same with one study more."""
    home = tmp_path_factory.mktemp("datasets")
    write_deposits(World(seed=0, people=120), home / "deposits", STUDIES)
    for name, studies in (("old", [one for one in STUDIES if one != NEW]), ("new", STUDIES)):
        build(studies, deposits=home / "deposits", out=home / name, registry=Registry(), jobs=2, cache=home / "cache")
    return home / "old", home / "new"


def test_a_dataset_in_two_versions(datasets: tuple[Path, Path]) -> None:
    old, new = datasets
    assert all(DatasetFolder(new).files(config, split) for config in SPLIT_CONFIGS for split in SPLITS)
    said: list[str] = []
    with LocalHub() as hub:
        things = [Thing("dataset", old, REPO, "v1"), Thing("dataset", new, REPO, "v2")]
        legs = round_trip(things, hub.environment(hub.token), say=said.append)
        first, second = ({leg.back: leg for leg in legs if leg.tag == tag} for tag in ("v1", "v2"))
        for version in (first, second):
            assert list(version) == ["load_dataset, four configs", "streamed", "columns=", "filters="]
            assert all(leg.equal for leg in version.values()), version
        repository = hub.repositories["dataset", REPO]
        assert len(repository.commits) == 3  # the Hub's own, and one for each version
        before, after = hub.files("dataset", REPO, "v1"), hub.files("dataset", REPO, "v2")
        sent = {path for path in after if before.get(path) != after[path]}
        rows = {path for path in sent if path.startswith("data/")}
        assert rows and all(path.endswith(f"/{NEW}.parquet") for path in rows)
        assert set(before) <= set(after)  # no file of another study moved
        leg: Leg = second["streamed"]
        assert (leg.files, leg.kept) == (len(sent), len(after) - len(sent))
        large = [blob for blob in repository.head.files.values() if blob.large]
        assert hub.received.total() == sum(len(blob.content) for blob in {blob.sha256: blob for blob in large}.values()) + sum(
            len(content) for path, content in before.items() if after[path] != content and path.endswith(".parquet")
        )  # every content once
        assert not any(hub.token in line for line in said)


def test_what_comes_back_changed_is_told(datasets: tuple[Path, Path]) -> None:
    """The comparison sees a single row: the newer version is held against the older folder."""
    old, new = datasets
    with LocalHub() as hub:
        for name, folder in (("old", old), ("new", new)):
            files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
            hub.commit("dataset", REPO, files, branch=name)
        found = loaded(Thing("dataset", old, REPO, "new"), hub.environment(hub.token))
        assert not found["load_dataset, four configs"]


def test_a_push_that_fails_is_told_with_its_reason(tmp_path: Path) -> None:
    with (
        LocalHub() as hub,
        pytest.raises(HubError, match=r"(?s)dataset org/studies at v1: .*push dataset failed.*no dataset\.json") as told,
    ):
        round_trip([Thing("dataset", tmp_path, REPO, "v1")], hub.environment(hub.token), say=lambda line: None)
    assert hub.token not in str(told.value) and not hub.repositories
