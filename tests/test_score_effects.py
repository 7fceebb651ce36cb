"""Treatment effects from dataset to results, by every design, against plain least squares; what arms files take out; what is counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from socsci210.build import build
from socsci210.dataset_folder import DatasetFolder
from socsci210.errors import DatasetError
from socsci210.predict import predict, read_metadata
from socsci210.predict.crossing import PER_LEVEL
from socsci210.predict.shards import ARM_KEY, SHOWN_TO
from socsci210.registry import Registry
from socsci210.results import Effects
from socsci210.score import score
from socsci210.simulated.conjoint import ATTRIBUTES

from .scored_dataset import row, write_dataset, write_predictions

Floats = NDArray[np.float64]
Model = Callable[[dict[str, Any]], Sequence[float]]


def ols(y: Floats, x: Floats, clusters: NDArray[Any]) -> tuple[Floats, Floats]:
    """Coefficients and standard errors of least squares, with G / (G - 1) for G clusters."""
    bread = np.linalg.inv(x.T @ x)
    beta = bread @ x.T @ y
    scores = x * (y - x @ beta)[:, None]
    groups = np.unique(clusters)
    meat = sum(np.outer(s, s) for s in (scores[clusters == g].sum(axis=0) for g in groups))
    return beta, np.sqrt(len(groups) / (len(groups) - 1) * np.diag(bread @ meat @ bread))


def effects_of(dataset: Path, given: Path, arms: Path | None = None) -> Effects:
    found = score([given], dataset, arms=[] if arms is None else [arms], controls=False).runs[0].effects
    assert found is not None
    return found


def two_points(place: float, low: int, high: int) -> list[float]:
    """A distribution on the ends of a scale with this mean position."""
    return [1 - place, *[0.0] * (high - low - 1), place]


def file_of(path: Path, dataset: Path, rows: list[dict[str, Any]], model: Model, *, arms: bool, **metadata: Any) -> Path:
    """What a model says of rows of `predict` (a file of a control engine, with whatever else the model reads)."""
    keep = [*ARM_KEY, *([SHOWN_TO] if SHOWN_TO in rows[0] else [])] if arms else ["study_id", "sample_id"]
    given = [{name: one[name] for name in [*keep, "support"]} | {"probabilities": list(model(one)), "answer_mass": 1.0} for one in rows]
    return write_predictions(path, dataset, given, arms=arms, **metadata)


def arms_of(dataset: Path, path: Path, config: str = "all", split: str = "train", **more: Any) -> list[dict[str, Any]]:
    """The rows of an arms file, with the levels of each profile that they show."""
    table = pq.read_table(predict(engine="uniform", dataset=dataset, config=config, split=split, arms=True, out=path, **more))
    levels = levels_of(dataset)
    rows: list[dict[str, Any]] = table.to_pylist()
    for one in rows:
        one["profiles"] = levels.get((one["study_id"], one.get(SHOWN_TO, -1), one["task_num"], one["item_num"]), {})
    return rows


def levels_of(dataset: Path) -> dict[tuple[Any, ...], dict[str, dict[str, str]]]:
    """(study, participant, task, item) -> profile -> attribute -> level."""
    found: dict[tuple[Any, ...], dict[str, dict[str, str]]] = {}
    for one in DatasetFolder(dataset).table("attributes").to_pylist():
        key = (one["study_id"], one["participant"], one["task_num"], one["item_num"])
        found.setdefault(key, {}).setdefault(one["profile"], {})[one["attribute"]] = one["level"]
    return found


def rows_of(dataset: Path) -> list[dict[str, Any]]:
    """All rows, with the levels of each profile that they show."""
    levels = levels_of(dataset)
    columns = ["study_id", "sample_id", "participant", "response", "condition_num", "task_num", "item_num", "scale_min", "scale_max"]
    rows: list[dict[str, Any]] = DatasetFolder(dataset).rows("all", columns=columns).to_pylist()
    for one in rows:
        one["profiles"] = levels.get((one["study_id"], one["participant"], one["task_num"], one["item_num"]), {})
        one["support"] = list(range(one["scale_min"], one["scale_max"] + 1))
    return rows


ALL = {"config": "all", "split": "train"}

# --- conjoints by hand ---------------------------------------------------------------------------------------------------------------

LEVELS = {"colour": ("blue", "green", "red"), "size": ("big", "small")}
WORTH = {"blue": 0.0, "green": 0.15, "red": -0.1, "big": 0.0, "small": 0.12}


def conjoint_dataset(
    folder: Path, profiles: int, *, people: int = 60, items: int = 3, high: int | None = None, seed: int = 0, level_of: Any = None
) -> Path:
    """Questions with some profiles; with one, a rating on 1-5, else a choice. Nothing but chance decides the answers."""
    rng = np.random.default_rng(seed)
    high = (5 if profiles == 1 else profiles) if high is None else high
    rows, attributes = [], []
    for person in range(people):
        for item in range(items):
            shown = []
            for number in range(profiles):
                for name, levels in LEVELS.items():
                    level = levels[rng.integers(len(levels))] if level_of is None else level_of(person, name, rng)
                    shown.append(level)
                    attributes.append({"study_id": "s", "participant": person, "task_num": 0, "item_num": item,
                                       "profile": f"option_{number + 8}", "attribute": name, "level": level})  # fmt: skip
            rows.append(row("s", 1 + person % 2, int(rng.integers(1, high + 1)), person=person, item=item, low=1, high=high,
                            text=f"{person % 2} {item} {shown}"))  # fmt: skip
    return write_dataset(folder, rows, about={"design": "conjoint", "study_file_sha256": "0"}, attributes=attributes)


def worth(profile: dict[str, str]) -> float:
    return sum(WORTH[level] for level in profile.values())


def additive(one: dict[str, Any]) -> list[float]:
    """Rates by what levels are worth; chooses by how much more a profile is worth than the others on average."""
    profiles = list(one["profiles"].values())
    if len(profiles) == 1:
        return two_points(0.4 + worth(profiles[0]), 1, 5)
    k = len(profiles)
    worths = np.array([worth(profile) for profile in profiles]) / (k - 1)
    return list(1 / k + worths - (worths.sum() - worths) / (k - 1))


@pytest.mark.parametrize("profiles", [1, 2, 3])
def test_amce_of_ratings_and_choices_equals_least_squares(tmp_path: Path, profiles: int) -> None:
    dataset = conjoint_dataset(tmp_path / "dataset", profiles)
    rows = rows_of(dataset)
    found = effects_of(dataset, file_of(tmp_path / "p.parquet", dataset, rows, additive, arms=False, **ALL))
    assert found.methods == {"conjoint": "every profile as it was shown, to the person who saw it"}
    assert found.left_out == {} and len(found.contrasts) == 3
    y, model, person, shown = [], [], [], []
    for one in rows:
        probabilities = additive(one)
        for number, profile in enumerate(one["profiles"].values()):
            y.append((one["response"] - 1) / 4 if profiles == 1 else float(one["response"] == 1 + number))
            model.append(probabilities[-1] if profiles == 1 else probabilities[number])
            person.append(one["participant"])
            shown.append(profile)
    for attribute, base, level in (("colour", "blue", "green"), ("colour", "blue", "red"), ("size", "big", "small")):
        one_of = [one for one in found.contrasts if one.label == f"{attribute}: {level} against {base}"]
        assert len(one_of) == 1 and one_of[0].design == "conjoint" and one_of[0].item_num == -1
        pair = np.array([profile[attribute] in (base, level) for profile in shown])
        x = np.stack([np.ones(pair.sum()), [profile[attribute] == level for profile in np.array(shown)[pair]]], axis=1).astype(float)
        beta, se = ols(np.array(y)[pair], x, np.array(person)[pair])
        assert one_of[0].human == pytest.approx(beta[1], abs=1e-9)
        assert one_of[0].human_se == pytest.approx(se[1], abs=1e-9)
        assert one_of[0].model == pytest.approx(ols(np.array(model)[pair], x, np.array(person)[pair])[0][1], abs=1e-9)


@pytest.mark.parametrize("profiles", [1, 2, 3])
def test_with_arms_every_persona_answers_the_same_questions(tmp_path: Path, profiles: int) -> None:
    dataset = conjoint_dataset(tmp_path / "dataset", profiles)
    arms = arms_of(dataset, tmp_path / "uniform.parquet")
    asked = {person: set() for person in range(60)}
    for one in arms:
        asked[one["participant"]].add((one[SHOWN_TO], one["condition_num"], one["item_num"]))
    questions = asked[0]
    assert all(some == questions for some in asked.values())
    counts = dict.fromkeys(WORTH, 0)
    for one in arms[: len(questions)]:
        for profile in one["profiles"].values():
            for level in profile.values():
                counts[level] += 1
    assert (
        PER_LEVEL * profiles <= min(counts.values()) < (PER_LEVEL + 1) * profiles
    )  # drawn until the rarest level stands in so many profiles
    assert read_metadata(tmp_path / "uniform.parquet")["left_out"] == {"questions of a conjoint beyond those drawn": 180 - len(questions)}

    given = file_of(tmp_path / "p.parquet", dataset, rows_of(dataset), additive, arms=False, **ALL)
    shown = effects_of(dataset, given)
    found = effects_of(dataset, given, file_of(tmp_path / "arms.parquet", dataset, arms, additive, arms=True, **ALL))
    assert found.methods == {"conjoint": "every persona through the same questions, drawn from those shown"}
    assert (found.left_out, found.parse_rate) == ({}, 1)
    for one, as_shown in zip(found.contrasts, shown.contrasts, strict=True):
        assert (one.label, one.human, one.human_se) == (as_shown.label, as_shown.human, as_shown.human_se)
        assert one.model == pytest.approx(as_shown.model, abs=1e-9)  # additive, and persons play no part: the same on both roads


def test_who_was_shown_what_leaks_as_shown_and_not_with_arms(tmp_path: Path) -> None:
    """People from 30 on rate everything higher, and it is they who were shown red."""

    def level_of(person: int, name: str, rng: np.random.Generator) -> str:
        if name == "size":
            return str(rng.choice(LEVELS[name]))
        return str(rng.choice(["red", "red", "green", "blue"] if person >= 30 else ["blue", "green"]))

    def model(one: dict[str, Any]) -> list[float]:
        return two_points(0.3 + worth(next(iter(one["profiles"].values()))) + 0.3 * (one["participant"] >= 30), 1, 5)

    dataset = conjoint_dataset(tmp_path / "dataset", 1, level_of=level_of)
    given = file_of(tmp_path / "p.parquet", dataset, rows_of(dataset), model, arms=False, **ALL)
    arms = file_of(tmp_path / "arms.parquet", dataset, arms_of(dataset, tmp_path / "uniform.parquet"), model, arms=True, **ALL)
    shown, crossed = ({one.label: one for one in effects_of(dataset, given, some).contrasts} for some in (None, arms))
    red = "colour: red against blue"
    assert (shown[red].model or 0) > 0.05  # planted: -0.1
    # Sizes are not balanced over colours by chance, for people and model alike: what is left beside the planted effect is that.
    design = [(one["profiles"]["option_8"], one["participant"]) for one in rows_of(dataset)]
    small = {colour: np.mean([p["size"] == "small" for p, _ in design if p["colour"] == colour]) for colour in ("red", "blue")}
    assert crossed[red].model == pytest.approx(-0.1 + 0.12 * (small["red"] - small["blue"]), abs=1e-9)


def test_questions_that_are_no_choice_of_a_profile_are_counted(tmp_path: Path) -> None:
    dataset = conjoint_dataset(tmp_path / "dataset", 2, high=7, people=20)
    extra = conjoint_dataset(tmp_path / "rated", 1, people=20)
    for folder, n in ((dataset, 60), (extra, 0)):
        rows = rows_of(folder)
        given = file_of(
            tmp_path / "p.parquet", folder, rows, lambda one: np.full(len(one["support"]), 1 / len(one["support"])), arms=False, **ALL
        )
        found = score([given], folder, controls=False).runs[0].effects
        if n:
            assert found is not None and found.contrasts == () and found.refused == "0 contrasts, fewer than 3"
            assert found.left_out == {
                "rows that show several profiles and are no choice of one of them": n,
                "outcomes without a contrast: fewer than two arms, or too few people in them": 1,
            }
        else:
            assert found is not None and found.left_out == {}


def test_arms_that_do_not_say_what_was_shown_are_refused(tmp_path: Path) -> None:
    dataset = conjoint_dataset(tmp_path / "dataset", 2, people=20)
    given = file_of(tmp_path / "p.parquet", dataset, rows_of(dataset), additive, arms=False, **ALL)
    rows = arms_of(dataset, tmp_path / "uniform.parquet")

    def refused(changed: list[dict[str, Any]]) -> str:
        path = file_of(tmp_path / "arms.parquet", dataset, changed, lambda one: [0.5, 0.5], arms=True, **ALL)
        with pytest.raises(DatasetError) as error:
            score([given], dataset, arms=[path], controls=False)
        return str(error.value)

    assert "1 of" in refused([rows[0] | {SHOWN_TO: -1}, *rows[1:]])
    assert "which profiles they are about (`shown_to`)" in refused([rows[0] | {SHOWN_TO: -1}, *rows[1:]])
    other = 1 - rows[0][SHOWN_TO] % 2 + 2 * (rows[0][SHOWN_TO] // 2)  # somebody of the other condition
    assert "are of questions that nobody saw" in refused([rows[0] | {SHOWN_TO: other}, *rows[1:]])
    assert "are given more than once" in refused([*rows, rows[0]])


def test_levels_that_the_questions_of_a_file_do_not_tell_apart_are_counted(tmp_path: Path) -> None:
    dataset = conjoint_dataset(tmp_path / "dataset", 1)
    given = file_of(tmp_path / "p.parquet", dataset, rows_of(dataset), additive, arms=False, **ALL)
    rows = [one for one in arms_of(dataset, tmp_path / "u.parquet") if one["profiles"]["option_8"]["colour"] != "green"]
    found = effects_of(dataset, given, file_of(tmp_path / "arms.parquet", dataset, rows, additive, arms=True, **ALL))
    assert [one.label for one in found.contrasts] == ["colour: red against blue", "size: small against big"]
    assert found.left_out == {"contrasts of levels that the questions of the arms file do not tell apart": 1}


# --- the simulated studies -----------------------------------------------------------------------------------------------------------

PLANS, PHONES = "sim_town_budget", "sim_phone_repair"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory, simulated_deposits: Path) -> Path:
    """The conjoint and the within study."""
    folder = tmp_path_factory.mktemp("simulated")
    build([PLANS, PHONES], deposits=simulated_deposits, out=folder / "dataset", registry=Registry(), jobs=1, cache=folder / "cache")
    return folder / "dataset"


def utility(profile: dict[str, str]) -> float:
    worths = {name: dict(levels) for name, levels in ATTRIBUTES.items()}
    return sum(worths[name][level] for name, level in profile.items())


PERSONS = np.random.default_rng(11).normal(0, 0.15, 1000)  # what a persona adds, whatever it is asked
ARMS = (0.0, 0.1, -0.06, 0.04, 0.02, -0.08)  # what a condition adds


def believer(one: dict[str, Any]) -> list[float]:
    """A model with effects of its own: bent ones in the conjoint, plain ones of arms elsewhere."""
    profiles, low, high = list(one["profiles"].values()), one["support"][0], one["support"][-1]
    person = PERSONS[one["participant"]]
    if len(profiles) == 2:
        first = 1 / (1 + np.exp(-(utility(profiles[0]) - utility(profiles[1]) + person)))
        return [first, 1 - first]
    if profiles:
        return two_points(1 / (1 + np.exp(-(0.6 * utility(profiles[0]) + 2 * person))), low, high)
    return two_points(float(np.clip(0.5 + person + ARMS[one["condition_num"]], 0, 1)), low, high)


@pytest.fixture(scope="module")
def believed(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("believed")
    given = file_of(folder / "p.parquet", simulated, rows_of(simulated), believer, arms=False, **ALL)
    arms = arms_of(simulated, folder / "uniform.parquet", per_cell=120)
    return given, file_of(folder / "arms.parquet", simulated, arms, believer, arms=True, **ALL)


def test_every_design_from_dataset_to_results(simulated: Path, believed: tuple[Path, Path]) -> None:
    rows = rows_of(simulated)
    for arms, method in ((None, "as assigned"), (believed[1], "every persona through every arm")):
        found = effects_of(simulated, believed[0], arms)
        assert (found.method, found.left_out, found.n_studies) == (method, {}, 2)
        assert found.items == {"pooled, as occasions of one person": 4}
        assert set(found.methods) == {"between", "conjoint", "within"}
        kinds = {(one.study_id, one.task_num): one.design for one in found.contrasts}
        assert kinds == {**{(PLANS, t): "conjoint" for t in range(3)}, (PLANS, 3): "between", (PLANS, 4): "between",
                         **{(PHONES, t): "within" for t in range(4)}}  # fmt: skip
        assert len(found.contrasts) == 3 * 6 + 2 * 5 + 4 * 4
        _check_conjoint(found, rows)
        _check_between(found, rows)
        _check_within(found, rows)


def _check_conjoint(found: Effects, rows: list[dict[str, Any]]) -> None:
    """Every AMCE of people: answers on a dummy of the level, among profiles with the level or the one it is compared with."""
    for task in range(3):
        judged = [(one, number, profile) for one in rows if (one["study_id"], one["task_num"]) == (PLANS, task)
                  for number, profile in enumerate(one["profiles"].values())]  # fmt: skip
        low, high = judged[0][0]["scale_min"], judged[0][0]["scale_max"]
        y = np.array([float(one["response"] == low + n) if task == 0 else (one["response"] - low) / (high - low) for one, n, _ in judged])
        person = np.array([one["participant"] for one, _, _ in judged])
        for one in (one for one in found.contrasts if (one.study_id, one.task_num) == (PLANS, task)):
            attribute, levels = one.label.split(": ")
            level, base = levels.split(" against ")
            seen = np.array([profile[attribute] for _, _, profile in judged])
            pair = np.isin(seen, [level, base])
            beta, se = ols(y[pair], np.stack([np.ones(pair.sum()), seen[pair] == level], axis=1).astype(float), person[pair])
            assert one.human == pytest.approx(beta[1], abs=1e-9)
            assert one.human_se == pytest.approx(se[1], abs=1e-9)
            assert base == min(name for name, _ in ATTRIBUTES[attribute])


def _check_between(found: Effects, rows: list[dict[str, Any]]) -> None:
    """Questions of the conjoint that show no profile: the mean of each condition less that of the control."""
    for one in (one for one in found.contrasts if one.design == "between"):
        own = [r for r in rows if (r["study_id"], r["task_num"]) == (PLANS, one.task_num)]
        arms = [np.array([(r["response"] - 1) / 6 for r in own if r["condition_num"] == c]) for c in (one.condition_num, 0)]  # fmt: skip
        assert one.reference == 0
        assert one.human == pytest.approx(arms[0].mean() - arms[1].mean(), abs=1e-9)
        assert one.human_se == pytest.approx(np.sqrt(sum(arm.var(ddof=1) / len(arm) for arm in arms)), abs=1e-9)


def _check_within(found: Effects, rows: list[dict[str, Any]]) -> None:
    """Each person's answer under an arm less the mean of their answers under the others."""
    for one in (one for one in found.contrasts if one.design == "within"):
        answers: dict[int, dict[int, list[float]]] = {}
        for r in rows:
            if (r["study_id"], r["task_num"]) == (PHONES, one.task_num):
                answers.setdefault(r["participant"], {}).setdefault(r["condition_num"], []).append((r["response"] - 1) / 6)
        d = np.array([np.mean(own[one.condition_num]) - np.mean([np.mean(some) for c, some in own.items() if c != one.condition_num])
                      for own in answers.values() if one.condition_num in own and len(own) > 1])  # fmt: skip
        assert (one.reference, one.item_num) == (None, -1)
        assert one.human == pytest.approx(d.mean(), abs=1e-9)
        assert one.human_se == pytest.approx(d.std(ddof=1) / np.sqrt(len(d)), abs=1e-9)


