"""Answers behind rationales: the mean that theory says, texts drawn as by hand, the same in any batch, and silence that is counted."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from typer.testing import CliRunner

import socsci210
from socsci210.cards.model import SAMPLE
from socsci210.cli import app
from socsci210.dataset_folder import DatasetFolder
from socsci210.errors import DatasetError
from socsci210.language_model import load_model
from socsci210.predict import predict, read_metadata
from socsci210.predict.draws import Decoding, Draws
from socsci210.predict.exact import ExactAnswers, normalise
from socsci210.predict.rationales import Rationales
from socsci210.prompts import PLAIN_CUE, PromptEncoder
from socsci210.results import Results
from socsci210.score import score
from socsci210.train.objectives.reasoning import Reasoning
from tests.objective_tools import row_tokens, whole_log_probability, with_rationales
from tests.tiny import tiny_model, tiny_tokenizer
from tests.tiny_dataset import tiny_rows, write_tiny_dataset

WARM, COLD, SILENT, RARE = " I like it warm. \n", "I like it cold.", "No more of this", "0 unlikely"
SHARES = {WARM: 0.55, COLD: 0.3, SILENT: 0.1, RARE: 0.05}  # the last one is below what top_p keeps
ANSWERS = {WARM: (0.1, 0.3, 0.5), COLD: (0.6, 0.2, 0.1), RARE: (0.0, 0.0, 1.0)}  # what lacks to 1 is no answer


class Scripted:
    """A model that writes one of four texts behind a prompt, and then an answer from 1 to 3, with the probabilities above."""

    dtype, device = torch.float32, torch.device("cpu")

    def __init__(self, encoder: PromptEncoder, prompts: Sequence[list[int]], context: int = 0) -> None:
        self.encoder, self.prompts, self.size = encoder, prompts, len(encoder.tokenizer)
        about = SimpleNamespace(vocab_size=self.size, max_position_embeddings=context)
        self.config = SimpleNamespace(get_text_config=lambda: about)
        encode = encoder.tokenizer.encode
        self.written = {(*encode(text + PLAIN_CUE * (text != SILENT)), encoder.end_of_turn): SHARES[text] for text in SHARES}
        self.answers = {
            tuple(encoder.rationales([text])[0]): dict(zip(encoder.answers((1, 2, 3)), shares, strict=True))
            for text, shares in ANSWERS.items()
        }

    def __call__(self, **given: Any) -> Any:
        return self.forward(**given)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: Any = None, position_ids: Any = None, past_key_values: Any = None,
        use_cache: bool = False, logits_to_keep: int = 0,
    ) -> Any:  # fmt: skip
        """The cache is simply all ids so far."""
        ids = input_ids if past_key_values is None else torch.cat([past_key_values, input_ids], dim=1)
        mask = torch.ones_like(ids) if attention_mask is None else attention_mask
        assert mask.shape == ids.shape
        kept = logits_to_keep or input_ids.shape[1]
        logits = torch.full((len(ids), kept, self.size), -torch.inf)
        for row, at in itertools.product(range(len(ids)), range(kept)):
            end = ids.shape[1] - kept + 1 + at
            logits[row, at] = torch.from_numpy(self._next(ids[row, :end][mask[row, :end] == 1].tolist())).log()
        return SimpleNamespace(logits=logits, past_key_values=ids)

    def _next(self, ids: list[int]) -> Any:
        prompt = next((prompt for prompt in self.prompts if ids[: len(prompt)] == prompt), None)
        if prompt is None:
            return np.full(self.size, 1 / self.size, np.float32)
        written = tuple(ids[len(prompt) :])
        thought = next((one for one in self.answers if written[: len(one)] == one), None)
        if thought is None:
            return self._behind(written, self.written)
        return self._behind(written[len(thought) :], self.answers[thought])

    def _behind(self, written: tuple[int, ...], texts: dict[tuple[int, ...], float]) -> Any:
        """Probabilities of the next token where whole texts have these."""
        found = np.zeros(self.size, np.float32)
        for text, share in texts.items():
            if text[: len(written)] == written and len(text) > len(written):
                found[text[len(written)]] += share
        found[0] += max(0.0, 1 - sum(texts.values())) if not written else 0.0
        return found / found.sum() if found.sum() else np.full(self.size, 1 / self.size, np.float32)


@pytest.fixture(scope="module")
def encoder() -> PromptEncoder:
    return PromptEncoder(tiny_tokenizer())


@pytest.fixture(scope="module")
def prompts(encoder: PromptEncoder) -> list[list[int]]:
    return [encoder.prompt("A person.", f"Question {n}. {'More words. ' * (n % 4)}Only return 1 to 3.") for n in range(24)]


def scripted(encoder: PromptEncoder, prompts: list[list[int]], *, context: int = 0, batch: int = 64, **settings: Any) -> Rationales:
    exact = ExactAnswers(Scripted(encoder, prompts, context), encoder, batch_size=batch)
    assert not exact.packs
    return Rationales(exact, **settings)


# --- the mean ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 4])
def test_every_distribution_is_a_mean_of_those_behind_rationales(encoder: PromptEncoder, prompts: list[list[int]], number: int) -> None:
    """WARM, COLD and SILENT at temperature 0.6 and top_p 0.9; behind SILENT there is no answer."""
    answers = encoder.answers((1, 2, 3))
    found = np.exp(np.array(scripted(encoder, prompts, number=number).ask(prompts, [answers] * len(prompts))))
    means = {
        (warm, cold): (warm * np.array(ANSWERS[WARM]) + cold * np.array(ANSWERS[COLD])) / number
        for warm in range(number + 1) for cold in range(number + 1 - warm)
    }  # fmt: skip
    drawn = [next((counts for counts, mean in means.items() if np.allclose(mean, one, atol=1e-6)), None) for one in found]
    assert None not in drawn
    assert len(set(drawn)) > 1 and (number == 1 or max(map(sum, drawn)) == number)  # type: ignore[arg-type]


def test_shares_of_rationales_are_those_of_the_decoding(encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    """The mean over many rationales is the sum over all of them, each weighed by its probability as it is drawn."""
    number = 1500
    found = np.exp(scripted(encoder, prompts, number=number).ask(prompts[:1], [encoder.answers((1, 2, 3))])[0])
    weights = np.array(list(SHARES.values())) ** (1 / 0.6)
    weights /= weights.sum()
    assert weights[:2].sum() < 0.95 and weights[0] < 0.9 <= weights[:2].sum()  # so WARM and COLD are all that top_p keeps
    warm = weights[0] / weights[:2].sum()
    expected = warm * np.array(ANSWERS[WARM]) + (1 - warm) * np.array(ANSWERS[COLD])
    error = np.sqrt(warm * (1 - warm) / number) * np.abs(np.array(ANSWERS[WARM]) - ANSWERS[COLD])
    assert (np.abs(found - expected) < 4 * error).all()


def test_neither_batch_nor_company_matters_and_the_seed_does(encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    answers = encoder.answers((1, 2, 3))
    whole = scripted(encoder, prompts, number=3).ask(prompts, [answers] * len(prompts))
    for batch in (1, 5):
        np.testing.assert_allclose(
            scripted(encoder, prompts, number=3, batch=batch).ask(prompts[5:12], [answers] * 7), whole[5:12], atol=1e-9
        )
    other = scripted(encoder, prompts, number=3, seed=1).ask(prompts, [answers] * len(prompts))
    assert not np.allclose(np.exp(other), np.exp(whole))


def test_no_room_and_no_answer(encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    answers, longest = encoder.answers((1, 2, 3)), max(map(len, prompts))
    cue = len(encoder.rationales([""])[0])
    narrow = scripted(encoder, prompts, context=longest + cue + 2, number=2)
    long = [prompt for prompt in prompts if len(prompt) == longest]
    found = narrow.ask(long, [answers] * len(long))
    assert np.isneginf(found).all()  # no rationale ends in so few tokens
    probabilities, mass = normalise(np.array(found))
    assert np.isnan(probabilities).all() and (mass == 0).all()
    with pytest.raises(DatasetError, match=rf"(?s)a prompt with its answer has {longest + cue + 2} tokens.*at most {longest + cue + 1}"):
        scripted(encoder, prompts, context=longest + cue + 1).ask(prompts, [answers] * len(prompts))
    assert narrow.ask([], []) == []


def test_texts_are_drawn_behind_rationales_of_their_own(encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    keys = [str(n) for n in range(len(prompts))]
    model = scripted(encoder, prompts)
    texts = model.texts(prompts, keys, 8)
    counts = Counter(text[:1] for some in texts for text in some)
    assert set(counts) >= {"1", "2", "3"}
    assert scripted(encoder, prompts, batch=3).texts(prompts[4:6], keys[4:6], 5) == [some[:5] for some in texts[4:6]]


# --- the parts ---------------------------------------------------------------------------------------------------------------------


def plain(model: Any, encoder: PromptEncoder, prompt: list[int], uniform: Any, decoding: Decoding, room: int) -> str:
    """A text drawn with one whole forward pass for each token and the definition of top_p word by word."""
    ids, kept = list(prompt), ""
    for number in uniform[:room]:
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1].double().numpy()
        shares = np.exp(logits / decoding.temperature - (logits / decoding.temperature).max())
        shares /= shares.sum()
        nucleus, mass = set(), 0.0
        for token in np.argsort(-shares, kind="stable").tolist():
            if mass >= decoding.top_p:
                break
            nucleus.add(token)
            mass += shares[token]
        shares = np.array([share if token in nucleus else 0.0 for token, share in enumerate(shares)])
        token = int(np.searchsorted(np.cumsum(shares), number * shares.sum(), side="right"))
        if token == encoder.end_of_turn:
            break
        ids.append(token)
        kept = encoder.tokenizer.decode(ids[len(prompt) :], skip_special_tokens=True)
        if decoding.until and decoding.until in kept:
            break
    return str(kept)


def test_texts_are_those_of_plain_forward_passes(encoder: PromptEncoder, prompts: list[list[int]]) -> None:
    model = tiny_model(encoder.tokenizer, initializer_range=0.15)
    decoding = Decoding(tokens=24, temperature=0.6, top_p=0.9, until="e")
    some, keys, room = prompts[:6], list("abcdef"), [24, 24, 3, 24, 1, 24]
    draws = Draws(model, encoder, seed=4, batch_size=5, decoding=decoding)
    found = draws.texts(some, keys, 2, room)
    expected = [
        [plain(model, encoder, prompt, draws._uniform(key, draw), decoding, limit) for draw in range(2)]
        for prompt, key, limit in zip(some, keys, room, strict=True)
    ]
    assert found == expected
    ended = [text for texts in found for text in texts if "e" in text]
    assert ended and all(text.index("e") >= 0 for text in ended) and len(ended) < 12


def test_rationale_and_cue_are_encoded_as_for_training(tmp_path: Path) -> None:
    tokens = row_tokens(write_tiny_dataset(tmp_path / "d"))
    text = " I am 34, so 5.\n"
    example = Reasoning(tokens, [text] * len(tokens.head)).example(0)
    rationale = tokens.encoder.rationales([text])[0].tolist()
    assert example.trie.tokens.tolist()[: len(rationale)] == rationale
    assert tokens.encoder.tokenizer.decode(rationale) == f"I am 34, so 5.{PLAIN_CUE}"


# --- a trained model, through the command line -------------------------------------------------------------------------------------

NANO = {"hidden_size": 32, "intermediate_size": 48, "layers": 1, "heads": 2, "vocab_size": 320, "context": 512}


def thought(study: str, sample: int) -> str:
    """One of two rationales for every row."""
    return f" I {'like' if sample // 2 % 2 else 'hate'} tea.\n"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_rationales(write_tiny_dataset(tmp_path_factory.mktemp("thinking") / "dataset"), missing=None, text=thought)


def commanded(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def model(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learned to write one of the two rationales, the cue and an answer."""
    folder = tmp_path_factory.mktemp("thinker")
    settings = {
        "train_on": ["unseen_studies"],
        "nano": NANO,
        "objective": "reasoning",
        "max_steps": 120,
        "batch_size": 32,
        "learning_rate": 1e-2,
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(settings))
    commanded("train", folder / "run.yaml", "--dataset", dataset, "--output", folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def predicted(dataset: Path, model: Path) -> Path:
    out = model.parent / "predictions.parquet"
    commanded("predict", "--model", model, "--dataset", dataset, "--config", "unseen_studies", "--rationales", 3, "--seed", 5, "--out", out)
    return out


def test_predictions_of_a_trained_model(dataset: Path, model: Path, predicted: Path, tmp_path: Path) -> None:
    rows = pq.read_table(predicted).to_pylist()
    metadata = read_metadata(predicted)
    assert metadata["rationales"] == {"number": 3, "temperature": 0.6, "top_p": 0.9, "tokens": 512}
    assert metadata["usage"] == {"rows_not_parsed": sum(not one["parsed"] for one in rows)}
    assert {one["method"] for one in rows} == {"rationales"}
    assert np.mean([one["answer_mass"] for one in rows]) > 0.8  # it has learned to come to an answer
    commanded("score", predicted, "--dataset", dataset, "--out", tmp_path / "results.json")
    run = Results.read_json(tmp_path / "results.json").runs[0]
    assert run.coverage.rows_predicted == len(rows) == 48


def test_they_are_the_mean_of_what_is_behind_each_rationale(dataset: Path, model: Path, predicted: Path) -> None:
    """By plain forward passes behind the two rationales that the model was taught."""
    network, tokenizer = load_model(str(model), "cpu")
    encoder = PromptEncoder(tokenizer)
    rows = {one["sample_id"]: one for one in DatasetFolder(dataset).rows("unseen_studies", "test").to_pylist()}
    checked = 0
    for one in pq.read_table(predicted).to_pylist()[:8]:
        row = rows[one["sample_id"]]
        person = socsci210.prompts.persona({name: value for name, value in row["demographic"].items() if value is not None})
        prompt, answers = encoder.prompt(person, row["stimuli"]), encoder.answers(one["support"])
        with torch.no_grad():
            behind = [
                np.exp([float(whole_log_probability(network, [*prompt, *some], answer)) for answer in answers])
                for some in encoder.rationales([thought("", 0), thought("", 2)])
            ]
        means = [(like * behind[1] + hate * behind[0]) / 3 for like in range(4) for hate in range(4 - like)]
        found = np.array(one["probabilities"]) * one["answer_mass"]
        checked += any(np.allclose(mean, found, atol=1e-5) for mean in means)
    assert checked >= 6  # a rationale that is none of the two may slip in


def test_the_same_bytes_after_a_cut_and_the_same_numbers_in_other_batches(
    dataset: Path, model: Path, predicted: Path, tmp_path: Path
) -> None:
    common: dict[str, Any] = {
        "engine": "transformers", "model": str(model), "dataset": dataset, "config": "unseen_studies", "rationales": 3, "seed": 5,
    }  # fmt: skip
    whole = predict(**common, out=tmp_path / "whole", shard_rows=10)

    def stop(done: int, wanted: int) -> None:
        if done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(**common, out=tmp_path / "cut", shard_rows=10, progress=stop)
    with pytest.raises(DatasetError, match=r"shards of another run \(other rationales"):
        predict(**common | {"rationales": 2}, out=tmp_path / "cut", shard_rows=10)
    assert predict(**common, out=tmp_path / "cut", shard_rows=10).read_bytes() == whole.read_bytes()
    for path in (whole, predict(**common, out=tmp_path / "other", batch_size=5)):
        for one, other in zip(pq.read_table(path).to_pylist(), pq.read_table(predicted).to_pylist(), strict=True):
            assert one["parsed"] == other["parsed"] and one["answer_mass"] == pytest.approx(other["answer_mass"], abs=1e-6)
            if one["parsed"]:
                np.testing.assert_allclose(one["probabilities"], other["probabilities"], atol=1e-6)


def test_asked_from_python(model: Path, dataset: Path, tmp_path: Path) -> None:
    row = DatasetFolder(dataset).rows("unseen_studies", "test").to_pylist()[0]
    person = {name: value for name, value in row["demographic"].items() if value is not None}
    socrates = socsci210.Socrates(model, rationales=3)
    answer = socrates.predict(person, row["stimuli"], (row["scale_min"], row["scale_max"]))
    stored = pq.read_table(socrates.predict_dataset(dataset, "unseen_studies", out=tmp_path / "p")).to_pylist()
    same = next(one for one in stored if one["sample_id"] == row["sample_id"])
    assert answer.answer_mass == pytest.approx(same["answer_mass"], abs=1e-6)
    np.testing.assert_allclose(answer.probabilities, same["probabilities"], atol=1e-6)
    exec(SAMPLE.format(model=model), {"print": lambda *_: None})  # the script of the card, for these models as well


def test_scales_that_cannot_be_enumerated(model: Path, tmp_path: Path) -> None:
    rows = tiny_rows(people=6)
    for row in rows:
        if row["study_id"] == "unseen" and row["task_num"] == 0:
            row["scale_min"] = row["scale_max"] = None
    dataset = write_tiny_dataset(tmp_path / "d", rows)
    out = predict(engine="transformers", model=str(model), dataset=dataset, config="unseen_studies", out=tmp_path / "p", draws=4)
    found = pq.read_table(out).to_pylist()
    assert Counter(one["method"] for one in found) == {"draws": 6, "rationales": 6}
    drawn = [one for one in found if one["method"] == "draws"]
    assert all(len(one["raw"]) == 4 for one in drawn)
    assert np.mean([one["answer_mass"] for one in drawn]) > 0.5 and not any("tea" in text for one in drawn for text in one["raw"])


# --- silence and refusals ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose record says that it writes rationales; being random it never writes the cue, and the context is short."""
    folder, tokenizer = tmp_path_factory.mktemp("silent"), tiny_tokenizer()
    tiny_model(tokenizer, max_position_embeddings=400).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "run_record.json").write_text(json.dumps({"reasoning": True}))
    return folder


