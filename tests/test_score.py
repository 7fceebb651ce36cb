"""The scorer on datasets small enough to score by hand, and everything it must refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socsci210.errors import DatasetError
from socsci210.metrics.socsci210.distances import expected_draw_distance, noise_floor
from socsci210.predict import predict
from socsci210.report.verdicts import verdicts
from socsci210.result_tables import score_table, summary
from socsci210.results import Results
from socsci210.score import score
from tests.scored_dataset import CONFIG, predict_all, row, write_dataset, write_predictions

SURE = {1: [1.0, 0.0, 0.0], 2: [0.0, 1.0, 0.0]}  # condition -> what the model of most tests expects


def hand_rows() -> list[dict[str, Any]]:
    """Study a has two held-out conditions, study b one. Training saw 1, 1, 3 in a and 2 in b."""
    return [
        *(row("a", 0, answer) for answer in (1, 1, 3)),
        *(row("a", 1, answer) for answer in (1, 2, 3, 3)),
        *(row("a", 2, answer) for answer in (2, 2)),
        row("b", 0, 2),
        *(row("b", 1, answer) for answer in (1, 3)),
    ]


@pytest.fixture
def by_hand(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "dataset", hand_rows())


def expected(one: dict[str, Any]) -> list[float]:
    return SURE[one["condition_num"]]


def test_everything_by_hand(by_hand: Path, tmp_path: Path) -> None:
    """Positions 0, 0.5, 1. W: a1 (0 + 0.5 + 1 + 1) / 4 = 0.625, a2 0, b1 0.5."""
    found = score([write_predictions(tmp_path / "p.parquet", by_hand, predict_all(by_hand, expected))], by_hand)
    run = found.runs[0]
    stated, published = run.stated, run.published
    assert stated is not None
    assert published is not None
    a, b = stated.per_study
    assert (a.study_id, a.n_cells, a.n_rows, b.n_cells, b.n_rows) == ("a", 2, 6, 1, 2)
    assert pytest.approx(0.625 / 2) == a.W
    assert pytest.approx(0.5) == b.W
    assert stated.W.point == pytest.approx((0.3125 + 0.5) / 2)
    assert (stated.W.interval, stated.W.values) == (None, (a.W, b.W))

    # Uniform answers: a1 |1/3 - 1/4| and |2/3 - 1/2| on gaps of 0.5; a2 1/3 + 1/3; b1 |1/3 - 1/2| + |2/3 - 1/2|.
    assert a.chance == pytest.approx((0.5 * (1 / 12 + 1 / 6) + 0.5 * (2 / 3)) / 2)
    assert b.chance == pytest.approx(0.5 * (1 / 6 + 1 / 6))
    assert stated.chance == pytest.approx((a.chance + b.chance) / 2)

    assert a.noise_floor == pytest.approx((noise_floor([0.25, 0.25, 0.5], [0, 0.5, 1], 4) + 0) / 2)
    assert b.noise_floor == pytest.approx(noise_floor([0.5, 0, 0.5], [0, 0.5, 1], 2))
    assert stated.noise_floor_kind == "distributions"

    # train_lookup: a 2/3 on 1 and 1/3 on 3; b 2. a1 |2/3 - 1/4| + |2/3 - 1/2|; a2 2/3 + 1/3; b1 1/2 + 1/2.
    assert a.train_lookup == pytest.approx((0.5 * (5 / 12 + 1 / 6) + 0.5 * (2 / 3 + 1 / 3)) / 2)
    assert b.train_lookup == pytest.approx(0.5)
    # pooled_oracle: a1 from 1 1 3 2 2, a2 from 1 1 3 1 2 3 3, b1 from 2.
    assert a.pooled_oracle == pytest.approx((0.5 * (abs(0.4 - 0.25) + abs(0.8 - 0.5)) + 0.5 * (3 / 7 + abs(4 / 7 - 1))) / 2)
    assert b.pooled_oracle == pytest.approx(0.5)

    # published: a2 is constant and skipped; decoding leaves a sure model as it is.
    assert published.n_cells == 2
    assert published.not_scored == {"fewer than two rows, or one constant answer": 1}
    assert published.W.point == pytest.approx((0.625 + 0.5) / 2)
    assert "temperature 0.6" in published.decoding

    assert run.answer_mass is not None
    assert (run.answer_mass.mean, run.answer_mass.flagged) == (pytest.approx(0.95), False)
    assert (run.coverage.rows_in_split, run.coverage.rows_predicted, run.coverage.left_out) == (8, 8, {})
    assert run.held_out is None
    assert run.weighted is None
    assert found.dataset.n_studies == found.dataset.n_simulated == 2

    figures = summary(found)[CONFIG]
    assert list(figures) == [
        "W",
        "chance",
        "noise_floor",
        "train_lookup",
        "pooled_oracle",
        "gap_closed",
        "answer_mass",
        "overlap",
        "unread_cells",
    ]
    assert figures["W"] == stated.W.point
    assert [line["convention"] for line in score_table(found)] == ["stated", "published"]


def test_gap_closed_is_the_ratio_over_studies(tmp_path: Path) -> None:
    rows = [row(s, c, answer) for s in "abc" for c in (0, 1) for answer in (1, 1, 1, 1, 2, 1, 1, 1)]
    dataset = write_dataset(tmp_path / "dataset", rows)
    found = score([write_predictions(tmp_path / "p.parquet", dataset, predict_all(dataset, lambda _: [0.8, 0.2, 0]))], dataset)
    stated = found.runs[0].stated
    assert stated is not None
    assert stated.gap_closed.value == pytest.approx((stated.chance - stated.W.point) / (stated.chance - stated.noise_floor))


def test_a_control_scored_as_a_run_equals_the_control_beside_it(by_hand: Path, tmp_path: Path) -> None:
    for engine in ("train_lookup", "pooled_oracle", "uniform"):
        path = predict(engine=engine, dataset=by_hand, config=CONFIG, out=tmp_path / f"{engine}.parquet")
        run = score([path], by_hand).runs[0]
        for one in (run.stated, run.published):
            assert one is not None
            beside = {"train_lookup": one.train_lookup, "pooled_oracle": one.pooled_oracle, "uniform": one.chance}[engine]
            assert one.W.point == pytest.approx(beside, abs=1e-12)
            assert one.decoding == "none: the whole distribution"


def test_all_rows_have_no_training_side_and_so_no_controls(by_hand: Path, tmp_path: Path) -> None:
    path = predict(engine="uniform", dataset=by_hand, config="all", out=tmp_path / "all.parquet")
    run = score([path], by_hand).runs[0]
    assert run.coverage.rows_predicted == run.coverage.rows_in_split == len(hand_rows())
    assert run.stated is not None
    assert (run.stated.train_lookup, run.stated.pooled_oracle) == (None, None)
    assert run.stated.W.point == pytest.approx(run.stated.chance)


def test_the_true_distribution_scores_the_noise_floor(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = rng.dirichlet(np.ones(3), (12, 4))
    rows = [row(f"s{s}", c, int(a)) for s in range(12) for c in range(4) for a in 1 + rng.choice(3, 120, p=truth[s, c])]
    dataset = write_dataset(tmp_path / "dataset", rows)
    given = predict_all(dataset, lambda one: truth[int(one["study_id"][1:]), one["condition_num"]])
    stated = score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset).runs[0].stated
    assert stated is not None
    assert stated.W.interval is not None
    assert stated.W.interval[0] < stated.noise_floor < stated.W.interval[1]
    assert stated.gap_closed.value == pytest.approx(1, abs=0.05)


def test_shards_and_one_file_give_the_same_numbers(by_hand: Path, tmp_path: Path) -> None:
    given = predict_all(by_hand, expected)
    whole = score([write_predictions(tmp_path / "p.parquet", by_hand, given)], by_hand)
    parts = [write_predictions(tmp_path / f"s{i}.parquet", by_hand, given[i::3], rows_expected=len(given)) for i in range(3)]
    assert score(parts[::-1], by_hand) == whole
    own = [write_predictions(tmp_path / f"t{i}.parquet", by_hand, given[i::2]) for i in range(2)]  # each promises its own rows
    assert score(own, by_hand) == whole


def test_two_models_are_two_runs(by_hand: Path, tmp_path: Path) -> None:
    given = predict_all(by_hand, expected)
    paths = [write_predictions(tmp_path / f"{name}.parquet", by_hand, given, model=name) for name in ("one", "other")]
    found = score(paths, by_hand)
    assert [run.model for run in found.runs] == ["one", "other"]
    assert len(summary(found)) == 2


def test_results_survive_their_file(by_hand: Path, tmp_path: Path) -> None:
    found = score([write_predictions(tmp_path / "p.parquet", by_hand, predict_all(by_hand, expected))], by_hand)
    assert Results.read_json(found.write_json(tmp_path / "deep" / "results.json")) == found
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["results.json"]


def test_items_on_other_scales_are_scored_apart_then_averaged(tmp_path: Path) -> None:
    """One cell: item 0 on 1-3 answered 1 (model sure of 3: W 1), item 1 on 0-10 answered 5 (model sure of 5: W 0)."""
    rows = [row("a", 1, 1), row("a", 1, 1), *(row("a", 1, 5, item=1, low=0, high=10) for _ in range(6))]
    dataset = write_dataset(tmp_path / "dataset", rows)
    sure = {3: [0, 0, 1.0], 11: [0.0] * 5 + [1.0] + [0.0] * 5}
    given = predict_all(dataset, lambda one: sure[one["scale_max"] - one["scale_min"] + 1])
    stated = score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset, controls=False).runs[0].stated
    assert stated is not None
    assert (stated.n_cells, stated.W.point) == (1, pytest.approx(0.5))
    assert (stated.train_lookup, stated.pooled_oracle) == (None, None)


def test_an_unbounded_scale_takes_its_range_from_other_cells_of_training(tmp_path: Path) -> None:
    """Training saw 0 to 100 in another condition of outcome 0; of outcome 1 it saw nothing, so that is not scored in `stated`."""
    open_ended = {"low": None, "high": None}
    rows = [
        *(row("a", 0, answer, **open_ended) for answer in (0, 100)),
        *(row("a", 1, answer, **open_ended) for answer in (20, 40)),
        *(row("a", 1, answer, task=1, **open_ended) for answer in (7, 9)),
    ]
    dataset = write_dataset(tmp_path / "dataset", rows)
    given = [{"study_id": "a", "sample_id": i, "prediction": float(point)} for i, point in ((2, 30), (3, 150), (4, 7), (5, 9))]
    run = score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset).runs[0]
    assert run.stated is not None
    assert run.published is not None
    assert run.stated.n_cells == 1
    assert run.stated.W.point == pytest.approx((0.1 + 0.6) / 2)  # 30 and 150 (clipped to 100) against 20 and 40
    assert run.stated.not_scored == {"no stated scale, and no range in training": 1}
    assert run.published.n_cells == 2
    assert pytest.approx(((0.5 + 0.0) / 2 + 0.0) / 2) == run.published.per_study[0].W  # 20 -> 0, 30 -> 0.5, 40 -> 1, 150 -> 1
    assert run.stated.noise_floor_kind == "draws"


def test_draws_are_counted_parsed_and_clipped(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", [row("a", 1, answer) for answer in (1, 2, 3, 3)])
    points = [1.0, None, 9.0, 3.0]
    given = [{"study_id": "a", "sample_id": i, "prediction": point} for i, point in enumerate(points)]
    run = score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset).runs[0]
    assert (run.coverage.parse_rate, run.coverage.off_scale, run.coverage.rows_predicted) == (0.75, 1, 3)
    assert run.coverage.left_out == {"unparsed prediction": 1}
    assert run.answer_mass is None
    assert run.stated is not None
    # People: 1/4, 1/4, 1/2; predictions: 1/3 on 1, 2/3 on 3 (9 counts as 3).
    assert run.stated.W.point == pytest.approx(0.5 * (abs(1 / 3 - 1 / 4) + abs(1 / 3 - 1 / 2)))
    assert run.stated.decoding == "draws as given, one for each row"
    assert run.individual is not None
    assert run.individual.draw.point == run.individual.median.point == 1  # points 1, 9 and 3 for 1, 3 and 3, with 9 taken as 3
    assert run.individual.draw_unclipped == run.individual.median_unclipped == pytest.approx((1 - 2 + 1) / 3)


def test_several_draws_for_each_row_have_the_noise_floor_of_as_many_draws(tmp_path: Path) -> None:
    """Four draws for each of six people, written as shares: 24 draws against 6 people, not a distribution against 6 people."""
    responses = (1, 1, 1, 2, 2, 3)
    dataset = write_dataset(tmp_path / "dataset", [row("a", 1, answer) for answer in responses])
    given = predict_all(dataset, lambda _: [0.5, 0.25, 0.25])
    server = {"logprobs": False, "draws": 4, "temperature": 0.6, "top_p": 0.9}
    run = score([write_predictions(tmp_path / "p.parquet", dataset, given, engine="openai", server=server)], dataset).runs[0]
    truth = [np.mean(np.array(responses) == value) for value in (1, 2, 3)]
    places, cell = [0.0, 0.5, 1.0], np.zeros(3, int)
    expected_floor = expected_draw_distance(cell, places, truth, [6], 1, per_person=4)[0]
    assert run.stated is not None and run.published is not None
    for found in (run.stated, run.published):
        assert found.noise_floor == found.noise_floor_draws == pytest.approx(expected_floor)
        assert (found.noise_floor_kind, found.draws_per_person) == ("draws", 4)
        assert found.noise_floor_distributions == pytest.approx(noise_floor(truth, places, 6))
    assert run.cells[0].noise_floor == run.groups[0].noise_floor == run.stated.per_study[0].noise_floor == run.stated.noise_floor
    whole = score([write_predictions(tmp_path / "q.parquet", dataset, given)], dataset).runs[0].stated
    assert whole is not None and (whole.noise_floor_kind, whole.draws_per_person) == ("distributions", 1)
    assert run.stated.noise_floor_distributions < run.stated.noise_floor < whole.noise_floor_draws


def test_cells_and_studies_without_a_readable_prediction_are_counted(tmp_path: Path, command: Any) -> None:
    """Study c is hard, and so is condition 2 of b: a model that answers neither is no better, it is scored on other cells."""
    rows = [row(s, c, a) for s in "abc" for c in (1, 2) for a in (1, 3)]
    dataset = write_dataset(tmp_path / "dataset", rows)
    points = [
        {"study_id": s, "sample_id": 2 * i + j, "prediction": None if s == "c" or (s, i) == ("b", 1) else 1.0 + 2 * j}
        for s in "abc" for i in (0, 1) for j in (0, 1)
    ]  # fmt: skip
    path = write_predictions(tmp_path / "p.parquet", dataset, points)
    results = score([path], dataset)
    run = results.runs[0]
    assert run.stated is not None and run.published is not None
    for found in (run.stated, run.published):
        assert (found.n_cells, found.n_studies, found.W.point) == (3, 2, 0)
        assert found.not_scored == {"no readable prediction": 3}
        assert found.studies_not_scored == {"no readable prediction": 1}
        assert found.rows_left_out == {"no readable prediction": 6}
    said = "3 of 6 cells, 1 whole study among them, have no readable prediction and are not in W"
    assert [one.text for one in verdicts(run) if one.tone == "bad" and said in one.text]
    assert summary(results)[CONFIG]["unread_cells"] == 3
    assert [one["unread_cells"] for one in score_table(results)] == [3, 3]
    _, out, _ = command("score", path, "--dataset", dataset, "--out", tmp_path / "r.json")
    assert f"{CONFIG}: {said}" in out and "unread_cells" in out.replace("\n", "")
    full = [one | {"prediction": 2.0} for one in points]
    run = score([write_predictions(tmp_path / "q.parquet", dataset, full)], dataset).runs[0]
    assert run.stated is not None
    assert (run.stated.not_scored, run.stated.studies_not_scored, run.stated.unread) == ({}, {}, (0, 0))


def test_part_of_a_cell_without_a_readable_prediction_is_counted_in_rows(tmp_path: Path) -> None:
    """One item of the cell has another scale, and nothing could be read for it."""
    dataset = write_dataset(tmp_path / "dataset", [row("a", 1, 1), row("a", 1, 3), row("a", 1, 5, low=1, high=5, item=1)])
    given = [{"study_id": "a", "sample_id": i, "prediction": point} for i, point in enumerate((1.0, 3.0, None))]
    stated = score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset).runs[0].stated
    assert stated is not None
    assert (stated.n_cells, stated.not_scored, stated.rows_left_out) == (1, {}, {"no readable prediction": 1})


def test_weighted_scores_stand_apart(tmp_path: Path) -> None:
    """Weights 3 and 1 on answers 1 and 3: weighted people are (3/4, 0, 1/4). The unweighted study is not in it."""
    rows = [row("a", 1, 1, weight=3.0), row("a", 1, 3, weight=1.0), row("b", 1, 2), row("b", 1, 3)]
    dataset = write_dataset(tmp_path / "dataset", rows)
    said = {1: [1.0, 0, 0], 3: [0, 0.5, 0.5], 2: [0, 1.0, 0]}
    given = predict_all(dataset, lambda one: said[one["response"]])
    run = score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset).runs[0]
    assert run.weighted is not None
    # Model weighted: 3/4 on 1, 1/8 on 2, 1/8 on 3.
    assert run.weighted.W.point == pytest.approx(0.5 * (0 + 1 / 8))
    assert run.weighted.effective_n == pytest.approx(16 / 10)
    assert (run.weighted.n_studies, run.weighted.n_cells, run.weighted.n_rows) == (1, 1, 2)
    assert run.stated is not None
    assert pytest.approx(0.5 * (0 + 1 / 4)) == run.stated.per_study[0].W


def test_rows_sampled_from_each_cell_are_scored_against_all_people(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", [row("a", 1, answer) for answer in (1, 2, 3, 3)])
    given = predict_all(dataset, lambda _: [0, 1.0, 0])[:2]
    run = score([write_predictions(tmp_path / "p.parquet", dataset, given, per_cell=2)], dataset).runs[0]
    assert run.stated is not None
    assert run.stated.W.point == pytest.approx(0.5 * (1 / 4 + 1 / 2))
    assert run.coverage.left_out == {"not sampled from its cell": 2}
    assert run.per_cell == 2


def test_low_answer_mass_is_flagged(by_hand: Path, tmp_path: Path) -> None:
    given = [one | {"answer_mass": 0.99 if one["study_id"] == "a" else 0.7} for one in predict_all(by_hand, expected)]
    mass = score([write_predictions(tmp_path / "p.parquet", by_hand, given)], by_hand).runs[0].answer_mass
    assert mass is not None
    assert mass.mean == pytest.approx((0.99 + 0.7) / 2)
    assert (mass.flagged, mass.lowest_study) == (True, "b")


def test_training_record_says_whether_the_split_was_held_out(by_hand: Path, tmp_path: Path) -> None:
    from socsci210.dataset_folder import DatasetFolder

    own = DatasetFolder(by_hand).fingerprint
    given = predict_all(by_hand, expected)
    for fingerprint, configs, held_out in ((own, [CONFIG], True), (own, ["unseen_studies"], False), ("other", [CONFIG], None)):
        training = {"dataset_fingerprint": fingerprint, "train_on": configs}
        path = write_predictions(tmp_path / "p.parquet", by_hand, given, training=training)
        assert score([path], by_hand).runs[0].held_out is held_out


def test_parity_reads_groups_of_people(tmp_path: Path) -> None:
    """80 people; the old answer 3, the young 1; the model is sure of 3 for all: accuracy 1 against 0, no gap in its own responses."""
    people = [{"age": 70 if i % 2 else 20, "location": "Ohio" if i % 4 < 2 else "Texas"} for i in range(80)]
    rows = [row("a", 1, 3 if one["age"] == 70 else 1, demographic=one) for one in people]
    dataset = write_dataset(tmp_path / "dataset", rows)
    given = predict_all(dataset, lambda _: [0, 0, 1.0])
    run = score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset).runs[0]
    age, location = run.parity
    assert (age.attribute, location.attribute) == ("age", "location")
    assert (age.accuracy_gap, age.response_gap, age.human_gap, age.excess) == (1, 0, 1, -1)
    assert 0.05 < age.accuracy_gap_null < 0.3
    assert age.accuracy_gap_net == pytest.approx(1 - age.accuracy_gap_null)
    assert location.human_gap == pytest.approx(0)
    old, young = (next(one for one in age.groups if one.name == name) for name in ("60+", "18-29"))
    assert (old.n_people, old.accuracy, old.predicted, old.response) == (40, 1, 1, 1)
    assert (young.n_people, young.accuracy, young.predicted, young.response) == (40, 0, 1, 0)
    assert [one.name for one in location.groups] == ["Midwest", "South"]


def test_sensitivity_sees_what_w_does_not(tmp_path: Path) -> None:
    """Two models equally far from people; only one knows which arm moves them."""
    rows = [row(f"s{s}", c, 1 + (i < 5 + 2 * c)) for s in range(4) for c in (1, 2, 3) for i in range(20)]
    dataset = write_dataset(tmp_path / "dataset", rows)
    moves = {1: 0.35, 2: 0.45, 3: 0.55}
    found = {}
    for name, share in (("knows", lambda c: moves[c] + 0.1), ("backwards", lambda c: moves[4 - c] + 0.1)):
        given = predict_all(dataset, lambda one, share=share: [1 - share(one["condition_num"]), share(one["condition_num"]), 0])
        found[name] = score([write_predictions(tmp_path / f"{name}.parquet", dataset, given)], dataset).runs[0]
    assert found["knows"].sensitivity.r == pytest.approx(1)
    assert found["backwards"].sensitivity.r == pytest.approx(-1)
    assert (found["knows"].sensitivity.p or 1) < 0.05 < (found["backwards"].sensitivity.p or 0)
    assert found["knows"].sensitivity.n_outcomes == 4


def test_examples_follow_their_rule(tmp_path: Path) -> None:
    """Of ten cells, farther and farther from people: the farthest, the median and the nearest."""
    rows = [row("a", c, 1) for c in range(1, 11) for _ in range(4)]
    dataset = write_dataset(tmp_path / "dataset", rows)
    given = predict_all(dataset, lambda one: [1 - one["condition_num"] / 10, one["condition_num"] / 10, 0])
    run = score([write_predictions(tmp_path / "p.parquet", dataset, given)], dataset).runs[0]
    assert [(one.rule, one.condition_num) for one in run.examples] == [
        ("highest W", 10), ("nearest the median W", 6), ("lowest W", 1),
    ]  # fmt: skip
    first = run.examples[0]
    assert (first.human, first.model, first.n) == ((1, 0, 0), pytest.approx((0, 1, 0)), 4)
    assert (first.condition, first.question, first.labels, first.W) == ("Arm 10", "Question 0?", ("Least", "", ""), pytest.approx(0.5))


# --- refusals ------------------------------------------------------------------------------------------------------------------------


def refused(dataset: Path, tmp_path: Path, given: list[dict[str, Any]], **metadata: Any) -> str:
    """The message with which a file is refused."""
    path = write_predictions(tmp_path / "bad.parquet", dataset, given, **metadata)
    with pytest.raises(DatasetError) as error:
        score([path], dataset)
    assert "bad.parquet" in str(error.value)
    assert "Fix: " in str(error.value)
    return str(error.value)


def test_an_unfinished_file_is_refused(by_hand: Path, tmp_path: Path) -> None:
    given = predict_all(by_hand, expected)
    assert "unfinished run" in refused(by_hand, tmp_path, given, complete=False)
    assert "5 rows, 8 promised" in refused(by_hand, tmp_path, given[:5], rows_expected=8)
    message = refused(by_hand, tmp_path, given, rows_expected=None)
    assert "metadata key rows_expected: Input should be a valid integer" in message


def test_missing_rows_are_refused_by_name(by_hand: Path, tmp_path: Path) -> None:
    message = refused(by_hand, tmp_path, predict_all(by_hand, expected)[:-2])
    assert "2 of 8 rows of the split have no prediction: b sample_id 1, b sample_id 2" in message


def test_duplicated_rows_are_refused_by_name(by_hand: Path, tmp_path: Path) -> None:
    given = predict_all(by_hand, expected)
    assert "1 rows are predicted more than once: a sample_id 4" in refused(by_hand, tmp_path, [*given, given[1]])


def test_unknown_rows_are_refused_by_name(by_hand: Path, tmp_path: Path) -> None:
    given = predict_all(by_hand, expected)
    strange = [given[0] | {"sample_id": 99}, given[0] | {"study_id": "zebra"}, given[0] | {"sample_id": 0}]  # the last is in training
    message = refused(by_hand, tmp_path, [*given, *strange])
    assert "3 of 11 predictions are of rows that are not in the split: a sample_id 99, zebra sample_id 3, a sample_id 0" in message


def test_predictions_for_another_dataset_are_refused(by_hand: Path, tmp_path: Path) -> None:
    message = refused(by_hand, tmp_path, predict_all(by_hand, expected), dataset_fingerprint="f" * 64)
    assert f"fingerprint {'f' * 64}" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": [0.5, float("nan"), 0.5]}, "1 of 8 predictions have a probability that is nan, infinite or negative"),
        ({"probabilities": [1.5, -0.5, 0.0]}, "1 of 8 predictions have a probability that is nan, infinite or negative"),
        ({"probabilities": [0.5, 0.5, 0.1]}, "1 of 8 predictions have probabilities that do not sum to 1"),
        ({"support": [0, 1, 2]}, "1 of 8 predictions have a support that is not the scale"),
        ({"support": [1, 2], "probabilities": [0.5, 0.5]}, "1 of 8 predictions have a support that is not the scale"),
        ({"support": [3, 2, 1]}, "1 of 8 predictions have a support that is not the scale"),
        ({"support": [1, 2]}, "1 of 8 predictions have a support and probabilities of different lengths"),
        ({"support": [], "probabilities": []}, "1 of 8 predictions have no distribution"),
        ({"answer_mass": 1.2}, "1 of 8 predictions have an answer mass that is not between 0 and 1"),
    ],
)
def test_what_is_not_a_distribution_over_the_scale_is_refused(by_hand: Path, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    given = predict_all(by_hand, expected)
    given[2] |= change
    assert f"{message}: a sample_id 5" in refused(by_hand, tmp_path, given)


@pytest.mark.parametrize(
    ("column", "value", "expected_kind"),
    [
        ("sample_id", 3.5, "whole numbers"),
        ("sample_id", "3", "whole numbers"),
        ("study_id", 7, "texts"),
        ("support", ["1", "2", "3"], "lists of numbers"),
        ("probabilities", 0.5, "lists of numbers"),
        ("answer_mass", "much", "numbers"),
        ("parsed", 1, "yes or no"),
    ],
)
def test_columns_of_another_type_are_refused(by_hand: Path, tmp_path: Path, column: str, value: Any, expected_kind: str) -> None:
    """A sample_id of 3.5 would be cut to another row's."""
    message = refused(by_hand, tmp_path, [one | {column: value} for one in predict_all(by_hand, expected)])
    assert f"column `{column}` holds " in message and f"Expected: {expected_kind}" in message


