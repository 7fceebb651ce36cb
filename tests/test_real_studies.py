"""The seven studies of the six real deposits: arms, answers, wording and demographics against the deposits themselves.

No sentence of a deposit stands here: wording is checked by its structure, by single words, and by the hash of stimuli read by eye.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from filelock import FileLock

from socsci210.build import build
from socsci210.dataset_folder import DatasetFolder
from socsci210.demographics import VOCABULARY
from socsci210.readers import read_document
from socsci210.registry import Registry

ASSIGNED = {
    "schuldt301": {
        "affirmed_gw_forward": 260,
        "affirmed_cc_reverse": 245,
        "control_gw_reverse": 238,
        "control_cc_forward": 252,
        "affirmed_gw_reverse": 274,
        "affirmed_cc_forward": 266,
        "control_gw_forward": 256,
        "control_cc_reverse": 250,
    },
    "singer251": {"baby_last": 386, "baby_earlier": 389, "fetus_last": 397, "fetus_earlier": 398},
    "holbrook120": {"direct": 2027, "coin_flip": 2035, "list_without": 1017, "list_with": 1015},
    "ryanS14": {"ohio_democratic": 1013, "ohio_republican": 1043},
    "kallaBR42": {"city_council": 716, "congress": 709, "governor": 719},
    "tannenbaum2017_1": {"control": 500, "food_stamps": 500, "tax_breaks": 500, "safe_sex": 500, "intelligent_design": 500},
    "tannenbaum2017_2": {"control": 150, "bush": 155, "obama": 149},
}
STUDIES = tuple(ASSIGNED)
DATA = {
    "schuldt301": "schuldt301/data.sav",
    "singer251": "singer251/singer.sav",
    "holbrook120": "holbrook120/data.sav",
    "ryanS14": "ryanS14/rawdata_tess.csv",
    "kallaBR42": "kallaBR42/teele.sav",
    "tannenbaum2017_1": "tannenbaum2017/study1_raw_data.csv",
    "tannenbaum2017_2": "tannenbaum2017/study2_raw_data.csv",
}


@pytest.fixture(scope="module")
def dataset(session_dir: Path, deposits_dir: Path) -> DatasetFolder:
    folder = session_dir / "real_dataset"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            build(STUDIES, deposits=deposits_dir, out=folder, registry=Registry(), jobs=1, cache=session_dir / "real_cache")
    return DatasetFolder(folder)


@cache
def raw(path: Path) -> pd.DataFrame:
    """The deposit's codes, read without any code of the package: blanks are NaN, missing codes stay."""
    if path.suffix == ".sav":
        return pyreadstat.read_sav(str(path), user_missing=True, apply_value_formats=False)[0]
    skip = [1] if "tannenbaum" in path.parent.name else None  # their second row is question text
    return pd.read_csv(path, skiprows=skip, low_memory=False)


@pytest.fixture
def codes(deposits_dir: Path) -> Any:
    return lambda study: raw(deposits_dir / DATA[study])


def rows(dataset: DatasetFolder, study: str) -> pd.DataFrame:
    """The rows of a study with the ids of condition, outcome and item beside their numbers, in the order of sample_id."""
    frame = dataset.rows(studies=[study]).to_pandas().sort_values("sample_id", ignore_index=True)
    frame["stimuli"] = frame["stimuli"].astype(str)
    conditions = conditions_of(dataset, study)[["condition_num", "condition_id"]]
    outcomes = dataset.table("outcomes").to_pandas().pipe(pick, study_id=study)
    names = outcomes[["task_num", "item_num", "outcome_id", "item_id"]].drop_duplicates()
    return frame.merge(conditions, on="condition_num").merge(names, on=["task_num", "item_num"]).sort_values("sample_id", ignore_index=True)


def pick(frame: pd.DataFrame, **equal: Any) -> pd.DataFrame:
    """The rows whose columns have these values."""
    for column, value in equal.items():
        frame = frame[frame[column] == value]
    return frame


def conditions_of(dataset: DatasetFolder, study: str) -> pd.DataFrame:
    return dataset.table("conditions").to_pandas().pipe(pick, study_id=study)


