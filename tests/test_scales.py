"""The scale parser: invented sentences for every pattern, a key of real stimuli, the build's own sentences, and time.

How `scale_key.json` was made: the real stimuli were grouped by study, answer-format sentence and labels of the question (76 groups, all
20 studies of `val.jsonl` and all 20 of the treatment file). For every group one stimulus was read by eye, beside the characters around
each place the parser had found; stimuli of one group share that reading. Up to seven stimuli a group went into the key: sha256 of the text
-> min, max, step and for each label where it starts and ends, or the reason. The key holds no text. Readings that are a matter of taste:
labels that only the question gives (`On a scale from 1 (...) to 5 (...)`) count; a full stop stays where every option of a list ends with
one inside its quotes; `1 to choose X` has the label `choose X`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socsci210.scales import REASONS, ParsedScale, parse_scale
from socsci210.schema import Scale
from socsci210.stimuli import LONGEST_LIST, answer_format, stimulus

KEY = Path(__file__).with_name("scale_key.json")
DECOYS = (
    'You read "In 2019, 3 to 5 of 10 ferries (from 1 to 40 seats) ran late." and then were asked: "Is 1 for all fair, '
    "on a scale from 0 to 20? "
)


def parsed(sentence: str) -> ParsedScale:
    """The scale of a stimulus that is full of other numbers and ends with the sentence."""
    scale = parse_scale(DECOYS + sentence)
    assert scale.sentence is not None
    assert scale.sentence[0] == len(DECOYS)
    assert {value: (DECOYS + sentence)[start:end] for value, (start, end) in scale.spans.items()} == scale.labels
    return scale


def ends(low: int, high: int, first: str, last: str) -> tuple[int, int, dict[int, str]]:
    return low, high, {low: first, high: last}


NE = ", nothing else."
LABELLED = [
    # both ends, with and without "nothing else", in every order and punctuation
    (f"an integer from 1 to 7, where 1 means Dull and 7 means Bright{NE}", ends(1, 7, "Dull", "Bright")),
    (f'an integer from 1 to 7, where 1 means Dull and 7 means Bright{NE}"', ends(1, 7, "Dull", "Bright")),
    ("an integer from 1 to 7, where 1 means Dull and 7 means Bright.", ends(1, 7, "Dull", "Bright")),
    ("an integer from 1 to 7, where 1 means Dull and 7 means Bright.'", ends(1, 7, "Dull", "Bright")),
    ("an integer from 1 to 7, where 1 means ‘Dull’ and 7 means ‘Bright’.”", ends(1, 7, "Dull", "Bright")),
    (f"an integer from 1 to 4 where 1 means Dull and 4 means Bright{NE}", ends(1, 4, "Dull", "Bright")),
    (f"an integer from 1 to 5, where 1 = Dull and 5 = 'Bright'{NE}", ends(1, 5, "Dull", "Bright")),
    (f"an integer from 1 to 5, with 1 being dull and 5 being bright{NE}", ends(1, 5, "dull", "bright")),
    (f"an integer from 1 to 5 (1=dull as lead; 5=bright as day){NE}", ends(1, 5, "dull as lead", "bright as day")),
    (f"an integer from 1 to 5 (where 1 is dull and 5 is bright){NE}", ends(1, 5, "dull", "bright")),
    ("an integer from 1 to 4, nothing else, where 1 means “Dull” and 4 means “Bright.”", ends(1, 4, "Dull", "Bright")),
    ("an integer from 1 to 4, nothing else. (1 corresponds to Dull; 4 corresponds to Bright)", ends(1, 4, "Dull", "Bright")),
    ('an integer from 1 to 4, nothing else." (1 corresponds to "Dull"; 4 corresponds to "Bright")', ends(1, 4, "Dull", "Bright")),
    ("an integer from 1 to 4 (1 corresponds to Dull; 4 corresponds to Bright). How much is 3 for 2?", ends(1, 4, "Dull", "Bright")),
    (f"an integer from 1 (dull) to 9 (bright){NE}", ends(1, 9, "dull", "bright")),
    (f"an integer from 1 ($0) to 9 ($45){NE}", ends(1, 9, "$0", "$45")),
    (f"an integer from 1 (0 to 5 trips) to 7 (over 30 trips (or so)){NE}", ends(1, 7, "0 to 5 trips", "over 30 trips (or so)")),
    (f"an integer from 1 = Dull to 5 = Bright{NE}", ends(1, 5, "Dull", "Bright")),
    (f"an integer from 1 'Dull' to 5 'Bright'{NE}", ends(1, 5, "Dull", "Bright")),
    (f"an integer from Dull (1) to Bright (5){NE}", ends(1, 5, "Dull", "Bright")),
    (f"an integer from 7 to 1, where 7 means Bright and 1 means Dull{NE}", ends(1, 7, "Dull", "Bright")),
    (f"an integer from −3 to 3, where −3 means Far worse and 3 means Far better{NE}", ends(-3, 3, "Far worse", "Far better")),
    (f"an integer from 1 to 9, where 1 means $0 and 9 means $45{NE}", ends(1, 9, "$0", "$45")),
    (f"an integer from 0 to 100, where 0 means 0% sure and 100 means 100% sure{NE}", ends(0, 100, "0% sure", "100% sure")),
    (f'an integer from 1 to 7, where 1 means "a "no" at once" and 7 means "a "yes""{NE}', ends(1, 7, 'a "no" at once', 'a "yes"')),
    (f"an integer from 1 to 7, where 1 means never, in no case and 7 means always{NE}", ends(1, 7, "never, in no case", "always")),
    (f"an integer from 1 to 5, where 1 means Poor and 5 means Rich, or 99 for unsure{NE}", ends(1, 5, "Poor", "Rich")),
    (f'an integer from 1 to 5, where 1 means "dull" and 5 means "bright", for each room{NE}', ends(1, 5, "dull", "bright")),
    ("an integer from 1 to 7, where 1 means Dull and 7 means Bright, with higher values for more light.", ends(1, 7, "Dull", "Bright")),
    # all levels
    (
        "an integer from 1 to 4, nothing else, where 1 means “Never,” 2 means “Rarely,” 3 means “Often,” and 4 means “Always.”",
        (1, 4, {1: "Never", 2: "Rarely", 3: "Often", 4: "Always"}),
    ),
    (
        f"an integer from 0 to 2, where 0 means 'None', 1 means 'One or 2', 2 means 'Three, 4 or 5'{NE}",
        (0, 2, {0: "None", 1: "One or 2", 2: "Three, 4 or 5"}),
    ),
    # options
    (f"1 for Plums or 2 for Pears{NE}", ends(1, 2, "Plums", "Pears")),
    (f"1 for Plums; 2 for Pears{NE}”", ends(1, 2, "Plums", "Pears")),
    (f"one for “Plums” or two for “Pears”{NE}", ends(1, 2, "Plums", "Pears")),
    (f"'1' for Plums or '2' for Pears{NE}", ends(1, 2, "Plums", "Pears")),
    (f"1 (Plums) or 2 (Pears){NE}", ends(1, 2, "Plums", "Pears")),
    (f"1 or 2, where 1 means Plums and 2 means Pears{NE}", ends(1, 2, "Plums", "Pears")),
    (f"1 to pick the plums; 2 to pick the pears{NE}", ends(1, 2, "pick the plums", "pick the pears")),
    ("1 if plums will do, up to 4 if only pears will do.", ends(1, 4, "plums will do", "only pears will do")),
    (f"1 for the U.S. or 2 for the U.K.{NE}", ends(1, 2, "the U.S.", "the U.K.")),
    ("1 for the U.S. or 2 for the U.K.", ends(1, 2, "the U.S.", "the U.K.")),
    (f"1 for Don't know or 2 for The bakers' bread{NE}", ends(1, 2, "Don't know", "The bakers' bread")),
    (f"1 for $5 now or 2 for $10 in 3 months{NE}", ends(1, 2, "$5 now", "$10 in 3 months")),
    ("1 if you prefer Bus A or 2 if you prefer Bus B.", ends(1, 2, "you prefer Bus A", "you prefer Bus B")),
    (f"1 for Bus 1 or 2 for Bus 2{NE}", ends(1, 2, "Bus 1", "Bus 2")),
    (f"1 for bus A (a fare of 5, or 3 for pupils), or 2 for bus B{NE}", ends(1, 2, "bus A (a fare of 5, or 3 for pupils)", "bus B")),
    (f"1 for 'Buy 1, 2 for free' or 2 for 'No deal'{NE}", ends(1, 2, "Buy 1, 2 for free", "No deal")),
    (f"1 for 'They ran out.'; 2 for 'They gave up.'{NE}", ends(1, 2, "They ran out.", "They gave up.")),
    (
        f"1 for Plums, figs and dates, 2 for Pears or quinces, or 3 for Neither{NE}",
        (1, 3, {1: "Plums, figs and dates", 2: "Pears or quinces", 3: "Neither"}),
    ),
    (
        f"1 for ‘Plums, or figs’; 2 for ‘Pears’; 3 for ‘All [his/her] fruit’; or 4 for ‘None; at all’{NE}",
        (1, 4, {1: "Plums, or figs", 2: "Pears", 3: "All [his/her] fruit", 4: "None; at all"}),
    ),
    (
        f"1 for under 18, 2 for 18 to 24, 3 for 25-34 or 4 for 35 or more{NE}",
        (1, 4, {1: "under 18", 2: "18 to 24", 3: "25-34", 4: "35 or more"}),
    ),
    (f"-1 for Against, 0 for Neutral or 1 for In favour{NE}", (-1, 1, {-1: "Against", 0: "Neutral", 1: "In favour"})),
    (f"1 for Plums, 2 for Pears, or 99 for Don't know{NE}", ends(1, 2, "Plums", "Pears")),
]


@pytest.mark.parametrize(("sentence", "expected"), LABELLED, ids=lambda value: value if isinstance(value, str) else "")
def test_ranges_and_labels(sentence: str, expected: tuple[int, int, dict[int, str]]) -> None:
    scale = parsed(f"Only return {sentence}")
    assert (scale.min, scale.max, scale.labels) == expected
    assert (scale.step, scale.reason, scale.labels_from) == (1, None, "sentence")


@pytest.mark.parametrize(
    ("sentence", "low", "high", "step", "kind", "unit"),
    [
        ("an integer from 1 to 5", 1, 5, 1, "ordinal", None),
        ("a number from 0 to 10", 0, 10, 1, "ordinal", None),
        ("an integer between 0 and 100", 0, 100, 1, "numeric", None),
        ("an integer from 1-7", 1, 7, 1, "ordinal", None),
        ("a number 1–7", 1, 7, 1, "ordinal", None),
        ("an integer from one to seven", 1, 7, 1, "ordinal", None),
        ("an integer from -5 to +5", -5, 5, 1, "ordinal", None),
        ("an integer from 0 to 10,000 representing dollars", 0, 10_000, 1, "numeric", "dollars"),
        ("an integer from 0 to 1 million", 0, 1_000_000, 1, "numeric", None),
        ("an integer from $0 to $500", 0, 500, 1, "numeric", "dollars"),
        ("an integer from 0% to 100%", 0, 100, 1, "numeric", "percent"),
        ("a percentage from 0 to 100", 0, 100, 1, "numeric", "percent"),
        ("an integer from 0 to 7 representing the number of days", 0, 7, 1, "numeric", "the number of days"),
        ("a multiple of 100 between 0 and 1000", 0, 1000, 100, "numeric", None),
        ("a multiple of 50 between 20 and 1,990", 50, 1950, 50, "numeric", None),
        ("an integer from 0 to 60 in steps of 15", 0, 60, 15, "numeric", None),
        ("one of 1, 3, 5", 1, 5, 2, "ordinal", None),
        ("one of -3, 0, or 3", -3, 3, 3, "ordinal", None),
        ("one of 1, 2, 4", 1, 4, 1, "ordinal", None),
        ("1, 2, 3, 4 or 5", 1, 5, 1, "ordinal", None),
        ("0 or 1", 0, 1, 1, "binary", None),
        ("an integer from 1 to 5, or 99 if you are unsure", 1, 5, 1, "ordinal", None),
    ],
)
def test_ranges_without_labels(sentence: str, low: int, high: int, step: int, kind: str, unit: str | None) -> None:
    scale = parsed(f'Only return {sentence}, nothing else."')
    assert (scale.min, scale.max, scale.step, scale.kind, scale.unit, scale.labels) == (low, high, step, kind, unit, {})
    assert list(scale.values) == list(range(low, high + 1, step))


@pytest.mark.parametrize(
    ("sentence", "reason", "unit"),
    [
        ("Only return an integer representing dollars, nothing else.", "unbounded", "dollars"),
        ("Only return an integer representing hours.”", "unbounded", "hours"),
        ("Only return an integer representing the yearly rent in dollars, nothing else.", "unbounded", "the yearly rent in dollars"),
        ("Only return the number of days, nothing else.", "unbounded", "days"),
        ("Only return an integer, nothing else.", "unbounded", None),
        ("Only return a word, nothing else.", "not_integer", None),
        ("Only return a number from 0 to 1.5, nothing else.", "not_integer", None),
        ("Only return a decimal number, nothing else.", "not_integer", None),
        ("Only return 1 for Plums, nothing else.", "one_value", None),
        ("Only return an integer from 3 to 3, nothing else.", "one_value", None),
        ("Only return an integer from 1 to 5, where 1 means Dull and 7 means Bright, nothing else.", "contradictory", None),
        ("Only return an integer from 1 to 5 on a scale of 1 to 7, nothing else.", "contradictory", None),
        ("Only return an integer from 1 to 100,000,000,000,000,000,000, nothing else.", "too_large", None),
    ],
)
def test_reasons_where_no_range_is_stated(sentence: str, reason: str, unit: str | None) -> None:
    scale = parsed(sentence)
    assert (scale.min, scale.max, scale.reason, scale.unit, scale.labels) == (None, None, reason, unit, {})
    assert scale.kind == ("numeric" if reason == "unbounded" else None)
    assert len(scale.values) == 0
    assert reason in REASONS


def test_no_sentence() -> None:
    assert parse_scale("You read that 1 to 7 ferries ran. How was it, from 1 to 5?") == ParsedScale(reason="no_format_sentence")
    assert parse_scale("") == ParsedScale(reason="no_format_sentence")


def test_two_sentences() -> None:
    first = "Only return an integer from 1 to 5, nothing else."
    assert parse_scale(f"{first} Only return an integer from 1 to 7, nothing else.").reason == "contradictory"
    agreed = parse_scale(f"{first} So: Only return an integer from 1 to 5, where 1 means Dull and 5 means Bright.")
    assert (agreed.min, agreed.max, agreed.labels) == (1, 5, {1: "Dull", 5: "Bright"})
    assert parse_scale(f"Only return customers were seated. {first}").max == 5


@pytest.mark.parametrize("opening", ["Please only return", "ONLY RETURN", "Only answer with", "Respond only with", "Please respond with"])
def test_other_openings(opening: str) -> None:
    assert parse_scale(f"How was it? {opening} an integer from 1 to 5.").max == 5


@pytest.mark.parametrize(
    ("question", "labels"),
    [
        ("On a scale from 1 (Dull, 2 stars) to 5 (Bright), how was it?", {1: "Dull, 2 stars", 5: "Bright"}),
        ("On a scale from 1 = 'Dull' to 5 = 'Bright', how was it?", {1: "Dull", 5: "Bright"}),
        ("With 1 being quite dull and 5 being quite bright, how was it?", {1: "quite dull", 5: "quite bright"}),
        ("1=Dull; 2=Dim; 3=Fair; 4=Clear; 5=Bright.” and then: “How was it?", {1: "Dull", 2: "Dim", 3: "Fair", 4: "Clear", 5: "Bright"}),
        ("On a scale from 1 (Dull) to 9 (Bright), how was it?", {}),
        ("Of 1 (old) and 7 (new) ferries, how many ran?", {}),
    ],
)
def test_labels_of_the_question(question: str, labels: dict[int, str]) -> None:
    """Only where they name both ends of the range that the sentence states."""
    text = f"{question} Only return an integer from 1 to 5, nothing else."
    scale = parse_scale(text)
    assert (scale.min, scale.max, scale.labels) == (1, 5, labels)
    assert {value: text[start:end] for value, (start, end) in scale.spans.items()} == labels
    assert scale.labels_from == ("question" if labels else None)


@pytest.mark.parametrize(
    ("low", "high", "direction"),
    [
        ("Strongly disagree", "Strongly agree", "up"),
        ("Agree strongly", "Disagree strongly", "down"),
        ("Not upset at all", "Extremely upset", "up"),
        ("Fully characteristic", "Fully uncharacteristic", "down"),
        ("None at all", "A great deal", "up"),
        ("Yes", "No", "down"),
        ("Surely not", "Surely", "up"),
        ("Left", "Right", "unknown"),
        ("More rain", "No difference", "unknown"),
    ],
)
def test_direction(low: str, high: str, direction: str) -> None:
    assert parsed(f"Only return an integer from 1 to 5, where 1 means {low} and 5 means {high}.").direction == direction


def test_sentence_ends_before_what_follows() -> None:
    text = "Rate it. Only return an integer from 1 to 7, nothing else. In 2 (two) years, is 3 for a pie or 4 for a cake fair?"
    scale = parse_scale(text)
    assert (scale.min, scale.max, scale.labels) == (1, 7, {})
    assert scale.sentence is not None
    assert text[slice(*scale.sentence)] == "Only return an integer from 1 to 7, nothing else."


def test_schema_scale() -> None:
    assert parsed("Only return a word.").scale() is None
    assert parsed("Only return an integer representing hours.").scale() == Scale(
        min=None, max=None, kind="numeric", unit="hours", direction="unknown"
    )


# --- what the build writes reads back ------------------------------------------------------------------------------------------------

WORDS = [
    "Dull",
    "quite bright",
    "yes",
    "Don't know",
    "the U.S.",
    "10 or more",
    "5-9 trips",
    "red, or blue",
    "black and white",
    "50%",
    "$5",
    "n/a",
]
LABEL = st.sampled_from(WORDS) | st.text("abcdefghijklmnopqrstuvwxyzäöé '", min_size=1, max_size=20).map(lambda s: f"x{s}x")


@st.composite
def scales(draw: st.DrawFn) -> Scale:
    unit = draw(st.none() | st.sampled_from(["dollars", "hours of sleep", "how bright it looks"]))
    if draw(st.integers(0, 9)) == 0:
        return Scale(min=None, max=None, kind="numeric", unit=unit, direction="unknown")
    low, step = draw(st.integers(-200, 200)), draw(st.sampled_from([1, 1, 1, 2, 5, 100]))
    high = low + step * draw(st.integers(1, 12) | st.integers(1, 3000 if low % step == 0 else 12))
    values = range(low, high + 1, step)
    named = draw(st.sampled_from(["none", "ends", "all"]))
    labelled = [] if named == "none" else [low, high] if named == "ends" or len(values) > LONGEST_LIST else list(values)
    labels = {value: draw(LABEL) for value in labelled}
    return Scale(min=low, max=high, step=step, labels=labels, kind="ordinal", unit=unit if step == 1 else None, direction="unknown")


@given(scales())
def test_every_sentence_of_the_build_reads_back(scale: Scale) -> None:
    for text in (answer_format(scale), stimulus("read", "Of 3 ferries, 1 for each port.", "From 1 to 9, how was it?", scale)):
        found = parse_scale(text)
        assert (found.min, found.max, found.labels) == (scale.min, scale.max, scale.labels)
        assert found.step == scale.step or (scale.min is not None and not found.labels and len(scale.values) == 2)
        assert found.reason == (None if scale.min is not None else "unbounded")
        if scale.unit and "representing" in text:
            assert found.unit == scale.unit


# --- time ----------------------------------------------------------------------------------------------------------------------------

HOSTILE = [
    "1 for '" * 20_000,
    "Only return 1 for " * 10_000,
    "Only return an integer from " + "1 to " * 40_000,
    "Only return one of " + "1, " * 60_000,
    "Only return an integer from 1 to 5" + " " * 200_000 + "x",
    "Only return an integer from 1 to 5, where 1 means " + "and or to the " * 20_000,
    "Only return an integer representing " + "a, b. " * 40_000,
    "Only return an integer from 1 to 5 " + "(" * 200_000,
    "Only return the number of " + "number of " * 30_000,
    "1 (" * 60_000 + " Only return an integer from 1 to 5, nothing else.",
    "Only return " + "1,000" * 40_000,
    "Only return 1 for a" + ". " * 90_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:30])
def test_no_text_takes_long(text: str) -> None:
    """200,000 characters that invite backtracking: half a second at most, where a quadratic pattern takes minutes."""
    start = time.process_time()
    parse_scale(text)
    assert time.process_time() - start < 0.5


def test_same_sentence_is_parsed_once() -> None:
    """40,000 distinct stimuli over 300 sentences; the release has ten times as many of both, which may take 5 s."""
    sentences = [
        f"Only return an integer from 0 to {n + 2}, where 0 means Dull and {n + 2} means Bright, nothing else." for n in range(300)
    ]
    texts = [f'You read "Ferry {n} of 9, {"late again, " * 30}." and then were asked: "How? {sentences[n % 300]}"' for n in range(40_000)]
    start = time.process_time()
    scales = [parse_scale(text) for text in texts]
    assert time.process_time() - start < 1.0
    assert scales[-1].spans[0] != scales[299].spans[0], "places are those of the stimulus, not of the cached sentence"
    assert {scale.max for scale in scales} == set(range(2, 302))


# --- real stimuli --------------------------------------------------------------------------------------------------------------------


def released_rows(folder: Path) -> Iterator[tuple[str, str, int]]:
    """(study, stimulus, answer) of the real sample."""
    for line in (folder / "val.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield row["study_id"], row["input"].partition("Scenario: ")[2], int(row["output"].removeprefix("Response: "))


def treatment_stimuli(folder: Path) -> Iterator[tuple[str, str]]:
    for study in json.loads((folder / "treatment_experiments_20.json").read_text(encoding="utf-8")):
        yield from ((study["study_id"], condition["full_stimuli"]) for condition in study["conditions"].values())


def test_real_stimuli_against_the_key(released_dir: Path) -> None:
    key = json.loads(KEY.read_text(encoding="utf-8"))
    studies = {text: study for study, text, _ in released_rows(released_dir)} | {t: s for s, t in treatment_stimuli(released_dir)}
    met = Counter()
    for text, study in studies.items():
        if expected := key.pop(hashlib.sha256(text.encode()).hexdigest(), None):
            scale = parse_scale(text)
            spans = {int(value): tuple(place) for value, place in expected.get("labels", {}).items()}
            assert (scale.min, scale.max) == (expected.get("min"), expected.get("max")), text
            assert (scale.step, scale.reason) == (expected.get("step", 1), expected.get("reason")), text
            assert scale.spans == spans, text
            assert scale.labels == {value: text[start:end] for value, (start, end) in spans.items()}, text
            met[study] += 1
    assert not key, "stimuli of the key that the released rows do not hold"
    assert sum(met.values()) >= 300
    assert set(met) == set(studies.values()), "a study without a stimulus in the key"


def test_every_real_answer_is_on_its_scale(released_dir: Path) -> None:
    """Of the 2,780 real rows 2,762 state a range and all of those answers lie on it; the other 18, of zrwjp, ask for dollars or hours."""
    off: Counter[tuple[str, str]] = Counter()
    rows = 0
    for study, text, answer in released_rows(released_dir):
        scale = parse_scale(text)
        rows += 1
        if scale.reason or answer not in scale.values:
            off[study, scale.reason or "off scale"] += 1
    assert rows == 2780
    assert off == {("zrwjp", "unbounded"): 18}
