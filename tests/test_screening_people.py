"""The people of a screening: files, draws from shares, people of a study, and weights."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socsci210.errors import DatasetError
from socsci210.screening.experiment_file import ExperimentError, read_marginals
from socsci210.screening.parts import PERSONAS_SCHEMA
from socsci210.screening.personas import made_up, personas_sha256, read_personas
from socsci210.screening.population import draw_people, rake
from tests.tiny_dataset import write_tiny_dataset

SHARES = {
    "gender": {"Male": 49.0, "Female": 51.0},
    "age": {"18-29": 20.0, "30-64": 55.0, "65+": 25.0},
    "age | education": {
        "18-29 | Bachelor's degree": 0.0, "18-29 | Some high school (no diploma)": 20.0,
        "30-64 | Bachelor's degree": 25.0, "30-64 | Some high school (no diploma)": 30.0,
        "65+ | Bachelor's degree": 5.0, "65+ | Some high school (no diploma)": 20.0,
    },
}  # fmt: skip


def test_a_draw_has_the_shares_to_within_one_person() -> None:
    people = draw_people(997, SHARES, seed=3)
    genders = Counter(person["gender"] for person in people)
    assert abs(genders["Male"] - 997 * 0.49) < 1
    young = [person for person in people if person["age"] < 30]
    assert abs(len(young) - 997 * 0.20) < 1
    assert {person["education"] for person in young} == {"Some high school (no diploma)"}
    assert min(person["age"] for person in people) >= 18 and max(person["age"] for person in people) <= 90
    degrees = sum(person["education"] == "Bachelor's degree" for person in people)
    assert abs(degrees - 997 * 0.30) < 2  # two of its cells are rounded
    both = Counter((person["gender"], person["age"] < 30) for person in people)
    assert abs(both["Male", True] / 997 - 0.49 * 0.2) < 0.03  # no joint share: independent


def test_a_draw_follows_from_the_seed() -> None:
    first, again, other = (read_personas("sample:50", shares=SHARES, seed=seed) for seed in (1, 1, 2))
    assert first.equals(again) and personas_sha256(first) == personas_sha256(again)
    assert personas_sha256(first) != personas_sha256(other)
    assert first.schema.equals(PERSONAS_SCHEMA)
    assert made_up(first) and set(first.column("weight").to_pylist()) == {1.0}


def test_raking_meets_its_margins_and_keeps_what_it_is_not_told() -> None:
    """The example of Deming and Stephan's method that can be done by hand: odds ratios of the table stay as they are."""
    table = np.array([[1.0, 3.0], [2.0, 2.0]])
    row, column = (part.reshape(-1) for part in np.indices(table.shape))
    found = rake(table.reshape(-1), [("row", row, np.array([0.3, 0.7])), ("column", column, np.array([0.6, 0.4]))]).reshape(2, 2)
    assert found.sum(axis=1) == pytest.approx([0.3, 0.7], abs=1e-8)
    assert found.sum(axis=0) == pytest.approx([0.6, 0.4], abs=1e-8)
    assert found[0, 0] * found[1, 1] / (found[0, 1] * found[1, 0]) == pytest.approx(1 / 3)


def test_shares_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ExperimentError, match="contradict"):
        draw_people(10, {**SHARES, "education": {"Bachelor's degree": 90.0, "Some high school (no diploma)": 10.0}}, seed=0)
    with pytest.raises(ExperimentError, match="no shares of the population"):
        read_personas("sample:10", shares={})


@pytest.mark.parametrize("spec", ["sample:0", "sample:many", "sample:99999999"])
def test_an_empty_or_endless_population_is_refused(spec: str) -> None:
    with pytest.raises(ExperimentError, match="sample:N"):
        read_personas(spec, shares=SHARES)


def test_a_file_of_people(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("age;gender;weight\n34;Female;2\n\n71;Male;1\n;Male;3\n")
    found = read_personas(path)
    assert found.column("age").to_pylist() == [34, 71, None]
    assert found.column("weight").to_pylist() == [1.0, 0.5, 1.5]
    assert set(found.column("source").to_pylist()) == {"people.csv"} and not made_up(found)
    pq.write_table(found, tmp_path / "people.parquet")  # what a run wrote may be read again
    again = read_personas(tmp_path / "people.parquet")
    assert again.drop_columns(["source"]).equals(found.drop_columns(["source"]))
    two = read_personas(path, people=2, seed=5)
    assert two.num_rows == 2 and two.equals(read_personas(path, people=2, seed=5))


def test_people_are_weighted_to_the_population(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("age,gender\n20,Male\n40,Male\n70,Male\n20,Female\n40,Female\n70,Female\n")
    found = read_personas(path, shares={"gender": SHARES["gender"], "age": SHARES["age"]})
    weights = np.array(found.column("weight").to_pylist())
    assert weights.mean() == pytest.approx(1)
    assert weights[:3].sum() / 6 == pytest.approx(0.49) and (weights[1] + weights[4]) / 6 == pytest.approx(0.55)
    with pytest.raises(ExperimentError, match="nobody is in category 2 of gender"):
        read_personas(pa.table({"gender": ["Male"]}), shares={"gender": SHARES["gender"]})
    with pytest.raises(ExperimentError, match=r"no share for age None"):
        read_personas(pa.table({"gender": ["Male"]}), shares={"age": SHARES["age"]})


BAD_FILES = {
    "age,sex\n34,Female\n": ("unknown column 'sex'", "remove this column"),
    "age,party\n34,x\n": ("unknown column 'party'", ""),
    "age,gender\n34,Woman\n": ("gender is 'Woman'", "use one of these words"),
    "age,gender\n34,female\n": ("gender is 'female'", "'Female'"),
    "age\n340\n": ("age is '340'", "correct it"),
    "age\nabout 40\n": ("age is 'about 40'", "correct it"),
    "age,age\n3,4\n": ("there twice", "keep one"),
    "age,gender\n34\n": ("1 cells", "quotes"),
    "age,gender\n": ("there are no people", "add people"),
    "": ("there are no people", "add people"),
    "age,weight\n34,-1\n": ("weight is '-1'", "correct it"),
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_people_outside_the_vocabulary_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(text)
    found, fix = BAD_FILES[text]
    with pytest.raises(ExperimentError) as error:
        read_personas(path)
    assert found in str(error.value) and fix in error.value.fix


def test_people_of_a_study(tmp_path: Path) -> None:
    dataset = write_tiny_dataset(tmp_path / "tiny")
    found = read_personas(f"{dataset}:first")
    assert found.num_rows == 24 and found.column("age").to_pylist()[:2] == [20, 21]
    assert set(found.column("source").to_pylist()) == {"tiny:first"} and not made_up(found)
    with pytest.raises(DatasetError, match="no study 'frist'") as error:
        read_personas(f"{dataset}:frist")
    assert "first" in error.value.fix
    with pytest.raises(ExperimentError, match="no such file or dataset"):
        read_personas(str(tmp_path / "people.csv"))


def test_shares_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "adults.yaml"
    path.write_text("marginals:\n  gender: {Male: 49, Female: 51}\n")
    assert read_marginals(path) == {"gender": {"Male": 49.0, "Female": 51.0}}
    path.write_text("marginals:\n  gender: {Male: 49, Femal: 51}\n")
    with pytest.raises(ExperimentError, match=r"line 2: marginals\.gender\.Femal") as error:
        read_marginals(path)
    assert "'Female'" in error.value.fix
