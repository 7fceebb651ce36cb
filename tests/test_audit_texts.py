"""Rules on single stimuli: each with texts that it must find and texts that only look like it. All texts are invented."""

from __future__ import annotations

import time

import pytest

from socsci210.audit.records import LONGEST_EXAMPLE, around
from socsci210.audit.rules import RULES
from socsci210.audit.texts import TEXT_RULES, text_masks
from socsci210.scales import parse_scale

ASK = '" and then were asked: "How good is that? Only return an integer from 1 to 5, where 1 means Bad and 5 means Good, nothing else."'


def read(treatment: str) -> str:
    return f'You read "{treatment}{ASK}'


def found(text: str) -> set[str]:
    return {name for name, mask, _, _ in text_masks([text], [parse_scale(text)]) if mask[0]}


HITS = {
    "template_residue": [
        read("The mayor decided to {action_map[letter]} the plan."),
        read("Dear ${e://Field/Name}, thank you."),
        read("The house costs {{ price }} today."),
        read("Her name is {first_name}."),
        read("It takes {minutes:.0f} minutes."),
        read("Ask {person.name} about it."),
        read("We met %(name)s there."),
    ],
    "none_in_text": [
        read("The candidate has a plan with None years in office."),
        read("The prize is $None for the winner."),
        read("She worked there for None months."),
        read("About None% of people agree."),
        read("The town gave nan dollars to the club."),
        read("The rate is NaN this year."),
        'You read None and then were asked: "How good is that?" Only return an integer from 1 to 5, nothing else.',
        'You viewed "None" and then were asked: "How good is that?" Only return an integer from 1 to 5, nothing else.',
    ],
    "blank_level": [
        read("Leave: 6 weeks; Care: BLANK; Pay: full"),
        read("The firm offers BLANK and a car."),
        "BLANK; a bus pass. Which firm do you prefer? Only return 1 for A or 2 for B, nothing else.",
    ],
    "lost_treatment": [
        'You read stimulus v3 and then were asked: "How good?" Only return an integer from 1 to 5, nothing else.',
        'You viewed Message 12, then were asked: "How good?" Only return an integer from 1 to 5, nothing else.',
        'You were shown the text of Version B and then were asked: "How good?" Only return an integer from 1 to 5, nothing else.',
        'You were assigned to treatment_3 and then were asked: "How good?" Only return an integer from 1 to 5, nothing else.',
        'You read gain_frame_long and then were asked: "How good?" Only return an integer from 1 to 5, nothing else.',
        "You read the description of Vignette 4. Is that good for the town? Only return 1 for Yes or 2 for No, nothing else.",
        'You read article 2. Then you were asked: "How good?" Only return an integer from 1 to 5, nothing else.',
    ],
    "elided_text": [
        read("The plan was long ... and ended well."),
        read("The plan was long and…"),
        "The plan says [...] that roads will be built. Do you agree? Only return 1 for Yes or 2 for No, nothing else.",
    ],
    "redacted_text": [
        read("She was elected in [town name redacted] last year."),
        read("The firm (name removed) denied it."),
        read("He lives in ████ now."),
        read("The judge, REDACTED, left."),
    ],
    "described_media": [
        "You viewed a photograph of a calm lake. How nice is it? Only return an integer from 1 to 5, nothing else.",
        'You watched a short, funny video about cats and then were asked: "How nice?" Only return an integer from 1 to 5, nothing else.',
        'You were shown an image of a bridge and then were asked: "How nice?" Only return an integer from 1 to 5, nothing else.',
        'You read "It went well." You then viewed pictures of the town. How nice? Only return an integer from 1 to 5, nothing else.',
        'You read "All went well, they said" and then viewed a graphic. How nice? Only return an integer from 1 to 5, nothing else.',
        'You read an article with a photo of a dog and then were asked: "How nice?" Only return an integer from 1 to 5, nothing else.',
        'You heard a recording of a speech. How nice? Only return an integer from 1 to 5, nothing else.',
        'You met a robot. How tall is it in the image below? Only return an integer from 1 to 5, nothing else.',
    ],
    "label_contradiction": [
        'You were asked: "Do you favor or oppose the tax?" Only return an integer from 1 to 5, where 1 means Very unwilling and 5 means '
        "Very willing, nothing else.",
        'You were asked: "Do you agree or disagree with it?" Only return 1 for Very likely, 2 for Likely, 3 for Unlikely, nothing else.',
        'You were asked: "Do you favor, oppose, or neither?" Only return 1 for Very important, 2 for Unimportant, nothing else.',
        'You were asked: "Do you support or oppose it?" Only return 1 for Yes or 2 for No, nothing else.',
    ],
}  # fmt: skip
CLEAN = [
    read("On the board stood {a, b} and {x}, next to a face :-{ and a brace } alone."),
    read("None of the shops opened. Some had bread, some had None at all."),
    read("Prior arrests: None; Income: high"),
    read("Options were Many, Some, or None."),
    read("Her nan and her aunt Nancy met on a scale from None to All."),
    'You read "A fire." and then were asked: "How much?" Only return 1 for None or 2 for A lot, nothing else.',
    "You were asked: \"How much?\" Only return an integer from 1 to 3, where 1 means 'None of it' and 3 means 'All of it', nothing else.",
    read("They left the form blank. Please write your name in the BLANK below, or leave it BLANK."),
    read("The form had a BLANK space."),
    read("A stimulus check came. Version 2 of the plan was better, said group A."),
    "You read Scenario 1: a town builds a bridge. How good is that? Only return an integer from 1 to 5, nothing else.",
    "You read statement 2. A town builds a bridge. It costs much. Is that good? Only return 1 for Yes or 2 for No, nothing else.",
    'You read "The bridge is red." and then were asked: "The bridge makes me feel ..." Only return an integer from 1 to 5, nothing else.',
    'You were asked: "I would . . ." Only return a number from 1 to 6, nothing else.',
    read("The court saw a redacted report. The mayor [who was ill] stayed home; two lines (see below) were removed."),
    'You did not see a photo, and then were asked: "How nice?" Only return an integer from 1 to 5, nothing else.',
    'You were shown no picture and then were asked: "How nice?" Only return an integer from 1 to 5, nothing else.',
    read("Sarah watched a movie with friends. She plays video games and has a photo ID."),
    read("The firm wants a better image, and the picture of the future is bright. Most nights they decide what movie to go see."),
    'You were asked: "Do you favor or oppose it?" Only return an integer from 1 to 4, where 1 means Strongly support and 4 means '
    "Strongly oppose, nothing else.",
    'You were asked: "How likely are you to support or oppose it?" Only return 1 for Very likely or 2 for Very unlikely, nothing else.',
    'You were asked: "Do you favor or oppose it?" Only return 1 for A great deal or 2 for Not much, nothing else.',
    'You were asked: "Is the plan good or bad?" Only return an integer from 1 to 5, nothing else.',
]


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in HITS.items() for text in texts])
def test_a_rule_finds_its_defect_and_no_other_rule_does(rule: str, text: str) -> None:
    assert found(text) == {rule}


