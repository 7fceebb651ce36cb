"""Answer-format sentences: every pattern that the release uses, at about the frequency it has there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

PATTERNS: Final = {  # pattern -> rows of a sample of 6,069 released rows
    "endpoints": 1929,
    "plain": 1702,
    "endpoints_open": 665,
    "two_options": 591,
    "unit": 303,
    "options": 245,
    "all_after": 150,
    "all_inside": 10,
    "bracket_ends": 134,
    "number": 122,
    "unbounded": 88,
    "ends_after": 16,
    "multiple": 12,
    "if_options": 10,
    "no_comma": 60,
    "equals": 60,
    "corresponds": 40,
    "bins": 30,
    "signed": 20,
}
RANGES: Final = {(1, 5): 1637, (1, 7): 1163, (0, 100): 887, (0, 10): 449, (1, 4): 421, (1, 6): 164, (1, 10): 63, (0, 6): 9}
FAMILIES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {  # question about a {thing}; labels from low to high
    "support": (
        "Do you support or oppose {thing}?",
        ("Strongly oppose", "Somewhat oppose", "Neither support nor oppose", "Somewhat support", "Strongly support"),
    ),
    "favor": (
        "Overall, do you favor or oppose {thing}?",
        ("Strongly oppose", "Somewhat oppose", "Neither favor nor oppose", "Somewhat favor", "Strongly favor"),
    ),
    "likelihood": (
        "How likely is it that {thing} will go ahead?",
        ("Extremely unlikely", "Somewhat unlikely", "Neither likely nor unlikely", "Somewhat likely", "Extremely likely"),
    ),
    "trust": (
        "How much do you trust the people behind {thing}?",
        ("Do not trust at all", "Trust a little", "Trust somewhat", "Trust a lot", "Trust completely"),
    ),
    "importance": (
        "How important is {thing} to you?",
        ("Not at all important", "Slightly important", "Moderately important", "Very important", "Extremely important"),
    ),
    "concern": (
        "How concerned are you about {thing}?",
        ("Not at all concerned", "Slightly concerned", "Moderately concerned", "Very concerned", "Extremely concerned"),
    ),
    "fairness": (
        "How fair or unfair do you find {thing}?",
        ("Very unfair", "Somewhat unfair", "Neither fair nor unfair", "Somewhat fair", "Very fair"),
    ),
    "agreement": (
        "Do you agree or disagree with the view that your town needs {thing}?",
        ("Strongly disagree", "Somewhat disagree", "Neither agree nor disagree", "Somewhat agree", "Strongly agree"),
    ),
    "willingness": (
        "How willing would you be to give an hour a month to {thing}?",
        ("Not at all willing", "Slightly willing", "Moderately willing", "Very willing", "Extremely willing"),
    ),
    "amount": (
        "How much does {thing} matter in your own daily life?",
        ("None at all", "A little", "A moderate amount", "A lot", "A great deal"),
    ),
}
OPTIONS: Final = (
    "It costs too much", "It helps people nearby", "It comes too late", "It is none of the town's business", "It saves time",
    "It is the right thing to do", "It brings more traffic", "It helps the young", "It was promised long ago",
)  # fmt: skip
PAIRS: Final = (("Yes", "No"), ("Sign it", "Do not sign it"), ("Approve", "Reject"), ("Keep the money", "Give the money"))
QUOTES: Final = (("", ""), ("'", "'"), ('"', '"'), ("“", "”"), ("‘", "’"))


@dataclass(frozen=True)
class Asked:
    """A question with its answer-format sentence, and the scale that the sentence states (None, None: unbounded)."""

    question: str
    sentence: str
    low: int | None
    high: int | None
    step: int
    labels: tuple[tuple[int, str], ...]
    pattern: str
    family: str


def draw_pattern(rng: np.random.Generator) -> str:
    """A pattern at its frequency in the release."""
    weights = np.array(list(PATTERNS.values()), dtype=float)
    return str(rng.choice(list(PATTERNS), p=weights / weights.sum()))


def draw_range(rng: np.random.Generator, among: tuple[tuple[int, int], ...] = tuple(RANGES)) -> tuple[int, int]:
    """Ends of a scale at their frequency in the release."""
    weights = np.array([RANGES[ends] for ends in among], dtype=float)
    return among[int(rng.choice(len(among), p=weights / weights.sum()))]


def ask(pattern: str, rng: np.random.Generator, thing: str, ends: tuple[int, int] | None = None, family: str | None = None) -> Asked:
    """A question about `thing` in this pattern; ends and family of the question are drawn where they are not given."""
    if family is None:
        family = str(rng.choice([name for name in FAMILIES if name != "amount" or rng.random() < 0.3]))
    return _WRITERS[pattern](pattern, rng, thing, ends, family)


Writer = Callable[[str, np.random.Generator, str, "tuple[int, int] | None", str], Asked]


def _question(family: str, thing: str) -> str:
    return FAMILIES[family][0].format(thing=thing)


def _ends_writer(text: str, among: tuple[tuple[int, int], ...] = tuple(RANGES)) -> Writer:
    def write(pattern: str, rng: np.random.Generator, thing: str, ends: tuple[int, int] | None, family: str) -> Asked:
        low, high = ends or draw_range(rng, among)
        first, last = FAMILIES[family][1][0], FAMILIES[family][1][-1]
        left, right = QUOTES[int(rng.choice(len(QUOTES), p=[0.6, 0.15, 0.1, 0.1, 0.05]))]
        quoted = {"x": f"{left}{first}{right}", "y": f"{left}{last}{right}", "bare_x": first, "bare_y": last}
        sentence = text.format(a=low, b=high, **quoted)
        return Asked(_question(family, thing), sentence, low, high, 1, ((low, first), (high, last)), pattern, family)

    return write


def _bare_writer(text: str, among: tuple[tuple[int, int], ...] = tuple(RANGES)) -> Writer:
    def write(pattern: str, rng: np.random.Generator, thing: str, ends: tuple[int, int] | None, family: str) -> Asked:
        low, high = ends or draw_range(rng, among)
        return Asked(_question(family, thing), text.format(a=low, b=high), low, high, 1, (), pattern, family)

    return write


def _two_options(pattern: str, rng: np.random.Generator, thing: str, ends: tuple[int, int] | None, family: str) -> Asked:
    low = ends[0] if ends else 1
    first, second = PAIRS[int(rng.integers(len(PAIRS)))]
    joint = str(rng.choice([" or ", "; ", ", "]))
    if rng.random() < 0.3:
        left, right = QUOTES[int(rng.integers(1, len(QUOTES)))]
        first, second = f"{left}{first}{right}", f"{left}{second}{right}"
    sentence = f"Only return {low} for {first}{joint}{low + 1} for {second}, nothing else."
    labels = ((low, first.strip("'\"“”‘’")), (low + 1, second.strip("'\"“”‘’")))
    return Asked(f"A petition asks for {thing}. What would you do?", sentence, low, low + 1, 1, labels, pattern, "choice")


def _options(pattern: str, rng: np.random.Generator, thing: str, ends: tuple[int, int] | None, family: str) -> Asked:
    number = int(rng.integers(3, 7))
    chosen = [OPTIONS[int(n)] for n in rng.permutation(len(OPTIONS))[:number]]
    if rng.random() < 0.5:
        chosen[-1] = "None of the above"
    left, right = QUOTES[int(rng.choice(len(QUOTES)))]
    joint = str(rng.choice(["; ", ", "]))
    sentence = f"Only return {joint.join(f'{n} for {left}{label}{right}' for n, label in _numbered(chosen))}, nothing else."
    question = f"Which of these comes closest to what you think of {thing}?"
    return Asked(question, sentence, 1, number, 1, tuple(_numbered(chosen)), pattern, "options")


def _if_options(pattern: str, rng: np.random.Generator, thing: str, ends: tuple[int, int] | None, family: str) -> Asked:
    labels = [f"you think that {text[0].lower()}{text[1:]}" for text in (OPTIONS[int(n)] for n in rng.permutation(len(OPTIONS))[:4])]
    sentence = f"Only return {', '.join(f'{n} if {label}' for n, label in _numbered(labels))}, nothing else."
    return Asked(f"What do you think of {thing}?", sentence, 1, 4, 1, tuple(_numbered(labels)), pattern, "options")


def _numbered(labels: list[str]) -> list[tuple[int, str]]:
    return list(enumerate(labels, start=1))


def _all_levels(text: str, each: str, joint: str) -> Writer:
    def write(pattern: str, rng: np.random.Generator, thing: str, ends: tuple[int, int] | None, family: str) -> Asked:
        labels = tuple(_numbered(list(FAMILIES[family][1])))
        listed = joint.join(each.format(n=n, label=label) for n, label in labels)
        return Asked(_question(family, thing), text.format(listed=listed), 1, 5, 1, labels, pattern, family)

    return write


def _unit(pattern: str, rng: np.random.Generator, thing: str, ends: tuple[int, int] | None, family: str) -> Asked:
    if ends is None:
        ends = ((0, 100), (0, 1200), (0, 2000), (0, 2800), (0, 60))[int(rng.choice(5, p=[0.7, 0.08, 0.1, 0.07, 0.05]))]
    if ends == (0, 100):
        question, unit = f"What share of the people you know would gain from {thing}?", str(rng.choice(["a percentage", "percent"]))
    elif ends == (0, 60):
        question, unit = f"How long would you listen to a talk about {thing}?", "minutes"
    else:
        question, unit = f"Out of {ends[1]:,} dollars, how much would you give to {thing}?", "dollars"
    sentence = f"Only return an integer from {ends[0]} to {ends[1]} representing {unit}, nothing else."
    return Asked(question, sentence, *ends, 1, (), pattern, "amount")


def _unbounded(pattern: str, rng: np.random.Generator, thing: str, ends: tuple[int, int] | None, family: str) -> Asked:
    if rng.random() < 0.7:
        question, unit = f"What should a household pay for {thing} in a year?", "dollars"
    else:
        question, unit = f"How much time would the town need to prepare {thing}?", "hours"
    sentence = f"Only return an integer representing {unit}, nothing else."
    return Asked(question, sentence, None, None, 1, (), pattern, "amount")


def _multiple(pattern: str, rng: np.random.Generator, thing: str, ends: tuple[int, int] | None, family: str) -> Asked:
    sentence = "Only return a multiple of 100 between 0 and 1000, nothing else."
    return Asked(f"Of a bonus of 1,000 points, how many would you give to {thing}?", sentence, 0, 1000, 100, (), pattern, "amount")


def _bins(pattern: str, rng: np.random.Generator, thing: str, ends: tuple[int, int] | None, family: str) -> Asked:
    sentence = "Only return an integer from 1 ($0) to 9 ($40), nothing else."
    question = f"In steps of five dollars, how much would you pay each month for {thing}?"
    return Asked(question, sentence, 1, 9, 1, ((1, "$0"), (9, "$40")), pattern, "amount")


def _signed(pattern: str, rng: np.random.Generator, thing: str, ends: tuple[int, int] | None, family: str) -> Asked:
    sentence = "Only return an integer from -3 to 3, where -3 means Much worse and 3 means Much better, nothing else."
    labels = ((-3, "Much worse"), (3, "Much better"))
    return Asked(f"Would your town be better or worse off with {thing}?", sentence, -3, 3, 1, labels, pattern, "change")


_SHORT = ((1, 5), (1, 7), (1, 4))
_WRITERS: Final[Mapping[str, Writer]] = {
    "endpoints": _ends_writer("Only return an integer from {a} to {b}, where {a} means {x} and {b} means {y}, nothing else."),
    "plain": _bare_writer("Only return an integer from {a} to {b}, nothing else."),
    "endpoints_open": _ends_writer("Only return an integer from {a} to {b}, where {a} means {x} and {b} means {y}."),
    "two_options": _two_options,
    "unit": _unit,
    "options": _options,
    "all_after": _all_levels("Only return an integer from 1 to 5, nothing else, where {listed}.", '{n} means "{label}"', ", "),
    "all_inside": _all_levels("Only return an integer from 1 to 5, where {listed}, nothing else.", "{n} means {label}", ", "),
    "bracket_ends": _ends_writer("Only return an integer from {a} ({bare_x}) to {b} ({bare_y}), nothing else.", _SHORT),
    "number": _bare_writer("Only return a number from {a} to {b}, nothing else.", ((1, 4), (1, 6), (1, 7))),
    "unbounded": _unbounded,
    "ends_after": _ends_writer("Only return an integer from {a} to {b}, nothing else, where {a} means {x} and {b} means {y}.", _SHORT),
    "multiple": _multiple,
    "if_options": _if_options,
    "no_comma": _ends_writer("Only return an integer from {a} to {b} where {a} means {x} and {b} means {y}, nothing else.", _SHORT),
    "equals": _ends_writer("Only return an integer from {a} to {b}, where {a} = {x} and {b} = {y}, nothing else.", _SHORT),
    "corresponds": _ends_writer(
        "Only return an integer from {a} to {b}, nothing else. ({a} corresponds to {bare_x}; {b} corresponds to {bare_y})", _SHORT
    ),
    "bins": _bins,
    "signed": _signed,
}