def test_effects_of_the_model_with_arms_are_those_planted(simulated: Path, believed: tuple[Path, Path]) -> None:
    """Exactly for arms. In the conjoint the planted effects bend and meet, and a few questions find what all that were shown would say of
    them, put to every persona, within a fraction of the error of people's effects."""
    found = effects_of(simulated, believed[0], believed[1])
    for one in found.contrasts:
        if one.design == "between":
            assert one.model == pytest.approx(ARMS[one.condition_num], abs=0.002)  # some personas are clipped
        if one.design == "within":
            others = [ARMS[c] for c in range(4) if c != one.condition_num]
            assert one.model == pytest.approx(ARMS[one.condition_num] - np.mean(others), abs=0.002)
    levels = [one for one in found.contrasts if one.design == "conjoint"]
    asked = pq.read_table(believed[1], columns=["study_id", "task_num", "participant"]).to_pylist()
    truth = {}
    for task in range(3):
        personas = {one["participant"] for one in asked if (one["study_id"], one["task_num"]) == (PLANS, task)}
        truth[task] = _everybody_asked_everything(simulated, task, PERSONS[sorted(personas)])
    error = np.array([((one.model or 0) - truth[one.task_num][one.label]) / one.human_se for one in levels])
    assert np.sqrt((error[:6] ** 2).mean()) < 0.7  # choices, which bend most
    assert np.sqrt((error[6:] ** 2).mean()) < 0.2  # ratings
    assert np.corrcoef([truth[one.task_num][one.label] for one in levels], [one.model for one in levels])[0, 1] > 0.99


