"""The stimulus sentence, in the patterns of the released rows."""

from __future__ import annotations

import pytest

from socsci210.schema import Scale
from socsci210.stimuli import answer_format, stimulus

SEVEN = Scale(min=1, max=7, labels={1: "Extremely unlikely", 7: "Extremely likely"}, kind="ordinal", direction="up")


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (SEVEN, "an integer from 1 to 7, where 1 means Extremely unlikely and 7 means Extremely likely"),
        (
            Scale(min=1, max=2, labels={1: "Yes", 2: "No"}, kind="binary", direction="down"),
            "1 for Yes or 2 for No",
        ),
        (
            Scale(min=0, max=2, labels={0: "No", 1: "Unsure", 2: "Yes"}, kind="ordinal", direction="up"),
            "0 for No, 1 for Unsure or 2 for Yes",
        ),
        (
            Scale(min=1, max=5, labels={n: f"L{n}" for n in range(1, 6)}, kind="ordinal", direction="up"),
            "an integer from 1 to 5, where 1 means L1 and 5 means L5",
        ),
        (
            Scale(min=1, max=5, labels={1: "a", 3: "c", 4: "d"}, kind="ordinal", direction="up"),
            "an integer from 1 to 5, where 1 means a, 3 means c and 4 means d",
        ),
        (
            Scale(min=1, max=5, labels={3: "c"}, kind="ordinal", direction="up"),
            "an integer from 1 to 5, where 3 means c",
        ),
        (Scale(min=0, max=10, kind="ordinal", direction="up"), "an integer from 0 to 10"),
        (
            Scale(min=0, max=24, kind="numeric", unit="hours", direction="up"),
            "an integer from 0 to 24 representing hours",
        ),
        (
            Scale(min=0, max=100, labels={0: "cold", 100: "warm"}, kind="numeric", unit="degrees", direction="up"),
            "an integer from 0 to 100 representing degrees, where 0 means cold and 100 means warm",
        ),
        (
            Scale(min=0, max=1000, step=100, kind="numeric", direction="up"),
            "a multiple of 100 between 0 and 1000",
        ),
        (Scale(min=1, max=7, step=3, kind="ordinal", direction="up"), "one of 1, 4, 7"),
        (
            Scale(min=None, max=None, kind="numeric", unit="dollars", direction="up"),
            "an integer representing dollars",
        ),
        (Scale(min=None, max=None, kind="numeric", direction="up"), "an integer"),
    ],
)
def test_how_to_answer(scale: Scale, expected: str) -> None:
    assert answer_format(scale) == f"Only return {expected}, nothing else."


@pytest.mark.parametrize(
    ("frame", "context", "then_read", "opening"),
    [
        ("read", "A text.", "", 'You read "A text." and then were asked: "'),
        ("read", "A text.", "More.", 'You read "A text. More." and then were asked: "'),
        ("read", "", "More.", 'You read "More." and then were asked: "'),
        ("read", "", "", 'You were asked: "'),
        ("viewed", "A photo.", "", 'You viewed "A photo." and then were asked: "'),
        ("viewed", "A photo.", "More.", 'You viewed "A photo.", then read "More." and then were asked: "'),
        ("watched", "", "More.", 'You read "More." and then were asked: "'),
        ("heard", "A song.", "", 'You heard "A song." and then were asked: "'),
        ("told", "A story.", "", 'You were told "A story." and then were asked: "'),
        ("did", "A task.", "", 'You did the following: "A task." and then were asked: "'),
    ],
)
def test_what_came_before_the_question(frame: str, context: str, then_read: str, opening: str) -> None:
    assert stimulus(frame, context, "How likely?", SEVEN, then_read=then_read) == f'{opening}How likely? {answer_format(SEVEN)}"'
