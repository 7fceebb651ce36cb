"""The made release: upstream's shape and types at any size, texts as the renderer writes them, and a truth that the rows bear out."""

from __future__ import annotations

import filecmp
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from socsci210.prompts import get_template
from socsci210.schema import DEMOGRAPHIC
from tests.benchmarks.made_release import defects, facts, formats
from tests.benchmarks.made_release.plan import SISTERS, TWINS, plans
from tests.benchmarks.made_release.study import make
from tests.benchmarks.make_release import make_release

CODE_NAME = re.compile(r"You read stimulus v\d+ and then")
IN_TEXT = {  # what a planted defect looks like, and what no other text may look like
    "template_residue": re.compile(r"\{action_map\[letter\]\}|\$\{e://|\{speaker_name\}"),
    "none_in_text": re.compile(r"None years|nan dollars"),
    "blank_level": re.compile(r"Cost: BLANK"),
    "lost_treatment": CODE_NAME,
    "elided_text": re.compile(r"costs \.\.\. and|\.\.\.[\"'”’ ]|answered … and"),
    "redacted_text": re.compile(r"\[city name redacted\]"),
    "described_media": re.compile(r"You (?:viewed|watched|looked at) a"),
    "label_contradiction": re.compile(r"favor or oppose .*Very unwilling"),
}


@cache
def rows(folder: Path) -> pd.DataFrame:
    released = pq.read_table(folder / "data", columns=[name for name in COLUMNS if name not in ("prompt", "reasoning")]).to_pandas()
    truth = pq.read_table(folder / "truth" / "rows.parquet").to_pandas()
    joined = released.merge(truth, on=["study_id", "sample_id"], validate="one_to_one")
    assert len(joined) == len(released) == len(truth)
    for column in ("rules", "decoys"):  # one column of True and False for each name
        lists = joined[column].map("/".join)
        for name in {name for found in lists.unique() for name in found.split("/") if name}:
            joined[name] = lists.isin([found for found in lists.unique() if name in found.split("/")])
    return joined


def truth_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "truth" / "truth.json").read_text()))


COLUMNS = {
    "sample_id": pa.int64(),
    "participant": pa.int64(),
    "demographic": DEMOGRAPHIC,
    "stimuli": pa.string(),
    "response": pa.int64(),
    "condition_num": pa.int64(),
    "task_num": pa.int64(),
    "prompt": pa.string(),
    "reasoning": pa.string(),
    "study_id": pa.string(),
}


# --- shape ---------------------------------------------------------------------------------------------------------------------------


def test_full_size_has_the_counts_of_the_release() -> None:
    full = plans()
    assert sum(plan.rows for plan in full) == 2_901_390
    assert sum(plan.people for plan in full) == 400_491
    assert sum(len(plan.condition_nums) for plan in full) == 1_194
    assert sum(plan.tasks for plan in full) == 1_197
    assert sum(plan.cells for plan in full) == 5_998
    unseen = [plan for plan in full if plan.unseen]
    assert (len(unseen), sum(plan.rows for plan in unseen), sum(plan.cells for plan in unseen)) == (40, 482_642, 803)
    repeated = [plan.unseen for plan in full if plan.design in ("reuse", "conjoint")]
    assert (repeated.count(True), repeated.count(False)) == (19, 77)
    assert Counter(plan.design for plan in full)["within"] == 35
    assert {plan.study_id: plan.rows for plan in full} == facts.ROWS