def _everybody_asked_everything(dataset: Path, task: int, persons: Floats) -> dict[str, float]:
    """Label -> effect of a level if every persona had answered every question that was shown to anybody."""
    shown = [list(one["profiles"].values()) for one in rows_of(dataset) if (one["study_id"], one["task_num"]) == (PLANS, task)]
    worths = np.array([[utility(profile) for profile in one] for one in shown])
    if task == 0:
        first = (1 / (1 + np.exp(-(worths[:, :1] - worths[:, 1:] + persons)))).mean(axis=1)
        value = np.stack([first, 1 - first], axis=1).ravel()
    else:
        value = (1 / (1 + np.exp(-(0.6 * worths + 2 * persons)))).mean(axis=1)
    profiles = [profile for one in shown for profile in one]
    found = {}
    for name, levels in ATTRIBUTES.items():
        seen, base = np.array([profile[name] for profile in profiles]), min(level for level, _ in levels)
        for level, _ in levels:
            found[f"{name}: {level} against {base}"] = float(value[seen == level].mean() - value[seen == base].mean())
    return found


# --- items ---------------------------------------------------------------------------------------------------------------------------

WORTHS = {"bike": 1, "drill": 3, "tent": 2}


def items_dataset(folder: Path, texts: dict[int, list[str]], **about: Any) -> Path:
    """Everybody answers every item of their arm; the answer is the worth of the thing named, a step higher in arm 2."""
    rows = []
    for condition, asked in texts.items():
        for person in range(12):
            for item, text in enumerate(asked):
                value = next(worth for thing, worth in WORTHS.items() if thing in text) + (condition == 2)
                rows.append(row("s", condition, value, person=100 * condition + person, item=item, low=1, high=5, text=text))
    return write_dataset(folder, rows, about={"design": "between"} | about, control=1)


