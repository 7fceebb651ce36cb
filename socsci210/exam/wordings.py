"""How like the texts of a draft are to those of its key: the stimuli that the same people met, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Final

import numpy as np

from .card import Line
from .matching import Side

_PAIRS: Final = 12  # distinct pairs of stimuli compared in one cell, the most frequent first
_FAULTS: Final = 12
_AROUND: Final = 6  # words


def text_line(draft: Side, key: Side, questions: Mapping[int, int], arms: Mapping[int, int]) -> Line:
    """The line of the texts: the mean over cells that both have of the share of words in common, in their order."""
    scores: dict[tuple[int, int], float] = {}
    faults: list[tuple[float, str]] = []
    names = list(key.built.questions)
    for one, other in questions.items():
        for place, their_place in arms.items():
            pairs, counts = _stimuli(draft, other, their_place, key, one, place)
            if not len(pairs):
                continue
            likeness = [_alike(_text(key, mine), _text(draft, theirs)) for mine, theirs in pairs]
            scores[place, one] = float(np.average(likeness, weights=counts))
            if scores[place, one] < 1:
                worst = int(np.argmin(likeness))
                change = _difference(_text(key, pairs[worst][0]), _text(draft, pairs[worst][1]))
                faults.append(
                    (scores[place, one], f"{key.built.arm(place)}, {key.built.name(names[one])}: {scores[place, one]:.2f}, {change}")
                )
    faults.sort()
    score = sum(scores.values()) / len(scores) if scores else 0.0
    more = [f"and {len(faults) - _FAULTS} more cells"] if len(faults) > _FAULTS else []
    same = sum(score == 1 for score in scores.values())
    return Line(
        part="text",
        score=score,
        found=f"{same} of {len(scores)} cells word for word",
        faults=(*(text for _, text in faults[:_FAULTS]), *more),
    )


def _stimuli(draft: Side, other: int, their_place: int, key: Side, one: int, place: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Distinct pairs of stimuli (key, draft) of the people who answered in both, and how many met them."""
    both = (key.row[one] >= 0) & (draft.row[other] >= 0)
    both &= key.of_question(key.built.rows.condition, one) == place
    both &= draft.of_question(draft.built.rows.condition, other) == their_place
    ours, theirs = key.of_question(key.built.rows.stimulus, one)[both], draft.of_question(draft.built.rows.stimulus, other)[both]
    if not both.any():
        return [], []
    pairs, counts = np.unique(np.stack([ours, theirs], axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_PAIRS]
    return [(int(mine), int(found)) for mine, found in pairs[order]], [int(n) for n in counts[order]]


def _text(side: Side, stimulus: int) -> list[str]:
    """The words of a stimulus up to its answer format, which belongs to the scale."""
    text = str(side.built.rows.texts[stimulus].as_py())
    return (text.rpartition(" Only return ")[0] or text).split()


def _alike(ours: list[str], theirs: list[str]) -> float:
    return SequenceMatcher(None, ours, theirs, autojunk=False).ratio()


def _difference(ours: list[str], theirs: list[str]) -> str:
    """The first words that differ."""
    for tag, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag != "equal":
            return f"{_short(theirs[c:d])} for {_short(ours[a:b])}"
    return "other white space"


def _short(words: list[str]) -> str:
    return repr(" ".join(words[:_AROUND]) + (" ..." if len(words) > _AROUND else "")) if words else "nothing"
