"""From stored codes to answers: what each code of a column means, looked up once per distinct code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import GateError
from ..readers import Column
from ..schema import LARGEST, Scale
from ..study_file import Code, MissingReason, StudyFile

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
REASONS: Final[tuple[str, ...]] = get_args(MissingReason)
ANSWERED: Final = 0  # kinds of answer: 0, or 1 + the place of the reason in REASONS, or FAULT
FAULT: Final = -1
_AS_TEXT: Final = "the column holds words as well, so its codes are text: recode them ({'1': 1, ...}), name the words as missing"
_LONG: Final = 30
_BLANK: Final = ""  # how a study file names a blank in its maps of missing codes


@dataclass(frozen=True)
class Coded:
    """A column as distinct codes: `index` into `codes` per person, -1 for a blank."""

    index: npt.NDArray[np.int32]
    codes: list[Code]


def coded(values: pa.Array) -> Coded:
    """Distinct codes of a column, whole numbers as integers."""
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    elif pa.types.is_decimal(values.type):
        values = values.cast(pa.float64())
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    index = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    codes = encoded.dictionary.to_pylist()
    if blanks := [place for place, code in enumerate(codes) if isinstance(code, float) and math.isnan(code)]:
        index = np.where(np.isin(index, blanks), np.int32(-1), index)
    return Coded(index, [whole(code) for code in codes])


def whole(code: Any) -> Code:
    """A float that is a whole number as an integer (SPSS and csv store 1 as 1.0); dates and the like as text."""
    if isinstance(code, float) and code.is_integer():
        return int(code)
    return code if isinstance(code, int | float | str) else str(code)


@dataclass(frozen=True)
class MissingCodes:
    """Which codes of one column stand for no answer, and why.

    In order: the outcome's own map, the study file's map of this column, what the data file declares, the study file's map of all columns.
    """

    own: Mapping[Code, str]
    here: Mapping[Code, str]
    anywhere: Mapping[Code, str]
    column: Column | None

    @classmethod
    def of(cls, study: StudyFile, name: str | None, columns: Mapping[str, Column], own: Mapping[Code, str] | None = None) -> MissingCodes:
        """The maps that apply to a column (None: to an expression)."""
        missing = study.data.missing
        here = missing.get(name, {}) if name is not None else {}
        return cls(
            _whole_keys(own or {}), _whole_keys(here), _whole_keys(missing.get("*", {})), columns[name] if name is not None else None
        )

    def reason(self, code: Code) -> str | None:
        """Why a code is no answer; None if it is one."""
        for named in (self.own, self.here):
            if code in named:
                return named[code]
        if self.column is not None and self.column.is_declared_missing(code):
            return self.anywhere.get(code, "missing")
        return self.anywhere.get(code)

    def blank(self) -> str:
        """The reason of a blank."""
        return self.own.get(_BLANK) or self.here.get(_BLANK) or self.anywhere.get(_BLANK) or "skipped"


def people(n: int, one: str, several: str) -> str:
    """`1 person is`, `2 people are`."""
    return f"{n} person {one}" if n == 1 else f"{n} people {several}"


def _whole_keys(named: Mapping[Code, Any]) -> dict[Code, Any]:
    return {whole(code): value for code, value in named.items()}


@dataclass(frozen=True)
class Answers:
    """What everybody answered in one column or expression: `value` where `kind` is ANSWERED."""

    value: Ints
    kind: npt.NDArray[np.int8]
    faults: Mapping[int, GateError]
    index: npt.NDArray[np.int32]

    def check(self, asked: Mask, rows: Ints) -> None:
        """Refuse a code that is neither an answer nor missing, where it stands among those who were asked.

        Args:
            asked: who was asked.
            rows: the place of every person in the data file, from 1.

        Raises:
            GateError: names the column, the code, how often and where it stands, and the fix.
        """
        wrong = asked & (self.kind == FAULT)
        if wrong.any():
            codes, counts = np.unique(self.index[wrong], return_counts=True)
            error = self.faults[int(codes[0])]
            row = rows[wrong & (self.index == codes[0])][0]
            more = f" (and {len(codes) - 1} more such codes)" if len(codes) > 1 else ""
            times = f"{counts[0]} time{'s' if counts[0] > 1 else ''}{more}, first in row {row} of the data"
            found = f"{error.found.removeprefix(f'[{error.gate}] ')}, {times}"
            raise GateError(error.gate, found, where=error.where, expected=error.expected, fix=error.fix)


def answers(values: pa.Array, scale: Scale, recode: Mapping[Code, int] | None, missing: MissingCodes, where: str) -> Answers:
    """Look up every code of a column.

    Args:
        values: stored codes, or the values of an expression, one per person.
        scale: the scale that answers must lie on.
        recode: code -> answer; None where the code is the answer.
        missing: which codes are no answer.
        where: study, outcome and column, for messages.
    """
    found = coded(values)
    mapped = None if recode is None else _whole_keys(recode)
    value, kind = np.zeros(len(found.codes) + 1, np.int64), np.zeros(len(found.codes) + 1, np.int8)
    faults = {}
    for place, code in enumerate(found.codes):
        meaning = _meaning(code, scale, mapped, missing, where)
        if isinstance(meaning, GateError):
            kind[place], faults[place] = FAULT, meaning
        elif isinstance(meaning, str):
            kind[place] = 1 + REASONS.index(meaning)
        else:
            value[place] = meaning
    kind[-1] = 1 + REASONS.index(missing.blank())  # index -1 of a blank finds the last place
    return Answers(value[found.index], kind[found.index], faults, found.index)


def _meaning(code: Code, scale: Scale, recode: Mapping[Code, int] | None, missing: MissingCodes, where: str) -> int | str | GateError:
    """The answer, the reason why there is none, or what is wrong with the code."""
    if recode is not None and code in recode and code not in missing.own:
        return recode[code]
    reason = missing.reason(code)
    on_scale = isinstance(code, int) and (abs(code) <= LARGEST if scale.min is None else code in scale.values)
    if reason is not None:
        if on_scale and recode is None and scale.min is not None and code in missing.anywhere and not _named(code, missing):
            return GateError(
                "missing_code_on_scale",
                f"code {code!r} is missing by the map of all columns (*), but lies on the scale {scale.min}..{scale.max}",
                where=where,
                expected="a code that is either an answer or missing",
                fix="name it under `missing` of the outcome, or name columns instead of * in data.missing",
            )
        return reason
    if recode is not None:
        known = ", ".join(repr(known) for known in list(recode)[:12])
        return GateError(
            "codes",
            f"code {_shown(code)} has no mapping",
            where=where,
            expected=f"one of the codes of `recode`: {known}",
            fix="add it to recode, or name it under `missing` with a reason",
        )
    if on_scale:
        assert isinstance(code, int)
        return code
    whole_number = f"a whole number up to {LARGEST}"
    stated = whole_number if scale.min is None else f"{scale.min}..{scale.max}{f' by {scale.step}' if scale.step > 1 else ''}"
    return GateError(
        "on_scale",
        f"response {_shown(code)} is off the scale",
        where=where,
        expected=stated,
        fix=_AS_TEXT if isinstance(code, str) and code.isdecimal() else "name it under `missing`, give a `recode`, or correct the scale",
    )


def _shown(code: Code) -> str:
    """A code for a message; long text may be somebody's own words."""
    return f"of {len(code)} characters" if isinstance(code, str) and len(code) > _LONG else repr(code)


def _named(code: Code, missing: MissingCodes) -> bool:
    """Whether something narrower than the map of all columns says that a code is missing."""
    return code in missing.own or code in missing.here or (missing.column is not None and missing.column.is_declared_missing(code))
