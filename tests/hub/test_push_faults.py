"""Whatever goes wrong at whatever request of a push: the Hub holds the old commit or the new one, and a second run finishes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from socsci210.errors import HubError
from socsci210.hub import push
from socsci210.local_hub import LocalHub
from socsci210.retrying import LONGEST_RETRY_AFTER

from . import environment
from .pushing import REPO, connected, contents, held, package

FAULTS: dict[str, dict[str, object]] = {
    "500 once": {"status": 500},
    "503 twice": {"status": 503, "times": 2},
    "cut before the server acted": {"cut": True, "acted": "before"},
    "cut after the server acted": {"cut": True, "acted": "after"},
    "500 after the server acted": {"status": 500, "acted": "after"},
    "429": {"status": 429, "headers": {"Retry-After": "7"}},
}
FOR_EVER: dict[str, dict[str, object]] = {
    "500": {"status": 500, "times": None},
    "cut before": {"cut": True, "acted": "before", "times": None},
    "cut after": {"cut": True, "acted": "after", "times": None},
    "429": {"status": 429, "headers": {"Retry-After": str(int(LONGEST_RETRY_AFTER) + 1)}, "times": None},
}


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[LocalHub, list[float]]]:
    with connected(monkeypatch) as found:
        yield found


class Case:
    """One push over and over: on a new repository each time, from version 1 to 2 with a tag, or of version 1 to none."""

    def __init__(self, hub: LocalHub, folder: Path, *, fresh: bool) -> None:
        self.hub, self.fresh, self.number = hub, fresh, 0
        self.one, self.two = package(folder / "1"), package(folder / "2", version=2, check_back=self.loaded)

    def loaded(self, repo: str, commit: str) -> str:
        """A client that reads one file."""
        file = self.hub.repositories["dataset", repo].commits[commit].contents["dataset.json"]
        return f"fingerprint {json.loads(file)['version']}"

    def start(self) -> str:
        self.hub.heal()
        self.number += 1
        repo = f"org/thing-{self.number}"
        if not self.fresh:
            push(self.one, repo, say=ignore)
        self.hub.requests.clear()
        return repo

    def go(self, repo: str) -> None:
        done = push(self.two, repo, tag="v2", private=self.fresh, say=ignore)
        assert done.checked and done.tag == "v2"

    def holds(self, repo: str) -> str:
        """old, new, or an error: nothing in between."""
        known = self.hub.repositories.get(("dataset", repo))
        if known is None:
            assert self.fresh
            return "old"
        assert not self.fresh or known.private, "a private push has made a public repository"
        now = held(self.hub, repo)
        if now == contents(self.two):
            assert len(known.commits) == (2 if self.fresh else 3), "the commit was made more than once"
            return "new"
        assert set(known.tags) == set()
        assert now == ({} if self.fresh else contents(self.one)), sorted(now)
        return "old"

    def positions(self) -> int:
        """How many requests a push makes when nothing goes wrong."""
        repo = self.start()
        self.go(repo)
        assert self.holds(repo) == "new"
        return len(self.hub.requests)


def ignore(line: str) -> None:
    """Nobody listens."""


@pytest.mark.parametrize("fresh", [False, True], ids=["replacing", "new and private"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_request_is_overcome(connection: tuple[LocalHub, list[float]], tmp_path: Path, fault: str, fresh: bool) -> None:
    hub, waits = connection
    case = Case(hub, tmp_path, fresh=fresh)
    number = case.positions()
    assert number > 12
    for position in range(1, number + 1):
        repo = case.start()
        waits.clear()
        hub.fail(nth=position, **FAULTS[fault])
        case.go(repo)
        hub.heal()
        assert case.holds(repo) == "new" and hub.repositories["dataset", repo].tags == {"v2": hub.repositories["dataset", repo].head.id}, (
            position
        )
        if fault == "429":
            assert max(waits) >= 7, position


@pytest.mark.parametrize("fresh", [False, True], ids=["replacing", "new and private"])
@pytest.mark.parametrize("fault", FOR_EVER)
def test_a_hub_that_fails_from_any_request_on_holds_old_or_new(
    connection: tuple[LocalHub, list[float]], tmp_path: Path, fault: str, fresh: bool
) -> None:
    hub, _ = connection
    case = Case(hub, tmp_path, fresh=fresh)
    seen = set()
    for position in range(1, case.positions() + 1):
        repo = case.start()
        hub.fail(nth=position, **FOR_EVER[fault])
        with pytest.raises(HubError) as failed:
            case.go(repo)
        assert failed.value.fix and "again" in failed.value.fix, failed.value
        hub.heal()
        seen.add(case.holds(repo))
        case.go(repo)
        assert case.holds(repo) == "new" and hub.repositories["dataset", repo].tags.keys() == {"v2"}, position
    assert seen == {"old", "new"}


def test_two_pushes_at_once(connection: tuple[LocalHub, list[float]], tmp_path: Path) -> None:
    """Each waits at the door of the commit until the other is there too."""
    hub, _ = connection
    push(package(tmp_path / "1"), REPO, say=ignore)
    gate = threading.Barrier(2)
    hub.fail("/commit/", times=2, meanwhile=lambda: gate.wait(30))
    both = [package(tmp_path / "2", version=2), package(tmp_path / "3", version=3)]
    other = hub.add_user("colleague", {"org": "write"})
    ended: dict[int, object] = {}

    def one(at: int) -> None:
        try:
            ended[at] = push(both[at], REPO, token=(hub.token, other.token)[at], say=ignore)
        except HubError as error:
            ended[at] = error

    threads = [threading.Thread(target=one, args=(at,)) for at in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    lost = [at for at, end in ended.items() if isinstance(end, HubError)]
    assert len(lost) == 1, ended
    won = 1 - lost[0]
    error = ended[lost[0]]
    assert isinstance(error, HubError) and f"{('me', 'colleague')[won]} was faster" in error.found and f"Version {won + 2}" in error.found
    assert "run the same command again" in error.fix
    assert held(hub) == contents(both[won]) and len(hub.repositories["dataset", REPO].commits) == 3
    push(both[lost[0]], REPO, say=ignore)
    assert held(hub) == contents(both[lost[0]])


def test_a_change_between_look_and_commit_is_not_overwritten(connection: tuple[LocalHub, list[float]], tmp_path: Path) -> None:
    hub, _ = connection
    push(package(tmp_path / "1"), REPO, say=ignore)

    def edit() -> None:
        hub.commit("dataset", REPO, {**hub.files("dataset", REPO), "dataset.json": b"edited"}, message="By hand")

    hub.fail("/upload/", method="PUT", meanwhile=edit)
    with pytest.raises(HubError, match=r"me was faster: commit .*'By hand'"):
        push(package(tmp_path / "2", version=2), REPO, say=ignore)
    assert held(hub)["dataset.json"] == b"edited" and "only-1.txt" in held(hub)


def test_a_commit_put_upon_ours_before_we_knew_of_ours(connection: tuple[LocalHub, list[float]], tmp_path: Path) -> None:
    hub, _ = connection
    push(package(tmp_path / "1"), REPO, say=ignore)
    lines: list[str] = []

    def edit() -> None:
        hub.commit("dataset", REPO, {**hub.files("dataset", REPO), "dataset.json": b"edited"}, message="By hand")

    hub.fail("/commit/", method="POST", cut=True, acted="after", meanwhile=lambda: hub.fail("/revision/main", meanwhile=edit))
    made = package(tmp_path / "2", version=2)
    done = push(made, REPO, tag="v2", say=lines.append)
    assert held(hub)["dataset.json"] == b"edited" and held(hub, revision="v2") == held(hub, revision=done.commit) == contents(made)
    assert any("this push made its commit, and me has put" in line and "'By hand', upon it since" in line for line in lines)
    assert len(hub.repositories["dataset", REPO].commits) == 4


def test_a_repository_that_is_filled_meanwhile_is_left_alone(connection: tuple[LocalHub, list[float]], tmp_path: Path) -> None:
    hub, _ = connection
    theirs, mine = package(tmp_path / "1"), package(tmp_path / "2", version=2)
    hub.fail("/api/repos/create", meanwhile=lambda: push(theirs, REPO, say=ignore))
    with pytest.raises(HubError, match="made and filled meanwhile"):
        push(mine, REPO, say=ignore)
    assert held(hub) == contents(theirs)
    push(mine, REPO, say=ignore)
    assert held(hub) == contents(mine)


CHILD = """
import sys
from pathlib import Path
from socsci210.hub import Package, push
folder = Path(sys.argv[1])
files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
push(Package("dataset", files, files["README.md"].read_text(), "f", "Killed or not"), "org/thing", say=print)
"""


def test_killed_in_the_middle_of_the_upload(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    made = package(folder)
    with LocalHub() as hub:
        hub.fail("/upload/", method="PUT", nth=2, delay=60.0)  # the second large file hangs
        command = [sys.executable, "-c", CHILD, str(folder)]
        options = {"env": environment(hub, tmp_path), "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        child = subprocess.Popen(command, **options)  # type: ignore[call-overload]
        deadline = time.monotonic() + 60
        while not hub.received and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        assert child.returncode == -signal.SIGKILL and held(hub) == {} and len(hub.received) == 1
        hub.heal()
        done = subprocess.run(command, **options, timeout=120)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stdout
        assert held(hub) == contents(made)
        sizes = sorted(made.files[name].stat().st_size for name in made.files if name.endswith(".parquet"))
        assert sorted(hub.received.values()) == sizes  # each large file once in all
