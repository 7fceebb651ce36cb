"""What the readers of documents share: numbering, and one message for damage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ..errors import ReadError
from .types import Block, BlockKind

_NUMBER: Final = re.compile(r"(\d+)")


class Numbering:
    """Blocks in the order in which they are told: a paragraph or a table takes the next number, rows and cells count inside a table."""

    def __init__(self, prefix: str = "") -> None:
        self.blocks: list[Block] = []
        self._prefix = prefix
        self._next = 0
        self._rows: int | None = None

    def paragraph(self, text: str, kind: BlockKind = "paragraph") -> None:
        self.end_table()
        self.blocks.append(Block(f"{self._prefix}{self._next}", text, kind))
        self._next += 1

    def row(self, cells: Sequence[str]) -> None:
        """A row of the table that is open; without one, of a new table."""
        r = self._rows = 0 if self._rows is None else self._rows + 1
        self.blocks += row_blocks(f"{self._prefix}{self._next}.{r}", cells)

    def end_table(self) -> None:
        if self._rows is not None:
            self._next += 1
            self._rows = None


def row_blocks(row_id: str, cells: Sequence[str]) -> Iterator[Block]:
    """A row as one block, then its cells."""
    yield Block(row_id, "\t".join(cells), "row")
    for c, text in enumerate(cells):
        yield Block(f"{row_id}.{c}", text, "cell")


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts header2 before header10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in _NUMBER.split(name)]


@contextmanager
def damage_told(what: str, where: str) -> Iterator[None]:
    """Parsers raise errors of many kinds on damaged files: all become one that names the file. Want of memory stays what it is.

    Raises:
        ReadError
    """
    try:
        yield
    except (ReadError, MemoryError):
        raise
    except Exception as error:
        raise ReadError(f"the {what} is damaged ({error or type(error).__name__})", where=where, fix="fetch it again") from None


def locked(what: str, where: str) -> ReadError:
    """The error for a document that only a password opens."""
    return ReadError(
        f"the {what} is encrypted with a password",
        where=where,
        expected="a document that anybody can read",
        fix="open it with its password and save it without one, or ask the authors for an open copy",
    )
