"""The evaluate module: loaded by path without a network, from anywhere, in two processes, with points and with distributions."""

from __future__ import annotations

import ast
import doctest
import multiprocessing
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest

from socsci210.local_hub import LocalHub
from socsci210.metrics import path
from socsci210.metrics.socsci210.inputs import read_inputs, read_levels
from socsci210.metrics.socsci210.intervals import percentiles
from socsci210.metrics.socsci210.summaries import treatment_effects

ROOT = Path(__file__).resolve().parent.parent
CELL: dict[str, list[Any]] = {"study_id": ["s", "s"], "condition_num": [0, 0], "task_num": [0, 0], "scale_min": [1, 1], "scale_max": [3, 3]}


def alignment(**options: Any) -> Any:
    return evaluate.load(str(path()), "distributional_alignment", **options)


def test_loads_by_relative_path_offline() -> None:
    """The command of the README, in a fresh process at the root of the repository, offline."""
    code = 'import evaluate; print(evaluate.load("metrics/socsci210").description.splitlines()[0])'
    given = os.environ | {"HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1"}
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=given, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "Do a model's answers to survey experiments look like people's?"


def test_loads_from_a_hub(tmp_path: Path) -> None:
    """As a repository of type space, where evaluate looks for modules: first for a tag of its own version, then on the main branch."""
    code = 'import evaluate; print(sorted(evaluate.load("someone/socsci210", "calibration").higher_is_better)[0])'
    with LocalHub() as hub:
        files = ("README.md", "requirements.txt", *(file.name for file in path().glob("*.py")))
        hub.commit("space", "someone/socsci210", {name: (path() / name).read_bytes() for name in files})
        given = os.environ | hub.environment() | {"HF_HOME": str(tmp_path), "HF_MODULES_CACHE": str(tmp_path / "modules")}
        found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=given, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-2000:]
    assert found.stdout.strip() == "accuracy_draw"


def test_path_holds_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert path().is_absolute()
    assert alignment().compute(predictions=[2, 2], references=[1, 2], **CELL)["w1_stated"] == 0.25


def test_distributions_and_points_agree() -> None:
    whole = alignment().compute(predictions=[[0, 1, 0], [0, 1, 0]], references=[1, 2], **CELL)
    points = alignment().compute(predictions=[2, 2], references=[1, 2], **CELL)
    for name in ("w1_stated", "w1_published", "chance_stated", "n_cells_stated", "n_studies"):
        assert whole[name] == points[name]
    assert whole["w1_published"] == 0.5
    assert whole["chance_stated"] == pytest.approx(0.25)
    assert whole["noise_floor_stated"] == pytest.approx(0.125)  # one gap of 0.5, E|Bin(2, 1/2)/2 - 1/2| = 1/4


def test_published_decodes_unless_told_otherwise() -> None:
    rows = {"predictions": [[0.5, 0.3, 0.2]] * 2, "references": [1, 3], **CELL}
    sharp = [p ** (1 / 0.6) for p in (0.5, 0.3, 0.2)]
    a, b = sharp[0] / sum(sharp), sharp[1] / sum(sharp)
    assert alignment().compute(**rows)["w1_published"] == pytest.approx(0.5 * abs(a - 0.5) + 0.5 * abs(a + b - 0.5))
    assert alignment().compute(**rows, decode=False)["w1_published"] == pytest.approx(0.5 * 0.0 + 0.5 * 0.3)


def test_unparsed_points_are_counted() -> None:
    found = alignment().compute(predictions=[2, None], references=[2, 1], **CELL)
    assert (found["parse_rate"], found["w1_stated"], found["w1_published"]) == (0.5, 0.0, None)


def _people(n: int) -> dict[str, list[Any]]:
    """n people, half of them old; old people answer 3, the young 1."""
    old = [i % 2 == 0 for i in range(n)]
    return {
        "references": [3 if one else 1 for one in old],
        "study_id": ["s"] * n,
        "task_num": [0] * n,
        "scale_min": [1] * n,
        "scale_max": [3] * n,
        "participant": list(range(n)),
        "demographic": [{"age": 70 if one else 20, "gender": None} for one in old],
    }