def counts(frame: pd.DataFrame) -> dict[int, int]:
    return {int(answer): int(n) for answer, n in frame["response"].value_counts().items()}


def tally(column: pd.Series, keep: Any = None, recode: dict[int, int] | None = None) -> dict[int, int]:
    """Codes of a raw column that are answers (positive and under 77), counted."""
    if keep is not None:
        column = column[keep]
    column = column[(column > 0) & (column < 77)].astype(int)
    return {int(answer): int(n) for answer, n in (column.map(recode) if recode else column).value_counts().items()}


# --- arms ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("study", ASSIGNED)
def test_every_arm_holds_the_people_its_source_assigned(dataset: DatasetFolder, study: str) -> None:
    table = conditions_of(dataset, study)
    assert dict(zip(table["condition_id"], table["n_participants"], strict=True)) == ASSIGNED[study]


def test_holbrook_refusals_stay_in_the_arm_that_was_refused(dataset: DatasetFolder) -> None:
    table = conditions_of(dataset, "holbrook120")
    assert table["n_missing"].tolist() == [9, 23, 0, 3]
    assert [[m["reason"] for m in missing] for missing in table["missing"]] == [["refused"], ["refused"], [], ["refused"]]
    assert table["n_responses"].tolist() == [2018, 2012, 1017, 1012]


@pytest.mark.parametrize(
    ("study", "columns"),
    [
        ("schuldt301", ["Q3A", "Q3B", "Q4A", "Q4B", "Q5", "Q6A", "Q6B", *(f"Q7{v}_{k}" for v in "AB" for k in range(1, 8))]),
        ("singer251", [f"Q{q}_{v}" for q in range(1, 5) for v in (1, 2)]),
        ("kallaBR42", ["Q1", "Q3", "Q5", *(f"Q{q}_Candidate{c}" for q in (2, 4, 6) for c in "AB")]),
    ],
)
def test_refusals_are_counted_by_arm(dataset: DatasetFolder, codes: Any, study: str, columns: list[str]) -> None:
    arm = {"schuldt301": "XTESS117", "singer251": "XTESS104", "kallaBR42": "DOV_COND"}[study]
    data = codes(study)
    expected = (data[columns] == -1).sum(axis=1).groupby(data[arm]).sum().astype(int).tolist()
    table = conditions_of(dataset, study)
    assert table["n_missing"].tolist() == expected
    assert {m["reason"] for missing in table["missing"] for m in missing} == {"refused"}


# --- answers -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "columns", "recode"),
    [
        ("existence", {"gw": "Q3A", "cc": "Q3B"}, None),
        ("regulation", {"gw": "Q4A", "cc": "Q4B"}, None),
        ("strength", {"gw": "Q5", "cc": "Q5"}, None),
        ("consensus", {"gw": "Q6A", "cc": "Q6B"}, {2: 1, 3: 2, 1: 3}),
        ("relevance", {"gw": "Q7A_{k}", "cc": "Q7B_{k}"}, None),
    ],
)
def test_schuldt_answers(dataset: DatasetFolder, codes: Any, outcome: str, columns: dict[str, str], recode: dict[int, int] | None) -> None:
    frame, data = rows(dataset, "schuldt301").pipe(pick, outcome_id=outcome), codes("schuldt301")
    for code, condition in enumerate(ASSIGNED["schuldt301"], start=1):
        column = columns["gw" if "_gw_" in condition else "cc"]
        for number, item in frame.pipe(pick, condition_id=condition).groupby("item_num"):
            raw_column = data[column.format(k=number + 1)]
            assert counts(item) == tally(raw_column, data["XTESS117"] == code, recode), (condition, number)
    assert frame["item_num"].nunique() == (7 if outcome == "relevance" else 1)


@pytest.mark.parametrize(("number", "outcome"), [(1, "heard"), (2, "good_or_harm"), (3, "want_test"), (4, "want_abortion")])
def test_singer_answers(dataset: DatasetFolder, codes: Any, number: int, outcome: str) -> None:
    frame, data = rows(dataset, "singer251").pipe(pick, outcome_id=outcome), codes("singer251")
    for code, condition in enumerate(ASSIGNED["singer251"], start=1):
        column = data[f"Q{number}_{1 if code < 3 else 2}"]
        assert counts(frame.pipe(pick, condition_id=condition)) == tally(column, data["XTESS104"] == code)


