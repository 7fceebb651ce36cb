"""The review as it is served: who may ask, what a form may do, and how the page looks and works in a real browser."""

from __future__ import annotations

import http.client
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from typer.testing import CliRunner

from socsci210.cli import app
from socsci210.registry import load_study_file
from socsci210.review import ReviewServer, statements, version
from socsci210.review.statements import FIELD

from .chromium import PROGRAM, Chromium
from .reviewed_study import IMAGE, path_of, study
from .toys import Toy, read_here

FORM = "application/x-www-form-urlencoded"
LOOK = """
(() => {
  const stops = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), textarea, summary, [tabindex]")];
  const held = (one) => one.closest(".scroll, pre, textarea, .doc");
  const spilled = [...document.querySelectorAll("body *")].filter((one) => {
    const at = one.getBoundingClientRect();
    return at.width && at.right > innerWidth + 1 && !held(one) && getComputedStyle(one).position !== "absolute";
  });
  return {
    wide: document.documentElement.scrollWidth > innerWidth, spilled: spilled.map((one) => one.outerHTML.slice(0, 80)),
    nameless: stops.filter((one) => !(one.textContent.trim() || one.ariaLabel || one.closest("label"))).map((one) => one.outerHTML),
    scripts: document.scripts.length, images: document.images.length,
  };
})()
"""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Toy, ReviewServer]]:
    read_here(monkeypatch)
    one = study(tmp_path)
    with ReviewServer(path_of(one), one.deposits, reviewer="Rita") as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield one, server
        server.shutdown()
        thread.join()


def ask(server: ReviewServer, method: str = "GET", path: str | None = None, fields: dict[str, Any] | None = None, **headers: str) -> Any:
    """(status, body, headers) of a request that a browser on the page would make, but for what is given."""
    host = f"127.0.0.1:{server.server_port}"
    sent = {"Host": host} | ({"Origin": f"http://{host}", "Content-Type": FORM} if method == "POST" else {})
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.putrequest(method, server.path if path is None else path, skip_host=True)
    body = urlencode(fields or {}).encode()
    for name, value in {**({"Content-Length": str(len(body))} if method == "POST" else {}), **sent}.items():
        if value:
            connection.putheader(name, value)
    connection.endheaders(body if method == "POST" else None)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode(), dict(answer.getheaders())
    connection.close()
    return found


def fields(one: Toy, server: ReviewServer, do: str, **more: str) -> dict[str, str]:
    said = {f"{FIELD}{one.id}": "on" for one in statements(load_study_file(path_of(one)))} if do == "accepted" else {}
    about = {"do": do, "secret": server.secret, "seen": version(path_of(one)), "reviewer": "Rita", "note": "Looked at all arms."}
    return {**about, **said, **more}


def test_only_this_host_with_the_token_is_answered(served: tuple[Toy, ReviewServer]) -> None:
    _, server = served
    status, html, headers = ask(server)
    assert status == 200 and "A toy" in html and headers["Cache-Control"] == "no-store" and headers["X-Frame-Options"] == "DENY"
    assert server.server_address[0] == "127.0.0.1" and len(server.token) >= 32
    assert ask(server, path="/")[0] == ask(server, path="/study.yaml")[0] == ask(server, path=f"{server.path}../../etc/passwd")[0] == 404
    assert ask(server, Host="evil.example")[0] == ask(server, Host=f"evil.example:{server.server_port}")[0] == 421
    assert ask(server, method="PUT")[0] == 501
    assert server.token not in ask(server, path="/")[1] + ask(server, Host="evil.example")[1]


def test_a_form_of_another_site_changes_nothing(served: tuple[Toy, ReviewServer]) -> None:
    one, server = served
    before = path_of(one).read_bytes()
    good = fields(one, server, "accepted")
    refused = [
        ask(server, "POST", fields=good, Origin="https://evil.example"),
        ask(server, "POST", fields=good, Origin="null"),
        ask(server, "POST", fields=good, Origin=""),
        ask(server, "POST", fields=good | {"secret": "guess"}),
        ask(server, "POST", fields={name: value for name, value in good.items() if name != "secret"}),
        ask(server, "POST", path="/", fields=good),
        ask(server, "POST", fields=good, Host="evil.example"),
        ask(server, "POST", fields=good, Content_Type="text/plain"),
        ask(server, "POST", fields=good | {"do": "delete"}),
        ask(server, "POST", Content_Length="999999999"),
    ]
    assert [status for status, *_ in refused] == [403, 403, 403, 403, 403, 404, 421, 415, 400, 413]
    assert path_of(one).read_bytes() == before


def test_a_decision_is_recorded(served: tuple[Toy, ReviewServer]) -> None:
    one, server = served
    assert ask(server, "POST", fields=fields(one, server, "accepted", note=""))[1].count("no note") == 1
    assert load_study_file(path_of(one)).reviewed == ()
    status, _, headers = ask(server, "POST", fields=fields(one, server, "accepted"))
    assert status == 303 and headers["Location"] == server.path
    html = ask(server)[1]
    assert "accepted as it stands" in html and "Accepted by Rita" in html and "Accepted by Rita" not in ask(server)[1]
    status, html, _ = ask(server, "POST", fields=fields(one, server, "refused", seen="0" * 64))
    assert status == 200 and "changed since you looked" in html and "Looked at all arms." in html  # what was typed is not lost
    assert [entry.decision for entry in load_study_file(path_of(one)).reviewed] == ["accepted"]