BY_TEXT = {
    1: ["Ann asks to borrow a bike .", "Ann asks to borrow a drill .", "Ann asks to borrow a tent ."],
    2: [
        "Bob, a neighbour, asks to borrow a tent .",
        "Bob, a neighbour, asks to borrow a bike .",
        "Bob, a neighbour, asks to borrow a drill .",
    ],
}


def whole(one: dict[str, Any]) -> list[float]:
    """Knows arms, and nothing of items: 0.5, and 0.1 more in arm 2; personas from 200 on are higher."""
    return two_points(0.4 + 0.1 * (one["condition_num"] == 2) + 0.3 * (one["participant"] >= 200), 1, 5)


def test_items_of_a_release_are_matched_by_their_own_words(tmp_path: Path) -> None:
    dataset = items_dataset(tmp_path / "dataset", BY_TEXT)
    given = file_of(tmp_path / "p.parquet", dataset, rows_of(dataset), whole, arms=False, **ALL)
    rows = arms_of(dataset, tmp_path / "u.parquet")
    assert len(rows) == 24 * 3 * 2
    arms = file_of(tmp_path / "arms.parquet", dataset, rows, whole, arms=True, **ALL)
    for crossed in (None, arms):
        found = effects_of(dataset, given, crossed)
        assert found.items == {"by text": 1}
        assert [(one.item_num, one.condition_num, one.reference) for one in found.contrasts] == [(0, 2, 1), (1, 2, 1), (2, 2, 1)]
        assert [one.human for one in found.contrasts] == pytest.approx([0.25] * 3)  # by number it would be 0.5, -0.25 and 0.5
        assert [one.model for one in found.contrasts] == pytest.approx([0.4 if crossed is None else 0.1] * 3)


