"""Evaluation during training: the scorer's own figures, on validation rows alone, always the same ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from socsci210.dataset_folder import DatasetFolder
from socsci210.predict import predict
from socsci210.prompts import PromptEncoder
from socsci210.score import score
from socsci210.train.config import TrainError, resolve
from socsci210.train.rows import training_rows
from socsci210.train.settings import TrainConfig, ValidationConfig
from socsci210.train.validation import Evaluation, Validation, best_of, is_over
from tests.tiny import tiny_model, tiny_tokenizer
from tests.tiny_dataset import sides_with_validation, write_tiny_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("validation") / "dataset", sides_of=sides_with_validation)


def configured(dataset: Path, train_on: list[str], **validation: Any) -> TrainConfig:
    given = {"dataset": str(dataset), "output": "o", "train_on": train_on, "model": "m", "validation": {"every_steps": 1} | validation}
    return resolve(given).config


def made(dataset: Path, config: TrainConfig) -> Validation:
    from accelerate import Accelerator

    folder = DatasetFolder(dataset)
    rows = training_rows(folder, config.train_on)
    return Validation(folder, config, rows, PromptEncoder(tiny_tokenizer(), config.template), Accelerator(cpu=True))


@pytest.mark.parametrize("config", ["unseen_studies", "unseen_participants"])
def test_figures_are_those_of_predict_and_score(dataset: Path, tmp_path: Path, config: str) -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer).train()
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    validation = made(dataset, configured(dataset, [config], per_cell=2))
    found = validation.evaluate(model, 7)
    out = predict(
        engine="transformers", model=str(tmp_path / "model"), dataset=dataset, config=config, split="validation",
        out=tmp_path / "p.parquet", per_cell=2,
    )  # fmt: skip
    run = score([out], dataset, controls=False).runs[0]
    assert run.stated is not None and run.answer_mass is not None
    W = run.stated.W.point
    assert found.step == 7 and model.training
    assert (found.W, found.chance) == (pytest.approx(W, abs=1e-6), pytest.approx(run.stated.chance, abs=1e-9))
    assert found.answer_mass == pytest.approx(run.answer_mass.mean, rel=1e-5)
    assert len(validation) == run.coverage.rows_predicted


def test_rows_are_validation_rows_and_always_the_same(dataset: Path) -> None:
    config = configured(dataset, ["unseen_conditions", "unseen_participants"], rows=3)
    first, again = (made(dataset, config) for _ in range(2))
    assert first.rows.equals(again.rows) and 0 < len(first) <= 3
    for row in first.split.rows.to_pylist():  # also the people whose answers the model is compared with
        sides = sides_with_validation(row["study_id"], row["condition_num"], row["task_num"], row["participant"])
        assert sides["unseen_conditions"] == "validation" and sides["unseen_participants"] != "test"
    every = made(dataset, configured(dataset, ["unseen_conditions"], rows=10_000, per_cell=1000))
    assert len(every) == DatasetFolder(dataset).rows("unseen_conditions", "validation").num_rows


def test_a_row_that_is_trained_on_is_refused(dataset: Path) -> None:
    from accelerate import Accelerator

    folder = DatasetFolder(dataset)
    rows = pa.concat_tables([folder.rows("unseen_studies", side, ["study_id", "sample_id"]) for side in ("train", "validation")])
    with pytest.raises(TrainError, match="48 validation rows are trained on"):
        Validation(folder, configured(dataset, ["unseen_studies"]), rows, PromptEncoder(tiny_tokenizer()), Accelerator(cpu=True))


def test_rows_that_the_starting_model_has_met_are_counted(dataset: Path, tmp_path: Path) -> None:
    config = configured(dataset, ["unseen_conditions"])
    assert made(dataset, config).seen_before == 0
    tiny_model(tiny_tokenizer()).save_pretrained(tmp_path)
    record = {"dataset_fingerprint": DatasetFolder(dataset).fingerprint, "train_on": ["all"], "studies_trained": []}
    (tmp_path / "run_record.json").write_text(json.dumps(record))
    found = made(dataset, config.model_copy(update={"model": str(tmp_path)}))
    assert found.seen_before == len(found) > 0


@pytest.mark.parametrize(
    ("train_on", "validation", "message"),
    [
        (["all"], {}, "validation side of a split config"),
        (["unseen_studies"], {"config": "unseen_outcomes"}, "validation side of a split config"),
        (["unseen_studies"], {"every_minutes": 1.0}, "either every_steps or every_minutes"),
        (["unseen_studies"], {"config": "all"}, "no validation side"),
    ],
)
def test_settings_that_cannot_be(dataset: Path, train_on: list[str], validation: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainError, match=message):
        configured(dataset, train_on, **validation)


def test_no_validation_side(dataset: Path) -> None:
    with pytest.raises(Exception, match=r"validation"):
        made(dataset, configured(dataset, ["unseen_outcomes"]))


def evaluations(*values: float) -> list[Evaluation]:
    return [Evaluation(step, W, 0.3, 1.0) for step, W in enumerate(values)]


def test_best_and_early_stop() -> None:
    found = evaluations(0.3, 0.2, 0.19, 0.25, 0.21)
    assert best_of(found) == 2 and best_of(found, 0.05) == 1 and best_of([]) is None
    patient = ValidationConfig(every_steps=1, patience=2)
    assert [is_over(found[:n], patient) for n in range(6)] == [False] * 5 + [True]
    assert not is_over(found, ValidationConfig(every_steps=1)) and not is_over(found, ValidationConfig(every_steps=1, patience=3))
    assert is_over(found, ValidationConfig(every_steps=1, patience=3, min_gain=0.05))
