"""The catalogue of the 210 released studies: its counts, its links, its agreement with the official list, and how it is searched."""

from __future__ import annotations

import json
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from socsci210 import catalogue
from socsci210.errors import DatasetError

DATA = files("socsci210") / "data"
OFFICIAL = json.loads((DATA / "official_studies.json").read_text(encoding="utf-8"))


def test_counts_are_those_of_the_release() -> None:
    found = catalogue.studies()
    assert len(found) == len({entry.study_id for entry in found}) == 210
    assert sum(entry.rows for entry in found) == 2_901_390
    assert sum(entry.rows for entry in found if entry.split == "unseen") == 482_642


def test_sides_and_sisters_agree_with_the_official_list() -> None:
    for side in ("seen", "unseen"):
        assert {entry.study_id for entry in catalogue.studies() if entry.split == side} == set(OFFICIAL[side])
    twins = {entry.study_id for entry in catalogue.select(defects="twin_studies")}
    assert twins == {study for pair in OFFICIAL["sisters"] for study in pair}


def test_links_are_those_of_the_study_and_unique() -> None:
    for entry in catalogue.studies():
        assert entry.osf_url == f"https://osf.io/{entry.study_id}/"
        assert entry.tess_urls == tuple(f"https://www.tessexperiments.org/study/{one}" for one in entry.tess_ids)
    ids = [one for entry in catalogue.studies() for one in entry.tess_ids]
    assert len(ids) == len(set(ids)) == 211  # two studies were fielded as two, the page of one is not known
    assert catalogue.get("bwgjp").tess_url is None
    assert len({entry.title for entry in catalogue.studies()}) == 210


def test_years_follow_one_another() -> None:
    for entry in catalogue.studies():
        if entry.field_start_year is not None:
            assert 0 <= entry.year - entry.field_start_year <= 1, entry.study_id
        if entry.publication_year is not None:
            assert entry.publication_year >= (entry.field_start_year or entry.year), entry.study_id


def test_publications_are_whole_or_absent() -> None:
    for entry in catalogue.studies():
        whole = {entry.publication == "found", entry.publication_year is not None, entry.publication_venue is not None, bool(entry.authors)}
        assert len(whole) == 1, entry.study_id


def test_uncertain_counts_carry_their_source_and_fit_the_rows() -> None:
    for entry in catalogue.studies():
        assert (entry.n_conditions is None) == (entry.n_conditions_source is None)
        assert (entry.n_participants is None) == (entry.n_participants_source is None)
        assert (entry.n_participants or 0) <= entry.rows
        assert (entry.n_conditions or 0) * (entry.participants_per_condition_at_least or 0) <= entry.rows


def test_figures_of_the_released_model() -> None:
    for column, mean in (("W_socrates", 0.14994), ("W_base", 0.21857)):
        values = [getattr(entry, column) for entry in catalogue.studies() if getattr(entry, column) is not None]
        figure = catalogue.figures()[column]
        assert len(values) == figure.n_studies == 40
        assert round(float(np.mean(values)), 5) == figure.mean == mean
        assert figure.convention == "published"
    assert all((entry.W_socrates is None) == (entry.split == "seen") for entry in catalogue.studies())
    assert catalogue.get("tcg8p").W_socrates == 0.0213
    assert catalogue.get("ervm8").W_socrates == 0.4303


def test_known_defects_name_their_rule_and_speak_for_themselves() -> None:
    pairs = [(entry.study_id, one) for entry in catalogue.studies() for one in entry.defects]
    assert len({(study, one.defect) for study, one in pairs}) == len(pairs)
    for study, one in pairs:
        assert one.rule in (None, one.defect)
        assert one.note.endswith(".") and len(one.note) <= 140, study
    assert {one.defect for one in catalogue.get("8ctbk").defects} == {"condition_offset", "blank_level"}
    assert catalogue.get("jmtyn").defects == ()


def test_one_study_per_line_in_order() -> None:
    text = (DATA / "catalogue.json").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith('{"study_id"')]
    assert len(lines) == 210
    assert all(first < second for first, second in pairwise(lines))
    assert list(json.loads((DATA / "known_defects.json").read_text())) == sorted(
        entry.study_id for entry in catalogue.studies() if entry.defects
    )


def test_select_filters_and_sorts() -> None:
    assert len(catalogue.select(split="unseen")) == 40
    assert [entry.study_id for entry in catalogue.select(text="TESLA electric")] == ["v6kqy"]
    assert {entry.topic for entry in catalogue.select(topic="health")} == {"health"}
    assert len(catalogue.select(defects=True)) + len(catalogue.select(defects=False)) == 210
    largest = catalogue.select(sort="rows", descending=True)
    assert (largest[0].study_id, largest[-1].study_id) == ("egmxd", "z6gts")
    best = catalogue.select(sort="W_socrates")
    assert [entry.study_id for entry in best[:2]] == ["tcg8p", "a7uk3"]
    worst = catalogue.select(sort="W_socrates", descending=True)
    assert worst[0].study_id == "ervm8"
    assert worst[-1].W_socrates is None and best[-1].W_socrates is None
    assert catalogue.select(split="seen", topic="health", text="no such words") == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "train"}, "split 'train'\n  Expected: seen or unseen"),
        ({"topic": "helth"}, "no study has the topic 'helth'(.|\n)*did you mean health"),
        ({"defects": "missing_codes"}, "no study has the defect 'missing_codes'(.|\n)*did you mean missing_code"),
        ({"sort": "row"}, "studies cannot be sorted by 'row'(.|\n)*did you mean rows"),
        ({"sort": "defects"}, "studies cannot be sorted by 'defects'"),
    ],
)
def test_select_says_what_it_does_not_know(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        catalogue.select(**arguments)


def test_get_suggests_the_nearest_id() -> None:
    assert catalogue.get("9nphm").n_participants == 2116
    with pytest.raises(DatasetError, match=r"no study of the release has the id '9nphn'(.|\n)*did you mean 9nphm"):
        catalogue.get("9nphn")


def test_entries_are_strict() -> None:
    entry = {key: value for key, value in catalogue.get("tcg8p").model_dump().items() if key != "defects"}
    assert catalogue.CatalogueEntry.model_validate(entry).rows == 2065
    for change in ({"weight": 1}, {"rows": "2065"}, {"year": 202}, {"osf_url": "http://osf.io/tcg8p"}, {"W_socrates": 1.2}):
        with pytest.raises(ValidationError):
            catalogue.CatalogueEntry.model_validate({**entry, **change})
