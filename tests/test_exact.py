"""Exact answer distributions against brute force: one plain forward pass per answer, no mask, no cache, no padding."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
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
    "no or yes": range(2),
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


@pytest.fixture(scope="module", params=["upstream", "stimulus_first"])
def prompts(request: pytest.FixtureRequest, encoder: PromptEncoder) -> list[list[int]]:
    of_template = PromptEncoder(encoder.tokenizer, request.param)
    return [of_template.prompt(PERSONA + age, stimulus) for age in ("34", "5", "71") for stimulus in STIMULI]


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


def test_answers_in_words(encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    model = tiny_model(encoder.tokenizer)
    words = [(*encoder.tokenizer.encode(word), encoder.end_of_turn) for word in ("Yes", "No", "Yes and no")]
    found = ExactAnswers(model, encoder).log_probabilities(prompts, words)
    np.testing.assert_allclose(found, brute_force(model, prompts, words), atol=1e-5)


@pytest.mark.parametrize(("size", "tokens"), [(1, 4096), (9, 4096), (4, 60), (3, 1)])
def test_packs_do_not_change_the_answer(size: int, tokens: int, encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    """Small packs carry keys and values over; repeated prompts and prompts of one length (no padding) among them."""
    model, answers = tiny_model(encoder.tokenizer), encoder.answers(range(11))
    exact = ExactAnswers(model, encoder, batch_size=size)
    exact.tokens = tokens
    some = [*prompts, prompts[0], [*prompts[1][:-1], *prompts[1][-2:]], prompts[2][:-3]]
    np.testing.assert_allclose(exact.log_probabilities(some, answers), brute_force(model, some, answers), atol=1e-5)


@pytest.mark.parametrize("name", SCALES)
def test_prompts_of_one_length_and_of_many(name: str, encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    """Unpadded: all blocks are full. Padded: some are not. Both give the probabilities of brute force."""
    from socsci210.packs.packing import packs
    from socsci210.packs.trie import build_trie

    model, answers = tiny_model(encoder.tokenizer), encoder.answers(SCALES[name])
    even = [[token, *prompts[0][1:-1], token] for token in (5, 6, 7)]  # nothing shared, one length
    ragged = [[*prompts[0][: -5 * n], 3 + n] for n in (1, 2, 3)]  # a beginning shared, unequal ends
    for some, padded in ((even, False), (ragged, True)):
        (pack,) = packs(some, [build_trie(answers)] * 3, tokens=10_000, rows=3, wanted=10_000)
        holes = [int((block.place < 0).sum()) for block in pack.all.blocks]
        assert (sum(holes) > 0) == padded
        found, expected = ExactAnswers(model, encoder).log_probabilities(some, answers), brute_force(model, some, answers)
        np.testing.assert_allclose(normalise(found)[0], normalise(expected)[0], atol=1e-5)


def test_prompts_with_scales_of_their_own(encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    model = tiny_model(encoder.tokenizer)
    answers = [encoder.answers(SCALES[name]) for name in ("1-7", "negative", "no or yes") * 3]
    for prompt, some, found in zip(prompts, answers, ExactAnswers(model, encoder).ask(prompts, answers), strict=True):
        np.testing.assert_allclose(found, brute_force(model, [prompt], some)[0], atol=1e-5)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_implementations_agree(attention: str, encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    model = tiny_model(encoder.tokenizer, attn_implementation=attention)
    answers = encoder.answers(range(-3, 12))
    np.testing.assert_allclose(
        ExactAnswers(model, encoder).log_probabilities(prompts, answers), brute_force(model, prompts, answers), atol=1e-5
    )


def architectures() -> dict[str, Any]:
    """Families of causal models, and whether they are read in packs."""
    import transformers as t

    llama = {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 8, "max_position_embeddings": 512, "initializer_range": 0.3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    gemma = llama | {"query_pre_attn_scalar": 8, "sliding_window": 12}
    experts = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    older = {"n_embd": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.3}
    return {
        "qwen2, window": (t.Qwen2Config(**llama, use_sliding_window=True, sliding_window=16, max_window_layers=1), True),
        "qwen3": (t.Qwen3Config(**llama), True),
        "qwen3, experts": (t.Qwen3MoeConfig(**llama, **experts), True),
        "llama": (t.LlamaConfig(**llama), True),
        "mistral, window": (t.MistralConfig(**llama, sliding_window=16), True),
        "gemma 2, soft caps, window": (t.Gemma2Config(**gemma, attn_logit_softcapping=3.0, final_logit_softcapping=5.0), True),
        "gemma 3, window": (t.Gemma3TextConfig(**gemma), True),
        "gpt-2": (t.GPT2Config(**older, n_positions=512), True),
        "bloom, no positions": (t.BloomConfig(hidden_size=32, n_layer=2, n_head=4, initializer_range=0.3), False),
        "mamba, recurrent": (t.MambaConfig(hidden_size=32, num_hidden_layers=2, state_size=4, initializer_range=0.3), False),
    }


@pytest.mark.parametrize("name", architectures())
def test_architectures(name: str, encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    config, in_packs = architectures()[name]
    config.vocab_size = len(encoder.tokenizer)
    model = AutoModelForCausalLM.from_config(config).eval()
    answers = encoder.answers(range(8, 12))
    exact = ExactAnswers(model, encoder, batch_size=2)
    assert exact.packs == in_packs
    before = model.config._attn_implementation
    some = prompts[:4]
    found, expected = exact.log_probabilities(some, answers), brute_force(model, some, answers)
    np.testing.assert_allclose(normalise(found)[0], normalise(expected)[0], atol=1e-5)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert model.config._attn_implementation == before
    assert not any("forward" in vars(part) for part in model.modules())  # the model is left as it was


def test_prompt_longer_than_the_context(encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    exact = ExactAnswers(tiny_model(encoder.tokenizer), encoder)
    exact.context = 20
    with pytest.raises(DatasetError, match="at most 20, the context of the model"):
        exact.log_probabilities(prompts, encoder.answers([1, 2]))


def test_two_threads_read_two_models(encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    answers = encoder.answers(range(1, 8))
    exact = [ExactAnswers(tiny_model(encoder.tokenizer, seed=seed), encoder, batch_size=2) for seed in range(2)]
    alone = [one.log_probabilities(prompts, answers) for one in exact]

    def again(number: int) -> list[Any]:
        return [exact[number].log_probabilities(prompts, answers) for _ in range(6)]

    with ThreadPoolExecutor(2) as pool:
        for expected, found in zip(alone, pool.map(again, range(2)), strict=True):
            np.testing.assert_allclose(found, [expected] * 6, atol=1e-5)
