"""Comparing two results files: paired over studies, and refused where they are not of one kind."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import permutation_test

from socsci210.compare import compare, minimum_detectable, sign_flip
from socsci210.errors import DatasetError
from socsci210.score import score

from .scored_dataset import CONFIG, predict_all, row, write_dataset, write_predictions


def dataset_of(folder: Path, studies: int) -> Path:
    return write_dataset(folder / "dataset", [row(f"s{s:02}", c, 1 + (i % 3)) for s in range(studies) for c in (0, 1) for i in range(12)])


def results_of(folder: Path, dataset: Path, name: str, share: float, **metadata: object) -> Path:
    """Results of a model that puts `share` on the first answer, a little more in later studies."""
    given = predict_all(dataset, lambda one: [(p := share + int(one["study_id"][1:]) / 200), (1 - p) / 2, (1 - p) / 2])
    path = write_predictions(folder / f"{name}.parquet", dataset, given, model=name, **metadata)
    return score([path], dataset, controls=False).write_json(folder / f"{name}.json")


def test_two_models_are_compared_study_by_study(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 12)
    near, far = results_of(tmp_path, dataset, "near", 0.35), results_of(tmp_path, dataset, "far", 0.6)
    found = compare(near, far)
    # W of shares p, (1 - p) / 2, (1 - p) / 2 against thirds: 0.5 (|p - 1/3| + |p - 1/3| / 2); further away in proportion.
    assert found.W.point == pytest.approx(-0.75 * 0.25)
    assert [study.difference for study in found.studies] == pytest.approx([-0.1875] * 12)
    assert found.W.interval == pytest.approx((-0.1875, -0.1875))
    assert found.W.p == pytest.approx(2 / 2**12)
    assert found.W.minimum_detectable == pytest.approx(0, abs=1e-9)
    assert (found.nearer, found.a.model, found.b.model) == ("near", "near", "far")
    assert found.accuracy is not None
    back = compare(far, near)
    assert back.W.point == pytest.approx(-found.W.point)
    assert back.nearer == "near"


def test_a_model_against_itself_is_no_difference(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 4)
    one = results_of(tmp_path, dataset, "one", 0.5)
    found = compare(one, one)
    assert (found.W.point, found.W.p, found.nearer, found.W.interval) == (0, 1, None, None)
    assert found.W.values == (0, 0, 0, 0)
    assert found.a.model == "one (A)"


def test_sign_flip_against_scipy_and_by_hand() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0.3, 1, 10)
    expected = permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flip(values) == pytest.approx(expected)
    many = rng.normal(0.2, 1, 40)
    again = permutation_test((many,), np.mean, permutation_type="samples", n_resamples=50_000, random_state=1).pvalue
    assert sign_flip(many) == pytest.approx(again, abs=0.02)
    few = np.array([1.0, 2.0, -0.5])
    sums = [abs(sum(s * v for s, v in zip(signs, few, strict=True))) for signs in product((1, -1), repeat=3)]
    assert sign_flip(few) == sum(one >= 2.5 - 1e-12 for one in sums) / 8
    assert sign_flip(np.array([1.0])) is None


def test_the_minimum_detectable_difference_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(1)
    shape = rng.normal(0, 1, 20)
    spread = (shape - shape.mean()) / shape.std(ddof=1) * 0.02
    least = minimum_detectable(spread)
    assert least is not None
    draws = rng.normal(least, 0.02, (20_000, 20))
    t = draws.mean(axis=1) / (draws.std(axis=1, ddof=1) / np.sqrt(20))
    assert (np.abs(t) > 2.093).mean() == pytest.approx(0.8, abs=0.02)


def refusal(a: Path, b: Path, **options: object) -> str:
    with pytest.raises(DatasetError) as error:
        compare(a, b, **options)  # type: ignore[arg-type]
    return str(error.value)


def test_other_datasets_configs_and_conventions_are_refused(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 3)
    one = results_of(tmp_path, dataset, "one", 0.5)
    other = results_of(tmp_path / "other", dataset_of(tmp_path / "other", 4), "other", 0.5)
    assert "different datasets" in refusal(one, other)
    split = results_of(tmp_path, dataset, "split", 0.5, config="unseen_studies")
    assert f"different configs: {CONFIG} and unseen_studies" in refusal(one, split)
    draws = [{"study_id": p["study_id"], "sample_id": p["sample_id"], "prediction": 2.0} for p in predict_all(dataset, lambda _: [1, 0, 0])]
    path = write_predictions(tmp_path / "draws.parquet", dataset, draws, model="draws")
    drawn = score([path], dataset, controls=False).write_json(tmp_path / "draws.json")
    assert compare(one, drawn).W.n_studies == 3
    assert "different decodings" in refusal(one, drawn, convention="published")


def test_other_cells_and_files_with_several_runs_are_refused(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 3)
    one = results_of(tmp_path, dataset, "one", 0.5)
    changed = json.loads(one.read_text())
    changed["runs"][0]["stated"]["per_study"][1]["n_cells"] = 7
    (tmp_path / "cells.json").write_text(json.dumps(changed))
    assert "1 studies are scored on other cells: s01" in refusal(one, tmp_path / "cells.json")
    changed["runs"][0]["stated"]["per_study"].pop()
    (tmp_path / "fewer.json").write_text(json.dumps(changed))
    assert "1 studies are scored on one side only: s02" in refusal(one, tmp_path / "fewer.json")
    changed["runs"] *= 2
    (tmp_path / "two.json").write_text(json.dumps(changed))
    assert "2 runs" in refusal(one, tmp_path / "two.json")
    assert "0 runs of unseen_outcomes" in refusal(one, one, config="unseen_outcomes")
    changed["runs"] = [changed["runs"][0] | {"stated": None}]
    (tmp_path / "none.json").write_text(json.dumps(changed))
    assert "convention stated scores no cell" in refusal(one, tmp_path / "none.json")


def points_of(folder: Path, dataset: Path, name: str, unread: set[tuple[str, int]], **metadata: object) -> Path:
    """Results of a model that answers 2, but nothing readable in the cells (study, condition) of `unread`."""
    keys = [(one["study_id"], one["sample_id"]) for one in predict_all(dataset, lambda _: [1, 0, 0])]
    given = [{"study_id": s, "sample_id": i, "prediction": None if (s, i // 12) in unread else 2.0} for s, i in keys]
    path = write_predictions(folder / f"{name}.parquet", dataset, given, model=name, **metadata)
    return score([path], dataset, controls=False).write_json(folder / f"{name}.json")


def test_studies_with_unread_cells_are_left_out_and_named(tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    rows = [row(f"s{s}", c, 1 + (i % 3)) for s in range(4) for c in (1, 2) for i in range(12)]
    dataset = write_dataset(tmp_path / "dataset", rows)
    whole = points_of(tmp_path, dataset, "whole", set())
    gaps = points_of(tmp_path, dataset, "gaps", {("s0", 0), ("s0", 1), ("s1", 0)})
    found = compare(whole, gaps)
    assert found.left_out == ("s0", "s1")
    assert [one.study_id for one in found.studies] == ["s2", "s3"]
    assert found.W.n_studies == 2 and found.a.W == found.b.W == pytest.approx(1 / 3)
    assert found.notes[0] == "2 studies are left out, as the two do not have the same cells there (s0, s1)"
    assert found.notes[2].startswith("gaps: 3 of 8 cells, 1 whole study among them, have no readable prediction")
    _, out, _ = command("compare", whole, gaps)
    assert all(note in out for note in found.notes)
    other = points_of(tmp_path, dataset, "other", {("s1", 1)})  # as many cells and people of s1 as `gaps` has, but other ones
    assert compare(gaps, other).left_out == ("s0", "s1")
    assert compare(gaps, gaps).left_out == () and len(compare(gaps, gaps).notes) == 2
    rest = points_of(tmp_path, dataset, "rest", {("s2", 0), ("s2", 1), ("s3", 0), ("s3", 1)})
    assert "2 studies are scored on other cells" in refusal(gaps, rest) or "scored on one side only" in refusal(gaps, rest)


def test_a_subsample_against_all_people_is_told(tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    dataset = dataset_of(tmp_path, 3)
    whole = results_of(tmp_path, dataset, "whole", 0.5)
    given = [
        one for i, one in enumerate(predict_all(dataset, lambda one: [one["sample_id"] % 2, 0, 1 - one["sample_id"] % 2])) if i % 12 < 4
    ]
    path = write_predictions(tmp_path / "some.parquet", dataset, given, model="some", per_cell=4)
    results = score([path], dataset, controls=False)
    some = results.write_json(tmp_path / "some.json")
    assert compare(whole, whole).notes == ()
    (note,) = compare(whole, some).notes
    bias = results.runs[0].sampling_bias
    assert bias is not None and bias > 0
    assert (
        "whole: all people; some: at most 4 people of a cell, which makes its W under `stated` too large by about " + f"{bias:.4f}" in note
    )
    _, out, _ = command("compare", whole, some)
    assert note in out
