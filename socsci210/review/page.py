"""The page of a review: one file that loads nothing and runs no script. Everything from deposits, models and people is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ..extract import items_of
from ..judgements import Judgement, judgements
from ..reviewing import decisions, open_questions, standing
from ..small_counts import Count, about, told
from ..study_declared import Stated
from ..study_file import Item, Outcome, Quote, StudyFile, Variant
from ..texts import bound
from .codes import CodeTable, arm_lines, faulty, field_tables, source_arms
from .collect import Sheet
from .samples import samples
from .statements import FIELD, statements
from .wordings import Part, Wordings, ways

_EXCERPT: Final = 260  # characters of a block or label shown as evidence
DIRECTIONS: Final = {
    "up": "A higher value means more of it.",
    "down": "A higher value means less of it.",
    "unknown": "No direction is declared.",
}


@dataclass(frozen=True)
class Form:
    """What the page needs to send something back: where to, with which secret, and what was typed before."""

    action: str
    secret: str
    reviewer: str = ""
    note: str = ""


@dataclass(frozen=True)
class Notice:
    """What came of the last thing that was done."""

    text: str
    good: bool


@dataclass(frozen=True)
class _Item:
    item: Item
    many: bool
    parts: list[Part]
    codes: CodeTable | None


@dataclass(frozen=True)
class _Way:
    variant: Variant
    conditions: list[str]
    items: list[_Item]


def page(sheet: Sheet, *, form: Form | None = None, notice: Notice | None = None, unsaved: bool = False) -> str:
    """The page as HTML.

    Args:
        sheet: what is reviewed.
        form: of a page that is served; without it the page tells how to decide on the command line.
        notice: stands on top.
        unsaved: whether the sheet shows a text that is not in the study file yet.
    """
    study, words = sheet.study, Wordings(sheet)
    judged = judgements(study)
    arms = told([int(n) for n in sheet.rows.assigned.sum(axis=0)]) if sheet.rows is not None else [Count(None)] * len(study.conditions)
    return (
        environment()
        .get_template("review.html.jinja")
        .render(
            sheet=sheet,
            study=study,
            form=form,
            notice=notice,
            unsaved=unsaved,
            standing=standing(study),
            decisions=list(reversed(decisions(study))),
            questions=study.drafted.questions if study.drafted is not None else (),
            open_questions=open_questions(study),
            evidence=_evidence(sheet),
            answers=None if sheet.rows is None else str(about(len(sheet.rows))),
            failed=[gate for gate in sheet.gates if gate.errors],
            arms=[
                {"n": None if sheet.rows is None else str(n), "condition": one, "parts": words.of_condition(place)}
                for place, (one, n) in enumerate(zip(study.conditions, arms, strict=True))
            ],
            factors=sorted({name for one in study.conditions for name in one.factors}),
            source_arms=source_arms(sheet),
            outcomes=[
                {"outcome": one, "ways": _ways(sheet, words, task, one), "lines": arm_lines(sheet, task)}
                for task, one in enumerate(study.outcomes)
            ],
            fills=words.of_fills(),
            fields=field_tables(sheet),
            samples=samples(sheet),
            documents=_documents(sheet),
            others=sheet.others,
            judgements=_together(one for one in judged if one.kind != "own words"),
            own_words=[one for one in judged if one.kind == "own words"],
            statements=statements(study),
            says=FIELD,
            stated=[_stated(one) for one in study.stated],
            directions=DIRECTIONS,
        )
    )


def _together(judged: Iterable[Judgement]) -> list[tuple[list[str], Judgement]]:
    """Places at which the same is to be judged for the same reason, with the first of them; each exception alone."""
    found: dict[object, tuple[list[str], Judgement]] = {}
    for one in judged:
        key = (one.asks, one.says) if one.exempt is None else id(one)
        found.setdefault(key, ([], one))[0].append(one.where)
    return list(found.values())


def _stated(one: Stated) -> dict[str, str]:
    """A number that the source states, as it is printed there."""
    value = f"{one.value:,.{one.decimals}f}" if one.decimals is not None else f"{one.value:,.12g}"
    arms = f" in {one.condition}{f' less that in {one.than}' if one.than else ''}" if one.condition else ""
    return {
        "says": f"{one.what} of {one.outcome or 'the study'}{arms}: {value}"
        + (f" ± {one.tolerance:g}" if one.tolerance is not None else ""),
        "printed_in": one.printed_in,
    }


def refusal(message: str, *, text: str, form: Form, version: str, study_id: str) -> str:
    """The page of a study file that is not valid: why, and an editor with the text as it was sent."""
    template = environment().get_template("review_refusal.html.jinja")
    return template.render(message=message, text=text, form=form, version=version, study_id=study_id)


def _ways(sheet: Sheet, words: Wordings, task: int, outcome: Outcome) -> list[_Way]:
    found = []
    for variant, places in ways(outcome, [one.id for one in sheet.study.conditions]):
        items = []
        for number, item in enumerate(items_of(outcome)):
            asked = (sheet.cells or {}).get((places[0], task, number))
            codes = None if asked is None else faulty(sheet, outcome, item, asked, places)
            items.append(_Item(item, bool(outcome.items), words.of_question(variant, item, asked), codes))
        found.append(_Way(variant, [sheet.study.conditions[place].id for place in places], items))
    return found


# --- where it was read -----------------------------------------------------------------------------------------------------------------


def _evidence(sheet: Sheet) -> list[dict[str, Any]]:
    """Every claim of a draft with the words that stand where it was read."""
    if sheet.study.drafted is None:
        return []
    columns = {} if sheet.deposit is None else sheet.deposit.columns
    documents = {} if sheet.deposit is None else sheet.deposit.documents
    found = []
    for claim in sheet.study.drafted.evidence:
        places = []
        for name in [claim.variable] if claim.variable is not None else []:
            known = name in columns
            label = (columns[name].label or "without a label") if known else "the data file has no such column"
            places.append({"at": f"variable {name}", "says": _short(label), "known": known or sheet.deposit is None, "anchor": None})
        for block in claim.blocks:
            texts = {one.id: one.text for one in documents[claim.doc].blocks} if claim.doc in documents else {}
            known = str(block) in texts or claim.doc not in documents
            says = texts.get(str(block), "not among the quoted documents" if known else "the document has no such block")
            anchor = f"block-{claim.doc}-{block}" if str(block) in texts else None
            places.append({"at": f"{claim.doc}, block {block}", "says": _short(says), "known": known, "anchor": anchor})
        found.append({"claim": claim.claim, "places": places})
    return found


def _short(text: str) -> str:
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"


def _documents(sheet: Sheet) -> list[dict[str, Any]]:
    """Every quoted document, block by block, with the places of the study file that quote it."""
    if sheet.deposit is None:
        return []
    used: dict[tuple[str, str], list[str]] = {}
    for at, quote, bind in _quotations(sheet.study):
        for block in quote.blocks:
            tags = used.setdefault((quote.doc or "", bound(str(block), bind)), [])
            if at not in tags:
                tags.append(at)
    found = []
    for key, document in sheet.deposit.documents.items():
        blocks = [(block, used.get((key, block.id), [])) for block in document.blocks if block.text.strip() or (key, block.id) in used]
        found.append({"key": key, "name": document.path.name, "blocks": blocks, "quoted": sum(1 for _, tags in blocks if tags)})
    return found


def _quotations(study: StudyFile) -> list[tuple[str, Quote, dict[str, Any]]]:
    """Where a quotation stands, the quotation, and the binds it is read with."""
    binds: list[dict[str, Any]] = [dict(item.bind) for outcome in study.outcomes for item in items_of(outcome)]
    found = [(f"{one.id}", quote, bind) for one in study.conditions for quote in one.text for bind in binds]
    for outcome in study.outcomes:
        asked: list[Outcome | Variant] = [outcome, *outcome.variants]
        quotes = [quote for one in asked for quote in (*(one.context or ()), *(one.question or ()))]
        quotes += [quote for one in asked if one.scale is not None for quote in one.scale.labels.values()]
        quotes += [one.title for one in outcome.attributes]
        found += [(outcome.id, quote, dict(item.bind)) for quote in quotes for item in items_of(outcome)]
    for name, fill in study.fills.items():
        quotes = list(fill.values.values()) if isinstance(fill.values, dict) else []
        found += [(f"{{{name}}}", quote, bind) for quote in quotes for bind in binds]
    return found


def environment() -> Environment:
    """The templates of this package; what is not declared is an error, what is shown is escaped."""
    made = Environment(loader=PackageLoader("socsci210"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["count"] = "{:,}".format
    made.filters["prose"] = _prose
    made.filters["percent"] = lambda share: "< 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"
    return made


def _prose(text: str) -> Markup:
    """A sentence of ours with its `names` in the type of code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
