"""The openai engine against a server on this machine that is backed by a real small model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from socsci210.dataset_folder import DatasetFolder
from socsci210.egress import EgressError
from socsci210.errors import DatasetError
from socsci210.predict import ServerOptions, predict, read_metadata
from socsci210.predict.openai_journal import Journal
from socsci210.predict.shards import ARM_KEY
from socsci210.prompts import SYSTEM_PROMPT, messages, persona
from tests.openai_server import CHATML, Answering, Fault, OpenAIServer, taught_model
from tests.tiny import tiny_tokenizer
from tests.tiny_dataset import tiny_rows, write_tiny_dataset

CONFIG = "unseen_studies"
PEOPLE = 6  # 12 rows of the unseen study


def chat_tokenizer() -> Any:
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.chat_template = CHATML
    return tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return chat_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer: Any) -> Any:
    return taught_model(tokenizer, map(str, range(10)), steps=80)


@pytest.fixture(scope="module")
def answering(model: Any, tokenizer: Any) -> Answering:
    return Answering(model, tokenizer)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("openai") / "dataset", tiny_rows(people=PEOPLE))


@pytest.fixture
def server(answering: Answering) -> Iterator[OpenAIServer]:
    with OpenAIServer(answering).running() as running:
        yield running


def options(server: OpenAIServer, **changes: Any) -> ServerOptions:
    quiet = {"show": lambda line: None, "allow_send_rows": True, "first_wait": 0.01, "concurrency": 4, "timeout": 5.0}
    return ServerOptions(server.base_url, **{**quiet, **changes})


def ask(server: OpenAIServer, dataset: Path, out: Path, *, config: str = CONFIG, split: str = "test", **changes: Any) -> Path:
    return predict(
        engine="openai", model="tiny", dataset=dataset, config=config, split=split, out=out, server=options(server, **changes), shard_rows=5
    )


def table(path: Path) -> dict[tuple[str, int], dict[str, Any]]:
    return {(row["study_id"], row["sample_id"]): row for row in pq.read_table(path).to_pylist()}


# --- distributions ---------------------------------------------------------------------------------------------------------------------


def test_logprobs_equal_the_exact_engine(model: Any, tokenizer: Any, server: OpenAIServer, dataset: Path, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    exact = table(predict(engine="transformers", model=str(tmp_path / "model"), dataset=dataset, config=CONFIG, out=tmp_path / "exact"))
    found = table(ask(server, dataset, tmp_path / "found"))
    assert found.keys() == exact.keys()
    for key, row in found.items():
        assert row["support"] == exact[key]["support"]
        np.testing.assert_allclose(row["probabilities"], exact[key]["probabilities"], atol=1e-4)
        assert row["answer_mass"] == pytest.approx(exact[key]["answer_mass"], abs=1e-3)
        assert (row["method"], row["parsed"], row["prediction"], row["raw"]) == ("logprobs", True, None, None)
        assert 0 <= row["unresolved"] < 0.01
    assert np.ptp([row["probabilities"] for row in found.values() if len(row["support"]) == 7], axis=0).max() > 0.02  # prompts matter


def test_answers_in_pieces_are_sampled_until_they_are_told_apart(tokenizer: Any, tmp_path: Path) -> None:
    """The tokenizer writes 10 as two tokens, so its share of what begins with 1 is read behind a sampled 1."""
    from socsci210.predict.exact import ExactAnswers
    from socsci210.prompts import PromptEncoder

    rows = [row | {"scale_min": 0, "scale_max": 10} for row in tiny_rows(people=PEOPLE) if row["task_num"] == 0]
    dataset = write_tiny_dataset(tmp_path / "dataset", rows)
    model = taught_model(tokenizer, map(str, range(11)), steps=80)
    encoder = PromptEncoder(tokenizer)
    assert len(encoder.answer(10)) == 3
    with OpenAIServer(Answering(model, tokenizer)).running() as server:
        found = table(ask(server, dataset, tmp_path / "p"))
    by_row = {(row["study_id"], row["sample_id"]): row for row in rows}
    prompts = [encoder.prompt(persona(by_row[key]["demographic"]), by_row[key]["stimuli"]) for key in found]
    without_end = [answer[:-1] for answer in encoder.answers(range(11))]
    expected = np.exp(ExactAnswers(model, encoder).by_answer(prompts, without_end))
    expected[:, 1] -= expected[:, 10]
    resolved = 0
    for row, wanted in zip(found.values(), expected, strict=True):
        assert row["unresolved"] < 0.5
        mine = np.array(row["probabilities"]) * row["answer_mass"]
        assert np.abs(mine - wanted).sum() <= row["unresolved"] + 2e-3
        if row["unresolved"] < 0.01:
            resolved += 1
            assert mine[10] == pytest.approx(wanted[10], rel=1e-3)
    assert resolved >= 4


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset whose first outcome is on 0-100."""
    rows = [row | ({"scale_min": 0, "scale_max": 100} if row["task_num"] == 0 else {}) for row in tiny_rows(people=PEOPLE)]
    return write_tiny_dataset(tmp_path_factory.mktemp("wide") / "dataset", rows)


