"""What fills the blanks of a text for each person: fills from closed sets of quotations, and the profiles of a conjoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import GateError
from ..extract import Extract
from ..study_file import Attribute, Code, Item, Outcome, Quote, StudyFile
from ..texts import Sources, bound, resolve
from .codes import Coded, MissingCodes, coded, people, whole

Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
NONE: Final = -1  # the person has no value
UNKNOWN: Final = -2  # the person has a code that the study file does not know


@dataclass(frozen=True)
class Blank:
    """One blank: `code` indexes `texts` per person (or NONE, UNKNOWN).

    `absent`: what holds the blank was not shown to people without a value. `profile`: it shows a profile of a conjoint.
    """

    where: str
    code: Codes
    texts: pa.Array
    absent: bool = False
    profile: bool = False
    unknown: tuple[Code, ...] = ()

    def check(self, who: npt.NDArray[np.int64]) -> None:
        """Refuse a person whose text cannot be filled.

        Raises:
            GateError: names the fill, how many people, and the fix.
        """
        codes = self.code[who]
        if n := int((codes == UNKNOWN).sum()):
            raise GateError(
                "fills",
                f"{people(n, 'has', 'have')} a code without a text: {', '.join(repr(code) for code in self.unknown[:8])}",
                where=self.where,
                expected="a quotation for every code",
                fix="add the code to `values`, or name it under data.missing",
            )
        if not self.absent and (n := int((codes == NONE).sum())):
            raise GateError(
                "fills",
                f"{people(n, 'who answered has', 'who answered have')} no value for it",
                where=self.where,
                expected="a value in every row that was answered",
                fix="use another column, leave them out with data.keep, or say under `absent` why they were not shown this text",
            )


@dataclass(frozen=True)
class Shown:
    """One attribute of one profile, as everybody saw it: `code` indexes `texts`, `place` is its place in the list (from 0, or -1)."""

    profile: str
    attribute: str
    code: Codes
    texts: tuple[str, ...]
    place: npt.NDArray[np.int64] | None


def fill(study: StudyFile, deposit: Extract, sources: Sources, name: str, item: Item) -> Blank:
    """The blank of a fill that is read from the row."""
    spec = study.fills[name]
    column = None if spec.column is None else bound(spec.column, item.bind)
    found = coded(deposit.codes(column) if column is not None else deposit.values(bound(spec.sql or "", item.bind)))
    missing = MissingCodes.of(study, column, deposit.columns)
    values = None if spec.values == "value_labels" else spec.values
    texts, code, unknown = _texts(found, values, column, sources, missing, item)
    where = f"{study.id}: fills.{name}" + (f", column {column}" if column is not None else "")
    return Blank(where, code, pa.array(texts, pa.string()), absent=spec.absent is not None, unknown=unknown)


def profiles(study: StudyFile, deposit: Extract, sources: Sources, outcome: Outcome, item: Item) -> tuple[dict[str, Blank], list[Shown]]:
    """The blank of every profile that an outcome shows, and its attributes as data."""
    shown: dict[str, list[tuple[Attribute, Shown]]] = {}
    for attribute in outcome.attributes:
        shown.setdefault(attribute.profile, []).append((attribute, _shown(study, deposit, sources, attribute, item)))
    blanks, data = {}, []
    for profile, attributes in shown.items():
        where = f"{study.id}: outcomes.{outcome.id}.attributes, profile {profile}"
        places = _places(deposit, [attribute for attribute, _ in attributes], item, where)
        titles = [resolve((attribute.title,), sources, item.bind, ()).rstrip(":") for attribute, _ in attributes]
        found = [seen for _, seen in attributes]
        blanks[profile] = _profile(where, titles, found, places)
        data += [
            Shown(seen.profile, seen.attribute, seen.code, seen.texts, None if places is None else places[:, number])
            for number, seen in enumerate(found)
        ]
    return blanks, data


def _shown(study: StudyFile, deposit: Extract, sources: Sources, attribute: Attribute, item: Item) -> Shown:
    column = bound(attribute.column, item.bind)
    found = coded(deposit.codes(column))
    values = None if attribute.values == "value_labels" else attribute.values
    missing = MissingCodes.of(study, column, deposit.columns)
    texts, code, unknown = _texts(found, values, column, sources, missing, item)
    if unknown:
        raise GateError(
            "fills",
            f"levels without a text: {', '.join(repr(level) for level in unknown[:8])}",
            where=f"{study.id}: attribute {attribute.name} of {attribute.profile}, column {column}",
            expected="a text for every level",
            fix="quote it under `values`, or name it under data.missing",
        )
    return Shown(attribute.profile, attribute.name, code, tuple(texts), None)


def _texts(
    found: Coded, values: Mapping[Code, Quote] | None, column: str | None, sources: Sources, missing: MissingCodes, item: Item
) -> tuple[list[str], Codes, tuple[Code, ...]]:
    """Distinct texts, the place of each person's text among them, and the codes that have none. Without `values`: value labels."""
    quotes = {whole(code): quote for code, quote in values.items()} if values is not None else _label_quotes(column, sources)
    lookup = np.full(len(found.codes) + 1, NONE, np.int32)
    texts: dict[str, int] = {}
    unknown: list[Code] = []
    for place, code in enumerate(found.codes):
        if code in quotes and (values is not None or missing.reason(code) is None):
            text = resolve((quotes[code],), sources, item.bind, ())
            lookup[place] = texts.setdefault(text, len(texts))
        elif missing.reason(code) is None:
            lookup[place] = UNKNOWN
            unknown.append(code)
    return list(texts), lookup[found.index], tuple(unknown)


