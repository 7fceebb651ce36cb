"""Models through the real clients: pushed, loaded back by tag and commit, asked, and pushed at the end of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from socsci210.local_hub import LocalHub
from tests.hub import run
from tests.tiny import tiny_model, tiny_tokenizer
from tests.tiny_dataset import sides_with_validation, write_tiny_dataset

_TRAIN = """
import socsci210
from pathlib import Path
from huggingface_hub import HfApi
from socsci210.errors import HubError
from socsci210.hub import push
from socsci210.hub.model import prepare_model
from socsci210.train.config import resolve
from socsci210.train.loop import train
home, said = Path(GIVEN["home"]), []

def trained(name, **settings):
    from accelerate.state import AcceleratorState
    AcceleratorState._reset_state(reset_partial_state=True)
    given = {"dataset": GIVEN["dataset"], "output": str(home / name), "train_on": ["unseen_studies"], "max_steps": 3, "batch_size": 4,
             "learning_rate": 1e-2, "model": "org/base"}
    train(resolve(given | settings), say=said.append)
    return home / name

def published(name, repo, **options):
    package = prepare_model(home / name, repo, home / f"work-{repo.replace('/', '-')}-{name}", merge=options.pop("merge", False))
    return push(package, repo, say=said.append, **options)
"""
_ROUND = (
    _TRAIN
    + """
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

api = HfApi()
api.create_repo("org/base")
base = api.upload_folder(repo_id="org/base", folder_path=GIVEN["base"]).oid
found = {"base": base}
api.create_tag("org/base", tag="first")
trained("whole"), trained("longer", max_steps=6), trained("adapter", lora={"r": 4}, model="org/base@first")
done = published("whole", "org/whole", tag="v1")
found["v1"] = [done.checked, done.commit, done.fingerprint]
found["v2"] = published("longer", "org/whole", tag="v2").commit
asked = ({"age": 30, "gender": "Female"}, 'You read "Tea." Only return an integer from 1 to 7.', (1, 7))

def distribution(model):
    answer = socsci210.Socrates(model).predict(*asked)
    return [*answer.probabilities, answer.answer_mass]

found["answers"] = {name: distribution(home / name) for name in ("whole", "longer", "adapter")}
found["pushed"] = {"whole": distribution("org/whole@v1"), "longer": distribution("org/whole")}

same = {}
for name, revision in (("whole", "v1"), ("longer", "v2")):
    one = AutoModelForCausalLM.from_pretrained(home / name)
    other = AutoModelForCausalLM.from_pretrained("org/whole", revision=revision)
    mine, theirs = one.state_dict(), other.state_dict()
    same[name] = mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)
found["same weights"] = same
turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it? Only return 1 or 2."}]
found["ids"] = []
for tokenizer in (AutoTokenizer.from_pretrained(home / "whole"), AutoTokenizer.from_pretrained("org/whole", revision="v1")):
    chat = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    found["ids"].append([tokenizer.encode("- Age: 34 \u00e9 \u6587"), list(chat)])
drawn = GenerationConfig.from_pretrained("org/whole", revision="v1")
found["drawn"] = [drawn.do_sample, drawn.temperature, drawn.top_p]

done = published("adapter", "org/adapter", tag="v1")
found["adapter"] = [done.checked, done.commit, sorted(api.list_repo_files("org/adapter"))]
found["config"] = __import__("json").loads(Path(api.hf_hub_download("org/adapter", "adapter_config.json")).read_text())
found["pushed"]["adapter"] = distribution("org/adapter")
found["pushed"]["adapter by tag"] = distribution("org/adapter@v1")
done = published("adapter", "org/merged", merge=True)
found["pushed"]["merged"] = distribution("org/merged")
plain = AutoModelForCausalLM.from_pretrained("org/adapter")
found["peft"] = sorted(plain.peft_config)

api.upload_file(repo_id="org/base", path_or_fileobj=str(home / "longer" / "model.safetensors"), path_in_repo="model.safetensors")
found["pushed"]["adapter after its base moved"] = distribution("org/adapter")

