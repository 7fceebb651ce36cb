"""From the arguments of `submit` to a verdict: form, evidence, columns that may be read, then the build and its gates."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import ExpressionError, StudyFileError
from ..expressions import check
from ..extract.plan import uses
from ..judgements import judgements
from ..registry import load_study_file
from ..study_file import StudyFile
from ..study_origin import Claim
from .evidence import evidence_faults
from .material import Material
from .submission import Submission, as_yaml, completed, own_text
from .tools import ToolError, problems
from .trial import SECONDS, Fault, try_out


@dataclass(frozen=True)
class Settings:
    """What the caller decides about a draft.

    Args:
        study_id: the id of the study.
        own_words: whether this is a person's own deposit, whose study file may hold text.
        origin: `source_url` and `licence`, where the deposit was fetched.
        seconds: limit for building one submission.
    """

    study_id: str
    own_words: bool
    origin: Mapping[str, str]
    seconds: float = SECONDS


@dataclass(frozen=True)
class Verdict:
    """What came of a submission.

    Args:
        study: the study file as data, without evidence; empty where the submission has no such form.
        evidence, questions: as submitted.
        faults: what is wrong with it; empty if every gate is passed.
        texts: how it reads.
        doubts: what a reviewer has to look at although no gate objects.
    """

    study: dict[str, Any]
    evidence: tuple[Claim, ...] = ()
    questions: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    texts: dict[str, str] | None = None
    doubts: tuple[str, ...] = ()


def judge(arguments: Mapping[str, Any], material: Material, settings: Settings) -> Verdict:
    """Look at a submission.

    Raises:
        ToolError: the arguments have not the form of a submission at all.
    """
    try:
        given = Submission.model_validate({**arguments, "evidence": _claims(arguments.get("evidence"))})
    except ValidationError as error:
        raise ToolError(f"wrong arguments of submit: {problems(error)}") from None
    study = completed(given.study, material, study_id=settings.study_id, own_words=settings.own_words, origin=settings.origin)
    verdict = {"evidence": tuple(given.evidence), "questions": tuple(q.strip() for q in given.questions if q.strip())}
    faults = [] if settings.own_words else list(own_text(study, material))
    parsed: StudyFile | None = None
    if not faults:
        try:
            parsed = _parsed(study)
            faults = [*_forbidden(parsed, material)]
        except StudyFileError as error:
            faults = [Fault("study_file", error.found, _key(error.where), error.expected, error.fix)]
    if parsed is not None and not faults:
        faults = evidence_faults(study, given.evidence, material)
    if parsed is None or faults:
        return Verdict(study, **verdict, faults=tuple(faults))  # type: ignore[arg-type]
    trial = try_out(as_yaml(study), material.deposit, seconds=settings.seconds)
    return Verdict(study, **verdict, faults=trial.faults, texts=trial.texts, doubts=tuple(_doubts(parsed)))  # type: ignore[arg-type]


def _claims(given: object) -> list[Claim] | object:
    """Claims from JSON, whose lists are lists."""
    return [Claim.model_validate(one) for one in given] if isinstance(given, list) else given


def _parsed(study: Mapping[str, Any]) -> StudyFile:
    with tempfile.TemporaryDirectory(prefix="socsci210-draft-") as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(as_yaml(study), encoding="utf-8")
        return load_study_file(path)


def _key(where: str) -> str:
    """The key path of a place, without the file and its lines: the model has not seen them."""
    return where.rpartition(": ")[2] if ": " in where else "study"


def _forbidden(study: StudyFile, material: Material) -> Iterator[Fault]:
    """Columns that hold who a person is or what a person wrote are read by nothing, not even by the gates."""
    names = material.names
    places: list[tuple[str, frozenset[str]]] = [("data.weight", frozenset({study.data.weight or ""}))]
    for use in uses(study):
        try:
            read = frozenset((use.column,)) if use.column is not None else check(use.sql or "", columns=names)
        except ExpressionError as error:
            yield Fault("expressions", error.found, use.where, error.expected, error.fix)
            continue
        places.append((use.where, read))
    for field, mapped in study.demographics.fields.items():
        if mapped is not None:
            places.append((f"demographics.fields.{field}", frozenset(mapped.columns)))
    for where, read in places:
        for name in sorted(read & material.silent):
            yield Fault("identifiers", f"it reads {name}, which holds ids or people's own words", where, "other columns", "take it out")


def _doubts(study: StudyFile) -> Iterator[str]:
    """What passes the gates and still wants a person's eyes. Own words are not among it: a draft of a real deposit has none."""
    for one in judgements(study):
        if one.kind != "own words":
            yield f"{one.where}: {one.asks} {one.says}".rstrip()
