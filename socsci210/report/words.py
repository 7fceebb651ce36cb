"""How figures are written, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

WORDS: Final[dict[str, str]] = {
    "unseen_studies": "Unseen studies",
    "unseen_conditions": "Unseen conditions",
    "unseen_outcomes": "Unseen outcomes",
    "unseen_participants": "Unseen participants",
    "all": "All rows",
    "age": "Age",
    "gender": "Gender",
    "education": "Education",
    "employment": "Employment",
    "ethnicity": "Ethnicity",
    "marital_status": "Marital status",
    "housing_ownership": "Home ownership",
    "housing_type": "Housing type",
    "location": "Census region",
    "metro_status": "Metro area",
    "income": "Income",
    "internet_access": "Internet access",
    "household_size": "Household size",
    "party_id": "Party",
    "ideology": "Ideology",
    "phone_service": "Phone service",
}
GROUP_ORDER: Final[dict[str, tuple[str, ...]]] = {
    "education": ("High school or less", "Some college", "Bachelor's degree", "Post graduate"),
    "income": ("Under 30K", "30-49K", "50-99K", "100K and over"),
    "location": ("Northeast", "Midwest", "South", "West"),
}
HELD_OUT: Final[dict[str, str]] = {
    "unseen_studies": "whole studies the model never saw",
    "unseen_conditions": "experimental arms it never saw, in studies it knows",
    "unseen_outcomes": "questions it never saw, in studies it knows",
    "unseen_participants": "people it never saw, in studies it knows",
    "all": "every row of the dataset",
}
SCALE_SOURCES: Final[dict[str, str]] = {
    "stated": "on the scale that the question states",
    "training_range": "on the range seen in training, where a question states no scale",
    "observed": "on the range that people used",
    "none": "without a scale",
}
METHODS: Final[dict[str, str]] = {
    "every persona through every arm": "with every persona put through every arm, so who was assigned where plays no part",
    "as assigned": "as assigned, each person in the arm they were in, so differences between the people of the arms play a part",
}
REFERENCE: Final[dict[str, tuple[str, str]]] = {
    "model": ("model", "The run itself; the bar through it is its 95 % interval."),
    "floor": (
        "noise floor",
        "What the true distribution itself would get, because a cell holds only so many people: nothing can do better.",
    ),
    "chance": ("chance", "Uniform answers over the scale: what knowing nothing gets."),
    "lookup": ("train_lookup", "The best guess from training rows without reading any text: who does not beat it has learnt marginals."),
    "oracle": (
        "pooled_oracle",
        "People of the same study’s other conditions: a yardstick that uses held-out answers and knows nothing of the arm.",
    ),
    "constant": (
        "best constant",
        "The one answer that fits each cell best, chosen with the scored answers: a yardstick, not a competitor.",
    ),
}
MINUS: Final = "−"
TIED: Final = "\u00a0"  # a space that does not end a line
NONE: Final = "–"


def number(value: float | None, digits: int = 3) -> str:
    """0.0981 as 0.098; a real minus sign; a dash for nothing."""
    if value is None:
        return NONE
    text = f"{value:.{digits}f}"
    return f"{0:.{digits}f}" if float(text) == 0 else text.replace("-", MINUS)


def signed(value: float | None, digits: int = 3) -> str:
    """A difference: with its sign."""
    text = number(value, digits)
    return f"+{text}" if value is not None and float(f"{value:.{digits}f}") > 0 else text


def percent(value: float | None) -> str:
    """0.5543 as 55 %, on one line."""
    return NONE if value is None else f"{number(100 * value, 0)}{TIED}%"


def interval(bounds: Sequence[float] | None, digits: int = 3) -> str:
    """(0.0776, 0.1184) as 0.078 to 0.118."""
    return "" if bounds is None else f"{number(bounds[0], digits)} to {number(bounds[1], digits)}"
