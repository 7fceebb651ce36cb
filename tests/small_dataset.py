"""A dataset folder of a few made-up studies, written without a build, for tests of splits and loading."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from socsci210.dataset_folder import FORMAT, fingerprint, partition_name, split_glob, table_file, write_parquet
from socsci210.row_files import RowFiles
from socsci210.schema import PARTICIPANTS, ROWS, SPLIT_CONFIGS, SPLITS, STUDIES, TABLES
from socsci210.splits import SIDES, assign, check_disjoint, partition, units_of

STUDY_IDS = tuple(f"toy_{letter}" for letter in "abcdefgh")
PEOPLE, CONDITIONS, OUTCOMES = 40, 4, 4
WITHIN = "toy_c"  # everyone meets every condition of this study


def clean(response: int, sample: int) -> int | None:
    """The answer in the clean view: every twentieth row is left out, and the rows midway between them are moved by one."""
    return None if sample % 20 == 0 else response - 1 if sample % 20 == 10 else response


def rows(study: str, people: int = PEOPLE) -> pa.Table:
    """Rows of one study, participant-major. Every tenth row carries a flag, and has no answer or another one in the clean view."""
    found = []
    for person in range(people):
        for condition in range(CONDITIONS) if study == WITHIN else [person % CONDITIONS]:
            for task in range(OUTCOMES):
                found.append(
                    {
                        "sample_id": len(found),
                        "participant": person,
                        "demographic": {"age": 20 + person, "gender": "Female" if person % 2 else "Male"},
                        "stimuli": f'You read "{study}, version {condition}" and then were asked: "question {task}"',
                        "response": 1 + (person + condition + task) % 5,
                        "condition_num": condition,
                        "task_num": task,
                        "study_id": study,
                        "item_num": 0,
                        "scale_min": 1,
                        "scale_max": 5,
                        "weight": None,
                        "flags": ["caveat"] if len(found) % 10 == 0 else [],
                        "response_clean": clean(1 + (person + condition + task) % 5, len(found)),
                    }
                )
    return pa.Table.from_pylist(found, schema=ROWS)


def small_tables(table: pa.Table, studies: tuple[str, ...], family: dict[str, str]) -> dict[str, pa.Table]:
    """The tables that splits and loading read; the other small tables stay out."""
    about = [
        {"study_id": s, "family": family.get(s, s), "same_as": [], "text_status": "truncated" if s == "toy_h" else "full"} for s in studies
    ]
    people = table.group_by(["study_id", "participant"]).aggregate([]).sort_by([("study_id", "ascending"), ("participant", "ascending")])
    return {
        "studies": pa.Table.from_pylist(about, schema=STUDIES),
        "participants": pa.Table.from_pylist(people.to_pylist(), schema=PARTICIPANTS),
    }


def write_dataset(folder: Path, studies: tuple[str, ...] = STUDY_IDS, people: int = PEOPLE, family: dict[str, str] | None = None) -> Path:
    """Write a complete dataset folder in the layout of a build."""
    per_study = {study: rows(study, people) for study in studies}
    table = pa.concat_tables(per_study.values())
    tables = small_tables(table, studies, family or {})
    units = units_of(table, tables["studies"], tables["participants"])
    tables["assignments"] = assign(units)
    sides = partition(units, tables["assignments"])
    check_disjoint(units, sides)
    with RowFiles(folder / "data", together=False) as files:
        for study, own in sorted(per_study.items()):
            codes = sides[study]
            for combination in np.unique(codes, axis=1).T:
                index = np.flatnonzero((codes == combination[:, None]).all(axis=0))
                name = partition_name({config: SIDES[code] for config, code in zip(SPLIT_CONFIGS, combination, strict=True)})
                files.add(name, study, own.take(index))
    for name, small in tables.items():
        write_parquet(small, folder / table_file(name))
    (folder / "README.md").write_text(f"---\n{_yaml(folder)}---\n\n# A small dataset\n", encoding="utf-8")
    manifest = {"format": FORMAT, "fingerprint": fingerprint(folder), "studies": len(studies), "rows": len(table), "version": "0"}
    (folder / "dataset.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _yaml(folder: Path) -> str:
    lines = [
        "configs:",
        "- config_name: all",
        "  default: true",
        f"  description: fingerprint {fingerprint(folder)}",
        "  data_files:",
        "  - split: train",
        f"    path: {split_glob('all', 'train')}",
    ]
    for config in SPLIT_CONFIGS:
        lines += [f"- config_name: {config}", "  data_files:"]
        for split in SPLITS:
            if list(folder.glob(split_glob(config, split))):
                lines += [f"  - split: {split}", f'    path: "{split_glob(config, split)}"']
    for name in TABLES:
        if (folder / table_file(name)).exists():
            lines += [f"- config_name: {name}", "  data_files:", "  - split: train", f"    path: {table_file(name)}"]
    return "\n".join(lines) + "\n"
