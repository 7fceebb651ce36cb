"""The simulated world: its formula, its deposits, and that reading them back gives exactly what was put in."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from socsci210.dataset_folder import DatasetFolder
from socsci210.registry import Registry
from socsci210.simulated import DESIGNS, World, expected_rows, personas, truth, truth_rows, write_deposits
from socsci210.simulated.layout import LABELS
from socsci210.simulated.world import ELEMENTS, FEE_STEP, PERSONA, SD, TOPICS, TYPES, question_type
from socsci210.study_file import StudyFile
from socsci210.texts import bound

from . import descriptive

STUDIES = sorted(DESIGNS)


@functools.cache
def study_file(study: str) -> StudyFile:
    return Registry().get(study).load()


def files_of(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


# --- study files and designs agree ----------------------------------------------------------------------------------------------------


def test_every_simulated_study_has_a_design_and_the_other_way_round() -> None:
    assert {entry.id for entry in Registry().entries() if entry.simulated} == set(DESIGNS)
    assert len(DESIGNS) >= 16


@pytest.mark.parametrize("study", STUDIES)
def test_ids_scales_and_columns_agree_with_the_study_file(study: str) -> None:
    design, file = DESIGNS[study], study_file(study)
    assert file.simulated and file.provenance.title.startswith("Simulated study")
    assert [arm.id for arm in design.arms] == [condition.id for condition in file.conditions]
    assert [question.id for question in design.questions] == [outcome.id for outcome in file.outcomes]
    for question, outcome in zip(design.questions, file.outcomes, strict=True):
        assert question.items == tuple(item.id for item in outcome.items)
        for number, arm in enumerate(design.arms):
            asked, kind = outcome.asked_as(arm.id), question_type(question)
            assert asked is not None and asked.scale is not None
            assert (asked.scale.min, asked.scale.max) == (kind.low, kind.high)
            for label, value in (((asked.scale.labels.get(kind.low)), 0), ((asked.scale.labels.get(kind.high)), -1)):
                if label is not None and label.text is not None and question.kind in LABELS:
                    assert label.text == LABELS[question.kind][value]
            for place, item in enumerate(outcome.items or (None,)):
                column = asked.column if item is None or item.column is None else item.column
                bind = {} if item is None else item.bind
                assert column is not None and bound(column, bind) == design.column(question, place, number)


MARKS = {
    "scientists": "scientists",
    "neighbor": "neighbor of yours",
    "democrats": "Democrats",
    "republicans": "Republicans",
    "industry": "industry",
    "gain": "gain",
    "loss": r"\blose\b",
    "cost": r"\bcost",
    "free": "free of charge",
    "local": "right here in your town",
    "national": "national .* for the whole country",
    "statistic": "percent",
    "story": "tells the story of",
    "urgency": "time is running out",
    "norm": "[Mm]ost people .*already",
    "critics": "Critics .*serious mistake",
    "mandatory": "mandatory",
    "voluntary": "voluntary",
    "success": "worked well",
    "failure": "failed",
}


@pytest.mark.parametrize("study", [s for s in STUDIES if DESIGNS[s].document is None])
def test_every_element_of_an_arm_is_in_its_words_and_no_other(study: str) -> None:
    for arm, condition in zip(DESIGNS[study].arms, study_file(study).conditions, strict=True):
        words = " ".join(quote.text or "" for quote in condition.text[1:])
        found = {element for element, mark in MARKS.items() if re.search(mark, words, re.IGNORECASE)}
        assert found == set(arm.elements), (study, arm.id, words)


# --- the formula ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("study", ["sim_bus_lanes", "sim_rent_fees", "sim_phone_repair", "sim_flu_clinic"])
def test_truth_is_the_stated_formula(study: str) -> None:
    """Every term of the docstring's formula, one person at a time, against the vectorised world."""
    world, design = World(seed=3, people=60), DESIGNS[study]
    sample, sizes = world.sample(study), world.element_sizes()
    residual, answers = world.rng(study, "residuals"), world.rng(study, "answers")
    u = residual.normal(0, SD["study"])
    d = answers.normal(0, SD["person"], len(sample.kept))
    rows = {
        (r["participant"], r["condition_num"], r["task_num"], r["item_num"]): r["probabilities"]
        for r in truth_rows(world, study).to_pylist()
    }
    politics, rest = TOPICS[design.topic]
    checked = 0
    for task, question in enumerate(design.questions):
        t = TYPES[question.kind]
        r, w = residual.normal(0, SD["item"]), residual.normal(0, SD["cell"], len(design.arms))
        for i in range(0, 60, 7):
            for arm in range(len(design.arms)):
                if (i, arm, task, 0) not in rows:
                    continue
                person = {name: int(column[i]) for name, column in sample.people.items()}
                party = (person["PARTYID7"] - 4) / 3
                ideology = 0 if person["IDEO"] == 10 else (person["IDEO"] - 4) / 3
                persona = politics * (PERSONA["party"] * party + PERSONA["ideology"] * ideology)
                persona += rest * PERSONA["age"] * (person["AGE"] - 48) / 30 + rest * PERSONA["education"] * (person["EDUC"] - 3.8) / 2
                persona += rest * PERSONA["female"] * (person["GENDER"] - 1.5) + rest * PERSONA["income"] * (person["INCOME"] - 8) / 5
                persona += rest * PERSONA["metro"] * (1.5 - person["METRO"])
                condition = sum(sizes[e].beta + sizes[e].gamma * party for e in design.arms[arm].elements)
                if sample.fill is not None:
                    condition += FEE_STEP * (int(sample.fill[i]) - 2)
                eta = t.mu + u + r + t.elements * condition + w[arm] + t.persona * persona + d[i]
                size = t.high - t.low + 1
                below = [0.0, *(1 / (1 + math.exp(-(t.width * (2 * k / size - 1) - eta))) for k in range(1, size)), 1.0]
                assert rows[i, arm, task, 0] == pytest.approx(np.diff(below).tolist(), abs=1e-12)
                checked += 1
    assert checked > 20


