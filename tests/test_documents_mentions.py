"""Blocks that name variables: how people write names in questionnaires, and words that only look like names."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from socsci210.blocks import blocks_of, mentions

VARIABLES = [
    "CaseID", "Q12_1", "Q12_2", "Q12_1_TEXT", "Q3a", "Q3b", "Q3c", "age", "PPAGE", "Q5", "Q1.1", "How old are you?", "XTESS117", "DOV_COND",
    "state", "ideoStrength", "Q01", "Q02", "Q03", "NO", "EDUC",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Q12_2. How likely is rain?", ["Q12_2"]),
        ("q12.2 How likely is rain?", ["Q12_2"]),
        ("[ask if Q.12_2 = 1]", ["Q12_2"]),
        ("Q12. Which of these?", ["Q12_1", "Q12_2", "Q12_1_TEXT"]),
        ("Question 5 comes next", ["Q5"]),
        ("q3B", ["Q3b"]),
        ("Q3_a and Q3 (c)", ["Q3a", "Q3b", "Q3c"]),
        ("Q3a-b: rate", ["Q3a", "Q3b"]),
        ("show Q01 to Q03 on one page", ["Q01", "Q02", "Q03"]),
        ("Q01–Q02", ["Q01", "Q02"]),
        ("Q1.1.Then the next thing", ["Q1.1"]),
        ("if XTESS117=1", ["XTESS117"]),
        ("compute dov_cond", ["DOV_COND"]),
        ("How OLD are you? (years)", ["How old are you?"]),
        ("[AGE]", ["age"]),
        ("age: in years", ["age"]),
        ("age", ["age"]),
        ("Show PPAGE here", ["PPAGE"]),
        ("EDUC is coded by the panel", ["EDUC"]),
        ("stronger with ideoStrength", ["ideoStrength"]),
        # words of the language, numbers and other names
        ("What is your age, and which state do you live in?", []),
        ("SAY NO TO THIS", []),
        ("EDUC EVERYBODY", []),
        ("from 1 to 5, or 5-point", []),
        ("Q120 Q1200_1 XQ5", []),
        ("", []),
    ],
)
def test_names_as_people_write_them(text: str, named: list[str]) -> None:
    assert mentions([{"id": "7", "kind": "line", "text": text}], VARIABLES) == ({"7": named} if named else {})


def test_order_is_that_of_document_and_file() -> None:
    blocks = [{"id": "b", "text": "Q5 then CaseID, Q5 again"}, {"id": "x", "text": "none"}, {"id": "a", "text": "Q02"}]
    assert list(mentions(blocks, VARIABLES).items()) == [("b", ["CaseID", "Q5"]), ("a", ["Q02"])]


def test_hostile_text_takes_no_time() -> None:
    """Text of a deposit is searched in the calling process, so no text may hold it up."""
    start = time.perf_counter()
    for text in ("Q1." * 30_000, "AGE " * 30_000, "Q1-" * 30_000, "a" * 200_000, "[" * 100_000, "Q" + "1" * 100_000, "Q1_" * 30_000):
        mentions([{"id": "0", "text": text}], VARIABLES)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("study", "file", "variables"),
    [
        ("schuldt301", "questionnaire.docx", ["XTESS117"]),
        ("holbrook120", "questionnaire.docx", ["TESSQ1", "TESSQ2", "TESSQ3", "TESSQ4"]),
        ("singer251", "questionnaire.docx", ["XTESS104", "Q1_1", "Q2_1"]),
        ("kallaBR42", "questionnaire.docx", ["DOV_COND", "Q1", "Q2_CandidateA", "Pair1_CandidateA_A1"]),
    ],
)
def test_real_questionnaires_name_their_variables(deposits_dir: Path, study: str, file: str, variables: list[str]) -> None:
    named = mentions(blocks_of(deposits_dir / study / file), variables)
    assert {name for names in named.values() for name in names} == set(variables)
