"""How much one column looks like an assignment by chance: by its name, its levels, their sizes, and what it does not depend on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy.stats import chi2

from ..small_counts import few
from .columns import Seen, evenness
from .exclusive import Group, decided_by
from .names import words
from .records import Arm, Level, Role

MOST_LEVELS: Final = 48
_EVEN: Final = 0.97
_STRONG: Final = frozenset((
    "cond", "conds", "condition", "conditions", "treat", "treatment", "treated", "trt", "tx", "arm", "arms", "group", "grp", "groups",
    "version", "versions", "cell", "cells", "experiment", "exp", "experimental", "assign", "assigned", "assignment", "rnd", "rand",
    "randomized", "manip", "manipulation", "scenario", "vignette", "vig", "frame", "framing", "splitballot", "ballot", "stimulus",
    "xtess", "tess", "xarm", "dov", "form", "factor", "exper", "wave1treat", "tgroup", "prime", "primed", "control", "placebo",
))  # fmt: skip
_WEAK: Final = frozenset((
    "random", "randomize", "split", "insert", "source", "cue", "type", "message", "msg", "text", "img", "image", "video", "variant",
    "dose", "level", "list", "block", "set", "info", "information", "appeal", "nudge", "prompt",
))  # fmt: skip
_NOT_ASSIGNED: Final = frozenset((
    "check", "checks", "chk", "manipcheck", "pass", "passed", "correct", "attn", "attention", "comprehension", "quiz", "recall",
    "screener", "screen", "sample", "panel", "vendor", "collector", "supplier", "site", "batch",
))  # fmt: skip
"""Words for tests of attention and for where people come from; beside them a word for conditions says little."""
_LABEL: Final = re.compile(
    r"(?i)\b(experiment(al)? (condition|group|arm|assignment|version|treatment)s?|survey condition|condition|treatment|randomly"
    r"|random assignment|randomi[sz](ed|ation)|assigned|assignment|version of|vignette|experimental|dov)\b"
)
CONTROL: Final = re.compile(
    r"(?i)\b(control|placebo|baseline|no (argument|message|information|treatment|cue|prime|frame|affirmation|mention|text|note)|treatment"
    r"|treated|condition|vignette|self-affirmation)\b"
)
_QUESTION: Final = re.compile(r"(?i)q\.?_?\d+[a-z]?([._]\d+)*[a-z]?")


@dataclass
class Score:
    """A score with its reasons."""

    value: float = 0.0
    reasons: list[str] = field(default_factory=list)

    def add(self, amount: float, why: str) -> None:
        """Raise or lower it."""
        self.value += amount
        self.reasons.append(why)

    @property
    def final(self) -> float:
        """Between 0 and 1."""
        return round(min(1.0, max(0.0, self.value)), 2)


def column_arm(column: Seen, role: Role | None, found: Sequence[Group], known: Sequence[Seen]) -> Arm:
    """The column as a candidate.

    Args:
        column: one with 2 to MOST_LEVELS answers.
        role: that it has already.
        found: groups of people who were asked the same questions.
        known: demographic columns.
    """
    score = Score()
    _by_words(column, score)
    by_numbers(column, score)
    decided = decided_by(column, found) if column.evenness > 0.6 else []
    if decided:
        asked = ", ".join(group.columns[0] for group in decided[:4])
        score.add(0.25 if column.evenness >= 0.9 else 0.1, f"decides who was asked or shown {asked}")
    if score.value >= 0.25:
        by_independence(column, known, score)
    if role == "demographic":
        score.add(-0.5, "but it looks like something known about people beforehand")
    elif role == "order" and not decided:
        score.add(-0.2, "but it looks like the order of questions")
    return Arm(kind="column", columns=(column.name,), same_as=(), levels=levels(column), score=score.final, reasons=tuple(score.reasons))


def _by_words(column: Seen, score: Score) -> None:
    parts = _name_parts(column.name)
    label = column.label if column.label not in (None, column.name) else None
    if parts & _NOT_ASSIGNED:
        score.add(-0.4, "but it is named like a check, or like where people come from")
    strong, weak = is_strong(column.name), parts & _WEAK or column.name.upper().startswith(("X", "DOV", "P_", "FL_"))
    if strong:
        score.add(0.35, "named like a condition")
        if column.name.casefold() in _STRONG:
            score.add(0.1, "and nothing else stands in its name")
    elif weak:
        score.add(0.18, "named like something that a program assigned")
    if label and _LABEL.search(label) and len(label) < 120:
        score.add(0.1 if strong else 0.2, "labelled like a condition")
    texts = [str(column.text_label(code) or (code if isinstance(code, str) else "")) for code in column.answers]
    if any(CONTROL.search(text) for text in texts):
        score.add(0.2, "a level is worded like a control or a treatment")
    elif column.kind == "text" and sum(len(text.split()) <= 6 for text in texts) == len(texts) and not label:
        score.add(0.05, "its levels are short words, as a program writes them")
    if label and (label.rstrip().endswith("?") or len(label) > 100):
        score.add(-0.25, "but its label is a question")
    elif _QUESTION.fullmatch(column.name) and not strong:
        score.add(-0.15, "but it is named like a question")


def _name_parts(name: str) -> set[str]:
    return {re.sub(r"\d+$", "", word) for word in words(name)} | {name.casefold().rstrip("0123456789")}


def is_strong(name: str) -> bool:
    """Whether a column is named like a condition; also in one piece: `treatcond`, `armnum`."""
    return (
        bool(_name_parts(name) & _STRONG)
        or re.search(r"(?i)treat|cond(?!uct)|experiment|vignette|random|^grp|assigned|xtess", name) is not None
    )


def by_numbers(column: Seen, score: Score) -> None:
    """Assignment by chance leaves groups of planned sizes, and nobody without."""
    counts = [column.count(code) for code in column.answers]
    with_blank = column.blank > 0.02 * column.rows and evenness([*counts, column.blank]) >= _EVEN
    if with_blank:
        score.add(0.2, f"{len(counts)} groups and those with a blank, all of similar size: a group without a text, such as control")
    elif max(counts) - min(counts) <= 1:
        score.add(0.3, f"{len(counts)} groups of exactly the same size")
    elif column.evenness >= 0.995:
        score.add(0.2, f"{len(counts)} groups of about the same size")
    elif column.evenness >= _EVEN:
        score.add(0.12, f"{len(counts)} groups of similar size")
    elif column.evenness >= 0.9:
        score.add(0.05, f"{len(counts)} groups, none of them rare")
    else:
        score.add(-0.1, "but some groups are rare")
    if len(column.numbers) == 2 and sum(column.numbers) == 0:
        score.add(0.2, "two codes that sum to zero, as contrasts are coded")
    refused = [code for code in column.codes if code in column.gaps]
    if with_blank:
        return
    if refused:
        score.add(-0.15, "but some people gave no answer, as to a question")
    elif column.blank <= 0.02 * column.rows:
        score.add(0.1, "nearly everybody has a value")
    else:
        score.add(-0.05, f"but {column.blank / column.rows:.0%} have none")


def by_independence(column: Seen, known: Sequence[Seen], score: Score) -> None:
    """Chance assignment does not depend on who people are."""
    dependent = [other.name for other in known if other.name != column.name and related(column, other)]
    if dependent:
        score.add(-0.25, f"but it varies with {', '.join(dependent[:3])}, which assignment by chance would not")
    elif known:
        score.add(0.05, "does not depend on what is known about people")


def related(one: Seen, other: Seen, chance: float = 1e-5) -> bool:
    """Whether two columns depend on each other more than chance makes them: chi-square, p below `chance`."""
    if not 2 <= len(other.answers) <= MOST_LEVELS:
        return False
    both = one.answered & other.answered
    shape = len(one.codes), len(other.codes)
    table = np.bincount(one.index[both] * shape[1] + other.index[both], minlength=shape[0] * shape[1]).reshape(shape).astype(float)
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    if min(table.shape) < 2:
        return False
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
    degrees = (table.shape[0] - 1) * (table.shape[1] - 1)
    chi_square = float(((table - expected) ** 2 / expected).sum())
    return bool(chi2.sf(chi_square, degrees) < chance)


def levels(column: Seen) -> tuple[Level, ...]:
    """The answers of a column as levels; a text that few people have is not shown."""
    shown = [c for c in column.answers if not isinstance(c, str) or few(column.count(c)) is not None]
    return tuple(Level(code=code, label=column.text_label(code), columns=(), n=few(column.count(code))) for code in shown)
