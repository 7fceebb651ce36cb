"""Numbers in a sentence and the labels tied to them: `1 means X`, `2 for Y`, `3 (Z)`, `4 = W`, ...

Places are found in a plain copy of the text (`plain_copy`), which has the length of the original: straight quotes, plain hyphens and
spaces, and NUL characters where the sentence says that nothing else is to be returned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Final, NamedTuple

from ..schema import LARGEST

_LOOK_BACK: Final = 40  # characters before a number that may link it to the label before it

PLAIN: Final = str.maketrans(
    {
        **dict.fromkeys("“”„‟″", '"'),
        **dict.fromkeys("‘’‚‛′`", "'"),
        **dict.fromkeys("‐‑‒–—−", "-"),
        **dict.fromkeys("\0\n\r\t\xa0\u2009\u202f", " "),
    }
)
_WORDS: Final = {
    **{"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6},
    **{"seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12},
}
_TIMES: Final = {"k": 1_000, "thousand": 1_000, "million": 1_000_000}
WORD: Final = rf"\b(?:{'|'.join(_WORDS)})\b"
DIGITS: Final = (
    r"(?:(?:\bminus |\bnegative |[-+])?\$?(?:[1-9]\d{0,2}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    r"(?:\s?%|\spercent\b)?(?:\s?(?:k|thousand|million)\b)?)"
)
NUMBER: Final = rf"(?:{DIGITS}|{WORD})"
_IS: Final = (
    r"(?:means?|meaning|is|being|indicat(?:es|ing)|represent(?:s|ing)|correspond(?:s|ing)? (?:to|with)|stands? for|denot(?:es|ing)|"
    r"signif(?:ies|ying)|refers? to|equals?|labell?ed(?: as)?)\b"
)
MARK: Final = re.compile(
    rf"(?<![\w.$%-])['\"]?(?P<number>{NUMBER})['\"]?(?:\s*(?:(?P<is>=+|{_IS})|(?P<colon>:)|(?P<for>(?:for|as)\b)|(?P<if>(?:if|when)\b)|"
    rf"(?P<to>to\b)(?=\s+[a-z])(?!\s+(?:{WORD}|infinity\b))|(?P<dash>-)(?=\s*[^\d\s-])|"
    rf"(?P<open>[(\[])(?!\s*['\"]?{NUMBER}['\"]?\s*(?:=|{_IS}))(?:\s*{_IS})?)|(?P<bare>)(?=\s['\"]\w))\s*",
    re.IGNORECASE,
)
_LINK: Final = re.compile(
    r"[\s,;:]*(?P<join>\x00|\b(?:and|or|but)\b,?\s*)?"
    r"(?P<lead>\b(?:where|with|in which|while|whereas|then|up to|through|to|from|between)\b,?\s*)?"
    r"(?:\b(?:the|an?|return|enter|select|only|number|integer|value|option|either)\b\s*){0,4}[(\[]?\s*\Z",
    re.IGNORECASE,
)
CLAUSE: Final = re.compile(
    r"[\x00\s.,;:\"')\]]*(?:(?:[(\[]|\b(?:where|with|in which|here|note(?: that)?|options|labels)\b)[\s,:]*){0,3}", re.IGNORECASE
)
_ENOUGH: Final = re.compile(
    r"(?:[,;.:-]\s*|(?<=[\"')\w])\s+|\s\()(?:and |with |but |do )?(?:nothing else|no other (?:text|words?|output|characters?)|nothing more|"
    r"without (?:any )?(?:other|additional|further|extra) \w+|no (?:additional|further|extra) \w+)\b",
    re.IGNORECASE,
)
_SENTENCE_END: Final = re.compile(r"[.!?](?=[\"')\]]*(?:\s+[\"'(\[]*[A-Z]|\s+\(|\s*\Z|\s*\x00))|\x00")
_ABBREVIATION: Final = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|vs|etc|No|Jr|Sr|e\.g|i\.e|approx)|\b[A-Za-z](?:\.[A-Za-z])+)\Z")
_REMARK: Final = re.compile(
    r",\s+(?:with|where) (?:higher|lower|larger|smaller|greater|other|intermediate|the|values|numbers)\b", re.IGNORECASE
)
QUESTION_END: Final = re.compile(r"[,;.?!\"]|\s(?:how|what|which|and then)\b", re.IGNORECASE)
_LABEL_FIRST: Final = re.compile(rf"([^(),;\x00]{{1,80}})\(\s*(?P<number>{NUMBER})\s*\)", re.IGNORECASE)
_BEFORE_LABEL: Final = re.compile(r"\s*(?:\b(?:an?|integer|number|from|between|to|or|and|either|for)\b\s*)*", re.IGNORECASE)
CLOSERS: Final = re.compile(r"[\s,;:.)\]\"'\x00]*")


def plain_copy(text: str) -> str:
    """The text with straight quotes, plain hyphens and spaces, and NUL for the words that close the sentence; of the same length."""
    return _ENOUGH.sub(lambda found: "\0" * len(found[0]), text.translate(PLAIN))


class Mark(NamedTuple):
    """A number and where the words start that say what it stands for."""

    value: int | None  # None for a fraction
    family: str  # the group of MARK that ties number and label
    link: str  # the words between the label before and the number
    before: int  # where the link starts: there the label before ends at the latest
    start: int  # of the label
    end: int | None  # of a label in quotes or brackets; of others it is found with their neighbours


def whole(number: str) -> int | None:
    """The whole number written; None for a fraction."""
    number = number.lower()
    if number in _WORDS:
        return _WORDS[number]
    before, _, fraction = re.sub(r"[^\d.]", "", number).partition(".")
    if fraction.strip("0"):
        return None
    times = next((by for word, by in _TIMES.items() if number.endswith(word)), 1)
    size = int(before) * times if len(before) < 30 else LARGEST + 1
    return -size if number.startswith(("-", "minus", "negative")) else size


def marks(plain: str, at: int, stop: int, *, free: bool) -> list[Mark]:
    """The marks of one run of labels. A mark stands behind a comma, a conjunction, ...; `free` spares the first one that."""
    run: list[Mark] = []
    floor = at
    for found in MARK.finditer(plain, at, stop):
        here, family = found.start(), str(found.lastgroup)
        if here < floor:
            continue  # inside a label in quotes or brackets
        link = _LINK.search(plain, max(floor, here - _LOOK_BACK), here)
        linked = link and (link["join"] or link["lead"] or set(link[0]) & set(",;:([") or plain[link.start() - 1] in ".)\"'")
        if not linked and (run or not free):
            continue
        before = link.start() if link else here
        if run and run[-1].end is None and _in_brackets(plain, run[-1].start, before, stop):
            continue
        ended = sentence_end(plain, floor, here)
        if ended is not None and not _only_clause(plain, ended, here):
            break
        opens = link is not None and (link["lead"] is not None or "(" in link[0])
        besides = link is not None and link["join"] is not None and family in ("for", "if")  # `..., or 99 for unsure`
        if run and family != run[-1].family and not opens and not besides:
            continue
        start, end = found.end(), None
        if family == "open":
            end = _closing_bracket(plain, start, stop)
        elif plain[start : start + 1] in ("'", '"'):
            start, end = _quoted(plain, start, stop)
        mark = Mark(whole(found["number"]), family, link[0] if link else "", before, start, end)
        floor = found.end() + 1 if end is None else end + 1
        if run and run[-1].value == mark.value and run[-1].end is None:
            run.pop()  # the number before was a word of the label before it
        run.append(mark)
    return run


def _in_brackets(plain: str, start: int, at: int, stop: int) -> bool:
    """Whether a bracket that opens in the label from `start` is still open at `at`, and closes later."""
    return plain.count("(", start, at) > plain.count(")", start, at) and plain.find(")", at, stop) >= 0


def _only_clause(plain: str, at: int, here: int) -> bool:
    clause = CLAUSE.match(plain, at + 1, here)
    return clause is not None and clause.end() == here


def _closing_bracket(plain: str, start: int, stop: int) -> int | None:
    depth = 1
    for at in range(start, stop):
        depth += (plain[at] in "([") - (plain[at] in ")]")
        if not depth:
            return at
    return None


def ends_first(plain: str, at: int, stop: int) -> list[Mark]:
    """Marks that follow their label: `from Never (1) to Always (5)`."""
    run = []
    for found in _LABEL_FIRST.finditer(plain, at, stop):
        link = _BEFORE_LABEL.match(plain, found.start(), found.end(1))
        start = link.end() if link else found.start()
        run.append(Mark(whole(found["number"]), "open", link[0] if link else "", found.start(), start, found.end(1)))
    return run if len(run) > 1 else []


def _quoted(plain: str, start: int, stop: int) -> tuple[int, int | None]:
    """Start and end of the label inside the quotes that open at `start`; without an end where no quote closes it."""
    quote, at, likely = plain[start], start + 1, -1
    while (at := plain.find(quote, at + 1, stop)) >= 0:
        inside_word = quote == "'" and plain[at - 1].isalnum() and plain[at + 1 : at + 2].isalnum()
        if likely < 0 and not inside_word and plain[at + 1 : at + 2] in (",", ";", ".", ")"):
            likely = at
        if not inside_word and _label_ends(plain, at + 1):
            nested = plain.count(quote, start + 1, at) % 2 and plain[at + 1 : at + 2] == quote  # "the word "yes""
            return start + 1, at + 1 if nested else at
    if likely >= 0 and not MARK.search(plain, likely + 1, stop):
        return start + 1, likely  # the last label, with more words behind it
    return start, None


def _label_ends(plain: str, at: int) -> bool:
    """Whether behind the quote at `at` - 1 stands another mark, a new sentence, or nothing."""
    closers = CLOSERS.match(plain, at)
    end = closers.end() if closers else at
    behind = plain[at:end]
    if end == len(plain) or "\0" in behind or ("." in behind and plain[end].isupper()):
        return True
    following = MARK.search(plain, end, end + _LOOK_BACK)
    if following is None:
        return plain[at - 2] in ".!?" and plain[end].isupper()
    link = _LINK.fullmatch(plain, at if behind.isspace() else end, following.start())
    return following.start() == end or link is not None


def sentence_end(plain: str, at: int, stop: int) -> int | None:
    for found in _SENTENCE_END.finditer(plain, at, stop):
        if found[0] != "." or not _ABBREVIATION.search(plain, max(at, found.start() - 12), found.start()):
            return found.start()
    return None


def places(plain: str, marks: list[Mark], stop: int, ends: re.Pattern[str] | None = None) -> Iterator[tuple[Mark, tuple[int, int]]]:
    """Each mark with the place of its label; `ends` closes the last label where no sentence does."""
    stops = [mark.end for mark in marks if mark.end is not None]
    own_stop = len(stops) > 1 and all(plain[end - 1] == "." for end in stops)  # every option is a sentence: its stop is its own
    for mark, following in zip_longest(marks, marks[1:]):
        if mark.end is not None:
            last = following is None and not own_stop and plain[mark.end + 1 : mark.end + 2] not in (",", ";")
            yield mark, _trimmed(plain, mark.start, mark.end, stop_too=last)
            continue
        end = following.before if following else stop
        if following is None:
            cuts = [
                sentence_end(plain, mark.start, stop),
                *(m.start() for p in (_REMARK, ends) if p and (m := p.search(plain, mark.start, stop))),
            ]
            end = min([end, *(cut for cut in cuts if cut is not None)])
        bracket = _closing_bracket(plain, mark.start, end)
        yield mark, _trimmed(plain, mark.start, end if bracket is None else bracket, stop_too=True)


def _trimmed(plain: str, start: int, end: int, *, stop_too: bool) -> tuple[int, int]:
    """The place without spaces, the quotes around it and the punctuation that closes the clause."""
    while start < end:
        last, words = plain[end - 1], plain[start:end]
        if plain[start] in " :,":
            start += 1
        elif last in " ,;:\0" or (last == "." and stop_too and not words.endswith("..") and not _ABBREVIATION.search(words[:-1])):
            end -= 1
        elif last in "\"'" and words[0] == last and len(words) > 1 and not re.search(rf"\w{last}[ ,]", words[:-1]):
            start, end = start + 1, end - 1
        elif (last == '"' and words.count('"') % 2) or (
            last == "'" and stop_too and not re.search(r"(?:^|\s)'", words) and words[-2:-1] in ".!?"
        ):
            end -= 1
        else:
            break
    return start, end
