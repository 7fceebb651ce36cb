"""How long a screening takes: 10,000 persona-arm pairs with a small model, every variant of the prompt, from texts to answers.parquet."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import yaml

from socsci210.demographics import VOCABULARY
from socsci210.prompts import persona
from socsci210.screening.asked import Asked
from socsci210.screening.example import example_text
from socsci210.screening.experiment_file import Experiment, read_experiment
from socsci210.screening.personas import read_personas
from socsci210.screening.run import Engine, collect
from socsci210.screening.variation import variants_for

PEOPLE: Final = 1000
ARMS: Final = 10
NANO: Final = {"hidden_size": 128, "intermediate_size": 256, "layers": 2, "heads": 4, "vocab_size": 1500}  # as train/configs/nano.yaml


def speed(people: int = PEOPLE, arms: int = ARMS) -> dict[str, Any]:
    """Seconds of a whole run, for the model's own layout and for both; random weights cost what trained ones do."""
    experiment, who = _experiment(arms), _people(people)
    found: dict[str, Any] = {"pairs": people * arms}
    with tempfile.TemporaryDirectory() as scratch:
        model = _nano(experiment, who, Path(scratch) / "model")
        for name, template in (("stimulus_first", "stimulus_first"), ("both", None)):
            begun = time.perf_counter()
            answers = collect(experiment, who, Engine(str(model), template=template), Path(scratch) / name)
            seconds = time.perf_counter() - begun
            rows = len(Asked(experiment, who, variants_for({}, template), 0))
            found[name] = {
                "seconds": round(seconds, 1),
                "prompts": rows,
                "prompts_per_second": round(rows / seconds),
                "bytes": answers.stat().st_size,
            }
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return found


def _experiment(arms: int) -> Experiment:
    """The example with more arms and one outcome."""
    content = yaml.safe_load(example_text())
    control = content["arms"][0]
    treated = [
        {"id": f"arm_{number}", "label": f"Arm {number}", "text": f"{control['text']} Reason {number} for it was in the news."}
        for number in range(1, arms)
    ]
    hypothesis = {"id": "first", "outcome": "support", "arm": "arm_1", "direction": "more"}
    return read_experiment(content | {"arms": [control, *treated], "outcomes": content["outcomes"][:1], "hypotheses": [hypothesis]})


def _people(n: int) -> pa.Table:
    """People of whom all 16 fields are known: the longest personas there are."""
    random = np.random.default_rng(0)
    columns = {
        field: random.integers(18, 90, n) if field == "age" else random.integers(1, 6, n) if words is None else random.choice(words, n)
        for field, words in VOCABULARY.items()
    }
    return read_personas(pa.table(columns))


def _nano(experiment: Experiment, people: pa.Table, folder: Path) -> Path:
    from socsci210.train.nano import make_model, train_tokenizer
    from socsci210.train.settings import NanoConfig

    stimuli = Asked(experiment, people, variants_for({}), 0).texts.stimuli
    config = NanoConfig(**NANO)
    tokenizer = train_tokenizer([persona(row) for row in people.to_pylist()], [*stimuli] * 20, config)
    make_model(tokenizer, config, 0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