def test_infinite_points_and_rows_without_a_name_are_refused(by_hand: Path, tmp_path: Path) -> None:
    points = [{"study_id": one["study_id"], "sample_id": one["sample_id"], "prediction": 2.0} for one in predict_all(by_hand, expected)]
    wild = [points[0] | {"prediction": float("inf")}, *points[1:]]
    assert "1 of 8 predictions are infinite: a sample_id 3" in refused(by_hand, tmp_path, wild)
    nameless = [points[0] | {"sample_id": None}, *points[1:]]
    assert "1 of 8 predictions are of rows that are not in the split: a sample_id None" in refused(by_hand, tmp_path, nameless)
    words = [one | {"prediction": "two"} for one in points]
    assert "column `prediction` holds string" in refused(by_hand, tmp_path, words)


def test_a_run_of_some_people_holds_as_many_of_every_cell(by_hand: Path, tmp_path: Path) -> None:
    """Cells of 4, 2 and 2 rows; sampling excuses rows, not cells."""
    given = predict_all(by_hand, expected)
    few = [given[0], given[1], *given[4:]]
    assert score([write_predictions(tmp_path / "p.parquet", by_hand, few, per_cell=2)], by_hand).runs[0].per_cell == 2
    said = "1 of 3 cells have another number of predictions: a condition_num 1 task_num 0 item_num 0"
    assert said in refused(by_hand, tmp_path, given, per_cell=2)
    assert said.replace("a condition_num", "b condition_num") in refused(by_hand, tmp_path, few[:-2], per_cell=2)