def test_holbrook_answers_and_the_shift_of_the_counts(dataset: DatasetFolder, codes: Any) -> None:
    frame, data = rows(dataset, "holbrook120"), codes("holbrook120")
    for number, condition in enumerate(ASSIGNED["holbrook120"], start=1):
        found = frame.pipe(pick, condition_id=condition)
        shift = {code: code - 1 for code in range(1, 6)} if number > 2 else None
        assert counts(found) == tally(data[f"TESSQ{number}"], recode=shift)
        assert set(zip(found["scale_min"], found["scale_max"], strict=True)) == {{1: (1, 2), 2: (1, 2), 3: (0, 3), 4: (0, 4)}[number]}


@pytest.mark.parametrize(("outcome", "column"), [("ohio_rumour", "Q2"), ("wisconsin_rumour", "Q3"), ("oil_price", "Q4")])
def test_ryan_answers(dataset: DatasetFolder, codes: Any, outcome: str, column: str) -> None:
    frame, data = rows(dataset, "ryanS14").pipe(pick, outcome_id=outcome), codes("ryanS14")
    for code, condition in enumerate(ASSIGNED["ryanS14"]):
        assert counts(frame.pipe(pick, condition_id=condition)) == tally(data[column], data["Q2_INSERT"] == code)


def test_ryan_partisans_believe_more_of_the_other_side(dataset: DatasetFolder) -> None:
    """The check of which party the Wisconsin rumour named: read as the codebook says, the difference would have the other sign."""
    frame = rows(dataset, "ryanS14")
    party = pd.Series([person["party_id"] or "" for person in frame["demographic"]])
    frame["belief"], frame["party"] = (
        6 - frame["response"],
        np.where(party.str.contains("Democrat"), "D", np.where(party.str.contains("Rep"), "R", "")),
    )
    for outcome in ("ohio_rumour", "wisconsin_rumour"):
        asked = frame.pipe(pick, outcome_id=outcome)
        of_republicans = asked["stimuli"].str.contains(" Republican ")
        assert (of_republicans ^ asked["stimuli"].str.contains(" Democratic ")).all()
        mean = asked.groupby([of_republicans, "party"])["belief"].mean()
        assert mean[True, "D"] - mean[False, "D"] > 0.2, outcome
        assert mean[False, "R"] - mean[True, "R"] > 0.2, outcome
    oil = frame[frame["party"] != ""].pipe(pick, outcome_id="oil_price").groupby(["condition_id", "party"])["belief"].mean()
    assert np.ptp(oil.to_numpy()) < 0.15


def test_as_many_answers_as_the_release_has_of_the_same_studies(dataset: DatasetFolder) -> None:
    studies = dataset.table("studies").to_pandas().set_index("study_id")
    assert studies.loc["singer251", "n_rows"] == 6211 and list(studies.loc["singer251", "same_as"]) == ["a2nbf"]
    assert studies.loc["ryanS14", "n_rows"] == 6107 and list(studies.loc["ryanS14", "same_as"]) == ["ejms3"]


def test_kalla_answers(dataset: DatasetFolder, codes: Any) -> None:
    frame, data = rows(dataset, "kallaBR42"), codes("kallaBR42")
    asked = {"pair_1": "Q1", "pair_2": "Q3", "pair_3": "Q5"} | {
        f"pair_{pair}_{c.lower()}": f"Q{2 * pair}_Candidate{c}" for pair in (1, 2, 3) for c in "AB"
    }
    assert set(frame["item_id"]) == set(asked)
    for (item, condition), found in frame.groupby(["item_id", "condition_id"]):
        code = list(ASSIGNED["kallaBR42"]).index(condition) + 1
        assert counts(found) == tally(data[asked[item]], data["DOV_COND"] == code), (item, condition)


