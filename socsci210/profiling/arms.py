"""Candidates for what tells the experimental condition, scored by what assignment by chance leaves behind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from .columns import Seen
from .exclusive import Group, Partition, decided_by, groups, partitions
from .names import families, words
from .records import Arm, Level, Role
from .roles import is_piped
from .suppress import few

MOST_LEVELS: Final = 48
_SHOWN: Final = 12
_LISTED: Final = 0.3
_STRONG: Final = frozenset((
    "cond", "conds", "condition", "conditions", "treat", "treatment", "treated", "trt", "tx", "arm", "arms", "group", "grp", "groups",
    "version", "versions", "cell", "cells", "experiment", "exp", "experimental", "assign", "assigned", "assignment", "rnd", "rand",
    "randomized", "manip", "manipulation", "scenario", "vignette", "vig", "frame", "framing", "splitballot", "ballot", "stimulus",
    "xtess", "tess", "xarm", "dov", "form", "factor", "exper", "wave1treat", "tgroup", "prime", "primed", "control", "placebo",
))  # fmt: skip
_WEAK: Final = frozenset((
    "random", "randomize", "split", "insert", "source", "cue", "type", "message", "msg", "text", "img", "image", "video", "variant",
    "dose", "level", "list", "block", "set",
))  # fmt: skip
_LABEL: Final = re.compile(
    r"(?i)\b(experiment(al)? (condition|group|arm|assignment|version|treatment)s?|survey condition|condition|treatment|randomly"
    r"|random assignment|randomi[sz](ed|ation)|assigned|assignment|version of|vignette|experimental|dov)\b"
)
_CONTROL: Final = re.compile(
    r"(?i)\b(control|placebo|baseline|no (argument|message|information|treatment|cue|prime|frame|affirmation|mention|text|note)|treatment"
    r"|treated|condition|vignette|self-affirmation)\b"
)
_QUESTION: Final = re.compile(r"(?i)q\.?_?\d+[a-z]?([._]\d+)*[a-z]?")


@dataclass
class _Score:
    """A score with its reasons."""

    value: float = 0.0
    reasons: list[str] | None = None

    def add(self, amount: float, why: str) -> None:
        self.value += amount
        self.reasons = [*(self.reasons or []), why]

    @property
    def final(self) -> float:
        return round(min(1.0, max(0.0, self.value)), 2)


def arms(columns: Sequence[Seen], roles: Mapping[str, Role], known: Sequence[Seen]) -> tuple[Arm, ...]:
    """The candidates, the likeliest first.

    Args:
        columns: all columns of the data file.
        roles: of the columns that have one already. Identifiers, weights, attributes and the like are no candidates.
        known: demographic columns, from which chance assignment is independent.
    """
    possible = [c for c in columns if roles.get(c.name) in (None, "demographic", "order", "shown or ticked")]
    shown = [c for c in columns if roles.get(c.name) in (None, "shown or ticked")]
    found = groups([c for c in shown if not is_piped(c)])
    single = [_column(c, roles.get(c.name), found, known) for c in possible if 2 <= len(c.answers) <= MOST_LEVELS and c.kind != "numbers"]
    merged = _merged([(arm, c) for arm, c in single if arm.score >= _LISTED])
    by_name = {c.name: c for c in columns}
    candidates = [
        *_several(merged, by_name),
        *_crossed([arm for arm in merged if roles.get(arm.columns[0]) is None], by_name),
        *_questions(found, merged, by_name, roles),
    ]
    return tuple(sorted(candidates, key=lambda arm: -arm.score)[:_SHOWN])


def _column(column: Seen, role: Role | None, found: Sequence[Group], known: Sequence[Seen]) -> tuple[Arm, Seen]:
    score = _Score()
    _by_words(column, score)
    _by_numbers(column, score)
    decided = decided_by(column, found) if column.evenness > 0.6 else []
    if decided:
        asked = ", ".join(group.columns[0] for group in decided[:4])
        score.add(0.25 if column.evenness >= 0.9 else 0.1, f"decides who was asked or shown {asked}")
    if score.value >= 0.25:
        _by_independence(column, known, score)
    if role == "demographic":
        score.add(-0.5, "but it looks like something known about people beforehand")
    elif role == "order":
        score.add(-0.2, "but it looks like the order of questions")
    arm = Arm(
        kind="column", columns=(column.name,), same_as=(), levels=_levels(column), score=score.final, reasons=tuple(score.reasons or ())
    )
    return arm, column


def _by_words(column: Seen, score: _Score) -> None:
    parts = {re.sub(r"\d+$", "", word) for word in words(column.name)} | {column.name.casefold().rstrip("0123456789")}
    label = column.label if column.label not in (None, column.name) else None
    strong, weak = parts & _STRONG or _compound(column.name), parts & _WEAK or column.name.upper().startswith(("X", "DOV", "P_"))
    if strong:
        score.add(0.35, "named like a condition")
    elif weak:
        score.add(0.18, "named like something that a program assigned")
    if label and _LABEL.search(label) and len(label) < 120:
        score.add(0.1 if strong else 0.2, "labelled like a condition")
    texts = [str(column.text_label(code) or (code if isinstance(code, str) else "")) for code in column.answers]
    if any(_CONTROL.search(text) for text in texts):
        score.add(0.2, "a level is worded like a control or a treatment")
    elif column.kind == "text" and sum(len(text.split()) <= 6 for text in texts) == len(texts) and not label:
        score.add(0.05, "its levels are short words, as a program writes them")
    if label and (label.rstrip().endswith("?") or len(label) > 100):
        score.add(-0.25, "but its label is a question")
    elif _QUESTION.fullmatch(column.name) and not strong:
        score.add(-0.15, "but it is named like a question")


def _compound(name: str) -> bool:
    """Names written in one piece: `treatcond`, `armnum`."""
    return re.search(r"(?i)treat|cond(?!uct)|experiment|vignette|random|^grp|assigned|xtess", name) is not None


def _by_numbers(column: Seen, score: _Score) -> None:
    counts = [column.count(code) for code in column.answers]
    if max(counts) - min(counts) <= 1:
        score.add(0.3, f"{len(counts)} groups of exactly the same size")
    elif column.evenness >= 0.995:
        score.add(0.2, f"{len(counts)} groups of about the same size")
    elif column.evenness >= 0.97:
        score.add(0.12, f"{len(counts)} groups of similar size")
    elif column.evenness >= 0.9:
        score.add(0.05, f"{len(counts)} groups, none of them rare")
    else:
        score.add(-0.1, "but some groups are rare")
    refused = [code for code in column.codes if code in column.gaps]
    if refused:
        score.add(-0.15, "but some people gave no answer, as to a question")
    elif column.blank <= 0.02 * column.rows:
        score.add(0.1, "nearly everybody has a value")
    else:
        score.add(-0.05, f"but {column.blank / column.rows:.0%} have none")


def _by_independence(column: Seen, known: Sequence[Seen], score: _Score) -> None:
    """Chance assignment does not depend on who people are."""
    dependent = [other.name for other in known if other.name != column.name and _related(column, other)]
    if dependent:
        score.add(-0.25, f"but it varies with {', '.join(dependent[:3])}, which assignment by chance would not")
    elif known:
        score.add(0.05, "does not depend on what is known about people")


def _related(one: Seen, other: Seen) -> bool:
    """Whether two columns depend on each other far more than chance makes them (chi-square, six standard deviations)."""
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
    return bool((chi_square - degrees) / (2 * degrees) ** 0.5 > 6)


def _levels(column: Seen) -> tuple[Level, ...]:
    shown = [c for c in column.answers if not isinstance(c, str) or few(column.count(c)) is not None]
    return tuple(Level(code=code, label=column.text_label(code), columns=(), n=few(column.count(code))) for code in shown)


def _merged(found: Sequence[tuple[Arm, Seen]]) -> list[Arm]:
    """Candidates that group people alike become one, under the best of their names."""
    kept: list[tuple[Arm, Seen]] = []
    for arm, column in sorted(found, key=lambda pair: -pair[0].score):
        for place, (other, seen) in enumerate(kept):
            if _same(column, seen):
                same = (*other.same_as, column.name)
                kept[place] = (other.model_copy(update={"same_as": same}), seen)
                break
        else:
            kept.append((arm, column))
    return [arm for arm, _ in kept]


def _same(one: Seen, other: Seen) -> bool:
    """Whether two columns group people alike, whatever their codes."""
    if len(one.codes) != len(other.codes) or not np.array_equal(one.sizes, other.sizes):
        return False
    # Of equally many groups of equal sizes, each meets one of the other's groups only if no pair is left over.
    return len(np.unique((one.index + 1) * (len(other.codes) + 1) + other.index + 1)) == len(one.sizes)


def _several(found: Sequence[Arm], columns: Mapping[str, Seen]) -> list[Arm]:
    """Columns with the same levels become one candidate: an arm per item or per round."""
    of_family = {name: number for number, family in enumerate(families(columns)) for name in family.members.values()}
    sets: dict[object, list[Arm]] = {}
    for arm in found:
        column = columns[arm.columns[0]]
        levels = tuple(column.column.value_labels.values()) or column.answers
        worded = column.kind == "text" or bool(column.column.value_labels)
        key: object = levels if worded else (levels, of_family.get(column.name, column.name))
        sets.setdefault(key, []).append(arm)
    result = []
    for members in sets.values():
        first = members[0]
        if len(members) > 1:
            names = tuple(sorted((arm.columns[0] for arm in members), key=list(columns).index))
            reasons = (f"{len(names)} columns with the same levels: an arm per item or per round", *first.reasons)
            same = tuple(name for arm in members for name in arm.same_as)
            first = first.model_copy(update={"kind": "columns", "columns": names, "same_as": same, "reasons": reasons})
        result.append(first)
    return result


def _crossed(found: Sequence[Arm], columns: Mapping[str, Seen]) -> list[Arm]:
    """Two or three columns, each a candidate, whose combinations are equally frequent: factors of one design."""
    likely = [columns[arm.columns[0]] for arm in found if arm.score >= 0.5 and len(arm.levels) <= 6][:6]
    for size in (3, 2):
        chosen = likely[:size]
        if len(chosen) < size:
            continue
        cells = np.unique(np.stack([column.index for column in chosen]), axis=1, return_counts=True)[1]
        expected = int(np.prod([len(column.answers) for column in chosen]))
        if len(cells) == expected and cells.max() - cells.min() <= max(2, 0.35 * cells.mean()):
            scores = [arm.score for arm in found if arm.columns[0] in {column.name for column in chosen}]
            reason = f"their {expected} combinations are about equally frequent: factors of one design"
            return [
                Arm(
                    kind="factors",
                    columns=tuple(column.name for column in chosen),
                    same_as=(),
                    levels=tuple(level for column in chosen for level in _levels(column)),
                    score=round(min(1.0, max(scores) + 0.05), 2),
                    reasons=(reason,),
                )
            ]
    return []


def _questions(found: Sequence[Group], single: Sequence[Arm], columns: Mapping[str, Seen], roles: Mapping[str, Role]) -> list[Arm]:
    """Exclusive groups of questions; where a column tells the same, the column goes first."""
    clear = [columns[arm.columns[0]] for arm in single if arm.score >= 0.5]
    result = []
    for partition in partitions(found)[: 2 if clear else 4]:
        score = _Score(
            0.25, [f"{len(partition.groups)} groups of questions, and {partition.covered:.0%} of people were asked those of one"]
        )
        named = _alike(partition)
        if named:
            score.add(0.25, f"the questions are named alike: {named}")
        if partition.covered >= 0.995:
            score.add(0.1, "nobody is left over")
        sizes = np.array([group.n for group in partition.groups])
        if sizes.min() >= 0.4 * sizes.mean():
            score.add(0.15, "no group is small")
        told = next((column.name for column in clear if len(decided_by(column, partition.groups)) == len(partition.groups)), None)
        if told is not None:
            score.add(-0.3, f"column {told} tells the same")
        elif not clear:
            score.add(0.15, "no column tells the arm")
        if any(roles.get(group.columns[0]) == "shown or ticked" for group in partition.groups):
            score.add(0.05, "some were shown, not asked")
        levels = tuple(Level(code=None, label=None, columns=group.columns, n=few(group.n)) for group in partition.groups)
        names = tuple(group.columns[0] for group in partition.groups)
        result.append(
            Arm(kind="questions", columns=names, same_as=(), levels=levels, score=score.final, reasons=tuple(score.reasons or ()))
        )
    return result


def _alike(partition: Partition) -> str:
    """The first columns of all groups, where their names differ in numbers or letters alone; empty where they do not."""
    names = [column for group in partition.groups for column in group.columns]
    for family in families(names):
        members = set(family.members.values())
        firsts = [next((name for name in group.columns if name in members), None) for group in partition.groups]
        if all(firsts):
            return ", ".join(str(name) for name in firsts[:8])
    return ""
