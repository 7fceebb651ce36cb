"""Build a draft and put it through every gate, in one isolated process with limits on time and memory."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..build.gates import GATES
from ..build.made import Made
from ..build.rows import make_rows
from ..build.tables import make_tables
from ..child import run_child
from ..errors import GateError, SocSciError, StudyFileError
from ..extract import extract
from ..registry import load_study_file

SECONDS: Final = 180.0
MEMORY_GB: Final = 4.0
_NO_HASH: Final = "0" * 64
_SHOWN: Final = 12


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a draft. `gate` is the gate's name, or the part of the work that failed."""

    gate: str
    found: str
    where: str = ""
    expected: str = ""
    fix: str = ""

    @staticmethod
    def of(error: SocSciError) -> Fault:
        """An error as a fault."""
        gate = error.gate if isinstance(error, GateError) else "study_file" if isinstance(error, StudyFileError) else "limits"
        return Fault(gate, error.found.removeprefix(f"[{gate}] "), error.where, error.expected, error.fix)


@dataclass(frozen=True)
class Trial:
    """What came of a draft: its faults, or how its texts read (`condition / outcome` -> stimulus with its blanks)."""

    faults: tuple[Fault, ...]
    texts: dict[str, str]


def try_out(study_yaml: str, deposit: Path, *, seconds: float = SECONDS) -> Trial:
    """Build a study file's text against its deposit and look at it with every gate; nothing of it is kept."""
    with tempfile.TemporaryDirectory(prefix="socsci210-draft-") as folder:
        path = Path(folder) / "draft" / "study.yaml"
        path.parent.mkdir()
        path.write_text(study_yaml, encoding="utf-8")
        payload = {"study": str(path), "deposit": str(deposit.resolve())}
        try:
            answer = run_child(
                "socsci210.drafting.trial:attempt", payload, out=Path(folder) / "out", seconds=seconds, memory_gb=MEMORY_GB, write_gb=4
            )
        except SocSciError as error:  # a limit of the child
            return Trial((Fault("limits", error.found, "", error.expected, error.fix),), {})
        except RuntimeError:  # no check of ours foresaw it; its words may hold values of cells, so they are not passed on
            return Trial((Fault("limits", "the draft makes the build fail in a way that no check foresaw", fix="simplify it"),), {})
    return Trial(tuple(Fault(**fault) for fault in answer["faults"]), answer["texts"])


def attempt(payload: dict[str, Any]) -> dict[str, Any]:
    """Task of the child."""
    try:
        study = load_study_file(Path(payload["study"]))
        found = extract(study, Path(payload["deposit"]), scratch=Path.cwd())
        rows = make_rows(study, found)
        made = Made(study, found, rows, make_tables(study, _NO_HASH, found, rows))
        faults = [Fault.of(error) for gate in GATES for error in gate(made)]
    except SocSciError as error:
        return {"faults": [vars(Fault.of(error))], "texts": {}}
    texts = {f"{study.conditions[c].id} / {study.outcomes[t].id}": asked.template() for (c, t, _), asked in rows.cells.items()}
    return {"faults": [vars(fault) for fault in faults[:_SHOWN]], "texts": texts}
