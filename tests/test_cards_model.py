"""The card of a model: figures from its run record and results, refused for another model or dataset, and no place of a machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from socsci210.cards.merging import split_card
from socsci210.cards.model import model_card
from socsci210.cards.sections import check_card, merge
from socsci210.errors import DatasetError, HubError
from socsci210.results import Results

from .full_results import full, sparse

MODEL, REVISION, FINGERPRINT = "vendor/small", "r1", "ab" * 32
RECORD: dict[str, Any] = {
    "settings": {
        "output": "/home/ann/secret/out", "dataset": "/home/ann/data", "model": None, "lora": None, "learning_rate": 1e-3,
        "objective": "sft",
    },
    "model_revision": None, "dataset_fingerprint": FINGERPRINT, "train_on": ["unseen_studies"], "rows_trained": 12_345,
    "studies_trained": ["st000", "st001"], "template": "upstream", "template_hash": "h" * 16, "steps": 321, "epochs": 1, "rows_seen": 4_000,
    "seconds": 90.0, "processes": 1, "hardware": {"name": "cpu"}, "python": "3.11.7", "versions": {"socsci210": "0.1.0", "torch": "2.13.0"},
    "validation": {
        "config": "unseen_studies", "rows": 50, "best_step": 2, "evaluations": [{"step": 2, "W": 0.2, "chance": 0.3, "answer_mass": 0.95}],
    },
}  # fmt: skip


def results(path: Path, change: Any = None, *, model: str = MODEL, seed: int = 0) -> Path:
    """A results file with runs of one model and a control; `change` is called with its content before it is written."""
    found = json.loads(full(studies=12, examples=1, contrasts=30).model_dump_json())
    found["runs"] = [run for run in found["runs"] if run["model"] == MODEL]
    for run in found["runs"]:
        run["model"] = model
    control = json.loads(sparse().model_dump_json())["runs"][0]
    found["runs"].append(control)
    if change is not None:
        change(found)
    path.write_text(json.dumps(found))
    Results.read_json(path)
    return path


def card(*files: Path, **more: Any) -> str:
    """The card of RECORD, changed by `record`, with results."""
    record = {**RECORD, **more.pop("record", {})}
    return model_card(record, files, **{"repository": "lab/model", "revision": REVISION, **more})


def test_a_model_without_results(tmp_path: Path) -> None:
    found = card()
    check_card(found, "model")
    data, page = split_card(found)
    assert data["license"] == "unknown" and "model-index" not in data and data["library_name"] == "transformers"
    assert "12,345 rows of 2 studies" in page and "| 321, 2, 4,000 |" in page and "has W 0.2000 (chance 0.3000" in page
    assert "No results are published with it" in page and "socsci210 predict --model lab/model" in page
    assert "12,346 rows" in card(record={"rows_trained": 12_346}) and "/home" not in found and "ann" not in found


def test_base_models_are_named_where_they_are_of_the_hub() -> None:
    def started(model: str, revision: str | None) -> str:
        return card(record={"settings": RECORD["settings"] | {"model": model}, "model_revision": revision})

    known = started("vendor/base", "a" * 40)
    assert started("vendor/base@v1", "a" * 40) == known
    assert "base_model: vendor/base" in known and f"commit `{'a' * 40}`" in known
    for model, revision in (("models/sft", "a" * 16), ("/home/ann/sft", None), ("vendor/base", None)):
        found = started(model, revision)
        assert "base_model" not in found and model not in found and "| started from | a model in a folder |" in found
    lora = {"bits": 16, "r": 4, "alpha": 8, "merge": False}
    adapter = card(record={"settings": RECORD["settings"] | {"lora": lora}})
    assert "library_name: peft" in adapter and "LoRA, rank 4, alpha 8" in adapter


def test_scores_stand_in_the_page_and_in_the_front_matter(tmp_path: Path) -> None:
    file = results(tmp_path / "r.json")
    found = card(file, dataset="lab/answers", licence="apache-2.0")
    check_card(found, "model")
    runs = [run for run in Results.read_json(file).runs if run.model == MODEL]
    data, page = split_card(found)
    assert data["datasets"] == ["lab/answers"] and data["license"] == "apache-2.0" and "w1_stated" in data["metrics"]
    read = ModelCard(found).data.eval_results
    assert read is not None and {(one.dataset_type, one.dataset_config, one.dataset_split) for one in read} == {
        ("lab/answers", run.config, "test") for run in runs
    }
    for run in runs:
        own = {one.metric_type: one for one in read if one.dataset_config == run.config}
        assert run.stated is not None and run.individual is not None
        assert own["w1_stated"].metric_value == run.stated.W.point and own["w1_stated"].metric_args["chance"] == run.stated.chance
        assert own["accuracy_median"].metric_value == run.individual.median.point
        assert own["w1_stated"].dataset_args == {"fingerprint": FINGERPRINT}
        assert f"| {run.stated.W.point:.4f} | " in page and f"{run.individual.median.point:.3f} |" in page
    assert "The results files also hold 1 run of controls or other models" in page
    overlap = runs[0].contamination
    assert overlap is not None and overlap.overlap_rows and "**Contaminated: trained on 12" in page and "57,615 scored rows" in page
    assert "Surer than people" in page.split("## Known defects")[1].split("## Licence")[0]


def test_every_figure_moves_with_the_results(tmp_path: Path) -> None:
    def moved(**values: Any) -> str:
        def change(found: dict[str, Any]) -> None:
            for path, value in values.items():
                *above, last = path.split("__")
                place = found["runs"][1]
                for name in above:
                    place = place[name]
                place[last] = value

        return card(results(tmp_path / "moved.json", change))

    base = moved()
    for path, value, shown in (
        ("stated__W__point", 0.9876, "| 0.9876 |"),
        ("stated__chance", 0.8765, "| 0.8765 |"),
        ("stated__noise_floor", 0.0654, "| 0.0654 |"),
        ("stated__train_lookup", 0.5432, "| 0.5432 |"),
        ("stated__n_cells", 54_321, "| 54,321 |"),
        ("published__W__point", 0.7654, "| 0.7654 |"),
        ("individual__median__point", 0.4321, "| 0.432 |"),
        ("calibration__entropy_ratio", 0.31, "its answers have 0.31 of their entropy"),
        ("individual__entropy_ratio", 0.37, "| 0.37 |"),
        ("sensitivity__r", -0.77, "| −0.77 |"),
        ("sensitivity__p", 0.4, "Does not tell conditions apart"),
        ("effects__r", 0.123, "| 0.12 |"),
        ("effects__sign_agreement", 0.13, "| 13\u00a0% |"),
        ("coverage__rows_predicted", 99, "99 of 482,642"),
        ("coverage__parse_rate", 0.5, "50 % of its answers"),
        ("held_out", False, "may have seen these answers"),
        ("answer_mass__flagged", True, "of its probability lies on allowed answers"),
    ):
        assert base.count(shown) < moved(**{path: value}).count(shown), path
    check_card(base, "model")


def test_few_studies_have_values_and_no_interval(tmp_path: Path) -> None:
    def few(found: dict[str, Any]) -> None:
        for run in found["runs"][:2]:
            run["stated"]["W"] = {"point": 0.2, "interval": None, "values": [0.1, 0.3], "resampled": None, "refused": "too few"}
            run["sensitivity"] |= {"r": None, "p": None, "slope": None, "interval": None, "refused": "no outcome has two conditions"}

    found = card(results(tmp_path / "r.json", few))
    assert "| 0.2000 | none; by study 0.1000, 0.3000 |" in found and "Whether it tells conditions apart is not known: no outcome" in found


def test_results_of_something_else_are_refused(tmp_path: Path) -> None:
    file = results(tmp_path / "r.json")
    with pytest.raises(
        HubError, match=r"no results of this model, but of uniform \(revision None\), vendor/small \(revision r1\)(?s:.)*Fix: predict"
    ):
        card(file, revision="r2")
    with pytest.raises(
        HubError, match=rf"(?s)dataset with fingerprint {FINGERPRINT}.*Expected: {'cd' * 32}.*Fix: predict and score on that"
    ):
        card(file, record={"dataset_fingerprint": "cd" * 32})
    with pytest.raises(HubError, match=r"two runs on unseen_studies, test(?s:.)*Fix: give the file of one"):
        card(file, results(tmp_path / "again.json"))
    with pytest.raises(DatasetError, match=r"no such file"):
        card(tmp_path / "none.json")

    def server(found: dict[str, Any]) -> None:
        for run in found["runs"]:
            run["revision"] = None

    with pytest.raises(HubError, match="no results of this model"):
        card(results(tmp_path / "server.json", server), revision=None)


def test_places_of_a_machine_stay_out(tmp_path: Path) -> None:
    def places(found: dict[str, Any]) -> None:
        found["runs"][0]["contamination"]["note"] = "it started from /home/ann/base: trained on the train side"

    found = card(results(tmp_path / "r.json", places, model="/home/ann/secret/out"))
    assert "/home" not in found and "ann/" not in found and str(tmp_path) not in found
    assert "--model lab/model" in found


def test_text_of_records_and_results_breaks_nothing(tmp_path: Path) -> None:
    bad = "x | y\n\n## Heading\n```\n<script> --- <!-- socsci210: 0 -->"

    def hostile(found: dict[str, Any]) -> None:
        run = found["runs"][0]
        run["config"] = run["template"] = bad
        run["parity"][0]["attribute"] = run["parity"][0]["groups"][0]["name"] = bad
        run["sensitivity"] |= {"r": None, "refused": bad}

    record = dict.fromkeys(("template", "template_hash", "python"), bad) | {
        "hardware": {"name": bad},
        "train_on": [bad],
        "studies_trained": [bad],
    }
    record |= {"versions": {"torch": bad, "socsci210": "0.1.0"}}
    found = card(results(tmp_path / "r.json", hostile), record=record)
    plain = card(results(tmp_path / "p.json"))
    assert [line for line in split_card(found)[1].splitlines() if line.startswith("#")] == [
        line for line in split_card(plain)[1].splitlines() if line.startswith("#")
    ]
    assert split_card(found)[1].count("```") == split_card(plain)[1].count("```")
    read = ModelCard(found).data.eval_results
    assert read is not None and {one.dataset_config for one in read} == {bad, "unseen_conditions"}
    check_card(model_card(RECORD | record), "model")
    assert merge(plain, found) == plain


def test_results_of_people_and_new_results_of_ours(tmp_path: Path) -> None:
    published = card(results(tmp_path / "old.json")).replace("license: unknown", "license: mit")
    published = published.replace("## People\n", "We like it less than we thought.\n\n## People\n")
    new = card(results(tmp_path / "new.json", lambda found: found["runs"][0]["stated"]["W"].update(point=0.91234)))
    merged = merge(new, published)
    assert (
        "license: mit" in merged and "| 0.9123 |" in merged and "We like it less" in merged.split("## Evaluation")[1].split("## People")[0]
    )
    assert split_card(merged)[0]["model-index"] == split_card(new)[0]["model-index"]
