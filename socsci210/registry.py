"""Which studies there are: built in, in folders a user names, and in other packages.

A study is a folder that holds `study.yaml`; its id is the folder's name. Ids are found by looking at folders, nothing is parsed until it is
asked for, and a study file that does not parse is listed as broken: it never vanishes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Final

from .errors import StudyFileError
from .study_file import FORMAT, StudyFile
from .study_yaml import did_you_mean, parse_model, read_yaml

GROUP: Final = "socsci210.studies"
STUDY_FILE: Final = "study.yaml"
VARIABLE: Final = "SOCSCI210_STUDIES"
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]{1,39}", re.ASCII)


def loaders_folder() -> Path:
    """The built-in folder of studies and crosswalks."""
    return Path(str(resources.files("socsci210.loaders")))


def load_study_file(path: Path) -> StudyFile:
    """Read and check one `study.yaml`.

    Raises:
        StudyFileError: naming file, line, key path, what was expected and the fix, for every problem found.
    """
    document = read_yaml(path)
    version = document.data.get("format")
    if isinstance(version, int) and version != FORMAT:
        raise StudyFileError(
            f"format {version}",
            where=document.where(("format",)),
            expected=f"format {FORMAT}",
            fix="use the version of socsci210 it was written for",
        )
    return parse_model(StudyFile, document)


def check_id(study_id: str) -> str:
    """The id, if it is one: it becomes the name of a folder and of files, so path tricks are refused."""
    if not _ID.fullmatch(study_id):
        raise StudyFileError(
            f"{study_id!r} is no study id",
            expected="2 to 40 letters, digits and underscores, beginning with a letter or digit",
            fix="`socsci210 studies` lists the ids",
        )
    return study_id


@dataclass(frozen=True)
class StudyEntry:
    """One study that was found; its file is read when first needed."""

    id: str
    folder: Path
    fault: StudyFileError | None = field(default=None, compare=False)
    """Why there is no study file to read at all."""

    @cached_property
    def _read(self) -> StudyFile | StudyFileError:
        if self.fault is not None:
            return self.fault
        try:
            study = load_study_file(self.folder / STUDY_FILE)
            check_id(self.id)
        except StudyFileError as error:
            return error
        if study.id != self.id:
            return StudyFileError(
                f"id {study.id!r} in folder {self.id!r}",
                where=f"{self.folder / STUDY_FILE}: id",
                expected="the id of a study is the name of its folder",
                fix=f"rename the folder to {study.id!r}, or write `id: {self.id}`",
            )
        return study

    @property
    def simulated(self) -> bool:
        """Whether the study says it is simulated; False for a broken one."""
        return isinstance(self._read, StudyFile) and self._read.simulated

    @property
    def broken(self) -> str | None:
        """Why the study file cannot be used; None if it can."""
        return str(self._read) if isinstance(self._read, StudyFileError) else None

    def load(self) -> StudyFile:
        """The study file.

        Raises:
            StudyFileError: the file is broken; the message names file, key path and fix.
        """
        if isinstance(self._read, StudyFileError):
            raise self._read.with_traceback(None)
        return self._read

    @property
    def file(self) -> Path:
        """Its study.yaml, which is there but may be broken.

        Raises:
            StudyFileError: there is no such file.
        """
        if self.fault is not None:
            raise self.fault.with_traceback(None)
        return self.folder / STUDY_FILE

    def deposit(self, deposits: Path) -> Path | None:
        """The folder of this study's deposit: `deposits/<id>`, or `deposits/<family>`, where studies of one deposit share it."""
        own = deposits / self.id
        if own.is_dir() or isinstance(self._read, StudyFileError):
            return own if own.is_dir() else None
        shared = deposits / self._read.provenance.family
        return shared if shared.is_dir() else None


