"""A made dataset with what a push must see: a study that nobody may redistribute, minors, minors who are allowed, people alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from socsci210.build import build
from socsci210.demographics import STATES
from socsci210.registry import Registry

from ..toys import BASE, Toy, many, toy

FIELDS = {
    "age": {"columns": ["years"]},
    "gender": {"columns": ["sex"], "values": {1: "Male", 2: "Female"}},
    "location": {"columns": ["state"], "values": dict(enumerate(STATES))},
    "education": {"columns": ["school"], "values": {1: "Bachelor's degree", 2: "Less than high school"}},
}
ADULTS = {"years": [20, 30, 40, 50, 60, 70], "sex": [1, 2, 1], "state": [4, 5], "school": [1]}
YOUNG = {**ADULTS, "years": [16, 30, 40, 50, 60, 17, 70]}
ALONE = {"years": list(range(18, 90)), "sex": [1, 2, 1, 1, 2], "state": list(range(51)), "school": [1, 2, 2]}
FAMILIES = {"open_two": "open_two_3", "allowed": "allowed_2"}
"""These families stand in the test and in validation, the others in training: no side is empty, so no study is moved to fill one."""
SECRET = "Nobody may read this sentence."


def study(folder: Path, name: str, people: dict[str, list[Any]], n: int = 84, without: Sequence[int] = (), **rights: str) -> Toy:
    """A study of its own family and wording, with two questions of three items each; its deposit lacks the people `without`."""
    items = [{"id": f"item{k}", "bind": {"k": f"number {k}"}} for k in range(3)]
    asked = SECRET if name == "closed" else "Do you"
    outcomes = [
        {**BASE["outcomes"][0], "id": verb, "label": verb, "question": [{"text": f"{asked} {verb} {{k}} of {name}?"}], "items": items}
        for verb in ("like", "trust")
    ]
    changes: dict[str, Any] = {
        "provenance.family": FAMILIES.get(name, name),
        "provenance.rights": {"redistribute": "anyone", "why": "made up", **rights},
        "demographics.fields": FIELDS,
        "outcomes": outcomes,
    }
    rows = [row for place, row in enumerate(many(n, **people)) if place not in without]
    return toy(folder, changes, rows, study_id=name)


def made(folder: Path) -> Path:
    """Study files, deposits and the dataset of five studies; the dataset lies in `folder/dataset`."""
    study(folder, "open_one", ADULTS)
    study(folder, "open_two", ADULTS, 96)
    study(folder, "closed", ADULTS, redistribute="unknown", why="The deposit says nothing.")
    study(folder, "young", YOUNG)
    study(folder, "allowed", YOUNG, minors="Parents agreed, and the ethics board knew.")
    return built(folder, ["open_one", "open_two", "closed", "young", "allowed"])


def built(folder: Path, studies: list[str], name: str = "dataset") -> Path:
    """A dataset of some of the studies of a folder."""
    report = build(
        studies, deposits=folder / "deposits", out=folder / name, registry=Registry([folder / "studies"]), cache=folder / "cache"
    )
    assert report.failed == {}
    return folder / name
