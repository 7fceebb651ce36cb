"""The profile of one table, put together from all searches. `examine` is a task of the isolated child."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..small_counts import few
from .arms import arms
from .columns import Seen, seen
from .conjoint import conjoints
from .demographics import about_people, crosswalk_fits
from .missing import summary, with_gaps
from .outcomes import outcomes
from .parts import Part, parts
from .records import Arm, Conjoint, DemographicColumn, Role, Table, Value, Variable
from .repeated import repeated
from .roles import named, participants, roles, weights

_LISTED: Final = 60
"""Codes above which the values of a variable are not listed."""
_TAKEN: Final = 0.55
"""Score of a candidate arm from which its columns are not offered as outcomes."""
_SILENT: Final = frozenset({"participant", "identifier", "open text"})
_QUANTILES: Final = (1, 25, 50, 75, 99)


def examine(payload: dict[str, Any]) -> dict[str, Any]:
    """Task of the child: the profiles of all tables of one data file, as JSON."""
    found, faults = parts(Path(payload["path"]))
    return {"tables": [profile_table(part, payload["file"]).model_dump(mode="json") for part in found], "faults": faults}


def profile_table(part: Part, file: str) -> Table:
    """The profile of one table.

    Args:
        part: the table.
        file: its name in the deposit.
    """
    raw = part.raw
    columns = with_gaps([seen(raw.columns[n], raw.data.column(n), raw.header_texts.get(n)) for n in raw.data.column_names])
    given: dict[str, tuple[Role, str]] = roles(columns)
    free = [column for column in columns if column.name not in given or given[column.name][0] == "order"]
    wide = conjoints(free)
    given |= _of_conjoints(wide)
    people = about_people([column for column in columns if given.get(column.name, ("order", ""))[0] == "order" and _free(column, wide)])
    given |= {name: ("demographic", "; ".join(one.reasons)) for name, one in people.items()}
    known = [c for c in columns if c.name in people and people[c.name].score >= 0.5 and people[c.name].field is not None]
    plain = {name: role for name, (role, _) in given.items()}
    found = arms(columns, plain, known)
    given |= _of_arms(found, given)
    plain = {name: role for name, (role, _) in given.items()}
    blocks = repeated([column for column in columns if plain.get(column.name) in (None, "shown or ticked")])
    asked = outcomes(columns, plain, blocks)
    given |= {one.column: ("outcome", "; ".join(one.reasons)) for one in asked if one.column not in given}
    return Table(
        file=file,
        member=part.member,
        sheet=part.sheet,
        format=raw.format,
        encoding=raw.encoding,
        second_header=part.second_header,
        rows=raw.data.num_rows,
        columns=len(columns),
        twin_of=None,
        notes=(*part.notes, *_notes(columns)),
        participants=participants(columns),
        weights=weights(columns),
        arms=found,
        outcomes=asked,
        missing=summary(columns, {name for name, (role, _) in given.items() if role in _SILENT}),
        crosswalks=crosswalk_fits(columns),
        demographics=_ranked(people),
        repeated=blocks,
        conjoints=wide,
        left_out=named(columns, given, "participant", "identifier", "open text", "about the interview"),
        variables=tuple(_variable(column, *given.get(column.name, ("other", "nothing found"))) for column in columns),
    )


def _free(column: Seen, wide: Sequence[Conjoint]) -> bool:
    return not any(column.name in conjoint.columns or column.name in conjoint.positions for conjoint in wide)


def _of_conjoints(found: Sequence[Conjoint]) -> dict[str, tuple[Role, str]]:
    taken: dict[str, tuple[Role, str]] = {}
    for conjoint in found:
        taken |= dict.fromkeys(conjoint.positions, ("position", f"where an attribute of {conjoint.pattern} was shown"))
        taken |= dict.fromkeys(conjoint.columns, ("attribute", f"one of {conjoint.pattern}"))
    return taken


def _of_arms(found: Sequence[Arm], given: Mapping[str, tuple[Role, str]]) -> dict[str, tuple[Role, str]]:
    """Columns that tell an arm are no outcomes; exclusive questions are."""
    likely = [arm for arm in found if arm.score >= _TAKEN and arm.kind != "questions"]
    names = {name: arm for arm in reversed(likely) for name in (*arm.columns, *arm.same_as)}
    return {name: ("arm", "; ".join(arm.reasons)) for name, arm in names.items() if name not in given}


def _ranked(people: Mapping[str, DemographicColumn]) -> tuple[DemographicColumn, ...]:
    return tuple(sorted(people.values(), key=lambda one: (one.field is None, -one.score)))


def _notes(columns: Sequence[Seen]) -> list[str]:
    notes = []
    if not any(column.label for column in columns):
        notes.append("the file has no variable labels: wording stands in the documents alone")
    if not any(column.column.value_labels for column in columns):
        notes.append("the file has no value labels: what codes mean stands in the documents alone")
    texts = [column.name for column in columns if column.as_text]
    if texts:
        notes.append(f"numbers stand as text, with words such as NA between them, in {len(texts)} columns ({', '.join(texts[:5])} ...)")
    return notes


def _variable(column: Seen, role: Role, why: str) -> Variable:
    listed = role not in _SILENT and len(column.codes) <= _LISTED
    values = _values(column) if listed else ()
    numbers = column.numbers if not listed and role not in _SILENT else ()
    return Variable(
        name=column.name,
        label=column.label,
        kind=column.kind,
        codes_are_text=column.as_text,
        role=role,
        why=why,
        blank=few(column.blank),
        distinct=len(column.codes),
        values=values,
        hidden=len(column.codes) - sum(value.n != 0 for value in values) if listed else 0,
        quantiles=_quantiles(column, numbers),
        blocks=(),
    )


def _values(column: Seen) -> tuple[Value, ...]:
    """Codes that occur, and codes that only have a label. A text that few people wrote may be their own, and is not shown."""
    codes = list(dict.fromkeys([*column.codes, *column.column.value_labels]))
    found = []
    for code in sorted(codes, key=lambda one: (isinstance(one, str), one)):
        n, label = few(column.count(code)), column.text_label(code)
        if isinstance(code, str) and n is None and label is None and not column.as_text:
            continue
        gap = column.gaps.get(code)
        found.append({"code": code, "label": label, "n": n, "missing": gap and gap.reason, "basis": gap and gap.basis})
    return tuple(Value.model_validate(value) for value in found)


def _quantiles(column: Seen, numbers: Sequence[float]) -> tuple[float, ...]:
    if not numbers:
        return ()
    every = np.repeat(np.array(numbers), [column.count(code) for code in column.answers])
    return tuple(float(f"{value:.6g}") for value in np.percentile(every, _QUANTILES))
