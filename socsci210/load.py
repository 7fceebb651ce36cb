"""Loading a dataset: which one is meant, and `load`.

This module is imported with the package, so it imports nothing heavy itself; the work is done in loading.py.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from .errors import DatasetError

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
    folder = _complete(Path(path))
    pointer = _pointer()
    try:
        pointer.parent.mkdir(parents=True, exist_ok=True)
        draft = pointer.with_name(f"{pointer.name}.{os.getpid()}")
        draft.write_text(f"{folder}\n", encoding="utf-8")
        draft.replace(pointer)
    except OSError as error:
        warnings.warn(f"{folder} is not remembered as the last dataset ({error}); name it in {VARIABLE}", stacklevel=2)


def cache_folder() -> Path:
    """Where this package keeps what it can make again: `$XDG_CACHE_HOME/socsci210`, by default `~/.cache/socsci210`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "socsci210"


def _pointer() -> Path:
    return cache_folder() / "last_dataset"


def _resolved(value: str, where: str) -> str:
    folder = Path(value).expanduser()
    if folder.is_dir():
        return str(_complete(folder))
    if _HUB_ID.fullmatch(value):
        return value
    raise DatasetError(f"{value!r} is no folder", where=where, expected="a dataset folder or a Hub id (org/name)", fix=_MAKE)


def _complete(folder: Path) -> Path:
    """Where a complete dataset folder lies."""
    from .dataset_folder import DatasetFolder

    return DatasetFolder(folder).path.resolve()


# --- its rows ------------------------------------------------------------------------------------------------------------------------


def load(
    config: str = "all",
    split: str | None = None,
    *,
    dataset: str | Path | None = None,
    prompts: Literal["upstream", "stimulus_first"] | None = None,
    columns: str | Sequence[str] | None = None,
    studies: Iterable[str] | None = None,
    clean: bool = False,
    disjoint_people: bool = False,
    strict: bool = False,
    fraction: int | None = None,
    reasoning: bool | str | Path = False,
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
        clean: the clean view: rows whose answer cannot be used are left out (`response_clean` is null), and `response` is the repaired
            answer. `flags` says what was found in a row, `response_clean` stays beside it. The raw view is the one of published numbers.
        disjoint_people: nobody stands on two sides. Whoever does stays on the one most held out: people of the test leave validation
            and training, people of the validation leave training. So the test stays whole, and its scores comparable.
        strict: a split configuration only: keep the studies that are unseen as a whole, and all of their family (known sisters), out of
            training and validation. The published files of conditions and outcomes take no notice of seen and unseen studies, so without
            it a model trained in one configuration has seen what another one holds out. The test is never changed.
        fraction: unseen_participants only: train on this percentage of the training people (1, 5, 10, 25, 50 or 100; they nest).
        reasoning: split `train` of a split configuration only: add the column `reasoning`, the rationale published with each row, null
            where none is kept; or its trace in this file (of `socsci210 trace`), null where it has none. They were written from the true
            answer, so nothing that is scored has one.
        streaming: read while iterating instead of preparing first.

    Raises:
        DatasetError: an unknown config, split, study, column or fraction; an option that does not fit the config; no dataset; nobody
            is left by `disjoint_people`.
    """
    from .loading import Wish, load_wish

    wish = Wish(
        config=config,
        split=split,
        prompts=prompts,
        columns=None if columns is None else [columns] if isinstance(columns, str) else list(columns),
        studies=None if studies is None else {studies} if isinstance(studies, str) else set(studies),
        clean=clean,
        disjoint_people=disjoint_people,
        strict=strict,
        fraction=fraction,
        reasoning=reasoning,
        streaming=streaming,
    )
    return load_wish(dataset_path(dataset), wish)
