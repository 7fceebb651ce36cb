"""Rules about the people of a study: which persona fields exist, and which of their values need care."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ..demographics import COARSE, FIELDS, INCOME, INTEGER_FIELDS, VOCABULARY
from .records import Finding

ONE_VOCABULARY: Final = ("Very Liberal", "Very Conservative")  # both lists have Somewhat Liberal, Moderate and Somewhat Conservative
OTHER_VOCABULARY: Final = ("Extremely Liberal", "Liberal", "Conservative", "Extremely Conservative")
UNDER_20K: Final = INCOME[:4]
ADULT: Final = 18
FEWEST: Final = 10  # people with the largest household before it is taken for a top code
TOP_CODES: Final = range(5, 9)  # household sizes that panels use as "so many or more"


def persona_columns(people: pa.Table) -> dict[str, pa.Array]:
    """The demographic fields, each as an array over people."""
    column = people.column("demographic").combine_chunks()
    valid = column.is_valid()
    return {name: pc.if_else(valid, column.field(name), None) for name in FIELDS}


def present(personas: Mapping[str, pa.Array]) -> dict[str, int]:
    """For each field, the number of people who have a value."""
    return {name: len(values) - values.null_count for name, values in personas.items()}


def people_findings(study_id: str, personas: Mapping[str, pa.Array]) -> Iterator[Finding]:
    """`missing_demographics`, `mixed_ideology` and `persona_facts`; `rows` and `of` count people."""
    n = len(personas["age"])
    if not n:
        return
    absent = [name for name, count in present(personas).items() if not count]
    if 2 * len(absent) >= len(FIELDS):
        detail = f"{len(absent)} of {len(FIELDS)} fields: {', '.join(absent)}"
        yield Finding("missing_demographics", study_id, None, None, n, n, detail, "")
    one, other = (_among(personas["ideology"], words) for words in (ONE_VOCABULARY, OTHER_VOCABULARY))
    if one and other:
        detail = f"{one:,} people have words of one list, {other:,} of the other"
        yield Finding("mixed_ideology", study_id, None, None, one + other, n, detail, f"{ONE_VOCABULARY[0]}; {OTHER_VOCABULARY[0]}")
    for rows, detail, example in _facts(personas):
        yield Finding("persona_facts", study_id, None, None, rows, n, detail, example)


def _facts(personas: Mapping[str, pa.Array]) -> Iterator[tuple[int, str, str]]:
    sizes = {value.as_py(): n.as_py() for value, n in _counts(personas["household_size"])}
    top = max(sizes, default=0)
    if top in TOP_CODES and sizes[top] > max(sizes.get(top - 1, 0), FEWEST):
        detail = f"household_size {top} is a top code, {top} or more: more people have it than {top - 1}"
        yield sizes[top], detail, f"{top - 1}: {sizes.get(top - 1, 0):,}, {top}: {sizes[top]:,}"
    young = pc.fill_null(pc.less(personas["age"], ADULT), False)
    taught = pc.and_(young, pc.is_valid(personas["education"]))
    if pc.any(young).as_py() and not pc.any(taught).as_py() and personas["education"].null_count < len(young):
        yield pc.sum(young).as_py(), "people under 18 have no education", ""
    for name in FIELDS:
        words = VOCABULARY[name]
        if words is not None and name not in INTEGER_FIELDS:
            strange = pc.and_(pc.is_valid(personas[name]), pc.invert(pc.is_in(personas[name], pa.array((*words, *COARSE.get(name, ()))))))
            if count := pc.sum(strange).as_py():
                seen = pc.unique(personas[name].filter(strange)).to_pylist()
                yield count, f"{name} has values outside its vocabulary", "; ".join(seen)[:160]


def _counts(values: pa.Array) -> Iterator[tuple[pa.Scalar, pa.Scalar]]:
    counted = pc.value_counts(values.drop_null())
    yield from zip(counted.field("values"), counted.field("counts"), strict=True)


def _among(values: pa.Array, words: tuple[str, ...]) -> int:
    return int(pc.sum(pc.is_in(values, pa.array(words))).as_py() or 0)