class Registry:
    """All studies: built-in folders, those of `extra`, those that SOCSCI210_STUDIES names, and packages with the entry-point group
    `socsci210.studies`.

    The value of an entry point is a path (or text) of a folder that holds study folders, a function that returns one, or a module, whose
    own folder is then taken.
    """

    def __init__(self, extra: Sequence[Path] = ()) -> None:
        self._extra = tuple(extra)

    @cached_property
    def _entries(self) -> dict[str, StudyEntry]:
        found: dict[str, StudyEntry] = {}
        for entry in self._discover():
            other = found.setdefault(entry.id, entry)
            if other is not entry and other.folder.resolve() != entry.folder.resolve() and not _same_file(other, entry):
                raise StudyFileError(
                    f"two studies have the id {entry.id!r}",
                    where=f"{other.folder} and {entry.folder}",
                    expected="every id once",
                    fix="rename one folder and its `id`, or leave out its --studies folder",
                )
        return dict(sorted(found.items()))

    def _discover(self) -> Iterator[StudyEntry]:
        builtin = loaders_folder()
        yield from _studies_in(builtin)
        yield from _studies_in(builtin / "simulated")
        for folder in self._extra:
            yield from _given(folder, f"--studies {folder}")
        for name in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
            yield from _given(Path(name), f"{VARIABLE}={name}")
        for point in entry_points(group=GROUP):
            try:
                yield from _given(_folder_of(point), f"entry point {point.name!r} of group {GROUP}")
            except Exception as error:  # another package's code may raise anything; its studies are listed as broken, and others work
                fault = StudyFileError(
                    f"entry point {point.name!r} ({point.value}) fails: {type(error).__name__}: {error}",
                    where=f"group {GROUP}",
                    expected="a path of a folder that holds study folders",
                    fix="update or uninstall that package",
                )
                yield StudyEntry(point.name, Path(point.value), fault)

    def ids(self) -> list[str]:
        """All ids in alphabetical order, broken studies included."""
        return list(self._entries)

    def entries(self) -> list[StudyEntry]:
        """All studies in the order of their ids, broken ones included."""
        return list(self._entries.values())

    def study_file(self, study: str) -> Path:
        """The study.yaml of a study: of an id, or at a path of a study's folder or of the file itself.

        Raises:
            StudyFileError: there is none, or it cannot be read at all.
        """
        path = Path(study)
        if os.sep in study or path.suffix or path.is_dir():
            path = path / STUDY_FILE if path.is_dir() else path
            if path.name == STUDY_FILE and path.is_file():
                return StudyEntry(path.resolve().parent.name, path.resolve().parent).file
            if os.sep in study or path.suffix:
                raise StudyFileError(
                    "no such study file", where=study, expected=f"a folder that holds {STUDY_FILE}", fix="correct the path"
                )
        return self.get(study).file

    def with_deposit(self, deposits: Path) -> list[str]:
        """Ids of the studies whose deposit lies under `deposits`.

        Raises:
            StudyFileError: there is none.
        """
        found = [entry.id for entry in self.entries() if entry.deposit(deposits) is not None]
        if not found:
            raise StudyFileError(
                "no deposit of any study",
                where=str(deposits),
                expected="one folder per deposit, named like the study or its family",
                fix="`socsci210 studies` lists the ids; name the folders like them",
            )
        return found

    def get(self, study_id: str) -> StudyEntry:
        """The study with this id.

        Raises:
            StudyFileError: no such study; the message names near ids.
        """
        if study_id in self._entries:
            return self._entries[study_id]
        check_id(study_id)
        near = did_you_mean(study_id, self._entries)
        raise StudyFileError(
            f"no study {study_id!r} among {len(self._entries)}",
            fix=near or "`socsci210 studies` lists the ids; `--studies DIR` adds a folder of studies",
        )


def _studies_in(folder: Path) -> Iterator[StudyEntry]:
    for child in sorted(folder.iterdir()) if folder.is_dir() else []:
        if child.name.startswith(("_", ".")) or not child.is_dir():
            continue
        if (child / STUDY_FILE).exists():
            yield StudyEntry(child.name, child)
        elif misnamed := next((p for p in sorted(child.iterdir()) if p.name.casefold() in ("study.yml", STUDY_FILE)), None):
            fault = StudyFileError(f"a file named {misnamed.name}", where=str(misnamed), expected=STUDY_FILE, fix="rename it")
            yield StudyEntry(child.name, child, fault)


def _same_file(one: StudyEntry, other: StudyEntry) -> bool:
    """Whether two folders hold the same study file, as where one was published beside a dataset."""
    paths = [entry.folder / STUDY_FILE for entry in (one, other)]
    return all(path.is_file() for path in paths) and paths[0].read_bytes() == paths[1].read_bytes()


def _given(folder: Path, origin: str) -> Iterator[StudyEntry]:
    """The studies of a folder that somebody named: it must exist and hold some. A single study's own folder will do."""
    if not folder.is_dir():
        raise StudyFileError("no such folder", where=f"{origin}: {folder}", expected="a folder of study folders", fix="correct the path")
    studies = [StudyEntry(folder.resolve().name, folder)] if (folder / STUDY_FILE).exists() else list(_studies_in(folder))
    if not studies:
        raise StudyFileError(
            "no study in it",
            where=f"{origin}: {folder}",
            expected=f"folders that hold {STUDY_FILE}",
            fix="`socsci210 new-study ID --in DIR` makes one",
        )
    yield from studies


def _folder_of(point: EntryPoint) -> Path:
    value: object = point.load()
    if isinstance(value, ModuleType):
        inside = next(iter(getattr(value, "__path__", ())), None)  # of a package, with or without __init__.py
        return Path(inside) if inside else Path(str(value.__file__)).parent
    if callable(value):
        value = value()
    if not isinstance(value, str | Path):
        raise StudyFileError(f"its value is {type(value).__name__}", expected="a path, text, module or function that returns a path")
    return Path(value)
