"""The loop's features in one process: best model, early stop, adapters, checkpoints, precision, and what a run says that cannot go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import socsci210
from socsci210.errors import DatasetError
from socsci210.predict import predict
from socsci210.score import score
from socsci210.train import loop as loop_module
from socsci210.train import run as run_module
from socsci210.train.checkpoints import folder_of
from socsci210.train.config import TrainError, resolve
from socsci210.train.loop import train
from tests.tiny import tiny_model, tiny_tokenizer
from tests.tiny_dataset import sides_with_validation, write_tiny_dataset

NANO = {"hidden_size": 16, "intermediate_size": 24, "layers": 1, "heads": 2, "vocab_size": 320, "context": 512}


@pytest.fixture(autouse=True)
def fresh_processes() -> Iterator[None]:
    """What accelerate knows of this process is forgotten: one run's precision is not the next one's."""
    yield
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("loop") / "dataset", sides_of=sides_with_validation)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model to start from."""
    folder = tmp_path_factory.mktemp("loop") / "base"
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def run(dataset: Path, output: Path, **changes: Any) -> list[str]:
    """Train, and return what was said."""
    given = {
        "dataset": str(dataset), "output": str(output), "train_on": ["unseen_studies"], "max_steps": 6, "batch_size": 4,
        "learning_rate": 1e-2, "log_every": 2,
    }  # fmt: skip
    given |= {} if "model" in changes else {"nano": NANO}
    said: list[str] = []
    train(resolve(given | changes), say=said.append)
    return said


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(next(output.glob("*.safetensors")))


def record(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "run_record.json").read_text())
    return found


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# --- evaluation ---------------------------------------------------------------------------------------------------------------------------


def test_evaluation_changes_nothing_and_the_best_model_is_saved(dataset: Path, tmp_path: Path) -> None:
    said = run(dataset, tmp_path / "best", max_steps=30, validation={"every_steps": 5, "patience": 2})
    found = record(tmp_path / "best")["validation"]
    assert found["stopped_early"] and found["best_step"] == found["evaluations"][-3]["step"]
    assert min(found["evaluations"], key=lambda one: one["W"])["step"] == found["best_step"] < record(tmp_path / "best")["steps"] < 30
    assert any(line.startswith("stopped early at step") for line in said)
    assert not folder_of(tmp_path / "best").exists()
    # the same steps without looking at the validation rows; the learning rate follows max_steps, so the run is cut by hand
    original = run_module.Run.share_done
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module.Run, "share_done", lambda self: 1.0 if self.progress.step == found["best_step"] else original(self))
        run(dataset, tmp_path / "plain", max_steps=30)
    assert same(weights(tmp_path / "best"), weights(tmp_path / "plain"))
    # and its score is the one noted
    out = predict(
        engine="transformers", model=str(tmp_path / "best"), dataset=dataset, config="unseen_studies", split="validation",
        out=tmp_path / "p.parquet", per_cell=20,
    )  # fmt: skip
    stated = score([out], dataset, controls=False).runs[0].stated
    assert stated is not None
    assert stated.W.point == pytest.approx(min(one["W"] for one in found["evaluations"]), abs=1e-6)
    lines = [json.loads(line) for line in (tmp_path / "best" / "train_log.jsonl").read_text().splitlines()]
    assert [one["step"] for one in lines if "W" in one] == [one["step"] for one in found["evaluations"]]
    assert all(one["tokens_per_second"] > one["rows_per_second"] > 0 for one in lines if "loss" in one)
    assert "the model of step" in (tmp_path / "best" / "README.md").read_text()


def test_evaluation_by_minutes_and_at_the_end(dataset: Path, tmp_path: Path) -> None:
    run(dataset, tmp_path / "m", max_steps=3, validation={"every_minutes": 1e-6, "rows": 8})
    assert [one["step"] for one in record(tmp_path / "m")["validation"]["evaluations"]] == [1, 2, 3]
    run(dataset, tmp_path / "n", max_steps=3, validation={"every_steps": 100, "rows": 8})
    assert [one["step"] for one in record(tmp_path / "n")["validation"]["evaluations"]] == [3]


def test_a_resumed_run_stops_early_at_the_same_step(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"max_steps": 30, "validation": {"every_steps": 5, "patience": 2}, "checkpoint_every": 4}
    run(dataset, tmp_path / "straight", **settings)
    cut(monkeypatch, dataset, tmp_path / "cut", at=14, **settings)
    assert "resumed at step 12" in run(dataset, tmp_path / "cut", **settings)
    straight, resumed = (record(tmp_path / name) for name in ("straight", "cut"))
    assert straight["validation"] == resumed["validation"] and straight["losses"] == resumed["losses"]
    assert same(weights(tmp_path / "straight"), weights(tmp_path / "cut"))
    steps = [json.loads(line)["step"] for line in (tmp_path / "cut" / "train_log.jsonl").read_text().splitlines()]
    assert steps == sorted(steps) and len([step for step in steps if step == 14]) == 1


