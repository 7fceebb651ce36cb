"""Loading a dataset: which one is meant, and rows with what a plain `load_dataset` does not offer."""

from __future__ import annotations

import difflib
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import pyarrow as pa

from .dataset_folder import DatasetFolder
from .errors import DatasetError
from .schema import ROWS, SPLIT_CONFIGS, SPLITS, TABLES
from .splits import FRACTIONS
from .splits.keep import Keep, Person, people_of

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

VARIABLE: Final = "SOCSCI210_DATASET"
_MAKE: Final = "make one: socsci210 demo | socsci210 build ... --out FOLDER | socsci210 import-release SOURCE --out FOLDER"
_HUB_ID: Final = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


# --- which dataset -------------------------------------------------------------------------------------------------------------------


def dataset_path(dataset: str | Path | None = None) -> str:
    """The dataset that is meant: `dataset`, else the environment variable SOCSCI210_DATASET, else the last one built or imported here.

    Args:
        dataset: a dataset folder or a Hub id (`org/name`).

    Returns:
        An absolute path or a Hub id.

    Raises:
        DatasetError: nothing is named and nothing was made here, or what is named is neither.
    """
    if dataset is not None:
        return _resolved(str(dataset), "dataset")
    if named := os.environ.get(VARIABLE):
        return _resolved(named, f"environment variable {VARIABLE}")
    pointer = _pointer()
    if not pointer.is_file():
        raise DatasetError(
            "no dataset is named, and none was built or imported here",
            expected=f"a folder or Hub id in {VARIABLE}, or a dataset made on this machine",
            fix=_MAKE,
        )
    return _resolved(pointer.read_text(encoding="utf-8").strip(), f"the last dataset made here, noted in {pointer}")


def remember(path: str | Path) -> None:
    """Note a dataset folder as the last one made here. A cache folder that cannot be written costs a warning, not the build.

    Raises:
        DatasetError: there is no complete dataset at `path`.
    """
    folder = DatasetFolder(path).path.resolve()
    pointer = _pointer()
    try:
        pointer.parent.mkdir(parents=True, exist_ok=True)
        draft = pointer.with_name(f"{pointer.name}.{os.getpid()}")
        draft.write_text(f"{folder}\n", encoding="utf-8")
        draft.replace(pointer)
    except OSError as error:
        warnings.warn(f"{folder} is not remembered as the last dataset ({error}); name it in {VARIABLE}", stacklevel=2)


def _pointer() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "socsci210" / "last_dataset"


def _resolved(value: str, where: str) -> str:
    folder = Path(value).expanduser()
    if folder.is_dir():
        return str(DatasetFolder(folder).path.resolve())
    if _HUB_ID.fullmatch(value):
        return value
    raise DatasetError(f"{value!r} is no folder", where=where, expected="a dataset folder or a Hub id (org/name)", fix=_MAKE)


# --- its rows ------------------------------------------------------------------------------------------------------------------------