def test_points_among_distributions_are_refused(by_hand: Path, tmp_path: Path) -> None:
    """A file holds one kind of predictions; so do all shards of a run."""
    given = [one | {"prediction": None} for one in predict_all(by_hand, expected)]
    for one in given[1:3]:
        one |= {"support": None, "probabilities": None, "prediction": 2}
    assert "2 of 8 predictions have no distribution: a sample_id 4, a sample_id 5" in refused(by_hand, tmp_path, given)
    whole = predict_all(by_hand, expected)
    points = [{"study_id": one["study_id"], "sample_id": one["sample_id"], "prediction": 2.0} for one in whole[4:]]
    shards = [
        write_predictions(tmp_path / f"{name}.parquet", by_hand, some, rows_expected=8) for name, some in (("p", whole[:4]), ("q", points))
    ]
    with pytest.raises(DatasetError, match="shards with different columns"):
        score(shards, by_hand)


def test_a_scale_with_steps_has_a_support_with_steps(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", [row("a", c, answer, low=0, high=4) for c in (0, 1) for answer in (0, 2, 4)], step=2)
    good = [one | {"support": [0, 2, 4], "probabilities": [0.5, 0.5, 0.0]} for one in predict_all(dataset, lambda _: [0.2] * 5)]
    run = score([write_predictions(tmp_path / "p.parquet", dataset, good)], dataset).runs[0]
    assert run.stated is not None
    assert run.stated.W.point == pytest.approx(0.5 * (abs(1 / 2 - 1 / 3) + abs(1 - 2 / 3)))
    assert run.stated.chance == pytest.approx(0, abs=1e-12)
    assert "support that is not the scale" in refused(dataset, tmp_path, predict_all(dataset, lambda _: [0.2] * 5))


def test_neither_distributions_nor_draws(by_hand: Path, tmp_path: Path) -> None:
    given = [{"study_id": one["study_id"], "sample_id": one["sample_id"]} for one in predict_all(by_hand, expected)]
    assert "neither `probabilities` nor `prediction`" in refused(by_hand, tmp_path, given)
    unread = [one | {"prediction": float("nan")} for one in given]
    assert "none of 8 predictions could be read" in refused(by_hand, tmp_path, unread)


def test_a_file_that_is_no_prediction_file(by_hand: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    with pytest.raises(DatasetError, match="no socsci210 metadata"):
        score([tmp_path / "x.parquet"], by_hand)
    (tmp_path / "y.parquet").write_text("no parquet")
    with pytest.raises(DatasetError, match="not a readable parquet file"):
        score([tmp_path / "y.parquet"], by_hand)
    with pytest.raises(DatasetError, match="no prediction file given"):
        score([], by_hand)
    path = write_predictions(tmp_path / "p.parquet", by_hand, predict_all(by_hand, expected))
    with pytest.raises(DatasetError, match="given twice"):
        score([path, path], by_hand)


def test_results_replace_results_only(by_hand: Path, tmp_path: Path, command: Any) -> None:
    """A slip of --out must not cost the predictions, nor a dataset its manifest."""
    path = write_predictions(tmp_path / "p.parquet", by_hand, predict_all(by_hand, expected))
    manifest = by_hand / "dataset.json"
    for out, said in ((path, "would replace another file"), (manifest, "would replace another file"), (tmp_path, "a folder, where a file")):
        before = out.read_bytes() if out.is_file() else b""
        code, _, err = command("score", path, "--dataset", by_hand, "--out", out)
        assert code == 1 and said in err and "name" in err
        assert not before or out.read_bytes() == before
    for _ in range(2):
        assert command("score", path, "--dataset", by_hand, "--out", tmp_path / "results.json")[0] == 0


def test_results_of_another_format_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text('{"format": 99}')
    with pytest.raises(DatasetError, match="format 99"):
        Results.read_json(path)
    path.write_text('{"format": 1, "surprise": 2}')
    with pytest.raises(DatasetError, match="Field required"):
        Results.read_json(path)
    path.write_text("{")
    with pytest.raises(DatasetError, match="does not read"):
        Results.read_json(path)
