"""From a sample to the table of its deposit: column names, stored codes, missing codes, labels, and the quirks of real data files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from . import conjoint, personas
from .designs import Design, Question
from .personas import Codes
from .world import Asked, Sample, World, question_type

LABELS: Final = {
    "support": ("Strongly oppose", "Oppose", "Somewhat oppose", "Neither support nor oppose", "Somewhat support", "Support",
                "Strongly support"),
    "likelihood": ("Not at all likely", "Very unlikely", "Somewhat unlikely", "Even chance", "Somewhat likely", "Very likely",
                   "Extremely likely"),
    "trust": ("Do not trust at all", "Trust very little", "Trust a little", "Trust somewhat", "Trust a fair amount", "Trust a lot",
              "Trust completely"),
    "fairness": ("Very unfair", "Unfair", "Somewhat unfair", "Neither fair nor unfair", "Somewhat fair", "Fair", "Very fair"),
    "concern": ("Not at all concerned", "Hardly concerned", "A little concerned", "Somewhat concerned", "Quite concerned",
                "Very concerned", "Extremely concerned"),
    "willingness": ("Not at all willing", "Hardly willing", "A little willing", "Somewhat willing", "Quite willing", "Very willing",
                    "Extremely willing"),
    "convincing": ("Not at all convincing", "Hardly convincing", "A little convincing", "Somewhat convincing", "Quite convincing",
                   "Very convincing", "Extremely convincing"),
    "importance": ("Not at all important", "Slightly important", "Moderately important", "Very important", "Extremely important"),
    "vote": ("No", "Yes"),
    "choice": ("Plan A", "Plan B"),
}  # fmt: skip
"""Value labels by question type, lowest answer first."""


@dataclass
class Deposit:
    """The data file of a deposit before it has a format."""

    table: pa.Table
    column_labels: dict[str, str] = field(default_factory=dict)
    value_labels: dict[str, dict[int, str]] = field(default_factory=dict)
    missing: dict[str, list[int]] = field(default_factory=dict)  # declared missing codes
    header: dict[str, str] = field(default_factory=dict)  # second header row


def lay_out(world: World, sample: Sample) -> Deposit:
    """The table of one study, one row per person, in the layout of its design."""
    design, n = sample.design, len(sample.kept)
    rng = world.rng(design.id, "layout")
    columns: dict[str, pa.Array] = {"CASEID": _case_ids(rng, n, design)}
    for number, name in enumerate(design.condition_columns):
        within = design.assigned == "within"  # then one column per round, else one per factor
        stored = np.array([arm.stored[0 if within else number] for arm in design.arms])
        columns[name] = pa.array(stored[sample.arm[:, number if within else 0]])
    if design.fill and sample.fill is not None:
        columns[design.fill.column] = pa.array(np.array(design.fill.levels)[sample.fill - 1])
    columns.update({name: pa.array(levels) for name, levels in sample.profiles.items()})
    deposit = Deposit(pa.table({}))
    for asked in sample.asked:
        _store(asked, sample, columns, deposit)
    if design.finished:
        columns["Finished"] = pa.array(sample.kept.astype(np.int64))
    if design.weight:
        columns[design.weight] = pa.array(np.round(np.clip(rng.lognormal(0, 0.4, n), 0.2, 4.0), 4))
    for name in personas.PANELS[design.panel]:
        codes = sample.people[name]
        if name == "INCOME":
            codes = np.where(rng.random(n) < 0.015, 99, codes)
        elif name == "IDEO":
            codes = personas.ideology_codes(codes, design.panel)
        columns[name] = pa.array(codes)
    columns["DURATION"] = pa.array(rng.integers(90, 900, n))  # seconds; nothing reads it
    _label(design, deposit, columns)
    deposit.table = pa.table(columns)
    return deposit


def _case_ids(rng: np.random.Generator, n: int, design: Design) -> pa.Array:
    numbers = rng.permutation(n) + 100_001
    return pa.array([f"R_{number}" for number in numbers]) if design.second_header else pa.array(numbers)


def _store(asked: Asked, sample: Sample, columns: dict[str, pa.Array], deposit: Deposit) -> None:
    """Write one block of answers into its columns: one column, or one per half or per arm (blank for those not asked)."""
    design = sample.design
    question = design.questions[asked.task]
    codes, blank = stored_codes(asked, design, question)
    for arm in np.unique(asked.arm):
        name = design.column(question, asked.item, int(arm))
        here = np.flatnonzero([design.column(question, asked.item, a) == name for a in range(len(design.arms))])
        if name in columns:
            continue
        asked_here = np.isin(asked.arm, here)
        columns[name] = pa.array(codes, mask=blank | ~asked_here)
        deposit.column_labels[name] = question.wording or question.id.replace("_", " ").capitalize()
        if design.second_header:
            deposit.header[name] = question.wording
        if design.refused is not None and design.dont_know is not None:
            if design.declared:
                deposit.missing[name] = [design.refused, design.dont_know]
            deposit.value_labels[name] = {design.refused: "Refused", design.dont_know: "Don't know"}
        if question.kind in LABELS and (design.labelled or question.kind == "choice"):
            low = question_type(question).low
            answers = {to_stored(question, low + k): label for k, label in enumerate(LABELS[question.kind])}
            deposit.value_labels[name] = answers | deposit.value_labels.get(name, {})


def stored_codes(asked: Asked, design: Design, question: Question) -> tuple[Codes, np.ndarray]:
    """What the deposit holds for each person, and where it holds a blank."""
    low, high = question_type(question).low, question_type(question).high
    mapping = np.array([to_stored(question, value) for value in range(low, high + 1)])
    codes = mapping[asked.response - low]
    if design.refused is not None and design.dont_know is not None:
        codes = np.where(asked.missing == 1, design.refused, np.where(asked.missing == 2, design.dont_know, codes))
    return codes.astype(np.int64), asked.missing == 3


def to_stored(question: Question, value: int) -> int:
    """The code the deposit stores for an answer."""
    kind = question_type(question)
    if question.kind == "vote":
        return 2 - value  # 1 yes, 2 no
    return kind.low + kind.high - value if question.reverse else value


def _label(design: Design, deposit: Deposit, columns: dict[str, pa.Array]) -> None:
    for name in columns:
        deposit.column_labels.setdefault(name, name.capitalize())
        if design.second_header:
            deposit.header.setdefault(name, deposit.column_labels[name])
    if len(design.condition_columns) == 1 and isinstance(design.arms[0].stored[0], int):
        name = design.condition_columns[0]
        deposit.value_labels[name] = {int(arm.stored[0]): arm.id.replace("_", " ") for arm in design.arms}
    if design.conjoint:
        for pair, profile in conjoint.profiles():
            for attribute, levels in conjoint.ATTRIBUTES.items():
                name = conjoint.column(pair, profile, attribute)
                deposit.value_labels[name] = {code: text for code, (text, _) in enumerate(levels, start=1)}
                deposit.column_labels[name] = f"{attribute.capitalize()} of plan {profile.upper()}, pair {pair}"
