"""Cards through the clients of the Hub: validated, read back, and a dataset that a model's card may name."""

from __future__ import annotations

from pathlib import Path

from socsci210.cards.metric import metric_card
from socsci210.cards.model import model_card
from socsci210.local_hub import LocalHub
from socsci210.metrics import path as metric_path
from tests.hub import run
from tests.test_cards_model import FINGERPRINT, RECORD, REVISION, results

_CODE = """
from huggingface_hub import HfApi, ModelCard, SpaceCard
from socsci210.errors import HubError
from socsci210.hub.trained_on import check_dataset
api = HfApi()

def stored(repo, repo_type, files):
    api.create_repo(repo, repo_type=repo_type, space_sdk="static" if repo_type == "space" else None, exist_ok=True)
    for name, text in files.items():
        api.upload_file(path_or_fileobj=text.encode(), path_in_repo=name, repo_id=repo, repo_type=repo_type)

def told(dataset):
    try:
        check_dataset(dataset, GIVEN["fingerprint"])
    except HubError as error:
        return str(error)

stored("org/answers", "dataset", {"dataset.json": __import__("json").dumps({"fingerprint": GIVEN["fingerprint"]})})
stored("org/others", "dataset", {"dataset.json": '{"fingerprint": "00"}'})
stored("org/strange", "dataset", {"dataset.json": "[]"})
stored("org/model", "model", {"README.md": GIVEN["model"]})
stored("org/metric", "space", {"README.md": GIVEN["metric"]})
model, metric = ModelCard.load("org/model"), SpaceCard.load("org/metric")
model.validate()
metric.validate()
answer({
    "told": [told(f"org/{name}") for name in ("answers", "others", "strange", "absent", "a b")], "same": model.content == GIVEN["model"],
    "results": [one.metric_value for one in model.data.eval_results if one.metric_type == "w1_stated"],
    "listed": list(api.model_info("org/model").card_data.datasets), "sdk": metric.data.sdk,
})
"""


def test_cards_on_the_hub(tmp_path: Path) -> None:
    file = results(tmp_path / "r.json")
    card = model_card(RECORD, [file], repository="org/model", revision=REVISION, dataset="org/answers", licence="mit")
    metric = metric_card((metric_path() / "README.md").read_text(encoding="utf-8"), repository="org/metric")
    with LocalHub() as hub:
        found = run(hub, _CODE, tmp_path, given={"fingerprint": FINGERPRINT, "model": card, "metric": metric})
    assert found["same"] and len(found["results"]) == 2 and found["listed"] == ["org/answers"] and found["sdk"] == "static"
    fine, other, strange, absent, malformed = found["told"]
    assert fine is None and "a dataset with fingerprint 00\n  Expected: abab" in other and "leave --dataset-repo out" in other
    assert "org/strange: its dataset.json cannot be read" in strange and "org/absent: its dataset.json cannot be read" in absent
    assert "'org/a b' is not the id of a repository" in malformed
