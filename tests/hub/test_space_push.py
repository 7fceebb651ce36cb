"""The Space as it is pushed, downloaded, installed apart from this checkout and used in a real browser."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import socsci210
from socsci210.errors import DatasetError, HubError
from socsci210.hub import wheel
from socsci210.hub.space import prepare_space
from socsci210.local_hub import LocalHub
from socsci210.screening.example import example_text
from socsci210.space.asking import read_scale
from socsci210.stimuli import stimulus
from socsci210.train.config import resolve
from socsci210.train.loop import train
from tests.chromium import PROGRAM, Chromium
from tests.hub import run
from tests.tiny import tiny_model, tiny_tokenizer
from tests.tiny_dataset import sides_with_validation, write_tiny_dataset

REPO = "org/ask"
START = """
import runpy, sys
folder, installed, packages = sys.argv[1:]
sys.path[:0] = [folder, installed]
sys.path.append(packages)
import socsci210
assert socsci210.__file__.startswith(installed), socsci210.__file__
sys.argv = [folder + "/app.py"]
runpy.run_path(folder + "/app.py", run_name="__main__")
"""
PUSHES = """
import subprocess, sys
from huggingface_hub import HfApi, snapshot_download

def push(*words, fails=False):
    done = subprocess.run([sys.executable, "-m", "socsci210", "push", "space", *words], capture_output=True, text=True)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr

said = push(GIVEN["model"], GIVEN["repo"])
again = push(GIVEN["model"], GIVEN["repo"])
HfApi().create_repo("org/socrates")
HfApi().upload_folder(repo_id="org/socrates", folder_path=GIVEN["model"])
by_id = push("org/socrates", GIVEN["repo"] + "-by-id")
unknown = push("org/nothing", GIVEN["repo"], fails=True)
head = HfApi().model_info("org/socrates").sha
folders = [snapshot_download(repo, repo_type="space", local_dir=GIVEN["to"] + name) for repo, name in
           ((GIVEN["repo"], "/carried"), (GIVEN["repo"] + "-by-id", "/by-id"))]