def test_probabilities_sum_to_one_and_heaped_scales_peak_at_tens() -> None:
    cells = truth(World(seed=0, people=120)).to_pylist()
    assert {len(c["support"]) for c in cells} == {2, 5, 7, 11, 101}
    for cell in cells:
        assert sum(cell["probabilities"]) == pytest.approx(1, abs=1e-12) and min(cell["probabilities"]) >= 0
        if len(cell["support"]) == 101:
            assert sum(cell["probabilities"][::10]) > 0.8


def test_answers_are_drawn_from_the_truth() -> None:
    """Over all cells, the chi-square p values of counts against truth are near uniform."""
    world = World(seed=0, people=3000)
    studies = ["sim_bus_lanes", "sim_late_school", "sim_town_budget"]
    rows = expected_rows(world, studies)
    counts = rows.group_by(["study_id", "condition_num", "task_num", "item_num", "response"]).aggregate([([], "count_all")]).to_pylist()
    seen: dict[tuple[object, ...], dict[int, int]] = {}
    for c in counts:
        seen.setdefault((c["study_id"], c["condition_num"], c["task_num"], c["item_num"]), {})[c["response"]] = c["count_all"]
    values = []
    for cell in truth(world, studies).to_pylist():
        observed = [seen[cell["study_id"], cell["condition_num"], cell["task_num"], cell["item_num"]].get(v, 0) for v in cell["support"]]
        assert sum(observed) == cell["n"]
        values.append(stats.chisquare(observed, np.array(cell["probabilities"]) * cell["n"]).pvalue)
    # People differ, so counts vary a little less than a multinomial: p values lean upwards, never down.
    assert np.mean(values) > 0.4 and np.mean(np.array(values) < 0.01) < 0.04


# --- what the world must be like -------------------------------------------------------------------------------------------------------


