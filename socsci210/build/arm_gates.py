"""Gates on arms: the source's own assignment is kept whole, and no arm was asked less than another without a word."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Final

import numpy as np

from ..extract import Assignment, Group, column_of, items_of, where_of
from ..study_file import Code, Outcome
from .codes import MissingCodes, coded, people, whole
from .findings import Finding, excusable, finding
from .made import Made
from .naming import exchanged, moved, of_arm, stems

_FEW: Final = 5  # people: below that a value of the source may be a slip
_UNEVEN: Final = 0.2  # share of an arm that a filter may cost more than the others
_GAP: Final = 0.1  # share of an arm that may have been asked less than the others
_Z: Final = 6.0  # standard errors: nothing that chance does
_WAS_ASKED: Final = frozenset(("refused", "dont_know", "other"))


@excusable
def arm_counts(made: Made) -> Iterator[Finding]:
    """Every arm of the source is one condition with all its people, or is left out by a filter that says so."""
    for assignment in made.deposit.assignment:
        yield from _left_over(made, assignment)
        yield from _merged(made, assignment)
        yield from _uneven(made, assignment)
        yield from _exchanged_labels(made, assignment)


def _left_over(made: Made, assignment: Assignment) -> Iterator[Finding]:
    for group in assignment.groups:
        if group.n < _FEW or _no_arm(made, assignment, group):
            continue
        if group.condition is None and group.kept:
            yield finding(
                "arm_counts",
                f"{people(group.kept, 'has', 'have')} {_named(made, assignment, group)}, which is no condition",
                where=made.where("conditions"),
                expected="a condition for every value of the columns that tell the arm",
                fix="add the condition, or leave its people out with data.keep and a reason",
            )
        elif group.kept == 0 and group.dropped == group.n:
            yield finding(
                "arm_counts",
                f"filters leave out everybody with {_named(made, assignment, group)} ({group.n} people), and none speaks of the arm",
                where=made.where("data.keep"),
                expected="an arm that stays, or a filter on the arm itself, with its reason",
                fix="correct the filter, or leave the arm out by its own column",
            )


def _merged(made: Made, assignment: Assignment) -> Iterator[Finding]:
    for place, arm in enumerate(made.study.conditions):
        own = assignment.own[place]
        of_arm = [g for g in assignment.groups if g.condition == place and g.kept and not _no_arm(made, assignment, g)]
        values = {tuple(_plain(group.values[column]) for column in own): group for group in of_arm}
        if len(values) > 1:
            named = "; ".join(_named(made, assignment, group, own) for group in list(values.values())[:4])
            yield finding(
                "arm_counts",
                f"it takes {len(values)} arms of the source together: {named}",
                where=made.where(f"conditions.{arm.id}.where"),
                expected="one condition for every arm of the source",
                fix="make them conditions of their own; if people met the same in all of them, declare it under exceptions",
                conditions=[arm.id],
            )


def _uneven(made: Made, assignment: Assignment) -> Iterator[Finding]:
    ids = [arm.id for arm in made.study.conditions]
    n, lost = np.zeros(len(ids)), np.zeros(len(ids))
    for group in assignment.groups:
        if group.condition is not None:
            n[group.condition] += group.n
            lost[group.condition] += group.dropped
    for place, share, others in _apart(lost, n, _UNEVEN):
        yield finding(
            "arm_counts",
            f"filters that do not speak of the arm leave out {share:.0%} of its people, and {others:.0%} of the other conditions'",
            where=made.where(f"conditions.{ids[place]}"),
            expected="filters that cost every condition about as much",
            fix="check that no filter of data.keep reads what only some conditions were asked",
            conditions=[ids[place]],
        )


def _exchanged_labels(made: Made, assignment: Assignment) -> Iterator[Finding]:
    """Two conditions that the data file's own labels name the other way round."""
    labels: dict[int, list[str]] = {}
    for group in assignment.groups:
        if group.condition is not None and group.kept:
            labels.setdefault(group.condition, []).extend(
                _label(made, *pair) for pair in zip(assignment.columns, group.values, strict=True)
            )
    arms = made.study.conditions
    names, seen = [of_arm(arm) for arm in arms], {place: stems(*texts) for place, texts in labels.items()}
    for one, other in combinations(sorted(seen), 2):
        if exchanged((names[one], names[other]), (seen[one], seen[other])):
            yield finding(
                "arm_counts",
                f"the data file calls its people {' / '.join(map(repr, labels[one]))}, and those of {arms[other].id} "
                f"{' / '.join(map(repr, labels[other]))}",
                where=made.where(f"conditions.{arms[one].id}.where"),
                expected="the people that the condition is named after",
                fix="exchange `where` of the two, or correct their ids and labels",
                conditions=[arms[one].id, arms[other].id],
            )
    for one, other in moved(names, [seen.get(place, frozenset()) for place in range(len(arms))]):
        yield finding(
            "arm_counts",
            f"the data file gives its name to the people of condition {arms[other].id}",
            where=made.where(f"conditions.{arms[one].id}.where"),
            expected="the people that the condition is named after",
            fix="check which value of the column belongs to which condition",
            conditions=[arms[one].id, arms[other].id],
        )


