"""What must agree between the parts of a study file, as far as it can be known without the deposit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pydantic import ValidationError

from .demographics import INTEGER_FIELDS, VOCABULARY
from .schema import Scale
from .study_yaml import Key, Misplaced, did_you_mean
from .texts import names_in

if TYPE_CHECKING:
    from .study_file import FieldMap, Outcome, ScaleSpec, StudyFile


def check_fields(fields: dict[str, FieldMap]) -> dict[str, FieldMap]:
    """Names of demographic fields and the values that codes are mapped to.

    Raises:
        ValueError: an unknown field, or a value that is not in the field's vocabulary.
    """
    for name, field in fields.items():
        if name not in VOCABULARY:
            fix = did_you_mean(name, VOCABULARY) or "use one of the 16 names"
            raise Misplaced(f"no demographic field {name!r}", (name,), expected=f"one of {', '.join(VOCABULARY)}", fix=fix)
        for part, table in (("values", field.values), ("labels", field.labels)) if field else ():
            for code, value in table.items():
                _check_value(name, (name, part, code if isinstance(code, int) else str(code)), value)
        if field and field.birth_year and name != "age":
            raise Misplaced("birth_year is for age only", (name, "birth_year"), fix="remove it")
    return fields


def _check_value(field: str, keys: tuple[Key, ...], value: str | None) -> None:
    words = VOCABULARY[field]
    if value is None or (words and value in words) or (field in INTEGER_FIELDS and re.fullmatch(r"[0-9]{1,3}", value)):
        return
    expected = f"one of {', '.join(map(repr, words))}, or null" if words else "a whole number in quotes, or null"
    raise Misplaced(f"found {value!r}", keys, expected=expected, fix=did_you_mean(value, words or ()) or "use the vocabulary's own words")


def check_references(study: StudyFile) -> None:
    """Ids are unique, and every name that one part uses is declared by another.

    Raises:
        ValueError: the first disagreement, with its key path.
    """
    _check_ids(study)
    _check_variants(study)
    _check_scales(study)
    _check_fills(study)
    _check_stated(study)
    _check_exceptions(study)
    _check_files(study)
    _check_binds(study)
    _check_blanks(study)


def _check_ids(study: StudyFile) -> None:
    for kind, ids in (("conditions", [c.id for c in study.conditions]), ("outcomes", [o.id for o in study.outcomes])):
        for number, name in enumerate(ids):
            if name in ids[:number]:
                raise Misplaced(f"id {name!r} is given twice", (kind, number, "id"), expected="every id once", fix="rename one of them")
    for number, condition in enumerate(study.conditions):
        if condition.same_text_as is not None:
            _known(condition.same_text_as, (c.id for c in study.conditions), "condition", ("conditions", number, "same_text_as"))


def _known(name: str, known: Iterable[str], kind: str, keys: tuple[Key, ...]) -> None:
    known = list(known)
    if name not in known:
        fix = did_you_mean(name, known) or f"declare it, or name a {kind} that is declared"
        raise Misplaced(f"no {kind} {name!r}", keys, expected=f"one of {', '.join(known)}", fix=fix)


def _check_variants(study: StudyFile) -> None:
    for number, outcome in enumerate(study.outcomes):
        named: dict[str, int] = {}
        for place, variant in enumerate(outcome.variants):
            at: tuple[Key, ...] = ("outcomes", number, "variants", place, "conditions")
            for condition in variant.conditions:
                _known(condition, (c.id for c in study.conditions), "condition", at)
                if condition in named:
                    raise Misplaced(
                        f"condition {condition!r} is in two variants", at, fix=f"take it out here or of variant {named[condition]}"
                    )
                named[condition] = place
        for arm in study.conditions:
            _check_asked(outcome, arm.id, ("outcomes", number))


def _check_asked(outcome: Outcome, condition: str, keys: tuple[Key, ...]) -> None:
    asked = outcome.asked_as(condition)
    if asked is None:
        return
    for part in ("scale", "question"):
        if not getattr(asked, part):
            raise Misplaced(
                f"outcome {outcome.id!r} has no {part} in condition {condition!r}", keys, fix=f"add `{part}` to it or its variant"
            )
    columns_of_items = bool(outcome.items) and all(item.column for item in outcome.items)
    if (asked.column is None) == (asked.sql is None) and not columns_of_items:
        raise Misplaced(
            f"outcome {outcome.id!r} has {'no column' if asked.column is None else 'both column and sql'} in condition {condition!r}",
            keys,
            expected="either column or sql",
            fix="say where the answers stand",
        )


def _check_scales(study: StudyFile) -> None:
    """Scales make sense, and recodes lead onto them."""
    for number, outcome in enumerate(study.outcomes):
        scales: list[tuple[tuple[Key, ...], ScaleSpec | None]] = [(("scale",), outcome.scale)]
        scales += [(("variants", place, "scale"), variant.scale) for place, variant in enumerate(outcome.variants)]
        for place_of_scale, scale in scales:
            if scale is not None:
                _check_scale(scale, ("outcomes", number, *place_of_scale))
        for condition in study.conditions:
            asked = outcome.asked_as(condition.id)
            if asked is None or asked.recode is None or asked.scale is None:
                continue
            if both := sorted(set(asked.recode) & set(outcome.missing), key=str):
                raise Misplaced(f"code {both[0]!r} is both recoded and missing", ("outcomes", number, "missing"), fix="name it once")
            allowed = range(asked.scale.min or 0, (asked.scale.max or 0) + 1, asked.scale.step)
            off = sorted(value for value in asked.recode.values() if asked.scale.min is not None and value not in allowed)
            if off:
                where: tuple[Key, ...] = ("outcomes", number, "recode")
                expected = f"values from {asked.scale.min} to {asked.scale.max}"
                raise Misplaced(
                    f"recode leads to {off[0]}, which is off the scale", where, expected=expected, fix="correct recode or scale"
                )


def _check_scale(scale: ScaleSpec, keys: tuple[Key, ...]) -> None:
    given = scale.model_dump(include={"min", "max", "step", "kind", "unit", "direction"})
    try:
        Scale(**given, labels=dict.fromkeys(scale.labels, ""))
    except ValidationError as error:
        said = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise Misplaced(said, keys, fix="correct min, max, step, kind or the values that have labels") from None


def _check_fills(study: StudyFile) -> None:
    """A name in braces means one thing, and a fill by condition has a text for conditions that exist."""
    binds = {name: outcome.id for outcome in study.outcomes for item in outcome.items for name in item.bind}
    profiles = {attribute.profile: outcome.id for outcome in study.outcomes for attribute in outcome.attributes}
    for name, fill in study.fills.items():
        for kind, taken in (("bind", binds), ("profile", profiles)):
            if name in taken:
                raise Misplaced(f"fill {name!r} is also a {kind} of outcome {taken[name]!r}", ("fills", name), fix="rename one of them")
        if fill.by == "condition" and isinstance(fill.values, dict):
            for condition in fill.values:
                _known(str(condition), (c.id for c in study.conditions), "condition", ("fills", name, "values", str(condition)))


def _check_stated(study: StudyFile) -> None:
    if bool(study.stated) == (study.nothing_stated is not None):
        found = "found numbers, and a reason why there is none" if study.stated else "found []"
        expected = "at least 1 number that the source prints, or `nothing_stated` with the reason why there is none"
        raise Misplaced(found, ("stated",), expected=expected, fix="add the number of people that the source reports")
    conditions, outcomes = [c.id for c in study.conditions], [o.id for o in study.outcomes]
    for number, stated in enumerate(study.stated):
        for kind, name, known in (
            ("condition", stated.condition, conditions),
            ("than", stated.than, conditions),
            ("outcome", stated.outcome, outcomes),
        ):
            if name is not None:
                _known(name, known, "outcome" if kind == "outcome" else "condition", ("stated", number, kind))
        needed = {"mean": ("outcome",), "difference": ("condition", "outcome")}.get(stated.what, ())
        if stated.what == "share" and stated.outcome is None:
            needed = ("condition",)
        for part in needed:
            if getattr(stated, part) is None:
                raise Misplaced(f"a {stated.what} without its {part}", ("stated", number), fix=f"add `{part}: ID`")
        if stated.weighted and study.data.weight is None:
            raise Misplaced("a weighted number, but no weight", ("stated", number, "weighted"), fix="name the column as data.weight")


def _check_exceptions(study: StudyFile) -> None:
    for number, exempt in enumerate(study.exceptions):
        for kind, names, known in (
            ("condition", exempt.conditions, [c.id for c in study.conditions]),
            ("outcome", exempt.outcomes, [o.id for o in study.outcomes]),
        ):
            for name in names:
                _known(name, known, kind, ("exceptions", number, f"{kind}s"))


def _check_files(study: StudyFile) -> None:
    _known(study.data.file, study.files, "file", ("data", "file"))
    for name, file in study.files.items():
        if not _stays_inside(file.file):
            raise Misplaced(
                f"file name {file.file!r} leaves the deposit",
                ("files", name, "file"),
                expected="a file in the deposit's folder",
                fix="write the path from the deposit's folder, with / and without ..",
            )
        if file.sha256 == "generated" and not study.simulated:
            raise Misplaced("sha256: generated is for simulated studies only", ("files", name, "sha256"), fix="write the file's sha256")
    for number, claim in enumerate(study.drafted.evidence if study.drafted else ()):
        if claim.doc is not None:
            _known(claim.doc, study.files, "file", ("drafted", "evidence", number, "doc"))
    for quote in study.quotes():
        if quote.doc is not None and quote.doc not in study.files:
            near = did_you_mean(quote.doc, study.files)
            expected = f"a key of files: {', '.join(study.files)}"
            raise Misplaced(
                f"a quotation names document {quote.doc!r}", ("files",), expected=expected, fix=near or "add the document to files"
            )
        if quote.inline and not (study.simulated or study.own_deposit):
            raise Misplaced(
                f"own words in a study file: {quote.text!r}",
                (),
                expected="quotations",
                fix="quote the deposit, or mark the study own_deposit",
            )


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and not any(character in name for character in "\\:\0")


def _check_binds(study: StudyFile) -> None:
    """Names in braces of columns and expressions are bound by every item that will use them."""
    for number, outcome in enumerate(study.outcomes):
        here: tuple[Key, ...] = ("outcomes", number)
        for text in _templates(outcome):
            _check_bound(text, outcome, here)
        for place, condition in enumerate(study.conditions):
            if outcome.asked_as(condition.id) is not None:
                _check_bound(condition.where, outcome, ("conditions", place, "where"))
    everywhere = {name for outcome in study.outcomes for item in outcome.items for name in item.bind}
    for fill_name, fill in study.fills.items():
        for template in (fill.column, fill.sql):
            for name in names_in(template or ""):
                _known(name, everywhere, "bind", ("fills", fill_name))


def _templates(outcome: Outcome) -> Iterator[str]:
    yield from (outcome.column or "", outcome.sql or "")
    for variant in outcome.variants:
        yield from (variant.column or "", variant.sql or "")
    for item in outcome.items:
        yield item.column or ""
    yield outcome.asked or ""
    for attribute in outcome.attributes:
        yield attribute.column
        yield attribute.position or ""


def _check_bound(text: str, outcome: Outcome, keys: tuple[Key, ...]) -> None:
    for name in names_in(text):
        unbound = [item.id for item in outcome.items if name not in item.bind] if outcome.items else ["(no items)"]
        if unbound:
            raise Misplaced(
                f"{{{name}}} in {text!r} is not bound by outcome {outcome.id!r}: {', '.join(unbound)}",
                keys,
                expected=f"`bind: {{{name}: ...}}` in every item",
                fix=f"bind {name!r} in the items, or correct the name in braces",
            )


def _check_blanks(study: StudyFile) -> None:
    """Names in braces that the study file itself writes into texts are fills, profiles of a conjoint, or bound."""
    known = {*study.fills}
    for outcome in study.outcomes:
        known |= {attribute.profile for attribute in outcome.attributes} | {name for item in outcome.items for name in item.bind}
    for quote in study.quotes():
        for text in (quote.text, quote.description, *quote.replace.values()):
            for name in names_in(text or ""):
                if name not in known:
                    fix = did_you_mean(name, known) or f"declare {name!r} under fills"
                    raise Misplaced(
                        f"{{{name}}} in {text!r} is no fill", ("fills",), expected=f"one of {', '.join(sorted(known))}", fix=fix
                    )
