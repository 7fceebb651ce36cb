"""Parts of the training loop alone: adapters, accelerate configurations, messages, the log, the card, and pushing to a Hub."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

from socsci210.cards.model import model_card
from socsci210.language_model import load_model, merge_adapters
from socsci210.train.adapters import add_adapters, load_four_bit, merge_into_base
from socsci210.train.config import TrainError, resolve
from socsci210.train.failures import memory_explained
from socsci210.train.hub_push import again, check_push
from socsci210.train.launch import _tell
from socsci210.train.processes import check_updates
from socsci210.train.progress import Reporter, check_trackers, clock
from socsci210.train.settings import LoraConfig, TrainConfig
from tests.tiny import tiny_model, tiny_tokenizer

CONFIGS = Path(__file__).parent.parent / "train" / "configs"


def config(**changes: Any) -> TrainConfig:
    return resolve({"dataset": "d", "output": "o", "train_on": ["unseen_studies"], "model": "m"} | changes).config


# --- settings -----------------------------------------------------------------------------------------------------------------------------


def test_defaults_are_the_paper_s() -> None:
    found = config()
    assert (found.max_epochs, found.learning_rate, found.warmup, found.weight_decay) == (1, 1e-5, 0.05, 0.1)
    assert config(objective="dpo").learning_rate == 1e-6
    assert config(objective="dpo", learning_rate=3e-6).learning_rate == 3e-6
    assert config(objective={"dpo": 1}).learning_rate == 1e-6 and config(objective={"dpo": 1, "sft": 1}).learning_rate == 1e-5
    assert config(max_steps=3).max_epochs is None
    assert config(objective="dpo").model_dump()["dpo"] == {"beta": 0.1, "pairs_per_row": 1, "reference": None}
    assert config().dpo is None and config(objective="distribution").distribution is not None
    assert config(objective="distribution", distribution={"groups": ["age"]}).distribution.minimum == 20
    assert (config().keep_checkpoints, config().hub_private) == (None, None)
    assert config(checkpoint_every=5).keep_checkpoints == config(validation={"every_steps": 5}).keep_checkpoints == 1
    assert config(push_to_hub="org/name").hub_private is True and config(push_to_hub="org/name", hub_private=False).hub_private is False
    for one in (config(), config(objective="distribution"), config(push_to_hub="org/name", checkpoint_every=5)):  # as a run record has it
        assert resolve(one.model_dump(mode="json")).config == one


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": None, "nano": {}, "lora": {}}, "set lora.merge"),
        ({"push_to_hub": "name"}, "expected org/name"),
        ({"push_to_hub": "org/na me"}, "expected org/name"),
        ({"lora": {"bits": 8}}, "lora.bits"),
        ({"track_with": ["paper"]}, "track_with"),
        ({"objective": "reasoning", "validation": {"every_steps": 3}}, "a model that reasons"),
        ({"global_batch": 8, "accumulation": 2}, "either global_batch or accumulation"),
        ({"hub_private": True}, "set push_to_hub, or leave it out"),
        ({"keep_checkpoints": 2}, "set checkpoint_every, or leave it out"),
        ({"objective": "distribution", "distribution": {"minimum": 5}}, "name groups, or leave minimum out"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainError, match=message):
        config(**changes)


# --- accelerate ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind"), [("single", "NO"), ("ddp", "MULTI_GPU"), ("fsdp2", "FSDP"), ("zero3", "DEEPSPEED")])
def test_accelerate_reads_the_shipped_configurations(name: str, kind: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    path = CONFIGS / f"accelerate_{name}.yaml"
    found = load_config_from_file(str(path))
    assert found.distributed_type.value == kind
    assert found.num_processes == (1 if name == "single" else 8)
    text = path.read_text(encoding="utf-8")
    assert f"--config_file train/configs/{path.name}" in text and "been run" in text
    given = yaml.safe_load(text)
    if name == "fsdp2":
        assert found.fsdp_config == given["fsdp_config"] and found.fsdp_config["fsdp_version"] == 2
    if name == "zero3":
        assert found.deepspeed_config["zero_stage"] == 3


class Sharded:
    """What is looked at of an accelerator."""

    def __init__(self, kind: str) -> None:
        self.distributed_type = SimpleNamespace(value=kind)


def test_deepspeed_gets_one_batch_a_step() -> None:
    check_updates(Sharded("DEEPSPEED"), 1)
    check_updates(Sharded("FSDP"), 3)
    with pytest.raises(TrainError, match=r"(?s)3 micro-batches.*raise batch_size"):
        check_updates(Sharded("DEEPSPEED"), 3)


# --- adapters -----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path: Path) -> Path:
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def adapted(base: Path, **changes: Any) -> Any:
    """A model with adapters that do something: their second matrix starts at zero."""
    model = add_adapters(load_model(str(base), "cpu")[0], LoraConfig(r=4, **changes))
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def logits(model: Any) -> torch.Tensor:
    return model(torch.tensor([[3, 1, 4, 1, 5]])).logits.detach()


def test_an_adapter_is_saved_alone_and_loads_with_its_model(base: Path, tmp_path: Path) -> None:
    model = adapted(base)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert len(trained) == 2 * 7 * 2 and all("lora_" in name for name in trained)  # two matrices, seven linear layers, two blocks
    model.save_pretrained(tmp_path / "adapter")
    tiny_tokenizer().save_pretrained(tmp_path / "adapter")
    assert not (tmp_path / "adapter" / "model.safetensors").exists()
    loaded, tokenizer = load_model(str(tmp_path / "adapter"), "cpu")
    assert torch.allclose(logits(loaded), logits(model), atol=1e-6)
    assert float((logits(loaded) - logits(load_model(str(base), "cpu")[0])).abs().max()) > 0.1
    assert tokenizer.encode("Age: 34") == tiny_tokenizer().encode("Age: 34")


def test_merged_weights_answer_as_the_adapter_does(base: Path, tmp_path: Path) -> None:
    model = adapted(base, targets=["q_proj", "down_proj"])
    before = logits(model)
    model.save_pretrained(tmp_path / "adapter")
    merged = merge_adapters(model)
    assert not [name for name, _ in merged.named_parameters() if "lora_" in name]
    merged.save_pretrained(tmp_path / "merged")
    tiny_tokenizer().save_pretrained(tmp_path / "merged")
    elsewhere = merge_into_base(str(base), tmp_path / "adapter")
    elsewhere.save_pretrained(tmp_path / "elsewhere")
    tiny_tokenizer().save_pretrained(tmp_path / "elsewhere")
    for other in (load_model(str(tmp_path / "merged"), "cpu")[0], elsewhere, load_model(str(tmp_path / "elsewhere"), "cpu")[0]):
        assert torch.allclose(logits(other), before, atol=1e-4)


def test_no_layer_of_that_name_and_no_base(base: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"lora.targets: no adapters for \['nothing'\]"):
        adapted(base, targets=["nothing"])
    adapted(base).save_pretrained(tmp_path / "adapter")
    tiny_tokenizer().save_pretrained(tmp_path / "adapter")
    (base / "model.safetensors").unlink()
    with pytest.raises(Exception, match=r"(?s)an adapter of .*base: have that model there"):
        load_model(str(tmp_path / "adapter"), "cpu")


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_four_bits_need_bitsandbytes(base: Path) -> None:
    with pytest.raises(TrainError, match=r"(?s)lora.bits: 4 needs bitsandbytes.*socsci210\[qlora\]"):
        load_four_bit(str(base), "cpu")


# --- messages -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 99 bytes."),
        MemoryError(),
    ],
)
def test_out_of_memory_names_the_settings_to_change(error: Exception) -> None:
    said = r"(?s)batch_size 12: out of memory in step 4.*batch_size 6 and accumulation 4.*checkpointing"
    with pytest.raises(TrainError, match=said), memory_explained(config(batch_size=12, accumulation=2), "in step 4"):
        raise error
    with pytest.raises(RuntimeError, match=r"^another thing$"), memory_explained(config(), "in step 4"):
        raise RuntimeError("another thing")


@pytest.mark.parametrize(
    ("changes", "said", "accepted"),
    [
        ({"global_batch": 256}, "set batch_size 16: the steps stay the same; or set gradient", {"batch_size": 16}),
        ({}, "set batch_size 16: the steps stay the same", {"batch_size": 16}),  # a named model has 256 rows a step
        ({"batch_size": 24, "share_prefix": 8}, "set batch_size 8 and accumulation 3: the steps", {"batch_size": 8, "accumulation": 3}),
        ({"batch_size": 7}, "set batch_size 3 and accumulation 3; or", {"batch_size": 3, "accumulation": 3}),
        ({"batch_size": 8, "share_prefix": 8}, "set share_prefix lower, then batch_size", {"batch_size": 4, "share_prefix": 4}),
        ({"batch_size": 1, "checkpoint_every": 5}, r"Fix: set gradient_checkpointing.*--allow_changed true", {}),
    ],
)
def test_advice_for_memory_is_accepted(changes: dict[str, Any], said: str, accepted: dict[str, Any]) -> None:
    given = config(**changes)
    with pytest.raises(TrainError, match=f"(?s){said}"), memory_explained(given, "in step 1"):
        raise MemoryError
    resolve(given.model_dump(mode="json") | accepted)


def test_a_tracker_that_is_not_installed() -> None:
    if find_spec("wandb") is None:
        with pytest.raises(TrainError, match=r"(?s)tracker wandb is not installed.*pip install wandb"):
            check_trackers(["wandb"])
    check_trackers([])


class OneProcess:
    """What a reporter needs of accelerate."""

    is_main_process = True

    def __init__(self) -> None:
        self.logged: list[tuple[int, dict[str, float]]] = []

    def log(self, values: dict[str, float], step: int) -> None:
        self.logged.append((step, values))


@pytest.mark.parametrize("bar", [False, True])
def test_the_log_has_speed_and_time_left_and_goes_on_where_a_run_was_cut(tmp_path: Path, bar: bool) -> None:
    lines: list[str] = []
    accelerator = OneProcess()
    reporter = Reporter(accelerator, tmp_path / "log.jsonl", lines.append, bar=bar)
    reporter.begin(0, 0.0, 0)
    for step in (10, 20):
        reporter.step(
            step=step, epoch=0, seconds=step * 2.0, rows=step * 8, tokens=step * 100, done=step / 40, loss=1.5, rate=1e-3
        )  # fmt: skip
    reporter.evaluation({"step": 20, "W": 0.2, "chance": 0.3, "answer_mass": 0.99}, best=True, done=0.5)
    reporter.end()
    found = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [one["step"] for one in found] == [10, 20, 20]
    assert (found[1]["rows_per_second"], found[1]["tokens_per_second"], found[1]["seconds_left"]) == (4.0, 50.0, 40.0)
    assert found[2]["W"] == 0.2 and accelerator.logged[2] == (20, {"W": 0.2, "chance": 0.3, "answer_mass": 0.99})
    if not bar:
        assert lines[1] == "step 20  epoch 0  40 s  loss 1.5000  4 rows/s  50 tokens/s  left 40 s"
        assert lines[2].endswith("W 0.2000  chance 0.3000  answer_mass 0.9900  best so far")
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 30, "lo')  # as a kill leaves it
    resumed = Reporter(accelerator, tmp_path / "log.jsonl", lines.append, bar=False)
    resumed.begin(10, 20.0, 80)
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [10]
    resumed.step(step=20, epoch=0, seconds=40.0, rows=160, tokens=1000, done=0.5, loss=1.5, rate=1e-3)
    found = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert (found[1]["rows_per_second"], found[1]["tokens_per_second"]) == (4.0, 50.0)


def test_clock() -> None:
    assert [clock(seconds) for seconds in (5.2, 99.4, 600, 7200)] == ["5 s", "99 s", "10 min", "2.0 h"]


# --- pushing ------------------------------------------------------------------------------------------------------------------------------


def test_the_command_that_pushes_again_and_what_could_not_be_pushed(base: Path) -> None:
    """That a push goes through, and that a failure keeps the model, is tested in tests/hub/test_model_hub.py."""
    assert again(Path("m"), "a/b", private=False) == "socsci210 push model m a/b"
    assert again(Path("my models/m"), "a/b", private=True) == "socsci210 push model 'my models/m' a/b --private"
    with pytest.raises(TrainError, match=r"(?s)an adapter of .*base, which only this machine has.*set lora.merge"):
        check_push(config(model=str(base), lora={}, push_to_hub="a/b"))
    for fine in ({"model": str(base)}, {"model": str(base), "lora": {"merge": True}}, {"model": "org/base", "lora": {}}):
        check_push(config(push_to_hub="a/b", **fine))
    check_push(config(model=str(base), lora={}))


# --- what others are told ----------------------------------------------------------------------------------------------------------------


def test_nothing_that_is_left_out_is_kept_from_who_launched(tmp_path: Path) -> None:
    log, said = tmp_path / "train.log", []
    lines = [
        "left out: 3 rows whose answer is off its stated scale", "shortened at the front of the stimulus to fit into 64 tokens: 2 rows",
        "every prompt is read in full and padded, which is slower: why", "dpo: 4 rows without pair", "step 2  epoch 0",
    ]  # fmt: skip
    log.write_text("\n".join(["Some warning", *lines, "a line half wri"]))
    _tell(log, 0, said.append)
    assert said == lines


def test_a_folder_is_no_base_model_of_the_hub() -> None:
    record: dict[str, Any] = {
        "settings": config(model="models/sft").model_dump(mode="json"), "train_on": ["unseen_studies"], "rows_trained": 1,
        "studies_trained": ["a"], "dataset_fingerprint": "f", "template": "upstream", "template_hash": "h", "steps": 1, "epochs": 0,
        "rows_seen": 1, "seconds": 1.0, "processes": 1, "hardware": {"name": "cpu"},
    }  # fmt: skip
    assert "base_model: models/sft" in model_card(record | {"model_revision": "a" * 40})
    assert "base_model" not in model_card(record | {"model_revision": "a" * 16})