def test_tannenbaum_2_answers_include_everybody_but_the_blanks(dataset: DatasetFolder, codes: Any) -> None:
    frame, data = rows(dataset, "tannenbaum2017_2"), codes("tannenbaum2017_2")
    outcomes = ["support", "oppose", "ethical", "manipulative", "unethical", "coercive"]
    for number, outcome in enumerate(outcomes, start=1):
        for condition, code in {"control": "control", "bush": "Bush", "obama": "Obama"}.items():
            found = frame.pipe(pick, outcome_id=outcome, condition_id=condition)
            assert counts(found) == tally(data[f"dv_{number}"], data["cond"] == code)
    table = conditions_of(dataset, "tannenbaum2017_2").set_index("condition_id")
    assert table["n_missing"].to_dict() == {"control": 0, "bush": 2, "obama": 0}


def test_tannenbaum_1_is_complete(dataset: DatasetFolder, codes: Any) -> None:
    """Every answer of every person with an example, at the right condition, approach and question."""
    frame, data = rows(dataset, "tannenbaum2017_1"), codes("tannenbaum2017_1")
    policies = {"defaults": "default", "planning": "implementation", "commitment": "commitment", "losses": "loss_aversion"}
    policies["popularity"] = "social_norms"
    outcomes = ["support", "oppose", "ethical", "manipulative", "unethical", "coercive"]
    kept = data[data["default"].notna()].reset_index(drop=True)
    expected = [
        (person, policy, outcome, row[column].replace(" ", "_"), int(row[f"p{n}_{m}"]))
        for person, row in kept.iterrows()
        for n, (policy, column) in enumerate(policies.items(), start=1)
        for m, outcome in enumerate(outcomes, start=1)
        if pd.notna(row[f"p{n}_{m}"])
    ]
    found = zip(frame["participant"], frame["item_id"], frame["outcome_id"], frame["condition_id"], frame["response"], strict=True)
    assert sorted(found) == sorted(expected)
    assert len(expected) == 15_000 - int(kept[[f"p{n}_{m}" for n in range(1, 6) for m in range(1, 7)]].isna().sum().sum())
    study = dataset.table("studies").to_pandas().set_index("study_id").loc["tannenbaum2017_1"]
    assert study["n_participants"] == 500
    assert [(d["reason"], d["n"]) for d in study["dropped"]] == [("no_example_assigned", 3)]


def test_tannenbaum_1_arms_are_per_approach(dataset: DatasetFolder, codes: Any) -> None:
    frame, data = rows(dataset, "tannenbaum2017_1"), codes("tannenbaum2017_1")
    found = frame.pipe(pick, outcome_id="ethical").groupby(["item_id", "condition_id"])["participant"].nunique()
    for item, column in {"defaults": "default", "losses": "loss_aversion", "popularity": "social_norms"}.items():
        answered = data[f"p{ {'defaults': 1, 'losses': 4, 'popularity': 5}[item] }_3"].notna()
        assert found[item].to_dict() == {
            example.replace(" ", "_"): int(n) for example, n in data.loc[answered, column].value_counts().items()
        }


@pytest.mark.parametrize("study", ["schuldt301", "singer251", "kallaBR42", "holbrook120", "ryanS14"])
def test_weights_are_those_of_the_deposit(dataset: DatasetFolder, codes: Any, study: str) -> None:
    column = {"holbrook120": "WEIGHT", "ryanS14": "WEIGHT"}.get(study, "weight")
    people = dataset.table("participants").to_pandas().pipe(pick, study_id=study).sort_values("participant")
    np.testing.assert_allclose(people["weight"].to_numpy(), codes(study)[column].to_numpy())


# --- demographics --------------------------------------------------------------------------------------------------------------------

KNOWLEDGEPANEL = {
    "age", "gender", "education", "employment", "ethnicity", "marital_status", "housing_ownership", "housing_type", "location",
    "metro_status", "income", "internet_access", "household_size", "party_id", "ideology",
}  # fmt: skip