@pytest.mark.parametrize(
    "texts",
    [
        {1: BY_TEXT[1], 2: BY_TEXT[2][:2]},  # an arm lacks an item
        {
            1: ["A bike is lent .", "A bike lent is .", "A drill is lent ."],
            2: ["A bike ?", "A drill ?", "A tent ?"],
        },  # the same words twice
    ],
)
def test_items_that_cannot_be_matched_are_pooled_and_counted(tmp_path: Path, texts: dict[int, list[str]]) -> None:
    dataset = items_dataset(tmp_path / "dataset", texts)
    given = file_of(tmp_path / "p.parquet", dataset, rows_of(dataset), whole, arms=False, **ALL)
    rows = arms_of(dataset, tmp_path / "u.parquet")
    assert len(rows) == 24 * sum(len(some) for some in texts.values())  # every persona through every item of every arm
    worth = [np.mean([next(w for thing, w in WORTHS.items() if thing in text) for text in texts[c]]) for c in (1, 2)]
    for crossed in (None, file_of(tmp_path / "arms.parquet", dataset, rows, whole, arms=True, **ALL)):
        found = effects_of(dataset, given, crossed)
        assert found.items == {"pooled": 1}
        assert [(one.item_num, one.condition_num) for one in found.contrasts] == [(-1, 2)]
        assert found.contrasts[0].human == pytest.approx((worth[1] + 1 - worth[0]) / 4)
        assert found.contrasts[0].model == pytest.approx(0.4 if crossed is None else 0.1)