def test_parity_by_hand() -> None:
    """A model that answers 2 for everyone is equally wrong for all, and knows nothing of the gap between people."""
    found = evaluate.load(str(path()), "demographic_parity").compute(predictions=[2] * 80, **_people(80))["parity"]
    assert list(found) == ["age"]
    age = found["age"]
    assert (age["accuracy_gap"], age["response_gap"], age["human_gap"], age["excess"]) == (0, 0, 1, -1)
    assert (age["n_studies"], age["n_groups_left_out"]) == (1, 0)
    assert 0 < age["human_gap_null"] < 0.3
    assert age["human_gap_net"] == pytest.approx(1 - age["human_gap_null"])


def test_default_config_gives_both() -> None:
    found = evaluate.load(str(path())).compute(predictions=[[0, 1, 0]] * 80, condition_num=[0] * 80, **_people(80))
    assert found["w1_stated"] == pytest.approx(0.5)
    assert found["parity"]["age"]["human_gap"] == 1


def test_a_field_that_does_not_exist_is_refused() -> None:
    rows = _people(2) | {"demographic": [{"Age": 3}, {}]}
    with pytest.raises(ValueError, match="unknown demographic field Age"):
        evaluate.load(str(path()), "demographic_parity").compute(predictions=[1, 2], **rows)


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([], "no predictions"),
        ([None, None], "none of 2 predictions is a number"),
        ([[0.5, 0.5, 0.1], [0, 1, 0]], "1 of 2 rows are wrong; row 0 gives probabilities that do not sum to 1"),
        ([[0, 1, 0], [0, float("nan"), 1]], "row 1 gives a probability that is nan"),
        ([[0, 1, 0], [0, 0.5, 0.25, 0.25]], "row 1 gives a number of probabilities that does not fit its scale"),
    ],
)
def test_bad_input_is_refused(predictions: list[Any], message: str) -> None:
    rows = {name: values[: len(predictions)] for name, values in ({"references": [1, 2]} | CELL).items()}
    with pytest.raises(ValueError, match=message):
        alignment().compute(predictions=predictions, **rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale_min": [3, 3], "scale_max": [1, 1]}, "2 of 2 rows are wrong; row 0 has a scale whose lower end is not below its upper end"),
        ({"scale_max": [3, None]}, "1 of 2 rows are wrong; row 1 has one end of a scale"),
        ({"predictions": [2, float("inf")]}, "1 of 2 rows are wrong; row 1 is predicted as infinite"),
    ],
)
def test_scales_that_are_none_and_infinite_points_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        alignment().compute(**{"predictions": [2, 2], "references": [1, 2], **CELL, **change})


def test_rows_may_be_added_one_by_one() -> None:
    rows = _people(80) | {"predictions": [2] * 80}
    metric = loaded("demographic_parity")
    for i in range(80):
        one = {name: values[i] for name, values in rows.items()}
        metric.add(prediction=one.pop("predictions"), reference=one.pop("references"), **one)
    assert metric.compute() == loaded("demographic_parity").compute(**rows)


