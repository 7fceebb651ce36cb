"""Who stands alone, who is under 18, what coarsening does to personas, and when a push is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from socsci210.demographics import COARSE, FIELDS, INCOME, STATES, VOCABULARY
from socsci210.errors import HubError
from socsci210.hub.coarsen import AGES, STEPS, coarsened
from socsci210.hub.privacy import BAR, PrivacyReport, StudyPrivacy, check_bar, measured, minors
from socsci210.metrics.socsci210.groups import group_of
from socsci210.prompts import get_template
from socsci210.schema import DEMOGRAPHIC, PARTICIPANTS


def people(*personas: dict[str, object], study: str = "s") -> pa.Table:
    records = [{"study_id": study, "participant": place, "demographic": persona} for place, persona in enumerate(personas)]
    return pa.Table.from_pylist(records, PARTICIPANTS)


def coarse(**fields: object) -> dict[str, object]:
    (found,) = coarsened(pa.array([fields], DEMOGRAPHIC)).to_pylist()
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"age": 18, "location": "Ohio"}, {"age": 24, "location": "Midwest"}),
        ({"age": 29, "household_size": 4}, {"age": 24, "household_size": 4}),
        ({"age": 30, "household_size": 5}, {"age": 37, "household_size": 5}),
        ({"age": 59, "household_size": 8}, {"age": 52, "household_size": 5}),
        ({"age": 74, "income": "125-149K"}, {"age": 67, "income": "125-149K"}),
        ({"age": 99, "income": "200K+"}, {"age": 80, "income": "150-175K+"}),
        ({"age": 13}, {"age": 16}),
        ({"gender": "Male"}, {"gender": "Male"}),
    ],
)
def test_coarse_fields(fields: dict[str, object], expected: dict[str, object]) -> None:
    assert coarse(**fields) == expected
    assert coarse(**expected) == expected  # a second time changes nothing


def test_coarse_values_are_declared_and_stay_in_the_groups_of_the_metric() -> None:
    for state in STATES:
        assert coarse(location=state)["location"] in COARSE["location"]
        assert group_of("location", str(coarse(location=state)["location"])) == group_of("location", state)
    for age in range(0, 121):
        assert group_of("age", int(str(coarse(age=age)["age"]))) == group_of("age", age)
    for income in INCOME:
        assert coarse(income=income)["income"] in INCOME
        assert group_of("income", str(coarse(income=income)["income"])) == group_of("income", income)
    assert {name for name, words in VOCABULARY.items() if words is None} == {"age", "household_size"}
    assert [band.start for band in AGES] == [0, 18, 30, 45, 60, 75] and all(mark in band for band, mark in AGES.items())
    assert "24 for 18 to 29" in STEPS[0] and "80 for 75 and over" in STEPS[0]


def test_a_coarse_persona_renders() -> None:
    text = get_template("upstream").render(coarse(age=44, location="Texas", gender="Female"), "Well?")
    assert "- Age: 37\n- Gender: Female\n- Location: South\n" in text


def test_people_are_compared_within_their_study_and_empty_fields_count() -> None:
    ohio = {"age": 30, "gender": "Male", "location": "Ohio", "education": "Bachelor's degree"}
    first = people(ohio, ohio, {**ohio, "age": 31}, {**ohio, "age": None}, {**ohio, "age": None, "income": "<5K"})
    table = pa.concat_tables([first, people(ohio, study="t")])
    assert measured(table, {"s": False, "t": True}) == [
        StudyPrivacy("s", False, 5, alone_by_four=1, alone_by_all=3, age_unknown=2),
        StudyPrivacy("t", True, 1, alone_by_four=1, alone_by_all=1, age_unknown=0),
    ]


def test_minors_are_those_whose_age_is_known_to_be_below_18() -> None:
    table = people({"age": 17}, {"age": 18}, {"age": None}, {"age": 5})
    assert minors(table)["participant"].to_pylist() == [0, 3]
    assert minors(table.slice(0, 0)).num_rows == 0


def report(*alone: int, simulated: bool = False, coarse: bool = False, accepted: str | None = None) -> PrivacyReport:
    studies = [StudyPrivacy(f"s{place}", simulated, 100, n, 100, 0) for place, n in enumerate(alone)]
    return PrivacyReport(studies, {}, {}, coarse, accepted)


def test_the_bar() -> None:
    at = int(BAR * 100)
    assert check_bar(report(0, at), private=False) == []
    assert check_bar(report(99, simulated=True), private=False) == []
    with pytest.raises(
        HubError, match=r"99% of the 100 people of s2 stand alone .*, and many in 1 other studies\n.*at most 9%.*\n.*--coarsen"
    ):
        check_bar(report(at + 1, 0, 99), private=False)
    with pytest.raises(HubError, match="--accept-risk"):
        check_bar(report(50, coarse=True), private=False)
    assert check_bar(report(50, accepted="the authors publish it themselves"), private=False) == []
    (warned,) = check_bar(report(50), private=True)
    assert "50% of the 100 people of s0" in warned and "a public push would be refused" in warned


def test_the_report_names_shares_and_reasons() -> None:
    found = report(50, 10, accepted="They agreed.")
    assert found.checks()[:2] == [
        ("people alone in their study by age, sex, state and education", "60 of 200 (30.0%)"),
        ("the same, in the study with the most of them", "50 of 100 (50.0%) in s0"),
    ]
    assert found.checks()[2][0] == f"people alone in their study by all {len(FIELDS)} fields"
    assert found.notes() == ["More than 9% of the people stand alone in s0, s1. Published nevertheless: They agreed."]
