"""Candidates for the questions that people answered, with the scale as codes and labels tell it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ..scales.direction import direction
from .columns import Seen
from .names import words
from .records import Guess, Outcome, Repeated, Role
from .roles import is_piped

_LISTED: Final = 0.05
_ENUMERATED: Final = 11
_LONGEST: Final = 101
_DOUBTFUL: Final[dict[Role | None, str]] = {
    "demographic": "something known about people beforehand",
    "about the interview": "a record of the interview",
    "order": "the order of questions",
}
"""What a column may be by its name, and an outcome all the same: party, time, click."""
_BEFORE: Final = frozenset(("pre", "pretest", "baseline", "prior"))
_QUESTION: Final = re.compile(
    r"(?i)(x|v|p|w\d_?)?(q|dv|y|outcome|item|rate|rating|choice|support|v|s|p)\.?_?\d+.*|(dv|outcome|choice|rating)\b.*|y"
)
_ASKS: Final = re.compile(
    r"\?|(?i:\b(do you|would you|how (much|likely|important|well|often|strongly|many)|to what extent|please (rate|indicate)"
    r"|your opinion)\b)"
)


def outcomes(columns: Sequence[Seen], roles: Mapping[str, Role], blocks: Sequence[Repeated]) -> tuple[Outcome, ...]:
    """The candidates, the likeliest first; those equally likely in the order of the file.

    Args:
        columns: all columns of the data file.
        roles: of the columns that have one already.
        blocks: repeated columns, which tell which questions were asked of exclusive groups.
    """
    exclusive = {name: tuple(n for n in block.columns if n != name) for block in blocks if block.exclusive for name in block.columns}
    batteries = {name for block in blocks if not block.exclusive and len(block.columns) > 2 for name in block.columns}
    found = [
        _outcome(column, roles.get(column.name), exclusive.get(column.name, ()), column.name in batteries)
        for column in columns
        if roles.get(column.name) in (None, "shown or ticked", *_DOUBTFUL) and len(column.answers) > 0
    ]
    return tuple(sorted((one for one in found if one.score >= _LISTED), key=lambda one: -one.score))


def guess(column: Seen) -> Guess:
    """The scale of a column."""
    labelled = {int(code): label for code, label in column.column.value_labels.items() if isinstance(code, int) and code not in column.gaps}
    values = [int(value) for value in column.numbers if value == int(value)]
    if column.kind not in ("whole numbers", "numbers") or not values:
        return Guess(
            min=None, max=None, kind="unordered text", direction="unknown", basis="the codes are words: their order is in the document"
        )
    if len(labelled) >= 2 and min(labelled) <= min(values) and max(labelled) >= max(values):
        low, high, basis = min(labelled), max(labelled), "value labels"
    else:
        low, high, basis = min(values), max(values), "the codes that occur; check the document for others"
    if column.kind == "numbers":
        low, high, basis = int(min(column.numbers) // 1), int(-(-max(column.numbers) // 1)), "numbers with fractions"
    kind = "numeric" if high - low > _ENUMERATED or column.kind == "numbers" else "binary" if high - low == 1 else "ordinal"
    return Guess.model_validate({"min": low, "max": high, "kind": kind, "direction": direction(labelled, low, high), "basis": basis})


def _outcome(column: Seen, role: Role | None, others: tuple[str, ...], battery: bool) -> Outcome:
    score, reasons = 0.25, []
    scale = guess(column)
    label = column.label if column.label not in (None, column.name) else None

    def add(amount: float, why: str) -> None:
        nonlocal score
        score += amount
        reasons.append(why)

    answers = sum(column.text_label(code) is not None for code in column.answers)
    if answers >= 2:
        add(0.15, "its answers have labels")
    if scale.direction != "unknown":
        add(0.1, f"the labels of its ends run {scale.direction}")
    if any(column.count(code) or column.text_label(code) for code in column.gaps):
        add(0.1, "has codes for no answer, as a question has")
    if label and _ASKS.search(label):
        add(0.2, "its label asks something")
    elif label and len(label) > 25:
        add(0.05, "has a long label")
    if _QUESTION.fullmatch(column.name):
        add(0.15, "named like a question")
    if column.kind == "whole numbers" and scale.min is not None and scale.max is not None:
        if 1 <= scale.max - scale.min <= _ENUMERATED and len(column.answers) >= 0.6 * (scale.max - scale.min + 1):
            add(0.15, f"answers from {scale.min} to {scale.max}, most of them used")
        elif scale.min >= 0 and scale.max <= _LONGEST and len(column.answers) > _ENUMERATED:
            add(0.08, f"numbers from {scale.min} to {scale.max}, as of a slider or a count")
    if others:
        add(0.1, "asked of an exclusive group")
    if battery:
        add(0.05, "one of several columns with the same codes")
    if _BEFORE & set(words(column.name)):
        add(-0.1, "but it is named like a question asked before the treatment")
    if role in _DOUBTFUL:
        add(-0.45, f"but it looks like {_DOUBTFUL[role]}")
    if role == "shown or ticked":
        add(-0.25, "but it holds one code or a blank")
    if is_piped(column):
        add(-0.35, "but it records what was put into a text")
    if column.kind == "text" and len(column.answers) > _ENUMERATED:
        add(-0.15, "but it holds many different texts")
    if len(column.answers) > _LONGEST or (column.kind == "numbers" and not label):
        add(-0.2, "but it holds very many different numbers")
    if {"derived", "recode", "recoded", "scale", "index", "sum", "mean", "std"} & set(words(column.name)):
        add(-0.1, "but it is named like something computed")
    return Outcome(
        column=column.name,
        label=column.label,
        scale=scale,
        asked_only=others,
        score=round(min(1.0, max(0.0, score)), 2),
        reasons=tuple(reasons),
    )