def test_the_example_of_the_card_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands in the card, from the root of the repository; and the card names every figure that has a direction."""
    card = (path() / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert code is not None
    *lines, last = ast.parse(code.group(1)).body
    assert isinstance(last, ast.Expr)
    names: dict[str, Any] = {}
    monkeypatch.chdir(ROOT)
    exec(compile(ast.Module(lines, []), "card", "exec"), names)
    found = eval(compile(ast.Expression(last.value), "card", "eval"), names)
    assert found["w1_stated"] == pytest.approx(0.5 * (0.5 - 0.15) + 0.5 * (1 - 0.85))
    for figure in names["metric"].higher_is_better:
        family = re.sub(r"_(stated|published|unclipped)$", "", figure)
        assert re.search(rf"`{family}(_\w+|_\*)?`", card), figure


def test_no_call_before_compute() -> None:
    with pytest.raises(ValueError, match="at least once"):
        alignment().compute()


def test_an_unknown_config_is_refused() -> None:
    with pytest.raises(ValueError, match="choose one of default, distributional_alignment, individual_accuracy, demographic_parity"):
        evaluate.load(str(path()), "parity")


def test_direction_is_stated() -> None:
    assert alignment().higher_is_better["w1_stated"] is False


def loaded(config: str) -> Any:
    return evaluate.load(str(path()), config)


def test_draws_are_samples_of_each_row() -> None:
    """Two draws for each row are the same cell as the shares they make; their noise floor is that of draws."""
    whole = alignment().compute(predictions=[[0.5, 0.5, 0], [0, 0.5, 0.5]], references=[1, 2], decode=False, **CELL)
    drawn = alignment().compute(predictions=[[2, 1], [2, 3]], references=[1, 2], draws=True, **CELL)
    points = alignment().compute(predictions=[1, 3], references=[1, 2], **CELL)
    for name in ("w1_stated", "w1_published", "tv_stated", "best_constant_stated", "chance_stated"):
        assert drawn[name] == pytest.approx(whole[name]), name
    assert whole["noise_floor_stated"] < drawn["noise_floor_stated"] < points["noise_floor_stated"]
    assert (drawn["log_likelihood"], points["log_likelihood"]) == (None, None)
    assert whole["log_likelihood"] == pytest.approx(np.log(0.5))


def test_best_constant_and_total_variation_by_hand() -> None:
    found = alignment().compute(predictions=[[0, 1, 0], [0, 1, 0]], references=[1, 2], **CELL)
    assert (found["tv_stated"], found["tv_published"]) == (0.5, 0.5)
    assert (found["best_constant_stated"], found["best_constant_published"]) == (0.25, 0.5)
    assert found["log_likelihood"] == pytest.approx((np.log(1e-6) + 0) / 2)


def cells(studies: list[str], conditions: list[int], low: int = 1, high: int = 5) -> dict[str, list[Any]]:
    n = len(studies)
    return {"study_id": studies, "condition_num": conditions, "task_num": [0] * n, "scale_min": [low] * n, "scale_max": [high] * n}


def test_studies_count_the_same_however_many_cells_they_have() -> None:
    """Flat averaging over cells is another number: here 0.25 * 3 / 4 + 1 / 4."""
    rows = cells(["many"] * 3 + ["one"], [0, 1, 2, 0])
    found = alignment().compute(predictions=[2, 2, 2, 5], references=[1] * 4, **rows)
    assert found["w1_stated"] == pytest.approx((0.25 + 1) / 2)


def test_the_range_that_people_used_moves_the_uniform_baseline() -> None:
    """The two conventions differ by more than models do, so they have names and never share a column."""
    found = alignment().compute(predictions=[3] * 4, references=[2, 3, 3, 4], **cells(["s"] * 4, [0] * 4))
    assert (found["chance_stated"], found["chance_published"]) == pytest.approx((0.7 / 4, 0.3 / 2))
    assert found["w1_published"] == pytest.approx(2 * found["w1_stated"])


def test_a_question_without_bounds_is_scored_by_published_only() -> None:
    rows = cells(["s"] * 3, [0] * 3) | {"scale_min": [None] * 3, "scale_max": [None] * 3}
    found = evaluate.load(str(path())).compute(
        predictions=[10, 1e27, 300], references=[10, 20, 110], participant=[0, 1, 2], demographic=[{}] * 3, **rows
    )
    assert found["w1_stated"] is None
    assert found["w1_published"] == pytest.approx((0 + 90 + 0) / 100 / 3)  # 1e27 and 300 count at the end that people used
    assert (found["accuracy_median"], found["entropy_ratio"], found["parity"]) == (None, None, {})


def test_a_good_distance_says_nothing_about_conditions() -> None:
    """Answers pooled over conditions are near every cell and know no effect: only treatment_effects tells."""
    rng = np.random.default_rng(0)
    n = 1200
    rows = cells([f"s{i % 4}" for i in range(n)], [int(i) for i in rng.integers(0, 3, n)])
    human = [1 + int(rng.binomial(4, 0.15 + 0.1 * (arm == 2))) for arm in rows["condition_num"]]
    pooled = [np.bincount([h for h, s in zip(human, rows["study_id"], strict=True) if s == f"s{k}"], minlength=6)[1:] for k in range(4)]
    predictions = [(pooled[i % 4] / pooled[i % 4].sum()).tolist() for i in range(n)]
    near = alignment().compute(predictions=predictions, references=human, **rows)
    assert near["w1_stated"] < 0.15 * near["chance_stated"]
    people = {"participant": list(range(n)), "item_num": [0] * n}
    blind = loaded("treatment_effects").compute(predictions=predictions, references=human, **people, **rows)
    assert (blind["r"], blind["refused"]) == (None, "the model has no effects: it gives every arm the same answers")


def test_individual_accuracy_by_hand() -> None:
    found = loaded("individual_accuracy").compute(predictions=[[0.4, 0.6, 0], [0.4, 0.6, 0]], references=[1, 2], **CELL)
    assert found["accuracy_median"] == pytest.approx((0.5 + 1) / 2)
    assert found["accuracy_draw"] == pytest.approx(((1 - 0.3) + (1 - 0.2)) / 2)
    assert found["entropy_ratio"] == pytest.approx(-(0.4 * np.log(0.4) + 0.6 * np.log(0.6)) / (np.log(2) + 1 / 4))
    assert (found["n_rows_accuracy"], found["parse_rate"]) == (2, 1)
    wild = loaded("individual_accuracy").compute(predictions=[5, 2], references=[1, 2], **CELL)
    assert (wild["accuracy_median"], wild["accuracy_median_unclipped"]) == (0.5, 0)


def test_accuracy_counts_studies_not_rows() -> None:
    rows = {name: values[:1] * 4 for name, values in CELL.items()} | {"study_id": ["big"] * 3 + ["small"]}
    found = loaded("individual_accuracy").compute(predictions=[1, 1, 1, 1], references=[1, 1, 1, 3], **rows)
    assert found["accuracy_median"] == 0.5


def test_calibration_by_hand() -> None:
    found = loaded("calibration").compute(predictions=[[0.8, 0.2, 0]] * 2, references=[1, 2], **CELL)
    assert found["brier"] == pytest.approx((0.2**2 + 0.2**2 + 0.8**2 + 0.8**2) / 2)
    assert found["ece"] == pytest.approx((0.3 + 0.3 + 0) / 3)
    assert [one["n"] for one in found["calibration_bins"]] == [2, 0, 2, 0, 0, 0, 0, 0, 2, 0]
    assert found["calibration_bins"][8]["observed"] == 0.5
    points = loaded("calibration").compute(predictions=[1, 2], references=[1, 2], **CELL)
    assert (points["ece"], points["calibration_bins"], points["entropy_ratio"]) == (None, None, 1.0)


def experiment(studies: int = 12, people: int = 40) -> dict[str, list[Any]]:
    """Every person answers one of three arms; arm k moves answers on 1 to 5 up by k. Rows for all arms; unassigned ones have no answer."""
    rng = np.random.default_rng(0)
    rows: list[tuple[Any, ...]] = []
    for study in range(studies):
        for person in range(people):
            for arm in range(3):
                answer = int(np.clip(rng.integers(1, 4) + arm, 1, 5)) if arm == person % 3 else None
                rows.append((f"s{study}", arm, 0, 0, person, 1, 5, answer, 2 + arm))
    names = ("study_id", "condition_num", "task_num", "item_num", "participant", "scale_min", "scale_max", "references", "predictions")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def test_the_interval_of_effects_is_moved_out_for_few_studies(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the scorer: the percentiles are those for as many studies as were resampled."""
    rows = experiment()
    names = ("predictions", "references", "study_id", "scale_min", "scale_max")
    inputs = read_inputs(*(rows[name] for name in names), unassigned=True)
    arm = tuple(inputs.take(rows[name]) for name in ("condition_num", "task_num", "item_num"))
    seen: list[int | None] = []

    def counted(values: np.ndarray, n: int | None = None) -> tuple[float, float]:
        seen.append(n)
        return percentiles(values, n)

    monkeypatch.setattr("socsci210.metrics.socsci210.summaries.percentiles", counted)
    levels = read_levels(["{}"] * len(inputs.kept))
    found = treatment_effects(inputs, arm, inputs.take(rows["participant"]), levels, {}, 0)  # type: ignore[arg-type]
    assert seen == [12] and found["r_interval"] == loaded("treatment_effects").compute(**rows)["r_interval"]


