"""Faults on demand: each does to the real client what it says, at the request that it names, before or after the server acted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from socsci210.local_hub import LocalHub

from . import run

# The client waits between its attempts; here it only says how long it would have waited.
BEFORE = """
import time
waits = []
time.sleep = waits.append
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError
api = HfApi()

def tried(call, *args, **options):
    waits.clear()
    try:
        return ["done", call(*args, **options), [*waits]]
    except HfHubHTTPError as error:
        return [error.response.status_code, str(error), [*waits]]
    except Exception as error:
        return [type(error).__name__, str(error), [*waits]]

def commit(name="a.txt", content=b"new", parent=None):
    files = [CommitOperationAdd(name, content)]
    return api.create_commit("org/one", files, commit_message="New", repo_type="dataset", parent_commit=parent).oid

def load(name, cache):
    with open(hf_hub_download("org/one", name, repo_type="dataset", cache_dir=cache), "rb") as file:
        return len(file.read())
"""
BIG = 25_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[LocalHub]:
    with LocalHub() as hub:
        yield hub


@pytest.fixture
def hub(server: LocalHub) -> Iterator[LocalHub]:
    server.repositories.clear()
    server.commit("dataset", "org/one", {"a.txt": b"old", "big.bin": bytes(BIG)})
    yield server
    server.heal()


def commits(hub: LocalHub) -> int:
    return len(hub.repositories["dataset", "org/one"].commits)


def call(hub: LocalHub, tmp_path: Path, code: str, **options: Any) -> Any:
    return run(hub, BEFORE + code, tmp_path, **options)


def test_status_before_and_after_the_server_acted(hub: LocalHub, tmp_path: Path) -> None:
    hub.fail("/commit/", status=503)
    assert call(hub, tmp_path, "answer(tried(commit))")[0] == 503
    assert commits(hub) == 1 and hub.files("dataset", "org/one")["a.txt"] == b"old"
    hub.fail("/commit/", status=500, acted="after")
    assert call(hub, tmp_path, "answer(tried(commit))")[0] == 500
    assert commits(hub) == 2 and hub.files("dataset", "org/one")["a.txt"] == b"new"


@pytest.mark.parametrize("reset", [False, True])
def test_cut_before_and_after_the_server_acted(hub: LocalHub, tmp_path: Path, reset: bool) -> None:
    hub.fail("/commit/", cut=True, reset=reset)
    hub.fail("/commit/", cut=True, reset=reset, acted="after")
    found = call(hub, tmp_path, "answer([tried(commit)[0], tried(commit)[0], tried(api.whoami)[0]])")
    assert set(found[:2]) <= {"RemoteProtocolError", "ReadError", "WriteError"} and found[2] == "done"
    assert commits(hub) == 2


def test_too_many_requests_and_when_to_come_back(hub: LocalHub, tmp_path: Path) -> None:
    hub.fail("/preupload/", status=429, headers={"Retry-After": "7"}, times=2)
    state, oid, waits = call(hub, tmp_path, "answer(tried(commit))")
    assert (state, waits) == ("done", [8.0, 8.0])  # the client adds a second
    assert hub.repositories["dataset", "org/one"].head.id == oid


def test_the_nth_request(hub: LocalHub, tmp_path: Path) -> None:
    """Counted among those that fit, from when the fault was set."""
    hub.fail(status=500, nth=2, times=1)
    hub.fail("whoami", status=403, nth=2, times=None)
    before = len(hub.requests)
    found = call(hub, tmp_path, "answer([tried(api.whoami)[0] for _ in range(5)])")
    assert found == ["done", 500, 403, 403, 403]  # the second was met by the first fault, and was the first that the other saw
    assert hub.requests[before:] == [("GET", "/api/whoami-v2")] * 5


def test_a_cut_download_goes_on_where_it_stopped(hub: LocalHub, tmp_path: Path) -> None:
    hub.served.clear()
    hub.fail("big.bin", cut_after=21_000_000)
    assert call(hub, tmp_path, "answer(tried(load, 'big.bin', 'cache'))")[:2] == ["done", BIG]
    assert hub.served["big.bin"] == 21_000_000 + BIG - 20 * 2**20  # the client keeps whole pieces of 10 MiB


def test_slow(hub: LocalHub, tmp_path: Path) -> None:
    """The client's patience ends before the answer comes, and it asks again."""
    hub.fail("big.bin", method="GET", delay=1.5)
    before = len(hub.requests)
    assert call(hub, tmp_path, "answer(tried(load, 'big.bin', 'cache'))", HF_HUB_DOWNLOAD_TIMEOUT="1")[0] == "done"
    assert [method for method, path in hub.requests[before:] if path.endswith("big.bin")] == ["HEAD", "GET", "GET"]


def test_somebody_else_is_faster(hub: LocalHub, tmp_path: Path) -> None:
    """What another client does while a request is on its way: the commit that was to follow on the old one is refused."""
    other = {}

    def commits_first() -> None:
        other["id"] = hub.commit("dataset", "org/one", {"a.txt": b"theirs"}, message="Theirs")

    parent = hub.repositories["dataset", "org/one"].head.id
    hub.fail("/commit/", meanwhile=commits_first)
    found = call(hub, tmp_path, "answer(tried(commit, parent=GIVEN['parent']))", given={"parent": parent})
    assert found[0] == 412 and "A commit has happened since" in found[1]
    assert hub.repositories["dataset", "org/one"].head.id == other["id"]
    assert hub.files("dataset", "org/one") == {"a.txt": b"theirs"}


def test_a_token_revoked_on_the_way(hub: LocalHub, tmp_path: Path) -> None:
    user = hub.add_user("leaver", {"org": "write"})
    hub.fail("/preupload/", meanwhile=lambda: setattr(user, "revoked", True))
    found = call(hub, tmp_path, "answer(tried(commit))", token=user.token)
    assert found[0] == 401
    assert commits(hub) == 1


def test_an_upload_that_breaks_off_leaves_nothing(hub: LocalHub, tmp_path: Path) -> None:
    hub.fail("/upload/", cut=True, times=None)
    found = call(hub, tmp_path, "answer(tried(commit, 'c.bin', bytes(3_000_000))[0])")
    assert found == "RuntimeError"
    repository = hub.repositories["dataset", "org/one"]
    assert commits(hub) == 1 and len(repository.objects) == 1
    hub.heal()
    assert call(hub, tmp_path, "answer(tried(commit, 'c.bin', bytes(3_000_000))[0])") == "done"
    assert hub.files("dataset", "org/one")["c.bin"] == bytes(3_000_000)


def test_messages_that_repeat_the_token(hub: LocalHub, tmp_path: Path) -> None:
    """Where it is asked for, the Hub is as indiscreet as a careless proxy; what a test runs must not hand that on."""
    hub.indiscreet = True
    try:
        code = "text = tried(api.repo_info, 'org/absent', repo_type='dataset')[1]; answer([hasattr(text, 'find'), len(text)])"
        assert call(hub, tmp_path, code)[0]
        with pytest.raises(AssertionError, match="a token was printed"):
            call(hub, tmp_path, "answer(tried(api.repo_info, 'org/absent', repo_type='dataset'))")
    finally:
        hub.indiscreet = False
