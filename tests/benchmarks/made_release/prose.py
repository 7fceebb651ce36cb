"""Treatments in the project's own prose: the sentences of its simulated studies, filled up with sentences of a small grammar.

`reasoning` is drawn from a pool of phrases of the same vocabulary: long and varied enough to compress like written text.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
import pyarrow as pa
import yaml

THINGS: Final = {
    "sim_app_privacy": "the bill on phone apps",
    "sim_ballot_mail": "the plan to vote by mail",
    "sim_bike_share": "the shared bikes",
    "sim_bottle_refund": "the refund for bottles",
    "sim_bus_lanes": "the bus lane",
    "sim_flu_clinic": "the flu clinic",
    "sim_food_label": "the new food label",
    "sim_heat_pumps": "the heat pump program",
    "sim_jury_pay": "the higher pay for juries",
    "sim_nurse_line": "the nurse line",
    "sim_park_trees": "the new park trees",
    "sim_phone_repair": "the right to repair phones",
    "sim_rent_fees": "the limit on rent fees",
    "sim_robot_taxis": "the robot taxis",
    "sim_school_lunch": "the free school lunch",
    "sim_store_returns": "the rule on store returns",
    "sim_street_speed": "the lower speed limit",
    "sim_sunday_library": "the library on Sundays",
    "sim_town_budget": "the town budget",
    "sim_water_meters": "the water meters",
}
PLACES: Final = (
    "Alder Creek", "Brookmere", "Cedar Falls Road", "Dunmore", "Eastfield", "Fernley", "Glen Harbor", "Hollis", "Ivy Ridge", "Juniper Bay",
    "Kestrel Point", "Larkspur", "Millbrook", "Northgate", "Oak Hollow", "Pinehurst", "Quarry Hill", "Redwater", "Stonebridge", "Thornton",
)  # fmt: skip
NAMES: Final = (
    "Teresa", "Priya", "Marcus", "Elena", "Samuel", "Ines", "Walter", "Noor", "Hannah", "Diego", "Ruth", "Kwame", "Lena", "Victor", "Mei",
    "Oscar", "Fatima", "George", "Alma", "Peter",
)  # fmt: skip
JOBS: Final = (
    "baker",
    "nurse",
    "bus driver",
    "teacher",
    "plumber",
    "clerk",
    "gardener",
    "cook",
    "painter",
    "librarian",
    "mechanic",
    "farmer",
)
GROUPS: Final = ("older residents", "young families", "shop owners", "renters", "students", "night workers", "parents", "church members")
TIMES: Final = ("last spring", "in early June", "two winters ago", "on a cold Monday", "during the fair", "at the end of the year")
DEEDS: Final = (
    "signed a letter", "came to the meeting", "asked for more time", "put up a small sign", "paid a first share", "wrote to the paper",
    "counted the costs twice", "stayed at home", "changed their minds", "kept a careful list",
)  # fmt: skip
ADVERBS: Final = (
    "quietly",
    "at once",
    "with some doubt",
    "in good spirits",
    "after a long talk",
    "without much noise",
    "for the third time",
)
GRAMMAR: Final = (
    "{name}, a {job} from {place}, {deed} {time}.",
    "In {place}, {number} {group} {deed} {adverb}.",
    "{name} and {other} both {deed}, one of them {adverb}.",
    "About {percent} percent of {group} in {place} {deed} {time}.",
    "None of the {group} near {place} {deed} {adverb}.",
    "The council of {place} met {time}, and {name} {deed}.",
    "Since then, {number} people have {time_word} moved to {place}, most of them {group}.",
    "A report of {number} pages says that {group} {deed} {time}.",
    "{name} says that the {job} next door {deed} {adverb}.",
    "It took {number} weeks before the {group} of {place} {deed}.",
)


@dataclass(frozen=True)
class Topic:
    """What a study is about: the first sentence of every treatment, and the sentences that tell its conditions apart."""

    thing: str
    intro: str
    sentences: tuple[str, ...]


@lru_cache(maxsize=1)
def topics() -> tuple[Topic, ...]:
    """The topics of the simulated studies, with the sentences of their study files."""
    found = []
    for study, thing in THINGS.items():
        text = (files("socsci210.loaders") / "simulated" / study / "study.yaml").read_text(encoding="utf-8")
        sentences = [s for s in _texts(yaml.safe_load(text)["conditions"]) if "{" not in s]
        found.append(Topic(thing, sentences[0], tuple(dict.fromkeys(sentences[1:]))))
    return tuple(found)


def _texts(conditions: list[dict[str, Any]]) -> list[str]:
    return [part["text"] for condition in conditions for part in condition.get("text", ()) if isinstance(part, dict) and "text" in part]


def sentence(rng: np.random.Generator) -> str:
    """One sentence of the grammar."""

    def one(among: tuple[str, ...]) -> str:
        return among[int(rng.integers(len(among)))]

    return one(GRAMMAR).format(
        name=one(NAMES),
        other=one(NAMES),
        job=one(JOBS),
        place=one(PLACES),
        group=one(GROUPS),
        time=one(TIMES),
        deed=one(DEEDS),
        adverb=one(ADVERBS),
        number=int(rng.integers(12, 900)),
        percent=int(rng.integers(3, 97)),
        time_word=one(("slowly", "also", "often")),
    )


def treatment(rng: np.random.Generator, topic: Topic, length: int, intro: str) -> str:
    """A treatment of about `length` characters; `intro` opens it."""
    parts = [intro, topic.sentences[int(rng.integers(len(topic.sentences)))], sentence(rng)]
    while sum(map(len, parts)) + len(parts) < length:
        parts.append(sentence(rng) if rng.random() < 0.8 else topic.sentences[int(rng.integers(len(topic.sentences)))])
    return " ".join(parts)


@lru_cache(maxsize=1)
def phrases(number: int = 20_000) -> pa.Array:
    """The pool of phrases that rationales are put together from."""
    rng = np.random.default_rng(7)
    words = sorted({word.strip(".,") for topic in topics() for s in topic.sentences for word in s.split()})
    words += [*NAMES, *PLACES, *JOBS, *GROUPS, *TIMES, *DEEDS, *ADVERBS]
    lengths = rng.integers(6, 13, number)
    chosen = rng.integers(0, len(words), int(lengths.sum()))
    ends = np.cumsum(lengths)
    return pa.array([" ".join(words[i] for i in chosen[end - n : end]) for n, end in zip(lengths, ends, strict=True)])
