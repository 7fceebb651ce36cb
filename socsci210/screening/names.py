"""What an experiment calls the outcomes of a study: the same words when a study becomes an experiment and when one is compared with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

LONGEST: Final = 60  # of an identifier


def outcome_names(outcomes: Iterable[Mapping[str, Any]]) -> dict[tuple[int, int], str]:
    """The name of every (task, item): `outcome`, or `outcome__item` where the outcome has several items. Every name is there once.

    Args:
        outcomes: rows of the table of outcomes of one study, in any order.
    """
    ids = {(one["task_num"], one["item_num"]): (one["outcome_id"], one["item_id"]) for one in outcomes}
    several = {task for task, item in ids if item > 0}
    found: dict[tuple[int, int], str] = {}
    for key in sorted(ids):
        outcome, item = ids[key]
        name = f"{outcome}__{item or key[1]}" if key[0] in several else str(outcome)
        if len(name) > LONGEST:  # cut names could be the same
            number = f"__{key[0]}_{key[1]}"
            name = name[: LONGEST - len(number)] + number
        found[key] = name
    return found
