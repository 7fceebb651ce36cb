"""From finished studies to the files of a dataset folder: those of the rows, and the small tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from . import dataset_folder
from .cards.dataset import dataset_card
from .dataset_folder import MANIFEST, partition_name, table_file, write_parquet
from .entry import CORE, RATIONALES, Entry
from .row_files import RowFiles
from .schema import DEMOGRAPHIC, ROWS, SPLIT_CONFIGS, TABLES
from .splits import SIDES, Units, assign, check_disjoint, overlaps, partition, text_keys

Sides = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Official:
    """The published sides of a release.

    Args:
        studies: study -> seen | unseen.
        rows: study -> config -> side of each row; an entry, empty or not, for every study of the release.
    """

    studies: Mapping[str, str]
    rows: Mapping[str, Mapping[str, Sides]]


def write_dataset(
    entries: Sequence[Entry],
    out: Path,
    *,
    left_out: Mapping[str, str],
    package_version: str,
    jobs: int,
    step: Callable[[str], None],
    official: Official | None = None,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write every file of a dataset into the empty folder `out`.

    Args:
        entries: the studies, ordered by id.
        out: the folder.
        left_out: study -> why it is not there.
        package_version: version of this package.
        jobs: partitions written at the same time.
        step: called with the id of every study that is written.
        official: the published sides, for a release.
        about: further keys of dataset.json.

    Returns:
        What stands in dataset.json.
    """
    tables = {name: pa.concat_tables([entry.table(name) for entry in entries]) for name in TABLES if name != "assignments"}
    units = [_units(entry, official) for entry in entries]
    tables["assignments"] = assign(units, None if official is None else official.studies)
    sides = partition(units, tables["assignments"])
    check_disjoint(units, sides)
    shared = overlaps(units, tables["assignments"], sides)
    del units
    for name, table in tables.items():
        if table.num_rows or name != "attributes":
            write_parquet(table.cast(TABLES[name]), out / table_file(name))
    together = official is not None  # the studies of a release never change, those of a build come and go one by one
    with (
        ThreadPoolExecutor(jobs) as pool,
        RowFiles(out / "data", together=together) as rows,
        RowFiles(out / "reasoning", together=together) as reasoning,
    ):
        for entry in entries:
            _write_rows(entry, sides[entry.study], rows, reasoning, pool)
            step(entry.study)
    manifest = {
        "format": dataset_folder.FORMAT,
        "fingerprint": dataset_folder.fingerprint(out),
        "studies": len(entries),
        "rows": sum(tables["studies"].column("n_rows").to_pylist()),
        "splits": _split_counts(sides),
        "version": package_version,
        "overlaps": shared,
        "left_out": dict(sorted(left_out.items())),
        **(about or {}),
    }
    (out / "README.md").write_text(dataset_card(tables, manifest), encoding="utf-8")
    (out / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    return manifest


def _units(entry: Entry, official: Official | None) -> Units:
    rows, study = entry.table(CORE), entry.table("studies").to_pylist()[0]
    return Units(
        study_id=entry.study,
        family=study["family"],
        participants=entry.table("participants").column("participant").to_numpy(),
        condition=rows.column("condition_num").to_numpy(),
        task=rows.column("task_num").to_numpy(),
        participant=rows.column("participant").to_numpy(),
        text=text_keys(rows.column("stimuli")),
        truncated=study["text_status"] == "truncated",
        same_as=tuple(study["same_as"]),
        official=None if official is None else official.rows.get(entry.study),
    )


def _split_counts(sides: Mapping[str, Sides]) -> dict[str, dict[str, int]]:
    """config -> side -> rows."""
    counts = np.zeros((len(SPLIT_CONFIGS), len(SIDES)), np.int64)
    for of_study in sides.values():
        counts += np.stack([np.bincount(line, minlength=len(SIDES)) for line in of_study])
    return {config: {side: int(n) for side, n in zip(SIDES, line, strict=True)} for config, line in zip(SPLIT_CONFIGS, counts, strict=True)}


# --- rows ----------------------------------------------------------------------------------------------------------------------------


def _write_rows(entry: Entry, sides: Sides, files: RowFiles, reasoning: RowFiles, pool: ThreadPoolExecutor) -> None:
    """Write the rows of one study into their partitions, several partitions at a time."""
    code = np.ravel_multi_index(tuple(sides), (len(SIDES),) * len(SPLIT_CONFIGS)).astype(np.int16)
    order = np.argsort(code, kind="stable")
    ends = np.searchsorted(code[order], np.arange(len(SIDES) ** len(SPLIT_CONFIGS) + 1))
    rows = _rows(entry, order)  # ordered once, so that every partition is a slice
    rationales = _rationales(entry, order) if entry.has(RATIONALES) else None

    def write(place: int) -> None:
        of_config = np.unravel_index(place, (len(SIDES),) * len(SPLIT_CONFIGS))
        at = {config: SIDES[side] for config, side in zip(SPLIT_CONFIGS, of_config, strict=True)}
        part = rows.slice(ends[place], ends[place + 1] - ends[place])
        files.add(partition_name(at), entry.study, _compact(part, "stimuli"))
        if rationales is not None and _for_training(at):
            reasoning.add(partition_name(at), entry.study, rationales.slice(ends[place], part.num_rows))

    for _ in pool.map(write, np.flatnonzero(np.diff(ends)).tolist()):
        pass


class _People:
    """What a row does not repeat: the persona and the weight of its person."""

    def __init__(self, entry: Entry) -> None:
        table = entry.table("participants")
        self._number = table.column("participant").to_numpy()  # ascending, but not without gaps in a release
        self._weight = table.column("weight").combine_chunks()
        own = "persona" in entry.table(CORE).column_names
        self._persona = _personas((entry.table("personas") if own else table).column("demographic"))

    def columns(self, rows: pa.Table) -> dict[str, pa.Array]:
        """Persona and weight of each row."""
        place = pa.array(np.searchsorted(self._number, rows.column("participant").to_numpy()))
        persona = rows.column("persona").combine_chunks() if "persona" in rows.column_names else place
        return {"demographic": self._persona.take(persona), "weight": self._weight.take(place)}


def _personas(column: pa.ChunkedArray) -> pa.StructArray:
    """The personas with dictionaries for their strings, so that a person's rows repeat codes, not text."""
    whole = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], DEMOGRAPHIC)
    children = [field.dictionary_encode() if pa.types.is_string(field.type) else field for field in whole.flatten()]
    return pa.StructArray.from_arrays(children, names=[field.name for field in DEMOGRAPHIC])


