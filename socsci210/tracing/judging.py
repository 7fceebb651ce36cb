"""From what the model wrote to a trace, or to why there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..prompts import PLAIN_CUE

EMPTY: Final = "empty"
REFUSED: Final = "the model declined"
CUT: Final = "cut off at the limit of tokens"
NO_END: Final = "no answer line at its end"
CONTRADICTS: Final = "contradicts the answer"
KNOWN: Final = "tells that the answer is known"
CUE: Final = "holds the cue that ends a trace"
_LEAST: Final = 3  # words
_END: Final = re.compile(r"[\s*_`#>\-]*answer\b[\s*_`]*[:=][\s*_`<]*([+-]?\d+)\b(?:[\s*_`.>]|\([^()]*\))*", re.IGNORECASE)
_THOUGHT: Final = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_CHOICE: Final = re.compile(
    r"\b(?:my (?:final )?answer (?:is|would be|will be)"
    r"|i(?:['’]d|['’]ll| would| will| am going to|['’]m going to)?\s+(?:answer|choose|pick|select|go with|settle on|opt for))"
    r"\s+(?:with\s+|on\s+|for\s+)?(?:an?\s+|the\s+)?[\"“'‘*]*(?P<what>.{1,80})",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"([+-]?\d+)(?![\d.,]*\d|\s*(?:%|percent|out of|of|or|to))")
_LEAKS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:given|known|provided|stated|recorded|actual|true|correct|chosen|above) (?:answer|response)\b",
        r"\banswer (?:that )?(?:was|is|has been|had been|i was) (?:already )?(?:given|known|provided|stated|recorded|told)\b",
        r"\b(?:since|because|as|given that|knowing that|why) (?:i|they|he|she|the respondent|this person) "
        r"(?:already |have |has |had )*(?:answered|responded|chose|selected|picked)\b",
        r"\b(?:i|they|he|she|the respondent|this person|the participant) (?:already |have |has |had )*"
        r"(?:answered|responded(?: with)?|gave) (?:an? )?[\"“'‘]?[+-]?\d",
        r"\b(?:the|this) (?:survey )?(?:respondent|participant)(?:['’]s)? (?:answer|answered|chose|profile|would|response)",
        r"\b(?:the|these|my|your) (?:instructions?|prompt|demographic profile)\b(?! (?:of|for) the (?:survey|study|test))",
        r"\bi (?:was|am|have been) told (?:that )?(?:the|my|their) (?:answer|response)\b",
        r"\bto (?:justify|explain|rationali[sz]e) (?:the|this|my|their) (?:given )?(?:answer|response|rating)\b",
    )
)
_DECLINES: Final = re.compile(
    r"\b(?:as an ai\b|as a(?:n? \w+)? language model|i(?:['’]m| am) (?:sorry|unable)\b.{0,40}(?:can(?:no|')t|unable|not able)"
    r"|i can(?:no|['’])t (?:help|assist|comply|write|provide|do that))",
    re.IGNORECASE,
)


class Verdict(NamedTuple):
    """A trace, or why it is left out."""

    trace: str | None
    reason: str | None


def judge(choice: Mapping[str, Any], answer: int, labels: Mapping[int, str]) -> Verdict:
    """What a written text is worth.

    Args:
        choice: `content` and `finish` of the model's message.
        answer: what the person answered.
        labels: the labelled values of the scale.
    """
    text = _THOUGHT.sub("", str(choice.get("content") or "")).strip()
    finish = choice.get("finish")
    if finish == "content_filter" or choice.get("refusal") or _DECLINES.search(text):
        return Verdict(None, REFUSED)
    if not text:
        return Verdict(None, EMPTY)
    if finish == "length":
        return Verdict(None, CUT)
    body, _, last = text.rpartition("\n")
    end = _END.fullmatch(last)
    if end is None:
        return Verdict(None, NO_END)
    trace = body.strip().strip("`").strip()
    if len(trace.split()) < _LEAST:
        return Verdict(None, EMPTY)
    if int(end[1]) != answer or _other_choice(trace, answer, labels):
        return Verdict(None, CONTRADICTS)
    if any(leak.search(trace) for leak in _LEAKS):
        return Verdict(None, KNOWN)
    if PLAIN_CUE in f"{trace}\n" or any(_END.fullmatch(line) for line in trace.splitlines()):
        return Verdict(None, CUE)
    return Verdict(trace, None)


def _other_choice(text: str, answer: int, labels: Mapping[int, str]) -> bool:
    """Whether the text comes, in words that choose, to another answer."""
    for choice in _CHOICE.finditer(text):
        what = choice["what"]
        if (number := _NUMBER.match(what)) is not None and int(number[1]) != answer:
            return True
        named = [value for value, label in labels.items() if _begins(what, label)]
        longest = max(named, key=lambda value: len(labels[value]), default=answer)
        if longest != answer and not _begins(labels.get(answer, ""), labels[longest]):
            return True
    return False


def _begins(text: str, label: str) -> bool:
    """Whether a text begins with a label, as whole words."""
    begin, wanted = text.casefold(), label.casefold().strip()
    return bool(wanted) and not wanted.isdigit() and begin.startswith(wanted) and not begin[len(wanted) : len(wanted) + 1].isalnum()