@pytest.mark.parametrize("text", CLEAN)
def test_what_only_looks_like_a_defect_stays_alone(text: str) -> None:
    assert found(text) == set()


def test_every_text_rule_is_tried_and_registered() -> None:
    assert set(HITS) == set(TEXT_RULES) <= set(RULES)


def test_the_first_hit_and_its_place_are_given() -> None:
    texts = [read("Nothing."), read("It cost {price} here."), read("It cost {sum} here.")]
    masks = {name: (mask.tolist(), span, place) for name, mask, span, place in text_masks(texts, list(map(parse_scale, texts)))}
    mask, span, place = masks["template_residue"]
    assert (mask, place) == ([False, True, True], 1)
    assert span is not None and texts[1][slice(*span)] == "{price}"
    assert masks["none_in_text"] == ([False] * 3, None, -1)


@pytest.mark.parametrize(
    "hostile",
    ["{a" * 20_000, "{{" * 20_000, "${" * 20_000, "[ redacted" * 9_000, "You saw a " * 2_000 + "photo", " asked" * 20_000,
     "None " * 20_000, "with None " * 9_000, "BLANK " * 15_000, "a_" * 40_000, "read v1" * 12_000, "favor or " * 10_000,
     "the image " * 9_000, ". . ." * 20_000, '" and then ' * 9_000 + "viewed a film"],
)  # fmt: skip
def test_hostile_texts_take_no_more_than_linear_time(hostile: str) -> None:
    start = time.perf_counter()
    found(hostile + ASK)
    assert time.perf_counter() - start < 2.0


def test_an_example_is_short_and_cut_between_words() -> None:
    text = "word " * 100 + "SPOT " + "other " * 100
    shown = around(text, 500, 504)
    assert len(shown) <= LONGEST_EXAMPLE and shown.startswith("… word") and shown.endswith("other …") and "SPOT" in shown
    assert around("A short text.", 2, 7) == "A short text."
    assert len(around("x" * 1000, 400, 900)) <= LONGEST_EXAMPLE