@pytest.mark.parametrize(
    ("study", "complete", "partly", "never"),
    [
        ("schuldt301", KNOWLEDGEPANEL - {"ideology"}, {"ideology": 0.99}, {"phone_service"}),
        ("singer251", KNOWLEDGEPANEL - {"ideology"}, {"ideology": 0.99}, {"phone_service"}),
        ("kallaBR42", KNOWLEDGEPANEL - {"ideology"}, {"ideology": 0.99}, {"phone_service"}),
        (
            "holbrook120",
            KNOWLEDGEPANEL - {"housing_type", "income", "internet_access", "party_id", "ideology"},
            {"housing_type": 0.98, "income": 0.96},
            {"internet_access", "party_id", "ideology", "phone_service"},
        ),
        ("ryanS14", set(VOCABULARY) - {"party_id", "ideology"}, {"party_id": 0.99, "ideology": 0.98}, set()),
        ("tannenbaum2017_1", set(), {"age": 0.99}, set(VOCABULARY) - {"age"}),
        ("tannenbaum2017_2", set(), {"age": 0.99}, set(VOCABULARY) - {"age"}),
    ],
)
def test_demographics_cover_what_the_deposit_has(
    dataset: DatasetFolder, study: str, complete: set[str], partly: dict[str, float], never: set[str]
) -> None:
    people = pd.DataFrame(dataset.table("participants").to_pandas().pipe(pick, study_id=study)["demographic"].tolist())
    share = people.notna().mean()
    assert {field for field in VOCABULARY if share[field] == 1} == complete
    assert {field for field in VOCABULARY if share[field] == 0} == never
    assert all(least < share[field] < 1 for field, least in partly.items()), share[list(partly)].to_dict()
    for field, words in VOCABULARY.items():
        assert words is None or set(people[field].dropna()) <= set(words)


@pytest.mark.parametrize(
    ("study", "age", "gender"), [("schuldt301", "PPAGE", "PPGENDER"), ("holbrook120", "PPAGE", "PPGENDER"), ("ryanS14", "AGE", "GENDER")]
)
def test_demographics_belong_to_the_right_people(dataset: DatasetFolder, codes: Any, study: str, age: str, gender: str) -> None:
    people = dataset.table("participants").to_pandas().pipe(pick, study_id=study).sort_values("participant")
    found = pd.DataFrame(people["demographic"].tolist())
    assert found["age"].tolist() == codes(study)[age].astype(int).tolist()
    assert found["gender"].tolist() == codes(study)[gender].map({1: "Male", 2: "Female"}).tolist()


def test_party_runs_the_right_way_in_both_panels(dataset: DatasetFolder, codes: Any) -> None:
    for study, column, strong_democrat in (("schuldt301", "PARTY7", 7), ("singer251", "XPARTY7", 7), ("ryanS14", "PartyID7", 1)):
        people = dataset.table("participants").to_pandas().pipe(pick, study_id=study).sort_values("participant")
        strong = [person["party_id"] == "Strong Democrat" for person in people["demographic"]]
        assert strong == (codes(study)[column] == strong_democrat).tolist()


def test_impossible_ages_are_no_age(dataset: DatasetFolder) -> None:
    people = dataset.table("participants").to_pandas()
    for study in ("tannenbaum2017_1", "tannenbaum2017_2"):
        ages = [person["age"] for person in people.pipe(pick, study_id=study)["demographic"]]
        assert pd.isna(ages).sum() == 1 and np.nanmin(np.array(ages, float)) == 18 and np.nanmax(np.array(ages, float)) in (69, 74)


# --- wording -------------------------------------------------------------------------------------------------------------------------

LEFT_OVER = re.compile(
    r"[\[\]{}<>\t\n|_]|  | / |\bQ\d|PPGENDER|XTESS|insert|\bIF\b|TESSQ|\bnan\b|[\u00c2\u00e2\u0080-\u009f]|\.\.\.\.|\s[,.;?!]"
)


@pytest.mark.parametrize("study", STUDIES)
def test_nothing_of_the_programming_is_left_in_a_stimulus(dataset: DatasetFolder, study: str) -> None:
    stimuli = dataset.rows(studies=[study], columns=["stimuli"]).column("stimuli").to_pandas().astype(str).unique()
    for stimulus in stimuli:
        assert re.match(r'You (read|were told|were asked:) ?"', stimulus), stimulus[:60]
        assert re.search(r'asked: "[^"]+ Only return [^"]+, nothing else\."$', stimulus), stimulus[-80:]
        text = re.sub(r' Only return [^"]*"$', "", stimulus).replace('asked: "', "asked ")
        assert not LEFT_OVER.search(text), (LEFT_OVER.search(text), study)
        assert 80 < len(stimulus) < 2_500


