"""The people of a made study: demographics of one of two panels, and their personas.

One panel (AmeriSpeak) has 14 or 15 of the 16 fields and no ethnicity; the other (KnowledgePanel) has 6, with ethnicity and no gender.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socsci210.demographics import FIELDS, VOCABULARY
from socsci210.prompts import INSTRUCTION, PERSONA_HEADER, field_label
from socsci210.schema import DEMOGRAPHIC
from socsci210.simulated import personas

COLUMNS: Final = {  # column of a simulated person -> field
    "AGE": "age", "GENDER": "gender", "EDUC": "education", "EMPLOY": "employment", "RACE": "ethnicity", "MARITAL": "marital_status",
    "HOUSING": "housing_ownership", "HOME_TYPE": "housing_type", "STATE": "location", "METRO": "metro_status", "INCOME": "income",
    "INTERNET": "internet_access", "HHSIZE": "household_size", "PARTYID7": "party_id", "IDEO": "ideology", "PHONESERVICE": "phone_service",
}  # fmt: skip
FEW: Final = ("age", "education", "income", "ethnicity", "marital_status", "household_size")
LOW_INCOMES: Final = "9nphm"  # the one study with incomes below 20,000 dollars
MANY_FIELDS: Final = ("9nphm", "ef6my", "waq4m")  # always of the panel with many fields
TEENS: Final = ("ef6my", "nprqu")
ONE_FIELD: Final = "bf8p2"
MIXED_IDEOLOGY: Final = ("sffyb", "yv2ta", "rj3aw")
TOP_HOUSEHOLD: Final = 6  # "6 or more" in the panel with few fields


@dataclass(frozen=True)
class People:
    """`demographic`: one struct per person. `covariates`: shape (people, 7), what moves their answers. `fields`: the study's own."""

    demographic: pa.StructArray
    covariates: npt.NDArray[np.float64]
    fields: tuple[str, ...]

    def with_older(self, persons: npt.NDArray[np.int64]) -> People:
        """The same people, and after them these persons again, one year older."""
        again = self.demographic.take(pa.array(persons))
        columns = [pc.struct_field(again, field) for field in FIELDS]
        columns[FIELDS.index("age")] = pc.add(columns[FIELDS.index("age")], 1)
        older = pa.StructArray.from_arrays(columns, fields=list(DEMOGRAPHIC))
        return replace(self, demographic=pa.concat_arrays([self.demographic, older]))

    def heads(self) -> pa.StringArray:
        """Everything of a person's prompts that stands before the stimulus."""
        return prompt_heads(self.demographic)


def draw(rng: np.random.Generator, study: str, n: int) -> People:
    """`n` people of one study."""
    fields = _fields(rng, study)
    codes = personas.draw(rng, n)
    if study != LOW_INCOMES:
        codes["INCOME"] = np.maximum(codes["INCOME"], 5)
    if study in TEENS:
        codes["AGE"] = rng.integers(13, 18, n)
    many = "gender" in fields
    if not many:
        codes["HHSIZE"] = np.minimum(codes["HHSIZE"], TOP_HOUSEHOLD)
    columns = []
    for field in FIELDS:
        column = next(name for name, named in COLUMNS.items() if named == field)
        if field not in fields:
            columns.append(pa.nulls(n, DEMOGRAPHIC.field(field).type))
        elif field == "ideology":
            columns.append(_ideology(rng, codes[column], study, many))
        elif (vocabulary := VOCABULARY[field]) is None:
            columns.append(pa.array(codes[column], pa.int64()))
        else:
            columns.append(pa.array(np.array(vocabulary, dtype=object)[codes[column] - 1], pa.string()))
    struct = pa.StructArray.from_arrays(columns, fields=list(DEMOGRAPHIC))
    return People(struct, personas.covariates(codes), fields)


def _fields(rng: np.random.Generator, study: str) -> tuple[str, ...]:
    if study == ONE_FIELD:
        return ("age",)
    if study in MANY_FIELDS or study in MIXED_IDEOLOGY or rng.random() < 0.42:
        left_out = {"ethnicity"} | ({"party_id"} if rng.random() < 0.5 else set()) | ({"education"} if study in TEENS else set())
        return tuple(field for field in FIELDS if field not in left_out)
    return (*FEW, "ideology") if rng.random() < 0.3 else FEW


def _ideology(rng: np.random.Generator, steps: personas.Codes, study: str, many: bool) -> pa.Array:
    """Words of the panel's own list; of both lists where the study mixes them; null for a few people."""
    words = np.array(VOCABULARY["ideology"], dtype=object)
    own = words[personas.ideology_codes(steps, "long" if many else "short") - 1]
    if study in MIXED_IDEOLOGY:
        other = words[personas.ideology_codes(steps, "short" if many else "long") - 1]
        own = np.where(np.arange(len(steps)) % 2 == 0, own, other)
    return pa.array(own, pa.string(), mask=rng.random(len(steps)) < 0.01)


def prompt_heads(demographic: pa.StructArray) -> pa.StringArray:
    """The upstream prompt up to the stimulus, one string per person."""
    lines: list[pa.Array | pa.Scalar] = [pa.scalar(PERSONA_HEADER)]
    for field in FIELDS:
        values = pc.cast(pc.struct_field(demographic, field), pa.string())
        lines.append(pc.binary_join_element_wise(pa.scalar(f"- {field_label(field)}: "), values, ""))  # null where the value is
    persona = pc.binary_join_element_wise(*lines, "\n", null_handling="skip")
    return pc.binary_join_element_wise(persona, pa.scalar(f"\n\n{INSTRUCTION}\n\n"), "")