@pytest.mark.parametrize("size", [30_000, 60_000, 300_000, 1_000_000])
def test_smaller_releases_keep_the_studies(size: int) -> None:
    smaller = plans(size)
    assert sum(plan.rows for plan in smaller) == size
    assert [plan.study_id for plan in smaller] == list(facts.ROWS)
    for plan in smaller:
        assert plan.people <= plan.rows
        assert plan.design != "between" or -(-plan.rows // plan.people) <= plan.tasks, "nobody meets an outcome twice"
        assert plan.design != "within" or -(-plan.rows // plan.people) <= plan.cells, "nobody meets a cell twice"
    counts = Counter((plan.rows, plan.people, len(plan.condition_nums), plan.tasks) for plan in smaller)
    assert [n for n in counts.values() if n > 1] == [2], "only the twins have all four counts in common"


@pytest.mark.parametrize("size", [29_999, 2_901_391])
def test_sizes_that_cannot_be_made(size: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="30,000 to 2,901,390 rows"):
        make_release(tmp_path / "made", size)
    assert not (tmp_path / "made").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(FileExistsError, match="not empty"):
        make_release(tmp_path, 30_000)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_shards(made_release: Path) -> None:
    shards = sorted((made_release / "data").iterdir())
    assert [path.name for path in shards] == [f"train-{n:05d}-of-00017.parquet" for n in range(17)]
    for path in shards:
        schema = pq.read_schema(path)
        assert dict(zip(schema.names, schema.types, strict=True)) == COLUMNS
    sizes = [pq.read_metadata(path).num_rows for path in shards]
    assert sum(sizes) == 60_000
    assert max(sizes) - min(sizes) <= 1
    studies = [set(pq.read_table(path, columns=["study_id"])["study_id"].unique().to_pylist()) for path in shards]
    assert sum(map(len, studies)) > 210, "some studies straddle shards"
    assert set().union(*studies) == set(facts.ROWS)


def test_rows_are_participant_major(made_release: Path) -> None:
    for _, study in rows(made_release).groupby("study_id"):
        assert study["sample_id"].tolist() == list(range(len(study)))
        assert (study["participant"].diff().dropna().isin([0, 1])).all()
        assert study["participant"].iloc[0] == 0
    assert 3 < 60_000 / rows(made_release).groupby("study_id")["participant"].nunique().sum() < 8


def test_lengths_are_those_of_the_release(made_release: Path) -> None:
    table = pq.read_table(made_release / "data", columns=["stimuli", "reasoning"])
    stimuli, reasoning = (pc.utf8_length(table[name]).to_numpy() for name in ("stimuli", "reasoning"))
    assert 400 < np.median(stimuli) < 650
    assert stimuli.min() > 100
    assert stimuli.max() > 1_500
    assert 400 < np.median(reasoning) < 1_000
    assert "\n" not in "".join(table["stimuli"].unique().to_pylist())


def test_prompts_are_those_of_the_renderer(made_release: Path) -> None:
    template, seen = get_template("upstream"), set()
    for path in sorted((made_release / "data").iterdir())[::3]:
        for row in pq.read_table(path, columns=["demographic", "stimuli", "prompt"]).slice(0, 400).to_pylist():
            assert row["prompt"] == template.render(row["demographic"], row["stimuli"])
            seen.add(tuple(value is None for value in row["demographic"].values()))
    assert len(seen) > 4, "several sets of known fields were compared"


def test_the_same_rows_and_seed_give_the_same_bytes(made_release: Path, tmp_path: Path) -> None:
    again = make_release(tmp_path / "again", 60_000, 0)
    names = [str(path.relative_to(again)) for path in sorted(again.rglob("*")) if path.is_file()]
    assert len(names) == 17 + 3 + 2 + 1
    assert filecmp.cmpfiles(made_release, again, names, shallow=False)[0] == names


def test_another_seed_gives_other_people_answers_and_texts() -> None:
    plan = plans(60_000)[0]
    first, second = make(plan, 0), make(plan, 1)
    assert first.plan == second.plan
    assert not first.people.demographic.equals(second.people.demographic)
    assert (first.truth != second.truth).any()
    assert not set(first.texts.text) & set(second.texts.text)


def test_mapping_files(made_release: Path) -> None:
    folder, units = made_release / "metadata", dict(list(rows(made_release).groupby("study_id")))
    sides = json.loads((folder / "participant_mapping.json").read_text())
    assert (len(sides["seen"]), len(sides["unseen"])) == (170, 40)
    assert set(sides["unseen"]) == facts.UNSEEN
    for kind, number, first, unit in (("condition", 129, "a693y", "condition_num"), ("task", 73, "3ydty", "task_num")):
        mapping = json.loads((folder / f"{kind}_mapping.json").read_text())
        assert (len(mapping), next(iter(mapping))) == (number, first)
        assert set(mapping) & facts.UNSEEN, "as upstream, it takes no notice of seen and unseen"
        assert set(mapping) - facts.UNSEEN
        for study, ids in mapping.items():
            of = units[study][unit].to_numpy()  # by sample_id: 0, 1, ...
            assert sorted([*ids["train"], *ids["eval"]]) == list(range(len(of)))
            assert not {*of[ids["train"]]} & {*of[ids["eval"]]}, "whole units are held out"
            assert ids["train"]
            assert ids["eval"]


# --- answer formats ------------------------------------------------------------------------------------------------------------------


def test_every_pattern_of_the_release_is_there(made_release: Path) -> None:
    looks = {
        "endpoints": r"an integer from \d+ to \d+, where \d+ means .+ and \d+ means .+, nothing else\.",
        "plain": r"an integer from \d+ to \d+, nothing else\.",
        "endpoints_open": r"from \d+ to \d+, where \d+ means [^,]+ and \d+ means [^,]+\.",
        "two_options": r"Only return \d for [^,;]+( or|;|,) \d for [^,;]+, nothing else\.",
        "unit": r"from 0 to \d+ representing (dollars|minutes|percent|a percentage), nothing else\.",
        "options": r"Only return 1 for .+ 2 for .+ 3 for .+, nothing else\.",
        "all_after": r"1 to 5, nothing else, where 1 means .+ 5 means .+\.",
        "all_inside": r"1 to 5, where 1 means .+ 5 means .+, nothing else\.",
        "bracket_ends": r"from \d \([^)]+\) to \d \([^)]+\), nothing else\.",
        "number": r"Only return a number from \d to \d, nothing else\.",
        "unbounded": r"an integer representing (dollars|hours), nothing else\.",
        "ends_after": r"nothing else, where \d means [^,]+ and \d means [^,]+\.",
        "multiple": r"a multiple of 100 between 0 and 1000, nothing else\.",
        "if_options": r"Only return 1 if .+ 4 if .+, nothing else\.",
        "no_comma": r"from \d to \d where \d means",
        "equals": r"where \d = .+ and \d = ",
        "corresponds": r"\(\d corresponds to [^;]+; \d corresponds to [^)]+\)",
        "bins": r"from 1 \(\$0\) to 9 \(\$40\)",
        "signed": r"from -3 to 3, where -3 means",
    }
    assert set(looks) == set(formats.PATTERNS)
    texts = pa.array(rows(made_release)["stimuli"].unique())
    for pattern, look in looks.items():
        assert pc.sum(pc.match_substring_regex(texts, look)).as_py() > 0, pattern
    assert pc.all(pc.equal(pc.count_substring(texts, "Only return"), 1)).as_py()
    assert 0.1 < pc.mean(pc.match_substring_regex(texts, "[\"'”’]$").cast(pa.int8())).as_py() < 0.5


def test_scales_of_the_truth_stand_in_the_texts(made_release: Path) -> None:
    distinct = rows(made_release).drop_duplicates("stimuli")
    plain = distinct["stimuli"].str.extract(r"from (-?\d+)(?: \([^)]*\))? to (-?\d+)").dropna().astype(int)
    assert len(plain) > 2_000
    assert (plain[0] == distinct.loc[plain.index, "scale_min"]).all()
    assert (plain[1] == distinct.loc[plain.index, "scale_max"]).all()
    free = distinct["stimuli"].str.contains("integer representing")
    assert (free == distinct["scale_min"].isna()).all()


# --- what was planted ----------------------------------------------------------------------------------------------------------------


def test_every_row_rule_is_planted_and_counted(made_release: Path) -> None:
    held, truth = rows(made_release), truth_of(made_release)
    assert set(truth["rows"]) == set(defects.ROW_RULES)
    for rule, counts in truth["rows"].items():
        assert held[held[rule]].groupby("study_id").size().to_dict() == counts
        assert all(number > 0 for number in counts.values())


@pytest.mark.parametrize("rule", IN_TEXT)
def test_flaws_stand_in_the_texts_that_are_recorded_and_in_no_other(made_release: Path, rule: str) -> None:
    held = rows(made_release)
    found = held["stimuli"].str.contains(IN_TEXT[rule])
    if rule == "elided_text":
        found &= ~held["study_id"].isin(defects.QUESTION_DECOYS)
    assert (found == held[rule]).all()


def test_wrong_answers_are_off_their_scale(made_release: Path) -> None:
    held = rows(made_release)
    wrong = held["off_scale"] | held["missing_code"]
    off = (held["response"] < held["scale_min"]) | (held["response"] > held["scale_max"])
    off |= (held["response"] - held["scale_min"]) % held["scale_step"] > 0
    shifted = held["condition_offset"]
    assert (off[~shifted] == (wrong & held["scale_min"].notna())[~shifted]).all()
    codes = held[held["missing_code"]]
    assert set(codes["response"]) == {v for all_ in defects.STRAYS.values() for s in all_ if s.rule == "missing_code" for v in s.values}
    unbounded = codes[codes["scale_min"].isna()]
    assert set(unbounded["study_id"]) == {"ztwqy", "tcg8p"}


def test_answers_of_the_clean_view(made_release: Path) -> None:
    held = rows(made_release)
    excluded = held[[*defects.EXCLUDED]].any(axis=1)
    assert (excluded == held["response_true"].isna()).all()
    kept = held[~excluded]
    shifted = kept["condition_offset"]
    assert (kept["response"] - kept["response_true"])[~shifted].eq(0).all()
    assert (kept["response"] - kept["response_true"])[shifted].eq(2 * kept["condition_num"][shifted]).all()
    bounded = kept[kept["scale_min"].notna()]
    assert bounded["response_true"].between(bounded["scale_min"], bounded["scale_max"]).all()


def test_offset_choices(made_release: Path) -> None:
    held = rows(made_release)
    choices = held[(held["study_id"] == defects.OFFSET) & (held["task_num"] == 0)]
    assert choices.groupby("condition_num")["response"].unique().map(sorted).to_dict() == {c: [2 * c + 1, 2 * c + 2] for c in range(6)}
    assert (choices["condition_offset"] == (choices["condition_num"] > 0)).all()


def test_repeated_outcomes(made_release: Path) -> None:
    held = rows(made_release)
    key = ["study_id", "participant", "condition_num", "task_num"]
    assert (held["reused_task"] == held.duplicated(key, keep=False)).all()
    repeated = held[held["reused_task"]]
    assert not repeated.duplicated([*key, "stimuli"]).any()
    assert repeated["study_id"].nunique() == 96


def test_cells(made_release: Path) -> None:
    held, cells = rows(made_release), truth_of(made_release)["cells"]
    key = ["study_id", "condition_num", "task_num"]
    grouped = held.groupby(key)

    def listed(rule: str) -> set[tuple[Any, ...]]:
        return {(cell["study_id"], cell["condition_num"], cell["task_num"]) for cell in cells[rule]}

    unbounded = grouped["scale_min"].apply(lambda low: low.isna().any())
    assert listed("unbounded") == set(unbounded[unbounded].index)
    constant = (grouped["response"].nunique() == 1) & (grouped.size() > 1)
    assert listed("constant_answer") == set(constant[constant].index)
    for study, condition, task in listed("outlier_range"):
        answers = held[(held["study_id"] == study) & (held["condition_num"] == condition) & (held["task_num"] == task)]["response"]
        assert answers.max() == defects.OUTLIERS[study] > 20 * sorted(answers)[-2]
    ranges = held.groupby(["study_id", "task_num"])[["scale_min", "scale_max"]].nunique().max(axis=1)
    assert {(study, None, task) for study, task in ranges[ranges > 1].index} == listed("scales_differ") - {("3ydty", None, 1)}
    names = held[(held["study_id"] == "3ydty") & (held["task_num"] == 1)]
    formats_ = names["stimuli"].str.extract(r"(Only return .*)")[0].groupby(names["condition_num"]).nunique()
    assert (formats_ == 1).all()


def test_studies(made_release: Path) -> None:
    held, studies = rows(made_release), truth_of(made_release)["studies"]
    grouped = held.groupby("study_id")
    numbers = grouped["condition_num"].unique().map(sorted)
    assert set(studies["one_condition"]) == set(numbers[numbers.map(len) == 1].index)
    assert len(studies["one_condition"]) == 5
    assert set(studies["sparse_conditions"]) == set(numbers[numbers.map(lambda n: n != list(range(len(n))))].index)
    people = held.groupby(["study_id", "participant"])["condition_num"].nunique()
    assert set(studies["within_subject"]) == set(people[people > 1].reset_index()["study_id"])
    for study in studies["fewer_texts"]:
        shown = held[held["study_id"] == study].groupby(["task_num", "condition_num"])["stimuli"].agg(frozenset)
        assert shown.loc[0].nunique() < len(shown.loc[0])


def test_twins_and_sisters(made_release: Path) -> None:
    held = rows(made_release)
    first, second = (held[held["study_id"] == study].reset_index(drop=True) for study in TWINS)
    pd.testing.assert_frame_equal(first.drop(columns="study_id"), second.drop(columns="study_id"))
    teens, adults = (held[held["study_id"] == study] for study in SISTERS)
    assert set(teens["stimuli"]) & set(adults["stimuli"])
    assert max(d["age"] for d in teens["demographic"]) < 18
    assert max(d["age"] for d in adults["demographic"]) > 18


def test_people(made_release: Path) -> None:
    held, truth = rows(made_release), truth_of(made_release)
    personas = pd.DataFrame(held["demographic"].tolist())
    assert not (personas["gender"].notna() & personas["ethnicity"].notna()).any()
    low = personas["income"].isin(["<5K", "5-9K", "10-14K", "15-19K"])
    assert set(held["study_id"][low]) == {"9nphm"}
    known = personas.notna().groupby(held["study_id"]).any()
    assert {study: [f for f in known if not known.loc[study, f]] for study in known.index} == truth["missing_fields"]
    assert set(truth["studies"]["missing_demographics"]) == set(known.index[known.sum(axis=1) <= 8])
    words = personas["ideology"].groupby(held["study_id"]).agg(lambda found: set(found.dropna()))
    both = words.map(lambda w: "Very Liberal" in w and "Liberal" in w)
    assert set(truth["studies"]["mixed_ideology"]) == set(words.index[both])
    age = personas["age"].groupby([held["study_id"], held["participant"]]).transform("first")
    assert ((personas["age"] != age) == held["persona_differs"]).all()


# --- decoys --------------------------------------------------------------------------------------------------------------------------


def test_decoys(made_release: Path) -> None:
    held, counts = rows(made_release), truth_of(made_release)["decoys"]
    kinds = {*defects.TEXT_DECOYS, "ellipsis_in_question", "negative_on_scale", "code_on_scale", "bounded_outlier", "code_among_others"}
    assert set(counts) == kinds
    for kind, number in counts.items():
        assert held[held[kind]].groupby("study_id").size().to_dict() == number
    for kind, studies in defects.TEXT_DECOYS.items():
        for study, sentence in studies.items():
            assert held["stimuli"][held[kind] & (held["study_id"] == study)].str.contains(sentence, regex=False).all()
    legitimate = held[["code_on_scale", "negative_on_scale", "bounded_outlier", "code_among_others"]].any(axis=1)
    assert not (held["missing_code"] | held["off_scale"])[legitimate].any()
    assert held["response"][held["code_on_scale"]].isin([98, 99, 998, 999]).all()


# --- figures -------------------------------------------------------------------------------------------------------------------------


def test_expected_figures(made_release: Path) -> None:
    held, expected = rows(made_release), json.loads((made_release / "expected.json").read_text())
    unseen = held[held["study_id"].isin(facts.UNSEEN)]
    cells = unseen.groupby(["study_id", "condition_num", "task_num"])["response"]
    assert expected["rows"] == 60_000
    assert expected["people"] == len(held[["study_id", "participant"]].drop_duplicates())
    assert expected["cells"] == held.groupby(["study_id", "condition_num", "task_num"]).ngroups
    assert expected["unseen_rows"] == len(unseen)
    assert expected["unseen_cells"] == cells.ngroups
    assert expected["scorable_cells"] == int((cells.nunique() > 1).sum())
    distances = cells.apply(continuous).dropna().groupby("study_id").mean()
    assert distances.mean() == pytest.approx(expected["uniform_w_observed_continuous"], abs=1e-4)


def continuous(answers: pd.Series) -> float:
    """W1 between a cell's answers on their own range and a uniform guess: the area between both distribution functions, on a fine grid."""
    if answers.nunique() < 2:
        return float("nan")
    x = np.sort((answers - answers.min()) / (answers.max() - answers.min()))
    grid = (np.arange(20_000) + 0.5) / 20_000
    return float(np.abs(np.searchsorted(x, grid, side="right") / len(x) - grid).mean())
