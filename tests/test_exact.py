"""Exact answer distributions against brute force: one plain forward pass per answer, no mask, no cache, no padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from socsci210.errors import DatasetError
from socsci210.predict.exact import ExactAnswers, normalise
from socsci210.prompts import PromptEncoder
from tests.tiny import tiny_model, tiny_tokenizer

SCALES = {
    "1-7": range(1, 8),
    "0-10": range(11),
    "0-100": range(101),
    "negative": range(-5, 6),
    "two options": range(1, 3),
    "steps": range(0, 1001, 100),
}
PERSONA = "You are a survey respondent with the following demographic profile:\n- Age: "
STIMULI = [
    "How likely is it? Only return an integer.",
    "Is it? 1 or 2.",
    "How likely is it? Only return 5, or 7, or rather 10, nothing else.",
]


@pytest.fixture(scope="module")
def encoder() -> PromptEncoder:
    return PromptEncoder(tiny_tokenizer())


@pytest.fixture(scope="module")
def prompts(encoder: PromptEncoder) -> list[list[int]]:
    return [encoder.prompt(PERSONA + age, stimulus) for age in ("34", "5", "71") for stimulus in STIMULI]


def brute_force(model: Any, prompts: list[list[int]], answers: list[tuple[int, ...]]) -> np.ndarray:
    out = np.zeros((len(prompts), len(answers)))
    with torch.no_grad():
        for i, prompt in enumerate(prompts):
            for j, answer in enumerate(answers):
                log = torch.log_softmax(model(torch.tensor([[*prompt, *answer]])).logits[0].double(), dim=-1)
                out[i, j] = sum(float(log[len(prompt) + k - 1, token]) for k, token in enumerate(answer))
    return out


@pytest.mark.parametrize("name", SCALES)
def test_equals_brute_force(name: str, encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    model = tiny_model(encoder.tokenizer)
    exact = ExactAnswers(model, encoder, batch_size=4)
    assert exact.packs
    answers = encoder.answers(SCALES[name])
    some = prompts[:3] if name == "0-100" else prompts
    expected = brute_force(model, some, answers)
    found = exact.log_probabilities(some, answers)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    probabilities, mass = normalise(found)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(mass, np.exp(expected).sum(axis=1), rtol=1e-5)
    assert np.ptp(probabilities, axis=1).min() > 1e-3  # a random model that is not flat, else nothing was tested


def test_batches_do_not_change_the_answer(encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    model, answers = tiny_model(encoder.tokenizer), encoder.answers(range(11))
    one, many = (ExactAnswers(model, encoder, batch_size=size).log_probabilities(prompts, answers) for size in (1, 9))
    np.testing.assert_allclose(one, many, atol=1e-5)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_implementations_agree(attention: str, encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    model = tiny_model(encoder.tokenizer, attn_implementation=attention)
    answers = encoder.answers(range(-3, 12))
    np.testing.assert_allclose(
        ExactAnswers(model, encoder).log_probabilities(prompts, answers), brute_force(model, prompts, answers), atol=1e-5
    )


def test_sliding_window_beyond_its_length(encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    model = tiny_model(encoder.tokenizer, use_sliding_window=True, sliding_window=16, max_window_layers=1)
    answers = encoder.answers(range(1, 4))
    np.testing.assert_allclose(
        ExactAnswers(model, encoder).log_probabilities(prompts[:2], answers), brute_force(model, prompts[:2], answers), atol=1e-5
    )


def test_other_architectures(encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    from transformers import BloomConfig, BloomForCausalLM, GPT2Config, GPT2LMHeadModel

    torch.manual_seed(1)
    size = len(encoder.tokenizer)
    models: list[Any] = [
        GPT2LMHeadModel(GPT2Config(vocab_size=size, n_embd=32, n_layer=2, n_head=4, n_positions=512, initializer_range=0.3)).eval(),
        BloomForCausalLM(BloomConfig(vocab_size=size, hidden_size=32, n_layer=2, n_head=4, initializer_range=0.3)).eval(),
    ]
    answers = encoder.answers(range(8, 12))
    for model in models:
        found = ExactAnswers(model, encoder).log_probabilities(prompts[:3], answers)
        np.testing.assert_allclose(found, brute_force(model, prompts[:3], answers), atol=1e-5)


def test_prompt_longer_than_the_context(encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    exact = ExactAnswers(tiny_model(encoder.tokenizer), encoder)
    exact.context = 20
    with pytest.raises(DatasetError, match="at most 20, the context of the model"):
        exact.log_probabilities(prompts, encoder.answers([1, 2]))
