"""What the readers return: a table of codes with what its file says about them, and a document in numbered blocks."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import ReadError

Code = int | float | str
BlockKind = Literal["paragraph", "cell", "row", "line", "footnote", "endnote", "comment", "header", "footer", "textbox"]
_SHOWN: Final = 5
_NUMBERED: Final = re.compile(r"([a-z]*)(\d{1,9}(?:\.\d{1,9}){0,3})", re.ASCII)


@dataclass(frozen=True)
class Column:
    """What a data file says about one column. Codes are as stored; whole numbers are `int` whatever the file's number type."""

    name: str
    label: str | None
    value_labels: dict[Code, str]
    missing_values: tuple[Code, ...]
    """Codes that the file declares to mean a missing answer."""
    missing_ranges: tuple[tuple[float, float], ...]
    """Ranges of such codes, both ends included."""

    def is_declared_missing(self, code: Code | None) -> bool:
        """Whether the file declares `code` missing. A blank (None) is missing without being declared, so it is not."""
        if code in self.missing_values:
            return True
        return isinstance(code, int | float) and any(low <= code <= high for low, high in self.missing_ranges)

    def declared_missing(self, values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        """`is_declared_missing` for a whole column of codes: booleans without nulls, in the same order."""
        mask = pa.repeat(False, len(values))
        numeric = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
        wanted = [code for code in self.missing_values if isinstance(code, str) != numeric]
        if wanted:
            codes = pa.array([float(code) for code in wanted]) if numeric else pa.array([str(code) for code in wanted])
            mask = pc.is_in(values.cast(codes.type), value_set=codes)
        if numeric:
            for low, high in self.missing_ranges:
                inside = pc.and_(pc.greater_equal(values, pa.scalar(low)), pc.less_equal(values, pa.scalar(high)))
                mask = pc.or_(mask, pc.fill_null(inside, False))
        return mask


@dataclass(frozen=True)
class RawTable:
    """One data file of a deposit, as stored."""

    path: Path
    sha256: str
    """Of the whole file, archives included."""
    format: str
    """Extension without dot of the file itself, inside its archive if it has one."""
    encoding: str | None
    """Of text formats, and of the formats that name one."""
    data: pa.Table
    """Codes only. int64, double, string, date32 or timestamp columns; declared missing values stay codes; blanks are null."""
    columns: dict[str, Column]
    header_texts: dict[str, str]
    """Column name -> cell of the second header row, where it was asked for."""


@dataclass(frozen=True)
class Block:
    """A piece of a document that a study file can quote by `id`."""

    id: str
    text: str
    kind: BlockKind


@dataclass(frozen=True)
class Document:
    """A document in its own order."""

    path: Path
    sha256: str
    blocks: tuple[Block, ...]

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {block.id: block.text for block in self.blocks}

    def text(self, block_id: str | int) -> str:
        """The text of one block.

        Raises:
            ReadError: there is no such block; the message names the nearest ids.
        """
        wanted = str(block_id)
        if wanted in self._texts:
            return self._texts[wanted]
        raise ReadError(
            f"there is no block {wanted!r}",
            where=str(self.path),
            expected=f"one of its {len(self.blocks)} blocks; nearest are {', '.join(nearest_ids(wanted, list(self._texts)))}",
            fix=f"list the ids with: socsci210 blocks {self.path.name}",
        )


def nearest_ids(wanted: str, known: list[str]) -> list[str]:
    """A few ids of `known` near to `wanted`: by number where the ids are numbers (`n.r.c`, `p3.12`), else by spelling."""
    target = _place(wanted)
    placed = [(block_id, where[1]) for block_id in known if target and (where := _place(block_id)) and where[0] == target[0]]
    if target is None or not placed:
        return difflib.get_close_matches(wanted, known, n=_SHOWN, cutoff=0.3) or known[:_SHOWN]
    distances = sorted(placed, key=lambda pair: [abs(a - b) for a, b in zip(_padded(pair[1]), _padded(target[1]), strict=True)])
    return [block_id for block_id, _ in distances[:_SHOWN]]


def _place(block_id: str) -> tuple[str, tuple[int, ...]] | None:
    """The letters and the numbers of an id that is made of them."""
    found = _NUMBERED.fullmatch(block_id)
    return None if found is None else (found[1], tuple(int(part) for part in found[2].split(".")))


def _padded(place: tuple[int, ...]) -> list[int]:
    return [*place, *[-1] * (4 - len(place))]
