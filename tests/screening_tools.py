"""A small experiment, people and a tiny model for tests of screening."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from tests.tiny import tiny_model, tiny_tokenizer

CONTENT: dict[str, Any] = {
    "format": 1,
    "title": "Tea",
    "arms": [
        {"id": "control", "label": "Nothing", "text": "Tea is served at four.", "control": True},
        {"id": "praise", "label": "Praise", "text": "Tea is served at four. Doctors praise it."},
        {"id": "blame", "label": "Blame", "text": "Tea is served at four. Doctors blame it."},
    ],
    "outcomes": [
        {
            "id": "warm", "label": "Liking of tea", "question": "How gladly would you drink tea?",
            "scale": {"min": 1, "max": 7, "labels": {1: "Not at all", 7: "Very much"}, "direction": "up"},
        },
        {
            "id": "drink", "label": "Would drink tea", "question": "Would you drink the tea?",
            "scale": {"min": 1, "max": 2, "labels": {1: "Yes", 2: "No"}, "direction": "down"},
        },
    ],
    "hypotheses": [{"id": "h1", "outcome": "warm", "arm": "praise", "direction": "more"}],
    "marginals": {"gender": {"Male": 49, "Female": 51}, "age": {"18-29": 20, "30-64": 55, "65+": 25}},
}  # fmt: skip


def content() -> dict[str, Any]:
    """A copy of it to change."""
    return copy.deepcopy(CONTENT)


def save_tiny_model(folder: Path, **changes: Any) -> Path:
    """A random model in a folder, without a run record."""
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer, **changes).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
