"""What a push of the metric publishes: the evaluate module with its mathematics, which need nothing of this package, a page and a card.

`evaluate.load("org/name")` reads the files of a space, and of these the script `name.py` and what it imports.
"""

from __future__ import annotations

import ast
import hashlib
import html
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from ..errors import HubError
from ..metrics import path as installed
from . import metric_child
from .client import checked_id
from .guard import found_token
from .package import CARD, Package

SCRIPT: Final = "socsci210.py"
REQUIREMENTS: Final = "requirements.txt"
PAGE: Final = "index.html"
_DIGITS: Final = 16
_SECONDS: Final = 600
_FIX: Final = "name the folder metrics/socsci210 of this project, or leave PATH out for the installed one"
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{repo}</title></head>
<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem">
<h1>{repo}</h1>
<p>A metric for the <code>evaluate</code> library: do a model's answers to survey experiments look like people's?</p>
<pre style="background: #f3f3f3; padding: 1rem; overflow-x: auto"><code>import evaluate

metric = evaluate.load("{repo}", "distributional_alignment")</code></pre>
<p>Inputs, configs, figures and limits are in <a href="https://huggingface.co/spaces/{repo}/blob/main/README.md">the card</a>.</p>
</body>
</html>
"""


def prepare_metric(path: Path | None, repo: str, work: Path) -> Package:
    """What is to stand in the repository of the metric.

    Args:
        path: folder of the evaluate module; None for the installed one.
        repo: id of the repository; its name becomes the name of the script, by which evaluate finds it.
        work: folder for what is made here.

    Raises:
        HubError: not our metric, a file that does not belong to it, a name that Python cannot import, or a module that does not load and
            compute where nothing of this package is installed.
    """
    from ..cards.metric import metric_card

    folder = path or installed()
    name = checked_id(repo).rpartition("/")[2]
    files = _files(folder, name)
    stage = work / name
    stage.mkdir(parents=True)
    for target, source in files.items():
        (stage / target).write_bytes(source.read_bytes())
    card = metric_card((folder / CARD).read_text(encoding="utf-8"), repository=repo)
    for target, text in ((PAGE, _PAGE.format(repo=html.escape(repo))), (CARD, card)):
        (stage / target).write_text(text, encoding="utf-8")
    return Package(
        kind="metric", files={file.name: file for file in sorted(stage.iterdir())}, card=card, fingerprint=fingerprint(str(stage)),
        message="Metric, requirements and card", check_back=check_back,
        notes=(f"evaluate.load({repo!r}) was tried with every config, where nothing of socsci210 can be imported",),
    )  # fmt: skip


def check_back(repo: str, commit: str) -> str:
    """The fingerprint of the metric as `evaluate.load` reads it from the Hub, at a commit and into a cache of its own."""
    return fingerprint(repo, commit)


def fingerprint(module: str, revision: str | None = None) -> str:
    """Hashes of the source that evaluate loads and of what every config computes from made-up rows: `source ..., values ...`.

    Raises:
        HubError: it does not load or compute without this package.
    """
    found = loaded_alone(module, revision)
    return ", ".join(f"{part} {_hash(found[key])}" for part, key in (("source", "files"), ("values", "values")))


def loaded_alone(module: str, revision: str | None = None) -> dict[str, Any]:
    """What `metric_child` tells of a module: its files as they were loaded, and the figures of every config.

    Raises:
        HubError: it does not load or compute without this package.
    """
    asked = {"path": [place for place in sys.path if place], "module": module, "revision": revision}
    with TemporaryDirectory() as home:
        own = {
            "HF_MODULES_CACHE": f"{home}/modules", "HF_EVALUATE_CACHE": f"{home}/evaluate", "HF_METRICS_CACHE": f"{home}/metrics",
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-I", "-S", metric_child.__file__], input=json.dumps(asked), env=os.environ | own, cwd=home, text=True,
            capture_output=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise HubError(
            f"the metric does not load by itself ({found_token().scrubbed(last[0])})", where=module,
            expected="a module that needs only evaluate, datasets, numpy",
            fix="correct the module; python -m pytest tests/test_metric_module.py tells more",
        )  # fmt: skip
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def _files(folder: Path, name: str) -> dict[str, Path]:
    """Name in the repository -> file of the folder."""
    missing = [one for one in (SCRIPT, CARD, REQUIREMENTS) if not (folder / one).is_file()]
    if missing:
        raise HubError(f"not the metric: no {', '.join(missing)}", where=str(folder), expected="the evaluate module socsci210", fix=_FIX)
    files = {}
    for path in sorted(folder.iterdir()):
        if path.name not in (CARD, "__pycache__"):
            if path.suffix != ".py" and path.name != REQUIREMENTS:
                raise HubError(f"{path.name} is not part of the metric", where=str(folder), fix="move it out of the folder")
            files[path.name] = path
    own = {one.removesuffix(".py") for one in files if one.endswith(".py")} - {"socsci210"}
    if absent := sorted(_imported(folder / SCRIPT) - own):
        raise HubError(f"{SCRIPT} imports {absent[0]}.py, which is not there", where=str(folder), expected="the whole module", fix=_FIX)
    if "." in name or name in own:
        raise HubError(
            f"evaluate cannot load a module called {name!r}", where=f"repository name {name}",
            expected="a name without a dot, and none of the files beside the script", fix="call it socsci210, for example",
        )  # fmt: skip
    return {f"{name}.py": files.pop(SCRIPT), **files}


def _imported(script: Path) -> set[str]:
    """Names of the files beside a script that it imports.

    Raises:
        HubError: it is no Python.
    """
    try:
        tree = ast.parse(script.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise HubError(f"no Python ({error})", where=str(script), expected="the evaluate module socsci210", fix=_FIX) from error
    return {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_DIGITS]
