"""A toy study with a document and a draft's questions, for tests of the review."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from socsci210.checksums import file_sha256

from .toys import Toy, many, toy

SCRIPT = "<script>alert(1)</script>"
IMAGE = '<img src="https://example.org/x" onerror="alert(2)">'
TEXT = ("Note to the programmer " + IMAGE, f"Q1. Trees [SHOW PICTURE] cool{SCRIPT} streets.", "Nobody quotes this.", "Do you like trees?")
QUESTION = f"Is 5 more or less support? {SCRIPT}"


def drafted(questions: tuple[str, ...] = (QUESTION,)) -> dict[str, Any]:
    evidence = [
        {"claim": "outcomes.support.scale.direction", "variable": "q1"},
        {"claim": "conditions.treated.text", "doc": "form", "blocks": [1]},
        {"claim": "conditions.control", "variable": "nowhere"},
    ]
    return {"model": "some-model", "transcript": "a" * 64, "evidence": evidence, "questions": list(questions)}


def study(folder: Path, changes: dict[str, Any] | None = None, *, people: int = 60) -> Toy:
    """A study of two arms: one quotes a document whose text holds markup, programming notes and a script; answers 98 are refusals."""
    deposit = folder / "deposits" / "toy"
    deposit.mkdir(parents=True)
    (deposit / "form.txt").write_text("\n".join(TEXT), encoding="utf-8")
    quote = {
        "doc": "form",
        "blocks": [1],
        "drop": [r"^Q1\. ", r"\[SHOW PICTURE\] ", r"<script>.*</script>"],
        "replace": {"streets": "{name}"},
    }
    changes = {
        "files": {"data": {"file": "data.csv"}, "form": {"file": "form.txt", "sha256": file_sha256(deposit / "form.txt")}},
        "conditions.1.text": [quote],
        "fills": {"name": {"column": "town", "values": {1: {"text": "Oldham"}, 2: {"text": "Leeds"}}}},
        "outcomes.0.missing": {98: "refused"},
        "drafted": drafted(),
    } | (changes or {})
    rows = [row | {"q1": 98 if place < 3 else row["q1"], "id": f"secret{place}"} for place, row in enumerate(many(people, town=[1, 2]))]
    return toy(folder, changes, rows)


def path_of(one: Toy) -> Path:
    return one.folder / "studies" / one.id / "study.yaml"
