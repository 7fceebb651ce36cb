"""Made-up results that fill everything a results file can hold, that hold next to nothing, and as an earlier version wrote them."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from socsci210.results import Results

TOPICS = ("health", "media", "law and policing", "inequality and welfare")
ATTRIBUTES = {
    "age": ("18-29", "30-44", "45-59", "60+"),
    "gender": ("Female", "Male"),
    "education": ("Bachelor's degree", "High school or less", "Post graduate", "Some college"),
    "ethnicity": ("2+ Race", "Black", "Hispanic", "Other", "White"),
    "housing_ownership": ("Owned or being bought by you or someone in your household", "Rented for cash"),
    "income": ("100K and over", "30-49K", "50-99K", "Under 30K"),
    "location": ("Midwest", "Northeast", "South", "West"),
    "party_id": ("Lean Democrat", "Lean Republican", "Strong Democrat", "Strong Republican"),
    "ideology": ("Conservative", "Liberal", "Moderate"),
}
LONG = "lab/a-model-with-a-very-long-name-that-does-not-fit-a-phone-70b-instruct-v2"
SCALES = ((1, 7), (0, 100), (1, 5), (0, 1), (0, 10), (1, 4))


def _estimate(point: float, spread: float = 0.02) -> dict[str, Any]:
    return {"point": point, "interval": [point - spread, point + spread], "values": None, "resampled": "studies"}


def _score(convention: str, quality: float, studies: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    mean = {key: sum(one[key] for one in studies) / len(studies) for key in ("W", "chance", "noise_floor", "train_lookup", "pooled_oracle")}
    gap = (mean["chance"] - mean["W"]) / (mean["chance"] - mean["noise_floor"])
    extra = {"best_constant": 0.171, "total_variation": 0.2 + 0.3 * quality} if more else {}
    return {
        "convention": convention, "decoding": "the whole distribution", "W": _estimate(mean["W"]), "chance": mean["chance"],
        "chance_draws": mean["chance"] + 0.001, "noise_floor": mean["noise_floor"], "noise_floor_kind": "distributions",
        "noise_floor_distributions": mean["noise_floor"], "noise_floor_draws": mean["noise_floor"] * 1.4,
        "train_lookup": mean["train_lookup"], "pooled_oracle": mean["pooled_oracle"],
        "gap_closed": {"value": gap, "interval": [gap - 0.08, gap + 0.08], "refused": None},
        "n_studies": len(studies), "n_cells": 20 * len(studies), "not_scored": {"constant answer": 2}, "per_study": studies,
        "scale_source": {"stated": 700, "training_range": 90, "none": 8}, "rows_left_out": {"off the scale": 123},
    } | extra  # fmt: skip


def _shares(random: Random, n: int, centre: float, width: float) -> list[float]:
    weights = [random.uniform(0.6, 1.4) * 2.7 ** (-(((i / max(n - 1, 1)) - centre) ** 2) / width) + 0.002 for i in range(n)]
    return [weight / sum(weights) for weight in weights]


def _example(random: Random, study: str, index: int, quality: float) -> dict[str, Any]:
    low, high = SCALES[0] if index % 20 else SCALES[1]
    if index % 3 == 1:
        low, high = SCALES[2 + index % 4]
    centre = random.random()
    n = high - low + 1
    labels = [""] * n
    labels[0], labels[-1] = "Strongly disagree", "Strongly agree with every word of it"
    return {
        "rule": ("highest W", "nearest the median W", "lowest W")[index % 3], "study_id": study, "condition_num": index % 4,
        "task_num": index // 4, "condition": f"Arm {index % 4}: the letter was signed by a neighbour",
        "question": f"Question {index}: Do you agree or disagree with the view that the town should pay for its own bridges?",
        "simulated": index % 2 == 0, "support": list(range(low, high + 1)), "labels": labels, "n": random.randint(40, 900),
        "human": _shares(random, n, centre, 0.1), "model": _shares(random, n, centre + quality * random.uniform(-1, 1), 0.06),
        "W": random.uniform(0.02, 0.3), "chance": random.uniform(0.15, 0.4), "noise_floor": random.uniform(0.01, 0.03),
    }  # fmt: skip


def _effects(random: Random, quality: float, studies: list[str], n: int) -> dict[str, Any]:
    contrasts = []
    for i in range(n):
        human, se = random.gauss(0, 0.06), random.uniform(0.01, 0.04)
        contrasts.append(
            {
                "study_id": studies[i % len(studies)], "task_num": i % 9, "item_num": 0, "condition_num": 1 + i % 3,
                "reference": None if i % 5 == 0 else 0, "label": f"arm {1 + i % 3} against {'the others' if i % 5 == 0 else 'arm 0'}",
                "human": human, "human_se": se, "model": human * (1 - 2 * quality) + random.gauss(0, 0.02),
                "reliable": abs(human) > 1.96 * se, "design": "between",
            }
        )  # fmt: skip
    return {
        "method": "every persona through every arm" if quality < 0.3 else "as assigned", "r": 0.62 - quality, "r_raw": 0.4 - quality,
        "interval": [0.41 - quality, 0.78 - quality], "slope": 0.7, "mae": 0.031, "sign_agreement": 0.81 - quality / 2,
        "n_reliable": sum(one["reliable"] for one in contrasts), "regret": 0.012, "n_contrasts": n, "n_studies": len(studies),
        "refused": None, "contrasts": contrasts, "regret_chance": 0.03, "p": 0.0004 if quality < 0.3 else 0.2,
        "methods": {"conjoint": "every profile as it was shown"}, "items": {"by number": 12, "pooled": 1}, "parse_rate": 0.94,
        "left_out": {"outcomes without a contrast": 7},
    }  # fmt: skip


def _more(random: Random, quality: float, studies: list[str], examples: int, contrasts: int) -> dict[str, Any]:
    """The parts of a run that earlier versions did not write."""
    group = [("topic", name) for name in TOPICS] + [("scale_length", name) for name in ("2", "5", "7", "12 to 100", "no stated scale")]
    return {
        "per_cell": 50, "sampling_error": 0.0021,
        "groups": [
            {"kind": kind, "name": name, "n_studies": 10, "n_cells": 200, "W": 0.08 + quality * random.uniform(0.1, 0.3),
             "chance": random.uniform(0.18, 0.3), "noise_floor": random.uniform(0.015, 0.03)}
            for kind, name in group
        ],
        "individual": {"median": _estimate(0.74 - quality / 5, 0.01), "draw": _estimate(0.66 - quality / 5, 0.01),
                       "median_unclipped": 0.73 - quality / 5, "entropy_ratio": 0.9 - quality},
        "calibration": {
            "ece": 0.03 + quality / 4, "brier": 0.61, "log_likelihood": -1.42, "entropy_ratio": 0.9 - quality, "n_rows": 480_123,
            "bins": [{"low": i / 10, "high": (i + 1) / 10, "predicted": (i + 0.5) / 10, "n": 90_000 // (i * i + 1),
                      "observed": (i + 0.5) / 10 * (1 - quality / 2)} for i in range(10)],
        },
        "effects": _effects(random, quality, studies, contrasts),
        "contamination": {"source": "run record", "overlap_rows": 0, "overlap_studies": 0, "share": 0.0, "allowed": False, "note": ""},
        "cells": [
            {"study_id": studies[i % len(studies)], "condition_num": i % 4, "task_num": i // 4, "scale_min": 1.0, "scale_max": 7.0,
             "n": random.randint(40, 900), "W": random.uniform(0.02, 0.3), "chance": 0.21, "noise_floor": 0.02}
            for i in range(4 * examples)
        ],
    }  # fmt: skip


def _people(random: Random, name: str, quality: float) -> dict[str, Any]:
    answer = random.uniform(0.4, 0.6)
    return {
        "name": name, "n_studies": random.randint(3, 40), "n_people": random.randint(90, 20_000), "response": answer,
        "predicted": answer + quality * random.uniform(-0.2, 0.2), "accuracy": 0.75 - quality / 4 + random.uniform(-0.03, 0.03),
    }  # fmt: skip


def _run(config: str, model: str, quality: float, studies: list[str], examples: int, contrasts: int, more: bool) -> dict[str, Any]:
    random = Random(f"{config} {model}")
    per_study = [
        {
            "study_id": study, "n_cells": 20, "n_rows": 12_000 + i, "W": 0.03 + quality * random.uniform(0.1, 0.5),
            "chance": random.uniform(0.15, 0.3), "noise_floor": random.uniform(0.012, 0.03), "train_lookup": random.uniform(0.08, 0.16),
            "pooled_oracle": random.uniform(0.03, 0.06), "answer_mass": random.uniform(0.95, 1.0),
            "accuracy": 0.75 - quality / 4 if more else None,
        }
        for i, study in enumerate(studies)
    ]  # fmt: skip
    found = {
        "config": config, "split": "test", "engine": "transformers", "model": model, "revision": "r1", "template": "stimulus_first",
        "template_hash": "0123456789abcdef", "seed": 0, "training": {"rows_trained": 120_000, "train_on": [config]}, "held_out": True,
        "coverage": {"rows_in_split": 482_642, "rows_predicted": 480_123, "left_out": {"sampled out": 2_519}, "rows_parsed": 480_123,
                     "parse_rate": 1.0, "off_scale": 0},
        "answer_mass": {"mean": 0.98, "lowest_study": studies[0], "lowest": 0.95, "flagged": False},
        "stated": _score("stated", quality, per_study, more), "published": _score("published", quality, per_study, more),
        "weighted": {"W": _estimate(0.12), "chance": 0.2, "n_studies": 12, "n_cells": 90, "n_rows": 40_000, "effective_n": 31_234.5},
        "sensitivity": {"r": 0.41 - quality, "p": 0.0005 if quality < 0.3 else 0.4, "slope": 0.5, "interval": [0.3, 0.5],
                        "n_outcomes": 200, "n_cells": 790, "refused": None},
        "parity": [
            {"attribute": name, "n_studies": 20 + i, "n_groups_left_out": i}
            | {f"{gap}{kind}": random.uniform(-0.01, 0.06) for gap in ("accuracy_gap", "response_gap", "human_gap")
               for kind in ("", "_null", "_net")}
            | {"excess": random.uniform(-0.03, 0.03), "excess_net": random.uniform(-0.03, 0.03)}
            | ({"groups": [_people(random, group, quality) for group in some]} if more else {})
            for i, (name, some) in enumerate(ATTRIBUTES.items())
        ],
        "examples": [_example(random, studies[i % len(studies)], i, quality) for i in range(examples)],
    }  # fmt: skip
    return found | (_more(random, quality, studies, examples, contrasts) if more else {})


def _file(studies: list[str], runs: list[dict[str, Any]], n_simulated: int) -> dict[str, Any]:
    return {
        "format": 1, "version": "0.1.0", "versions": {"numpy": "2.4", "python": "3.11"}, "seed": 0, "bootstrap_draws": 1000,
        "permutations": 2000, "shuffles": 100, "runs": runs,
        "dataset": {
            "fingerprint": "ab" * 32, "n_studies": len(studies), "n_simulated": n_simulated,
            "studies": {study: f"Does {study} change what people think of bridges, taxes and each other?" for study in studies},
            "sources": {study: f"https://osf.io/{study}/" for study in studies},
        },
    }  # fmt: skip


def _read(found: dict[str, Any]) -> Results:
    return Results.model_validate_json(json.dumps(found))


def full(*, studies: int = 40, examples: int = 200, contrasts: int = 300) -> Results:
    """Two configurations, three models and one control; one model is contaminated; some studies are simulated."""
    ids = [f"st{i:03}" for i in range(studies)]
    runs = [
        _run("unseen_studies", "lab/answer-like-people-14b", 0.2, ids, examples, contrasts, True),
        _run("unseen_studies", LONG, 0.55, ids, examples, contrasts, True),
        _run("unseen_studies", "vendor/small", 0.3, ids, examples, contrasts, True),
        _run("unseen_conditions", "vendor/small", 0.25, ids, examples, contrasts, True),
    ]  # fmt: skip
    runs[2]["contamination"] = {
        "source": "released checkpoint", "overlap_rows": 57_615, "overlap_studies": 5, "share": 0.12, "allowed": True,
        "note": "it saw all rows of the seen studies",
    }  # fmt: skip
    return _read(_file(ids, runs, 8))


def sparse() -> Results:
    """One run of a control that scored nothing but W on two studies, with every optional part missing."""
    ids = ["a", "b"]
    run = _run("all", "", 0.3, ids, 0, 0, False)
    run |= dict.fromkeys(
        ("model", "revision", "template", "template_hash", "seed", "training", "held_out", "answer_mass", "published", "weighted")
    )
    run |= {"engine": "uniform", "parity": [], "examples": []}
    run["stated"] |= {"W": {"point": 0.2, "interval": None, "values": [0.1, 0.3]}, "train_lookup": None, "pooled_oracle": None}
    run["stated"]["gap_closed"] = {"value": None, "interval": None, "refused": "under two standard errors"}
    run["stated"]["per_study"] = [
        one | {"train_lookup": None, "pooled_oracle": None, "answer_mass": None} for one in run["stated"]["per_study"]
    ]
    run["sensitivity"] = dict.fromkeys(("r", "p", "slope", "interval")) | {
        "n_outcomes": 0,
        "n_cells": 0,
        "refused": "no outcome has two conditions",
    }
    return _read(_file(ids, [run], 0))


def unscored() -> Results:
    """One run without a cell that could be scored."""
    found = json.loads(sparse().model_dump_json())
    found["runs"][0]["stated"] = None
    return _read(found)


def earlier() -> str:
    """A file of the version before groups, effects and calibration; it calls `per_cell` `limit_cell`."""
    ids = ["a", "b", "c"]
    run = _run("unseen_conditions", "lab/old", 0.2, ids, 6, 0, False) | {"limit_cell": 20}
    for name in ("scale_source", "rows_left_out"):
        del run["stated"][name], run["published"][name]
    return json.dumps(_file(ids, [run], 3))
