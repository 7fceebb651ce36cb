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
_TELLING: Final = 3  # questions whose words differ, looked at to tell whose words an arm has
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


def exchanged(draft: Side, key: Side, questions: Mapping[int, int], arms: Mapping[int, int]) -> dict[int, int]:
    """Arm of the key -> the arm of the key whose words its people meet in the draft: more like those than like its own."""
    found = {}
    for place, their_place in arms.items():
        own: list[float] = []
        others: dict[int, list[float]] = {}
        for one, other in questions.items():
            pairs, _ = _stimuli(draft, other, their_place, key, one, place)
            if not pairs or len(own) == _TELLING:
                continue
            mine, theirs = _template(key, place, one), _template(draft, their_place, other)
            blank = mine == theirs  # then only what stands in the blanks may differ
            if blank:
                mine, theirs = _text(key, pairs[0][0]), _text(draft, pairs[0][1])
            if mine == theirs:
                continue
            own.append(_alike(mine, theirs))
            for rival in sorted(set(arms) - {place}):
                words = _usual(key, rival, one) if blank else _template(key, rival, one)
                if words:
                    others.setdefault(rival, []).append(_alike(words, theirs))
        means = {rival: sum(likeness) / len(own) for rival, likeness in others.items() if len(likeness) == len(own)}
        if means and means[best := max(means, key=means.__getitem__)] > sum(own) / len(own):
            found[place] = best
    return found


def _template(side: Side, place: int, question: int) -> list[str]:
    """The words that an arm meets up to a question, with their blanks; none where the arm was not asked it."""
    asked = side.built.cell(place, list(side.built.questions)[question])
    return [] if asked is None else f"{asked.text or ''} {asked.context or ''} {asked.question}".split()


def _usual(side: Side, place: int, question: int) -> list[str]:
    """The words of the stimulus that most people of an arm met; none where nobody was asked."""
    here = (side.row[question] >= 0) & (side.of_question(side.built.rows.condition, question) == place)
    stimuli, counts = np.unique(side.of_question(side.built.rows.stimulus, question)[here], return_counts=True)
    return _text(side, int(stimuli[int(np.argmax(counts))])) if len(stimuli) else []


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
