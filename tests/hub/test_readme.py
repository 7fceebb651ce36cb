"""What the README says of the Hub, run as it stands there: dataset, model with its scores, metric and app go up and come back."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from socsci210.local_hub import LocalHub
from socsci210.predict import predict
from socsci210.score import score
from socsci210.train.config import resolve
from socsci210.train.loop import train
from tests.hub import environment, run

ROOT = Path(__file__).resolve().parents[2]
SECTION = (ROOT / "README.md").read_text(encoding="utf-8").partition("## On the Hub")[2].partition("\n## ")[0]
COMMANDS = re.findall(r"^\$ socsci210 (.+)$", SECTION, re.MULTILINE)
SNIPPETS = re.findall(r"```python\n(.+?)```", SECTION, re.DOTALL)
_LOOK = """
answer({
    "rows": rows.num_rows,
    "metric": metric.name,
    "mean": model.predict({"age": 34}, "How warm is the tea? Only return an integer from 1 to 7.", (1, 7)).mean,
})
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, simulated_dataset: Path) -> Path:
    """A folder with `dataset`, `model` and `results.json`, as the section before leaves them."""
    home = tmp_path_factory.mktemp("readme")
    shutil.copytree(simulated_dataset, home / "dataset")
    nano = yaml.safe_load((ROOT / "train" / "configs" / "nano.yaml").read_text(encoding="utf-8"))
    given = {"dataset": str(home / "dataset"), "output": str(home / "model"), "max_steps": 3, "max_minutes": None}
    train(resolve(nano | given), say=lambda text: None)
    predictions = home / "predictions.parquet"
    predict(
        engine="transformers", model=str(home / "model"), dataset=home / "dataset", config="unseen_studies", out=predictions, per_cell=2
    )
    score([predictions], home / "dataset", controls=False).write_json(home / "results.json")
    return home


def test_the_section_is_true(home: Path) -> None:
    assert len(COMMANDS) == 4 and len(SNIPPETS) == 1
    with LocalHub() as hub:
        token = hub.add_user("someone", {"my-lab": "write"}).token
        for command in COMMANDS:
            done = subprocess.run(
                [sys.executable, "-m", "socsci210", *shlex.split(command)],
                env=environment(hub, home, token), cwd=home, capture_output=True, text=True, timeout=300,
            )  # fmt: skip
            assert done.returncode == 0, f"{command}: {done.stderr}"
            assert token not in done.stdout + done.stderr
            repository = shlex.split(command.partition(" --")[0])[-1]
            assert f"{hub.url}/" in done.stdout and repository in done.stdout
        found = run(hub, SNIPPETS[0] + _LOOK, home, token=token)
    assert found["rows"] > 0 and found["metric"] == "socsci210" and 1 <= found["mean"] <= 7