info = HfApi().space_info(GIVEN["repo"])
answer({"said": said, "again": again, "by_id": by_id, "unknown": unknown, "head": head, "sdk": info.card_data.sdk})
"""


@dataclass(frozen=True)
class Pushed:
    model: Path
    home: Path
    told: dict[str, Any]


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Pushed:
    """A model, and two Spaces that ask it, pushed to a Hub and downloaded: `carried` and `by-id`."""
    home = tmp_path_factory.mktemp("space")
    dataset = write_tiny_dataset(home / "dataset", sides_of=sides_with_validation)
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer, initializer_range=0.1).save_pretrained(home / "base")
    tokenizer.save_pretrained(home / "base")
    given = {
        "dataset": str(dataset), "output": str(home / "socrates"), "train_on": ["unseen_studies"], "max_steps": 40, "batch_size": 8,
        "learning_rate": 1e-2, "model": str(home / "base"),
    }  # fmt: skip
    train(resolve(given), say=lambda text: None)
    with LocalHub() as hub:
        told = run(hub, PUSHES, home, given={"model": str(home / "socrates"), "repo": REPO, "to": str(home)})
    return Pushed(home / "socrates", home, told)


@pytest.fixture(scope="module")
def address(pushed: Pushed) -> Iterator[str]:
    """Of the app, started from the downloaded folder with the package of its wheel, and without this checkout."""
    packed = next((pushed.home / "carried").glob("*.whl"))
    installed = pushed.home / "installed"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(installed), str(packed)]
    subprocess.run(install, check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    packages = str(Path(pytest.__file__).parent.parent)
    env = {
        **os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(pushed.home / "uploads"), "HOME": str(pushed.home / "nobody"),
    }  # fmt: skip
    with (pushed.home / "log.txt").open("w") as log:
        app = subprocess.Popen(
            [sys.executable, "-S", "-c", START, str(pushed.home / "carried"), str(installed), packages],
            env=env, cwd=pushed.home, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        until(lambda: "Running on" in said(pushed) or app.poll() is not None, 120)
        assert app.poll() is None, said(pushed)
        yield f"http://127.0.0.1:{port}"
    finally:
        app.terminate()
        app.wait(timeout=20)


def said(pushed: Pushed) -> str:
    return (pushed.home / "log.txt").read_text()


def until(ready: Any, seconds: float = 30) -> None:
    stop = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < stop, "it never happened"
        time.sleep(0.05)


# --- what is pushed -----------------------------------------------------------------------------------------------------------------------


def test_a_space_holds_its_model_its_code_and_its_card(pushed: Pushed) -> None:
    folder = pushed.home / "carried"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts}
    wheel = f"socsci210-{socsci210.__version__}-py3-none-any.whl"
    assert {"README.md", "Dockerfile", "app.py", "requirements.txt", "space.json", wheel, "model/model.safetensors"} < names
    assert json.loads((folder / "space.json").read_text()) == {"model": "model", "name": "socrates"}
    required = (folder / "requirements.txt").read_text().split()
    assert required[0] == f"./{wheel}" and {line.partition("==")[0] for line in required} > {"torch", "transformers", "gradio", "pydantic"}
    assert not [line for line in required[1:] if "==" not in line]
    assert pushed.told["sdk"] == "docker" and "app_port: 7860" in (folder / "README.md").read_text()
    assert "the model travels with the app" in pushed.told["said"]
    assert "nothing" in pushed.told["again"].lower()


def test_a_space_of_a_model_on_the_hub_names_its_commit(pushed: Pushed) -> None:
    folder = pushed.home / "by-id"
    assert json.loads((folder / "space.json").read_text()) == {"model": "org/socrates", "revision": pushed.told["head"]}
    assert not (folder / "model").exists()
    assert "org/socrates" in (folder / "README.md").read_text()
    assert "no such model" in pushed.told["unknown"] and "push the model first" in pushed.told["unknown"]


def test_the_same_model_makes_the_same_space(pushed: Pushed, tmp_path: Path) -> None:
    first, second = (prepare_space(str(pushed.model), REPO, tmp_path / name) for name in "ab")
    assert first.fingerprint == second.fingerprint and first.card == second.card


def test_what_was_measured_travels_with_the_model(pushed: Pushed, tmp_path: Path) -> None:
    shutil.copytree(pushed.model, tmp_path / "model")
    (tmp_path / "model" / "results.json").write_text("{}")
    package = prepare_space(str(tmp_path / "model"), REPO, tmp_path / "work")
    assert "model/results.json" in package.files and any("held-out studies" in note for note in package.notes)
    assert "there is no evidence" in pushed.told["said"]


@pytest.mark.parametrize(("name", "text"), [(".env", "A=1"), ("notes.txt", "hf_" + "a1" * 17)])
def test_a_wheel_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setattr(wheel, "_sources", lambda: iter([("socsci210/a.py", b""), (f"socsci210/{name}", text.encode())]))
    with pytest.raises(HubError, match=name) as refused:
        wheel.write_wheel(tmp_path)
    assert text not in str(refused.value) and list(tmp_path.iterdir()) == []


def test_what_is_no_model_is_refused(pushed: Pushed, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(HubError):
        prepare_space(str(tmp_path / "empty"), REPO, tmp_path / "a")
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "run_record.json").write_text(json.dumps({"reasoning": True}))
    with pytest.raises(DatasetError, match="a rationale before its answer"):
        prepare_space(str(slow), REPO, tmp_path / "b")
    with pytest.raises(HubError, match="HF_HUB_OFFLINE forbids"):
        prepare_space("org/model", REPO, tmp_path / "c")
    with pytest.raises(DatasetError, match="no such model"):
        prepare_space("a/b/c", REPO, tmp_path / "d")


# --- what visitors see --------------------------------------------------------------------------------------------------------------------

READ = """
(() => {
  const all = (what) => [...document.querySelectorAll(what)].map((one) => one.textContent.trim().replace("−", "-"));
  const link = document.querySelector(".s-results a[download]");
  return {shares: all("[data-share]"), means: all("[data-mean]"), mass: all("[data-mass]"), effects: all("[data-effect]"),
          refusal: all(".s-refusal"), csv: link && atob(link.href.split("base64,")[1])};
})()
"""
LOOK = """
(() => {
  const seen = (one) => one.getClientRects().length;
  const fields = [...document.querySelectorAll("input, textarea, button, select")].filter(seen);
  const name = (one) => one.ariaLabel || one.textContent.trim() || one.closest("label")?.textContent.trim()
    || document.querySelector(`label[for="${one.id}"]`)?.textContent.trim();
  return {wide: document.documentElement.scrollWidth, screen: innerWidth,
          nameless: fields.filter((one) => !name(one)).map((one) => one.outerHTML.slice(0, 200))};
})()
"""


class Page(Chromium):
    """The app in a browser."""

    def visit(self, address: str, width: int = 1200, *, dark: bool = False) -> None:
        self.open(address, width, 900, dark=dark)
        until(lambda: self.run("!!document.querySelector('#predict')"))

    def fill(self, name: str, text: str) -> None:
        """Put text into a field as somebody who types."""
        self.run(
            f"""(() => {{ const field = document.querySelector("#{name} textarea, #{name} input");
            const set = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set;
            field.focus(); set.call(field, {json.dumps(text)}); field.dispatchEvent(new Event("input", {{bubbles: true}})); }})()"""
        )

    def choose(self, name: str, option: str) -> None:
        """Take an option of a list: open it, press the option."""
        self.run(f"document.querySelector('#{name} input').focus()")
        found = f"[...document.querySelectorAll('[role=option]')].find((one) => one.textContent.trim().endsWith({json.dumps(option)}))"
        until(lambda: self.run(f"!!{found}"))
        self.run(f"{found}.dispatchEvent(new MouseEvent('mousedown', {{bubbles: true, cancelable: true}}))")
        until(lambda: self.run(f"document.querySelector('#{name} input').value") == option)
        self.run(f"document.querySelector('#{name} input').blur()")
        until(lambda: not self.run("document.querySelectorAll('[role=option]').length"))

    def pick(self, name: str, option: str) -> None:
        """Press a radio button."""
        self.run(f"[...document.querySelectorAll('#{name} label')].find((one) => one.textContent.trim() === {json.dumps(option)}).click()")

    def insist(self, name: str, ready: str, seconds: float = 60, **typed: str) -> None:
        """Type and press a button until something is there: what comes before the page listens, or while it answers, does not count."""

        def done() -> bool:
            if self.run(ready):
                return True
            for field, text in typed.items():
                self.fill(field.replace("_", "-"), text)
            self.run(f"document.querySelector('#{name}').click()")
            time.sleep(0.5)
            return bool(self.run(ready))

        until(done, seconds)

    def ask(self) -> dict[str, Any]:
        """Press the button, wait for something new, and read it."""
        self.run("document.querySelectorAll('.s-results, .s-refusal').forEach((one) => one.dataset.old = 1)")
        self.run("document.querySelector('#predict').click()")
        until(lambda: self.run("!!document.querySelector('.s-results:not([data-old]), .s-refusal:not([data-old])')"))
        found: dict[str, Any] = self.run(READ)
        return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if PROGRAM is None:
        pytest.skip("no Chromium on this machine")
    with Page(tmp_path_factory.mktemp("profile")) as page:
        yield page


def expected(model: Path, people: list[dict[str, Any]], texts: list[str], question: str, scale: str) -> list[list[socsci210.Answer]]:
    """What `Socrates.predict` says, person by person and text by text."""
    socrates, read = socsci210.Socrates(model), read_scale(scale)
    return [[socrates.predict(who, stimulus("read", text, question, read), list(read.values)) for text in texts] for who in people]


def percents(answer: socsci210.Answer) -> list[str]:
    return [f"{100 * share:.1f} %" for share in answer.probabilities]


def near(shown: list[str], wanted: list[str], most: float = 0.11) -> bool:
    return len(shown) == len(wanted) and all(
        abs(float(a.rstrip(" %")) - float(b.rstrip(" %"))) <= most for a, b in zip(shown, wanted, strict=True)
    )


def test_one_person_and_two_texts(pushed: Pushed, address: str, browser: Page) -> None:
    browser.visit(address)
    texts, question, scale = ["It rains {all} day.", "The sun is out."], 'How "nice" is it?', "1 to 5\n1 = Not at all\n5 = Very"
    browser.fill("age", "61")
    browser.choose("gender", "Male")
    browser.choose("education", "Not known")
    for name, text in (
        ("name1", "Rain"),
        ("text1", texts[0]),
        ("name2", "Sun"),
        ("text2", texts[1]),
        ("question", question),
        ("scale", scale),
    ):
        browser.fill(name, text)
    shown = browser.ask()
    assert shown["refusal"] == []
    rain, sun = expected(pushed.model, [{"age": 61, "gender": "Male", "location": "Ohio"}], texts, question, scale)[0]
    assert near(shown["shares"], percents(rain) + percents(sun)), shown
    assert near(shown["means"], [f"{rain.mean:.2f}", f"{sun.mean:.2f}"], 0.011)
    assert near(shown["effects"], [f"{sun.mean - rain.mean:.2f}"], 0.011)
    assert near(shown["mass"], [f"{100 * rain.answer_mass:.1f} %", f"{100 * sun.answer_mass:.1f} %"])
    rows = list(csv.DictReader(io.StringIO(shown["csv"])))
    assert [row["text"] for row in rows] == ["Rain", "Sun"] and all(row["simulated_by"] == "model socrates" for row in rows)
    assert [float(rows[1][f"p_{value}"]) for value in sun.values] == pytest.approx(sun.probabilities, abs=1e-4)
    assert browser.complaints == []


def test_people_from_a_file_and_three_texts(pushed: Pushed, address: str, browser: Page, tmp_path: Path) -> None:
    browser.visit(address, 390, dark=True)
    browser.pick("who", "People from a file")
    people = [{"age": 20 + at, "gender": "Female" if at % 3 else "Male", "location": "Iowa"} for at in range(11)]
    file = tmp_path / "people.csv"
    file.write_text("Age;Gender;Location\n" + "".join(f"{who['age']};{who['gender']};{who['location']}\n" for who in people))
    until(lambda: browser.run("!!document.querySelector('input[type=file]')"))
    node = browser.call("Runtime.evaluate", expression="document.querySelector('input[type=file]')")["result"]["objectId"]
    browser.call("DOM.setFileInputFiles", files=[str(file)], objectId=node)
    until(lambda: "Age;Gender" in browser.run("document.querySelector('#people textarea')?.value || ''"))
    assert [path for path in (pushed.home / "uploads").rglob("*") if path.is_file() and path.stat().st_size] == []  # gone
    browser.pick("count", "3")
    until(lambda: browser.run("!!document.querySelector('#text3')?.getClientRects().length"))
    texts = ["", "The sun is out.", "It snows."]
    browser.fill("text1", texts[0])
    browser.fill("text2", texts[1])
    browser.fill("text3", texts[2])
    browser.fill("scale", "0 to 100 by 50")
    shown = browser.ask()
    answers = expected(pushed.model, people, texts, "How much do you support the new bus line?", "0 to 100 by 50")
    shares = [sum(one[k].probabilities[v] for one in answers) / 11 for k in range(3) for v in range(3)]
    assert near(shown["shares"], [f"{100 * share:.1f} %" for share in shares]), shown
    rows = list(csv.DictReader(io.StringIO(shown["csv"])))
    assert len(rows) == 33 and [row["person"] for row in rows[:4]] == ["1", "1", "1", "2"]
    assert float(rows[4]["mean"]) == pytest.approx(answers[1][1].mean, abs=0.01)
    look = browser.run(LOOK)
    assert look["wide"] <= look["screen"] and look["nameless"] == []
    assert browser.complaints == []


def test_what_cannot_be_asked_is_told_on_the_page(pushed: Pushed, address: str, browser: Page) -> None:
    browser.visit(address)
    for name, text, told in (
        ("question", " ", "Question: there is no question."),
        ("scale", "often or never", "Answers: cannot read 'often or never'."),
        ("text2", "tangerine " * 1900, "a prompt with its answer has"),
        ("age", "old", "The person: age is 'old'."),
    ):
        before = browser.run(f"document.querySelector('#{name} textarea, #{name} input').value")
        browser.fill(name, text)
        shown = browser.ask()
        assert told in shown["refusal"][0] and "What to do:" in shown["refusal"][0] and shown["shares"] == []
        browser.fill(name, before)
    browser.pick("who", "People from a file")
    until(lambda: browser.run("!!document.querySelector('#people textarea')"))
    browser.fill("people", "age,shoe\n30,9")
    assert "unknown column 'shoe'" in browser.ask()["refusal"][0]
    assert browser.complaints == []
    assert not any(word in said(pushed) for word in ("often or never", "tangerine", "shoe", "bus line"))  # nothing is logged


def test_an_experiment_is_screened(pushed: Pushed, address: str, browser: Page, tmp_path: Path) -> None:
    browser.visit(address, 390)
    tab = "[...document.querySelectorAll('[role=tab]')].find((one) => one.textContent.trim() === 'Screen')"
    until(lambda: browser.run(f"!!{tab}"))
    browser.run(f"{tab}.click()")
    until(lambda: browser.run("!!document.querySelector('#screen')?.getClientRects().length"))
    assert browser.run("document.querySelector('#experiment textarea').value") == example_text()
    browser.run("document.querySelector('#form button').click()")
    until(lambda: browser.run("!!document.querySelector('#write')?.getClientRects().length"))
    browser.insist("write", "!!document.querySelector('#form-told')?.textContent.includes('Title: nothing')", form_title=" ")
    written = "document.querySelector('#experiment textarea').value.includes('Buses: {two} texts')"
    browser.insist("write", written, form_title="Buses: {two} texts")
    file = tmp_path / "mine.yaml"
    file.write_text(example_text().replace("title:", "# of mine\ntitle:", 1))
    until(lambda: browser.run("!!document.querySelector('input[type=file][accept*=yaml]')"))
    found = browser.call("Runtime.evaluate", expression="document.querySelector('input[type=file][accept*=yaml]')")
    browser.call("DOM.setFileInputFiles", files=[str(file)], objectId=found["result"]["objectId"])
    until(lambda: "# of mine" in browser.run("document.querySelector('#experiment textarea').value"))
    assert [path for path in (pushed.home / "uploads").rglob("*") if path.is_file() and path.stat().st_size] == []
    refused = "!!document.querySelector('#screening .s-refusal')?.textContent.includes('is no number')"
    browser.insist("screen", refused, personas="many")
    browser.insist("screen", "!!document.querySelector('.s-screening iframe')", 90, personas="6")
    shown = browser.run("document.querySelector('.s-screening iframe').srcdoc")
    assert shown.index("Simulated answers are not people") < shown.index("There is no evidence") < shown.index('id="hypotheses"')
    assert "by <b>socrates</b>" in shown and str(pushed.home) not in shown
    assert browser.run("document.querySelector('.s-screening iframe').getAttribute('sandbox')") == ""
    assert browser.run("decodeURIComponent(escape(atob(document.querySelector('.s-screening a').href.split('base64,')[1])))") == shown
    look = browser.run(LOOK)
    assert look["wide"] <= look["screen"] and look["nameless"] == []
    assert browser.complaints == []


def test_a_page_without_a_model_says_so(tmp_path: Path) -> None:
    script = (
        "from socsci210.space import app; from socsci210.space.settings import Settings\n"
        "try: Settings.read(app.Path('.')).load()\n"
        "except app.SocSciError as error: app.serve(app.broken(error), prevent_thread_lock=True); print(app.page.refusal(error))"
    )
    env = {**os.environ, "SOCRATES_MODEL": str(tmp_path / "gone")}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0 and 'role="alert"' in done.stdout and "gone" in done.stdout, done.stdout + done.stderr
