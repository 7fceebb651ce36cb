"""The split rules written a second time, for reading and not for speed: loops over rows, sets of Python objects, exact fractions."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from socsci210.splits import Units


class Row(NamedTuple):
    """One row of the assignment table."""

    config: str
    study: str
    unit: int | None
    split: str
    group: str | None
    train_fraction: int | None
    source: str


def where(config: str, name: str, unit: object = "") -> Fraction:
    digest = hashlib.sha256(f"socsci210/1:{config}:{name}:{unit}".encode()).hexdigest()
    return Fraction(int(digest, 16), 2**256)


def half_up(value: Fraction) -> int:
    return int(value + Fraction(1, 2))


def slow_assign(studies: Sequence[Units], official: Mapping[str, str]) -> list[Row]:
    sides = slow_sides(studies, official)
    table = []
    for study in sorted(studies, key=lambda s: s.study_id):
        side, key, source = sides[study.study_id]
        table.append(Row("unseen_studies", study.study_id, None, "none" if study.truncated else side, key, None, source))
        table += slow_inside("unseen_conditions", study, list(study.condition))
        table += slow_inside("unseen_outcomes", study, list(study.task))
        table += slow_people(study, side)
    return table


def slow_keys(studies: Sequence[Units]) -> dict[str, str]:
    """Study -> key: merge families until nothing changes, then take the first family of the merged ones that points nowhere else."""
    family = {s.study_id: s.family for s in studies}
    arrows = {(s.family, family.get(other, other)) for s in studies for other in s.same_as}
    names = {s.family for s in studies} | {end for arrow in arrows for end in arrow}
    merged = {name: {name} for name in names}
    for _ in names:
        for one, other in arrows:
            union = merged[one] | merged[other]
            for name in union:
                merged[name] = union
    pointing = {one for one, other in arrows if one != other}
    return {s.study_id: min((merged[s.family] - pointing) or merged[s.family]) for s in studies}


def slow_sides(studies: Sequence[Units], official: Mapping[str, str]) -> dict[str, tuple[str, str, str]]:
    keys = slow_keys(studies)
    block: dict[str, tuple[str, str | None]] = {}  # study -> (key, official part it moves with)
    for study, key in keys.items():
        parts = {official[s] for s in keys if keys[s] == key and s in official}
        block[study] = (key, official.get(study) or ("seen" if "seen" in parts else "unseen" if "unseen" in parts else None))
    side: dict[tuple[str, str | None], str] = {}
    for key, part in set(block.values()):
        at = where("unseen_studies", key)
        by_rule = "test" if at < Fraction(1, 5) else "validation" if at < Fraction(3, 10) else "train"
        side[key, part] = by_rule if part is None else "test" if part == "unseen" else "validation" if by_rule == "validation" else "train"
    counted = {block[s.study_id] for s in studies if not s.truncated}

    def on(name: str) -> list[tuple[str, str | None]]:
        return [b for b in counted if side[b] == name]

    def can_leave(name: str) -> list[tuple[str, str | None]]:
        return [b for b in on(name) if b[1] != "unseen"] if len(on(name)) >= 2 else []

    def take_nearest(blocks: list[tuple[str, str | None]], name: str, low: Fraction, high: Fraction) -> None:
        def distance(b: tuple[str, str | None]) -> tuple[Fraction, str]:
            at = where("unseen_studies", b[0])
            return (max(low - at, at - high), b[0])

        if blocks:
            side[min(blocks, key=distance)] = name

    if not on("test") and len(counted) >= 2:
        take_nearest([b for b in counted if b[1] is None], "test", Fraction(0), Fraction(1, 5))
    if not on("train"):
        alone = [b for b in counted if b[1] is None] if len(counted) == 1 else []
        take_nearest(on("validation") or can_leave("test") or alone, "train", Fraction(3, 10), Fraction(1))
    if not on("validation"):
        take_nearest(can_leave("train") or can_leave("test"), "validation", Fraction(1, 5), Fraction(3, 10))
    return {s: (side[block[s]], keys[s], "official" if s in official else "rule") for s in keys}


def slow_inside(config: str, study: Units, units: list[int]) -> list[Row]:
    texts: dict[int, set[int]] = defaultdict(set)
    for unit, text in zip(units, study.text, strict=True):
        texts[int(unit)].add(int(text))
    group = {unit: min(other for other in texts if texts[other] == texts[unit]) for unit in texts}
    groups = set(group.values())
    own = {g for g in groups if texts[g] - set().union(*(texts[other] for other in groups - {g}))}
    order = sorted(own, key=lambda g: where(config, study.study_id, g))
    n_test = n_validation = 0
    if len(groups) >= 2 and own:
        n_test = min(max(1, half_up(Fraction(len(groups), 4))), len(own))
        left = len(groups) - n_test
        n_validation = min(max(1, half_up(Fraction(left, 8))) if left >= 3 else 0, len(own) - n_test)
    table = []
    for unit in sorted(texts):
        place = order.index(group[unit]) if group[unit] in own else len(order)
        split = "test" if place < n_test else "validation" if place < n_test + n_validation else "train"
        split = "none" if study.truncated or not n_test else split
        table.append(Row(config, study.study_id, unit, split, str(group[unit]), None, "rule" if group[unit] in own else "text"))
    return table


def slow_people(study: Units, side: str) -> list[Row]:
    people = sorted((int(p) for p in study.participants), key=lambda p: where("unseen_participants", study.study_id, p))
    n_test = half_up(Fraction(len(people), 2))
    left = len(people) - n_test
    n_validation = max(1, half_up(Fraction(left, 10))) if left >= 3 else 0
    n_train = left - n_validation
    table = []
    for place, person in enumerate(people):
        split = "test" if place < n_test else "validation" if place < n_test + n_validation else "train"
        split = "none" if side == "test" or len(people) < 2 else split
        rank = place - n_test - n_validation
        fraction = min(f for f in (1, 5, 10, 25, 50, 100) if Fraction(rank, n_train) < Fraction(f, 100)) if split == "train" else None
        table.append(Row("unseen_participants", study.study_id, person, split, None, fraction, "rule"))
    return sorted(table, key=lambda row: row.unit or 0)


def slow_partition(studies: Sequence[Units], table: Sequence[Row]) -> dict[str, list[list[str]]]:
    split = {(row.config, row.study, row.unit): row.split for row in table}
    sides: dict[str, list[list[str]]] = {}
    for s in studies:
        sides[s.study_id] = [
            [split["unseen_studies", s.study_id, None]] * s.n_rows,
            [split["unseen_conditions", s.study_id, int(c)] for c in s.condition],
            [split["unseen_outcomes", s.study_id, int(t)] for t in s.task],
            [split["unseen_participants", s.study_id, int(p)] for p in s.participant],
        ]
    for line in range(3):
        stands: dict[str, set[int]] = defaultdict(set)
        for s in studies:
            for side, text in zip(sides[s.study_id][line], s.text, strict=True):
                stands[side].add(int(text))
        for s in studies:
            for i, text in enumerate(map(int, s.text)):
                side = sides[s.study_id][line][i]
                if (side in ("test", "validation") and text in stands["train"]) or (side == "validation" and text in stands["test"]):
                    sides[s.study_id][line][i] = "none"
    return sides
