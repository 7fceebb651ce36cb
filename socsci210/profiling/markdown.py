"""A profile as one readable document (Markdown)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from ..small_counts import FEW
from .records import Arm, Level, Missing, Outcome, Profile, Table, Value, Variable

_SHORT: Final = 90
_OUTCOMES: Final = 60
_COLUMNS: Final = 12
_LEVELS: Final = 30


def to_markdown(profile: Profile) -> str:
    """The whole document. Counts of fewer than 10 people are shown as `<10`; open text and identifiers are not shown."""
    lines = [
        f"# Deposit {profile.deposit}",
        "",
        f"Candidates are ranked; each has a score from 0 to 1 with its reasons. `<{FEW}` stands for a count of 1 to {FEW - 1} people. "
        "Open text and identifiers are named and not shown.",
        "",
        "## Files",
        "",
        *_rows(("file", "role", "bytes", "sha256", "note"), [(f.file, f.role, f.bytes, f.sha256, f.note or "") for f in profile.files]),
    ]
    for table in profile.tables:
        lines += ["", *_table(table)]
    for document in profile.documents:
        lines += ["", f"## Document {document.file}", ""]
        if document.twin_of:
            lines.append(f"Nearly the same words as {document.twin_of}; not repeated here.")
        for block in document.blocks:
            names = f" (names {', '.join(block.variables)})" if block.variables else ""
            lines.append(f"- [{block.id}]{names} {_one_line(block.text)}")
    return "\n".join(lines) + "\n"


def _table(table: Table) -> Iterator[str]:
    place = " ".join(part for part in (table.file, table.member, table.sheet and f"sheet {table.sheet}") if part)
    yield f"## Data {place}"
    yield ""
    yield f"{table.rows} rows, {table.columns} columns, .{table.format}" + (f", {table.encoding}" if table.encoding else "")
    for note in table.notes:
        yield f"- {note}"
    if table.twin_of is not None:
        return
    sections: list[tuple[str, Iterable[str]]] = [
        ("Who is who", _people(table)),
        ("Arms", _arms(table.arms)),
        ("Conjoints", _conjoints(table)),
        ("Outcomes", _outcomes(table.outcomes)),
        ("Codes for no answer", _missing(table.missing)),
        ("Demographics", _demographics(table)),
        ("Repeated columns", _repeated(table)),
        ("To leave out", [f"- {one.column}: {one.why}" for one in table.left_out]),
        ("Variables", (line for variable in table.variables for line in _variable(variable))),
    ]
    for title, lines in sections:
        told = list(lines)
        yield from ("", f"### {title}", "", *(told or ["None found."]))


def _people(table: Table) -> Iterator[str]:
    for one in table.participants[:5]:
        yield f"- participant {one.column} ({one.score:.2f}): {one.why}"
    for one in table.weights:
        yield f"- weight {one.column} ({one.score:.2f}): {one.why}"


def _arms(arms: Sequence[Arm]) -> Iterator[str]:
    for place, arm in enumerate(arms, 1):
        yield f"{place}. **{_some(arm.columns)}** ({arm.kind}, {arm.score:.2f}): {'; '.join(arm.reasons)}"
        if arm.same_as:
            yield f"    - the same groups as in {_some(arm.same_as)}"
        for level in arm.levels[:_LEVELS]:
            yield f"    - {_level(level)}"


def _level(level: Level) -> str:
    name = _some(level.columns) if level.columns else f"{level.code!r}" + (f" {level.label}" if level.label else "")
    return f"{name}: {_n(level.n)}"


def _conjoints(table: Table) -> Iterator[str]:
    for one in table.conjoints:
        yield f"- **{one.pattern}** ({one.score:.2f}): {'; '.join(one.reasons)}"
        yield f"    - tasks {', '.join(one.tasks) or 'none'}; profiles {', '.join(one.profiles) or 'none'}"
        if one.positions:
            yield f"    - places of the attributes: {_some(one.positions)}"
        for attribute in one.attributes:
            levels = ", ".join(f"{level.code!r} {level.label or ''}".strip() for level in attribute.levels)
            yield f"    - {attribute.key} ({attribute.label or 'no label'}): {levels}"


def _outcomes(found: Sequence[Outcome]) -> Iterator[str]:
    for place, one in enumerate(found[:_OUTCOMES], 1):
        scale = one.scale
        ends = f"{scale.min} to {scale.max}, " if scale.min is not None else ""
        yield f"{place}. **{one.column}** ({one.score:.2f}) {_cut(one.label)}"
        yield f"    - {scale.kind}, {ends}direction {scale.direction} (by {scale.basis}); {'; '.join(one.reasons)}"
    if len(found) > _OUTCOMES:
        yield f"{len(found) - _OUTCOMES} more are in the JSON: {_some([one.column for one in found[_OUTCOMES:]])}"


def _missing(found: Sequence[Missing]) -> Iterator[str]:
    for one in found:
        elsewhere = f"; an ordinary answer in {_some(one.elsewhere)}: name columns, not `*`" if one.elsewhere else ""
        yield f"- {one.code!r} ({one.reason}, {one.score:.2f}): {one.why}; in {len(one.columns)} columns: {_some(one.columns)}{elsewhere}"


def _demographics(table: Table) -> Iterator[str]:
    for fit in table.crosswalks:
        yield f"- crosswalk **{fit.crosswalk}** ({fit.score:.2f}): {'; '.join(fit.reasons)}"
        for match in fit.fields:
            left = f"; no mapping for {', '.join(map(repr, match.unmapped))}" if match.unmapped else ""
            yield f"    - {match.field} from {match.column}: {match.mapped:.0%} of people mapped{left}"
    for one in table.demographics:
        yield f"- {one.column} -> {one.field or 'no field of the dataset'} ({one.score:.2f}): {'; '.join(one.reasons)}"


def _repeated(table: Table) -> Iterator[str]:
    for one in table.repeated:
        who = "each person answered one of them" if one.exclusive else "asked of the same people"
        yield f"- {one.pattern}: {_some(one.columns)}; {who}" + (f"; {_cut(one.label)}" if one.label else "")


def _variable(variable: Variable) -> Iterator[str]:
    text = ", codes as text" if variable.codes_are_text else ""
    yield f"- **{variable.name}** {_cut(variable.label, 400)}"
    yield f"    - {variable.role}; {variable.kind}{text}; {variable.distinct} different, {_n(variable.blank)} blank"
    for value in variable.values:
        yield f"    - {_value(value)}"
    if variable.hidden:
        yield f"    - {variable.hidden} texts of fewer than {FEW} people each, not shown"
    if variable.quantiles:
        yield f"    - 1, 25, 50, 75, 99 %: {', '.join(f'{value:g}' for value in variable.quantiles)}"
    if variable.blocks:
        yield f"    - named in {_some(variable.blocks)}"


def _value(value: Value) -> str:
    gap = f" [no answer: {value.missing}; {value.basis}]" if value.missing else ""
    return f"{value.code!r}{f' {value.label}' if value.label else ''}: {_n(value.n)}{gap}"


def _n(n: int | None) -> str:
    return f"<{FEW}" if n is None else f"{n}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_COLUMNS]) + (f" and {len(names) - _COLUMNS} more" if len(names) > _COLUMNS else "")


def _cut(text: str | None, length: int = _SHORT) -> str:
    plain = _one_line(text or "")
    return plain if len(plain) <= length else f"{plain[:length].rstrip()} ..."


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _rows(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |"
