"""Fetching when things go wrong: busy servers, cut connections, wrong bytes, hostile names, archives and redirects."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from socsci210.errors import SocSciError
from socsci210.fetching import Fetched, Fetcher, FetchError, Settings
from socsci210.fetching.client import Client
from socsci210.fetching.failures import is_private
from socsci210.fetching.listing import Reach, unsafe_path
from socsci210.registry import Registry
from socsci210.retrying import Retry

from .server import Fault, Node, Sources

DATA = bytes(range(256)) * 4000  # about a megabyte, so that a cut falls inside


@pytest.fixture
def sources() -> Iterator[Sources]:
    with Sources() as servers:
        servers.nodes["abcd1"] = Node(files={"data.sav": DATA})
        yield servers


def fetch(sources: Sources, tmp_path: Path, asked: str = "abcd1", said: list[str] | None = None, **options: Any) -> Fetched:
    with Fetcher(sources.settings(tmp_path / "cache", **options), Registry(), (said if said is not None else []).append) as fetcher:
        return fetcher.fetch(fetcher.plan(asked), tmp_path / "deposits")


def stored(folder: Path) -> bytes:
    return (folder / "data.sav").read_bytes()


def outside(tmp_path: Path) -> set[str]:
    """What lies beside the cache and the deposits."""
    return {path.name for path in tmp_path.iterdir()} - {"cache", "deposits"}


# --- busy servers and cut connections ------------------------------------------------------------------------------------------------


def test_a_busy_server_is_given_the_rest_it_asks_for(sources: Sources, tmp_path: Path) -> None:
    sources.faults += [
        Fault("/v2/nodes", status=429, headers={"Retry-After": "0.3"}),
        Fault("abcd1-", status=503),
        Fault("/v2/guids", status=500),
    ]
    said: list[str] = []
    before = time.monotonic()
    assert stored(fetch(sources, tmp_path, said=said).folder) == DATA
    assert time.monotonic() - before >= 0.3
    assert [line.partition(";")[0] for line in said] == [f"127.0.0.1: status {status}" for status in (500, 429, 503)]


def test_a_server_that_fails_for_good_or_wants_a_long_rest_ends_the_run(sources: Sources, tmp_path: Path) -> None:
    sources.faults.append(Fault("/v2/guids", status=500, times=4))
    with pytest.raises(FetchError, match=r"status 500 \(4 tries\)[\s\S]*run the same command again"):
        fetch(sources, tmp_path)
    sources.faults.append(Fault("/v2/guids", status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(FetchError, match=r"wants 60 minutes of rest[\s\S]*OSF_TOKEN"):
        fetch(sources, tmp_path)
    assert stored(fetch(sources, tmp_path).folder) == DATA


def test_a_cut_transfer_goes_on_where_it_broke_off(sources: Sources, tmp_path: Path) -> None:
    key = next(iter(plan_keys(sources, tmp_path)))
    sources.faults.append(Fault(key, cut_after=300_000, times=4))  # twice the redirect, which has no body to cut, and the download
    assert stored(fetch(sources, tmp_path).folder) == DATA
    ranges = [headers.get("Range") for server, path, headers in sources.seen if server == "storage" and key in path]
    assert ranges[0] is None and len(ranges) == 3
    starts = [int(str(one).removeprefix("bytes=").rstrip("-")) for one in ranges[1:]]
    assert 0 < starts[0] <= 300_000 and starts[0] < starts[1] <= 600_000


def plan_keys(sources: Sources, tmp_path: Path) -> list[str]:
    """The names under which the storage has the files of the project."""
    with Fetcher(sources.settings(tmp_path / "cache"), Registry()) as fetcher:
        return [choice.entry.url.rpartition("/")[2] for choice in fetcher.plan("abcd1").choices]


def test_a_part_of_another_version_is_not_continued(sources: Sources, tmp_path: Path) -> None:
    sources.pages.clear()
    url = f"{sources.storage}/plain.csv"
    sources.blobs["plain.csv"] = b"1" * 400_000
    part = tmp_path / "plain.part"
    settings = sources.settings(tmp_path / "cache", retry=Retry(tries=1))
    sources.faults.append(Fault("plain.csv", cut_after=200_000))
    with Client(settings) as client:
        reach = Reach((urlsplit(sources.storage).netloc,))
        with pytest.raises(FetchError, match="lost"):
            client.download(url, reach, part, size=None, checked=False)
        assert 0 < part.stat().st_size <= 200_000
        sources.blobs["plain.csv"] = b"2" * 400_000
        client.download(url, reach, part, size=None, checked=False)
    assert part.read_bytes() == b"2" * 400_000


def test_a_run_that_is_killed_is_continued(sources: Sources, tmp_path: Path) -> None:
    environment = {**os.environ, **sources.environment(), "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    command = [sys.executable, "-m", "socsci210", "fetch", "abcd1", "--deposits", str(tmp_path / "deposits"), "--json"]
    sources.slow = 0.05
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    parts = tmp_path / "xdg" / "socsci210" / "fetched" / "partial"
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 100_000 for path in parts.glob("*.part")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "deposits").exists()
    sources.slow, sources.seen[:] = 0.0, []
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)[0]
    assert stored(Path(answer["folder"])) == DATA and answer["downloaded"] == 1
    assert any("Range" in headers for server, _, headers in sources.seen if server == "storage")
    assert not list(parts.glob("*.part"))


# --- wrong bytes ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"sha256": "0" * 64}, f"its sha256 is {hashlib.sha256(DATA).hexdigest()}, not 000"),
        ({"sha256": None, "md5": "0" * 32}, "its md5 is"),
        ({"size": len(DATA) + 5}, "bytes, not"),
        ({"size": len(DATA) - 5}, "the file is larger than"),
        ({"sha256": "../../../etc/passwd"}, "is no sha256"),
    ],
)
def test_wrong_bytes_are_refused(sources: Sources, tmp_path: Path, stated: dict[str, Any], message: str) -> None:
    sources.stated["data.sav"] = stated
    with pytest.raises(FetchError, match=message):
        fetch(sources, tmp_path)
    assert not (tmp_path / "deposits").exists() and not list((tmp_path / "cache").rglob("files/*/*")) and not outside(tmp_path)


def test_a_file_beyond_the_limit_is_left_out_or_stopped(sources: Sources, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no data and no document"):
        fetch(sources, tmp_path, max_file=1000)
    sources.stated["data.sav"] = {"size": None}
    with pytest.raises(FetchError, match="larger than 1,000 bytes"):
        fetch(sources, tmp_path, max_file=1000)
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_an_answer_that_is_not_the_api_is_told(sources: Sources, tmp_path: Path) -> None:
    sources.pages |= {"/v2/guids/abcd2/": ("text/html", b"<html>"), "/v2/guids/abcd3/": ("application/json", b'{"data": []}')}
    with pytest.raises(FetchError, match="no JSON"):
        fetch(sources, tmp_path, "abcd2")
    with pytest.raises(FetchError, match="OSF, version 2"):
        fetch(sources, tmp_path, "abcd3")
    sources.pages["/v2/guids/abcd4/"] = ("application/json", b"[" * 200_000)
    with pytest.raises(FetchError, match="no JSON"):
        fetch(sources, tmp_path, "abcd4")


# --- hostile names and archives ------------------------------------------------------------------------------------------------------


def test_names_that_lead_out_are_left_out_and_told(sources: Sources, tmp_path: Path) -> None:
    names = ["../up.csv", "/abs.csv", "a\\..\\b.csv", "C:/x.csv", "x\x1b[2J.csv", "deposit.json", "n" * 300 + ".csv", ".hidden.csv"]
    sources.nodes["abcd1"] = Node(files={**{name: b"evil" + name.encode() for name in names}, "data.sav": DATA, "DATA.SAV": b"other"})
    done = fetch(sources, tmp_path)
    assert {path.name for path in done.folder.rglob("*")} in ({"data.sav", "deposit.json"}, {"DATA.SAV", "deposit.json"})
    assert len(done.deposit.left_out) == len(names) + 1 and not outside(tmp_path)
    assert unsafe_path("a/../b") and unsafe_path("a//b") and unsafe_path("a/ b") and unsafe_path("") and not unsafe_path("ä b/c.csv")


def archive_of(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


def test_hostile_archives_are_left_out_and_told(sources: Sources, tmp_path: Path) -> None:
    bomb, up = archive_of("big.csv", bytes(64 << 20)), archive_of("../../up.csv", b"evil")
    sources.nodes["abcd1"] = Node(files={"bomb.zip": bomb, "up.zip": up, "cut.zip": up[:-30], "no.zip": b"text", "data.sav": DATA})
    done = fetch(sources, tmp_path)
    assert {path.name for path in done.folder.rglob("*")} == {"data.sav", "deposit.json"}
    told = {one.path: one.reason for one in done.deposit.left_out}
    assert "as a zip bomb does" in told["bomb.zip"] and "leads out of the archive" in told["up.zip"]
    assert "damaged" in told["cut.zip"] and "by its first bytes" in told["no.zip"] and not outside(tmp_path)


# --- where requests go ---------------------------------------------------------------------------------------------------------------


def test_redirects_lead_to_known_hosts_only(sources: Sources, tmp_path: Path) -> None:
    with Sources() as stranger:
        sources.pages["/x/a.csv"] = ("text/csv", b"1")
        sources.moved |= {
            "/out.csv": f"{stranger.url}/secret",
            "/meta.csv": "http://169.254.169.254/latest",
            "/file.csv": "file:///etc/passwd",
        }
        sources.moved |= {"/loop.csv": "/loop.csv", "/here.csv": "/x/a.csv"}
        for path, message in (
            ("out", "redirects to 127.0.0.1"),
            ("meta", "redirects to 169"),
            ("file", "redirects to nowhere"),
            ("loop", "redirects"),
        ):
            with pytest.raises(FetchError, match=message):
                fetch(sources, tmp_path, f"{sources.url}/{path}.csv")
        assert not stranger.seen
        assert fetch(sources, tmp_path, f"{sources.url}/here.csv").downloaded == 1
        with pytest.raises(FetchError, match=r"redirects to 127\.0\.0\.1[\s\S]*SOCSCI210_FETCH_HOSTS"):
            fetch(sources, tmp_path, hosts=())


def test_an_api_cannot_send_a_token_or_a_request_elsewhere(sources: Sources, tmp_path: Path) -> None:
    with Sources() as stranger:
        page = {"data": [], "links": {"next": f"{stranger.url}/v2/steal"}}
        sources.pages["/v2/nodes/abcd1/files/"] = ("application/json", json.dumps(page).encode())
        with pytest.raises(FetchError, match="not known for"):
            fetch(sources, tmp_path, osf_token="sesame")
        assert not stranger.seen


def test_private_addresses_are_refused_unless_configured(sources: Sources, tmp_path: Path) -> None:
    public = Settings(cache=tmp_path / "cache", retry=Retry(tries=1))
    port = urlsplit(sources.url).port
    with Fetcher(public, Registry()) as fetcher:
        for asked, message in (
            (f"http://127.0.0.1:{port}/a.csv", "https"),
            (f"https://127.0.0.1:{port}/a.csv", "private address"),
            (f"https://localhost:{port}/a.csv", "private address"),
            ("https://[::ffff:10.0.0.1]/a.csv", "private address"),
            ("https://user:word@example.org/a.csv", r"^an address with a user name or password\n  Expected: the bare address"),
        ):
            with pytest.raises(SocSciError, match=message):
                fetcher.plan(asked)
    assert not sources.seen
    private = ["10.1.2.3", "192.168.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "0.0.0.0", "224.0.0.1", "100.64.0.1", "printer.local"]
    assert all(map(is_private, private)) and not any(map(is_private, ["8.8.8.8", "osf.io", "2606:4700::1111"]))


def test_a_public_name_with_a_private_address_is_cut_off_before_anything_is_sent(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    real, port = socket.getaddrinfo, urlsplit(sources.url).port
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1", port, type=socket.SOCK_STREAM))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with (
        Fetcher(Settings(cache=tmp_path / "cache", retry=Retry(tries=1)), Registry()) as fetcher,
        pytest.raises(FetchError, match="private address"),
    ):
        fetcher.plan(f"https://example.org:{port}/a.csv")
    assert not sources.seen


# --- the command ---------------------------------------------------------------------------------------------------------------------


def test_the_command_lists_fetches_and_goes_on_after_a_failure(sources: Sources, tmp_path: Path) -> None:
    sources.nodes["prv12"] = Node(private=True)
    environment = {
        **os.environ,
        **sources.environment(),
        "XDG_CACHE_HOME": str(tmp_path / "xdg"),
        "OSF_TOKEN": "sesame-1234",
        "COLUMNS": "200",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "socsci210", "fetch", *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    listed = run("abcd1", "--list")
    assert listed.returncode == 0 and "data.sav" in listed.stdout and f"{len(DATA):,}" in listed.stdout and "data file" in listed.stdout
    assert not (tmp_path / "deposits").exists()
    both = run("prv12", "abcd1", "--json")
    refused, fetched = json.loads(both.stdout)
    assert both.returncode == 1 and "it is private" in refused["error"] and fetched["files"][0]["file"] == "data.sav"
    assert stored(tmp_path / "deposits" / "abcd1") == DATA
    assert run("abcd1", "--name", "../up").returncode == 1 and not outside(tmp_path) - {"xdg"}
    assert "sesame" not in listed.stdout + listed.stderr + both.stdout + both.stderr
