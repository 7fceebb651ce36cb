"""From answers and evidence to tables and page: known effects come out, what is incomplete is refused, and none is said to be none."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from socsci210.dataset_folder import DatasetFolder, table_file, write_parquet
from socsci210.errors import DatasetError
from socsci210.screening.analyse import Screening, analyse
from socsci210.screening.compare import compare, compared
from socsci210.screening.evidence import Evidence, find_evidence, measure, read_evidence
from socsci210.screening.experiment_file import read_experiment
from socsci210.screening.page import probability, write_page
from socsci210.screening.run import experiment_yaml
from socsci210.screening.tables import write_tables
from tests.chromium import PROGRAM, Chromium
from tests.scored_dataset import row, write_dataset
from tests.screening_answers import MODEL, answers, personas, results
from tests.screening_tools import content

SHIFT = {"praise": 0.15, "blame": -0.1}
N = 120


def experiment(**more: Any) -> Any:
    made = content() | more
    made["hypotheses"] = [
        {"id": "praise_helps", "outcome": "warm", "arm": "praise", "direction": "more"},
        {"id": "blame_helps", "outcome": "warm", "arm": "blame", "direction": "more"},
        {"id": "praise_makes_drink", "outcome": "drink", "arm": "praise", "against": "blame", "direction": "less"},
    ]
    return read_experiment(made)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    found = read_evidence([results(tmp_path_factory.mktemp("evidence"))], model=MODEL, revision="r1")
    assert isinstance(found, Evidence)
    return found


@pytest.fixture(scope="module")
def screening(evidence: Evidence) -> Screening:
    people = personas(N, gender=["Male", "Female"] * (N // 2))
    made = experiment(subgroups=["gender"], topic="health")
    moved = answers(made, N, SHIFT, extra={"praise": [0.0, 0.1] * (N // 2)})
    return analyse(made, people, moved, evidence, seed=1)


def test_effects_are_in_scale_units_with_their_intervals(screening: Screening) -> None:
    rows = {(one["outcome"], one["arm"]): one for one in screening.effects.to_pylist() if one["against"] == "control"}
    praise, blame = rows["warm", "praise"], rows["warm", "blame"]
    assert praise["share"] == pytest.approx(praise["effect"] / 6)
    assert blame["low"] < blame["effect"] < blame["high"] < 0 < praise["low"]
    assert rows["drink", "praise"]["effect"] == pytest.approx(0.2, abs=0.02)  # a share of answer 2: 0.15, and 0.1 more for half of them
    assert praise["robust"] and praise["base"] == pytest.approx(praise["effect"])
    assert praise["shrunk"] == pytest.approx(0.7 * praise["effect"], rel=0.2)
    assert praise["shrunk_low"] < praise["shrunk"] < praise["shrunk_high"]


def test_distributions_sum_to_one_and_name_their_answers(screening: Screening) -> None:
    rows = screening.distributions.to_pylist()
    for arm in ("control", "praise", "blame"):
        assert sum(one["share"] for one in rows if one["outcome"] == "warm" and one["arm"] == arm) == pytest.approx(1)
    assert [one["label"] for one in rows if one["outcome"] == "drink" and one["arm"] == "control"] == ["Yes", "No"]
    assert all(one["lowest"] - 1e-9 <= one["share"] <= one["highest"] + 1e-9 for one in rows)


def test_hypotheses_are_ranked_by_probability_and_know_which_way_a_scale_runs(screening: Screening) -> None:
    rows = screening.hypotheses.to_pylist()
    assert [one["rank"] for one in rows] == [1, 2, 3]
    found = {one["hypothesis"]: one for one in rows}
    assert found["blame_helps"]["rank"] == 3 and not found["blame_helps"]["as_predicted"]
    # `drink` runs down: a higher answer is less of it.
    assert found["praise_makes_drink"]["predicted"] > 0 and found["praise_makes_drink"]["as_predicted"]
    for one in rows:
        assert (one["probability"] > 0.5) == one["as_predicted"]
        assert one["n80_predicted"] < one["n90_predicted"]
        assert one["n80_predicted"] <= one["n80_shrunk"] <= (one["n80_cautious"] or 10**7)


def test_groups_that_differ_are_found_and_those_that_do_not_are_not(screening: Screening) -> None:
    rows = screening.subgroups.to_pylist()
    assert {(one["field"], one["group"]) for one in rows} == {("gender", "Female"), ("gender", "Male")}
    female = {(one["outcome"], one["arm"], one["against"]): one for one in rows if one["group"] == "Female"}
    assert female["warm", "praise", "control"]["differs"] and female["warm", "praise", "control"]["difference"] > 0.3
    assert not female["warm", "blame", "control"]["differs"]
    assert all(one["p"] <= one["p_holm"] <= 1 for one in rows)


def test_a_weight_of_two_is_two_people_everywhere() -> None:
    """Every figure of the tables but those of uncertainty is the same, whether somebody counts twice or stands there twice."""
    made, times = experiment(subgroups=["gender"]), [1, 2, 2] * (N // 3)
    gender = ["Male", "Female"] * (N // 2)
    table = answers(made, N, SHIFT, extra={"praise": [0.0, 0.1, 0.05, -0.1] * (N // 4)})
    people = personas(N, gender=gender)
    weighted = people.set_column(people.column_names.index("weight"), "weight", pa.array(np.array(times) / np.mean(times)))
    twice = [person for person, n in enumerate(times) for _ in range(n)]
    each = len(table) // N
    rows = table.take(np.concatenate([np.arange(each) + each * person for person in twice]))
    rows = rows.set_column(0, "persona", pa.array(np.repeat(np.arange(len(twice)), each), pa.int32()))
    one = analyse(made, weighted, table)
    other = analyse(made, personas(len(twice), gender=[gender[person] for person in twice]), rows)
    for name, columns in {
        "effects": ("effect", "share", "standardised", "base", "answer_mass"), "distributions": ("share", "lowest", "highest"),
        "subgroups": ("effect", "difference"), "hypotheses": ("predicted", "n80_predicted", "n90_predicted"),
    }.items():  # fmt: skip
        for column in columns:
            values = [getattr(found, name).column(column).to_pylist() for found in (one, other)]
            assert values[0] == pytest.approx(values[1]), (name, column)
    assert one.effects.column("effect").to_pylist() != pytest.approx(analyse(made, people, table).effects.column("effect").to_pylist())


def test_small_groups_are_counted_not_shown() -> None:
    people = personas(N, gender=["Male"] * 20 + ["Female"] * (N - 20))
    found = analyse(experiment(subgroups=["gender"]), people, answers(experiment(), N, SHIFT))
    assert found.subgroups.num_rows == 0 and found.groups_left_out == {"gender": 1}


def test_an_effect_of_one_wording_alone_does_not_survive() -> None:
    made = experiment()
    found = analyse(made, personas(N), answers(made, N, SHIFT, slant={"reversed": -0.5}))
    assert not any(found.effects.column("robust").to_pylist())
    assert "do not survive" in found.notes[-1]
    single = analyse(made, personas(N), answers(made, N, SHIFT, variants=("base",)))
    assert "One wording" in single.notes[0]


def test_answers_that_are_incomplete_or_no_distributions_are_refused() -> None:
    made = experiment()
    table = answers(made, 4, SHIFT)
    with pytest.raises(DatasetError, match="1 of 36 combinations"):
        analyse(made, personas(4), table.slice(1))
    with pytest.raises(DatasetError, match="persona 3"):
        analyse(made, personas(3), table)
    twice = pa.array([[p * 2 for p in one] for one in table.column("probabilities").to_pylist()])
    with pytest.raises(DatasetError, match="do not sum to 1"):
        analyse(made, personas(4), table.set_column(5, "probabilities", twice))
    with pytest.raises(DatasetError, match="no answers of variant 'base'"):
        analyse(made, personas(4), answers(made, 4, SHIFT, variants=("reversed",)))


def test_evidence_says_how_far_the_model_may_be_believed(evidence: Evidence) -> None:
    found = measure(evidence, topic="health", lengths=[7], seed=0)
    assert found.refused is None and found.interval is not None and found.overall is not None
    assert found.interval[0] > 0.5 and found.p == pytest.approx(1 / 2001, abs=0.001)
    assert found.overall.of_slope.mean == pytest.approx(0.7, abs=0.08)
    assert [one["contrasts"] for one in found.rows][:2] == ["all held-out studies", "topic: health"]
    assert any("simulated" in one for one in found.caveats)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"effects": None}, "no treatment effects"),
        ({"config": "unseen_conditions"}, "not held out as a whole"),
        ({"held_out": False}, "not known to be held out"),
        (
            {"contamination": {"source": "run record", "overlap_rows": 5, "overlap_studies": 1, "share": 0.1, "allowed": True, "note": ""}},
            "was trained on rows",
        ),
    ],
)
def test_results_that_say_nothing_of_new_studies_are_no_evidence(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    found = read_evidence([results(tmp_path, **change)], model=MODEL, revision="r1")
    assert isinstance(found, str) and said in found
    assert said in str(measure(found).refused)


def test_results_of_another_model_are_refused_and_none_is_said_to_be_none(tmp_path: Path) -> None:
    path = results(tmp_path)
    with pytest.raises(DatasetError, match="results of lab/answer"):
        read_evidence([path], model="lab/other", revision="r2")
    assert isinstance(read_evidence([path], model="elsewhere", revision="r1"), Evidence)  # the same weights under another name
    assert "no results of this model" in str(read_evidence([], model=MODEL))
    assert find_evidence(str(tmp_path)) == [path] and find_evidence("lab/none") == []


def test_a_model_that_is_blind_to_conditions_has_no_evidence(tmp_path: Path) -> None:
    path = results(tmp_path)
    content = json.loads(path.read_text())
    for one in content["runs"][0]["effects"]["contrasts"]:
        one["model"] = 0.0
    path.write_text(json.dumps(content))
    found = measure(read_evidence([path], model=MODEL, revision="r1"))
    assert "gives every arm the same answers" in str(found.refused) and found.overall is None
    unrelated = measure(read_evidence([results(tmp_path, slope=0.0)], model=MODEL, revision="r1"))
    assert "did not go with people's" in str(unrelated.refused)
    few = measure(read_evidence([results(tmp_path, studies=4)], model=MODEL, revision="r1"))
    assert "fewer than 5" in str(few.refused) or "did not go" in str(few.refused)


def test_evidence_from_simulated_studies_alone_is_called_so(tmp_path: Path) -> None:
    path = results(tmp_path)
    content = json.loads(path.read_text())
    content["dataset"]["n_simulated"] = content["dataset"]["n_studies"]
    path.write_text(json.dumps(content))
    made = experiment()
    found = analyse(made, personas(N), answers(made, N, SHIFT), read_evidence([path], model=MODEL, revision="r1"))
    assert found.reliability.simulated and "simulated studies alone" in found.notes[0]
    page = words(write_page(found, tmp_path / "page.html"))
    assert "Measured on held-out simulated studies" in page and "Nobody has measured here how it does on people" in page


def test_a_study_does_not_vouch_for_its_own_replay(evidence: Evidence) -> None:
    made = experiment()
    people = personas(N).set_column(17, "source", pa.array(["data/all:st003"] * N))
    found = analyse(made, people, answers(made, N, SHIFT), evidence)
    assert found.reliability.rows[0]["n_studies"] == len(evidence.studies) - 1
    assert "people of st003" in found.notes[0]


def test_without_evidence_no_probability_and_no_shrunk_effect_is_stated(tmp_path: Path) -> None:
    made = experiment()
    found = analyse(made, personas(N), answers(made, N, SHIFT))
    for name in ("probability", "shrunk", "n80_shrunk", "cautious"):
        assert found.hypotheses.column(name).null_count == 3
    assert found.hypotheses.column("hypothesis")[2].as_py() == "blame_helps"  # predicted the other way
    page = words(write_page(found, tmp_path / "page.html"))
    assert "There is no evidence that this model foresees effects" in page and "no probability is stated" in page


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def words(page: Path) -> str:
    parser = Text()
    parser.feed(page.read_text(encoding="utf-8"))
    return " ".join(" ".join(parser.parts).split())


def test_the_page_says_first_that_these_are_no_people_then_how_far_to_believe_it(screening: Screening, tmp_path: Path) -> None:
    page = words(write_page(screening, tmp_path / "page.html"))
    places = [page.index(part) for part in ("Simulated answers are not people.", "Measured on held-out studies", "praise_helps", "Effects")]
    assert places[:3] == sorted(places[:3])
    assert "It cannot say what people think" in page and "Simulated answers are not people</text>" not in page
    hostile = experiment(title="<script>alert(1)</script>")
    raw = write_page(analyse(hostile, personas(N), answers(hostile, N, SHIFT)), tmp_path / "other.html").read_text()
    assert "<script" not in raw
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError):
        write_page(screening, tmp_path / "notes.txt")


def test_probabilities_are_never_said_to_be_certain() -> None:
    assert (probability(0.999), probability(0.001), probability(None)) == ("over 99 %", "under 1 %", "–")


@pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")
def test_the_page_fits_a_phone_and_asks_for_nothing(screening: Screening, tmp_path: Path) -> None:
    page = write_page(screening, tmp_path / "page.html")
    with Chromium(tmp_path / "profile") as browser:
        for width in (400, 1200):
            browser.open(page, width, 900)
            assert browser.run("document.documentElement.scrollWidth") <= width
            assert browser.complaints == []
            overlap = """[...document.querySelectorAll("tbody tr")].some((row) => [...row.cells].some((cell) =>
                [...cell.children].some((inner) => inner.getBoundingClientRect().right > cell.getBoundingClientRect().right + 1)))"""
            assert browser.run(overlap) is False


def test_tables_are_written_whole_and_read_back(screening: Screening, tmp_path: Path) -> None:
    written = write_tables(screening, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in written}
    for name in ("effects", "distributions", "subgroups", "hypotheses"):
        assert pq.read_table(tmp_path / f"{name}.parquet").equals(getattr(screening, name))
        assert pyarrow.csv.read_csv(tmp_path / f"{name}.csv").num_rows == getattr(screening, name).num_rows
    summary = json.loads((tmp_path / "screening.json").read_text())
    assert summary["reliability"]["overall"]["slope"] == pytest.approx(0.7, abs=0.08)
    again = analyse(screening.experiment, personas(N), answers(screening.experiment, N, SHIFT), None, seed=1)
    assert again.effects.equals(analyse(screening.experiment, personas(N), answers(screening.experiment, N, SHIFT), None, seed=2).effects)


def real(folder: Path, made: Any) -> Path:
    """People for whom praise adds one answer and blame takes one away, on the experiment's own ids."""
    rng, rows = np.random.default_rng(0), []
    for person in range(300):
        arm = person % 3
        answer = int(np.clip(np.rint(4 + (0, 1, -1)[arm] + rng.normal(0, 1)), 1, 7))
        rows.append(row("tea", arm, answer, low=1, high=7, person=person, task=0))
    write_dataset(folder, rows, control=0)
    for name, key, column in (("conditions", "condition_id", "condition_num"), ("outcomes", "outcome_id", "task_num")):
        table = pq.read_table(folder / table_file(name))
        ids = [arm.id for arm in made.arms] if name == "conditions" else ["warm"]
        values = pa.array([ids[number] for number in table.column(column).to_pylist()])
        write_parquet(table.set_column(table.column_names.index(key), key, values), folder / table_file(name))
    return folder


