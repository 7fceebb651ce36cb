"""A draft against its key, part by part. Every part looks at what both have, so that one mistake costs its own part alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from ..build.codes import MissingCodes, coded, whole
from ..demographics import VOCABULARY
from ..extract import column_of, items_of
from ..study_file import Code
from .card import Line, Part
from .matching import BY_ROW, Built, Side, common_people, match_arms, match_questions
from .wordings import exchanged, text_line

_SHOWN: Final = 20  # faults of one part


@dataclass(frozen=True)
class Pairing:
    """What belongs together: questions by place, and arms with their overlap, both key first."""

    draft: Side
    key: Side
    questions: dict[int, int]
    arms: dict[int, tuple[int, float]]
    how: str
    """How people were found in both."""
    exchanged: dict[int, int]
    """Arms of the key whose people meet in the draft what another arm of the key met."""


def compare(draft: Built, key: Built) -> tuple[Line, ...]:
    """Every line of the score card of a draft."""
    theirs, ours, how = common_people(draft, key)
    questions = match_questions(theirs, ours)
    arms = match_arms(theirs, ours, questions)
    places = {key: other for key, (other, _) in arms.items()}
    pairing = Pairing(theirs, ours, questions, arms, how, exchanged(theirs, ours, questions, places))
    lines = [_participants(pairing), _arms(pairing), _outcomes(pairing), _scales(pairing), _answers(pairing), _missing(pairing)]
    lines += [_demographics(pairing), text_line(theirs, ours, questions, places)]
    if key.study.data.weight is not None or draft.study.data.weight is not None:
        lines.insert(1, _weights(pairing))
    return tuple(lines)


def line(part: Part, score: float, found: str, faults: Iterator[str] | list[str]) -> Line:
    """A line whose faults are cut after some."""
    listed = list(faults)
    more = [f"and {len(listed) - _SHOWN} more"] if len(listed) > _SHOWN else []
    return Line(part=part, score=min(1.0, max(0.0, score)), found=found, faults=(*listed[:_SHOWN], *more))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


# --- people --------------------------------------------------------------------------------------------------------------------------


def _participants(pairing: Pairing) -> Line:
    n, ours, theirs = len(pairing.key.people), pairing.key.built.deposit.n_people, pairing.draft.built.deposit.n_people
    faults = []
    if ours > n:
        faults.append(f"{ours - n} people of the key are left out")
    if theirs > n:
        faults.append(f"{theirs - n} people too many")
    if pairing.how == BY_ROW:
        faults.append(f"people are matched {BY_ROW}: every line below may be wrong")
    found = f"{theirs:,} of {ours:,} people, {n:,} in both, matched {pairing.how}"
    return line("participants", _share(n, ours + theirs - n), found, faults)


def _weights(pairing: Pairing) -> Line:
    ours, theirs = (
        side.built.deposit.table.column("weight").to_numpy(zero_copy_only=False)[side.people] for side in (pairing.key, pairing.draft)
    )
    score = float(np.isclose(ours, theirs, equal_nan=True).mean()) if len(ours) else 1.0
    names = [built.study.data.weight or "none" for built in (pairing.draft.built, pairing.key.built)]
    return line(
        "weights", score, f"{names[0]}, in the key {names[1]}", [] if score == 1 else [f"{1 - score:.0%} of people weigh otherwise"]
    )


def _arms(pairing: Pairing) -> Line:
    key, draft = pairing.key.built, pairing.draft.built
    places, others = range(len(key.study.conditions)), range(len(draft.study.conditions))

    def faults() -> Iterator[str]:
        for place in places:
            if place not in pairing.arms:
                yield f"condition {key.arm(place)} is missing"
            elif (overlap := pairing.arms[place][1]) < 1:
                other = pairing.arms[place][0]
                counts = [int(side.assigned[:, number].sum()) for side, number in ((draft.rows, other), (key.rows, place))]
                yield f"{key.arm(place)} is {draft.arm(other)} here with {counts[0]:,} people for {counts[1]:,}, {overlap:.0%} in common"
        for place, rival in pairing.exchanged.items():
            yield f"people of {key.arm(place)} meet what {key.arm(rival)} met"
        for other in set(others) - {found for found, _ in pairing.arms.values()}:
            yield f"{draft.arm(other)} is no condition of the key"
        if key.study.design != draft.study.design:
            yield f"the design is {draft.study.design}, not {key.study.design}"

    right = sum(overlap for place, (_, overlap) in pairing.arms.items() if place not in pairing.exchanged)
    score = _share(right, max(len(places), len(others)))
    return line("arms", score, f"{len(others)} of {len(places)}", faults())


def _demographics(pairing: Pairing) -> Line:
    ours, theirs = (
        side.built.tables["participants"].column("demographic").combine_chunks().take(side.people) for side in (pairing.key, pairing.draft)
    )
    scores, faults = {}, []
    for field in VOCABULARY:
        mine, other = (np.array(values.field(field).to_pylist(), object) for values in (ours, theirs))
        known, given = mine != None, other != None  # noqa: E711 (elementwise)
        if not (known | given).any():
            continue
        scores[field] = float((mine == other)[known | given].mean())
        if not given.any():
            faults.append(f"{field} is left out")
        elif not known.any():
            faults.append(f"{field} is not in the key")
        elif scores[field] < 1:
            faults.append(f"{field}: {scores[field]:.1%} of people agree")
    right = sum(score == 1 for score in scores.values())
    return line("demographics", _share(sum(scores.values()), len(scores)), f"{right} of {len(scores)} fields", faults)


# --- questions -----------------------------------------------------------------------------------------------------------------------


def _pairs(pairing: Pairing) -> Iterator[tuple[str, int, tuple[int, int], tuple[int, int]]]:
    """(name in the key, place in the key, question of the key, question of the draft)"""
    ours, theirs = list(pairing.key.built.questions), list(pairing.draft.built.questions)
    for one, other in pairing.questions.items():
        yield pairing.key.built.name(ours[one]), one, ours[one], theirs[other]


def _outcomes(pairing: Pairing) -> Line:
    key, draft = pairing.key.built, pairing.draft.built
    ours, theirs = list(key.questions), list(draft.questions)
    missing = [key.name(question) for place, question in enumerate(ours) if place not in pairing.questions]
    extra = [draft.name(question) for place, question in enumerate(theirs) if place not in pairing.questions.values()]
    faults = [f"{name} is missing" for name in missing] + [f"{name} is no question of the key" for name in extra]
    score = _share(len(pairing.questions), len(ours) + len(extra))
    return line("outcomes", score, f"{len(pairing.questions)} of {len(ours)} questions, {len(extra)} more", faults)


def _scales(pairing: Pairing) -> Line:
    """Bounds, kind, direction and labels, a quarter each, in every arm that both have."""
    right, total, faults = 0, 0, []
    for name, _, ours, theirs in _pairs(pairing):
        told = set()
        for place, (other, _) in pairing.arms.items():
            mine, found = pairing.key.built.cell(place, ours), pairing.draft.built.cell(other, theirs)
            if mine is None or found is None:
                continue
            for what, one, two in (
                ("bounds", (mine.scale.min, mine.scale.max, mine.scale.step), (found.scale.min, found.scale.max, found.scale.step)),
                ("kind", mine.scale.kind, found.scale.kind),
                ("direction", mine.scale.direction, found.scale.direction),
                ("labels", mine.scale.labels, found.scale.labels),
            ):
                total += 1
                right += one == two
                fault = f"{name}: {what} {_plain(two)}, not {_plain(one)}"
                if one != two and fault not in told:
                    told.add(fault)
                    faults.append(fault)
    return line("scales", _share(right, total), f"{right} of {total} bounds, kinds, directions and label sets", faults)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{code} {label}" for code, label in value.items()) or "none"
    return f"{value[0]}..{value[1]}" + (f" by {value[2]}" if value[2] != 1 else "") if isinstance(value, tuple) else str(value)


def _answers(pairing: Pairing) -> Line:
    """The answers of the same people to the same questions."""
    scores, faults = [], []
    for name, one, *_ in _pairs(pairing):
        other = pairing.questions[one]
        here, there = pairing.key.row[one] >= 0, pairing.draft.row[other] >= 0
        mine = pairing.key.of_question(pairing.key.built.rows.response, one)
        theirs = pairing.draft.of_question(pairing.draft.built.rows.response, other)
        either, both = here | there, here & there
        scores.append(float(((mine == theirs) & both)[either].mean()) if either.any() else 1.0)
        if scores[-1] == 1:
            continue
        if (n := int((here & ~there).sum())) or (there & ~here).any():
            faults.append(f"{name}: {n:,} answers are missing, {int((there & ~here).sum()):,} are too many")
        if both.any() and (differ := int((mine != theirs)[both].sum())):
            ends = mine[both] + theirs[both]
            how = ": the scale is turned round" if len(np.unique(ends)) == 1 else ""
            faults.append(f"{name}: {differ:,} of {int(both.sum()):,} answers are others{how}")
    return line(
        "answers", _share(sum(scores), len(scores)), f"{sum(score == 1 for score in scores)} of {len(scores)} questions alike", faults
    )


def _missing(pairing: Pairing) -> Line:
    """Codes of the columns of matched questions that one of both takes for no answer; half a point for another reason."""
    points, total, faults = 0.0, 0, []
    for name, _, ours, theirs in _pairs(pairing):
        mine, found = _reasons(pairing.key.built, ours), _reasons(pairing.draft.built, theirs)
        for column in sorted(mine.keys() & found.keys()):
            for code in sorted(mine[column][0] | found[column][0], key=str):
                one, two = mine[column][1](code), found[column][1](code)
                if one is None and two is None:
                    continue
                total += 1
                points += 1.0 if one == two else 0.5 if one and two else 0.0
                if one != two:
                    faults.append(f"{name}: code {code!r} of {column} is {two or 'an answer'}, not {one or 'an answer'}")
    return line("missing codes", _share(points, total), f"{total} codes of matched columns", faults)


def _reasons(built: Built, question: tuple[int, int]) -> dict[str, tuple[set[Code], Callable[[Code], str | None]]]:
    """Column -> every code that stands in it, and why a code is no answer (None if it is one)."""
    outcome = built.study.outcomes[question[0]]
    found: dict[str, tuple[set[Code], Callable[[Code], str | None]]] = {}
    for (_, task, number), asked in built.rows.cells.items():
        column = column_of(asked.variant, items_of(outcome)[question[1]]) if (task, number) == question else None
        if column is not None and column not in found:
            missing = MissingCodes.of(built.study, column, built.deposit.columns, outcome.missing)
            recode = {whole(code) for code in asked.variant.recode or {}}
            found[column] = (set(coded(built.deposit.codes(column)).codes), partial(_reason, missing, recode))
    return found


def _reason(missing: MissingCodes, recode: set[Code], code: Code) -> str | None:
    return None if code in recode else missing.reason(code)