def test_nothing_is_accepted_without_every_statement(served: tuple[Toy, ReviewServer]) -> None:
    one, server = served
    good = fields(one, server, "accepted")
    said = [name for name in good if name.startswith(FIELD)]
    assert len(said) == 7  # five that hold for every study, one for what the file says on its own authority, one for the draft's questions
    for name in said:
        status, html, _ = ask(server, "POST", fields={key: value for key, value in good.items() if key != name})
        assert status == 200 and "Nothing was written." in html and html.count("not ticked:") == 1
    assert load_study_file(path_of(one)).reviewed == ()
    assert ask(server, "POST", fields={key: value for key, value in fields(one, server, "refused").items() if key not in said})[0] == 303


def test_an_edit_is_checked_saved_and_reread(served: tuple[Toy, ReviewServer]) -> None:
    one, server = served
    path = path_of(one)
    before = path.read_text()
    broken = before.replace("value: 60", "value: 61")
    html = ask(server, "POST", fields=fields(one, server, "check", text=broken.replace("\n", "\r\n")))[1]
    assert "not saved" in html and "the n of the study is 60" in html and path.read_text() == before
    html = ask(server, "POST", fields=fields(one, server, "save", text="a: ["))[1]
    assert "Nothing was written" in html and "not valid YAML" in html and path.read_text() == before

    assert ask(server, "POST", fields=fields(one, server, "save", text=broken.replace("\n", "\r\n")))[0] == 303
    html = ask(server)[1]
    assert path.read_text() == broken and "1 gate fails" in html and "Something is still wrong" in html
    html = ask(server, "POST", fields=fields(one, server, "accepted"))[1]
    assert "a gate fails" in html and load_study_file(path).reviewed == ()
    assert ask(server, "POST", fields=fields(one, server, "refused"))[0] == 303
    assert [entry.decision for entry in load_study_file(path).reviewed] == ["refused"]


def test_a_file_that_is_broken_outside_can_be_mended_in_the_page(served: tuple[Toy, ReviewServer]) -> None:
    one, server = served
    path = path_of(one)
    text = path.read_text()
    path.write_text(text.replace("design: between", "design: beside"))
    html = ask(server)[1]
    assert "beside" in html and "one of" not in html.partition("<textarea")[2]
    assert ask(server, "POST", fields=fields(one, server, "save", text=text))[0] == 303 and path.read_text() == text


def test_the_command_line_decides_too(tmp_path: Path) -> None:
    one = study(tmp_path)
    runner = CliRunner()
    common = ["review", "toy", "--deposits", str(one.deposits), "--studies", str(tmp_path / "studies")]
    out = tmp_path / "pages" / "toy.html"
    found = runner.invoke(app, [*common, "--html", str(out)], catch_exceptions=False)
    assert found.exit_code == 0 and found.stdout.strip() == str(out) and "A toy" in out.read_text()
    (tmp_path / "mine.txt").write_text("mine")
    assert runner.invoke(app, [*common, "--html", str(tmp_path / "mine.txt")]).exit_code == 1
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert runner.invoke(app, [*common, "--accept", "--refuse"]).exit_code == 2
    assert runner.invoke(app, [*common, "--accept", "--reviewer", "Rita"]).exit_code == 1  # no note
    assert runner.invoke(app, [*common, "--accept", "--reviewer", "Rita", "--note", "Read it."], catch_exceptions=False).exit_code == 0
    assert [entry.decision for entry in load_study_file(path_of(one)).reviewed] == ["accepted"]
    path = path_of(one)
    shutil.move(one.deposits, tmp_path / "elsewhere")
    assert runner.invoke(app, [*common, "--html", str(out)]).exit_code == 1
    shutil.move(tmp_path / "elsewhere", one.deposits)
    path.write_text(path.read_text().replace("value: 60", "value: 61"))
    found = runner.invoke(app, ["review", str(path.parent), "--deposits", str(one.deposits), "--accept", "--reviewer", "R", "--note", "n"])
    assert "the n of the study is 60" in str(found.exception)


def test_at_a_terminal_each_statement_wants_a_yes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = study(tmp_path)
    monkeypatch.setattr("socsci210.cli.review._at_terminal", lambda: True)
    command = ["review", "toy", "--deposits", str(one.deposits), "--studies", str(tmp_path / "studies"), "--accept"]
    command += ["--reviewer", "Rita", "--note", "Read it."]
    n = len(statements(load_study_file(path_of(one))))
    assert n > 1 and CliRunner().invoke(app, command, input="y\n" * (n - 1) + "n\n").exit_code == 1
    assert not load_study_file(path_of(one)).reviewed
    assert CliRunner().invoke(app, command, input="y\n" * n, catch_exceptions=False).exit_code == 0
    assert [entry.decision for entry in load_study_file(path_of(one)).reviewed] == ["accepted"]


@pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")
def test_the_page_in_a_browser(served: tuple[Toy, ReviewServer], tmp_path: Path) -> None:
    one, server = served
    with Chromium(tmp_path / "profile") as browser:
        for width in (1200, 400):
            browser.open(server.address, width, 900)
            browser.run("document.querySelectorAll('details').forEach((one) => one.open = true)")
            assert browser.run(LOOK) == {"wide": False, "spilled": [], "nameless": [], "scripts": 0, "images": 0}
            assert IMAGE in browser.run("document.body.innerText")
        assert browser.complaints == []
        wait = "new Promise((done) => setTimeout(done, 300))"
        accept = "document.querySelector('button[value=accepted]').click()"
        browser.run(f"document.querySelector('#decide textarea').value = 'Read every arm.'; {accept}; {wait}")
        assert load_study_file(path_of(one)).reviewed == ()  # the boxes are not ticked
        browser.events.clear()
        browser.run(f"document.querySelectorAll('.check input').forEach((box) => box.click()); {accept}")
        browser.settle()
        assert "Accepted by Rita" in browser.run("document.body.innerText")
        assert [entry.note for entry in load_study_file(path_of(one)).reviewed] == ["Read every arm."]
        assert browser.complaints == []
