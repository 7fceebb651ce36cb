"""What `draft` tells a model about a deposit: no count of few people, not even by subtraction; no path, no value of a cell."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from socsci210.drafting.answers import Answers
from socsci210.drafting.crosstab import margins, suppressed
from socsci210.drafting.evidence import _fractions, evidence_faults, part_of
from socsci210.drafting.material import Material
from socsci210.drafting.outward import counts, without_small_counts
from socsci210.drafting.submission import as_yaml, completed, submission_schema
from socsci210.drafting.tools import definitions
from socsci210.drafting.trial import Fault
from socsci210.profiling import profile_deposit
from socsci210.registry import load_study_file
from socsci210.small_counts import hide_more
from socsci210.study_origin import Claim
from tests.draft_scripts import made_up, small_submission


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    deposit = made_up(tmp_path_factory.mktemp("deposits") / "letters")
    return Material(deposit, profile_deposit(deposit))


@pytest.mark.parametrize(
    ("found", "total", "hidden"),
    [
        ({1: 50, 2: 50}, 100, set()),
        ({1: None, 2: 40, 3: 57}, 100, {1, 2}),  # 3 people follow from the sum of the others
        ({1: None, 2: None, 3: 88}, 98, {1, 2, 3}),  # 10 in two of them
        ({1: None, 2: None, 3: 20, 4: 70}, 100, {1, 2, 3}),
        ({1: 0, 2: None, 3: 97}, 100, {2, 3}),
    ],
)
def test_what_follows_from_the_sum_is_held_back_too(found: dict[Any, int | None], total: int, hidden: set[int]) -> None:
    assert {code for code, n in hide_more(found, total).items() if n is None} == hidden


def test_a_rare_code_cannot_be_worked_out(material: Material) -> None:
    known = material.variable("region")
    assert known is not None
    shown = counts(known[1], known[0].rows)
    assert shown[4] is None and sum(n is None for n in shown.values()) == 2
    dog = material.variable("name_of_dog")
    assert dog is not None
    assert "Zebediah" not in counts(dog[1], dog[0].rows) and sum(n is None for n in counts(dog[1], dog[0].rows).values()) == 2


def possible(table: np.ndarray, hidden: np.ndarray) -> dict[tuple[int, int], set[int]]:
    """By trying all: which counts each hidden cell may hold for somebody who knows the other cells and every margin."""
    cells = [tuple(map(int, cell)) for cell in np.argwhere(hidden)]
    found: dict[tuple[int, int], set[int]] = {cell: set() for cell in cells}
    most = int(table.sum(1).max())
    for values in itertools.product(range(1, most + 1), repeat=len(cells) - 1):
        trial = table.copy()
        for cell, value in zip(cells, values, strict=False):
            trial[cell] = value
        last = cells[-1]
        trial[last] += table[last[0]].sum() - trial[last[0]].sum()
        if trial[last] >= 1 and (trial.sum(0) == table.sum(0)).all() and (trial.sum(1) == table.sum(1)).all():
            for cell in cells:
                found[cell].add(int(trial[cell]))
    return found


@pytest.mark.parametrize("table", [[[3, 30], [40, 25]], [[20, 5], [15, 31]], [[1, 12], [14, 13]]])
def test_small_cells_cannot_be_worked_out_from_margins(table: list[list[int]]) -> None:
    grid = np.array(table, np.int64)
    hidden = suppressed(grid, [np.ones(2, bool), np.ones(2, bool)])
    assert hidden is not None and hidden[grid < 10].all()
    for cell, values in possible(grid, hidden).items():
        if grid[cell] < 10:
            assert max(values) - min(values) >= 10


def test_a_table_that_gives_itself_away_is_not_shown() -> None:
    both = [np.ones(2, bool), np.ones(2, bool)]
    assert suppressed(np.array([[4, 0], [0, 50]]), both) is None  # the margin of the first row is the cell
    assert suppressed(np.array([[12, 30], [25, 0]]), both) is not None
    unknown = [np.zeros(2, bool), np.zeros(2, bool)]
    hidden = suppressed(np.array([[4, 40], [60, 50]]), unknown)
    assert hidden is not None and hidden.sum() == 2  # the whole is known: a second one goes too


def test_large_tables_show_what_they_can() -> None:
    draw = np.random.default_rng(1)
    table = draw.integers(11, 60, (8, 6)).astype(np.int64)
    table[2, 3], table[5, 5], table[0, 0] = 2, 7, 0
    hidden = suppressed(table, [np.ones(8, bool), np.ones(6, bool)])
    assert hidden is not None and hidden[2, 3] and hidden[5, 5] and not hidden[0, 0]
    assert hidden.sum() <= 16


def test_margins_follow_what_is_told() -> None:
    assert margins({1: 50, 2: None, "(blank)": 5}, [1, 2]) == [50, None, 5]
    assert margins({1: 50, "(blank)": None}, [1]) == [50, None]


def test_sentences_lose_their_small_counts() -> None:
    assert without_small_counts("3 people have none, 30 people have one") == "few people have none, 30 people have one"


def test_faults_are_told_without_paths_and_cells(material: Material) -> None:
    answers = Answers(material)
    fault = Fault(
        "demographics", "3 people have code 'Zebediah' (17 of 400), first in row 212", "/home/someone/deposits/letters/answers.csv: x"
    )
    told = answers.fault(fault, small_submission())
    assert told["found"] == "some people have code (not shown) (some of (not shown)), first in row (not shown)"
    assert told["where"] == "answers.csv: x"
    known = answers.fault(Fault("kinds", "value 5 of 'trust', labelled 'Rex'"), small_submission())
    assert known["found"] == "value 5 of 'trust', labelled 'Rex'"


def test_codes_become_numbers_again_where_the_column_holds_numbers(material: Material, tmp_path: Path) -> None:
    study = small_submission()["study"]
    study["data"]["missing"] = {"q1": {"9": "refused"}, "name_of_dog": {"Rex": "other"}}
    study["outcomes"][0] |= {"recode": {"1": 5, "2": 4, "3": 3, "4": 2, "5": 1}, "why_recode": "turned"}
    study["fills"] = {"arm": {"column": "arm", "values": {"0": {"label": "q1"}}}}
    whole = completed(study, material, study_id="letters", own_words=False, origin={"licence": "CC0"})
    assert whole["data"]["missing"] == {"q1": {9: "refused"}, "name_of_dog": {"Rex": "other"}}
    assert whole["outcomes"][0]["recode"] == {1: 5, 2: 4, 3: 3, 4: 2, 5: 1}
    assert list(whole["outcomes"][0]["scale"]["labels"]) == [1, 5] and list(whole["fills"]["arm"]["values"]) == [0]
    path = tmp_path / "study.yaml"
    path.write_text(as_yaml(whole), encoding="utf-8")
    read = load_study_file(path)
    assert read.provenance.licence == "CC0" and read.provenance.rights.redistribute == "unknown"
    assert read.files["answers"].sha256 == material.files["answers"].sha256


def test_evidence_must_stand_where_it_is_claimed(material: Material) -> None:
    study = completed(small_submission()["study"], material, study_id="letters", own_words=False, origin={})
    assert part_of(study, "outcomes.trust.scale.labels.5")[0] and not part_of(study, "outcomes.trusts")[0]

    def said(**claim: Any) -> str:
        faults = evidence_faults(study, [Claim.model_validate(claim)], material)
        return next((fault.found for fault in faults if fault.found != "no evidence for it"), "")

    assert said(claim="outcomes.trust.column", variable="q1") == ""
    assert said(claim="outcomes.trusts", variable="q1") == "the study file has no such part"
    assert said(claim="outcomes.trust", variable="q9") == "no variable 'q9'"
    assert said(claim="outcomes.trust", variable="gender") == "it does not use gender"
    assert said(claim="outcomes.trust", doc="paper", blocks=[1]) == "no document 'paper'"
    assert said(claim="outcomes.trust", doc="questionnaire", blocks=[77]) == "no block 77 in questionnaire"
    assert said(claim="outcomes.trust.question", doc="questionnaire", blocks=[2]) == "it quotes other blocks"
    assert said(claim="provenance.title", doc="questionnaire", blocks=[8]) == "the block does not hold its words"
    assert said(claim="stated.0", doc="questionnaire", blocks=[2]) == "200 is not printed there"
    assert said(claim="stated.0", variable="arm") == ""


def test_a_model_may_hand_in_no_text_of_its_own() -> None:
    schema = submission_schema(own_words=False)
    assert "text" not in schema["$defs"]["Quote"]["properties"] and "description" in schema["$defs"]["Quote"]["properties"]
    assert "text" in submission_schema(own_words=True)["$defs"]["Quote"]["properties"]
    assert "title" in schema["$defs"]["Provenance"]["properties"] and "rights" not in schema["$defs"]["Provenance"]["properties"]
    assert not {"id", "files", "drafted", "reviewed", "format"} & set(schema["properties"]["study"]["properties"])
    names = [tool["function"]["name"] for tool in definitions(own_words=False)]
    assert names[-1] == "submit" and len(names) == 9


def test_gates_that_count_people_tell_no_small_counts(material: Material) -> None:
    fault = Fault("arm_counts", "arm 'signed' holds 4 here, 7 there, 200 in the file, where code 1 is told")
    told = Answers(material).fault(fault, small_submission())
    assert told["found"] == "arm 'signed' holds few here, (not shown) there, 200 in the file, where code 1 is told"


def test_shares_that_a_source_prints_in_words() -> None:
    text = "One third gets version A, two-thirds version B; half of these, or 1/4 of all, see Q3. The third question is for a sixth."
    assert [round(share, 3) for share in _fractions(text)] == [0.25, 0.333, 0.667, 0.5, 0.167]
