"""The parts of a score beside the distances: groups, individual accuracy, effects, overlap with training, subsamples, intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from socsci210.cli.shown import decimal
from socsci210.contamination import released
from socsci210.dataset_folder import DatasetFolder
from socsci210.errors import DatasetError
from socsci210.language_model import base_training, training_of
from socsci210.metrics.socsci210.intervals import percentiles
from socsci210.result_tables import score_table, summary
from socsci210.results import Results, Run
from socsci210.score import score
from socsci210.splits import official_studies

from .scored_dataset import CONFIG, predict_all, row, write_dataset, write_predictions


def given_to_all(dataset: Path, answer: list[float]) -> list[dict[str, Any]]:
    return predict_all(dataset, lambda _: answer)


def test_topic_and_scale_length_groups_by_hand(tmp_path: Path) -> None:
    """No topics here; cells of 3 answers (W 0.5) and of 2 answers (W 1), the first in both studies."""
    rows = [row("a", 1, 1), row("a", 1, 3), row("a", 2, 0, low=0, high=1), row("b", 1, 1), row("b", 1, 3)]
    dataset = write_dataset(tmp_path / "dataset", rows)
    sure = {1: [0, 1.0], 2: [0, 1.0, 0]}
    run = score(
        [write_predictions(tmp_path / "p.parquet", dataset, predict_all(dataset, lambda r: sure[r["scale_max"] - r["scale_min"]]))], dataset
    ).runs[0]
    groups = {(one.kind, one.name): one for one in run.groups}
    assert list(groups) == [("topic", "no topic given"), ("scale_length", "2"), ("scale_length", "3")]
    two, three = groups["scale_length", "2"], groups["scale_length", "3"]
    assert (two.n_studies, two.n_cells, two.W) == (1, 1, 1)
    assert (three.n_studies, three.n_cells, three.W) == (2, 2, 0.5)
    assert pytest.approx((0.75 + 0.5) / 2) == groups["topic", "no topic given"].W
    assert [(one.study_id, one.condition_num, one.scale_max, one.n, one.W) for one in run.cells] == [
        ("a", 1, 3, 2, 0.5), ("a", 2, 1, 1, 1), ("b", 1, 3, 2, 0.5),
    ]  # fmt: skip


def test_individual_accuracy_calibration_variation_and_best_constant_by_hand(tmp_path: Path) -> None:
    """People answer 1 and 3; the model says (0.5, 0, 0.5): median 1."""
    dataset = write_dataset(tmp_path / "dataset", [row("a", 1, 1), row("a", 1, 3)])
    run = score([write_predictions(tmp_path / "p.parquet", dataset, given_to_all(dataset, [0.5, 0, 0.5]))], dataset).runs[0]
    assert run.individual is not None and run.calibration is not None and run.stated is not None
    assert run.individual.median.point == pytest.approx(0.5)  # 1 and 0
    assert run.individual.draw.point == pytest.approx(0.5)
    assert run.stated.per_study[0].accuracy == pytest.approx(0.5)
    assert run.stated.total_variation == pytest.approx(0)
    assert run.stated.best_constant == pytest.approx(0.5)
    assert run.calibration.brier == pytest.approx(0.5)
    assert run.calibration.log_likelihood == pytest.approx(np.log(0.5))
    assert run.calibration.ece == pytest.approx(0)


def test_draws_like_people_s_answers_have_their_entropy(tmp_path: Path) -> None:
    """Both sides are samples, so both are corrected for what samples lack: the same answers give 1, as in the evaluate module."""
    dataset = write_dataset(tmp_path / "dataset", [row("a", 1, answer) for answer in (1, 1, 2, 3)])
    given = [{"study_id": "a", "sample_id": i, "prediction": point} for i, point in enumerate((3, 2, 1, 1))]
    run = score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset).runs[0]
    assert run.individual is not None and run.individual.entropy_ratio == pytest.approx(1)


# --- treatment effects ---------------------------------------------------------------------------------------------------------------


def arms_dataset(tmp_path: Path) -> Path:
    """Two arms; the people of arm 1 are another kind (item 0 of person p is answered p % 2 higher)."""
    rows = [row("a", c, 1 + (i < 4) + (c == 2 and i % 2), split="test", person=10 * c + i) for c in (1, 2) for i in range(8)]
    return write_dataset(tmp_path / "dataset", rows)


def persona_model(one: dict[str, Any]) -> list[float]:
    """Knows persons, and no arm at all: people from 20 on answer higher."""
    return [1.0, 0, 0] if one["participant"] < 20 else [0, 0, 1.0]


def arms_rows(dataset: Path, conditions: tuple[int, ...] = (1, 2)) -> list[dict[str, Any]]:
    rows = DatasetFolder(dataset).rows(CONFIG, "test").to_pylist()
    return [
        {"study_id": "a", "participant": one["participant"], "condition_num": c, "task_num": 0, "item_num": 0, "support": [1, 2, 3],
         "probabilities": persona_model(one), "answer_mass": 0.9}
        for one in rows for c in conditions
    ]  # fmt: skip


def test_every_persona_through_every_arm_takes_assignment_out_of_the_effect(tmp_path: Path) -> None:
    dataset = arms_dataset(tmp_path)
    given = write_predictions(tmp_path / "p.parquet", dataset, predict_all(dataset, persona_model))
    assigned = score([given], dataset, controls=False).runs[0].effects
    assert assigned is not None
    assert assigned.method == "as assigned"
    assert [one.model for one in assigned.contrasts] == [1]  # who was in which arm, not what the arm does
    arms = write_predictions(tmp_path / "arms.parquet", dataset, arms_rows(dataset), arms=True)
    crossed = score([given], dataset, arms=[arms], controls=False).runs[0].effects
    assert crossed is not None
    assert crossed.method == "every persona through every arm"
    only = crossed.contrasts[0]
    assert (only.condition_num, only.reference, only.design, only.label) == (2, 1, "between", "Arm 2 against Arm 1")
    assert (only.model, only.human) == (0, pytest.approx(0.25))  # half of arm 2 is one step of two higher
    assert crossed.refused


def test_the_interval_of_effects_is_moved_out_for_few_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = [
        row(f"s{s:02}", c, int(np.clip(a + (c == 2) * (s % 3 - 1), 1, 3)))
        for s in range(11)
        for c in (1, 2)
        for a in rng.integers(1, 4, 60)
    ]
    dataset = write_dataset(tmp_path / "dataset", rows)
    given = predict_all(
        dataset, lambda one: [0.4 - (k := (one["condition_num"] == 2) * (int(one["study_id"][1:]) % 3 - 1) / 10), 0.2, 0.4 + k]
    )
    path = write_predictions(tmp_path / "p.parquet", dataset, given)
    effects = score([path], dataset, controls=False).runs[0].effects
    seen: list[int | None] = []

    def plainly(values: np.ndarray, n: int | None = None) -> tuple[float, float]:
        seen.append(n)
        return percentiles(values)

    monkeypatch.setattr("socsci210.score.effects.percentiles", plainly)
    plain = score([path], dataset, controls=False).runs[0].effects
    assert effects is not None and plain is not None and effects.interval is not None and plain.interval is not None
    assert seen == [11]
    assert effects.interval[0] < plain.interval[0] < plain.interval[1] < effects.interval[1]


def test_bad_arms_are_refused(tmp_path: Path) -> None:
    dataset = arms_dataset(tmp_path)
    given = write_predictions(tmp_path / "p.parquet", dataset, predict_all(dataset, persona_model))

    def refused(rows: list[dict[str, Any]], **metadata: Any) -> str:
        path = write_predictions(tmp_path / "arms.parquet", dataset, rows, **({"arms": True} | metadata))
        with pytest.raises(DatasetError) as error:
            score([given], dataset, arms=[path], controls=False)
        return str(error.value)

    good = arms_rows(dataset)
    assert "1 of 33 predictions are given more than once: a participant 10 condition_num 1" in refused([*good, good[0]])
    assert "are of cells that the dataset has not: a participant 10 condition_num 9" in refused([good[0] | {"condition_num": 9}])
    assert "are of participants that the dataset has not" in refused([good[0] | {"participant": 99}])
    assert "are of studies that the scored predictions do not have" in refused([good[0] | {"study_id": "zz"}])
    assert "do not sum to 1: a participant 10" in refused([good[0] | {"probabilities": [0.5, 0.2, 0]}])
    assert "Expected: predictions of arms" in refused(good, arms=False)
    assert "arms of a run that is not scored" in refused(good, model="someone/else")
    with pytest.raises(DatasetError, match="every persona through every arm"):
        score([write_predictions(tmp_path / "q.parquet", dataset, good, arms=True)], dataset)


# --- contamination -------------------------------------------------------------------------------------------------------------------


def test_rows_of_training_are_refused_unless_allowed(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", [row(s, c, 1 + c) for s in "ab" for c in (0, 1) for _ in range(3)])
    own = DatasetFolder(dataset).fingerprint
    trained = {"dataset_fingerprint": own, "train_on": [CONFIG]}
    held_out = write_predictions(tmp_path / "test.parquet", dataset, given_to_all(dataset, [0, 1.0, 0]), training=trained)
    clean = score([held_out], dataset).runs[0].contamination
    assert clean is not None
    assert (clean.source, clean.overlap_rows, clean.share) == ("run record", 0, 0)
    seen = predict_all(dataset, lambda _: [0, 1.0, 0], split="train")
    path = write_predictions(tmp_path / "train.parquet", dataset, seen, split="train", training=trained)
    with pytest.raises(DatasetError, match=r"6 of 6 scored rows were in the training of a/model, from 2 studies \(a, b\)"):
        score([path], dataset)
    found = score([path], dataset, allow_overlap=True).runs[0].contamination
    assert found is not None
    assert (found.overlap_rows, found.overlap_studies, found.share, found.allowed) == (6, 2, 1, True)
    elsewhere = {"dataset_fingerprint": "other", "train_on": [CONFIG], "studies_trained": ["b", "z"]}
    other = write_predictions(tmp_path / "other.parquet", dataset, given_to_all(dataset, [0, 1.0, 0]), training=elsewhere)
    with pytest.raises(DatasetError, match="3 of 6 scored rows"):
        score([other], dataset)


def test_a_record_that_names_no_studies_is_no_clean_record(tmp_path: Path) -> None:
    """Of a model trained on another dataset, by a record that does not say which studies: unknown, not zero."""
    dataset = write_dataset(tmp_path / "dataset", [row("a", c, 1 + c) for c in (0, 1)])
    given = given_to_all(dataset, [0, 1.0, 0])
    for training in ({"dataset_fingerprint": "other", "train_on": [CONFIG], "studies_trained": None}, {"dataset_fingerprint": "other"}):
        found = score([write_predictions(tmp_path / "p.parquet", dataset, given, training=training)], dataset)
        overlap = found.runs[0].contamination
        assert overlap is not None and overlap.source == "none"
        assert "names neither this dataset nor the studies" in overlap.note
        assert summary(found)[CONFIG]["overlap"] is None


def test_released_checkpoints_saw_the_seen_studies(tmp_path: Path) -> None:
    sides = official_studies()
    seen, unseen = (next(study for study, side in sides.items() if side == which) for which in ("seen", "unseen"))
    dataset = write_dataset(tmp_path / "dataset", [row(study, c, 1) for study in (seen, unseen) for c in (0, 1)])
    for name in ("socratesft/socrates-qwen2.5-14b-sft", "/models/Socrates-Llama3-8B-DPO/"):
        path = write_predictions(tmp_path / "p.parquet", dataset, given_to_all(dataset, [1.0, 0, 0]), model=name)
        with pytest.raises(DatasetError, match=f"1 of 2 scored rows were in the training of .* from 1 studies \\({seen}\\)"):
            score([path], dataset)
        found = score([path], dataset, allow_overlap=True).runs[0].contamination
        assert found is not None
        assert (found.source, found.overlap_rows, found.share) == ("released checkpoint", 1, 0.5)
    assert released("Qwen/Qwen2.5-14B-Instruct") is None
    assert released(None) is None
    assert sum(side == "seen" for side in sides.values()) == 170


def test_a_model_saw_what_the_model_that_it_started_from_saw(tmp_path: Path) -> None:
    """By the names of released checkpoints and by run records, through any number of models."""
    sides = official_studies()
    seen, unseen = (next(study for study, side in sides.items() if side == which) for which in ("seen", "unseen"))
    dataset = write_dataset(tmp_path / "dataset", [row(study, c, 1) for study in (seen, unseen) for c in (0, 1)])
    own = DatasetFolder(dataset).fingerprint
    clean = {"dataset_fingerprint": own, "train_on": [CONFIG], "studies_trained": [seen, unseen]}
    checkpoint = "socratesft/socrates-qwen2.5-14b-sft"
    given = given_to_all(dataset, [1.0, 0, 0])

    def run_of(training: dict[str, Any]) -> Run:
        path = write_predictions(tmp_path / "p.parquet", dataset, given, training=training)
        return score([path], dataset, allow_overlap=True).runs[0]

    def overlap(training: dict[str, Any]) -> tuple[str, int, bool | None]:
        run = run_of(training)
        assert run.contamination is not None
        return run.contamination.source, run.contamination.overlap_rows, run.held_out

    assert overlap(clean) == ("run record", 0, True)
    assert overlap(clean | {"base": "a/pretrained", "base_training": None}) == ("run record", 0, True)
    tuned = clean | {"base": checkpoint, "base_training": None}
    assert overlap(tuned) == ("released checkpoint", 1, None)
    assert overlap(clean | {"base": "models/second", "base_training": tuned}) == ("released checkpoint", 1, None)
    before = {"dataset_fingerprint": "other", "train_on": [CONFIG], "studies_trained": [unseen], "base": None, "base_training": None}
    assert overlap(clean | {"base": "models/first", "base_training": before}) == ("run record", 1, None)
    whole = before | {"dataset_fingerprint": own, "train_on": ["all"]}
    assert overlap(clean | {"base": "models/first", "base_training": whole}) == ("run record", 2, False)
    path = write_predictions(tmp_path / "p.parquet", dataset, given, training=tuned)
    with pytest.raises(DatasetError, match=f"1 of 2 scored rows .*it started from {checkpoint}: {checkpoint} was trained on every row"):
        score([path], dataset)


def test_predictions_carry_what_the_models_before_were_trained_on(tmp_path: Path) -> None:
    """A folder of adapters, on a model trained from another, which was trained from one that is gone."""
    records = {
        "first": {"settings": {"model": str(tmp_path / "gone")}, "model": str(tmp_path / "gone"), "train_on": ["all"]},
        "second": {"settings": {"model": str(tmp_path / "first")}, "train_on": [CONFIG], "studies_trained": ["a"]},
        "loop": {"settings": {"model": str(tmp_path / "loop")}},
        "kept": {"settings": {"model": "gone/too"}, "base_training": {"train_on": ["all"]}},
        "nano": {"settings": {"model": None}, "model": "nano"},
    }
    for name, record in records.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run_record.json").write_text(json.dumps(record))
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path / "second")}))
    (tmp_path / "bare").mkdir()
    found = training_of(str(tmp_path / "adapters"))
    assert found is not None and (found["train_on"], found["base"]) == (None, str(tmp_path / "second"))
    second = found["base_training"]
    assert (second["train_on"], second["studies_trained"], second["base"]) == ([CONFIG], ["a"], str(tmp_path / "first"))
    assert second["base_training"]["train_on"] == ["all"]
    assert (second["base_training"]["base"], second["base_training"]["base_training"]) == (str(tmp_path / "gone"), None)
    assert training_of(str(tmp_path / "bare")) is None and base_training(None) is None
    assert (training_of(str(tmp_path / "loop")) or {})["base_training"] is None
    assert (training_of(str(tmp_path / "kept")) or {})["base_training"] == {"train_on": ["all"]}
    assert (base_training(str(tmp_path / "nano")) or {})["base"] is None


def test_an_overlap_stands_beside_every_printed_figure(tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    """One model saw the scored rows, another did not, of a third nothing is known."""
    dataset = write_dataset(tmp_path / "dataset", [row(s, c, 1 + c) for s in "ab" for c in (0, 1) for _ in range(3)])
    own = DatasetFolder(dataset).fingerprint
    records = {
        "saw": {"dataset_fingerprint": "other", "train_on": [CONFIG], "studies_trained": ["b"]},
        "fresh": {"dataset_fingerprint": own, "train_on": [CONFIG]},
        "unknown": None,
    }
    given = given_to_all(dataset, [0, 1.0, 0])
    for name, training in records.items():
        write_predictions(tmp_path / f"{name}.parquet", dataset, given, training=training, model=name)
    code, out, err = command("score", tmp_path / "saw.parquet", "--dataset", dataset, "--out", tmp_path / "saw.json")
    assert (code, out) == (1, "")
    assert "3 of 6 scored rows were in the training of saw" in err and "--allow-overlap" in err
    files = [tmp_path / f"{name}.parquet" for name in records]
    code, out, _ = command("score", *files, "--dataset", dataset, "--out", tmp_path / "all.json", "--allow-overlap")
    assert code == 0
    lines = [line for line in out.splitlines() if "│" in line and CONFIG in line]
    figures = [[cell.strip() for cell in line.strip("│").split("│")][1:] for line in lines]
    assert [cell.endswith("†") or cell == "–" for cell in figures[0]] == [True] * 10 and "0.500†" in figures[0]
    assert not any("†" in cell for row in figures[1:] for cell in row)
    assert "† unseen_conditions: 3 of its scored rows (50.0%) were in the training of saw (trained on another dataset" in out
    overlaps = [one["overlap"] for one in summary(Results.read_json(tmp_path / "all.json")).values()]
    assert overlaps == [0.5, 0.0, None]
    assert [one["overlap"] for one in score_table(Results.read_json(tmp_path / "all.json"))] == [0.5, 0.0, None]
    for name in ("saw", "fresh"):
        allowed = ["--allow-overlap"] if name == "saw" else []
        assert command("score", tmp_path / f"{name}.parquet", "--dataset", dataset, "--out", tmp_path / f"{name}.json", *allowed)[0] == 0
    _, out, _ = command("compare", tmp_path / "saw.json", tmp_path / "fresh.json")
    sides = {name: line for line in out.splitlines() for name in records if line.startswith(f"│ {name} ")}
    assert "†" in sides["saw"] and "†" not in sides["fresh"]
    assert "† trained on some of the scored rows: saw" in out and out.splitlines()[-1].endswith("(trained on some of the scored rows: saw)")
    _, out, _ = command("compare", tmp_path / "fresh.json", tmp_path / "fresh.json")
    assert "†" not in out


def test_the_command_names_convention_interval_and_sampling_error(tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    """Twelve studies have an interval, and its mark where rows were trained on; two have none, and are told why."""
    rng = np.random.default_rng(0)
    for n in (12, 2):
        rows = [row(f"s{s}", 1, int(a)) for s in range(n) for a in rng.integers(1, 4, 6)]
        dataset = write_dataset(tmp_path / f"dataset{n}", rows)
        training = {"dataset_fingerprint": "other", "studies_trained": ["s0"]}
        given = [one for i, one in enumerate(given_to_all(dataset, [0, 1.0, 0])) if i % 6 < 3]
        path = write_predictions(tmp_path / f"{n}.parquet", dataset, given, training=training, per_cell=3)
        out = tmp_path / f"{n}.json"
        _, said, _ = command("score", path, "--dataset", dataset, "--out", out, "--allow-overlap")
        run = Results.read_json(out).runs[0]
        assert run.stated is not None
        assert said.startswith("convention `stated`: W, lower is better")
        assert f"at most 3 people of a cell, which adds a standard error of {run.sampling_error:.4f} to W" in said
        if run.stated.W.interval is None:
            assert "no interval (under 10 studies" in said
        else:
            assert "{:.3f}–{:.3f}†".format(*run.stated.W.interval) in said
    assert run.stated.n_studies == 2


def test_a_small_p_is_not_printed_as_zero(tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    dataset = write_dataset(tmp_path / "dataset", [row(f"s{s}", 1, answer) for s in range(14) for answer in (1, 2)])
    for name, answer in (("near", [0.5, 0.5, 0]), ("far", [0, 0, 1.0])):
        path = write_predictions(tmp_path / f"{name}.parquet", dataset, given_to_all(dataset, answer), model=name)
        assert command("score", path, "--dataset", dataset, "--out", tmp_path / f"{name}.json")[0] == 0
    _, out, _ = command("compare", tmp_path / "near.json", tmp_path / "far.json")
    assert "<0.001" in out and "nearer to people: near" in out


def test_what_rounds_to_zero_has_no_sign() -> None:
    assert [decimal(value) for value in (-0.0004, -0.0, 0.0004, -0.0006, -1.25)] == ["0.000", "0.000", "0.000", "-0.001", "-1.250"]


# --- uncertainty from people ---------------------------------------------------------------------------------------------------------


def test_the_sampling_error_is_the_spread_over_subsamples(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [row(f"s{s}", c, int(a)) for s in range(3) for c in (1, 2, 3, 4) for a in rng.integers(1, 4, 40)]
    dataset = write_dataset(tmp_path / "dataset", rows)
    everyone = [
        one | {"probabilities": p.tolist()}
        for one, p in zip(given_to_all(dataset, [1.0, 0, 0]), rng.dirichlet([0.4] * 3, 480), strict=True)
    ]
    whole = score([write_predictions(tmp_path / "p.parquet", dataset, everyone, per_cell=40)], dataset, controls=False).runs[0]
    points, errors, biases = [], [], []
    for _ in range(25):
        some = [everyone[40 * cell + i] for cell in range(12) for i in sorted(rng.choice(40, 10, replace=False))]
        run = score([write_predictions(tmp_path / "p.parquet", dataset, some, per_cell=10)], dataset, controls=False).runs[0]
        assert run.stated is not None and run.sampling_error is not None
        points.append(run.stated.W.point)
        errors.append(run.sampling_error)
        biases.append(run.sampling_bias)
    assert np.mean(errors) == pytest.approx(np.std(points, ddof=1), rel=0.35)
    assert whole.stated is not None
    off = np.array(points) - whole.stated.W.point
    assert np.hypot(np.mean(errors), np.mean(biases)) == pytest.approx(np.sqrt((off**2).mean()), rel=0.3)
    assert (whole.sampling_error, whole.sampling_bias) == pytest.approx((0, 0), abs=1e-12)
    one = [everyone[40 * cell] for cell in range(12)]
    lone = score([write_predictions(tmp_path / "p.parquet", dataset, one, per_cell=1)], dataset, controls=False).runs[0]
    assert lone.sampling_error is lone.sampling_bias is None  # one person of a cell shows no spread
    assert score([write_predictions(tmp_path / "p.parquet", dataset, everyone)], dataset, controls=False).runs[0].sampling_error is None


def test_a_single_study_has_an_interval_over_people_and_several_have_values(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [row(s, c, int(a)) for s in "ab" for c in (1, 2) for a in rng.integers(1, 4, 60)]
    both = write_dataset(tmp_path / "both", rows)
    stated = score([write_predictions(tmp_path / "p.parquet", both, given_to_all(both, [0.8, 0.1, 0.1]))], both).runs[0].stated
    assert stated is not None
    assert (stated.W.interval, stated.W.resampled, len(stated.W.values or ())) == (None, None, 2)
    alone = write_dataset(tmp_path / "alone", rows[:120])
    stated = score([write_predictions(tmp_path / "q.parquet", alone, given_to_all(alone, [0.8, 0.1, 0.1]))], alone).runs[0].stated
    assert stated is not None and stated.W.interval is not None
    low, high = stated.W.interval
    assert low < stated.W.point < high
    assert stated.W.resampled == "people"


def test_published_and_weighted_scores_of_a_single_study_have_intervals_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [row("a", c, int(a), weight=1.0 + (i % 2)) for c in (1, 2) for i, a in enumerate(rng.integers(1, 4, 60))]
    dataset = write_dataset(tmp_path / "dataset", rows)
    given = [
        one | {"probabilities": [0.8, 0.1, 0.1] if one["sample_id"] % 3 else [0.1, 0.1, 0.8]} for one in given_to_all(dataset, [0] * 3)
    ]
    run = score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset).runs[0]
    assert run.stated is not None and run.published is not None and run.weighted is not None
    for W in (run.stated.W, run.published.W, run.weighted.W):
        assert W.interval is not None and W.resampled == "people" and W.refused is None
        assert W.interval[0] < W.point < W.interval[1]
    assert run.weighted.W.interval != run.stated.W.interval != run.published.W.interval


def test_cells_of_one_person_give_no_interval_and_say_why(tmp_path: Path) -> None:
    alone = write_dataset(tmp_path / "alone", [row("a", c, 1 + c % 3) for c in range(6)])
    stated = score([write_predictions(tmp_path / "p.parquet", alone, given_to_all(alone, [0.8, 0.1, 0.1]))], alone).runs[0].stated
    assert stated is not None and stated.W.interval is None
    assert stated.W.values == (stated.W.point,)
    assert stated.W.refused is not None and stated.W.refused.startswith("cells of one person make 100% of W")
