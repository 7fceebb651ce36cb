"""The blocks of a document, for people who write study files, and the variables that each names.

A document is parsed in an isolated child, like every file from outside.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .child import run_child
from .errors import ReadError, SocSciError

SECONDS: Final = 300.0
MEMORY_GB: Final = 3.0
_TOKEN: Final = re.compile(r"[^\W\d_]\w*(?:\.\w+)*")
_QUESTION: Final = re.compile(r"\b(?:Q|Question|Item)(?:\.\s?|\s|#|\s#)(\d{1,4}[a-z]?(?:[._]\w{1,10})*)(?!\w)", re.IGNORECASE)
_RANGE: Final = re.compile(r"\b([^\W\d]\w*?)(\d{1,4}|(?<=\d)[A-Za-z])\s?(?:-|–|—|to|through|thru)\s?(?:\1)?(\d{1,4}|[A-Za-z])\b")
_MAX_RANGE: Final = 200
_PLAIN: Final = re.compile(r"[^\W\d_]+")  # letters alone: perhaps a word of the language
_LONGEST: Final = 200  # characters of a token that is looked up
_NEAR: Final = 80  # characters on each side of a token that are looked at
_SHORTEST_SHOUTED: Final = 3  # shorter words in capitals are answers (NO) and states (CA)


def blocks_of(document: Path, *, seconds: float = SECONDS) -> list[dict[str, str]]:
    """Id, kind and text of every block of a document that holds text, in order.

    Raises:
        ReadError: the document cannot be read within the limits, or is not what its name says.
    """
    with tempfile.TemporaryDirectory(prefix="socsci210-") as scratch:
        payload = {"document": str(document.resolve())}
        try:
            answer = run_child("socsci210.blocks:read", payload, out=Path(scratch), seconds=seconds, memory_gb=MEMORY_GB)
        except ReadError:
            raise
        except SocSciError as error:  # a limit of the child, which knows no file
            raise ReadError(error.found, where=str(document), expected=error.expected, fix=error.fix) from None
    blocks: list[dict[str, str]] = answer["blocks"]
    return blocks


def read(payload: dict[str, Any]) -> dict[str, Any]:
    """The child's side of `blocks_of`."""
    from .readers import read_document
    from .readers.documents import describe

    rows = describe(read_document(Path(payload["document"])))
    return {"blocks": [{"id": block, "kind": kind, "text": text} for block, kind, text in rows]}


def mentions(blocks: Iterable[Mapping[str, str]], variables: Sequence[str]) -> dict[str, list[str]]:
    """Which blocks name which variables of the data file.

    A name counts in upper and lower case and with other separators (`q12_1`, `Q12.1`, `Q.12_1`; `Q12a`, `Q12_A`), in a range (`Q1 to Q5`,
    `Q3a-e`), and by its beginning where no variable is called so (`Q12` for Q12_1 and Q12_2). A name of letters alone may be a word of the
    language (age, state): it counts in brackets, before a colon or the like at the start of a block, as a whole block, and where block and
    file write it alike in capitals or with a capital inside.

    Args:
        blocks: as `blocks_of` returns them.
        variables: names as the data file has them.

    Returns:
        Block id -> names, both in the order given, of the blocks that name any.
    """
    names = _Names(variables)
    order = {name: place for place, name in enumerate(variables)}
    found = {block["id"]: sorted(set(names.in_text(block["text"])), key=order.__getitem__) for block in blocks}
    return {block: named for block, named in found.items() if named}


class _Names:
    def __init__(self, variables: Sequence[str]) -> None:
        self._exact = {name: [name] for name in variables}
        self._same: dict[str, list[str]] = {}
        self._begun: dict[str, list[str]] = {}
        self._odd = []
        for name in variables:
            if _TOKEN.fullmatch(name) is None:  # a question as a header, say
                self._odd.append((name, re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)))
                continue
            self._same.setdefault(_folded(name), []).append(name)
            for beginning in {_folded(name[:end]) for end in _seams(name)}:
                self._begun.setdefault(beginning, []).append(name)

    def in_text(self, text: str) -> Iterator[str]:
        calm = not text.isupper()
        for match in _TOKEN.finditer(text):
            if len(match[0]) <= _LONGEST:
                yield from self._of_token(match[0], text, match.start(), calm=calm)
        for match in _QUESTION.finditer(text):
            yield from self._called(f"Q{match[1]}")
        for match in _RANGE.finditer(text):
            for name in _between(match[1], match[2], match[3]):
                yield from self._called(name)
        for name, pattern in self._odd:
            if pattern.search(text):
                yield name

    def _of_token(self, token: str, text: str, start: int, *, calm: bool) -> list[str]:
        """The longest part of a token that is a name; the full stop of a sentence without a space after it is in tokens too."""
        while token:
            named = self._called(token)
            if named and (_PLAIN.fullmatch(token) is None or _marked(text, start, len(token)) or (calm and _spelt(token, named))):
                return named
            token = token.rpartition(".")[0]
        return []

    def _called(self, token: str) -> list[str]:
        return self._exact.get(token) or self._same.get(_folded(token)) or self._begun.get(_folded(token)) or []


def _marked(text: str, start: int, length: int) -> bool:
    """Whether a token stands in brackets, alone, or before a mark at the start of a block."""
    end = start + length
    before, after = text[max(0, start - _NEAR) : start].rstrip(), text[end : end + _NEAR].lstrip(" ")
    if before:
        return before[-1] in "[{<" and after[:1] in ("]", "}", ">")
    return not after.strip() or after[0] in ":.=\t|)]"


def _spelt(token: str, named: list[str]) -> bool:
    """Whether a token has capitals where a word of a sentence would not, and the file writes it alike."""
    if not any(name.startswith(token) for name in named):
        return False
    if token.isupper():
        return len(token) >= _SHORTEST_SHOUTED
    return any(letter.isupper() for letter in token[1:])


def _folded(name: str) -> str:
    """A name without what people write differently: case, kind of separator, a separator between letters and number."""
    name = re.sub(r"[._]+", "_", name.casefold()).strip("_")
    name = re.sub(r"(?<=\d)(?=[^\W\d_])", "_", name)
    return re.sub(r"(?<=[^\W\d_])_(?=\d)", "", name)


def _seams(name: str) -> list[int]:
    """Where a beginning of a name may end: before a separator, or between a number and a letter."""
    return [match.start() for match in re.finditer(r"(?<=[^._])[._]+(?=.)|(?<=\d)(?=[^\W\d_])", name)]


def _between(stem: str, first: str, last: str) -> Iterator[str]:
    """The names from `first` to `last`; none where they are no range."""
    if first.isdecimal() and last.isdecimal():
        low, high = int(first), int(last)
        if low < high <= low + _MAX_RANGE:
            yield from (f"{stem}{number:0{len(first)}d}" for number in range(low, high + 1))
    elif first.isalpha() and last.isalpha() and first.islower() == last.islower() and first < last:
        yield from (f"{stem}{chr(code)}" for code in range(ord(first), ord(last) + 1))
