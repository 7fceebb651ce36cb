"""The libraries of the Hub push to the one on this machine and load from it, unmodified."""

from __future__ import annotations

from pathlib import Path

from socsci210.local_hub import LocalHub
from socsci210.metrics import path as metric_path

from .. import tiny
from . import run

DATASETS = """
import datasets
from datasets import Dataset, DatasetDict, load_dataset
datasets.disable_progress_bars()
def made(size):
    return Dataset.from_dict({"n": list(range(size)), "text": [f"row {i}" for i in range(size)]})
rows = {"train": made(30), "test": made(7)}
DatasetDict(rows).push_to_hub("org/rows", private=True)
whole = load_dataset("org/rows")
streamed = list(load_dataset("org/rows", split="test", streaming=True))
answer({
    "sizes": {name: part.num_rows for name, part in whole.items()},
    "same": whole["train"].to_dict() == rows["train"].to_dict(),
    "streamed": streamed == list(rows["test"]),
})
"""
MODELS = """
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from peft import LoraConfig, PeftModel, get_peft_model
model = AutoModelForCausalLM.from_pretrained(GIVEN["model"])
tokenizer = AutoTokenizer.from_pretrained(GIVEN["model"])
model.push_to_hub("org/tiny", private=True)
tokenizer.push_to_hub("org/tiny")
again = AutoModelForCausalLM.from_pretrained("org/tiny")
ids = tokenizer("The answer is 7.")["input_ids"]
adapter = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
adapter.push_to_hub("org/adapter", private=True)
loaded = PeftModel.from_pretrained(again, "org/adapter")
given = torch.tensor([ids])
answer({
    "metric": metric,
    "weights": all(torch.equal(a, b) for a, b in zip(AutoModelForCausalLM.from_pretrained(GIVEN["model"]).state_dict().values(),
                                                     AutoModelForCausalLM.from_pretrained("org/tiny").state_dict().values())),
    "tokens": AutoTokenizer.from_pretrained("org/tiny")("The answer is 7.")["input_ids"] == ids,
    "adapter": torch.equal(adapter(given).logits, loaded(given).logits),
    "stranger": refused(AutoTokenizer.from_pretrained, "org/tiny", token=False),
})
"""
METRIC = """
import evaluate
from huggingface_hub import HfApi
HfApi().create_repo("org/socsci210", repo_type="space", space_sdk="gradio")
HfApi().upload_folder(repo_id="org/socsci210", folder_path=GIVEN["metric"], repo_type="space", ignore_patterns=["__pycache__/*"])
metric = evaluate.load("org/socsci210", "calibration").description.splitlines()[0]
"""
REFUSED = """
def refused(call, *args, **options):
    try:
        call(*args, **options)
    except Exception as error:
        return type(error).__name__
"""


def test_datasets(tmp_path: Path) -> None:
    with LocalHub() as hub:
        found = run(hub, DATASETS, tmp_path)
        assert hub.repositories["dataset", "org/rows"].private
    assert found == {"sizes": {"train": 30, "test": 7}, "same": True, "streamed": True}


def test_metrics_models_and_adapters(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    tokenizer = tiny.tiny_tokenizer()
    tokenizer.save_pretrained(folder)
    tiny.tiny_model(tokenizer).save_pretrained(folder)
    with LocalHub() as hub:
        found = run(hub, REFUSED + METRIC + MODELS, tmp_path, given={"model": str(folder), "metric": str(metric_path())})
        assert "adapter_model.safetensors" in hub.files("model", "org/adapter")
    assert found.pop("metric") == "Do a model's answers to survey experiments look like people's?"
    assert found == {"weights": True, "tokens": True, "adapter": True, "stranger": "RepositoryNotFoundError"}
