"""The profiles of a conjoint, found again in the texts of a dataset's rows and taken out of them.

A dataset holds what each profile showed as attributes and levels, and the same filled into every row's text as `Title: level; Title:
level`. Titles are learnt from the texts; a text that does not hold its profiles in this form is left as it is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from .experiment_checks import PROFILE

Cell = tuple[int, int, int]  # condition, task, item
_SIGNS: Final = re.compile(r"[^a-z0-9]+")


class Shown(NamedTuple):
    """Rows by cell and person, with a blank in the place of every profile, and the attributes as an experiment has them."""

    rows: dict[Cell, dict[int, str]]
    attributes: list[dict[str, Any]]
    tasks: frozenset[int]
    """The outcomes whose texts show profiles."""


def blanked(rows: Mapping[Cell, Mapping[int, str]], attributes: Iterable[Mapping[str, Any]]) -> Shown:
    """Take the profiles out of the texts.

    Args:
        rows: texts by cell and person.
        attributes: rows of the table of attributes of the study.
    """
    parts: dict[tuple[int, int, int], dict[str, list[tuple[int, str, str]]]] = defaultdict(lambda: defaultdict(list))
    levels: dict[str, set[str]] = {}
    names: dict[str, int] = {}  # of profiles, in the order in which the study shows them
    for one in attributes:
        names.setdefault(one["profile"], len(names))
        levels.setdefault(one["attribute"], set()).add(one["level"])
        key = one["participant"], one["task_num"], one["item_num"]
        parts[key][one["profile"]].append((-1 if one["position"] is None else one["position"], one["attribute"], one["level"]))
    titles: dict[str, str] = {}
    found: dict[Cell, dict[int, str]] = {}
    tasks = set()
    for cell, texts in rows.items():
        _, task, item = cell
        of_cell = found.setdefault(cell, {})
        for person, text in texts.items():
            profiles = parts.get((person, task, item), {})
            new = text
            for name in sorted(profiles, key=names.__getitem__):
                shown = [part[1:] for part in sorted(profiles[name], key=lambda part: part[0])]  # a stable order where none is known
                _learn(shown, text, titles)
                words = "; ".join(f"{titles.get(attribute, '')}: {level}" for attribute, level in shown)
                new = new.replace(words, f"{{{PROFILE}{names[name] + 1}}}", 1)
            of_cell[person] = new
            if new != text:
                tasks.add(task)
    described = [
        {"name": attribute, "title": titles[attribute], "levels": _named(sorted(some))}
        for attribute, some in levels.items()
        if attribute in titles
    ]
    return Shown(found, described, frozenset(tasks))


def _learn(shown: list[tuple[str, str]], text: str, titles: dict[str, str]) -> None:
    """The titles of attributes, from the first text that shows them."""
    if all(attribute in titles for attribute, _ in shown):
        return
    match = re.search("; ".join(f"([^:;]+): {re.escape(level)}" for _, level in shown), text)
    if match:
        for (attribute, _), title in zip(shown, match.groups(), strict=True):
            titles.setdefault(attribute, re.split(r'[."] ?', title)[-1].strip())


def _named(levels: list[str]) -> dict[str, str]:
    """Levels by an id that is made of their words."""
    out: dict[str, str] = {}
    for number, level in enumerate(levels, 1):
        name = _SIGNS.sub("_", level.lower()).strip("_")[:40] or f"level_{number}"
        out[name if name not in out else f"{name}_{number}"] = level
    return out
