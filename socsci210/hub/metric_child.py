"""Run as a script: loads the evaluate module from a folder or the Hub where nothing of this package can be imported, and computes.

Its input is one JSON object, {path: sys.path, module: folder or Hub id, revision: commit or null, only: names of configs or null}; its last
line of output is another one, {files: {name: content}, values: {config: figures}}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

CONFIGS: Final = ("distributional_alignment", "individual_accuracy", "demographic_parity", "treatment_effects", "calibration", "default")
_PEOPLE: Final = 240
_SHARES: Final = ((0.5, 0.25, 0.125, 0.125, 0.0), (0.125, 0.25, 0.25, 0.25, 0.125), (0.0, 0.25, 0.25, 0.25, 0.25))  # of each condition


def rows(config: str) -> dict[str, list[Any]]:
    """Made-up rows that every config can score: people of two studies, three conditions, answers from 1 to 5."""
    people = range(_PEOPLE)
    columns: dict[str, list[Any]] = {
        "predictions": [list(_SHARES[i % 3]) for i in people],
        "references": [1 + i % 3 + i // 6 % 3 for i in people],
        "study_id": [f"s{i % 2}" for i in people],
        "task_num": [0] * _PEOPLE,
        "scale_min": [1] * _PEOPLE,
        "scale_max": [5] * _PEOPLE,
    }
    if config != "demographic_parity":
        columns["condition_num"] = [i % 3 for i in people]
    if config in ("default", "demographic_parity"):
        columns["demographic"] = [{"age": 20 + i // 6, "gender": ("Female", "Male")[i // 2 % 2]} for i in people]
    if config == "treatment_effects":
        columns["item_num"] = [0] * _PEOPLE
    if config in ("default", "demographic_parity", "treatment_effects"):
        columns["participant"] = list(people)
    return columns


def main() -> None:
    """Load, compute, tell."""
    asked = json.loads(sys.stdin.read())
    sys.path[:] = asked["path"]
    hidden: dict[str, Any] = {"socsci210": None, "transformers": None}  # importing them fails, as if they were not installed
    sys.modules.update(hidden)
    import evaluate

    del sys.modules["transformers"]  # hidden to save the seconds that evaluate takes with it; datasets looks whether the name is there
    found: dict[str, Any] = {"files": {}, "values": {}}
    for config in CONFIGS:
        metric = evaluate.load(asked["module"], config, revision=asked["revision"])
        found["values"][config] = metric.compute(**rows(config))
        script = Path(sys.modules[type(metric).__module__].__file__ or "")
        for file in script.parent.glob("*.py"):
            if file.name != "__init__.py":  # that one is evaluate's own
                found["files"][file.name] = file.read_text(encoding="utf-8")
    print("\n" + json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