def test_long_scales_are_drawn(server: OpenAIServer, wide: Path, tmp_path: Path) -> None:
    path = ask(server, wide, tmp_path / "p", draws=7)
    for row in table(path).values():
        assert row["method"] == ("draws" if len(row["support"]) == 101 else "logprobs")
        if row["method"] == "draws":
            counts = Counter(int(text) for text in row["raw"] if text.strip().isdigit())
            assert len(row["raw"]) == 7 and row["unresolved"] is None
            assert row["answer_mass"] == pytest.approx(counts.total() / 7)
            for value, share in zip(row["support"], row["probabilities"], strict=True):
                assert share == pytest.approx(counts[value] / counts.total())
    usage = read_metadata(path)["usage"]
    assert usage["rows_by_method"] == {"draws": PEOPLE, "logprobs": PEOPLE} and usage["rows_with_draws_alike"] < PEOPLE


def test_scales_without_bounds_are_drawn(tmp_path: Path) -> None:
    rows = [
        row | ({"scale_min": None, "scale_max": None} if row["task_num"] == 0 else {"scale_max": 500}) for row in tiny_rows(people=PEOPLE)
    ]
    dataset = write_tiny_dataset(tmp_path / "dataset", rows)
    with OpenAIServer(said("-7", "about 250", "250", "none")).running() as server:
        path = ask(server, dataset, tmp_path / "p", draws=4)
    found = table(path)
    for row in rows:
        if row["study_id"] == "unseen":
            predicted = found[row["study_id"], row["sample_id"]]
            support, shares = ([-7, 250], [1 / 3, 2 / 3]) if row["task_num"] == 0 else ([250], [1.0])
            assert predicted["support"] == support and predicted["probabilities"] == pytest.approx(shares)
            assert predicted["prediction"] == support[0] and predicted["answer_mass"] == (0.75 if row["task_num"] == 0 else 0.5)
    metadata = read_metadata(path)
    assert metadata["drawn"] == {"scale without bounds": PEOPLE, "more than 101 possible answers": PEOPLE} and metadata["draws"] == 4


def test_arms(server: OpenAIServer, dataset: Path, tmp_path: Path) -> None:
    run = {"engine": "openai", "model": "tiny", "dataset": dataset, "config": CONFIG, "arms": True}
    lines: list[str] = []
    path = predict(out=tmp_path / "p", server=options(server, show=lines.append), **run)
    rows = pq.read_table(path).to_pylist()
    assert len(rows) == len({tuple(row[name] for name in ARM_KEY) for row in rows}) == 2 * PEOPLE * 3
    assert read_metadata(path)["arms"] is True and "36 personas and stimuli in arms of" in lines[0]
    of_rows = table(ask(server, dataset, tmp_path / "q"))  # a person in the arm that the person was in
    own = {
        (r["participant"], r["condition_num"], r["task_num"]): r["sample_id"] for r in tiny_rows(people=PEOPLE) if r["study_id"] == "unseen"
    }
    met = [(row, own[key]) for row in rows if (key := (row["participant"], row["condition_num"], row["task_num"])) in own]
    assert len(met) == 2 * PEOPLE
    for row, sample in met:
        assert row["probabilities"] == of_rows["unseen", sample]["probabilities"]
    with pytest.raises(DatasetError, match="a person's own answer"):
        predict(out=tmp_path / "r", server=options(server, shots=2), **run)


