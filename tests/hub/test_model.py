"""What a push of a model would publish, and what it refuses before anything is sent."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import socsci210
from socsci210.errors import HubError
from socsci210.hub import model_merging
from socsci210.hub.model import prepare_model
from socsci210.hub.model_record import LEFT_OUT, published
from socsci210.hub.package import Package
from socsci210.language_model import RECORD, revision
from socsci210.train.config import resolve
from socsci210.train.loop import train
from tests.tiny import tiny_model, tiny_tokenizer
from tests.tiny_dataset import sides_with_validation, write_tiny_dataset

REPO = "org/socrates-tiny"
ASKED = ({"age": 30, "gender": "Female"}, 'You read "Tea." Only return an integer from 1 to 7.', (1, 7))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`base`, `whole` trained on it, and `adapter` trained on it."""
    folder = tmp_path_factory.mktemp("model")
    dataset = write_tiny_dataset(folder / "dataset", sides_of=sides_with_validation)
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    for name, lora in (("whole", None), ("adapter", {"r": 4})):
        _fresh()
        given = {
            "dataset": str(dataset), "output": str(folder / name), "train_on": ["unseen_studies"], "max_steps": 3, "batch_size": 4,
            "learning_rate": 1e-2, "model": str(folder / "base"), "lora": lora,
        }  # fmt: skip
        train(resolve(given), say=lambda text: None)
    _fresh()
    return folder


def _fresh() -> None:
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def model(home: Path, tmp_path: Path) -> Path:
    """A copy of `whole`, to be spoilt."""
    return Path(shutil.copytree(home / "whole", tmp_path / "model"))


def prepared(path: Path, work: Path, **options: Any) -> Package:
    work.mkdir(exist_ok=True)
    return prepare_model(path, REPO, work / f"work{len(list(work.iterdir()))}", **options)


# --- what is published --------------------------------------------------------------------------------------------------------------------


def test_a_whole_model(home: Path, tmp_path: Path) -> None:
    package = prepared(home / "whole", tmp_path)
    assert set(package.files) == {
        "README.md", "config.json", "generation_config.json", "model.safetensors", "run_record.json", "tokenizer.json",
        "tokenizer_config.json", "chat_template.jinja", "train_log.jsonl",
    }  # fmt: skip
    assert package.files["model.safetensors"] == home / "whole" / "model.safetensors"  # pointed to, not copied
    assert package.files["README.md"].read_text() == package.card and REPO in package.card
    drawn = json.loads(package.files["generation_config.json"].read_text())
    assert (drawn["temperature"], drawn["top_p"], drawn["do_sample"], drawn["top_k"]) == (0.6, 0.9, True, 0)
    assert prepared(home / "whole", tmp_path).fingerprint == package.fingerprint
    assert [part.split()[0] for part in package.fingerprint.split(", ")] == ["weights", "tokenizer", "generation", "record"]


def test_nothing_that_is_published_names_the_machine(home: Path, tmp_path: Path) -> None:
    package = prepared(home / "whole", tmp_path)
    for name, path in package.files.items():
        assert str(home).encode() not in path.read_bytes(), name
    found = json.loads(package.files[RECORD].read_text())
    assert found["left_out"] == ["settings.dataset", "settings.output", "settings.model", "model"]
    assert found["settings"]["dataset"] == found["model"] == LEFT_OUT
    own = json.loads((home / "whole" / RECORD).read_text())
    assert own["settings"]["model"] == str(home / "base")  # the folder stays as it is
    kept = {key: value for key, value in own.items() if key not in ("settings", "model")}
    assert {key: found[key] for key in kept} == kept  # losses, versions, hashes, hardware: all of it
    assert any("settings.dataset" in note for note in package.notes)


