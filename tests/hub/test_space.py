"""The app for people who do not program, without a browser: what it takes, what it refuses, what it computes and how it shows it."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import socsci210
from socsci210.demographics import FIELDS
from socsci210.errors import DatasetError
from socsci210.row_texts import ScaleKey
from socsci210.space import page
from socsci210.space.answers import AT_ONCE, Predicted, ask, table
from socsci210.space.asking import (
    MAX_CHARACTERS,
    MAX_FILE,
    MAX_PEOPLE,
    Asked,
    Condition,
    FormError,
    read_conditions,
    read_people,
    read_person,
    read_question,
    read_scale,
)

PERSON = {"age": 34, "gender": "Female"}


class Lookup:
    """Answers 1 to 3 by what stands in the text and by age."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, str, ScaleKey]] = []

    def predict_many(self, asked: Sequence[tuple[Any, str, Any]]) -> list[socsci210.Answer]:
        self.heard += asked
        return [
            socsci210.Answer((1, 2, 3), (0.2, 0.3, 0.5) if "warm" in text and who["age"] < 50 else (0.5, 0.3, 0.2), 0.95)
            for who, text, _ in asked
        ]


def asked(people: Sequence[Any] = (PERSON,), texts: Sequence[tuple[str, str]] = (("A", "It is cold."), ("B", "It is warm."))) -> Asked:
    return Asked(people, read_conditions(texts), "How nice is it?", read_scale("1 to 3\n3 = Very"))


# --- what is taken ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values", "labels"),
    [
        ("1-7", range(1, 8), {}),
        (" 1 to 7 ", range(1, 8), {}),
        ("-3..3", range(-3, 4), {}),
        ("-3 – -1", range(-3, 0), {}),
        ("0 to 100 by 10", range(0, 101, 10), {}),
        ("0 to 100", range(101), {}),
        ("1 = Never, 5 = Always", range(1, 6), {1: "Never", 5: "Always"}),
        ("1 = Yes, gladly\n2: No", range(1, 3), {1: "Yes, gladly", 2: "No"}),
        ("0 to 10\n0 = Cold; 10 = Hot", range(11), {0: "Cold", 10: "Hot"}),
    ],
)
def test_scales(text: str, values: range, labels: dict[int, str]) -> None:
    scale = read_scale(text)
    assert (scale.values, scale.labels) == (values, labels)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "there are no answers"),
        ("Yes, No", "cannot read 'Yes, No'"),
        ("7 to 1", "7 to 1 is not a scale"),
        ("3 to 3", "3 to 3 is not a scale"),
        ("0 to 10 by 3", "0 to 10 by 3 is not a scale"),
        ("0 to 10 by 0", "0 to 10 by 0 is not a scale"),
        ("0 to 101", "102 answers"),
        ("1 to 5\n1 to 7", "more than one range"),
        ("1 to 5\n6 = Six", "6 has a label but is not on the scale"),
        ("1 = A\n1 = B", "two labels for 1"),
        ("1 = A", "1 to 1 is not a scale"),
        ("9999999999 to 1", "cannot read"),
    ],
)
def test_scales_that_cannot_be_read(text: str, found: str) -> None:
    with pytest.raises(FormError, match=re.escape(found)) as caught:
        read_scale(text)
    assert caught.value.where == "Answers" and caught.value.fix


def test_a_person() -> None:
    filled = {**dict.fromkeys(FIELDS, ""), "age": " 34", "gender": "female", "party_id": "lean democrat", "location": None}
    assert read_person(filled) == {"age": 34, "gender": "Female", "party_id": "Lean Democrat"}


@pytest.mark.parametrize(
    ("filled", "found", "fix"),
    [
        ({}, "nothing is known", "at least one field"),
        ({"age": "about 30"}, "age is 'about 30'", "correct"),
        ({"age": "12"}, "age is '12'", "correct"),
        ({"age": "34.5"}, "age is '34.5'", "correct"),
        ({"gender": "Femal"}, "gender is 'Femal'", "write 'Female'"),
        ({"location": "Atlantis on the sea " * 9}, "…'", "leave it empty"),
    ],
)
def test_a_person_that_cannot_be(filled: dict[str, str], found: str, fix: str) -> None:
    with pytest.raises(FormError) as caught:
        read_person(filled)
    assert found in caught.value.found and fix in caught.value.fix and len(caught.value.found) < 80


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_file_of_people(separator: str) -> None:
    text = "\ufeffAge,Party ID,education\r\n34.0,,Bachelor's degree\r\n\r\n71,Lean Republican,\r\n".replace(",", separator)
    assert read_people(text) == [{"age": 34, "education": "Bachelor's degree"}, {"age": 71, "party_id": "Lean Republican"}]


