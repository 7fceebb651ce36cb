"""A newcomer who follows CONTRIBUTING.md, command by command, gets a study from OSF into a dataset in under ten minutes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from datasets import load_dataset

from socsci210.registry import load_study_file, loaders_folder
from socsci210.reviewing import standing

from .draft_scripts import by_hand, serving
from .fetch.server import Node, Sources

PAGE = Path(__file__).resolve().parent.parent / "CONTRIBUTING.md"
WAY = "### The whole way, in ten minutes"
KEY = loaders_folder() / "simulated" / "sim_tap_water" / "study.yaml"
QUESTION = "Is the note about cost shown to everybody?"
TEN_MINUTES = 600


def blocks() -> list[list[str]]:
    """The commands of every block of the section, in order."""
    section = PAGE.read_text(encoding="utf-8").partition(f"{WAY}\n")[2].partition("\n### ")[0]
    return [block.strip().splitlines() for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]


def test_the_page_leads_from_a_deposit_to_a_dataset(tmp_path: Path) -> None:
    """The simulated deposit of the page stands on an OSF of this machine, and a scripted model stands in for a large one."""
    fetch, simulate, *rest = blocks()
    assert fetch[0].startswith("socsci210 fetch") and simulate[0].startswith("socsci210 simulate-deposits")
    began = time.monotonic()
    assert run(simulate, tmp_path / "simulated", {}) == [0, 0]
    deposit = tmp_path / "simulated" / "deposits" / "tap_water"
    submission = {**by_hand(KEY), "questions": [QUESTION]}
    with Sources() as sources, serving([[("submit", submission)]]) as server:
        sources.nodes["abcd1"] = Node(files={path.name: path.read_bytes() for path in deposit.iterdir() if path.name != "MANIFEST.json"})
        names = {"OSF_ID": "abcd1", "MODEL": "scripted", "BASE_URL": server.base_url}
        codes = run([line for block in (fetch, *rest) for line in block], tmp_path / "way", names, **sources.environment())
    way = tmp_path / "way"
    log = (way / "log").read_text(encoding="utf-8")
    assert codes == [0, 0, 0, 3, 1, 0, 0, 0, 0], log  # needs review; the gate `review` before the decision
    assert time.monotonic() - began < TEN_MINUTES

    assert f"[review] an open question of the draft: {QUESTION}" in log and "needs review" in log
    assert QUESTION in (way / "tap_water.html").read_text(encoding="utf-8")
    assert "Candidate" in (way / "tap_water.md").read_text(encoding="utf-8")
    study = load_study_file(way / "studies" / "tap_water" / "study.yaml")
    assert standing(study) == "accepted" and study.reviewed[-1].reviewer == "Your Name"
    assert {file.file for file in study.files.values()} == {"data.dta", "questionnaire.txt"}
    rows = load_dataset(str(way / "dataset"), cache_dir=str(tmp_path / "cache"))
    assert {name for part in rows.values() for name in part.unique("study_id")} == {"tap_water"}
    assert rows["train"][0]["stimuli"] in log


def run(commands: list[str], home: Path, names: dict[str, str], **more: str) -> list[int]:
    """The exit codes of commands, run one after the other by one shell in a new folder; what they print goes to `home/log`."""
    home.mkdir(parents=True)
    pattern = re.compile(rf"\b({'|'.join(names)})\b") if names else re.compile(r"(?!)")
    lines = [f'{pattern.sub(lambda match: names[match[1]], line)}\necho "exit $?" >&3' for line in commands]
    tools = Path(sys.executable).parent
    assert shutil.which("socsci210", path=str(tools)), "socsci210 is not installed beside this python"
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("SOCSCI210_")},
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "XDG_CACHE_HOME": str(home / "cache"), "COLUMNS": "200", **more,
    }  # fmt: skip
    with (home / "log").open("wb") as log, (home / "codes").open("wb") as codes:
        shell = ["bash", "-c", 'exec 3>&"$0"; eval "$1"', str(codes.fileno()), "\n".join(lines)]
        files = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT, "pass_fds": (codes.fileno(),)}
        subprocess.run(shell, cwd=home, env=environment, check=True, timeout=TEN_MINUTES, **files)
    return [int(line.removeprefix("exit ")) for line in (home / "codes").read_text(encoding="utf-8").splitlines()]