def _label_quotes(column: str | None, sources: Sources) -> dict[Code, Quote]:
    labels = sources.columns[column].value_labels if column is not None else {}
    return {whole(code): Quote(value_label=(column or "", code)) for code, label in labels.items() if label.strip()}


# --- profiles of a conjoint ----------------------------------------------------------------------------------------------------------


def _places(deposit: Extract, attributes: list[Attribute], item: Item, where: str) -> npt.NDArray[np.int64] | None:
    """Place of every attribute in the list that each person saw, from 0, shape (people, attributes); -1 where it was not recorded."""
    columns = [attribute.position for attribute in attributes]
    if not any(columns):
        return None
    if not all(columns):
        raise GateError(
            "fills", "some attributes have a position and some have none", where=where, expected="all or none", fix="give every position"
        )
    codes = [pc.cast(deposit.codes(bound(column or "", item.bind)), pa.float64()) for column in columns]
    order = np.stack([values.to_numpy(zero_copy_only=False) for values in codes], axis=1)
    places: npt.NDArray[np.int64] = order.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable").astype(np.int64)
    places[np.isnan(order).any(axis=1)] = NONE
    return places


def _profile(where: str, titles: list[str], shown: list[Shown], places: npt.NDArray[np.int64] | None) -> Blank:
    """`Title: level; Title: level; ...` for every person, in the order that the person saw."""
    starts = np.cumsum([0, *(len(seen.texts) for seen in shown)])
    lines = pa.array([f"{title}: {text}" for title, seen in zip(titles, shown, strict=True) for text in seen.texts], pa.string())
    line = np.stack([seen.code + start for seen, start in zip(shown, starts, strict=False)], axis=1)
    complete: Mask = np.all(np.stack([seen.code >= 0 for seen in shown], axis=1), axis=1)
    if places is not None:
        complete = complete & np.all(places >= 0, axis=1)
        line = np.take_along_axis(line, np.where(complete[:, None], places, 0).argsort(axis=1, kind="stable"), axis=1)
    distinct, place = np.unique(line[complete], axis=0, return_inverse=True)
    slots = [lines.take(pa.array(distinct[:, slot])) for slot in range(distinct.shape[1])]
    code = np.full(len(complete), NONE, np.int32)
    code[complete] = place.reshape(-1)
    return Blank(where, code, pc.binary_join_element_wise(*slots, "; "), profile=True)