def said(*texts: str, **more: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A server that says the same to everyone."""
    return lambda body: {"choices": [{"message": {"content": text}} for text in texts], **more}


def test_one_draw_per_row_is_a_point(dataset: Path, tmp_path: Path) -> None:
    with OpenAIServer(said("**1**.")).running() as server:
        path = ask(server, dataset, tmp_path / "p", draws=1, logprobs=False)
        assert {(body["temperature"], body["top_p"], body["n"]) for body in server.asked} == {(0.6, 0.9, 1)}  # the paper's
    assert {(r["prediction"], r["probabilities"], r["parsed"], r["answer_mass"]) for r in table(path).values()} == {(1, None, True, 1.0)}


def test_draws_at_the_papers_temperature_are_not_decoded_again(tmp_path: Path) -> None:
    """Two draws of each person are 1 and 2: half and half, which decoding a second time would leave, and 1, 1, 2, which it would not."""
    from socsci210.score import score
    from tests.scored_dataset import row, write_dataset

    dataset = write_dataset(tmp_path / "d", [row("study1", c, answer, split="test") for c in range(2) for answer in (1, 1, 2)])
    found = {}
    with OpenAIServer(said("1", "1", "2")).running() as server:
        for name, decoding in (("paper", {}), ("own", {"temperature": 1.0, "top_p": 1.0})):
            path = ask(server, dataset, tmp_path / name, config="unseen_conditions", draws=3, logprobs=False, **decoding)
            (found[name],) = score([path], dataset, controls=False).runs
    assert {(body["temperature"], body["top_p"]) for body in server.asked} == {(0.6, 0.9), (1.0, 1.0)}
    paper, own = found["paper"], found["own"]
    assert paper.stated.decoding == paper.published.decoding == "draws at temperature 0.6 and top_p 0.9 as given, several for each row"
    assert paper.published.W.point == pytest.approx(0, abs=1e-12)  # people answer as the draws do
    share = 2 ** (1 / 0.6) / (1 + 2 ** (1 / 0.6))  # of answer 1, at temperature 0.6; top_p 0.9 keeps both
    assert own.published.W.point == pytest.approx(share - 2 / 3)
    assert own.published.decoding == "temperature 0.6 and top_p 0.9, applied to the whole distribution"


def test_a_server_that_gives_one_choice_at_a_time_and_no_counts(dataset: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    with OpenAIServer(said("I would say 1, thank you")).running() as server:
        path = ask(server, dataset, tmp_path / "p", draws=3, logprobs=False, price_in=1.0, price_out=1.0, show=lines.append)
        assert Counter(body["n"] for body in server.asked) == dict.fromkeys((3, 2, 1), 2 * PEOPLE)
        assert len({body["seed"] for body in server.asked}) == 6 * PEOPLE
    usage = read_metadata(path)["usage"]
    assert (usage["requests"], usage["prompt_tokens"], usage["cost"]) == (6 * PEOPLE, None, None)
    assert usage["rows_with_draws_alike"] == 2 * PEOPLE and any("decode greedily" in line for line in lines)
    assert any("tokens not counted" in line for line in lines)


def test_threads_share_one_journal(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []

    class Slow(Journal):
        def __init__(self, path: Path) -> None:
            time.sleep(0.2)
            opened.append(path)
            super().__init__(path)

    monkeypatch.setattr("socsci210.predict.openai.Journal", Slow)
    with OpenAIServer(said("1")).running() as server:
        path = ask(server, dataset, tmp_path / "p", draws=2, logprobs=False)
    assert len(opened) == 1 and read_metadata(path)["usage"]["requests"] == len(server.asked)


def test_texts_without_an_answer_are_counted(dataset: Path, tmp_path: Path) -> None:
    with OpenAIServer(said("I am a model.", "1", "9", "0 or 1")).running() as server:
        path = ask(server, dataset, tmp_path / "p", draws=4, logprobs=False)
    assert {row["answer_mass"] for row in table(path).values()} == {0.25, 0.5}  # `0 or 1` begins with an answer of 0-1
    with OpenAIServer(said("I cannot say.")).running() as server:
        path = ask(server, dataset, tmp_path / "q", draws=1, logprobs=False)
    row = next(iter(table(path).values()))
    assert (row["parsed"], row["support"], row["probabilities"], row["prediction"], row["answer_mass"]) == (False, None, None, None, 0.0)
    assert row["raw"] == ["I cannot say."] and read_metadata(path)["usage"]["rows_not_parsed"] == 2 * PEOPLE


def test_rows_without_an_answer_are_scored_as_not_parsed(tmp_path: Path) -> None:
    from socsci210.score import score
    from tests.scored_dataset import row, write_dataset

    dataset = write_dataset(tmp_path / "d", [row("study1", c, 1 + n % 3, split="test") for c in range(2) for n in range(10)])
    silent = iter(range(1000))
    shy = lambda body: {"choices": [{"message": {"content": "no" if next(silent) % 5 < 2 else "2"}}]}  # noqa: E731
    with OpenAIServer(shy).running() as server:
        path = ask(server, dataset, tmp_path / "p", config="unseen_conditions", draws=1, concurrency=1, logprobs=False)
        several = ask(server, dataset, tmp_path / "q", config="unseen_conditions", draws=2, concurrency=1, logprobs=False)
    for file, lost in ((path, 8), (several, 4)):
        assert read_metadata(file)["usage"]["rows_not_parsed"] == lost
        (run,) = score([file], dataset).runs
        assert (run.coverage.rows_parsed, run.coverage.left_out["unparsed prediction"]) == (20 - lost, lost)


@pytest.mark.parametrize(
    "given", [None, {"content": None}, {"content": []}, {"content": [{"token": "1", "logprob": 0, "top_logprobs": []}]}]
)
def test_empty_logprobs_are_refused_and_not_kept(given: Any, dataset: Path, tmp_path: Path) -> None:
    empty = lambda body: {"choices": [{"message": {"content": "1"}, "logprobs": given}]}  # noqa: E731
    with OpenAIServer(empty).running() as server, pytest.raises(EgressError, match="asked for and came back empty") as error:
        ask(server, dataset, tmp_path / "p")
    assert "--no-logprobs to draw 10 answers" in str(error.value)
    assert not (tmp_path / "p").exists() and (tmp_path / "p.parts" / "answers.jsonl").read_text() == ""


def test_logprobs_in_another_layout(dataset: Path, tmp_path: Path) -> None:
    legacy = lambda body: {"choices": [{"message": {"content": "1"}, "logprobs": {"content": [{"tokens": ["1"]}]}}]}  # noqa: E731
    with OpenAIServer(legacy).running() as server, pytest.raises(EgressError, match="another layout than OpenAI's"):
        ask(server, dataset, tmp_path / "p")


def test_a_model_that_says_nothing(dataset: Path, tmp_path: Path) -> None:
    silent = lambda body: {"choices": [{"message": {"content": ""}, "logprobs": {"content": []}}]}  # noqa: E731
    with OpenAIServer(silent).running() as server:
        found = table(ask(server, dataset, tmp_path / "p"))
    assert {(row["parsed"], row["answer_mass"], row["unresolved"]) for row in found.values()} == {(False, 0.0, 1.0)}


# --- what is sent ----------------------------------------------------------------------------------------------------------------------


def test_the_prompt_is_the_one_of_training(server: OpenAIServer, dataset: Path, tmp_path: Path) -> None:
    ask(server, dataset, tmp_path / "p")
    rows = DatasetFolder(dataset).rows(CONFIG, "test").to_pylist()
    sent = {json.dumps(body["messages"]) for body in server.asked}
    assert sent == {json.dumps(messages("upstream", row["demographic"], row["stimuli"])) for row in rows}
    assert {(body["model"], body["top_logprobs"], body["temperature"]) for body in server.asked} == {("tiny", 20, 1.0)}


def test_equal_prompts_are_asked_once_for_logprobs_and_each_for_draws(server: OpenAIServer, tmp_path: Path) -> None:
    rows = [row | {"demographic": tiny_rows()[0]["demographic"]} for row in tiny_rows(people=12)]
    dataset = write_tiny_dataset(tmp_path / "dataset", rows)
    found = table(ask(server, dataset, tmp_path / "p"))
    distinct = {row["stimuli"] for row in rows if row["study_id"] == "unseen"}
    assert len(found) == 24 and len({json.dumps(body["messages"]) for body in server.asked}) == len(distinct) == 6
    assert set(server.answered.values()) == {1}
    assert read_metadata(tmp_path / "p")["usage"]["requests"] == len(server.asked)
    drawn = table(ask(server, dataset, tmp_path / "q", draws=3, logprobs=False))
    assert len({tuple(row["raw"]) for row in drawn.values()}) > 6


def test_requests_in_flight(answering: Answering, dataset: Path, tmp_path: Path) -> None:
    with OpenAIServer(said("1"), delay=0.05).running() as server:
        ask(server, dataset, tmp_path / "p", draws=1, logprobs=False, concurrency=3)
    assert server.most_at_once == 3


def test_tokens_and_cost_are_counted(server: OpenAIServer, dataset: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    path = ask(server, dataset, tmp_path / "p", price_in=2.5, price_out=10.0, show=lines.append)
    tokens = [answer["usage"] for answer in map(server.answer, server.asked)]  # the server answers equal requests equally
    sums = [sum(one[name] for one in tokens) for name in ("prompt_tokens", "completion_tokens")]
    metadata = read_metadata(path)
    usage = metadata["usage"]
    assert [usage["prompt_tokens"], usage["completion_tokens"]] == sums and usage["models"] == ["tiny-1"]
    assert usage["cost"] == pytest.approx((2.5 * sums[0] + 10 * sums[1]) / 1e6)
    assert usage["rows_not_parsed"] == 0 and 0 <= usage["mean_unresolved"] < 0.01
    assert lines[0].startswith(f"sending to {server.base_url} (model tiny, no key): 12 rows of {CONFIG}/test (persona and stimulus)")
    assert f"{sums[0]:,} tokens in, {sums[1]:,} out, cost" in lines[-1]
    assert metadata["server"] == {
        "base_url": server.base_url, "logprobs": True, "draws": 10, "shots": 0, "temperature": 1.0, "top_p": 1.0,
    }  # fmt: skip


def test_the_command(server: OpenAIServer, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from socsci210.cli import main

    def run(*more: str) -> int:
        words = ["predict", "--engine", "openai", "--model", "tiny", "--dataset", str(dataset), "--config", CONFIG, "--draws", "2"]
        monkeypatch.setattr(sys, "argv", ["socsci210", *words, "--out", str(tmp_path / "p"), "--base-url", server.base_url, *more])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    assert run() == 1 and not server.asked
    assert "--allow-send-rows" in capsys.readouterr().err
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    prices = ("--price-in", "1", "--price-out", "2")
    assert run("--allow-send-rows", "--no-logprobs", "--shots", "1", "--concurrency", "2", "--api-key-env", "MY_KEY", *prices) == 0
    shown = capsys.readouterr()
    assert server.base_url in shown.err and "key from MY_KEY" in shown.err and ", cost 0.0" in shown.err
    assert "sk-very-secret" not in shown.out + shown.err
    assert shown.out.strip() == str(tmp_path / "p") and len(table(tmp_path / "p")) == 2 * PEOPLE
    about = read_metadata(tmp_path / "p")["server"]
    assert (about["temperature"], about["top_p"], about["shots"]) == (0.6, 0.9, 1)
    (tmp_path / "p").unlink()
    assert run("--allow-send-rows", "--no-logprobs", "--temperature", "0.3", "--top-p", "0.8") == 0
    about = read_metadata(tmp_path / "p")["server"]
    assert (about["temperature"], about["top_p"]) == (0.3, 0.8)
    assert (server.asked[-1]["temperature"], server.asked[-1]["top_p"]) == (0.3, 0.8)


# --- examples --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", ["unseen_studies", "unseen_conditions", "unseen_outcomes", "unseen_participants"])
def test_examples_are_training_rows_only(config: str, dataset: Path, tmp_path: Path) -> None:
    with OpenAIServer(said("1")).running() as server:
        ask(server, dataset, tmp_path / "p", config=config, shots=5, draws=1, logprobs=False)
        first = [json.dumps(body["messages"]) for body in server.asked]
        server.asked.clear()
        ask(server, dataset, tmp_path / "q", config=config, shots=5, draws=1, logprobs=False, concurrency=1)
        assert sorted(first) == sorted(json.dumps(body["messages"]) for body in server.asked)  # the choice is the same every time
    train, test = (
        [messages("upstream", r["demographic"], r["stimuli"], r["response"]) for r in DatasetFolder(dataset).rows(config, side).to_pylist()]
        for side in ("train", "test")
    )
    known = {json.dumps(one[1:]) for one in train}
    held_out = {one[1]["content"] for one in test}
    assert len(first) == len(test)
    for sent in map(json.loads, first):
        assert sent[0] == {"role": "system", "content": SYSTEM_PROMPT} and len(sent) == 1 + 2 * 5 + 1
        shown = [sent[place : place + 2] for place in range(1, 11, 2)]
        assert all(json.dumps(pair) in known for pair in shown) and len({json.dumps(pair) for pair in shown}) == 5
        assert sent[-1]["content"] in held_out and not any(pair[0]["content"] in held_out for pair in shown)
    by_outcome = {json.dumps(json.loads(one)[1:-1]) for one in first}
    assert 1 < len(by_outcome) <= 6  # one choice for each (study, outcome)


def test_examples_differ_with_the_seed_and_come_from_many_studies(dataset: Path) -> None:
    from socsci210.predict.openai_examples import Examples
    from socsci210.prompts import get_template

    folder = DatasetFolder(dataset)
    predicted = folder.rows(CONFIG, "test", ["study_id", "sample_id"])
    choices = []
    for seed in range(4):
        examples = Examples(folder, CONFIG, get_template("upstream"), shots=2, seed=seed, predicted=predicted)
        choices.append(examples.rows_shown("unseen", 0))
        assert {study for study, _ in choices[-1]} == {"first", "second"}
    assert len(set(map(tuple, choices))) > 1


@pytest.mark.parametrize(
    ("config", "split", "shots", "message"),
    [
        ("all", "train", 5, "holds no row out"), (CONFIG, "train", 5, "are training rows"), (CONFIG, "test", 500, "24 training rows .*"),
        (CONFIG, "test", -1, "--shots -1"),
    ],
)  # fmt: skip
def test_examples_that_cannot_be(
    config: str, split: str, shots: int, message: str, server: OpenAIServer, dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises((DatasetError, EgressError), match=message):
        ask(server, dataset, tmp_path / "p", config=config, split=split, shots=shots)
    assert not server.asked and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"allow_send_rows": False}, "12 rows of unseen_studies/test .* would leave this machine"),
        ({"allow_send_rows": False, "shots": 2}, "and with each 2 training rows with the answers of people would leave"),
        ({"draws": 0}, "--draws 0"), ({"concurrency": 0}, "--concurrency 0"), ({"price_in": 1.0}, "one price of two"),
        ({"temperature": 0.6}, "--temperature 0.6, --top-p 1.0 beside logprobs"),
        ({"temperature": 3.0, "logprobs": False}, "--temperature 3.0"), ({"top_p": 0.0, "logprobs": False}, "--top-p 0.0"),
        ({"price_in": -1.0, "price_out": 1.0}, "--price-in -1.0"), ({"api_key_env": "NO_SUCH_KEY_HERE"}, "not set or empty"),
    ],
)  # fmt: skip
def test_runs_that_never_begin(changes: dict[str, Any], message: str, server: OpenAIServer, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(EgressError, match=message):
        ask(server, dataset, tmp_path / "p", **changes)
    assert not server.asked and not list(tmp_path.iterdir())


# --- faults and kills ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(answering: Answering, wide: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[OpenAIServer, bytes]:
    """The server and the file of a run in which nothing went wrong. Its port is kept, as the address is part of the file."""
    server = OpenAIServer(answering)
    with server.running():
        return server, ask(server, wide, tmp_path_factory.mktemp("whole") / "p", draws=3).read_bytes()


def again(undisturbed: tuple[OpenAIServer, bytes], fault: Fault | None = None, **changes: Any) -> OpenAIServer:
    """A server at the same address."""
    return OpenAIServer(undisturbed[0].answer, fault, port=undisturbed[0].port, **changes)


@pytest.mark.parametrize("fault", ["busy", "broken", "slow", "dropped", "cut", "malformed"])
def test_faults_lose_no_row_and_change_nothing(fault: str, undisturbed: tuple[OpenAIServer, bytes], wide: Path, tmp_path: Path) -> None:
    with again(undisturbed, lambda number, body: fault if number in (0, 3, 4, 9) else None).running() as server:
        path = ask(server, wide, tmp_path / "p", draws=3, timeout=0.8 if fault == "slow" else 5.0)
    assert path.read_bytes() == undisturbed[1]
    assert set(server.answered.values()) == {1} and len(server.asked) == len(server.answered) + 4


def test_a_run_that_gives_up_keeps_what_was_answered(undisturbed: tuple[OpenAIServer, bytes], wide: Path, tmp_path: Path) -> None:
    failing = again(undisturbed, lambda number, body: "broken" if number >= 7 else None)
    with failing.running() as server, pytest.raises(EgressError, match=r"HTTP 500.*\(3 tries\)"):
        ask(server, wide, tmp_path / "p", draws=3, tries=3)
    assert len(server.answered) == 7 and not (tmp_path / "p").exists()
    with again(undisturbed).running() as second:
        path = ask(second, wide, tmp_path / "p", draws=3, concurrency=1)
    assert path.read_bytes() == undisturbed[1] and not (tmp_path / "p.parts").exists()
    assert not server.answered.keys() & second.answered.keys() and set(second.answered.values()) == {1}


def test_empty_logprobs_half_way_lose_no_row(undisturbed: tuple[OpenAIServer, bytes], wide: Path, tmp_path: Path) -> None:
    def forgetful(body: dict[str, Any]) -> dict[str, Any]:
        found = undisturbed[0].answer(body)
        if body.get("logprobs") and len(first.asked) > 8:
            found["choices"][0]["logprobs"] = None
        return found

    first = OpenAIServer(forgetful, port=undisturbed[0].port)
    with first.running(), pytest.raises(EgressError, match="asked for and came back empty"):
        ask(first, wide, tmp_path / "p", draws=3, concurrency=1)
    assert not (tmp_path / "p").exists()
    kept = (tmp_path / "p.parts" / "answers.jsonl").read_bytes().count(b"\n")
    with again(undisturbed).running() as second:
        path = ask(second, wide, tmp_path / "p", draws=3)
    assert path.read_bytes() == undisturbed[1]
    assert (
        kept == len(first.answered) - 1 >= 8 and len(second.asked) == len(undisturbed[0].asked) - kept
    )  # only the empty one is sent again


def test_a_refusal_ends_the_waiting_of_others(undisturbed: tuple[OpenAIServer, bytes], wide: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    failing = again(undisturbed, lambda number, body: "broken" if number < 3 else "wrong_key")
    with failing.running() as server, pytest.raises(EgressError, match="HTTP 401"):
        ask(server, wide, tmp_path / "p", draws=3, first_wait=60.0)
    assert time.monotonic() - began < 20 and len(server.asked) <= 5  # a free thread may have begun one more


KILLED = """
import sys
from pathlib import Path
from socsci210.predict import ServerOptions, predict
url, dataset, out = sys.argv[1:]
server = ServerOptions(url, allow_send_rows=True, draws=3, concurrency=4, timeout=5.0, first_wait=0.01)
predict(engine="openai", model="tiny", dataset=Path(dataset), config="unseen_studies", out=Path(out), server=server, shard_rows=5)
"""


@pytest.mark.parametrize("answered", [3, 8])
def test_kill_9_loses_no_row_and_sends_none_twice(
    answered: int, undisturbed: tuple[OpenAIServer, bytes], wide: Path, tmp_path: Path
) -> None:
    out, journal = tmp_path / "p", tmp_path / "p.parts" / "answers.jsonl"
    with again(undisturbed, delay=0.1).running() as server:
        process = subprocess.Popen([sys.executable, "-c", KILLED, server.base_url, str(wide), str(out)], stderr=subprocess.DEVNULL)
        while not journal.exists() or journal.read_bytes().count(b"\n") < answered:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.3)  # what was in flight is answered to nobody
    kept = journal.read_bytes().count(b"\n")
    assert not out.exists() and answered <= kept < len(undisturbed[0].asked)
    with journal.open("ab") as file:
        file.write(b'{"request":"torn')  # the worst that a kill may leave
    with again(undisturbed).running() as second:
        ask(second, wide, out, draws=3)
    assert out.read_bytes() == undisturbed[1]
    assert len(second.asked) == len(undisturbed[0].asked) - kept and set(second.answered.values()) == {1}
    twice = server.answered.keys() & second.answered.keys()  # answered while or after the process died
    assert len(twice) <= len(server.answered) - kept <= 4


def test_a_damaged_journal_is_refused(undisturbed: tuple[OpenAIServer, bytes], wide: Path, tmp_path: Path) -> None:
    with again(undisturbed, lambda number, body: "broken" if number >= 4 else None).running() as server, pytest.raises(EgressError):
        ask(server, wide, tmp_path / "p", draws=3, tries=1, concurrency=1)
    journal = tmp_path / "p.parts" / "answers.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([lines[0], '{"request": 1}\n', *lines[1:]]))
    with again(undisturbed).running() as server, pytest.raises(DatasetError, match=r"answers.jsonl, line 2: not a line of the journal"):
        ask(server, wide, tmp_path / "p", draws=3)
    assert not server.asked


def test_other_settings_are_another_run(undisturbed: tuple[OpenAIServer, bytes], wide: Path, tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(undisturbed[1])
    with again(undisturbed).running() as server:
        ask(server, wide, tmp_path / "p", draws=3, concurrency=2, price_in=1.0, price_out=1.0)  # decides no prediction
        assert (tmp_path / "p").read_bytes() == undisturbed[1]
        with pytest.raises(DatasetError, match=r"another run \(other server\)"):
            ask(server, wide, tmp_path / "p", draws=4)
    assert not server.asked


# --- another server --------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def transformers_serve(model: Any, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """`transformers serve` with the tiny model, without network: (base URL, name of the model)."""
    import socket
    import urllib.request

    folder = tmp_path_factory.mktemp("serve")
    model.generation_config.do_sample = True  # else it decodes greedily, whatever temperature a request names
    model.save_pretrained(folder / "model")
    model.generation_config.do_sample = False
    tokenizer.save_pretrained(folder / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "transformers.cli.transformers",
        "serve",
        str(folder / "model"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    alone = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, "--device", "cpu"], env=os.environ | alone, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 90
        while True:
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1", str(folder / "model")
    finally:
        process.terminate()
        process.wait()


def test_transformers_serve_generates(transformers_serve: tuple[str, str], dataset: Path, tmp_path: Path) -> None:
    """It gives one choice per request and no logprobs: draws are gathered one by one, and logprobs are refused."""
    base_url, name = transformers_serve
    given = ServerOptions(base_url, allow_send_rows=True, draws=4, logprobs=False, concurrency=2, show=lambda line: None)
    run = {"engine": "openai", "model": name, "dataset": dataset, "config": CONFIG}
    path = predict(out=tmp_path / "p", server=given, **run)
    found, usage = table(path), read_metadata(path)["usage"]
    assert len(found) == 2 * PEOPLE and usage["requests"] == 4 * len(found)
    assert usage["rows_with_draws_alike"] < len(found)
    for row in found.values():
        assert len(row["raw"]) == 4
        on_scale = [int(text) for text in row["raw"] if text.strip().isdigit() and int(text) in row["support"]] if row["parsed"] else []
        assert row["answer_mass"] == pytest.approx(len(on_scale) / 4)
    assert sum(row["answer_mass"] for row in found.values()) > 2
    with pytest.raises(EgressError, match="asked for and came back empty"):
        predict(out=tmp_path / "q", server=ServerOptions(base_url, allow_send_rows=True, show=lambda line: None), **run)
