"""PDF documents: the lines of each page as pypdf finds them.

pypdf and not pdftotext, although that may keep columns apart better: pypdf runs inside the isolated process, is the same on every system,
and its version is held in pyproject.toml, because another one may cut lines elsewhere.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Final

from ..errors import ReadError
from .archives import Content
from .document_parts import damage_told, locked
from .types import Block

MAX_PAGES: Final = 5000
_LIGATURES: Final = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})


def pdf_blocks(content: Content) -> Iterator[Block]:
    """Every line of every page; letters that are set as one glyph are written out.

    Raises:
        ReadError
    """
    import pypdf  # here, because most commands read no document
    from pypdf.errors import DependencyError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells of every flaw of a file that it can mend
    with damage_told("PDF document", content.where):
        reader = pypdf.PdfReader(io.BytesIO(content.data))
        try:
            opened = not reader.is_encrypted or bool(reader.decrypt(""))  # many are encrypted with an empty password
        except DependencyError:  # the newer ciphers need a library of their own
            opened = False
        if not opened:
            raise locked("PDF document", content.where)
        pages = len(reader.pages)
    if pages > MAX_PAGES:
        raise ReadError(
            f"the PDF document has {pages:,} pages",
            where=content.where,
            expected=f"at most {MAX_PAGES:,}",
            fix="cut out the pages with the questionnaire",
        )
    for number in range(pages):
        with damage_told(f"PDF document, page {number + 1},", content.where):
            text = reader.pages[number].extract_text().translate(_LIGATURES)
        for line, words in enumerate(text.splitlines(), 1):
            yield Block(f"p{number + 1}.{line}", words.rstrip(), "line")
