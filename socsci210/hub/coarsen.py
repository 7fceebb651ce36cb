"""Coarser demographics, so that fewer people stand alone: age in bands, the region for the state, top codes.

Every step keeps the groups in which the metric compares people (`metrics/socsci210/groups.py`): a band of ages, a region and a top code lie
inside one of them. Types stay as they are and prompts render as before: a band is written as one age inside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..demographics import INCOME, REGIONS, STATES
from ..metrics.socsci210.groups import group_of
from ..schema import DEMOGRAPHIC

AGES: Final[Mapping[range, int]] = {
    range(0, 18): 16, range(18, 30): 24, range(30, 45): 37, range(45, 60): 52, range(60, 75): 67, range(75, 150): 80,
}  # fmt: skip
"""Band of ages -> the age that stands for it."""
TOP_HOUSEHOLD: Final = 5
TOP_INCOME: Final = "150-175K+"
STEPS: Final = (
    "age: "
    + ", ".join(f"{mark} for {f'{band[0]} to {band[-1]}' if band[-1] < 149 else f'{band[0]} and over'}" for band, mark in AGES.items()),
    f"location: one of the census regions {', '.join(REGIONS)} for the state",
    f"household_size: {TOP_HOUSEHOLD} for {TOP_HOUSEHOLD} and more",
    f"income: {TOP_INCOME} for it and all above",
)
"""What is done, for the card."""


def coarsened(people: pa.ChunkedArray | pa.StructArray) -> pa.StructArray:
    """The same personas with coarser fields; of a persona that is coarse already, itself.

    Args:
        people: personas, type schema.DEMOGRAPHIC.
    """
    whole = pa.concat_arrays(people.chunks) if isinstance(people, pa.ChunkedArray) else people
    fields = {field.name: whole.field(place) for place, field in enumerate(DEMOGRAPHIC)}
    fields["age"] = _ages(fields["age"])
    fields["household_size"] = pc.min_element_wise(fields["household_size"], pa.scalar(TOP_HOUSEHOLD, pa.int64()), skip_nulls=False)
    fields["location"] = _mapped(fields["location"], {state: str(group_of("location", state)) for state in STATES})
    fields["income"] = _mapped(fields["income"], dict.fromkeys(INCOME[INCOME.index(TOP_INCOME) :], TOP_INCOME))
    return pa.StructArray.from_arrays(list(fields.values()), fields=list(DEMOGRAPHIC))


def _ages(ages: pa.Array) -> pa.Array:
    known = pc.fill_null(ages, 0).to_numpy()
    starts, marks = np.array([band.start for band in AGES]), np.array(list(AGES.values()))
    return pa.array(marks[np.searchsorted(starts, known, side="right") - 1], pa.int64(), mask=ages.is_null().to_numpy(zero_copy_only=False))


def _mapped(values: pa.Array, to: Mapping[str, str]) -> pa.Array:
    return pa.array([None if value is None else to.get(value, value) for value in values.to_pylist()], pa.string())
