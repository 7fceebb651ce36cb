"""The documents of a deposit, cut into blocks that tell which variables they name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from ..blocks import blocks_of, mentions
from ..errors import SocSciError
from .records import DocumentBlock, DocumentProfile

_ALIKE: Final = 0.9
_WORD: Final = re.compile(r"\w+")
_RICHER: Final = (".docx", ".doc", ".rtf", ".html", ".htm", ".pdf", ".md", ".txt")


def read_documents(paths: Mapping[str, Path], variables: Sequence[str]) -> tuple[list[DocumentProfile], dict[str, str]]:
    """The documents, and for those that cannot be read the reason.

    Args:
        paths: name in the deposit -> file.
        variables: the names of the variables to look for.
    """
    found: list[DocumentProfile] = []
    faults: dict[str, str] = {}
    for name, path in sorted(paths.items(), key=lambda item: (_rank(item[0]), item[0])):
        try:
            blocks = blocks_of(path)
        except SocSciError as error:
            faults[name] = error.found
            continue
        twin = next((one.file for one in found if _alike(one, blocks)), None)
        found.append(DocumentProfile(file=name, twin_of=twin, blocks=() if twin else _named(blocks, variables)))
    return sorted(found, key=lambda one: one.file), faults


def _named(blocks: Sequence[Mapping[str, str]], variables: Sequence[str]) -> tuple[DocumentBlock, ...]:
    """The blocks with text, each with the variables that it names. Cells are left out where their row is there, which holds their text."""
    found = mentions(blocks, variables)
    return tuple(
        DocumentBlock(id=block["id"], kind=block["kind"], text=block["text"], variables=tuple(found.get(block["id"], ())))
        for block in blocks
        if block["kind"] != "cell" or "." not in block["id"]
    )


def _rank(name: str) -> int:
    """Formats that say more come first: of twins the first is told in full."""
    return next((place for place, suffix in enumerate(_RICHER) if name.lower().endswith(suffix)), len(_RICHER))


def _alike(one: DocumentProfile, blocks: Sequence[Mapping[str, str]]) -> bool:
    """Whether a document has nearly the same words as another: the same questionnaire saved twice."""
    if one.twin_of is not None:
        return False
    theirs, ours = _words(block.text for block in one.blocks), _words(block["text"] for block in blocks if block["kind"] != "cell")
    shared = (theirs & ours).total()
    return shared >= _ALIKE * max(theirs.total(), ours.total(), 1)


def _words(texts: Iterable[str]) -> Counter[str]:
    return Counter(word for text in texts for word in _WORD.findall(text.casefold()))
