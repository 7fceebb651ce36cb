"""Crosswalks: from a panel's codes to the 16 demographic fields and their vocabulary.

A crosswalk is a file of `loaders/crosswalks/`; a study file names one and replaces single fields of it. A code is looked up by its value
label first (panels change codes between waves more often than words), then by itself. A code neither mapped nor missing is an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .demographics import INTEGER_FIELDS, VOCABULARY
from .errors import StudyFileError
from .registry import loaders_folder
from .schema import Strict
from .study_file import Code, FieldMap, FieldMaps, StudyFile
from .study_yaml import did_you_mean, parse_model, read_yaml

if TYPE_CHECKING:
    from .readers import Column

PLAUSIBLE: Final = {"age": range(0, 121), "household_size": range(1, 51)}  # a code outside is no answer, and must be mapped


class Crosswalk(Strict):
    """A whole crosswalk file."""

    fields: FieldMaps


@dataclass(frozen=True)
class FieldPlan:
    """How one field of one study is read from one column of its data."""

    field: str
    column: Column
    values: Mapping[Code, str | None]
    labels: Mapping[str, str | None]
    """Keys are folded."""
    missing: frozenset[Code]
    """Codes that the study file calls missing in this column."""
    missing_anywhere: frozenset[Code]
    """Codes that the study file calls missing in every column (`*`)."""
    year: int | None
    """The year of fieldwork, where the column holds a year of birth."""

    def value(self, code: Code) -> str | int | None:
        """The value of one code.

        Raises:
            KeyError: the code is neither mapped nor missing.
        """
        integer = self.field in INTEGER_FIELDS
        key = self._key(_fold(self.column.value_labels.get(code, code if isinstance(code, str) else "")))
        if key is not None or code in self.values:
            mapped = self.labels[key] if key is not None else self.values[code]
            return int(mapped) if integer and mapped is not None else mapped
        if code in self.missing or self.column.is_declared_missing(code):
            return None
        if integer and (number := _whole(code)) is not None:
            if self.year is not None:
                number = self.year - number
            if number in PLAUSIBLE[self.field]:
                return number
        if code in self.missing_anywhere:
            return None
        raise KeyError(code)

    def _key(self, label: str) -> str | None:
        """The key of `labels` for a folded label: the label itself, or the longest beginning of it that ends in `...`."""
        if label in self.labels:
            return label
        beginnings = [key for key in self.labels if key.endswith("...") and label.startswith(key.removesuffix("..."))]
        return max(beginnings, key=len, default=None)


def crosswalk_names() -> list[str]:
    """The names of the built-in crosswalks."""
    return sorted(path.stem for path in (loaders_folder() / "crosswalks").glob("*.yaml"))


@lru_cache
def crosswalk(name: str) -> Mapping[str, FieldMap]:
    """The fields of a built-in crosswalk.

    Raises:
        StudyFileError: no such crosswalk, or a file that breaks the format.
    """
    folder, known = loaders_folder() / "crosswalks", crosswalk_names()
    if name not in known:
        fix = did_you_mean(name, known) or "leave `crosswalk` out and give `fields`"
        raise StudyFileError(f"no crosswalk {name!r}", where="demographics.crosswalk", expected=f"one of {', '.join(known)}", fix=fix)
    return parse_model(Crosswalk, read_yaml(folder / f"{name}.yaml")).fields


def demographic_columns(study: StudyFile, columns: Mapping[str, Column]) -> dict[str, FieldPlan]:
    """Which field is read from which column, in the order of the vocabulary; fields that the deposit does not have are left out.

    Names of columns are compared exactly first, then without case. A study file's own field must find its column; a crosswalk's field may
    not, since no deposit holds all of its panel's columns.

    Raises:
        StudyFileError: an unknown crosswalk, a field whose column is not in the data, a year of birth without a year of fieldwork.
    """
    own = study.demographics.fields
    shared = crosswalk(study.demographics.crosswalk) if study.demographics.crosswalk else {}
    plans = {}
    for field in VOCABULARY:
        field_map = own[field] if field in own else shared.get(field)
        if field_map is None:
            continue
        name = find_column(field_map.columns, columns)
        if name is not None:
            plans[field] = _plan(study, field, field_map, columns[name])
        elif field in own:
            raise StudyFileError(
                f"no column {' or '.join(map(repr, field_map.columns))}",
                where=f"study {study.id}: demographics.fields.{field}.columns",
                expected=f"one of the {len(columns)} columns of the data",
                fix=did_you_mean(field_map.columns[0], columns) or f"correct the name, or write `{field}: null` to leave the field out",
            )
    return plans


def map_field(
    plan: FieldPlan, codes: pa.Array | pa.ChunkedArray, where: str, rows: Sequence[int] | npt.NDArray[np.int64] | None = None
) -> pa.Array:
    """The values of one field, for all rows at once: strings of the vocabulary, or int64; null where there is no answer.

    Args:
        plan: of `demographic_columns`.
        codes: the raw column, blanks null.
        where: the data file, for messages.
        rows: the row of every code in the data file, from 1, for messages; None where the codes are those of all rows.

    Raises:
        StudyFileError: a code that is neither mapped nor missing, with how often and where it occurs.
    """
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    encoded = pc.dictionary_encode(codes)
    values: list[str | int | None] = []
    for position, code in enumerate(encoded.dictionary.to_pylist()):
        try:
            values.append(None if code is None else plan.value(code))
        except KeyError:
            count = pc.sum(pc.equal(encoded.indices, position)).as_py()
            first = pc.index(encoded.indices, pa.scalar(position, encoded.indices.type)).as_py()
            raise _unmapped(plan, code, count, where, int(rows[first]) if rows is not None else first + 1) from None
    kind = pa.int64() if plan.field in INTEGER_FIELDS else pa.string()
    return pa.array(values, kind).take(encoded.indices)


def find_column(names: tuple[str, ...], columns: Mapping[str, object]) -> str | None:
    """The first of the names that the data has; an exact name before one that differs in case."""
    folded: dict[str, list[str]] = {}
    for column in columns:
        folded.setdefault(column.casefold(), []).append(column)
    for name in names:
        if name in columns:
            return name
        if len(near := folded.get(name.casefold(), [])) == 1:
            return near[0]
    return None


def _plan(study: StudyFile, field: str, field_map: FieldMap, column: Column) -> FieldPlan:
    missing = study.data.missing
    year = None
    if field_map.birth_year:
        start = study.provenance.field_start
        if start == "unknown":
            raise StudyFileError(
                f"{field} is a year of birth, and the year of fieldwork is unknown",
                where=f"study {study.id}: provenance.field_start",
                expected="a year",
                fix=f"give the year, or write `{field}: null` under demographics.fields",
            )
        year = int(start[:4])
    codes, anywhere = frozenset(missing.get(column.name, {})), frozenset(missing.get("*", {}))
    return field_plan(field, field_map, column, missing=codes, missing_anywhere=anywhere, year=year)


def field_plan(
    field: str, field_map: FieldMap, column: Column, *, missing: frozenset[Code], missing_anywhere: frozenset[Code], year: int | None
) -> FieldPlan:
    """How a field is read from a column; the arguments are the attributes of `FieldPlan`."""
    labels = {_fold(label): value for label, value in field_map.labels.items()}
    return FieldPlan(field, column, field_map.values, labels, missing, missing_anywhere, year)


def _unmapped(plan: FieldPlan, code: Code, count: int, where: str, row: int) -> StudyFileError:
    label = plan.column.value_labels.get(code)
    found = (
        f"code {code!r}"
        + (f" ({label!r})" if label else "")
        + f", in {count} row{'s' if count != 1 else ''}, first in row {row} of the data, has no mapping"
    )
    words = VOCABULARY[plan.field]
    expected = f"one of {', '.join(words)}" if words else f"a whole number from {PLAUSIBLE[plan.field][0]} to {PLAUSIBLE[plan.field][-1]}"
    fix = f"add it under demographics.fields.{plan.field}.values, with null if it stands for no answer"
    return StudyFileError(found, where=f"{where}, column {plan.column.name}: field {plan.field}", expected=expected, fix=fix)


def _fold(label: str) -> str:
    return " ".join(label.casefold().split())


def _whole(code: Code) -> int | None:
    return int(code) if isinstance(code, int | float) and math.isfinite(code) and code == int(code) else None
