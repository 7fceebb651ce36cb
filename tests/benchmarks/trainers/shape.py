"""The work of the training benchmark: a random-weight Qwen2 model and made rows, as a model folder and a dataset folder.

Personas of about 120 tokens, stimuli of about 170, answers on 1 to 7.

- `stimulus_first`: cells of 64 people who read one stimulus;
- `upstream`: people who each answer seven questions on the text of their condition.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from socsci210.demographics import FIELDS, VOCABULARY

from ...tiny_dataset import write_tiny_dataset
from ..predict import ENDING, QUESTION_TOKENS, QUESTIONS, TEXT_TOKENS, make_people, make_tokenizer, make_words, text_of

PEOPLE_OF_CELL: Final = 64
SHAPES: Final = {  # hidden, feed-forward, layers, heads, heads of keys, vocabulary
    "10M": (256, 1024, 6, 4, 2, 16_384),
    "0.5B": (896, 4864, 24, 14, 2, 151_936),
    "7B": (3584, 18944, 28, 28, 4, 152_064),
}
STUDY, ITEM = "first", 0


@dataclass(frozen=True)
class Work:
    """Folders of a model and of one dataset for each template."""

    model: Path
    datasets: dict[str, Path]


def write_work(folder: Path, shape: str, rows: int, seed: int = 0) -> Work:
    """Makes the folders; the same seed makes the same files."""
    random = np.random.default_rng(seed)
    words = make_words(random)
    people = [*_people(rows, random)]
    tokenizer = make_tokenizer(words, make_people(200, random))
    model = folder / "model"
    _make_model(shape, tokenizer).save_pretrained(model)
    tokenizer.save_pretrained(model)
    datasets = {
        "stimulus_first": write_tiny_dataset(folder / "stimulus_first", [*_cells(people, words, tokenizer, random)]),
        "upstream": write_tiny_dataset(folder / "upstream", [*_seven_questions(people[: rows // QUESTIONS], words, tokenizer, random)]),
    }
    return Work(model, datasets)


def _make_model(shape: str, tokenizer: Any) -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    hidden, feed_forward, layers, heads, key_heads, vocabulary = SHAPES[shape]
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=feed_forward, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=key_heads, max_position_embeddings=1024, tie_word_embeddings=shape != "7B",
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = Qwen2ForCausalLM(config)
    return model if shape == "10M" else model.to(torch.bfloat16)


def _people(n: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Demographics of fourteen or fifteen fields, drawn from the closed vocabularies."""
    for _ in range(n):
        known = {name: str(random.choice(values)) if values else int(random.integers(18, 90)) for name, values in VOCABULARY.items()}
        left_out = {str(name) for name in random.choice(list(VOCABULARY)[3:], 2, replace=False)}
        yield {field: None if field in left_out else known.get(field) for field in FIELDS}


def _stimulus(text: str, words: list[str], tokenizer: Any, random: np.random.Generator) -> str:
    return f'You read "{text}" and then were asked: "{text_of(QUESTION_TOKENS - 35, words, tokenizer, random)}?{ENDING}"'


def _row(number: int, participant: int, person: dict[str, Any], stimulus: str, cell: tuple[int, int], response: int) -> dict[str, Any]:
    condition, task = cell
    return {
        "sample_id": number, "participant": participant, "demographic": person, "stimuli": stimulus, "response": response,
        "condition_num": condition, "task_num": task, "study_id": STUDY, "item_num": ITEM, "scale_min": 1, "scale_max": 7,
        "weight": None, "flags": [], "response_clean": response,
    }  # fmt: skip


def _cells(people: list[dict[str, Any]], words: list[str], tokenizer: Any, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    for number, person in enumerate(people):
        if number % PEOPLE_OF_CELL == 0:
            stimulus = _stimulus(text_of(TEXT_TOKENS, words, tokenizer, random), words, tokenizer, random)
            shares = random.dirichlet(np.ones(7))
        yield _row(number, number, person, stimulus, (number // PEOPLE_OF_CELL, 0), 1 + int(random.choice(7, p=shares)))


def _seven_questions(
    people: list[dict[str, Any]], words: list[str], tokenizer: Any, random: np.random.Generator
) -> Iterator[dict[str, Any]]:
    read = [text_of(TEXT_TOKENS, words, tokenizer, random) for _ in range(3)]
    asked = [[_stimulus(text, words, tokenizer, random) for _ in range(QUESTIONS)] for text in read]
    for participant, person in enumerate(people):
        condition = participant % len(read)
        for task, stimulus in enumerate(asked[condition]):
            number = participant * QUESTIONS + task
            yield _row(number, participant, person, stimulus, (condition, task), 1 + int(random.integers(7)))


def described(work: Work) -> str:
    """Parameters in words, from the model's own configuration."""
    weights = sum(path.stat().st_size for path in work.model.glob("*.safetensors"))
    precision = json.loads((work.model / "config.json").read_text()).get("dtype", "float32")
    return f"{weights / (4 if precision == 'float32' else 2) / 1e6:.1f} M parameters, {precision}"
