"""The shipped configurations: each is read, says how it is started, and has the figures in its header that the arithmetic gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from socsci210.train.config import TrainError, read_config
from socsci210.train.estimate import estimate, main

CONFIGS = Path(__file__).parent.parent / "train" / "configs"
MODELS = {"llama3-8b": "Meta-Llama-3-8B-Instruct", "qwen2.5-14b": "Qwen2.5-14B-Instruct"}
KINDS = ("sft", "reasoning", "dpo", "distribution")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", MODELS)
def test_paper_configuration(model: str, kind: str) -> None:
    path = CONFIGS / f"{model}-{kind}.yaml"
    config = read_config(path).config
    assert config.objective == kind and list(config.weights) == [kind]
    assert (config.global_batch, config.weight_decay, config.warmup, config.precision) == (256, 0.1, 0.05, "bf16")
    assert config.learning_rate == (1e-6 if kind == "dpo" else 1e-5)
    assert config.max_epochs == (40 if kind == "distribution" else 1) and config.max_steps is None and config.max_minutes is None
    assert config.lora is None and config.template == "upstream" and config.train_on == ("unseen_studies",)
    assert config.batch_size * 8 == config.global_batch  # one forward pass of each of 8 processes makes a step
    if kind == "dpo":
        assert config.model == read_config(CONFIGS / f"{model}-sft.yaml").config.output
    else:
        assert config.model is not None and config.model.endswith(MODELS[model])
    header = [line.removeprefix("#").strip() for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    launch = "accelerate launch --config_file train/configs/accelerate_fsdp2.yaml -m socsci210.train"
    assert f"{launch} train/configs/{path.name}" in header
    assert set(estimate(config).lines()) <= set(header)


def test_every_configuration_is_known() -> None:
    found = {path.stem for path in CONFIGS.glob("*.yaml") if not path.stem.startswith("accelerate_")}
    assert found == {"nano", *(f"{model}-{kind}" for model in MODELS for kind in KINDS)}


def test_arithmetic() -> None:
    config = read_config(CONFIGS / "llama3-8b-sft.yaml").config
    found = estimate(config, again=False)
    assert found.examples == 2_420_000 and found.steps == 9454  # 9,453.1 steps of 256
    assert found.plain == 2_420_000 * (170 + 230 + 2)
    people = 400_491 * 2_420_000 // 2_901_390
    assert found.read == pytest.approx(people * 170 + 2_420_000 * 232)
    assert found.flop == pytest.approx(6 * 8.03e9 * found.read)
    assert found.hours == pytest.approx(found.flop / (8 * 312e12 * 0.4) / 3600)
    assert estimate(config).flop == pytest.approx(found.flop * 8 / 6)
    shuffled = estimate(config.model_copy(update={"share_prefix": 1}))
    assert shuffled.read == shuffled.plain
    distribution = estimate(read_config(CONFIGS / "llama3-8b-distribution.yaml").config)
    assert distribution.hours < 0.25 * estimate(config).hours


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(CONFIGS / "qwen2.5-14b-dpo.yaml")
    assert main([path]) == 0
    assert capsys.readouterr().out.splitlines() == estimate(read_config(Path(path)).config).lines()
    assert main([path, "--model", "some/other"]) == 1
    assert "no estimate for model 'some/other'" in capsys.readouterr().err
    with pytest.raises(TrainError, match="no estimate"):
        estimate(read_config(Path(path), ["--objective", "{sft: 1, dpo: 1}"]).config)