from socsci210.predict import predict
from socsci210.score import score
found["card"] = {}
for name, model in (("folder", str(home / "whole")), ("hub", "org/whole@v1"), ("another", "org/whole@v2")):
    out = predict(engine="transformers", model=model, dataset=Path(GIVEN["dataset"]), config="unseen_studies", split="validation",
                  out=home / f"{name}.parquet", per_cell=20)
    results = score([out], Path(GIVEN["dataset"]), controls=False).write_json(home / f"{name}.json")
    try:
        card = prepare_model(home / "whole", "org/whole", home / f"card-{name}", results=[results]).card
        (figure,) = [one for one in __import__("huggingface_hub").ModelCard(card).data.eval_results if one.metric_type == "w1_stated"]
        found["card"][name] = figure.metric_value
    except HubError as error:
        found["card"][name] = str(error)
found["said"] = said
answer(found)
"""
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model-hub")
    write_tiny_dataset(folder / "dataset", sides_of=sides_with_validation)
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    return folder


def given(home: Path, made: Path) -> dict[str, Any]:
    made.mkdir()
    return {"home": str(made), "base": str(home / "base"), "dataset": str(home / "dataset")}


def test_models_and_adapters_come_back_as_they_were(home: Path, tmp_path: Path) -> None:
    with LocalHub() as hub:
        found = run(hub, _ROUND, tmp_path, given=given(home, tmp_path / "made"))
        assert hub.files("model", "org/adapter").keys() == set(found["adapter"][2]) - {".gitattributes"}
    checked, commit, fingerprint = found["v1"]
    assert checked and len(commit) == 40 and commit != found["v2"] and fingerprint.startswith("weights ")
    assert found["same weights"] == {"whole": True, "longer": True}
    assert found["ids"][0] == found["ids"][1]
    assert found["drawn"] == [True, 0.6, 0.9]
    own, pushed = found["answers"], found["pushed"]
    for name in ("whole", "longer", "adapter"):
        assert pushed[name] == pytest.approx(own[name], abs=1e-7), name
    assert pushed["adapter by tag"] == pytest.approx(own["adapter"], abs=1e-7)
    assert pushed["adapter after its base moved"] == pytest.approx(own["adapter"], abs=1e-7)
    assert pushed["merged"] == pytest.approx(own["adapter"], abs=1e-5)
    assert max(abs(one - other) for one, other in zip(own["whole"], own["longer"], strict=True)) > 1e-4
    assert found["adapter"][0] and not any(name.startswith("model") for name in found["adapter"][2])
    assert (found["config"]["base_model_name_or_path"], found["config"]["revision"]) == ("org/base", found["base"])
    assert found["peft"] == ["default"]
    card = found["card"]
    assert 0 < card["folder"] == card["hub"] < 1  # results of the folder, or of a commit that holds the same weights
    assert "no results of this model" in card["another"]


_TRAINING = (
    _TRAIN
    + """
import sys
HfApi().create_repo("org/base")
HfApi().upload_folder(repo_id="org/base", folder_path=GIVEN["base"])
trained("pushed", push_to_hub="org/pushed", lora={"r": 4})
first = list(said)
said.clear()
trained("kept", push_to_hub="other/name")
answer({"first": first, "kept": said, "files": sorted(path.name for path in (home / "kept").iterdir())})
"""
)


def test_training_pushes_and_a_failure_keeps_the_model(home: Path, tmp_path: Path) -> None:
    with LocalHub() as hub:
        hub.fail("other/name", status=403, times=None)
        found = run(hub, _TRAINING, tmp_path, given=given(home, tmp_path / "made"))
        assert hub.repositories["model", "org/pushed"].private
        assert "adapter_model.safetensors" in hub.files("model", "org/pushed")
    assert any(line.startswith("pushed to http") for line in found["first"])
    failed = next(at for at, line in enumerate(found["kept"]) if line.startswith("not pushed to other/name: "))
    assert found["kept"][failed + 1].endswith(f"try again with: socsci210 push model {tmp_path}/made/kept other/name --private")
    assert {"model.safetensors", "run_record.json", "README.md"} <= set(found["files"])
