"""Which of the scored rows a model saw in training, as far as its run record or the table of released checkpoints can tell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .dataset_folder import DatasetFolder
from .errors import DatasetError
from .language_model import split_revision
from .results import Contamination
from .schema import SPLIT_CONFIGS
from .splits import official_studies

SHOWN: Final = 3
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Seen:
    """Which rows training saw: all of the studies `of_study`, and those with the keys `rows`, where single rows are known."""

    source: Literal["run record", "released checkpoint"]
    note: str
    of_study: frozenset[str]
    rows: pa.Array | None = None


@cache
def released_models() -> tuple[str, ...]:
    """Hub ids of the released checkpoints, which saw every row of the seen studies of the release."""
    found = json.loads((files("socsci210") / "data" / "released_models.json").read_text(encoding="utf-8"))
    return tuple(model["id"] for model in found["models"])


def released(model: str | None) -> str | None:
    """The released checkpoint that a model is: by its Hub id, or by the name of a folder or of a served model. None if it is none."""
    name = split_revision(model or "")[0].rstrip("/").casefold()
    return next((known for known in released_models() if name == known or name.rpartition("/")[2] == known.rpartition("/")[2]), None)


def contamination(
    rows: pa.Table, folder: DatasetFolder, model: str | None, training: Mapping[str, Any] | None, *, allow_overlap: bool = False
) -> Contamination:
    """Join the scored rows with what the model was trained on.

    Args:
        rows: columns study_id and sample_id of the scored rows.
        folder: their dataset.
        model: as the predictions name it.
        training: what the model and those that it started from were trained on, as the predictions carry it; None where nothing is known.
        allow_overlap: report an overlap instead of refusing it.

    Raises:
        DatasetError: some of the rows were trained on, and that is not allowed; the message counts them and names the first studies.
    """
    seen = _seen(folder, model, training)
    if not seen:
        note = "nothing is known of what this model was trained on" if model else "no model: a control reads only what its name says"
        if training is not None:
            note = "its run record names neither this dataset nor the studies that it was trained on"
        return Contamination(source="none", overlap_rows=0, overlap_studies=0, share=0.0, allowed=allow_overlap, note=note)
    studies = rows.column("study_id").cast(pa.string())
    both = np.zeros(len(studies), np.bool_)
    for one in seen:
        both |= pc.is_in(studies, value_set=pa.array(sorted(one.of_study), pa.string())).to_numpy()
        if one.rows is not None:
            both |= pc.is_in(_keys(rows), value_set=one.rows).to_numpy()
    source = next((one.source for one in seen if one.source == "released checkpoint"), seen[0].source)
    note = "; ".join(one.note for one in seen)
    names = sorted(set(studies.filter(pa.array(both)).unique().to_pylist()))
    n = int(both.sum())
    if n and not allow_overlap:
        shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        who = model or "this model"
        raise DatasetError(
            f"{n} of {len(both)} scored rows were in the training of {who}, from {len(names)} studies ({shown}): {note}",
            where=f"{source} of the model", expected="rows that the model has not seen",
            fix="score a split that was held out; or allow the overlap (--allow-overlap), which is then shown beside every figure",
        )  # fmt: skip
    return Contamination(
        source=source, overlap_rows=n, overlap_studies=len(names), share=n / max(len(both), 1), allowed=allow_overlap, note=note
    )  # fmt: skip


def _seen(folder: DatasetFolder, model: str | None, training: Mapping[str, Any] | None) -> list[Seen]:
    """What is known of the training of a model, then of the one that it started from, and so on."""
    out: list[Seen] = []
    name, record = model, training
    while name is not None or record is not None:
        start = "" if name == model else f"it started from {name}: "
        out += [replace(one, note=start + one.note) for one in (_by_name(name), _by_record(folder, record)) if one is not None]
        name, record = (record.get("base"), record.get("base_training")) if record is not None else (None, None)
    return out


def _by_name(model: str | None) -> Seen | None:
    checkpoint = released(model)
    if checkpoint is None:
        return None
    studies = frozenset(study for study, side in official_studies().items() if side == "seen")
    return Seen("released checkpoint", f"{checkpoint} was trained on every row of the {len(studies)} seen studies", studies)


def _by_record(folder: DatasetFolder, training: Mapping[str, Any] | None) -> Seen | None:
    if training is None:
        return None
    configs: Sequence[str] = training.get("train_on") or ()
    if training.get("dataset_fingerprint") == folder.fingerprint and configs and set(configs) <= {"all", *SPLIT_CONFIGS}:
        note = f"trained on the train side of {', '.join(configs)} of this dataset"
        return Seen("run record", note, frozenset(), _trained(folder, configs))
    named = frozenset(training.get("studies_trained") or ())
    if not named:
        return None
    return Seen("run record", "trained on another dataset: every row of a study that it names counts as seen", named)


def _trained(folder: DatasetFolder, configs: Sequence[str]) -> pa.Array:
    """Keys of the rows that stand on the train side of every configuration."""
    found: pa.Array | None = None
    for config in configs:
        own = _keys(folder.rows(config, "train", ["study_id", "sample_id"]))
        found = own if found is None else found.filter(pc.is_in(found, value_set=own))
    return found


def _keys(rows: pa.Table) -> pa.ChunkedArray:
    sample = rows.column("sample_id").cast(pa.string())
    return pc.binary_join_element_wise(rows.column("study_id").cast(pa.string()), sample, "\0")
