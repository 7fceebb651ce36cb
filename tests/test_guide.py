"""The guide to study files (loaders/README.md) says what the code does."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from socsci210.build.gates import GATES
from socsci210.sql_rules import SHOWN_FUNCTIONS, TYPES

GUIDE = (Path(__file__).resolve().parent.parent / "loaders" / "README.md").read_text(encoding="utf-8")


def words_after(heading: str) -> set[str]:
    paragraph = GUIDE.split(f"<!-- {heading} -->\n", 1)[1].split("\n\n", 1)[0]
    return set(re.findall(r"[\w ]+", paragraph.replace("\n", " "))) - {" "}


def test_allowed_functions_and_types_are_those_of_the_code() -> None:
    assert {word.strip() for word in words_after("allowed functions")} == set(SHOWN_FUNCTIONS.split(", "))
    assert {word.strip() for word in words_after("allowed types")} == set(TYPES)


def test_every_gate_stands_in_the_table() -> None:
    for gate in GATES:
        assert f"| `{gate.__name__}` | {(inspect.getdoc(gate) or '').splitlines()[0]} |" in GUIDE
