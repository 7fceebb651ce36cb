"""The audit of one study: items, answers, structure, people, and what becomes of the rows. All texts are invented."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socsci210.audit.answers import hanging
from socsci210.audit.rules import ROW_RULES, RULES
from socsci210.audit.study import Finding, StudyAudit, StudySummary, assign_items, audit_dataset, audit_study

from .audit_rows import study_rows

SEVEN = 'You were asked: "How warm is it?" Only return an integer from 1 to 7, where 1 means Cold and 7 means Hot, nothing else.'
TWO = 'You were asked: "Which bag?" Only return 1 for Red or 2 for Blue, nothing else.'
PERCENT = 'You were asked: "How many?" Only return an integer from 0 to 100 representing percent, nothing else.'
DOLLARS = 'You were asked: "What would you pay?" Only return an integer representing dollars, nothing else.'
TENS = 'You were asked: "How much?" Only return a multiple of 10 between 0 and 100, nothing else.'


def of(audit: StudyAudit, rule: str) -> list[Finding]:
    return [finding for finding in audit.findings if finding.rule == rule]


def flagged(audit: StudyAudit, rule: str) -> list[int]:
    return [place for place, names in enumerate(audit.flags.to_pylist()) if rule in names]


# --- items ---------------------------------------------------------------------------------------------------------------------------


def test_items_are_zero_where_nobody_answers_a_cell_twice() -> None:
    none = np.zeros(4, np.int64)
    assert assign_items(none, none, np.arange(4), np.array([3, 1, 2, 0])).tolist() == [0, 0, 0, 0]


def test_items_are_the_place_of_the_stimulus_in_its_cell_by_first_appearance() -> None:
    condition = np.array([0, 0, 0, 0, 0, 1, 1])
    task = np.zeros(7, np.int64)
    person = np.array([0, 0, 1, 1, 2, 3, 4])
    text = np.array([9, 4, 4, 9, 4, 9, 4])
    assert assign_items(condition, task, person, text).tolist() == [0, 1, 1, 0, 1, 0, 0]  # nobody repeats condition 1


def test_items_count_a_persons_answers_where_texts_are_made_for_each_row() -> None:
    condition = task = np.zeros(6, np.int64)
    person = np.array([0, 0, 0, 1, 1, 1])
    assert assign_items(condition, task, person, np.arange(6)).tolist() == [0, 1, 2, 0, 1, 2]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 2)] * 4), min_size=1, max_size=30))
def test_items_are_what_the_definition_says(rows: list[tuple[int, int, int, int]]) -> None:
    condition, task, person, text = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    expected = []
    for place, (c, t, p, x) in enumerate(rows):
        cell = [row for row in rows if row[:2] == (c, t)]
        seen = list(dict.fromkeys(row[3] for row in cell))
        if len({row[2] for row in cell}) == len(cell):
            expected.append(0)
        elif len(seen) > len(cell) / 2:
            expected.append(sum(row[:3] == (c, t, p) for row in rows[:place]))
        else:
            expected.append(seen.index(x))
    assert assign_items(condition, task, person, text).tolist() == expected


# --- offset, codes, scale ------------------------------------------------------------------------------------------------------------


def offset_study(**changes: Any) -> tuple[list[int], list[int], list[int]]:
    """Condition, response and true response of a choice that is stored as 2 * condition + choice, three rows of each."""
    condition = [c for c in range(4) for _ in range(3)]
    true = [1, 2, 1] * 4
    response = [value + 2 * c for value, c in zip(true, condition, strict=True)]
    for place, value in changes.items():
        response[int(place[1:])] = value
    return condition, response, true


def test_an_offset_by_condition_is_taken_back() -> None:
    condition, response, true = offset_study()
    audit = audit_study(study_rows([TWO] * 12, response, condition=condition))
    assert audit.response_clean.to_pylist() == true
    assert flagged(audit, "condition_offset") == list(range(3, 12))  # condition 0 has no offset
    assert not flagged(audit, "off_scale") and not flagged(audit, "missing_code")
    (finding,) = of(audit, "condition_offset")
    assert (finding.rows, finding.of, finding.task_num) == (9, 12, 0)
    assert audit.summary.repaired == 9 and audit.summary.left_out == 0


def test_an_offset_is_found_beside_other_scales_of_the_same_outcome() -> None:
    condition, response, true = offset_study()
    rows = study_rows([*[TWO] * 12, *[SEVEN] * 4], [*response, 3, 4, 5, 7], condition=[*condition, 0, 1, 2, 3])
    assert audit_study(rows).response_clean.to_pylist() == [*true, 3, 4, 5, 7]


def test_an_offset_may_start_at_the_lowest_condition() -> None:
    condition, response, true = offset_study()
    rows = study_rows([TWO] * 12, response, condition=[c + 5 for c in condition])
    assert audit_study(rows).response_clean.to_pylist() == true


def test_a_missing_code_does_not_hide_an_offset() -> None:
    condition, response, true = offset_study(_4=98)
    audit = audit_study(study_rows([TWO] * 12, response, condition=condition))
    assert audit.response_clean.to_pylist() == [None if place == 4 else value for place, value in enumerate(true)]
    assert flagged(audit, "missing_code") == [4]


@pytest.mark.parametrize(
    ("place", "value"), [("_11", 1), ("_0", 3), ("_5", 11)], ids=["on the bare scale", "of another condition", "beyond all"]
)
def test_one_answer_that_does_not_fit_makes_an_offset_uncertain(place: str, value: int) -> None:
    condition, response, _ = offset_study(**{place: value})
    audit = audit_study(study_rows([TWO] * 12, response, condition=condition))
    assert not flagged(audit, "condition_offset")
    assert audit.response_clean.to_pylist() == [value if value in (1, 2) else None for value in response]


def test_few_strays_are_no_offset() -> None:
    audit = audit_study(study_rows([TWO] * 8, [1, 2, 1, 2, 3, 4, 3, 4], condition=[0, 0, 0, 0, 1, 1, 1, 1]))
    assert flagged(audit, "off_scale") == [4, 5, 6, 7] and not flagged(audit, "condition_offset")


def test_codes_off_the_scale_are_missing_and_other_strays_off_scale() -> None:
    audit = audit_study(study_rows([SEVEN] * 9, [1, 7, 98, 99, -1, 777, 0, 8, 12]))
    assert flagged(audit, "missing_code") == [2, 3, 4, 5]
    assert flagged(audit, "off_scale") == [6, 7, 8]
    assert audit.response_clean.to_pylist() == [1, 7, *[None] * 7]
    assert audit.summary.left_out == 7


def test_codes_on_the_scale_are_answers() -> None:
    audit = audit_study(study_rows([PERCENT] * 6, [98, 99, 77, 88, 0, 100]))
    assert audit.flags.to_pylist() == [[]] * 6
    assert audit.response_clean.to_pylist() == [98, 99, 77, 88, 0, 100]


def test_answers_between_the_steps_are_off_scale() -> None:
    assert flagged(audit_study(study_rows([TENS] * 4, [10, 15, 100, 110])), "off_scale") == [1, 3]


AMOUNTS = list(range(0, 2000, 40))  # fifty answers up to 1,960


@pytest.mark.parametrize("code", [77777, 88888, 99998, 99999, 9998, 9999, -1, -9])
def test_codes_far_from_all_other_answers_are_missing_where_nothing_bounds_them(code: int) -> None:
    audit = audit_study(study_rows([DOLLARS] * 51, [*AMOUNTS, code]))
    assert flagged(audit, "missing_code") == [50] and audit.response_clean.to_pylist() == [*AMOUNTS, None]


@pytest.mark.parametrize(
    ("others", "code"),
    [
        (AMOUNTS, 999),  # others are near it
        (AMOUNTS, 98),  # too short to be certain
        ([*AMOUNTS, -20], -1),  # negative amounts are answers here
        ([*AMOUNTS, 250_000], 99_999),  # within a factor of three
        (AMOUNTS, 50_000),  # a true outlier: no code
        (AMOUNTS[:10], 99_999),  # too few others
    ],
)
def test_what_is_not_certainly_a_code_stays_an_answer(others: list[int], code: int) -> None:
    audit = audit_study(study_rows([DOLLARS] * (len(others) + 1), [*others, code]))
    assert not flagged(audit, "missing_code") and audit.response_clean.to_pylist() == [*others, code]


def test_several_codes_do_not_vouch_for_each_other_and_a_giant_does_not_hide_them() -> None:
    audit = audit_study(study_rows([DOLLARS] * 54, [*AMOUNTS, 77777, 99998, 99999, 60_100_000]))
    assert flagged(audit, "missing_code") == [50, 51, 52]


# --- cells ---------------------------------------------------------------------------------------------------------------------------


def test_one_answer_that_makes_most_of_the_range_is_an_outlier_only_without_bounds() -> None:
    cells = [*[DOLLARS] * 15, *[PERCENT] * 15]
    answers = [*range(10, 24), 5_000, *[1, 2, 3] * 4, 1, 2, 100]
    audit = audit_study(study_rows(cells, answers, task=[0] * 15 + [1] * 15))
    (finding,) = of(audit, "outlier_range")
    assert (finding.condition_num, finding.task_num, finding.rows, finding.of) == (0, 0, 1, 15)
    assert "5,000" in finding.detail and audit.flags.to_pylist() == [[]] * 30
    (finding,) = of(audit, "unbounded")
    assert (finding.task_num, finding.rows, finding.detail) == (0, 15, "unbounded")


@pytest.mark.parametrize(
    ("answers", "share"),
    [
        ([*range(13), 1000], 988 / 1000),
        ([-500, *range(13)], 500 / 512),
        ([*range(13), 500, 1000], 0.5),  # two far answers: neither alone
        ([*range(13), 1000, 1000], 1 / 1000),  # given twice
        ([1] * 14, 0.0),
        ([*range(12), 1000], 0.0),  # too few to say
    ],
)
def test_the_share_of_the_range_that_hangs_on_one_answer(answers: list[int], share: float) -> None:
    assert hanging(np.sort(np.array(answers, np.int64))) == pytest.approx(share)


def test_a_missing_code_is_not_counted_as_an_outlier() -> None:
    audit = audit_study(study_rows([DOLLARS] * 51, [*AMOUNTS, 99_999]))
    assert not of(audit, "outlier_range")


def test_a_cell_with_one_answer_only() -> None:
    audit = audit_study(study_rows([SEVEN] * 5, [3, 3, 3, 4, 5], condition=[0, 0, 0, 1, 1]))
    (finding,) = of(audit, "constant_answer")
    assert (finding.condition_num, finding.rows) == (0, 3)
    assert not of(audit_study(study_rows([SEVEN], [3])), "constant_answer")  # one row says nothing


def test_conditions_that_state_other_ranges_or_labels() -> None:
    wider = SEVEN.replace("7", "9")
    (finding,) = of(audit_study(study_rows([SEVEN] * 3 + [wider] * 3, [1] * 6, condition=[0] * 3 + [1] * 3)), "scales_differ")
    assert (finding.task_num, finding.condition_num, finding.rows) == (0, None, 6) and "1 to 7" in finding.detail
    other = SEVEN.replace("Hot", "Warm")
    (finding,) = of(audit_study(study_rows([SEVEN] * 3 + [other] * 3, [1] * 6, condition=[0] * 3 + [1] * 3)), "scales_differ")
    assert finding.detail == "2 sets of labels" and "7 Hot" in finding.example
    both = [SEVEN, wider] * 3
    assert not of(
        audit_study(study_rows(both, [1] * 6, condition=[0, 0, 1, 1, 2, 2])), "scales_differ"
    )  # items, the same in each condition


# --- structure -----------------------------------------------------------------------------------------------------------------------


def test_reused_outcome_numbers_are_flagged_and_change_nothing() -> None:
    audit = audit_study(study_rows([SEVEN, TWO, SEVEN], [1, 2, 3], participant=[0, 0, 1]))
    assert flagged(audit, "reused_task") == [0, 1] and audit.response_clean.to_pylist() == [1, 2, 3]


def with_story(story: str) -> str:
    return SEVEN.replace("You were asked", f'You read "{story}" and then were asked')


def test_conditions_with_the_same_texts_in_all_outcomes_cannot_be_told_apart() -> None:
    one, other = with_story("A bridge."), with_story("A tunnel.")
    condition = [0, 0, 1, 1, 2, 2]
    (finding,) = of(audit_study(study_rows([one, TWO, one, TWO, other, TWO], [1] * 6, condition=condition, task=[0, 1] * 3)), "fewer_texts")
    assert (finding.rows, finding.of) == (4, 6) and "3 conditions show 2" in finding.detail and finding.detail.endswith("alike are 0, 1")
    asked_before = [with_story(str(c)) if t else TWO for c in range(3) for t in range(2)]
    assert not of(audit_study(study_rows(asked_before, [1] * 6, condition=condition, task=[0, 1] * 3)), "fewer_texts")


def test_one_condition_gaps_and_people_in_several() -> None:
    audit = audit_study(study_rows([SEVEN] * 3, [1, 2, 3], condition=[2, 2, 2]))
    assert len(of(audit, "one_condition")) == len(of(audit, "sparse_conditions")) == 1 and not of(audit, "within_subject")
    audit = audit_study(study_rows([SEVEN] * 3, [1, 2, 3], condition=[0, 1, 1], participant=[0, 0, 1]))
    (finding,) = of(audit, "within_subject")
    assert (finding.rows, finding.of) == (2, 3) and finding.detail.startswith("1 of 2 people")
    assert not of(audit, "one_condition") and not of(audit, "sparse_conditions")


# --- people --------------------------------------------------------------------------------------------------------------------------


def people_audit(personas: list[dict[str, Any]]) -> StudyAudit:
    return audit_study(study_rows([SEVEN] * len(personas), [1] * len(personas), personas=personas))


def test_fields_that_nobody_has() -> None:
    few = people_audit([{"age": 40, "education": "Bachelor's degree", "income": "20-29K", "ethnicity": "White"}] * 3)
    (finding,) = of(few, "missing_demographics")
    assert (finding.rows, finding.of) == (3, 3) and finding.detail.startswith("12 of 16 fields: gender, employment")
    nine = ("gender", "education", "employment", "marital_status", "location", "income", "party_id", "ideology")
    values = dict(zip(nine, ("Male", "Bachelor's degree", "Retired", "Married", "Ohio", "<5K", "Lean Democrat", "Moderate"), strict=True))
    assert not of(people_audit([{"age": 40, **values}]), "missing_demographics")  # nine of 16


def test_two_vocabularies_of_ideology() -> None:
    assert of(people_audit([{"ideology": "Very Liberal"}, {"ideology": "Conservative"}]), "mixed_ideology")
    shared = [{"ideology": word} for word in ("Somewhat Liberal", "Moderate", "Somewhat Conservative", "Extremely Liberal", "Liberal")]
    assert not of(people_audit(shared), "mixed_ideology")


def test_persona_facts() -> None:
    sizes = [{"age": 30, "household_size": 5}] * 5 + [{"age": 30, "household_size": 6}] * 11
    (finding,) = of(people_audit(sizes), "persona_facts")
    assert finding.rows == 11 and "top code" in finding.detail
    teens = [{"age": 15}, {"age": 40, "education": "Bachelor's degree"}]
    (finding,) = of(people_audit(teens), "persona_facts")
    assert finding.rows == 1 and "under 18" in finding.detail
    (finding,) = of(people_audit([{"age": 30, "gender": "Robot"}]), "persona_facts")
    assert finding.rows == 1 and finding.example == "Robot"


# --- all together --------------------------------------------------------------------------------------------------------------------


def test_every_flag_is_a_row_rule_and_lists_are_sorted() -> None:
    text = SEVEN.replace("You were asked", 'You read "It cost {price} ... in [town redacted]." and then were asked')
    audit = audit_study(study_rows([text, text, SEVEN], [98, 3, 4], participant=[0, 0, 1]))
    assert audit.flags.to_pylist() == [
        ["elided_text", "missing_code", "redacted_text", "reused_task", "template_residue"],
        ["elided_text", "redacted_text", "reused_task", "template_residue"],
        [],
    ]
    assert audit.response_clean.to_pylist() == [None, None, 4]
    assert {name for names in audit.flags.to_pylist() for name in names} <= set(ROW_RULES)
    assert "{price}" in of(audit, "template_residue")[0].example


def test_rules_are_described() -> None:
    for name, rule in RULES.items():
        assert rule.name == name and rule.title and rule.meaning.endswith(".") and rule.fix.endswith(".")
        assert all(1 <= defect <= 40 for defect in rule.defects) and rule.defects
        assert rule.level == "row" or rule.action == "note"


# --- studies compared ----------------------------------------------------------------------------------------------------------------


def summary(study: str, stories: list[str], people: int = 120, **changes: Any) -> StudySummary:
    texts = [with_story(f"{story} stands in the middle of the old town since many years") for story in stories]
    n = len(texts)
    rows = study_rows([texts[i % n] for i in range(people)], [1 + i % 7 for i in range(people)], condition=[i % n for i in range(people)])
    return replace(audit_study(rows).summary, study_id=study, **changes)


def dataset_rules(*summaries: StudySummary) -> dict[str, Finding]:
    return {finding.rule: finding for finding in audit_dataset(summaries)}


def test_twins_have_equal_counts_or_common_treatments() -> None:
    one, other = summary("aaaaa", ["A well", "A tree"]), summary("bbbbb", ["A mill", "A shed"])
    assert dataset_rules(one, other)["twin_studies"].detail.startswith("aaaaa and bbbbb: both have 120 rows, 120 people")
    assert not dataset_rules(one, summary("bbbbb", ["A mill", "A shed"], 121))
    sister = summary("bbbbb", ["A well", "A tree", "A bank", "A shop"], 131)
    assert "100% of the treatments" in dataset_rules(one, sister)["twin_studies"].detail
    assert not dataset_rules(one, summary("bbbbb", ["A well", "A bank"], 131))  # one common treatment says nothing
    assert not dataset_rules(summary("aaaaa", ["A well", "A tree"], 60), summary("bbbbb", ["A mill", "A shed"], 60))  # too small


def test_low_incomes_that_are_missing_from_whole_studies() -> None:
    def study(name: str, incomes: int, low: int) -> StudySummary:
        made = summary(name, [f"A well of {name}", f"A tree of {name}"], 120 + len(name))
        return replace(made, present={**made.present, "income": incomes}, income_under_20k=low)

    found = dataset_rules(study("aaaaa", 500, 0), study("bbbbbb", 400, 60))["income_floor"]
    assert (found.rows, found.of, found.example) == (500, 900, "aaaaa")
    assert not dataset_rules(study("aaaaa", 90, 0), study("bbbbbb", 400, 60))  # chance could do it


def test_gender_and_ethnicity_that_never_meet() -> None:
    def study(name: str, gender: int, ethnicity: int, both: int) -> StudySummary:
        made = summary(name, [f"A well of {name}", f"A tree of {name}"], 120 + len(name))
        return replace(made, present={**made.present, "gender": gender, "ethnicity": ethnicity}, gender_and_ethnicity=both)

    assert dataset_rules(study("aaaaa", 9, 0, 0), study("bbbbbb", 0, 7, 0))["gender_or_ethnicity"].rows == 16
    assert not dataset_rules(study("aaaaa", 9, 0, 0), study("bbbbbb", 1, 7, 1))
    assert not dataset_rules(study("aaaaa", 9, 0, 0))
