"""Validation gates: what must be true of a study before it enters a dataset.

Each gate is a function that yields what it finds; its name stands in brackets before every message. Some faults never get this far: an
unknown code, a response off its scale, a person in two conditions or a blank without text end the reading of a study at once (`codes`,
`on_scale`, `one_condition`, `fills`), as does `participants` in the reading itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .. import patterns
from ..crosswalks import PLAUSIBLE
from ..demographics import VOCABULARY
from ..errors import GateError
from ..extract import column_of, items_of
from ..schema import MAX_ENUMERATED
from ..study_file import Outcome
from .arm_gates import arm_counts, asked_equally
from .codes import MissingCodes, people, whole
from .findings import exceptions
from .made import Made
from .pair_gates import minimal_pairs
from .scale_gates import amounts, scale_direction, scale_used
from .stated_gates import stated_numbers
from .text_gates import identifiers, residue, same_text, truncation
from .word_gates import elision, leakage, question_varies
from .wording import Asked

_SHOWN: Final = 5


def check_study(made: Made) -> None:
    """Put a study through every gate.

    Raises:
        GateError: the first fault, with the others listed below its fix.
    """
    errors = [error for gate in GATES for error in gate(made)]
    if not errors:
        return
    first = errors[0]
    if len(errors) > 1:
        others = "\n".join(str(error) for error in errors[1:_SHOWN])
        more = f"\nand {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
        found = first.found.removeprefix(f"[{first.gate}] ")
        raise GateError(
            first.gate,
            found,
            where=first.where,
            expected=first.expected,
            fix=f"{first.fix}\n{len(errors) - 1} more faults:\n{others}{more}",
        )
    raise first


# --- people and arms -----------------------------------------------------------------------------------------------------------------


def weights(made: Made) -> Iterator[GateError]:
    """Every weight is a finite number from 0."""
    if made.study.data.weight is None:
        return
    found = made.deposit.table.column("weight")
    bad = pc.invert(pc.fill_null(pc.and_(pc.is_finite(found), pc.greater_equal(found, 0.0)), False))
    if n := pc.sum(bad).as_py():
        first = made.deposit.row_numbers()[bad.to_numpy()][0]
        yield GateError(
            "weights",
            f"{people(n, 'has', 'have')} no weight, or one that is below 0 or infinite, first in row {first} of the data",
            where=made.where(f"data.weight, column {made.study.data.weight}"),
            expected="a finite number from 0 for everybody",
            fix="leave these people out with data.keep and a reason, or leave data.weight out",
        )


def arms(made: Made) -> Iterator[GateError]:
    """Every condition has people, who were asked something and answered."""
    asked = {condition for condition, _, _ in made.rows.cells}
    for record in made.tables["conditions"].to_pylist():
        where = made.where(f"conditions.{record['condition_id']}")
        if not record["n_participants"]:
            yield GateError(
                "arms",
                "nobody is in this condition",
                where=where,
                expected="at least one person in every condition",
                fix="correct `where`, or take the condition out of the study file",
            )
        elif record["condition_num"] not in asked:
            yield GateError(
                "arms",
                "no outcome was asked in this condition",
                where=where,
                expected="a question",
                fix="name it in a variant of an outcome",
            )
        elif not record["n_responses"]:
            yield GateError(
                "arms", "nobody answered in this condition", where=where, expected="answers", fix="check the columns of its outcomes"
            )


def outcomes(made: Made) -> Iterator[GateError]:
    """Every question has answers in every condition that was asked it, unless `asked` left people out."""
    asked_by_rule = {place for place, outcome in enumerate(made.study.outcomes) if outcome.asked is not None}
    assigned = dict(zip(*(made.tables["conditions"].column(name).to_pylist() for name in ("condition_num", "n_participants")), strict=True))
    for record in made.tables["outcomes"].to_pylist():
        if not record["n_responses"] and assigned[record["condition_num"]] and record["task_num"] not in asked_by_rule:
            condition = made.study.conditions[record["condition_num"]].id
            yield GateError(
                "outcomes",
                f"nobody in condition {condition} answered it",
                where=made.where(f"outcomes.{record['outcome_id']}, item {record['item_id']}"),
                expected="answers in every condition that was asked",
                fix="correct the column, or name the conditions that were asked under `variants`",
            )


# --- scales --------------------------------------------------------------------------------------------------------------------------


def kinds(made: Made) -> Iterator[GateError]:
    """Every outcome is binary with both values labelled, ordinal with a list of answers, or declared numeric."""
    for where, asked in made.questions():
        scale = asked.scale
        if scale.kind == "binary" and (bare := [value for value in scale.values if value not in scale.labels]):
            yield GateError(
                "kinds",
                f"value{'s' if len(bare) > 1 else ''} {' and '.join(map(str, bare))} of a binary scale without a label",
                where=where,
                expected="a label for both values",
                fix="quote them under scale.labels, or name a column under scale.value_labels",
            )
        elif scale.kind == "ordinal" and not 2 < len(scale.values) <= MAX_ENUMERATED:
            kind = "binary" if len(scale.values) == 2 else "numeric"
            yield GateError(
                "kinds",
                f"an ordinal scale of {len(scale.values)} values",
                where=where,
                expected=f"3 to {MAX_ENUMERATED}",
                fix=f"kind: {kind}",
            )


def directions(made: Made) -> Iterator[GateError]:
    """The direction of a scale agrees with its end labels, where they speak of agreement, likelihood, support and the like.

    Outcomes that are themselves named after a rejection are left alone: more opposition may stand at the end that says "oppose".
    """
    for (_, task, _), asked in made.rows.cells.items():
        scale, outcome = asked.scale, made.study.outcomes[task]
        if scale.min is None or scale.max is None or scale.direction == "unknown" or patterns.NEGATED.search(_name(outcome)):
            continue
        low, high = (patterns.polarity(scale.labels.get(value, "")) for value in (scale.min, scale.max))
        if low * high == -1 and (scale.direction == "up") != (high == 1):
            yield GateError(
                "directions",
                f"{scale.min} is {scale.labels[scale.min]!r}, {scale.max} is {scale.labels[scale.max]!r}, direction: {scale.direction}",
                where=made.where(f"outcomes.{outcome.id}.scale"),
                expected="direction: up where the highest value means more of what the outcome is named after",
                fix=f"direction: {'up' if high == 1 else 'down'}, or name the outcome after what its highest value means",
            )


def _name(outcome: Outcome) -> str:
    return f"{outcome.id.replace('_', ' ')} {outcome.label}"


def missing_codes(made: Made) -> Iterator[GateError]:
    """No code that the data file itself calls refused, unknown and the like is left as an answer; nor a 999 on a scale without bounds."""
    seen = set()
    for (_, task, number), asked in made.rows.cells.items():
        outcome = made.study.outcomes[task]
        column = column_of(asked.variant, items_of(outcome)[number])
        if column is None or (task, column) in seen:
            continue
        seen.add((task, column))
        where = made.where(f"outcome {outcome.id}, column {column}")
        for code, label in _labelled_answers(made, outcome, asked, column):
            yield GateError(
                "missing_codes",
                f"code {code!r}, which the data file labels {label!r}, is left as an answer",
                where=where,
                expected="an answer, or a reason why there is none",
                fix="name it under `missing` with a reason; if it is an answer, quote its label under scale.labels",
            )
    for (condition, task, item), asked in made.rows.cells.items():
        if asked.scale.min is None:
            yield from _sentinels(made, condition, task, item)


def _labelled_answers(made: Made, outcome: Outcome, asked: Asked, column: str) -> Iterator[tuple[object, str]]:
    """Codes of a column that are taken for answers though their label says that they are none."""
    spec, recode = asked.variant.scale, {whole(code) for code in asked.variant.recode or ()}
    explicit = set(spec.labels) if spec is not None else set()
    missing = MissingCodes.of(made.study, column, made.deposit.columns, outcome.missing)
    stored = {whole(code) for code in pc.unique(made.deposit.codes(column)).to_pylist() if code is not None}
    for code, label in made.deposit.columns[column].value_labels.items():
        if patterns.NO_ANSWER.fullmatch(label.strip()) and whole(code) in stored and missing.reason(whole(code)) is None:
            value = whole(code)
            if value not in recode and value in asked.scale.values and value not in explicit:
                yield value, label


def _sentinels(made: Made, condition: int, task: int, item: int) -> Iterator[GateError]:
    """Codes such as -9 or 999 that stand apart from all other answers of an unbounded question."""
    values, counts = np.unique(made.rows.response[made.rows.of_cell((condition, task, item))], return_counts=True)
    for code, n in zip(values, counts, strict=True):
        others = values[values != code]
        apart = len(others) > 0 and ((code < 0 <= others.min()) or code > 3 * max(others.max(), 0))
        if n > 1 and apart and patterns.SENTINEL.fullmatch(str(code)):
            outcome = made.study.outcomes[task]
            yield GateError(
                "missing_codes",
                f"{people(n, 'answered', 'answered')} {code}, apart from all other answers ({others.min()} to {others.max()})",
                where=made.where(f"outcome {outcome.id} in condition {made.study.conditions[condition].id}"),
                expected="answers",
                fix="name it under `missing` with a reason; if it is an answer, give the scale its min and max",
            )


def demographics(made: Made) -> Iterator[GateError]:
    """Every value of a persona is in the vocabulary of its field."""
    column = pa.concat_arrays(made.tables["participants"].column("demographic").chunks)
    for field, words in VOCABULARY.items():
        values = pc.struct_field(column, field)
        if words is not None:
            bad = pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, pa.array(words))))
        else:
            plausible = PLAUSIBLE[field]
            bad = pc.fill_null(pc.or_(pc.less(values, plausible[0]), pc.greater(values, plausible[-1])), False)
        if n := pc.sum(bad).as_py():
            yield GateError(
                "demographics",
                f"{people(n, 'has', 'have')} {field} {values.filter(bad)[0].as_py()!r}",
                where=made.where(f"demographics.fields.{field}"),
                expected=f"one of {', '.join(words)}" if words else f"{PLAUSIBLE[field][0]} to {PLAUSIBLE[field][-1]}",
                fix="map the code to the vocabulary, or to null",
            )


GATES: Final[tuple[Callable[[Made], Iterator[GateError]], ...]] = (
    arms,
    arm_counts,
    outcomes,
    asked_equally,
    stated_numbers,
    weights,
    kinds,
    directions,
    scale_direction,
    scale_used,
    amounts,
    missing_codes,
    same_text,
    minimal_pairs,
    question_varies,
    leakage,
    residue,
    truncation,
    elision,
    identifiers,
    demographics,
    exceptions,
)