def _no_arm(made: Made, assignment: Assignment, group: Group) -> bool:
    """Whether one of the values is a blank or a missing code: nobody was dealt to it."""
    return any(
        value is None
        or (isinstance(value, str) and not value.strip())
        or (group.condition is None and MissingCodes.of(made.study, name, made.deposit.columns).reason(value) is not None)
        for name, value in zip(assignment.columns, group.values, strict=True)
    )


def _plain(value: Code | None) -> Code | None:
    return value.strip().casefold() if isinstance(value, str) else value


def _label(made: Made, column: str, value: Code | None) -> str:
    labels = made.deposit.columns[column].value_labels
    found = next((label for code, label in labels.items() if whole(code) == value), None)
    return found if found is not None else value if isinstance(value, str) else ""


def _named(made: Made, assignment: Assignment, group: Group, places: tuple[int, ...] | None = None) -> str:
    parts = []
    for place in range(len(assignment.columns)) if places is None else places:
        column, value = assignment.columns[place], group.values[place]
        label = _label(made, column, value)
        parts.append(f"{column} = {value!r}" + (f" ({label})" if label and label != value else ""))
    return ", ".join(parts)


def _apart(part: np.ndarray, n: np.ndarray, gap: float) -> Iterator[tuple[int, float, float]]:
    """(place, share, share of all others) where a share stands apart from that of all others by more than a gap and than chance."""
    for place in np.flatnonzero(n):
        others = n.sum() - n[place]
        if not others:
            continue
        share, rest = part[place] / n[place], (part.sum() - part[place]) / others
        pooled = part.sum() / n.sum()
        error = math.sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / n[place] + 1 / others))
        if share - rest >= gap and (share - rest) / error > _Z:
            yield int(place), float(share), float(rest)


# --- who was asked -------------------------------------------------------------------------------------------------------------------


@excusable
def asked_equally(made: Made) -> Iterator[Finding]:
    """Every condition was asked every outcome about equally often, unless `asked` says who was asked."""
    rows, study = made.rows, made.study
    ids = [arm.id for arm in study.conditions]
    answered = np.zeros((len(study.outcomes), len(ids)), np.int64)
    np.add.at(answered, (rows.task, rows.condition), 1)
    was, was_not = answered.astype(float), np.zeros(answered.shape)
    for (place, task, reason), n in rows.missing.items():
        (was if reason in _WAS_ASKED else was_not)[task, place] += n
    for task, outcome in enumerate(study.outcomes):
        if outcome.asked is None:
            for place, share, others in _apart(was_not[task], was[task] + was_not[task], _GAP):
                yield finding(
                    "asked_equally",
                    f"{share:.0%} of its questions stayed without an answer or a refusal, and {others:.0%} of the other conditions'",
                    where=made.where(f"outcome {outcome.id} in condition {ids[place]}"),
                    expected="a question that every condition was asked about equally",
                    fix="correct the column or `where`; if a skip rule left people out, say under `asked` who was asked",
                    conditions=[ids[place]],
                    outcomes=[outcome.id],
                )
        yield from _asked_as_well(made, task, outcome)


def _asked_as_well(made: Made, task: int, outcome: Outcome) -> Iterator[Finding]:
    """Conditions that no variant names, though their people answered in the outcome's columns."""
    study, cells = made.study, made.rows.cells
    for number, item in enumerate(items_of(outcome)):
        silent = [place for place in range(len(study.conditions)) if (place, task, number) not in cells]
        if not silent or len({where_of(study, one) for every in study.outcomes for one in items_of(every)}) > 1:
            continue
        variants = [cells[place, task, number].variant for place in range(len(study.conditions)) if (place, task, number) in cells]
        columns = dict.fromkeys(name for variant in variants if (name := column_of(variant, item)) is not None)
        answers = [(name, _answered(made, outcome, name)) for name in columns]
        for place in silent:
            assigned = made.rows.assigned[:, place]
            for name, answered in answers:
                if (n := int((answered & assigned).sum())) >= max(_FEW, assigned.sum() / 2):
                    yield finding(
                        "asked_equally",
                        f"{people(n, 'of it has', 'of it have')} an answer in column {name}, but no variant names it",
                        where=made.where(f"outcome {outcome.id} in condition {study.conditions[place].id}"),
                        expected="every condition that was asked",
                        fix="name the condition in a variant",
                        conditions=[study.conditions[place].id],
                        outcomes=[outcome.id],
                    )


def _answered(made: Made, outcome: Outcome, column: str) -> np.ndarray:
    found = coded(made.deposit.codes(column))
    missing = MissingCodes.of(made.study, column, made.deposit.columns, outcome.missing)
    is_answer = np.array([missing.reason(code) is None for code in found.codes] + [False])
    answered: np.ndarray = is_answer[found.index]
    return answered
