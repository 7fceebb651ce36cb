"""Sample rows as prompts. The people are made up: every field is drawn on its own from what at least ten people gave, and every blank from
the texts that were shown at all, so that no row of the data is on the page."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from ..build.wording import Asked, Cell, sources_of
from ..demographics import FIELDS
from ..extract import items_of
from ..prompts import TEMPLATES
from ..reviewing import content_hash
from ..small_counts import FEW
from ..texts import BLANK, bound, resolve
from .collect import Sheet

TEMPLATE: Final = "upstream"


@dataclass(frozen=True)
class Sample:
    """One prompt of one condition and outcome."""

    condition: str
    outcome: str
    item: str | None
    prompt: str


def samples(sheet: Sheet) -> list[Sample]:
    """A prompt for every condition and outcome (its first item that was asked), the same ones for the same study file."""
    if sheet.cells is None or sheet.rows is None or sheet.tables is None:
        return []
    chance = random.Random(content_hash(sheet.study))
    margins = _margins(sheet)
    found = []
    for place, condition in enumerate(sheet.study.conditions):
        for task, outcome in enumerate(sheet.study.outcomes):
            cell = next((cell for cell in sorted(sheet.cells) if cell[:2] == (place, task) and sheet.rows.of_cell(cell).any()), None)
            if cell is None:
                continue
            asked = sheet.cells[cell]
            person = {field: _draw(chance, margin) for field, margin in margins.items()}
            prompt = TEMPLATES[TEMPLATE].render(person, _stimulus(sheet, cell, asked, chance))
            item = items_of(outcome)[cell[2]].id if outcome.items else None
            found.append(Sample(condition.id, outcome.id, item, prompt))
    return found


def _margins(sheet: Sheet) -> dict[str, Counter[Any]]:
    """How often each value of each field occurs; values of fewer than ten people are left out, as is a field without any other."""
    assert sheet.tables is not None
    people = sheet.tables["participants"].column("demographic").to_pylist()
    found = {}
    for field in FIELDS:
        counts = Counter(person[field] for person in people if person[field] is not None)
        kept = Counter({value: n for value, n in counts.items() if n >= FEW})
        if kept:
            found[field] = kept
    return found


def _draw(chance: random.Random, margin: Counter[Any]) -> Any:
    values = sorted(margin, key=str)
    return chance.choices(values, [margin[value] for value in values])[0]


def _stimulus(sheet: Sheet, cell: Cell, asked: Asked, chance: random.Random) -> str:
    assert sheet.rows is not None
    fills = {name: chance.choice(sorted(texts)) for name, texts in sheet.rows.fill_texts.get(cell, {}).items() if texts}
    profiles = {name: _profile(sheet, cell, name, chance) for name in asked.blanks if name not in fills}
    without = [name for name in asked.blanks if not fills.get(name) and not profiles.get(name)]
    return BLANK.sub(lambda match: fills.get(match[1]) or profiles.get(match[1]) or match[0], asked.template(without))


def _profile(sheet: Sheet, cell: Cell, name: str, chance: random.Random) -> str:
    """A made-up profile of a conjoint: a level of every attribute, each drawn on its own."""
    assert sheet.rows is not None and sheet.deposit is not None
    _, task, number = cell
    outcome, sources = sheet.study.outcomes[task], sources_of(sheet.study, sheet.deposit)
    bind = items_of(outcome)[number].bind
    titles = {one.name: resolve((one.title,), sources, bind, ()).rstrip(":") for one in outcome.attributes if one.profile == name}
    shown = [seen for seen in sheet.rows.shown.get((task, number), ([], None))[0] if seen.profile == name and seen.texts]
    return bound("; ".join(f"{titles[seen.attribute]}: {chance.choice(seen.texts)}" for seen in shown), {})