def test_treatment_effects_of_every_persona_through_every_arm() -> None:
    rows = experiment()
    found = loaded("treatment_effects").compute(control={f"s{i}": 0 for i in range(12)}, **rows)
    assert (found["method"], found["n_contrasts"], found["n_studies"], found["refused"]) == (
        "every persona through every arm",
        24,
        12,
        None,
    )
    assert found["r"] > 0.95
    assert found["r_interval"][0] < found["r"] < found["r_interval"][1]
    assert found["sign_agreement"] == 1
    assert found["slope"] == pytest.approx(1, abs=0.1)
    assert found["p"] < 0.01
    blind = loaded("treatment_effects").compute(**rows | {"predictions": [3] * len(rows["references"])})
    assert (blind["r"], blind["r_raw"], blind["refused"]) == (None, None, "the model has no effects: it gives every arm the same answers")
    assert blind["n_contrasts"] == 36  # no control: each arm against the mean of the others


def test_treatment_effects_within_people_and_of_a_conjoint() -> None:
    """Study w: everyone answers both arms. Study c: profiles that differ in price."""
    n = 30
    rows: dict[str, list[Any]] = {
        "study_id": ["w"] * (2 * n) + ["c"] * (2 * n),
        "condition_num": [0, 1] * n + [0] * (2 * n),
        "task_num": [0] * (4 * n),
        "item_num": [0] * (2 * n) + [0, 1] * n,
        "participant": [i // 2 for i in range(2 * n)] * 2,
        "scale_min": [0] * (4 * n),
        "scale_max": [10] * (4 * n),
        "references": [value for i in range(n) for value in (i % 8, i % 8 + i % 2)] + [4, 6, 5, 6, 4, 6] * (n // 3),
        "attributes": [None] * (2 * n) + [{"price": "high"}, {"price": "low"}] * n,
    }
    rows["predictions"] = [float(one) for one in rows["references"]]
    found = loaded("treatment_effects").compute(**rows)
    assert (found["n_contrasts"], found["n_studies"], found["n_reliable"], found["method"]) == (2, 2, 2, "as assigned")
    assert (found["mae"], found["r_raw"], found["sign_agreement"]) == pytest.approx((0, 1, 1), abs=1e-12)
    assert found["refused"] == "2 contrasts, fewer than 3"
    unpaired = loaded("treatment_effects").compute(**rows | {"participant": list(range(4 * n))})
    assert unpaired["n_reliable"] == 1, "without its pairs, the effect of study w drowns in differences between people"


@pytest.mark.parametrize(
    ("control", "message"), [({"x": 0}, "control names the study 'x', which no row has"), ({"s0": 7}, "condition 7 of study 's0'")]
)
def test_a_control_that_no_row_has_is_refused(control: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loaded("treatment_effects").compute(control=control, **experiment(2))


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        (
            [[1, 2], [1, 2, 3]],
            [1, 2],
            "1 of 2 rows are wrong; row 1 has another number of draws than the first row with draws, which has 2",
        ),
        ([[1, 2], [1, float("nan")]], [1, 2], "row 1 has a draw that is not a number"),
        ([1, 2], [1, None], "row 1 has no reference"),
    ],
)
def test_bad_draws_and_missing_references_are_refused(predictions: list[Any], references: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        alignment().compute(predictions=predictions, references=references, draws=isinstance(predictions[0], list), **CELL)


def test_unparsed_lists_are_counted() -> None:
    for predictions, draws in (([None, [0, 1, 0]], False), ([[2, 2], None], True)):
        found = alignment().compute(predictions=predictions, references=[1, 2], draws=draws, **CELL)
        assert (found["parse_rate"], found["n_cells_stated"]) == (0.5, 1)


def test_no_conventions_are_mixed_and_no_optional_column_is_missed() -> None:
    """Rows may come without `attributes`, in batches too; other columns are asked for."""
    rows = experiment(3)
    whole = loaded("treatment_effects").compute(**rows)
    metric = loaded("treatment_effects")
    half = len(rows["references"]) // 2
    for part in (slice(half, None), slice(0, half)):  # now the first row has no reference
        assert part.start == 0 or rows["references"][half] is None
        metric.add_batch(**{name: values[part] for name, values in rows.items()})
    assert metric.compute() == whole
    with pytest.raises(ValueError, match="item_num"):
        loaded("treatment_effects").compute(**{name: values for name, values in rows.items() if name != "item_num"})


def _half(rank: int, cache: str, queue: Any) -> None:
    metric = evaluate.load(str(path()), "distributional_alignment", num_process=2, process_id=rank, experiment_id="two", cache_dir=cache)
    for answer in ([1, 2], [3, 3]):  # two batches on each side
        metric.add_batch(predictions=[[1, 0, 0], [0, 0, 1]] if rank else [[0, 1, 0], [0, 1, 0]], references=answer, **CELL)
    queue.put((rank, metric.compute()))


def test_two_processes_add_up(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=_half, args=(rank, str(tmp_path), queue)) for rank in range(2)]
    for worker in workers:
        worker.start()
    found = dict(queue.get(timeout=300) for _ in workers)
    for worker in workers:
        worker.join()
    assert found[1] is None
    together = alignment().compute(
        predictions=[[0, 1, 0]] * 4 + [[1, 0, 0], [0, 0, 1]] * 2,
        references=[1, 2, 3, 3] * 2,
        **{name: values * 4 for name, values in CELL.items()},
    )
    assert found[0] == together
    assert together["w1_stated"] == pytest.approx(0.5 * (0.25 - 0.25) + 0.5 * (0.75 - 0.5))


def test_doctests() -> None:
    metric = alignment()
    runner, parser = doctest.DocTestRunner(), doctest.DocTestParser()
    found = parser.get_doctest(metric.inputs_description, {"evaluate": evaluate, "MODULE": str(path())}, "socsci210", None, 0)
    assert len(found.examples) >= 4
    runner.run(found)
    for name in ("codes", "distances", "groups", "individual", "parity"):
        module = __import__(f"socsci210.metrics.socsci210.{name}", fromlist=[name])
        result = doctest.testmod(module)
        assert result.attempted > 0
        assert result.failed == 0
    assert runner.failures == 0


def test_the_mathematics_needs_numpy_only() -> None:
    """Files beside the module import the standard library, numpy and each other, by relative names of one level."""
    for file in sorted(path().glob("*.py")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(("import ", "from ")):
                module = line.split()[1]
                allowed = ("__future__", "collections", "dataclasses", "itertools", "json", "math", "typing", "numpy")
                own = module.startswith(".") and module.count(".") == 1
                heavy = file.name == "socsci210.py" and module in ("datasets", "evaluate")
                assert own or heavy or module.split(".")[0] in allowed, f"{file.name}: {line}"


def test_the_script_imports_every_file_that_its_own_imports_need() -> None:
    """evaluate copies only the files that the script itself imports."""
    script = (path() / "socsci210.py").read_text(encoding="utf-8")
    for file in path().glob("*.py"):
        if file.stem not in ("__init__", "socsci210"):
            assert f"from .{file.stem} import" in script, file.name