def test_a_record_with_places_and_names_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "jdoe")
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu-box-7.lab.example")
    (tmp_path / "runs" / "first").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    base = {"train_on": ["unseen_studies"], "studies_trained": ["jdoe"], "base": "runs/first"}
    record: dict[str, Any] = {
        "settings": {"model": "meta-llama/Llama-3.1-8B-Instruct", "dpo": {"reference": "refs"}, "output": "m", "dataset": "d"},
        "model": "meta-llama/Llama-3.1-8B-Instruct", "model_revision": "a" * 40, "template": "upstream",
        "hardware": {"name": "NVIDIA H100 80GB HBM3", "host": "gpu-box-7", "log": "/tmp/x"}, "notes": ["by jdoe", "as ~/m says", "3.5"],
        "base_training": {**base, "base_training": {**base, "base": "org/model"}},
    }  # fmt: skip
    found = published(record)
    assert found["left_out"] == [
        "settings.dpo.reference", "settings.output", "settings.dataset", "hardware.host", "hardware.log", "notes", "base_training.base",
    ]  # fmt: skip
    assert found["model"] == found["settings"]["model"] == "meta-llama/Llama-3.1-8B-Instruct"
    assert found["hardware"]["name"] == "NVIDIA H100 80GB HBM3" and found["notes"] == [LEFT_OUT, LEFT_OUT, "3.5"]
    assert found["base_training"]["studies_trained"] == ["jdoe"]  # an id of the dataset, however a user is called
    assert found["base_training"]["base_training"]["base"] == "org/model"
    assert published({**record, "model_revision": "a" * 16})["model"] == LEFT_OUT  # a folder that is called like a repository
    known = "/scratch/jdoe/" + socsci210.contamination.released_models()[0].rpartition("/")[2]
    assert published({**record, "model": known})["model"] == socsci210.contamination.released_models()[0]


def test_older_folders_get_what_they_lack(model: Path, tmp_path: Path) -> None:
    (model / "chat_template.jinja").unlink()
    (model / "generation_config.json").write_text(json.dumps({"eos_token_id": 392, "temperature": 1.0}))
    package = prepared(model, tmp_path / "w")
    whole = prepared(model.parent / "model", tmp_path / "w")
    assert package.fingerprint == whole.fingerprint
    assert any("chat template" in note for note in package.notes) and any("temperature 0.6" in note for note in package.notes)
    drawn = json.loads(package.files["generation_config.json"].read_text())
    assert (drawn["eos_token_id"], drawn["temperature"]) == (392, 0.6)
    shown = Path(shutil.copytree(model, tmp_path / "shown"))
    for name, path in package.files.items():
        shutil.copyfile(path, shown / name)
    before, after = (socsci210.Socrates(folder).predict(*ASKED).probabilities for folder in (model, shown))
    assert before == after
    assert not (model / "chat_template.jinja").exists()


def test_an_adapter_of_a_folder_needs_merge_and_merging_changes_no_answer(home: Path, tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"(?s)an adapter of .*base, which is not a model of the Hub.*with --merge"):
        prepared(home / "adapter", tmp_path)
    package = prepared(home / "adapter", tmp_path, merge=True)
    assert {"config.json", "model.safetensors", "generation_config.json"} <= set(package.files)
    assert not any("adapter" in name for name in package.files) and "no probability that was tried moves" in package.notes[0]
    folder = tmp_path / "merged"
    folder.mkdir()
    for name, path in package.files.items():
        shutil.copyfile(path, folder / name)
    before, after = (socsci210.Socrates(place).predict(*ASKED) for place in (home / "adapter", folder))
    assert after.probabilities == pytest.approx(before.probabilities, abs=1e-5)
    assert after.answer_mass == pytest.approx(before.answer_mass, abs=1e-5)
    plain = socsci210.Socrates(home / "base", template="upstream").predict(*ASKED).probabilities
    assert max(abs(one - other) for one, other in zip(plain, after.probabilities, strict=True)) > 1e-3  # the adapter does something
    assert json.loads(package.files[RECORD].read_text())["settings"]["lora"]["merge"] is True


@pytest.mark.parametrize("most", [1.0, 0.0], ids=["little moves", "too much moves"])
def test_a_merged_model_has_the_type_of_the_model_below(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: float) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    for name in ("base", "adapter"):
        shutil.copytree(home / name, tmp_path / name)
    whole = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.bfloat16)
    whole.save_pretrained(tmp_path / "base")
    old, new = str(home / "base"), str(tmp_path / "base")
    for name, was, now in (("adapter_config.json", old, new), (RECORD, revision(old), revision(new))):
        file = tmp_path / "adapter" / name
        file.write_text(file.read_text().replace(was, now))
    monkeypatch.setattr(model_merging, "ROUNDED", most)
    package = prepared(tmp_path / "adapter", tmp_path / "w", merge=True)
    expected = torch.bfloat16 if most else torch.float32
    found = load_file(package.files["model.safetensors"])
    assert {tensor.dtype for tensor in found.values()} == {expected} and f"as {str(expected)[6:]}" in package.notes[0]
    assert json.loads(package.files["config.json"].read_text())["dtype"] == str(expected)[6:]
    folder = tmp_path / "merged"
    folder.mkdir()
    for name, path in package.files.items():
        shutil.copyfile(path, folder / name)
    before, after = (socsci210.Socrates(place, device="cpu").predict(*ASKED) for place in (tmp_path / "adapter", folder))
    assert after.probabilities == pytest.approx(before.probabilities, abs=0.05 if most else 1e-5)