def per_arm(dataset: DatasetFolder, study: str) -> Iterator[tuple[str, pd.DataFrame]]:
    yield from rows(dataset, study).groupby("condition_id")


def test_schuldt_wording_is_the_arm(dataset: DatasetFolder) -> None:
    for condition, frame in per_arm(dataset, "schuldt301"):
        own, other = ("global warming", "climate change") if "_gw_" in condition else ("climate change", "global warming")
        own_words, other_words = (frame["stimuli"].str.contains(words) for words in (own, other))
        assert own_words.all() and not other_words.any()
        task = frame["stimuli"].str.startswith("You were told")
        without = set(frame.loc[~task, "participant"])
        assert len(without) == {"control_cc_forward": 3, "control_gw_forward": 2}.get(condition, 0)  # two more answered nothing at all
        assert not without & set(frame.loc[task, "participant"])
        ranked = "#1 ranked" if condition.startswith("affirmed") else "#7 ranked"
        assert frame.loc[task, "stimuli"].str.contains(ranked).all()
        assert not frame.loc[~task, "stimuli"].str.contains("ranked").any()
        forward = condition.endswith("forward")
        for outcome, words, met in (
            ("consensus", "federal government", forward),
            ("regulation", "scientists", not forward),
            ("strength", "scientists", not forward),
        ):
            assert frame.pipe(pick, outcome_id=outcome)["stimuli"].str.contains(words).eq(met).all(), (condition, outcome)
        assert frame.pipe(pick, outcome_id="strength")["stimuli"].str.contains("federal government").all()


def test_schuldt_task_names_the_value_of_the_person(dataset: DatasetFolder, codes: Any, deposits_dir: Path) -> None:
    labels = pyreadstat.read_sav(str(deposits_dir / DATA["schuldt301"]), metadataonly=True)[1].variable_value_labels["Q2_Insert"]
    value = codes("schuldt301")["Q2_Insert"].map(labels)
    first = rows(dataset, "schuldt301").drop_duplicates("participant")
    for person, stimulus in zip(first["participant"], first["stimuli"], strict=True):
        named = [label for label in labels.values() if f"({label})" in stimulus]
        assert named == ([] if pd.isna(value[person]) else [value[person]])


def test_singer_wording_follows_version_sex_and_order(dataset: DatasetFolder, codes: Any) -> None:
    data = codes("singer251")
    order = data["Order_Q2_1"].fillna(data["Order_Q2_2"])
    for condition, frame in per_arm(dataset, "singer251"):
        for outcome in ("want_test", "want_abortion"):
            asked = frame.pipe(pick, outcome_id=outcome)
            assert asked["stimuli"].str.contains("fetus").eq(condition.startswith("fetus")).all()
            assert asked["stimuli"].str.contains("the baby").eq(condition.startswith("baby")).all()
            men = asked["participant"].map(data["PPGENDER"]) == 1
            assert asked["stimuli"].str.contains("your partner").eq(men).all()
            assert asked["stimuli"].str.contains("want (?:her|your partner) to").eq(men).all()
            assert asked["stimuli"].str.contains("want to have").eq(~men).all()
        asked = frame.pipe(pick, outcome_id="good_or_harm")
        question = asked["stimuli"].str.partition(" Only return")[0]
        harm_first = question.str.find("more harm than good") < question.str.find("more good than harm")
        assert harm_first.eq(asked["participant"].map(order) == 2).all()
        assert 0.4 < harm_first.mean() < 0.6


def test_singer_arms_with_one_wording_have_the_same_stimuli(dataset: DatasetFolder) -> None:
    stimuli = {condition: set(frame["stimuli"]) for condition, frame in per_arm(dataset, "singer251")}
    assert stimuli["baby_last"] == stimuli["baby_earlier"] and stimuli["fetus_last"] == stimuli["fetus_earlier"]
    assert len(stimuli["baby_last"] & stimuli["fetus_last"]) == 3  # the first two questions are alike; the second has two orders
    assert len(stimuli["baby_last"]) == 7


