"""The card of a dataset folder: YAML that tells `datasets` which files make which config, and a page filled from the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jinja2
import pyarrow as pa
import yaml

from ..audit.rules import RULES
from ..dataset_folder import split_glob, table_file
from ..schema import SPLIT_CONFIGS, SPLITS, TABLES

HELD_OUT: Final = {
    "unseen_studies": "whole studies",
    "unseen_conditions": "conditions inside a study",
    "unseen_outcomes": "questions inside a study",
    "unseen_participants": "people inside the seen studies",
}
_ACTIONS: Final = {
    "rebase": "answer moved back",
    "missing": "row left out",
    "exclude": "row left out",
    "item_num": "told apart by `item_num`",
    "note": "nothing",
}
_SIZES: Final = (("n<1K", 10**3), ("1K<n<10K", 10**4), ("10K<n<100K", 10**5), ("100K<n<1M", 10**6), ("1M<n<10M", 10**7))


def dataset_card(tables: Mapping[str, pa.Table], manifest: Mapping[str, Any]) -> str:
    """README.md of a dataset folder.

    Args:
        tables: the small tables, in the schemas of schema.TABLES.
        manifest: what stands in dataset.json, rows per split included.
    """
    studies = tables["studies"].to_pylist()
    present = [name for name in TABLES if tables[name].num_rows]
    simulated = sum(study["simulated"] for study in studies)
    release = manifest.get("release")
    name = "Simulated survey experiments" if simulated == len(studies) else "Survey experiments"
    name = name if release is None else "The released SocSci210, imported"
    header = yaml.safe_dump(_metadata(name, studies, simulated, present, manifest), sort_keys=False, allow_unicode=True, width=1000)
    template = "dataset_card.md.jinja" if release is None else "released_card.md.jinja"
    body = _template(template).render(
        name=name,
        studies=studies,
        simulated=simulated,
        people=tables["participants"].num_rows,
        missing=sum(n or 0 for n in tables["conditions"].column("n_missing").to_pylist()),
        held_out=HELD_OUT,
        tables=present,
        manifest=manifest,
        **({} if release is None else _of_release(release)),
    )
    return f"---\n{header}---\n\n{body}"


def _metadata(name: str, studies: list[dict[str, Any]], simulated: int, present: list[str], manifest: Mapping[str, Any]) -> dict[str, Any]:
    rows = manifest["rows"]
    return {
        "pretty_name": name,
        **_licence(studies, simulated, manifest),
        "language": ["en"],
        "task_categories": ["text-classification"],
        "size_categories": [next((label for label, below in _SIZES if rows < below), "n>10M")],
        "tags": ["social-science", "survey-experiments", *(["simulated"] if simulated else [])],
        "configs": _configs(present, manifest),
    }


def _licence(studies: list[dict[str, Any]], simulated: int, manifest: Mapping[str, Any]) -> dict[str, str]:
    if "release" in manifest:
        return {"license": "unknown"}
    if len(studies) == simulated and {study["licence"] for study in studies} == {"MIT"}:
        return {"license": "mit"}
    return {"license": "other", "license_name": "per-study"}


def _of_release(release: Mapping[str, Any]) -> dict[str, Any]:
    """What the card says of a release: verdicts on its files counted, those on counts in full, and what every rule did."""
    files = {file["file"] for file in release["files"]}
    of_files = Counter(check["verdict"] for check in release["checks"] if check["what"] in files)
    touched = [
        {"title": rule.title, "action": _ACTIONS[rule.action], "name": name, "rows": release["rules"].get(name)} | release["findings"][name]
        for name, rule in RULES.items()
        if name in release["findings"]
    ]
    return {
        "release": release,
        "verdicts": ", ".join(f"{of_files[verdict]} {verdict}" for verdict in ("equal", "different", "unknown") if of_files[verdict]),
        "checks": [check for check in release["checks"] if check["what"] not in files],
        "touched": touched,
    }


def _configs(present: list[str], manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every config with its files; a split without rows is left out, since `datasets` refuses a pattern that finds nothing.

    `datasets` keeps what it prepared from a local folder under the folder's name and a hash of these configs, not of the files. So the
    fingerprint stands among them: without it, a dataset built again, or another one in a folder of the same name, would read as the old.
    """
    configs: list[dict[str, Any]] = [
        {
            "config_name": "all",
            "default": True,
            "description": f"fingerprint {manifest['fingerprint']}",
            "data_files": [{"split": "train", "path": split_glob("all", "train")}],
        }
    ]
    for config in SPLIT_CONFIGS:
        files = [{"split": split, "path": split_glob(config, split)} for split in SPLITS if manifest["splits"][config][split]]
        if files:
            configs.append({"config_name": config, "data_files": files})
    return [*configs, *({"config_name": name, "data_files": [{"split": "train", "path": table_file(name)}]} for name in present)]


def _template(name: str) -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    environment.filters["cell"] = lambda text: " ".join(str(text).split()).replace("|", "\\|")
    environment.filters["n"] = lambda number: "" if number is None else f"{number:,}"
    return environment.get_template(name)
