"""Low-rank adapters (LoRA) on a model, their four-bit form (QLoRA), and merging them into the weights.

The adapters are put inside the model, which stays of its own class: whatever reads and trains the model need not know of them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from socsci210.language_model import load_model, merge_adapters, put_on, split_revision

from .config import TrainError
from .settings import LoraConfig


def add_adapters(model: Any, lora: LoraConfig) -> Any:
    """The model with adapters, whose matrices are the only parameters that are trained.

    Raises:
        TrainError: peft is not installed, or no layer has one of the names in `targets`.
    """
    _needs("peft", "train", "lora")
    import peft

    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    if lora.bits == 4:
        model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    config = peft.LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets, task_type="CAUSAL_LM")
    try:
        model.add_adapter(config)
    except ValueError as error:
        raise TrainError(f"no adapters for {targets}: {error}", where="lora.targets", fix="name linear layers of this model") from error
    return model


def load_four_bit(model: str, device: str) -> Any:
    """A model whose weights are held in four bits: normal float 4 with double quantisation, computed in bfloat16, as in the QLoRA paper.

    Raises:
        TrainError: bitsandbytes is not installed, or there is no such model.
    """
    _needs("bitsandbytes", "qlora", "lora.bits: 4")
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    quantised = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16
    )
    try:
        name, at = split_revision(model)
        return AutoModelForCausalLM.from_pretrained(name, revision=at, quantization_config=quantised, device_map={"": device})
    except (OSError, ValueError) as error:
        raise TrainError(
            f"the model does not load in four bits ({error})", where=model, expected="a model folder or a Hub id", fix="check model"
        ) from error


def merge_into_base(model: str, adapter: str | Path) -> Any:
    """A stored model with a stored adapter added to its weights: for an adapter that was trained on four-bit weights, or elsewhere."""
    base, _ = load_model(model, device="cpu")
    return merge_adapters(put_on(base, adapter))


def _needs(package: str, extra: str, setting: str) -> None:
    if find_spec(package) is None:
        raise TrainError(f"{setting} needs {package}, which is not installed", fix=f"pip install 'socsci210[{extra}]'")
