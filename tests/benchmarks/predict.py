"""Exact distributions against one draw each from `model.generate`: `python -m tests.benchmarks.predict [--rows N] [--rounds N]`

A random-weight Qwen2 model of about 10 M parameters reads made prompts: personas of about 120 tokens, stimuli of about 170 (a text of about
100 that a person reads once and a question of about 70), both with the project's own templates.

- stimulus first: one cell, everybody of it;
- upstream: people who each answer seven questions on the text of their condition; and, in the table only, the harder case of seven
  stimuli that share nothing but the persona before them.

Both sides do the same rows on the same threads: `generate` in batches of 16, left-padded and sorted by length (its best padding), as many
new tokens as the longest answer has, one draw per row; the engine from rendered texts to the probability of every answer. They take turns:
the batches of `generate` are dealt out over the rounds, each to one of them, and between two rounds the engine does all rows in one call. A
round's ratio is of the rows per second of both. The engine's answers are checked against plain forward passes. Where torch finds a GPU the
same is measured there.

The last line is one JSON object: stimulus_first_ratio, upstream_ratio (rows per second over those of generate, medians of rounds),
max_abs_error (largest error of a probability); on a GPU also gpu_stimulus_first_ratio and gpu_upstream_ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from socsci210.demographics import VOCABULARY
from socsci210.predict.exact import ExactAnswers, normalise
from socsci210.prompts import INSTRUCTION, INSTRUCTION_AFTER, SYSTEM_PROMPT, PromptEncoder, persona

QUESTIONS = 7  # of one person
SCALE = range(1, 8)
APART = "upstream, no text shared"
TEXT_TOKENS, QUESTION_TOKENS = 100, 70
SYLLABLES = ("ba", "do", "fi", "gu", "ka", "le", "mo", "nu", "pa", "ri", "so", "ta", "ve", "wi", "yo", "ze")
ENDING = " Only return one number from 1 (not at all) to 7 (fully) and nothing else."


@dataclass(frozen=True)
class Work:
    """Rows of one template: (persona, stimulus)."""

    name: str
    template: str
    rows: list[tuple[str, str]]


def make_words(random: np.random.Generator) -> list[str]:
    """Words of one to four syllables."""
    return sorted({"".join(random.choice(SYLLABLES, random.integers(1, 5))) for _ in range(1500)})


def make_tokenizer(words: list[str], people: list[str]) -> Any:
    """A byte-level tokenizer that knows the words of this benchmark, with an end of turn."""
    from transformers import Qwen2Tokenizer

    corpus = [" ".join(words), *people[:200], *[f"{SYSTEM_PROMPT} {INSTRUCTION} {INSTRUCTION_AFTER} {ENDING}"] * 20] * 4
    tokenizer = Qwen2Tokenizer().train_new_from_iterator(corpus, vocab_size=8000, show_progress=False)
    tokenizer.add_special_tokens({"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"})
    return tokenizer


def make_model(tokenizer: Any) -> Any:
    """About 10 M random parameters."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=8192, hidden_size=256, intermediate_size=1024, num_hidden_layers=8, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=1024, tie_word_embeddings=True, initializer_range=0.05,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return Qwen2ForCausalLM(config).eval()


def make_people(n: int, random: np.random.Generator) -> list[str]:
    """Personas of fourteen or fifteen fields, drawn from the closed vocabularies."""
    people = []
    for _ in range(n):
        fields = {name: str(random.choice(values)) if values else int(random.integers(18, 90)) for name, values in VOCABULARY.items()}
        for name in random.choice(list(VOCABULARY)[3:], 2, replace=False):
            fields[str(name)] = None  # type: ignore[assignment]
        people.append(persona(fields))
    return people


def text_of(tokens: int, words: list[str], tokenizer: Any, random: np.random.Generator) -> str:
    """Random words of about so many tokens."""
    some: list[str] = []
    while len(tokenizer.encode(" ".join(some))) < tokens:
        some.append(str(random.choice(words)))
    return " ".join(some)


