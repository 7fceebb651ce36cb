"""A token is in no output, no log, no traceback, no file and no exception, whatever fails and however much is logged."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from socsci210.errors import HubError
from socsci210.hub import push
from socsci210.hub.guard import Token, found_token, guard
from socsci210.local_hub import LocalHub

from . import environment
from .pushing import REPO, connected, package

CHILD = """
import json, logging, sys, traceback
from pathlib import Path
logging.basicConfig(level=logging.DEBUG, filename=sys.argv[2])
from socsci210.hub import Package, push
folder = Path(sys.argv[1])
files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}

def loaded(repo, commit):
    from huggingface_hub import hf_hub_download
    return "f" if hf_hub_download(repo, "dataset.json", repo_type="dataset", revision=commit) else ""

for repo in sys.argv[3:]:
    try:
        print(push(Package("dataset", files, files["README.md"].read_text(), "f", "Quiet", check_back=loaded), repo, tag="v1", say=print))
    except Exception as error:
        traceback.print_exc()
        print(repr(error), error.__cause__)
"""


def everything_written(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def test_nothing_that_a_process_says_or_writes_holds_the_token(tmp_path: Path) -> None:
    """With the client's debug log on, requests as curl commands included, and a Hub that repeats the token in its errors."""
    package(tmp_path / "dataset")
    home = tmp_path / "home"
    home.mkdir()
    with LocalHub() as hub:
        hub.indiscreet = True
        stranger = hub.add_user("stranger")
        hub.create("dataset", "org/closed").roles["me"] = "read"
        hub.fail(
            "/api/datasets/org/broken",
            method="GET",
            status=500,
            headers={"X-HF-Warning": f"t; your token {hub.token} is old"},
            acted="after",
        )
        hub.fail("/org/cut/commit/", cut=True, acted="after")
        repos = ["org/fine", "org/closed", "org/broken", "org/cut", "nobody/there"]
        variables = {"HF_DEBUG": "1", "HF_HUB_VERBOSITY": "debug", "TMPDIR": str(home)}
        said = ""
        for token in (hub.token, stranger.token, "hf_unknownunknownunknownunknownunkn"):
            log = home / f"log-{len(said)}.txt"
            command = [sys.executable, "-c", CHILD, str(tmp_path / "dataset"), str(log), *repos]
            done = subprocess.run(
                command, env=environment(hub, home, token, **variables), capture_output=True, text=True, cwd=home, timeout=120
            )
            assert done.returncode == 0, done.stderr
            written = dict(everything_written(tmp_path))
            assert "Send: curl" in done.stderr and "authenticated: True" in log.read_text()  # the debug log is really on
            assert token not in done.stdout + done.stderr
            assert [path for path, content in written.items() if token.encode() in content] == []
            said += done.stdout + done.stderr
        assert {hub.token, stranger.token} <= hub.tokens  # they were used
        assert len(hub.files("dataset", "org/fine")) == 5
        for expected in ("may not write there", "may not create repositories in nobody", "does not accept the token", "Traceback"):
            assert expected in said, expected


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with connected(monkeypatch) as (hub, _):
        hub.indiscreet = True
        yield hub


def test_no_exception_carries_it(hub: LocalHub, tmp_path: Path) -> None:
    made = package(tmp_path / "1")
    number = 0
    push(made, "org/first", say=print)  # the client's first request in a process is one more than usual
    hub.requests.clear()
    push(made, REPO, say=print)
    for position in range(1, len(hub.requests) + 1):
        hub.heal()
        repo = f"org/thing-{position}"
        hub.fail(nth=position, times=None, status=400, headers={"X-Error-Message": f"{hub.token} is bad, Bearer {hub.token}"})
        with pytest.raises(HubError) as failed:
            push(made, repo, say=print)
        error: BaseException | None = failed.value
        shown = "".join(traceback.format_exception(error))
        assert hub.token not in shown and hub.token not in repr(error), position
        assert error is not None and error.__cause__ is None and error.__suppress_context__
        number += "[token] is bad" in str(error)
    assert number  # what the Hub says is told, without the token


def test_what_a_guard_keeps_back(hub: LocalHub, caplog: pytest.LogCaptureFixture) -> None:
    token, said = Token(hub.token), list[str]()
    factory = logging.getLogRecordFactory()
    with guard(REPO, token, said.append):
        logging.getLogger("anything").warning("sent %s and %d", hub.token, 1)
        warnings.warn(f"old: {hub.token}", UserWarning, stacklevel=1)
    assert caplog.messages == ["sent [token] and 1"] and said == ["old: [token]"] and logging.getLogRecordFactory() is factory
    assert token.scrubbed("Authorization: Bearer abc.def and hf_abcdefgh1") == "Authorization: [token] and [token]"
    assert hub.token not in repr(token) and hub.token not in json.dumps({"t": str(token)})
    assert found_token("given").value == "given" and found_token().value == hub.token
