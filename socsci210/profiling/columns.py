"""A column as the searches of a profile see it: distinct codes, who has which, and what the file says about them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..readers import Code, Column
from .records import Kind

Mask = npt.NDArray[np.bool_]
_NOT_A_NUMBER: Final = re.compile(r"(?i)na|n/a|nan|null|none|\.[a-z]?|#null!|#n/a|<na>|-|\?|\.\.")
_COMMON: Final = 0.2  # share of people; fewer refuse a question
_WORDS: Final = 4
"""So many different words may stand among numbers before a column counts as text."""


@dataclass(frozen=True)
class Gap:
    """Why a code is probably no answer."""

    reason: str
    """A MissingReason, or `unknown`."""
    basis: str
    score: float


@dataclass(frozen=True)
class Seen:
    """One column. `index` holds each person's place in `codes`, -1 for a blank; codes ascend, numbers before texts."""

    column: Column
    label: str | None
    """The variable's label, or the text of a second header row."""
    kind: Kind
    index: npt.NDArray[np.int64]
    codes: tuple[Code, ...]
    as_text: bool
    gaps: dict[Code, Gap] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column.name

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """People per code."""
        return np.bincount(self.index[self.index >= 0], minlength=len(self.codes)).astype(np.int64)

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """People per code that occurs, ascending; those with a blank count as a group."""
        sizes = np.sort(np.append(self.counts, self.blank))
        return sizes[sizes > 0]

    @property
    def rows(self) -> int:
        """Rows of the data file."""
        return len(self.index)

    @cached_property
    def blank(self) -> int:
        """People without any code."""
        return int((self.index < 0).sum())

    @cached_property
    def answers(self) -> tuple[Code, ...]:
        """Codes that occur and are answers, in order."""
        return tuple(code for code in self.codes if code not in self.gaps)

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        """The answers as numbers; empty for a column of text."""
        found = [number(code) for code in self.answers]
        return tuple(value for value in found if value is not None) if self.kind in ("whole numbers", "numbers") else ()

    @cached_property
    def answered(self) -> Mask:
        """Who gave an answer."""
        return self.among(self.answers)

    @cached_property
    def asked(self) -> Mask:
        """Who was asked: everybody with a code but those whose code says that they were not, or is no answer and too common to be one that
        people gave."""
        return self.among([code for code in self.codes if not self._not_asked(code)])

    def _not_asked(self, code: Code) -> bool:
        gap = self.gaps.get(code)
        return gap is not None and (gap.reason == "not_asked" or (gap.reason == "unknown" and self.count(code) >= _COMMON * self.rows))

    def among(self, codes: Sequence[Code]) -> Mask:
        """Who has one of `codes`."""
        wanted = set(codes)
        table = np.array([code in wanted for code in self.codes] + [False], np.bool_)
        return np.asarray(table[self.index])

    def count(self, code: Code) -> int:
        """People with a code; 0 where it does not occur."""
        place = self._places.get(code)
        return 0 if place is None else int(self.counts[place])

    @cached_property
    def _places(self) -> dict[Code, int]:
        return {code: place for place, code in enumerate(self.codes)}

    def text_label(self, code: Code) -> str | None:
        """The value label of a code."""
        return self.column.value_labels.get(code)

    @cached_property
    def n_answered(self) -> int:
        """People with an answer."""
        return int(self.answered.sum())

    @cached_property
    def evenness(self) -> float:
        """How evenly people are spread over the answers: 1 for equal numbers, towards 0 where nearly all have one."""
        return evenness([self.count(code) for code in self.answers])


def evenness(counts: Sequence[int]) -> float:
    """How evenly groups are filled: their entropy against that of equal ones."""
    sizes = np.array(counts, float)
    if len(sizes) < 2 or not sizes.sum():
        return 0.0
    shares = sizes[sizes > 0] / sizes.sum()
    return float(-(shares * np.log(shares)).sum() / math.log(len(sizes)))


def seen(column: Column, values: pa.ChunkedArray | pa.Array, header: str | None) -> Seen:
    """A column of a data file."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    label = _clean(column.label) or _clean(header)
    if isinstance(values, pa.ChunkedArray) or values.null_count == len(values):
        return Seen(column, label, "empty", np.full(len(values), -1, np.int64), (), False)
    encoded = pc.dictionary_encode(values)
    found: list[Any] = encoded.dictionary.to_pylist()
    codes = [code if isinstance(code, int | float | str) and not isinstance(code, bool) else str(code) for code in found]
    order = sorted(range(len(codes)), key=lambda place: (isinstance(codes[place], str), codes[place]))
    rank = np.full(len(codes) + 1, -1, np.int64)
    rank[order] = np.arange(len(codes))
    index = rank[pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)]
    kind, as_text = _kind(values.type, [codes[place] for place in order])
    return Seen(column, label, kind, index, tuple(codes[place] for place in order), as_text)


def number(code: Code) -> float | None:
    """A code as a finite number, None where it is none."""
    try:
        value = float(code)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def is_blank_word(code: Code) -> bool:
    """Whether a text is how some program writes a blank: NA, NaN, a dot."""
    return isinstance(code, str) and _NOT_A_NUMBER.fullmatch(code.strip()) is not None


def _kind(stored: pa.DataType, codes: Sequence[Code]) -> tuple[Kind, bool]:
    if pa.types.is_date(stored) or pa.types.is_timestamp(stored):
        return "date", False
    words = [code for code in codes if isinstance(code, str) and number(code) is None]
    numbers = [value for code in codes if (value := number(code)) is not None]
    if not numbers or len(words) > _WORDS or (words and not all(is_blank_word(word) for word in words)):
        return "text", False
    return ("whole numbers" if all(value == int(value) for value in numbers) else "numbers"), any(isinstance(code, str) for code in codes)


def _clean(text: str | None) -> str | None:
    return " ".join(text.split()) or None if text is not None else None