def test_rows_without_any_cue_are_unreadable_and_counted(silent: Path, dataset: Path, tmp_path: Path) -> None:
    arguments = ("predict", "--model", silent, "--dataset", dataset, "--config", "unseen_studies", "--per-cell", 1, "--out", tmp_path / "p")
    assert "rows without an answer that could be read: 6" in commanded(*arguments)
    assert read_metadata(tmp_path / "p")["usage"] == {"rows_not_parsed": 6}
    for one in pq.read_table(tmp_path / "p").to_pylist():
        assert (one["support"], one["probabilities"], one["answer_mass"], one["parsed"]) == (None, None, 0.0, False)
    with pytest.raises(DatasetError, match="none of 6 predictions could be read as an answer"):
        score([tmp_path / "p"], dataset, controls=False)
    answer = socsci210.Socrates(silent).predict({"age": 34}, "How warm? Only return 1 to 3.", (1, 3))
    assert answer.answer_mass == 0 and np.isnan(answer.probabilities).all() and np.isnan(answer.mean)
    with pytest.raises(DatasetError, match="no answer can be drawn"):
        answer.draw(0)


def test_a_few_unreadable_rows_are_counted_by_the_score(predicted: Path, dataset: Path, tmp_path: Path) -> None:
    table = pq.read_table(predicted)
    rows = table.to_pylist()
    rows[0] |= {"support": None, "probabilities": None, "answer_mass": 0.0, "parsed": False}
    changed = type(table).from_pylist(rows, table.schema)
    pq.write_table(changed, tmp_path / "p")
    coverage = [score([path], dataset, controls=False).runs[0].coverage for path in (predicted, tmp_path / "p")]
    before = 48 - coverage[0].rows_parsed
    assert coverage[1].left_out["unparsed prediction"] == 48 - coverage[1].rows_parsed == before + 1
    assert coverage[1].parse_rate == pytest.approx((47 - before) / 48)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rationales": 0}, "--rationales 0"),
        ({"engine": "uniform", "model": None, "rationales": 2}, "(?s)uniform: --rationales 2 for a model that answers at once"),
        ({"rationales": 2}, "for a model that answers at once"),
    ],
)
def test_refusals(changes: dict[str, Any], message: str, dataset: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "engine": "transformers",
        "model": str(tmp_path),
        "dataset": dataset,
        "config": "unseen_studies",
        "out": tmp_path / "p",
    }
    with pytest.raises(DatasetError, match=message):
        predict(**given | changes)
    if changes == {"rationales": 2}:
        with pytest.raises(DatasetError, match=message):
            socsci210.Socrates(tmp_path, rationales=2)
