"""The parts of a stimulus: treatment, question, answer format. In the release they are one string with connecting words between them."""

from __future__ import annotations

import re
from typing import Final

from ..scales import ParsedScale

_BEFORE_ASKED: Final = frozenset(("were", "was", "are", "then", "and", "also"))  # "were asked"; in a story, somebody asked something
_LAST_SENTENCES: Final = 300  # characters; nearly always enough to find the end of the last sentence but one
_END: Final = re.compile(r"[.?!…][\"'”’)]*\s+(?=\S)")


def treatment_end(text: str, scale: ParsedScale) -> int:
    """Where the treatment ends: at the last `asked`, or before the last sentence that is not about how to answer."""
    stop = scale.sentence[0] if scale.sentence else len(text)
    asked = text.rfind(" asked", 0, stop)
    while asked > 0:
        if text[max(0, asked - 6) : asked].rpartition(" ")[2] in _BEFORE_ASKED and not text.startswith(" to ", asked + 6):
            return asked
        asked = text.rfind(" asked", 0, asked)
    last = len(text[:stop].rstrip("\"'“”‘’ "))  # a sentence that ends later has nothing behind it
    for start in (max(0, last - _LAST_SENTENCES), 0):
        ends = [found.end() for found in _END.finditer(text, start, stop) if found.end() < last]
        if ends:
            return ends[-1]
    return 0


def question(text: str, scale: ParsedScale) -> tuple[int, int]:
    """The place of the question: what stands between the treatment and the answer format."""
    stop = scale.sentence[0] if scale.sentence else len(text)
    return treatment_end(text, scale), stop