def _rows(entry: Entry, order: npt.NDArray[np.int64]) -> pa.Table:
    """The rows of one study in another order, with everything that schema.ROWS has."""
    rows = entry.table(CORE).take(pa.array(order)).combine_chunks()
    columns = {"sample_id": pa.array(order, pa.int64())} | {name: rows.column(name) for name in rows.column_names}
    columns |= _People(entry).columns(rows)
    columns["study_id"] = _repeated(entry.study, len(order))
    return pa.table({name: columns[name] for name in ROWS.names})


def _rationales(entry: Entry, order: npt.NDArray[np.int64]) -> pa.Table:
    """The rationales of one study in another order."""
    return entry.table(RATIONALES).take(pa.array(order)).add_column(1, "study_id", _repeated(entry.study, len(order)))


def _repeated(study: str, n: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), n), pa.array([study]))


def _for_training(sides: Mapping[str, str]) -> bool:
    """Whether rationales of these rows are kept: some config trains on them, and they are no test of unseen studies.

    Rationales were written from the true answer, so nothing that is scored may come with one.
    """
    return "train" in sides.values() and sides["unseen_studies"] != "test"


def _compact(rows: pa.Table, name: str) -> pa.Table:
    """The same rows with a dictionary of texts that holds no others."""
    texts = rows.column(name).combine_chunks()
    used, code = np.unique(texts.indices.to_numpy(), return_inverse=True)
    own = pa.DictionaryArray.from_arrays(pa.array(code, pa.int32()), pc.take(texts.dictionary, pa.array(used)))
    return rows.set_column(rows.column_names.index(name), name, own)
