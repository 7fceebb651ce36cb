"""The engine `transformers` as a whole: several processes, drawn answers, people chosen by hash, every persona through every arm."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from socsci210.dataset_folder import DatasetFolder
from socsci210.errors import DatasetError
from socsci210.predict import predict, read_metadata
from socsci210.predict.draws import Draws
from socsci210.predict.exact import ExactAnswers, normalise
from socsci210.predict.shards import ARM_KEY
from socsci210.prompts import PromptEncoder, persona
from tests.tiny import tiny_model, tiny_tokenizer
from tests.tiny_dataset import tiny_rows, write_tiny_dataset

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("predicted") / "dataset")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


# --- several processes -------------------------------------------------------------------------------------------------------------

IN_PROCESSES = """
import sys
from pathlib import Path
from accelerate import Accelerator
from socsci210.errors import DatasetError
from socsci210.predict import ServerOptions, predict

assert Accelerator().num_processes == 2
dataset, model, out = sys.argv[1:]
predict(engine="transformers", model=model, dataset=Path(dataset), config="unseen_studies", out=Path(out), shard_rows=10)
predict(engine="train_lookup", dataset=Path(dataset), config="unseen_studies", out=Path(out + ".lookup"), shard_rows=10)
server = ServerOptions("http://127.0.0.1:9/v1", allow_send_rows=True)  # nobody is asked: each process would send every row
try:
    predict(engine="openai", model=model, dataset=Path(dataset), config="unseen_studies", out=Path(out + ".openai"), server=server)
except DatasetError as error:
    assert "engine 'openai' in 2 processes" in str(error) and "without accelerate launch" in str(error), error
else:
    raise AssertionError("two processes may not ask a server")
"""


def test_two_processes_write_the_file_of_one(dataset: Path, model: str, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(IN_PROCESSES)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    # --cpu would silently run one process; this way there are two, which the script asserts
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    arguments = [str(script), str(dataset), model, str(tmp_path / "two.parquet")]
    done = subprocess.run([*launch, *arguments], env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    one = predict(engine="transformers", model=model, dataset=dataset, config="unseen_studies", out=tmp_path / "one.parquet", shard_rows=10)
    assert rows_of(tmp_path / "two.parquet") == rows_of(one)
    assert read_metadata(tmp_path / "two.parquet") == read_metadata(one)
    lookup = predict(engine="train_lookup", dataset=dataset, config="unseen_studies", out=tmp_path / "lookup", shard_rows=10)
    assert rows_of(tmp_path / "two.parquet.lookup") == rows_of(lookup)
    assert not list(tmp_path.glob("*.parts")) and not list(tmp_path.glob("*.openai*"))


def test_processes_that_do_not_see_each_other_are_refused(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them would write the whole file."""
    alone = SimpleNamespace(num_processes=1, process_index=0, device="cpu", wait_for_everyone=lambda: None)
    monkeypatch.setattr("accelerate.Accelerator", lambda **_: alone)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(DatasetError, match="2 processes were started, and accelerate sees 1"):
        predict(engine="uniform", dataset=dataset, config="unseen_studies", out=tmp_path / "p")
    assert not list(tmp_path.iterdir())


# --- draws -------------------------------------------------------------------------------------------------------------------------


