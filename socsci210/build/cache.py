"""What was made of one study, kept on disk so that it is made once.

An entry is keyed by everything that it depends on: study file, crosswalks, the bytes of every file of the deposit, the package's code and
the libraries that read. It is written beside its place and moved there, so it is complete or absent.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pyarrow as pa

from ..checksums import file_sha256
from ..dataset_folder import disk_errors
from ..entry import load_table, save_tables
from ..errors import DatasetError
from ..leftovers import sweep
from ..metrics.socsci210 import distances
from ..registry import loaders_folder

_LIBRARIES: Final = ("pyarrow", "numpy", "duckdb", "pyreadstat", "python-docx", "pypdf", "python-calamine", "pydantic")
_PACKAGE: Final = Path(__file__).resolve().parent.parent
_PARTIAL: Final = f".partial-{platform.node()}-"  # a home folder may be shared by machines, whose process numbers mean nothing here


def key(study_file: Path, files: Mapping[str, Path]) -> str:
    """sha256 over everything that an entry depends on.

    Args:
        study_file: the study.yaml.
        files: the deposit's files, by the names that the study file gives them.
    """
    digest = hashlib.sha256(code_version().encode())
    digest.update(file_sha256(study_file).encode())
    for name in sorted(files):
        digest.update(f"{name}\0{file_sha256(files[name])}\n".encode())
    return digest.hexdigest()


@cache
def code_version() -> str:
    """sha256 over the package's own code, the crosswalks and the versions of the libraries that read deposits."""
    digest = hashlib.sha256()
    # the metrics may lie outside the package's folder; the tables of cells use them
    sources = [Path(distances.__file__), *_PACKAGE.rglob("*.py"), *(loaders_folder() / "crosswalks").glob("*.yaml")]
    for name, path in sorted((f"{path.parent.name}/{path.name}", path) for path in sources):
        digest.update(f"{name}\0{file_sha256(path)}\n".encode())
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    return digest.hexdigest()


def has(folder: Path, entry: str, tables: Iterable[str]) -> bool:
    """Whether an entry is there with all its tables. One that is damaged is removed, so that it is made again.

    Raises:
        DatasetError: it is damaged and cannot be removed.
    """
    if not (folder / entry).is_dir():
        return False
    try:
        for name in tables:
            load_table(folder / entry, name).validate()
    except (DatasetError, pa.ArrowInvalid):
        with disk_errors(folder):
            doomed = _partial(folder)
            (folder / entry).replace(doomed)  # at once: nobody may find it half removed
            shutil.rmtree(doomed)
        return False
    return True


def save(folder: Path, entry: str, tables: Mapping[str, pa.Table]) -> None:
    """Write an entry; another process that writes the same one at the same time does no harm."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = _partial(folder)
    try:
        save_tables(partial, tables)
        try:
            partial.replace(folder / entry)
        except OSError:
            if not has(folder, entry, tables):
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _partial(folder: Path) -> Path:
    """A new folder for an entry on its way in or out; those of processes that were killed are removed first."""
    sweep(folder, _PARTIAL)
    return Path(tempfile.mkdtemp(dir=folder, prefix=f"{_PARTIAL}{os.getpid()}-"))
