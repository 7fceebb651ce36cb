"""One study, from its study file to everything the dataset holds of it, or to an error that says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from ..checksums import file_sha256
from ..dataset_folder import disk_errors
from ..entry import CORE, ENTRY_TABLES
from ..extract import deposit_folder, extract, file_in
from ..registry import Registry
from ..reviewing import check_reviewed
from . import cache
from .gates import check_study
from .made import Made
from .rows import Rows, make_rows, scale_bounds
from .tables import make_tables

TRUNCATED = "text_truncated"


def make_study(study_id: str, *, registry: Registry, deposits: Path, folder: Path, scratch: Path) -> str:
    """Put everything of one study into a cache folder, unless it is there.

    Args:
        study_id: the study.
        registry: where its study file is found.
        deposits: folder that holds one folder per deposit.
        folder: the cache folder.
        scratch: folder for raw rows on their way, which the caller removes.

    Returns:
        The name of its entry.

    Raises:
        SocSciError: whatever is wrong with the study file, its deposit or what came of them.
    """
    entry = registry.get(study_id)
    study = entry.load()
    deposit = deposit_folder(study, deposits)
    study_file = entry.folder / "study.yaml"
    files = {file.file: file_in(deposit, file.file, where=f"{study.id}: files.{key}") for key, file in study.files.items()}
    if (deposit / "MANIFEST.json").is_file():
        files["MANIFEST.json"] = deposit / "MANIFEST.json"
    name = f"{study.id}-{cache.key(study_file, files)[:32]}"
    if cache.has(folder, name, ENTRY_TABLES):
        return name
    with disk_errors(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
        found = extract(study, deposit, scratch=scratch)
    rows = make_rows(study, found)
    tables = make_tables(study, file_sha256(study_file), found, rows)
    check_study(Made(study, found, rows, tables))
    check_reviewed(study)  # last, so that a draft hears what else is wrong with it
    flags = [TRUNCATED] if study.text_status == "truncated" else []
    with disk_errors(folder):
        cache.save(folder, name, {CORE: _core(rows, flags), **tables})
    return name


def _core(rows: Rows, flags: list[str]) -> pa.Table:
    """The rows without what can be looked up: the persona and the weight of a person, the name of the study."""
    low, high = scale_bounds(rows.cells, rows)
    return pa.table(
        {
            "participant": pa.array(rows.participant, pa.int64()),
            "stimuli": pa.DictionaryArray.from_arrays(pa.array(rows.stimulus, pa.int32()), rows.texts),
            "response": pa.array(rows.response, pa.int64()),
            "condition_num": pa.array(rows.condition, pa.int64()),
            "task_num": pa.array(rows.task, pa.int64()),
            "item_num": pa.array(rows.item, pa.int64()),
            "scale_min": low,
            "scale_max": high,
            "flags": pa.ListArray.from_arrays(
                pa.array(np.arange(len(rows) + 1) * len(flags), pa.int32()), pa.array(flags * len(rows), pa.string())
            ),
            "response_clean": pa.array(rows.response, pa.int64(), mask=np.full(len(rows), bool(flags))),  # cut text is no stimulus
        }
    )
