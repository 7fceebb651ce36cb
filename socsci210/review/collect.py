"""Everything that a review shows, read in the order of the build, as far as it goes: what fails is told, and what was read stays.

The deposit itself is read in an isolated process, as in every build; nothing is written.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ..build.gates import GATES
from ..build.made import Made
from ..build.rows import Rows, make_rows
from ..build.tables import make_tables
from ..build.wording import Asked, Cell, wording
from ..errors import GateError, SocSciError
from ..extract import Extract, deposit_folder, extract
from ..registry import load_study_file
from ..study_file import StudyFile
from .others import OtherDocument, other_documents
from .record import check_text, version


@dataclass(frozen=True)
class GateLine:
    """One gate: what must be true, and what it found; `run` is False where the reading ended before it."""

    name: str
    says: str
    run: bool
    errors: tuple[SocSciError, ...] = ()


@dataclass
class Sheet:
    """A study as a reviewer needs it.

    Args:
        path, text, version: the study file, its YAML, and the sha256 of its bytes (of the file on disk, whatever `text` is).
        faults: what ended the reading; such a study fails, whatever the gates say.
        deposit, cells, rows, tables: what was read and made, each None where the reading ended before it.
        others: documents of the deposit that no text quotes.
    """

    study: StudyFile
    path: Path
    text: str
    version: str
    faults: list[SocSciError] = field(default_factory=list)
    gates: list[GateLine] = field(default_factory=list)
    deposit: Extract | None = None
    cells: Mapping[Cell, Asked] | None = None
    rows: Rows | None = None
    tables: Mapping[str, pa.Table] | None = None
    others: list[OtherDocument] = field(default_factory=list)

    @property
    def passes(self) -> bool:
        """Whether nothing is wrong with it, but perhaps for decisions that are still open."""
        return not self.faults and all(gate.run and not gate.errors for gate in self.gates)


def collect(path: Path, deposits: Path, *, text: str | None = None) -> Sheet:
    """Read a study for review.

    Args:
        path: its study.yaml.
        deposits: folder that holds one folder per deposit.
        text: another text of the study file, to look at before it is saved.

    Raises:
        StudyFileError: the study file itself is not valid; there is nothing to show then.
    """
    study = load_study_file(path) if text is None else check_text(text, path)
    sheet = Sheet(study, path, path.read_bytes().decode("utf-8-sig") if text is None else text, version(path))
    try:
        folder = deposit_folder(study, deposits)
        sheet.others = other_documents(study, folder)
        sheet.deposit = extract(study, folder)
        sheet.cells = wording(study, sheet.deposit)
        sheet.rows = make_rows(study, sheet.deposit)
        sheet.tables = make_tables(study, sheet.version, sheet.deposit, sheet.rows)
    except SocSciError as error:
        sheet.faults.append(error)
    made = None
    if sheet.deposit is not None and sheet.rows is not None and sheet.tables is not None:
        made = Made(study, sheet.deposit, sheet.rows, sheet.tables)
    for gate in GATES:
        errors: tuple[GateError, ...] = tuple(gate(made)) if made is not None else ()
        sheet.gates.append(GateLine(gate.__name__, (inspect.getdoc(gate) or "").splitlines()[0], made is not None, errors))
    return sheet
