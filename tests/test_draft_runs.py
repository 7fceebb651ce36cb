"""Transcripts of `draft`: killed runs go on, kept ones are played back, and the command says how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from socsci210.drafting import Budget, draft
from socsci210.drafting.transcript import Transcript, TranscriptError
from tests.draft_scripts import Script, made_up, serving, small_submission
from tests.openai_server import CHATML, Answering, OpenAIServer

LOOK: list[Any] = [("find_variables", {"words": "q1"})]
HAND_IN: list[Any] = [("submit", small_submission())]
FILES = ("study.yaml", "report.json", "transcript.jsonl")


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up(tmp_path_factory.mktemp("deposits") / "letters")


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "socsci210", "draft", *map(str, arguments)]


def held(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


class Stalling(Script):
    """Keeps the first to come to its second turn waiting."""

    def __init__(self, turns: Sequence[Any]) -> None:
        super().__init__(turns)
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        if any(message["role"] == "assistant" for message in body["messages"]) and not self.reached.is_set():
            self.reached.set()
            self.go_on.wait(60)
        return super().__call__(body)


def test_a_killed_run_goes_on_without_asking_again(letters: Path, tmp_path: Path) -> None:
    script = Stalling([LOOK, LOOK, HAND_IN])
    with OpenAIServer(script).running() as server:
        arguments = command(letters, "--model", "scripted", "--base-url", server.base_url, "--out", tmp_path / "killed")
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert script.reached.wait(60)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        script.go_on.set()
        with (tmp_path / "killed" / "transcript.jsonl").open("ab") as file:
            file.write(b'{"kind": "answer", "req')  # a line that was being written
        again = draft(letters, model="scripted", base_url=server.base_url, out=tmp_path / "killed")
        assert [sum(m["role"] == "assistant" for m in body["messages"]) for body in server.asked] == [0, 1, 1, 2]
        whole = draft(letters, model="scripted", base_url=server.base_url, out=tmp_path / "whole")
        asked = len(server.asked)
        ended = draft(letters, model="scripted", base_url=server.base_url, out=tmp_path / "whole")
        assert len(server.asked) == asked, "a draft that ended asks nothing more"
    assert again.status == whole.status == ended.status == "accepted"
    assert held(tmp_path / "killed") == held(tmp_path / "whole")


def test_a_transcript_is_played_back_offline_byte_for_byte(letters: Path, tmp_path: Path) -> None:
    with serving([LOOK, HAND_IN]) as server:
        live = draft(letters, model="scripted", base_url=server.base_url, out=tmp_path / "live", budget=Budget(price_in=1.0, price_out=2.0))
    played = subprocess.run(
        command(letters, "--replay", tmp_path / "live" / "transcript.jsonl", "--out", tmp_path / "played"),
        capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert played.returncode == 0, played.stderr
    assert "accepted; 2 requests, 2200 tokens, $0.0024" in played.stdout + played.stderr
    assert held(tmp_path / "live") == held(tmp_path / "played")
    assert live.cost == pytest.approx(0.0024)


def test_a_transcript_of_something_else_is_refused(letters: Path, tmp_path: Path) -> None:
    with serving([LOOK, LOOK]) as server:
        draft(letters, model="scripted", base_url=server.base_url, out=tmp_path / "one", budget=Budget(rounds=1))
        with pytest.raises(TranscriptError, match="its model is 'scripted'"):
            draft(letters, model="another", base_url=server.base_url, out=tmp_path / "one")
    other = made_up(tmp_path / "letters", document="Another document.\n")
    path = tmp_path / "one" / "transcript.jsonl"
    with pytest.raises(TranscriptError, match="its deposit is"):
        draft(other, model=None, replay=path, out=tmp_path / "two")
    lines = path.read_text(encoding="utf-8").splitlines()
    short = tmp_path / "short.jsonl"
    short.write_text(lines[0].replace('"rounds": 1', '"rounds": 9') + "\n", encoding="utf-8")
    with pytest.raises(TranscriptError, match="it ends before the draft does"):
        draft(letters, model=None, replay=short, out=tmp_path / "three")
    changed = tmp_path / "changed.jsonl"
    changed.write_text(lines[0] + "\n" + json.dumps({**json.loads(lines[1]), "request": "0" * 64}) + "\n", encoding="utf-8")
    with pytest.raises(TranscriptError, match="its request 1 was another one"):
        draft(letters, model=None, replay=changed, out=tmp_path / "four")
    changed.write_text("not JSON\n", encoding="utf-8")
    with pytest.raises(TranscriptError, match="not a line of a transcript"):
        Transcript(changed, kept=False)
    with pytest.raises(TranscriptError, match="holds another transcript"):
        draft(letters, model=None, replay=short, out=tmp_path / "one")


def test_more_rounds_go_on_where_fewer_ended(letters: Path, tmp_path: Path) -> None:
    with serving([LOOK, HAND_IN]) as server:
        first = draft(letters, model="scripted", base_url=server.base_url, out=tmp_path, budget=Budget(rounds=1))
        second = draft(letters, model="scripted", base_url=server.base_url, out=tmp_path, budget=Budget(rounds=5))
    assert (first.status, second.status, len(server.asked)) == ("rejected", "accepted", 2)


def test_the_command_says_how_it_ended(letters: Path, tmp_path: Path) -> None:
    asked = {**small_submission(), "questions": ["Which town?"]}
    codes = []
    for number, turns in enumerate([[[("submit", asked)]], ["no"]]):
        with serving(turns) as server:
            options = ("--model", "scripted", "--base-url", server.base_url, "--out", tmp_path / str(number), "--id", "letters_two")
            done = subprocess.run(command(letters, *options), capture_output=True, text=True, env={**os.environ, "COLUMNS": "300"})
        said = done.stdout + done.stderr
        assert said.index("sending to") < said.index("wrote"), said
        assert "no row" in said
        codes.append(done.returncode)
    assert codes == [3, 4] and "no_call" in said
    assert "id: letters_two" in (tmp_path / "0" / "study.yaml").read_text(encoding="utf-8")
    without = subprocess.run(command(letters), capture_output=True, text=True)
    assert without.returncode == 1 and "--model and --base-url, or --replay" in without.stdout + without.stderr


def test_a_real_tiny_model_fails_politely(letters: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tests.tiny import tiny_model, tiny_tokenizer

    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = CHATML
    answering = Answering(tiny_model(tokenizer).eval(), tokenizer)

    def short(body: dict[str, Any]) -> dict[str, Any]:
        last = body["messages"][-1]
        return answering({**body, "messages": [{"role": last["role"], "content": last["content"][-60:]}], "max_tokens": 8})

    begun = time.monotonic()
    with OpenAIServer(short).running() as server:
        found = draft(letters, model="tiny-1", base_url=server.base_url, out=tmp_path)
    assert (found.status, found.reason) == ("rejected", "no_call")
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["rounds"] == 3
    assert time.monotonic() - begun < 60
