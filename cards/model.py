"""The card of a trained model: what the run record and its results say, in words, and a script that uses the model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .markdown import code, escaped, linked, template
from .merging import mark
from .scores import Scored, context, eval_results, one_line, read_scores

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

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
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_LOW_MASS: Final = 0.9  # below it, answer mass is flagged in results too
_LISTED: Final = 40
_PACKAGES: Final = ("torch", "transformers", "accelerate", "peft")
_LEFT_OUT: Final = {
    "rows_off_scale": "training rows were left out for an answer off the stated scale",
    "examples_too_long": "training examples were left out as too long",
    "rows_shortened": "training rows were shortened at the front of the stimulus",
}


def model_card(
    record: Mapping[str, Any], results: Sequence[Path] = (), *, repository: str | None = None, revision: str | None = None,
    licence: str | None = None, dataset: str | None = None,
) -> str:  # fmt: skip
    """README.md of a model folder, or of its repository. Every figure is from the run record or from results.

    Args:
        record: the run record.
        results: results files of this model, on the dataset that it was trained on.
        repository: where it is published; by default where the settings push it to.
        revision: of the model folder as it was scored; needed with results.
        licence: the Hub's name of a licence; `unknown` without one.
        dataset: Hub id of the dataset, where it has one.

    Raises:
        DatasetError: a results file that does not read.
        HubError: results of another model, or on another dataset.
    """
    settings = record["settings"]
    repository = repository or settings.get("push_to_hub")
    scored = read_scores(results, revision or "", record["dataset_fingerprint"])
    title = repository or settings["output"].rstrip("/").rpartition("/")[2]
    data = _metadata(record, title, licence, dataset, scored)
    objective = settings.get("objective", "sft")
    found = context(scored, repository or "MODEL") if scored else {"parities": [], "commands": _without_results(record, repository)}
    versions = record.get("versions") or {}
    page = template("model_card.md.jinja").render(
        title=title,
        version=versions.get("socsci210"),
        reasoning=record.get("reasoning"),
        sample=SAMPLE.format(model=_quoted(repository or settings["output"])),
        record=record,
        base=_base(record),
        objective=objective if isinstance(objective, str) else ", ".join(f"{name} {weight:g}" for name, weight in objective.items()),
        method=_method(settings.get("lora")),
        train_on=", ".join(code(config) for config in record["train_on"]),
        validation=_validation(record.get("validation")),
        dataset=linked(escaped(dataset), f"https://huggingface.co/datasets/{dataset}") if dataset else "the dataset that it was trained on",
        defects=_defects(record),
        licence=data.license,
        studies=_studies(record["studies_trained"]),
        packages=", ".join(f"{name} {versions[name]}" for name in _PACKAGES if name in versions),
        runs=scored is not None,
        **found,
    )
    return mark(f"---\n{data.to_yaml()}\n---\n\n{page}")


def _metadata(record: Mapping[str, Any], title: str, licence: str | None, dataset: str | None, scored: Scored | None) -> ModelCardData:
    from huggingface_hub import ModelCardData

    lora = record["settings"].get("lora")
    figures = eval_results(scored, dataset) if scored else None
    return ModelCardData(
        base_model=_on_hub(record),
        datasets=[dataset] if dataset else None,
        eval_results=figures,
        language=["en"],
        library_name="peft" if lora and not lora["merge"] else "transformers",
        license=licence or "unknown",
        metrics=list(dict.fromkeys(figure.metric_type for figure in figures)) if figures else None,
        model_name=title,
        pipeline_tag="text-generation",
        tags=["social-science", "survey-experiments", "socsci210"],
    )


def _on_hub(record: Mapping[str, Any]) -> str | None:
    """The model of the Hub that it started from. Its revision is a commit; that of a folder is a shorter hash."""
    base = (record["settings"].get("model") or "").partition("@")[0]  # org/name@v1 is a version of org/name
    return base if _REPOSITORY.fullmatch(base) and _COMMIT.fullmatch(record.get("model_revision") or "") else None


def _base(record: Mapping[str, Any]) -> str:
    """What it started from. A folder is not named: its path says something of a machine and helps nobody else."""
    if record["settings"].get("model") is None:
        return "random weights"
    base = _on_hub(record)
    if base is None:
        return "a model in a folder"
    return f"{linked(escaped(base), f'https://huggingface.co/{base}')}, commit {code(record['model_revision'])}"


def _quoted(model: str) -> str:
    """A model's name between the quotation marks of the script."""
    return json.dumps(model, ensure_ascii=False)[1:-1]


def _method(lora: Mapping[str, Any] | None) -> str:
    if lora is None:
        return "all weights"
    kind = "QLoRA, four bits" if lora["bits"] == 4 else "LoRA"
    return f"{kind}, rank {lora['r']}, alpha {lora['alpha']}{', merged into the weights' if lora['merge'] else ''}"


def _validation(found: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What was seen of validation rows at the step whose weights are saved."""
    if not found or not found["evaluations"]:
        return None
    best: Mapping[str, Any] = next(one for one in found["evaluations"] if one["step"] == found["best_step"])
    return best


def _defects(record: Mapping[str, Any]) -> list[str]:
    """What the run record says that readers should know before they rely on the model."""
    found = [f"{record[key]:,} {words}." for key, words in _LEFT_OUT.items() if record.get(key)]
    best = _validation(record.get("validation"))
    if best is not None and best["answer_mass"] < _LOW_MASS:
        found.append(f"On validation rows only {best['answer_mass']:.3f} of its probability lies on allowed answers.")
    if best is not None and best["W"] >= best["chance"]:
        found.append("On validation rows it is no closer to people than uniform answers.")
    return found


def _studies(names: Sequence[str]) -> str:
    shown = ", ".join(code(name) for name in names[:_LISTED])
    return shown + (f" and {len(names) - _LISTED} more, which `run_record.json` names" if len(names) > _LISTED else "")


def _without_results(record: Mapping[str, Any], repository: str | None) -> list[str]:
    """The commands that would make results."""
    config = " ".join(record["train_on"][:1])
    predict = f"socsci210 predict --model {repository or 'MODEL'} --dataset DATASET --config {config} --out predictions.parquet"
    return [one_line(predict), "socsci210 score predictions.parquet --dataset DATASET --out results.json"]
