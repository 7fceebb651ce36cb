"""Scores of the simulated studies, whose truth is known: every figure must catch what it is there to catch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from socsci210.dataset_folder import DatasetFolder
from socsci210.report.verdicts import verdicts
from socsci210.results import Run
from socsci210.score import score
from socsci210.simulated import World, truth_rows

CONFIG = "unseen_studies"
Floats = NDArray[np.float64]
Change = Callable[[list[dict[str, object]], Floats, int], Floats]


@pytest.fixture(scope="module")
def true_rows(simulated_dataset: Path) -> list[dict[str, object]]:
    """Every test row with its person and the true probability of every answer."""
    folder = DatasetFolder(simulated_dataset)
    columns = ["study_id", "sample_id", "participant", "demographic", "condition_num", "task_num", "item_num", "scale_min", "scale_max"]
    rows = folder.rows(CONFIG, "test", columns).to_pylist()
    world = World(seed=0)
    names = ("participant", "condition_num", "task_num", "item_num")
    truth = {
        (study, *(one[name] for name in names)): (one["support"], one["probabilities"])
        for study in sorted({row["study_id"] for row in rows})
        for one in truth_rows(world, study).to_pylist()
    }
    for row in rows:
        row["support"], row["probabilities"] = truth[(row["study_id"], *(row[name] for name in names))]
    return rows


def scored(
    rows: list[dict[str, object]], dataset: Path, path: Path, change: Callable[[dict[str, object], Floats], Floats], mass: float = 0.99
) -> Run:
    """The run of a model that says `change(row, truth)` of every row."""
    keep = ("study_id", "sample_id", "support")
    given = [
        {name: row[name] for name in keep} | {"probabilities": change(row, np.array(row["probabilities"])).tolist(), "answer_mass": mass}
        for row in rows
    ]
    about = {
        "config": CONFIG, "split": "test", "engine": "transformers", "model": path.stem, "rows_expected": len(given), "complete": True,
        "dataset_fingerprint": DatasetFolder(dataset).fingerprint,
    }  # fmt: skip
    pq.write_table(pa.Table.from_pylist(given).replace_schema_metadata({b"socsci210": json.dumps(about).encode()}), path)
    return score([path], dataset).runs[0]


@pytest.fixture(scope="module")
def true_run(true_rows: list[dict[str, object]], simulated_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return scored(true_rows, simulated_dataset, tmp_path_factory.mktemp("truth") / "truth.parquet", lambda row, truth: truth)


def powered(probabilities: Floats, power: float) -> Floats:
    out: Floats = probabilities**power
    return out / out.sum()


def test_the_true_distribution_scores_the_noise_floor(true_run: Run) -> None:
    stated = true_run.stated
    assert stated is not None
    values = np.array([one.W - one.noise_floor for one in stated.per_study])
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert abs(values.mean()) < 3 * error + 0.002
    assert stated.gap_closed.value == pytest.approx(1, abs=0.05)
    assert true_run.calibration is not None
    assert true_run.calibration.ece is not None and true_run.calibration.ece < 0.01
    assert true_run.calibration.entropy_ratio == pytest.approx(1, abs=0.03)
    assert true_run.effects is not None
    assert true_run.effects.method == "as assigned"
    assert true_run.effects.r is not None and true_run.effects.r > 0.8
    assert true_run.effects.p is not None and true_run.effects.p < 0.01


@pytest.mark.parametrize("studies", [1, 12])
def test_the_noise_floor_lies_within_the_interval_of_the_true_distribution(studies: int, tmp_path: Path) -> None:
    """The interval of one study resamples its people, that of twelve the studies. Of ten worlds, chance may spoil two."""
    from .scored_dataset import predict_all, row, write_dataset, write_predictions

    held = 0
    for world in range(10):
        rng = np.random.default_rng([studies, world])
        truth = rng.dirichlet(np.full(3, 3.0), (studies, 7))
        rows = [row(f"s{s}", c, int(a)) for s in range(studies) for c in range(1, 7) for a in rng.choice([1, 2, 3], 40, p=truth[s, c])]
        dataset = write_dataset(tmp_path / f"dataset{world}", rows)
        given = predict_all(dataset, lambda one, truth=truth: truth[int(one["study_id"][1:]), one["condition_num"]])
        stated = score([write_predictions(tmp_path / f"{world}.parquet", dataset, given)], dataset, controls=False).runs[0].stated
        assert stated is not None and stated.W.interval is not None
        assert stated.W.resampled == ("people" if studies == 1 else "studies")
        held += stated.W.interval[0] <= stated.noise_floor <= stated.W.interval[1]
    assert held >= 8


def test_a_biased_predictor_is_caught_by_parity(
    true_rows: list[dict[str, object]], true_run: Run, simulated_dataset: Path, tmp_path: Path
) -> None:
    """It answers for people over 60 as if they were all at the low end."""

    def biased(row: dict[str, object], truth: Floats) -> Floats:
        age = row["demographic"]["age"]  # type: ignore[index]
        tilted: Floats = truth * np.exp(-3 * np.linspace(0, 1, len(truth))) if age is not None and age >= 60 else truth
        return tilted / tilted.sum()

    run = scored(true_rows, simulated_dataset, tmp_path / "biased.parquet", biased)
    gaps = {one.attribute: one for one in run.parity}
    fair = {one.attribute: one for one in true_run.parity}
    assert (gaps["age"].excess_net or 0) > 0.1 > abs(fair["age"].excess_net or 0) + 0.05
    assert gaps["age"].accuracy_gap_net > fair["age"].accuracy_gap_net + 0.02
    assert abs(gaps["internet_access"].excess_net or 0) < 0.05


def test_a_condition_blind_model_is_caught_by_effects_and_not_by_w(
    true_rows: list[dict[str, object]], true_run: Run, simulated_dataset: Path, tmp_path: Path
) -> None:
    """It knows every outcome's marginal distribution, and nothing of arms."""
    pools: dict[tuple[object, ...], list[Floats]] = {}
    for row in true_rows:
        pools.setdefault((row["study_id"], row["task_num"], row["item_num"]), []).append(np.array(row["probabilities"]))
    means = {key: np.mean(some, axis=0) for key, some in pools.items()}
    run = scored(
        true_rows,
        simulated_dataset,
        tmp_path / "blind.parquet",
        lambda row, truth: means[row["study_id"], row["task_num"], row["item_num"]],
    )
    assert run.stated is not None and true_run.stated is not None and run.effects is not None and true_run.effects is not None
    assert (run.stated.gap_closed.value or 0) > 0.6  # W alone finds it good
    between = [one for one in run.effects.contrasts if one.design == "between"]
    assert max(abs(one.model) for one in between) < 1e-9
    assert (run.effects.regret or 0) > 3 * (true_run.effects.regret or 0)
    assert run.effects.refused or (run.effects.r_raw or 0) < 0.3 < (true_run.effects.r_raw or 0)
    said = [verdict.text for verdict in verdicts(run) if verdict.tone == "bad"]
    assert any("tell conditions apart" in text and "W alone would not show this" in text for text in said), said
    assert not any("tell conditions apart" in verdict.text for verdict in verdicts(true_run) if verdict.tone == "bad")