def test_items_of_a_study_file_are_matched_by_number(tmp_path: Path) -> None:
    dataset = items_dataset(tmp_path / "dataset", {1: BY_TEXT[1], 2: BY_TEXT[2][:2]}, study_file_sha256="0")
    given = file_of(tmp_path / "p.parquet", dataset, rows_of(dataset), whole, arms=False, **ALL)
    found = effects_of(dataset, given)
    assert found.items == {"by number": 1}
    assert [(one.item_num, one.human) for one in found.contrasts] == [(0, pytest.approx(0.5)), (1, pytest.approx(-0.25))]


# --- arms that could not be read, and who was assigned -------------------------------------------------------------------------------


def arm_study(folder: Path, *, seed: int = 0, people: int = 40, studies: int = 1, shift: float = 0.0) -> Path:
    """Two arms and a control; answers hang on the person, and nothing else (arm 2: `shift` steps higher)."""
    rng = np.random.default_rng(seed)
    rows = []
    for study in range(studies):
        for person in range(people):
            condition = 1 + int(rng.integers(3))
            response = int(np.clip(np.rint(4 + 1.5 * nature(study, person) + shift * (condition == 2)), 1, 7))
            rows.append(row(f"s{study}", condition, response, person=person, low=1, high=7))
    return write_dataset(folder, rows, about={"design": "between"}, control=1)