def make_work(rows: int, people: list[str], words: list[str], tokenizer: Any, random: np.random.Generator) -> list[Work]:
    """The rows of both templates."""

    def stimulus(text: str) -> str:
        return f'You read "{text}" and then were asked: "{text_of(QUESTION_TOKENS - 35, words, tokenizer, random)}?{ENDING}"'

    def text() -> str:
        return text_of(TEXT_TOKENS, words, tokenizer, random)

    one = stimulus(text())
    read = text()
    asked, apart = [stimulus(read) for _ in range(QUESTIONS)], [stimulus(text()) for _ in range(QUESTIONS)]
    return [
        Work("stimulus_first", "stimulus_first", [(person, one) for person in people[:rows]]),
        Work("upstream", "upstream", [(people[row // QUESTIONS], asked[row % QUESTIONS]) for row in range(rows)]),
        Work(APART, "upstream", [(people[row // QUESTIONS], apart[row % QUESTIONS]) for row in range(rows // 3)]),  # shown, not promised
    ]


def batches_of(prompts: list[list[int]], batch: int = 16) -> list[list[list[int]]]:
    """Prompts of like length together, which is the least padding."""
    ordered = sorted(prompts, key=len)
    return [ordered[start : start + batch] for start in range(0, len(ordered), batch)]


def generate_speed(model: Any, batches: list[list[list[int]]], new_tokens: int, pad: int) -> float:
    """Rows per second: one draw per prompt, left-padded."""
    started = time.perf_counter()
    for some in batches:
        longest = max(map(len, some))
        ids = torch.tensor([[pad] * (longest - len(one)) + one for one in some], device=model.device)
        mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in some], device=model.device)
        drawn = model.generate(input_ids=ids, attention_mask=mask, do_sample=True, max_new_tokens=new_tokens, pad_token_id=pad)
        drawn[:, longest:].cpu()
    return sum(map(len, batches)) / (time.perf_counter() - started)


def exact_speed(exact: ExactAnswers, encoder: PromptEncoder, work: Work) -> tuple[float, np.ndarray]:
    """Rows per second, and the whole distribution of every row."""
    started = time.perf_counter()
    prompts = [encoder.prompt(*row) for row in work.rows]
    probabilities, _ = normalise(exact.log_probabilities(prompts, encoder.answers(SCALE)))
    return len(work.rows) / (time.perf_counter() - started), probabilities


def measure(model: Any, tokenizer: Any, work: Work, rounds: int) -> dict[str, float]:
    """Rows per second of both sides, and the largest error."""
    encoder = PromptEncoder(tokenizer, work.template)
    exact = ExactAnswers(model, encoder)
    prompts = [encoder.prompt(*row) for row in work.rows]
    new, pad = max(map(len, encoder.answers(SCALE))), tokenizer.pad_token_id
    batches = batches_of(prompts)
    generate_speed(model, batches[:1], new, pad)  # both sides once before the clock runs
    exact_speed(exact, encoder, Work(work.name, work.template, work.rows[:16]))
    drawn, found = [], []
    rounds = min(rounds, len(batches))
    for turn in range(rounds):  # in turns, so that a slow minute of the machine meets both
        drawn.append(generate_speed(model, batches[turn::rounds], new, pad))
        speed, probabilities = exact_speed(exact, PromptEncoder(tokenizer, work.template), work)
        found.append(speed)
    some = [0, len(prompts) // 2, len(prompts) - 1]
    plain, _ = normalise(exact.by_answer([prompts[i] for i in some], encoder.answers(SCALE)))
    return {
        "prompt tokens": statistics.mean(map(len, prompts)),
        "generate rows/s": statistics.median(drawn),
        "exact rows/s": statistics.median(found),
        "ratio": statistics.median(mine / its for mine, its in zip(found, drawn, strict=True)),
        "error": float(np.abs(plain - probabilities[some]).max()),
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Exact distributions against model.generate.")
    parser.add_argument("--rows", type=int, default=192, help="rows of each template")
    parser.add_argument("--rounds", type=int, default=4, help="turns of both sides")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    random = np.random.default_rng(0)
    words, people = make_words(random), make_people(arguments.rows, random)
    tokenizer = make_tokenizer(words, people)
    model = make_model(tokenizer)
    works = make_work(arguments.rows, people, words, tokenizer, random)
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    found = {(device, work.name): measure(model.to(device), tokenizer, work, arguments.rounds) for device in devices for work in works}
    tokens = [statistics.mean(len(tokenizer.encode(text)) for text in texts) for texts in zip(*works[0].rows, strict=True)]
    parameters = sum(p.numel() for p in model.parameters())
    table = Table(
        title=f"{parameters / 1e6:.1f} M parameters, personas of {tokens[0]:.0f} tokens, stimuli of {tokens[1]:.0f}", title_justify="left"
    )
    for heading in ("device", "rows of", *next(iter(found.values()))):
        table.add_column(heading, justify="right")
    for (device, name), figures in found.items():
        table.add_row(device, name, *(f"{value:.3g}" for value in figures.values()))
    Console(width=120).print(table)
    names = {"cpu": "", "cuda": "gpu_"}
    ratios = {f"{names[device]}{name}_ratio": round(figures["ratio"], 2) for (device, name), figures in found.items() if name != APART}
    print(json.dumps({**ratios, "max_abs_error": max(figures["error"] for figures in found.values())}))


if __name__ == "__main__":
    main()