def test_a_best_model_kept_between_two_lines_of_the_log_loses_no_loss(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"max_steps": 9, "log_every": 4, "validation": {"every_steps": 3, "rows": 8}}
    run(dataset, tmp_path / "straight", **settings)
    cut(monkeypatch, dataset, tmp_path / "cut", at=5, **settings)
    assert "resumed at step 3" in run(dataset, tmp_path / "cut", **settings)
    straight, resumed = (record(tmp_path / name) for name in ("straight", "cut"))
    assert straight["losses"] == resumed["losses"] and [step for step, _ in straight["losses"]] == [3, 4, 6, 8, 9]


# --- checkpoints --------------------------------------------------------------------------------------------------------------------------


class Cut(Exception):
    """Ends a run as a kill would."""


def cut(monkeypatch: pytest.MonkeyPatch, dataset: Path, output: Path, *, at: int, **changes: Any) -> None:
    """Train until a step."""
    original = run_module.Run._step

    def step(self: Any, *arguments: Any) -> float:
        if self.progress.step == at:
            raise Cut
        return original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(run_module.Run, "_step", step)
        with pytest.raises(Cut):
            run(dataset, output, **changes)


def names(output: Path) -> list[str]:
    return sorted(path.name for path in folder_of(output).iterdir())


def test_the_newest_few_are_kept_and_the_best(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut(monkeypatch, dataset, tmp_path / "m", at=11, max_steps=20, checkpoint_every=2, keep_checkpoints=3)
    assert names(tmp_path / "m") == ["step-00000006", "step-00000008", "step-00000010"]
    values = iter([0.5, 0.3, 0.4, 0.6])
    original = run_module.Validation.evaluate

    def told(self: Any, *arguments: Any) -> Any:
        return original(self, *arguments)._replace(W=next(values))

    with monkeypatch.context() as patch:
        patch.setattr(run_module.Validation, "evaluate", told)
        cut(monkeypatch, dataset, tmp_path / "n", at=9, max_steps=20, checkpoint_every=4, validation={"every_steps": 2})
    assert names(tmp_path / "n") == ["step-00000004", "step-00000008"]


def test_evaluations_under_other_validation_settings_are_forgotten(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"max_steps": 6, "checkpoint_every": 3}
    cut(monkeypatch, dataset, tmp_path / "m", at=3, **settings, validation={"every_steps": 1, "rows": 8})
    said = run(dataset, tmp_path / "m", **settings, validation={"every_steps": 2, "rows": 16}, allow_changed=True)
    assert any("looked for anew" in line for line in said)
    found = record(tmp_path / "m")["validation"]
    assert [one["step"] for one in found["evaluations"]] == [4, 6] and found["best_step"] in (4, 6)


def test_checkpoints_that_are_not_whole_are_not_used(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"max_steps": 8, "checkpoint_every": 2, "keep_checkpoints": 3}
    run(dataset, tmp_path / "straight", **settings)
    cut(monkeypatch, dataset, tmp_path / "m", at=7, **settings)
    folder = folder_of(tmp_path / "m")
    newest = folder / "step-00000006" / "model.safetensors"
    newest.write_bytes(newest.read_bytes()[:-7])  # the disk was full, or the power went
    (folder / "step-00000004" / "progress.json").write_text("{")
    (folder / "step-00000008.tmp").mkdir()
    said = run(dataset, tmp_path / "m", **settings)
    assert "resumed at step 2" in said and sum("is not whole" in line for line in said) >= 2
    assert same(weights(tmp_path / "straight"), weights(tmp_path / "m"))


def test_another_model_under_the_same_name(dataset: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut(monkeypatch, dataset, tmp_path / "m", at=3, model=str(base), checkpoint_every=2)
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer, seed=1).save_pretrained(tmp_path / "other")
    tokenizer.save_pretrained(tmp_path / "other")
    with pytest.raises(TrainError, match=r"(?s)checkpoint of another run: other model, model_revision"):
        run(dataset, tmp_path / "m", model=str(tmp_path / "other"), checkpoint_every=2)


# --- failures -----------------------------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = run_module.Run._backward

    def broken(self: Any, *arguments: Any) -> torch.Tensor:
        loss = original(self, *arguments)
        return loss * float("nan") if self.progress.step == 4 else loss

    with monkeypatch.context() as patch:
        patch.setattr(run_module.Run, "_backward", broken)
        with pytest.raises(TrainError, match=r"(?s)loss nan .* at step 4; .*step-00000004.*lower learning_rate.*allow_changed"):
            run(dataset, tmp_path / "m", checkpoint_every=2)
    with pytest.raises(TrainError, match=r"(?s)other learning_rate.*--allow_changed true"):
        run(dataset, tmp_path / "m", checkpoint_every=2, learning_rate=1e-3)
    assert "resumed at step 4" in run(dataset, tmp_path / "m", checkpoint_every=2, learning_rate=1e-3, allow_changed=True)
    assert record(tmp_path / "m")["settings"]["learning_rate"] == 1e-3
    assert all(bool(torch.isfinite(one).all()) for one in weights(tmp_path / "m").values())


def test_out_of_memory_says_what_to_lower(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(run_module.Run, "_backward", full)
    with pytest.raises(TrainError, match=r"(?s)out of memory in step 1 .*set batch_size 2 and accumulation 2"):
        run(dataset, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_after_memory_ran_out_it_goes_on_with_smaller_batches(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"checkpoint_every": 2, "global_batch": 4}
    run(dataset, tmp_path / "straight", **settings)
    cut(monkeypatch, dataset, tmp_path / "m", at=3, **settings)
    smaller = settings | {"batch_size": 2, "gradient_checkpointing": True}
    with pytest.raises(TrainError, match=r"(?s)other batch_size, gradient_checkpointing.*--allow_changed true"):
        run(dataset, tmp_path / "m", **smaller)
    assert "resumed at step 2" in run(dataset, tmp_path / "m", **smaller, allow_changed=True)
    one, other = weights(tmp_path / "straight"), weights(tmp_path / "m")
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-5
    cut(monkeypatch, dataset, tmp_path / "n", at=3, checkpoint_every=2, batch_size=4)
    with pytest.raises(TrainError, match="run: other rows_per_step"):  # other steps would have other rows
        run(dataset, tmp_path / "n", checkpoint_every=2, batch_size=2, allow_changed=True)


def test_memory_runs_out_before_the_first_step(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **more: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 60 GiB")

    monkeypatch.setattr(loop_module, "Run", full)
    with pytest.raises(TrainError, match=r"(?s)out of memory before the first step .*accelerate_fsdp2"):
        run(dataset, tmp_path / "m")


def test_a_tokenizer_that_reloads_otherwise_is_found_before_training(dataset: Path, base: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"[UNK]": 0, "1": 1, "<end>": 2, "<pad>": 3}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", eos_token="<end>", pad_token="<pad>")
    model = tiny_model(tiny_tokenizer())
    broken = pytest.MonkeyPatch()
    with broken.context() as patch:
        patch.setattr(loop_module, "starting_model", lambda *arguments: (model, tokenizer))
        patch.setattr(loop_module, "Run", lambda *arguments: pytest.fail("training began"))
        with pytest.raises(TrainError, match="with other ids than"):
            run(dataset, tmp_path / "m", model=str(base))


# --- adapters, precision, memory ----------------------------------------------------------------------------------------------------------


def test_an_adapter_is_trained_saved_alone_asked_and_resumed(
    dataset: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"model": str(base), "lora": {"r": 4, "dropout": 0.2}, "checkpoint_every": 2, "max_steps": 5}
    run(dataset, tmp_path / "straight", **settings)
    cut(monkeypatch, dataset, tmp_path / "cut", at=3, **settings)
    checkpoint = folder_of(tmp_path / "cut") / "step-00000002"
    assert not (checkpoint / "model.safetensors").exists()
    assert all("lora_" in name for name in load_file(checkpoint / "trained.safetensors"))
    run(dataset, tmp_path / "cut", **settings)
    trained = weights(tmp_path / "straight")
    assert same(trained, weights(tmp_path / "cut"))  # dropout included
    assert all("lora_" in name for name in trained) and any(float(one.abs().max()) > 0 for name, one in trained.items() if "lora_B" in name)
    card = (tmp_path / "straight" / "README.md").read_text()
    assert "library_name: peft" in card and "LoRA, rank 4, alpha 32" in card
    asked = ({"age": 30}, 'You read "Tea." Only return 1 to 7.', (1, 7))
    adapted, plain = (socsci210.Socrates(folder).predict(*asked) for folder in (tmp_path / "straight", base))
    assert max(abs(a - b) for a, b in zip(adapted.probabilities, plain.probabilities, strict=True)) > 1e-3
    # merged into the weights it answers alike, without peft
    run(dataset, tmp_path / "merged", **settings | {"lora": {"r": 4, "dropout": 0.2, "merge": True}})
    assert not any("lora_" in name for name in weights(tmp_path / "merged"))
    merged = socsci210.Socrates(tmp_path / "merged").predict(*asked)
    assert merged.probabilities == pytest.approx(adapted.probabilities, abs=1e-4)
    (tmp_path / "gone").mkdir()
    for path in (tmp_path / "straight").iterdir():
        (tmp_path / "gone" / path.name).write_bytes(path.read_bytes().replace(str(base).encode(), b"/no/such/base"))
    with pytest.raises(DatasetError, match="an adapter of /no/such/base"):
        socsci210.Socrates(tmp_path / "gone").predict(*asked)


@pytest.mark.parametrize("lora", [None, {"r": 4}])
def test_gradient_checkpointing_gives_the_same_weights(dataset: Path, base: Path, tmp_path: Path, lora: dict[str, int] | None) -> None:
    for name, on in (("kept", False), ("again", True)):
        run(dataset, tmp_path / name, model=str(base), lora=lora, gradient_checkpointing=on, max_steps=3)
    one, other = weights(tmp_path / "kept"), weights(tmp_path / "again")
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-5


def test_training_goes_on_from_an_adapter(dataset: Path, base: Path, tmp_path: Path) -> None:
    run(dataset, tmp_path / "first", model=str(base), lora={"r": 4}, max_steps=3)
    adapter = str(tmp_path / "first")
    asked = ({"age": 30}, 'You read "Tea." Only return 1 to 7.', (1, 7))
    before = socsci210.Socrates(adapter).predict(*asked).probabilities
    for name, lora in (("whole", None), ("again", {"r": 4, "merge": True})):
        run(dataset, tmp_path / name, model=adapter, lora=lora, max_steps=0)
        assert not any("lora_" in key for key in weights(tmp_path / name))
        assert socsci210.Socrates(tmp_path / name).predict(*asked).probabilities == pytest.approx(before, abs=1e-4)
    run(dataset, tmp_path / "moved", model=adapter, max_steps=3)
    moved, still = weights(tmp_path / "moved"), weights(tmp_path / "whole")
    assert min(float((moved[key] - still[key]).abs().max()) for key in moved) > 1e-4
    with pytest.raises(TrainError, match=r"(?s)adapters on a model that is an adapter itself.*lora.merge"):
        run(dataset, tmp_path / "no", model=adapter, lora={"r": 4}, max_steps=1)


def test_half_precision_trains(dataset: Path, base: Path, tmp_path: Path) -> None:
    run(
        dataset,
        tmp_path / "m",
        model=str(base),
        precision="bf16",
        max_steps=12,
        validation={"every_steps": 6, "rows": 8},
        learning_rate=3e-3,
    )
    losses = [loss for _, loss in record(tmp_path / "m")["losses"]]
    assert losses[-1] < losses[0]


def test_a_step_has_the_same_rows_however_it_is_cut(dataset: Path, tmp_path: Path) -> None:
    for name, size in (("whole", 12), ("parts", 5)):
        run(dataset, tmp_path / name, global_batch=12, batch_size=size, max_steps=4)
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-5
    assert record(tmp_path / "parts")["rows_seen"] == 48


# --- what is told and pushed --------------------------------------------------------------------------------------------------------------


def test_the_model_is_pushed_when_it_is_complete(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed = []

    def push(folder: Path, repository: str, *, private: bool, say: Any) -> None:
        pushed.append((repository, private, sorted(path.name for path in folder.iterdir())))

    monkeypatch.setattr(loop_module, "push", push)
    run(dataset, tmp_path / "m", push_to_hub="org/name", hub_private=False)
    [(repository, private, files)] = pushed
    assert (repository, private) == ("org/name", False)
    assert {"README.md", "config.json", "model.safetensors", "run_record.json", "tokenizer.json", "train_log.jsonl"} <= set(files)
    assert 'Socrates("org/name")' in (tmp_path / "m" / "README.md").read_text()


def test_the_record_names_machine_versions_and_data(dataset: Path, tmp_path: Path) -> None:
    run(dataset, tmp_path / "m", max_steps=2)
    found = record(tmp_path / "m")
    assert found["held_out_checked"] == {"unseen_studies": 1} and found["validation"] is None
    assert found["hardware"]["cpus"] >= 1 and found["hardware"]["name"] and found["distributed"] == "NO"
    assert {"torch", "transformers", "accelerate", "peft", "socsci210"} <= set(found["versions"])
    assert found["rows_per_step"] == 4 and found["optimizer"] == {"name": "AdamW", "betas": [0.9, 0.95]}
    assert found["settings"]["weight_decay"] == 0.1 and found["sources"]["weight_decay"] == "default"


def test_the_script_of_a_card_runs(dataset: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(dataset, tmp_path / "m", model=str(base), max_steps=2)
    script = (tmp_path / "m" / "README.md").read_text().split("```python\n")[1].split("```")[0]
    exec(compile(script, "README.md", "exec"), {})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["1", "2", "3", "4", "5", "6", "7", "mean", "one"]