def nature(study: int, person: int) -> float:
    return float(np.random.default_rng((study, person)).normal())


def reader(one: dict[str, Any]) -> list[float]:
    """Reads persons well, and sees no arm."""
    return two_points(float(np.clip(0.5 + 0.2 * nature(int(one["study_id"][1:]), one["participant"]), 0, 1)), 1, 7)


def test_arms_without_a_readable_answer_are_counted_and_left_out_of_every_arm(tmp_path: Path) -> None:
    """Persona 0 has no readable answer in arm 2, persona 1 none in two arms: neither counts in any arm."""
    dataset = arm_study(tmp_path / "dataset")
    rows = arms_of(dataset, tmp_path / "u.parquet")
    given = file_of(tmp_path / "p.parquet", dataset, rows_of(dataset), reader, arms=False, **ALL)
    lost = {(0, 2), (1, 1), (1, 3)}
    key = [*ARM_KEY]
    as_points = [{name: one[name] for name in key} | {"prediction": 1 + one["participant"] % 7} for one in rows]
    as_lists = [{name: one[name] for name in [*key, "support"]} | {"probabilities": reader(one), "parsed": True} for one in rows]
    for number, some in enumerate((as_points, as_lists)):
        for one in some:
            if (one["participant"], one["condition_num"]) in lost:
                one |= {"prediction": None} if number == 0 else {"support": None, "probabilities": None, "parsed": False}
        found = effects_of(dataset, given, write_predictions(tmp_path / f"{number}.parquet", dataset, some, arms=True, **ALL))
        assert found.parse_rate == pytest.approx(1 - 3 / 120)
        assert found.left_out == {
            "rows of the arms file without a readable answer": 3,
            "rows of the arms file of personas without a readable answer in every arm of the item": 3,
        }
        assert [one.model for one in found.contrasts] == pytest.approx([0, 0], abs=1e-12)
    silent = [one | {"support": None, "probabilities": None, "parsed": False} for one in as_lists]
    with pytest.raises(DatasetError, match=r"no column|none of 120|neither"):
        effects_of(dataset, given, write_predictions(tmp_path / "none.parquet", dataset, silent, arms=True, **ALL))
    with pytest.raises(DatasetError, match="2 of 120 predictions have no distribution"):  # empty, and does not say that it is not an answer
        nothing = {"support": None, "probabilities": None, "parsed": True}
        empty = [one | (nothing if one["participant"] == 2 and one["condition_num"] < 3 else {}) for one in as_lists]
        effects_of(dataset, given, write_predictions(tmp_path / "empty.parquet", dataset, empty, arms=True, **ALL))


