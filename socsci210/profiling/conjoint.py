"""Wide conjoints: families of columns, one per task, profile and attribute, whose levels were drawn by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import Final

from ..small_counts import few
from .assigned import related
from .columns import Seen
from .names import Family, families, with_words
from .records import Conjoint, ConjointAttribute, Level

_MOST_LEVELS: Final = 16
_EVEN: Final = 0.93  # evenness of a drawn attribute; some designs draw some levels more often
_MOSTLY: Final = 0.8  # share of the columns that look drawn
_RESTRICTED: Final = 0.25  # share of pairs that may depend on each other: some designs forbid some combinations
_PROFILES: Final = 4  # looked at for this
_LEAST: Final = 4  # columns


def conjoints(columns: Sequence[Seen]) -> tuple[Conjoint, ...]:
    """Every conjoint, the largest first."""
    by_name = {column.name: column for column in columns}
    found: list[Conjoint] = []
    taken: set[str] = set()
    for family in sorted([*with_words(by_name), *families(by_name)], key=lambda one: -len(one.members)):
        conjoint = _conjoint(family, by_name)
        if conjoint is not None and not taken & set(conjoint.columns):
            found.append(conjoint)
            taken |= set(conjoint.columns)
    return tuple(_with_positions(conjoint, by_name, taken) for conjoint in found)


def drawn(column: Seen) -> bool:
    """Whether a column looks as if a program drew its values: few levels, about equally frequent, nobody refused."""
    few_levels = 2 <= len(column.answers) <= _MOST_LEVELS
    return few_levels and not column.gaps.keys() & set(column.codes) and column.evenness >= _EVEN


def _conjoint(family: Family, columns: Mapping[str, Seen]) -> Conjoint | None:
    if len(family.members) < _LEAST or len(family.slots) < 2 or not family.full:
        return None
    members = [columns[name] for name in family.members.values()]
    if sum(drawn(column) for column in members) < _MOSTLY * len(members):
        return None
    slot = _attribute_slot(family, columns)
    if slot is None or _depend(family, slot, columns):
        return None
    others = [place for place in range(len(family.slots)) if place != slot]
    # of two other slots the one that names profiles has two or three values and stands nearer to the attribute
    profile = max(others, key=lambda place: (len(family.values(place)) <= 4, place)) if others else None
    task = next((place for place in others if place != profile), None)
    attributes = tuple(_attribute(value, slot, family, columns) for value in family.values(slot))
    reasons = (
        f"{len(members)} columns of one pattern with {len(attributes)} attributes, whose levels are drawn about equally often",
        "the same attribute has the same levels everywhere, and different attributes have different ones",
    )
    return Conjoint(
        pattern=family.pattern,
        columns=tuple(family.members.values()),
        tasks=family.values(task) if task is not None else (),
        profiles=family.values(profile) if profile is not None else (),
        attributes=attributes,
        positions=(),
        score=0.95 if task is not None else 0.8,
        reasons=reasons,
    )


def _attribute_slot(family: Family, columns: Mapping[str, Seen]) -> int | None:
    """The slot by which levels differ, and by which alone."""
    for slot in reversed(range(len(family.slots))):
        kinds = [{_levels(columns[name]) for key, name in family.members.items() if key[slot] == value} for value in family.values(slot)]
        if all(len(kind) == 1 for kind in kinds) and len(set().union(*kinds)) > 1 and len(family.values(slot)) > 1:
            return slot
    return None


def _depend(family: Family, slot: int, columns: Mapping[str, Seen]) -> bool:
    """Whether the columns depend on each other, as answers do: those of one profile, and those of one attribute in two."""
    profiles: dict[tuple[str, ...], list[Seen]] = {}
    for key, name in family.members.items():
        profiles.setdefault((*key[:slot], *key[slot + 1 :]), []).append(columns[name])
    some = list(profiles.values())[:_PROFILES]
    pairs = [pair for profile in some for pair in combinations(profile, 2)]
    pairs += [pair for one, other in pairwise(some) for pair in zip(one, other, strict=True)]
    return sum(related(one, other, chance=1e-3) for one, other in pairs) > _RESTRICTED * len(pairs)


def _levels(column: Seen) -> tuple[object, ...]:
    """What a column's values mean: labels where there are some, else codes."""
    return tuple(column.column.value_labels.values()) or column.answers


def _attribute(value: str, slot: int, family: Family, columns: Mapping[str, Seen]) -> ConjointAttribute:
    first = columns[next(name for key, name in family.members.items() if key[slot] == value)]
    levels = tuple(Level(code=code, label=first.text_label(code), columns=(), n=few(first.count(code))) for code in first.answers)
    return ConjointAttribute(key=value, label=first.label, levels=levels)


def _with_positions(conjoint: Conjoint, columns: Mapping[str, Seen], taken: set[str]) -> Conjoint:
    """The columns that record in which place an attribute was shown: drawn, numbered from 1, as many levels as there are attributes."""
    places = tuple(range(1, len(conjoint.attributes) + 1))
    found = [
        tuple(family.members.values())
        for family in families(columns)
        if len(family.members) % len(places) == 0
        and not taken & set(family.members.values())
        and all(drawn(columns[name]) and columns[name].answers == places for name in family.members.values())
    ]
    return conjoint.model_copy(update={"positions": tuple(name for names in found for name in names)})