def test_persona_effects_keep_their_sign_in_every_study() -> None:
    assert all(politics > 0 and rest > 0 for politics, rest in TOPICS.values())
    world = World(seed=0, people=4000)
    for study in STUDIES:
        sample = world.sample(study)
        x = personas.covariates(sample.people)
        for asked in sample.asked:
            kind = question_type(sample.design.questions[asked.task])
            cues = [number for number, arm in enumerate(sample.design.arms) if any(ELEMENTS[e].gamma for e in arm.elements)]
            plain = ~np.isin(asked.arm, cues)
            if kind.persona == 0 or not plain.any():
                continue
            slope = np.linalg.lstsq(np.column_stack([np.ones(plain.sum()), x[plain]]), asked.eta[plain], rcond=None)[0][1:]
            expected = np.sign(list(PERSONA.values())) * np.sign(kind.persona)
            clear = [k for k, name in enumerate(PERSONA) if name in ("party", "ideology", "age", "education")]
            assert (np.sign(slope) == expected)[clear].all(), (study, asked.task, slope)


def test_elements_recur_and_keep_their_sign() -> None:
    used = [e for design in DESIGNS.values() for arm in design.arms for e in arm.elements]
    in_studies = {e: sum(any(e in arm.elements for arm in design.arms) for design in DESIGNS.values()) for e in ELEMENTS}
    assert set(used) == set(ELEMENTS) and min(in_studies.values()) >= 4, in_studies
    for seed in range(3):
        sizes = World(seed).element_sizes()
        assert all(np.sign(sizes[e].beta) == np.sign(ELEMENTS[e].beta) for e in ELEMENTS)


def w1(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(np.cumsum(first / first.sum() - second / second.sum()))[:-1].sum() / (len(first) - 1))


def pooled_share(seed: int) -> float:
    """(chance - pooled oracle) / (chance - noise floor) over all cells, means over cells then studies."""
    world, rng = World(seed), np.random.default_rng(seed)
    chance, floor, pooled = [], [], []
    for study in STUDIES:
        cells: dict[tuple[int, int], dict[int, tuple[np.ndarray, np.ndarray]]] = {}
        rows = expected_rows(world, [study])
        key = np.column_stack([rows[c].to_numpy() for c in ("condition_num", "task_num", "item_num", "response")])
        for cell in truth(world, [study]).to_pylist():
            here = (key[:, :3] == (cell["condition_num"], cell["task_num"], cell["item_num"])).all(axis=1)
            counts = np.bincount(key[here, 3] - cell["support"][0], minlength=len(cell["support"]))
            cells.setdefault((cell["task_num"], cell["item_num"]), {})[cell["condition_num"]] = counts, np.array(cell["probabilities"])
        scores = []
        for arms in cells.values():
            for arm, (counts, true) in arms.items():
                others = np.sum([c for a, (c, _) in arms.items() if a != arm], axis=0)
                noise = np.mean([w1(rng.multinomial(counts.sum(), true / true.sum()), true) for _ in range(10)])
                scores.append((w1(np.ones(len(counts)), counts), noise, w1(others, counts)))
        for values, column in zip((chance, floor, pooled), np.mean(scores, axis=0), strict=True):
            values.append(column)
    return float((np.mean(chance) - np.mean(pooled)) / (np.mean(chance) - np.mean(floor)))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_other_arms_tell_half_to_four_fifths(seed: int) -> None:
    assert 0.5 <= pooled_share(seed) <= 0.8


# --- deposits ------------------------------------------------------------------------------------------------------------------------


