"""The one way out: what may leave, where it goes, what is never shown, and how long one goes on asking."""

from __future__ import annotations

import ast
import email.utils
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from socsci210 import egress, retrying
from socsci210.egress import Egress, EgressError
from socsci210.retrying import Retry
from tests.openai_server import Fault, OpenAIServer

KEY = "sk-very-secret-0123456789"
ASK = [{"role": "user", "content": "Say a number."}]
PACKAGE = Path(egress.__file__).parent


def answer(body: dict[str, Any]) -> dict[str, Any]:
    return {"choices": [{"message": {"content": f"answer to {body['messages'][0]['content']}"}}], "model": "m-1"}


@pytest.fixture
def serve() -> Iterator[Callable[..., OpenAIServer]]:
    running: list[Any] = []

    def start(fault: Fault | None = None) -> OpenAIServer:
        context = OpenAIServer(answer, fault).running()
        running.append(context)
        return context.__enter__()

    yield start
    for context in running:
        context.__exit__(None, None, None)


def way_out(base_url: str, lines: list[str] | None = None, **changes: Any) -> Egress:
    given: dict[str, Any] = {"what": "2 rows of unseen_studies/test", "rows": 2, "allow_send_rows": True, "retry": Retry(4, 0.01)}
    return Egress(base_url, "m", show=(lines if lines is not None else []).append, **{**given, **changes})


def faulty(name: str, times: int) -> Fault:
    return lambda number, body: name if number < times else None


def test_nothing_leaves_without_leave(serve: Callable[..., OpenAIServer]) -> None:
    server, lines = serve(), list[str]()
    with pytest.raises(EgressError, match="--allow-send-rows") as error:
        way_out(server.base_url, lines, allow_send_rows=False)
    assert server.base_url in str(error.value) and "2 rows of unseen_studies/test would leave this machine" in str(error.value)
    assert not server.asked and not lines
    way_out(server.base_url, rows=0, allow_send_rows=False).send(ASK)  # nothing of a dataset in it: no leave needed
    assert len(server.asked) == 1


def test_where_it_goes_is_shown_first(serve: Callable[..., OpenAIServer]) -> None:
    server = serve()
    asked_when_shown: list[int] = []
    lines: list[str] = []
    out = Egress(
        server.base_url + "/", "m", what="2 rows", rows=2, allow_send_rows=True,
        show=lambda line: (lines.append(line), asked_when_shown.append(len(server.asked))),
    )  # fmt: skip
    assert out.send(ASK, max_tokens=3)["choices"][0]["message"]["content"] == "answer to Say a number."
    assert lines == [f"sending to {server.base_url} (model m, no key): 2 rows"] and asked_when_shown == [0]
    assert server.asked == [{"model": "m", "messages": ASK, "max_tokens": 3}]


def test_a_key_goes_to_the_server_and_nowhere_else(serve: Callable[..., OpenAIServer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    lines: list[str] = []
    server = serve(lambda number, body: {0: "broken", 2: "wrong_key"}.get(number))
    out = way_out(server.base_url, lines, api_key_env="MY_KEY")
    out.send(ASK)
    assert [headers["authorization"] for headers in server.headers] == [f"Bearer {KEY}"] * 2
    with pytest.raises(EgressError, match=r"HTTP 401: .*wrong key: Bearer \*\*\*") as error:
        out.send(ASK)
    shown = "\n".join([*lines, repr(out), str(error.value), repr(error.value), repr(error.value.__cause__)])
    assert KEY not in shown and "key from MY_KEY" in shown
    assert error.value.__suppress_context__


def test_keys_and_names_of_the_environment_stay_here(serve: Callable[..., OpenAIServer], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Secret: {KEY}")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/other")
    server = serve()
    way_out(server.base_url).send(ASK)
    (headers,) = server.headers
    assert KEY not in str(headers)
    assert headers.keys() <= egress._HEADERS and "authorization" not in headers


@pytest.mark.parametrize(
    "url", ["https://me:hunter2@host/v1", "https://host/v1?key=hunter2", "https://host/v1#hunter2", "ftp://host/hunter2", "hunter2", "https:///hunter2"]
)  # fmt: skip
def test_urls_that_are_none_or_hold_a_secret(url: str) -> None:
    with pytest.raises(EgressError, match="--base-url") as error:
        way_out(url)
    assert "hunter2" not in str(error.value)


def test_a_key_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(EgressError, match="'MY_KEY' is not set or empty"):
        way_out("http://127.0.0.1:9/v1", api_key_env="MY_KEY")


def test_redirects_are_not_followed(serve: Callable[..., OpenAIServer]) -> None:
    server = serve(faulty("elsewhere", 1))
    with pytest.raises(EgressError, match="HTTP 307"):
        way_out(server.base_url).send(ASK)
    assert len(server.asked) == 1


@pytest.mark.parametrize("fault", ["busy", "broken", "slow", "dropped", "cut", "malformed", "page", "no_choices"])
def test_a_server_that_fails_twice_is_asked_again(fault: str, serve: Callable[..., OpenAIServer]) -> None:
    server, lines = serve(faulty(fault, 2)), list[str]()
    out = way_out(server.base_url, lines, timeout=0.3)
    assert out.send(ASK)["model"] == "m-1"
    assert len(server.asked) == 3 and sum(server.answered.values()) == 1 and out.retries == 2
    assert len(lines) == 3 and "try 3 of 4 in" in lines[2]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("busy", "HTTP 429: .*too many requests"), ("broken", "HTTP 500"),
        ("slow", "no answer in time"), ("dropped", "the connection failed"),
        ("malformed", "not JSON"), ("page", "not JSON.*<html>"), ("no_choices", "without choices"),
    ],
)  # fmt: skip
def test_a_server_that_always_fails(fault: str, message: str, serve: Callable[..., OpenAIServer]) -> None:
    server = serve(faulty(fault, 99))
    with pytest.raises(EgressError, match=rf"{message}.*\(3 tries\)") as error:
        way_out(server.base_url, timeout=0.2, retry=Retry(3, 0.01)).send(ASK)
    assert len(server.asked) == 3
    assert server.base_url in str(error.value) and "it resumes" in str(error.value)


