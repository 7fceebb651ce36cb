"""From what a server answers to a distribution over a scale: the answers in texts, and the answers in lists of likely tokens.

A server lists up to 20 likely tokens at each position of what it sampled. The tokens at the first position tell the probability of every
answer that is one token. An answer that begins another one ("1" and "10"), or that comes in pieces ("-", "5"), is told only by the list at
the next position, and that list is known only behind the token that was sampled. So prompts with such answers are sampled until the lists
behind all likely beginnings are known; what is left is counted as unresolved, and belongs to no answer.

Whatever follows a token that can be one answer only ("5", "5.", "5 out of 7") is not looked at: where the exact engine asks for the answer
and the end of the turn, this asks for the answer. An answer that a tokenizer is seen to write as one token is not looked for in pieces.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Alternatives = Sequence[tuple[str, float]]
"""Tokens as text with their log-probabilities, at one position."""


class Step(NamedTuple):
    """One position of a sampled text."""

    token: str
    alternatives: Alternatives


Path = Sequence[Step]

UNBOUNDED: Final = range(-(2**53), 2**53 + 1)
"""The values of a scale without bounds: all whole numbers that are exact in every type they pass through."""
_NUMBER: Final = re.compile(r"[-−]?[0-9]+")
_BARE: Final = re.compile(r"[\s\"'*(]*([-−]?[0-9]+)[\s\"'*).]*")
_LEADING: Final = re.compile(r"[\s\"'*(]*([-−]?[0-9]+)(?![0-9]|[.,][0-9])")


def read_text(text: str, values: range) -> int | None:
    """The answer that a text gives: a bare number, else the number it begins with, else its only number; None if that is not on the scale.

    `3.5` is no answer, nor is a number off the scale.
    """
    numbers = _NUMBER.findall(text)
    found = _BARE.fullmatch(text) or _LEADING.match(text)
    if found:
        number = found.group(1)
    elif len(numbers) == 1 and not re.search(r"[0-9][.,][0-9]", text):
        number = numbers[0]
    else:
        return None
    if len(number) > 18:
        return None
    value = int(number.replace("−", "-"))
    return value if value in values else None


@dataclass(frozen=True)
class Reading:
    """Probability of each answer before normalising, (answers,), and the mass that may be answers but could not be told apart."""

    mass: Floats
    unresolved: float


class AnswerTree:
    """Reads the lists of likely tokens of sampled texts, for one scale.

    Args:
        values: the answers of the scale.
    """

    def __init__(self, values: Iterable[int]) -> None:
        self.options = {str(value): place for place, value in enumerate(values)}

    @property
    def positions(self) -> int:
        """Positions to ask for: the longest answer in single characters, and a blank before it."""
        return max(map(len, self.options)) + 1

    def _state(self, text: str) -> tuple[Literal["whole", "open", "junk"], str]:
        """What a beginning of an answer is, and its number: surely one answer, maybe (the beginning of) several, or none."""
        text = text.lstrip().replace("−", "-")
        number = _NUMBER.match(text)
        head = number.group() if number else text
        if number and len(head) < len(text):  # whatever follows ends the number, unless it is a decimal
            decimal = re.match(r"[.,][0-9]", text[len(head) :])
            return ("whole", head) if head in self.options and not decimal else ("junk", head)
        if any(option.startswith(head) and option != head for option in self.options):
            return "open", head
        return ("whole", head) if head in self.options else ("junk", head)

    def trim(self, path: Path) -> list[Step]:
        """The steps that matter: up to the first one that settles what the answer is."""
        kept: list[Step] = []
        text = ""
        for step in path:
            kept.append(step)
            text += step.token
            if not step.token or self._state(text)[0] != "open":
                break
        return kept

    def read(self, paths: Iterable[Path]) -> Reading:
        """The distribution behind some sampled texts of one prompt."""
        lists: dict[tuple[str, ...], Alternatives] = {}
        for path in paths:
            tokens: tuple[str, ...] = ()
            for step in path:
                lists.setdefault(tokens, step.alternatives)
                tokens = (*tokens, step.token)
        mass = np.zeros(len(self.options))
        unresolved = self._walk((), 1.0, lists, mass)
        return Reading(mass, unresolved)

    def _walk(self, tokens: tuple[str, ...], here: float, lists: dict[tuple[str, ...], Alternatives], mass: Floats) -> float:
        """Add what lies behind some tokens, of probability `here`, to `mass`; return the part of it that is unresolved."""
        alternatives = lists.get(tokens)
        if alternatives is None:
            return here
        text = "".join(tokens)
        number = self._state(text)[1] if tokens else ""
        behind = [(token, here * math.exp(log), *self._state(text + token)) for token, log in alternatives]
        in_one = {head for _, _, state, head in behind if state == "whole" and head != number}
        unresolved = elsewhere = 0.0
        for token, share, state, head in behind:
            if not token or (state == "whole" and head == number):
                continue  # the number stands as it was: this is the end of it
            elsewhere += share
            longer = {option for option in self.options if option.startswith(head) and option != head}
            if state == "whole" or (state == "open" and head in self.options and longer <= in_one):
                mass[self.options[head]] += share
            elif state == "open":
                unresolved += self._walk((*tokens, token), share, lists, mass)
        beyond = self._unlisted(number, here, behind)
        if number in self.options:
            mass[self.options[number]] += max(0.0, here - elsewhere - beyond)
        return unresolved + beyond

    def _unlisted(self, number: str, here: float, behind: Sequence[tuple[str, float, str, str]]) -> float:
        """The most that answers may have which go on from `number` and of which no beginning is listed."""
        heads = [head for _, _, state, head in behind if state != "junk" and head != number]
        missing = sum(o.startswith(number) and o != number and not any(o.startswith(head) for head in heads) for o in self.options)
        listed = [share for _, share, _, _ in behind]
        return min(max(0.0, here - sum(listed)), missing * min(listed, default=here))
