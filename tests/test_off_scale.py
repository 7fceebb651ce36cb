"""Answers of people off the stated scale: `stated` leaves them out and counts them, `published` keeps them, training leaves them out.

The rows imitate a defect of the release: in one study answers carry an offset that grows with the condition.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import evaluate
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from socsci210.dataset_folder import DatasetFolder
from socsci210.metrics import path as metric_path
from socsci210.metrics.socsci210.distances import noise_floor
from socsci210.predict import predict
from socsci210.report import report
from socsci210.results import Run
from socsci210.row_texts import COLUMNS
from socsci210.score import score
from socsci210.train.config import TrainError, resolve
from socsci210.train.loop import train
from socsci210.train.rows import on_scale
from tests.scored_dataset import CONFIG, predict_all, row, write_dataset, write_predictions
from tests.tiny_dataset import write_tiny_dataset

TWO = {"low": 1, "high": 2}


def shifted_rows() -> list[dict[str, Any]]:
    """Condition 1 has no answer on its scale of 1 and 2; condition 2 has three and a code; training has three and a code."""
    return [
        *(row("a", 0, answer, **TWO) for answer in (1, 1, 2, 8)),
        *(row("a", 1, answer, **TWO) for answer in (3, 4)),
        *(row("a", 2, answer, **TWO) for answer in (1, 2, 2, 9)),
    ]


def shifted_run(tmp_path: Path, rows: list[dict[str, Any]] | None = None) -> Run:
    """A model that is sure of 1, but of 2 for the person who answered 9."""
    dataset = write_dataset(tmp_path / "dataset", rows or shifted_rows())
    given = predict_all(dataset, lambda one: [0.0, 1.0] if one["response"] == 9 else [1.0, 0.0])
    return score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset).runs[0]


def test_stated_leaves_them_out_on_both_sides(tmp_path: Path) -> None:
    stated = shifted_run(tmp_path).stated
    assert stated is not None
    assert stated.W.point == pytest.approx(2 / 3)  # people 1, 2, 2 against a model that is sure of 1
    assert stated.chance == pytest.approx(2 / 3 - 1 / 2)
    assert stated.noise_floor == pytest.approx(noise_floor([1 / 3, 2 / 3], [0, 1], 3))
    assert (stated.n_cells, stated.per_study[0].n_rows) == (1, 3)
    assert stated.rows_left_out == {"answer off the stated scale": 3}
    assert stated.not_scored == {"no answer on the stated scale": 1}
    assert stated.scale_source == {"stated": 2}


def test_controls_use_answers_on_the_scale_only(tmp_path: Path) -> None:
    stated = shifted_run(tmp_path).stated
    assert stated is not None
    assert stated.train_lookup == pytest.approx(1 / 3)  # 1, 1, 2 against 1, 2, 2
    assert stated.pooled_oracle == pytest.approx(1 / 3)  # the other conditions add no answer on the scale
    for engine in ("train_lookup", "pooled_oracle", "uniform"):
        found = predict(engine=engine, dataset=tmp_path / "dataset", config=CONFIG, out=tmp_path / f"{engine}.parquet")
        one = score([found], tmp_path / "dataset").runs[0].stated
        assert one is not None
        assert one.W.point == pytest.approx({"uniform": 1 / 6}.get(engine, 1 / 3))


def test_controls_without_any_answer_on_the_scale_fall_back(tmp_path: Path) -> None:
    """Training saw only codes in the cell's outcome: the scale of another study stands in, then uniform."""
    rows = [row("a", 0, 9, **TWO), row("a", 1, 1, **TWO), row("a", 1, 2, **TWO)]
    stated = shifted_run(tmp_path / "alone", rows).stated
    assert stated is not None and stated.train_lookup == pytest.approx(0)
    stated = shifted_run(tmp_path / "beside", [*rows, row("b", 0, 2, **TWO)]).stated
    assert stated is not None and stated.train_lookup == pytest.approx(0.5)