def test_drawn_texts_follow_the_model(model: str) -> None:
    tokenizer = tiny_tokenizer()
    loaded, encoder = tiny_model(tokenizer), PromptEncoder(tokenizer)
    prompts = [encoder.prompt("A person", text) for text in ("How many? Only return an integer.", "What?")]
    keys = ["a", "b"]
    texts = Draws(loaded, encoder, seed=1, batch_size=512).texts(prompts, keys, 300)
    for prompt, some in zip(prompts, texts, strict=True):
        with torch.no_grad():
            first = torch.softmax(loaded(torch.tensor([prompt])).logits[0, -1].double(), dim=-1).numpy()
        top = int(first.argmax())
        begin = tokenizer.decode([top], skip_special_tokens=True)
        expected = sum(p for token, p in enumerate(first) if tokenizer.decode([token], skip_special_tokens=True).startswith(begin))
        seen = np.mean([text.startswith(begin) for text in some])
        assert abs(seen - expected) < 4.5 * np.sqrt(0.25 / len(some)) + 0.02
    alone = [Draws(loaded, encoder, seed=1, batch_size=1).texts([prompt], [key], 4)[0] for prompt, key in zip(prompts, keys, strict=True)]
    assert alone == [some[:4] for some in texts]  # neither the batch nor the number of draws matters
    assert Draws(loaded, encoder, seed=2).texts(prompts, keys, 4) != alone


def test_long_and_unbounded_scales_are_drawn(model: str, tmp_path: Path) -> None:
    rows = tiny_rows()
    for row in rows:
        if row["study_id"] == "unseen" and row["task_num"] == 0:
            row["scale_min"], row["scale_max"] = (None, None) if row["participant"] < 10 else (0, 101)
    dataset = write_tiny_dataset(tmp_path / "d", rows)
    common: dict[str, Any] = {"engine": "transformers", "model": model, "dataset": dataset, "config": "unseen_studies"}
    path = predict(**common, out=tmp_path / "p.parquet", draws=3)
    metadata = read_metadata(path)
    assert metadata["left_out"] == {} and metadata["draws"] == 3
    assert metadata["drawn"] == {"scale without bounds": 10, "more than 101 possible answers": 14}
    found = rows_of(path)
    assert Counter(row["method"] for row in found) == {"draws": 24, "exact": 24}
    for row in found:
        if row["method"] == "exact":
            assert (row["support"], row["raw"], row["prediction"], row["parsed"]) == ([0, 1], None, None, True)
            continue
        assert len(row["raw"]) == 3
        assert row["parsed"] == (row["answer_mass"] > 0)
        if row["parsed"]:
            assert row["prediction"] in row["support"] and sum(row["probabilities"]) == pytest.approx(1)
            shares = np.array(row["probabilities"]) * row["answer_mass"] * 3
            np.testing.assert_allclose(shares, np.rint(shares), atol=1e-9)
        else:
            assert row["support"] is row["probabilities"] is row["prediction"] is None
    other = rows_of(predict(**common, out=tmp_path / "q.parquet", draws=3, batch_size=3, shard_rows=7))
    assert [row["raw"] for row in other] == [row["raw"] for row in found]
    again = rows_of(predict(**common, out=tmp_path / "r.parquet", draws=1))
    assert [row["raw"] for row in again] == [row["raw"] and row["raw"][:1] for row in found]


# --- few people of each cell -------------------------------------------------------------------------------------------------------


