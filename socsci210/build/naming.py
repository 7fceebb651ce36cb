"""What the words that name an arm say about it: whether two arms carry each other's text, or each other's label of the data file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from ..study_file import Condition

_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_STEM: Final = 5  # letters: treated and treatment, republican and republicans
_SEVERAL: Final = 3  # arms
_EMPTY: Final = frozenset((
    "the", "and", "for", "with", "without", "not", "none", "non", "any", "all", "about", "from", "into", "than", "that", "this", "who",
    "whom", "whose", "what", "which", "when", "where", "was", "were", "are", "has", "had", "have", "its", "their", "they", "them", "his",
    "her", "our", "your", "you", "one", "two", "but", "can", "will", "would", "could", "should", "only", "own", "other", "others", "same",
    "each", "every", "condition", "conditions", "group", "arm", "version", "example", "asked", "question", "text", "argument",
))  # fmt: skip
_NEGATION: Final = re.compile(r"\b(?:no|not|non|without|none|never)[\s_-]+(\w+)", re.IGNORECASE)


def stems(*texts: str) -> frozenset[str]:
    """The words of some texts by their first letters. A word that is denied (`no affirmation`) is no evidence, so it is left out."""
    found = set()
    for text in texts:
        plain = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", text)
        found |= {word.casefold()[:_STEM] for word in _WORD.findall(_NEGATION.sub(" ", plain)) if word.casefold() not in _EMPTY}
    return frozenset(found)


def of_arm(arm: Condition) -> frozenset[str]:
    """The words that name an arm: its id, its label, the levels of its factors."""
    return stems(arm.id, arm.label, *arm.factors.values()) | (stems("control") if arm.control else frozenset())


def exchanged(names: tuple[frozenset[str], frozenset[str]], seen: tuple[frozenset[str], frozenset[str]]) -> tuple[str, str] | None:
    """Whether what is seen of two arms belongs to the other one each: a word of either name stands in the other's alone, none in its own.

    Returns:
        One such word of the first name and one of the second; None if the arms are in their places, or if nothing tells.
    """
    first, second = names[0] - names[1], names[1] - names[0]
    in_first, in_second = seen[0] - seen[1], seen[1] - seen[0]
    if first & in_first or second & in_second or not (first & in_second and second & in_first):
        return None
    return _one(first & in_second), _one(second & in_first)


def moved(names: Sequence[frozenset[str]], seen: Sequence[frozenset[str]]) -> list[tuple[int, int]]:
    """Arms whose own words stand in the text of one other arm alone, where that holds for more arms than stand in their places.

    Returns:
        (arm, the arm that has its words); empty where fewer than three arms have moved.
    """
    own = [words - frozenset().union(*(other for place, other in enumerate(names) if place != arm)) for arm, words in enumerate(names)]
    at_home = sum(bool(words & seen[arm]) for arm, words in enumerate(own))
    found = []
    for arm, words in enumerate(own):
        places = {tuple(place for place, text in enumerate(seen) if word in text) for word in words}
        elsewhere = {place[0] for place in places if len(place) == 1 and place[0] != arm}
        if elsewhere and not words & seen[arm]:
            found.append((arm, min(elsewhere)))
    return found if len(found) >= _SEVERAL and len(found) > at_home else []


def _one(found: Iterable[str]) -> str:
    return min(found)
