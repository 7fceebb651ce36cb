"""The card of a dataset folder: YAML that tells `datasets` which files make which config, and a page filled from the tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jinja2
import pyarrow as pa
import yaml

from ..dataset_folder import split_glob, table_file
from ..schema import SPLIT_CONFIGS, SPLITS, TABLES

HELD_OUT: Final = {
    "unseen_studies": "whole studies",
    "unseen_conditions": "conditions inside a study",
    "unseen_outcomes": "questions inside a study",
    "unseen_participants": "people inside the seen studies",
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
    name = "Simulated survey experiments" if simulated == len(studies) else "Survey experiments"
    header = yaml.safe_dump(_metadata(name, studies, simulated, present, manifest), sort_keys=False, allow_unicode=True, width=1000)
    body = _template().render(
        name=name,
        studies=studies,
        simulated=simulated,
        people=tables["participants"].num_rows,
        missing=sum(n or 0 for n in tables["conditions"].column("n_missing").to_pylist()),
        held_out=HELD_OUT,
        tables=present,
        manifest=manifest,
    )
    return f"---\n{header}---\n\n{body}"


def _metadata(name: str, studies: list[dict[str, Any]], simulated: int, present: list[str], manifest: Mapping[str, Any]) -> dict[str, Any]:
    licences = sorted({study["licence"] for study in studies})
    ours = len(studies) == simulated and licences == ["MIT"]
    rows = manifest["rows"]
    return {
        "pretty_name": name,
        "license": "mit" if ours else "other",
        **({} if ours else {"license_name": "per-study"}),
        "language": ["en"],
        "task_categories": ["text-classification"],
        "size_categories": [next((label for label, below in _SIZES if rows < below), "n>10M")],
        "tags": ["social-science", "survey-experiments", *(["simulated"] if simulated else [])],
        "configs": _configs(present, manifest),
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


def _template() -> jinja2.Template:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    environment.filters["cell"] = lambda text: " ".join(str(text).split()).replace("|", "\\|")
    return environment.from_string((Path(__file__).parent / "dataset_card.md.jinja").read_text(encoding="utf-8"))
