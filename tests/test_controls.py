"""Control engines against counts made by hand, and predictions as a whole."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from socsci210.dataset_folder import DatasetFolder
from socsci210.errors import DatasetError
from socsci210.predict import ENGINES, predict, read_metadata
from tests.tiny import tiny_model, tiny_tokenizer
from tests.tiny_dataset import tiny_rows, write_tiny_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("controls") / "dataset")


def predictions(dataset: Path, out: Path, **arguments: Any) -> dict[tuple[str, int], dict[str, Any]]:
    path = predict(dataset=dataset, out=out, **arguments)
    return {(row["study_id"], row["sample_id"]): row for row in pq.read_table(path).to_pylist()}


def shares(rows: list[dict[str, Any]], values: range) -> list[float]:
    counts = Counter(row["response"] for row in rows)
    return [counts[value] / len(rows) for value in values]


def values_of(row: dict[str, Any]) -> range:
    return range(row["scale_min"], row["scale_max"] + 1)


def expected_train_lookup(row: dict[str, Any], train: list[dict[str, Any]]) -> list[float]:
    scale = [r for r in train if values_of(r) == values_of(row)]
    outcome = [r for r in scale if (r["study_id"], r["task_num"]) == (row["study_id"], row["task_num"])]
    cell = [r for r in outcome if r["condition_num"] == row["condition_num"]]
    found = cell or outcome or scale
    return shares(found, values_of(row)) if found else [1 / len(values_of(row))] * len(values_of(row))


@pytest.mark.parametrize("config", ["unseen_studies", "unseen_conditions", "unseen_outcomes", "unseen_participants"])
def test_train_lookup(config: str, dataset: Path, tmp_path: Path) -> None:
    folder = DatasetFolder(dataset)
    train, test = (folder.rows(config, split).to_pylist() for split in ("train", "test"))
    found = predictions(dataset, tmp_path / "p.parquet", engine="train_lookup", config=config)
    assert len(found) == len(test) > 0
    for row in test:
        predicted = found[row["study_id"], row["sample_id"]]
        assert predicted["support"] == list(values_of(row))
        np.testing.assert_allclose(predicted["probabilities"], expected_train_lookup(row, train))
        assert predicted["answer_mass"] == 1.0


def test_pooled_oracle_leaves_the_scored_condition_out(dataset: Path, tmp_path: Path) -> None:
    rows = DatasetFolder(dataset).rows("all").to_pylist()
    found = predictions(dataset, tmp_path / "p.parquet", engine="pooled_oracle", config="unseen_conditions")
    for row in DatasetFolder(dataset).rows("unseen_conditions", "test").to_pylist():
        others = [
            r for r in rows
            if (r["study_id"], r["task_num"]) == (row["study_id"], row["task_num"]) and r["condition_num"] != row["condition_num"]
        ]  # fmt: skip
        np.testing.assert_allclose(found[row["study_id"], row["sample_id"]]["probabilities"], shares(others, values_of(row)))


def test_pooled_oracle_of_a_single_condition_uses_the_scale(tmp_path: Path) -> None:
    rows = [row for row in tiny_rows() if row["study_id"] != "unseen" or row["condition_num"] == 0]
    dataset = write_tiny_dataset(tmp_path / "d", rows)
    found = predictions(dataset, tmp_path / "p.parquet", engine="pooled_oracle", config="unseen_studies")
    for row in DatasetFolder(dataset).rows("unseen_studies", "test").to_pylist():
        pool = [r for r in rows if r["study_id"] != "unseen" and values_of(r) == values_of(row)]
        np.testing.assert_allclose(found[row["study_id"], row["sample_id"]]["probabilities"], shares(pool, values_of(row)))


def test_uniform_and_the_step_of_a_scale(tmp_path: Path) -> None:
    dataset = write_tiny_dataset(tmp_path / "d", step=3)  # 1, 4, 7 for outcome 0
    found = predictions(dataset, tmp_path / "p.parquet", engine="uniform", config="unseen_studies")
    for row in DatasetFolder(dataset).rows("unseen_studies", "test").to_pylist():
        predicted = found[row["study_id"], row["sample_id"]]
        support = [1, 4, 7] if row["task_num"] == 0 else [0, 1]
        assert (predicted["support"], predicted["probabilities"]) == (support, [1 / len(support)] * len(support))


def test_rows_that_cannot_be_enumerated_are_counted(tmp_path: Path) -> None:
    rows = tiny_rows()
    for row in rows:
        if row["study_id"] == "unseen" and row["task_num"] == 0:
            row["scale_min"], row["scale_max"] = (None, None) if row["participant"] < 10 else (0, 101)
    dataset = write_tiny_dataset(tmp_path / "d", rows)
    path = predict(engine="uniform", dataset=dataset, config="unseen_studies", out=tmp_path / "p.parquet")
    metadata = read_metadata(path)
    assert metadata["left_out"] == {"scale without bounds": 10, "more than 101 possible answers": 14}
    assert metadata["rows_expected"] == pq.read_metadata(path).num_rows == 24
    assert metadata["complete"] is True


def test_per_cell_is_a_seeded_choice_and_counted(dataset: Path, tmp_path: Path) -> None:
    runs = [
        predictions(dataset, tmp_path / f"{n}.parquet", engine="uniform", config="unseen_studies", per_cell=3, seed=seed)
        for n, seed in enumerate((0, 0, 1))
    ]
    assert runs[0].keys() == runs[1].keys() != runs[2].keys()
    rows = {(r["study_id"], r["sample_id"]): r for r in DatasetFolder(dataset).rows("unseen_studies", "test").to_pylist()}
    assert set(Counter((rows[k]["condition_num"], rows[k]["task_num"]) for k in runs[0]).values()) == {3}
    assert read_metadata(tmp_path / "0.parquet")["left_out"] == {"beyond 3 rows of a cell": 48 - 18}


def test_a_model_from_a_folder(dataset: Path, tmp_path: Path) -> None:
    from socsci210.predict.exact import ExactAnswers, normalise
    from socsci210.prompts import PromptEncoder, persona, template_hash

    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer)
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    common = {"engine": "transformers", "config": "unseen_conditions", "model": str(tmp_path / "model")}
    found = predictions(dataset, tmp_path / "p.parquet", **common)
    encoder = PromptEncoder(tokenizer)
    exact = ExactAnswers(model, encoder)
    rows = DatasetFolder(dataset).rows("unseen_conditions", "test").to_pylist()
    assert len(found) == len(rows)
    for row in rows[:6]:
        log = exact.log_probabilities([encoder.prompt(persona(row["demographic"]), row["stimuli"])], encoder.answers(values_of(row)))
        probabilities, mass = normalise(log)
        predicted = found[row["study_id"], row["sample_id"]]
        np.testing.assert_allclose(predicted["probabilities"], probabilities[0], atol=1e-5)
        assert predicted["answer_mass"] == pytest.approx(mass[0], rel=1e-4)
    metadata = read_metadata(tmp_path / "p.parquet")
    assert metadata["template_hash"] == template_hash("upstream") and len(metadata["revision"]) == 16
    assert metadata["dataset_fingerprint"] == DatasetFolder(dataset).fingerprint
    other = predictions(dataset, tmp_path / "q.parquet", **common, template="stimulus_first", batch_size=5)
    assert any(not np.allclose(other[key]["probabilities"], found[key]["probabilities"], atol=1e-3) for key in found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"engine": "oracle", "config": "unseen_studies"}, f"one of {', '.join(ENGINES)}"),
        ({"engine": "uniform", "config": "unseen_people"}, "'unseen_people'"),
        ({"engine": "uniform", "config": "unseen_studies", "split": "validation"}, "has no rows"),
        ({"engine": "transformers", "config": "unseen_studies"}, "needs a model"),
        ({"engine": "uniform", "config": "unseen_studies", "model": "m"}, "takes no model"),
        ({"engine": "uniform", "config": "unseen_studies", "template": "upstream"}, "takes no template"),
        (
            {"engine": "transformers", "config": "unseen_studies", "model": "/no/such/model"},
            r"(?s)no such model.*a model folder or a Hub id",
        ),
    ],
)
def test_bad_requests(arguments: dict[str, str], message: str, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message):
        predict(dataset=dataset, out=tmp_path / "p.parquet", **arguments)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [("--temperature", "0.6", "--top-p", "0.9"), ("--shots", "5"), ("--no-logprobs",), ("--allow-send-rows",)]
)
def test_options_of_a_server_without_one_are_refused(words: tuple[str, ...], dataset: Path, tmp_path: Path, command: Any) -> None:
    """They would decide nothing, and the user would not know."""
    asked = ("predict", "--engine", "uniform", "--dataset", dataset, "--config", "unseen_studies", "--out", tmp_path / "p.parquet")
    code, _, err = command(*asked, *words)
    given = ", ".join(word for word in words if word.startswith("--"))
    assert code == 1 and f"{given} without a model server" in err
    assert not list(tmp_path.iterdir())
    assert command(*asked)[0] == 0
