"""The 210 studies of the release: who ran them, where they are documented, how large they are, and what is known to be wrong with them.

Bibliographic facts and counts come from public pages and from users of the release, so a field that nobody could establish is None. The
figures of the released model were measured by others; `figures()` names who, under which convention.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from .errors import DatasetError
from .schema import Many, Strict, StudyId, Text

Year = Annotated[int, Field(ge=2000, le=2030)]
Count = Annotated[int, Field(ge=1)]
Distance = Annotated[float, Field(ge=0, le=1)]
OsfUrl = Annotated[str, StringConstraints(pattern=r"^https://osf\.io/[a-z0-9]{5}/$")]
TessUrl = Annotated[str, StringConstraints(pattern=r"^https://www\.tessexperiments\.org/study/[A-Za-z0-9-]+$")]


class Defect(Strict):
    """Something wrong with the released rows of a study, or a caveat that a user must know.

    `rule` is the rule of the audit that finds it, None where no rule can see it in rows and texts. `basis` says how it is known: counted on
    rows, reported by a user who compared them with the deposit, or inferred.
    """

    defect: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]+$")]
    rule: str | None = None
    basis: Literal["counted", "reported", "inferred"]
    note: Text


class CatalogueEntry(Strict):
    """One study of the release."""

    study_id: StudyId
    """Its node on OSF."""
    title: Text
    split: Literal["seen", "unseen"]
    """The official side: training may see it, or it is held out."""
    topic: Text
    topic_detail: Text | None = None
    authors: Many[Text] = ()
    """Of its publication; empty where none is known."""
    year: Year
    """In which TESS lists it."""
    field_start_year: Year | None = None
    osf_url: OsfUrl
    tess_ids: Many[Text] = ()
    tess_urls: Many[TessUrl] = ()
    publication: Literal["found", "not found", "not searched"]
    publication_year: Year | None = None
    publication_venue: Text | None = None
    rows: Count
    n_conditions: Count | None = None
    n_conditions_source: Text | None = None
    n_outcomes_at_least: Count | None = None
    n_participants: Count | None = None
    n_participants_source: Text | None = None
    participants_per_condition_at_least: Count | None = None
    """In the smallest condition, from a structural screen by InterveneBench."""
    reliable_contrasts: Count | None = None
    """Contrasts between conditions that KITE found to be reliable in people."""
    W_socrates: Distance | None = None
    """Distance of the released model on this study; unseen studies only. See `figures`."""
    W_base: Distance | None = None
    note: Text | None = None
    """A remark on the design."""
    defects: tuple[Defect, ...] = ()

    @property
    def tess_url(self) -> str | None:
        """The first page at TESS; one study was fielded as two."""
        return self.tess_urls[0] if self.tess_urls else None


class Figure(Strict):
    """What a column of scores holds: whose model, under which convention, measured by whom."""

    model: Text
    convention: Literal["stated", "published"]
    measured_by: Text
    mean: Distance
    """Over its studies, unweighted."""
    n_studies: Count


@cache
def studies() -> tuple[CatalogueEntry, ...]:
    """All 210 studies, ordered by id."""
    known = _data("known_defects.json")
    return tuple(
        CatalogueEntry.model_validate({**entry, "defects": tuple(Defect.model_validate(one) for one in known.get(entry["study_id"], ()))})
        for entry in _data("catalogue.json")["studies"]
    )


@cache
def figures() -> dict[str, Figure]:
    """What `W_socrates` and `W_base` are."""
    return {name: Figure.model_validate(figure) for name, figure in _data("catalogue.json")["figures"].items()}


def get(study_id: str) -> CatalogueEntry:
    """One study by its id.

    Raises:
        DatasetError: the release has no such study.
    """
    entry = _by_id().get(study_id)
    if entry is None:
        raise _unknown("no study of the release has the id", study_id, _by_id(), "socsci210 studies lists all 210")
    return entry


def topics() -> tuple[str, ...]:
    """The broad topics in alphabetical order."""
    return tuple(sorted({entry.topic for entry in studies()}))


def defect_names() -> tuple[str, ...]:
    """The names of all known defects in alphabetical order."""
    return tuple(sorted({one.defect for entry in studies() for one in entry.defects}))


def select(
    *,
    split: str | None = None,
    topic: str | None = None,
    text: str | None = None,
    defects: bool | str | None = None,
    sort: str = "study_id",
    descending: bool = False,
) -> tuple[CatalogueEntry, ...]:
    """The studies that fit every condition given.

    Args:
        split: `seen` or `unseen`.
        topic: a broad topic (one of `topics()`).
        text: words that all occur somewhere in id, title, authors, topic, venue, note or defects; letter case does not matter.
        defects: True for studies with a known defect, False for those without, or the name of one defect.
        sort: a field that holds one value; studies without a value come last either way.
        descending: largest or last first.

    Raises:
        DatasetError: an unknown split, topic, defect or field to sort by. The message names the nearest one.
    """
    if split not in (None, "seen", "unseen"):
        raise DatasetError(f"split {split!r}", where="studies", expected="seen or unseen")
    if topic is not None and topic not in topics():
        raise _unknown("no study has the topic", topic, topics(), f"one of {', '.join(topics())}")
    if isinstance(defects, str) and defects not in defect_names():
        raise _unknown("no study has the defect", defects, defect_names(), f"one of {', '.join(defect_names())}")
    if sort not in _SORTABLE:
        raise _unknown("studies cannot be sorted by", sort, _SORTABLE, f"one of {', '.join(_SORTABLE)}")
    words = (text or "").casefold().split()
    chosen = [
        entry
        for entry in studies()
        if (split is None or entry.split == split)
        and (topic is None or entry.topic == topic)
        and (defects is None or _has(entry, defects))
        and all(word in _words(entry) for word in words)
    ]
    known = [entry for entry in chosen if getattr(entry, sort) is not None]
    known.sort(key=lambda entry: getattr(entry, sort), reverse=descending)
    return (*known, *(entry for entry in chosen if getattr(entry, sort) is None))


_SORTABLE = tuple(name for name in CatalogueEntry.model_fields if name not in ("authors", "tess_ids", "tess_urls", "defects"))


@cache
def _data(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files("socsci210") / "data" / name).read_text(encoding="utf-8"))
    return found


@cache
def _by_id() -> dict[str, CatalogueEntry]:
    return {entry.study_id: entry for entry in studies()}


def _has(entry: CatalogueEntry, defects: bool | str) -> bool:
    if isinstance(defects, bool):
        return bool(entry.defects) is defects
    return any(one.defect == defects for one in entry.defects)


def _words(entry: CatalogueEntry) -> str:
    about = (entry.study_id, entry.title, entry.topic, entry.topic_detail, entry.publication_venue, entry.note)
    wrong = (part for one in entry.defects for part in (one.defect, one.note))
    return " ".join(part for part in (*about, *entry.authors, *entry.tess_ids, *wrong) if part).casefold()


def _unknown(what: str, value: str, known: Iterable[str], expected: str) -> DatasetError:
    near = difflib.get_close_matches(value, list(known), n=3)
    return DatasetError(f"{what} {value!r}", where="studies", expected=expected, fix=f"did you mean {' or '.join(near)}?" if near else "")
