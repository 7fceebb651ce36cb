"""The `transformers` engine: a causal language model from a folder or the Hub, asked for the exact distribution of every row."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..prompts import PromptEncoder
from ..row_texts import RowTexts
from .exact import ExactAnswers, normalise

_EDGE: Final = 1 << 20


def revision(model: str, loaded: Any) -> str:
    """The commit of a Hub model; of a folder, 16 hex digits over names, sizes and both ends of its weight files."""
    folder = Path(model)
    if not folder.is_dir():
        return str(getattr(loaded.config, "_commit_hash", None) or "unknown")
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".bin", ".json")):
        with path.open("rb") as file:
            size = path.stat().st_size
            digest.update(f"{path.name}\0{size}\0".encode() + file.read(_EDGE))
            file.seek(max(0, size - _EDGE))
            digest.update(file.read(_EDGE))
    return digest.hexdigest()[:16]


def model_predictor(
    exact: ExactAnswers, encoder: PromptEncoder, rows: pa.Table, texts: RowTexts
) -> Callable[[npt.NDArray[np.int64]], pa.Table]:
    """A function that gives the predictions of some rows, by index into `rows`. Equal prompts are asked once."""

    def predict_rows(indices: npt.NDArray[np.int64]) -> pa.Table:
        asked: dict[int, dict[tuple[int, int], list[int]]] = defaultdict(lambda: defaultdict(list))
        for place, row in enumerate(indices):
            asked[int(texts.scale[row])][int(texts.persona[row]), int(texts.stimulus[row])].append(place)
        support: list[Any] = [None] * len(indices)
        probabilities: list[Any] = [None] * len(indices)
        mass = np.empty(len(indices))
        for scale, pairs in asked.items():
            values = list(texts.scales[scale].values)
            prompts = [encoder.prompt(texts.personas[person], texts.stimuli[stimulus]) for person, stimulus in pairs]
            found, total = normalise(exact.log_probabilities(prompts, encoder.answers(values)))
            for which, places in enumerate(pairs.values()):
                for place in places:
                    support[place], probabilities[place], mass[place] = values, found[which], total[which]
        take = pa.array(indices)
        return pa.table(
            {
                "study_id": rows.column("study_id").take(take).cast(pa.string()),
                "sample_id": rows.column("sample_id").take(take),
                "support": pa.array(support, pa.list_(pa.int64())),
                "probabilities": pa.array(probabilities, pa.list_(pa.float64())),
                "answer_mass": mass,
            }
        )

    return predict_rows
