"""The part of `draft-eval` that runs in an isolated process: both study files are read on their deposit, and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import yaml

from ..build.gates import GATES
from ..build.made import Made
from ..build.rows import make_rows
from ..build.tables import make_tables
from ..errors import SocSciError
from ..extract import assembled
from ..extract.deposit import TABLE
from ..extract.read import read
from ..study_file import StudyFile
from .card import ScoreCard
from .compare import compare
from .matching import Built

_NO_HASH: Final = "0" * 64  # of the study file: only a dataset keeps it


def grade(payload: dict[str, Any]) -> dict[str, Any]:
    """Task of the child: `draft` and `key`, each what `extract` takes, become a score card. An error of the key is raised."""
    key = _built(payload["key"])
    try:
        draft = _built(payload["draft"])
    except SocSciError as error:
        name = yaml.load(payload["draft"]["study"], Loader=yaml.CSafeLoader)["id"]
        return ScoreCard(draft=name, key=key.study.id, failed=str(error)).model_dump(mode="json")
    made = Made(draft.study, draft.deposit, draft.rows, draft.tables)
    refused = tuple(str(error) for gate in GATES for error in gate(made))
    return ScoreCard(draft=draft.study.id, key=key.study.id, refused=refused, lines=compare(draft, key)).model_dump(mode="json")


def _built(payload: dict[str, Any]) -> Built:
    answer = read(payload)
    with pa.OSFile(TABLE) as source:
        table = pa.ipc.open_file(source).read_all()
    study = StudyFile.model_validate(yaml.load(payload["study"], Loader=yaml.CSafeLoader))
    deposit = assembled(study, Path(payload["deposit"]), answer, table)
    rows = make_rows(study, deposit)
    return Built(study, deposit, rows, make_tables(study, _NO_HASH, deposit, rows))
