"""The front matter of cards, as far as the Hub itself reads it."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

_FRONT: Final = re.compile(r"\A---\r?\n(.*?)^---\s*$", re.DOTALL | re.MULTILINE)


def front_matter(card: str) -> dict[str, Any] | None:
    """The YAML at the head of a card; None where there is none or it cannot be read."""
    found = _FRONT.match(card)
    if found is None:
        return None
    try:
        value = yaml.safe_load(found[1])
    except yaml.YAMLError:
        return None
    return value if isinstance(value, dict) else None


def complaints(card: str) -> tuple[list[str], list[str]]:
    """(errors, warnings) that the Hub has about a card."""
    if not _FRONT.match(card):
        return [], ["empty or missing yaml metadata in repo card"]
    if front_matter(card) is None:
        return ["Invalid YAML in the front matter: not a mapping that can be read"], []
    return [], []