def test_holbrook_wording(dataset: DatasetFolder) -> None:
    text = {condition: set(frame["stimuli"]) for condition, frame in per_arm(dataset, "holbrook120")}
    assert all(len(stimuli) == 1 for stimuli in text.values())
    direct, coin, without, listed = (text[condition].copy().pop() for condition in ASSIGNED["holbrook120"])
    assert "coin" in coin and not any("coin" in other for other in (direct, without, listed))
    assert "November 5, 2002" in direct and "November 5, 2002" in listed and "November 5, 2002" not in without
    assert "three things" in without and "four things" in listed
    assert "Only return 0 for None, 1 for One, 2 for Two or 3 for All three, nothing else." in without
    assert "from 0 to 4, where 0 means None and 4 means All four" in listed


def test_ryan_party_of_both_rumours(dataset: DatasetFolder) -> None:
    for condition, frame in per_arm(dataset, "ryanS14"):
        ohio, wisconsin = ("Democratic", "Republican") if condition == "ohio_democratic" else ("Republican", "Democratic")
        text = frame.groupby("outcome_id")["stimuli"].unique().map(list)
        assert [text[outcome].__len__() for outcome in ("ohio_rumour", "wisconsin_rumour", "oil_price")] == [1, 1, 1]
        assert f"Did {ohio} legislators" in text["ohio_rumour"][0] and wisconsin not in text["ohio_rumour"][0]
        assert f"a {wisconsin} prosecutor" in text["wisconsin_rumour"][0] and f"with {wisconsin} Party" in text["wisconsin_rumour"][0]
        assert not re.search("Democrat|Republican", text["oil_price"][0])


def test_kalla_attributes_are_what_each_profile_showed(dataset: DatasetFolder, codes: Any, deposits_dir: Path) -> None:
    meta = pyreadstat.read_sav(str(deposits_dir / DATA["kallaBR42"]), metadataonly=True)[1]
    data = codes("kallaBR42")
    table = dataset.table("attributes").to_pandas().pipe(pick, study_id="kallaBR42")
    choice = table.pipe(pick, task_num=0)
    assert len(choice) == 2144 * 3 * 2 * 6
    assert len(table) == 2144 * 3 * 2 * 6 * 3  # the ratings of both candidates were asked beside the same two profiles
    names = ["occupation", "gender", "years_in_politics", "age", "children", "spouse"]
    for (item, profile, name), found in choice.groupby(["item_num", "profile", "attribute"]):
        number = names.index(name) + 1
        column = f"Pair{item + 1}_Candidate{profile[-1].upper()}_A{number}"
        found = found.sort_values("participant")
        assert found["participant"].tolist() == list(range(2144))
        assert found["level"].tolist() == data[column].map(meta.variable_value_labels[column]).tolist()
        assert found["position"].tolist() == (data[f"Pair{item + 1}_RowPosition_{number}"] - 1).astype(int).tolist()


def test_kalla_screens_of_the_three_pairs_are_worded_alike(deposits_dir: Path) -> None:
    """The study file quotes the first pair's screen for all three."""
    document = read_document(deposits_dir / "kallaBR42" / "questionnaire.docx")
    for blocks, prefix in (
        ((69, 95, 121), r"Pair\d\."),
        ((71, 97, 123), ""),
        ((76, 102, 128), r"Q\d\."),
        ((83, 109, 135), r"Q\d\."),
        ((85, 111, 137), ""),
    ):
        assert len({re.sub(f"^{prefix}", "", document.text(block)).strip() for block in blocks}) == 1
    for row in range(1, 7):
        assert len({document.text(f"{table}.{row}.0") for table in (72, 98, 124)}) == 1