def test_published_keeps_them_and_clips_predictions(tmp_path: Path) -> None:
    published = shifted_run(tmp_path).published
    assert published is not None
    shifted = 0.5  # people 3 and 4, the model's 1 counts as 3
    coded = (0 + 1 + 1 + 7) / 8 / 4  # people 1, 2, 2, 9, the model 1, 1, 1, 2, on a range of 8
    assert published.W.point == pytest.approx((shifted + coded) / 2)
    assert (published.n_cells, published.per_study[0].n_rows) == (2, 6)
    assert (published.rows_left_out, published.scale_source) == ({}, {"observed": 2})


def test_positions_of_people_stay_within_the_scale_everywhere(tmp_path: Path) -> None:
    people = [{"age": 70 if i % 2 else 20} for i in range(80)]
    rows = [row("a", c, 9 if i < 8 else 1 + i % 2, demographic=people[i], person=i, **TWO) for c in (1, 2) for i in range(80)]
    run = shifted_run(tmp_path, rows)
    assert run.stated is not None and run.stated.rows_left_out == {"answer off the stated scale": 16}
    parity = run.parity[0]
    assert (parity.human_gap, parity.accuracy_gap) == (1, 1)  # the young say 1, as the model does, the old say 2
    assert run.sensitivity.refused is not None and "people" in run.sensitivity.refused
    for cell in run.examples:
        assert (cell.n, cell.human) == (72, (0.5, 0.5))


def test_sensitivity_leaves_out_cells_without_an_answer_on_the_scale(tmp_path: Path) -> None:
    rows = [*shifted_rows(), *(row("a", 3, answer, **TWO) for answer in (1, 1, 1, 2))]
    dataset = write_dataset(tmp_path / "dataset", rows)
    given = predict_all(dataset, lambda one: [0.2, 0.8] if one["condition_num"] == 2 else [0.6, 0.4])
    found = score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset).runs[0].sensitivity
    assert (found.n_cells, found.r) == (2, pytest.approx(1))
    assert found.slope == pytest.approx((2 / 3 - 1 / 4) / (0.8 - 0.4))


def test_weighted_scores_leave_them_out(tmp_path: Path) -> None:
    weighted = shifted_run(tmp_path, [row("a", 1, answer, weight=w, **TWO) for answer, w in ((1, 1.0), (2, 3.0), (9, 50.0))]).weighted
    assert weighted is not None
    assert weighted.W.point == pytest.approx(3 / 4)
    assert (weighted.n_rows, weighted.effective_n) == (2, pytest.approx(16 / 10))


def test_every_cell_says_where_its_scale_comes_from(tmp_path: Path) -> None:
    """Outcome 0 states a scale, 1 takes the range seen in training, 2 has neither; in 3 one item states a scale and one does not."""
    free = {"low": None, "high": None}
    rows = [
        *(row("a", 0, answer, task=task, **free) for task in (1, 3) for answer in (0, 10)),
        row("a", 1, 1),
        *(row("a", 1, 25, task=1, **free) for _ in range(2)),
        row("a", 1, 7, task=2, **free),
        row("a", 1, 1, task=3),
        row("a", 1, 5, task=3, item=1, **free),
    ]
    dataset = write_dataset(tmp_path / "dataset", rows)
    test = DatasetFolder(dataset).rows(CONFIG, "test", ["study_id", "sample_id", "response"]).to_pylist()
    given = [{"study_id": "a", "sample_id": one["sample_id"], "prediction": float(one["response"])} for one in test]
    run = score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset).runs[0]
    assert run.stated is not None
    assert run.stated.scale_source == {"stated": 1, "training_range": 2, "none": 1}
    assert run.stated.not_scored == {"no stated scale, and no range in training": 1}
    assert run.stated.rows_left_out == {}  # a range seen in training is no statement: 25 counts at its end
    assert run.stated.W.point == pytest.approx(0)
    assert run.published is not None
    assert run.published.scale_source == {"observed": 1, "none": 3}


def test_the_report_says_so(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", shifted_rows())
    given = predict_all(dataset, lambda _: [1.0, 0.0])
    results = score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset).write_json(tmp_path / "r.json")
    page = report([results], tmp_path / "report.html").read_text(encoding="utf-8")
    assert "2 cells on the scale that the question states; 3 rows left out (answer off the stated scale)" in page
    assert "2 cells on the range that people used" in page


