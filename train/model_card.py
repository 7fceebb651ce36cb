"""The card of a trained model: what the run record says, in words, and a script that uses the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

from .settings import REPOSITORY

FOLDER_HASH: Final = 16  # hex digits of the revision of a model folder
SAMPLE: Final = """\
import socsci210

model = socsci210.Socrates("{model}")
person = {{"age": 34, "gender": "Female", "education": "Bachelor's degree", "party_id": "Lean Democrat"}}
question = (
    "How likely are you to try a new kind of tea this month? "
    "Only return an integer from 1 to 7, where 1 is not at all likely and 7 is extremely likely."
)
answer = model.predict(person, question, scale=(1, 7))
for value, probability in zip(answer.values, answer.probabilities):
    print(value, round(probability, 3))
print("mean", round(answer.mean, 2), "probability of any answer on the scale", round(answer.answer_mass, 3))
print("one draw", answer.draw(seed=0))
"""

_REASONS: Final = "This model writes a rationale before its answer; generate text with it as with any causal language model."
_BODY: Final = """\
# {title}

A language model that answers questions of survey experiments as a person of a given description might: a probability for every answer on
the scale. Trained with the Python package socsci210.

## Use

{use}

## Training

| | |
|---|---|
| started from | {base} |
| objective | {objective} |
| method | {method} |
| trained on | the training side of {train_on}: {rows:,} rows of {studies} studies |
| dataset fingerprint | `{fingerprint}` |
| prompt template | `{template}`, hash `{template_hash}` |
| steps, epochs begun, rows read | {steps:,}, {epochs}, {seen:,} |
| highest learning rate | {rate:g} |
| time | {minutes:.1f} min in {processes} process{es} on {device} |

{validation}The folder's `run_record.json` has every setting, version and loss.

## What it is not

Answers are predictions of groups as past respondents gave them, not statements of persons. The test sides of {train_on} were not trained
on; other rows of the same dataset may have been. Scores beside their reference points come from `socsci210 predict` and `socsci210 score`.
"""


def model_card(record: Mapping[str, Any]) -> str:
    """README.md of a model folder, with the YAML header that the Hub reads. Every figure is from the run record."""
    settings = record["settings"]
    base, lora = settings.get("model"), settings.get("lora")
    repository = settings.get("push_to_hub")
    title = repository or settings["output"].rstrip("/").rpartition("/")[2]
    header = {
        **({"base_model": base} if base and _on_hub(base, record.get("model_revision")) else {}),
        "library_name": "peft" if lora and not lora["merge"] else "transformers",
        "pipeline_tag": "text-generation",
        "language": ["en"],
        "tags": ["social-science", "survey-experiments", "socsci210"],
    }
    objective = settings.get("objective", "sft")
    body = _BODY.format(
        title=title,
        use=_REASONS if record.get("reasoning") else f"```python\n{SAMPLE.format(model=repository or settings['output'])}```",
        base=base or "random weights",
        objective=objective if isinstance(objective, str) else ", ".join(f"{name} {weight:g}" for name, weight in objective.items()),
        method=_method(lora),
        train_on=", ".join(record["train_on"]),
        rows=record["rows_trained"],
        studies=len(record["studies_trained"]),
        fingerprint=record["dataset_fingerprint"],
        template=record["template"],
        template_hash=record["template_hash"],
        steps=record["steps"],
        epochs=record["epochs"] + (record["steps"] > 0),
        seen=record["rows_seen"],
        rate=settings["learning_rate"],
        minutes=record["seconds"] / 60,
        processes=record["processes"],
        es="" if record["processes"] == 1 else "es",
        device=record["hardware"]["name"],
        validation=_validation(record.get("validation")),
    )
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n\n{body}"


def _on_hub(base: str, revision: str | None) -> bool:
    """Whether a base model is one of the Hub: then its revision is a commit; that of a folder is a shorter hash."""
    return REPOSITORY.fullmatch(base) is not None and (revision is None or len(revision) != FOLDER_HASH)


def _method(lora: Mapping[str, Any] | None) -> str:
    if lora is None:
        return "all weights"
    kind = "QLoRA, four bits" if lora["bits"] == 4 else "LoRA"
    return f"{kind}, rank {lora['r']}, alpha {lora['alpha']}{', merged into the weights' if lora['merge'] else ''}"


def _validation(found: Mapping[str, Any] | None) -> str:
    if not found or not found["evaluations"]:
        return ""
    best = next(one for one in found["evaluations"] if one["step"] == found["best_step"])
    return (
        f"On {found['rows']:,} rows of the validation side of {found['config']}, the model of step {best['step']}, which is the one saved, "
        f"has W {best['W']:.4f} (chance {best['chance']:.4f}; lower is better), and {best['answer_mass']:.3f} of its probability on the "
        "scale.\n\n"
    )
