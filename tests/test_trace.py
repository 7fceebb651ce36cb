"""Traces: for training rows alone, judged, paid once and never above the cap, marked as written with the answer known."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from socsci210 import egress, load
from socsci210.cli import app
from socsci210.dataset_folder import DatasetFolder, table_file, write_parquet
from socsci210.egress import EgressError
from socsci210.errors import DatasetError
from socsci210.predict import read_metadata
from socsci210.reasoning import TRACES, TRACES_KEY
from socsci210.schema import TABLES
from socsci210.tracing import TraceError, TraceOptions, judging, trace
from socsci210.tracing.asking import SYSTEM
from socsci210.tracing.batch_log import BatchLog
from socsci210.tracing.judging import judge
from tests.batch_server import BatchServer
from tests.openai_server import Fault
from tests.small_dataset import write_dataset
from tests.tiny_dataset import write_tiny_dataset

PRICES = {"price_in": 1.0, "price_out": 2.0}
REAL_ARM = re.compile(r"They answered: (-?\d+)")


def thinks(body: dict[str, Any]) -> dict[str, Any]:
    """What a good model writes."""
    answer = REAL_ARM.search(body["messages"][1]["content"])[1]  # type: ignore[index]
    return said(f"I like tea well enough, and on a day like this I lean that way.\n\nAnswer: {answer}")


def said(text: str, finish: str = "stop") -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return {"choices": [choice], "model": "m-1", "usage": {"prompt_tokens": 300, "completion_tokens": 40}}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny") / "dataset")


@pytest.fixture
def serve() -> Iterator[Callable[..., BatchServer]]:
    running: list[Any] = []

    def start(answer: Callable[[dict[str, Any]], dict[str, Any]] = thinks, fault: Fault | None = None, **given: Any) -> BatchServer:
        context = BatchServer(answer, fault, **given).running()
        running.append(context)
        return context.__enter__()  # type: ignore[no-any-return]

    yield start
    for context in running:
        context.__exit__(None, None, None)


def traced(dataset: Path, server: BatchServer, out: Path, lines: list[str] | None = None, **given: Any) -> Any:
    of_run = {"configs": ["unseen_studies"], "split": "train", "limit": None, "per_cell": None, "cancel": False}
    of_run |= {name: given.pop(name) for name in [*of_run, "confirm", "progress"] if name in given}
    options = TraceOptions(
        server.base_url,
        **{
            "allow_send_rows": True,
            "poll": 0.01,
            "tries": 3,
            "first_wait": 0.01,
            "concurrency": 4,
            "show": (lines if lines is not None else []).append,
        }
        | given,
    )
    return trace(dataset=dataset, model="m", out=out, options=options, **of_run)


def about(out: Path) -> dict[str, Any]:
    return json.loads(pq.read_schema(out).metadata[TRACES_KEY])  # type: ignore[no-any-return]


def keys(dataset: Path, config: str, split: str) -> set[tuple[str, int]]:
    rows = DatasetFolder(dataset).rows(config, split, ["study_id", "sample_id"]).to_pylist()
    return {(row["study_id"], row["sample_id"]) for row in rows}


# --- which rows, and what is written -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [False, True])
def test_every_training_row_gets_a_trace_and_no_other(
    batch: bool, dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]
) -> None:
    server, lines, out = serve(), list[str](), tmp_path / "traces.parquet"
    found = traced(dataset, server, out, lines, batch=batch, **PRICES)
    table = pq.read_table(out)
    assert table.schema.equals(TRACES) and found.traces == found.rows == table.num_rows == 96
    rows = table.to_pylist()
    assert {(row["study_id"], row["sample_id"]) for row in rows} == keys(dataset, "unseen_studies", "train")
    assert {row["reasoning"] for row in rows} == {"I like tea well enough, and on a day like this I lean that way."}
    assert all(row["answer_known"] and row["model"] == "m" and row["seed"] == 0 for row in rows)
    responses = {(r["study_id"], r["sample_id"]): r for r in DatasetFolder(dataset).rows("unseen_studies", "train").to_pylist()}
    for row in rows:
        of_row = responses[row["study_id"], row["sample_id"]]
        assert of_row["stimuli"] in row["prompt"] and f"They answered: {of_row['response']}\n" in row["prompt"]
        assert f"- Age: {of_row['demographic']['age']}" in row["prompt"]
        assert row["prompt_sha256"] == hashlib.sha256(f"{SYSTEM}\0{row['prompt']}".encode()).hexdigest()
    told = about(out)
    assert told["answer_known"] is True and "training only" in told["use"] and told["split"] == "train"
    assert told["dataset_fingerprint"] == DatasetFolder(dataset).fingerprint and told["models"] == ["m-1"]
    assert (told["rows_wanted"], told["rows_written"], told["left_out"]) == (96, 96, {})
    assert (told["requests"], told["prompt_tokens"], told["cost"]) == (96, 28_800, pytest.approx(96 * (300 + 80) / 1e6))
    assert lines[0].startswith(f"sending to {server.base_url} (model m, no key): up to 96 training rows") and "the answer" in lines[0]
    assert lines[1].startswith("96 requests to send, about ") and "at most 38,400 out; about" in lines[1]
    chat = [body for body in server.asked if "messages" in body]
    assert len(chat) == (0 if batch else 96)
    if batch:
        assert server.calls[:2] == ["POST /files", "POST /batches"] and len(server.billed) == len(set(server.billed)) == 96
        assert sorted(server.deleted) == ["file_0", "file_output_batch_0"] and not server.files


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"split": "test"}, "--split test\n.*written from the answer"),
        ({"split": "validation"}, "--split validation"),
        ({"configs": ["all"]}, "config 'all' holds no row out"),
        ({"configs": ["unseen_studies", "all"]}, "config 'all' holds no row out"),
    ],
)
def test_held_out_rows_are_refused(
    given: dict[str, Any], message: str, dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]
) -> None:
    server = serve()
    with pytest.raises(TraceError, match=message):
        traced(dataset, server, tmp_path / "t.parquet", **given)
    assert not server.asked and not list(tmp_path.iterdir())


def test_rows_of_a_study_that_is_held_out_are_dropped_and_counted(tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    def published(study: str, condition: int, task: int, participant: int) -> dict[str, str]:
        """As the published lists: an unseen study stands on the train side of conditions."""
        side = "test" if condition == 2 else "train"
        return dict.fromkeys(("unseen_outcomes", "unseen_participants"), "none") | {
            "unseen_studies": "test" if study == "unseen" else "train", "unseen_conditions": side,
        }  # fmt: skip

    dataset = write_tiny_dataset(tmp_path / "dataset", sides_of=published)
    strange = "of a study held out in unseen_studies, or of its kin"
    found = traced(dataset, serve(), tmp_path / "t.parquet", configs=["unseen_conditions"])
    rows = pq.read_table(found.out).to_pylist()
    assert "unseen" not in {row["study_id"] for row in rows} and len(rows) == 64
    assert about(found.out)["rows_not_traced"] == {strange: 32}


def test_rows_that_are_training_rows_in_several_configs(dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    configs = ["unseen_studies", "unseen_conditions", "unseen_outcomes", "unseen_participants"]
    found = traced(dataset, serve(), tmp_path / "t.parquet", configs=configs)
    rows = {(row["study_id"], row["sample_id"]) for row in pq.read_table(found.out).to_pylist()}
    assert rows == set.intersection(*(keys(dataset, config, "train") for config in configs)) and rows


def test_limits_take_the_same_people_every_time(dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    server = serve()
    few = traced(dataset, server, tmp_path / "a.parquet", limit=10)
    assert few.traces == 10 and about(few.out)["rows_not_traced"] == {"beyond 10 rows": 86}
    chosen = set(pq.read_table(few.out).column("prompt").to_pylist())
    more = traced(dataset, server, tmp_path / "a.parquet", limit=30)  # the same file: only the further rows are asked for
    assert more.traces == 30 and chosen < set(pq.read_table(more.out).column("prompt").to_pylist())
    assert len(server.asked) == 30
    cells = traced(dataset, server, tmp_path / "b.parquet", per_cell=2)
    assert cells.traces == 2 * 12


# --- leave, and money ----------------------------------------------------------------------------------------------------------------


def test_nothing_is_sent_without_leave_or_against_a_no(dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    server = serve()
    with pytest.raises(EgressError, match="--allow-send-rows"):
        traced(dataset, server, tmp_path / "t.parquet", allow_send_rows=False)
    shown: list[str] = []
    with pytest.raises(TraceError, match="nothing was sent"):
        traced(dataset, server, tmp_path / "t.parquet", confirm=lambda line: bool(shown.append(line)), **PRICES)
    assert len(shown) == 1 and "96 requests" in shown[0] and "at your prices" in shown[0]
    assert not server.asked and not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize("batch", [False, True])
def test_the_cap_is_never_passed(batch: bool, dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    server, out, cap = serve(), tmp_path / "t.parquet", 0.012
    found = traced(dataset, server, out, batch=batch, max_cost=cap, **PRICES)
    asked = about(out)["requests"]
    assert 0 < found.cost <= cap and 15 < asked < 32  # 380 millionths each, and up to 2,300 are held back for the next one
    assert found.left_out == {"not asked: the cap on the cost was reached": 96 - asked}
    again = traced(dataset, server, out, batch=batch, max_cost=cap, **PRICES)
    assert about(out)["requests"] == asked and again.traces == found.traces  # what earlier runs have cost counts
    whole = traced(dataset, server, out, batch=batch, max_cost=10, **PRICES)
    assert whole.traces == 96 and about(out)["requests"] == 96
    assert len(server.billed) == (96 if batch else 0)


def test_the_cap_holds_where_tokens_are_not_counted(dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    def silent(body: dict[str, Any]) -> dict[str, Any]:
        return {"choices": thinks(body)["choices"]}

    server, out = serve(silent), tmp_path / "t.parquet"
    found = traced(dataset, server, out, max_cost=0.012, **PRICES)
    assert found.cost is None and 3 <= found.traces <= 6
    asked = len(server.asked)
    traced(dataset, server, out, max_cost=0.012, **PRICES)
    traced(dataset, server, out, max_cost=0.012, limit=2, **PRICES)  # other rows of the same run were paid for, too
    assert len(server.asked) == asked


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_cost": 1.0}, "--max-cost 1.0 without prices"),
        ({"price_in": 1.0}, "one price of two"),
        ({"max_tokens": 3}, "--max-tokens 3"),
        ({"max_cost": float("nan"), **PRICES}, "--max-cost nan"),
    ],
)
def test_options_that_decide_nothing(
    given: dict[str, Any], message: str, dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]
) -> None:
    with pytest.raises(EgressError, match=message):
        traced(dataset, serve(), tmp_path / "t.parquet", **given)


# --- what is written -----------------------------------------------------------------------------------------------------------------

LABELS = {1: "Not at all warm", 2: "A little warm", 3: "Warm", 4: "Very warm"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I drink it every day, so it suits me.\n\nAnswer: 3", None),
        ("I drink it every day.\nStill, not scalding.\n**Answer: 3**", None),
        ("<think>The answer given is 3.</think>I drink it every day.\n\nAnswer: 3 (Warm)", None),
        ("I would choose 3 over anything else here.\n\nAnswer: 3", None),
        ("I'd pick “Warm”, all in all.\n\nAnswer: 3", None),
        ("I would choose 2 of my three cups again.\n\nAnswer: 3", None),
        ("", judging.EMPTY),
        ("Answer: 3", judging.EMPTY),
        ("Hm.\nAnswer: 3", judging.EMPTY),
        ("I drink it every day, so it suits me.", judging.NO_END),
        ("I drink it every day.\n\nAnswer: 4", judging.CONTRADICTS),
        ("I would choose 4 without a doubt.\n\nAnswer: 3", judging.CONTRADICTS),
        ("My answer is “Very warm” today.\n\nAnswer: 3", judging.CONTRADICTS),
        ("The answer that was given fits me well.\n\nAnswer: 3", judging.KNOWN),
        ("Since I answered 3, I must like it.\n\nAnswer: 3", judging.KNOWN),
        ("The respondent's profile shows a tea drinker.\n\nAnswer: 3", judging.KNOWN),
        ("As the given answer says, it is fine.\n\nAnswer: 3", judging.KNOWN),
        ("I like it.\n\nAnswer:\n3\n\nAnswer: 3", judging.CUE),
        ("I like it a lot.\nAnswer: 3\nStill so.\nAnswer: 3", judging.CUE),
        ("I'm sorry, but I can't help with that.\n\nAnswer: 3", judging.REFUSED),
        ("As an AI language model I have no tea.\n\nAnswer: 3", judging.REFUSED),
    ],
)
def test_what_a_text_is_worth(text: str, reason: str | None) -> None:
    verdict = judge({"content": text, "finish": "stop"}, 3, LABELS)
    assert verdict.reason == reason and (verdict.trace is None) == (reason is not None)
    assert verdict.trace is None or "Answer" not in verdict.trace


def test_negative_answers_and_cut_or_filtered_texts() -> None:
    assert judge({"content": "I dislike it very much.\n\nAnswer: -2", "finish": "stop"}, -2, {}).trace == "I dislike it very much."
    assert judge({"content": "I like tea and", "finish": "length"}, 3, {}).reason == judging.CUT
    assert judge({"content": "I like tea.\nAnswer: 3", "finish": "content_filter"}, 3, {}).reason == judging.REFUSED
    assert judge({"content": None, "finish": "stop", "refusal": "no"}, 3, {}).reason == judging.REFUSED
    assert judge({}, 3, {}).reason == judging.EMPTY


def test_bad_traces_are_counted_and_left_out(dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    texts = {20: "", 21: "I like tea well enough.\n\nAnswer: 99", 22: "The given answer is mine indeed.\n\nAnswer: {}"}

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        age, given = (re.search(pattern, body["messages"][1]["content"])[1] for pattern in (r"Age: (\d+)", REAL_ARM))  # type: ignore[index]
        return said(texts[int(age)].format(given)) if int(age) in texts else thinks(body)

    found = traced(dataset, serve(answer), tmp_path / "t.parquet")
    assert found.left_out == {judging.EMPTY: 4, judging.CONTRADICTS: 4, judging.KNOWN: 4} and found.traces == 84
    assert about(found.out)["left_out"] == found.left_out


# --- faults and kills ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["busy", "broken", "dropped", "cut", "malformed"])
@pytest.mark.parametrize("batch", [False, True])
def test_a_server_that_fails_now_and_then(
    fault: str, batch: bool, dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]
) -> None:
    server = serve(fault=lambda number, body: fault if number % 4 == 1 else None)
    if fault == "malformed" and batch:
        server.fault = lambda number, body: fault if number % 4 == 1 and "/content" not in body["path"] else None
    found = traced(dataset, server, tmp_path / "t.parquet", limit=12, batch=batch, tries=6)
    assert found.traces == 12
    if batch:
        assert len(server.batches) == 1 and len(server.billed) == 12


def test_a_batch_whose_begin_was_not_heard_is_not_begun_twice(dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    server = serve()
    lost = iter(["dropped"])
    server.after_create = lambda: next(lost, None)
    for number in range(3):  # others' batches before ours, over several pages
        server.files["file_x"] = b""
        server.begin({"input_file_id": "file_x", "endpoint": "e", "completion_window": "24h", "metadata": {"other": str(number)}})
    found = traced(dataset, server, tmp_path / "t.parquet", limit=12, batch=True)
    assert found.traces == 12 and len(server.batches) == 4 and len(server.billed) == 12
    assert "GET /batches" in server.calls


def test_a_run_that_is_cut_off_before_it_knows_its_batch_finds_it_again(
    dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, out = serve(), tmp_path / "t.parquet"

    def cut_off(*_: Any) -> None:
        raise KeyboardInterrupt

    for step, batches in (("uploaded", 0), ("begun", 1)):  # a kill behind the upload, and one behind the begin
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(BatchLog, step, cut_off)
            traced(dataset, server, out, limit=8, batch=True)
        assert len(server.batches) == batches
    assert traced(dataset, server, out, limit=8, batch=True).traces == 8
    assert len(server.batches) == 1 and len(server.billed) == 8


def test_the_batch_api_gets_no_header_and_shows_no_key_either(
    dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "MY_KEY"):
        monkeypatch.setenv(name, f"secret-{name}")
    server, lines = serve(fault=lambda number, body: "broken" if number == 1 else None), list[str]()
    traced(dataset, server, tmp_path / "t.parquet", lines, limit=4, batch=True, api_key_env="MY_KEY")
    assert {headers["authorization"] for headers in server.headers} == {"Bearer secret-MY_KEY"}
    assert all(headers.keys() <= egress._HEADERS and "OPENAI" not in str(headers) for headers in server.headers)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert "secret" not in "\n".join(lines) and b"secret" not in kept and "key from MY_KEY" in lines[0]


def test_refused_requests_are_left_out_but_not_all(dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    def some(body: dict[str, Any]) -> dict[str, Any] | None:
        young = "Age: 20" in body["messages"][1]["content"]
        return {"status_code": 400, "body": {"error": {"message": "content policy"}}} if young else None

    found = traced(dataset, serve(refuse=some), tmp_path / "t.parquet", batch=True)
    assert found.left_out == {"refused by the server": 4} and found.traces == 92
    refusing = serve(refuse=lambda body: {"status_code": 400, "body": {"error": {"message": "no such model"}}})
    with pytest.raises(EgressError, match="refuses every request: no such model"):
        traced(dataset, refusing, tmp_path / "u.parquet", batch=True)
    assert not (tmp_path / "u.parquet").exists()


def test_a_batch_that_expires_or_fails(dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    server, out = serve(), tmp_path / "t.parquet"
    server.ends_as = "failed"
    with pytest.raises(EgressError, match="failed without an answer: enqueued token limit reached"):
        traced(dataset, server, out, limit=8, batch=True)
    assert not server.billed
    server.ends_as = "expired"  # half of each batch is answered, the rest goes into another one
    with pytest.raises(EgressError, match="expired without an answer"):
        traced(dataset, server, out, limit=8, batch=True)
    assert len(server.billed) == 7
    server.ends_as = "completed"
    assert traced(dataset, server, out, limit=8, batch=True).traces == 8 and len(set(server.billed)) == len(server.billed) == 8


def test_a_batch_can_be_cancelled(dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    server, out = serve(looks=10**6), tmp_path / "t.parquet"

    class Enough(Exception):
        pass

    def until_running(line: str) -> None:
        if "in_progress" in line:
            raise Enough

    with pytest.raises(Enough):
        traced(dataset, server, out, limit=8, batch=True, show=until_running)
    found = traced(dataset, server, out, limit=8, batch=True, cancel=True)
    assert server.batches["batch_0"]["status"] == "cancelled"
    assert found.traces == 4 and found.left_out == {"not asked: cancelled": 4}
    server.looks = 1
    assert traced(dataset, server, out, limit=8).traces == 8  # the rest plainly: any way of asking
    assert len(server.billed) == 4 and sum("messages" in body for body in server.asked) == 4


def command(dataset: Path, server: BatchServer, out: Path, *more: str) -> list[str]:
    given = ["trace", "--dataset", dataset, "--config", "unseen_studies", "--model", "m", "--out", out, "--base-url", server.base_url]
    return [str(one) for one in [*given, "--allow-send-rows", "--yes", "--poll", "0.05", *more]]


@pytest.mark.parametrize("batch", [False, True])
def test_a_killed_run_pays_nothing_twice(batch: bool, dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    server, out = serve(looks=10**6), tmp_path / "t.parquet"
    server.delay = 0.0 if batch else 0.05
    arguments = command(dataset, server, out, "--concurrency", "2", *(["--batch"] if batch else []))
    child = subprocess.Popen([sys.executable, "-m", "socsci210", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while (len(server.batches) < 1 if batch else sum(server._answered.values()) < 10) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not out.exists()
    server.delay = 0.0
    for name in server.batches:
        server._left[name] = 1
    found = traced(dataset, server, out, batch=batch)
    assert found.traces == 96
    if batch:
        assert len(server.batches) == 1 and len(server.billed) == len(set(server.billed)) == 96
    else:
        answered = server.answered
        assert len(answered) == 96 and sum(answered.values()) <= 96 + 2  # those in flight at the kill were not heard
        whole = traced(dataset, server, tmp_path / "whole.parquet")
        assert pq.read_table(whole.out).equals(pq.read_table(out))


# --- other files, and where traces are read ------------------------------------------------------------------------------------------


def test_another_run_or_file_is_not_replaced(dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    server, out = serve(), tmp_path / "t.parquet"
    traced(dataset, server, out, limit=2)
    with pytest.raises(TraceError, match="traces of another run: seed is 0"):
        traced(dataset, server, out, limit=2, seed=1)
    with pytest.raises(TraceError, match="nothing was sent"):
        traced(dataset, server, tmp_path / "new.parquet", limit=2, confirm=lambda line: False)
    assert traced(dataset, server, tmp_path / "new.parquet", limit=2, seed=1).traces == 2  # nothing was asked yet: no other run
    notes = tmp_path / "notes.parquet"
    notes.write_text("mine")
    with pytest.raises(DatasetError, match="not a readable parquet file"):
        traced(dataset, server, notes)
    assert notes.read_text() == "mine"


def test_traces_are_read_for_training_rows_alone(tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    place = write_dataset(tmp_path / "small", people=8)
    write_parquet(TABLES["outcomes"].empty_table(), place / table_file("outcomes"))
    out = traced(place, serve(), tmp_path / "t.parquet", limit=40).out
    part = load("unseen_studies", "train", dataset=place, reasoning=out, columns=["study_id", "sample_id"])
    rows = part.to_list()  # type: ignore[union-attr]
    written = {(row["study_id"], row["sample_id"]): row["reasoning"] for row in pq.read_table(out).to_pylist()}
    assert len(written) == 40 and {(r["study_id"], r["sample_id"]): r["reasoning"] for r in rows if r["reasoning"]} == written
    assert len(rows) == len(keys(place, "unseen_studies", "train")) > 40
    for config, split in (("unseen_studies", "test"), ("unseen_studies", None), ("all", "train"), ("unseen_participants", "test")):
        with pytest.raises(DatasetError, match=r"rationales were written from the true answer"):
            load(config, split, dataset=place, reasoning=out)
    elsewhere = load("unseen_participants", "train", dataset=place, reasoning=str(out)).to_list()  # type: ignore[union-attr]
    both = written.keys() & keys(place, "unseen_participants", "train")
    assert {(r["study_id"], r["sample_id"]) for r in elsewhere if r["reasoning"]} == both and both
    other = write_dataset(tmp_path / "other", people=12)
    with pytest.raises(DatasetError, match="traces of the dataset with fingerprint"):
        load("unseen_studies", "train", dataset=other, reasoning=out)
    with pytest.raises(DatasetError, match="not a file of traces"):
        load("unseen_studies", "train", dataset=place, reasoning=DatasetFolder(place).files()[0])
    with pytest.raises(DatasetError, match="no socsci210 metadata"):  # nor are they predictions
        read_metadata(out)


def test_the_command_asks_shows_and_writes(dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    server, out = serve(), tmp_path / "t.parquet"
    runner = CliRunner()
    arguments = command(dataset, server, out, "--limit", "5", "--price-in", "1", "--price-out", "2")
    arguments.remove("--yes")
    refused = runner.invoke(app, arguments, input="n\n")
    assert refused.exit_code and not server.asked and not out.exists()
    assert "5 requests to send" in refused.stderr
    done = runner.invoke(app, [*arguments, "--json", "--yes"])
    assert done.exit_code == 0, done.output
    assert "5 requests to send" in done.stderr and f"sending to {server.base_url}" in done.stderr
    assert json.loads(done.stdout)["traces"] == 5
    again = runner.invoke(app, arguments)  # all is answered: nothing is asked, nobody is sent anything
    assert again.exit_code == 0 and "5 of 5 rows have a trace" in again.stderr and len(server.asked) == 5


def test_a_model_learns_from_traces_and_its_record_says_so(dataset: Path, tmp_path: Path, serve: Callable[..., BatchServer]) -> None:
    from socsci210.train.config import TrainError, resolve
    from socsci210.train.loop import train

    out = traced(dataset, serve(), tmp_path / "t.parquet", limit=40).out
    nano = {"hidden_size": 16, "intermediate_size": 24, "layers": 1, "heads": 2, "vocab_size": 320, "context": 512}
    base = {
        "dataset": str(dataset), "output": str(tmp_path / "model"), "train_on": ["unseen_studies"], "nano": nano, "max_steps": 3,
        "batch_size": 8, "learning_rate": 1e-2, "objective": "reasoning", "rationales": str(out),
    }  # fmt: skip
    train(resolve(base), say=lambda text: None)
    record = json.loads((tmp_path / "model" / "run_record.json").read_text())
    assert record["reasoning"] is True and record["objectives"]["reasoning"]["rows_without_rationale"] == 56
    told = record["rationales"]
    assert told["answer_known"] is True and (told["model"], told["rows_written"]) == ("m", 40)
    assert told["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    with pytest.raises(TrainError, match="rationales are given, and the objective is sft"):
        resolve(base | {"objective": "sft"})
    other = write_tiny_dataset(tmp_path / "other", step=2)
    with pytest.raises(DatasetError, match="traces of the dataset with fingerprint"):
        train(resolve(base | {"dataset": str(other), "output": str(tmp_path / "n")}), say=lambda text: None)