@pytest.mark.parametrize(
    ("text", "where", "found", "fix"),
    [
        ("  ", "", "there are no people", "load a CSV"),
        ("age,gender\n", "", "no people", "one person on each line"),
        ("age,name\n3,Ann", "", "unknown column 'name'", "remove this column"),
        ("age,gendre\n30,Male", "", "unknown column 'gendre'", "rename it to gender"),
        ("age,Age\n30,31", "", "column age is there more than once", "keep one"),
        ("age,gender\n30,Male\n31", ", line 3", "1 cells", "quotes"),
        ("age,gender\n30,Male\n31,Man", ", line 3", "gender is 'Man'", "words"),
        ("age,gender\n30,Male\n,", "", "", ""),
        ('age,gender\n30,"Male', "", "not a CSV file", "save it as CSV"),
        ("age\n" + "30\n" * (MAX_PEOPLE + 1), "", f"{MAX_PEOPLE + 1} people", "fewer"),
        ("age\n" + "3" * MAX_FILE, "", "characters", "fewer"),
    ],
)
def test_files_that_cannot_be_read(text: str, where: str, found: str, fix: str) -> None:
    if not found:  # a line of empty cells is an empty line
        assert len(read_people(text)) == 1
        return
    with pytest.raises(FormError) as caught:
        read_people(text)
    assert caught.value.where == f"People (CSV){where}" and found in caught.value.found and fix in caught.value.fix


def test_texts_and_question() -> None:
    assert read_conditions([("", "  "), ("B ", "two\n lines")]) == [Condition("Text 1", ""), Condition("B", "two lines")]
    assert read_question(" How\nwarm? ") == "How warm?"


@pytest.mark.parametrize(
    ("texts", "where", "found"),
    [
        ([("A", "x"), ("B", " ")], "Text 2", "empty"),
        ([("A", "x"), ("B", "x ")], "Text 2", "the same words as text 1"),
        ([("A", "x"), ("a", "y")], "Text 2", "the same name as text 1"),
        ([("A", "x" * (MAX_CHARACTERS + 1))], "Text 1", "20,001 characters"),
        ([("A" * 61, "x")], "Text 1, name", "61 characters"),
    ],
)
def test_texts_that_cannot_be_compared(texts: list[tuple[str, str]], where: str, found: str) -> None:
    with pytest.raises(FormError) as caught:
        read_conditions(texts)
    assert caught.value.where == where and found in caught.value.found


def test_no_question() -> None:
    with pytest.raises(FormError, match="Question: there is no question"):
        read_question(" \n")


# --- what is computed ---------------------------------------------------------------------------------------------------------------------


def test_the_model_reads_what_it_was_trained_on() -> None:
    model = Lookup()
    ask(model, asked(texts=[("Control", ""), ("B", "It is warm.")]))
    last = "How nice is it? Only return an integer from 1 to 3, where 3 means Very, nothing else."
    assert model.heard == [
        (PERSON, f'You were asked: "{last}"', ScaleKey(1, 3, 1)),
        (PERSON, f'You read "It is warm." and then were asked: "{last}"', ScaleKey(1, 3, 1)),
    ]


def test_distributions_and_effects() -> None:
    told: list[tuple[int, int]] = []
    people = [{"age": 20 + at} for at in range(AT_ONCE)] + [{"age": 60}, {"age": 70}]
    found = ask(Lookup(), asked(people), tell=lambda done, of: told.append((done, of)))
    assert told == [(8, 10), (10, 10)] and found.probabilities.shape == (10, 2, 3)
    assert np.allclose(found.distributions, [[0.5, 0.3, 0.2], [0.26, 0.3, 0.44]])
    assert np.allclose(found.means, [1.7, 2.18]) and np.allclose(found.on_scale, 0.95)
    spread = np.sqrt(0.5 * 0.7**2 + 0.3 * 0.3**2 + 0.2 * 1.3**2)
    assert found.deviations[0] == pytest.approx(spread)
    effect = found.effect(1)
    assert (effect.difference, effect.standardised, effect.up) == (pytest.approx(0.48), pytest.approx(0.48 / spread), 8)