def load(
    config: str = "all",
    split: str | None = None,
    *,
    dataset: str | Path | None = None,
    prompts: Literal["upstream", "stimulus_first"] | None = None,
    columns: Sequence[str] | None = None,
    studies: Iterable[str] | None = None,
    clean: bool = False,
    disjoint_people: bool = False,
    strict: bool = False,
    fraction: int | None = None,
    streaming: bool = False,
) -> Dataset | DatasetDict | IterableDataset | IterableDatasetDict:
    """Load rows or a small table, as `datasets` returns them.

    Args:
        config: `all`, a split configuration, or a small table (studies, conditions, outcomes, participants, cells, ...).
        split: train, validation or test; without it a dict of all there are.
        dataset: folder or Hub id; default as `dataset_path` finds it.
        prompts: add a column `prompt`, rendered with this template.
        columns: the columns to keep, default all.
        studies: the studies to keep, default all.
        clean: leave out rows with flags (repairs and caveats).
        disjoint_people: nobody stands on two sides. Whoever does stays on the one most held out: people of the test leave validation
            and training, people of the validation leave training. So the test stays whole, and its scores comparable.
        strict: unseen_studies only: studies leave the held-out sides if another study of their family stands in training, which
            happens only where the official list tears a family.
        fraction: unseen_participants only: train on this percentage of the training people (1, 5, 10, 25, 50 or 100; they nest).
        streaming: read while iterating instead of preparing first.

    Raises:
        DatasetError: an unknown config, split, study, column or fraction; an option that does not fit the config; no dataset; nobody
            is left by `disjoint_people`.
    """
    path = dataset_path(dataset)
    _check_names(config, split, columns, prompted=prompts is not None)
    rows_only = {"prompts": prompts, "clean": clean, "disjoint_people": disjoint_people}
    if config in TABLES and (given := [name for name, value in rows_only.items() if value]):
        raise DatasetError(f"{', '.join(given)} with config {config!r}", expected="a config of rows: all or a split configuration")
    _check_options(config, split, strict=strict, disjoint_people=disjoint_people, fraction=fraction)
    wanted = None if studies is None else _known_studies(path, studies)
    found = _read(path, config, split, streaming=streaming, columns=_needed(config, columns, prompts))
    parts = {split: found} if split is not None else dict(found)
    done = {}
    for name, part in parts.items():
        keep = Keep(
            studies=wanted,
            without_studies=_torn(path) if strict and name != "train" else None,
            clean=clean,
            people=_fraction_people(path, fraction) if fraction is not None and name == "train" else None,
            without_people=_people_more_held_out(path, config, name, wanted) if disjoint_people else None,
        )
        done[name] = _finished(keep.apply(part), columns, prompts)
    if split is not None:
        return done[split]
    return type(found)(done)


def _finished(part: Any, columns: Sequence[str] | None, prompts: str | None) -> Any:
    """Render prompts where asked for, and leave the columns asked for, in their order."""
    if prompts is not None:
        part = _with_prompts(part, prompts)
    if columns is None:
        return part
    names = list(columns)
    if prompts is not None and "prompt" not in names:
        names.append("prompt")
    return part.select_columns(names)


def _needed(config: str, columns: Sequence[str] | None, prompts: str | None) -> list[str] | None:
    """What must be read to filter, render and return."""
    if columns is None or config in TABLES:
        return None if columns is None else list(dict.fromkeys([*columns, "study_id"]))
    extra = ["study_id", "participant", "flags", *(("demographic", "stimuli") if prompts else ())]
    return [name for name in dict.fromkeys([*columns, *extra]) if name != "prompt"]


def _with_prompts(part: Any, template: str) -> Any:
    from datasets import Features, Value

    from .prompts import template_hash

    # `datasets` caches a map under a hash of its arguments, not of the code it calls: the hash of the template makes a new wording count.
    arguments = {"template": template, "version": template_hash(template)}
    features = Features({**part.features, "prompt": Value("string")})
    # In Arrow, so that a batch in which a field is always null keeps its type.
    return part.with_format("arrow").map(_render, batched=True, fn_kwargs=arguments, features=features).with_format(None)


def _render(table: pa.Table, template: str, version: str) -> pa.Table:
    from .prompts import get_template

    render = get_template(template).render
    rows = zip(table["demographic"].to_pylist(), table["stimuli"].to_pylist(), strict=True)
    return table.append_column("prompt", pa.array([render(person, text) for person, text in rows], pa.string()))


def _read(path: str, config: str, split: str | None, *, streaming: bool = False, columns: Sequence[str] | None = None) -> Any:
    from datasets import load_dataset

    options = {} if columns is None else {"columns": list(columns)}
    try:
        return load_dataset(path, config, split=split, streaming=streaming, **options)
    except ValueError as error:  # a config or split without rows is not in the card
        raise DatasetError(f"config {config!r}, split {split!r}: {error}", where=path, expected="a split that has rows") from error


# --- who stays -----------------------------------------------------------------------------------------------------------------------


