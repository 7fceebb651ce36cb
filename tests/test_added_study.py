"""A study that is added to a dataset leaves the rows of the others where they are, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from socsci210.build import build
from socsci210.dataset_folder import DatasetFolder
from socsci210.registry import Registry

from .toys import contents, read_here

BEFORE = ("sim_bike_share", "sim_food_label", "sim_jury_pay", "sim_town_budget")  # validation, test and training sides all have a study
ADDED = ("sim_ballot_mail", "sim_park_trees")  # for training and for the test; one stands first by name


@pytest.mark.parametrize("added", ADDED)
def test_the_files_and_sides_of_other_studies_stay(
    tmp_path: Path, simulated_deposits: Path, monkeypatch: pytest.MonkeyPatch, added: str
) -> None:
    read_here(monkeypatch)
    for name, studies in (("before", BEFORE), ("after", (*BEFORE, added))):
        build(studies, deposits=simulated_deposits, out=tmp_path / name, registry=Registry(), cache=tmp_path / "cache")
    before, after = (
        {path: data for path, data in contents(tmp_path / name).items() if path.startswith("data/")} for name in ("before", "after")
    )
    new = {path for path in after if path.endswith(f"/{added}.parquet")}
    assert new and {path: data for path, data in after.items() if path not in new} == before
    assert all(path.count("/") == 2 for path in after)

    def sides(name: str) -> list[dict[str, object]]:
        return [row for row in DatasetFolder(tmp_path / name).table("assignments").to_pylist() if row["study_id"] != added]

    assert sides("after") == sides("before")
