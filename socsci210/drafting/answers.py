"""What the faults of a draft look like to the model: without paths of this machine, without values of cells, without counts of people."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from .material import Material
from .outward import variable_view
from .trial import Fault

HIDDEN: Final = "(not shown)"
_STRING: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_PATH: Final = re.compile(r"(?<![\w.])/(?:[\w.~+@ -]+/)*[\w.~+@-]+")
_WHO: Final = "people|persons?|participants?|rows?|answers?|answered|responses?|different|others?|have|has|of (?=[0-9]|them|all|the|it)"
_PEOPLE: Final = re.compile(rf"(?<![\w.])\d[\d,]*(?= (?:{_WHO})\b)")
_BARE: Final = re.compile(r"(?<!code )(?<!value )(?<!= )(?<![\w.'\-])[1-9](?![\w.']|,\d)")
_COUNTING: Final = frozenset({"arms", "arm_counts", "asked_equally", "stated", "stated_numbers", "identifiers"})
"""Gates whose messages hold counts of people in other forms of words too."""
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?![\w])")


class Answers:
    """Makes answers of faults for one deposit."""

    def __init__(self, material: Material) -> None:
        views = [variable_view(t, v, "") for t in material.tables for v in t.variables]
        self._shown = json.dumps(views, ensure_ascii=False) + " ".join(t for d in material.documents.values() for t in d.values())
        self._blocks = json.dumps([list(blocks) for blocks in material.documents.values()])
        self._numbers = set(_NUMBER.findall(json.dumps([view.get("codes", []) for view in views])))

    def fault(self, fault: Fault, draft: Mapping[str, Any]) -> dict[str, str]:
        """A fault as the model is told it. What it wrote itself, and what it has been shown, stays; the rest may be somebody's answer."""
        written = json.dumps(draft, ensure_ascii=False, default=str)
        if fault.found.startswith("there is no block"):  # whose message names the blocks there are
            written += self._blocks
        told = {key: self._cleared(value, written) for key, value in vars(fault).items() if value and key != "gate"}
        if fault.gate in _COUNTING:
            told = {key: value if key == "where" else _BARE.sub("few", value) for key, value in told.items()}
        return {"gate": fault.gate, **told}

    def _cleared(self, text: str, written: str) -> str:
        text = _STRING.sub(lambda match: match[0] if self._public(match[0][1:-1], written) else HIDDEN, text)
        text = _PATH.sub(lambda match: match[0].rsplit("/", 1)[-1], text)
        text = _PEOPLE.sub("some", text)
        numbers = set(_NUMBER.findall(written)) | self._numbers
        return _NUMBER.sub(lambda match: match[0] if match[0] in numbers or text[match.end() : match.end() + 1] == "]" else HIDDEN, text)

    def _public(self, text: str, written: str) -> bool:
        plain = json.dumps(text, ensure_ascii=False)[1:-1]
        return len(text) < 2 or plain in written or plain in self._shown or text in self._shown