def test_people_are_chosen_by_hash_whatever_the_order(tmp_path: Path) -> None:
    rows = tiny_rows()
    chosen = []
    for name, some in (("a", rows), ("b", rows[::-1]), ("c", [row for row in rows if row["participant"] != 3 or row["task_num"] == 1])):
        dataset = write_tiny_dataset(tmp_path / name, some)
        path = predict(engine="uniform", dataset=dataset, config="unseen_studies", per_cell=4, out=tmp_path / f"{name}.parquet")
        chosen.append({(row["study_id"], row["sample_id"]) for row in rows_of(path)})
        assert read_metadata(path)["per_cell"] == 4
    assert chosen[0] == chosen[1]
    assert len(chosen[0] - chosen[2]) <= 1  # who is not there makes room for one other person and moves nobody else
    people = [{sample // 2 for _, sample in chosen[0] if sample % 2 == task} for task in (0, 1)]
    assert people[0] == people[1]  # the same people answer both outcomes


# --- arms --------------------------------------------------------------------------------------------------------------------------


def test_every_persona_through_every_arm(dataset: Path, model: str, tmp_path: Path) -> None:
    path = predict(engine="transformers", model=model, dataset=dataset, config="unseen_studies", arms=True, out=tmp_path / "a.parquet")
    table = pq.read_table(path)
    assert table.column_names == [*ARM_KEY, "support", "probabilities", "answer_mass"]
    found = {tuple(row[name] for name in ARM_KEY): row for row in table.to_pylist()}
    assert set(found) == {("unseen", person, condition, task, 0) for person in range(24) for condition in range(3) for task in range(2)}
    metadata = read_metadata(path)
    assert metadata["arms"] is True and metadata["rows_expected"] == 144 and metadata["left_out"] == {}
    tokenizer = tiny_tokenizer()
    encoder = PromptEncoder(tokenizer)
    exact = ExactAnswers(tiny_model(tokenizer), encoder)
    rows = [row for row in DatasetFolder(dataset).rows("all").to_pylist() if row["study_id"] == "unseen"]
    text = {(row["condition_num"], row["task_num"]): row["stimuli"] for row in rows}
    for person, condition, task in ((0, 2, 0), (5, 0, 1), (23, 1, 0)):
        who = next(row["demographic"] for row in rows if row["participant"] == person)
        values = range(1, 8) if task == 0 else range(2)
        expected, _ = normalise(exact.by_answer([encoder.prompt(persona(who), text[condition, task])], encoder.answers(values)))
        np.testing.assert_allclose(found["unseen", person, condition, task, 0]["probabilities"], expected[0], atol=1e-5)


def test_arms_of_held_out_conditions_include_the_others(dataset: Path, tmp_path: Path) -> None:
    path = predict(engine="uniform", dataset=dataset, config="unseen_conditions", arms=True, per_cell=5, out=tmp_path / "a.parquet")
    found = rows_of(path)
    assert {row["condition_num"] for row in found} == {0, 1, 2} and {row["study_id"] for row in found} == {"first", "second"}
    people = {(row["study_id"], row["condition_num"], row["task_num"]): set() for row in found}
    for row in found:
        people[row["study_id"], row["condition_num"], row["task_num"]].add(row["participant"])
    assert all(len(some) == 5 for some in people.values())
    assert len({tuple(sorted(some)) for (study, *_), some in people.items() if study == "first"}) == 1
    assert read_metadata(path)["left_out"] == {"people beyond 5 of an item": 4 * (24 - 5)}


def test_arms_that_cannot_be_compared_are_counted(tmp_path: Path) -> None:
    rows = [row for row in tiny_rows() if row["study_id"] == "unseen"]
    for row in rows:
        if row["task_num"] == 0 and row["condition_num"] == 2:
            row["stimuli"] += f" Person {row['participant']}."
        if row["task_num"] == 1:
            row["condition_num"] = 0
    dataset = write_tiny_dataset(tmp_path / "d", rows)
    path = predict(engine="uniform", dataset=dataset, config="unseen_studies", arms=True, out=tmp_path / "a.parquet")
    # the texts of outcome 1 differ by former condition, so its one arm has several
    assert read_metadata(path)["left_out"] == {"people of the cell read different texts": 8 + 24}
    assert {(row["condition_num"], row["task_num"]) for row in rows_of(path)} == {(0, 0), (1, 0)}
    with pytest.raises(DatasetError, match="no item has two arms"):
        one = [row for row in rows if row["condition_num"] == 0 and row["task_num"] == 0]
        predict(engine="uniform", dataset=write_tiny_dataset(tmp_path / "e", one), config="unseen_studies", arms=True, out=tmp_path / "b")


@pytest.mark.parametrize("changes", [{"per_cell": 0}, {"draws": 0}])
def test_counts_below_one_are_refused(changes: dict[str, int], dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="1 or more"):
        predict(engine="uniform", dataset=dataset, config="unseen_studies", out=tmp_path / "p", **changes)  # type: ignore[arg-type]
