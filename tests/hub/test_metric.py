"""The metric as a repository: what is published, what is refused, and `evaluate.load` from a Hub where nothing of ours is installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from socsci210.errors import HubError
from socsci210.hub import metric_child
from socsci210.hub.metric import loaded_alone, prepare_metric
from socsci210.hub.package import Package
from socsci210.local_hub import LocalHub
from socsci210.metrics import path
from socsci210.metrics.socsci210 import socsci210 as module
from tests.hub import environment, run

REPO = "org/survey-metric"  # of another name than the script has here, and with a character that no Python name has


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return prepare_metric(None, REPO, tmp_path_factory.mktemp("metric"))


def test_what_is_published(package: Package) -> None:
    assert set(package.files) == {
        "README.md", "index.html", "requirements.txt", "survey-metric.py",
        *(file.name for file in path().glob("*.py") if file.name != "socsci210.py"),
    }  # fmt: skip
    for name, file in package.files.items():
        if name.endswith(".py"):
            assert file.read_bytes() == (path() / name.replace("survey-metric", "socsci210")).read_bytes()
    header = yaml.safe_load(package.card.split("---\n")[1])
    assert header["sdk"] == "static" and "evaluate" in header["tags"]
    assert f'evaluate.load("{REPO}", "distributional_alignment")' in package.card
    assert f'evaluate.load("{REPO}"' in package.files["index.html"].read_text().replace("&quot;", '"')
    assert re.fullmatch(r"source [0-9a-f]{16}, values [0-9a-f]{16}", package.fingerprint)


def test_the_requirements_are_what_the_module_imports() -> None:
    """evaluate asks people to install what its scanner finds in the script; requirements.txt names that, and what the other files need."""
    from evaluate.loading import get_imports

    found = {one for file in path().glob("*.py") for kind, one, *_ in get_imports(str(file)) if kind == "library"}
    outside = {one for one in found if one not in sys.stdlib_module_names}
    assert outside == set((path() / "requirements.txt").read_text().split())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "socsci210.py").unlink(), r"(?s)not the metric: no socsci210.py.*leave PATH out"),
        (lambda folder: (folder / "requirements.txt").unlink(), "not the metric: no requirements.txt"),
        (lambda folder: (folder / "codes.py").unlink(), r"socsci210.py imports codes.py, which is not there"),
        (lambda folder: (folder / "rows.csv").write_text("1"), r"(?s)rows.csv is not part of the metric.*move it out"),
        (lambda folder: (folder / "socsci210.py").write_text("def"), "no Python"),
        (
            lambda folder: (folder / "codes.py").open("a").write("\nimport socsci210\n"),
            r"(?s)does not load by itself .*import of socsci210 halted",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    folder = Path(shutil.copytree(path(), tmp_path / "metric", ignore=shutil.ignore_patterns("__pycache__")))
    change(folder)
    with pytest.raises(HubError, match=message):
        prepare_metric(folder, REPO, tmp_path / "w")


@pytest.mark.parametrize("name", ["a.b", "codes"])
def test_names_that_evaluate_cannot_load(tmp_path: Path, name: str) -> None:
    with pytest.raises(HubError, match=r"(?s)evaluate cannot load a module called .*call it socsci210"):
        prepare_metric(None, f"org/{name}", tmp_path)


_PUSH = """
from pathlib import Path
from socsci210.hub import push
from socsci210.hub.metric import prepare_metric
said, home = [], Path(GIVEN["home"])
done = push(prepare_metric(None, GIVEN["repo"], home / "one"), GIVEN["repo"], private=True, tag="v1", say=said.append)
answer({"checked": done.checked, "fingerprint": done.fingerprint})
"""
# The user's side: an interpreter that sees installed libraries, but no editable install and no checkout. Only then is a card's word good.
_USE = """
import sys
sys.path[:] = [place for place in sys.path] + PLACES
try:
    import socsci210
except ModuleNotFoundError:
    print("NOT INSTALLED")
sys.modules["transformers"] = None  # evaluate loads it for other uses, in seconds
import doctest, evaluate, json, re
del sys.modules["transformers"]
metric = evaluate.load(REPO)
found = doctest.DocTestParser().get_doctest(metric.inputs_description, {"evaluate": evaluate, "MODULE": REPO}, "metric", None, 0)
runner = doctest.DocTestRunner()
runner.run(found)
card = open(CARD, encoding="utf-8").read()
names = {}
for code in re.findall(r"```python\\n(.*?)```", card, re.DOTALL):
    exec(compile(code, "card", "exec"), names)
values = {config: evaluate.load(REPO, config).compute(**rows) for config, rows in ROWS.items()}
print(json.dumps({"attempted": runner.tries, "failed": runner.failures, "metric": type(names["metric"]).__name__, "values": values}))
"""


def test_from_a_hub_with_nothing_of_ours(package: Package, tmp_path: Path) -> None:
    with LocalHub() as hub:
        found = run(hub, _PUSH, tmp_path, given={"repo": REPO, "home": str(tmp_path / "made")})
        assert found["checked"] and found["fingerprint"] == package.fingerprint
        assert set(hub.files("space", REPO)) == set(package.files) and hub.repositories["space", REPO].private
        card = tmp_path / "card.md"
        card.write_bytes(hub.files("space", REPO)["README.md"])
        places = [place for place in sys.path if place.endswith("site-packages")]
        rows = {config: metric_child.rows(config) for config in metric_child.CONFIGS}
        code = f"REPO, CARD, PLACES, ROWS = {REPO!r}, {str(card)!r}, {places!r}, {rows!r}\n" + _USE
        env = environment(hub, tmp_path)
        done = subprocess.run([sys.executable, "-I", "-S", "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    first, last = done.stdout.strip().splitlines()[0], json.loads(done.stdout.strip().splitlines()[-1])
    assert first == "NOT INSTALLED"
    assert (last["attempted"], last["failed"], last["metric"]) == (8, 0, "Socsci210")
    here = loaded_alone(str(path()))["values"]
    assert set(here) == set(module._COLUMNS) == set(metric_child.CONFIGS)
    assert last["values"] == here  # every config, every figure
    assert here["treatment_effects"]["refused"] is None and set(here["demographic_parity"]["parity"]) == {"age", "gender"}
