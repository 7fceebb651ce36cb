"""What a study file says on its own authority: nothing in the deposit shows it, so no gate can judge it and a person has to.

Hand-written files and drafts alike: the review shows every entry, and a draft asks its reviewer about each that a model made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from .schema import Strict
from .study_declared import Exempt
from .study_file import Quote, StudyFile

Kind = Literal["exception", "own words", "description", "text", "arm", "scale", "people"]


@dataclass(frozen=True)
class Judgement:
    """One thing to judge.

    Args:
        kind: what sort of thing; `own words` are texts that stand in the study file itself.
        where: its keys in the study file, joined by dots; conditions, outcomes and items by their ids.
        asks: the question for a person.
        says: what the study file gives: its reason, or the words.
        exempt: of an exception, the entry itself.
    """

    kind: Kind
    where: str
    asks: str
    says: str = ""
    exempt: Exempt | None = None


def judgements(study: StudyFile) -> list[Judgement]:
    """Everything of a study file that only a person can judge: exceptions first, then words, arms, scales and people."""
    found = [
        Judgement("exception", "exceptions", f"may the gate {exempt.gate} be left out here?", exempt.why, exempt)
        for exempt in study.exceptions
    ]
    return [*found, *_of_words(study), *_of_arms(study), *_of_scales(study), *_of_people(study)]


def _of_words(study: StudyFile) -> Iterator[Judgement]:
    for where, quote in quotations(study):
        if quote.description is not None:
            yield Judgement("description", where, "does the description fit what people saw?", quote.description)
        elif quote.inline:
            yield Judgement("own words", where, "are these the words that people read?", quote.text or "")
    if study.text_status == "truncated":
        yield Judgement("text", "text_status", "is the wording really cut in the source itself?")


def _of_arms(study: StudyFile) -> Iterator[Judgement]:
    for one in study.conditions:
        where = f"conditions.{one.id}"
        if one.why_same_text is not None:
            yield Judgement("arm", where, f"do people of {one.same_text_as} really meet the same text?", one.why_same_text)
        if one.reads_outcome is not None:
            yield Judgement("arm", where, "may the arm be told from answers?", one.reads_outcome)


def _of_scales(study: StudyFile) -> Iterator[Judgement]:
    for one in study.outcomes:
        where = f"outcomes.{one.id}"
        if any(scale is not None and scale.direction == "unknown" for scale in (one.scale, *(variant.scale for variant in one.variants))):
            yield Judgement("scale", where, "which end of the scale means more of it?")
        if one.why_recode is not None:
            yield Judgement("scale", where, "is the recode right?", one.why_recode)
        if one.asked_reads_outcome is not None:
            yield Judgement("scale", where, "may answers tell who was asked?", one.asked_reads_outcome)


def _of_people(study: StudyFile) -> Iterator[Judgement]:
    for number, keep in enumerate(study.data.keep):
        if keep.reads_outcome is not None:
            yield Judgement("people", f"data.keep.{number}", "may people be left out by what they answered?", keep.reads_outcome)
    for name, fill in study.fills.items():
        if fill.reads_outcome is not None:
            yield Judgement("people", f"fills.{name}", "may answers tell what people were shown?", fill.reads_outcome)
    if study.nothing_stated is not None:
        yield Judgement("people", "nothing_stated", "does no source print a number that the build could reproduce?", study.nothing_stated)
    if study.data.duplicates != "refuse":
        yield Judgement("people", "data.duplicates", f"people stand in the file twice; is {study.data.duplicates} right?")


def quotations(study: StudyFile) -> Iterator[tuple[str, Quote]]:
    """Every quotation of a study file with its place."""
    yield from _quotations(study, ())


def _quotations(value: object, path: tuple[str, ...]) -> Iterator[tuple[str, Quote]]:
    if isinstance(value, Quote):
        yield ".".join(path), value
    elif isinstance(value, Strict):
        for name, child in value:
            yield from _quotations(child, (*path, name))
    elif isinstance(value, dict):
        for name, child in value.items():
            yield from _quotations(child, (*path, str(name)))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, child in enumerate(value):
            named = getattr(child, "id", None) or getattr(child, "name", None)
            alone = isinstance(child, Quote) and len(value) == 1
            yield from _quotations(child, path if alone else (*path, str(named or number)))