def _people_more_held_out(path: str, config: str, split: str, studies: set[str] | None) -> set[Person]:
    """People of the sides that are held out more than `split`; an error if that is everyone on it."""
    available = _read(path, config, None, streaming=True)
    people = {
        side: people_of(_read(path, config, side, columns=["study_id", "participant"]).data.table)
        for side in SPLITS[SPLITS.index(split) :]
        if side in available
    }
    own = {person for person in people.pop(split) if studies is None or person[0] in studies}
    more = set[Person]().union(*people.values())
    if own and own <= more:
        raise DatasetError(
            f"nobody is left in {split} of {config}: all its people also stand on a side that is more held out",
            expected="people who stand on one side only",
            fix="load it without disjoint_people, or use unseen_participants, which separates people",
        )
    return more


def _assignments(path: str, config: str) -> Any:
    frame = _read(path, "assignments", "train").data.table.to_pandas()
    return frame[frame["config"] == config]


def _fraction_people(path: str, fraction: int) -> set[Person]:
    frame = _assignments(path, "unseen_participants")
    frame = frame[frame["train_fraction"] <= fraction]
    return set(zip(frame["study_id"], frame["unit"].astype(int), strict=True))


def _torn(path: str) -> set[str]:
    """Held-out studies with a relative in training."""
    frame = _assignments(path, "unseen_studies")
    trained = set(frame.loc[frame["split"] == "train", "group"])
    return set(frame.loc[frame["split"].isin(["validation", "test"]) & frame["group"].isin(trained), "study_id"])


def _known_studies(path: str, studies: Iterable[str]) -> set[str]:
    wanted = {studies} if isinstance(studies, str) else set(studies)
    known = set(_read(path, "studies", "train", columns=["study_id"])["study_id"])
    if unknown := sorted(wanted - known):
        near = difflib.get_close_matches(unknown[0], known, n=3)
        raise DatasetError(
            f"no study {', '.join(unknown)}", where=path, expected=f"some of {', '.join(sorted(near or known))}", fix="correct studies="
        )
    return wanted


# --- what may be asked for -----------------------------------------------------------------------------------------------------------


def _check_names(config: str, split: str | None, columns: Sequence[str] | None, *, prompted: bool) -> None:
    configs = ("all", *SPLIT_CONFIGS, *TABLES)
    if config not in configs:
        near = difflib.get_close_matches(config, configs, n=1)
        raise DatasetError(f"no config is called {config!r}", expected=", ".join(configs), fix=f"did you mean {near[0]!r}?" if near else "")
    splits = SPLITS if config in SPLIT_CONFIGS else ("train",)
    if split is not None and split not in splits:
        raise DatasetError(f"config {config!r} has no split {split!r}", expected=", ".join(splits))
    names = [*TABLES[config].names] if config in TABLES else [*ROWS.names, *(["prompt"] if prompted else [])]
    if unknown := [name for name in columns or () if name not in names]:
        fix = "columns=[..., 'prompt'] needs prompts='upstream'" if "prompt" in unknown else "correct columns="
        raise DatasetError(f"config {config!r} has no column {', '.join(unknown)}", expected=", ".join(names), fix=fix)


def _check_options(config: str, split: str | None, *, strict: bool, disjoint_people: bool, fraction: int | None) -> None:
    if strict and config != "unseen_studies":
        raise DatasetError(f"strict=True with config {config!r}", expected="unseen_studies", fix="leave strict out")
    if disjoint_people and config not in SPLIT_CONFIGS:
        raise DatasetError(f"disjoint_people=True with config {config!r}", expected=f"one of {', '.join(SPLIT_CONFIGS)}")
    if fraction is None:
        return
    if config != "unseen_participants" or split not in (None, "train"):
        raise DatasetError(f"fraction with config {config!r}, split {split!r}", expected="the training people of unseen_participants")
    if fraction not in FRACTIONS:
        raise DatasetError(f"fraction {fraction}", expected=f"one of {', '.join(map(str, FRACTIONS))} (per cent)")
