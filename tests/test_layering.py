"""Data flows down: no module imports what stands above it, and importing the package stays light."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {
    "socsci210": "socsci210",
    "loaders": "socsci210.loaders",
    "train": "socsci210.train",
    "metrics": "socsci210.metrics",
    "cards": "socsci210.cards",
}

# The layers of the design's picture, from the deposit down to the page. A module may import its own layer and those it is given here.
BASE = {"checksums", "errors", "replacing", "retrying", "schema", "demographics", "small_counts"}
ABOVE = {  # layer -> what it may import besides the base
    "files": set(),
    "study_files": {"files"},
    "deposits": {"files", "study_files"},
    "fetching": {"files", "study_files", "catalogue"},
    "profiling": {"files", "study_files", "stimuli"},
    "drafting": {"files", "study_files", "stimuli", "fetching", "profiling", "build", "egress"},
    "exam": {"files", "study_files", "build"},
    "review": {"files", "study_files", "stimuli", "profiling", "build", "prompts"},
    "dataset": set(),
    "splits": set(),
    "writer": {"dataset", "splits", "cards"},
    "build": {"files", "study_files", "dataset", "splits", "writer", "stimuli", "metric"},
    "stimuli": set(),
    "catalogue": set(),
    "audit": {"dataset", "stimuli", "metric", "catalogue"},
    "loading": {"dataset", "splits", "prompts"},
    "release": {"dataset", "splits", "writer", "stimuli", "metric", "catalogue", "audit", "loading"},
    "prompts": {"dataset"},
    "metric": set(),
    "arms": {"dataset", "metric"},
    "packs": {"dataset", "prompts"},
    "train": {"dataset", "prompts", "packs", "splits", "loading", "predict", "metric", "scores", "cards", "hub"},
    "egress": set(),
    "tracing": {"dataset", "prompts", "loading", "egress", "predict", "train"},
    "predict": {"dataset", "prompts", "packs", "loading", "metric", "egress", "arms"},
    "scores": {"dataset", "metric", "predict", "prompts", "splits", "arms"},
    "report": {"dataset", "scores", "metric"},
    "screening": {"study_files", "dataset", "stimuli", "prompts", "predict", "loading", "egress", "arms", "metric", "scores", "report"},
    "cards": {"dataset", "scores", "splits", "audit", "report"},
    "local_hub": set(),
    "space": {"prompts", "predict", "stimuli", "screening"},
    "hub": {
        "dataset",
        "stimuli",
        "cards",
        "study_files",
        "loading",
        "scores",
        "metric",
        "prompts",
        "predict",
        "writer",
        "audit",
        "screening",
        "space",
    },
    "commands": None,  # the command line and the demo call everything
}
LAYER = {
    "blocks": "files", "child": "files", "confinement": "files", "readers": "files", "expressions": "files", "sql_rules": "files",
    "study_file": "study_files", "study_checks": "study_files", "study_yaml": "study_files", "registry": "study_files",
    "texts": "study_files", "crosswalks": "study_files", "new_study": "study_files",
    "reviewing": "study_files", "judgements": "study_files", "study_schema": "study_files",
    "study_origin": "study_files", "study_declared": "study_files",
    "loaders": "study_files",
    "fetching": "fetching", "drafting": "drafting", "exam": "exam",
    "simulated": "deposits", "profiling": "profiling", "review": "review",
    "patterns": "stimuli", "scales": "stimuli", "stimuli": "stimuli",
    "extract": "build", "build": "build",
    "catalogue": "catalogue", "audit": "audit", "release": "release",
    "dataset_folder": "dataset", "entry": "dataset", "leftovers": "dataset", "workshop": "dataset",
    "dataset_writer": "writer", "row_files": "writer",
    "splits": "splits", "row_texts": "prompts", "language_model": "prompts",
    "load": "loading", "loading": "loading", "reasoning": "loading", "alias": "loading",
    "prompts": "prompts", "packs": "packs", "train": "train", "predict": "predict", "socrates": "predict",
    "items": "arms", "profiles": "arms", "egress": "egress", "egress_batches": "egress", "tracing": "tracing",
    "metrics": "metric", "reference": "scores", "results": "scores", "result_parts": "scores", "result_tables": "scores", "score": "scores",
    "contamination": "scores", "compare": "scores", "report": "report", "cards": "cards",
    "screening": "screening",
    "hub": "hub", "local_hub": "local_hub", "space": "space",
    "cli": "commands", "demo": "commands", "experiment": "commands", "pipeline": "commands",
    "__init__": "commands", "__main__": "commands",
}  # fmt: skip


def modules() -> list[tuple[str, Path]]:
    """(dotted module name as installed, file) of every module of the project."""
    found = []
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            relative = path.relative_to(ROOT / folder).with_suffix("")
            found.append((".".join([package, *relative.parts]), path))
    return found


def imported(name: str, path: Path) -> set[str]:
    """Modules of this project that a file imports anywhere, as dotted names."""
    package = name.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            target = ".".join([*base, *([node.module] if node.module else [])])
            found.add(target)
            if target == "socsci210":
                found.update(f"socsci210.{alias.name}" for alias in node.names)
    return {target for target in found if target.split(".")[0] == "socsci210" and target != "socsci210"}


def part(name: str) -> str:
    return name.split(".")[1]


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_nothing_imports_what_is_above_it(name: str, path: Path) -> None:
    layer = LAYER[part(name)] if part(name) not in BASE else "base"
    if layer == "commands":
        return
    allowed = {"base", layer} | (ABOVE.get(layer) or set())
    for target in imported(name, path):
        target_layer = "base" if part(target) in BASE else LAYER.get(part(target))
        assert target_layer in allowed, f"{name} ({layer}) imports {target} ({target_layer})"


def test_no_dataset_script_by_accident() -> None:
    """`datasets` takes a file socsci210.py in a folder socsci210 for a dataset script; only evaluate's module may have that name."""
    scripts = [
        p.relative_to(ROOT).as_posix() for p in ROOT.rglob("socsci210.py") if ".venv" not in p.as_posix() and "build/" not in p.as_posix()
    ]
    assert scripts == ["metrics/socsci210/socsci210.py"]
