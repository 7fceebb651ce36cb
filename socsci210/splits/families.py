"""Which studies belong together, and on which side of the official list they stand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from .units import Units


@cache
def _official() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files("socsci210") / "data" / "official_studies.json").read_text(encoding="utf-8"))
    return found


def official_studies() -> dict[str, str]:
    """Study id -> seen | unseen, for the 210 studies of the release (170 seen, 40 unseen)."""
    return {study: side for side in ("seen", "unseen") for study in _official()[side]}


def family_keys(studies: Sequence[Units]) -> dict[str, str]:
    """Study id -> key of the family it moves with.

    A study belongs with its `family`, with every study it declares itself the `same_as` (known here or not), and with known sisters of the
    release. `same_as` points from the newer study to the older one, and the key is the family pointed AT: so a new study joins an old
    family without moving it. Two things can move an old family: a study that declares two of them to be one, and the arrival, under
    another family name than its id, of a study that was pointed at before it was here.
    """
    family_of = {study.study_id: study.family for study in studies}
    links: dict[str, set[str]] = {}
    for study in studies:
        links.setdefault(study.family, set()).update(family_of.get(other, other) for other in study.same_as)
    for seen, unseen in _official()["sisters"]:
        if seen in family_of and unseen in family_of:
            links[family_of[unseen]].add(family_of[seen])
    keys = _component_keys(links)
    return {study: keys[family] for study, family in family_of.items()}


def _component_keys(links: Mapping[str, set[str]]) -> dict[str, str]:
    """Node -> the node that names its component: the first that points nowhere else; the first of all where each points somewhere."""
    around: dict[str, set[str]] = {}
    for node, targets in links.items():
        around.setdefault(node, set()).update(targets)
        for target in targets:
            around.setdefault(target, set()).add(node)
    keys: dict[str, str] = {}
    for start in sorted(around):
        if start in keys:
            continue
        component, todo = {start}, [start]
        while todo:
            fresh = around[todo.pop()] - component
            component |= fresh
            todo += fresh
        ends = {node for node in component if not links.get(node, set()) - {node}}
        keys.update(dict.fromkeys(component, min(ends or component)))
    return keys