# --- what is refused ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pytorch_model.bin", b"PK", r"(?s)pytorch_model.bin: a file that loads by running code.*save_pretrained writes weights"),
        ("weights.pt", b"PK", "weights.pt: a file"),
        ("extra.pkl", b"PK", "extra.pkl: a file"),
        ("modeling_x.py", b"", "modeling_x.py: a file that loads by running code"),
        ("optimizer.safetensors", b"", "the state of a training run"),
        ("random_states_0.json", b"", "the state of a training run"),
        ("predictions.parquet", b"PAR1", r"(?s)predictions.parquet is not part of a model.*move it out"),
        (".env", b"", r"\.env is not part of a model"),
        ("sub/model.safetensors", b"", "sub is not part of a model"),
    ],
)
def test_files_that_do_not_belong(model: Path, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(content)
    with pytest.raises(HubError, match=message):
        prepared(model, tmp_path / "w")


def test_folders_that_are_not_models_of_ours(home: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"(?s)no such folder.*check the path"):
        prepared(tmp_path / "nothing", tmp_path / "w")
    with pytest.raises(HubError, match=r"(?s)not a model of socsci210: it has no run_record.json.*hf upload"):
        prepared(home / "base", tmp_path / "w")
    with pytest.raises(HubError, match=r"(?s)a whole model, no adapter.*leave --merge out"):
        prepared(model, tmp_path / "w", merge=True)
    record = json.loads((model / RECORD).read_text())
    (model / RECORD).write_text(json.dumps({key: value for key, value in record.items() if key != "template_hash"}))
    with pytest.raises(HubError, match="a run record without template_hash"):
        prepared(model, tmp_path / "w")
    (model / RECORD).write_text("{")
    with pytest.raises(HubError, match=r"run_record.json: does not read"):
        prepared(model, tmp_path / "w")


def test_models_that_do_not_load(model: Path, tmp_path: Path) -> None:
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(HubError, match=r"(?s)what would be published does not load.*check that the folder is whole"):
        prepared(model, tmp_path / "w")
    (model / "model.safetensors").unlink()
    with pytest.raises(HubError, match="no weights"):
        prepared(model, tmp_path / "w")


def test_a_tokenizer_that_reloads_with_other_ids(model: Path, tmp_path: Path) -> None:
    """A file of another class beside the config of this one: AutoTokenizer reads it without an error, as something else."""
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import Digits, Sequence, Split

    file = str(model / "tokenizer.json")
    stored = Tokenizer.from_file(file)
    stored.pre_tokenizer = Sequence([Split(" ", "isolated"), Digits(individual_digits=False), stored.pre_tokenizer])
    stored.save(file)
    with pytest.raises(HubError, match=r"(?s)the tokenizer reloads as Qwen2Tokenizer with other ids"):
        prepared(model, tmp_path / "w")


def test_the_model_below_an_adapter_must_be_the_one_it_was_trained_on(home: Path, tmp_path: Path) -> None:
    for name in ("base", "adapter"):
        shutil.copytree(home / name, tmp_path / name)
    config = tmp_path / "adapter" / "adapter_config.json"
    config.write_text(config.read_text().replace(str(home / "base"), str(tmp_path / "base")))
    prepared(tmp_path / "adapter", tmp_path / "w", merge=True)
    tiny_model(tiny_tokenizer(), seed=3).save_pretrained(tmp_path / "base")
    with pytest.raises(HubError, match=r"(?s)the model below the adapter has changed.*train the adapter again"):
        prepared(tmp_path / "adapter", tmp_path / "w", merge=True)
    shutil.rmtree(tmp_path / "base")
    with pytest.raises(HubError, match="the model below the adapter does not load"):
        prepared(tmp_path / "adapter", tmp_path / "w", merge=True)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No progress bars in what tests print."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    yield
    assert os.environ.get("HF_HUB_OFFLINE") == "1"
