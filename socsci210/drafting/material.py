"""What an agent may be told about a deposit: its profile and its documents, with keys for the files. Nothing here leaves the machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from ..blocks import blocks_of
from ..errors import SocSciError
from ..profiling import Profile
from ..profiling.records import File, Role, Table, Variable

SILENT: Final[frozenset[Role]] = frozenset({"participant", "identifier", "open text"})
"""Columns that hold who a person is, or what a person wrote: nothing of them is told, and no draft may read them."""


@dataclass(frozen=True)
class Material:
    """A deposit, as the tools of an agent see it."""

    deposit: Path
    profile: Profile

    @cached_property
    def files(self) -> dict[str, File]:
        """The files that can be read, by the key that the study file will name them by."""
        found: dict[str, File] = {}
        for file in self.profile.files:
            if file.role != "other":
                stem = re.sub(r"[^a-z0-9]+", "_", Path(file.file).stem.lower()).strip("_")[:40] or "file"
                key = stem if stem not in found else f"{stem}_{len(found)}"
                found[key] = file
        return found

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """Data files told in full, the one with the most candidate outcomes first."""
        told = [table for table in self.profile.tables if table.twin_of is None]
        return tuple(sorted(told, key=lambda table: -len(table.outcomes)))

    def key_of(self, file: str) -> str:
        """The key of a file."""
        return next(key for key, one in self.files.items() if one.file == file)

    def variable(self, name: str, file: str | None = None) -> tuple[Table, Variable] | None:
        """A variable by its exact name, in a data file (by its key) or the first that has it."""
        for table in self.tables:
            if file is None or self.key_of(table.file) == file:
                for variable in table.variables:
                    if variable.name == name:
                        return table, variable
        return None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every variable's name."""
        return tuple(dict.fromkeys(variable.name for table in self.tables for variable in table.variables))

    @cached_property
    def silent(self) -> frozenset[str]:
        """Columns that hold who a person is, or what a person wrote."""
        return frozenset(v.name for table in self.tables for v in table.variables if v.role in SILENT)

    @cached_property
    def documents(self) -> Mapping[str, Mapping[str, str]]:
        """Document (by its key) -> block id -> text, in order. Documents that cannot be read are left out."""
        found: dict[str, dict[str, str]] = {}
        for key, file in self.files.items():
            if file.role == "document":
                try:
                    blocks = blocks_of(self.deposit / file.file)
                except SocSciError:  # the profile says which, and why
                    continue
                found[key] = {block["id"]: block["text"] for block in blocks}
        return found

    def blocks(self, document: str, ids: Sequence[str | int]) -> str:
        """The text of some blocks, empty for those that do not exist."""
        return "\n".join(self.documents.get(document, {}).get(str(block), "") for block in ids)

    def holds(self, words: str) -> bool:
        """Whether words stand in a document, a label or the name of a variable."""
        return _plain(words) in self._words

    @cached_property
    def _words(self) -> str:
        labels = [variable.label or "" for table in self.tables for variable in table.variables]
        codes = [value.label or "" for table in self.tables for variable in table.variables for value in variable.values]
        texts = [text for blocks in self.documents.values() for text in blocks.values()]
        return "\n".join(map(_plain, (*self.names, *labels, *codes, *texts)))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
