"""The form for an experiment: what is filled in, as the text of an experiment file, which can then be changed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import yaml

from ..screening.example import example_text
from .asking import FormError, read_conditions, read_question, read_scale

EXPECTED: Final = (("More of it than after the first", "more"), ("Less of it than after the first", "less"), ("I do not know", ""))
DIRECTIONS: Final = (("A higher answer means more of it", "up"), ("A higher answer means less of it", "down"))


def experiment_text(
    title: str, texts: Sequence[tuple[str, str]], label: str, question: str, scale: str, *, direction: str, expected: str
) -> str:
    """The experiment file of a filled-in form. The first text is the control; people are those of the example.

    Args:
        title: of the experiment.
        texts: names and texts of the arms.
        label: what the answers measure.
        question, scale: as for `read_question` and `read_scale`.
        direction: whether a higher answer means more (`up`) or less (`down`) of what the label names.
        expected: of every later text against the first: `more`, `less`, or nothing.

    Raises:
        FormError: something is missing or does not read.
    """
    arms = read_conditions(texts)
    if len(arms) < 2:
        raise FormError("one text alone", where="Texts to compare", expected="two or more", fix="add a text to compare with the first")
    for name, value in (("Title", title), ("What the answers measure", label)):
        if not value.strip():
            raise FormError("nothing is written here", where=name, fix="write a few words")
    read = read_scale(scale)
    answers: dict[str, Any] = {"min": read.min, "max": read.max, "step": read.step, "direction": direction, "labels": dict(read.labels)}
    ids = [f"text_{at}" for at in range(1, len(arms) + 1)]
    content = {
        "format": 1,
        "title": " ".join(title.split()),
        "arms": [
            {"id": key, "label": arm.name, **({"control": True} if key == ids[0] else {}), "text": arm.text}
            for key, arm in zip(ids, arms, strict=True)
        ],
        "outcomes": [{"id": "answer", "label": " ".join(label.split()), "question": read_question(question), "scale": answers}],
        "hypotheses": [{"id": f"{key}_{expected}", "outcome": "answer", "arm": key, "direction": expected} for key in ids[1:] if expected],
        "marginals": yaml.safe_load(example_text())["marginals"],
    }
    who = "# Shares of the population, in percent. These are the example's: put in those of the people whom you want to ask.\n"
    head, people, shares = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110).partition("marginals:\n")
    return head + who + people + shares
