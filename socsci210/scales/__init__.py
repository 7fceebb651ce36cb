"""The answer scale that a stimulus states, read from its answer-format sentence (`Only return ...`).

The sentence is the authority: ranges in the question are never taken for the scale. Where the sentence names a range and no label,
labels that the question gives to both ends of that same range are used (`labels_from` says which). The text is foreign data: patterns
work on a stretch of bounded length, and results are cached on the sentence, because few sentences serve many stimuli.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import zip_longest
from typing import Final

from .direction import direction
from .labels import PLAIN, QUESTION_END, marks, places
from .parsed import REASONS, ParsedScale
from .sentence import OPENING, UNUSUAL_OPENING, read_sentence

__all__ = ["REASONS", "ParsedScale", "parse_scale"]

_SENTENCE: Final = 3_000  # characters; what stands further behind is not how to answer
_QUESTION: Final = 1_200  # characters before the sentence in which the question may label the scale
_LABELLED: Final = re.compile(r"[0-9]{1,9} ?(?:=|\(|means?\b|being\b|corresponds?\b|is\b)")  # starts with a set: fast to rule out


def parse_scale(stimulus_text: str) -> ParsedScale:
    """The scale stated by the answer-format sentence of a stimulus, or the reason why there is none.

    Of several such sentences the last that states a range counts; the others must not contradict it.
    """
    starts = _openings(stimulus_text)
    if not starts:
        return ParsedScale(reason="no_format_sentence")
    scale = _read(stimulus_text, starts[0], None) if len(starts) == 1 else _agreed(stimulus_text, starts)
    return scale if scale.labels or scale.min is None else _labelled_by_question(stimulus_text, scale)


def _read(text: str, start: int, end: int | None) -> ParsedScale:
    return _moved(read_sentence(text[start : start + _SENTENCE if end is None else min(end, start + _SENTENCE)]), start)


def _agreed(text: str, starts: list[int]) -> ParsedScale:
    """What several sentences state together."""
    found = [_read(text, start, end) for start, end in zip_longest(starts, starts[1:])]
    stated = [scale for scale in found if scale.min is not None]
    if len({(scale.min, scale.max, scale.step) for scale in stated}) > 1:
        return ParsedScale(reason="contradictory", sentence=found[-1].sentence)
    return stated[-1] if stated else found[-1]


def _openings(text: str) -> list[int]:
    last = text.rfind("Only return")
    if last >= 0 and text.find("nly return") == last + 1:  # nearly always: exactly one
        return [last]
    return [m.start() for m in OPENING.finditer(text)] or [m.start() for m in UNUSUAL_OPENING.finditer(text)][-1:]


def _moved(scale: ParsedScale, by: int) -> ParsedScale:
    """The scale of a sentence, its places counted from the start of the stimulus; its dictionaries are copies of the cached ones."""
    return ParsedScale(
        min=scale.min,
        max=scale.max,
        step=scale.step,
        labels=dict(scale.labels),
        spans={value: (start + by, end + by) for value, (start, end) in scale.spans.items()},
        kind=scale.kind,
        unit=scale.unit,
        direction=scale.direction,
        reason=scale.reason,
        sentence=None if scale.sentence is None else (scale.sentence[0] + by, scale.sentence[1] + by),
        labels_from=scale.labels_from,
    )


def _labelled_by_question(text: str, scale: ParsedScale) -> ParsedScale:
    """The scale with the labels of the question, where that names both ends of the same range."""
    if scale.sentence is None or scale.min is None or scale.max is None:
        return scale
    stop = scale.sentence[0]
    asked = text[max(0, stop - _QUESTION) : stop]
    if str(abs(scale.min)) not in asked or str(abs(scale.max)) not in asked:  # most stimuli end here: by far the quickest test
        return scale
    starts = [found.start() for found in _LABELLED.finditer(asked)]
    plain = asked.translate(PLAIN) if starts else ""
    for start in reversed(starts[-20:]):
        start -= plain[start - 1 : start] == "-"
        run = [mark for mark in marks(plain, start, len(plain), free=True) if mark.family in ("is", "open")]
        found = {mark.value: place for mark, place in places(plain, run, len(plain), QUESTION_END) if mark.value is not None}
        if {scale.min, scale.max} <= set(found) <= set(scale.values) and all(start < end for start, end in found.values()):
            before = stop - len(asked)
            labels = {value: asked[slice(*found[value])] for value in sorted(found)}
            return replace(
                scale,
                labels=labels,
                spans={value: (found[value][0] + before, found[value][1] + before) for value in labels},
                kind="ordinal" if scale.kind == "numeric" and scale.unit is None else scale.kind,
                direction=direction(labels, scale.min, scale.max),
                labels_from="question",
            )
    return scale
