"""The part of `draft-eval` that runs in an isolated process: both study files are read on their deposit, and compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import yaml

from ..build.codes import whole
from ..build.gates import GATES
from ..build.made import Made
from ..build.rows import make_rows
from ..build.tables import make_tables
from ..errors import SocSciError
from ..extract import assembled
from ..extract.deposit import TABLE
from ..extract.read import read
from ..readers import read_data
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
    if draft.data_file != key.data_file:
        draft, key = (replace(built, ids=_ids(built, payload[name])) for name, built in (("draft", draft), ("key", key)))
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


def _ids(built: Built, payload: dict[str, Any]) -> list[str | None]:
    """The source's own id of every person, compared and never written: 7, 7.0 and "7" are one."""
    data = built.study.data
    raw = read_data(
        Path(payload["deposit"]) / built.study.files[data.file].file,
        sha256=payload["hashes"][data.file],
        member=data.member,
        sheet=data.sheet,
        encoding=data.encoding,
        second_header=data.second_header,
    )
    column = raw.data.column(data.participant).take(pa.array(built.deposit.row_numbers() - 1)).to_pylist()
    return [None if code is None else str(whole(code)).strip() or None for code in column]
