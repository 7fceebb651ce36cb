"""`socsci210 new-experiment`: a filled-in file to begin with, a dataset's study as an experiment, and the JSON Schema for editors."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from .experiment_file import Experiment, ExperimentError
from .run import experiment_yaml


def example_text() -> str:
    """The commented example."""
    return (files(__package__) / "example.yaml").read_text(encoding="utf-8")


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an experiment file, with help for every key."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Experiment.model_json_schema()}


def new_experiment(out: Path, *, study: str | None = None) -> list[str]:
    """Write an experiment file to begin with, and return what should be looked at in it.

    Args:
        out: the file, which must not exist yet.
        study: `DATASET:STUDY`, a study to write as an experiment; without it the example.

    Raises:
        ExperimentError: the file exists, or the study cannot be written as an experiment.
        DatasetError: there is no such dataset or study.
    """
    if out.exists():
        raise ExperimentError("exists already", where=str(out), expected="a new file", fix="choose another name, or remove it")
    notes: list[str] = []
    if study is None:
        text = example_text()
    else:
        from .replay import experiment_of

        experiment, notes = experiment_of(study)
        text = "".join(f"# {line}\n" for line in (f"{study.rpartition(':')[2]}, from a dataset. Look at:", *notes)) + experiment_yaml(
            experiment
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("x", encoding="utf-8") as file:
        file.write(text)
    return notes


def schema_text() -> str:
    """The schema as a file holds it."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False)