@pytest.mark.parametrize(
    ("fault", "message"), [("spent", "quota"), ("busy_for_hours", "wait 7200 s, says the server"), ("wrong_key", "HTTP 401")]
)
def test_what_waiting_does_not_mend_is_not_tried_again(fault: str, message: str, serve: Callable[..., OpenAIServer]) -> None:
    server = serve(faulty(fault, 99))
    with pytest.raises(EgressError, match=message):
        way_out(server.base_url).send(ASK)
    assert len(server.asked) == 1


def test_nobody_listens() -> None:
    with pytest.raises(EgressError, match=r"the connection failed .*\(2 tries\)"):
        way_out("http://127.0.0.1:9/v1", retry=Retry(2, 0.01)).send(ASK)


def test_retry_after_holds_everyone_back(serve: Callable[..., OpenAIServer]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    server = serve(faulty("busy", 1))
    out = way_out(server.base_url)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(out.send, ASK)
        while not out.retries:
            time.sleep(0.005)
        rest = [pool.submit(out.send, ASK) for _ in range(3)]
        assert all(future.result()["choices"] for future in [first, *rest])
    assert min(server.times[1:]) - server.times[0] >= 0.4


def test_waits_double_with_jitter_up_to_a_bound() -> None:
    retry = Retry(first_wait=1.0)
    for failures, longest in ((1, 1.0), (2, 2.0), (4, 8.0), (20, retrying.LONGEST_WAIT)):
        waits = [retry.wait(failures) for _ in range(200)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
        assert max(waits) - min(waits) > longest / 4


def test_retry_after_in_all_its_forms() -> None:
    in_a_minute = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert retrying.retry_after({"retry-after": "7"}) == 7
    assert retrying.retry_after({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert retrying.retry_after({"retry-after": in_a_minute}) == pytest.approx(60, abs=2)
    for headers in ({}, {"retry-after": "soon"}, {"retry-after": "-3"}, {"retry-after": "nan"}):
        assert retrying.retry_after(headers) is None


def test_newer_models_get_the_limit_under_its_newer_name(serve: Callable[..., OpenAIServer]) -> None:
    server = serve(lambda number, body: "other_limit")
    out = way_out(server.base_url)
    for _ in range(2):
        out.send(ASK, max_tokens=5)
    assert [sorted(body.keys() & {"max_tokens", "max_completion_tokens"}) for body in server.asked] == [
        ["max_tokens"], ["max_completion_tokens"], ["max_completion_tokens"],
    ]  # fmt: skip
    assert out.retries == 0


def test_no_other_module_calls_a_model_server() -> None:
    callers = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [str(node.module)]
            if any(name.split(".")[0] == "openai" for name in names):
                callers.add(path.relative_to(PACKAGE).as_posix())
    assert callers == {"egress.py"}
