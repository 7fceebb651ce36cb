"""The distinct stimuli of a made study: treatments, questions and answer formats, put together as the release does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from . import defects, formats, prose
from .formats import Asked
from .plan import Plan

CONJOINT_LEVELS = (
    ("Project", ("a new library", "a new playground", "a new parking lot", "a road repair", "a bus shelter", "a small market")),
    ("Cost", ("free of charge", "$15 per household", "$40 per household", "$65 per household", "$90 per household")),
    ("Start", ("this spring", "in six months", "next year", "in two years")),
    ("Run by", ("the town", "a charity", "a private company", "a group of neighbors", "the state")),
    ("Backed by", prose.GROUPS),
    ("Open", ("on weekdays", "every day", "on weekends", "in summer only")),
)
OPENINGS = ("read_inside", "read", "told", "imagine", "in_order", "companies", "thought", "time_to_time")
OPENING_SHARES = (0.27, 0.47, 0.15, 0.05, 0.03, 0.015, 0.01, 0.005)
QUOTES = (('"', '"'), ("“", "”"), ("'", "'"), ("‘", "’"))


@dataclass
class Texts:
    """Distinct stimuli and, per stimulus, the scale it states (nan: none) and what was planted in it."""

    text: list[str] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    rules: list[int] = field(default_factory=list)  # bits in the order of defects.ROW_RULES

    def add(self, text: str, asked: Asked, rules: int) -> int:
        """The code of a new stimulus."""
        self.text.append(text)
        self.low.append(np.nan if asked.low is None else asked.low)
        self.high.append(np.nan if asked.high is None else asked.high)
        self.step.append(asked.step)
        self.rules.append(rules)
        return len(self.text) - 1


def bit(rule: str) -> int:
    """The bit of a row-level rule."""
    return 1 << defects.ROW_RULES.index(rule)


class Writer:
    """Writes the stimuli of one study. `items`: stimuli of the repeated outcome 0.

    Style, each outcome and the treatments draw from generators of their own (`random` makes one for a name), so that sister studies share
    their texts whatever their sizes are.
    """

    def __init__(self, plan: Plan, random: Callable[[str], np.random.Generator], items: int) -> None:
        self.plan, self.random, self.items = plan, random, items
        rng, topics = random("style"), prose.topics()
        self.topic = topics[int(rng.integers(len(topics)))]
        self.things = [f"{t.thing} in {place}" for t in topics for place in prose.PLACES]
        self.length = int(np.clip(rng.lognormal(np.log(225), 0.85), 60, 4200))
        self.opening = str(rng.choice(OPENINGS, p=OPENING_SHARES))
        self.quotes = QUOTES[int(rng.choice(len(QUOTES), p=[0.4, 0.35, 0.15, 0.1]))]
        self.flaws = defects.TEXT_FLAWS.get(plan.study_id, ())
        if self.flaws:
            self.length = max(self.length, 300)  # enough that a treatment cut off still differs from the others
        self.variants = int(rng.integers(2, 5)) if self._several(rng) else 1
        self.asked = self._questions()
        self.treatments = self._treatments()

    def _several(self, rng: np.random.Generator) -> bool:
        """Whether groups of people read variants of the texts."""
        return self.plan.design in ("between", "within") and not self.flaws and rng.random() < 0.4

    # --- questions -------------------------------------------------------------------------------------------------------------------

    def _questions(self) -> dict[tuple[int, int, int], Asked]:
        """(condition, outcome, item) -> question, by positions; items of an outcome share format and scale."""
        found = {}
        for task in range(self.plan.tasks):
            rng = self.random(f"outcome {task}")
            pattern, ends = defects.FORMATS.get(self.plan.study_id, {}).get(task, (formats.draw_pattern(rng), None))
            seed, start = int(rng.integers(1 << 31)), int(rng.integers(len(self.things)))
            for item in range(self.items if task == 0 else 1):
                thing = self.things[(start + 7 * item) % len(self.things)]
                asked = formats.ask(pattern, np.random.default_rng(seed), thing, ends)
                for condition, tasks in enumerate(self.plan.asked):
                    if task in tasks:
                        found[condition, task, item] = self._of_condition(asked, condition, task)
        return found

    def _of_condition(self, asked: Asked, condition: int, task: int) -> Asked:
        study = self.plan.study_id
        if study in defects.WIDER and task == 0 and condition % 2:
            low, high = defects.WIDER[study]
            old = f"{asked.low} to {asked.high}"
            sentence = asked.sentence.replace(old, f"{low} to {high}").replace(f" {asked.high} means", f" {high} means")
            return replace(asked, sentence=sentence, low=low, high=high)
        if study == defects.OTHER_LABELS and task == 1:
            first, second = prose.NAMES[2 * condition % 20], prose.NAMES[(2 * condition + 1) % 20]
            return replace(asked, question="Whom would you hire?", sentence=f"Only return 1 for {first} or 2 for {second}, nothing else.")
        if study == defects.CONTRADICTION and task == 0:
            sentence = "Only return an integer from 1 to 5, where 1 means Very unwilling and 5 means Very willing, nothing else."
            return replace(asked, question=f"Do you favor or oppose {self.topic.thing}?", sentence=sentence)
        if study in defects.QUESTION_DECOYS:
            return replace(asked, question=f"{asked.question} {defects.QUESTION_DECOYS[study]}")
        return asked

    # --- treatments ------------------------------------------------------------------------------------------------------------------

    def _treatments(self) -> list[str]:
        conditions = len(self.plan.condition_nums)
        distinct = defects.FEWER_TEXTS.get(self.plan.study_id, conditions)
        middle = [s for kind in defects.TEXT_DECOYS.values() for study, s in kind.items() if study == self.plan.study_id]
        written: list[str] = []
        rng = self.random("treatments")
        while len(written) < min(distinct, conditions):
            text = prose.treatment(rng, self.topic, self.length, " ".join([self.topic.intro, *middle]))
            if text not in written:
                written.append(text)
        return [written[condition % len(written)] for condition in range(conditions)]

    def stimulus(self, condition: int, task: int, item: int, variant: int, flawed: bool, profile: str = "") -> tuple[str, Asked, int]:
        """One stimulus, the question it ends in, and the rules that its text is planted for."""
        asked, rules, treatment = self.asked[condition, task, item], 0, self.treatments[condition]
        if variant:
            treatment += f" All this was told by {prose.NAMES[variant]}, who lives there."
        if profile:
            treatment += f" The offer lists: {profile}."
        for flaw in self.flaws:
            if flaw.rate == 1.0 or flawed:
                treatment = _damage(treatment, flaw.how, self.plan.condition_nums[condition])
                rules |= bit(flaw.rule)
        if self.plan.study_id == defects.CONTRADICTION and task == 0:
            rules |= bit("label_contradiction")
        return self._join(treatment, asked), asked, rules

    def _join(self, treatment: str, asked: Asked) -> str:
        left, right = self.quotes
        question, sentence = asked.question, asked.sentence
        if any(flaw.how == "code name" for flaw in self.flaws):
            return f"You read {treatment} and then were asked: {left}{question} {sentence}{right}"
        if self.opening == "read_inside":
            return f"You read {left}{treatment}{right} and then were asked: {left}{question} {sentence}{right}"
        if self.opening == "read":
            return f"You read {left}{treatment}{right} and then were asked: {left}{question}{right} {sentence}"
        if self.opening == "told":
            return f"You were told: {left}{treatment}{right} Then you were asked: {left}{question}{right} {sentence}"
        start = {
            "imagine": "Imagine that you live near the place of this story.",
            "in_order": "In order to plan ahead, a town asks the people who live there.",
            "companies": "Some companies and some towns take part in what follows.",
            "thought": "You thought about your own town for a minute.",
            "time_to_time": "From time to time, people talk about matters of their town.",
        }[self.opening]
        return f"{start} {treatment} {question} {sentence}"


def _damage(treatment: str, how: str, condition_num: int) -> str:
    if how == "code name":
        return f"stimulus v{condition_num + 1}"
    if how == "cut off":
        return treatment[: max(60, 2 * len(treatment) // 3)].rsplit(" ", 1)[0].rstrip(".") + "..."
    cut = treatment.index(". ") + 2
    return f"{treatment[:cut]}{how} {treatment[cut:]}"


def profiles(rng: np.random.Generator, n: int) -> Iterator[str]:
    """What `n` rounds of a conjoint showed."""
    columns: list[npt.NDArray[np.object_]] = []
    for name, levels in CONJOINT_LEVELS:
        shown = np.array([f"{name}: {level}" for level in levels], dtype=object)
        columns.append(shown[rng.integers(0, len(levels), n)])
    homes = rng.integers(10, 999, n)
    for number, parts in zip(homes.tolist(), zip(*columns, strict=True), strict=True):
        yield f"{'; '.join(parts)}; Homes reached: {number}"
