"""Reading answers from texts and from lists of likely tokens: every case by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socsci210.predict.openai_reading import AnswerTree, Step, read_text


def step(token: str, **shares: float) -> Step:
    return listed(token, shares)


def listed(token: str, shares: dict[str, float]) -> Step:
    return Step(token, [(text, math.log(share)) for text, share in shares.items()])


@pytest.mark.parametrize(
    ("text", "values", "answer"),
    [
        ("5", range(1, 8), 5), (" 5\n", range(1, 8), 5), ("5.", range(1, 8), 5), ("**5**", range(1, 8), 5), ('"5"', range(1, 8), 5),
        ("8", range(1, 8), None), ("", range(1, 8), None), ("five", range(1, 8), None),
        ("5 - very likely", range(1, 8), 5), ("5 out of 7", range(1, 8), 5), ("I would say 5", range(1, 8), 5),
        ("Answer: 5", range(1, 8), 5), ("Between 3 and 5", range(1, 8), None), ("3.5", range(1, 8), None), ("about 3.5", range(1, 8), None),
        ("3,5", range(1, 8), None),
        ("-5", range(-5, 6), -5), ("−5", range(-5, 6), -5), ("-5", range(1, 8), None), ("100", range(101), 100), ("1000", range(101), None),
        ("50", range(0, 101, 25), 50), ("51", range(0, 101, 25), None), ("9" * 5000, range(101), None), ("007", range(1, 8), 7),
    ],
)  # fmt: skip
def test_the_answer_in_a_text(text: str, values: range, answer: int | None) -> None:
    assert read_text(text, values) == answer


@given(st.text(max_size=60))
def test_any_text_gives_an_answer_on_the_scale_or_none(text: str) -> None:
    assert read_text(text, range(-3, 4)) in (None, *range(-3, 4))


def test_single_tokens_are_told_by_the_first_list() -> None:
    reading = AnswerTree(range(1, 4)).read([[step("1", **{"1": 0.5, "2": 0.2, "3": 0.1, "I": 0.2})]])
    np.testing.assert_allclose(reading.mass, [0.5, 0.2, 0.1])
    assert reading.unresolved == 0


def test_blanks_before_an_answer_are_followed() -> None:
    tree = AnswerTree(range(1, 3))
    path = [listed("\n", {"\n": 0.6, " 1": 0.3, "2": 0.1}), listed("2", {"1": 0.25, "2": 0.75})]
    reading = tree.read([path])
    np.testing.assert_allclose(reading.mass, [0.3 + 0.6 * 0.25, 0.1 + 0.6 * 0.75])
    assert tree.positions == 2 and tree.trim(path) == path


def test_an_answer_that_begins_another_one_is_unresolved_until_the_next_list_is_known() -> None:
    tree = AnswerTree(range(11))
    first = listed("7", {str(n): 0.1 for n in range(10)})
    unknown = tree.read([[first]])
    np.testing.assert_allclose(unknown.mass, [0.1, 0, *[0.1] * 8, 0])
    assert unknown.unresolved == pytest.approx(0.1)
    known = tree.read([[first], [first._replace(token="1"), listed("0", {"0": 0.4, "<end>": 0.5, "5": 0.1})]])
    np.testing.assert_allclose(known.mass, [0.1, 0.05, *[0.1] * 8, 0.04])  # 15 is no answer
    assert known.unresolved == pytest.approx(0)


@pytest.mark.parametrize("end", ["", "<|im_end|>", ".", "\n", " out of 10"])
def test_whatever_ends_a_number_ends_it(end: str) -> None:
    tree = AnswerTree(range(11))
    path = [listed("1", {"1": 1.0}), listed(end, {end: 0.7, "0": 0.3})]
    np.testing.assert_allclose(tree.read([path]).mass[[1, 10]], [0.7, 0.3])
    assert tree.trim([*path, listed("x", {"x": 1.0})]) == path


def test_a_decimal_is_no_answer() -> None:
    reading = AnswerTree(range(11)).read([[listed("1", {"1": 1.0}), listed(".5", {".5": 0.9, "<end>": 0.1})]])
    assert reading.mass[1] == pytest.approx(0.1)


def test_an_answer_seen_as_one_token_is_not_looked_for_in_pieces() -> None:
    shares = {"1": 0.6, "10": 0.3, "9": 0.1}
    reading = AnswerTree(range(11)).read([[listed("1", shares)]])
    np.testing.assert_allclose(reading.mass[[1, 9, 10]], [0.6, 0.1, 0.3])
    assert reading.unresolved == pytest.approx(0)


def test_negative_answers_come_behind_a_sign() -> None:
    tree = AnswerTree(range(-2, 3))
    first = listed("-", {"-": 0.5, "0": 0.2, "1": 0.2, "2": 0.1})
    assert tree.read([[first]]).unresolved == pytest.approx(0.5)
    for minus in ("-", "−"):
        path = [listed(minus, {minus: 0.5, "0": 0.2, "1": 0.2, "2": 0.1}), listed("1", {"1": 0.6, "2": 0.4})]
        reading = tree.read([path])
        np.testing.assert_allclose(reading.mass, [0.2, 0.3, 0.2, 0.2, 0.1])
        assert reading.unresolved == pytest.approx(0)


def test_three_levels() -> None:
    tree = AnswerTree([1, 10, 100])
    path = [listed("1", {"1": 0.9}), listed("0", {"0": 0.5, "<end>": 0.5}), listed("0", {"0": 0.2, "<end>": 0.8})]
    reading = tree.read([path])
    np.testing.assert_allclose(reading.mass, [0.45, 0.36, 0.09])
    assert tree.positions == 4 and tree.read([path[:2]]).unresolved == pytest.approx(0.45)


def test_options_beyond_the_list_are_bounded_by_its_least_share_and_by_the_rest() -> None:
    tree = AnswerTree(range(1, 4))
    assert tree.read([[listed("1", {"1": 0.5, "x": 0.1})]]).unresolved == pytest.approx(0.2)  # two options, at most 0.1 each
    assert tree.read([[listed("1", {"1": 0.5, "x": 0.45})]]).unresolved == pytest.approx(0.05)  # what the list leaves
    assert tree.read([[listed("1", {"1": 0.5, "2": 0.2, "3": 0.1})]]).unresolved == 0


@given(
    st.dictionaries(st.text("0123456789-. x\n", max_size=3), st.floats(0.001, 1), min_size=1, max_size=20),
    st.sampled_from([range(1, 8), range(11), range(-5, 6)]),
)
def test_no_list_gives_more_than_it_holds(shares: dict[str, float], values: range) -> None:
    total = sum(shares.values())
    token = next(iter(shares))
    path = [listed(token, {text: share / total for text, share in shares.items()})] * 2
    reading = AnswerTree(values).read([path])
    assert (reading.mass >= 0).all() and reading.unresolved >= 0
    assert reading.mass.sum() + reading.unresolved <= 1 + 1e-9