def test_deposits_are_the_same_bytes_at_another_time(simulated_deposits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time.sleep(1.1)  # format stamps count seconds
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    write_deposits(World(seed=0), tmp_path)
    monkeypatch.undo()
    time.tzset()
    first = {name: digest for name, digest in files_of(simulated_deposits).items() if name != "done"}
    assert files_of(tmp_path) == first and len(first) > 2 * len(DESIGNS)


def test_another_seed_gives_other_data(simulated_deposits: Path, tmp_path: Path) -> None:
    write_deposits(World(seed=1), tmp_path, ["sim_nurse_line"])
    assert (tmp_path / "sim_nurse_line/data.csv.gz").read_bytes() != (simulated_deposits / "sim_nurse_line/data.csv.gz").read_bytes()


def test_manifest_names_every_file_with_its_hash(simulated_deposits: Path) -> None:
    for study in STUDIES:
        folder = simulated_deposits / study
        listed = json.loads((folder / "MANIFEST.json").read_text())["files"]
        assert set(listed) == {p.name for p in folder.iterdir()} - {"MANIFEST.json"} == {f.file for f in study_file(study).files.values()}
        for name, entry in listed.items():
            content = (folder / name).read_bytes()
            assert entry == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_all_formats_and_quirks_occur() -> None:
    designs = DESIGNS.values()
    assert {d.format for d in designs} == {
        "sav", "zsav", "sav.gz", "por", "dta", "xpt", "csv", "csv.gz", "zip", "tsv", "xlsx", "parquet",
    }  # fmt: skip
    assert {d.encoding for d in designs} == {"utf-8", "cp1252", "utf-16"}
    assert {d.assigned for d in designs} == {"column", "asked", "within"} and any(len(d.condition_columns) == 2 for d in designs)
    assert {d.document for d in designs} == {"docx", "txt", None} and {d.declared for d in designs} == {True, False}
    assert all(
        any(flags)
        for flags in zip(*((d.weight, d.fill, d.finished, d.second_header, d.labelled, d.conjoint) for d in designs), strict=True)
    )
    questions = [q for d in designs for q in d.questions]
    assert any(q.reverse for q in questions) and any(q.split for q in questions) and any(q.kind == "vote" for q in questions)


def test_missing_answers_are_one_to_four_per_cent() -> None:
    world = World(seed=0, people=3000)
    for study in STUDIES:
        missing = np.concatenate([a.missing for a in world.sample(study).asked]) > 0
        assert 0.008 <= missing.mean() <= 0.045, study


def test_truth_is_written_beside_the_deposits(simulated_deposits: Path) -> None:
    assert pq.read_table(simulated_deposits / "truth.parquet").equals(truth(World(seed=0)))


# --- read back -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("study", STUDIES)
def test_a_build_gives_exactly_the_rows_of_the_world(study: str, simulated_dataset: Path) -> None:
    columns = ["participant", "condition_num", "task_num", "item_num", "response"]
    order = [(name, "ascending") for name in ("participant", "task_num", "item_num", "condition_num")]
    built = DatasetFolder(simulated_dataset).rows(studies=[study], columns=columns).sort_by(order)
    assert built.equals(expected_rows(World(seed=0), [study]).select(columns))


@pytest.mark.parametrize("study", STUDIES)
def test_personas_are_those_of_the_world(study: str, simulated_dataset: Path) -> None:
    people = DatasetFolder(simulated_dataset).table("participants").filter(pa.compute.field("study_id") == study).sort_by("participant")
    sample = World(seed=0).sample(study)
    age = [person["age"] for person in people["demographic"].to_pylist()]
    assert age == sample.people["AGE"][sample.kept].tolist()
    parties = [person["party_id"] for person in people["demographic"].to_pylist()]
    order = ["Strong Democrat", "Moderate Democrat", "Lean Democrat", "Don't Lean/Independent/None", "Lean Republican",
             "Moderate Republican", "Strong Republican"]  # fmt: skip
    assert [order.index(p) + 1 for p in parties] == sample.people["PARTYID7"][sample.kept].tolist()


@pytest.mark.parametrize("study", STUDIES)
def test_statistics_are_those_committed(study: str, simulated_dataset: Path) -> None:
    fresh = descriptive.render(descriptive.describe(DatasetFolder(simulated_dataset), study))
    assert fresh == (descriptive.FOLDER / f"{study}.json").read_text(encoding="utf-8"), "if meant: python -m tests.descriptive"
