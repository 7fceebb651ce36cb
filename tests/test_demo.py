"""The demo from end to end on a few studies and a few steps of training: every file it promises, with figures that fit each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from socsci210.dataset_folder import DatasetFolder
from socsci210.demo import DemoResult, publish_demo, run_demo
from socsci210.errors import SocSciError
from socsci210.hub import round_trip
from socsci210.predict import read_metadata
from socsci210.schema import SPLIT_CONFIGS
from socsci210.simulated import World, write_deposits

STUDIES = ("sim_tap_water", "sim_rent_fees", "sim_bus_lanes", "sim_jury_pay", "sim_nurse_line", "sim_flu_clinic")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    base = tmp_path_factory.mktemp("demo")
    write_deposits(World(seed=0, people=200), base / "deposits", STUDIES)
    return run_demo(base / "out", deposits=base / "deposits", overrides={"max_steps": 3, "max_minutes": None}, say=lambda text: None)


def test_figures_of_all_four_splits(demo: DemoResult) -> None:
    written = json.loads((demo.report.parent / "summary.json").read_text(encoding="utf-8"))
    assert written == demo.summary
    assert list(written) == list(SPLIT_CONFIGS)
    for config, figures in written.items():
        controls = {"chance", "noise_floor", "train_lookup", "pooled_oracle"}
        assert set(figures) == {"W", "gap_closed", "answer_mass", "overlap", "unread_cells"} | controls
        assert 0 < figures["noise_floor"] < figures["train_lookup"] < figures["chance"] < 1, config
        closed = (figures["chance"] - figures["W"]) / (figures["chance"] - figures["noise_floor"])
        assert figures["gap_closed"] == pytest.approx(closed, abs=1e-9)


def test_page_shows_the_figures(demo: DemoResult) -> None:
    page = demo.report.read_text(encoding="utf-8")
    for figures in demo.summary.values():
        assert f"{figures['W']:.3f}" in page


def test_no_model_was_trained_on_a_held_out_row(demo: DemoResult) -> None:
    folder = DatasetFolder(demo.dataset)
    for config, model in demo.models.items():
        record = json.loads((model / "run_record.json").read_text(encoding="utf-8"))
        assert record["train_on"] == [config]
        assert record["dataset_fingerprint"] == folder.fingerprint
        assert record["rows_trained"] == folder.rows(config, "train", ["sample_id"]).num_rows
        assert record["held_out_checked"][config] > 0
        predicted = read_metadata(demo.report.parent / "predictions" / f"{config}.parquet")
        assert predicted["template"] == record["template"] == "stimulus_first"  # a model is asked as it was trained


def test_what_a_demo_made_goes_to_a_hub_and_comes_back(demo: DemoResult, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the two versions of the dataset, whose way there and back tests/hub/test_round_trip.py goes."""
    studies, said, trip = {}, [], round_trip.round_trip

    def without_datasets(things: list[round_trip.Thing], *given: Any, **options: Any) -> list[round_trip.Leg]:
        studies.update({thing.tag: DatasetFolder(thing.path).studies for thing in things if thing.kind == "dataset"})
        return trip([thing for thing in things if thing.kind != "dataset"], *given, **options)

    monkeypatch.setattr(round_trip, "round_trip", without_datasets)
    legs = publish_demo(demo, say=said.append)
    assert all(leg.equal for leg in legs), legs
    ways = ["from_pretrained", "AutoTokenizer", "socsci210.Socrates", "evaluate.load, 6 configs", "the app's own answer"]
    assert [leg.back for leg in legs] == ways
    assert studies["v2"] == tuple(sorted(STUDIES)) and studies["v1"] == studies["v2"][:-1]
    assert any("--results" in line for line in said) and not any("hf_" in line for line in said)


def test_a_folder_that_is_not_a_demo_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(SocSciError, match=r"not empty, and not written by a demo\n  Fix: name another folder"):
        run_demo(tmp_path)
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "years of work"