def test_the_evaluate_module_does_the_same(tmp_path: Path) -> None:
    n = 4
    columns = {"study_id": ["s"] * n, "condition_num": [0] * n, "task_num": [0] * n, "scale_min": [1] * n, "scale_max": [2] * n}
    metric = evaluate.load(str(metric_path()), "distributional_alignment")
    found = metric.compute(predictions=[[1, 0], [1, 0], [1, 0], [0, 1]], references=[1, 2, 2, 9], **columns)
    assert found["w1_stated"] == pytest.approx(2 / 3)
    assert found["w1_published"] == pytest.approx((0 + 1 + 1 + 7) / 8 / 4)
    assert found["noise_floor_stated"] == pytest.approx(noise_floor([1 / 3, 2 / 3], [0, 1], 3))
    assert found["n_off_scale"] == 1
    people = {"participant": list(range(80)), "demographic": [{"age": 70 if i % 2 else 20} for i in range(80)]}
    scales = {"study_id": ["s"] * 80, "task_num": [0] * 80, "scale_min": [1] * 80, "scale_max": [2] * 80}
    answers = [99 if i < 10 else 1 + i % 2 for i in range(80)]
    metric = evaluate.load(str(metric_path()), "demographic_parity")
    parity = metric.compute(predictions=[1] * 80, references=answers, **scales, **people)["parity"]["age"]
    assert (parity["human_gap"], parity["accuracy_gap"]) == (1, 1)


def test_training_leaves_them_out_and_counts_them(tmp_path: Path) -> None:
    tens = {"low": 0, "high": 30}
    free = row("a", 0, 61, task=1, low=None, high=None)
    folder = DatasetFolder(write_dataset(tmp_path, [*(row("a", 0, answer, **tens) for answer in (0, 30, 15, 40, -10)), free], step=10))
    rows = folder.rows(CONFIG, "train", COLUMNS)
    kept, left = on_scale(rows, folder)
    assert (sorted(kept.column("response").to_pylist()), left) == ([0, 30, 61], 3)
    with pytest.raises(TrainError, match="all 3 answers are off their stated scale"):
        on_scale(rows.filter(pc.is_in(rows.column("response"), pa.array([15, 40, -10]))), folder)


def test_an_answer_between_two_values_of_a_scale_is_off_it(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", [row("a", 1, answer, low=0, high=20) for answer in (0, 20, 15)], step=10)
    given = [one | {"support": [0, 10, 20], "probabilities": [1.0, 0.0, 0.0]} for one in predict_all(dataset, lambda _: [1.0])]
    stated = score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset).runs[0].stated
    assert stated is not None
    assert (stated.W.point, stated.rows_left_out) == (pytest.approx(0.5), {"answer off the stated scale": 1})


def test_a_run_says_what_it_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = write_tiny_dataset(tmp_path / "dataset")
    rows = DatasetFolder.rows

    def with_codes(self: DatasetFolder, *args: Any, **more: Any) -> pa.Table:
        table = rows(self, *args, **more)
        if "response" not in table.column_names:
            return table
        coded = [98 if i < 5 else value for i, value in enumerate(table.column("response").to_pylist())]
        return table.set_column(table.column_names.index("response"), "response", pa.array(coded, pa.int64()))

    monkeypatch.setattr(DatasetFolder, "rows", with_codes)
    said: list[str] = []
    nano = {"hidden_size": 16, "intermediate_size": 24, "layers": 1, "heads": 2, "vocab_size": 320, "context": 512}
    settings = {"dataset": str(dataset), "output": str(tmp_path / "model"), "train_on": ["unseen_studies"], "nano": nano, "max_steps": 1}
    train(resolve(settings), say=said.append)
    record = json.loads((tmp_path / "model" / "run_record.json").read_text())
    assert record["rows_off_scale"] == 5
    assert record["rows_trained"] + 5 == DatasetFolder(dataset).rows("unseen_studies", "train", ["sample_id"]).num_rows
    assert any("left out: 5 rows whose answer is off its stated scale" in line for line in said)
