"""Quoted text: where it comes from, what edits may do to it, and that they can bring in no words."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from socsci210.errors import StudyFileError
from socsci210.readers import Block, Column, Document
from socsci210.study_file import Quote
from socsci210.texts import Sources, bound, describe, names_in, resolve

BLOCKS = {
    "0": "[SHOW TO ARM 2 ONLY]  Do you {support/oppose} the\nplan for   the  big bridge?",
    "1": "Some people say \u201cyes\u201d.\u200b\u00a0Others disagree.",
    "2": "Read <b>this</b> &amp; that.",
    "3.0.1": "A mayor",
    "4": "[PROGRAMMER: page break]",
    "5": "It costs $5.\\100",
}
DOCUMENT = Document(Path("paper.docx"), "0" * 64, tuple(Block(i, text, "paragraph") for i, text in BLOCKS.items()))
COLUMNS = {
    "Q1": Column("Q1", "How much do you like it?", {1: "Not at all", 2: "A lot", -1: ""}, (), ()),
    "Pair1_A": Column("Pair1_A", None, {1: "Doctor", 2: "Teacher"}, (), ()),
    "State": Column("State", "State", {"CA": "California"}, (), ()),
}


def sources(**changes: Any) -> Sources:
    values: dict[str, Any] = {
        "documents": {"paper": DOCUMENT},
        "columns": COLUMNS,
        "header_texts": {"dv_1": "How fair is it?", "dv_2": ""},
        "inline_allowed": False,
        "name": "small/study.yaml",
    }
    return Sources(**(values | changes))


def quote(**keys: Any) -> Quote:
    if "blocks" in keys:
        keys = {"doc": "paper", **keys}
    return Quote.model_validate(keys)


def text(*quotes: Quote, bind: dict[str, str | int] | None = None, fills: tuple[str, ...] = (), **changes: Any) -> str:
    return resolve(quotes, sources(**changes), bind or {}, fills)


def refusal(*quotes: Quote, **keys: Any) -> str:
    with pytest.raises(StudyFileError) as error:
        text(*quotes, **keys)
    said = str(error.value)
    assert said.startswith("small/study.yaml: ") and "Fix: " in said
    return said


# --- sources -------------------------------------------------------------------------------------------------------------------------


def test_every_source() -> None:
    assert text(quote(blocks=["1"])) == "Some people say “yes”. Others disagree."  # no zero-width mark, no hard space
    assert text(quote(blocks=[1, "3.0.1"])) == "Some people say “yes”. Others disagree. A mayor"
    assert text(quote(label="Q1")) == "How much do you like it?"
    assert text(quote(value_label=["Q1", 2])) == "A lot"
    assert text(quote(value_label=["Q1", 2.0])) == "A lot"
    assert text(quote(value_label=["State", "CA"])) == "California"
    assert text(quote(header="dv_1")) == "How fair is it?"
    assert text(quote(text="My own words."), inline_allowed=True) == "My own words."
    assert text(quote(description="A photograph of a bridge.")) == "A photograph of a bridge."
    assert text() == ""


def test_blocks_are_joined_as_declared() -> None:
    assert text(quote(blocks=[1, "3.0.1"], join=" / ")) == "Some people say “yes”. Others disagree. / A mayor"


def test_pieces_are_joined_by_a_space_but_not_before_closing_punctuation() -> None:
    mark = quote(blocks=[1], extract=r"Others disagree(\.)")
    assert text(quote(label="Q1"), quote(blocks=["3.0.1"]), mark) == "How much do you like it? A mayor."


def test_names_in_braces_are_bound_everywhere() -> None:
    bind: dict[str, str | int] = {"pair": 1, "profile": "A", "code": 2, "row": 0}
    assert bound("Pair{pair}_{profile}{x}", bind) == "Pair1_A{x}"
    assert names_in("{a} {b_2} { c } {D} {3} {3a}") == ["a", "b_2"]  # {3} is a repetition in a pattern
    assert text(quote(value_label=["Pair{pair}_{profile}", "{code}"]), bind=bind) == "Teacher"
    assert text(quote(blocks=["3.{row}.{pair}"]), bind=bind) == "A mayor"
    assert text(quote(header="dv_{pair}"), bind=bind) == "How fair is it?"
    assert text(quote(label="Q{pair}", extract="(like {it})"), bind={**bind, "it": "it"}) == "like it"
    assert text(quote(text="Round {pair}"), bind=bind, inline_allowed=True) == "Round 1"
    assert describe(quote(blocks=["3.{row}.{pair}", 1]), bind) == "doc paper, blocks 3.0.1, 1"


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ({"blocks": [7]}, ["doc paper, block 7 (paper.docx): there is no block '7'", "nearest are 5, 4"]),
        ({"label": "pair1_a"}, ["label of pair1_a: no column 'pair1_a'", "Did you mean 'Pair1_A'?"]),
        ({"label": "Pair1_A"}, ["label of Pair1_A: no label"]),
        ({"value_label": ["Q1", 3]}, ["value_label 3 of Q1: code 3 has no label", "1, 2, -1"]),
        ({"value_label": ["Q1", -1]}, ["value_label -1 of Q1: an empty label"]),
        ({"header": "dv1"}, ["header of dv1: no such header text", "Did you mean 'dv_1'"]),
        ({"header": "dv_2"}, ["header of dv_2: an empty header cell"]),
        ({"text": "My own words."}, ["text: own words in a study file", "mark the study own_deposit"]),
    ],
)
def test_a_pointer_that_leads_nowhere(pointer: dict[str, Any], expected: list[str]) -> None:
    said = refusal(quote(**pointer))
    for part in expected:
        assert part in said, said


# --- edits ---------------------------------------------------------------------------------------------------------------------------


def test_edits_run_in_the_order_extract_drop_replace() -> None:
    edited = quote(blocks=[0], extract=r"(?s)(Do you .*)", drop=[r"\bbig\s+"], replace={r"\{support/oppose\}": "{verb}"})
    assert text(edited, fills=("verb",)) == "Do you {verb} the plan for the bridge?"
    assert "matches nothing" in refusal(quote(blocks=[0], extract=r"(?s)(Do you .*)", drop=["SHOW"]))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"people (\w+) (\S+)", "say"),  # the first group
        (r"say", "say"),  # no group: the match
        (r"(?i)OTHERS", "Others"),
        (r"(\w+)", "Some"),  # the first match
        (r"(\w+)\.$", "disagree"),
    ],
)
def test_extract(pattern: str, expected: str) -> None:
    assert text(quote(blocks=[1], extract=pattern)) == expected


def test_extract_of_a_group_that_took_no_part_leaves_nothing() -> None:
    assert "nothing is left" in refusal(quote(blocks=[1], extract="Some|(people)"))


def test_replacements_that_bring_in_nothing() -> None:
    drop = [r"\[.*?\]"]
    blank = r"\{support/oppose\}"
    assert text(quote(blocks=[0], drop=drop, replace={blank: "OPPOSE"})) == "Do you OPPOSE the plan for the big bridge?"
    assert text(quote(blocks=[0], drop=drop, replace={blank: "support, {verb}"}), fills=("verb",)).startswith("Do you support, {verb} the")
    assert text(quote(blocks=[0], drop=drop, replace={blank: "..."})) == "Do you ... the plan for the big bridge?"
    assert text(quote(blocks=[0], drop=drop, replace={blank: "the plan for the big"})).startswith("Do you the plan for the big the")
    assert text(quote(blocks=[2], drop=["</?b>"], replace={"&amp;": "—"})) == "Read this — that."
    assert text(quote(blocks=[5], replace={r"\.\\100": "\\"})) == "It costs $5\\"  # a backslash in a replacement is a backslash


@pytest.mark.parametrize(
    ("replacement", "brought"),
    [
        ("endorse", "endorse"),
        ("suppor", "suppor"),  # part of a word is another word
        ("plan the", "plan the"),  # the same words in another order
        ("support {verb} loudly", "loudly"),
        ("7", "7"),
        ("{number}", None),  # not declared
    ],
)
def test_replacements_that_bring_in_words_are_refused(replacement: str, brought: str | None) -> None:
    said = refusal(quote(blocks=[0], drop=[r"\[.*?\]"], replace={r"\{support/oppose\}": replacement}), fills=("verb",))
    assert (f"brings in words: {brought!r}" if brought else "{number} is no fill") in said


def test_a_bound_value_can_bring_in_no_words_either() -> None:
    edited = quote(blocks=[0], drop=[r"\[.*?\]"], replace={r"\{support/oppose\}": "{word}"})
    assert "brings in words: 'love'" in refusal(edited, bind={"word": "love"})
    assert text(edited, bind={"word": "oppose"}).startswith("Do you oppose the plan")


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ({"extract": "zebra"}, "extract pattern 'zebra' matches nothing"),
        ({"drop": ["Some", "zebra"]}, "drop pattern 'zebra' matches nothing"),
        ({"replace": {"zebra": "."}}, "replace pattern 'zebra' matches nothing"),
        ({"drop": ["x*"]}, "drop pattern 'x*' matches nothing at all"),
        ({"drop": ["(?s).*"]}, "drop pattern '(?s).*' matches nothing at all"),
        ({"drop": ["(?s).+"]}, "nothing is left of the quoted text"),
    ],
)
def test_edits_that_do_nothing_or_too_much(edit: dict[str, Any], expected: str) -> None:
    assert expected in refusal(quote(blocks=[1], **edit))


def test_a_pattern_that_matches_nothing_shows_the_text() -> None:
    assert "a match in '[PROGRAMMER: page break]'" in refusal(quote(blocks=[4], drop=["zebra"]))


def test_a_pattern_bound_into_nonsense_is_refused() -> None:
    said = refusal(quote(blocks=[1], drop=["Some{x}"]), bind={"x": "("})
    assert "drop pattern 'Some(' is no RE2 pattern" in said and "missing )" in said


@pytest.mark.parametrize("edit", [{"extract": r"\QAlpha"}, {"drop": [r"\Qtext"]}, {"replace": {r"\QAlpha": "."}}])
def test_a_pattern_that_breaks_in_brackets_is_refused(edit: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="is no RE2 pattern"):
        quote(blocks=[1], **edit)
    assert text(quote(blocks=[1], drop=[r"\QSome\E people"])) == "say “yes”. Others disagree."


@pytest.mark.parametrize("edit", [{"extract": "{x}Some"}, {"drop": ["{x}Some"]}, {"replace": {"{x}Some": "."}}])
def test_a_pattern_that_a_bind_breaks_in_brackets_is_refused(edit: dict[str, Any]) -> None:
    assert r"pattern '\\QSome' is no RE2 pattern" in refusal(quote(blocks=[1], **edit), bind={"x": r"\Q"})


def test_replacements_cannot_fill_the_memory() -> None:
    assert quote(blocks=[1], replace={"x": "-" * 200}).replace
    with pytest.raises(ValidationError, match="a replacement of 400,000 characters; at most 200 are allowed"):
        quote(blocks=[1], replace={"[a-z ]": "-" * 400_000})
    bound_long = quote(blocks=[1], replace={"Some": "{x}"})
    assert "a replacement of 201 characters" in refusal(bound_long, bind={"x": "-" * 201})
    long = {"paper": replace(DOCUMENT, blocks=(Block("0", "abc " * 7500, "paragraph"), Block("1", "a" * 200_001, "paragraph")))}
    grown = quote(blocks=[0], replace={"[a-z ]": "-" * 200})
    assert "a text of 6,000,000 characters" in refusal(grown, documents=long)
    assert "a text of 200,001 characters" in refusal(quote(blocks=[1]), documents=long)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (0, "a brace is left near ' ARM 2 ONLY] Do you {support/oppose} the plan"),
        (2, "markup '<b>' is left"),
    ],
)
def test_leftovers_are_refused(block: int, expected: str) -> None:
    assert expected in refusal(quote(blocks=[block]))


def test_an_entity_is_markup_and_an_ampersand_is_not() -> None:
    assert "markup '&amp;' is left" in refusal(quote(blocks=[2], drop=["</?b>"]))
    assert text(quote(text="AT&T; R&D; 3 < 4 > 2"), inline_allowed=True) == "AT&T; R&D; 3 < 4 > 2"


def test_unknown_fills_are_refused() -> None:
    inline = quote(text="Vote for {ofice}.")
    assert "{ofice} is no fill" in refusal(inline, fills=("office",), inline_allowed=True)
    assert "Did you mean 'office'?" in refusal(inline, fills=("office",), inline_allowed=True)
    assert text(quote(text="Vote for {office}."), fills=("office",), inline_allowed=True) == "Vote for {office}."
    for broken in ("{", "}", "{ a }", "{A}"):
        assert "a brace is left" in refusal(quote(text=f"Vote {broken}"), inline_allowed=True)


def test_patterns_take_linear_time() -> None:
    hostile = Document(Path("d"), "0" * 64, (Block("0", "a" * 50_000 + "b", "paragraph"),))
    started = time.perf_counter()
    said = refusal(quote(blocks=[0], extract=r"(a+)+c"), documents={"paper": hostile})  # exponential where patterns backtrack
    assert "matches nothing" in said
    assert time.perf_counter() - started < 5


@given(
    words=st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta"]), min_size=1, max_size=8),
    replacement=st.text("abdeglmpt {}.", max_size=12),
)
def test_no_replacement_brings_in_a_word(words: list[str], replacement: str) -> None:
    document = Document(Path("d"), "0" * 64, (Block("0", "BLANK " + " ".join(words), "paragraph"),))
    try:
        result = text(quote(blocks=[0], replace={"BLANK": replacement}), documents={"paper": document})
    except StudyFileError:
        return
    assert set(re.findall(r"\w+", result)) <= {"blank", *words}
