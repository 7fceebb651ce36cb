"""Rules about single stimuli: what programs, editors or the lack of a picture left in them. Each is a mask over the distinct texts.

Patterns that run over all texts are RE2 (through pyarrow); Python's look only at texts that such a pattern found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..patterns import BLANK_WORD, EMPTY_WORD, PLACEHOLDER
from ..scales import ParsedScale
from .labels import contradiction
from .parts import question, treatment_end
from .records import Mask

Span = tuple[int, int]
Finder = Callable[[str, ParsedScale], Span | None]


@dataclass(frozen=True)
class TextRule:
    """A rule on texts: a cheap pattern that every hit matches (RE2), and the exact test, which gives the place in the text."""

    candidates: str
    find: Finder


# --- what programs leave behind ------------------------------------------------------------------------------------------------------

_PLACEHOLDER: Final = re.compile(PLACEHOLDER)
_EMPTY: Final = re.compile(rf"{EMPTY_WORD}(?![\w’'])")  # what stands before is looked at afterwards: a look back at every letter is slow
_PART_OF_WORD: Final = re.compile(r"[\w'’-]")
# Words after which None may be a word or a label: "1 means None", "from None to a lot", "either None or all"
_INTRODUCES: Final = re.compile(
    r"""(?x) for | means? | meaning | is | was | are | were | as | to | from | or | and | nor | either | sa(y|id|ys) | answer(ed)? | chose
    | choose | select(ed)? | options? | called | named | label+ed | marked | category | between | than | but | not | response"""
)
# Words that follow the ordinary word None: "None of them", "None at all", "None or a little", "None are"
_ORDINARY: Final = re.compile(
    r"""(?x) of | at | or | and | to | nor | others? | is | are | was | were | be(en)? | ha(s|ve|d) | do(es)? | did | can | could | would
    | will | should | may | might | must | whatsoever | too | so | but | yet | in | on | the | if | that | those | these | who
    | appl(y|ies) | selected | chosen"""
)
_UNITS: Final = re.compile(
    r"[ -](?:years?|months?|weeks?|days?|hours?|minutes?|percent|percentage|%|dollars?|cents?|miles?|terms?|children|kids|people|points?)\b"
)
_NEVER_A_WORD: Final = frozenset(("NaN", "NoneType", "<NA>"))
_WORD_BEFORE: Final = re.compile(r"([^\s]*)\s$")
_WORD_AFTER: Final = re.compile(r"\s([a-z][a-z'’-]*)")
_LOST_WHOLE: Final = re.compile(r"(?:^|\s)(?:read|viewed|watched|saw|heard|told|shown)[: ]\s?[\"'“‘]?$")
_GOES_ON: Final = re.compile(r"[\"'”’]?(?: and|,? then|[.;]? You (?:then|were))\b")


def template_residue(text: str, scale: ParsedScale) -> Span | None:
    """`{code[expr]}`, `${...}`, `{{name}}` or an unfilled `{name}`; never braces in prose, such as `{a, b}` or an emoticon."""
    found = _PLACEHOLDER.search(text)
    return found.span() if found else None


def none_in_text(text: str, scale: ParsedScale) -> Span | None:
    """None, nan or <NA> where a value belongs; never the ordinary word, a label of the scale or a level of its own."""
    labels = list(scale.spans.values())
    for found in _EMPTY.finditer(text):
        start, end = found.span()
        if (start and _PART_OF_WORD.match(text, start - 1)) or any(a <= start and end <= b for a, b in labels):
            continue
        if found.group() in _NEVER_A_WORD or _stands_for_a_value(text, start, end):
            return start, end
    return None


def _stands_for_a_value(text: str, start: int, end: int) -> bool:
    head, tail = text[max(0, start - 40) : start], text[end : end + 40]
    if head.endswith("$") or tail.startswith("%") or _UNITS.match(tail):
        return True
    if _LOST_WHOLE.search(head) and _GOES_ON.match(tail):
        return True
    before, after = _WORD_BEFORE.search(head), _WORD_AFTER.match(tail)
    if before is None or after is None:
        return False
    word = before.group(1)
    return word.isalpha() and word.islower() and not _INTRODUCES.fullmatch(word) and not _ORDINARY.fullmatch(after.group(1))


_BLANK: Final = re.compile(rf"(?<![\w-])(?:{BLANK_WORD})(?![\w-])")
_BLANK_BEFORE: Final = re.compile(
    r"(?i)\b(?:the|this|that|each|every|any|left|leaves?|leaving|it|them|DO NOT|fill in(?: a)?|fill-in-the)\s$"
)
_BLANK_AFTER: Final = re.compile(r"(?i)\s(?:space|line|box|field|page|sheet|ballot|che(?:ck|que)|stare|slate|below|above)s?\b")


def blank_level(text: str, scale: ParsedScale) -> Span | None:
    """BLANK in capitals as a level of an attribute; never a blank to fill in or a ballot left BLANK."""
    for found in _BLANK.finditer(text):
        if not _BLANK_BEFORE.search(text[max(0, found.start() - 20) : found.start()]) and not _BLANK_AFTER.match(text, found.end()):
            return found.span()
    return None


# --- treatments that are not there ---------------------------------------------------------------------------------------------------

_MET: Final = r"(?:read|reads|viewed|saw|watched|heard|received|shown|told|given|assigned to|presented with|exposed to|randomi[sz]ed to|in)"
_NOUN: Final = (
    r"(?:stimul(?:us|i)|vignette|version|condition|treatment|scenario|message|text|article|arm|group|variant|form|frame|framing|profile"
    r"|image|video|story|passage|script|prompt|manipulation|statement|paragraph|cell)"
)
_CODE: Final = r"(?:#?[A-Za-z]{0,2}[-_.#]?\d{1,3}[A-Za-z]?|[A-Z]{1,2}|[a-z]+(?:_[a-z0-9]+)+)"
_LOST: Final = re.compile(
    rf"\b{_MET} [\"'“‘]?(?:the |an? )?(?:description of |text of |content of )?[\"'“‘]?"
    rf"(?:(?i:{_NOUN})[ _-]?{_CODE}|[vtVT]\d{{1,3}}|[a-z]+(?:_[a-z0-9]+)+)[\"'”’]?(?P<after>,? (?:and|then)\b|[.;,]|$)"
)
_SENTENCE: Final = re.compile(r"[.?!][\"'”’)]*\s+(?=[\"'“‘(]?[A-Z])")


def lost_treatment(text: str, scale: ParsedScale) -> Span | None:
    """`You read stimulus v7 and then ...`: a code name and nothing else before the question."""
    for found in _LOST.finditer(text):
        if found.group("after").strip(" ,") in ("and", "then"):
            return found.start(), found.start("after")
        rest = text[found.end() : scale.sentence[0] if scale.sentence else len(text)].strip("\"'“”‘’ ")
        if rest.startswith(("Then you", "You then", "You were")) or (rest.endswith("?") and not _SENTENCE.search(rest)):
            return found.start(), found.start("after")
    return None


_ELLIPSIS: Final = re.compile(r"\.\.\.|…|\. \. \.")


def elided_text(text: str, scale: ParsedScale) -> Span | None:
    """An ellipsis in or at the end of the treatment; one in the question alone was most likely shown."""
    found = _ELLIPSIS.search(text, 0, treatment_end(text, scale))
    return found.span() if found else None


_REDACTED: Final = re.compile(
    r"[\[(][^\[\]()]{0,60}\b(?:redacted|removed|withheld|anonymi[sz]ed|de-identified|name omitted|names omitted)[^\[\]()]{0,30}[\])]|█{2,}"
    r"|\bREDACTED\b"
)


def redacted_text(text: str, scale: ParsedScale) -> Span | None:
    """`[city name redacted]`: words replaced by a note in brackets. The word in a sentence is a word."""
    found = _REDACTED.search(text)
    return found.span() if found else None


_MEDIUM: Final = (
    r"(?:images?|photos?|photographs?|pictures?|videos?|video clips?|clips?|audio|recordings?|graphics?|cartoons?|memes?|screenshots?"
    r"|illustrations?|infographics?|maps?|charts?|graphs?|diagrams?|posters?|logos?|drawings?|paintings?|animations?|films?|commercials?"
    r"|slide ?shows?|headshots?|mock-?ups?|songs?|podcasts?|movies?|advertisements?|ads?|billboards?)"
)
_NOT_A_MEDIUM: Final = (
    r"(?! (?:games?|gaming|ids?|identification|conferenc\w+|calls?|chats?|stores?|rentals?|streaming|arts?|designs?|exchanges?)\b)"
)
_MET_WITH: Final = (
    r"viewed|view|watched|watch|saw|seen|see|shown|heard|listened to|looked at|presented with|exposed to|accompanied by|displaying"
    r"|containing|featuring|next to|alongside|with"
)
_MEDIA: Final = re.compile(
    rf"(?i)\b(?P<verb>{_MET_WITH})\s(?P<object>[^.?!;:\"“]{{0,160}}?)\b{_MEDIUM}\b{_NOT_A_MEDIUM}"
    rf"|\b(?:the|this|these|following|each)\s(?:\w{{1,30}}\s)?{_MEDIUM}"
    r"\s(?:below|above|you (?:just |have )?(?:saw|seen|viewed|watched|heard))\b"
    r"|\b(?:the|this|these)\s(?:videos?|images?|photos?|photographs?|clips?|recordings?)\s(?:was|were|made|makes?|shows?|showed)\b"
)
_NONE_SEEN: Final = re.compile(r"(?i)\b(?:not|no|never|without|neither)\b|n['’]t\b")
# Who met it: `You saw ...`, `You read an article with ...`, or after a quotation: `... " and viewed ...`
_READER: Final = re.compile(r"(?i)\byou\b[^.?!\"“]{0,120}$|[\"'”’][.,]? (?:(?:and|then|also|were) ){1,3}$")


def described_media(text: str, scale: ParsedScale) -> Span | None:
    """Something seen or heard that the text only describes; not what people in a story see, nor an arm in which nothing was shown."""
    for found in _MEDIA.finditer(text):
        if found.group("verb") is None:
            return found.span()
        reader = _READER.search(text, max(0, found.start() - 140), found.start())
        if reader and not _NONE_SEEN.search(reader.group()) and not _NONE_SEEN.search(found.group("object")):
            return found.span()
    return None


def label_contradiction(text: str, scale: ParsedScale) -> Span | None:
    """The question offers one pair of answers, the labels another; see `labels`."""
    if len(scale.labels) < 2:
        return None
    start, end = question(text, scale)
    found = contradiction(text[start:end], tuple(scale.labels.values()))
    return None if found is None else (start + found[0], start + found[1])


TEXT_RULES: Final[dict[str, TextRule]] = {
    "template_residue": TextRule(r"\{|%\(", template_residue),
    "none_in_text": TextRule(rf"(?:^|\W){EMPTY_WORD}(?:\W|$)", none_in_text),
    "blank_level": TextRule(BLANK_WORD, blank_level),
    "lost_treatment": TextRule(rf"(?i:{_NOUN})[ _-]?{_CODE}|\b[vtVT]\d|[a-z]_[a-z0-9]", lost_treatment),
    "elided_text": TextRule(r"\.\.\.|…|\. \. \.", elided_text),
    "redacted_text": TextRule(r"(?i)redacted|removed|withheld|anonymi|de-identified|omitted|█", redacted_text),
    "described_media": TextRule(r"(?i)\b" + _MEDIUM + r"\b", described_media),
    "label_contradiction": TextRule(r" or ", label_contradiction),
}  # fmt: skip


def text_masks(texts: Sequence[str], scales: Sequence[ParsedScale]) -> Iterator[tuple[str, Mask, Span | None, int]]:
    """For each rule: its name, which of the texts it touches, and the place of its first hit in the first of them (None, -1 without)."""
    column = pa.array(texts, pa.large_string())
    for name, rule in TEXT_RULES.items():
        mask = np.zeros(len(texts), np.bool_)
        first: Span | None = None
        place = -1
        for code in np.flatnonzero(pc.match_substring_regex(column, rule.candidates).to_numpy(zero_copy_only=False)).tolist():
            span = rule.find(texts[code], scales[code])
            if span is not None:
                mask[code] = True
                if first is None:
                    first, place = span, code
        yield name, mask, first, place