def test_kalla_stimuli_show_both_profiles_in_the_order_seen(dataset: DatasetFolder) -> None:
    frame = rows(dataset, "kallaBR42")
    table = dataset.table("attributes").to_pandas().pipe(pick, study_id="kallaBR42")
    people = range(0, 2144, 53)
    frame, table = frame[frame["participant"].isin(people)], table[table["participant"].isin(people)]
    shown = table.sort_values("position").groupby(["participant", "task_num", "item_num", "profile"])["level"].agg(list)
    for row in frame.itertuples():
        first, second = re.search(r"Candidate A: (.*?)\. Candidate B: (.*?)\.\" and then", row.stimuli).groups()  # type: ignore[union-attr]
        for text, profile in ((first, "candidate_a"), (second, "candidate_b")):
            levels = [part.rpartition(": ")[2] for part in text.split("; ")]
            assert levels == shown[row.participant, row.task_num, row.item_num, profile]
        office = {"city_council": "for city council and", "congress": "for Congress and", "governor": "for governor and"}[row.condition_id]
        assert office in row.stimuli
        if row.outcome_id == "favourability":
            assert f"Candidate {row.item_id[-1].upper()}. Only return" in row.stimuli


def test_tannenbaum_texts_are_cut_and_say_so(dataset: DatasetFolder) -> None:
    studies = dataset.table("studies").to_pandas().set_index("study_id")
    assert set(studies.index[studies["text_status"] == "truncated"]) == {"tannenbaum2017_1", "tannenbaum2017_2"}
    assert studies.loc["tannenbaum2017_1", "family"] == studies.loc["tannenbaum2017_2", "family"]
    for config in ("unseen_studies", "unseen_conditions", "unseen_outcomes"):
        assert not set(dataset.rows(config, columns=["study_id"]).column("study_id").to_pylist()) & {"tannenbaum2017_1", "tannenbaum2017_2"}
    for _, frame in per_arm(dataset, "tannenbaum2017_1"):
        assert frame["stimuli"].nunique() == 30 and frame["stimuli"].str.count(re.escape("...")).isin([2, 3]).all()
    texts = {condition: frame["stimuli"] for condition, frame in per_arm(dataset, "tannenbaum2017_2")}
    assert texts["bush"].str.contains("Bush").all() and not texts["bush"].str.contains("Obama").any()
    assert texts["obama"].str.contains("Obama").all() and not texts["obama"].str.contains("Bush").any()
    assert not texts["control"].str.contains("Bush|Obama").any()


READ_BY_EYE = {
    ("schuldt301", "affirmed_gw_reverse", "regulation"): "d580adf225c21ec8",
    ("schuldt301", "control_cc_forward", "consensus"): "93503aa89bfdfa19",
    ("schuldt301", "affirmed_cc_forward", "relevance/delayed_impacts"): "80ddca8e9ca1e50c",
    ("singer251", "baby_earlier", "want_test"): "409c9463cb96f96b",
    ("singer251", "fetus_last", "want_abortion"): "25a60055dc1f56f1",
    ("singer251", "fetus_earlier", "good_or_harm"): "74dfc4ae40d31e4d",
    ("holbrook120", "coin_flip", "voted"): "dac6f7d65937088f",
    ("holbrook120", "list_with", "things_done"): "7d46d80c7b42775f",
    ("ryanS14", "ohio_democratic", "wisconsin_rumour"): "3d25deeac27c56bb",
    ("kallaBR42", "congress", "choice/pair_2"): "f71620fd11a5d33e",
    ("kallaBR42", "governor", "favourability/pair_1_b"): "503aa0a5fea0b031",
    ("tannenbaum2017_1", "control", "support/defaults"): "7a8e7ca5ae76c444",
    ("tannenbaum2017_1", "intelligent_design", "coercive/popularity"): "38bc8e952e3bd2f6",
    ("tannenbaum2017_2", "obama", "ethical"): "041c17535951dcd1",
}


@pytest.mark.parametrize(("study", "condition", "item"), READ_BY_EYE)
def test_stimuli_that_were_read_by_eye(dataset: DatasetFolder, study: str, condition: str, item: str) -> None:
    """First stimulus of a condition and an item, up to the answer format, by sha256: if it changes, it must be read again."""
    outcome, _, name = item.partition("/")
    frame = rows(dataset, study).pipe(pick, condition_id=condition, outcome_id=outcome)
    if name:
        frame = frame.pipe(pick, item_id=name)
    shown = frame["stimuli"].iloc[0].partition(" Only return")[0]
    assert hashlib.sha256(shown.encode()).hexdigest()[:16] == READ_BY_EYE[study, condition, item]
