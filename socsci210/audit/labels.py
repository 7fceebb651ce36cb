"""Families of answers (agree, likely, willing, ...), and labels that belong to another family than the question."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# Each family: the words of its one end, and of the other. Words that say the same thing share a family.
_FAMILIES: Final[dict[str, tuple[str, str]]] = {
    "support": (r"favou?r(?:s|ed|ing)?|support(?:s|ed|ing)?|approv\w+", r"oppos\w+|disapprov\w+"),
    "agree": (r"agree\w*", r"disagree\w*"),
    "likely": (r"likely|likelihood", r"unlikely"),
    "willing": (r"willing\w*", r"unwilling\w*"),
    "satisfied": (r"satisf\w+", r"dissatisf\w+"),
    "trust": (r"trust\w*", r"distrust\w*|mistrust\w*"),
    "important": (r"important|importance", r"unimportant"),
    "fair": (r"fair(?:ly|ness)?", r"unfair\w*"),
    "positive": (r"positive\w*|favou?rabl[ey]", r"negative\w*|unfavou?rabl[ey]"),
    "warm": (r"warm\w*", r"cold\w*|cool\w*"),
    "comfortable": (r"comfortable|comfort", r"uncomfortable"),
    "safe": (r"safe\w*", r"unsafe|dangerous"),
    "easy": (r"easy|easily", r"difficult\w*|hard"),
    "effective": (r"effective\w*", r"ineffective\w*"),
    "acceptable": (r"acceptable|appropriate\w*", r"unacceptable|inappropriate\w*"),
    "happy": (r"happy|happier|happiness", r"unhappy|sad"),
    "likeable": (r"likes?|liked", r"dislik\w+"),
    "interested": (r"interested|interest", r"uninterested"),
    "yes": (r"yes", r"no"),
    "true": (r"true", r"false"),
    "often": (r"always|often", r"never|rarely"),
    "increase": (r"increas\w+", r"decreas\w+|reduc\w+"),
    "better": (r"better|good", r"worse|bad"),
}
_SIDES: Final = {
    name: tuple(re.compile(rf"(?i)\b(?:{side})\b") for side in sides) for name, sides in _FAMILIES.items()
}  # `\b` keeps "agree" out of "disagree"
_LABEL_ONLY: Final = frozenset(("yes", "true", "often"))  # as words of a question they say nothing about how it is answered
_FIRST: Final = re.compile(r"(?i)^(?:very|strongly|extremely|somewhat|completely|definitely|slightly|moderately|mostly|totally)\s+")


@lru_cache(maxsize=1 << 16)
def contradiction(question: str, labels: tuple[str, ...]) -> tuple[int, int] | None:
    """The place of the pair that the question offers, where the labels speak of another family and of none that the question mentions.

    The question must name both ends (`favour or oppose`), and the labels both ends of one other family: only then is it certain that they
    do not belong together.
    """
    family = _family_of(labels)
    if family is None or any(side.search(question) for side in _SIDES[family]):
        return None
    for name, (high, low) in _SIDES.items():
        if name in _LABEL_ONLY:
            continue
        a, b = high.search(question), low.search(question)
        if a and b:
            start, end = min(a.start(), b.start()), max(a.end(), b.end())
            if end - start <= 60 and " or " in question[start : end + 6]:  # also "favour, oppose, or ..."
                return start, end
    return None


def _family_of(labels: tuple[str, ...]) -> str | None:
    """The one family of which both ends are among the labels; None where there is none, or more than one."""
    heads = [_FIRST.sub("", label.strip("\"'“”‘’ ")) for label in labels]
    found = [
        name
        for name, (high, low) in _SIDES.items()
        if any(_opens(high, head) for head in heads) and any(_opens(low, head) for head in heads)
    ]
    return found[0] if len(found) == 1 else None


def _opens(side: re.Pattern[str], label: str) -> bool:
    """True where a label is this answer, not a sentence that happens to hold the word."""
    return side.match(label) is not None
