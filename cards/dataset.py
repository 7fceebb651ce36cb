"""The card of a dataset folder: YAML that tells `datasets` which files make which config, and a page filled from the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ..audit.rules import RULES
from ..dataset_folder import split_glob, table_file
from ..schema import SPLIT_CONFIGS, SPLITS, TABLES
from .markdown import template
from .merging import mark
from .people import cells, people

if TYPE_CHECKING:
    from huggingface_hub import DatasetCardData

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
LICENCES: Final = {
    "mit": "mit", "apache 2.0": "apache-2.0", "cc0": "cc0-1.0", "cc0 1.0": "cc0-1.0", "odc by": "odc-by", "odbl": "odbl",
    "cc by 4.0": "cc-by-4.0", "cc by sa 4.0": "cc-by-sa-4.0", "cc by nc 4.0": "cc-by-nc-4.0", "cc by nc sa 4.0": "cc-by-nc-sa-4.0",
    "unknown": "unknown",
}  # fmt: skip
"""The Hub's names of licences that study files name."""
_NAMED: Final = 40
"""More studies than this are not named in a command."""
_SIZES: Final = (("n<1K", 10**3), ("1K<n<10K", 10**4), ("10K<n<100K", 10**5), ("100K<n<1M", 10**6), ("1M<n<10M", 10**7))


def dataset_card(
    tables: Mapping[str, pa.Table], manifest: Mapping[str, Any], *, repository: str | None = None,
    withheld: Mapping[str, str] | None = None, privacy: Sequence[tuple[str, str]] = (), privacy_notes: Sequence[str] = (),
    findings: Sequence[Mapping[str, Any]] = (),
) -> str:  # fmt: skip
    """README.md of a dataset folder.

    Args:
        tables: the small tables, in the schemas of schema.TABLES.
        manifest: what stands in dataset.json, rows per split included.
        repository: where the dataset is published; without it the examples have a placeholder.
        withheld: study -> why its rows are not published.
        privacy: what was checked before publishing, and what was found.
        privacy_notes: what was done about it, a sentence each.
        findings: what the audit found, as `AuditReport.table` gives it.
    """
    studies = tables["studies"].to_pylist()
    present = [name for name in TABLES if tables[name].num_rows]
    simulated = sum(study["simulated"] for study in studies)
    release = manifest.get("release")
    name = "Simulated survey experiments" if simulated == len(studies) else "Survey experiments"
    name = name if release is None else "The released SocSci210, imported"
    licence = _licence(studies, manifest, repository)
    page = template("dataset_card.md.jinja" if release is None else "released_card.md.jinja").render(
        name=name,
        where=repository or "PATH_OR_REPO",
        example=next((config for config in SPLIT_CONFIGS if manifest["splits"][config]["test"]), SPLIT_CONFIGS[0]),
        studies=studies,
        simulated=simulated,
        people=people(tables),
        cells=cells(tables["cells"]),
        uncontrolled=len(studies) - len(pc.unique(_controls(tables["conditions"]))),
        missing=sum(n or 0 for n in tables["conditions"].column("n_missing").to_pylist()),
        held_out=HELD_OUT,
        tables=present,
        manifest=manifest,
        licence_words=_licence_words(licence["license"]),
        built=" ".join(study["study_id"] for study in studies) if len(studies) <= _NAMED else "STUDY...",
        withheld=withheld or {},
        privacy=privacy,
        privacy_notes=privacy_notes,
        findings=findings,
        **({} if release is None else _of_release(release)),
    )
    return mark(f"---\n{_metadata(name, licence, simulated, present, manifest).to_yaml()}\n---\n\n{page}")


def _controls(conditions: pa.Table) -> pa.ChunkedArray:
    """The studies that name a control, repeated."""
    return conditions.filter(pc.fill_null(conditions.column("control"), False)).column("study_id")


def _metadata(name: str, licence: dict[str, str], simulated: int, present: list[str], manifest: Mapping[str, Any]) -> DatasetCardData:
    from huggingface_hub import DatasetCardData

    rows, release = manifest["rows"], manifest.get("release") or {}
    return DatasetCardData(
        pretty_name=name,
        language=["en"],
        multilinguality=["monolingual"],
        task_categories=["text-classification"],
        size_categories=[next((label for label, below in _SIZES if rows < below), "n>10M")],
        source_datasets=[release["name"]] if release.get("name") else ["original"],
        tags=["social-science", "survey-experiments", *(["simulated"] if simulated else [])],
        configs=_configs(present, manifest),
        **licence,
    )


def _licence(studies: list[dict[str, Any]], manifest: Mapping[str, Any], repository: str | None) -> dict[str, str]:
    """The licence in the Hub's words: one, where all studies have the same; else "other", which points to the list of the card."""
    if "release" in manifest:
        return {"license": "unknown"}
    found = {" ".join(study["licence"].casefold().replace("-", " ").split()) for study in studies}
    if len(found) == 1 and (known := LICENCES.get(found.pop())):
        return {"license": known}
    link = {"license_link": f"https://huggingface.co/datasets/{repository}#licence-and-provenance"} if repository else {}
    return {"license": "other", "license_name": "per-study", **link}


def _licence_words(licence: str) -> str:
    if licence == "other":
        return "Each study keeps the rights of its own deposit; there is no licence of the whole."
    if licence == "unknown":
        return "No licence is recorded for any study. Ask those who hold the rights before you publish rows again."
    return f"All studies have the same licence, {licence} in the words of the Hub."


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