def test_predicted_effects_are_held_against_real_ones(screening: Screening, tmp_path: Path) -> None:
    dataset = real(tmp_path / "dataset", screening.experiment)
    found = compared(screening.experiment, screening.effects, DatasetFolder(dataset), "tea")
    rows = {one["arm"]: one for one in found.table.to_pylist()}
    assert set(rows) == {"praise", "blame"} and found.left_out == ("outcome drink: only in the experiment",)
    assert rows["praise"]["human"] == pytest.approx(1.0, abs=0.3) and rows["blame"]["human"] == pytest.approx(-1.0, abs=0.3)
    assert (found.tally.sign_right, found.tally.n_reliable, found.interval) == (2, 2, "after shrinkage")
    run = tmp_path / "run"
    write_tables(screening, run)
    (run / "experiment.yaml").write_text(experiment_yaml(screening.experiment), encoding="utf-8")
    lines = compare(run, f"{dataset}:tea")
    assert "signs right in 2 of the 2" in lines[0] and Path(lines[-1]).is_file()
    assert "2 of 2" in words(Path(lines[-1]))
    assert json.loads((run / "comparison.json").read_text())["n_reliable"] == 2
    for wrong, said in ((f"{dataset}:none", "no study"), ("tea", "Expected: DATASET:STUDY")):
        with pytest.raises(DatasetError, match=said):
            compare(run, wrong)
    with pytest.raises(DatasetError, match="no finished run"):
        compare(tmp_path, f"{dataset}:tea")