def test_outcomes_that_an_arms_file_lacks_are_counted(tmp_path: Path) -> None:
    dataset = arm_study(tmp_path / "dataset", studies=2)
    given = file_of(tmp_path / "p.parquet", dataset, rows_of(dataset), reader, arms=False, **ALL)
    rows = [one for one in arms_of(dataset, tmp_path / "u.parquet") if one["study_id"] == "s1"]
    found = effects_of(dataset, given, file_of(tmp_path / "a.parquet", dataset, rows, reader, arms=True, **ALL))
    assert {one.study_id for one in found.contrasts} == {"s1"}
    assert found.left_out == {"outcomes without a model answer that can be compared": 1}


def test_as_assigned_persons_look_like_effects_and_with_arms_they_do_not(tmp_path: Path) -> None:
    """Arms change nothing, and the model sees none. As assigned, who is in which arm moves both sides: agreement without effects."""
    dataset = arm_study(tmp_path / "dataset", studies=20, people=30)
    given = file_of(tmp_path / "p.parquet", dataset, rows_of(dataset), reader, arms=False, **ALL)
    arms = file_of(tmp_path / "a.parquet", dataset, arms_of(dataset, tmp_path / "u.parquet"), reader, arms=True, **ALL)
    assigned, crossed = effects_of(dataset, given), effects_of(dataset, given, arms)
    assert assigned.method == "as assigned"
    assert (assigned.r_raw or 0) > 0.9 and (assigned.p or 1) < 0.01
    assert crossed.p == 1 and crossed.r is None
    assert crossed.refused == "the model has no effects: it gives every arm the same answers"
    assert max(abs(one.model or 0) for one in crossed.contrasts) < 1e-12