def test_answers_that_do_not_vary_have_no_standardised_effect() -> None:
    sure = Predicted(asked(), (1, 2, 3), np.array([[[0, 1, 0], [0, 0, 1]]], float), np.ones((1, 2)))
    assert (sure.effect(1).difference, sure.effect(1).standardised) == (1.0, None)
    assert "none vary" in page.results(sure, "m")


def test_it_stops_when_it_takes_too_long() -> None:
    ticks = iter(range(0, 1000, 50))
    with pytest.raises(FormError, match=r"after 60 seconds 16 of 40 people"):
        ask(Lookup(), asked([PERSON] * 40), seconds=60, clock=lambda: float(next(ticks)))


def test_the_table_says_who_answered() -> None:
    rows = list(csv.DictReader(io.StringIO(table(ask(Lookup(), asked([PERSON, {"age": 60}])), "model m"))))
    assert [row["simulated_by"] for row in rows] == ["model m"] * 4
    assert [(row["person"], row["age"], row["gender"], row["text"]) for row in rows] == [
        ("1", "34", "Female", "A"), ("1", "34", "Female", "B"), ("2", "60", "", "A"), ("2", "60", "", "B"),
    ]  # fmt: skip
    assert [float(rows[1][key]) for key in ("mean", "answer_mass", "p_1", "p_2", "p_3")] == [2.3, 0.95, 0.2, 0.3, 0.5]


# --- what is shown ------------------------------------------------------------------------------------------------------------------------


def test_results_on_the_page() -> None:
    predicted = ask(Lookup(), asked([PERSON, {"age": 60}]))
    html = page.results(predicted, "org/m")
    assert re.findall(r"data-share>(.*?)<", html) == ["50.0 %", "30.0 %", "20.0 %", "35.0 %", "30.0 %", "35.0 %"]
    assert re.findall(r"data-mean>(.*?)<", html) == ["1.70", "2.00"] and re.findall(r"data-effect>(.*?)<", html) == ["+0.30"]
    assert [one.change for one in page.bars(predicted, 1)] == pytest.approx([-0.15, 0, 0.15])
    assert re.findall(r's-num">([−+\d.]+)<', html)[:3] == ["−15.0", "0.0", "+15.0"]
    assert "1 of 2" in html and "3 Very" in html and "not an effect among people" in html and "mean little" not in html
    assert table(predicted, "model org/m").encode() == base64.b64decode(re.findall(r"base64,([^\"]+)\"", html)[0])


def test_one_text_has_no_difference_and_little_mass_is_told() -> None:
    shape = np.full((1, 1, 101), 1 / 101)
    long = Predicted(
        Asked([PERSON], read_conditions([("A", "")]), "How?", read_scale("0 to 100")), tuple(range(101)), shape, np.array([[0.4]])
    )
    html = page.results(long, "m")
    assert "Difference between texts" not in html and "the model puts only 40.0 %" in html
    bands = page.bars(long, 0)
    assert [bands[0].name, bands[-1].name, len(bands)] == ["0 to 9", "100", 11] and sum(bar.share for bar in bands) == pytest.approx(1)


def test_what_visitors_write_is_escaped() -> None:
    evil = "<img src=x onerror=alert(1)>{{7*7}}${1+1}`"
    html = page.results(ask(Lookup(), asked(texts=[(evil, evil), ("B", "warm")])), evil)
    html += page.refusal(FormError(evil, where=evil, expected=evil, fix=evil)) + page.about(evil, {})
    assert "<img" not in html and not {"{", "}", "$", "`"} & set(html)


def test_the_page_says_what_may_not_be_concluded() -> None:
    assert "Simulated answers are not people." in page.notice()
    record = {"studies_trained": ["a", "b"], "rows_trained": 1200, "model": "org/base"}
    told = page.about("org/m", record)
    assert "1,200 answers of people in 2\n  studies" in told and "org/base" in told and "It is no treatment effect" in told
    assert "It has no training record" in page.about("m", {})
    assert all(field in told for field in FIELDS)
    assert "What to do: check." in page.refusal(DatasetError("found", fix="check"))
