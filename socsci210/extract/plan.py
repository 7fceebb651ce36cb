"""What a study file asks of its deposit: every column and expression, with the binds of each item in place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from ..errors import StudyFileError
from ..study_file import Item, Outcome, StudyFile, Variant
from ..texts import bound, names_in

_ONLY: Final = Item(id="only")


@dataclass(frozen=True)
class Use:
    """One column or expression that a study file uses.

    Args:
        where: the key of the study file.
        column, sql: one of them.
        role: what it decides: who belongs where (`filter`), what was answered (`answer`), or what was on the screen (`screen`).
        guarded: whether it may not read an answer.
    """

    where: str
    role: Literal["filter", "answer", "screen"]
    column: str | None = None
    sql: str | None = None
    guarded: bool = False


def items_of(outcome: Outcome) -> tuple[Item, ...]:
    """The items of an outcome; a single one without a bind where it has none."""
    return outcome.items or (_ONLY,)


def column_of(variant: Variant, item: Item) -> str | None:
    """The column that holds the answers to an item asked in one way; None where an expression gives them."""
    name = item.column if item.column is not None else variant.column
    return None if name is None else bound(name, item.bind)


def where_of(study: StudyFile, item: Item) -> tuple[str, ...]:
    """The expression of every condition, as it reads for one item."""
    return tuple(bound(condition.where, item.bind) for condition in study.conditions)


def fills_of(study: StudyFile, outcome: Outcome) -> frozenset[str]:
    """The fills that texts may use where this outcome is asked: those whose braces are all given by the binds of its items."""
    given = frozenset.intersection(*(frozenset(item.bind) for item in items_of(outcome)))
    return frozenset(name for name, fill in study.fills.items() if given.issuperset(names_in(f"{fill.column or ''} {fill.sql or ''}")))


def uses(study: StudyFile) -> list[Use]:
    """Every column and expression of a study file, each once.

    Raises:
        StudyFileError: a name in braces has no value.
    """
    return list(dict.fromkeys(_all_uses(study)))


def _all_uses(study: StudyFile) -> Iterator[Use]:
    for number, keep in enumerate(study.data.keep):
        yield Use(f"data.keep[{number}]", "filter", keep.column, keep.sql, guarded=keep.reads_outcome is None)
    for outcome in study.outcomes:
        for item in items_of(outcome):
            for use in _uses_of_item(study, outcome, item):
                yield _bind(use, outcome, item)


def _uses_of_item(study: StudyFile, outcome: Outcome, item: Item) -> Iterator[Use]:
    for condition in study.conditions:
        yield Use(f"conditions.{condition.id}.where", "filter", sql=condition.where, guarded=condition.reads_outcome is None)
        variant = outcome.asked_as(condition.id)
        if variant is not None:
            column = item.column if item.column is not None else variant.column
            yield Use(f"outcomes.{outcome.id}", "answer", column, None if column is not None else variant.sql)
    if outcome.asked is not None:
        yield Use(f"outcomes.{outcome.id}.asked", "filter", sql=outcome.asked, guarded=outcome.asked_reads_outcome is None)
    for name in sorted(fills_of(study, outcome)):
        fill = study.fills[name]
        if fill.by == "row":
            yield Use(f"fills.{name}", "screen", fill.column, fill.sql, guarded=fill.reads_outcome is None)
    for attribute in outcome.attributes:
        for column in (attribute.column, attribute.position):
            if column is not None:
                yield Use(f"outcomes.{outcome.id}.attributes.{attribute.name}", "screen", column)


def _bind(use: Use, outcome: Outcome, item: Item) -> Use:
    template = use.column if use.column is not None else use.sql or ""
    text = bound(template, item.bind)
    if left := names_in(text):
        raise StudyFileError(
            f"{{{left[0]}}} has no value in {template!r}",
            where=f"{use.where}, as asked for outcome {outcome.id}, item {item.id}",
            expected="a bind of the item for every name in braces",
            fix=f"give {left[0]} under the item's bind, or write the name out",
        )
    return replace(use, column=text if use.column is not None else None, sql=None if use.column is not None else text)