def test_junk_tokens_are_caught_by_answer_mass(true_rows: list[dict[str, object]], simulated_dataset: Path, tmp_path: Path) -> None:
    run = scored(true_rows, simulated_dataset, tmp_path / "junk.parquet", lambda row, truth: truth, mass=0.02)
    assert run.answer_mass is not None
    assert run.answer_mass.flagged
    assert run.answer_mass.mean == pytest.approx(0.02)


def test_a_sharpened_model_is_caught_by_the_entropy_ratio(
    true_rows: list[dict[str, object]], true_run: Run, simulated_dataset: Path, tmp_path: Path
) -> None:
    """It gains individual accuracy by draw, and loses spread."""
    run = scored(true_rows, simulated_dataset, tmp_path / "sharp.parquet", lambda row, truth: powered(truth, 4))
    assert run.individual is not None and true_run.individual is not None and run.calibration is not None
    assert (run.individual.entropy_ratio or 1) < 0.8 < 0.97 < (true_run.individual.entropy_ratio or 0)
    assert run.individual.draw.point > true_run.individual.draw.point + 0.02
    assert run.individual.median.point < true_run.individual.median.point + 0.01
    assert (run.calibration.ece or 0) > 0.05


def test_effects_of_zero_give_no_agreement_beyond_chance(tmp_path: Path) -> None:
    """People answer alike in every arm; the model believes in effects. Over several worlds, p is no smaller than chance makes it."""
    from .scored_dataset import predict_all, row, write_dataset, write_predictions

    rng = np.random.default_rng(5)
    small, refused = 0, 0
    for world in range(12):
        rows = [row(f"s{s}", c, int(a)) for s in range(6) for c in (1, 2, 3) for a in rng.integers(1, 4, 40)]
        dataset = write_dataset(tmp_path / f"dataset{world}", rows)
        belief = rng.dirichlet(np.ones(3), (6, 4))
        given = predict_all(dataset, lambda one, belief=belief: belief[int(one["study_id"][1:]), one["condition_num"]])
        effects = score([write_predictions(tmp_path / f"{world}.parquet", dataset, given)], dataset, controls=False).runs[0].effects
        assert effects is not None and effects.p is not None
        small += effects.p < 0.05
        refused += effects.r is None
    assert small <= 3
    assert refused >= 9
