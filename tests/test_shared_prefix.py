"""Packs in training: the loss and the gradients of separate plain rows, in every family of models, and no leak between rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from socsci210.packs.trie import build_trie, chain
from socsci210.prompts import PromptEncoder
from socsci210.train.batches import Reader, Way, best_way
from socsci210.train.objectives import Example
from tests.tiny import tiny_model, tiny_tokenizer

VOCABULARY, WINDOW = 60, 9
SMALL = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 256, "initializer_range": 0.2,
    "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Models are so small that threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def family(name: str, seed: int = 0, **changes: Any) -> Any:
    """A random model of three layers. Windows are shorter than the prompts."""
    import transformers

    torch.manual_seed(seed)
    config = getattr(transformers, f"{name}Config")(**SMALL, **changes)
    kind = getattr(transformers, f"{name}ForCausalLM")
    model = kind(config)
    model.set_attn_implementation("eager")
    return model.train()


def _gemma3(**changes: Any) -> Any:
    import transformers

    torch.manual_seed(0)
    config = transformers.Gemma3TextConfig(**SMALL, sliding_window=WINDOW, sliding_window_pattern=2, **changes)
    model = transformers.Gemma3ForCausalLM(config)
    model.set_attn_implementation("eager")
    assert {"sliding_attention", "full_attention"} <= set(config.layer_types)
    return model.train()


FAMILIES: dict[str, Callable[..., Any]] = {
    "Qwen2": partial(family, "Qwen2"),
    "Qwen3": partial(family, "Qwen3"),
    "Llama": partial(family, "Llama"),
    "Gemma": partial(family, "Gemma"),
    "Gemma2 (softcap, window)": partial(family, "Gemma2", sliding_window=WINDOW, attn_logit_softcapping=5.0, final_logit_softcapping=9.0),
    "Gemma3 (window)": _gemma3,
    "Mistral (window)": partial(family, "Mistral", sliding_window=WINDOW),
}


def some_examples(seed: int = 0, template: str = "stimulus_first") -> list[Example]:
    """Rows of three stimuli and four people, whose texts differ in length, with answers of one to three tokens and a tree."""
    random = np.random.default_rng(seed)

    def texts(*sizes: int) -> list[list[int]]:
        return [random.integers(2, VOCABULARY, size).tolist() for size in sizes]

    (system,), stimuli, people = texts(6), texts(14, 9, 20), texts(7, 12, 7, 3)
    tries = [chain([5, 1]), chain([7, 1]), chain([8, 9, 1]), chain([1]), build_trie([[5, 1], [6, 1], [5, 6, 1], [8, 9, 7, 1]])]
    examples = []
    for number, (stimulus, person) in enumerate([(0, 0), (0, 1), (0, 3), (1, 2), (1, 0), (2, 1), (0, 2)]):
        first, last = (stimuli[stimulus], people[person]) if template == "stimulus_first" else (people[person], stimuli[stimulus])
        examples.append(Example([*system, *first, *last], tries[number % len(tries)]))
    return [*examples, Example(examples[0].prompt, tries[2])]  # one prompt twice


def weights_of(examples: list[Example]) -> torch.Tensor:
    sizes = sum(len(example.trie.edge_node) for example in examples)
    return torch.linspace(0.5, 1.5, sizes)


def plain(model: Any, examples: list[Example]) -> tuple[float, dict[str, torch.Tensor]]:
    """The weighted sum of all edges' log-probabilities and its gradients, one forward pass for every edge: no padding, no sharing."""
    model.zero_grad()
    total, weights, at = 0.0, weights_of(examples), 0
    for example in examples:
        trie = example.trie
        for node, token in zip(trie.edge_node.tolist(), trie.edge_token.tolist(), strict=True):
            path = [] if node == 0 else trie.tokens[trie.sees[node - 1]].tolist()
            logits = model(input_ids=torch.tensor([[*example.prompt, *path]]), use_cache=False).logits[0, -1]
            log = weights[at] * torch.log_softmax(logits.float(), dim=-1)[token]
            log.backward()
            total, at = total + float(log.detach()), at + 1
    return total, {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


def together(model: Any, examples: list[Example], way: Way = "packs") -> tuple[float, dict[str, torch.Tensor]]:
    """The same, in one forward and backward pass."""
    model.zero_grad()
    reader = Reader(model, way, 0)
    with reader.open(), reader.edges(reader.batch(examples)) as edges:
        loss = (edges * weights_of(examples)).sum()
        loss.backward()
    return float(loss.detach()), {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


def edges_of(model: Any, examples: list[Example], way: Way = "packs") -> list[torch.Tensor]:
    reader = Reader(model, way, 0)
    batch = reader.batch(examples)
    with torch.no_grad(), reader.open(), reader.edges(batch) as edges:
        return list(torch.split(edges, batch.starts.diff().tolist()))


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_are_those_of_separate_rows(name: str) -> None:
    model = FAMILIES[name]()
    for template in ("stimulus_first", "upstream"):
        examples = some_examples(template=template)
        loss, gradients = plain(model, examples)
        scale = max(float(gradient.abs().max()) for gradient in gradients.values())
        for way in ("packs", "padded"):
            for checkpointing in (False, True) if way == "packs" else (False,):
                if checkpointing:
                    model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
                found, theirs = together(model, examples, way)
                model.activation_checkpointing_disable()
                assert found == pytest.approx(loss, rel=1e-6), (template, way)
                assert theirs.keys() == gradients.keys()
                worst = max(float((theirs[key] - gradients[key]).abs().max()) for key in gradients)
                assert worst < 4e-6 * scale, (template, way, checkpointing, worst / scale)


def test_a_pack_holds_what_is_shared_once_and_the_model_is_its_old_self_afterwards() -> None:
    model = FAMILIES["Qwen2"]()
    examples = some_examples()
    reader = Reader(model, "packs", 0)
    assert reader.batch(examples).ids.numel() < 0.6 * Reader(model, "padded", 0).batch(examples).ids.numel()
    before = model(torch.tensor([[5, 6, 7]])).logits
    together(model, examples)
    assert model.config._attn_implementation == "eager"
    assert not any("forward" in vars(module) for module in model.modules())
    assert torch.equal(before, model(torch.tensor([[5, 6, 7]])).logits)


@pytest.mark.parametrize("way", ["packs", "padded"])
@pytest.mark.parametrize("name", ["Qwen2", "Gemma2 (softcap, window)"])
def test_nothing_leaks_between_rows(name: str, way: Way) -> None:
    model = FAMILIES[name]().eval()
    examples = some_examples()
    before = edges_of(model, examples, way)
    for changed in range(len(examples)):
        for place in (0, 8, -1):  # in the system prompt, in the stimulus, in the person
            prompt = list(examples[changed].prompt)
            prompt[place] = 2 + (prompt[place] - 1) % (VOCABULARY - 2)
            after = edges_of(model, [*examples[:changed], Example(prompt, examples[changed].trie), *examples[changed + 1 :]], way)
            off = [float((a - b).abs().max()) for a, b in zip(before, after, strict=True)]
            assert max(off[:changed] + off[changed + 1 :]) < 5e-6 < 1e-3 < off[changed], (changed, place, off)


def test_rows_alone_in_their_group_are_untouched_to_the_last_bit() -> None:
    """Nothing is shared here, so whatever a neighbour says, the same numbers are computed."""
    model = FAMILIES["Qwen2"]().eval()
    random = np.random.default_rng(0)
    prompts = [[first, *random.integers(2, VOCABULARY, 20).tolist()] for first in (10, 20, 30)]
    before = edges_of(model, [Example(prompt, chain([5, 1])) for prompt in prompts])
    prompts[1] = [20, *random.integers(2, VOCABULARY, 20).tolist()]
    after = edges_of(model, [Example(prompt, chain([5, 1])) for prompt in prompts])
    assert torch.equal(before[0], after[0]) and torch.equal(before[2], after[2]) and not torch.equal(before[1], after[1])


def test_an_answer_is_not_seen_by_the_rows_behind_it() -> None:
    model = FAMILIES["Qwen2"]().eval()
    examples = some_examples()
    before = edges_of(model, examples)
    changed = [Example(example.prompt, chain([9, 9, 1])) if number == 0 else example for number, example in enumerate(examples)]
    after = edges_of(model, changed)
    assert all(float((a - b).abs().max()) < 5e-6 for a, b in zip(before[1:], after[1:], strict=True))


def test_half_precision_is_close() -> None:
    model = FAMILIES["Qwen2"]()
    examples = some_examples()
    loss, gradients = together(model, examples)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        coarse, theirs = together(model, examples)
    assert coarse == pytest.approx(loss, rel=0.02)
    flat, other = (torch.cat([one[key].flatten() for key in gradients]) for one in (gradients, theirs))
    assert float(torch.nn.functional.cosine_similarity(flat, other, dim=0)) > 0.99
    model.to(torch.bfloat16)
    assert together(model, examples)[0] == pytest.approx(loss, rel=0.05)


def test_the_way_of_reading_is_chosen_by_what_a_model_does() -> None:
    import transformers

    tokenizer = tiny_tokenizer()
    encoder = PromptEncoder(tokenizer)
    model = tiny_model(tokenizer).train()
    assert best_way(model, encoder, 0) == ("packs", "") and model.training
    small = {"vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 2, "initializer_range": 0.3}
    alibi = transformers.BloomForCausalLM(transformers.BloomConfig(**small, n_head=4))  # attention with biases of its own
    assert best_way(alibi, encoder, 0)[0] == "padded"
    config = tiny_model(tokenizer).config
    config.attention_dropout = 0.1  # shows in training only
    way, why = best_way(transformers.Qwen2ForCausalLM(config), encoder, 0)
    assert way == "padded" and "dropout" in why


@pytest.mark.parametrize("kind", ["Bloom", "Mamba"])
def test_models_that_do_not_read_packs_are_padded_rightly(kind: str) -> None:
    import transformers

    torch.manual_seed(0)
    settings = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "pad_token_id": 0}
    model = getattr(transformers, f"{kind}ForCausalLM")(getattr(transformers, f"{kind}Config")(**settings)).eval()
    examples = some_examples()[:4]
    loss, gradients = plain(model, examples)
    found, theirs = together(model, examples, "padded")
    assert found == pytest.approx(loss, rel=1e-5)
    scale = max(float(gradient.abs().max()) for gradient in gradients.values())
    assert max(float((theirs[key] - gradients[key]).abs().max()) for key in gradients) < 1e-5 * scale


def kept_bytes(model: Any, examples: list[Example], way: Way) -> int:
    """What the forward pass keeps for the backward pass, weights not counted."""
    seen: dict[int, int] = {}
    weights = {value.untyped_storage().data_ptr() for value in model.parameters()}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    reader = Reader(model, way, 0)
    batch = reader.batch(examples)
    with reader.open(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), reader.edges(batch) as edges:
        assert edges.requires_grad
    return sum(size for place, size in seen.items() if place not in weights)


def test_packs_keep_no_more_memory_than_padded_rows() -> None:
    model = FAMILIES["Qwen2"]()
    model.set_attn_implementation("sdpa")
    random = np.random.default_rng(0)

    def rows(groups: int, size: int, shared: int, own: int) -> list[Example]:
        heads = [[10 + group, *random.integers(2, VOCABULARY, shared).tolist()] for group in range(groups)]
        return [Example([*head, *random.integers(2, VOCABULARY, own).tolist()], chain([5, 1])) for head in heads for _ in range(size)]

    alone, together = rows(16, 1, 50, 40), rows(2, 8, 50, 40)
    assert kept_bytes(model, alone, "packs") < 1.02 * kept_bytes(model, alone, "padded")
    assert kept_bytes(model, together, "packs") < 0.75 * kept_bytes(model, together, "padded")
